//! What a run came to: for people, and for programs.

use std::fmt::Write as _;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::fault::{Fault, Faults};
use crate::figures::{
    Object, megabytes, percentiles, percentiles_text, ratio, spread, spread_text,
};
use crate::machine::Machine;
use crate::process::Usage;
use crate::scenario::{Load, Scenario};
use crate::transfer::Transferred;

/// The exit status of a run that was interrupted, as shells have it.
pub const INTERRUPTED: u8 = 130;
/// A run, measured.
#[derive(Debug)]
pub struct Report {
    /// Where.
    pub machine: Machine,
    /// What was asked for.
    pub scenario: Scenario,
    /// Sessions that came up.
    pub joined: usize,
    /// How long that took.
    pub join_time: Duration,
    /// From INVITE to 200, in nanoseconds.
    pub invite: Histogram<u64>,
    /// From the 200 to the bound session, in nanoseconds.
    pub bind: Histogram<u64>,
    /// From the cut to the new binding, in nanoseconds.
    pub rejoin: Histogram<u64>,
    /// The measured window.
    pub window: Duration,
    /// Copies that arrived in it.
    pub delivered: u64,
    /// Over the whole run.
    pub sent: u64,
    /// Over the whole run.
    pub delivered_total: u64,
    /// Messages from the rooms themselves.
    pub notices: u64,
    /// From due to delivered, in nanoseconds.
    pub latency: Histogram<u64>,
    /// From due to sent, in nanoseconds, in the open loop.
    pub lateness: Histogram<u64>,
    /// From the first message to the end of the dialog of one that did not read.
    pub cuts: Vec<Duration>,
    /// One large message, where that was asked for.
    pub transferred: Option<Transferred>,
    /// Whether the run was ended early because nothing came any more.
    pub stalled: bool,
    /// Whether it was ended early because somebody asked for that.
    pub interrupted: bool,
    /// The switch over the window.
    pub switch: Option<SwitchUsage>,
    /// This tool over the window.
    pub tool: Usage,
    /// What went wrong.
    pub faults: Faults,
}

/// What the switch used.
#[derive(Debug)]
pub struct SwitchUsage {
    /// Over the window.
    pub usage: Usage,
    /// Resident octets before anybody joined.
    pub resident_before: u64,
    /// Resident octets when all had joined and nothing was sent yet.
    pub resident_joined: u64,
}

impl Report {
    /// The exit status: 0 only for a whole run in which all went well.
    pub fn exit_status(&self) -> u8 {
        match (self.is_clean(), self.interrupted) {
            (false, _) => 1,
            (true, true) => INTERRUPTED,
            (true, false) => 0,
        }
    }

    /// Whether all went well.
    pub fn is_clean(&self) -> bool {
        self.faults.is_clean()
    }

    fn deliveries_per_second(&self) -> f64 {
        ratio(self.delivered as f64, self.window.as_secs_f64())
    }

    fn joins_per_second(&self) -> f64 {
        ratio(self.joined as f64, self.join_time.as_secs_f64())
    }

