//! One message on its way in, from the octet at position 1 to its `$`.
//!
//! ```text
//! Gathering --wrapper complete, allowed--> Flowing or Ignored --all there--> Done
//!     \---- refused, given up, silent ---\--> Ended: later chunks get the same answer for a while
//! ```

use std::{borrow::Cow, collections::BTreeMap, fmt, time::Instant};

use msrp::{ByteRange, FailureReport};

use crate::{
    limits::{
        AHEAD_PIECES_MAX, AHEAD_SIZE_MAX, CHUNK_BODY_MIN, ENDED_MAX, ENDED_REMEMBERED,
        WHOLE_MESSAGE_MAX,
    },
    route::SessionKey,
    slots::Key,
};

/// A message's slot in the core's table.
pub(crate) type MessageKey = Key<Message>;

/// What the sender is answered when a message is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refusal {
    /// 400: not to be understood (CODE-02).
    Malformed,
    /// 403: the sender may not do this (CODE-04).
    Forbidden,
    /// 404: there is no such participant (CODE-05).
    NoSuchRecipient,
    /// 413: too large, or no room for it now (CODE-07).
    StopSending,
    /// 415: not the CPIM wrapper, or not readable (CODE-08).
    UnsupportedType,
    /// 424: no nickname can be like this (CODE-10).
    BadNickname,
    /// 425: the nickname is another's, or nobody's to have (CODE-10).
    NicknameInUse,
    /// 428: the participant takes no private messages (CODE-11).
    NoPrivateMessages,
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
            Self::NoSuchRecipient => 404,
            Self::StopSending => 413,
            Self::UnsupportedType => 415,
            Self::BadNickname => 424,
            Self::NicknameInUse => 425,
            Self::NoPrivateMessages => 428,
            Self::NoSuchSession => 481,
            Self::UnknownMethod => 501,
            Self::SessionInUse => 506,
        }
    }
}

/// A message being received.
#[derive(Default)]
pub(crate) struct Message {
    /// The sender's Message-ID: names it towards the sender, never towards recipients (CHAT-12).
    pub(crate) id: Vec<u8>,
    /// Its slot; `None` until more is expected of it than what is at hand.
    pub(crate) key: Option<MessageKey>,
    /// Whose it is, once it has a slot.
    pub(crate) session: Option<SessionKey>,
    /// The how manieth of its session it is: names it inside the switch.
    pub(crate) serial: u64,
    /// The total announced by the first chunk.
    pub(crate) total: Option<u64>,
    /// Octets that it may have: what its room allowed when it began (CTRL-04).
    pub(crate) size_max: u64,
    /// Octets of memory that are counted for it.
    pub(crate) counted: usize,
    /// Whether the chunk that begins it asked for a success report (SEND-07).
    pub(crate) success_report: bool,
    /// Position of the next octet expected.
    pub(crate) next: u64,
    /// Octets of the whole, once its `$` chunk has come.
    pub(crate) size: Option<u64>,
    /// What came before its turn.
    pub(crate) ahead: Ahead,
    /// The missing octet that is waited for, when others after it are held.
    pub(crate) gap: Option<u64>,
    pub(crate) stage: MessageStage,
    pub(crate) latest: Latest,
}

/// The chunk of a message that came last: what a failure report is about (RPT-08).
#[derive(Default)]
pub(crate) struct Latest {
    /// Position of its first octet.
    pub(crate) start: u64,
    /// Position after the last of its octets that have arrived.
    pub(crate) past: u64,
    /// The sender's whole path, where the report goes (RPT-03).
    pub(crate) way_back: Box<[u8]>,
    /// Whether the sender wants to know.
    pub(crate) failure_report: FailureReport,
}

/// How far a message has come.
pub(crate) enum MessageStage {
    /// The wrapper's head is not complete; nothing has been forwarded (CPIM-14).
    Gathering {
        /// The `Content-*` lines of the first chunk.
        content_headers: Vec<u8>,
        /// All octets so far.
        octets: Vec<u8>,
    },
    /// Recipients are fixed and get the octets as they come, but for those held.
    Flowing(Held),
    /// It is for nobody. Its sender is answered all the same.
    Ignored,
    /// All of it has been passed on. The chunk that completed it may have more to come.
    Done,
}

impl Default for MessageStage {
    fn default() -> Self {
        Self::Gathering { content_headers: Vec::new(), octets: Vec::new() }
    }
}

/// Says how far it has come, and nothing of what it says or of who says it (SEC-01).
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { serial, next, size, .. } = self;
        f.debug_struct("Message")
            .field("serial", serial)
            .field("next", next)
            .field("size", size)
            .finish_non_exhaustive()
    }
}

impl Message {
    /// A message of which nothing has come yet.
    pub(crate) fn new(serial: u64, total: Option<u64>, size_max: u64) -> Self {
        Self { serial, total, size_max, next: 1, ..Self::default() }
    }

