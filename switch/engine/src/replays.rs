//! What was completely received on sessions that have failed. Who comes back on a new session may not
//! know that it was, and say it again (CHAT-30, RFC 4975 section 5.4).
//!
//! A Message-ID is kept as 16 hash and time octets. What is remembered is this core's: a participant
//! whose next session lives on another core may be heard twice there.

use std::{
    collections::{HashMap, VecDeque},
    hash::{DefaultHasher, Hasher},
    time::Instant,
};

use mailbox::{ParticipantId, RoomId};

use crate::limits::{REPLAY_PARTICIPANTS_MAX, REPLAY_REMEMBERED, REPLAYS_MAX};

/// One user in one room.
type Who = (RoomId, ParticipantId);

/// The Message-IDs that were completely received on one session, the newest [`REPLAYS_MAX`].
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// The oldest first.
    messages: VecDeque<(Instant, u64)>,
}

impl Received {
    /// All of a message is there.
    pub(crate) fn note(&mut self, now: Instant, message_id: &[u8]) {
        if self.messages.len() >= REPLAYS_MAX {
            self.messages.pop_front();
        }
        self.messages.push_back((now, digest(message_id)));
    }
}

/// What participants have said completely on sessions that failed: of the [`REPLAY_PARTICIPANTS_MAX`]
/// whose sessions failed last.
#[derive(Debug, Default)]
pub(crate) struct Replays {
    received: HashMap<Who, (Instant, Received)>,
    /// In the order in which their sessions failed. Who is in it twice is kept until the second time.
    order: VecDeque<(Instant, Who)>,
}

impl Replays {
    /// A session of this participant has failed.
    pub(crate) fn keep(&mut self, now: Instant, who: Who, mut received: Received) {
        self.forget_old(now);
        if received.messages.is_empty() {
            return;
        }
        if let Some((_, before)) = self.received.remove(&who) {
            let room = REPLAYS_MAX - received.messages.len();
            for message in before.messages.into_iter().rev().take(room) {
                received.messages.push_front(message);
            }
        }
        self.received.insert(who, (now, received));
        self.order.push_back((now, who));
        if self.order.len() > REPLAY_PARTICIPANTS_MAX {
            self.forget_oldest();
        }
    }

    /// Whether the participant has said this completely on a session that failed.
    pub(crate) fn knows(&self, now: Instant, who: Who, message_id: &[u8]) -> bool {
        let Some((_, received)) = self.received.get(&who) else { return false };
        let digest = digest(message_id);
        let is_it = |&(at, it): &(Instant, u64)| {
            it == digest && now.saturating_duration_since(at) < REPLAY_REMEMBERED
        };
        received.messages.iter().any(is_it)
    }

    fn forget_old(&mut self, now: Instant) {
        while let Some(&(at, _)) = self.order.front()
            && now.saturating_duration_since(at) >= REPLAY_REMEMBERED
        {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((at, who)) = self.order.pop_front()
            && self.received.get(&who).is_some_and(|&(kept, _)| kept == at)
        {
            self.received.remove(&who);
        }
    }
}

/// 64 bits of a Message-ID. Who makes two that have the same deceives nobody but itself.
fn digest(message_id: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(message_id);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use mailbox::{ParticipantId, RoomId};

    use super::{REPLAY_PARTICIPANTS_MAX, REPLAYS_MAX, Received, Replays};

    fn who(number: u64) -> (RoomId, ParticipantId) {
        (RoomId(1), ParticipantId(number))
    }

    /// What is remembered is bounded for each participant and in all, and goes in its time.
    #[test]
    fn what_failed_sessions_have_said_takes_little_memory() {
        let start = Instant::now();
        let minute = Duration::from_secs(60);
        let mut replays = Replays::default();
        let mut received = Received::default();
        for number in 0..=REPLAYS_MAX {
            received.note(start, number.to_string().as_bytes());
        }
        assert_eq!(received.messages.len(), REPLAYS_MAX);
        replays.keep(start, who(1), received);
        assert!(replays.knows(start, who(1), b"1") && !replays.knows(start, who(1), b"0"));
        assert!(!replays.knows(start, who(2), b"1"));

        let mut more = Received::default();
        more.note(start + minute, b"more");
        replays.keep(start + minute, who(1), more);
        assert!(!replays.knows(start + minute, who(1), b"1"), "there is room for so many");
        assert!(replays.knows(start + 9 * minute, who(1), b"2"));
        assert!(!replays.knows(start + 10 * minute, who(1), b"2"));
        assert!(replays.knows(start + 10 * minute, who(1), b"more"));

        for number in 0..2 * REPLAY_PARTICIPANTS_MAX as u64 {
            let mut received = Received::default();
            received.note(start + 12 * minute, b"m");
            replays.keep(start + 12 * minute, who(number), received);
        }
        assert_eq!(replays.order.len(), REPLAY_PARTICIPANTS_MAX);
        assert!(replays.received.len() <= REPLAY_PARTICIPANTS_MAX);
        replays.keep(start + 22 * minute, who(1), Received::default());
        assert_eq!((replays.order.len(), replays.received.len()), (0, 0));
    }
}
