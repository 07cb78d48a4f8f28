//! MSRP URIs, their comparison, and paths of them (RFC 4975 section 6).

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
};

use crate::wire::{PATH_URIS_MAX, URI_SIZE_MAX, is_token, uris};

/// Characters of a session-id that logs may show (SEC-01).
const SESSION_ID_SIZE_TOLD: usize = 4;

/// `msrp` or `msrps`; they never match each other (URI-07).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scheme {
    /// Over plain TCP.
    Msrp,
    /// Over TLS (TLS-01).
    Msrps,
}

/// Who is named in the authority of a URI.
#[derive(Clone, Copy, Debug)]
pub enum Host<'a> {
    /// A host name, possibly with percent-encoding.
    Name(&'a str),
    /// An IPv4 literal.
    V4(Ipv4Addr),
    /// An IPv6 literal, which is written in brackets.
    V6(Ipv6Addr),
}

/// Names compare ignoring case and needless percent-encoding, literals as addresses; nothing is
/// looked up (URI-08).
impl PartialEq for Host<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(one), Self::Name(other)) => normal_name(one).eq(normal_name(other)),
            (Self::V4(one), Self::V4(other)) => one == other,
            (Self::V6(one), Self::V6(other)) => one == other,
            _ => false,
        }
    }
}

impl Eq for Host<'_> {}

/// A valid MSRP URI, borrowed (URI-01).
///
/// Two of them are equal if they name the same thing by RFC 4975 section 6.1: scheme, host, port,
/// session-id and transport match; user and parameters do not count (URI-07 to URI-12).
#[derive(Clone, Copy)]
pub struct Uri<'a> {
    text: &'a str,
    parts: Parts,
}

/// Where the parts of a URI are in its text, which is at most [`URI_SIZE_MAX`] octets long.
#[derive(Clone, Copy)]
struct Parts {
    scheme: Scheme,
    host: HostPart,
    port: Option<u16>,
    session_id: Option<Span>,
    transport: Span,
}

#[derive(Clone, Copy)]
enum HostPart {
    Name(Span),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

#[derive(Clone, Copy)]
struct Span {
    start: u16,
    end: u16,
}

const _: () = assert!(URI_SIZE_MAX <= u16::MAX as usize);

impl Span {
    fn at(start: usize, size: usize) -> Self {
        Self { start: start as u16, end: (start + size) as u16 }
    }

    fn of(self, text: &str) -> &str {
        &text[usize::from(self.start)..usize::from(self.end)]
    }
}

impl<'a> Uri<'a> {
    /// Parses one URI. `None` when it is not written as RFC 4975 section 9 has it, or is longer than
    /// [`URI_SIZE_MAX`].
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        if text.len() > URI_SIZE_MAX || !text.is_ascii() {
            return None;
        }
        let text = std::str::from_utf8(text).ok()?;
        let (scheme, after_scheme) = text.split_once("://")?;
        let scheme = if scheme.eq_ignore_ascii_case("msrp") {
            Scheme::Msrp
        } else if scheme.eq_ignore_ascii_case("msrps") {
            Scheme::Msrps
        } else {
            return None;
        };
        // Every part is found at the front of what remains of the text.
        let span = |rest: &str, size| Span::at(text.len() - rest.len(), size);

        // A user may hold a `;`, so it is what comes before an `@` that is looked for first.
        let (user, rest) = after_scheme.split_once('@').unwrap_or(("", after_scheme));
        if !is_name(user) {
            return None;
        }
        let (authority, after_authority) = rest.split_at(rest.find(['/', ';'])?);
        let (host, port) = parse_authority(authority)?;
        let host = match host {
            Host::Name(name) => HostPart::Name(span(rest, name.len())),
            Host::V4(address) => HostPart::V4(address),
            Host::V6(address) => HostPart::V6(address),
        };

        let (path, rest) = after_authority.split_once(';')?;
        let session_id = match path.strip_prefix('/') {
            Some(id) if !id.is_empty() && id.bytes().all(is_session_id) => {
                Some(span(&after_authority[1..], id.len()))
            }
            Some(_) => return None,
            None => None,
        };

