//! How far one message has come: its head read, its body measured out, its end found.
//!
//! All of it in offsets into octets that the caller keeps together, so that it is the same whether
//! they lie in the receive buffer or were joined from several.

use std::ops::Range;

use super::{
    end_line::{self, Scan},
    framer::{Frame, Piece},
    head::Fault,
    ident::{Flag, Method, Start, TransactionId},
    lines::Lines,
    outline::{Outline, Reading},
    start_line::{StartLine, Unframable},
};

/// Octets of the smallest piece of an unfinished chunk that is worth passing on: recipients are to
/// get no smaller chunks (CHUNK-06).
pub const PIECE_SIZE_MIN: usize = 2048;

/// Octets of the largest body of anything but a SEND (WIRE-25, WIRE-26).
pub const SMALL_BODY_SIZE_MAX: usize = 10240;

/// Octets of the CRLF that ends a blank line.
const CRLF_SIZE: usize = 2;

/// One message being read.
#[derive(Debug)]
pub(super) struct Progress {
    /// Lines that are read before there is an outline to take them over.
    lines: Lines,
    /// `None` until the start line has come.
    outline: Option<Outline>,
    /// What comes after the head; `None` until there is such a thing.
    rest: Option<Rest>,
}

/// Body and end-line of a message whose head ended with a blank line.
#[derive(Clone, Copy, Debug)]
struct Rest {
    transaction: TransactionId,
    handling: Handling,
    /// Where the first octet of the body is that was not passed on. Right after the head, the CRLF
    /// of the blank line lies before it, because it may be that of the end-line too (WIRE-13).
    body: usize,
    /// Up to here there is certainly no end-line.
    decided: usize,
}

/// What is done with a body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Handling {
    /// Passed on in pieces: the content of a SEND, however long.
    Pieces,
    /// Passed on when it is whole: short, and informational (RPT-17).
    Whole,
    /// Not passed on: that of a response (WIRE-27), of a malformed message (WIRE-34), and what
    /// should not be there at all (WIRE-14).
    Skipped,
}

/// One frame to be made of the octets that were looked at.
#[derive(Debug)]
pub(super) struct Step {
    /// Whether the frame is a head.
    with_head: bool,
    body: Range<usize>,
    end: Option<Flag>,
    /// Octets that are done with once the frame is.
    pub(super) consumed: usize,
    pub(super) sequel: Sequel,
}

/// What comes after a frame.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sequel {
    /// More of the same message.
    Continued,
    /// Another message.
    Between,
    /// Nothing that could be understood.
    Deaf,
    /// Nothing: there was no frame, and there never will be.
    Lost(Unframable),
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { lines: Lines::default(), outline: None, rest: None }
    }

    /// Reads on in `bytes`, which hold all of the message that was not consumed; `None` when more
    /// octets are needed. Only what is new is looked at.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Result<Option<Step>, Unframable> {
        let outline = match &mut self.outline {
            Some(outline) => outline,
            None => match StartLine::read(&mut self.lines, bytes)? {
                Some(start_line) => self.outline.insert(Outline::new(start_line, self.lines)),
                None => return Ok(None),
            },
        };
        if let Some(rest) = &mut self.rest {
            return Ok(rest.advance(outline, bytes));
        }
        let head_only = |end, sequel, consumed| {
            Ok(Some(Step { with_head: true, body: 0..0, end, consumed, sequel }))
        };
        match outline.read(bytes) {
            Reading::Cut => Ok(None),
            Reading::Broken => head_only(None, Sequel::Deaf, bytes.len()),
            Reading::EndLine(flag) => {
                judge_flag(outline, flag);
                head_only(Some(flag), Sequel::Between, outline.size())
            }
            Reading::BlankLine => {
                let rest = self.rest.insert(Rest::after(outline));
                let origin = rest.decided;
                let step = rest.advance(outline, bytes);
                if step.is_none() && rest.handling == Handling::Pieces {
                    // The head is worth reporting alone: a refusal need not wait for the body.
                    rest.rebase(origin);
                    rest.body = CRLF_SIZE;
                    return head_only(None, Sequel::Continued, origin);
                }
                Ok(step.map(|step| Step { with_head: true, ..step }))
            }
        }
    }

    /// The frame that a step makes of the octets it was found in.
    pub(super) fn frame<'a>(&self, bytes: &'a [u8], step: &Step) -> Option<Frame<'a>> {
        let piece = Piece { body: &bytes[step.body.clone()], end: step.end };
        if step.with_head {
            let head = self.outline.as_ref()?.head(bytes);
            Some(Frame::Head { head, piece })
        } else {
            Some(Frame::Body(piece))
        }
    }

    /// The octets that need not be kept, now that they are known to be part of a skipped body.
    pub(super) fn drop_skipped(&mut self) -> Range<usize> {
        match &mut self.rest {
            Some(rest) if rest.handling == Handling::Skipped && rest.body < rest.decided => {
                let skipped = rest.body..rest.decided;
                rest.decided = rest.body;
                skipped
            }
            _ => 0..0,
        }
    }

    /// The octets of the body that can be passed on although they are few.
    pub(super) fn flushable(&self) -> Option<Range<usize>> {
        let rest = self.rest.filter(|rest| rest.handling == Handling::Pieces)?;
        (rest.body < rest.decided).then_some(rest.body..rest.decided)
    }

    /// Octets up to `consumed` are passed on.
    pub(super) fn pass_on(&mut self, consumed: usize) {
        if let Some(rest) = &mut self.rest {
            rest.rebase(consumed);
        }
    }
}

