//! One TCP connection: where its bytes are in the stream, which sessions it carries, and what
//! waits to go out.
//!
//! At most one send is in flight. What is queued meanwhile rides on the next:
//!
//! ```text
//! outbox --take--> in the kernel --sent--> the rest goes again, or the batch is spare
//! ```

use std::{
    collections::VecDeque,
    fmt,
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use mailbox::CoreId;
use msrp::{Framer, TransactionId};

use crate::{
    branch::{Branch, Branches},
    limits::{MALFORMED_MAX, MALFORMED_WINDOW, STALL_MIN},
    outbox::Outbox,
    route::SessionKey,
    slots::Key,
    transactions::Outstanding,
};

/// A connection: its slot in the core's table, and which tenant of that slot it is.
pub type ConnectionId = Key<Connection>;

/// One TCP connection. Owns no socket and reads no clock.
pub struct Connection {
    pub(crate) phase: Phase,
    pub(crate) side: Side,
    pub(crate) framer: Framer,
    /// The chunk whose head was seen and whose end was not.
    pub(crate) incoming: Incoming,
    /// The sessions bound here or on their way to it, in the order they came.
    pub(crate) sessions: Vec<SessionKey>,
    /// Where it comes from, while it counts as a stranger there: until it binds a session (LIM-07).
    pub(crate) stranger_from: Option<IpAddr>,
    pub(crate) outbox: Outbox,
    pub(crate) sending: Sending,
    /// The requests on it that are not answered.
    pub(crate) outstanding: Outstanding,
    /// Whether the timer of pausing chunks is set.
    pub(crate) pausing: bool,
    /// Whether the timer of unanswered requests will ask for it.
    pub(crate) answers_watched: bool,
    /// Octets of memory for all that, as the core has counted them last.
    pub(crate) counted: usize,
    /// The session whose first request is still being read: nothing is due to it before that is
    /// answered (PEER-01).
    pub(crate) newcomer: Option<SessionKey>,
    /// Whether the core's list of connections to flush has it.
    pub(crate) dirty: bool,
    /// Whether the stall timer will ask for it.
    pub(crate) stall_watched: bool,
    /// Requests that found no session, while none was bound (LIM-07).
    pub(crate) strays: u32,
    /// Where its messages go that are for sessions elsewhere, if there were any (CONN-09).
    pub(crate) branches: Option<Box<Branches>>,
    malformed: Malformed,
}

/// Who opened a connection.
#[derive(Debug)]
pub(crate) enum Side {
    /// The peer.
    Accepted,
    /// We did, for what is called `shared_as` if others may use it too (CONN-10, CONN-11).
    Opened { shared_as: Option<Box<str>> },
    /// It is on another core, and this is a branch of it (CONN-09).
    Branch(Box<Branch>),
}

/// Says how much it carries, and nothing of what that says (SEC-01).
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("sessions", &self.sessions.len())
            .field("queued", &self.queued())
            .finish_non_exhaustive()
    }
}

/// How far a connection is in its life.
#[derive(Debug)]
pub(crate) enum Phase {
    /// We try to open it. If that fails, these addresses are left to try.
    Opening { untried: Vec<SocketAddr> },
    /// The first head is not complete. `received` is all there was, for the core it may belong to.
    Fresh { received: Vec<u8> },
    /// Served here.
    Open,
    /// Its session lives on another core. Nothing is read any more but what was under way.
    Departing { to: CoreId, received: Vec<u8> },
    /// What is queued still goes out, nothing is read.
    Flushing,
    /// The socket is being closed; the slot is free when the kernel has let go of it.
    Closing,
}

/// The one send that may be in the kernel.
#[derive(Debug)]
pub(crate) enum Sending {
    Idle,
    /// `octets` are with the kernel, which has taken none of them since `since`.
    InFlight {
        since: Instant,
        octets: usize,
        /// Octets of memory that it takes, shared bodies left out.
        own: usize,
    },
}

/// What becomes of the body octets that still come in.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// Between two messages.
    Nothing,
    /// A message for a session on another core goes there as it comes.
    Elsewhere { core: CoreId, transaction: Box<TransactionId> },
    /// The chunk was answered or needs no answer (RESP-17).
    Discarded,
    /// Octets of a message; the answer is due at the end-line.
    Chunk(Box<Chunk>),
}

/// A chunk that arrives in several reads: what its answer needs.
pub(crate) struct Chunk {
    pub(crate) session: SessionKey,
    /// Which of the session's unfinished messages.
    pub(crate) message: u64,
    pub(crate) transaction: TransactionId,
    /// The From-Path: its first URI is where the response goes (RESP-05), the whole of it where a
    /// success report does (RPT-03).
    pub(crate) way_back: Box<[u8]>,
    pub(crate) failure_report: msrp::FailureReport,
    /// Position of the octet that comes next in this chunk.
    pub(crate) at: u64,
    /// Octets the chunk may still bring before it is longer than it said (CHUNK-13).
    pub(crate) allowance: Option<u64>,
}

