//! The head of a message, as a view: start line and headers, borrowed from the octets they came in.

use std::{borrow::Cow, fmt};

use memchr::memchr;

use super::{
    field::{self, Field},
    ident::{FailureReport, Method, Start, TransactionId},
    range::ByteRange,
};
use crate::{Uri, status};

/// URIs in the longest path (LIM-02).
pub const PATH_URIS_MAX: usize = 10;

/// Octets of the longest URI in a path (LIM-02).
pub const URI_SIZE_MAX: usize = 1024;

/// Octets of the longest Message-ID accepted (SEND-03). Ours are shorter.
pub const MESSAGE_ID_SIZE_MAX: usize = 128;

/// A start line and its headers.
///
/// A request with a `fault` is framed but malformed: its sender is owed a 400, if
/// [`owes_response`](Self::owes_response), and what else could be read is there for that answer.
#[derive(Clone, Debug)]
pub struct Head<'a> {
    /// The transaction, which an answer repeats (RESP-04).
    pub transaction: TransactionId,
    /// Request or response.
    pub start: Start,
    /// `To-Path`. There, in a request without `fault`.
    pub to_path: Option<Path<'a>>,
    /// `From-Path`. There, in a request without `fault`.
    pub from_path: Option<Path<'a>>,
    /// `Message-ID`: 1 to 128 visible octets (SEND-03).
    pub message_id: Option<&'a [u8]>,
    /// `Byte-Range`.
    pub byte_range: Option<ByteRange>,
    /// `Success-Report`; absent is `no` (SEND-06).
    pub success_report: bool,
    /// `Failure-Report`; absent, or not understood, is `yes` (SEND-06, WIRE-37).
    pub failure_report: FailureReport,
    /// `Status`, in a REPORT.
    pub status: Option<Status>,
    /// `Use-Nickname` as it came; see [`parse_nickname`](crate::parse_nickname).
    pub use_nickname: Option<&'a [u8]>,
    /// `Content-Type` as it came. Its presence is what makes a body, even an empty one (WIRE-12).
    pub content_type: Option<&'a [u8]>,
    /// `Content-Transfer-Encoding` as it came, if it is one that changes octets. Such content is
    /// refused with 415 (SEND-09); `binary`, `8bit` and `7bit` are as good as absent.
    pub transfer_encoding: Option<&'a [u8]>,
    /// Why the message is malformed.
    pub fault: Option<Fault>,
    /// The connection has to be closed once this is answered: where the message ends cannot be
    /// told (WIRE-33, LIM-01). Nothing more will come out of the framer.
    pub close_after: bool,
    pub(super) content: Content<'a>,
    pub(super) octets: &'a [u8],
}

impl<'a> Head<'a> {
    /// The `Content-*` headers for copies of the message (CHAT-13): whole lines, `Content-Type`
    /// last (WIRE-04), spelled and spaced as we emit (WIRE-06, WIRE-07), without
    /// `Content-Transfer-Encoding` (SEND-08). Empty for a message without body.
    ///
    /// Borrowed as they came in the usual case, in which nothing needs to change.
    pub fn content_headers(&self) -> Cow<'a, [u8]> {
        match (self.content, self.content_type) {
            (Content::Lines(lines), Some(_)) => Cow::Borrowed(lines),
            (Content::Scattered(fields), Some(content_type)) => {
                Cow::Owned(field::gather_content(fields, content_type))
            }
            _ => Cow::Borrowed(&[]),
        }
    }

    /// The head as it came, with what ended it: the blank line before a body, or the end-line.
    pub fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// Whether this, answered with `status`, is to be answered at all (RESP-01 to RESP-03,
    /// RESP-08, RESP-19).
    pub fn owes_response(&self, status: u16) -> bool {
        match self.start {
            Start::Response(_) | Start::Request(Method::Report) => false,
            Start::Request(Method::Nickname | Method::Auth) => true,
            Start::Request(Method::Other) => self.failure_report != FailureReport::No,
            Start::Request(Method::Send) => match self.failure_report {
                FailureReport::Yes => true,
                FailureReport::Partial => status != status::OK,
                FailureReport::No => false,
            },
        }
    }

    /// `To-Path` of a response to this: the previous hop for a SEND (RESP-05), the whole way back
    /// for anything else (RESP-06). `None` when there is nowhere to answer (RESP-07).
    pub fn response_path(&self) -> Option<&'a [u8]> {
        let path = self.from_path?;
        match self.start {
            Start::Request(Method::Send) => Some(path.first()),
            _ => Some(path.raw()),
        }
    }
}

