//! Connections with sessions on several cores (CONN-09): what goes from the core with the socket to
//! a core with a session, and back.
//!
//! A branch is a [`Connection`] like any other, but that what it has to send travels to another core.
//! It has one batch on the way at a time, until the kernel there has taken it: so its queue fills as
//! it would before a slow socket, and what waits at the socket is bounded by the number of cores.

use std::time::Instant;

use bytes::Bytes;
use mailbox::{BranchRelay, BranchStep, CoreId, CoreSet, FailureCause, Relay};
use msrp::{Head, Piece, TransactionId, write_end};

use crate::{
    Batch,
    connection::{Connection, ConnectionId, Incoming, Phase, Side},
    core::{Core, Draining},
    limits::{STRAY_REQUESTS_MAX, TRANSACTIONS_MAX},
    mint::core_of,
};

/// The number, among the transactions of a connection, of what goes out for a branch of it.
pub(crate) const FOREIGN: u32 = u32::MAX;

const _: () = assert!(FOREIGN > TRANSACTIONS_MAX);

/// A branch, as it knows itself.
#[derive(Debug)]
pub(crate) struct Branch {
    trunk: CoreId,
    /// The connection it is a branch of, as its core calls it.
    connection: u64,
    /// What the other core has been given to send.
    pub(crate) on_the_way: Option<Batch>,
    /// `Received` taken in.
    handled: u64,
    /// It has carried a session, and carries none now.
    pub(crate) is_left: bool,
    /// Nothing sensible is to be expected from its peer any more.
    pub(crate) is_spoilt: bool,
}

/// The branches of a connection, as the core with the socket knows them.
#[derive(Debug, Default)]
pub(crate) struct Branches {
    /// How many `Received` each was sent that it has not ended after.
    passed: Vec<(CoreId, u64)>,
    /// Those with octets in the outbox.
    queued: CoreSet,
    /// Those with octets in the kernel.
    sending: CoreSet,
}

impl Branches {
    pub(crate) fn is_empty(&self) -> bool {
        self.passed.is_empty()
    }

    /// Whether one of them is on that core.
    pub(crate) fn lead_to(&self, core: CoreId) -> bool {
        self.passed.iter().any(|(it, _)| *it == core)
    }

    /// What was queued is with the kernel.
    pub(crate) fn handed_over(&mut self) {
        self.sending = std::mem::take(&mut self.queued);
    }

    /// The kernel has taken it.
    pub(crate) fn taken(&mut self) -> CoreSet {
        std::mem::take(&mut self.sending)
    }
}

impl Core {
    /// The other core that a head is for, as its session-id tells.
    pub(crate) fn core_named(&self, head: &Head<'_>) -> Option<CoreId> {
        let uri = msrp::Uri::parse(head.to_path?.first())?;
        let core = core_of(uri.session_id()?.as_bytes())?;
        let is_there = core.index() < self.config.cores && !self.gone.contains(core);
        (core != self.config.id && is_there).then_some(core)
    }

    /// The other core whose session this message of an open connection is for. A malformed one is
    /// answered where it comes in.
    pub(crate) fn elsewhere(&self, id: ConnectionId, head: &Head<'_>) -> Option<CoreId> {
        let connection = self.connections.get(id)?;
        let raw = head.to_path?.raw();
        // Nearly always it is for the only session here.
        if let [key] = connection.sessions[..]
            && self.sessions.get(key).is_some_and(|session| session.uri.as_bytes() == raw)
        {
            return None;
        }
        let is_trunk = !matches!(connection.side, Side::Branch(_));
        if is_trunk && head.fault.is_none() { self.core_named(head) } else { None }
    }

    /// Passes on the beginning of a message, or all of it.
    pub(crate) fn pass_head(
        &mut self,
        now: Instant,
        id: ConnectionId,
        to: CoreId,
        head: &Head<'_>,
        piece: &Piece<'_>,
    ) {
        let mut octets = head.octets().to_vec();
        // Without a body the end-line is a part of the head.
        if octets.ends_with(b"\r\n\r\n") {
            write_piece(&mut octets, &head.transaction, piece);
        }
        if let Some(connection) = self.connections.get_mut(id)
            && piece.end.is_none()
        {
            connection.incoming =
                Incoming::Elsewhere { core: to, transaction: Box::new(head.transaction) };
        }
        self.pass(now, id, to, true, octets);
    }

