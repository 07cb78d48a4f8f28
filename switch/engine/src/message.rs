//! One message on its way in, from the octet at position 1 to its `$`.
//!
//! ```text
//! Gathering --wrapper complete, allowed--> Flowing --all there--> Done
//!     \---------- refused ----------\--------> Refused: later chunks get the same answer
//! ```

use std::collections::BTreeMap;

use crate::limits::{AHEAD_PIECES_MAX, AHEAD_SIZE_MAX};

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
    /// Whether the chunk that begins it asked for a success report (SEND-07).
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
    /// All of it has been passed on. The chunk that completed it may have more to come.
    Done,
    /// Every further chunk is answered the same (CHUNK-25).
    Refused(Refusal),
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

    /// The part of `body` that is new and belongs to the message, when its first octet has position
    /// `at`. `None` when there is a gap before it.
    pub(crate) fn fresh<'a>(&self, at: u64, body: &'a [u8]) -> Option<&'a [u8]> {
        let overlap = self.next.checked_sub(at)?;
        let within = self.size.map_or(u64::MAX, |size| (size + 1).saturating_sub(at));
        let [overlap, within] =
            [overlap, within].map(|octets| octets.min(body.len() as u64) as usize);
        Some(body.get(overlap..within).unwrap_or_default())
    }

    /// Whether all octets are there, up to the end that the `$` chunk has fixed, whatever was
    /// announced (CHUNK-18, CHUNK-19).
    pub(crate) fn is_complete(&self) -> bool {
        self.size.is_some_and(|size| self.next > size)
    }

    /// Keeps the `Content-*` lines of the chunk that came first until recipients can be told.
    pub(crate) fn keep_headers(&mut self, content_headers: &[u8]) {
        if let MessageStage::Gathering { content_headers: kept, .. } = &mut self.stage
            && kept.is_empty()
        {
            kept.extend_from_slice(content_headers);
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
        self.pieces.len() <= AHEAD_PIECES_MAX
            && self.pieces.values().map(Vec::len).sum::<usize>() <= AHEAD_SIZE_MAX
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
    use super::{AHEAD_PIECES_MAX, AHEAD_SIZE_MAX, Ahead, Message};

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

    /// CHUNK-19: the `$` chunk fixes the length; what is beyond it is no part of the message.
    #[test]
    fn nothing_beyond_the_end_is_fresh() {
        let message = Message { size: Some(6), ..message_at(5) };
        assert_eq!(message.fresh(3, b"cdefg"), Some(&b"ef"[..]));
        assert_eq!(message.fresh(1, b"abcd"), Some(&b""[..]));
        let message = Message { size: Some(6), ..message_at(9) };
        assert_eq!(message.fresh(8, b"hi"), Some(&b""[..]));
        assert!(message.is_complete());
    }

    /// CHUNK-18, CHUNK-19: a message is complete when the `$` chunk and all octets before its end
    /// are there, in whatever order they came.
    #[test]
    fn the_last_chunk_fixes_the_length_but_does_not_complete_what_has_gaps() {
        let mut message = message_at(7);
        assert!(!message.is_complete());
        message.size = Some(7);
        assert!(!message.is_complete());
        message.next = 8;
        assert!(message.is_complete());
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

    /// CHUNK-21: 64 KiB and no more, nor more pieces than it takes to hold them.
    #[test]
    fn what_is_held_is_bounded() {
        let mut ahead = Ahead::default();
        assert!(ahead.keep(2, &vec![0; AHEAD_SIZE_MAX]));
        assert!(ahead.keep(2, &vec![1; AHEAD_SIZE_MAX]), "the same place again");
        assert!(!ahead.keep(1_000_000, b"x"));

        let mut ahead = Ahead::default();
        let every_other = (1..=AHEAD_PIECES_MAX as u64).map(|number| 2 * number);
        assert!(every_other.clone().all(|at| ahead.keep(at, b"x")));
        assert!(every_other.clone().all(|at| ahead.keep(at, b"y")), "the same places again");
        assert!(!ahead.keep(1, b"x"));
    }
}
