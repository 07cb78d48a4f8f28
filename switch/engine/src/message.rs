//! One message on its way in, from the octet at position 1 to its `$`.
//!
//! ```text
//! Gathering --wrapper complete, allowed--> Flowing --$--> done
//!     \---------- refused ----------\--------> Refused: later chunks get the same answer
//! ```

use std::collections::BTreeMap;

use msrp::Flag;

use crate::limits::AHEAD_SIZE_MAX;

/// What the sender is answered when a message is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refusal {
    /// 400: not to be understood (CODE-02).
    Malformed,
    /// 403: the sender may not do this (CODE-04).
    Forbidden,
    /// 413: too large, or no room for it now (CODE-07).
    StopSending,
    /// 415: not the CPIM wrapper, or not readable (CODE-08).
    UnsupportedType,
    /// 481: no such session for this connection (CODE-12).
    NoSuchSession,
    /// 501: no such method (CODE-13).
    UnknownMethod,
    /// 506: bound to another connection (CODE-14).
    SessionInUse,
}

impl Refusal {
    /// The status code, RFC 4975 section 10.
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::Forbidden => 403,
            Self::StopSending => 413,
            Self::UnsupportedType => 415,
            Self::NoSuchSession => 481,
            Self::UnknownMethod => 501,
            Self::SessionInUse => 506,
        }
    }
}

/// A message being received.
#[derive(Debug)]
pub(crate) struct Message {
    /// The sender's Message-ID: names it towards the sender, never towards recipients (CHAT-12).
    pub(crate) id: Vec<u8>,
    /// The how manieth of its session it is: names it inside the switch.
    pub(crate) serial: u64,
    /// The total announced by the first chunk.
    pub(crate) total: Option<u64>,
    /// Whether the chunk with the first octet asked for a success report (SEND-07).
    pub(crate) success_report: bool,
    /// Position of the next octet expected.
    pub(crate) next: u64,
    /// Octets of the whole, once its `$` chunk has come.
    pub(crate) size: Option<u64>,
    /// What came before its turn.
    pub(crate) ahead: Ahead,
    pub(crate) stage: MessageStage,
}

/// How far a message has come.
#[derive(Debug)]
pub(crate) enum MessageStage {
    /// The wrapper's head is not complete; nothing has been forwarded (CPIM-14).
    Gathering {
        /// The `Content-*` lines of the first chunk.
        content_headers: Vec<u8>,
        /// All octets so far.
        octets: Vec<u8>,
    },
    /// Recipients are fixed and get every octet as it comes.
    Flowing,
    /// Every further chunk is answered the same (CHUNK-25).
    Refused(Refusal),
}

/// Where a message stands after a piece of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Progress {
    /// More is to come.
    Unfinished,
    /// It is complete, with this many octets.
    Complete(u64),
    /// The sender gave it up.
    Aborted,
}

impl Message {
    /// A message of which nothing has come yet.
    pub(crate) fn new(serial: u64, total: Option<u64>) -> Self {
        Self {
            id: Vec::new(),
            serial,
            total,
            success_report: false,
            next: 1,
            size: None,
            ahead: Ahead::default(),
            stage: MessageStage::Gathering { content_headers: Vec::new(), octets: Vec::new() },
        }
    }

    /// The part of `body` that is new, when its first octet has position `at`. `None` when there is
    /// a gap before it.
    pub(crate) fn fresh<'a>(&self, at: u64, body: &'a [u8]) -> Option<&'a [u8]> {
        let overlap = self.next.checked_sub(at)?;
        Some(body.get(usize::try_from(overlap).ok()?..).unwrap_or_default())
    }

    /// Notes what the end of a chunk, whose octets end before position `past`, says of the message:
    /// `$` fixes the length, whatever was announced (CHUNK-19).
    pub(crate) fn note_end(&mut self, past: u64, end: Option<Flag>) {
        if end == Some(Flag::End) {
            self.size = Some(past - 1);
        }
    }

    /// Where it stands after a piece that ended like this.
    pub(crate) fn progress(&self, end: Option<Flag>) -> Progress {
        match self.size {
            _ if end == Some(Flag::Abort) => Progress::Aborted,
            Some(size) if self.next > size => Progress::Complete(self.next - 1),
            _ => Progress::Unfinished,
        }
    }
}

