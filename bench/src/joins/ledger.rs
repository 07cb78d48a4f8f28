//! What became of every attempt.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::figures::histogram;
use crate::peer::sip::Moments;

/// An attempt that came to its end, step by step.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// When it was to begin.
    pub due: Instant,
    /// The SIP side of it.
    pub moments: Moments,
    /// The 200 to the binding SEND was read.
    pub bound: Instant,
    /// The first NOTIFY was read, if one was asked for.
    pub notified: Option<Instant>,
}

/// Everything that was counted.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Those that came to their end, in the order in which they did.
    pub attempts: Vec<Attempt>,
    /// All rejoins.
    pub rejoins: Rejoins,
    /// All refreshes.
    pub refreshes: Refreshes,
}

/// What many rejoins came to. Times are in nanoseconds.
#[derive(Debug)]
pub struct Rejoins {
    /// Begun.
    pub begun: u64,
    /// Final status codes with the texts of their Warnings, and what failed otherwise.
    pub outcomes: BTreeMap<String, u64>,
    /// From when it was due to the INVITE, which is how late this tool was.
    pub lateness: Histogram<u64>,
    /// From when it was due to the 200.
    pub due_to_ok: Histogram<u64>,
    /// From the INVITE to the 200.
    pub invite_to_ok: Histogram<u64>,
    /// From the 200 to the bound session.
    pub ok_to_bound: Histogram<u64>,
    /// From the SUBSCRIBE to the first NOTIFY.
    pub subscribe_to_notify: Histogram<u64>,
}

/// What many refreshes came to. Times are in nanoseconds.
#[derive(Debug)]
pub struct Refreshes {
    /// Begun.
    pub begun: u64,
    /// Final status codes, and what failed otherwise.
    pub outcomes: BTreeMap<String, u64>,
    /// From when it was due to the 200.
    pub due_to_ok: Histogram<u64>,
}

/// What an attempt is counted as that came to its end.
pub const DONE: &str = "200";

impl Default for Rejoins {
    fn default() -> Self {
        Self {
            begun: 0,
            outcomes: BTreeMap::new(),
            lateness: histogram(),
            due_to_ok: histogram(),
            invite_to_ok: histogram(),
            ok_to_bound: histogram(),
            subscribe_to_notify: histogram(),
        }
    }
}

impl Default for Refreshes {
    fn default() -> Self {
        Self { begun: 0, outcomes: BTreeMap::new(), due_to_ok: histogram() }
    }
}

impl Ledger {
    /// An attempt has come to its end. `subscribed` is when its SUBSCRIBE was sent.
    pub fn rejoined(&mut self, attempt: Attempt, subscribed: Option<Instant>) {
        let Attempt { due, moments, bound, notified } = attempt;
        let rejoins = &mut self.rejoins;
        *rejoins.outcomes.entry(DONE.to_owned()).or_default() += 1;
        record(&mut rejoins.lateness, due, moments.sent);
        record(&mut rejoins.due_to_ok, due, moments.answered);
        record(&mut rejoins.invite_to_ok, moments.sent, moments.answered);
        record(&mut rejoins.ok_to_bound, moments.answered, bound);
        if let Some((subscribed, notified)) = subscribed.zip(notified) {
            record(&mut rejoins.subscribe_to_notify, subscribed, notified);
        }
        self.attempts.push(attempt);
    }

    /// A refresh was answered.
    pub fn refreshed(&mut self, due: Instant, answered: Instant) {
        *self.refreshes.outcomes.entry(DONE.to_owned()).or_default() += 1;
        record(&mut self.refreshes.due_to_ok, due, answered);
    }
}

impl Rejoins {
    /// Those that did not come to their end.
    pub fn failed(&self) -> u64 {
        self.begun - self.outcomes.get(DONE).copied().unwrap_or_default()
    }
}

impl Refreshes {
    /// Those that were not answered 200.
    pub fn failed(&self) -> u64 {
        self.begun - self.outcomes.get(DONE).copied().unwrap_or_default()
    }
}

fn record(times: &mut Histogram<u64>, from: Instant, to: Instant) {
    times.saturating_record(to.saturating_duration_since(from).as_nanos() as u64);
}

/// Writes one line per attempt: when it was due in seconds since the window began, and each step in
/// microseconds since then. A step that was not taken is left empty.
pub fn write(path: &Path, begun: Instant, attempts: &[Attempt]) -> io::Result<()> {
    let mut file = io::BufWriter::new(std::fs::File::create(path)?);
    writeln!(file, "due_s,invite_us,provisional_us,ok_us,ack_us,bound_us,notify_us")?;
    for Attempt { due, moments, bound, notified } in attempts {
        let since = |at: Instant| at.saturating_duration_since(*due).as_micros().to_string();
        let due = due.checked_duration_since(begun).unwrap_or(Duration::ZERO);
        writeln!(
            file,
            "{:.6},{},{},{},{},{},{}",
            due.as_secs_f64(),
            since(moments.sent),
            moments.provisional.map(since).unwrap_or_default(),
            since(moments.answered),
            since(moments.acknowledged),
            since(*bound),
            notified.map(since).unwrap_or_default()
        )?;
    }
    file.flush()
}
