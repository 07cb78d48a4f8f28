//! What a run came to: for people, and for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::ledger::{Refreshes, Rejoins};
use super::options::Options;
use crate::figures::{Object, megabytes, percentiles, percentiles_text, ratio};
use crate::machine::Machine;
use crate::process::Usage;

/// A run, measured.
#[derive(Debug)]
pub struct Report {
    /// Where.
    pub machine: Machine,
    /// What was asked for.
    pub options: Options,
    /// Users who joined for the first time.
    pub joined: u64,
    /// Those who could not.
    pub join_failures: u64,
    /// From the first of them to the last.
    pub join_time: Duration,
    /// How long attempts were begun.
    pub window: Duration,
    /// The rejoins.
    pub rejoins: Rejoins,
    /// The refreshes.
    pub refreshes: Refreshes,
    /// The switch from the beginning of the window to its last answer.
    pub switch: Option<Usage>,
    /// Resident octets of the switch when all had joined.
    pub resident: Option<u64>,
    /// This tool over the same time.
    pub tool: Usage,
}

impl Report {
    /// The exit status: 0 only if every attempt came to its end.
    pub fn exit_status(&self) -> u8 {
        u8::from(!self.is_clean())
    }

    /// Whether every attempt came to its end.
    pub fn is_clean(&self) -> bool {
        self.join_failures + self.rejoins.failed() + self.refreshes.failed() == 0
    }

    fn per_second(&self, count: u64) -> f64 {
        ratio(count as f64, self.window.as_secs_f64())
    }

    /// For people.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let mut line = |label: &str, value: String| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{label:<17}{value}");
        };
        let Self { machine, options, rejoins, refreshes, .. } = self;
        line("machine", machine.to_string());
        line(
            "scenario",
            format!(
                "{} rooms of {}, a crowd of {}; {} rejoins/s and {} refreshes/s for {} s, open loop",
                options.rooms,
                options.members,
                options.crowd,
                options.rate,
                options.refreshes,
                options.seconds
            ),
        );
        line(
            "joined",
            format!(
                "{} users in {:.2} s, {} failed",
                self.joined,
                self.join_time.as_secs_f64(),
                self.join_failures
            ),
        );
        if rejoins.begun > 0 {
            let done = rejoins.begun - rejoins.failed();
            line("rejoined", format!("{done}, {:.0}/s", self.per_second(done)));
            line("  outcomes", listed(&rejoins.outcomes));
            line("  due-200", percentiles_text(&rejoins.due_to_ok));
            line("  INVITE-200", percentiles_text(&rejoins.invite_to_ok));
            line("  200-bound", percentiles_text(&rejoins.ok_to_bound));
            line("  SUBSCR-NOTIFY", percentiles_text(&rejoins.subscribe_to_notify));
            line("  begun late by", percentiles_text(&rejoins.lateness));
        }
        if refreshes.begun > 0 {
            let done = refreshes.begun - refreshes.failed();
            line("refreshed", format!("{done}, {:.0}/s", self.per_second(done)));
            line("  outcomes", listed(&refreshes.outcomes));
            line("  due-200", percentiles_text(&refreshes.due_to_ok));
        }
        if let Some(switch) = &self.switch {
            for thread in switch.threads.iter().filter(|thread| !thread.cpu.is_idle()) {
                line("switch", thread.to_string());
            }
            line(
                "memory",
                format!(
                    "{:.1} MB when all had joined, {:.1} MB after, {:.1} MB at most",
                    megabytes(self.resident.unwrap_or_default()),
                    megabytes(switch.resident),
                    megabytes(switch.resident_peak)
                ),
            );
        }
        line("this tool", self.tool.cpu.share_of(self.window));
        text
    }

    /// For programs: one JSON object. Times are in microseconds.
    pub fn to_json(&self) -> String {
        let Self { machine, options, rejoins, refreshes, .. } = self;
        let mut scenario = Object::default();
        scenario
            .integer("rooms", options.rooms as u64)
            .integer("members", options.members as u64)
            .integer("crowd", options.crowd as u64)
            .number("rate", options.rate)
            .number("refreshes", options.refreshes);
        let mut object = Object::default();
        object
            .object("machine", &machine.to_object())
            .object("scenario", &scenario)
            .flag("clean", self.is_clean())
            .integer("joined", self.joined)
            .integer("join_failed", self.join_failures)
            .number("window_seconds", self.window.as_secs_f64())
            .integer("rejoins", rejoins.begun)
            .integer("rejoin_failed", rejoins.failed())
            .object("rejoin_outcomes", &counted(&rejoins.outcomes))
            .object("due_ok_us", &percentiles(&rejoins.due_to_ok))
            .object("invite_ok_us", &percentiles(&rejoins.invite_to_ok))
            .object("ok_bound_us", &percentiles(&rejoins.ok_to_bound))
            .object("subscribe_notify_us", &percentiles(&rejoins.subscribe_to_notify))
            .object("late_us", &percentiles(&rejoins.lateness))
            .integer("refreshes", refreshes.begun)
            .integer("refresh_failed", refreshes.failed())
            .object("refresh_outcomes", &counted(&refreshes.outcomes))
            .object("refresh_due_ok_us", &percentiles(&refreshes.due_to_ok))
            .number("tool_cpu_seconds", self.tool.cpu.total().as_secs_f64());
        if let Some(switch) = &self.switch {
            let mut threads = Object::default();
            for thread in &switch.threads {
                let name = format!("{} {}", thread.name, thread.id);
                threads.number(&name, thread.cpu.total().as_secs_f64());
            }
            object
                .object("switch_cpu_seconds", &threads)
                .integer("resident_joined", self.resident.unwrap_or_default())
                .integer("resident_after", switch.resident);
        }
        object.finish()
    }
}

fn listed(outcomes: &BTreeMap<String, u64>) -> String {
    let outcomes: Vec<String> =
        outcomes.iter().map(|(outcome, times)| format!("{outcome}: {times}")).collect();
    outcomes.join("; ")
}

fn counted(outcomes: &BTreeMap<String, u64>) -> Object {
    let mut object = Object::default();
    for (outcome, times) in outcomes {
        object.integer(outcome, *times);
    }
    object
}
