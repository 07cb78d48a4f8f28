//! Telling many of one change, a few at a time (NTF-09).
//!
//! A room may have more watchers than anybody else can wait for. So a change only notes who has to hear
//! of it; they are told in turns, and between two turns everything else has its own.

use std::{collections::VecDeque, time::Instant};

use mailbox::RoomId;

use super::{Focus, subscription::SubscriptionId};

/// Watchers that are told in one turn. A document is written in some 10 us, the largest in a
/// millisecond: a joiner elsewhere waits for no more than a few of those.
const TURN_MAX: usize = 16;

/// Who has to hear of something.
#[derive(Debug, Default)]
pub struct Tidings {
    /// In the order of the changes. A watcher is in it once, and so is a room.
    waiting: VecDeque<Tiding>,
    /// Since when there is anything.
    since: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
enum Tiding {
    /// It may have something to hear.
    For(SubscriptionId),
    /// All that were to hear of a change of this room have.
    Told(RoomId),
}

impl Tidings {
    /// When the next turn is due: at once, if there is one.
    pub fn due(&self) -> Option<Instant> {
        self.since
    }

    /// Whether nobody waits to be told of anything.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn push(&mut self, now: Instant, tiding: Tiding) {
        self.since.get_or_insert(now);
        self.waiting.push_back(tiding);
    }

    fn pop(&mut self) -> Option<Tiding> {
        let next = self.waiting.pop_front();
        self.since = self.since.filter(|_| !self.waiting.is_empty());
        next
    }
}

impl Focus {
    /// The roster has changed: everybody who watches is told, as soon as it is their turn and they may be
    /// (FOC-34).
    pub(super) fn notify_watchers(&mut self, now: Instant, room_id: RoomId) {
        let Some(room) = self.rooms.get_mut(&room_id) else { return };
        if room.watchers.is_empty() {
            return self.forget_departures(room_id);
        }
        let is_noted = std::mem::replace(&mut room.has_tidings, true);
        let watchers = room.watchers.clone();
        for watcher in watchers {
            self.notify_in_turn(now, watcher);
        }
        if !is_noted {
            self.tidings.push(now, Tiding::Told(room_id));
        }
    }

    /// A watcher may have something to hear.
    pub(super) fn notify_in_turn(&mut self, now: Instant, id: SubscriptionId) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        if !std::mem::replace(&mut subscription.is_waiting, true) {
            self.tidings.push(now, Tiding::For(id));
        }
    }

    /// The next turn.
    pub(super) fn spread_tidings(&mut self, now: Instant) {
        for _ in 0..TURN_MAX {
            match self.tidings.pop() {
                Some(Tiding::For(id)) => {
                    if let Some(subscription) = self.subscriptions.get_mut(&id) {
                        subscription.is_waiting = false;
                        self.tell(now, id);
                    }
                }
                Some(Tiding::Told(room_id)) => {
                    if let Some(room) = self.rooms.get_mut(&room_id) {
                        room.has_tidings = false;
                        self.forget_departures(room_id);
                    }
                }
                None => return,
            }
        }
    }
}
