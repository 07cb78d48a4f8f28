//! NICKNAME (RFC 7701 section 7): asked of the core of the session, decided by the home of its room.
//!
//! The response is written when the home has decided: on the home itself at once. Meanwhile the session
//! goes on; if it ends first, its requests are answered 481.

mod precis;
mod table;

use std::time::Instant;

use mailbox::{CoreId, Event, NicknameAnswer, NicknameRelay, NicknameRequest, Relay, RoomId};
use msrp::{Head, TransactionId, parse_nickname};

pub(crate) use self::table::{Nicknames, QUARANTINE};
use crate::{
    connection::ConnectionId,
    core::Core,
    limits::{NICKNAMES_MAX, NICKNAMES_WINDOW},
    message::Refusal,
    recent::Recent,
    request::ReplyTo,
    room::RoomKey,
    route::SessionKey,
};

/// What a session that has asked for nicknames keeps.
#[derive(Debug, Default)]
pub(crate) struct Naming {
    /// Its nickname (NICK-05).
    nickname: Option<Box<str>>,
    /// Its requests so far.
    asked: u64,
    /// When it asked last (LIM-06).
    recent: Recent<NICKNAMES_MAX>,
    /// The nickname is that of the session before, which the home may give to somebody else.
    is_carried: bool,
    /// Requests that the home has not decided, no more than may be asked at a time.
    undecided: Vec<Undecided>,
}

impl Naming {
    /// That of a session that takes the place of one with this nickname.
    pub(crate) fn carried(nickname: Box<str>) -> Self {
        Self { nickname: Some(nickname), is_carried: true, ..Self::default() }
    }
}

/// A request whose answer is still to come.
#[derive(Debug)]
struct Undecided {
    /// The how manieth of its session.
    number: u64,
    nickname: Box<str>,
    /// Who asked; `None` where it was not the peer.
    asker: Option<Asker>,
}

/// Where the answer to a request goes.
#[derive(Debug)]
struct Asker {
    connection: ConnectionId,
    transaction: TransactionId,
    /// The whole way back (RESP-06).
    way_back: Box<[u8]>,
}

impl Asker {
    fn reply(&self) -> ReplyTo<'_> {
        ReplyTo {
            transaction: self.transaction,
            to: &self.way_back,
            failure_report: msrp::FailureReport::Yes, // RESP-19
        }
    }
}

impl Core {
    /// A NICKNAME request of a session bound to this connection.
    pub(crate) fn handle_nickname(
        &mut self,
        now: Instant,
        id: ConnectionId,
        key: SessionKey,
        head: &Head<'_>,
        reply: &ReplyTo<'_>,
    ) {
        let nickname = match self.nickname_asked(now, key, head) {
            Ok(nickname) => nickname,
            Err(refusal) => {
                self.refuse_in(id, key, reply, refusal);
                return;
            }
        };
        // What it asks for now is in place of that.
        self.confirm_nickname(now, key);
        let (transaction, way_back) = (reply.transaction, reply.to.into());
        let asker = Asker { connection: id, transaction, way_back };
        self.ask_home(now, key, nickname, Some(asker));
    }

    /// Asks for the nickname that the session before this one had, if that was not done yet.
    pub(crate) fn confirm_nickname(&mut self, now: Instant, key: SessionKey) {
        let naming = self.sessions.get_mut(key).and_then(|session| session.naming.as_mut());
        let Some(naming) = naming else { return };
        if std::mem::take(&mut naming.is_carried)
            && let Some(nickname) = naming.nickname.clone()
        {
            self.ask_home(now, key, nickname, None);
        }
    }

    fn ask_home(
        &mut self,
        now: Instant,
        key: SessionKey,
        nickname: Box<str>,
        asker: Option<Asker>,
    ) {
        let own = self.config.id;
        let Some(session) = self.sessions.get_mut(key) else { return };
        let Some(terms) = self.rooms.get(session.room).map(|room| &room.terms) else { return };
        let (room, home) = (terms.id, terms.home);
        let naming = session.naming.get_or_insert_default();
        naming.asked += 1;
        let number = naming.asked;
        naming.undecided.push(Undecided { number, nickname: nickname.clone(), asker });
        let (session, addresses) = (session.id, session.identities.clone());
        let request = NicknameRequest { from: own, session, number, addresses, nickname };
        let relay = NicknameRelay::Request { room, request: Box::new(request) };
        if home == own {
            self.handle_naming(now, relay);
        } else {
            self.tell(home, Relay::Nickname(relay));
        }
    }

