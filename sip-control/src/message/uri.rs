//! SIP and SIPS URIs (RFC 3261 section 19.1).

use std::fmt;

/// Scheme of any URI, in the case it came in.
pub fn scheme(uri: &str) -> Option<&str> {
    let (scheme, _) = uri.split_once(':')?;
    let mut octets = scheme.bytes();
    let starts = octets.next()?.is_ascii_alphabetic();
    (starts && octets.all(|o| o.is_ascii_alphanumeric() || matches!(o, b'+' | b'-' | b'.')))
        .then_some(scheme)
}

/// Whether the text can stand where a URI is wanted: a scheme, then no octet that would end it. A
/// SIP or SIPS URI must be well-formed as such.
pub(super) fn is_uri(text: &str) -> bool {
    let Some(scheme) = scheme(text) else {
        return false;
    };
    if scheme.eq_ignore_ascii_case("sip") || scheme.eq_ignore_ascii_case("sips") {
        return SipUri::parse(text).is_some();
    }
    text.len() > scheme.len() + 1
        && text.bytes().all(|octet| octet.is_ascii_graphic() && !b"<>\"".contains(&octet))
}

/// A SIP or SIPS URI, borrowed from where it stands. Escapes are kept as they came.
#[derive(Clone, Copy)]
pub struct SipUri<'a> {
    text: &'a str,
    is_secure: bool,
    user: Option<&'a str>,
    password: Option<&'a str>,
    host: &'a str,
    port: Option<u16>,
    params: &'a str,
    headers: &'a str,
}

impl<'a> SipUri<'a> {
    /// Parses `sip:user:password@host:port;params?headers`, given without angle brackets.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once(':')?;
        let is_secure = scheme.eq_ignore_ascii_case("sips");
        if !is_secure && !scheme.eq_ignore_ascii_case("sip") {
            return None;
        }
        if !rest.bytes().all(|octet| octet.is_ascii_graphic() && !b"<>\"".contains(&octet)) {
            return None;
        }
        // The user part may hold all that separates the later parts, but no `@`.
        let (userinfo, rest) = match rest.split_once('@') {
            Some((userinfo, rest)) => (Some(userinfo), rest),
            None => (None, rest),
        };
        let (user, password) = match userinfo.map(|info| info.split_once(':')) {
            None => (None, None),
            Some(None) => (userinfo, None),
            Some(Some((user, password))) => (Some(user), Some(password)),
        };
        if user.is_some_and(str::is_empty) {
            return None;
        }
        let (rest, headers) = rest.split_once('?').unwrap_or((rest, ""));
        let params_at = rest.find(';').unwrap_or(rest.len());
        let (host, port) = host_port(&rest[..params_at])?;
        let params = &rest[params_at..];
        if pairs(params, ';').any(|(name, _)| name.is_empty()) || headers.contains('@') {
            return None;
        }
        Some(Self { text, is_secure, user, password, host, port, params, headers })
    }

    /// The whole URI as it came.
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// Whether the scheme is `sips`.
    pub fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// The user part, escaped as it came.
    pub fn user(&self) -> Option<&'a str> {
        self.user
    }

    /// The host; an IPv6 address has its brackets.
    pub fn host(&self) -> &'a str {
        self.host
    }

    /// The port, if one is written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The value of a URI parameter; empty for a flag, `None` when it is absent.
    pub fn param(&self, name: &str) -> Option<&'a str> {
        pairs(self.params, ';')
            .find(|(given, _)| same_text(given, name))
            .map(|(_, value)| value.unwrap_or(""))
    }

    /// All URI parameters: name and value; a flag has no value.
    pub fn params(&self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> + use<'a> {
        pairs(self.params, ';')
    }

    /// The header part after `?`, without it; empty when there is none.
    pub fn headers(&self) -> &'a str {
        self.headers
    }

    /// Who it names: without password, parameters and headers, which only say how to get there.
    pub fn bare(&self) -> String {
        let scheme = if self.is_secure { "sips" } else { "sip" };
        let user = self.user.map(|user| format!("{user}@")).unwrap_or_default();
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{scheme}:{user}{}{port}", self.host)
    }

    /// What a request to it has as its Request-URI: without headers and `method`, which say what
    /// the request shall be (RFC 3261 section 19.1.1, REF-08).
    pub fn callee(&self) -> String {
        let params = self.params().filter(|(name, _)| !same_text(name, "method"));
        let params = params.map(|(name, value)| match value {
            Some(value) => format!(";{name}={value}"),
            None => format!(";{name}"),
        });
        self.bare() + &params.collect::<String>()
    }

    /// Equality of RFC 3261 section 19.1.4. It is not transitive (a parameter that only one side
    /// has may be ignored), which is why this is no `PartialEq`.
    pub fn matches(&self, other: &SipUri<'_>) -> bool {
        self.matches_ignoring_transport(other)
            && match (self.param("transport"), other.param("transport")) {
                (Some(ours), Some(theirs)) => same_text(ours, theirs),
                _ => true,
            }
            && same_headers(self.headers, other.headers)
    }

    /// As [`matches`](Self::matches), but header parts and `transport` do not count: how a
    /// conference is told by its URI, from wherever and however it was reached (FOC-03).
    pub fn matches_ignoring_transport(&self, other: &SipUri<'_>) -> bool {
        self.is_secure == other.is_secure
            && same_part(self.user, other.user)
            && same_part(self.password, other.password)
            && self.host.eq_ignore_ascii_case(other.host)
            && self.port == other.port
            && self.params_agree(other)
            && other.params_agree(self)
    }

    /// Every parameter of ours that the other has is equal there; those that must not be missing
    /// on one side are not.
    fn params_agree(&self, other: &SipUri<'_>) -> bool {
        self.params().all(|(name, value)| {
            if same_text(name, "transport") {
                return true;
            }
            match other.params().find(|(theirs, _)| same_text(name, theirs)) {
                Some((_, theirs)) => same_text(value.unwrap_or(""), theirs.unwrap_or("")),
                None => !["user", "ttl", "method", "maddr"]
                    .iter()
                    .any(|binding| same_text(name, binding)),
            }
        })
    }

    /// A key under which URIs that name the same resource meet in a table: scheme, user with
    /// needless escapes undone, host in lower case, port. Parameters are left out, so a hit is to
    /// be checked with [`matches_ignoring_transport`](Self::matches_ignoring_transport).
    pub fn key(&self) -> String {
        let mut key = String::with_capacity(self.text.len());
        key.push_str(if self.is_secure { "sips:" } else { "sip:" });
        if let Some(user) = self.user {
            for octet in octets(user) {
                match octet {
                    Octet::Plain(octet) => key.push(char::from(octet)),
                    Octet::Escaped(octet) => {
                        key.push('%');
                        key.extend([octet >> 4, octet & 15].map(hex));
                    }
                }
            }
            key.push('@');
        }
        key.extend(self.host.chars().map(|character| character.to_ascii_lowercase()));
        if let Some(port) = self.port {
            key.push(':');
            key.push_str(&port.to_string());
        }
        key
    }
}

