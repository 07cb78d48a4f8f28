//! Messages built from values: requests of our own, and answers to those of others.
//!
//! Nothing that is put in can end a line: CR, LF and NUL become spaces on their way out, wherever
//! they came from (OPS-06).

use std::borrow::Cow;
use std::net::SocketAddr;
use std::ops::Range;

use bytes::Bytes;

use super::header::Header;
use super::method::Method;
use super::read::{Head, Line, Message, Span, Start};
use super::{lexis, status, via};

/// Header lines and a body, in the order they shall have.
#[derive(Clone, Debug, Default)]
struct Fields {
    lines: Vec<(Header, String, String)>,
    body: Bytes,
}

impl Fields {
    fn push(&mut self, header: Header, value: &str) {
        assert!(header != Header::Extension, "an extension field needs its name");
        self.lines.push((header, String::new(), value.to_owned()));
    }

    fn push_extension(&mut self, name: &str, value: &str) {
        self.lines.push((Header::parse(name.as_bytes()), name.to_owned(), value.to_owned()));
    }

    fn body(&mut self, content_type: &str, body: Bytes) {
        self.push(Header::ContentType, content_type);
        self.body = body;
    }
}

/// A request of ours, but for the Via: whoever picks the next hop knows it.
#[derive(Clone, Debug)]
pub struct Draft {
    method: Method,
    uri: String,
    fields: Fields,
}

impl Draft {
    /// A request with that Request-URI. [`Method::Other`] has no letters and cannot be sent.
    pub fn new(method: Method, uri: &str) -> Self {
        assert!(method != Method::Other, "a method without a name");
        Self { method, uri: uri.to_owned(), fields: Fields::default() }
    }

    /// Adds a header line. Content-Length and, unless it is given, Max-Forwards come by themselves.
    #[must_use]
    pub fn header(mut self, header: Header, value: &str) -> Self {
        self.fields.push(header, value);
        self
    }

    /// Adds several.
    #[must_use]
    pub fn headers(self, lines: &[(Header, String)]) -> Self {
        lines.iter().fold(self, |draft, (header, value)| draft.header(*header, value))
    }

    /// Adds a header line with a name of the caller's.
    #[must_use]
    pub fn extension(mut self, name: &str, value: &str) -> Self {
        self.fields.push_extension(name, value);
        self
    }

    /// Sets the body and Content-Type.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.fields.body(content_type, body.into());
        self
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The Request-URI.
    pub fn request_uri(&self) -> &str {
        &self.uri
    }

    /// The same request under another number, as it goes out again with what it lacked the first time
    /// (RFC 3261 section 8.1.3.5).
    #[must_use]
    pub fn renumbered(self, sequence: u32) -> Self {
        let number = format!("{sequence} {}", self.method.name());
        self.with(Header::CSeq, &number)
    }

    /// The same request with this value of a header line, in place of the one it has.
    #[must_use]
    pub fn with(mut self, header: Header, value: &str) -> Self {
        match self.fields.lines.iter_mut().find(|(known, ..)| *known == header) {
            Some((_, _, old)) => value.clone_into(old),
            None => self.fields.push(header, value),
        }
        self
    }

    /// The request with its Via.
    pub fn complete(&self, via: &str) -> Message {
        let mut writer = Writer::default();
        let method = writer.text(self.method.name());
        writer.text(" ");
        let uri = writer.text(&in_line(&self.uri));
        writer.text(" SIP/2.0\r\n");
        writer.line(Header::Via, via);
        if !self.fields.lines.iter().any(|(header, ..)| *header == Header::MaxForwards) {
            writer.line(Header::MaxForwards, "70");
        }
        writer.finish(Start::Request { method, uri }, &self.fields)
    }
}

/// An answer, but for what it repeats of the request.
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    reason: Option<String>,
    fields: Fields,
}

impl Reply {
    /// An answer with that status and its usual phrase.
    pub fn new(status: u16) -> Self {
        Self { status, reason: None, fields: Fields::default() }
    }

    /// Says it in other words.
    #[must_use]
    pub fn reason(mut self, reason: &str) -> Self {
        self.reason = Some(reason.to_owned());
        self
    }

    /// Adds a header line. Via, From, To, Call-ID, CSeq, Record-Route, Timestamp and Content-Length
    /// come by themselves.
    #[must_use]
    pub fn header(mut self, header: Header, value: &str) -> Self {
        self.fields.push(header, value);
        self
    }

