//! The head of a message while it arrives: read line by line, each line once.
//!
//! An outline holds offsets, not slices, so that it can wait for the rest of a head while the octets
//! it describes move from the receive buffer into memory of our own. It becomes a [`Head`] in the
//! end.

use std::ops::Range;

use super::{
    end_line,
    field::{Field, Line},
    head::{Content, Fault, Head, MESSAGE_ID_SIZE_MAX, Path, Status},
    ident::{FailureReport, Flag, Method, Start, TransactionId},
    lines::{HEAD_SIZE_MAX, Lines, Next},
    range::ByteRange,
    start_line::{self, StartLine},
};

/// Header lines of one head (LIM-01).
pub const HEAD_FIELDS_MAX: usize = 64;

/// Every offset into a head fits a `u16`.
const _: () = assert!(HEAD_SIZE_MAX <= u16::MAX as usize);

/// How far reading has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reading {
    /// More octets are needed.
    Cut,
    /// The head ended with a blank line.
    BlankLine,
    /// The head ended with the end-line, and so does the message.
    EndLine(Flag),
    /// The head cannot be read on; the fault says why.
    Broken,
}

/// A head being read.
#[derive(Clone, Debug)]
pub(super) struct Outline {
    transaction: TransactionId,
    start: Start,
    lines: Lines,
    fields: usize,
    /// One bit for each [`Field`] that may come once.
    seen: u16,
    to_path: Option<Span>,
    from_path: Option<Span>,
    message_id: Option<Span>,
    use_nickname: Option<Span>,
    content_type: Option<Span>,
    transfer_encoding: Option<Span>,
    byte_range: Option<ByteRange>,
    success_report: bool,
    failure_report: FailureReport,
    status: Option<Status>,
    content: ContentSpan,
    /// Where the header lines begin.
    fields_start: usize,
    fault: Option<Fault>,
    close_after: bool,
}

/// A stretch of a head.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u16,
    end: u16,
}

impl Span {
    fn new(range: &Range<usize>) -> Self {
        Self { start: range.start as u16, end: range.end as u16 }
    }

    fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[usize::from(self.start)..usize::from(self.end)]
    }
}

/// Where the `Content-*` lines are.
#[derive(Clone, Copy, Debug)]
enum ContentSpan {
    None,
    /// They stand together, `Content-Type` last or still to come, and need no change.
    Lines(Span),
    Scattered,
}

impl Outline {
    /// The outline of a message of which `lines` has read the start line.
    pub(super) fn new(start_line: StartLine, lines: Lines) -> Self {
        let StartLine { transaction, start, fault } = start_line;
        Self {
            transaction,
            start,
            lines,
            fields: 0,
            seen: 0,
            to_path: None,
            from_path: None,
            message_id: None,
            use_nickname: None,
            content_type: None,
            transfer_encoding: None,
            byte_range: None,
            success_report: false,
            failure_report: FailureReport::Yes,
            status: None,
            content: ContentSpan::None,
            fields_start: lines.read(),
            fault,
            close_after: false,
        }
    }

    pub(super) fn transaction(&self) -> TransactionId {
        self.transaction
    }

    pub(super) fn start(&self) -> Start {
        self.start
    }

    /// Octets of the head, once it has been read: the body begins there, or the message ends.
    pub(super) fn size(&self) -> usize {
        self.lines.read()
    }

    pub(super) fn has_content_type(&self) -> bool {
        self.content_type.is_some()
    }

    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Marks the message as malformed; the first fault stays.
    pub(super) fn accuse(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    /// Reads on. `bytes` begins with the message and holds all that was there before; what has been
    /// read is not looked at again.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Reading {
        loop {
            let range = match self.lines.next(bytes) {
                Next::Whole(range) => range,
                Next::Cut => return Reading::Cut,
                Next::TooLong => return self.give_up(Fault::HeadTooLarge),
                Next::BareBreak => return self.give_up(Fault::BareLineBreak),
            };
            let line = &bytes[range.clone()];
            if line.is_empty() {
                self.check_complete();
                return Reading::BlankLine;
            }
            if let Some(flag) = end_line::flag_of(line, &self.transaction) {
                self.check_complete();
                return Reading::EndLine(flag);
            }
            if self.fields == HEAD_FIELDS_MAX {
                return self.give_up(Fault::HeadTooLarge);
            }
            self.fields += 1;
            match self.start {
                Start::Request(_) => self.read_field(line, range.start),
                Start::Response(_) => self.read_response_field(line, range.start),
            }
        }
    }

    fn give_up(&mut self, fault: Fault) -> Reading {
        self.fault = Some(fault);
        self.close_after = true;
        Reading::Broken
    }

    /// Of a response only the paths count (RESP-10); nothing else in it is even an error.
    fn read_response_field(&mut self, line: &[u8], at: usize) {
        let Some(Line { field, value, .. }) = Line::parse(line) else { return };
        let slot = match field {
            Field::ToPath => &mut self.to_path,
            Field::FromPath => &mut self.from_path,
            _ => return,
        };
        if slot.is_none() && Path::parse(&line[value.clone()]).is_some() {
            *slot = Some(Span::new(&(at + value.start..at + value.end)));
        }
    }

