//! Everything unguessable that a core makes: session-ids, transaction ids, Message-IDs.

use rand_chacha::{
    ChaCha12Rng,
    rand_core::{Rng, SeedableRng},
};

use mailbox::CoreId;

/// Characters of the random part of a session-id: 26 * log2(36) > 128 bits (URI-15).
const SESSION_RANDOM_LEN: usize = 26;
/// Characters of the random prefix that the transaction ids of one chunk's copies share: more than
/// 64 bits (WIRE-03, WIRE-19).
pub(crate) const PREFIX_LEN: usize = 14;
/// Characters of a Message-ID that are the same for all recipients of a message: more than 96 bits
/// (SEND-02). Before them stands the session, in at most 13 (PEER-12).
pub(crate) const MESSAGE_ID_LEN: usize = 19;

const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// A source of identifiers. Seeded by the kernel in the node, by a number in simulations.
#[derive(Debug)]
pub(crate) struct Mint {
    random: ChaCha12Rng,
}

impl Mint {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self { random: ChaCha12Rng::from_seed(seed) }
    }

    /// Fills with digits and lower-case letters. 36^12 does not divide 2^64: of the 62.04 bits that
    /// 12 characters could hold, the skew leaves 62.
    fn alphanumeric<const N: usize>(&mut self) -> [u8; N] {
        let mut drawn = 0u64;
        let mut octets = [0; N];
        for (at, octet) in octets.iter_mut().enumerate() {
            if at % 12 == 0 {
                drawn = self.random.next_u64();
            }
            *octet = ALPHABET[(drawn % 36) as usize];
            drawn /= 36;
        }
        octets
    }

    /// The shared start of the transaction ids of all copies of one chunk.
    pub(crate) fn transaction_prefix(&mut self) -> [u8; PREFIX_LEN] {
        self.alphanumeric()
    }

    /// A Message-ID for the copies of one message.
    pub(crate) fn message_id(&mut self) -> [u8; MESSAGE_ID_LEN] {
        self.alphanumeric()
    }

    /// A session-id that names its core, so that whichever core accepts the connection can hand
    /// it to the right one.
    pub(crate) fn session_id(&mut self, core: CoreId) -> String {
        let random: [u8; SESSION_RANDOM_LEN] = self.alphanumeric();
        let mut id = format!("{:02x}", core.index());
        id.extend(random.map(char::from));
        id
    }
}

/// The core that a session-id names, if one of this product made it.
pub(crate) fn core_of(session_id: &[u8]) -> Option<CoreId> {
    if session_id.len() != 2 + SESSION_RANDOM_LEN {
        return None;
    }
    let number = std::str::from_utf8(&session_id[..2]).ok()?;
    CoreId::new(usize::from(u8::from_str_radix(number, 16).ok()?))
}

/// Digits of the largest number at the end of a transaction id.
const NUMBER_LEN_MAX: usize = 7;
const _: () = assert!(36u64.pow(NUMBER_LEN_MAX as u32) > u32::MAX as u64);

/// Appends a transaction id: a prefix, and a number in base 36 that tells it from others with this
/// prefix.
pub(crate) fn write_transaction(out: &mut Vec<u8>, prefix: &[u8; PREFIX_LEN], number: u32) {
    write_transaction_between(out, b"", (prefix, number), b"");
}

/// Octets that a transaction id and what is written around it take at most.
const AROUND_LEN_MAX: usize = 64;

