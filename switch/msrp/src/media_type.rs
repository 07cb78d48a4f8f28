//! Content types, and the lists of them that SDP brings (RFC 4975 section 8.6).

use std::{collections::BTreeSet, fmt, sync::Arc};

use crate::{address::split_once, wire::is_token};

/// A content type without its parameters, which take no part in any decision (SDP-08, CHAT-17).
#[derive(Clone, Copy, Debug)]
pub struct MediaType<'a> {
    /// Before the slash.
    pub main: &'a str,
    /// Behind it.
    pub sub: &'a str,
}

impl<'a> MediaType<'a> {
    /// Reads `type/subtype`, with or without parameters. `None` when it is not one.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let end = value.iter().position(|&octet| octet == b';').unwrap_or(value.len());
        let text = std::str::from_utf8(value[..end].trim_ascii()).ok()?;
        let (main, sub) = split_once(text, b'/')?;
        (is_token(main.as_bytes()) && is_token(sub.as_bytes())).then_some(Self { main, sub })
    }

    /// Whether it is the type `main/sub`, whatever its case.
    pub fn is(&self, main: &str, sub: &str) -> bool {
        self.main.eq_ignore_ascii_case(main) && self.sub.eq_ignore_ascii_case(sub)
    }

    /// Whether it is `message/cpim`, the one type that a room takes (CHAT-02).
    pub fn is_cpim(&self) -> bool {
        self.is("message", "cpim")
    }
}

/// Types are equal whatever their case.
impl PartialEq for MediaType<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.is(other.main, other.sub)
    }
}

impl Eq for MediaType<'_> {}

impl fmt::Display for MediaType<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.main, self.sub)
    }
}

/// The value of `accept-types` or `accept-wrapped-types`, or several of them together (SDP-08,
/// SDP-12). Clones share it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AcceptTypes {
    /// `*`, `type/*` and `type/subtype`, in lower case and without parameters, each once.
    entries: Arc<[Box<str>]>,
}

/// A list of types that has something else in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MalformedTypes;

impl fmt::Display for MalformedTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a list of media types")
    }
}

impl std::error::Error for MalformedTypes {}

impl AcceptTypes {
    /// Everything is accepted.
    pub fn any() -> Self {
        Self { entries: Arc::new(["*".into()]) }
    }

    /// Reads a list: at least one entry, with spaces between them.
    pub fn parse(value: &[u8]) -> Result<Self, MalformedTypes> {
        let mut entries = BTreeSet::new();
        for entry in entries_of(value) {
            let is_any = entry == b"*" || entry.starts_with(b"*;");
            let text = if is_any {
                "*".into()
            } else {
                // A subtype `*` is a token like any other.
                MediaType::parse(entry).ok_or(MalformedTypes)?.to_string().to_ascii_lowercase()
            };
            entries.insert(text.into_boxed_str());
        }
        if entries.is_empty() { Err(MalformedTypes) } else { Ok(Self::of(entries)) }
    }

    /// Whether content of this type, given with or without parameters, is accepted. What is no type
    /// at all is accepted by nobody.
    pub fn accepts(&self, content_type: &[u8]) -> bool {
        MediaType::parse(content_type).is_some_and(|media_type| self.includes(media_type))
    }

    /// Whether a type that was read before is accepted: one reading serves many lists.
    pub fn includes(&self, media_type: MediaType<'_>) -> bool {
        let MediaType { main, sub, .. } = media_type;
        // Nearly always in lower case, as the entries are.
        let is = |entry: &[u8], name: &str| {
            entry == name.as_bytes() || entry.eq_ignore_ascii_case(name.as_bytes())
        };
        // There is one slash in a type, so its place tells how long the main types are.
        self.entries.iter().any(|entry| match entry.as_bytes().split_at_checked(main.len()) {
            Some((entry_main, [b'/', entry_sub @ ..])) => {
                is(entry_main, main) && (entry_sub == b"*" || is(entry_sub, sub))
            }
            _ => &**entry == "*",
        })
    }

    /// What either of them accepts (SDP-12).
    #[must_use]
    pub fn union(self, other: &Self) -> Self {
        Self::of(self.entries.iter().chain(other.entries.iter()).cloned().collect())
    }

    fn of(entries: BTreeSet<Box<str>>) -> Self {
        Self { entries: entries.into_iter().collect() }
    }

    /// The entries, in lower case and without parameters: `*`, `type/*` or `type/subtype`.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| &**entry)
    }
}

/// The entries of a list: at its spaces, but for those in a quoted parameter.
fn entries_of(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut is_quoted = false;
    let mut is_escaped = false;
    value
        .split(move |&octet| {
            let was_escaped = std::mem::take(&mut is_escaped);
            match octet {
                b'\\' if is_quoted && !was_escaped => is_escaped = true,
                b'"' if !was_escaped => is_quoted = !is_quoted,
                b' ' => return !is_quoted,
                _ => {}
            }
            false
        })
        .filter(|entry| !entry.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(list: &str, content_type: &str) -> bool {
        AcceptTypes::parse(list.as_bytes()).unwrap().accepts(content_type.as_bytes())
    }

    /// SDP-08: case and parameters do not count, wildcards do.
    #[test]
    fn lists_of_types_accept_what_they_name() {
        assert!(accepts("message/cpim text/plain", "Text/Plain;charset=utf-8"));
        assert!(accepts("TEXT/HTML;level=1", "text/html"));
        assert!(accepts("text/*", "text/x-anything"));
        assert!(!accepts("text/*", "image/png"));
        assert!(accepts("*", "image/png"));
        assert!(accepts("image/png *", "text/plain"));
        assert!(!accepts("text/plain", "text/plainer"));
        assert!(!accepts("text/plain", "multipart/mixed"));
        assert!(!accepts("*", "nonsense"));
        assert!(AcceptTypes::any().accepts(b"a/b"));
        assert!(!AcceptTypes::default().accepts(b"a/b"));
    }

    /// SDP-08: a space in a quoted parameter separates nothing.
    #[test]
    fn lists_of_types_are_split_at_spaces() {
        let list = AcceptTypes::parse(br#"text/plain;x="a \" b" Message/CPIM  image/*"#).unwrap();
        assert!(list.iter().eq(["image/*", "message/cpim", "text/plain"]));
        for bad in
            [&b""[..], b" ", b"text", b"text/", b"/plain", b"te xt/plain", b"*/*/*", b"\xff/a"]
        {
            assert_eq!(AcceptTypes::parse(bad), Err(MalformedTypes), "{}", bad.escape_ascii());
        }
    }

    /// SDP-12: what is accepted inside the wrapper is the union of two lists.
    #[test]
    fn lists_of_types_unite() {
        let wrapped = AcceptTypes::parse(b"text/plain").unwrap();
        let both = wrapped.union(&AcceptTypes::parse(b"message/cpim text/plain").unwrap());
        assert!(both.iter().eq(["message/cpim", "text/plain"]));
    }
}
