//! Sessions that outlive the process (OPS-10): what is noted of them as they change, and how they
//! come back. Dialogs do not; whoever was in one joins again.

use std::time::Instant;

use mailbox::{ParticipantId, RoomId, SessionId};

use super::{Focus, Output, Subject, directory::Place, invite::Invitee, room::Room, user::UserKey};
use crate::{
    config::Profile,
    store::{Change, Remembered, RememberedMember},
};

impl Focus {
    /// Takes up the sessions of the process before. Each waits for somebody to come back as long as
    /// `timers.restored_session` says. To be called before anything is served, when the groups are
    /// known. One whose room is not provisioned any more is over.
    pub fn handle_remembered(&mut self, now: Instant, sessions: Vec<Remembered>) {
        let until = now + self.config.timers.restored_session;
        for remembered in sessions {
            let Remembered { session, room, aliases, members, expelled, departed, marks } =
                remembered;
            let venue = match self.directory.find(&room) {
                Place::Venue(venue)
                    if matches!(self.directory.find(&session), Place::NoSession) =>
                {
                    venue
                }
                _ => {
                    self.record(|| Change::Closed { session });
                    continue;
                }
            };
            let id = RoomId(self.next_id());
            self.agenda.add(until, Subject::Room(id));
            let mut room = Room::restored(id, session, venue, aliases, until);
            room.keeps_members = self.config.profile == Profile::Rcs;
            room.marks = marks;
            room.expel(&expelled);
            room.expiry.begin(now);
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
        room.miss(fresh, leg, &user, self.clock.utc(now));
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
        let Some(room) = self.rooms.get(&room).filter(|_| !self.is_stopping) else { return };
        let Some(user) = keys.first().cloned() else { return };
        let (session, has_departed) = (room.identity.clone(), room.has_departed(keys));
        self.record(|| {
            if has_departed {
                Change::Departed { session, user }
            } else {
                Change::Left { session, user }
            }
        });
    }

    /// Notes that a user who was not to come back may.
    pub(super) fn record_readmitted(&mut self, room: RoomId, user: UserKey) {
        let Some(room) = self.rooms.get(&room) else { return };
        let session = room.identity.clone();
        self.record(|| Change::Left { session, user });
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
