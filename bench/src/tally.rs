//! The same thing done by many: at an even pace, a bounded number at once, and counted.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::figures;

/// Dialogs being made or ended at once. It bounds what a slow focus has to remember of us, and
/// what we put on the network again while it does not answer.
const IN_FLIGHT_MAX: usize = 64;

/// Why something came to nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Setback {
    why: String,
    /// It took all the time there was. The next attempt would, too.
    silent: bool,
}

impl Setback {
    /// The other side said no, or said nonsense.
    pub fn told(why: impl fmt::Display) -> Self {
        Self { why: why.to_string(), silent: false }
    }

    /// The other side said nothing.
    pub fn silence(to: &str) -> Self {
        Self { why: format!("no answer: {to}"), silent: true }
    }
}

impl fmt::Display for Setback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

/// What many attempts came to.
#[derive(Debug)]
pub struct Tally {
    /// How long each took that succeeded, in nanoseconds.
    pub times: Histogram<u64>,
    /// Why the others failed, and how many.
    pub failures: BTreeMap<String, u64>,
    /// From the first to the last.
    pub took: Duration,
    silent: bool,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            times: figures::histogram(),
            failures: BTreeMap::new(),
            took: Duration::ZERO,
            silent: false,
        }
    }
}

impl Tally {
    /// How many failed.
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    fn add(&mut self, outcome: Result<Duration, Setback>) {
        match outcome {
            Ok(took) => self.times.saturating_record(took.as_nanos() as u64),
            Err(Setback { why, silent }) => {
                self.silent |= silent;
                *self.failures.entry(why).or_default() += 1;
            }
        }
    }

    /// Waits for one of those under way. Returns whether there was one.
    async fn wait(&mut self, under_way: &mut JoinSet<Result<Duration, Setback>>) -> bool {
        let Some(done) = under_way.join_next().await else { return false };
        self.add(done.unwrap_or_else(|panic| Err(Setback::told(panic))));
        true
    }
}

/// Begins the same for everybody, one every `pace`. Once the other side has been silent, no more
/// are begun: each would wait as long, and a run has to end.
pub async fn all<T, F>(
    items: impl Iterator<Item = T>,
    pace: Duration,
    mut begin: impl FnMut(T) -> F,
) -> Tally
where
    F: Future<Output = Result<Duration, Setback>> + 'static,
{
    let begun = Instant::now();
    let mut tally = Tally::default();
    let mut under_way = JoinSet::new();
    // An interval must not be empty; one this short is none.
    let mut pace = interval(pace.max(Duration::from_nanos(1)));
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for item in items {
        if tally.silent {
            tally.add(Err(Setback::told("not tried any more")));
            continue;
        }
        pace.tick().await;
        while under_way.len() >= IN_FLIGHT_MAX && tally.wait(&mut under_way).await {}
        under_way.spawn_local(begin(item));
    }
    while tally.wait(&mut under_way).await {}
    tally.took = begun.elapsed();
    tally
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;
    use std::time::Duration;

    use super::{IN_FLIGHT_MAX, Setback, Tally, all};

    /// So many attempts, each of them made by `attempt` from its number.
    fn attempts(count: u32, attempt: fn(u32) -> Result<Duration, Setback>) -> (Tally, u32) {
        let tried = Rc::new(Cell::new(0));
        let counted = Rc::clone(&tried);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let tally = tokio::task::LocalSet::new().block_on(
            &runtime,
            all(0..count, Duration::ZERO, move |number| {
                counted.set(counted.get() + 1);
                async move { attempt(number) }
            }),
        );
        (tally, tried.get())
    }

    #[test]
    fn refusals_are_counted_by_their_words_and_stop_nobody() {
        let (tally, tried) = attempts(1000, |number| match number % 4 {
            0 => Err(Setback::told("486")),
            1 => Err(Setback::told("403")),
            _ => Ok(Duration::from_millis(1)),
        });
        assert_eq!((tried, tally.failed(), tally.times.len()), (1000, 500, 500));
        assert_eq!((tally.failures["486"], tally.failures["403"]), (250, 250));
    }

    #[test]
    fn after_a_silence_nobody_else_is_made_to_wait_but_all_are_accounted_for() {
        let (tally, tried) = attempts(1000, |_| Err(Setback::silence("INVITE")));
        assert!(tried as usize <= 2 * IN_FLIGHT_MAX, "{tried}");
        assert_eq!(tally.failed(), 1000);
    }
}
