//! The Message/CPIM wrapper (RFC 3862), as far as a switch has to look into it: who writes, to whom,
//! and what type of content. Its octets are never changed (CPIM-02).

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use memchr::{memchr, memchr2};

use crate::{Address, MediaType, address::split_once, wire::is_token};

/// Octets within which the message headers and the headers of the part must be complete (CPIM-13).
pub const CPIM_HEAD_SIZE_MAX: usize = 16 * 1024;

/// The namespace in which `From` and `To` are what they seem (CPIM-08).
const NAMESPACE: &str = "urn:ietf:params:cpim-headers:";

/// How many prefixes a message may bind to that namespace. One would do.
const PREFIXES_MAX: usize = 8;

/// Why a wrapper cannot be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CpimError {
    /// A line is no header, or has a CR or LF of its own, or is not text.
    Line,
    /// There is no `From`, or more than one, or it is no address.
    From,
    /// There is no `To`, or it is no address.
    To,
    /// The part has no `Content-Type`, or more than one, or it is no type.
    ContentType,
    /// The message ended before its headers did.
    Cut,
    /// The headers are not complete within [`CPIM_HEAD_SIZE_MAX`].
    TooLarge,
}

impl CpimError {
    /// The answer to the sender (CPIM-12, CPIM-13).
    pub fn status(self) -> u16 {
        match self {
            Self::TooLarge => crate::status::STOP,
            _ => crate::status::BAD_REQUEST,
        }
    }
}

/// The headers of a wrapper, and those of the part in it.
#[derive(Clone, Copy, Debug)]
pub struct Wrapper<'a> {
    /// Who says it wrote this; there is exactly one (CPIM-07).
    pub from: Address<'a>,
    /// The display name of `From` as it came: still quoted and escaped, possibly empty.
    pub from_name: &'a str,
    /// The value of `From` as it came.
    pub from_value: &'a str,
    /// The first `To`.
    pub to: Address<'a>,
    /// The value of the first `To` as it came.
    pub to_value: &'a str,
    /// How many `To` there are; more than one is refused with 403 (CHAT-05).
    pub to_count: usize,
    /// `DateTime` as it came.
    pub date_time: Option<&'a str>,
    /// The type of the part.
    pub content_type: MediaType<'a>,
    /// `Content-Disposition` of the part as it came.
    pub content_disposition: Option<&'a str>,
    /// Octets of both sections of headers, blank lines included: the content begins here.
    pub head_len: usize,
}

impl<'a> Wrapper<'a> {
    /// Parses the beginning of a message; `None` when its headers have not all arrived (CPIM-14).
    pub fn parse(body: &'a [u8]) -> Result<Option<Self>, CpimError> {
        let window = &body[..body.len().min(CPIM_HEAD_SIZE_MAX)];
        match parse(window) {
            Ok(None) if body.len() >= CPIM_HEAD_SIZE_MAX => Err(CpimError::TooLarge),
            result => result,
        }
    }

    /// Parses a whole message, which must have all its headers.
    pub fn parse_whole(body: &'a [u8]) -> Result<Self, CpimError> {
        Self::parse(body)?.ok_or(CpimError::Cut)
    }
}

fn parse(body: &[u8]) -> Result<Option<Wrapper<'_>>, CpimError> {
    let mut lines = Lines { rest: body };
    let mut message = MessageHeaders::new();
    loop {
        match lines.next()? {
            None => return Ok(None),
            Some("") => break,
            Some(line) => message.read(line)?,
        }
    }
    let (from_value, (from_name, from)) = message.from.ok_or(CpimError::From)?;
    let (to_value, to) = message.to.ok_or(CpimError::To)?;

    let mut part = PartHeaders::default();
    loop {
        match lines.next_unfolded()? {
            None => return Ok(None),
            Some("") => break,
            Some(header) => part.read(header)?,
        }
    }
    let content_type = part.content_type.ok_or(CpimError::ContentType)?;
    Ok(Some(Wrapper {
        from,
        from_name,
        from_value,
        to,
        to_value,
        to_count: message.to_count,
        date_time: message.date_time,
        content_type,
        content_disposition: part.content_disposition,
        head_len: body.len() - lines.rest.len(),
    }))
}

