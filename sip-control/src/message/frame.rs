//! Messages out of a stream (RFC 3261 section 18.3).

use bytes::{Bytes, BytesMut};

use super::fault::Fault;
use super::limits;
use super::read::{Head, Length, Message};

/// What a stream held.
#[derive(Clone, Debug)]
pub enum Frame {
    /// A message. After one whose framing is at fault nothing more comes, because nobody can know
    /// where the next would start: see [`Framer::is_broken`].
    Message(Message),
    /// `CRLFCRLF` between messages: the peer wants one CRLF back, to know that the connection is
    /// alive (RFC 5626 section 3.5.1).
    Ping,
}

/// Cuts one stream into messages. Holds no memory while nothing is pending.
///
/// ```text
/// buffer  INVITE ... CRLF CRLF v=0 ... | next message
///         ^ 0                 ^ head.len      ^ head.len + body_len
/// ```
#[derive(Debug, Default)]
pub struct Framer {
    buffer: BytesMut,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    /// Between messages.
    #[default]
    Idle,
    /// A message has begun. There is no blank line before `scanned`.
    Head { scanned: usize },
    /// The head is read, and this much of a body belongs to it.
    Body { head: Head, body_len: usize },
    /// Where messages start is no longer known.
    Broken,
}

impl Framer {
    /// Takes what was received.
    pub fn push(&mut self, received: &[u8]) {
        if !self.is_broken() {
            self.buffer.extend_from_slice(received);
        }
    }

    /// The next frame; `None` until more is pushed.
    pub fn poll_frame(&mut self) -> Option<Frame> {
        loop {
            match std::mem::take(&mut self.state) {
                State::Idle => {
                    if self.skip_line_ends()? {
                        return Some(Frame::Ping);
                    }
                    self.state = State::Head { scanned: 0 };
                }
                State::Head { scanned } => self.state = self.read_head(scanned)?,
                State::Body { head, body_len } => {
                    let len = head.len + body_len;
                    if self.buffer.len() < len {
                        self.state = State::Body { head, body_len };
                        return None;
                    }
                    let bytes = self.buffer.split_to(len).freeze();
                    self.release();
                    return Some(Frame::Message(Message::new(bytes, head)));
                }
                State::Broken => {
                    self.state = State::Broken;
                    if self.buffer.is_empty() {
                        return None;
                    }
                    return Some(self.fail());
                }
            }
        }
    }

    /// Whether the connection has to be closed, because what follows cannot be framed. The faulty
    /// message has been handed out; its answer may still be sent.
    pub fn is_broken(&self) -> bool {
        matches!(self.state, State::Broken)
    }

    /// Whether a message has begun and not ended.
    pub fn is_partial(&self) -> bool {
        matches!(self.state, State::Head { .. } | State::Body { .. })
    }

    /// Skips line ends between messages; true when they were a ping. `None` when there is nothing
    /// else yet: half a ping stays in the buffer.
    fn skip_line_ends(&mut self) -> Option<bool> {
        loop {
            let skipped = match self.buffer.as_ref() {
                [] => {
                    self.release();
                    return None;
                }
                [b'\r', b'\n', b'\r', b'\n', ..] => {
                    let _ = self.buffer.split_to(4);
                    return Some(true);
                }
                b"\r" | b"\r\n" | b"\r\n\r" => return None,
                [b'\r', b'\n', ..] => 2,
                [b'\r' | b'\n', ..] => 1,
                _ => return Some(false),
            };
            let _ = self.buffer.split_to(skipped);
        }
    }

    fn read_head(&mut self, scanned: usize) -> Option<State> {
        let found = memchr::memmem::find(&self.buffer[scanned..], b"\r\n\r\n");
        let head_len = match found {
            Some(at) if scanned + at + 4 <= limits::HEAD_SIZE_MAX => scanned + at + 4,
            None if self.buffer.len() <= limits::HEAD_SIZE_MAX => {
                // The blank line may have begun.
                self.state = State::Head { scanned: self.buffer.len().saturating_sub(3) };
                return None;
            }
            _ => return Some(State::Broken),
        };
        let head = Head::read(&self.buffer[..head_len], true);
        // What is too large and cannot even be refused is no peer's honest mistake (OPS-04).
        let is_hopeless = head.fault.is_some_and(|fault| fault.status() == 513);
        if is_hopeless && !head.names_transaction() {
            return Some(State::Broken);
        }
        match head.content_length(&self.buffer) {
            Length::Given(body_len) if body_len <= limits::BODY_SIZE_MAX => {
                Some(State::Body { head, body_len })
            }
            _ => Some(State::Broken),
        }
    }

    /// The message that broke the framing, with what can be read of its head.
    fn fail(&mut self) -> Frame {
        let bytes: Bytes = std::mem::take(&mut self.buffer).freeze();
        let head_end = memchr::memmem::find(&bytes, b"\r\n\r\n").map(|at| at + 4);
        let head_len = head_end.unwrap_or(bytes.len()).min(limits::HEAD_SIZE_MAX);
        let mut head = Head::read(&bytes[..head_len], head_end == Some(head_len));
        match head.content_length(&bytes) {
            _ if head_end != Some(head_len) => head.fault = Some(Fault::HeadTooLarge),
            Length::Absent => head.note(Fault::LengthMissing),
            Length::Bad => head.note(Fault::LengthBad),
            // Unless the head has a fault of its own.
            Length::Given(_) => head.note(Fault::BodyTooLarge),
        }
        Frame::Message(Message::new(bytes.slice(..head_len), head))
    }

    /// Gives the memory back when nothing is pending: most connections are idle most of the time.
    fn release(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
    }
}