        let mut parameters = rest.split(';');
        let transport = parameters.next()?;
        let is_transport =
            !transport.is_empty() && transport.bytes().all(|octet| octet.is_ascii_alphanumeric());
        if !is_transport || !parameters.all(is_parameter) {
            return None;
        }
        let transport = span(rest, transport.len());
        let parts = Parts { scheme, host, port, session_id, transport };
        Some(Self { text, parts })
    }

    /// The URI as it is written.
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// The URI as it is written.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    /// Its scheme.
    pub fn scheme(&self) -> Scheme {
        self.parts.scheme
    }

    /// Its host.
    pub fn host(&self) -> Host<'a> {
        match self.parts.host {
            HostPart::Name(name) => Host::Name(name.of(self.text)),
            HostPart::V4(address) => Host::V4(address),
            HostPart::V6(address) => Host::V6(address),
        }
    }

    /// Its port. No port is assumed where there is none (URI-18).
    pub fn port(&self) -> Option<u16> {
        self.parts.port
    }

    /// Its session-id, which may hold slashes (URI-02).
    pub fn session_id(&self) -> Option<&'a str> {
        self.parts.session_id.map(|span| span.of(self.text))
    }

    /// Its transport, such as `tcp`; any is accepted (URI-13).
    pub fn transport(&self) -> &'a str {
        self.parts.transport.of(self.text)
    }
}

impl PartialEq for Uri<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.session_id() == other.session_id()
            && self.port() == other.port()
            && self.scheme() == other.scheme()
            && self.transport().eq_ignore_ascii_case(other.transport())
            && self.host() == other.host()
    }
}

impl Eq for Uri<'_> {}

/// For logs: a session-id is a secret between two ends, so no more than its first characters is told
/// (SEC-01). The whole URI is what it displays.
impl fmt::Debug for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Span { start, end }) = self.parts.session_id else {
            return f.write_str(self.text);
        };
        let (before, rest) = self.text.split_at(usize::from(start));
        let (session_id, after) = rest.split_at(usize::from(end - start));
        match session_id.split_at_checked(SESSION_ID_SIZE_TOLD) {
            Some((told, kept)) if !kept.is_empty() => write!(f, "{before}{told}*{after}"),
            _ => f.write_str(self.text),
        }
    }
}

impl fmt::Display for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

/// A valid MSRP URI, owned. Compares as [`Uri`] does.
///
/// It is its text alone: most are kept to be written again as they are, and one look at the text
/// tells whether another is written alike.
#[derive(Clone)]
pub struct UriBuf {
    text: Box<str>,
}

impl UriBuf {
    /// Parses and copies one URI.
    pub fn parse(text: &[u8]) -> Option<Self> {
        Uri::parse(text).map(Self::from)
    }

    /// A view of it, for which it is read anew.
    pub fn as_uri(&self) -> Uri<'_> {
        Uri::parse(self.as_bytes()).expect("it was read before")
    }

    /// The URI as it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The URI as it is written.
    pub fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// Whether `text`, as it came in a path, is this URI (URI-16). What is no URI is not.
    pub fn matches(&self, text: &[u8]) -> bool {
        // Nearly always it is written as it was in SDP, and need not be parsed to see that.
        text == self.as_bytes() || Uri::parse(text).is_some_and(|uri| uri == self.as_uri())
    }
}

impl From<Uri<'_>> for UriBuf {
    fn from(uri: Uri<'_>) -> Self {
        Self { text: uri.text.into() }
    }
}

impl PartialEq for UriBuf {
    fn eq(&self, other: &Self) -> bool {
        self.as_uri() == other.as_uri()
    }
}

impl Eq for UriBuf {}

impl fmt::Debug for UriBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_uri())
    }
}

impl fmt::Display for UriBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The `path` of a peer, owned: 1 to [`PATH_URIS_MAX`] valid URIs, each with a port (SDP-02, LIM-02),
/// next hop first.
///
/// Equal paths are written alike: this is for telling whether a new offer changes anything.
#[derive(Clone, Eq, PartialEq)]
pub struct PathBuf {
    /// With exactly one space between URIs (WIRE-07).
    text: Box<str>,
}

