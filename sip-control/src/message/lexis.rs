//! The lexis of header values (RFC 3261 section 25.1): tokens, lists and parameters, where quotes
//! and angle brackets hide what would otherwise separate.
//!
//! Values come in without folds (see [`super::Message`]), so white space is SP and HTAB.

/// Whether the octet may be in a `token`.
pub(super) const fn is_token_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric()
        || matches!(octet, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
}

/// Whether the text is a `token`.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_octet)
}

/// Whether the text is a `callid`: one or two `word`s around an `@`.
pub(super) fn is_call_id(text: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty()
            && word.bytes().all(|octet| {
                is_token_octet(octet)
                    || matches!(
                        octet,
                        b'(' | b')'
                            | b'<'
                            | b'>'
                            | b':'
                            | b'\\'
                            | b'"'
                            | b'/'
                            | b'['
                            | b']'
                            | b'?'
                            | b'{'
                            | b'}'
                    )
            })
    };
    match text.split_once('@') {
        Some((left, right)) => is_word(left) && is_word(right),
        None => is_word(text),
    }
}

/// Without white space at either end.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// Splits at the first white space, which is dropped whole.
pub(super) fn split_at_space(text: &str) -> Option<(&str, &str)> {
    let at = text.find([' ', '\t'])?;
    Some((&text[..at], text[at..].trim_start_matches([' ', '\t'])))
}

/// A number of at most `max`, in digits alone.
pub(super) fn number(text: &str, max: u32) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    // Too many digits for u32 is too large for any bound.
    text.parse().ok().filter(|&number| number <= max)
}

/// Delta-seconds. More than fits means "as long as you will", so it is the largest that does.
pub(super) fn seconds(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u32::MAX))
}

/// Where the first unhidden octet of `wanted` stands, and which it is. `None` when there is none,
/// or when a quote never closes.
fn find_bare(text: &str, wanted: &[u8]) -> Option<usize> {
    let mut octets = text.bytes().enumerate();
    let mut bracketed = false;
    while let Some((at, octet)) = octets.next() {
        match octet {
            b'"' => loop {
                match octets.next()?.1 {
                    b'\\' => {
                        octets.next()?;
                    }
                    b'"' => break,
                    _ => {}
                }
            },
            b'>' => bracketed = false,
            _ if bracketed => {}
            _ if wanted.contains(&octet) => return Some(at),
            b'<' => bracketed = true,
            _ => {}
        }
    }
    None
}

/// The length of the quoted-string the text starts with, quotes included.
pub(super) fn quoted_len(text: &str) -> Option<usize> {
    let mut octets = text.bytes().enumerate();
    if octets.next()?.1 != b'"' {
        return None;
    }
    while let Some((at, octet)) = octets.next() {
        match octet {
            b'\\' => {
                octets.next()?;
            }
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// What a quoted-string says: without quotes and escapes. Anything else is itself.
pub fn unquote(text: &str) -> std::borrow::Cow<'_, str> {
    let Some(inner) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else {
        return text.into();
    };
    if !inner.contains('\\') {
        return inner.into();
    }
    let mut plain = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => plain.extend(characters.next()),
            other => plain.push(other),
        }
    }
    plain.into()
}

/// The values of a comma-separated list, each trimmed. Empty ones are yielded too: whether they
/// matter is the field's affair.
#[derive(Clone, Debug)]
pub struct List<'a> {
    rest: Option<&'a str>,
}

impl<'a> List<'a> {
    /// Splits at commas outside of quotes and angle brackets.
    pub fn new(value: &'a str) -> Self {
        Self { rest: Some(value) }
    }
}

impl<'a> Iterator for List<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest?;
        let value = match find_bare(rest, b",") {
            Some(comma) => {
                self.rest = Some(&rest[comma + 1..]);
                &rest[..comma]
            }
            None => self.rest.take()?,
        };
        Some(trim(value))
    }
}

/// The parameters after a value: `;name=value;flag`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Params<'a> {
    /// From the first semicolon on, or empty.
    raw: &'a str,
}

impl<'a> Params<'a> {
    /// Splits `value;params` at the first bare semicolon. `None` when the parameters are malformed.
    pub(super) fn split(text: &'a str) -> Option<(&'a str, Self)> {
        match find_bare(text, b";") {
            Some(at) => Some((trim(&text[..at]), Self::parse(&text[at..])?)),
            None => Some((trim(text), Self::default())),
        }
    }

    /// Parses `;a=b;c`, or nothing at all. `None` when a name is no token, or a value is neither
    /// token, host nor quoted-string.
    pub fn parse(raw: &'a str) -> Option<Self> {
        let raw = trim(raw);
        if !raw.is_empty() && !raw.starts_with(';') {
            return None;
        }
        let params = Self { raw };
        params.iter().all(|(name, value)| is_token(name) && is_value(value)).then_some(params)
    }

    /// The parameters as they came, from the first semicolon on.
    pub fn as_str(&self) -> &'a str {
        self.raw
    }

    /// Name and value of each; a flag has no value. Quotes are still around a quoted one.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> + use<'a> {
        let mut rest = self.raw.strip_prefix(';');
        std::iter::from_fn(move || {
            let text = rest?;
            let param = match find_bare(text, b";") {
                Some(at) => {
                    rest = Some(&text[at + 1..]);
                    &text[..at]
                }
                None => rest.take()?,
            };
            Some(match find_bare(param, b"=") {
                Some(at) => (trim(&param[..at]), Some(trim(&param[at + 1..]))),
                None => (trim(param), None),
            })
        })
    }

    /// The value of a parameter, quotes kept; empty for a flag, `None` when it is absent.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.iter()
            .find(|(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.unwrap_or(""))
    }

    /// Whether the parameter is there, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

/// gen-value, and a little more: any text that could not be taken for something else.
fn is_value(value: Option<&str>) -> bool {
    match value {
        None => true,
        Some(text) if text.starts_with('"') => quoted_len(text) == Some(text.len()),
        Some(text) => {
            !text.is_empty()
                && text.bytes().all(|octet| {
                    !octet.is_ascii_control()
                        && !matches!(octet, b' ' | b'"' | b'<' | b'>' | b';' | b',' | b'\\')
                })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// OPS-05: quotes and brackets hide separators, and an open quote ends the list.
    #[test]
    fn commas_inside_quotes_and_brackets_do_not_separate() {
        let values: Vec<_> = List::new(r#""a, \" b" <sip:c,d@e>;x="1,2" , f"#).collect();
        assert_eq!(values, [r#""a, \" b" <sip:c,d@e>;x="1,2""#, "f"]);
        assert_eq!(List::new(r#"a, "b, c"#).collect::<Vec<_>>(), ["a", r#""b, c"#]);
        assert_eq!(List::new("").collect::<Vec<_>>(), [""]);
    }

    #[test]
    fn parameters_are_found_by_name_without_regard_to_case() {
        let (value, params) = Params::split(r#"x ; Tag = a1;flag;q="a;\"b""#).unwrap();
        assert_eq!(value, "x");
        assert_eq!(params.get("tag"), Some("a1"));
        assert_eq!(params.get("FLAG"), Some(""));
        assert_eq!(params.get("q").map(unquote).as_deref(), Some("a;\"b"));
        assert!(!params.has("none"));
    }

    #[test]
    fn parameters_without_a_name_or_with_an_open_quote_are_malformed() {
        for text in ["x;;", "x;=1", "x;a=", "x;a=\"b", "x;a=b c"] {
            assert!(Params::split(text).is_none(), "{text}");
        }
    }
}
