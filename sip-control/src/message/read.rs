//! One message: its bytes, and where in them the lines are.

use std::ops::Range;

use bytes::{Buf, Bytes};

use super::address::NameAddr;
use super::fault::Fault;
use super::fields::{CSeq, MediaType, Privacy};
use super::header::Header;
use super::lexis::{self, List};
use super::limits;
use super::method::Method;
use super::uri;
use super::via::Via;

/// One SIP message, as it came or as it will go.
///
/// ```text
/// bytes   INVITE sip:a@b SIP/2.0 CRLF | name: value CRLF | ... | CRLF | body
///         ^ start line                  ^ lines[0]               ^ body.start
/// ```
///
/// The bytes are never changed. No view shows a fold: a value that was folded is kept once more,
/// unfolded, in `unfolded`. So no value holds CR or LF, and what is copied into another message
/// cannot start a line there (OPS-06).
#[derive(Clone, Debug)]
pub struct Message {
    bytes: Bytes,
    head: Head,
}

/// What the head of a message says, by offsets into its bytes. The body follows at `len`.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) start: Start,
    pub(super) lines: Vec<Line>,
    pub(super) unfolded: Vec<u8>,
    pub(super) len: usize,
    pub(super) fault: Option<Fault>,
}

/// The start line, read as far as it made sense.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Start {
    Request { method: Range<usize>, uri: Range<usize> },
    Response { status: u16, reason: Range<usize> },
    Neither,
}

/// One header line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Line {
    pub(super) header: Header,
    /// In the bytes.
    pub(super) name: Span,
    /// In the bytes, or in `unfolded`.
    pub(super) value: Span,
    pub(super) is_unfolded: bool,
}

/// Offsets that fit: no message is larger than 256 KiB.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Span {
    pub(super) fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

impl Head {
    /// Reads a head with its blank line; or, when `is_whole` is false, what there is of one.
    pub(super) fn read(bytes: &[u8], is_whole: bool) -> Self {
        let mut head = Self {
            start: Start::Neither,
            lines: Vec::with_capacity(24),
            unfolded: Vec::new(),
            len: bytes.len(),
            fault: None,
        };
        if bytes.len() > limits::HEAD_SIZE_MAX {
            head.note(Fault::HeadTooLarge);
        }
        if !is_whole {
            head.note(Fault::HeadCut);
        }
        head.read_lines(bytes);
        head
    }

    fn read_lines(&mut self, head: &[u8]) {
        let mut at = 0;
        let mut is_start_line = true;
        while at < head.len() && !head[at..].starts_with(b"\r\n") {
            let (end, next, is_folded) = logical_line(head, at);
            if is_start_line {
                self.read_start_line(head, at..end, is_folded);
                is_start_line = false;
            } else if self.lines.len() == limits::LINES_MAX {
                return self.note(Fault::TooManyLines);
            } else {
                self.read_header_line(head, at..end);
            }
            at = next;
        }
        if is_start_line {
            self.note(Fault::StartLine);
        }
    }

    fn read_start_line(&mut self, head: &[u8], line: Range<usize>, is_folded: bool) {
        let text = &head[line.clone()];
        if is_folded || memchr::memchr2(b'\r', b'\n', text).is_some() {
            self.note(Fault::StartLine);
        }
        let first_end = memchr::memchr(b' ', text).unwrap_or(text.len());
        let (first, rest_at) = (&text[..first_end], line.start + first_end + 1);
        let rest = text.get(first_end + 1..).unwrap_or_default();
        if first.len() >= 4 && first[..4].eq_ignore_ascii_case(b"SIP/") {
            // noreason of RFC 4475 section 3.1.1.13: the phrase may be empty, its space may not.
            let (digits, reason) = rest.split_at_checked(3).unwrap_or((rest, b""));
            let status = std::str::from_utf8(digits).ok().and_then(|d| lexis::number(d, 699));
            let status = status.filter(|&s| s >= 100 && reason.first() == Some(&b' '));
            let Some(status) = status else {
                self.start = Start::Response { status: 0, reason: 0..0 };
                return self.note(Fault::StartLine);
            };
            self.start = Start::Response { status: status as u16, reason: rest_at + 4..line.end };
            if !first.eq_ignore_ascii_case(b"SIP/2.0") {
                self.note(Fault::Version);
            }
            if std::str::from_utf8(&reason[1..]).is_err() {
                self.note(Fault::StartLine);
            }
            return;
        }
        let is_token = !first.is_empty() && first.iter().all(|&o| lexis::is_token_octet(o));
        if !is_token {
            return self.note(Fault::StartLine);
        }
        let version_at = memchr::memrchr(b' ', rest);
        let uri = &rest[..version_at.unwrap_or(rest.len())];
        self.start = Start::Request {
            method: line.start..line.start + first_end,
            uri: rest_at..rest_at + uri.len(),
        };
        if uri.len() > limits::REQUEST_URI_SIZE_MAX {
            self.note(Fault::UriTooLong);
        }
        match version_at.map(|at| &rest[at + 1..]) {
            Some(version) if version.eq_ignore_ascii_case(b"SIP/2.0") => {}
            Some(version) if is_other_version(version) => self.note(Fault::Version),
            _ => self.note(Fault::StartLine),
        }
        // Headers in a Request-URI are what RFC 3261 section 19.1.1 forbids there.
        let is_uri = std::str::from_utf8(uri).is_ok_and(|uri| {
            uri::is_uri(uri) && uri::SipUri::parse(uri).is_none_or(|uri| uri.headers().is_empty())
        });
        if !is_uri {
            self.note(Fault::StartLine);
        }
    }