/// The headers of the message: exact in case, never folded (CPIM-03, CPIM-04).
struct MessageHeaders<'a> {
    from: Option<(&'a str, (&'a str, Address<'a>))>,
    to: Option<(&'a str, Address<'a>)>,
    to_count: usize,
    date_time: Option<&'a str>,
    /// Whether a name without prefix is one of ours, at this line.
    default_is_ours: bool,
    /// The prefixes of our namespace, at this line.
    prefixes: [Option<&'a str>; PREFIXES_MAX],
}

impl<'a> MessageHeaders<'a> {
    fn new() -> Self {
        Self {
            from: None,
            to: None,
            to_count: 0,
            date_time: None,
            default_is_ours: true,
            prefixes: [None; PREFIXES_MAX],
        }
    }

    fn read(&mut self, line: &'a str) -> Result<(), CpimError> {
        let (name, value) = split_once(line, b':').ok_or(CpimError::Line)?;
        if !is_token(name.as_bytes()) || line.bytes().any(|octet| octet.is_ascii_control()) {
            return Err(CpimError::Line);
        }
        let value = skip_parameters(value).trim_matches(' ');
        // NS works on names, so it has none but its own.
        if name == "NS" {
            return self.bind(value);
        }
        let (is_ours, name) = match split_once(name, b'.') {
            Some((prefix, name)) => (self.prefixes.contains(&Some(prefix)), name),
            None => (self.default_is_ours, name),
        };
        match name {
            _ if !is_ours => {}
            "NS" => self.bind(value)?,
            "From" => {
                let from = parse_mailbox(value).filter(|_| self.from.is_none());
                self.from = Some((value, from.ok_or(CpimError::From)?));
            }
            "To" => {
                let (_, to) = parse_mailbox(value).ok_or(CpimError::To)?;
                self.to.get_or_insert((value, to));
                self.to_count += 1;
            }
            "DateTime" => self.date_time = Some(value),
            _ => {}
        }
        Ok(())
    }

    /// `prefix <uri>` binds a prefix, `<uri>` the names without one (CPIM-08).
    fn bind(&mut self, value: &'a str) -> Result<(), CpimError> {
        let (prefix, uri) = value.split_once('<').ok_or(CpimError::Line)?;
        let uri = uri.strip_suffix('>').ok_or(CpimError::Line)?;
        let prefix = prefix.trim_matches(' ');
        let is_ours = uri == NAMESPACE;
        if prefix.is_empty() {
            self.default_is_ours = is_ours;
            return Ok(());
        }
        for bound in &mut self.prefixes {
            if *bound == Some(prefix) {
                *bound = None;
            }
        }
        if is_ours {
            let free = self.prefixes.iter_mut().find(|bound| bound.is_none());
            *free.ok_or(CpimError::Line)? = Some(prefix);
        }
        Ok(())
    }
}

/// The headers of the part: MIME, so case does not count and lines may be folded (CPIM-05).
#[derive(Default)]
struct PartHeaders<'a> {
    content_type: Option<MediaType<'a>>,
    content_disposition: Option<&'a str>,
}

impl<'a> PartHeaders<'a> {
    fn read(&mut self, header: &'a str) -> Result<(), CpimError> {
        let (name, value) = split_once(header, b':').ok_or(CpimError::Line)?;
        if !is_token(name.as_bytes()) {
            return Err(CpimError::Line);
        }
        let value = value.trim_ascii();
        if name.eq_ignore_ascii_case("Content-Type") {
            let content_type =
                MediaType::parse(value.as_bytes()).filter(|_| self.content_type.is_none());
            self.content_type = Some(content_type.ok_or(CpimError::ContentType)?);
        } else if name.eq_ignore_ascii_case("Content-Disposition") {
            self.content_disposition = Some(value);
        }
        Ok(())
    }
}

struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Lines<'a> {
    /// The next line without its CRLF; `None` when its end has not arrived.
    fn next(&mut self) -> Result<Option<&'a str>, CpimError> {
        let Some(end) = memchr2(b'\r', b'\n', self.rest) else { return Ok(None) };
        let (line, rest) = self.rest.split_at(end);
        match rest {
            [b'\r'] => Ok(None),
            [b'\r', b'\n', rest @ ..] => {
                self.rest = rest;
                std::str::from_utf8(line).map(Some).map_err(|_| CpimError::Line)
            }
            _ => Err(CpimError::Line),
        }
    }

    /// The next header with the lines that continue it, CRLFs between them included.
    fn next_unfolded(&mut self) -> Result<Option<&'a str>, CpimError> {
        let all = self.rest;
        let Some(first) = self.next()? else { return Ok(None) };
        let mut size = first.len();
        while !first.is_empty() {
            match self.rest {
                [] => return Ok(None),
                [b' ' | b'\t', ..] => match self.next()? {
                    Some(_) => size = all.len() - self.rest.len() - "\r\n".len(),
                    None => return Ok(None),
                },
                _ => break,
            }
        }
        std::str::from_utf8(&all[..size]).map(Some).map_err(|_| CpimError::Line)
    }
}

/// What follows the parameters that may stand between a colon and its value, as in
/// `Subject:;lang=fr Objet` (RFC 3862 section 3.3).
fn skip_parameters(value: &str) -> &str {
    if !value.starts_with(';') {
        return value;
    }
    let mut is_quoted = false;
    let mut is_escaped = false;
    let end = value.bytes().position(|octet| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match octet {
            b'\\' if is_quoted && !was_escaped => is_escaped = true,
            b'"' if !was_escaped => is_quoted = !is_quoted,
            b' ' => return !is_quoted,
            _ => {}
        }
        false
    });
    &value[end.unwrap_or(value.len())..]
}

