//! Addresses of rooms and participants, as SIP and the CPIM wrapper name them, compared as addresses
//! of record (CHAT-07, JC-20).

use std::{
    fmt::{self, Write},
    net::Ipv6Addr,
    sync::Arc,
};

use crate::uri::{decode_hex, is_unreserved};

/// The port that `sip` means when it names none.
const SIP_PORT: u16 = 5060;

/// The port that `sips` means when it names none.
const SIPS_PORT: u16 = 5061;

/// An address, borrowed. What it displays is its normal form: two addresses are equal if they
/// display alike.
#[derive(Clone, Copy, Debug)]
pub struct Address<'a> {
    kind: Kind<'a>,
}

/// What counts in an address, by its scheme.
#[derive(Clone, Copy, Debug)]
enum Kind<'a> {
    /// `sip` and `sips`, which count as equal; the port only if it is not the default one.
    Sip { user: Option<&'a str>, host: Host<'a>, port: Option<u16> },
    /// `im`: user and host.
    Im { user: &'a str, host: Host<'a> },
    /// `tel`: a number with visual separators.
    Tel { number: &'a str },
    /// Nothing is known of any other scheme: what follows it has to be the same, octet for octet.
    Other { scheme: &'a str, rest: &'a str },
}

#[derive(Clone, Copy, Debug)]
enum Host<'a> {
    Name(&'a str),
    V6(Ipv6Addr),
}

impl<'a> Address<'a> {
    /// Parses an absolute URI, given without angle brackets.
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        if text.bytes().any(|octet| matches!(octet, 0..=b' ' | b'\x7f' | b'<' | b'>' | b'"')) {
            return None;
        }
        let (scheme, rest) = split_once(text, b':')?;
        if rest.is_empty() || !is_scheme(scheme) {
            return None;
        }
        let is = |name: &str| scheme.eq_ignore_ascii_case(name);
        let kind = if is("sip") {
            parse_sip(rest, SIP_PORT)?
        } else if is("sips") {
            parse_sip(rest, SIPS_PORT)?
        } else if is("im") {
            let (user, host) = split_once(before_any(rest, b"?"), b'@')?;
            let (host, port) = parse_host(host)?;
            if user.is_empty() || port.is_some() {
                return None;
            }
            Kind::Im { user, host }
        } else if is("tel") {
            let number = before_any(rest, b";");
            number.chars().any(|c| !is_visual_separator(c)).then_some(Kind::Tel { number })?
        } else {
            Kind::Other { scheme, rest }
        };
        Some(Self { kind })
    }
}

/// Its normal form: scheme and host in lower case, no default port, no parameters, and of
/// percent-encoding only as much as is needed.
impl fmt::Display for Address<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_normal(f)
    }
}

impl Address<'_> {
    fn write_normal(&self, out: &mut impl Write) -> fmt::Result {
        match self.kind {
            Kind::Sip { user, host, port } => {
                out.write_str("sip:")?;
                if let Some(user) = user {
                    write_user(out, user)?;
                    out.write_char('@')?;
                }
                host.write_normal(out)?;
                port.map_or(Ok(()), |port| write!(out, ":{port}"))
            }
            Kind::Im { user, host } => {
                out.write_str("im:")?;
                write_user(out, user)?;
                out.write_char('@')?;
                host.write_normal(out)
            }
            Kind::Tel { number } => {
                out.write_str("tel:")?;
                let mut digits = number.chars().filter(|&c| !is_visual_separator(c));
                digits.try_for_each(|digit| out.write_char(digit.to_ascii_lowercase()))
            }
            Kind::Other { scheme, rest } => {
                write_lower(out, scheme)?;
                out.write_char(':')?;
                out.write_str(rest)
            }
        }
    }
}

impl Host<'_> {
    fn write_normal(&self, out: &mut impl Write) -> fmt::Result {
        match self {
            Self::Name(name) => write_lower(out, name),
            Self::V6(address) => write!(out, "[{address}]"),
        }
    }
}

/// An address, owned, in its normal form. Clones share it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AddressBuf {
    text: Arc<str>,
}

impl AddressBuf {
    /// Parses an absolute URI, given without angle brackets.
    pub fn parse(text: &[u8]) -> Option<Self> {
        Address::parse(text).map(Self::from)
    }

