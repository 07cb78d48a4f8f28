//! What a message says, and whether a copy says the same.
//!
//! ```text
//! | CPIM wrapper | text, a window on one seeded pattern | stamp |
//!   per sender     where it opens moves with each message  fixed size, at the very end
//! ```
//!
//! The stamp says who sent the message, which of theirs it is and since when it was due, under a
//! checksum. Everything else can be computed again from the stamp, so a copy is checked octet for
//! octet without remembering what was sent.

/// Octets of a stamp: five hexadecimal fields behind one letter each.
pub const STAMP_SIZE: usize = (1 + 8) + (1 + 8) + (1 + 16) + (1 + 16) + (1 + 16);

/// How far the window on the pattern moves before it starts over. A prime, so that it stays out
/// of step with windows of messages.
const PATTERN_PERIOD: u64 = 1021;

/// The letters of the pattern: no hyphen, so that no text can look like an end-line.
const LETTERS: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .";

/// Who sent a message, and when it was due.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stamp {
    /// The room.
    pub room: u32,
    /// The sender: its place in the room.
    pub sender: u32,
    /// Which of the sender's messages, from 0.
    pub sequence: u64,
    /// When it was due, in nanoseconds of the run.
    pub due: u64,
}

/// Writes and checks the texts of a run.
#[derive(Clone, Debug)]
pub struct Content {
    pattern: Vec<u8>,
    size: usize,
    seed: u64,
}

impl Content {
    /// Texts for messages of `size` octets each.
    pub fn new(size: usize, seed: u64) -> Self {
        Self { pattern: letters(size + PATTERN_PERIOD as usize, seed), size, seed }
    }

    /// Appends the message that `stamp` stands for, behind the wrapper of its sender.
    pub fn write(&self, head: &[u8], stamp: Stamp, out: &mut Vec<u8>) {
        out.extend_from_slice(head);
        out.extend_from_slice(self.text(head.len(), stamp));
        for (letter, value, digits) in self.fields(stamp) {
            out.push(letter);
            write_hex(value, digits, out);
        }
    }

    /// The stamp of a copy, if there is one and its checksum holds.
    pub fn stamp(&self, body: &[u8]) -> Option<Stamp> {
        let mut rest = body.get(body.len().checked_sub(STAMP_SIZE)?..)?;
        let mut field = |letter: u8, digits: usize| {
            let (head, tail) = rest.split_at(1 + digits);
            rest = tail;
            (head[0] == letter).then(|| read_hex(&head[1..])).flatten()
        };
        let stamp = Stamp {
            room: field(b'r', 8)? as u32,
            sender: field(b's', 8)? as u32,
            sequence: field(b'q', 16)?,
            due: field(b't', 16)?,
        };
        (field(b'c', 16)? == self.checksum(stamp)).then_some(stamp)
    }

    /// Whether a copy with this stamp is what its sender, who wraps in `head`, had written.
    pub fn matches(&self, head: &[u8], stamp: Stamp, body: &[u8]) -> bool {
        body.len() == self.size
            && body.starts_with(head)
            && body[head.len()..body.len() - STAMP_SIZE] == *self.text(head.len(), stamp)
    }

    /// The part of the pattern that this message shows.
    fn text(&self, head: usize, stamp: Stamp) -> &[u8] {
        let opens =
            (stamp.sequence.wrapping_add(u64::from(stamp.sender)) % PATTERN_PERIOD) as usize;
        &self.pattern[opens..opens + self.size - head - STAMP_SIZE]
    }

    fn fields(&self, stamp: Stamp) -> [(u8, u64, usize); 5] {
        [
            (b'r', u64::from(stamp.room), 8),
            (b's', u64::from(stamp.sender), 8),
            (b'q', stamp.sequence, 16),
            (b't', stamp.due, 16),
            (b'c', self.checksum(stamp), 16),
        ]
    }

    fn checksum(&self, stamp: Stamp) -> u64 {
        let place = u64::from(stamp.room) << 32 | u64::from(stamp.sender);
        [place, stamp.sequence, stamp.due]
            .into_iter()
            .fold(self.seed, |sum, field| mix(sum ^ field))
    }
}

/// So many seeded letters, none of them a hyphen.
pub fn letters(count: usize, seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    (0..count).map(|_| LETTERS[(random.next() % LETTERS.len() as u64) as usize]).collect()
}

/// A small generator for what only has to look random: splitmix64.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Starts at `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next value.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }
}

/// Spreads every bit of `value` over the whole result (the finalizer of splitmix64).
pub fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Appends `value` in so many lower-case hexadecimal digits.
pub fn write_hex(value: u64, digits: usize, out: &mut Vec<u8>) {
    for place in (0..digits).rev() {
        out.push(b"0123456789abcdef"[(value >> (4 * place) & 0xf) as usize]);
    }
}

/// Reads lower-case hexadecimal digits, at most 16 of them.
pub fn read_hex(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0u64, |value, &digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::{Content, Stamp, read_hex, write_hex};

    const HEAD: &[u8] = b"From: <sip:u1@h>\r\n\r\nContent-Type: text/plain\r\n\r\n";
    const STAMP: Stamp = Stamp { room: 3, sender: 2, sequence: 77, due: 1_234_567_890 };

    fn message(content: &Content, stamp: Stamp) -> Vec<u8> {
        let mut body = Vec::new();
        content.write(HEAD, stamp, &mut body);
        body
    }

    #[test]
    fn a_message_has_the_size_asked_for_and_carries_its_stamp() {
        let content = Content::new(430, 1);
        let body = message(&content, STAMP);
        assert_eq!(body.len(), 430);
        assert_eq!(content.stamp(&body), Some(STAMP));
        assert!(content.matches(HEAD, STAMP, &body));
    }

    #[test]
    fn any_octet_changed_anywhere_is_noticed() {
        let content = Content::new(430, 1);
        let good = message(&content, STAMP);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            let accepted =
                content.stamp(&bad).is_some_and(|stamp| content.matches(HEAD, stamp, &bad));
            assert!(!accepted, "octet {at}");
        }
    }

    #[test]
    fn an_octet_more_or_less_is_noticed() {
        let content = Content::new(430, 1);
        let good = message(&content, STAMP);
        assert!(!content.matches(HEAD, STAMP, &good[1..]));
        let longer = [b"x", good.as_slice()].concat();
        assert!(!content.matches(HEAD, STAMP, &longer));
        assert_eq!(content.stamp(b"short"), None);
        assert_eq!(content.stamp(b""), None);
    }

    #[test]
    fn the_text_of_one_message_does_not_pass_for_that_of_the_next() {
        let content = Content::new(430, 1);
        let next = Stamp { sequence: STAMP.sequence + 1, ..STAMP };
        assert!(!content.matches(HEAD, next, &message(&content, STAMP)));
    }

    #[test]
    fn no_text_can_look_like_an_end_line() {
        let content = Content::new(10_000, 7);
        assert!(!message(&content, STAMP)[HEAD.len()..].contains(&b'-'));
    }

    #[test]
    fn hexadecimal_digits_are_read_as_they_are_written() {
        let mut out = Vec::new();
        write_hex(0xab_cdef, 8, &mut out);
        assert_eq!(out, b"00abcdef");
        assert_eq!(read_hex(&out), Some(0xab_cdef));
        assert_eq!(read_hex(b"0G"), None);
    }
}
