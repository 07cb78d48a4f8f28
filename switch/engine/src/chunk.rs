//! One chunk of one copy: what it says, and how it is written.
//!
//! ```text
//! MSRP tid SEND | To-Path, From-Path, Message-ID: s | m, Byte-Range, Content-* | body | -------tid$
//!  per copy        per session                        once per piece             shared  per copy
//! ```

use std::sync::Arc;

use bytes::Bytes;
use mailbox::{Class, ParticipantId};
use msrp::{ByteRange, Flag};

use crate::{
    limits::{BODY_COPIED_MAX, CHUNK_BODY_DEFINITE_MAX, WHOLE_MESSAGE_MAX},
    mint::{MESSAGE_ID_LEN, Mint, PREFIX_LEN, write_transaction_between},
    room::FlightId,
};

/// Octets of one copy's chunk beside its body, its paths and what all chunks of the message say.
const FRAME_SIZE_MAX: usize = "MSRP  SEND\r\nMessage-ID: \r\nByte-Range: -/\r\n\r\n\r\n-------$\r\n"
    .len()
    + 2 * 32
    + MESSAGE_ID_LEN + 3 * 20;

/// What every chunk of a message's copies says, whoever gets it and whatever part it brings.
#[derive(Debug)]
pub(crate) struct CopyHead {
    /// The part of the Message-ID that all copies made here have in common.
    pub(crate) message_id: [u8; MESSAGE_ID_LEN],
    /// The total that the sender announced.
    pub(crate) total: Option<u64>,
    /// The `Content-*` lines.
    pub(crate) content_headers: Box<[u8]>,
    /// Who said it.
    pub(crate) sender: ParticipantId,
    /// How urgent it is.
    pub(crate) class: Class,
    /// The type inside its wrapper, should a recipient refuse it (SEND-14).
    pub(crate) wrapped_type: Box<str>,
    /// Names it inside the switch while more of it is to come.
    pub(crate) flight: FlightId,
}

/// A part of a copy that is not written yet, or may have to be written anew.
#[derive(Clone)]
pub(crate) struct Due {
    pub(crate) head: Arc<CopyHead>,
    /// Position of its first octet in the message.
    pub(crate) at: u64,
    pub(crate) body: Bytes,
    /// What is to be said at its end.
    pub(crate) flag: Flag,
    /// Whether the body may hold an end-line (WIRE-17).
    pub(crate) hyphens: bool,
    /// Whether the message was all there when it was queued.
    pub(crate) whole: bool,
}

impl Due {
    /// Whether it is a whole message, of which nothing has been sent.
    pub(crate) fn is_whole(&self) -> bool {
        self.whole && self.at == 1
    }

    /// Whether it is the rest of one.
    pub(crate) fn is_whole_under_way(&self) -> bool {
        self.whole && self.at > 1
    }

    /// Whether it is the rest of a message that nothing may come between, for the same session
    /// (PEER-02).
    pub(crate) fn is_unbroken(&self) -> bool {
        let size = self.at as usize - 1 + self.body.len();
        self.is_whole_under_way() && size <= WHOLE_MESSAGE_MAX
    }

    /// Octets it takes to say it to who has paths of this length; a few more than that.
    pub(crate) fn size_max(&self, path_headers: usize) -> usize {
        size_max(path_headers + self.head.content_headers.len(), self.body.len())
    }

    /// Takes the first `octets` of it, which are not all, as a chunk of their own.
    pub(crate) fn split_to(&mut self, octets: usize) -> Self {
        let (head, body) = (Arc::clone(&self.head), self.body.split_to(octets));
        let first = Self { head, body, flag: Flag::More, ..*self };
        self.at += octets as u64;
        first
    }

    /// Writes the headers between the paths and the body.
    pub(crate) fn write_middle(&self, out: &mut Vec<u8>) {
        let CopyHead { message_id, total, content_headers, .. } = &*self.head;
        let range = (self.at, definite_end(self.at, self.body.len(), self.flag), *total);
        write_middle(out, message_id, range, content_headers);
    }

    /// A prefix for a transaction id that does not end in the body.
    pub(crate) fn prefix(&self, mint: &mut Mint) -> [u8; PREFIX_LEN] {
        prefix_for(mint, &self.body, self.hyphens)
    }
}

/// Octets that a chunk takes at most, when `headers` are those of its paths and `Content-*` lines.
pub(crate) fn size_max(headers: usize, body: usize) -> usize {
    FRAME_SIZE_MAX + headers + body
}

/// Where a chunk says that it ends: only one that ends its message, and may not be interrupted,
/// says so (CHUNK-05, CHAT-15).
pub(crate) fn definite_end(start: u64, body: usize, flag: Flag) -> Option<u64> {
    let definite = flag == Flag::End && body <= CHUNK_BODY_DEFINITE_MAX;
    definite.then(|| start + body as u64 - 1)
}

/// Writes what all copies of one chunk share of its head, from within the Message-ID to the blank
/// line.
pub(crate) fn write_middle(
    out: &mut Vec<u8>,
    message_id: &[u8; MESSAGE_ID_LEN],
    (start, end, total): (u64, Option<u64>, Option<u64>),
    content_headers: &[u8],
) {
    out.extend_from_slice(message_id);
    out.extend_from_slice(b"\r\nByte-Range: ");
    ByteRange { start, end, total }.write(out);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(content_headers);
    out.extend_from_slice(b"\r\n");
}

/// Puts a body behind the headers of its copies, if it is worth copying. Returns how many octets they
/// have.
pub(crate) fn append_body(middle: &mut Vec<u8>, body: &[u8]) -> usize {
    let headers = middle.len();
    if body.len() <= BODY_COPIED_MAX {
        middle.extend_from_slice(body);
    }
    headers
}

/// Writes what comes before the middle.
pub(crate) fn write_start(
    out: &mut Vec<u8>,
    prefix: &[u8; PREFIX_LEN],
    number: u32,
    path_headers: &[u8],
) {
    write_transaction_between(out, b"MSRP ", (prefix, number), b" SEND\r\n");
    out.extend_from_slice(path_headers);
}

/// Writes what comes behind the body.
pub(crate) fn write_end(out: &mut Vec<u8>, prefix: &[u8; PREFIX_LEN], number: u32, flag: Flag) {
    let behind = [flag.octet(), b'\r', b'\n'];
    write_transaction_between(out, b"\r\n-------", (prefix, number), &behind);
}

/// A prefix for the transaction ids of all copies of a chunk with this body, such that no copy's
/// end-line occurs in it (WIRE-17, WIRE-19). One scan has cleared the body for every copy; only one
/// that has seven hyphens is looked at again.
pub(crate) fn prefix_for(mint: &mut Mint, body: &[u8], hyphens: bool) -> [u8; PREFIX_LEN] {
    loop {
        let prefix = mint.transaction_prefix();
        if !hyphens || !msrp::collides(body, &prefix) {
            return prefix;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::prefix_for;
    use crate::mint::Mint;

    /// WIRE-17, WIRE-19: a body that holds the end-line of the ids at hand gets other ids.
    #[test]
    fn ids_that_the_body_would_end_are_not_used() {
        let seed = [3; 32];
        let mut foretold = Mint::new(seed);
        let (first, second) = (foretold.transaction_prefix(), foretold.transaction_prefix());
        let body = [b"x--------".as_slice(), &first].concat();
        let chosen = |body: &[u8]| prefix_for(&mut Mint::new(seed), body, msrp::has_hyphens(body));
        assert_eq!(chosen(b"-------"), first);
        assert_eq!(chosen(&body), second);
    }
}
