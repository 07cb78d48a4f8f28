//! How busy a core is, told when it changes (sip/OPS-01).

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// What is looked back at.
const WINDOW: Duration = Duration::from_millis(100);

/// Percent by which it has to change to be told.
const STEP: u8 = 5;

/// The share of its CPU that a thread uses. An idle one is not woken to say so twice.
#[derive(Debug)]
pub struct Load {
    begun: Instant,
    /// What the thread had used then.
    used: Duration,
    told: u8,
}

impl Load {
    /// Looks at the calling thread from now on.
    pub fn new(now: Instant) -> Self {
        Self { begun: now, used: used(), told: 0 }
    }

    /// Percent of the time since the last look, if there is something new to tell.
    pub fn take(&mut self, now: Instant) -> Option<u8> {
        let passed = now.saturating_duration_since(self.begun);
        if passed < WINDOW {
            return None;
        }
        let used = used();
        let percent = share(used.saturating_sub(self.used), passed);
        (self.begun, self.used) = (now, used);
        let is_news = percent.abs_diff(self.told) >= STEP;
        is_news.then(|| {
            self.told = percent;
            percent
        })
    }

    /// When to look again, although nothing may have happened: whoever was told that it is busy has
    /// to hear that it is not any more.
    pub fn next(&self) -> Option<Instant> {
        (self.told > 0).then(|| self.begun + WINDOW)
    }
}

fn share(used: Duration, passed: Duration) -> u8 {
    let percent = used.as_nanos() * 100 / passed.as_nanos().max(1);
    percent.min(100) as u8
}

/// What the calling thread has used of its CPU.
fn used() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = Duration::from_secs(time.tv_sec.unsigned_abs());
    seconds + Duration::from_nanos(time.tv_nsec.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Load, WINDOW, share};

    #[test]
    fn a_share_is_a_percentage() {
        let second = Duration::from_secs(1);
        assert_eq!(share(second / 2, second), 50);
        assert_eq!(share(second * 2, second), 100, "clocks differ");
        assert_eq!(share(second, Duration::ZERO), 100);
    }

    #[test]
    fn only_what_changes_is_told() {
        let now = Instant::now();
        let mut load = Load::new(now);
        assert_eq!((load.take(now), load.next()), (None, None));
        // Told to have been busy, an idle thread takes it back, once.
        load.told = 90;
        assert_eq!(load.next(), Some(now + WINDOW));
        let later = now + Duration::from_secs(3600);
        assert_eq!(load.take(later), Some(0));
        assert_eq!((load.take(later + WINDOW), load.next()), (None, None));
    }
}