    /// Adds a header line with a name of the caller's.
    #[must_use]
    pub fn extension(mut self, name: &str, value: &str) -> Self {
        self.fields.push_extension(name, value);
        self
    }

    /// Adds a Warning (RFC 3261 section 20.43). The text is quoted here.
    #[must_use]
    pub fn warning(self, code: u16, agent: &str, text: &str) -> Self {
        let value = format!("{code} {agent} {}", super::quote(text));
        self.header(Header::Warning, &value)
    }

    /// Sets the body and Content-Type.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.fields.body(content_type, body.into());
        self
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The answer to `request`, which came from `remote` (RFC 3261 section 8.2.6.2). `tag` goes to a
    /// To that has none, but not in a 100. What the request lacks, the answer lacks too: a request
    /// that is refused for what is wrong with it is repeated as far as it could be read.
    pub fn complete(&self, request: &Message, remote: SocketAddr, tag: &str) -> Message {
        let mut writer = Writer::default();
        writer.text("SIP/2.0 ");
        writer.text(&self.status.to_string());
        writer.text(" ");
        let reason =
            writer.text(&in_line(self.reason.as_deref().unwrap_or(status::reason(self.status))));
        writer.text("\r\n");
        writer.repeat_vias(request, remote);
        if matches!(self.status, 101..=299) && makes_dialog(request.method()) {
            writer.repeat(request, Header::RecordRoute);
        }
        writer.repeat_first(request, Header::From);
        if let Some(to) = request.header(Header::To) {
            let is_untagged = request.to().is_some_and(|to| !to.params().has("tag"));
            if is_untagged && self.status > 100 {
                writer.line(Header::To, &format!("{to};tag={tag}"));
            } else {
                writer.line(Header::To, to);
            }
        }
        writer.repeat_first(request, Header::CallId);
        writer.repeat_first(request, Header::CSeq);
        if self.status == 100 {
            writer.repeat_first(request, Header::Timestamp);
        }
        writer.finish(Start::Response { status: self.status, reason }, &self.fields)
    }
}

/// Whether a success to the method may begin a dialog, so that its answer repeats Record-Route.
fn makes_dialog(method: Method) -> bool {
    matches!(method, Method::Invite | Method::Subscribe | Method::Notify | Method::Refer)
}

/// Text that stays in its line, whoever wrote it.
fn in_line(text: &str) -> Cow<'_, str> {
    const ENDS: [char; 3] = ['\r', '\n', '\0'];
    if text.contains(ENDS) { text.replace(ENDS, " ").into() } else { text.into() }
}

/// Bytes going out, and the index of their lines.
#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    lines: Vec<Line>,
}

impl Writer {
    fn text(&mut self, text: &str) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(text.as_bytes());
        start..self.bytes.len()
    }

    fn line(&mut self, header: Header, value: &str) {
        self.named_line(header, header.name(), value);
    }

    fn named_line(&mut self, header: Header, name: &str, value: &str) {
        let name = self.text(&in_line(name));
        self.text(": ");
        let value = self.text(lexis::trim(&in_line(value)));
        self.text("\r\n");
        self.lines.push(Line {
            header,
            name: Span::new(name.start, name.end),
            value: Span::new(value.start, value.end),
            is_unfolded: false,
        });
    }

    fn repeat(&mut self, request: &Message, header: Header) {
        for value in request.lines(header) {
            self.line(header, value);
        }
    }

    fn repeat_first(&mut self, request: &Message, header: Header) {
        if let Some(value) = request.header(header) {
            self.line(header, value);
        }
    }

    fn repeat_vias(&mut self, request: &Message, remote: SocketAddr) {
        if request.top_via().is_none() {
            return self.repeat(request, Header::Via);
        }
        for (nth, value) in request.list(Header::Via).enumerate() {
            match nth {
                0 => self.line(Header::Via, &via::stamped(value, remote)),
                _ => self.line(Header::Via, value),
            }
        }
    }

    fn finish(mut self, start: Start, fields: &Fields) -> Message {
        for (header, name, value) in &fields.lines {
            match header {
                Header::Extension => self.named_line(*header, name, value),
                _ => self.line(*header, value),
            }
        }
        self.line(Header::ContentLength, &fields.body.len().to_string());
        self.text("\r\n");
        let len = self.bytes.len();
        self.bytes.extend_from_slice(&fields.body);
        let head = Head { start, lines: self.lines, unfolded: Vec::new(), len, fault: None };
        Message::new(self.bytes.into(), head)
    }
}
