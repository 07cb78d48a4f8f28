//! The value of `Use-Nickname` (RFC 7701 section 7.1), as far as its octets go. Which nicknames
//! are the same, and which may be had, is not known here (NICK-06).

use std::borrow::Cow;

/// Octets of the longest nickname, without quotes and escapes (NICK-03, NICK-04).
pub const NICKNAME_SIZE_MAX: usize = 1023;

/// Reads the raw value of the header. `None` is malformed, to be answered with 424; the empty
/// nickname asks for the removal of the one there is (NICK-05).
///
/// A value without any quotes is taken as it stands, because there are clients that send no
/// others (PEER-07).
pub fn parse_nickname(value: &[u8]) -> Option<Cow<'_, str>> {
    let text = std::str::from_utf8(value).ok()?;
    let nickname = match text.strip_prefix('"') {
        Some(quoted) => unescape(quoted.strip_suffix('"')?)?,
        None if !text.is_empty() && !text.contains(['"', '\\']) => Cow::Borrowed(text),
        None => return None,
    };
    (nickname.len() <= NICKNAME_SIZE_MAX).then_some(nickname)
}

/// What is between the quotes, if `\\` and `\"` are its only escapes (WIRE-38).
fn unescape(quoted: &str) -> Option<Cow<'_, str>> {
    if !quoted.contains(['"', '\\']) {
        return Some(Cow::Borrowed(quoted));
    }
    let mut text = String::with_capacity(quoted.len());
    let mut rest = quoted.chars();
    while let Some(next) = rest.next() {
        match next {
            '"' => return None,
            '\\' => text.push(rest.next().filter(|escaped| matches!(escaped, '"' | '\\'))?),
            other => text.push(other),
        }
    }
    Some(Cow::Owned(text))
}

/// Writes a nickname in quotes (PEER-07).
pub(crate) fn write_quoted(out: &mut Vec<u8>, nickname: &str) {
    out.push(b'"');
    for octet in nickname.bytes() {
        if matches!(octet, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(octet);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    /// NICK-03, NICK-04, WIRE-38: a quoted string of at most 1023 octets of UTF-8, counted
    /// without quotes and escapes, in which only backslash and quote are escaped.
    #[test]
    fn nicknames_are_quoted_strings() {
        let parsed = |value: &[u8]| parse_nickname(value).map(Cow::into_owned);
        assert_eq!(parsed(br#""Carol the \"Cat\"""#).as_deref(), Some("Carol the \"Cat\""));
        assert_eq!(parsed(br#""a\\""#).as_deref(), Some("a\\"));
        assert_eq!(parsed(br#""""#).as_deref(), Some(""));
        assert_eq!(parsed(br#"""#), None);
        assert_eq!(parsed(br#""Bob"#), None);
        assert_eq!(parsed(br#"Bob""#), None);
        assert_eq!(parsed(br#""Bob" "#), None);
        assert_eq!(parsed(br#""a\nb""#), None);
        assert_eq!(parsed(br#""a\""#), None);
        assert_eq!(parsed(br#""a"b""#), None);
        assert_eq!(parsed(b"\"\xff\xfe\""), None);
        assert_eq!(parsed(b""), None);

        let quoted = |inner: &str| format!("\"{inner}\"").into_bytes();
        assert_eq!(parsed(&quoted(&"a".repeat(1024))), None);
        assert_eq!(parsed(&quoted(&"a".repeat(1023))), Some("a".repeat(1023)));
        let umlauts = "\u{e9}".repeat(511) + "a";
        assert_eq!(parsed(&quoted(&umlauts)), Some(umlauts));
        assert_eq!(parsed(&quoted(&"\\\\".repeat(1023))), Some("\\".repeat(1023)));
    }

    /// PEER-07: quotes may be missing on receipt, and never on what is sent.
    #[test]
    fn quotes_may_be_missing_but_are_sent() {
        assert_eq!(parse_nickname(b"Alice").as_deref(), Some("Alice"));
        let mut out = Vec::new();
        write_quoted(&mut out, r#"Carol the "Cat" \o/"#);
        assert_eq!(out, br#""Carol the \"Cat\" \\o/""#);
    }
}
