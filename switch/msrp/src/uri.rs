//! MSRP URIs, their comparison, and paths of them (RFC 4975 section 6).

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
};

use crate::wire::{PATH_URIS_MAX, URI_SIZE_MAX, is_token, uris};

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
    /// Parses one URI. `None` when it is not one: only what is written exactly as RFC 4975
    /// section 9 has it can be told apart from what it is not.
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

        let (transport, mut parameters) = {
            let mut parts = rest.split(';');
            (parts.next()?, parts)
        };
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

impl fmt::Debug for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uri({})", self.text)
    }
}

impl fmt::Display for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

/// A valid MSRP URI, owned. Compares as [`Uri`] does.
#[derive(Clone)]
pub struct UriBuf {
    text: Box<str>,
    parts: Parts,
}

impl UriBuf {
    /// Parses and copies one URI.
    pub fn parse(text: &[u8]) -> Option<Self> {
        Uri::parse(text).map(Self::from)
    }

    /// A view of it.
    pub fn as_uri(&self) -> Uri<'_> {
        Uri { text: &self.text, parts: self.parts }
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
        Self { text: uri.text.into(), parts: uri.parts }
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
        write!(f, "UriBuf({})", self.text)
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
        write!(f, "PathBuf({})", self.text)
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

/// What a user or a host name is made of: unreserved characters, sub-delimiters and whole
/// percent-encodings. No colon, so a user has no password (URI-06).
fn is_name(text: &str) -> bool {
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = match first {
            b'%' if decode_hex(tail).is_some() => &tail[2..],
            _ if is_unreserved(first) || b"!$&'()*+,;=".contains(&first) => tail,
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