impl PathBuf {
    /// Reads the value of a path, in SDP or in a header.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let mut text = String::with_capacity(value.len());
        let mut count = 0;
        for uri in uris(value) {
            let uri = Uri::parse(uri).filter(|uri| uri.port().is_some())?;
            if count > 0 {
                text.push(' ');
            }
            text.push_str(uri.as_str());
            count += 1;
        }
        (1..=PATH_URIS_MAX).contains(&count).then(|| Self { text: text.into_boxed_str() })
    }

    /// The path as it is written in a header or in SDP.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The path as it is written in a header or in SDP.
    pub fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// The leftmost URI, the next hop, as it is written.
    pub fn first(&self) -> &[u8] {
        uris(self.as_bytes()).next().unwrap_or_default()
    }

    /// The URIs, next hop first.
    pub fn uris(&self) -> impl Iterator<Item = Uri<'_>> {
        uris(self.as_bytes()).filter_map(Uri::parse)
    }
}

impl fmt::Debug for PathBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.uris()).finish()
    }
}

impl fmt::Display for PathBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A path of one URI.
impl From<UriBuf> for PathBuf {
    fn from(uri: UriBuf) -> Self {
        Self { text: uri.text }
    }
}

fn parse_authority(authority: &str) -> Option<(Host<'_>, Option<u16>)> {
    if let Some(bracketed) = authority.strip_prefix('[') {
        let (address, port) = bracketed.split_once(']')?;
        // A literal address has a port (URI-04).
        let port = parse_port(port.strip_prefix(':')?)?;
        return Some((Host::V6(address.parse().ok()?), Some(port)));
    }
    let (name, port) = match authority.split_once(':') {
        Some((name, port)) => (name, Some(parse_port(port)?)),
        None => (authority, None),
    };
    if name.is_empty() || !is_name(name) {
        return None;
    }
    match parse_v4(name) {
        Some(address) => Some((Host::V4(address), Some(port?))),
        None => Some((Host::Name(name), port)),
    }
}

