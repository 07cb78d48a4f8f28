//! Groups whose documents change while their sessions run.

use std::{sync::Arc, time::Instant};

use mailbox::RoomId;

use super::{
    Focus,
    order::Order,
    policy::Policy,
    subscription::{Ending, SubscriptionId},
    venue::Venue,
};
use crate::{group::Groups, offer_answer::RoomMedia};

impl Focus {
    /// These are the groups from now on (POL-18). Whoever is in a session stays, and under the name
    /// it has there. Whoever watches one only by a right that is gone is told so, and a session
    /// whose group is gone ends.
    pub fn handle_groups(&mut self, now: Instant, groups: &Groups) {
        self.directory.set_groups(groups);
        let mut rooms: Vec<RoomId> = self.rooms.keys().copied().collect();
        rooms.sort_unstable();
        for room_id in rooms {
            let Some(room) = self.rooms.get(&room_id) else { continue };
            match self.directory.documented(&room.venue).cloned() {
                Some(venue) => self.rehouse(now, room_id, venue),
                None if matches!(*room.venue.policy, Policy::Documented(_)) => {
                    self.end_room(now, room_id, Ending::NoResource);
                }
                None => {}
            }
        }
    }

    /// Puts a session under the rules of `venue`.
    pub(super) fn rehouse(&mut self, now: Instant, room_id: RoomId, venue: Arc<Venue>) {
        let at = self.clock.utc(now);
        let Some(room) = self.rooms.get_mut(&room_id) else { return };
        let (before, after) = (Arc::clone(&room.venue.policy), Arc::clone(&venue.policy));
        let terms = |media: &RoomMedia| (media.size_max, media.policy.clone());
        let amended = terms(&venue.media);
        let is_amended = terms(&room.venue.media) != amended;
        room.set_venue(venue);
        let has_lost = |id: &SubscriptionId| {
            self.subscriptions.get(id).is_some_and(|watcher| {
                let keys = &watcher.keys;
                let could_watch = before.may_watch(keys, at) && !after.may_watch(keys, at);
                could_watch && !room.is_connected(keys)
            })
        };
        let lost: Vec<SubscriptionId> = room.watchers.iter().copied().filter(has_lost).collect();
        for watcher in lost {
            self.end_subscription(now, watcher, Ending::Rejected);
        }
        if is_amended {
            let (size_max, policy) = amended;
            self.order(Order::Amend { room: room_id, size_max, policy });
        }
        self.notify_watchers(now, room_id);
        self.check_expiry(now, room_id);
    }
}