    fn read_header_line(&mut self, head: &[u8], line: Range<usize>) {
        let text = &head[line.clone()];
        if text.len() > limits::LINE_SIZE_MAX {
            self.note(Fault::LineTooLong);
        }
        let colon = memchr::memchr(b':', text);
        let name = colon.map_or(&b""[..], |colon| text[..colon].trim_ascii_end());
        if name.is_empty() || !name.iter().all(|&octet| lexis::is_token_octet(octet)) {
            return self.note(Fault::HeaderLine);
        }
        let value_at = line.start + colon.map_or(0, |colon| colon + 1);
        let raw = &head[value_at..line.end];
        let header = Header::parse(name);
        let is_unfolded = memchr::memchr2(b'\r', b'\n', raw).is_some();
        let value = if is_unfolded {
            let start = self.unfolded.len();
            let had_stray = unfold(raw, &mut self.unfolded);
            if had_stray {
                self.note(Fault::LineEnding);
            }
            trimmed(&self.unfolded, start..self.unfolded.len())
        } else {
            trimmed(head, value_at..line.end)
        };
        let source = if is_unfolded { &self.unfolded[..] } else { head };
        // Extension fields may hold any octets (RFC 3261 section 25.1, header-value).
        let is_text = header == Header::Extension || std::str::from_utf8(value.of(source)).is_ok();
        if !is_text {
            self.note(Fault::NotUtf8(header));
        }
        let name = Span::new(line.start, line.start + name.len());
        self.lines.push(Line { header, name, value, is_unfolded });
    }

    /// Keeps the fault that answers first.
    pub(super) fn note(&mut self, fault: Fault) {
        if self.fault.is_none_or(|known| fault.stage() < known.stage()) {
            self.fault = Some(fault);
        }
    }

    pub(super) fn content_length(&self, head: &[u8]) -> Length {
        let mut length = Length::Absent;
        for line in self.lines.iter().filter(|line| line.header == Header::ContentLength) {
            let value = std::str::from_utf8(self.value(head, line)).ok();
            let number = value.and_then(|value| lexis::number(value, i32::MAX as u32));
            length = match (length, number) {
                (Length::Absent, Some(number)) => Length::Given(number as usize),
                // Two that differ, and two that agree: who wrote them disagreed with himself.
                _ => Length::Bad,
            };
        }
        length
    }

    /// Whether all is there that a client knows an answer by.
    pub(super) fn names_transaction(&self) -> bool {
        [Header::Via, Header::From, Header::To, Header::CallId, Header::CSeq]
            .into_iter()
            .all(|header| self.lines.iter().any(|line| line.header == header))
    }

    fn value<'a>(&'a self, bytes: &'a [u8], line: &Line) -> &'a [u8] {
        line.value.of(if line.is_unfolded { &self.unfolded } else { bytes })
    }
}

