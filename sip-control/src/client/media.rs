//! The offer of a leg, and what an answer makes of it (RFC 3264, RFC 4975 section 8).
//!
//! We are the side that connects, so the offer says `setup:active` and names port 9 (SDP-04).

use std::net::IpAddr;

use msrp::{AcceptTypes, PathBuf, Scheme, UriBuf};

use super::config::Media;
use crate::sdp::{self, Attributes, Description};
use crate::transaction::Tokens;

/// The port of somebody who only connects (RFC 6135 section 4.2.2).
const DISCARD_PORT: u16 = 9;
/// The type that goes around all others in a room (RFC 7701 section 5.2).
const WRAPPER: &str = "message/cpim";
/// Typing indications (RFC 3994), which may come without it.
const TYPING: &str = "application/im-iscomposing+xml";
const TRANSPORT: &str = "TCP/MSRP";

/// An offer of one MSRP session that never was before (REJ-07).
#[derive(Clone, Debug)]
pub(super) struct Offer {
    path: UriBuf,
    accept_types: Vec<String>,
    wrapped_types: Vec<String>,
    text: String,
}

/// How far the peer is, as long as nothing is known of it.
const UNKNOWN: &str = "a=curr:qos remote none\r\n";
/// What is reserved: all on our side, of the peer's nothing is known yet, and none of it is ours to demand
/// (TS 24.229 section 6.1.2).
const RESERVED: &str = "a=curr:qos local sendrecv\r\na=curr:qos remote none\r\n\
                        a=des:qos mandatory local sendrecv\r\na=des:qos optional remote sendrecv\r\n";

impl Offer {
    /// Makes one up (SDP-01 to SDP-05).
    pub(super) fn new(media: &Media, has_preconditions: bool, tokens: &mut Tokens) -> Self {
        let (family, host) = match media.address {
            IpAddr::V4(address) => ("IP4", address.to_string()),
            IpAddr::V6(address) => ("IP6", format!("[{address}]")),
        };
        let path = format!("msrp://{host}:{DISCARD_PORT}/{};tcp", tokens.token());
        let mut accept_types = vec![WRAPPER.to_owned()];
        if media.takes_bare_typing {
            accept_types.push(TYPING.to_owned());
        }
        let address = media.address;
        let text = format!(
            "v=0\r\no=- {} 1 IN {family} {address}\r\ns=-\r\nc=IN {family} {address}\r\nt=0 0\r\n\
             m=message {DISCARD_PORT} {TRANSPORT} *\r\na=accept-types:{}\r\n\
             a=accept-wrapped-types:{}\r\na=setup:active\r\na=path:{path}\r\na=max-size:{}\r\n\
             a=chatroom:nickname private-messages\r\na=sendrecv\r\n{}",
            tokens.below(u32::MAX),
            accept_types.join(" "),
            media.wrapped_types.join(" "),
            media.size_max,
            if has_preconditions { RESERVED } else { "" },
        );
        Self {
            path: UriBuf::parse(path.as_bytes())
                .expect("an address, a port and a token make a URI"),
            accept_types,
            wrapped_types: media.wrapped_types.clone(),
            text,
        }
    }

    /// The offer once more, for a peer whose answer wants to hear when our part is reserved (RFC 3312 section
    /// 6): `None` if it does not, or if nothing was said of that. How far it is itself it has said.
    pub(super) fn confirming(&self, answer: &[u8]) -> Option<Self> {
        let answer = Description::parse(answer).ok()?;
        let [line] = &answer.media[..] else { return None };
        let is_wanted = line.attributes.all("conf").any(|words| {
            let mut words = words.split_ascii_whitespace();
            words.next() == Some("qos") && matches!(words.next(), Some("remote" | "e2e"))
        });
        let (before, after) = self.text.split_once(UNKNOWN).filter(|_| is_wanted)?;
        let theirs = line.attributes.all("curr").find_map(|it| it.strip_prefix("qos local "));
        // What they send is what we receive.
        let ours = match theirs.map(str::trim) {
            Some("send") => "recv",
            Some("recv") => "send",
            Some("sendrecv") => "sendrecv",
            _ => "none",
        };
        // Another version of the description (RFC 3264 section 8).
        let before = before.replacen(" 1 IN ", " 2 IN ", 1);
        let text = format!("{before}a=curr:qos remote {ours}\r\n{after}");
        Some(Self { text, ..self.clone() })
    }