    /// For people.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let mut line = |label: &str, value: String| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{label:<13}{value}");
        };
        let (machine, scenario) = (&self.machine, &self.scenario);
        line("machine", machine.to_string());
        line(
            "scenario",
            format!(
                "{} rooms of {}, {} senders each, {}, {} octets",
                scenario.rooms,
                scenario.members,
                scenario.senders,
                match scenario.load {
                    Load::Idle => "idle".into(),
                    Load::Closed { window } => format!("{window} in flight per sender"),
                    Load::Open { rate } => format!("{rate} messages/s, open loop"),
                    Load::Transfer { chunk, .. } => format!("one message in chunks of {chunk}"),
                },
                scenario.octets()
            ),
        );
        line(
            "joined",
            format!(
                "{} sessions in {:.2} s, {:.0}/s",
                self.joined,
                self.join_time.as_secs_f64(),
                self.joins_per_second()
            ),
        );
        line("INVITE-200", percentiles_text(&self.invite));
        line("200-bound", percentiles_text(&self.bind));
        if !self.rejoin.is_empty() {
            line(
                "rejoined",
                format!("{} sessions: {}", self.rejoin.len(), percentiles_text(&self.rejoin)),
            );
        }
        line(
            "delivered",
            format!(
                "{} in {:.2} s, {:.0}/s ({} of {} messages in the whole run)",
                self.delivered,
                self.window.as_secs_f64(),
                self.deliveries_per_second(),
                self.delivered_total,
                self.sent
            ),
        );
        line("latency", percentiles_text(&self.latency));
        if !self.lateness.is_empty() {
            line("sent late", percentiles_text(&self.lateness));
        }
        if scenario.stalled > 0 {
            line(
                "slow readers",
                format!(
                    "{} read nothing, {} of them cut: {}",
                    scenario.stalled * scenario.rooms,
                    self.cuts.len(),
                    spread_text(&self.cuts)
                ),
            );
        }
        if let Some(transferred) = &self.transferred {
            line("answered", spread_text(&transferred.answered));
            line(
                "had by",
                format!("{}: {}", transferred.fast.len(), spread_text(&transferred.fast)),
            );
            if scenario.slow.0 > 0 {
                line(
                    "slow readers",
                    format!(
                        "{}: {}; {} given up",
                        transferred.slow.len(),
                        spread_text(&transferred.slow),
                        transferred.given_up
                    ),
                );
            }
        }
        if let Some(switch) = &self.switch {
            let cpu = switch.usage.cpu;
            line(
                "switch",
                format!(
                    "{cpu}, {:.2} us a delivery, {:.0} deliveries a CPU-second",
                    self.microseconds_per_delivery(cpu.total()),
                    self.deliveries_per_cpu_second(cpu.total()),
                ),
            );
            for thread in switch.usage.threads.iter().filter(|thread| !thread.cpu.is_idle()) {
                line("", thread.to_string());
            }
            line(
                "memory",
                format!(
                    "{:.1} MB before the joins, {:.1} MB after, {:.1} MB after the load, \
                     {:.1} MB at most; {:.0} octets a session",
                    megabytes(switch.resident_before),
                    megabytes(switch.resident_joined),
                    megabytes(switch.usage.resident),
                    megabytes(switch.usage.resident_peak),
                    self.octets_per_session(switch)
                ),
            );
        }
        line("this tool", self.tool.cpu.share_of(self.window));
        if self.notices > 0 {
            line("notices", format!("{} messages from the rooms themselves", self.notices));
        }
        if self.interrupted {
            line("interrupted", "ended early, as asked".into());
        }
        if self.stalled {
            line("stalled", "ended early: nothing came any more".into());
        }
        let faults = self.named_faults().map(|(name, times)| format!("{name} {times}"));
        let faults: Vec<_> = faults.collect();
        let faults = if faults.is_empty() { "none".into() } else { faults.join(", ") };
        line("faults", faults);
        text
    }

    /// For programs: one JSON object. Times are in microseconds.
    pub fn to_json(&self) -> String {
        let scenario = &self.scenario;
        let mut load = Object::default();
        load.integer("rooms", scenario.rooms as u64)
            .integer("members", scenario.members as u64)
            .integer("senders", scenario.senders as u64)
            .integer("size", scenario.octets())
            .integer("stalled_members", scenario.stalled as u64)
            .integer("slow_members", scenario.slow.0 as u64)
            .integer("seed", scenario.seed);
        match scenario.load {
            Load::Idle => &mut load,
            Load::Closed { window } => load.integer("window", u64::from(window)),
            Load::Open { rate } => load.number("rate", rate),
            Load::Transfer { chunk, .. } => load.integer("chunk", chunk as u64),
        };
        let mut faults = Object::default();
        for fault in Fault::ALL {
            faults.integer(fault.name(), self.faults.of(fault));
        }
        let mut object = Object::default();
        object
            .object("machine", &self.machine.to_object())
            .object("scenario", &load)
            .flag("clean", self.is_clean())
            .flag("stalled", self.stalled)
            .flag("interrupted", self.interrupted)
            .integer("joined", self.joined as u64)
            .number("join_seconds", self.join_time.as_secs_f64())
            .number("joins_per_second", self.joins_per_second())
            .object("invite_us", &percentiles(&self.invite))
            .object("bind_us", &percentiles(&self.bind))
            .object("rejoin_us", &percentiles(&self.rejoin))
            .number("window_seconds", self.window.as_secs_f64())
            .integer("delivered", self.delivered)
            .number("deliveries_per_second", self.deliveries_per_second())
            .integer("sent_total", self.sent)
            .integer("delivered_total", self.delivered_total)
            .integer("notices", self.notices)
            .object("latency_us", &percentiles(&self.latency))
            .object("sent_late_us", &percentiles(&self.lateness))
            .number("tool_cpu_seconds", self.tool.cpu.total().as_secs_f64());
        object.object("cut_seconds", &spread(&self.cuts));
        if let Some(transferred) = &self.transferred {
            let mut times = Object::default();
            times
                .object("answered_seconds", &spread(&transferred.answered))
                .object("fast_seconds", &spread(&transferred.fast))
                .object("slow_seconds", &spread(&transferred.slow))
                .integer("given_up", transferred.given_up);
            object.object("transfer", &times);
        }
        if let Some(switch) = &self.switch {
            let cpu = switch.usage.cpu;
            let mut threads = Object::default();
            for thread in &switch.usage.threads {
                let mut split = Object::default();
                split
                    .number("user_seconds", thread.cpu.user.as_secs_f64())
                    .number("system_seconds", thread.cpu.system.as_secs_f64());
                threads.object(&format!("{} {}", thread.name, thread.id), &split);
            }
            let mut costs = Object::default();
            costs
                .number("cpu_seconds", cpu.total().as_secs_f64())
                .number("user_seconds", cpu.user.as_secs_f64())
                .number("system_seconds", cpu.system.as_secs_f64())
                .number("us_per_delivery", self.microseconds_per_delivery(cpu.total()))
                .number("deliveries_per_cpu_second", self.deliveries_per_cpu_second(cpu.total()))
                .integer("resident_before", switch.resident_before)
                .integer("resident_joined", switch.resident_joined)
                .integer("resident_after", switch.usage.resident)
                .integer("resident_peak", switch.usage.resident_peak)
                .number("octets_per_session", self.octets_per_session(switch))
                .object("threads", &threads);
            object.object("switch", &costs);
        }
        object.object("faults", &faults);
        object.finish()
    }

    fn named_faults(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let times = |fault: Fault| (fault.name(), self.faults.of(fault));
        Fault::ALL.into_iter().map(times).filter(|&(_, times)| times > 0)
    }

    fn microseconds_per_delivery(&self, cpu: Duration) -> f64 {
        ratio(cpu.as_secs_f64() * 1e6, self.delivered as f64)
    }

    fn deliveries_per_cpu_second(&self, cpu: Duration) -> f64 {
        ratio(self.delivered as f64, cpu.as_secs_f64())
    }

    fn octets_per_session(&self, switch: &SwitchUsage) -> f64 {
        let grown = switch.resident_joined.saturating_sub(switch.resident_before);
        ratio(grown as f64, self.joined as f64)
    }
}
