//! Writing our descriptions: the answer to an offer, and the offer where the peer makes none (RFC
//! 3264, RFC 4975 section 8).

use std::fmt::Write;

use mailbox::{Direction, RoomPolicy, Setup};
use msrp::{Host, UriBuf};

use super::{Cema, MediaOffer, RoomMedia, Shape, precondition::Preconditions};

/// What identifies a description of ours: the `o=` line without its address. The session stays
/// for the life of a leg, the version grows with every change (SDP-15).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Origin {
    /// `sess-id`.
    pub session: u64,
    /// `sess-version`.
    pub version: u64,
}

impl MediaOffer {
    /// The answer that accepts this offer with `path` as ours: one line per line offered, all but
    /// the chat with port 0 (FOC-26). Who connects is said (SDP-16), and our port is the real one even
    /// if nobody will connect to it (msrp/SETUP-05).
    pub fn answer(&self, room: &RoomMedia, origin: Origin, path: &UriBuf) -> String {
        let chat = Chat {
            path,
            types: &self.selected_types,
            setup: own_setup(&self.peer.setup),
            cema: self.is_anchored,
            direction: self.peer.direction,
            preconditions: self.preconditions.as_ref(),
        };
        described(&self.shape, &chat, room, origin)
    }
}

impl RoomMedia {
    /// The offer of a session with `path` as ours, in these lines: all that the room takes (FOC-21).
    /// The peer may choose who connects, for we can be reached; `passive` is not for offers
    /// (msrp/SETUP-03).
    pub fn offer(&self, shape: &Shape, origin: Origin, path: &UriBuf) -> String {
        let chat = Chat {
            path,
            types: &self.wrapped_types,
            setup: "actpass",
            cema: self.cema != Cema::Off,
            direction: Direction::SendReceive,
            preconditions: None,
        };
        described(shape, &chat, self, origin)
    }
}

/// What is said below the chat line, as far as it is not the room that decides it.
struct Chat<'a> {
    path: &'a UriBuf,
    types: &'a [String],
    setup: &'static str,
    cema: bool,
    /// As the peer wants it.
    direction: Direction,
    /// What the peer has to reserve.
    preconditions: Option<&'a Preconditions>,
}

impl Chat<'_> {
    fn attributes(&self, room: &RoomMedia) -> String {
        format!(
            "a=accept-types:message/cpim\r\na=accept-wrapped-types:{}\r\na=setup:{}\r\n\
             a=path:{}\r\na=max-size:{}\r\na=chatroom{}\r\n{}{}a={}\r\n",
            self.types.join(" "),
            self.setup,
            self.path.as_str(),
            room.size_max,
            tokens(&room.policy),
            if self.cema { "a=msrp-cema\r\n" } else { "" },
            self.preconditions.map(Preconditions::answer).unwrap_or_default(),
            own_direction(self.direction),
        )
    }
}

/// A description in these lines, of which all but the chat have port 0.
fn described(shape: &Shape, chat: &Chat<'_>, room: &RoomMedia, origin: Origin) -> String {
    let mut text = session_lines(origin, chat.path);
    for (at, line) in shape.lines.iter().enumerate() {
        let port = if at == shape.chat { port(chat.path) } else { 0 };
        // Writing to a String cannot fail.
        let _ = write!(text, "m={} {port} {} {}\r\n", line.kind, line.transport, line.formats);
        if at == shape.chat {
            text += &chat.attributes(room);
        } else {
            text += &line.mirrored;
        }
    }
    text
}

/// Everything above the media lines.
pub(super) fn session_lines(origin: Origin, path: &UriBuf) -> String {
    let (family, address) = match path.as_uri().host() {
        Host::V6(address) => ("IP6", address.to_string()),
        Host::V4(address) => ("IP4", address.to_string()),
        Host::Name(name) => ("IP4", name.to_owned()),
    };
    let Origin { session, version } = origin;
    format!(
        "v=0\r\no=- {session} {version} IN {family} {address}\r\ns=-\r\n\
         c=IN {family} {address}\r\nt=0 0\r\n",
    )
}

fn port(path: &UriBuf) -> u16 {
    path.as_uri().port().unwrap_or_default()
}

/// What the room allows, whatever the peer declared (SDP-19, msrp/SDP-26).
fn tokens(room: &RoomPolicy) -> &'static str {
    match (room.nicknames.is_some(), room.private_messages) {
        (false, false) => "",
        (true, false) => ":nickname",
        (false, true) => ":private-messages",
        (true, true) => ":nickname private-messages",
    }
}

/// Our part in the connection, which is always said (msrp/SETUP-01).
fn own_setup(setup: &Setup) -> &'static str {
    match setup {
        Setup::Passive => "passive",
        Setup::Active(_) => "active",
    }
}

/// The direction as we see it ourselves: the mirror of what was offered (SDP-22).
fn own_direction(direction: Direction) -> &'static str {
    match direction {
        Direction::SendReceive => "sendrecv",
        Direction::ToPeer => "sendonly",
        Direction::FromPeer => "recvonly",
        Direction::Inactive => "inactive",
    }
}
