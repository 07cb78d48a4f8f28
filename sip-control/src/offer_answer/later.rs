//! Offers within a session that runs (RFC 3264 section 8): as a first one, but the chat may be put
//! on hold, and no line may be taken away.

use super::{
    MediaOffer, Names, RoomMedia, Unacceptable,
    describe::{Origin, session_lines},
    offer::{Line, is_chat_line, lines},
};
use crate::sdp::{Description, Media};
use msrp::UriBuf;

/// The `m=` lines of a session. No later description takes one away or puts them in another order
/// (RFC 3264 section 8).
#[derive(Clone, Debug)]
pub struct Shape {
    pub(super) lines: Vec<Line>,
    /// Which of them is the chat.
    pub(super) chat: usize,
}

impl Default for Shape {
    /// The one line that we offer of our own accord.
    fn default() -> Self {
        let chat = Line {
            kind: "message".to_owned(),
            transport: "TCP/MSRP".to_owned(),
            formats: "*".to_owned(),
            mirrored: String::new(),
        };
        Self { lines: vec![chat], chat: 0 }
    }
}

/// What an offer makes of a session that runs.
#[derive(Debug)]
pub enum LaterOffer {
    /// There is a chat line that fits.
    Chat(MediaOffer),
    /// Every chat line has port 0.
    Hold(Hold),
}

/// An offer without chat, that once had one.
#[derive(Debug)]
pub struct Hold {
    shape: Shape,
}

impl LaterOffer {
    /// Reads an offer against what the room allows and against the lines that there were
    /// before it.
    pub fn read(
        body: &[u8],
        room: &RoomMedia,
        before: &Shape,
        names: &Names,
    ) -> Result<Self, Unacceptable> {
        let later = match MediaOffer::read(body, room, names) {
            Ok(offer) => Self::Chat(offer),
            Err(Unacceptable::NoChatLine) => Self::Hold(Hold::read(body)?),
            Err(fault) => return Err(fault),
        };
        let lines = match &later {
            Self::Chat(offer) => offer.shape.lines.len(),
            Self::Hold(hold) => hold.shape.lines.len(),
        };
        if lines < before.lines.len() { Err(Unacceptable::LinesMissing) } else { Ok(later) }
    }
}

impl Hold {
    fn read(body: &[u8]) -> Result<Self, Unacceptable> {
        let offer = Description::parse(body).map_err(|_| Unacceptable::Malformed)?;
        let is_held = |media: &Media| {
            is_chat_line(media)
                && media.port == 0
                && media.transport.to_ascii_uppercase().ends_with("/MSRP")
        };
        let chat = offer.media.iter().position(is_held).ok_or(Unacceptable::NoChatLine)?;
        Ok(Self { shape: Shape { lines: lines(&offer), chat } })
    }

    /// Its `m=` lines.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The answer: no line is taken (msrp/SDP-21). `path` is where the chat was.
    pub fn answer(&self, origin: Origin, path: &UriBuf) -> String {
        let line = |line: &Line| {
            let Line { kind, transport, formats, mirrored } = line;
            format!("m={kind} 0 {transport} {formats}\r\n{mirrored}")
        };
        session_lines(origin, path) + &self.shape.lines.iter().map(line).collect::<String>()
    }
}
