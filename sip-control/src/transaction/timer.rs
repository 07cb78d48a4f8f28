//! How long things take, and which is next.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// The base timers of RFC 3261 section 17.1.1.1, and what follows from them (OPS-13).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Timers {
    /// An estimate of the round trip; the first retransmission comes after it.
    pub t1: Duration,
    /// The longest interval between retransmissions.
    pub t2: Duration,
    /// How long a message stays in the network.
    pub t4: Duration,
    /// An INVITE that is not answered in this time gets a 100 (RFC 3261 section 17.2.1).
    pub trying: Duration,
    /// How long a client waits, under provisional responses, for a final one. RFC 3261 sets no
    /// end to it; a proxy would (Timer C, section 16.6), and so do we.
    pub proceeding_max: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            trying: Duration::from_millis(200),
            proceeding_max: Duration::from_mins(3),
        }
    }
}

impl Timers {
    /// 64*T1: Timers B, F, H, J, L and M, and the wait for an ACK.
    pub fn patience(&self) -> Duration {
        self.t1 * 64
    }
}

/// When something is sent again, if it has to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Resend {
    pub(super) at: Instant,
    interval: Duration,
}

impl Resend {
    /// First after T1.
    pub(super) fn new(now: Instant, timers: &Timers) -> Self {
        Self { at: now + timers.t1, interval: timers.t1 }
    }

    /// After T2 from now on: how a request is repeated that has been heard (Timer E in Proceeding).
    pub(super) fn slow(now: Instant, timers: &Timers) -> Self {
        Self { at: now + timers.t2, interval: timers.t2 }
    }

    /// The next interval is twice the last, but no longer than `cap`.
    pub(super) fn again(&mut self, now: Instant, cap: Duration) {
        self.interval = (self.interval * 2).min(cap);
        self.at = now + self.interval;
    }
}

/// The due times of many transactions. Who moves his time leaves the old entry behind, and has to
/// know it for old when it comes up.
#[derive(Debug)]
pub(super) struct TimerQueue<K> {
    heap: BinaryHeap<Reverse<(Instant, K)>>,
}

impl<K: Ord + Copy> TimerQueue<K> {
    pub(super) fn new() -> Self {
        Self { heap: BinaryHeap::new() }
    }

    pub(super) fn push(&mut self, at: Instant, key: K) {
        self.heap.push(Reverse((at, key)));
    }

    /// The earliest entry, if it is due.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(Instant, K)> {
        let Reverse((at, key)) = *self.heap.peek()?;
        if at > now {
            return None;
        }
        self.heap.pop();
        Some((at, key))
    }

    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }
}