impl Rest {
    fn after(outline: &Outline) -> Self {
        let handling = match outline.start() {
            _ if outline.fault().is_some() || !outline.has_content_type() => Handling::Skipped,
            Start::Response(_) => Handling::Skipped,
            Start::Request(Method::Send) => Handling::Pieces,
            Start::Request(_) => Handling::Whole,
        };
        let body = outline.size();
        let transaction = outline.transaction();
        Self { transaction, handling, body, decided: body - CRLF_SIZE }
    }

    fn advance(&mut self, outline: &mut Outline, bytes: &[u8]) -> Option<Step> {
        match end_line::scan(bytes, self.decided, &self.transaction) {
            Scan::Found(end_line, flag) => {
                let body = self.body..end_line.start.max(self.body);
                self.judge(outline, body.len());
                judge_flag(outline, flag);
                let is_passed_on = self.handling != Handling::Skipped && outline.fault().is_none();
                Some(Step {
                    with_head: self.handling != Handling::Pieces,
                    body: if is_passed_on { body } else { 0..0 },
                    end: Some(flag),
                    consumed: end_line.end,
                    sequel: Sequel::Between,
                })
            }
            Scan::Open { decided } => {
                self.decided = decided;
                let size = decided.saturating_sub(self.body);
                self.judge(outline, size);
                if self.handling != Handling::Pieces || size < PIECE_SIZE_MIN {
                    return None;
                }
                let body = self.body..decided;
                self.rebase(decided);
                Some(Step {
                    with_head: false,
                    body,
                    end: None,
                    consumed: decided,
                    sequel: Sequel::Continued,
                })
            }
        }
    }

    /// Octets up to `consumed` are gone; all of the body that remains is beyond them.
    fn rebase(&mut self, consumed: usize) {
        self.decided -= consumed;
        self.body = 0;
    }

    /// Whether a body of so many octets may be there.
    fn judge(&mut self, outline: &mut Outline, size: usize) {
        let is_request = matches!(outline.start(), Start::Request(_));
        if size > 0 && is_request && !outline.has_content_type() {
            outline.accuse(Fault::UntypedBody);
        }
        if size > SMALL_BODY_SIZE_MAX && self.handling == Handling::Whole {
            outline.accuse(Fault::BodyTooLarge);
            self.handling = Handling::Skipped;
        }
    }
}

/// A request other than a SEND comes in one piece (WIRE-25).
fn judge_flag(outline: &mut Outline, flag: Flag) {
    let Start::Request(method) = outline.start() else { return };
    if method != Method::Send && flag != Flag::End {
        outline.accuse(Fault::Unfinished);
    }
}
