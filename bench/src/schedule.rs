//! The open loop: when each message is due, and who sends it. Pure: it is told the time.
//!
//! The schedule never waits for the switch. A message that is sent late because the switch, or
//! this tool, fell behind is still timed from when it was due, so a stall shows in every message
//! that it held up.

use std::ops::Range;

use crate::content::Random;

/// Messages at even distances, dealt over all senders in a seeded order.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Senders in the order in which they take turns.
    turns: Vec<Turn>,
    /// Messages per second.
    rate: f64,
    /// When message 0 is due, and from when on none is.
    span: Range<u64>,
    /// The number of the next message.
    next: u64,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Turn {
    /// The room.
    pub room: usize,
    /// The sender: its place in the room.
    pub sender: usize,
}

impl Schedule {
    /// Within `span` (nanoseconds), `rate` messages per second by the first `senders` members of each
    /// of `rooms` rooms.
    pub fn new(rooms: usize, senders: usize, rate: f64, span: Range<u64>, seed: u64) -> Self {
        let mut turns: Vec<_> = (0..senders)
            .flat_map(|sender| (0..rooms).map(move |room| Turn { room, sender }))
            .collect();
        let mut random = Random::new(seed);
        for place in (1..turns.len()).rev() {
            turns.swap(place, (random.next() % (place as u64 + 1)) as usize);
        }
        Self { turns, rate, span, next: 0 }
    }

    /// When the next message is due.
    #[expect(clippy::cast_sign_loss, reason = "a count over a positive rate")]
    pub fn due(&self) -> u64 {
        self.span.start + (self.next as f64 * 1e9 / self.rate) as u64
    }

    /// Whether nothing more will be due.
    pub fn is_over(&self) -> bool {
        self.due() >= self.span.end
    }

    /// The next message, if it is due by `now`: when it was, and whose it is.
    pub fn pop(&mut self, now: u64) -> Option<(u64, Turn)> {
        let due = self.due();
        if due > now || self.is_over() {
            return None;
        }
        let turn = self.turns[(self.next % self.turns.len() as u64) as usize];
        self.next += 1;
        Some((due, turn))
    }
}

#[cfg(test)]
mod tests {
    use super::Schedule;

    fn drain(schedule: &mut Schedule, now: u64) -> Vec<u64> {
        std::iter::from_fn(|| schedule.pop(now)).map(|(due, _)| due).collect()
    }

    #[test]
    fn messages_are_due_at_even_distances() {
        let mut schedule = Schedule::new(3, 1, 1000.0, 5_000_000..u64::MAX, 1);
        assert_eq!(drain(&mut schedule, 4_999_999), []);
        assert_eq!(drain(&mut schedule, 7_000_000), [5_000_000, 6_000_000, 7_000_000]);
        assert_eq!(schedule.due(), 8_000_000);
    }

    #[test]
    fn what_was_missed_keeps_the_time_at_which_it_was_due() {
        let mut schedule = Schedule::new(1, 1, 10_000.0, 0..u64::MAX, 1);
        let late = drain(&mut schedule, 1_000_000_000);
        assert_eq!(late.len(), 10_001);
        assert_eq!(late[5000], 500_000_000);
    }

    #[test]
    fn what_was_due_before_the_end_is_sent_however_late_it_has_become() {
        let mut schedule = Schedule::new(1, 1, 1000.0, 0..3_000_000, 1);
        assert_eq!(drain(&mut schedule, 1_500_000), [0, 1_000_000]);
        assert!(!schedule.is_over());
        assert_eq!(drain(&mut schedule, 9_000_000), [2_000_000]);
        assert!(schedule.is_over());
    }

    #[test]
    fn every_sender_has_its_turn_before_any_has_a_second() {
        let mut schedule = Schedule::new(5, 2, 1e9, 0..u64::MAX, 42);
        let mut turns: Vec<_> = (0..10).map(|now| schedule.pop(now).unwrap().1).collect();
        let again: Vec<_> = (10..20).map(|now| schedule.pop(now).unwrap().1).collect();
        assert_eq!(turns, again);
        turns.sort_by_key(|turn| (turn.room, turn.sender));
        turns.dedup();
        assert_eq!(turns.len(), 10);
    }

    #[test]
    fn an_hour_at_a_steady_rate_does_not_drift() {
        let mut schedule = Schedule::new(1, 1, 3.0, 0..u64::MAX, 1);
        schedule.next = 3 * 3600;
        assert_eq!(schedule.due(), 3600 * 1_000_000_000);
    }
}