impl Message {
    /// Reads the one message of a datagram (DLG-02). Octets after the body are cut off; a body that
    /// is cut short is a fault of the message. `None` when there is nothing but line ends, which is
    /// how some clients keep their NAT binding alive.
    pub fn from_datagram(datagram: Bytes) -> Option<Self> {
        let blank = datagram.iter().take_while(|octet| matches!(octet, b'\r' | b'\n')).count();
        let mut bytes = datagram;
        bytes.advance(blank);
        if bytes.is_empty() {
            return None;
        }
        let head_end = memchr::memmem::find(&bytes, b"\r\n\r\n").map(|at| at + 4);
        let head_len = head_end.unwrap_or(bytes.len());
        let mut head = Head::read(&bytes[..head_len], head_end.is_some());
        let there = bytes.len() - head_len;
        match head.content_length(&bytes) {
            Length::Bad => head.note(Fault::LengthBad),
            Length::Given(length) if length > there => head.note(Fault::BodyCut),
            Length::Given(length) => bytes.truncate(head_len + length),
            // A datagram ends its body where it ends itself (RFC 3261 section 18.3).
            Length::Absent => {}
        }
        // No datagram is larger than BODY_SIZE_MAX.
        Some(Self { bytes, head })
    }

    /// A head and the bytes it was read from, with the whole body.
    pub(super) fn new(bytes: Bytes, head: Head) -> Self {
        Self { bytes, head }
    }

    /// What is wrong with framing, start line or header lines, if anything.
    pub fn fault(&self) -> Option<Fault> {
        self.head.fault
    }

    /// Whether all is there that a client knows an answer by.
    pub(super) fn names_transaction(&self) -> bool {
        self.head.names_transaction()
    }

    /// The whole message, byte for byte.
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The body.
    pub fn body(&self) -> Bytes {
        self.bytes.slice(self.head.len..)
    }

    /// Whether the start line is that of a request.
    pub fn is_request(&self) -> bool {
        matches!(self.head.start, Start::Request { .. })
    }

    /// The status of a response.
    pub fn status(&self) -> Option<u16> {
        match self.head.start {
            Start::Response { status, .. } => Some(status),
            _ => None,
        }
    }

    /// The reason phrase of a response; empty for a request.
    pub fn reason(&self) -> &str {
        match &self.head.start {
            Start::Response { reason, .. } => self.text(reason.clone()),
            _ => "",
        }
    }

    /// The method of a request. [`Method::Other`] for a response.
    pub fn method(&self) -> Method {
        Method::parse(self.method_text())
    }

    /// The method of a request in its own letters; empty for a response.
    pub fn method_text(&self) -> &str {
        match &self.head.start {
            Start::Request { method, .. } => self.text(method.clone()),
            _ => "",
        }
    }

    /// The Request-URI; empty for a response.
    pub fn request_uri(&self) -> &str {
        match &self.head.start {
            Start::Request { uri, .. } => self.text(uri.clone()),
            _ => "",
        }
    }

    fn text(&self, range: Range<usize>) -> &str {
        std::str::from_utf8(self.bytes.get(range).unwrap_or_default()).unwrap_or_default()
    }

    /// The value of every line of a field, in order, without folds. A value that is not UTF-8 is
    /// shown as empty: its message has a fault, and only its other lines are of use.
    pub fn lines(&self, header: Header) -> impl Iterator<Item = &str> {
        self.head
            .lines
            .iter()
            .filter(move |line| line.header == header)
            .map(|line| std::str::from_utf8(self.head.value(&self.bytes, line)).unwrap_or_default())
    }

    /// The field of every line, in order.
    pub(super) fn headers(&self) -> impl Iterator<Item = Header> {
        self.head.lines.iter().map(|line| line.header)
    }

    /// Field and value of every line, in order.
    pub fn fields(&self) -> impl Iterator<Item = (Header, &str)> {
        self.head.lines.iter().map(|line| {
            let value = self.head.value(&self.bytes, line);
            (line.header, std::str::from_utf8(value).unwrap_or_default())
        })
    }

    /// The value of the first line of a field.
    pub fn header(&self, header: Header) -> Option<&str> {
        self.lines(header).next()
    }

    /// Every value of a field that is a comma-separated list, over all its lines.
    pub fn list(&self, header: Header) -> impl Iterator<Item = &str> {
        self.lines(header).flat_map(List::new).filter(|value| !value.is_empty())
    }

    /// The first value of a field this stack has no name for. It may hold any octets but CR and LF.
    pub fn extension(&self, name: &str) -> Option<&[u8]> {
        self.head
            .lines
            .iter()
            .filter(|line| line.header == Header::Extension)
            .find(|line| line.name.of(&self.bytes).eq_ignore_ascii_case(name.as_bytes()))
            .map(|line| self.head.value(&self.bytes, line))
    }

