//! Random names: tags, branches, Call-IDs.

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A source of names that nobody can guess, and that are the same again for the same seed.
#[derive(Clone, Debug)]
pub struct Tokens(ChaCha12Rng);

impl Tokens {
    /// Starts from a seed, which is as secret as the names shall be.
    pub fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha12Rng::from_seed(seed))
    }

    /// A token of 80 random bits, in hexadecimal: enough for a tag, a branch or a Call-ID (RFC
    /// 3261 section 19.3 asks for 32).
    pub fn token(&mut self) -> String {
        format!("{:016x}{:04x}", self.0.next_u64(), self.0.next_u32() & 0xffff)
    }

    /// A seed for another source, as hard to guess as this one's.
    pub fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.0.fill_bytes(&mut seed);
        seed
    }

    /// A random number below `bound`, for delays that shall not coincide.
    pub fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.0.next_u32()) * u64::from(bound)) >> 32) as u32
    }
}
