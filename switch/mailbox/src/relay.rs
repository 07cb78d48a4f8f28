//! What goes from core to core, in order.
//!
//! A room's messages pass its home core, which puts them in one order for all recipients (CHAT-31),
//! and go on once to every other core with members: what crosses between cores grows with the cores
//! of a room, never with its members.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use msrp::{AcceptTypes, AddressBuf};

use crate::{BranchRelay, CoreId, CoreSet, ParticipantId, RoomId, SessionId};

/// What one core sends another.
#[derive(Clone, Debug)]
pub enum Relay {
    /// A piece of a message.
    Room(RoomRelay),
    /// Who is in a room.
    Directory(DirectoryRelay),
    /// What became of a private message (PRIV-13).
    Outcome(OutcomeRelay),
    /// Who wants which nickname, or has it.
    Nickname(NicknameRelay),
    /// A part of what happens on a connection with sessions on several cores (CONN-09).
    Branch(BranchRelay),
}

/// A piece of a message, on its way to another core.
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
#[derive(Clone)]
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

/// Says how much there is, and nothing of what it says (SEC-01).
impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, body, last) = match self {
            Self::Open { body, last, .. } => ("Open", body.len(), *last),
            Self::More { body, last } => ("More", body.len(), *last),
            Self::Abort => return f.write_str("Abort"),
        };
        f.debug_struct(name).field("octets", &body).field("last", &last).finish_non_exhaustive()
    }
}

/// What the first piece tells about the whole message.
#[derive(Clone)]
pub struct Opening {
    /// Who sent it; of what is for the room, its sessions get no copy (CHAT-09).
    pub sender: ParticipantId,
    /// Whom it is for.
    pub audience: Audience,
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

/// Whom a message is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Audience {
    /// Everybody in the room but its sender (CHAT-08).
    Room,
    /// One participant (PRIV-01).
    Participant(Addressee),
}

/// The one participant that a message is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Addressee {
    /// Which one.
    pub participant: ParticipantId,
    /// Where its sessions are. Each of these cores says what became of the message there.
    pub cores: CoreSet,
    /// Whom to tell: the core of the session that sent it.
    pub sender: CoreId,
}

/// News about who is in a room, on their way to its home and from there to all its cores.
#[derive(Clone, Debug)]
pub struct DirectoryRelay {
    /// The room.
    pub room: RoomId,
    /// The core they come from. They are not told to it again.
    pub from: CoreId,
    /// What there is to tell.
    pub news: News,
}

/// What one core tells the others of who is in a room.
#[derive(Clone, Debug)]
pub enum News {
    /// It has begun to serve the room, and does not know who is there.
    Serving,
    /// These are there, or are served otherwise than before.
    Present(Arc<[Arc<Presence>]>),
    /// This session is not there any more.
    Absent {
        /// Whose it was.
        participant: ParticipantId,
        /// Which one.
        session: SessionId,
    },
}

/// One session that is due what is said in its room, as far as every core of the room has to know it:
/// whoever writes to its participant is answered at once, wherever the two are. One copy serves all
/// cores.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Presence {
    /// Which one.
    pub session: SessionId,
    /// Whose it is.
    pub participant: ParticipantId,
    /// Where it is.
    pub core: CoreId,
    /// The addresses that mean its participant in CPIM `To`; of an anonymous one, the alias (PRIV-08).
    pub addresses: Arc<[AddressBuf]>,
    /// Whether private messages may be sent to it: it has declared so (PRIV-04), and takes content at
    /// all (SDP-23).
    pub takes_private: bool,
    /// What it accepts inside the wrapper (PRIV-10).
    pub accept_wrapped: AcceptTypes,
    /// Octets of the largest message it takes; `None` is no limit.
    pub size_max: Option<u64>,
}

/// What became of a private message on some of the cores it was for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OutcomeRelay {
    /// The session that sent it.
    pub origin: SessionId,
    /// Which of its messages.
    pub message: u64,
    /// The cores that this is about.
    pub cores: CoreSet,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a private message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The whole of it is queued for a session of its recipient.
    Delivered,
    /// It is for no session there any more.
    Gone,
    /// Its recipient has no session there any more that takes private messages.
    Unsupported,
    /// Dropped, because it did not fit (FLOW-04, FLOW-05).
    Dropped,
}

/// About nicknames, which the home core of a room decides on (SEC-03).
#[derive(Clone, Debug)]
pub enum NicknameRelay {
    /// To the home: a session wants one.
    Request {
        /// The room.
        room: RoomId,
        /// Who wants which.
        request: Box<NicknameRequest>,
    },
    /// From the home, to whoever asked.
    Answer(NicknameAnswer),
    /// To the home: a session that has asked is over.
    Left {
        /// The room.
        room: RoomId,
        /// Which one.
        session: SessionId,
    },
}

/// A session wants a nickname.
#[derive(Clone, Debug)]
pub struct NicknameRequest {
    /// The core of the session.
    pub from: CoreId,
    /// Which one.
    pub session: SessionId,
    /// The how manieth of its requests this is.
    pub number: u64,
    /// Whose it is: of an anonymous participant, the alias (NICK-11).
    pub addresses: Arc<[AddressBuf]>,
    /// The nickname as it will be shown; empty to have none any more (NICK-05).
    pub nickname: Box<str>,
}

/// Whether a session gets what it wants.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NicknameAnswer {
    /// Which session.
    pub session: SessionId,
    /// Which of its requests.
    pub number: u64,
    /// `false`: another user has that nickname, or nobody may have it (NICK-07).
    pub is_granted: bool,
}
