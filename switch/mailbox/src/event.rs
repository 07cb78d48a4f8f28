//! What a core tells the focus. Events say what happened, never what to do; each is said once
//! (CTRL-07), answers to repeated commands excepted.

use std::time::Instant;

use msrp::UriBuf;

use crate::{Epoch, RoomId, SessionId};

/// Something that happened in one core.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// The session is acceptable on the wire from now on (CTRL-02).
    Installed {
        /// Which one.
        session: SessionId,
        /// The epoch of the command answered.
        epoch: Epoch,
        /// The session URI that the core minted for it (URI-14, URI-15): the `path` of the answer.
        path: UriBuf,
    },
    /// The session was not installed; nothing of it is left.
    Refused {
        /// Which one.
        session: SessionId,
        /// The epoch of the command answered.
        epoch: Epoch,
        /// Why.
        reason: InstallRefusal,
    },
    /// Nothing of the session is left and nothing more is delivered to it.
    Removed {
        /// Which one.
        session: SessionId,
        /// The epoch of the command answered.
        epoch: Epoch,
    },
    /// The home core relays to the cores of this epoch's `Spread`.
    Spread {
        /// Which room.
        room: RoomId,
        /// The epoch of the command answered.
        epoch: Epoch,
    },
    /// The room and its sessions are forgotten.
    Closed {
        /// Which room.
        room: RoomId,
        /// The epoch of the command answered.
        epoch: Epoch,
    },
    /// The first request naming the session has arrived (CONN-04), or the peer has answered ours
    /// (CONN-03).
    Bound {
        /// Which one.
        session: SessionId,
    },
    /// The session is dead and its URI answers 481 (CONN-12, CONN-13). The core keeps the id until
    /// the focus removes it.
    Failed {
        /// Which one.
        session: SessionId,
        /// Why, for one log line and one counter (PEER-15).
        cause: FailureCause,
    },
    /// The session has another nickname from now on; said before its peer is answered (NICK-15).
    Nickname {
        /// Which one.
        session: SessionId,
        /// As it is shown; `None` when it has none any more.
        nickname: Option<Box<str>>,
    },
    /// When the last message of a room was accepted, as its home core was asked. Nobody else tells:
    /// what is asked once in a quarter of an hour costs a message nothing (sip/LEAVE-08).
    Heard {
        /// Which room.
        room: RoomId,
        /// `None` when there was none.
        last: Option<Instant>,
    },
    /// How busy the core is. Told when it changes, and not after every turn.
    Load {
        /// Of a CPU.
        percent: u8,
    },
    /// Every connection is closed and nothing is queued.
    Drained,
}

/// Why a core refused to install a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InstallRefusal {
    /// No free slot.
    Full,
    /// The core is draining.
    Draining,
}

/// Why a session failed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum FailureCause {
    /// Nobody connected and bound it in time (LIM-08).
    Unbound,
    /// We were to connect, and no address of the peer could be reached in time (LIM-08).
    ConnectFailed,
    /// The name of the peer's host has no address.
    Unresolvable,
    /// We do not connect to the addresses that the peer named (SEC-02).
    ConnectForbidden,
    /// We have connected, and the peer did not answer our first request.
    BindingUnanswered,
    /// The peer closed the connection or it broke (CONN-12).
    ConnectionLost,
    /// The peer's bytes could not be framed (WIRE-32, WIRE-33).
    Unframable,
    /// The peer answered 481 or 506 to a copy (SEND-15), refused our first request, or refused every
    /// type it had named (JC-13 of msrp.md).
    RefusedByPeer,
    /// The peer answered nothing that was sent to it (RESP-15).
    Unresponsive,
    /// The peer did not read what was sent to it (FLOW-07).
    SlowReader,
}

impl FailureCause {
    /// The machine-readable reason, as it stands in logs and metric labels.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unbound => "unbound",
            Self::ConnectFailed => "connect_failed",
            Self::Unresolvable => "unresolvable",
            Self::ConnectForbidden => "connect_forbidden",
            Self::BindingUnanswered => "binding_unanswered",
            Self::ConnectionLost => "connection_lost",
            Self::Unframable => "unframable",
            Self::RefusedByPeer => "refused_by_peer",
            Self::Unresponsive => "unresponsive",
            Self::SlowReader => "slow_reader",
        }
    }
}
