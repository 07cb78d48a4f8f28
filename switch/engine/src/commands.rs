//! What the focus asks: sessions and rooms come, change and go. Every command is idempotent, and
//! its answer is given again when it is repeated.

use std::{sync::Arc, time::Instant};

use mailbox::{
    Command, CoreId, CoreSet, Epoch, Event, FailureCause, InstallRefusal, News, Rights, RoomId,
    RoomTerms, Route, SessionId,
};
use msrp::UriBuf;

use crate::{
    connection::Chunk,
    core::{Core, Draining},
    fanout::Portion,
    message::Refusal,
    room::{Room, RoomKey},
    route::{Binding, Session, SessionKey},
};

impl Core {
    /// Does what the focus asks.
    pub fn handle_command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Install { session, epoch, route } => {
                self.install(now, session, epoch, *route);
            }
            Command::Activate { session, epoch } => self.activate(now, session, epoch),
            Command::Connect { session, epoch, remote } => {
                self.connect(now, session, epoch, *remote);
            }
            Command::Policy { epoch, rights } => self.change_rights(epoch, rights),
            Command::Remove { session, epoch } => self.remove(now, session, epoch),
            Command::Close { room, epoch } => self.close_room(now, room, epoch),
            Command::Spread { room, epoch, cores } => self.spread(&room, epoch, cores),
            Command::Inquire { room } => self.tell_heard(room),
            Command::Forsake { core } => self.forsake(now, core),
            Command::Drain => self.drain(),
        }
    }

    fn install(&mut self, now: Instant, id: SessionId, epoch: Epoch, route: Route) {
        if let Some(session) = self.session_by_id(id) {
            let path = session.uri.clone();
            self.events.push_back(Event::Installed { session: id, epoch, path });
            return;
        }
        let refusal = if self.draining != Draining::No {
            Some(InstallRefusal::Draining)
        } else if self.sessions.is_full() || self.is_crowded(&route) {
            Some(InstallRefusal::Full)
        } else {
            None
        };
        let room = if refusal.is_none() { self.room_with(&route.room) } else { None };
        let Some(room) = room else {
            let reason = refusal.unwrap_or(InstallRefusal::Full);
            self.events.push_back(Event::Refused { session: id, epoch, reason });
            return;
        };
        let path = self.mint_uri();
        let session_id = path.as_uri().session_id().unwrap_or_default().into();
        let session = Session::new(id, epoch, room, route, path.clone());
        let Ok(key) = self.sessions.insert(session) else { return };
        self.sessions_by_id.insert(id, key);
        self.sessions_by_uri.insert(session_id, key);
        if let Some(room) = self.rooms.get_mut(room) {
            room.sessions.push(key);
        }
        self.timers.unbound_sessions.set(now, key);
        self.events.push_back(Event::Installed { session: id, epoch, path });
    }

    /// Whether a room, or a participant in it, has all the sessions here that it may have (LIM-04).
    fn is_crowded(&self, route: &Route) -> bool {
        let room = self.rooms_by_id.get(&route.room.id).and_then(|&key| self.rooms.get(key));
        room.is_some_and(|room| {
            let own = |key: &&SessionKey| {
                self.sessions.get(**key).is_some_and(|it| it.participant == route.participant)
            };
            room.sessions.len() >= self.limits.room_sessions_max
                || room.sessions.iter().filter(own).count() >= self.limits.participant_sessions_max
        })
    }

    /// A session URI that was never handed out before (URI-14).
    fn mint_uri(&mut self) -> UriBuf {
        let id = self.mint.session_id(self.config.id);
        let uri = format!("msrp://{}/{id};tcp", self.config.authority);
        UriBuf::parse(uri.as_bytes()).expect("the authority was checked with the configuration")
    }

    fn activate(&mut self, now: Instant, id: SessionId, epoch: Epoch) {
        if let Some(key) = self.applicable(id, epoch) {
            if let Some(session) = self.sessions.get_mut(key) {
                session.active = true;
            }
            self.confirm_nickname(now, key);
            self.admit(key);
        }
    }

    /// The session is a recipient from now on, if all it takes has happened (CTRL-03).
    pub(crate) fn admit(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get(key) else { return };
        let Some(peer) = session.recipient() else { return };
        if let Some(room) = self.rooms.get_mut(session.room)
            && !room.recipients.contains(&key)
        {
            room.recipients.push(key);
            if room.terms.policy.greeting && peer.media.chatroom.is_none() {
                self.uninformed.push(key);
            }
        }
        self.list(key);
    }

    fn change_rights(&mut self, epoch: Epoch, rights: Rights) {
        match rights {
            Rights::Peer(id, media) => {
                if let Some(key) = self.applicable(id, epoch) {
                    if let Some(session) = self.sessions.get_mut(key) {
                        session.meet(*media);
                    }
                    self.admit(key);
                }
            }
            Rights::Terms(terms) => {
                let key = self.rooms_by_id.get(&terms.id).copied();
                if let Some(room) = key.and_then(|key| self.rooms.get_mut(key)) {
                    if epoch >= room.epoch {
                        room.epoch = epoch;
                        room.terms = terms;
                    } else {
                        self.counters.commands_stale += 1;
                    }
                }
            }
        }
    }

    fn remove(&mut self, now: Instant, id: SessionId, epoch: Epoch) {
        if let Some(&key) = self.sessions_by_id.get(&id) {
            self.end_session(now, key);
        }
        self.events.push_back(Event::Removed { session: id, epoch });
    }

    fn close_room(&mut self, now: Instant, id: RoomId, epoch: Epoch) {
        if let Some(&key) = self.rooms_by_id.get(&id) {
            let sessions = self.rooms.get(key).map(|room| room.sessions.clone());
            for session in sessions.unwrap_or_default() {
                if let Some(id) = self.sessions.get(session).map(|session| session.id) {
                    self.end_session(now, session);
                    self.events.push_back(Event::Removed { session: id, epoch });
                }
            }
            self.forget_room(key);
        }
        self.events.push_back(Event::Closed { room: id, epoch });
    }

    fn spread(&mut self, terms: &Arc<RoomTerms>, epoch: Epoch, cores: CoreSet) {
        let id = terms.id;
        if let Some(key) = self.room_with(terms)
            && let Some(room) = self.rooms.get_mut(key)
        {
            if epoch >= room.epoch {
                room.epoch = epoch;
                let others =
                    |core: &CoreId| *core != self.config.id && core.index() < self.config.cores;
                let known = room.cores;
                room.cores = cores.iter().filter(others).collect();
                for core in room.cores.iter().filter(|&core| !known.contains(core)) {
                    self.describe(key, core);
                }
            } else {
                self.counters.commands_stale += 1;
            }
            self.forget_idle_room(key);
        }
        self.events.push_back(Event::Spread { room: id, epoch });
    }

    /// On the home core: notes when a room was last spoken in, for who asks (sip/LEAVE-08).
    pub(crate) fn hear(&mut self, now: Instant, key: RoomKey, portion: &Portion<'_>) {
        if let Some(room) = self.rooms.get_mut(key)
            && room.terms.home == self.config.id
            && matches!(portion, Portion::Open { .. })
        {
            room.heard_at = Some(now);
        }
    }

    fn tell_heard(&mut self, id: RoomId) {
        let room = self.rooms_by_id.get(&id).and_then(|&key| self.rooms.get(key));
        let last = room.and_then(|room| room.heard_at);
        self.events.push_back(Event::Heard { room: id, last });
    }

    fn drain(&mut self) {
        if self.draining == Draining::No {
            let connections: Vec<_> = self.connections.iter().map(|(id, _)| id).collect();
            for id in connections {
                self.close_after_flush(id);
            }
        }
        self.draining = Draining::Yes;
        self.check_drained();
    }

    /// Ends a session: its own unfinished messages and those on their way to it (CTRL-05).
    fn end_session(&mut self, now: Instant, key: SessionKey) {
        self.end_naming(now, key);
        let of_session = |chunk: &Chunk| chunk.session == key;
        self.answer_unfinished_chunk(key, of_session, Refusal::NoSuchSession);
        self.abandon(key);
        let Some(session) = self.sessions.remove(key) else { return };
        self.sessions_by_id.remove(&session.id);
        if let Some(session_id) = session.uri.as_uri().session_id() {
            self.sessions_by_uri.remove(session_id);
        }
        if let Some(connection) = session.binding.place() {
            self.unbind(now, connection, key);
        }
        if let Some(room) = self.rooms.get_mut(session.room) {
            room.sessions.retain(|&it| it != key);
        }
        self.forget_idle_room(session.room);
    }

    /// The session is dead but the focus does not know yet: its URI answers 481 until it is
    /// removed (CONN-07). Nothing more is written to it, not even the end of what it was being sent.
    pub(crate) fn fail_session(&mut self, now: Instant, key: SessionKey, cause: FailureCause) {
        self.end_naming(now, key);
        let Some(session) = self.sessions.get_mut(key) else { return };
        let connection = session.binding.place();
        if std::mem::replace(&mut session.binding, Binding::Failed) == Binding::Failed {
            return;
        }
        self.counters.sessions_failed += 1;
        self.events.push_back(Event::Failed { session: session.id, cause });
        let received = std::mem::take(&mut session.received);
        if let Some(room) = self.rooms.get(session.room) {
            self.replays.keep(now, (room.terms.id, session.participant), received);
        }
        self.abandon(key);
        if let Some(connection) = connection {
            if let Some(it) = self.connections.get_mut(connection) {
                it.outbox.forget(key);
            }
            self.unbind(now, connection, key);
        }
    }

    /// Takes a session out of the fan-out and ends what it was sending and what it was being sent.
    fn abandon(&mut self, key: SessionKey) {
        self.strike(key);
        self.abort_copies_to(key);
        self.clear_timers(key);
        let Some(session) = self.sessions.get_mut(key) else { return };
        if let Some(room) = self.rooms.get_mut(session.room) {
            room.recipients.retain(|&it| it != key);
        }
        self.abort_messages_of(key);
    }

    /// The room with these terms, made if it was not known. `None` when there is no slot for it.
    fn room_with(&mut self, terms: &Arc<RoomTerms>) -> Option<RoomKey> {
        if let Some(&key) = self.rooms_by_id.get(&terms.id) {
            return Some(key);
        }
        let key = self.rooms.insert(Room::new(Arc::clone(terms))).ok()?;
        self.rooms_by_id.insert(terms.id, key);
        if terms.home != self.config.id {
            self.publish(key, News::Serving);
        }
        Some(key)
    }

    pub(crate) fn forget_idle_room(&mut self, key: RoomKey) {
        if self.rooms.get(key).is_some_and(Room::is_idle) {
            self.forget_room(key);
        }
    }

    /// Forgets a room without sessions. Other cores will hear no more of what is in flight.
    fn forget_room(&mut self, key: RoomKey) {
        let Some(room) = self.rooms.remove(key) else { return };
        self.rooms_by_id.remove(&room.terms.id);
        self.timers.forget_room(key);
        for (&id, flight) in &room.flights {
            for core in flight.cores.iter() {
                self.relay(core, room.terms.id, id, &mut Portion::Abort);
            }
        }
    }

    fn session_by_id(&self, id: SessionId) -> Option<&Session> {
        self.sessions.get(*self.sessions_by_id.get(&id)?)
    }

    /// The session a command is about, unless something newer has been applied to it.
    pub(crate) fn applicable(&mut self, id: SessionId, epoch: Epoch) -> Option<SessionKey> {
        let key = *self.sessions_by_id.get(&id)?;
        let session = self.sessions.get_mut(key)?;
        if epoch < session.epoch {
            self.counters.commands_stale += 1;
            return None;
        }
        session.epoch = epoch;
        Some(key)
    }
}