    /// The description, for a body.
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

/// What both sides have agreed upon: all that the media of a leg need to know.
#[derive(Clone, Debug)]
pub struct Agreement {
    /// Our URI of the session.
    pub local: UriBuf,
    /// The peer's path. Its first URI is where to connect to.
    pub remote: PathBuf,
    /// What the peer reads inside the wrapper.
    pub wrapped_types: AcceptTypes,
    /// Octets of the largest message the peer takes; `None` is no stated limit.
    pub size_max: Option<u64>,
    /// Whether the peer wants to hear from us.
    pub may_send: bool,
    /// Whether the room has nicknames (RFC 7701 section 8).
    pub nicknames: bool,
    /// Whether the room passes private messages on (RFC 7701 section 8).
    pub private_messages: bool,
}

/// Why an answer cannot be used (SDP-23).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unusable {
    /// The 200 has no To tag, so there is no dialog to go on in.
    NoDialog,
    /// There is no answer in the 200, or it is in no language we read.
    Missing,
    /// Not a session description.
    Malformed,
    /// Not the one line that was offered.
    Lines,
    /// The line has port 0: the peer refused it, and yet took the call.
    Refused,
    /// Another transport than the one offered.
    Transport,
    /// `path` is missing, doubled or unusable.
    Path,
    /// The peer wants to connect as well, or nobody does.
    Setup,
    /// Types that were not offered, or none in which to speak in a room.
    Types,
}

impl Agreement {
    /// Checks an answer against what was offered.
    pub(super) fn read(answer: &[u8], offer: &Offer) -> Result<Self, Unusable> {
        let answer = Description::parse(answer).map_err(|_| Unusable::Malformed)?;
        let [line] = &answer.media[..] else {
            return Err(Unusable::Lines);
        };
        if !line.kind.eq_ignore_ascii_case("message") {
            return Err(Unusable::Lines);
        }
        if line.port == 0 {
            return Err(Unusable::Refused);
        }
        if !line.transport.eq_ignore_ascii_case(TRANSPORT) || line.formats.trim() != "*" {
            return Err(Unusable::Transport);
        }
        let of = Both { line: &line.attributes, session: &answer.attributes };
        // Who says nothing, or means nothing, knows no COMEDIA, and so is passive (RFC 6135 section
        // 4.2.2).
        let setup = of.first("setup").map_or("passive", str::trim);
        if !["passive", "holdconn"].iter().any(|passive| setup.eq_ignore_ascii_case(passive)) {
            return Err(Unusable::Setup);
        }
        let accept_types = types(of.first("accept-types"), &offer.accept_types)?;
        let accept_types = accept_types.ok_or(Unusable::Types)?;
        if !accept_types.accepts(WRAPPER.as_bytes()) {
            return Err(Unusable::Types);
        }
        let wrapped_types = types(of.first("accept-wrapped-types"), &offer.wrapped_types)?;
        let size_max = of.first("max-size").and_then(|size| size.trim().parse().ok());
        let chatroom = line.attributes.first("chatroom").unwrap_or_default();
        let allows = |what: &str| chatroom.split_ascii_whitespace().any(|token| token == what);
        Ok(Self {
            local: offer.path.clone(),
            remote: path(&line.attributes)?,
            wrapped_types: wrapped_types.map_or_else(|| of_offer(&offer.wrapped_types), Ok)?,
            size_max: size_max.filter(|&size| size > 0),
            may_send: !of.has("sendonly") && !of.has("inactive"),
            nicknames: allows("nickname"),
            private_messages: allows("private-messages"),
        })
    }
}

/// The attributes of a line, and those of the session for what the line does not say.
struct Both<'a> {
    line: &'a Attributes,
    session: &'a Attributes,
}

impl<'a> Both<'a> {
    fn first(&self, name: &'a str) -> Option<&'a str> {
        self.line.first(name).or_else(|| self.session.first(name))
    }

    fn has(&self, name: &'a str) -> bool {
        self.first(name).is_some()
    }
}

/// A list of types, all of which were offered; `None` when the answer has no such list.
fn types(list: Option<&str>, offered: &[String]) -> Result<Option<AcceptTypes>, Unusable> {
    let Some(list) = list else {
        return Ok(None);
    };
    let list = AcceptTypes::parse(list.as_bytes()).map_err(|_| Unusable::Types)?;
    let offered = of_offer(offered)?;
    let was_offered = |entry: &str| {
        offered.accepts(entry.as_bytes()) || offered.iter().any(|wildcard| wildcard == entry)
    };
    let is_within = list.iter().all(was_offered);
    if is_within { Ok(Some(list)) } else { Err(Unusable::Types) }
}

fn of_offer(offered: &[String]) -> Result<AcceptTypes, Unusable> {
    AcceptTypes::parse(offered.join(" ").as_bytes()).map_err(|_| Unusable::Types)
}

/// The one path of the line, if it can be connected to and names a session.
fn path(of: &sdp::Attributes) -> Result<PathBuf, Unusable> {
    let mut paths = of.all("path");
    let path = paths.next().filter(|_| paths.next().is_none());
    let path = path.and_then(|path| PathBuf::parse(path.as_bytes())).ok_or(Unusable::Path)?;
    let is_usable = path.uris().all(|uri| uri.scheme() == Scheme::Msrp)
        && path.uris().last().is_some_and(|peer| peer.session_id().is_some());
    if is_usable { Ok(path) } else { Err(Unusable::Path) }
}
