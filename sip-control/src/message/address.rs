//! Name-addresses: From, To, Contact, Route and their kin (RFC 3261 section 20.10).

use super::lexis::{self, Params};
use super::uri::{self, SipUri};

/// One value of an address field: a display name, a URI, and the field's parameters.
#[derive(Clone, Copy, Debug)]
pub struct NameAddr<'a> {
    display: &'a str,
    uri: &'a str,
    params: Params<'a>,
}

impl<'a> NameAddr<'a> {
    /// Parses `"Display" <uri>;params` or `uri;params`. Without brackets the parameters are the
    /// field's, and the URI can hold neither `?` nor `,` (RFC 3261 section 20).
    pub fn parse(value: &'a str) -> Option<Self> {
        let value = lexis::trim(value);
        let display_len = match lexis::quoted_len(value) {
            Some(len) => len,
            None if value.starts_with('"') => return None,
            None => value.find('<').unwrap_or(0),
        };
        let display = lexis::trim(&value[..display_len]);
        let rest = value[display_len..].trim_start_matches([' ', '\t']);
        if let Some(rest) = rest.strip_prefix('<') {
            let (uri, params) = rest.split_once('>')?;
            let is_named = display.is_empty()
                || display.starts_with('"')
                || display.split([' ', '\t']).all(|w| w.is_empty() || lexis::is_token(w));
            let params = Params::parse(params)?;
            return (is_named && uri::is_uri(uri)).then_some(Self { display, uri, params });
        }
        if !display.is_empty() {
            return None;
        }
        let (uri, params) = Params::split(rest)?;
        let is_bare = !uri.contains(['?', ',']) && uri::is_uri(uri);
        is_bare.then_some(Self { display, uri, params })
    }

    /// The display name without quotes and escapes, if there is one.
    pub fn display_name(&self) -> Option<std::borrow::Cow<'a, str>> {
        (!self.display.is_empty()).then(|| lexis::unquote(self.display))
    }

    /// The URI without brackets.
    pub fn uri(&self) -> &'a str {
        self.uri
    }

    /// The URI, when it is a SIP or SIPS one.
    pub fn sip_uri(&self) -> Option<SipUri<'a>> {
        SipUri::parse(self.uri)
    }

    /// The parameters of the field, such as `tag`.
    pub fn params(&self) -> Params<'a> {
        self.params
    }

    /// The `tag` parameter of From and To.
    pub fn tag(&self) -> Option<&'a str> {
        self.params.get("tag").filter(|tag| lexis::is_token(tag))
    }
}

/// Quotes a display name or any text for a quoted-string. Control characters are dropped: they
/// have no place in a name, and some of them could end the header (OPS-06).
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars().filter(|character| !character.is_control()) {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_name_uri_and_parameters_are_told_apart() {
        let bob =
            NameAddr::parse(r#""Bob \"the\" Rose" <sip:bob@example.com;lr>;tag=b25"#).unwrap();
        assert_eq!(bob.display_name().as_deref(), Some("Bob \"the\" Rose"));
        assert_eq!((bob.uri(), bob.tag()), ("sip:bob@example.com;lr", Some("b25")));

        let bare = NameAddr::parse("sip:garden@im.example.com;tag=1").unwrap();
        assert_eq!((bare.uri(), bare.tag()), ("sip:garden@im.example.com", Some("1")));
        assert!(bare.display_name().is_none());

        let close = NameAddr::parse("caller<sip:caller@example.com>;tag=323").unwrap();
        assert_eq!(close.display_name().as_deref(), Some("caller"));

        assert_eq!(NameAddr::parse("<tel:+12125550100>").unwrap().uri(), "tel:+12125550100");
    }

    /// OPS-05: what RFC 4475 has in address fields.
    #[test]
    fn malformed_addresses_are_refused() {
        for value in [
            r#""Mr. J. User <sip:j.user@example.com>"#,
            r#""Watson, Thomas" < sip:t.watson@example.org >"#,
            "Bell, Alexander <sip:a.g.bell@example.com>;tag=43",
            "sip:user@example.com?Route=%3Csip:sip.example.com%3E",
            r#""Joe" <sip:joe@example.org>;;;;"#,
            "alan@jasomi.com",
            "<sip:a@h",
            "<>",
            "",
        ] {
            assert!(NameAddr::parse(value).is_none(), "{value}");
        }
    }

    /// OPS-06: a name cannot leave its quotes.
    #[test]
    fn quoting_escapes_and_drops_controls() {
        assert_eq!(quote("a\"b\\c\r\nEvil: 1\0"), r#""a\"b\\cEvil: 1""#);
    }
}
