//! `Byte-Range`: where a chunk lies in its message.

/// The value of `Byte-Range`: `start-end/total` (CHUNK-01, RFC 4975 section 7.1.1).
///
/// Positions count the octets of the whole message from 1. What was announced is not what arrives:
/// a shorter body is normal (CHUNK-12), a longer one is an error (CHUNK-13).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ByteRange {
    /// Position of the first octet of the chunk, at least 1.
    pub start: u64,
    /// Position of the last one, `start - 1` when there is none; `None` is `*`.
    pub end: Option<u64>,
    /// Octets of the whole message; `None` is `*`.
    pub total: Option<u64>,
}

impl ByteRange {
    /// `1-0/0`: the range of empty or absent content (CHUNK-04).
    pub const EMPTY: Self = Self { start: 1, end: Some(0), total: Some(0) };

    /// Reads a value. `None` is malformed (CHUNK-23), overflow included (WIRE-36): no number is
    /// ever truncated.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let dash = value.iter().position(|&octet| octet == b'-')?;
        let slash = value.iter().position(|&octet| octet == b'/')?;
        let start = parse_number(&value[..dash])?;
        let end = parse_number_or_star(value.get(dash + 1..slash)?)?;
        let total = parse_number_or_star(&value[slash + 1..])?;
        let range = Self { start, end, total };
        range.is_sound().then_some(range)
    }

    fn is_sound(self) -> bool {
        let Some(before) = self.start.checked_sub(1) else { return false };
        self.end.is_none_or(|end| end >= before)
            && self.total.is_none_or(|total| before <= total)
            && self.end.zip(self.total).is_none_or(|(end, total)| end <= total)
    }

    /// How many octets the chunk may have by what it announced; `None` is no bound. One octet more
    /// is an error (CHUNK-13).
    pub fn size_max(self) -> Option<u64> {
        let last = match (self.end, self.total) {
            (Some(end), Some(total)) => end.min(total),
            (Some(last), None) | (None, Some(last)) => last,
            (None, None) => return None,
        };
        Some(last.saturating_sub(self.start.saturating_sub(1)))
    }

    /// Writes it as a header value.
    pub fn write(self, out: &mut Vec<u8>) {
        write_number(out, self.start);
        out.push(b'-');
        write_number_or_star(out, self.end);
        out.push(b'/');
        write_number_or_star(out, self.total);
    }
}

/// Digits only: no sign, no space, no overflow.
pub(crate) fn parse_number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, &octet| {
        let digit = octet.is_ascii_digit().then(|| u64::from(octet - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

#[expect(clippy::option_option, reason = "outside: malformed; inside: `*`, a value of its own")]
fn parse_number_or_star(text: &[u8]) -> Option<Option<u64>> {
    if text == b"*" { Some(None) } else { parse_number(text).map(Some) }
}

pub(crate) fn write_number(out: &mut Vec<u8>, mut number: u64) {
    /// Digits of `u64::MAX`.
    const DIGITS_MAX: usize = 20;
    let mut digits = [0; DIGITS_MAX];
    let mut first = DIGITS_MAX;
    loop {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
}

fn write_number_or_star(out: &mut Vec<u8>, number: Option<u64>) {
    match number {
        Some(number) => write_number(out, number),
        None => out.push(b'*'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u64, end: Option<u64>, total: Option<u64>) -> ByteRange {
        ByteRange { start, end, total }
    }

    /// CHUNK-01, CHUNK-04, PEER-08: numbers from 1, stars, and the range of nothing.
    #[test]
    fn ranges_are_read() {
        let max = u64::MAX;
        for (value, read) in [
            ("1-5/5", range(1, Some(5), Some(5))),
            ("1-*/5", range(1, None, Some(5))),
            ("1-*/*", range(1, None, None)),
            ("1-5/*", range(1, Some(5), None)),
            ("1-5/10", range(1, Some(5), Some(10))),
            ("1-0/0", ByteRange::EMPTY),
            ("1-0/10", range(1, Some(0), Some(10))),
            ("11-10/10", range(11, Some(10), Some(10))),
            ("11-*/10", range(11, None, Some(10))),
            ("007-08/09", range(7, Some(8), Some(9))),
            ("1-*/18446744073709551615", range(1, None, Some(max))),
            ("18446744073709551615-*/*", range(max, None, None)),
        ] {
            assert_eq!(ByteRange::parse(value.as_bytes()), Some(read), "{value}");
        }
    }

    /// CHUNK-23, WIRE-36: what is no range, or none of octets that a message could have.
    #[test]
    fn malformed_ranges_are_refused() {
        for value in [
            "0-4/5",
            "0-0/0",
            "5-3/10",
            "1-11/10",
            "12-*/10",
            "12-11/10",
            "1-5",
            "-5/5",
            "1-/5",
            "1-5/",
            "1 - 5/5",
            "1-5 /5",
            "*-5/5",
            "+1-5/5",
            "1--5/5",
            "1-5/5/5",
            "1/5-5",
            "1-**/5",
            "",
            "-",
            "/",
            "-/",
            "x-y/z",
            "1-*/18446744073709551616",
            "1-18446744073709551616/*",
            "18446744073709551616-*/*",
            "1-*/99999999999999999999999999999999",
        ] {
            assert_eq!(ByteRange::parse(value.as_bytes()), None, "{value}");
        }
    }

    /// How long a body may be by what was announced.
    #[test]
    fn announced_sizes() {
        let size_max = |value: &[u8]| ByteRange::parse(value).unwrap().size_max();
        assert_eq!(size_max(b"1-4/4"), Some(4));
        assert_eq!(size_max(b"1-4/*"), Some(4));
        assert_eq!(size_max(b"1-*/4"), Some(4));
        assert_eq!(size_max(b"3-4/10"), Some(2));
        assert_eq!(size_max(b"5-4/10"), Some(0));
        assert_eq!(size_max(b"1-0/0"), Some(0));
        assert_eq!(size_max(b"1-*/*"), None);
        assert_eq!(size_max(b"18446744073709551615-18446744073709551615/*"), Some(1));
    }
}
