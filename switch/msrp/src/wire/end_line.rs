//! End-lines: found in whatever has arrived, and never taken for body.

use std::{ops::Range, sync::LazyLock};

use memchr::memmem::Finder;

use super::ident::{Flag, TransactionId};

/// What every end-line starts with.
pub(super) const DASHES: &[u8] = b"-------";

/// What comes before the transaction identifier of an end-line after a body.
const OPENING: &[u8] = b"\r\n-------";

/// Looks for [`OPENING`] alone: building a finder for each transaction identifier would cost more
/// than scanning a short body does.
static OPENING_FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(OPENING));

/// Looks for [`DASHES`].
pub(super) static DASHES_FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(DASHES));

/// What a scan for `CRLF ------- tid flag CRLF` came to.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Scan {
    /// There it is: its octets, and its flag.
    Found(Range<usize>, Flag),
    /// Not yet. All octets before `decided` are certainly not part of it; from there on, at most
    /// 43 octets, they still could be (WIRE-22).
    Open { decided: usize },
}

/// Scans `bytes` from `from` on for the end-line of `transaction`, with the CRLF before it.
///
/// Octets that do not match to the last one are body (WIRE-16).
pub(super) fn scan(bytes: &[u8], from: usize, transaction: &TransactionId) -> Scan {
    let mut at = from;
    while let Some(found) = bytes.get(at..).and_then(|rest| OPENING_FINDER.find(rest)) {
        at += found;
        match compare(&bytes[at + OPENING.len()..], transaction.as_bytes()) {
            Comparison::Same(flag) => {
                let size = OPENING.len() + transaction.as_bytes().len() + 1 + 2;
                return Scan::Found(at..at + size, flag);
            }
            Comparison::SameSoFar => return Scan::Open { decided: at },
            Comparison::Other => at += 2,
        }
    }
    // No whole opening is left, but the last octets may be the beginning of one.
    let tail = at.max(bytes.len().saturating_sub(OPENING.len() - 1));
    let open = (tail..bytes.len()).find(|&start| OPENING.starts_with(&bytes[start..]));
    Scan::Open { decided: open.unwrap_or(bytes.len()) }
}

/// The flag of a line (given without its CRLF) that is the end-line of `transaction`.
pub(super) fn flag_of(line: &[u8], transaction: &TransactionId) -> Option<Flag> {
    match line.strip_prefix(DASHES)?.strip_prefix(transaction.as_bytes())? {
        &[flag] => Flag::parse(flag),
        _ => None,
    }
}

enum Comparison {
    Same(Flag),
    SameSoFar,
    Other,
}

/// Compares what follows the hyphens with `tid flag CRLF`.
fn compare(rest: &[u8], transaction: &[u8]) -> Comparison {
    let Some(after) = rest.strip_prefix(transaction) else {
        return if transaction.starts_with(rest) {
            Comparison::SameSoFar
        } else {
            Comparison::Other
        };
    };
    let Some((&flag, line_end)) = after.split_first() else { return Comparison::SameSoFar };
    match (Flag::parse(flag), line_end) {
        (Some(flag), [b'\r', b'\n', ..]) => Comparison::Same(flag),
        (Some(_), [] | [b'\r']) => Comparison::SameSoFar,
        _ => Comparison::Other,
    }
}
