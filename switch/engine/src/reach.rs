//! Connections that this side opens, because the peer waits to be connected to.
//!
//! ```text
//!             Connect order                connected                 200 to the binding SEND
//!  Awaited ----------------> Reaching, --------------> Reaching, ------------------------> Bound
//!                            not asked  binding SEND   asked
//! ```
//!
//! An attempt is a connection of its own: when one comes to nothing, or takes too long, its sessions
//! move on to the next address. The answer to the binding SEND binds, not the connection: what a
//! peer does not confirm it is not sent (CONN-03).

use std::{net::SocketAddr, time::Instant};

use mailbox::{Epoch, FailureCause, Remote, SessionId};
use msrp::{ByteRange, FailureReport, Flag, Head, SendHead, TransactionId};

use crate::{
    connection::{Connection, ConnectionId, Phase, Side},
    core::{Core, Draining},
    mint::write_transaction,
    operation::Operation,
    route::{Binding, SessionKey},
};

impl Core {
    /// Connects a session to its peer, which has to be known by now, unless it is bound or under way
    /// already.
    pub(crate) fn connect(&mut self, now: Instant, id: SessionId, epoch: Epoch, remote: Remote) {
        let Some(key) = self.applicable(id, epoch) else { return };
        let Some(session) = self.sessions.get(key) else { return };
        if session.binding != Binding::Awaited || session.peer.is_none() {
            return;
        }
        self.clear_timers(key);
        self.timers.reaching_sessions.set(now, key);
        let Remote { addresses, shared_as } = remote;
        match shared_as.as_deref().and_then(|name| self.shared_connection(name)) {
            Some(connection) => self.take_along(now, connection, key),
            None => self.attempt(now, vec![key], addresses.into(), shared_as),
        }
    }

    /// A connection that was opened under this name and takes one more session (CONN-10).
    fn shared_connection(&self, name: &str) -> Option<ConnectionId> {
        let id = *self.reached.get(name)?;
        let connection = self.connections.get(id)?;
        let is_usable = matches!(connection.phase, Phase::Opening { .. } | Phase::Open)
            && connection.sessions.len() < self.limits.connection_sessions_max;
        is_usable.then_some(id)
    }

    /// One more session goes by this connection.
    fn take_along(&mut self, now: Instant, id: ConnectionId, key: SessionKey) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        connection.sessions.push(key);
        let is_open = matches!(connection.phase, Phase::Open);
        if let Some(session) = self.sessions.get_mut(key) {
            session.binding = Binding::Reaching { connection: id, asked: None };
        }
        self.timers.idle_connections.clear(id);
        if is_open {
            self.ask_to_bind(now, id, key);
        }
    }

    /// Tries the first of these addresses for these sessions.
    fn attempt(
        &mut self,
        now: Instant,
        sessions: Vec<SessionKey>,
        mut addresses: Vec<SocketAddr>,
        shared_as: Option<Box<str>>,
    ) {
        let may = self.draining == Draining::No && !addresses.is_empty();
        let next = may.then(|| addresses.remove(0));
        let opened = next.and_then(|address| {
            let side = Side::Opened { shared_as: shared_as.clone() };
            let connection = Connection::opening(addresses, side);
            Some((address, self.connections.insert(connection).ok()?))
        });
        let Some((address, id)) = opened else {
            for key in sessions {
                self.fail_session(now, key, FailureCause::ConnectFailed);
            }
            return;
        };
        self.counters.connects_tried += 1;
        for key in sessions {
            self.take_along(now, id, key);
        }
        if let Some(name) = shared_as {
            self.reached.insert(name, id);
        }
        self.timers.opening_connections.set(now, id);
        self.operations.push_back(Operation::Connect { connection: id, address });
    }

    /// Answers [`Operation::Connect`]: the connection is there, and its sessions ask to be bound
    /// (CONN-02, SETUP-08).
    pub fn handle_connected(&mut self, now: Instant, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if !matches!(connection.phase, Phase::Opening { .. }) {
            return;
        }
        connection.phase = Phase::Open;
        let sessions = connection.sessions.clone();
        self.timers.opening_connections.clear(id);
        for key in sessions {
            self.ask_to_bind(now, id, key);
        }
    }

    /// An attempt has come to nothing: on to the next address (URI-17). `false` when it was none.
    pub(crate) fn attempt_next(&mut self, now: Instant, id: ConnectionId) -> bool {
        let Some(connection) = self.connections.get_mut(id) else { return false };
        let Phase::Opening { untried } = &mut connection.phase else { return false };
        let (untried, sessions) =
            (std::mem::take(untried), std::mem::take(&mut connection.sessions));
        let shared_as = match &mut connection.side {
            Side::Opened { shared_as } => shared_as.take(),
            Side::Accepted | Side::Branch(_) => None,
        };
        for &key in &sessions {
            if let Some(session) = self.sessions.get_mut(key) {
                session.binding = Binding::Awaited;
            }
        }
        self.close(id);
        self.attempt(now, sessions, untried, shared_as);
        true
    }

    /// The session is bound, or will never be: nobody waits for that any more.
    pub(crate) fn clear_timers(&mut self, key: SessionKey) {
        self.watch.forget(key);
        self.timers.forget_session(key);
    }

    /// Sends the first request of a session, without a body: there is nothing to deliver before it
    /// is answered (CONN-03, PEER-01).
    fn ask_to_bind(&mut self, now: Instant, id: ConnectionId, key: SessionKey) {
        let mut name = Vec::with_capacity(16);
        write_transaction(&mut name, &self.mint.transaction_prefix(), 0);
        let message_id = self.mint.message_id();
        let Some(transaction) = TransactionId::parse(&name) else { return };
        let Some(session) = self.sessions.get_mut(key) else { return };
        let (Some(peer), Some(connection)) = (&session.peer, self.connections.get_mut(id)) else {
            return;
        };
        session.binding = Binding::Reaching { connection: id, asked: Some(transaction) };
        let out = connection.outbox.reports(&mut self.spares);
        SendHead {
            transaction: &transaction,
            to_path: peer.media.path.as_bytes(),
            from_path: session.uri.as_bytes(),
            message_id: &message_id,
            range: ByteRange { start: 1, end: Some(0), total: Some(0) },
            success_report: false,
            failure_report: FailureReport::Yes,
            content_headers: &[],
        }
        .write(out);
        msrp::write_end(out, &transaction, Flag::End, false);
        self.timers.reaching_sessions.clear(key);
        self.timers.unanswered_sessions.set(now, key);
        self.mark_dirty(id);
    }

    /// The peer has answered a binding SEND, if this is its answer: `true` then.
    pub(crate) fn answers_binding(
        &mut self,
        now: Instant,
        id: ConnectionId,
        head: &Head<'_>,
        status: u16,
    ) -> bool {
        let Some(Ok(key)) = head.to_path.map(|path| self.find_session(id, path)) else {
            return false;
        };
        let asked = Binding::Reaching { connection: id, asked: Some(head.transaction) };
        if self.sessions.get(key).is_none_or(|session| session.binding != asked) {
            return false;
        }
        if status < 300 {
            self.bind(key, id);
        } else {
            self.fail_session(now, key, FailureCause::RefusedByPeer);
        }
        true
    }
}