/// Any number of digits that make a port: `07654` is 7654.
fn parse_port(digits: &str) -> Option<u16> {
    digits.bytes().all(|octet| octet.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// An IPv4 literal, even one with percent-encoded digits (URI-08).
fn parse_v4(name: &str) -> Option<Ipv4Addr> {
    /// `255.255.255.255`.
    const SIZE_MAX: usize = 15;
    let mut text = [0; SIZE_MAX];
    let mut size = 0;
    for octet in normal_name(name) {
        *text.get_mut(size)? = octet;
        size += 1;
    }
    std::str::from_utf8(&text[..size]).ok()?.parse().ok()
}

/// A host name in lower case, with unreserved characters decoded (URI-08).
fn normal_name(name: &str) -> impl Iterator<Item = u8> {
    let mut rest = name.as_bytes();
    std::iter::from_fn(move || {
        let (&first, tail) = rest.split_first()?;
        let (octet, tail) = match (first, decode_hex(tail)) {
            (b'%', Some(decoded)) if is_unreserved(decoded) => (decoded, &tail[2..]),
            _ => (first, tail),
        };
        rest = tail;
        Some(octet.to_ascii_lowercase())
    })
}

/// The octet that two hexadecimal digits at the front stand for.
pub(crate) fn decode_hex(text: &[u8]) -> Option<u8> {
    let digit = |octet: &u8| char::from(*octet).to_digit(16);
    match text {
        [high, low, ..] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
        _ => None,
    }
}

/// `unreserved` of RFC 3986.
pub(crate) fn is_unreserved(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~')
}

/// `sub-delims` of RFC 3986.
fn is_sub_delimiter(octet: u8) -> bool {
    matches!(octet, b'!' | b'$' | b'&'..=b',' | b';' | b'=')
}

/// What a user or a host name is made of: unreserved characters, sub-delimiters and whole
/// percent-encodings. No colon, so a user has no password (URI-06).
fn is_name(text: &str) -> bool {
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = match first {
            b'%' if decode_hex(tail).is_some() => &tail[2..],
            _ if is_unreserved(first) || is_sub_delimiter(first) => tail,
            _ => return false,
        };
    }
    true
}

fn is_session_id(octet: u8) -> bool {
    is_unreserved(octet) || matches!(octet, b'+' | b'=' | b'/')
}

/// `name` or `name=value`.
fn is_parameter(parameter: &str) -> bool {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, "x"));
    is_token(name.as_bytes()) && is_token(value.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri<'_> {
        Uri::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text} is a URI"))
    }

    /// URI-01, URI-02, URI-12, URI-13: the parts of a URI.
    #[test]
    fn uris_have_parts() {
        let full = uri("MSRPS://alice@h.example.com:07654/a/b-._~+=;ws;x=1;y");
        assert_eq!(full.scheme(), Scheme::Msrps);
        assert_eq!(full.host(), Host::Name("h.example.com"));
        assert_eq!(full.port(), Some(7654));
        assert_eq!(full.session_id(), Some("a/b-._~+="));
        assert_eq!(full.transport(), "ws");
        assert_eq!(full.as_str(), "MSRPS://alice@h.example.com:07654/a/b-._~+=;ws;x=1;y");
        let short = uri("msrp://h;tcp");
        assert_eq!((short.port(), short.session_id()), (None, None));
        assert_eq!(uri("msrp://192.0.2.1:1/a;tcp").host(), Host::V4([192, 0, 2, 1].into()));
        let address = "2001:db8::1".parse().unwrap();
        assert_eq!(uri("msrp://[2001:db8::1]:1/a;tcp").host(), Host::V6(address));
        assert_eq!(uri("msrp://a;b%20c@h:1/a;tcp").host(), Host::Name("h"));
        assert_eq!(uri("msrp://x.invalid:9/a;ws").transport(), "ws");
    }

    /// URI-01, URI-02, URI-04, URI-06: what is no URI.
    #[test]
    fn malformed_uris_are_refused() {
        for text in [
            "",
            "msrp",
            "msrp:",
            "msrp://",
            "msrp://;tcp",
            "msrp://h",
            "msrp://h:1",
            "msrp://h:1/a",
            "msrp://h:1/a;",
            "msrp://h:1/a;;x",
            "msrp://h:1/;tcp",
            "msrp://h:1/a b;tcp",
            "msrp://h:1/a%20;tcp",
            "msrp://h:1/a;t-cp",
            "msrp://h:1/a;tcp;",
            "msrp://h:1/a;tcp;x=",
            "msrp://h:1/a;tcp;x=\"y\"",
            "msrp://h:/a;tcp",
            "msrp://h:65536/a;tcp",
            "msrp://h:-1/a;tcp",
            "msrp://h:+1/a;tcp",
            "msrp://h:1:2/a;tcp",
            "msrp://h%2/a;tcp",
            "msrp://h\u{e9}:1/a;tcp",
            "msrp://alice:secret@h:1/a;tcp",
            "msrp://2001:db8::1:1/a;tcp",
            "msrp://[2001:db8::1]/a;tcp",
            "msrp://[2001:db8::1;tcp",
            "msrp://[192.0.2.1]:1/a;tcp",
            "msrp://192.0.2.1/a;tcp",
            "sip://h:1/a;tcp",
            " msrp://h:1/a;tcp",
        ] {
            assert!(Uri::parse(text.as_bytes()).is_none(), "{text}");
        }
        let long = format!("msrp://h:1/{};tcp", "a".repeat(URI_SIZE_MAX));
        assert!(Uri::parse(long.as_bytes()).is_none());
    }

    /// URI-07, URI-08, URI-09, URI-10, URI-11, URI-12, TV-07: what two URIs may differ in.
    #[test]
    fn uris_compare_by_what_they_name() {
        let base = "msrp://h.example.com:7654/abc;tcp";
        for (one, other, equal) in [
            (base, "msrp://H.EXAMPLE.com:7654/abc;tcp;x=1", true),
            (base, "MSRP://bob@h.example.com:7654/abc;TCP", true),
            (
                "msrp://[2001:db8::1]:7654/abc;tcp",
                "msrp://[2001:0DB8:0:0::0001]:7654/abc;tcp",
                true,
            ),
            ("msrp://192.0.2.1:7654/abc;tcp", "msrp://192.0.2.1:07654/abc;tcp", true),
            ("msrp://%68.example.com:7654/abc;tcp", base, true),
            ("msrp://%31%392.0.2.1:7654/abc;tcp", "msrp://192.0.2.1:7654/abc;tcp", true),
            ("msrp://h%2C:1/a;tcp", "msrp://h%2c:1/a;tcp", true),
            ("msrp://h%2C:1/a;tcp", "msrp://h,:1/a;tcp", false),
            ("msrp://h.example.com:2855/abc;tcp", "msrp://h.example.com/abc;tcp", false),
            (base, "msrp://h.example.com:7655/abc;tcp", false),
            (base, "msrp://h.example.com:7654;tcp", false),
            (base, "msrp://h.example.com:7654/ABC;tcp", false),
            ("msrp://h.example.com:7654/a/b;tcp", "msrp://h.example.com:7654/a/./b;tcp", false),
            (base, "msrp://192.0.2.1:7654/abc;tcp", false),
            (base, "msrps://h.example.com:7654/abc;tcp", false),
            (base, "msrp://h.example.com:7654/abc;ws", false),
            ("msrp://h:1/a;ws", "msrp://h:1/a;dc", false),
            ("msrp://[::ffff:192.0.2.1]:1/a;tcp", "msrp://192.0.2.1:1/a;tcp", false),
        ] {
            assert_eq!(uri(one) == uri(other), equal, "{one} and {other}");
            assert_eq!(uri(other) == uri(one), equal, "{other} and {one}");
            let owned = UriBuf::parse(one.as_bytes()).unwrap();
            assert_eq!(owned.matches(other.as_bytes()), equal, "{one} and {other}");
            assert_eq!(owned == UriBuf::from(uri(other)), equal, "{one} and {other}");
        }
        assert!(!UriBuf::parse(base.as_bytes()).unwrap().matches(b"no URI"));
    }

    /// What goes into logs has four characters of a session-id at most.
    #[test]
    fn session_ids_are_not_told() {
        let path = PathBuf::parse(b"msrp://h:1/abcdefgh;tcp msrp://h:1/abcd;tcp;x").unwrap();
        assert_eq!(format!("{path:?}"), "[msrp://h:1/abcd*;tcp, msrp://h:1/abcd;tcp;x]");
        assert_eq!(path.to_string(), "msrp://h:1/abcdefgh;tcp msrp://h:1/abcd;tcp;x");
        let uri = UriBuf::parse(b"msrp://h;tcp").unwrap();
        assert_eq!(format!("{uri:?}"), "msrp://h;tcp");
        let raw = crate::Path::parse(b"msrp://h:1/abcdefgh;tcp nonsense").unwrap();
        assert_eq!(format!("{raw:?}"), "[msrp://h:1/abcd*;tcp]");
    }

    /// URI-05, SDP-02, LIM-02: a path is kept whole and in order, and each of its
    /// URIs has a port.
    #[test]
    fn paths_are_kept_whole() {
        let path = PathBuf::parse(b" msrps://r:2855/a;tcp   msrps://c:5000/b;tcp;x=1 ").unwrap();
        assert_eq!(path.as_str(), "msrps://r:2855/a;tcp msrps://c:5000/b;tcp;x=1");
        assert_eq!(path.first(), b"msrps://r:2855/a;tcp");
        let ports: Vec<_> = path.uris().filter_map(|uri| uri.port()).collect();
        assert_eq!(ports, [2855, 5000]);
        let eleven = ["msrp://h:1/a;tcp"; PATH_URIS_MAX + 1].join(" ");
        for bad in ["", " ", "msrp://h/a;tcp", "msrp://h:1/a;tcp x", &eleven] {
            assert!(PathBuf::parse(bad.as_bytes()).is_none(), "{bad}");
        }
        let uri = UriBuf::parse(b"msrp://h:1/a;tcp").unwrap();
        assert_eq!(PathBuf::from(uri).as_bytes(), b"msrp://h:1/a;tcp");
    }
}
