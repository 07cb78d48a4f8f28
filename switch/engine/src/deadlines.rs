//! Timers of fixed length. Everything one queue times takes equally long, so the order in which
//! timers are set is the order in which they expire: setting one is a push, the next to expire is
//! the front. An entry is never taken back: whoever it wakes asks whether it still matters.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Timers of one length for things named `K`.
#[derive(Debug)]
pub(crate) struct Deadlines<K> {
    length: Duration,
    queue: VecDeque<(Instant, K)>,
}

impl<K> Deadlines<K> {
    pub(crate) fn new(length: Duration) -> Self {
        Self { length, queue: VecDeque::new() }
    }

    /// Wakes `key` one length from now.
    pub(crate) fn set(&mut self, now: Instant, key: K) {
        self.queue.push_back((now + self.length, key));
    }

    /// The next to expire.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.queue.front().map(|&(at, _)| at)
    }

    /// One that has expired.
    pub(crate) fn expired(&mut self, now: Instant) -> Option<K> {
        self.queue.pop_front_if(|&mut (at, _)| at <= now).map(|(_, key)| key)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Deadlines;

    #[test]
    fn deadlines_expire_in_the_order_they_were_set_and_not_before() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut deadlines = Deadlines::new(10 * second);
        deadlines.set(start, 'a');
        deadlines.set(start + second, 'b');
        assert_eq!(deadlines.next(), Some(start + 10 * second));
        assert_eq!(deadlines.expired(start + 9 * second), None);
        assert_eq!(deadlines.expired(start + 10 * second), Some('a'));
        assert_eq!(deadlines.expired(start + 10 * second), None);
        assert_eq!(deadlines.expired(start + 11 * second), Some('b'));
        assert_eq!(deadlines.next(), None);
    }
}
