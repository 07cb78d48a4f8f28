//! Calling members who are not there when something is said (RCS-08).
//!
//! No core tells of messages unasked, so the focus asks while somebody could be called: as often as a
//! member would not mind to wait, and only for rooms that have such members.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use mailbox::RoomId;

use super::{
    Focus, Subject,
    invite::{Invitation, Invitee},
    participant::Participant,
};

/// How often a room is asked for.
const LOOK: Duration = Duration::from_secs(1);

impl Focus {
    /// Looks for messages in a room from now on, if there is anybody who is to be called for one.
    pub(super) fn watch_for_messages(&mut self, now: Instant, id: RoomId) {
        let recalls = self.config.recalls_members;
        let Some(room) = self.rooms.get_mut(&id).filter(|_| recalls) else { return };
        let has_missing = room.missing().next().is_some();
        if has_missing && room.asks_at.is_none_or(|at| at <= now) {
            let at = now + LOOK;
            room.asks_at = Some(at);
            self.agenda.add(at, Subject::Room(id));
        }
    }

    /// Whether it is time to ask when a room was last spoken in.
    pub(super) fn is_to_ask(&mut self, now: Instant, id: RoomId) -> bool {
        let room = self.rooms.get_mut(&id);
        room.is_some_and(|room| room.asks_at.take_if(|at| *at <= now).is_some())
    }

    /// A room was last spoken in then: members who have not been there since are called, each no more
    /// often than [`Timers::recall`](crate::config::Timers::recall) says.
    pub(super) fn recall_members(&mut self, now: Instant, id: RoomId, last: Option<Instant>) {
        let pause = self.config.timers.recall;
        let recalls = self.config.recalls_members;
        let Some(room) = self.rooms.get_mut(&id).filter(|_| recalls) else { return };
        let mut invitees = Vec::new();
        for member in room.missing_mut() {
            let Some(absence) = &mut member.absence else { continue };
            let is_news = last.is_some_and(|last| last > absence.heard);
            let may_call = absence.called_at.is_none_or(|at| at + pause <= now);
            if is_news && may_call {
                (absence.called_at, absence.heard) = (Some(now), now);
                invitees.extend(member.keys.first().and_then(|key| Invitee::of(key.uri())));
            }
        }
        let invitation = Arc::new(Invitation::default());
        for invitee in invitees {
            self.invite(now, id, invitee, Arc::clone(&invitation), None);
        }
        self.watch_for_messages(now, id);
    }
}

/// Whether somebody is a member who is not there, and whom a call would not give away.
pub fn is_missing(member: &Participant) -> bool {
    member.absence.is_some() && member.legs.is_empty() && !member.is_anonymous
}
