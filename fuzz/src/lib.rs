//! Octets that are nearly what a parser expects: a message from a corpus with a few things wrong.
//!
//! Octets drawn at random never get past a parser's first line. So each input begins as a message of
//! the corpus and has a few pieces of it removed, doubled, exchanged, cut off, or replaced by what hurts
//! parsers: words of the corpus where they do not belong, numbers at the ends of their ranges, far too
//! much of one octet. All choices are drawn from bolero's driver, so the same targets run under
//! `cargo test`, where they are random, and under `cargo bolero test`, where coverage leads them.
#![forbid(unsafe_code)]

use std::{fs, ops::Bound, path::Path};

use bolero::{Driver, ValueGenerator};

/// Changes made to one message at most.
const CHANGES_MAX: usize = 8;

/// Octets of a piece that is removed, doubled or moved at most.
const PIECE_SIZE_MAX: usize = 96;

/// Of one octet, when there is far too much of it: more than any head is allowed to have.
const FLOOD_SIZES: [usize; 4] = [16, 300, 2_100, 17_000];

/// What hurts parsers, whatever they parse.
const HURTFUL: [&[u8]; 24] = [
    b"",
    b"\r\n",
    b"\r",
    b"\n",
    b"\r\n\r\n",
    b"\r\n ",
    b"\0",
    b"\xff",
    b"\xc3\x28",
    b"\xef\xbb\xbf",
    b"\"",
    b"\\",
    b"%",
    b"%00",
    b"[::1]",
    b"[",
    b"*",
    b"-",
    b"0",
    b"-1",
    b"4294967296",
    b"9223372036854775808",
    b"18446744073709551615",
    b"18446744073709551616",
];

/// Makes messages that are nearly those of a corpus.
#[derive(Debug)]
pub struct Nearly {
    messages: Vec<Vec<u8>>,
    /// Lines and tokens of all of them.
    words: Vec<Vec<u8>>,
}

impl Nearly {
    /// Like the files of this directory, each of which is one message.
    ///
    /// # Panics
    ///
    /// If the directory cannot be read or has no file: a target without corpus would test nothing.
    pub fn like(corpus: impl AsRef<Path>) -> Self {
        let corpus = corpus.as_ref();
        let entries =
            fs::read_dir(corpus).unwrap_or_else(|why| panic!("{}: {why}", corpus.display()));
        let mut files: Vec<_> = entries.map(|entry| entry.expect("a file").path()).collect();
        // The same choices must make the same messages on every machine.
        files.sort();
        let messages: Vec<_> =
            files.iter().map(|file| fs::read(file).expect("a readable file")).collect();
        assert!(!messages.is_empty(), "{} is empty", corpus.display());
        let words = messages.iter().flat_map(|message| words(message)).collect();
        Self { messages, words }
    }

    /// The messages of the corpus as they are.
    pub fn messages(&self) -> &[Vec<u8>] {
        &self.messages
    }

    /// One thing goes wrong with a message.
    fn change<D: Driver>(&self, octets: &mut Vec<u8>, driver: &mut D) -> Option<()> {
        let at = below(driver, octets.len() + 1)?;
        let end = octets.len().min(at + below(driver, PIECE_SIZE_MAX)?);
        match below(driver, 10)? {
            0 => drop(octets.drain(at..end)),
            1 => {
                let piece = octets[at..end].to_vec();
                octets.splice(at..at, piece);
            }
            2 => {
                let piece: Vec<u8> = octets.drain(at..end).collect();
                let to = below(driver, octets.len() + 1)?;
                octets.splice(to..to, piece);
            }
            3 => octets.truncate(at),
            4 => {
                let other = &self.messages[below(driver, self.messages.len())?];
                let from = below(driver, other.len() + 1)?;
                octets.splice(at..at, other[from..].iter().copied());
            }
            5 => {
                let octet = driver.produce::<u8>()?;
                if let Some(changed) = octets.get_mut(at) {
                    *changed = octet;
                }
            }
            6 => {
                let size = FLOOD_SIZES[below(driver, FLOOD_SIZES.len())?];
                let octet = octets.get(at).copied().unwrap_or(b'a');
                octets.splice(at..at, std::iter::repeat_n(octet, size));
            }
            7 => {
                let end = if driver.produce::<bool>()? { at } else { end };
                octets.splice(at..end, HURTFUL[below(driver, HURTFUL.len())?].iter().copied());
            }
            _ => {
                let word = &self.words[below(driver, self.words.len())?];
                let end = if driver.produce::<bool>()? { at } else { end };
                octets.splice(at..end, word.iter().copied());
            }
        }
        Some(())
    }
}

impl ValueGenerator for Nearly {
    type Output = Vec<u8>;

    fn generate<D: Driver>(&self, driver: &mut D) -> Option<Vec<u8>> {
        let mut octets = self.messages[below(driver, self.messages.len())?].clone();
        for _ in 0..below(driver, CHANGES_MAX + 1)? {
            self.change(&mut octets, driver)?;
        }
        Some(octets)
    }
}

/// A number below `bound`, which is not 0.
fn below<D: Driver>(driver: &mut D, bound: usize) -> Option<usize> {
    driver.gen_usize(Bound::Included(&0), Bound::Excluded(&bound))
}

/// The lines of a message with their ends, and what stands between its spaces and marks.
fn words(message: &[u8]) -> Vec<Vec<u8>> {
    let lines = message.split_inclusive(|&octet| octet == b'\n');
    let tokens = message.split(|octet| b" \r\n\t:;=,<>\"/".contains(octet));
    lines.chain(tokens).filter(|word| !word.is_empty()).map(<[u8]>::to_vec).collect()
}

/// Cuts octets at these places, in any order and as far as there are so many, into the pieces that a
/// stream might deliver them in.
pub fn cut<'o>(octets: &'o [u8], places: &[u16]) -> Vec<&'o [u8]> {
    let mut places: Vec<_> =
        places.iter().map(|&place| usize::from(place) % (octets.len() + 1)).collect();
    places.sort_unstable();
    let mut pieces = Vec::with_capacity(places.len() + 1);
    let mut from = 0;
    for place in places {
        pieces.push(&octets[from..place]);
        from = place;
    }
    pieces.push(&octets[from..]);
    pieces
}

#[cfg(test)]
mod tests {
    use super::{cut, words};

    #[test]
    fn pieces_make_up_the_whole() {
        for places in [&[][..], &[3], &[9, 0, 4, 4], &[u16::MAX]] {
            let pieces = cut(b"octets", places);
            assert_eq!(pieces.len(), places.len() + 1);
            assert_eq!(pieces.concat(), b"octets");
        }
        assert_eq!(cut(b"", &[7]), [b"", b""]);
    }

    #[test]
    fn words_are_lines_and_tokens() {
        assert_eq!(
            words(b"To: <a;b>\r\n"),
            [&b"To: <a;b>\r\n"[..], b"To", b"a", b"b"].map(<[u8]>::to_vec)
        );
    }
}
