//! Sessions that outlive the process (OPS-10): what is noted of them as they change, and how they
//! come back. Dialogs do not; whoever was in one joins again.

use std::{sync::Arc, time::Instant};

use mailbox::{ParticipantId, RoomId, SessionId};

use super::{
    Focus, Output, Subject,
    directory::Place,
    duty::Duty,
    invite::Invitee,
    participant::Originator,
    policy::{Company, Policy},
    room::Room,
    user::UserKey,
    venue::Venue,
};
use crate::{
    config::Profile,
    store::{Change, Founding, Remembered, RememberedMember},
};

impl Focus {
    /// Takes up the sessions of the process before. Each waits for somebody to come back as long as
    /// `timers.restored_session` says. To be called before anything is served, when the groups are
    /// known. One whose room is not provisioned any more is over.
    pub fn handle_remembered(&mut self, now: Instant, sessions: Vec<Remembered>) {
        let until = now + self.config.timers.restored_session;
        for remembered in sessions {
            let Some(venue) = self.venue_of(&remembered) else {
                self.record(|| Change::Closed { session: remembered.session });
                continue;
            };
            let Remembered { session, aliases, guests, members, expelled, departed, marks, .. } =
                remembered;
            let id = RoomId(self.next_id());
            self.agenda.add(until, Subject::Room(id));
            let mut room = Room::restored(id, session, venue, aliases, until);
            room.keeps_members = self.config.profile == Profile::Rcs;
            room.marks = marks;
            room.expel(&expelled);
            room.expiry.begin(now);
            for guest in guests {
                room.welcome(&[guest]);
            }
            for user in departed {
                room.forget_member(&[user]);
            }
            for member in members {
                self.take_up(now, &mut room, member);
            }
            self.hold(room);
            self.check_expiry(now, id);
        }
    }

    /// Where a session of the process before is held, if it still is anywhere. An ad-hoc group is one for
    /// as long as there are such groups, by the rules there are now.
    fn venue_of(&self, remembered: &Remembered) -> Option<Arc<Venue>> {
        if !matches!(self.directory.find(&remembered.session), Place::NoSession) {
            return None;
        }
        let Some(Founding { creator, subject }) = &remembered.founding else {
            let Place::Venue(venue) = self.directory.find(&remembered.room) else { return None };
            return Some(venue);
        };
        let rules = self.config.ad_hoc.as_ref()?;
        let company = Company::of(std::slice::from_ref(creator), rules);
        Some(Arc::new(Venue {
            uri: remembered.session.clone(),
            subject: subject.clone(),
            policy: Arc::new(Policy::AdHoc(Box::new(company))),
            media: Arc::clone(self.directory.media()),
        }))
    }

    /// A member of the session before is one of this, and where members are kept it is missed. Of one
    /// that was there under an alias nobody is to hear the name.
    fn take_up(&mut self, now: Instant, room: &mut Room, member: RememberedMember) {
        let RememberedMember { user, is_anonymous } = member;
        room.welcome(std::slice::from_ref(&user));
        let is_told = room.keeps_members && !is_anonymous;
        let Some(user) = Invitee::of(user.uri()).map(|them| them.user).filter(|_| is_told) else {
            return;
        };
        let (fresh, leg) = (ParticipantId(self.next_id()), SessionId(self.next_id()));
        room.miss(fresh, leg, &user, now, &self.clock);
    }

    /// Has a change remembered, if any are.
    pub(super) fn record(&mut self, change: impl FnOnce() -> Change) {
        if self.config.persist_sessions.is_some() {
            self.outputs.push_back(Output::Record(change()));
        }
    }

    /// Notes that the leg's user is in the session, and under how many aliases users have been.
    pub(super) fn record_joined(&mut self, room: RoomId, leg: SessionId) {
        let Some(room) = self.rooms.get(&room) else { return };
        let Some(participant) = room.holder_of(leg) else { return };
        let (is_anonymous, last) = (participant.is_anonymous, room.aliases());
        let Some(user) = participant.keys.first().cloned() else { return };
        let session = room.identity.clone();
        if is_anonymous {
            let session = session.clone();
            self.record(|| Change::Aliased { session, last });
        }
        self.record(|| Change::Joined { session, user, is_anonymous });
    }

    /// Notes that a user is not in the session any more, and whether it may come back. Whoever is sent
    /// away because the process ends is in it as before.
    pub(super) fn record_gone(&mut self, room: RoomId, keys: &[UserKey]) {
        let Some(room) = self.rooms.get(&room).filter(|_| self.duty != Duty::Stopping) else {
            return;
        };
        let Some(user) = keys.first().cloned() else { return };
        let (session, has_departed) = (room.identity.clone(), room.has_departed(keys));
        let is_guest = matches!(*room.venue.policy, Policy::AdHoc(_));
        self.record(|| match (has_departed, is_guest) {
            (true, _) => Change::Departed { session, user },
            // Nothing else says that it may come back (PUB-14).
            (false, true) => Change::Welcomed { session, user },
            (false, false) => Change::Left { session, user },
        });
    }

    /// Notes that a user who was not to come back may.
    pub(super) fn record_readmitted(&mut self, room: RoomId, user: UserKey) {
        let Some(room) = self.rooms.get(&room) else { return };
        let session = room.identity.clone();
        self.record(|| Change::Left { session, user });
    }

    /// Notes how an ad-hoc group was made, and who may come to its session.
    pub(super) fn record_founded(
        &mut self,
        room: RoomId,
        originator: &Originator,
        guests: &[UserKey],
    ) {
        let Some(room) = self.rooms.get(&room) else { return };
        let (session, subject) = (room.identity.clone(), room.venue.subject.clone());
        let Some(creator) = originator.keys.first().cloned() else { return };
        let founding = Founding { creator, subject };
        self.record(|| Change::Founded { session: session.clone(), founding });
        for user in guests {
            self.record(|| Change::Welcomed { session: session.clone(), user: user.clone() });
        }
    }

    /// Notes what a new session is called by its clients (RCS-01).
    pub(super) fn record_marks(&mut self, room: RoomId) {
        let Some(room) = self.rooms.get(&room).filter(|room| !room.marks.is_empty()) else {
            return;
        };
        let (session, marks) = (room.identity.clone(), room.marks.clone());
        self.record(|| Change::Marked { session, marks });
    }
}
