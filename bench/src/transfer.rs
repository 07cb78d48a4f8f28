//! One large message in each room: what its sender has yet to write, whose chunks were answered, and
//! who has all of it, octet for octet by its hash. Nobody keeps it: neither sender nor recipients.

use std::collections::BTreeSet;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::content::letters;
use crate::peer::msrp::{Digest, SendForm};

/// Octets after which the text begins anew. A prime, so that no chunk says what another one said.
const TEXT_PERIOD: usize = 65_521;
/// Octets written at once: enough to keep a connection busy, and little to hold.
const BATCH_SIZE: u64 = 256 * 1024;

/// The messages of all rooms.
#[derive(Debug)]
pub struct Transfer {
    octets: u64,
    chunk: u64,
    text: Vec<u8>,
    rooms: Vec<Sending>,
    begun: u64,
    outcome: Transferred,
}

/// What one sender has written.
#[derive(Debug)]
struct Sending {
    head: Vec<u8>,
    written: u64,
    chunks: u64,
    unanswered: BTreeSet<u64>,
    refused: bool,
    hash: Sha256,
    /// There once all is written.
    digest: Option<Digest>,
}

/// What the answer to a chunk means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answered {
    /// No such chunk waits for one.
    Stray,
    /// One of many.
    Part,
    /// The message is taken, or refused, with this status.
    Whole(u16),
}

/// What it came to. Times are from the first octet written.
#[derive(Clone, Debug, Default)]
pub struct Transferred {
    /// Until all chunks of a room's sender were answered.
    pub answered: Vec<Duration>,
    /// Until a recipient had all of it.
    pub fast: Vec<Duration>,
    /// The same for those that read slowly.
    pub slow: Vec<Duration>,
    /// Copies to those that read slowly which the switch ended early, and said so.
    pub given_up: u64,
}

impl Transfer {
    /// Messages of `octets` each in chunks of `chunk`, one behind each of these wrappers.
    pub fn new(octets: u64, chunk: usize, heads: impl Iterator<Item = Vec<u8>>, seed: u64) -> Self {
        let sending = |head| Sending {
            head,
            written: 0,
            chunks: 0,
            unanswered: BTreeSet::new(),
            refused: false,
            hash: Sha256::new(),
            digest: None,
        };
        Self {
            octets,
            chunk: chunk as u64,
            text: letters(TEXT_PERIOD, seed),
            rooms: heads.map(sending).collect(),
            begun: 0,
            outcome: Transferred::default(),
        }
    }

    /// The first octets are about to be written.
    pub fn begin(&mut self, now: u64) {
        self.begun = now;
    }

    /// Whether this room's message has octets that are yet to be written.
    pub fn has_more(&self, room: usize) -> bool {
        let sending = &self.rooms[room];
        sending.digest.is_none() && !sending.refused
    }

    /// Appends the next chunks of this room's message.
    pub fn write_batch(&mut self, room: usize, form: &SendForm, out: &mut Vec<u8>) {
        let Self { octets, chunk, text, rooms, .. } = self;
        let sending = &mut rooms[room];
        let until = (sending.written + BATCH_SIZE).min(*octets);
        let mut body = Vec::with_capacity(*chunk as usize);
        while sending.written < until {
            let end = (sending.written + *chunk).min(*octets);
            body.clear();
            sending.copy(text, end, &mut body);
            form.write_chunk(sending.chunks, sending.written + 1, *octets, &body, out);
            sending.hash.update(&body);
            sending.unanswered.insert(sending.chunks);
            sending.chunks += 1;
            sending.written = end;
        }
        if sending.written == *octets {
            sending.digest = Some(sending.hash.clone().finalize().into());
        }
    }

    /// A chunk was answered.
    pub fn answer(&mut self, room: usize, number: u64, status: u16, now: u64) -> Answered {
        let sending = &mut self.rooms[room];
        if !sending.unanswered.remove(&number) {
            return Answered::Stray;
        }
        if sending.refused {
            return Answered::Part;
        }
        if status != msrp::status::OK {
            sending.refused = true;
            return Answered::Whole(status);
        }
        if sending.digest.is_none() || !sending.unanswered.is_empty() {
            return Answered::Part;
        }
        self.outcome.answered.push(Duration::from_nanos(now.saturating_sub(self.begun)));
        Answered::Whole(status)
    }