    /// The nickname that is asked for, as it will be shown; empty to have none any more.
    fn nickname_asked(
        &mut self,
        now: Instant,
        key: SessionKey,
        head: &Head<'_>,
    ) -> Result<Box<str>, Refusal> {
        let session = self.sessions.get_mut(key).ok_or(Refusal::NoSuchSession)?;
        let room = self.rooms.get(session.room).ok_or(Refusal::NoSuchSession)?;
        if room.terms.policy.nicknames.is_none() {
            return Err(Refusal::Forbidden); // NICK-02
        }
        let naming = session.naming.get_or_insert_default();
        if !naming.recent.admit(now, NICKNAMES_WINDOW) {
            return Err(Refusal::Forbidden); // LIM-06
        }
        let value = head.use_nickname.ok_or(Refusal::Malformed)?; // NICK-03
        let nickname = parse_nickname(value).ok_or(Refusal::BadNickname)?;
        if nickname.is_empty() {
            return Ok("".into()); // NICK-05
        }
        Ok(precis::enforced(&nickname).ok_or(Refusal::BadNickname)?.into())
    }

    /// What another core has to say of nicknames.
    pub(crate) fn handle_naming(&mut self, now: Instant, relay: NicknameRelay) {
        match relay {
            NicknameRelay::Request { room, request } => {
                let is_granted = self.decide(now, room, &request);
                let NicknameRequest { from, session, number, .. } = *request;
                self.answer(from, NicknameAnswer { session, number, is_granted });
            }
            NicknameRelay::Answer(answer) => self.handle_answer(&answer),
            NicknameRelay::Left { room, session } => {
                let Some(&key) = self.rooms_by_id.get(&room) else { return };
                let Some(room) = self.rooms.get_mut(key) else { return };
                if room.nicknames.as_mut().is_some_and(|it| it.give_back(now, session)) {
                    self.timers.quarantines.set(now, key);
                }
            }
        }
    }

    /// What was given up in this room a quarantine ago, and all that was before, is free.
    pub(crate) fn end_quarantine(&mut self, now: Instant, key: RoomKey) {
        if let Some(nicknames) = self.rooms.get_mut(key).and_then(|it| it.nicknames.as_mut()) {
            nicknames.expire(now);
            self.forget_idle_room(key);
        }
    }

    /// On the home core: whether the session gets the nickname, or gives back the one it has.
    fn decide(&mut self, now: Instant, room: RoomId, request: &NicknameRequest) -> bool {
        let Some(&key) = self.rooms_by_id.get(&room) else { return false };
        let Some(room) = self.rooms.get_mut(key) else { return false };
        let Some(policy) = &room.terms.policy.nicknames else { return false };
        let nicknames = room.nicknames.get_or_insert_with(|| Box::new(Nicknames::new(policy)));
        let NicknameRequest { from, session, addresses, nickname, .. } = request;
        let is_granted = if nickname.is_empty() {
            nicknames.give_back(now, *session);
            true
        } else {
            nicknames.take(now, *session, *from, addresses, nickname)
        };
        if !nicknames.is_empty() {
            self.timers.quarantines.set(now, key);
        }
        is_granted
    }

    fn answer(&mut self, to: CoreId, answer: NicknameAnswer) {
        if to == self.config.id {
            self.handle_answer(&answer);
        } else {
            self.tell(to, Relay::Nickname(NicknameRelay::Answer(answer)));
        }
    }

    /// The home has decided: the focus hears of what has changed before the session does (NICK-15).
    fn handle_answer(&mut self, answer: &NicknameAnswer) {
        let Some(&key) = self.sessions_by_id.get(&answer.session) else { return };
        let Some(session) = self.sessions.get_mut(key) else { return };
        let (session, naming) = (session.id, session.naming.get_or_insert_default());
        let is_it = |it: &Undecided| it.number == answer.number;
        let Some(at) = naming.undecided.iter().position(is_it) else { return };
        let Undecided { nickname, asker, .. } = naming.undecided.remove(at);
        let nickname = match (&asker, answer.is_granted) {
            (_, true) => Some(nickname).filter(|nickname| !nickname.is_empty()),
            (Some(asker), false) => {
                let refusal = Refusal::NicknameInUse;
                return self.refuse_in(asker.connection, key, &asker.reply(), refusal);
            }
            // The session before had it, and somebody else was faster.
            (None, false) => None,
        };
        if naming.nickname != nickname {
            naming.nickname.clone_from(&nickname);
            self.events.push_back(Event::Nickname { session, nickname });
        }
        if let Some(asker) = asker {
            self.respond(asker.connection, key, &asker.reply(), msrp::status::OK);
        }
    }

    /// The session is over or dead: the home takes its nickname back, and what it still waits for is
    /// answered, if there is still somebody to answer.
    pub(crate) fn end_naming(&mut self, now: Instant, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let Some(naming) = session.naming.take() else { return };
        let is_bound = session.connection().is_some();
        let (session, room) = (session.id, session.room);
        let askers = naming.undecided.iter().filter_map(|request| request.asker.as_ref());
        for asker in askers.filter(|_| is_bound) {
            let refusal = Refusal::NoSuchSession;
            self.refuse_in(asker.connection, key, &asker.reply(), refusal);
        }
        if let Some(terms) = self.rooms.get(room).map(|room| &room.terms) {
            let (home, relay) = (terms.home, NicknameRelay::Left { room: terms.id, session });
            if home == self.config.id {
                self.handle_naming(now, relay);
            } else {
                self.tell(home, Relay::Nickname(relay));
            }
        }
    }
}
