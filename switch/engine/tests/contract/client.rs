//! What one peer makes of the octets it gets: an endpoint that trusts nothing it is sent.

use std::collections::{HashMap, HashSet, VecDeque};

use msrp::{Flag, Frame, Framer, Head, Method, Start};

use super::said::{is_whole, speaker};

/// The switch's URI of the session, and the Message-ID: two sessions of one connection may be sent
/// messages of the same name.
type MessageName = (Vec<u8>, Vec<u8>);

/// Codes that only a relay says, in answer to AUTH or in a report.
const NEVER_SAID: [u16; 3] = [401, 408, 423];

/// A SEND, as far as it takes to answer it.
#[derive(Clone)]
pub struct Request {
    transaction: Vec<u8>,
    message_id: Vec<u8>,
    /// Whose it is, and to whom.
    from: Vec<u8>,
    to: Vec<u8>,
}

impl Request {
    fn of(head: &Head<'_>) -> Self {
        Self {
            transaction: head.transaction.as_bytes().to_vec(),
            message_id: head.message_id.expect("a Message-ID").to_vec(),
            from: head.from_path.expect("a From-Path").raw().to_vec(),
            to: head.to_path.expect("a To-Path").raw().to_vec(),
        }
    }

    pub fn answer(&self, code: u16) -> Vec<u8> {
        let Self { transaction, from, to, .. } = self;
        let code = code.to_string();
        let paths = [b"To-Path: ", &from[..], b"\r\nFrom-Path: ", to, b"\r\n-------"].concat();
        [b"MSRP ", &transaction[..], b" ", code.as_bytes(), b"\r\n", &paths, transaction, b"$\r\n"]
            .concat()
    }

    pub fn report(&self, code: u16) -> Vec<u8> {
        let Self { message_id, from, to, .. } = self;
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        format!(
            "MSRP report00 REPORT\r\nTo-Path: {}\r\nFrom-Path: {}\r\nMessage-ID: {}\r\n\
            Byte-Range: 1-5/5\r\nStatus: 000 {code}\r\n-------report00$\r\n",
            text(from),
            text(to),
            text(message_id)
        )
        .into_bytes()
    }
}

/// The reading side of one connection.
#[derive(Default)]
pub struct Client {
    framer: Framer,
    /// The message whose chunk has not ended.
    current: Option<MessageName>,
    /// What there is of each message that has not ended.
    messages: HashMap<MessageName, Vec<u8>>,
    /// Messages that were complete.
    pub whole: usize,
    /// Requests that it has not answered.
    pub unanswered: VecDeque<Request>,
    /// The last of them, answered or not.
    pub last: Option<Request>,
    /// How often each transaction was answered.
    pub answers: HashMap<String, u32>,
}

impl Client {
    pub fn hear(&mut self, mut input: &[u8]) {
        let mut framer = std::mem::take(&mut self.framer);
        while let Some(frame) = framer.next(&mut input).expect("what is sent can be framed") {
            let piece = match frame {
                Frame::Head { head, piece } => {
                    assert_eq!(head.fault, None, "what is sent is well formed");
                    match head.start {
                        Start::Response(status) => {
                            assert!(!NEVER_SAID.contains(&status), "{status} is not for endpoints");
                            let transaction = String::from_utf8_lossy(head.transaction.as_bytes());
                            *self.answers.entry(transaction.into_owned()).or_default() += 1;
                        }
                        Start::Request(Method::Send) if head.content_type.is_none() => {
                            assert_eq!(piece.end, Some(Flag::End));
                            self.unanswered.push_back(Request::of(&head));
                        }
                        Start::Request(Method::Send) => {
                            let session = head.from_path.expect("a From-Path").raw();
                            let id = head.message_id.expect("a Message-ID");
                            let id = (session.to_vec(), id.to_vec());
                            let start = head.byte_range.expect("a Byte-Range").start;
                            let so_far = self.messages.entry(id.clone()).or_default().len();
                            assert_eq!(start, so_far as u64 + 1, "no gap, no overlap");
                            self.current = Some(id);
                            self.last = Some(Request::of(&head));
                        }
                        Start::Request(method) => {
                            assert_eq!(method, Method::Report);
                            let status = head.status.expect("a Status");
                            assert!(!NEVER_SAID.contains(&status.code), "{} is", status.code);
                        }
                    }
                    piece
                }
                Frame::Body(piece) => piece,
            };
            let Some(id) = &self.current else { continue };
            let message = self.messages.get_mut(id).expect("it has begun");
            message.extend_from_slice(piece.body);
            match piece.end {
                Some(Flag::End) => {
                    assert!(is_whole(message), "only what is whole ends with a dollar");
                    self.whole += 1;
                    self.messages.remove(id);
                }
                Some(Flag::Abort) => drop(self.messages.remove(id)),
                Some(Flag::More) => {}
                None => continue,
            }
            self.current = None;
            self.unanswered.extend(self.last.clone());
        }
        self.framer = framer;
    }

    /// Whether a message of this sender is neither complete nor given up, to a session that was not
    /// `cut` off.
    pub fn waits_for(&self, sender: u8, cut: &HashSet<Vec<u8>>) -> bool {
        let mut open = self.messages.iter().filter(|((session, _), _)| !cut.contains(session));
        open.any(|(_, text)| speaker(text) == Some(sender))
    }
}
