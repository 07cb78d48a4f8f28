//! What one peer makes of the octets it gets: an endpoint that trusts nothing it is sent.

use std::collections::HashMap;

use msrp::{Flag, Frame, Framer, Method, Start};

use super::said::{is_whole, speaker};

/// The switch's URI of the session, and the Message-ID: two sessions of one connection may be sent
/// messages of the same name.
type MessageName = (Vec<u8>, Vec<u8>);

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
    /// What it says to those who connected to it and introduced themselves.
    pub answers_to_binding: Vec<Vec<u8>>,
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
                        Start::Response(_) => {
                            let transaction = String::from_utf8_lossy(head.transaction.as_bytes());
                            *self.answers.entry(transaction.into_owned()).or_default() += 1;
                        }
                        Start::Request(Method::Send) if head.content_type.is_none() => {
                            assert_eq!(piece.end, Some(Flag::End));
                            let (Some(to), Some(from)) = (head.from_path, head.to_path) else {
                                panic!("both paths")
                            };
                            let tid = head.transaction.as_bytes();
                            let parts = [
                                &b"MSRP "[..],
                                tid,
                                b" 200 OK\r\nTo-Path: ",
                                to.raw(),
                                b"\r\nFrom-Path: ",
                                from.raw(),
                                b"\r\n-------",
                                tid,
                                b"$\r\n",
                            ];
                            self.answers_to_binding.push(parts.concat());
                        }
                        Start::Request(Method::Send) => {
                            let session = head.from_path.expect("a From-Path").raw();
                            let id = head.message_id.expect("a Message-ID");
                            let id = (session.to_vec(), id.to_vec());
                            let start = head.byte_range.expect("a Byte-Range").start;
                            let so_far = self.messages.entry(id.clone()).or_default().len();
                            assert_eq!(start, so_far as u64 + 1, "no gap, no overlap");
                            self.current = Some(id);
                        }
                        Start::Request(method) => assert_eq!(method, Method::Report),
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
        }
        self.framer = framer;
    }

    /// Whether a message of this sender is neither complete nor given up.
    pub fn waits_for(&self, sender: u8) -> bool {
        let from_there = |text: &Vec<u8>| speaker(text) == Some(sender);
        self.messages.values().any(from_there)
    }
}
