//! What is to be looked at, and when.

use std::{cmp::Reverse, collections::BinaryHeap, time::Instant};

/// Subjects by the time at which they want to be looked at.
///
/// Nothing is ever taken out before its time: who has no business any more says so when looked at.
/// So a subject may be in it several times, once per deadline it ever had.
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

    /// When the next one is due.
    pub fn next(&self) -> Option<Instant> {
        self.items.peek().map(|Reverse((time, _))| *time)
    }
}
