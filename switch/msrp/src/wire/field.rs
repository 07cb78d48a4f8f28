//! One header line: its name, and its value without the white space around it.

use std::ops::Range;

use memchr::memchr;

/// The headers that mean something here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Field {
    /// `To-Path`.
    ToPath,
    /// `From-Path`.
    FromPath,
    /// `Message-ID`.
    MessageId,
    /// `Byte-Range`.
    ByteRange,
    /// `Success-Report`.
    SuccessReport,
    /// `Failure-Report`.
    FailureReport,
    /// `Status`.
    Status,
    /// `Use-Nickname`.
    UseNickname,
    /// `Content-Type`.
    ContentType,
    /// `Content-Transfer-Encoding`, which is never copied (SEND-09).
    ContentTransferEncoding,
    /// Any other `Content-*` header: not understood, but copied (CHAT-13).
    OtherContent,
    /// Anything else: ignored (WIRE-29).
    Unknown,
}

impl Field {
    /// Recognises a name, whatever its case (WIRE-06).
    fn of(name: &[u8]) -> Self {
        // Nearly always it is spelt as in its RFC, and then that is one comparison.
        let is =
            |known: &str| name == known.as_bytes() || name.eq_ignore_ascii_case(known.as_bytes());
        match name.len() {
            6 if is("Status") => Self::Status,
            7 if is("To-Path") => Self::ToPath,
            9 if is("From-Path") => Self::FromPath,
            10 if is("Message-ID") => Self::MessageId,
            10 if is("Byte-Range") => Self::ByteRange,
            12 if is("Content-Type") => Self::ContentType,
            12 if is("Use-Nickname") => Self::UseNickname,
            14 if is("Success-Report") => Self::SuccessReport,
            14 if is("Failure-Report") => Self::FailureReport,
            25 if is("Content-Transfer-Encoding") => Self::ContentTransferEncoding,
            9.. if name[..8].eq_ignore_ascii_case(b"Content-") => Self::OtherContent,
            _ => Self::Unknown,
        }
    }

    /// Whether one message may have it once only (WIRE-28).
    pub(super) fn is_single(self) -> bool {
        !matches!(self, Self::ContentTransferEncoding | Self::OtherContent | Self::Unknown)
    }
}

/// A header line taken apart.
pub(super) struct Line {
    pub(super) field: Field,
    /// Where the name is in the line: from its start to here.
    pub(super) colon: usize,
    /// Where the value is in the line.
    pub(super) value: Range<usize>,
}

impl Line {
    /// Takes a line apart; `None` when it is not `name: value`.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        // Names are short: a search made for long texts would take longer to begin.
        let colon = line.iter().position(|&octet| octet == b':')?;
        let field = Field::of(&line[..colon]);
        // A name that is nearly one we know (`To-Path :`) must not pass for one to be ignored.
        if matches!(field, Field::Unknown | Field::OtherContent) && !is_token(&line[..colon]) {
            return None;
        }
        Some(Self { field, colon, value: trim(line, colon + 1..line.len()) })
    }

    /// Whether the line can go out as it came: one space after the colon, none at the end, and the
    /// name spelled as its RFC has it (WIRE-06, WIRE-07).
    pub(super) fn is_canonical(&self, line: &[u8]) -> bool {
        let name = &line[..self.colon];
        self.value == (self.colon + 2..line.len())
            && line[self.colon + 1] == b' '
            && canonical_name(name) == name
    }
}

/// Writes the `Content-*` headers found in `fields` (whole lines) as we would have sent them.
pub(super) fn gather_content(fields: &[u8], content_type: &[u8]) -> Vec<u8> {
    let mut gathered = Vec::new();
    let mut rest = fields;
    while let Some(end) = memchr(b'\r', rest) {
        let line = &rest[..end];
        if let Some(Line { field: Field::OtherContent, colon, value }) = Line::parse(line) {
            write(&mut gathered, canonical_name(&line[..colon]), &line[value]);
        }
        rest = rest.get(end + 2..).unwrap_or_default();
    }
    write(&mut gathered, b"Content-Type", content_type);
    gathered
}

/// Writes one header line.
pub(super) fn write(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// The spelling of the RFC that defines the header, where we know it (WIRE-06).
fn canonical_name(name: &[u8]) -> &[u8] {
    const NAMES: [&[u8]; 8] = [
        b"Content-Type",
        b"Content-Disposition",
        b"Content-ID",
        b"Content-Description",
        b"Content-Language",
        b"Content-Location",
        b"Content-Length",
        b"Content-MD5",
    ];
    NAMES.into_iter().find(|known| known.eq_ignore_ascii_case(name)).unwrap_or(name)
}

/// `token` of RFC 4975 section 9.
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&octet| is_token_octet(octet))
}

fn is_token_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric()
        || matches!(
            octet,
            b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'{'..=b'~'
        )
}

/// `range` of `line` without SP and HTAB at its ends (WIRE-05).
fn trim(line: &[u8], range: Range<usize>) -> Range<usize> {
    let is_white = |&octet: &u8| matches!(octet, b' ' | b'\t');
    let text = &line[range.clone()];
    let before = text.iter().take_while(|octet| is_white(octet)).count();
    let after = text[before..].iter().rev().take_while(|octet| is_white(octet)).count();
    range.start + before..range.end - after
}
