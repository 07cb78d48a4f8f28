//! Sessions that outlive the process (OPS-10): what is noted of them as they change, and how they
//! come back. Dialogs do not; whoever was in one joins again.

use std::time::Instant;

use mailbox::{RoomId, SessionId};

use super::{Focus, Output, Subject, directory::Place, room::Room, user::UserKey};
use crate::store::{Change, Remembered};

impl Focus {
    /// Takes up the sessions of the process before. Each waits for somebody to come back as long as
    /// `timers.restored_session` says. To be called before anything is served, when the groups are
    /// known. One whose room is not provisioned any more is over.
    pub fn handle_remembered(&mut self, now: Instant, sessions: Vec<Remembered>) {
        let until = now + self.config.timers.restored_session;
        for Remembered { session, room, aliases, expelled, .. } in sessions {
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
            room.expel(&expelled);
            room.expiry.begin(now);
            self.hold(room);
            self.check_expiry(now, id);
        }
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
        self.record(|| Change::Joined { session, user });
    }

    /// Notes that users are not in the session any more. Whoever is sent away because the process
    /// ends is in it as before.
    pub(super) fn record_left(&mut self, room: RoomId, user: UserKey) {
        let Some(room) = self.rooms.get(&room).filter(|_| !self.is_stopping) else { return };
        let session = room.identity.clone();
        self.record(|| Change::Left { session, user });
    }
}