    fn read_field(&mut self, line: &[u8], at: usize) {
        if matches!(line[0], b' ' | b'\t') {
            return self.accuse(Fault::Folded);
        }
        let Some(parsed) = Line::parse(line) else {
            return self.accuse(Fault::Header(Field::Unknown));
        };
        let Line { field, value: range, .. } = &parsed;
        let field = *field;
        if field.is_single() {
            let bit = 1 << field as u16;
            if self.seen & bit != 0 {
                return self.accuse(Fault::Repeated(field));
            }
            self.seen |= bit;
        }
        let value = &line[range.clone()];
        let span = Span::new(&(at + range.start..at + range.end));
        let understood = match field {
            Field::ToPath => keep(&mut self.to_path, span, Path::parse(value).is_some()),
            Field::FromPath => keep(&mut self.from_path, span, Path::parse(value).is_some()),
            Field::MessageId => keep(&mut self.message_id, span, is_message_id(value)),
            Field::UseNickname => keep(&mut self.use_nickname, span, true),
            Field::ByteRange => {
                self.byte_range = ByteRange::parse(value);
                self.byte_range.is_some()
            }
            Field::SuccessReport => {
                self.success_report = value.eq_ignore_ascii_case(b"yes");
                self.success_report || value.eq_ignore_ascii_case(b"no")
            }
            Field::FailureReport => {
                let report = FailureReport::parse(value);
                self.failure_report = report.unwrap_or_default();
                report.is_some()
            }
            Field::Status => {
                self.status = parse_status(value);
                self.status.is_some()
            }
            Field::ContentType => {
                self.read_content_line(&parsed, line, at);
                keep(&mut self.content_type, span, !value.is_empty() && is_text(value))
            }
            Field::OtherContent => {
                self.read_content_line(&parsed, line, at);
                is_text(value)
            }
            Field::ContentTransferEncoding => {
                if self.transfer_encoding.is_none() && !is_identity(value) {
                    self.transfer_encoding = Some(span);
                }
                true
            }
            Field::Unknown => true,
        };
        if !understood {
            self.accuse(Fault::Header(field));
        }
    }

    /// Keeps the run of `Content-*` lines that can be copied as they are, while there is one.
    fn read_content_line(&mut self, parsed: &Line, line: &[u8], at: usize) {
        let whole = Span::new(&(at..at + line.len() + 2));
        self.content = match self.content {
            _ if !parsed.is_canonical(line) => ContentSpan::Scattered,
            ContentSpan::None => ContentSpan::Lines(whole),
            ContentSpan::Lines(lines) if lines.end == whole.start && !self.has_content_type() => {
                ContentSpan::Lines(Span { start: lines.start, end: whole.end })
            }
            _ => ContentSpan::Scattered,
        };
    }

    /// What a request must have can be missed only at the end of its head.
    fn check_complete(&mut self) {
        let Start::Request(method) = self.start else { return };
        if self.to_path.is_none() {
            self.accuse(Fault::Missing(Field::ToPath));
        }
        if self.from_path.is_none() {
            self.accuse(Fault::Missing(Field::FromPath));
        }
        if method == Method::Send && self.has_content_type() && self.message_id.is_none() {
            self.accuse(Fault::Missing(Field::MessageId));
        }
    }

    /// The view of the head, over the octets it was read from.
    pub(super) fn head<'a>(&self, bytes: &'a [u8]) -> Head<'a> {
        let view = |span: Option<Span>| span.map(|span| span.of(bytes));
        Head {
            transaction: self.transaction,
            start: self.start,
            to_path: view(self.to_path).map(Path::parsed),
            from_path: view(self.from_path).map(Path::parsed),
            message_id: view(self.message_id),
            byte_range: self.byte_range,
            success_report: self.success_report,
            failure_report: self.failure_report,
            status: self.status,
            use_nickname: view(self.use_nickname),
            content_type: view(self.content_type),
            transfer_encoding: view(self.transfer_encoding),
            fault: self.fault,
            close_after: self.close_after,
            octets: &bytes[..self.size()],
            content: match self.content {
                ContentSpan::None => Content::None,
                ContentSpan::Lines(lines) => Content::Lines(lines.of(bytes)),
                ContentSpan::Scattered => {
                    Content::Scattered(&bytes[self.fields_start..self.size()])
                }
            },
        }
    }
}

/// Keeps what was understood; says whether it was.
fn keep(slot: &mut Option<Span>, span: Span, understood: bool) -> bool {
    if understood {
        *slot = Some(span);
    }
    understood
}

/// `000 200 OK`, with or without the comment (RPT-01).
fn parse_status(value: &[u8]) -> Option<Status> {
    let (namespace, rest) = value.split_at_checked(3)?;
    let code = rest.strip_prefix(b" ")?;
    Some(Status {
        namespace: start_line::parse_code(namespace)?,
        code: start_line::parse_code_and_comment(code)?,
    })
}

fn is_message_id(value: &[u8]) -> bool {
    (1..=MESSAGE_ID_SIZE_MAX).contains(&value.len()) && value.iter().all(u8::is_ascii_graphic)
}

/// An encoding that leaves the octets as they are (SEND-09).
fn is_identity(encoding: &[u8]) -> bool {
    [&b"binary"[..], b"8bit", b"7bit"].iter().any(|name| encoding.eq_ignore_ascii_case(name))
}

/// What is copied to others has to be what a header may hold: UTF-8 (WIRE-31), no controls.
fn is_text(value: &[u8]) -> bool {
    std::str::from_utf8(value).is_ok()
        && !value.iter().any(|&octet| octet.is_ascii_control() && octet != b'\t')
}
