//! A bound on how often something may happen.

use std::time::{Duration, Instant};

/// When the last `N` things of a kind happened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recent<const N: usize> {
    /// The oldest is at `next`.
    times: [Option<Instant>; N],
    next: usize,
}

impl<const N: usize> Default for Recent<N> {
    fn default() -> Self {
        Self { times: [None; N], next: 0 }
    }
}

impl<const N: usize> Recent<N> {
    /// Whether it may happen now, so that there are never more than `N` within `window`. It has
    /// happened then.
    pub(crate) fn admit(&mut self, now: Instant, window: Duration) -> bool {
        let oldest = &mut self.times[self.next];
        if oldest.is_some_and(|then| now.duration_since(then) < window) {
            return false;
        }
        *oldest = Some(now);
        self.next = (self.next + 1) % N;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Recent;

    #[test]
    fn no_window_has_more_than_there_may_be() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut recent = Recent::<2>::default();
        let mut admit = |tenths: u32| recent.admit(start + tenths * second / 10, second);
        assert!(admit(0) && admit(9) && !admit(9));
        assert!(admit(10) && !admit(18) && admit(19) && !admit(19));
    }
}
