//! Reading what the peer says of its media, in an offer (step 5 of the change request) or in its
//! answer to an offer of ours: by the same rules, as far as an answer can break them (FOC-21).

use mailbox::{Chatroom, Direction, PeerMedia, RoomPolicy};
use msrp::{AcceptTypes, PathBuf, Scheme};

use super::{
    Names, Shape, Unacceptable, Unresolved,
    precondition::Preconditions,
    setup::{Arrangement, Cema},
    types,
};
use crate::sdp::{Attributes, Description, Family, Media};

/// The media of a room, as far as offers are measured against it.
#[derive(Clone, Debug)]
pub struct RoomMedia {
    /// The types that messages may have inside the wrapper, wildcards among them, in order of
    /// preference. They are the session's: no offer widens or narrows them (FOC-28).
    pub wrapped_types: Vec<String>,
    /// Octets of the largest message, wrapper included.
    pub size_max: u64,
    /// What members may do beside talking to all.
    pub policy: RoomPolicy,
    /// A c/m address that differs from the path is tolerated (SDP-11).
    pub accept_sbc_rewrite: bool,
    /// Middleboxes are reckoned with (RFC 6714).
    pub cema: Cema,
    /// We connect to peers that wait for it (SDP-13).
    pub allow_active: bool,
}

/// The largest `path` that is kept (SDP-10).
const PATH_SIZE_MAX: usize = 2048;
/// The longest relay chain that is kept (SDP-10).
const PATH_URIS_MAX: usize = 8;

/// An offer that an answer fits.
#[derive(Clone, Debug)]
pub struct MediaOffer {
    /// The `m=` lines of the offer, for the same lines in the answer.
    pub(super) shape: Shape,
    /// The wrapped types that offer and room have in common.
    pub(super) selected_types: Vec<String>,
    /// Both sides know that middleboxes may change c= and m= (RFC 6714).
    pub(super) is_anchored: bool,
    /// What the peer said of itself.
    pub(super) peer: PeerMedia,
    /// What has to be reserved first, as far as anybody insists on it (RFC 3312).
    pub(super) preconditions: Option<Preconditions>,
    unresolved: Unresolved,
}

/// An answer that fits our offer.
#[derive(Clone, Debug)]
pub struct MediaAnswer {
    /// What the peer says of itself.
    pub peer: PeerMedia,
    /// What has to be known before it is certain that the answer fits.
    pub unresolved: Unresolved,
}

/// What one chat line says.
struct Chat {
    /// What the peer accepts and wants. Kept whole, because it rules what may be forwarded to it
    /// (SDP-17).
    peer: PeerMedia,
    selected_types: Vec<String>,
    is_anchored: bool,
    unresolved: Unresolved,
}

/// The peer's part in the exchange.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Role {
    Offerer,
    Answerer,
}

/// What an answer repeats of an `m=` line.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub kind: String,
    pub transport: String,
    pub formats: String,
    /// What a refusal of a file transfer repeats: whole lines (msrp/FILE-03).
    pub mirrored: String,
}

impl MediaOffer {
    /// Reads an offer against what the room allows. The first line that fits is the chat (SDP-07);
    /// when none does, the fault of the first candidate is the answer. `names` is what is known of
    /// the names in it.
    pub fn read(body: &[u8], room: &RoomMedia, names: &Names) -> Result<Self, Unacceptable> {
        let offer = Description::parse(body).map_err(|_| Unacceptable::Malformed)?;
        let mut fault = None;
        for (chat, media) in offer.media.iter().enumerate().filter(|(_, media)| is_chat(media)) {
            match Chat::read(media, &offer.attributes, room, names, Role::Offerer) {
                Ok(Chat { peer, selected_types, is_anchored, unresolved }) => {
                    return Ok(Self {
                        shape: Shape { lines: lines(&offer), chat },
                        selected_types,
                        is_anchored,
                        peer,
                        preconditions: Preconditions::read(&media.attributes),
                        unresolved,
                    });
                }
                Err(found) => fault = fault.or(Some(found)),
            }
        }
        Err(fault.unwrap_or(Unacceptable::NoChatLine))
    }

