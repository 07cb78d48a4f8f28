//! What is on its way to one session, and whether it is too much (FLOW-01, FLOW-02).

use std::time::Instant;

use crate::{
    Counters, Limits,
    batch::Change,
    deadlines::Deadlines,
    route::{Session, SessionKey},
    slots::Slots,
};

/// Above so much of the soft limit a session is congested, and below so much of it no more.
const CONGESTED_PERCENT: usize = 80;
const RELIEVED_PERCENT: usize = 50;

/// Which sessions are congested, and for how long.
#[derive(Debug)]
pub(crate) struct Watch {
    /// The soft limit of a session, in octets.
    soft: usize,
    /// Those that have become so, until a clock is at hand.
    news: Vec<SessionKey>,
    /// Those that are so no more, until they are told what they missed (FLOW-08).
    relieved: Vec<SessionKey>,
    since: Deadlines<Session>,
}

impl Watch {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            soft: limits.session_queue_bytes_soft,
            news: Vec::new(),
            relieved: Vec::new(),
            since: Deadlines::new(limits.congestion_max),
        }
    }

    /// There is more or less on its way to a session.
    pub(crate) fn note(
        &mut self,
        sessions: &mut Slots<Session>,
        counters: &mut Counters,
        change: Change,
    ) {
        let Some(session) = sessions.get_mut(change.session) else { return };
        match session.backlog.change(change.more, change.less, self.soft) {
            None => {}
            Some(Swing::Congested) => {
                counters.sessions_congested += 1;
                self.news.push(change.session);
            }
            Some(Swing::Relieved) => {
                self.since.clear(change.session);
                self.relieved.push(change.session);
            }
        }
    }

    /// From now on those that have become congested are timed.
    pub(crate) fn start(&mut self, now: Instant, sessions: &Slots<Session>) {
        for key in self.news.drain(..) {
            if sessions.get(key).is_some_and(|it| it.backlog.is_congested()) {
                self.since.set(now, key);
            }
        }
    }

    /// Those that are congested no more, since the last time.
    pub(crate) fn relieved(&mut self) -> Vec<SessionKey> {
        std::mem::take(&mut self.relieved)
    }

    /// It is to be told when nothing is under way that it would interrupt.
    pub(crate) fn tell_later(&mut self, session: SessionKey) {
        self.relieved.push(session);
    }

    /// The session is no more.
    pub(crate) fn forget(&mut self, session: SessionKey) {
        self.since.clear(session);
    }

    /// One that has been congested for too long.
    pub(crate) fn expired(&mut self, now: Instant) -> Option<SessionKey> {
        self.since.expired(now)
    }

    /// When to ask for one.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.since.next()
    }
}

/// Octets accepted for a session that the kernel has not taken. Shared bodies count in full.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    octets: usize,
    is_congested: bool,
}

/// That a session has become congested, or is so no more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Swing {
    Congested,
    Relieved,
}

impl Backlog {
    pub(crate) fn octets(&self) -> usize {
        self.octets
    }

    pub(crate) fn is_congested(&self) -> bool {
        self.is_congested
    }

    /// It has grown and shrunk by so many octets.
    pub(crate) fn change(&mut self, more: usize, less: usize, soft: usize) -> Option<Swing> {
        self.octets = (self.octets + more).saturating_sub(less);
        if self.is_congested && self.octets < soft / 100 * RELIEVED_PERCENT {
            self.is_congested = false;
            return Some(Swing::Relieved);
        }
        if !self.is_congested && self.octets > soft / 100 * CONGESTED_PERCENT {
            self.is_congested = true;
            return Some(Swing::Congested);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{Backlog, Swing};

    /// FLOW-02: the flag is set above 80 % of the soft limit and cleared below 50 %.
    #[test]
    fn congestion_begins_late_and_ends_early() {
        let mut backlog = Backlog::default();
        let mut change = |more, less| (backlog.change(more, less, 1000), backlog.octets());
        assert_eq!(change(800, 0), (None, 800));
        assert_eq!(change(1, 0), (Some(Swing::Congested), 801));
        assert_eq!(change(5000, 0), (None, 5801));
        assert_eq!(change(0, 5301), (None, 500));
        assert_eq!(change(0, 1), (Some(Swing::Relieved), 499));
        assert_eq!(change(301, 0), (None, 800));
    }
}
