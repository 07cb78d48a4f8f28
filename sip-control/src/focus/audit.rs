//! Whether the books of the focus agree with one another. Simulations ask after every step; nobody
//! else has to.

use std::collections::HashMap;

use mailbox::{RoomId, SessionId};

use super::{
    Focus,
    leg::{Leg, Media, Phase},
    participant::Standing,
    room::Room,
    subscription::Owed,
};

impl Focus {
    /// Holds the books against one another: seats and legs, legs and dialogs, dialogs and
    /// subscriptions, sessions of rooms and their names. It takes as long as there is much of it.
    ///
    /// # Panics
    ///
    /// When two of them disagree. The message says which.
    pub fn audit(&self) {
        self.rooms.values().for_each(|room| self.audit_room(room));
        self.legs.values().for_each(|leg| self.audit_leg(leg));
        for (route, session) in &self.routes {
            let exchange = self.legs.get(session).and_then(Leg::connected).map(|it| &it.exchange);
            let is_used = exchange.is_some_and(|exchange| {
                exchange.route == *route
                    || exchange.retiring.is_some_and(|retiring| retiring.route == *route)
                    || exchange.change().is_some_and(|change| change.route == *route)
                    || exchange.relocation.is_some_and(|relocation| relocation.route == *route)
            });
            assert!(is_used, "{route:?} is of {session:?}, which does not use it");
        }
        for (id, usages) in self.dialogs.iter() {
            let leg = usages.leg.map(|leg| self.legs.contains_key(&leg));
            assert_ne!(leg, Some(false), "{id:?} has a leg that is gone");
            assert!(usages.is_used(), "{id:?} is used for nothing");
            for subscription in &usages.subscriptions {
                assert!(self.subscriptions.contains_key(subscription), "{subscription:?} is gone");
            }
            for referral in &usages.referrals {
                assert!(self.referrals.contains_key(referral), "{referral:?} is gone");
            }
        }
        for (id, subscription) in &self.subscriptions {
            let usages = self.dialogs.get(&subscription.dialog);
            let has_dialog = usages.is_some_and(|usages| usages.subscriptions.contains(id));
            assert!(has_dialog, "{id:?} has no dialog");
            let is_watched = match self.rooms.get(&subscription.room) {
                Some(room) => room.watchers.contains(id),
                None => matches!(subscription.owed, Some(Owed::Last(_))),
            };
            assert!(is_watched, "{id:?} watches nothing");
        }
        assert_eq!(self.directory.sessions(), self.rooms.len(), "every session has a name");
    }

    /// Of each session: how many users are on seats, and how many seats there are. They are too few only
    /// where they have become fewer (OPS-12).
    pub(crate) fn seats(&self) -> impl Iterator<Item = (RoomId, usize, usize)> {
        self.rooms.values().map(|room| {
            let seats = room.venue.policy.seats(&self.config.limits);
            (room.id, room.seated().count(), seats)
        })
    }

    fn audit_room(&self, room: &Room) {
        for participant in room.participants() {
            assert!(!participant.legs.is_empty(), "{:?} is there without a leg", participant.id);
            for seat in &participant.legs {
                let leg = self.legs.get(&seat.leg).expect("a seat is that of a leg");
                assert_eq!((leg.room, leg.participant), (room.id, participant.id));
                let is_as_told = match seat.standing {
                    Standing::Invited { .. } => matches!(leg.phase, Phase::Inviting(_)),
                    Standing::Seated => matches!(leg.phase, Phase::Installing(_)),
                    Standing::Connected { .. } => matches!(leg.phase, Phase::Connected(_)),
                };
                assert!(is_as_told, "{:?} is not {:?}", seat.leg, seat.standing);
            }
        }
        for watcher in &room.watchers {
            assert!(self.subscriptions.contains_key(watcher), "{watcher:?} is gone");
        }
    }

    fn audit_leg(&self, leg: &Leg) {
        let seat = self.rooms.get(&leg.room).and_then(|room| room.holder_of(leg.session));
        let has_left = matches!(leg.phase, Phase::Parting { .. });
        let holder = seat.map(|participant| participant.id);
        let due = (!has_left).then_some(leg.participant);
        assert_eq!(holder, due, "the seat of {:?}", leg.session);
        let dialog = match &leg.phase {
            Phase::Connected(connected) => &connected.dialog,
            Phase::Parting { dialog, .. } => dialog,
            // A dialog that is early may be known already, and need not.
            Phase::Installing(_) | Phase::Inviting(_) => return,
        };
        let usages = self.dialogs.get(dialog);
        let has_dialog = usages.is_some_and(|usages| usages.leg == Some(leg.session));
        assert!(has_dialog, "{:?} has no dialog", leg.session);
    }

    /// The sessions that the media plane may have, each with whether it has to have it.
    pub(crate) fn media_sessions(&self) -> HashMap<SessionId, bool> {
        let of_legs = self.legs.values().filter_map(|leg| match &leg.phase {
            Phase::Installing(_) | Phase::Inviting(_) => Some((leg.session, true)),
            Phase::Connected(connected) => match connected.media {
                Media::Awaited | Media::Bound => Some((connected.exchange.route, true)),
                // One that was never reached may be gone there already.
                Media::Lost { .. } => Some((connected.exchange.route, false)),
                Media::Held => None,
            },
            Phase::Parting { .. } => None,
        });
        let retiring = self.legs.values().filter_map(|leg| leg.connected()?.exchange.retiring);
        let others = self.routes.keys().copied().chain(retiring.map(|retiring| retiring.route));
        others.map(|route| (route, false)).chain(of_legs).collect()
    }

    /// How many entries there are in each of the books, by their names.
    pub(crate) fn holdings(&self) -> Vec<(&'static str, usize)> {
        vec![
            ("sessions of rooms", self.rooms.len()),
            ("legs", self.legs.len()),
            ("routes", self.routes.len()),
            ("subscriptions", self.subscriptions.len()),
            ("referrals", self.referrals.len()),
            ("dialogs", self.dialogs.iter().count()),
            ("invites", self.invites.len()),
            ("calls", self.calls.len()),
            ("requests", self.requests.len()),
            ("agenda", self.agenda.len()),
            ("charging vectors", self.vectors.len()),
        ]
    }
}