/// Says where it is, and nothing of who sends it (SEC-01).
impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { transaction, at, .. } = self;
        f.debug_struct("Chunk")
            .field("transaction", transaction)
            .field("at", at)
            .finish_non_exhaustive()
    }
}

impl Chunk {
    /// So many octets of it have arrived.
    pub(crate) fn advance(&mut self, octets: usize) {
        self.at = self.at.saturating_add(octets as u64);
        self.allowance = self.allowance.map(|left| left.saturating_sub(octets as u64));
    }
}

#[derive(Debug, Default)]
struct Malformed {
    count: u32,
    since: Option<Instant>,
}

impl Connection {
    /// One that a peer at this address has opened.
    pub(crate) fn accepted(from: IpAddr) -> Self {
        let phase = Phase::Fresh { received: Vec::new() };
        Self { stranger_from: Some(from), ..Self::new(phase, Side::Accepted) }
    }

    /// One that we try to open.
    pub(crate) fn opening(untried: Vec<SocketAddr>, side: Side) -> Self {
        Self::new(Phase::Opening { untried }, side)
    }

    /// A branch of one that is on another core, which has its first message already.
    pub(crate) fn branch(branch: Branch) -> Self {
        Self::new(Phase::Open, Side::Branch(Box::new(branch)))
    }

    fn new(phase: Phase, side: Side) -> Self {
        Self {
            phase,
            side,
            framer: Framer::new(),
            incoming: Incoming::Nothing,
            sessions: Vec::new(),
            stranger_from: None,
            outbox: Outbox::default(),
            sending: Sending::Idle,
            outstanding: Outstanding::default(),
            pausing: false,
            answers_watched: false,
            counted: 0,
            newcomer: None,
            dirty: false,
            stall_watched: false,
            strays: 0,
            branches: None,
            malformed: Malformed::default(),
        }
    }

    /// Whether what is queued may be handed to the kernel now.
    pub(crate) fn may_send(&self) -> bool {
        matches!(self.sending, Sending::Idle)
            && !self.outbox.is_empty()
            && matches!(self.phase, Phase::Open | Phase::Flushing | Phase::Fresh { .. })
    }

    /// Whether what has come is read to its end. A branch that is about to go is, too: it stays if there
    /// is more, and has to know then where in its messages it is.
    pub(crate) fn reads_on(&self) -> bool {
        match self.phase {
            Phase::Fresh { .. } | Phase::Open => true,
            Phase::Flushing => matches!(self.side, Side::Branch(_)),
            Phase::Opening { .. } | Phase::Departing { .. } | Phase::Closing => false,
        }
    }

    /// Something was queued for it: `list`, of those to be flushed, has it from now on.
    pub(crate) fn mark_dirty(&mut self, id: ConnectionId, list: &mut VecDeque<ConnectionId>) {
        if !std::mem::replace(&mut self.dirty, true) {
            list.push_back(id);
        }
    }

    /// Whether its reader reads nothing, as far as the kernel can tell.
    pub(crate) fn is_stalled(&self, now: Instant) -> bool {
        match self.sending {
            Sending::Idle => false,
            Sending::InFlight { since, .. } => now.duration_since(since) >= STALL_MIN,
        }
    }

    /// Octets that wait here or are with the kernel (FLOW-01).
    pub(crate) fn queued(&self) -> usize {
        let in_flight = match self.sending {
            Sending::Idle => 0,
            Sending::InFlight { octets, .. } => octets,
        };
        self.outbox.octets() + in_flight
    }

    /// Octets of memory for what has come of a message and is not read yet.
    fn unread(&self) -> usize {
        let first = match &self.phase {
            Phase::Fresh { received } => received.capacity(),
            _ => 0,
        };
        self.framer.held() + first
    }

    /// Whether it was counted with something unread, or has come to be.
    pub(crate) fn has_unread(&self) -> bool {
        self.counted > 0 || self.unread() > 0
    }

    /// Counts the memory it takes for what is queued and for what is not read yet: what was counted
    /// last, and now.
    pub(crate) fn recount(&mut self) -> (usize, usize) {
        let in_flight = match self.sending {
            Sending::Idle => 0,
            Sending::InFlight { own, .. } => own,
        };
        let now = self.outbox.own() + in_flight + self.unread();
        (std::mem::replace(&mut self.counted, now), now)
    }

    /// Counts a malformed request; `true` when there were too many (WIRE-34).
    pub(crate) fn malformed_too_often(&mut self, now: Instant) -> bool {
        match self.malformed.since {
            Some(since) if now.duration_since(since) < MALFORMED_WINDOW => {
                self.malformed.count += 1;
            }
            _ => self.malformed = Malformed { count: 1, since: Some(now) },
        }
        self.malformed.count >= MALFORMED_MAX
    }
}
