//! Requests from a peer, in the order of their checks (RESP-09): syntax 400, session 481 and 506,
//! method 501, then the method's own rules.

use std::time::Instant;

use mailbox::{Event, FailureCause};
use msrp::{FailureReport, Frame, Head, Method, Piece, Start, TransactionId};

use crate::{
    connection::{Chunk, Connection, ConnectionId, Incoming, Phase},
    core::{Core, Match},
    limits::{FIRST_HEAD_SIZE_MAX, STRAY_REQUESTS_MAX},
    message::Refusal,
    route::{Binding, SessionKey},
};

/// Where a response goes and whether one is wanted: what is needed of a head when its chunk ends.
#[derive(Clone, Copy)]
pub(crate) struct ReplyTo<'a> {
    pub(crate) transaction: TransactionId,
    /// The To-Path of the response.
    pub(crate) to: &'a [u8],
    pub(crate) failure_report: FailureReport,
}

impl<'a> ReplyTo<'a> {
    /// Where the answer to this request goes; `None` when it does not say (RESP-07).
    fn of(head: &Head<'a>) -> Option<Self> {
        let failure_report = match head.start {
            Start::Request(Method::Nickname | Method::Auth) => FailureReport::Yes, // RESP-19
            _ => head.failure_report,
        };
        let to = head.response_path()?;
        Some(Self { transaction: head.transaction, to, failure_report })
    }
}

