//! What goes from core to core, in order.
//!
//! A room's messages pass its home core, which puts them in one order for all recipients (CHAT-31),
//! and go on once to every other core with members: what crosses between cores grows with the cores
//! of a room, never with its members.

use bytes::Bytes;

use crate::{ParticipantId, RoomId, SessionId};

/// What one core sends another.
#[derive(Clone, Debug)]
pub enum Relay {
    /// A piece of a room message.
    Room(RoomRelay),
}

/// A piece of a room message, on its way to another core.
#[derive(Clone, Debug)]
pub struct RoomRelay {
    /// The room it is for.
    pub room: RoomId,
    /// What the receiving core is to do with it.
    pub stage: Stage,
    /// The session that sent the message.
    pub origin: SessionId,
    /// Counts the messages of `origin`; with it, names one message while it is in flight.
    pub message: u64,
    /// What arrived.
    pub piece: Piece,
}

/// Which leg of its way a relay is on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// From the sender's core to the room's home, to be put in order.
    ToHome,
    /// From the home to a core with members, to be delivered.
    ToMembers,
}

/// One piece of a message. Pieces of one message come in order and without gaps.
#[derive(Clone, Debug)]
pub enum Piece {
    /// The first octets: the CPIM head is complete in them and has been checked.
    Open {
        /// What the copies' heads are made from.
        opening: Box<Opening>,
        /// Octets from position 1 on.
        body: Bytes,
        /// Whether this is the whole message.
        last: bool,
    },
    /// The next octets.
    More {
        /// What follows what came before.
        body: Bytes,
        /// Whether the message ends with them.
        last: bool,
    },
    /// The sender gave up or is gone; started copies end with `#` (CHAT-26).
    Abort,
}

/// What the first piece tells about the whole message.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Who sent it; its sessions get no copy (CHAT-09).
    pub sender: ParticipantId,
    /// The total the sender announced; `None` is `*`.
    pub total: Option<u64>,
    /// The `Content-*` headers of the copies, whole lines with CRLF, `Content-Type` last (CHAT-13,
    /// WIRE-04).
    pub content_headers: Bytes,
    /// The media type inside the wrapper, without parameters (CHAT-17).
    pub wrapped_type: Box<str>,
    /// How urgent it is.
    pub class: Class,
}

/// How urgent a message is, in the order of service at a recipient's connection (FLOW-06).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Class {
    /// To one participant.
    Private,
    /// To the room.
    Room,
    /// A disposition notification (RFC 5438), to whomever.
    Disposition,
    /// A composing status (RFC 3994), to whomever.
    Composing,
}