impl fmt::Debug for SipUri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SipUri").field(&self.text).finish()
    }
}

impl fmt::Display for SipUri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

/// Parses `host[:port]`, where an IPv6 address is in brackets.
pub(super) fn host_port(text: &str) -> Option<(&str, Option<u16>)> {
    let host_len = match text.find(']') {
        Some(bracket) if text.starts_with('[') => bracket + 1,
        _ => text.find(':').unwrap_or(text.len()),
    };
    let (host, port) = text.split_at(host_len);
    let port = match port.strip_prefix(':') {
        Some(digits) => Some(super::lexis::number(digits, u32::from(u16::MAX))? as u16),
        None if port.is_empty() => None,
        None => return None,
    };
    is_host(host).then_some((host, port))
}

/// A host name, an IPv4 address, or an IPv6 address in brackets.
fn is_host(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        // The underscore is in no grammar, but in many names.
        None => {
            !host.is_empty()
                && host
                    .bytes()
                    .all(|o| o.is_ascii_alphanumeric() || matches!(o, b'-' | b'.' | b'_'))
        }
    }
}

/// Splits `;a=b;c` or `a=b&c=d` into names and values.
fn pairs(text: &str, separator: char) -> impl Iterator<Item = (&str, Option<&str>)> {
    let text = text.strip_prefix(separator).unwrap_or(text);
    let mut rest = (!text.is_empty()).then_some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let pair = match text.split_once(separator) {
            Some((pair, after)) => {
                rest = Some(after);
                pair
            }
            None => rest.take()?,
        };
        Some(match pair.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (pair, None),
        })
    })
}

fn same_headers(ours: &str, theirs: &str) -> bool {
    let all_in = |ours: &str, theirs: &str| {
        pairs(ours, '&').all(|(name, value)| {
            pairs(theirs, '&').any(|(other, theirs)| same_text(name, other) && value == theirs)
        })
    };
    all_in(ours, theirs) && all_in(theirs, ours)
}

/// One octet of a text, with escapes undone that need not be (RFC 3261 section 19.1.4: a character
/// and its escape are equal unless it is reserved).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Octet {
    Plain(u8),
    Escaped(u8),
}