    /// The offer, its preconditions being none of ours: nobody insists on them (IMS-08).
    #[must_use]
    pub fn unconditional(self) -> Self {
        Self { preconditions: None, ..self }
    }

    /// Whether the session may begin.
    pub fn may_begin(&self) -> bool {
        self.preconditions.as_ref().is_none_or(Preconditions::are_met)
    }

    /// What the peer said of itself.
    pub fn peer(&self) -> &PeerMedia {
        &self.peer
    }

    /// What has to be known before it is certain that an answer fits.
    pub fn unresolved(&self) -> &Unresolved {
        &self.unresolved
    }

    /// Its `m=` lines.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }
}

impl RoomMedia {
    /// Reads the answer to an [`offer`](Self::offer) of ours in these lines: what the peer says of
    /// itself. An answer has the lines of the offer (RFC 3264 section 6). `names` is what is known of
    /// the names in it.
    pub fn read_answer(
        &self,
        shape: &Shape,
        body: &[u8],
        names: &Names,
    ) -> Result<MediaAnswer, Unacceptable> {
        let answer = Description::parse(body).map_err(|_| Unacceptable::Malformed)?;
        let is_whole = answer.media.len() == shape.lines.len();
        let media = answer.media.get(shape.chat).filter(|_| is_whole);
        let media = media.ok_or(Unacceptable::Malformed)?;
        if !is_chat(media) {
            return Err(Unacceptable::NoChatLine);
        }
        let chat = Chat::read(media, &answer.attributes, self, names, Role::Answerer)?;
        Ok(MediaAnswer { peer: chat.peer, unresolved: chat.unresolved })
    }
}

impl Chat {
    fn read(
        media: &Media,
        session: &Attributes,
        room: &RoomMedia,
        names: &Names,
        peer_is: Role,
    ) -> Result<Self, Unacceptable> {
        let of = &media.attributes;
        if !media.transport.eq_ignore_ascii_case("TCP/MSRP") {
            return Err(Unacceptable::Transport);
        }
        if media.formats.trim() != "*" {
            return Err(Unacceptable::Format);
        }
        if media.connection.family == Family::Other {
            return Err(Unacceptable::AddressFamily);
        }
        let path = path(of)?;
        let accept_types = only(of.all("accept-types")).ok_or(Unacceptable::AcceptTypes)?;
        let accept_types = AcceptTypes::parse(accept_types.as_bytes());
        let accept_types = accept_types.map_err(|_| Unacceptable::AcceptTypes)?;
        if !accept_types.accepts(b"message/cpim") {
            return Err(Unacceptable::Types);
        }
        let wrapped = wrapped_types(of, accept_types).ok_or(Unacceptable::AcceptWrappedTypes)?;
        let offered = wrapped.iter().filter(|entry| !is_wrapper(entry)).collect::<Vec<_>>();
        let selected_types = types::select(&room.wrapped_types, &offered);
        if selected_types.is_empty() {
            return Err(Unacceptable::Types);
        }
        let Arrangement { setup, is_anchored, unresolved } =
            Arrangement::read(media, session, &path, room, names, peer_is)?;
        let peer = PeerMedia {
            path,
            accept_wrapped: wrapped,
            size_max: of
                .first("max-size")
                .and_then(|size| size.trim().parse().ok())
                .filter(|&size| size > 0),
            direction: direction(of).or_else(|| direction(session)).unwrap_or_default(),
            setup,
            chatroom: of.first("chatroom").map(chatroom),
        };
        Ok(Self { peer, selected_types, is_anchored, unresolved })
    }
}

/// A chat line that is on offer: port 0 is not.
fn is_chat(media: &Media) -> bool {
    is_chat_line(media) && media.port != 0
}