    /// Passes on more of it.
    pub(crate) fn pass_body(
        &mut self,
        now: Instant,
        id: ConnectionId,
        to: CoreId,
        transaction: &TransactionId,
        piece: &Piece<'_>,
    ) {
        let mut octets = Vec::with_capacity(piece.body.len() + 64);
        write_piece(&mut octets, transaction, piece);
        self.pass(now, id, to, false, octets);
    }

    fn pass(
        &mut self,
        now: Instant,
        id: ConnectionId,
        to: CoreId,
        is_start: bool,
        octets: Vec<u8>,
    ) {
        let is_full = self.relays[to.index()].len() >= self.limits.relay_backlog_max;
        let Some(connection) = self.connections.get_mut(id) else { return };
        if is_full {
            // What has come cannot be unsaid, and must not pile up.
            self.counters.relays_shed += 1;
            self.fail_connection(now, id, FailureCause::ConnectionLost);
            self.close(id);
            return;
        }
        let passed = &mut connection.branches.get_or_insert_default().passed;
        match passed.iter_mut().find(|(core, _)| *core == to) {
            Some((_, count)) => *count += 1,
            None => passed.push((to, 1)),
        }
        self.timers.unbound_connections.clear(id);
        self.timers.idle_connections.clear(id);
        self.tell_branch(id, to, BranchStep::Received { is_start, octets: octets.into() });
    }

    /// Something from a connection to a branch of it, or back.
    pub(crate) fn handle_branch(&mut self, now: Instant, relay: BranchRelay) {
        let BranchRelay { trunk, connection, branch, step } = relay;
        let id = ConnectionId::from_token(connection);
        match step {
            BranchStep::Received { is_start, octets } => {
                self.receive_on_branch(now, (trunk, connection), is_start, &octets);
            }
            BranchStep::Lost(cause) => {
                if let Some(id) = self.branches.remove(&(trunk, connection)) {
                    self.fail_connection(now, id, cause);
                    self.vacate(id);
                }
            }
            BranchStep::Sent => {
                let id = self.branches.get(&(trunk, connection)).copied();
                let Some((id, branch)) = id.and_then(|id| Some((id, self.branch_mut(id)?))) else {
                    return;
                };
                if let Some(batch) = branch.on_the_way.take() {
                    let octets = batch.len();
                    self.handle_sent(now, id, batch, Ok(octets));
                }
            }
            BranchStep::Send(octets) => self.send_for(id, branch, &octets),
            BranchStep::Ended { handled, strays, is_spoilt } => {
                self.branch_ended(now, id, branch, (handled, strays));
                if is_spoilt {
                    self.fail_connection(now, id, FailureCause::Unframable);
                    self.close_after_flush(id);
                }
            }
        }
    }

    fn receive_on_branch(
        &mut self,
        now: Instant,
        (trunk, connection): (CoreId, u64),
        is_start: bool,
        octets: &Bytes,
    ) {
        let known = self.branches.get(&(trunk, connection)).copied();
        let Some(id) = known.or_else(|| self.begin_branch(now, trunk, connection, is_start)) else {
            let is_spoilt = is_start;
            let step = BranchStep::Ended { handled: 1, strays: 0, is_spoilt };
            self.tell_trunk(trunk, connection, step);
            return;
        };
        let Some(branch) = self.branch_mut(id) else { return };
        branch.handled += 1;
        if let Some(it) = self.connections.get_mut(id)
            && matches!(it.phase, Phase::Flushing)
        {
            // It was about to end; but there is more.
            it.phase = Phase::Open;
            self.timers.unbound_connections.set(now, id);
        }
        self.read(now, id, octets);
        self.leave_branch(id);
    }

    /// A branch for a message that begins; `None` when there is no place for it.
    fn begin_branch(
        &mut self,
        now: Instant,
        trunk: CoreId,
        connection: u64,
        is_start: bool,
    ) -> Option<ConnectionId> {
        if !is_start || self.draining != Draining::No {
            return None;
        }
        let (on_the_way, handled, is_left, is_spoilt) = (None, 0, false, false);
        let branch = Branch { trunk, connection, on_the_way, handled, is_left, is_spoilt };
        let id = self.connections.insert(Connection::branch(branch)).ok()?;
        self.branches.insert((trunk, connection), id);
        self.timers.unbound_connections.set(now, id);
        self.counters.branches_opened += 1;
        Some(id)
    }

