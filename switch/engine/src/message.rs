//! One message on its way in, from the octet at position 1 to its `$`.
//!
//! ```text
//! Gathering --wrapper complete, allowed--> Flowing --$--> done
//!     \---------- refused ----------\--------> Refused: later chunks get the same answer
//! ```

use msrp::Flag;

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
    /// Whether the first chunk asked for a success report (SEND-07).
    pub(crate) success_report: bool,
    /// Position of the next octet expected.
    pub(crate) next: u64,
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
    /// The part of `body` that is new, when its first octet has position `at`. `None` when there is
    /// a gap before it.
    pub(crate) fn fresh<'a>(&self, at: u64, body: &'a [u8]) -> Option<&'a [u8]> {
        let overlap = self.next.checked_sub(at)?;
        Some(body.get(usize::try_from(overlap).ok()?..).unwrap_or_default())
    }

    /// What `end` says of the message, all octets before it being there.
    pub(crate) fn progress(&self, end: Option<Flag>) -> Progress {
        match end {
            None | Some(Flag::More) => Progress::Unfinished,
            Some(Flag::End) => Progress::Complete(self.next - 1),
            Some(Flag::Abort) => Progress::Aborted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Message, MessageStage};

    /// CHUNK-20: with cut-through, octets already forwarded stand and only the new tail is used.
    #[test]
    fn an_overlap_contributes_only_its_tail_and_a_gap_nothing() {
        let stage = MessageStage::Flowing;
        let message =
            Message { id: vec![], serial: 0, total: None, success_report: false, next: 5, stage };
        assert_eq!(message.fresh(5, b"efg"), Some(&b"efg"[..]));
        assert_eq!(message.fresh(3, b"cdefg"), Some(&b"efg"[..]));
        assert_eq!(message.fresh(1, b"abc"), Some(&b""[..]));
        assert_eq!(message.fresh(6, b"f"), None);
    }
}