    /// Whether a list field, such as Supported, names a token.
    pub fn has_token(&self, header: Header, token: &str) -> bool {
        self.list(header).any(|value| value.eq_ignore_ascii_case(token))
    }

    /// Every address of a field; one that does not parse is `None`.
    pub fn addresses(&self, header: Header) -> impl Iterator<Item = Option<NameAddr<'_>>> {
        self.list(header).map(NameAddr::parse)
    }

    /// The first address of a field.
    pub fn address(&self, header: Header) -> Option<NameAddr<'_>> {
        self.addresses(header).next().flatten()
    }

    /// The topmost Via.
    pub fn top_via(&self) -> Option<Via<'_>> {
        self.list(Header::Via).next().and_then(Via::parse)
    }

    /// From.
    pub fn from(&self) -> Option<NameAddr<'_>> {
        NameAddr::parse(self.header(Header::From)?)
    }

    /// To.
    pub fn to(&self) -> Option<NameAddr<'_>> {
        NameAddr::parse(self.header(Header::To)?)
    }

    /// CSeq.
    pub fn cseq(&self) -> Option<CSeq<'_>> {
        CSeq::parse(self.header(Header::CSeq)?)
    }

    /// Content-Type.
    pub fn content_type(&self) -> Option<MediaType<'_>> {
        MediaType::parse(self.header(Header::ContentType)?)
    }

    /// What Privacy asks for, over all its occurrences.
    pub fn privacy(&self) -> Privacy {
        Privacy::gather(self.lines(Header::Privacy))
    }

    /// A field that is a number of seconds, such as Expires; too many are the most there can be.
    pub fn seconds(&self, header: Header) -> Option<u32> {
        // Retry-After may carry a comment and parameters behind the number.
        let value = self.header(header)?;
        let end = value.find([' ', '\t', ';', '(']).unwrap_or(value.len());
        lexis::seconds(&value[..end])
    }
}

/// What Content-Length says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Length {
    Absent,
    Given(usize),
    /// No number, too large a number, or several.
    Bad,
}

/// The line that starts at `at`: where it ends, where the next starts, and whether it goes on over
/// a line end, because the next physical line starts with white space.
fn logical_line(head: &[u8], at: usize) -> (usize, usize, bool) {
    let mut from = at;
    let mut is_folded = false;
    while let Some(found) = memchr::memmem::find(&head[from..], b"\r\n") {
        let end = from + found;
        if !matches!(head.get(end + 2), Some(b' ' | b'\t')) {
            return (end, end + 2, is_folded);
        }
        is_folded = true;
        from = end + 2;
    }
    (head.len(), head.len(), is_folded)
}

/// Copies a value with each fold as one space. Whether CR or LF stood anywhere else is returned;
/// they become spaces too.
fn unfold(raw: &[u8], out: &mut Vec<u8>) -> bool {
    let mut had_stray = false;
    let mut rest = raw;
    while let Some(at) = memchr::memchr2(b'\r', b'\n', rest) {
        out.extend_from_slice(&rest[..at]);
        out.push(b' ');
        rest = match &rest[at..] {
            [b'\r', b'\n', b' ' | b'\t', after @ ..] => after,
            [_, after @ ..] => {
                had_stray = true;
                after
            }
            [] => &[],
        };
    }
    out.extend_from_slice(rest);
    had_stray
}

/// The range without white space at its ends.
fn trimmed(bytes: &[u8], range: Range<usize>) -> Span {
    let is_space = |octet: &u8| matches!(octet, b' ' | b'\t');
    let text = &bytes[range.clone()];
    let lead = text.iter().take_while(|octet| is_space(octet)).count();
    let trail = text[lead..].iter().rev().take_while(|octet| is_space(octet)).count();
    Span::new(range.start + lead, range.end - trail)
}

/// `SIP/` and a version of digits, where it is not ours.
fn is_other_version(version: &[u8]) -> bool {
    let Some((sip, digits)) = version.split_at_checked(4) else {
        return false;
    };
    let is_number = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let dot = memchr::memchr(b'.', digits);
    sip.eq_ignore_ascii_case(b"SIP/")
        && dot.is_some_and(|dot| is_number(&digits[..dot]) && is_number(&digits[dot + 1..]))
}
