//! When a request is sent again, and when it is given up (RFC 3261 sections 17.1.1.2 and
//! 17.1.2.2). Pure: it is told the time.

use std::time::{Duration, Instant};

/// The round-trip time that all of SIP assumes.
const T1: Duration = Duration::from_millis(500);
/// The longest pause between two copies of a request other than INVITE.
const T2: Duration = Duration::from_secs(4);
/// Timers B and F: 64 times T1, after which nobody will answer.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(32);

/// The copies of one request over an unreliable transport.
#[derive(Clone, Copy, Debug)]
pub struct Retransmission {
    again: Option<Instant>,
    pause: Duration,
    pause_max: Duration,
    deadline: Instant,
}

impl Retransmission {
    /// An INVITE sent `now`. A reliable transport needs no second copy.
    pub fn invite(now: Instant, reliable: bool) -> Self {
        Self::new(now, reliable, ANSWER_TIMEOUT, ANSWER_TIMEOUT)
    }

    /// Any other request sent `now`, given up after `patience`.
    pub fn request(now: Instant, reliable: bool, patience: Duration) -> Self {
        Self::new(now, reliable, T2, patience.min(ANSWER_TIMEOUT))
    }

    fn new(now: Instant, reliable: bool, pause_max: Duration, patience: Duration) -> Self {
        let again = (!reliable).then_some(now + T1);
        Self { again, pause: T1, pause_max, deadline: now + patience }
    }

    /// A provisional response: the request has arrived.
    pub fn settle(&mut self) {
        self.again = None;
    }

    /// When something is next to be done.
    pub fn wake(&self) -> Instant {
        self.again.map_or(self.deadline, |again| again.min(self.deadline))
    }

    /// Time has come to `now`. Returns whether to send once more; `None` is to give up.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<bool> {
        if now >= self.deadline {
            return None;
        }
        let due = self.again.is_some_and(|again| again <= now);
        if due {
            self.pause = (self.pause * 2).min(self.pause_max);
            self.again = Some(now + self.pause);
        }
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Retransmission;

    fn copies(mut timer: Retransmission, start: Instant) -> (Vec<u128>, u128) {
        let mut copies = Vec::new();
        loop {
            let now = timer.wake();
            let at = (now - start).as_millis();
            match timer.handle_timeout(now) {
                Some(again) => assert!(again),
                None => return (copies, at),
            }
            copies.push(at);
        }
    }

    #[test]
    fn an_invite_is_sent_seven_times_at_growing_distances() {
        let now = Instant::now();
        let expected = vec![500, 1500, 3500, 7500, 15_500, 31_500];
        assert_eq!(copies(Retransmission::invite(now, false), now), (expected, 32_000));
    }

    #[test]
    fn other_requests_are_never_more_than_four_seconds_apart() {
        let now = Instant::now();
        let timer = Retransmission::request(now, false, Duration::from_secs(20));
        let expected = vec![500, 1500, 3500, 7500, 11_500, 15_500, 19_500];
        assert_eq!(copies(timer, now), (expected, 20_000));
    }

    #[test]
    fn a_stream_needs_no_second_copy_and_neither_does_what_has_arrived() {
        let now = Instant::now();
        assert_eq!(copies(Retransmission::invite(now, true), now), (vec![], 32_000));
        let mut timer = Retransmission::invite(now, false);
        timer.settle();
        assert_eq!(copies(timer, now), (vec![], 32_000));
    }
}