    /// Whether this is what the sender of the room has written, all of it.
    pub fn is_sound(&self, room: usize, size: u64, digest: Digest) -> bool {
        size == self.octets && self.rooms[room].digest == Some(digest)
    }

    /// A recipient has all of it.
    pub fn complete(&mut self, is_slow: bool, now: u64) {
        let took = Duration::from_nanos(now.saturating_sub(self.begun));
        let times = if is_slow { &mut self.outcome.slow } else { &mut self.outcome.fast };
        times.push(took);
    }

    /// The switch has ended the copy of one that reads slowly.
    pub fn give_up(&mut self) {
        self.outcome.given_up += 1;
    }

    /// What it came to.
    pub fn close(self) -> Transferred {
        self.outcome
    }
}

impl Sending {
    /// Appends the octets from where writing stands up to `end`.
    fn copy(&self, text: &[u8], end: u64, out: &mut Vec<u8>) {
        let (mut at, end) = (self.written as usize, end as usize);
        if at < self.head.len() {
            out.extend_from_slice(&self.head[at..end.min(self.head.len())]);
            at = end.min(self.head.len());
        }
        while at < end {
            let opens = (at - self.head.len()) % text.len();
            let length = (end - at).min(text.len() - opens);
            out.extend_from_slice(&text[opens..opens + length]);
            at += length;
        }
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::{Answered, SendForm, TEXT_PERIOD, Transfer};

    const OWN: &str = "msrp://127.0.0.1:9/own;tcp";

    /// A message of so many octets, all written.
    fn written(octets: u64, chunk: usize) -> (Transfer, String) {
        let mut transfer = Transfer::new(octets, chunk, [b"head".to_vec()].into_iter(), 1);
        let form = SendForm::new(OWN, OWN, "m", 0);
        let mut out = Vec::new();
        while transfer.has_more(0) {
            transfer.write_batch(0, &form, &mut out);
        }
        (transfer, String::from_utf8(out).unwrap())
    }

    #[test]
    fn chunks_are_contiguous_and_hash_to_what_is_expected_of_a_copy() {
        let octets = 3 * TEXT_PERIOD as u64 + 5;
        for chunk in [3, 1000, TEXT_PERIOD, 1 << 20] {
            let (transfer, out) = written(octets, chunk);
            let mut whole = String::new();
            for frame in out.split("MSRP s").skip(1) {
                let (head, rest) = frame.split_once("\r\n\r\n").unwrap();
                let range = format!("\r\nByte-Range: {}-*/{octets}\r\n", whole.len() + 1);
                assert!(head.contains(&range), "{head}");
                let (body, end) = rest.split_once("\r\n-------s").unwrap();
                whole.push_str(body);
                assert_eq!(end.ends_with("$\r\n"), whole.len() as u64 == octets);
            }
            assert!(whole.starts_with("head"));
            let digest = Sha256::digest(&whole).into();
            assert!(transfer.is_sound(0, octets, digest), "chunks of {chunk}");
            assert!(!transfer.is_sound(0, octets - 1, digest));
            assert!(!transfer.is_sound(0, octets, [0; 32]));
        }
    }

    #[test]
    fn it_is_answered_with_the_last_chunk_or_refused_with_the_first_that_is() {
        let (mut transfer, _) = written(250, 100);
        assert_eq!(transfer.answer(0, 0, 200, 0), Answered::Part);
        assert_eq!(transfer.answer(0, 0, 200, 0), Answered::Stray);
        assert_eq!(transfer.answer(0, 3, 200, 0), Answered::Stray);
        assert_eq!(transfer.answer(0, 2, 200, 0), Answered::Part);
        assert_eq!(transfer.answer(0, 1, 200, 0), Answered::Whole(200));
        let (mut transfer, _) = written(250, 100);
        assert_eq!(transfer.answer(0, 0, 413, 0), Answered::Whole(413));
        assert_eq!(transfer.answer(0, 1, 413, 0), Answered::Part);
    }
}