    /// Gives what a branch has to say to the core with the socket.
    pub(crate) fn send_on_branch(&mut self, id: ConnectionId, batch: Batch) {
        let octets = batch.pieces().collect::<Vec<_>>().concat();
        let Some(branch) = self.branch_mut(id) else { return };
        let (trunk, connection) = (branch.trunk, branch.connection);
        branch.on_the_way = Some(batch);
        self.tell_trunk(trunk, connection, BranchStep::Send(octets.into()));
    }

    /// What a branch of this connection has to say.
    fn send_for(&mut self, id: ConnectionId, branch: CoreId, octets: &[u8]) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if !matches!(connection.phase, Phase::Open | Phase::Flushing) {
            return;
        }
        let branches = connection.branches.get_or_insert_default();
        branches.queued = branches.queued.with(branch);
        connection.outbox.pass(&mut self.spares, octets);
        self.mark_dirty(id);
    }

    /// The kernel has taken all of a batch: so it has what branches had in it.
    pub(crate) fn tell_branches_sent(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let Some(branches) = &mut connection.branches else { return };
        for core in branches.taken().iter() {
            self.tell_branch(id, core, BranchStep::Sent);
        }
    }

    /// The connection is gone, and its branches with it.
    pub(crate) fn cut_branches(&mut self, id: ConnectionId, cause: FailureCause) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let Some(branches) = connection.branches.take() else { return };
        for (core, _) in branches.passed {
            self.tell_branch(id, core, BranchStep::Lost(cause));
        }
    }

    pub(crate) fn branch_ended(
        &mut self,
        now: Instant,
        id: ConnectionId,
        core: CoreId,
        (handled, strays): (u64, u32),
    ) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let Some(branches) = &mut connection.branches else { return };
        let Some(at) = branches.passed.iter().position(|(it, _)| *it == core) else { return };
        let left = &mut branches.passed[at].1;
        *left = left.saturating_sub(handled);
        connection.strays += strays;
        if *left > 0 {
            return;
        }
        branches.passed.swap_remove(at);
        // What is still to come of a message goes nowhere.
        if matches!(connection.incoming, Incoming::Elsewhere { core: it, .. } if it == core) {
            connection.incoming = Incoming::Discarded;
        }
        if !branches.is_empty() || !connection.sessions.is_empty() {
            return;
        }
        if connection.strays >= STRAY_REQUESTS_MAX {
            self.close_after_flush(id);
        } else {
            self.timers.idle_connections.set(now, id);
        }
    }

    /// Ends a branch whose last session is gone, once what was under way has come to its end. The
    /// connection itself may stay (CONN-16).
    pub(crate) fn leave_branch(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get(id) else { return };
        let Side::Branch(branch) = &connection.side else { return };
        let is_between = matches!(connection.incoming, Incoming::Nothing);
        if branch.is_left && connection.sessions.is_empty() && is_between {
            self.close_after_flush(id);
        }
    }

    /// Ends a branch, and says so where its connection is. `false` when it is none.
    pub(crate) fn end_branch(&mut self, id: ConnectionId) -> bool {
        let Some(connection) = self.connections.get(id) else { return false };
        let Side::Branch(branch) = &connection.side else { return false };
        let (trunk, name) = (branch.trunk, branch.connection);
        let (handled, is_spoilt) = (branch.handled, branch.is_spoilt);
        let step = BranchStep::Ended { handled, strays: connection.strays, is_spoilt };
        self.branches.remove(&(trunk, name));
        self.vacate(id);
        self.tell_trunk(trunk, name, step);
        true
    }

    pub(crate) fn branch_mut(&mut self, id: ConnectionId) -> Option<&mut Branch> {
        match &mut self.connections.get_mut(id)?.side {
            Side::Branch(branch) => Some(branch),
            Side::Accepted | Side::Opened { .. } => None,
        }
    }

    fn tell_branch(&mut self, id: ConnectionId, branch: CoreId, step: BranchStep) {
        let (trunk, connection) = (self.config.id, id.to_token());
        let relay = BranchRelay { trunk, connection, branch, step };
        self.tell(branch, Relay::Branch(relay));
    }

    fn tell_trunk(&mut self, trunk: CoreId, connection: u64, step: BranchStep) {
        let relay = BranchRelay { trunk, connection, branch: self.config.id, step };
        self.tell(trunk, Relay::Branch(relay));
    }
}

/// A piece of a body, and the end-line if it is the last.
fn write_piece(out: &mut Vec<u8>, transaction: &TransactionId, piece: &Piece<'_>) {
    out.extend_from_slice(piece.body);
    if let Some(flag) = piece.end {
        write_end(out, transaction, flag, true);
    }
}