    /// The normal form.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl From<Address<'_>> for AddressBuf {
    fn from(address: Address<'_>) -> Self {
        Self { text: address.to_string().into() }
    }
}

impl fmt::Display for AddressBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq<AddressBuf> for Address<'_> {
    fn eq(&self, other: &AddressBuf) -> bool {
        let mut remaining = Remaining(&other.text);
        self.write_normal(&mut remaining).is_ok() && remaining.0.is_empty()
    }
}

impl PartialEq<Address<'_>> for AddressBuf {
    fn eq(&self, other: &Address<'_>) -> bool {
        other == self
    }
}

/// What is left of a text after everything written to it was found at its front. It lets a normal
/// form be compared without being made.
struct Remaining<'a>(&'a str);

impl Write for Remaining<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.strip_prefix(text).ok_or(fmt::Error)?;
        Ok(())
    }
}

fn parse_sip(rest: &str, default_port: u16) -> Option<Kind<'_>> {
    // A user may hold `;` and `?`; an `@` can only be the end of a user.
    let (user, rest) = match split_once(rest, b'@') {
        Some(("", _)) => return None,
        Some((user, rest)) => (Some(user), rest),
        None => (None, rest),
    };
    let (host, port) = parse_host(before_any(rest, b";?"))?;
    Some(Kind::Sip { user, host, port: port.filter(|&port| port != default_port) })
}

fn parse_host(text: &str) -> Option<(Host<'_>, Option<u16>)> {
    let (host, port) = if let Some(bracketed) = text.strip_prefix('[') {
        let (address, port) = bracketed.split_once(']')?;
        (Host::V6(address.parse().ok()?), port)
    } else {
        let (name, port) = text.split_at(before_any(text, b":").len());
        let is_name =
            |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_');
        if name.is_empty() || !name.bytes().all(is_name) {
            return None;
        }
        (Host::Name(name), port)
    };
    match port.strip_prefix(':') {
        Some(digits) if digits.bytes().all(|octet| octet.is_ascii_digit()) => {
            Some((host, Some(digits.parse().ok()?)))
        }
        Some(_) => None,
        None => port.is_empty().then_some((host, None)),
    }
}

/// `scheme` of RFC 3986.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"+-.".contains(&octet))
}

/// Those of RFC 3966 section 3.
fn is_visual_separator(c: char) -> bool {
    matches!(c, '-' | '.' | '(' | ')')
}

/// What comes before the first of these ASCII octets, or all of it.
fn before_any<'a>(text: &'a str, ends: &[u8]) -> &'a str {
    let end = text.bytes().position(|octet| ends.contains(&octet));
    &text[..end.unwrap_or(text.len())]
}

/// What comes before and behind the first of this ASCII octet. The texts are short: a search made for
/// long ones would take longer to begin.
pub(crate) fn split_once(text: &str, octet: u8) -> Option<(&str, &str)> {
    let at = text.bytes().position(|it| it == octet)?;
    Some((&text[..at], &text[at + 1..]))
}

fn write_lower(out: &mut impl Write, text: &str) -> fmt::Result {
    if text.bytes().any(|octet| octet.is_ascii_uppercase()) {
        text.chars().try_for_each(|c| out.write_char(c.to_ascii_lowercase()))
    } else {
        out.write_str(text)
    }
}

/// Writes a user with its percent-encoding undone, and made again for what cannot stand in a user:
/// users are written alike if they are the same octets.
fn write_user(out: &mut impl Write, user: &str) -> fmt::Result {
    let mut rest = user;
    loop {
        // Everything up to here is written as it stands.
        let plain = rest.bytes().position(|octet| !is_user_octet(octet)).unwrap_or(rest.len());
        let (text, other) = rest.split_at(plain);
        out.write_str(text)?;
        let Some(first) = other.chars().next() else { return Ok(()) };
        let encoded = other.strip_prefix('%').and_then(|digits| decode_hex(digits.as_bytes()));
        let size = if let Some(octet) = encoded {
            write_user_octet(out, octet)?;
            "%XX".len()
        } else {
            let size = first.len_utf8();
            other[..size].bytes().try_for_each(|octet| write_user_octet(out, octet))?;
            size
        };
        rest = &other[size..];
    }
}

