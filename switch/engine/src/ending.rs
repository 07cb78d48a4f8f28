//! How connections end: handed to another core, closed at once or after what is queued has gone out,
//! given up because nobody reads. What they carried ends with them.

use std::time::Instant;

use mailbox::{CoreId, FailureCause};

use crate::{
    connection::{ConnectionId, Incoming, Phase, Sending, Side},
    core::Core,
    operation::Operation,
    outbox::Outbox,
    route::SessionKey,
};

impl Core {
    /// Stops reading and hands the connection to another core.
    pub(crate) fn depart(&mut self, id: ConnectionId, to: CoreId, received: Vec<u8>) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.phase = Phase::Departing { to, received };
            self.operations.push_back(Operation::Detach { connection: id });
        }
    }

    /// Closes a connection after what is queued has gone out.
    pub(crate) fn close_after_flush(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if matches!(connection.phase, Phase::Departing { .. } | Phase::Closing) {
            return;
        }
        if connection.outbox.is_empty() && matches!(connection.sending, Sending::Idle) {
            self.end(id);
        } else {
            connection.phase = Phase::Flushing;
            self.mark_dirty(id);
        }
    }

    /// Closes a connection now: what is queued is given up. Its sessions must have been dealt with. A
    /// branch first says what it has to say: the connection it belongs to may live on, and owes its
    /// peer the answers.
    pub(crate) fn close(&mut self, id: ConnectionId) {
        if self.branch_mut(id).is_some() {
            self.close_after_flush(id);
        } else {
            self.end(id);
        }
    }

    fn end(&mut self, id: ConnectionId) {
        self.cut_branches(id, FailureCause::ConnectionLost);
        if self.end_branch(id) {
            return;
        }
        let Some(connection) = self.connections.get_mut(id) else { return };
        // A departing connection closes itself on the core that gets it.
        if !matches!(connection.phase, Phase::Closing | Phase::Departing { .. }) {
            connection.phase = Phase::Closing;
            connection.incoming = Incoming::Nothing;
            connection.outbox = Outbox::default();
            // What the kernel holds is counted until it is closed.
            self.operations.push_back(Operation::Close { connection: id });
        }
    }

    /// Fails every session of a connection (CONN-12).
    pub(crate) fn fail_connection(&mut self, now: Instant, id: ConnectionId, cause: FailureCause) {
        self.cut_branches(id, cause);
        let Some(connection) = self.connections.get_mut(id) else { return };
        for session in std::mem::take(&mut connection.sessions) {
            self.fail_session(now, session, cause);
        }
    }

    /// A session is no longer bound to its connection; the last one leaves it idle (CONN-16).
    pub(crate) fn unbind(&mut self, now: Instant, id: ConnectionId, session: SessionKey) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let Some(at) = connection.sessions.iter().position(|&it| it == session) else { return };
        connection.sessions.remove(at);
        if !connection.sessions.is_empty() {
            return;
        }
        if matches!(connection.phase, Phase::Opening { .. }) {
            self.close(id);
        } else if let Side::Branch(branch) = &mut connection.side {
            branch.is_left = true;
            self.leave_branch(id);
        } else if connection.branches.as_ref().is_none_or(|it| it.is_empty()) {
            self.timers.idle_connections.set(now, id);
        }
    }

    /// Its reader does not keep up, and has had its time (FLOW-07).
    pub(crate) fn cut_slow_reader(&mut self, now: Instant, id: ConnectionId) {
        self.counters.connections_stalled += 1;
        self.fail_connection(now, id, FailureCause::SlowReader);
        self.end(id);
    }

    pub(crate) fn check_stall(&mut self, now: Instant, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        match connection.sending {
            Sending::InFlight { since, .. }
                if now.duration_since(since) >= self.limits.send_stall_max =>
            {
                self.cut_slow_reader(now, id);
            }
            Sending::InFlight { since, .. } => self.timers.stalled_connections.set(since, id),
            Sending::Idle => connection.stall_watched = false,
        }
    }
}
