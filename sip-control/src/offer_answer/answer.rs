//! Writing an answer (RFC 3264 section 6, RFC 4975 section 8).

use std::fmt::Write;

use mailbox::{Chatroom, Direction};
use msrp::{Host, UriBuf};

use super::{MediaOffer, RoomMedia};

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
    /// the chat with port 0 (FOC-26). We wait to be connected to, and say so (SDP-16).
    pub fn answer(&self, room: &RoomMedia, origin: Origin, path: &UriBuf) -> String {
        let port = path.as_uri().port().unwrap_or_default();
        let (family, address) = match path.as_uri().host() {
            Host::V6(address) => ("IP6", address.to_string()),
            Host::V4(address) => ("IP4", address.to_string()),
            Host::Name(name) => ("IP4", name.to_owned()),
        };
        let mut text = format!(
            "v=0\r\no=- {} {} IN {family} {address}\r\ns=-\r\nc=IN {family} {address}\r\nt=0 0\r\n",
            origin.session, origin.version,
        );
        for (at, line) in self.lines.iter().enumerate() {
            let port = if at == self.chat { port } else { 0 };
            // Writing to a String cannot fail.
            let _ = write!(text, "m={} {port} {} {}\r\n", line.kind, line.transport, line.formats);
            if at == self.chat {
                self.write_chat(&mut text, room, path);
            }
        }
        text
    }

    fn write_chat(&self, text: &mut String, room: &RoomMedia, path: &UriBuf) {
        let _ = write!(
            text,
            "a=accept-types:message/cpim\r\na=accept-wrapped-types:{}\r\na=setup:passive\r\n\
             a=path:{}\r\na=max-size:{}\r\na=chatroom{}\r\n{}",
            self.selected_types.join(" "),
            path.as_str(),
            room.size_max,
            tokens(room.chatroom),
            if self.cema { "a=msrp-cema\r\n" } else { "" },
        );
        let _ = write!(text, "a={}\r\n", own_direction(self.direction()));
    }
}

/// What the room allows, whatever the peer declared (SDP-19, msrp/SDP-26).
fn tokens(room: Chatroom) -> &'static str {
    match (room.nickname, room.private_messages) {
        (false, false) => "",
        (true, false) => ":nickname",
        (false, true) => ":private-messages",
        (true, true) => ":nickname private-messages",
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
