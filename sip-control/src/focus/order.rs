//! What the focus asks of the media plane, and what it hears back. Which core is meant is not its
//! affair: that is [`placement`](crate::placement)'s.

use std::time::Instant;

use mailbox::{FailureCause, ParticipantId, PeerMedia, RoomId, RoomPolicy, SessionId};
use msrp::{AddressBuf, UriBuf};

/// An order to the media plane. Orders are carried out one after the other; none is lost.
#[derive(Clone, Debug)]
pub enum Order {
    /// There is such a room now. Nothing is answered.
    Open {
        /// The room.
        room: RoomId,
        /// The addresses that mean the whole room in CPIM `To`.
        addresses: Box<[AddressBuf]>,
        /// Octets of the largest message, wrapper included.
        size_max: u64,
        /// What members may do beside talking to all.
        policy: RoomPolicy,
    },
    /// Expect this session. Answered by [`Report::Installed`] or [`Report::Refused`], once.
    Install {
        /// The leg.
        session: SessionId,
        /// A room that was opened.
        room: RoomId,
        /// Whose leg it is.
        member: Box<Member>,
    },
    /// What the peer says of itself, where the `Install` could not tell yet (FOC-21).
    Describe {
        /// An installed leg.
        session: SessionId,
        /// What its answer says.
        peer: Box<PeerMedia>,
    },
    /// From now on the room's messages are due to the session.
    Activate {
        /// An installed leg.
        session: SessionId,
    },
    /// The session is over. Reports about it that were under way are dropped.
    Remove {
        /// Any leg for which an `Install` was given.
        session: SessionId,
    },
    /// These are the terms of the room's messages from now on. Nothing is answered.
    Amend {
        /// A room that was opened.
        room: RoomId,
        /// Octets of the largest message, wrapper included.
        size_max: u64,
        /// What members may do beside talking to all.
        policy: RoomPolicy,
    },
    /// When was the room's last message accepted? Answered by [`Report::Heard`].
    Inquire {
        /// A room that was opened.
        room: RoomId,
    },
    /// The room is over, with all that is left in it.
    Close {
        /// A room that was opened.
        room: RoomId,
    },
}

/// One leg, as the cores have to know it.
#[derive(Clone, Debug)]
pub struct Member {
    /// Whose it is.
    pub participant: ParticipantId,
    /// The addresses its messages may come from (ID-08).
    pub identities: Box<[AddressBuf]>,
    /// Whether nobody is to learn whose it is.
    pub is_anonymous: bool,
    /// Whether it may write to single members, if members of its room may at all (POL-16).
    pub may_whisper: bool,
    /// What the leg is called already, where this session takes the place of another (msrp/NICK-11).
    pub nickname: Option<Box<str>>,
    /// What its offer says of it; `None` when the focus makes the offer.
    pub peer: Option<PeerMedia>,
}

/// What happened to a session, or in a room.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Report {
    /// It is acceptable on the wire, and its room's messages will reach it once it is activated.
    Installed {
        /// The leg.
        session: SessionId,
        /// Its URI at the switch.
        path: UriBuf,
    },
    /// It was not installed, and nothing of it is left.
    Refused {
        /// The leg.
        session: SessionId,
    },
    /// Its first request has come.
    Bound {
        /// The leg.
        session: SessionId,
    },
    /// It has another nickname (msrp/NICK-15).
    Nickname {
        /// The leg.
        session: SessionId,
        /// As it is shown; `None` when it has none any more.
        nickname: Option<Box<str>>,
    },
    /// When the last message was accepted in a room, as was asked.
    Heard {
        /// The room.
        room: RoomId,
        /// `None` when there was none.
        last: Option<Instant>,
    },
    /// A core is gone.
    CoreLost {
        /// The sessions that were served there, or in rooms whose home it was.
        sessions: Vec<SessionId>,
        /// Rooms that have begun anew, without sessions.
        rooms: Vec<RoomId>,
    },
    /// It is dead.
    Failed {
        /// The leg.
        session: SessionId,
        /// Why.
        cause: FailureCause,
    },
}