/// The `Status` of a REPORT (RFC 4975 section 7.1.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Status {
    /// 0 is the namespace of the codes in [`status`](crate::status); others are ignored (RPT-13).
    pub namespace: u16,
    /// The code.
    pub code: u16,
}

/// The `Content-*` lines of a head.
#[derive(Clone, Copy, Debug)]
pub(super) enum Content<'a> {
    /// There are none.
    None,
    /// They stand together and need no change.
    Lines(&'a [u8]),
    /// They are somewhere in these header lines.
    Scattered(&'a [u8]),
}

/// The value of a path header: one URI or more, not yet looked into (LIM-02 apart).
///
/// Visible ASCII and spaces only, so it can be written again as it is.
#[derive(Clone, Copy)]
pub struct Path<'a> {
    raw: &'a [u8],
}

/// The valid URIs, told as a [`Uri`] is (SEC-01).
impl fmt::Debug for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.uris().filter_map(Uri::parse)).finish()
    }
}

impl<'a> Path<'a> {
    /// Takes the value of a path header, given without white space around it. `None` when it is
    /// empty, has octets that no URI has, or is longer than LIM-02 allows.
    pub fn parse(raw: &'a [u8]) -> Option<Self> {
        let path = Self { raw };
        // Looked at to the end whatever is found, which takes many octets at a time.
        let visible = raw.iter().fold(true, |visible, octet| visible & octet.is_ascii_graphic());
        if visible && (1..=URI_SIZE_MAX).contains(&raw.len()) {
            return Some(path);
        }
        let clean = !raw.is_empty() && raw.iter().all(|octet| matches!(octet, b' '..=b'~'));
        let short = || {
            let (count, longest) = path
                .uris()
                .fold((0, 0), |(count, longest), uri| (count + 1, uri.len().max(longest)));
            (1..=PATH_URIS_MAX).contains(&count) && longest <= URI_SIZE_MAX
        };
        (clean && short()).then_some(path)
    }

    /// A value that [`parse`](Self::parse) took before.
    pub(super) fn parsed(raw: &'a [u8]) -> Self {
        Self { raw }
    }

    /// The value as it came; runs of spaces may separate its URIs (WIRE-05).
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The URIs, next hop first, each to be parsed by [`Uri::parse`].
    pub fn uris(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        uris(self.raw)
    }

    /// The leftmost URI: the next hop, or the previous one.
    pub fn first(&self) -> &'a [u8] {
        self.uris().next().unwrap_or_default()
    }

    /// How many URIs there are; 1 to [`PATH_URIS_MAX`].
    pub fn count(&self) -> usize {
        self.uris().count()
    }
}

/// Splits a path at its spaces.
pub(crate) fn uris(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        rest = &rest[rest.iter().position(|&octet| octet != b' ')?..];
        let (uri, tail) = rest.split_at(memchr(b' ', rest).unwrap_or(rest.len()));
        rest = tail;
        Some(uri)
    })
}

/// Why a message that could be framed is malformed. The answer is 400 (WIRE-34, CODE-02); a
/// malformed response or REPORT is dropped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The start line goes wrong after the transaction identifier.
    StartLine,
    /// A header line starts with white space (WIRE-08).
    Folded,
    /// A line is no header, or a header that we understand has no such value.
    Header(Field),
    /// A header that may come once came twice (WIRE-28).
    Repeated(Field),
    /// A header is missing that the method must have (SEND-04, CODE-02).
    Missing(Field),
    /// A body without `Content-Type` (WIRE-14).
    UntypedBody,
    /// A request other than SEND does not end with `$` (WIRE-25).
    Unfinished,
    /// A request other than SEND has a body above 10240 octets (WIRE-25).
    BodyTooLarge,
    /// A CR or LF that is not half of a CRLF, in the head (WIRE-33). Closes.
    BareLineBreak,
    /// The head is longer than we are ready to read (LIM-01). Closes.
    HeadTooLarge,
}