/// A line for chat, which a file transfer is not (RFC 5547).
pub(super) fn is_chat_line(media: &Media) -> bool {
    media.kind.eq_ignore_ascii_case("message") && !media.attributes.has("file-selector")
}

pub(super) fn lines(offer: &Description) -> Vec<Line> {
    let line = |media: &Media| Line {
        kind: media.kind.clone(),
        transport: media.transport.clone(),
        formats: media.formats.clone(),
        mirrored: mirrored(media),
    };
    offer.media.iter().map(line).collect()
}

/// The lines by which a peer knows which of its files was refused. A `file-selector` that selects
/// nothing names no file: repeated, it would say that files are taken here (msrp/FILE-04).
fn mirrored(media: &Media) -> String {
    let names = ["file-selector", "file-transfer-id"].into_iter();
    let named = names.flat_map(|name| media.attributes.all(name).map(move |value| (name, value)));
    named
        .filter(|(_, value)| !value.trim().is_empty() && !value.contains(char::is_control))
        .fold(String::new(), |lines, (name, value)| lines + "a=" + name + ":" + value + "\r\n")
}

/// The one value there is; none when there are several.
fn only<'a>(mut values: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    values.next().filter(|_| values.next().is_none())
}

fn path(of: &Attributes) -> Result<PathBuf, Unacceptable> {
    let text = only(of.all("path")).filter(|text| text.len() <= PATH_SIZE_MAX);
    let path = text.and_then(|text| PathBuf::parse(text.as_bytes())).ok_or(Unacceptable::Path)?;
    let fits = path.uris().count() <= PATH_URIS_MAX
        && path.uris().last().is_some_and(|peer| peer.session_id().is_some())
        && path.uris().next().is_some_and(|next_hop| next_hop.scheme() == Scheme::Msrp);
    fits.then_some(path).ok_or(Unacceptable::Path)
}

/// What the peer accepts inside the wrapper: each type of `accept-types` may be used there too
/// (msrp/SDP-12). A peer that names nothing but containers is taken to read plain text, for there
/// would be nothing to say to it otherwise (SDP-12, msrp/SDP-13).
fn wrapped_types(of: &Attributes, accept_types: AcceptTypes) -> Option<AcceptTypes> {
    let assumed = || AcceptTypes::parse(ASSUMED_TYPE).ok();
    let all = match of.first("accept-wrapped-types") {
        Some(named) => accept_types.union(&AcceptTypes::parse(named.as_bytes()).ok()?),
        None => accept_types.union(&assumed()?),
    };
    let says_nothing = all.iter().all(|entry| is_wrapper(entry) || entry.starts_with("multipart/"));
    if says_nothing { Some(all.union(&assumed()?)) } else { Some(all) }
}

const ASSUMED_TYPE: &[u8] = b"text/plain";

/// The wrapper itself. It goes around the types that are negotiated, and is none of them.
fn is_wrapper(entry: &str) -> bool {
    entry == "message/cpim"
}

/// The direction as the switch sees it: what the peer sends, we receive (SDP-22).
fn direction(of: &Attributes) -> Option<Direction> {
    let known = [
        ("sendrecv", Direction::SendReceive),
        ("sendonly", Direction::FromPeer),
        ("recvonly", Direction::ToPeer),
        ("inactive", Direction::Inactive),
    ];
    known.into_iter().find(|(name, _)| of.has(name)).map(|(_, direction)| direction)
}

/// Reads `nickname private-messages`; `nicknames` is a common slip (msrp/SDP-28).
fn chatroom(tokens: &str) -> Chatroom {
    let has = |token: &str| tokens.split_ascii_whitespace().any(|t| t.eq_ignore_ascii_case(token));
    Chatroom {
        nickname: has("nickname") || has("nicknames"),
        private_messages: has("private-messages"),
    }
}