/// Takes `name <uri>` apart. The name may be anything without `<`, or a quoted string, and plays no
/// role (CPIM-10).
fn parse_mailbox(value: &str) -> Option<(&str, Address<'_>)> {
    let name_size = match value.strip_prefix('"') {
        Some(quoted) => 1 + quoted_size(quoted)?,
        None => 0,
    };
    let uri_start = name_size + memchr(b'<', &value.as_bytes()[name_size..])?;
    let uri = value[uri_start + 1..].strip_suffix('>')?;
    if name_size > 0 && !value[name_size..uri_start].trim_matches(' ').is_empty() {
        return None;
    }
    Some((value[..uri_start].trim_matches(' '), Address::parse(uri.as_bytes())?))
}

/// Octets of the rest of a quoted string, closing quote included.
fn quoted_size(quoted: &str) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr2(b'"', b'\\', quoted.as_bytes().get(at..)?)?;
        if quoted.as_bytes()[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// The first header of this name in this namespace, as it came; `None` as well for a message that is
/// no wrapper. For readers: a switch looks at no extension (CPIM-02).
pub fn header<'a>(body: &'a [u8], namespace: &str, name: &str) -> Option<&'a str> {
    let mut lines = Lines { rest: &body[..body.len().min(CPIM_HEAD_SIZE_MAX)] };
    let mut bound: Vec<(&str, &str)> = Vec::new();
    loop {
        let line = lines.next().ok()??;
        let (full, value) = line.split_once(':')?;
        let value = skip_parameters(value).trim_matches(' ');
        if full == "NS" {
            let (prefix, uri) = value.split_once('<')?;
            bound.push((prefix.trim_matches(' '), uri.strip_suffix('>')?));
            continue;
        }
        let (prefix, local) = full.split_once('.').unwrap_or(("", full));
        // The binding that came last counts, and that of names without prefix is at first ours.
        let space = bound.iter().rev().find(|(it, _)| *it == prefix).map(|&(_, uri)| uri);
        let space = space.or((prefix.is_empty()).then_some(NAMESPACE));
        if space == Some(namespace) && local == name {
            return Some(value);
        }
    }
}

/// Undoes the escapes of a header value (CPIM-11, RFC 3862 section 2.3). What is no escape stands
/// for the character behind the backslash; a backslash at the end for nothing.
pub fn unescape(value: &str) -> Cow<'_, str> {
    if memchr(b'\\', value.as_bytes()).is_none() {
        return Cow::Borrowed(value);
    }
    let mut text = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        text.push_str(plain);
        let mut chars = escaped.chars();
        let Some(kind) = chars.next() else { return Cow::Owned(text) };
        rest = chars.as_str();
        text.push(match kind {
            'b' => '\u{8}',
            't' => '\t',
            'n' => '\n',
            'r' => '\r',
            'u' => match parse_code_point(rest) {
                Some(c) => {
                    rest = &rest[4..];
                    c
                }
                None => 'u',
            },
            other => other,
        });
    }
    text.push_str(rest);
    Cow::Owned(text)
}

fn parse_code_point(text: &str) -> Option<char> {
    let digits = text.get(..4).filter(|digits| digits.bytes().all(|d| d.is_ascii_hexdigit()))?;
    char::from_u32(u32::from_str_radix(digits, 16).ok()?)
}

/// A wrapped message, as a client or the switch itself writes one.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The URI of who writes.
    pub from: &'a str,
    /// The URI of the room, or of one recipient.
    pub to: &'a str,
    /// RFC 3339; the switch always sends it (CPIM-17).
    pub date_time: Option<&'a str>,
    /// Further headers of the message: whole lines, each with its CRLF. A prefix in them is bound
    /// before it is used (CPIM-08).
    pub headers: &'a str,
    /// The type of the content.
    pub content_type: &'a str,
    /// `Content-Disposition` of the part, as `notification` for an IMDN (RFC 5438 section 9).
    pub content_disposition: Option<&'a str>,
    /// The content.
    pub content: &'a [u8],
}

impl Message<'_> {
    /// Writes all of it. What it writes is the body of a SEND, to be chunked as a whole (CPIM-15).
    pub fn write(&self, out: &mut Vec<u8>) {
        for (before, value) in [("From: <", self.from), (">\r\nTo: <", self.to)] {
            out.extend_from_slice(before.as_bytes());
            out.extend_from_slice(value.as_bytes());
        }
        out.extend_from_slice(b">\r\n");
        if let Some(date_time) = self.date_time {
            out.extend_from_slice(b"DateTime: ");
            out.extend_from_slice(date_time.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(self.headers.as_bytes());
        out.extend_from_slice(b"\r\nContent-Type: ");
        out.extend_from_slice(self.content_type.as_bytes());
        if let Some(disposition) = self.content_disposition {
            out.extend_from_slice(b"\r\nContent-Disposition: ");
            out.extend_from_slice(disposition.as_bytes());
        }
        out.extend_from_slice(b"\r\n\r\n");
        out.extend_from_slice(self.content);
    }
}
