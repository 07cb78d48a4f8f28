//! What the body of a message is made of, as far as we read bodies at all.

use bytes::Bytes;

use super::refusal::Refusal;
use crate::message::{Header, MediaType, Message, Part, PartsFault};

/// The body of a message, taken apart.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// The session description: an offer, or the answer to one.
    pub sdp: Option<Bytes>,
    /// A list of recipients (RFC 5363).
    pub list: Option<List>,
}

/// A list of recipients, unread.
#[derive(Clone, Debug)]
pub struct List {
    /// What it is referred to by, without brackets.
    pub id: Option<String>,
    /// The document.
    pub document: Bytes,
}

/// A part of a body, or a body of one part.
struct Piece<'a> {
    content_type: Option<MediaType<'a>>,
    disposition: Option<&'a str>,
    encoding: Option<&'a str>,
    id: Option<&'a str>,
    body: Bytes,
}

impl Content {
    /// Takes a body apart. What is none of ours is passed over where the sender calls it optional,
    /// and refuses the message where not (RFC 3261 section 20.11, RFC 5621 section 8).
    pub fn read(message: &Message) -> Result<Self, Refusal> {
        let mut content = Self::default();
        if message.body().is_empty() {
            return Ok(content);
        }
        let whole = Piece {
            content_type: message.content_type(),
            disposition: message.header(Header::ContentDisposition),
            encoding: message.list(Header::ContentEncoding).find(|encoding| !is_identity(encoding)),
            id: message.header(Header::ContentId),
            body: message.body(),
        };
        match whole.content_type.filter(|kind| kind.is("multipart/mixed") && whole.is_plain()) {
            None => content.take(&whole)?,
            Some(kind) => {
                for part in Part::split(&kind, &whole.body)? {
                    content.take(&Piece::of(&part))?;
                }
            }
        }
        Ok(content)
    }

    fn take(&mut self, piece: &Piece<'_>) -> Result<(), Refusal> {
        let is = |kind| piece.content_type.is_some_and(|own| own.is(kind));
        let is_sdp = is("application/sdp") && piece.is_for("session");
        let is_list = is("application/resource-lists+xml") && piece.is_for("recipient-list");
        if !is_sdp && !is_list || !piece.is_plain() {
            return match (piece.is_optional(), is_sdp || is_list) {
                (true, _) => Ok(()),
                (false, true) => Err(Refusal::Encoding),
                (false, false) => Err(Refusal::MediaType),
            };
        }
        let is_second = if is_sdp { self.sdp.is_some() } else { self.list.is_some() };
        if is_second {
            return Err(Refusal::BodyMalformed);
        }
        if is_sdp {
            self.sdp = Some(piece.body.clone());
        } else {
            let id = piece.id.map(|id| id.trim_matches(['<', '>']).to_owned());
            self.list = Some(List { id, document: piece.body.clone() });
        }
        Ok(())
    }
}

impl<'a> Piece<'a> {
    fn of(part: &'a Part) -> Self {
        Self {
            content_type: part.content_type(),
            disposition: part.header(Header::ContentDisposition),
            encoding: part.header(Header::ContentEncoding),
            id: part.header(Header::ContentId),
            body: part.body.clone(),
        }
    }

    /// Whether it is there for that purpose, the only one that its type has with us. Many do not
    /// say.
    fn is_for(&self, purpose: &str) -> bool {
        self.disposition.is_none_or(|value| {
            let said = value.split(';').next().unwrap_or_default();
            said.trim().eq_ignore_ascii_case(purpose)
        })
    }

    fn is_optional(&self) -> bool {
        self.disposition.is_some_and(|value| {
            value.split(';').skip(1).any(|param| {
                let (name, value) = param.split_once('=').unwrap_or_default();
                name.trim().eq_ignore_ascii_case("handling")
                    && value.trim().eq_ignore_ascii_case("optional")
            })
        })
    }

    fn is_plain(&self) -> bool {
        self.encoding.is_none_or(is_identity)
    }
}

fn is_identity(encoding: &str) -> bool {
    encoding.trim().eq_ignore_ascii_case("identity")
}

impl From<PartsFault> for Refusal {
    fn from(fault: PartsFault) -> Self {
        match fault {
            PartsFault::Malformed => Self::BodyMalformed,
            PartsFault::TooMany => Self::BodyTooLarge,
        }
    }
}
