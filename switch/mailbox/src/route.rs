//! What a core must know of a session and of its room (CTRL-01). All of it is checked before it
//! gets here: a core trusts the focus and checks only the peer.

use std::sync::Arc;

use msrp::{AcceptTypes, AddressBuf, PathBuf};

use crate::{CoreId, ParticipantId, RoomId, Setup};

/// One session, as the focus wants it served.
#[derive(Clone, Debug)]
pub struct Route {
    /// The room it belongs to, for its whole life (CHAT-37).
    pub room: Arc<RoomTerms>,
    /// Whose session it is. The sender's own sessions get no copy (CHAT-09).
    pub participant: ParticipantId,
    /// The addresses that a message from here may name in CPIM `From` (CHAT-03). For an anonymous
    /// participant this is the alias alone (CHAT-35).
    pub identities: Arc<[AddressBuf]>,
    /// Whether nobody is to learn who it is (CHAT-34).
    pub is_anonymous: bool,
    /// Whether it may write to single members, if members of its room may at all (PRIV-03).
    pub may_whisper: bool,
    /// What it is called where it takes the place of another session of the same leg: the room's home is
    /// asked once more, when it is activated (NICK-11).
    pub nickname: Option<Box<str>>,
    /// What the peer's SDP says; `None` until it has answered an offer of ours. It may bind and
    /// send meanwhile, but nothing is due to it (sip/FOC-21).
    pub peer: Option<PeerMedia>,
}

/// What only the peer's own SDP can tell of a session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PeerMedia {
    /// Its `path`, next hop first (URI-19).
    pub path: PathBuf,
    /// What it accepts inside the CPIM wrapper (SDP-12, SDP-13 of msrp.md).
    pub accept_wrapped: AcceptTypes,
    /// Octets of the largest message it takes, wrapper included; `None` is no limit
    /// (SDP-16 of msrp.md).
    pub size_max: Option<u64>,
    /// Which way chat content may flow (SDP-23 of msrp.md).
    pub direction: Direction,
    /// Who connects, and to whom.
    pub setup: Setup,
    /// Its `a=chatroom`; `None` when it declared none (SDP-29 of msrp.md).
    pub chatroom: Option<Chatroom>,
}

/// A room, as far as a core has to know it.
#[derive(Clone, Debug)]
pub struct RoomTerms {
    /// Which room.
    pub id: RoomId,
    /// The addresses that mean the whole room in CPIM `To` (CHAT-06, CHAT-07).
    pub addresses: Box<[AddressBuf]>,
    /// The core that puts the room's messages in order (CHAT-31). Every message passes it once.
    pub home: CoreId,
    /// Octets of the largest complete message, wrapper included (CHAT-20).
    pub size_max: u64,
    /// What its members may do beside talking to all.
    pub policy: RoomPolicy,
}

/// What is up to each room (RFC 7701 section 4.1). The default allows and asks for nothing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RoomPolicy {
    /// Members may write to one another (PRIV-03).
    pub private_messages: bool,
    /// Disposition notifications of anonymous members are passed on, although what is in them may
    /// give them away (IMDN-07).
    pub anonymous_notifications: bool,
    /// Who does not know chat rooms is told where it is, and who else is there (CHAT-32).
    pub greeting: bool,
    /// A message of up to 64 KiB goes out when it is whole, and no chunk of another comes between
    /// its chunks (PEER-02).
    pub whole_messages: bool,
    /// Members may have nicknames, and which (NICK-02).
    pub nicknames: Option<NicknamePolicy>,
}

/// Which nicknames may be had.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct NicknamePolicy {
    /// Nobody may have these, in whatever spelling counts as the same (NICK-07).
    pub reserved: Arc<[Box<str>]>,
    /// Nor one that looks like another's (NICK-16).
    pub refuse_confusable: bool,
}

/// Seen from the switch: which way chat content flows on one session.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Direction {
    /// Both ways.
    #[default]
    SendReceive,
    /// The peer only receives: content from it is refused with 403 (SDP-24 of msrp.md).
    ToPeer,
    /// The peer only sends: no content is due to it.
    FromPeer,
    /// Neither.
    Inactive,
}

impl Direction {
    /// Whether the peer is to be sent chat content.
    pub fn to_peer(self) -> bool {
        matches!(self, Self::SendReceive | Self::ToPeer)
    }

    /// Whether chat content is accepted from the peer.
    pub fn from_peer(self) -> bool {
        matches!(self, Self::SendReceive | Self::FromPeer)
    }
}

impl PeerMedia {
    /// Whether private messages may be sent to it: it has declared so (PRIV-04 of msrp.md), and takes
    /// content at all.
    pub fn takes_private(&self) -> bool {
        self.chatroom.is_some_and(|it| it.private_messages) && self.direction.to_peer()
    }
}

/// The tokens of `a=chatroom` (RFC 7701 section 8).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Chatroom {
    /// `nickname`.
    pub nickname: bool,
    /// `private-messages`.
    pub private_messages: bool,
}