/// Octets that came before their turn, until those before them are there (CHUNK-18).
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    /// By the position of their first octet; they do not overlap.
    pieces: BTreeMap<u64, Vec<u8>>,
}

impl Ahead {
    /// Keeps octets that begin at `at`, in place of what was there (CHUNK-20). `false` when that
    /// would be more than may be held.
    pub(crate) fn keep(&mut self, at: u64, body: &[u8]) -> bool {
        let past = at + body.len() as u64;
        let overlapping: Vec<u64> = self
            .pieces
            .range(..past)
            .filter(|(start, piece)| **start + piece.len() as u64 > at)
            .map(|(&start, _)| start)
            .collect();
        for start in overlapping {
            let mut piece = self.pieces.remove(&start).unwrap_or_default();
            if let Some(tail) = past.checked_sub(start).and_then(|skip| piece.get(skip as usize..))
                && !tail.is_empty()
            {
                self.pieces.insert(past, tail.to_vec());
            }
            if start < at {
                piece.truncate((at - start) as usize);
                self.pieces.insert(start, piece);
            }
        }
        if !body.is_empty() {
            self.pieces.insert(at, body.to_vec());
        }
        self.pieces.values().map(Vec::len).sum::<usize>() <= AHEAD_SIZE_MAX
    }

    /// Takes the octets from position `next` on, if they are there.
    pub(crate) fn take(&mut self, next: u64) -> Option<Vec<u8>> {
        while let Some(entry) = self.pieces.first_entry()
            && *entry.key() <= next
        {
            let (start, mut piece) = entry.remove_entry();
            let stale = (next - start).min(piece.len() as u64) as usize;
            piece.drain(..stale);
            if !piece.is_empty() {
                return Some(piece);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use msrp::Flag;

    use super::{AHEAD_SIZE_MAX, Ahead, Message, Progress};

    fn message_at(next: u64) -> Message {
        Message { next, ..Message::new(1, None) }
    }

    /// CHUNK-20: with cut-through, octets already forwarded stand and only the new tail is used.
    #[test]
    fn an_overlap_contributes_only_its_tail_and_a_gap_nothing() {
        let message = message_at(5);
        assert_eq!(message.fresh(5, b"efg"), Some(&b"efg"[..]));
        assert_eq!(message.fresh(3, b"cdefg"), Some(&b"efg"[..]));
        assert_eq!(message.fresh(1, b"abc"), Some(&b""[..]));
        assert_eq!(message.fresh(6, b"f"), None);
    }

    /// CHUNK-18, CHUNK-19: a message is complete when the `$` chunk and all octets before its end
    /// are there, in whatever order they came.
    #[test]
    fn the_last_chunk_fixes_the_length_but_does_not_complete_what_has_gaps() {
        let mut message = message_at(1);
        message.note_end(8, Some(Flag::End));
        assert_eq!(message.progress(Some(Flag::End)), Progress::Unfinished);
        message.next = 7;
        assert_eq!(message.progress(Some(Flag::More)), Progress::Unfinished);
        message.next = 8;
        assert_eq!(message.progress(Some(Flag::More)), Progress::Complete(7));
        assert_eq!(message.progress(Some(Flag::Abort)), Progress::Aborted);
    }

    /// CHUNK-20: of octets held twice, those that came last count.
    #[test]
    fn what_came_last_replaces_what_was_held() {
        let mut ahead = Ahead::default();
        assert!(ahead.keep(5, b"eeee") && ahead.keep(12, b"ll"));
        assert!(ahead.keep(7, b"GG"));
        assert!(ahead.keep(4, b"DE"));
        assert_eq!(ahead.take(3), None);
        let mut next = 4;
        let mut joined = Vec::new();
        while let Some(piece) = ahead.take(next) {
            next += piece.len() as u64;
            joined.extend(piece);
        }
        assert_eq!(joined, b"DEeGG");
        assert_eq!(ahead.take(13), Some(b"l".to_vec()));
        assert!(ahead.pieces.is_empty());
    }

    #[test]
    fn what_is_held_is_bounded() {
        let mut ahead = Ahead::default();
        assert!(ahead.keep(2, &vec![0; AHEAD_SIZE_MAX]));
        assert!(ahead.keep(2, &vec![1; AHEAD_SIZE_MAX]), "the same place again");
        assert!(!ahead.keep(1_000_000, b"x"));
    }
}