impl Core {
    /// Frames what arrived and acts on it.
    pub(crate) fn read(&mut self, now: Instant, id: ConnectionId, bytes: &[u8]) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        // Taken out for the while: the frames borrow from it.
        let mut framer = std::mem::take(&mut connection.framer);
        let mut input = bytes;
        loop {
            let frame = match framer.next(&mut input) {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(_) => {
                    self.give_up_framing(now, id);
                    return;
                }
            };
            match frame {
                Frame::Head { head, piece } => {
                    if self.belongs_elsewhere(id, &head, bytes) {
                        return;
                    }
                    match self.elsewhere(id, &head) {
                        Some(core) => self.pass_head(now, id, core, &head, &piece),
                        None => self.handle_head(now, id, &head, &piece),
                    }
                }
                Frame::Body(piece) => self.handle_body(now, id, &piece),
            }
            if !self.connections.get(id).is_some_and(Connection::reads_on) {
                return;
            }
        }
        let Some(connection) = self.connections.get_mut(id) else { return };
        // Octets that came now start the time anew.
        let pausing = framer.can_flush() && matches!(connection.incoming, Incoming::Chunk(_));
        if std::mem::replace(&mut connection.pausing, pausing) && !pausing {
            self.timers.pausing_connections.clear(id);
        } else if pausing {
            self.timers.pausing_connections.set(now, id);
        }
        connection.framer = framer;
        if let Phase::Fresh { received } = &mut connection.phase {
            received.extend_from_slice(bytes);
            if received.len() > FIRST_HEAD_SIZE_MAX {
                connection.phase = Phase::Open;
            }
        }
        if connection.has_unread() {
            self.memory.recount(connection);
        }
    }

    /// The sender of a chunk does not go on with it: what there is of it is passed on, although it is
    /// little, as a chunk that can be followed by others (CHUNK-14).
    pub(crate) fn flush_chunk(&mut self, now: Instant, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        connection.pausing = false;
        self.timers.pausing_connections.clear(id);
        if !matches!(connection.phase, Phase::Open) {
            return;
        }
        // Taken out for the while: the piece borrows from it.
        let mut framer = std::mem::take(&mut connection.framer);
        if let Some(piece) = framer.flush() {
            self.handle_body(now, id, &piece);
        }
        if let Some(connection) = self.connections.get_mut(id) {
            connection.framer = framer;
            self.memory.recount(connection);
        }
        if let Some(message) = self.unfinished_message(id) {
            self.release_held(now, message);
        }
    }

    /// Decides, at the first head of a connection, whether its session lives on another core, and
    /// if so sends the connection there with every octet it brought.
    fn belongs_elsewhere(&mut self, id: ConnectionId, head: &Head<'_>, bytes: &[u8]) -> bool {
        let Some(connection) = self.connections.get_mut(id) else { return false };
        let Phase::Fresh { received } = &mut connection.phase else { return false };
        let mut received = std::mem::take(received);
        connection.phase = Phase::Open;
        let Some(core) = self.core_named(head) else { return false };
        received.extend_from_slice(bytes);
        self.depart(id, core, received);
        true
    }

    fn handle_head(&mut self, now: Instant, id: ConnectionId, head: &Head<'_>, piece: &Piece<'_>) {
        let incoming = match head.start {
            Start::Response(status) => {
                self.handle_response(now, id, head, status);
                Incoming::Discarded
            }
            Start::Request(method) => self.handle_request(now, id, head, method, piece),
        };
        if piece.end.is_some() {
            self.greet(id);
        } else if let Some(connection) = self.connections.get_mut(id) {
            connection.incoming = incoming;
        }
    }

    /// A request is over. If it was the first of a session, and is answered, the session may be sent
    /// what is due to it from now on (PEER-01).
    fn greet(&mut self, id: ConnectionId) {
        let newcomer = self.connections.get_mut(id).and_then(|it| it.newcomer.take());
        if let Some(key) = newcomer
            && let Some(session) = self.sessions.get_mut(key)
        {
            session.greeted = true;
            self.admit(key);
        }
    }

    /// Answers a request, or says what its answer still waits for.
    fn handle_request(
        &mut self,
        now: Instant,
        id: ConnectionId,
        head: &Head<'_>,
        method: Method,
        piece: &Piece<'_>,
    ) -> Incoming {
        if head.fault.is_some() {
            self.refuse_malformed(now, id, head, method);
            return Incoming::Discarded;
        }
        let (Some(to_path), Some(reply)) = (head.to_path, ReplyTo::of(head)) else {
            return Incoming::Discarded;
        };
        let session = match self.find_session(id, to_path) {
            Ok(session) => session,
            Err(refusal) => {
                let refusal = match method {
                    // These may mean the node itself, and no session of it (RESP-09).
                    Method::Auth | Method::Other if !names_session(to_path) => {
                        Refusal::UnknownMethod
                    }
                    _ => refusal,
                };
                if method != Method::Report {
                    self.refuse(id, &reply, refusal, to_path.first());
                    self.count_stray(id);
                }
                return Incoming::Discarded;
            }
        };
        self.bind(session, id);
        match method {
            Method::Send => return self.handle_send(now, id, session, head, piece, reply),
            Method::Report => self.handle_report(now, session, head),
            Method::Nickname => self.handle_nickname(now, id, session, head, &reply),
            Method::Auth | Method::Other => {
                self.refuse_in(id, session, &reply, Refusal::UnknownMethod);
            }
        }
        Incoming::Discarded
    }

    /// More octets of the chunk whose head was last seen.
    fn handle_body(&mut self, now: Instant, id: ConnectionId, piece: &Piece<'_>) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        match std::mem::replace(&mut connection.incoming, Incoming::Nothing) {
            Incoming::Nothing | Incoming::Discarded => {
                if piece.end.is_none() {
                    connection.incoming = Incoming::Discarded;
                }
            }
            Incoming::Elsewhere { core, transaction } => {
                self.pass_body(now, id, core, &transaction, piece);
                if let Some(connection) = self.connections.get_mut(id)
                    && piece.end.is_none()
                {
                    connection.incoming = Incoming::Elsewhere { core, transaction };
                }
            }
            Incoming::Chunk(chunk) => {
                let next = self.continue_chunk(now, id, chunk, piece);
                if let Some(connection) = self.connections.get_mut(id)
                    && piece.end.is_none()
                {
                    connection.incoming = next;
                }
            }
        }
        if piece.end.is_some() {
            self.greet(id);
        }
    }

    /// The session that a To-Path names on this connection (CONN-04..CONN-07).
    pub(crate) fn find_session(
        &self,
        id: ConnectionId,
        to_path: msrp::Path<'_>,
    ) -> Result<SessionKey, Refusal> {
        let raw = to_path.raw();
        let connection = self.connections.get(id).ok_or(Refusal::NoSuchSession)?;
        // Nearly always the path is spelt as we gave it out, and for the only session here.
        if let [key] = connection.sessions[..]
            && self.sessions.get(key).is_some_and(|session| session.uri.as_bytes() == raw)
        {
            return Ok(key);
        }
        if to_path.count() != 1 {
            return Err(Refusal::NoSuchSession);
        }
        let uri = msrp::Uri::parse(to_path.first()).ok_or(Refusal::NoSuchSession)?;
        let key = uri.session_id().and_then(|session_id| self.sessions_by_uri.get(session_id));
        let key = *key.ok_or(Refusal::NoSuchSession)?;
        let session = self.sessions.get(key).ok_or(Refusal::NoSuchSession)?;
        if self.matching == Match::Uri && session.uri.as_uri() != uri {
            return Err(Refusal::NoSuchSession);
        }
        match session.binding {
            Binding::Failed => Err(Refusal::NoSuchSession),
            Binding::Bound(place) | Binding::Reaching { connection: place, .. } if place != id => {
                Err(Refusal::SessionInUse)
            }
            Binding::Awaited
                if connection.sessions.len() >= self.limits.connection_sessions_max =>
            {
                Err(Refusal::NoSuchSession)
            }
            Binding::Bound(_) | Binding::Reaching { .. } | Binding::Awaited => Ok(key),
        }
    }

    /// The first request naming a session binds it to its connection (CONN-04), as does the answer
    /// to ours (CONN-03).
    pub(crate) fn bind(&mut self, key: SessionKey, id: ConnectionId) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        if !matches!(session.binding, Binding::Awaited | Binding::Reaching { .. }) {
            return;
        }
        let is_newcomer = session.binding == Binding::Awaited;
        session.binding = Binding::Bound(id);
        session.greeted = !is_newcomer;
        let event = Event::Bound { session: session.id };
        self.clear_timers(key);
        self.timers.unbound_connections.clear(id);
        self.timers.idle_connections.clear(id);
        if let Some(connection) = self.connections.get_mut(id) {
            if is_newcomer {
                // Nearly every connection has one session.
                if connection.sessions.is_empty() {
                    connection.sessions.reserve_exact(1);
                }
                connection.sessions.push(key);
                connection.newcomer = Some(key);
            }
            connection.strays = 0;
            if let Some(from) = connection.stranger_from.take() {
                self.commons.strangers.forget(from);
            }
        }
        self.counters.sessions_bound += 1;
        self.events.push_back(event);
        self.admit(key);
    }

    /// 400 for what could be framed and not understood (WIRE-34), as far as there is somebody to
    /// tell (RESP-07).
    fn refuse_malformed(
        &mut self,
        now: Instant,
        id: ConnectionId,
        head: &Head<'_>,
        method: Method,
    ) {
        let own = match head.to_path {
            Some(path) => Some(path.first().to_vec()),
            // Without a To-Path only the one session of this connection can be meant.
            None => self.connections.get(id).and_then(|connection| match connection.sessions[..] {
                [only] => self.sessions.get(only).map(|session| session.uri.as_bytes().to_vec()),
                _ => None,
            }),
        };
        if let (Some(own), Some(reply)) = (own, ReplyTo::of(head))
            && method != Method::Report
        {
            self.refuse(id, &reply, Refusal::Malformed, &own);
        } else {
            self.count_refusal(Refusal::Malformed);
        }
        self.count_malformed(now, id, head);
    }

    /// One more malformed message: one too many, or one whose end cannot be found, and the
    /// connection goes (WIRE-33, WIRE-34).
    pub(crate) fn count_malformed(&mut self, now: Instant, id: ConnectionId, head: &Head<'_>) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.malformed_too_often(now) || head.close_after {
            self.give_up_framing(now, id);
        }
    }

    /// Nothing sensible is to be expected from this connection any more.
    fn give_up_framing(&mut self, now: Instant, id: ConnectionId) {
        self.counters.connections_unframable += 1;
        if let Some(branch) = self.branch_mut(id) {
            branch.is_spoilt = true;
        }
        self.fail_connection(now, id, FailureCause::Unframable);
        self.close_after_flush(id);
    }

    /// A request that found no session here; too many of them and the connection goes (LIM-07).
    fn count_stray(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.sessions.is_empty() {
            connection.strays += 1;
            if connection.strays >= STRAY_REQUESTS_MAX {
                self.close_after_flush(id);
            }
        }
    }

    /// Refuses a request of a known session.
    pub(crate) fn refuse_in(
        &mut self,
        id: ConnectionId,
        session: SessionKey,
        reply: &ReplyTo<'_>,
        refusal: Refusal,
    ) {
        self.count_refusal(refusal);
        if reply.failure_report != FailureReport::No {
            self.respond(id, session, reply, refusal.status());
        }
    }

    /// Answers a request of a known session.
    pub(crate) fn respond(
        &mut self,
        id: ConnectionId,
        session: SessionKey,
        reply: &ReplyTo<'_>,
        status: u16,
    ) {
        let Some(session) = self.sessions.get(session) else { return };
        let Some(connection) = self.connections.get_mut(id) else { return };
        let out = connection.outbox.responses(&mut self.spares);
        let from = session.uri.as_bytes();
        let comment = msrp::status::comment(status);
        msrp::write_response(out, &reply.transaction, status, comment, reply.to, from);
        self.mark_dirty(id);
    }

    /// Refuses a request that matched no session, speaking as `own`.
    fn refuse(&mut self, id: ConnectionId, reply: &ReplyTo<'_>, refusal: Refusal, own: &[u8]) {
        self.count_refusal(refusal);
        if reply.failure_report == FailureReport::No {
            return;
        }
        let Some(connection) = self.connections.get_mut(id) else { return };
        let out = connection.outbox.responses(&mut self.spares);
        let (status, comment) = (refusal.status(), msrp::status::comment(refusal.status()));
        msrp::write_response(out, &reply.transaction, status, comment, reply.to, own);
        self.mark_dirty(id);
    }

    fn count_refusal(&mut self, refusal: Refusal) {
        let refusals = &mut self.counters.refusals;
        *match refusal {
            Refusal::Malformed => &mut refusals.bad_request,
            Refusal::Forbidden => &mut refusals.forbidden,
            Refusal::NoSuchRecipient => &mut refusals.no_recipient,
            Refusal::StopSending => &mut refusals.stop_sending,
            Refusal::UnsupportedType => &mut refusals.unsupported_type,
            Refusal::BadNickname => &mut refusals.bad_nickname,
            Refusal::NicknameInUse => &mut refusals.nickname_in_use,
            Refusal::NoPrivateMessages => &mut refusals.no_private_messages,
            Refusal::NoSuchSession => &mut refusals.no_session,
            Refusal::UnknownMethod => &mut refusals.unknown_method,
            Refusal::SessionInUse => &mut refusals.session_in_use,
        } += 1;
    }
}

/// Whether a To-Path begins with a URI that has a session-id.
fn names_session(to_path: msrp::Path<'_>) -> bool {
    msrp::Uri::parse(to_path.first()).is_none_or(|uri| uri.session_id().is_some())
}

impl Chunk {
    /// Where its answer goes.
    pub(crate) fn reply(&self) -> ReplyTo<'_> {
        ReplyTo {
            transaction: self.transaction,
            to: msrp::Path::parse(&self.way_back).map_or(&[], |path| path.first()),
            failure_report: self.failure_report,
        }
    }
}