fn octets(text: &str) -> impl Iterator<Item = Octet> {
    let mut rest = text.as_bytes();
    std::iter::from_fn(move || {
        if let [b'%', high, low, after @ ..] = rest
            && let (Some(high), Some(low)) = (hex_value(*high), hex_value(*low))
        {
            rest = after;
            let octet = high << 4 | low;
            return Some(match octet {
                b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')' => {
                    Octet::Plain(octet)
                }
                _ if octet.is_ascii_alphanumeric() => Octet::Plain(octet),
                _ => Octet::Escaped(octet),
            });
        }
        let (&octet, after) = rest.split_first()?;
        rest = after;
        Some(Octet::Plain(octet))
    })
}

fn hex_value(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

fn hex(value: u8) -> char {
    char::from_digit(u32::from(value), 16).unwrap_or('0').to_ascii_uppercase()
}

/// Equal but for needless escapes; case counts.
fn same_part(ours: Option<&str>, theirs: Option<&str>) -> bool {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => octets(ours).eq(octets(theirs)),
        (None, None) => true,
        _ => false,
    }
}

/// Equal but for needless escapes and case.
fn same_text(ours: &str, theirs: &str) -> bool {
    let lower = |octet| match octet {
        Octet::Plain(octet) => Octet::Plain(octet.to_ascii_lowercase()),
        Octet::Escaped(octet) => Octet::Escaped(octet.to_ascii_lowercase()),
    };
    octets(ours).map(lower).eq(octets(theirs).map(lower))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> SipUri<'_> {
        SipUri::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn parts_are_found_also_when_the_user_part_looks_like_all_of_them() {
        let odd = uri("sip:1_un~(x)&isn't+it$/c?,/;;*:&it+has=1,w@example.com:5070;lr;a=b?s=1");
        assert_eq!(odd.user(), Some("1_un~(x)&isn't+it$/c?,/;;*"));
        assert_eq!((odd.host(), odd.port()), ("example.com", Some(5070)));
        assert_eq!((odd.param("LR"), odd.param("a"), odd.headers()), (Some(""), Some("b"), "s=1"));
        let six = uri("sips:[2001:db8::9]:5061");
        assert_eq!((six.host(), six.port(), six.user()), ("[2001:db8::9]", Some(5061), None));
        assert!(six.is_secure());
    }

    /// REF-08: what a URI says of the request is not part of whom it names.
    #[test]
    fn bare_uris_and_callees_are_told_apart() {
        let odd = uri("sip:1;x?y:secret@h:5070;transport=tcp;Method=BYE;lr?Replaces=1&a=b");
        assert_eq!(odd.bare(), "sip:1;x?y@h:5070");
        assert_eq!(odd.callee(), "sip:1;x?y@h:5070;transport=tcp;lr");
        assert_eq!(uri("sips:[::1]").callee(), "sips:[::1]");
    }

    #[test]
    fn malformed_uris_are_refused() {
        for text in [
            "sip:",
            "sip:@h",
            "sip:a@",
            "sip:a b@h",
            "sip:a@h:x",
            "sip:a@h:99999",
            "sip:a@[::1",
            "sip:a@h;;",
            "sip:a@h;=b",
            "tel:+1",
            "a@h",
            "sip:a@<h>",
            "sip:a@h\u{e9}",
        ] {
            assert!(SipUri::parse(text).is_none(), "{text}");
        }
    }

    /// FOC-03: the examples of RFC 3261 section 19.1.4.
    #[test]
    fn equality_is_that_of_the_rfc() {
        for (left, right) in [
            ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
            (
                "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            ),
            (
                "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            ),
        ] {
            assert!(uri(left).matches(&uri(right)), "{left} {right}");
            assert!(uri(right).matches(&uri(left)), "{left} {right}");
        }
        for (left, right) in [
            ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com;transport=tcp", "sip:bob@biloxi.com;transport=udp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
            ("sip:bob@phone21.boxesbybob.com", "sip:bob@phone21.boxesbybob.com;maddr=192.0.2.4"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
            ("sip:a%40b@h", "sip:a%3Ab@h"),
            ("sip:a@h", "sips:a@h"),
        ] {
            assert!(!uri(left).matches(&uri(right)), "{left} {right}");
            assert!(!uri(right).matches(&uri(left)), "{left} {right}");
        }
    }

    /// FOC-03: a conference is the same however it is reached.
    #[test]
    fn transport_and_headers_do_not_make_another_resource() {
        let stored = uri("sip:s-1@im.example.com;gr");
        for same in [
            "sip:s-1@IM.example.com;gr;transport=tcp",
            "sip:s-1@im.example.com",
            "sip:s-%31@im.example.com;gr?Subject=x",
        ] {
            assert!(stored.matches_ignoring_transport(&uri(same)), "{same}");
            assert_eq!(stored.key(), uri(same).key());
        }
        assert!(!stored.matches_ignoring_transport(&uri("sip:S-1@im.example.com;gr")));
    }
}