    /// Octets of memory that it holds.
    pub(crate) fn held(&self) -> usize {
        let gathered = match &self.stage {
            MessageStage::Gathering { content_headers, octets } => {
                content_headers.len() + octets.len()
            }
            MessageStage::Flowing(held) => held.octets.len(),
            MessageStage::Ignored | MessageStage::Done => 0,
        };
        size_of::<Self>() + gathered + self.ahead.size()
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

    /// How many different octets of it have arrived.
    pub(crate) fn arrived(&self) -> u64 {
        self.next + self.ahead.size() as u64
    }

    /// What a failure report about it says has arrived.
    pub(crate) fn reported_range(&self) -> ByteRange {
        let Latest { start, past, .. } = self.latest;
        ByteRange { start, end: Some(past - 1), total: self.total }
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

/// Octets whose turn has come, until there are enough of them for a chunk (CHUNK-06) or for a whole
/// message (PEER-02).
#[derive(Default)]
pub(crate) struct Held {
    octets: Vec<u8>,
    /// Whether the message is not to begin before it is whole, unless it is long.
    is_for_whole: bool,
}

impl Held {
    /// Nothing yet. `is_for_whole`: of a message that is to go out whole.
    pub(crate) fn new(is_for_whole: bool) -> Self {
        Self { octets: Vec::new(), is_for_whole }
    }

    /// Whether with so many octets more there are enough.
    pub(crate) fn is_enough_with(&self, fresh: usize) -> bool {
        let enough = if self.is_for_whole { WHOLE_MESSAGE_MAX + 1 } else { CHUNK_BODY_MIN };
        self.octets.len() + fresh >= enough
    }

    pub(crate) fn keep(&mut self, fresh: &[u8]) {
        self.octets.extend_from_slice(fresh);
    }

    /// Takes all that is held, and these after it: the message has begun.
    pub(crate) fn release<'a>(&mut self, fresh: &'a [u8]) -> Cow<'a, [u8]> {
        self.is_for_whole = false;
        if self.octets.is_empty() {
            return fresh.into();
        }
        self.keep(fresh);
        std::mem::take(&mut self.octets).into()
    }

    /// Whether there is anything that goes out if nothing follows for a while (CHUNK-14).
    pub(crate) fn is_for_a_while(&self) -> bool {
        !self.is_for_whole && !self.octets.is_empty()
    }
}

/// Octets that came before their turn, until those before them are there (CHUNK-18).
#[derive(Default)]
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
        self.pieces.len() <= AHEAD_PIECES_MAX && self.size() <= AHEAD_SIZE_MAX
    }

    /// Octets held.
    pub(crate) fn size(&self) -> usize {
        self.pieces.values().map(Vec::len).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
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

/// The Message-IDs of a session that were refused, given up or timed out: for a while, whatever else
/// comes of them is answered the same (CHUNK-25).
///
/// At most [`ENDED_MAX`] of at most 128 octets each (SEND-03), and none for a session that behaves.
#[derive(Default)]
pub(crate) struct Ended {
    /// The oldest first.
    messages: Vec<(Instant, Box<[u8]>, Refusal)>,
}

/// Says how many there are.
impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ended").field("messages", &self.messages.len()).finish()
    }
}

impl Ended {
    /// How whatever comes of this message is answered, if it is remembered.
    pub(crate) fn answer_to(&mut self, now: Instant, message_id: &[u8]) -> Option<Refusal> {
        self.messages.retain(|(since, ..)| now.duration_since(*since) < ENDED_REMEMBERED);
        let (.., refusal) = self.messages.iter().find(|(_, id, _)| **id == *message_id)?;
        Some(*refusal)
    }

    /// Remembers a message in place of the one that has been remembered longest.
    pub(crate) fn remember(&mut self, now: Instant, message_id: &[u8], refusal: Refusal) {
        if message_id.is_empty() || self.answer_to(now, message_id).is_some() {
            return;
        }
        if self.messages.len() >= ENDED_MAX {
            self.messages.remove(0);
        }
        self.messages.push((now, message_id.into(), refusal));
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{AHEAD_PIECES_MAX, AHEAD_SIZE_MAX, Ahead, ENDED_MAX, Ended, Message, Refusal};

    fn message_at(next: u64) -> Message {
        Message { next, ..Message::new(1, None, u64::MAX) }
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

    // Part of SEC-01: what is printed of a message holds neither what is said nor who says it.
    #[test]
    fn a_message_is_printed_without_its_words() {
        let mut message = message_at(5);
        message.id = b"secret-id".to_vec();
        message.latest.way_back = (*b"msrp://a.example.com/secret;tcp").into();
        message.ahead.keep(9, b"secret");
        message.keep_headers(b"Content-Type: text/secret\r\n");
        let mut ended = Ended::default();
        ended.remember(Instant::now(), b"secret-id", Refusal::Forbidden);
        let printed = format!("{message:?} {ended:?}");
        assert!(printed.contains("next: 5") && !printed.contains("secret"), "{printed}");
        assert!(!printed.contains("115, 101, 99"), "nor as numbers: {printed}");
    }

    /// What is remembered of messages that ended badly is bounded: the newest push out the oldest, and
    /// none stays longer than its time.
    #[test]
    fn a_sender_of_bad_messages_is_remembered_in_little_memory() {
        let start = Instant::now();
        let mut ended = Ended::default();
        for number in 0..=ENDED_MAX as u64 {
            let now = start + Duration::from_secs(number);
            ended.remember(now, format!("m{number}").as_bytes(), Refusal::Forbidden);
            ended.remember(now, format!("m{number}").as_bytes(), Refusal::StopSending);
        }
        assert_eq!(ended.messages.len(), ENDED_MAX);
        assert_eq!(ended.answer_to(start, b"m0"), None);
        assert_eq!(ended.answer_to(start, b"m1"), Some(Refusal::Forbidden), "the first answer");
        assert_eq!(
            ended.answer_to(start + Duration::from_secs(61), b"m2"),
            Some(Refusal::Forbidden)
        );
        assert_eq!(ended.messages.len(), ENDED_MAX - 1);
    }
}