/// Appends a transaction id and what stands right before and behind it, which is done for every copy
/// and therefore at once: put together backwards, from the number's last digit.
pub(crate) fn write_transaction_between<const B: usize, const A: usize>(
    out: &mut Vec<u8>,
    before: &[u8; B],
    (prefix, number): (&[u8; PREFIX_LEN], u32),
    behind: &[u8; A],
) {
    const { assert!(B + PREFIX_LEN + NUMBER_LEN_MAX + A <= AROUND_LEN_MAX) };
    let mut text = [0; AROUND_LEN_MAX];
    let mut at = AROUND_LEN_MAX - A;
    text[at..].copy_from_slice(behind);
    let mut rest = number;
    loop {
        at -= 1;
        text[at] = ALPHABET[(rest % 36) as usize];
        rest /= 36;
        if rest == 0 {
            break;
        }
    }
    at -= PREFIX_LEN;
    text[at..][..PREFIX_LEN].copy_from_slice(prefix);
    at -= B;
    text[at..][..B].copy_from_slice(before);
    out.extend_from_slice(&text[at..]);
}

/// Appends a number in as few digits and lower-case letters as it takes, the last digit first.
pub(crate) fn write_base_36(out: &mut Vec<u8>, number: u64) {
    let mut rest = number;
    loop {
        out.push(ALPHABET[(rest % 36) as usize]);
        rest /= 36;
        if rest == 0 {
            break;
        }
    }
}

/// Takes a transaction id apart into what [`write_transaction`] made it of. `None` when it did not.
pub(crate) fn number_in(transaction: &[u8]) -> Option<(&[u8; PREFIX_LEN], u32)> {
    let (prefix, digits) = transaction.split_first_chunk()?;
    let mut number = 0u32;
    for &digit in digits {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'z' => digit - b'a' + 10,
            _ => return None,
        };
        number = number.checked_mul(36)?.checked_add(u32::from(value))?;
    }
    let is_ours = !digits.is_empty() && (digits[0] != b'0' || digits.len() == 1);
    is_ours.then_some((prefix, number))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use mailbox::CoreId;

    use super::{MESSAGE_ID_LEN, Mint, PREFIX_LEN, core_of, number_in, write_transaction};

    /// URI-15: a session-id holds at least 128 random bits, here 26 characters of 36.
    #[test]
    fn a_session_id_is_random_and_names_its_core() {
        let mut mint = Mint::new([7; 32]);
        let core = CoreId::new(100).unwrap();
        let ids: HashSet<String> = (0..1000).map(|_| mint.session_id(core)).collect();
        assert_eq!(ids.len(), 1000);
        for id in &ids {
            assert_eq!(id.len(), 28);
            assert_eq!(core_of(id.as_bytes()), Some(core));
        }
        assert_eq!(core_of(b"nOsUcHsEsSiOn12345"), None);
        assert_eq!(core_of(b"zz00000000000000000000000000"), None);
    }

    /// WIRE-03, SEND-02: what is drawn holds the bits it has to, and is not drawn twice.
    #[test]
    fn identifiers_are_long_enough_and_not_repeated() {
        let bits = |len: usize| len as f64 * 36f64.log2();
        assert!(bits(PREFIX_LEN) >= 64.0 && bits(MESSAGE_ID_LEN) >= 96.0);
        let mut mint = Mint::new([9; 32]);
        let prefixes: HashSet<_> = (0..10_000).map(|_| mint.transaction_prefix()).collect();
        let ids: HashSet<_> = (0..10_000).map(|_| mint.message_id()).collect();
        assert_eq!((prefixes.len(), ids.len()), (10_000, 10_000));
    }

    /// WIRE-02, WIRE-19: the copies' transaction ids share a random prefix of at least 12
    /// alphanumeric characters, differ, and stay within 32 octets for any number of copies.
    #[test]
    fn transaction_ids_of_copies_share_a_prefix_and_differ() {
        let prefix = Mint::new([1; 32]).transaction_prefix();
        let mut seen = HashSet::new();
        for copy in (0..2000).chain([u32::MAX]) {
            let mut id = Vec::new();
            write_transaction(&mut id, &prefix, copy);
            assert!(id.len() <= 32 && id.starts_with(&prefix) && prefix.len() >= 12);
            assert!(id.iter().all(u8::is_ascii_alphanumeric));
            assert_eq!(number_in(&id), Some((&prefix, copy)));
            assert!(seen.insert(id));
        }
    }
}