fn write_user_octet(out: &mut impl Write, octet: u8) -> fmt::Result {
    if is_user_octet(octet) {
        out.write_char(char::from(octet))
    } else {
        write!(out, "%{octet:02X}")
    }
}

/// What may stand in a user as it is: `unreserved` and `user-unreserved` of RFC 3261 section 25.1.
fn is_user_octet(octet: u8) -> bool {
    is_unreserved(octet)
        || matches!(
            octet,
            b'!' | b'*'
                | b'\''
                | b'('
                | b')'
                | b'&'
                | b'='
                | b'+'
                | b'$'
                | b','
                | b';'
                | b'?'
                | b'/'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn equal(one: &str, other: &str) -> bool {
        let [one, other] =
            [one, other].map(|text| Address::parse(text.as_bytes()).expect("an address"));
        let [owned_one, owned_other] = [one, other].map(AddressBuf::from);
        let equal = owned_one == owned_other;
        assert_eq!((one == owned_other, owned_one == other), (equal, equal));
        equal
    }

    /// CHAT-07: what does not count in an address, and what does.
    #[test]
    fn addresses_compare_as_addresses_of_record() {
        let room = "sip:chatroom22@chat.example.com";
        for same in [
            "sip:chatroom22@chat.example.com;transport=tcp",
            "sips:chatroom22@Chat.Example.COM",
            "SIP:chatroom22@chat.example.com:5060;gr=x?Subject=y",
            "sips:chatroom22@chat.example.com:5061",
            "sip:%63hatroom22@chat.example.com",
        ] {
            assert!(equal(room, same), "{same}");
        }
        for other in [
            "sip:Chatroom22@chat.example.com",
            "sip:chatroom22@example.com",
            "sip:chatroom22@chat.example.com.",
            "sip:chatroom22@chat.example.com:5061",
            "sips:chatroom22@chat.example.com:5060",
            "sip:chat.example.com",
            "im:chatroom22@chat.example.com",
        ] {
            assert!(!equal(room, other), "{other}");
        }
        assert!(equal("sip:[2001:db8::1]", "sip:[2001:0DB8::0:1]:5060"));
        assert!(equal("tel:+1-201-555-0123", "TEL:+1(201)5550123;phone-context=x"));
        assert!(!equal("tel:+12015550123", "tel:+12015550124"));
        assert!(equal("im:Alice@Example.org", "im:Alice@example.org?subject=x"));
        assert!(!equal("im:Alice@example.org", "im:alice@example.org"));
        assert!(equal("urn:uuid:F81D", "URN:uuid:F81D"));
        assert!(!equal("urn:uuid:F81D", "urn:uuid:f81d"));
        assert!(!equal("sip:a%40b@h", "sip:a@h"));
        assert!(!equal("sip:ab@h", "sip:abc@h") && !equal("sip:abc@h", "sip:ab@h"));
    }

    /// CHAT-07: the normal form says all that counts, and no more.
    #[test]
    fn addresses_have_a_normal_form() {
        let normal = |text: &str| AddressBuf::parse(text.as_bytes()).unwrap().as_str().to_owned();
        assert_eq!(normal("SIPS:al%69ce%40x@HOST:5062;a=b"), "sip:alice%40x@host:5062");
        assert_eq!(normal("sip:%c3%A9;x=1@[2001:DB8:0::1]"), "sip:%C3%A9;x=1@[2001:db8::1]");
        assert_eq!(normal("tel:(201) 5".replace(' ', "").as_str()), "tel:2015");
    }

    /// CPIM-12: what is no address.
    #[test]
    fn malformed_addresses_are_refused() {
        for text in [
            "",
            "alice",
            ":",
            "sip:",
            "sip:@h",
            "sip:a@",
            "sip:a@b@c",
            "sip:a b@h",
            "sip:a@h:x",
            "sip:a@h:99999",
            "sip:a@[::1",
            "sip:a@[::1]x",
            "sip:a@h/",
            "<sip:a@h>",
            "sip:a@h\r\n",
            "im:alice",
            "im:@h",
            "im:a@h:1",
            "tel:",
            "tel:-.-",
            "1x:y",
            "si p:a@h",
            "sip:a@\u{e9}",
        ] {
            assert!(Address::parse(text.as_bytes()).is_none(), "{text}");
        }
        assert!(Address::parse(b"sip:\xff@h").is_none());
    }
}
