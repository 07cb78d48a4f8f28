//! What is to be looked at, and when.

use std::{cmp::Reverse, collections::BinaryHeap, time::Instant};

/// Subjects by the time at which they want to be looked at.
///
/// Nothing is ever taken out before its time: who has no business any more says so when looked at.
/// A subject that has several deadlines plans only the first, or it would be in here more and more
/// often.
#[derive(Debug)]
pub struct Agenda<S> {
    items: BinaryHeap<Reverse<(Instant, S)>>,
}

impl<S: Ord> Default for Agenda<S> {
    fn default() -> Self {
        Self { items: BinaryHeap::new() }
    }
}

impl<S: Ord + Copy> Agenda<S> {
    /// Look at `subject` at `time`.
    pub fn add(&mut self, time: Instant, subject: S) {
        self.items.push(Reverse((time, subject)));
    }

    /// The next subject whose time has come.
    pub fn pop(&mut self, now: Instant) -> Option<S> {
        let Reverse((time, _)) = self.items.peek()?;
        if *time > now {
            return None;
        }
        self.items.pop().map(|Reverse((_, subject))| subject)
    }

    /// How many entries there are, those among them that have no business any more.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// When the next one is due.
    pub fn next(&self) -> Option<Instant> {
        self.items.peek().map(|Reverse((time, _))| *time)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Agenda;

    #[test]
    fn subjects_come_up_in_the_order_of_their_times() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut agenda = Agenda::default();
        for seconds in [3, 1, 2] {
            agenda.add(at(seconds), seconds);
        }
        assert_eq!(agenda.next(), Some(at(1)));
        assert_eq!(
            (agenda.pop(at(2)), agenda.pop(at(2)), agenda.pop(at(2))),
            (Some(1), Some(2), None)
        );
        assert_eq!(agenda.next(), Some(at(3)));
    }
}
