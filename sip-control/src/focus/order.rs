//! What the focus asks of the media plane, and what it hears back. Which core is meant is not its
//! affair: that is [`placement`](crate::placement)'s.

use mailbox::{Chatroom, Direction, FailureCause, ParticipantId, RoomId, SessionId};
use msrp::{AcceptTypes, AddressBuf, PathBuf, UriBuf};

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
    /// The peer's path, next hop first.
    pub peer_path: PathBuf,
    /// What it accepts inside the wrapper.
    pub accept_wrapped: AcceptTypes,
    /// Octets of the largest message it takes.
    pub size_max: Option<u64>,
    /// Which way content flows.
    pub direction: Direction,
    /// What it declared in `a=chatroom`.
    pub chatroom: Option<Chatroom>,
}

/// What happened to a session.
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
    /// It is dead.
    Failed {
        /// The leg.
        session: SessionId,
        /// Why.
        cause: FailureCause,
    },
}
