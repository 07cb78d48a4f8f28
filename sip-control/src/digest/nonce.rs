//! Nonces that need not be remembered: each says when it was made, and is signed. Only of those
//! that have proved something is it known how far their count has come.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::hexadecimal;

/// Octets of what a nonce says: when it was made, and which one it is.
const STAMP_SIZE: usize = 16;
/// Octets of what signs that. Half a hash is out of reach for guessing.
const SIGNATURE_SIZE: usize = 16;

/// A nonce of ours: the milliseconds at which it was made, and its number. Later is greater.
type Stamp = (u64, u64);

/// Makes nonces, and tells its own from all others.
#[derive(Debug)]
pub struct Nonces {
    key: [u8; 32],
    /// What times are counted from.
    start: Instant,
    /// How long one is good for.
    life: Duration,
    /// How many have been made.
    made: u64,
    /// How far the count of those has come that have proved something.
    counts: BTreeMap<Stamp, u32>,
    /// How many of them may be remembered.
    counts_max: usize,
    /// Those up to this one are forgotten, so they are good for nothing any more.
    forgotten: Option<Stamp>,
}

impl Nonces {
    /// None yet. Whoever knows the key can make nonces that pass for ours.
    pub fn new(key: [u8; 32], start: Instant, life: Duration, counts_max: usize) -> Self {
        let (counts, forgotten) = (BTreeMap::new(), None);
        Self { key, start, life, made: 0, counts, counts_max, forgotten }
    }

    /// A new one. Nothing is remembered of it.
    pub fn mint(&mut self, now: Instant) -> String {
        self.made += 1;
        let time = now.saturating_duration_since(self.start).as_millis() as u64;
        let mut stamp = [0; STAMP_SIZE];
        stamp[..8].copy_from_slice(&time.to_be_bytes());
        stamp[8..].copy_from_slice(&self.made.to_be_bytes());
        let signature = self.signer(&stamp).finalize().into_bytes();
        hexadecimal(&stamp) + &hexadecimal(&signature[..SIGNATURE_SIZE])
    }

    /// Uses a nonce up to `count`. False when it is not ours, is too old, or has come that far
    /// before.
    pub fn use_up(&mut self, now: Instant, nonce: &str, count: u32) -> bool {
        let Some(stamp) = self.read(nonce) else { return false };
        let made = self.start + Duration::from_millis(stamp.0);
        let is_old = now.saturating_duration_since(made) > self.life;
        if is_old || self.forgotten.is_some_and(|forgotten| stamp <= forgotten) {
            return false;
        }
        let last = self.counts.entry(stamp).or_default();
        if count <= *last {
            return false;
        }
        *last = count;
        if self.counts.len() > self.counts_max {
            self.forgotten = self.counts.pop_first().map(|(oldest, _)| oldest);
        }
        true
    }

    /// What a nonce of ours says.
    fn read(&self, nonce: &str) -> Option<Stamp> {
        let octets = octets(nonce)?;
        let (stamp, signature) = octets.split_first_chunk::<STAMP_SIZE>()?;
        let signature: &[u8; SIGNATURE_SIZE] = signature.try_into().ok()?;
        self.signer(stamp).verify_truncated_left(signature).ok()?;
        let (time, number) = stamp.split_first_chunk::<8>()?;
        Some((u64::from_be_bytes(*time), u64::from_be_bytes(number.try_into().ok()?)))
    }

    fn signer(&self, stamp: &[u8]) -> Hmac<Sha256> {
        Hmac::<Sha256>::new_from_slice(&self.key)
            .expect("a key of any size will do")
            .chain_update(stamp)
    }
}

/// What hexadecimal digits stand for.
fn octets(text: &str) -> Option<Vec<u8>> {
    let digit = |octet: u8| char::from(octet).to_digit(16).map(|digit| digit as u8);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let octet = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    rest.is_empty().then(|| pairs.iter().map(octet).collect()).flatten()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Nonces;

    const LIFE: Duration = Duration::from_secs(300);

    fn nonces(start: Instant) -> Nonces {
        Nonces::new([7; 32], start, LIFE, 2)
    }

    /// AUTH-01, AUTH-02: a nonce carries all that is to be known of it, and no other passes.
    #[test]
    fn only_our_own_are_good_and_only_while_they_live() {
        let start = Instant::now();
        let mut ours = nonces(start);
        let nonce = ours.mint(start);
        assert!(nonces(start).use_up(start + LIFE, &nonce, 1), "nothing was remembered of it");
        assert!(!ours.use_up(start + LIFE + Duration::from_millis(1), &nonce, 1));
        let mut foreign = Nonces::new([8; 32], start, LIFE, 2);
        assert!(!foreign.use_up(start, &nonce, 1));
        for at in 0..nonce.len() {
            let mut forged = nonce.clone();
            let other = if &nonce[at..=at] == "0" { "1" } else { "0" };
            forged.replace_range(at..=at, other);
            assert!(!ours.use_up(start, &forged, 1), "{forged}");
        }
        for foreign in ["", "0", "zz", "é", &nonce[1..], &nonce[2..], &format!("{nonce}00")] {
            assert!(!ours.use_up(start, foreign, 1), "{foreign}");
        }
    }

    /// AUTH-02: a count rises, or is worth nothing; what had to be forgotten is not taken again.
    #[test]
    fn no_count_is_used_twice() {
        let now = Instant::now();
        let mut ours = nonces(now);
        let [first, second, third] = [(); 3].map(|()| ours.mint(now));
        assert!(ours.use_up(now, &first, 1) && !ours.use_up(now, &first, 1));
        assert!(ours.use_up(now, &first, 7) && !ours.use_up(now, &first, 6));
        assert!(ours.use_up(now, &second, 1) && ours.use_up(now, &third, u32::MAX));
        assert!(!ours.use_up(now, &first, 8), "there was no room to remember it");
        assert!(ours.use_up(now, &second, 2) && !ours.use_up(now, &third, u32::MAX));
    }
}
