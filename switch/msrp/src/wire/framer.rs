//! Octets in, frames out: where each message of a connection begins, and where its body ends.
//!
//! ```text
//!  between messages        head                 body                        end-line
//!  ───────────────┬──────────────────────┬──────────────────────────┬──────────────────────
//!      CRLF CRLF  │ MSRP tid SEND ↵ … ↵ ↵│ octets … octets          │↵ ------- tid flag ↵
//!                 └ outline reads lines  └ origin        decided ┘   └ what could still be this
//!                                                                      is held back (WIRE-22)
//! ```
//!
//! A message that lies whole in one input is borrowed from it. Only what an input leaves unfinished
//! is copied, into memory that exists as long as something is unfinished.

use std::{fmt, mem, ops::Range};

use super::{
    head::Head,
    ident::Flag,
    progress::{PIECE_SIZE_MIN, Progress, Sequel, Step},
    start_line::Unframable,
};

/// CRLF octets tolerated before a message (WIRE-05).
const BLANK_SIZE_MAX: u8 = 4;

/// How much of an input is copied at a time to what an earlier one left unfinished. Enough to
/// complete a piece, so that the rest of the input is borrowed again.
const JOIN_SIZE: usize = PIECE_SIZE_MIN + 64;

/// Something complete enough to act on.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a boxed head would be an allocation per message")]
pub enum Frame<'a> {
    /// A message begins. Of a SEND the body may be still to come; anything else, and whatever has a
    /// fault, is reported when it is whole.
    Head {
        /// The head.
        head: Head<'a>,
        /// As much of the body as is worth having now, and the end of the message if it is here.
        piece: Piece<'a>,
    },
    /// More of the message that the last `Head` began.
    Body(Piece<'a>),
}

/// A stretch of a body.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Piece<'a> {
    /// The next octets: of an unfinished chunk at least [`PIECE_SIZE_MIN`], or none.
    pub body: &'a [u8],
    /// With the last piece, how the message ended.
    pub end: Option<Flag>,
}

/// What people write is nobody else's business: only its size is told (SEC-01).
impl fmt::Debug for Piece<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Piece").field("size", &self.body.len()).field("end", &self.end).finish()
    }
}

/// Cuts what arrives on one connection into messages, for any split into reads (WIRE-21).
///
/// Between messages it holds no memory on the heap.
#[derive(Debug, Default)]
pub struct Framer {
    state: State,
}

#[derive(Debug)]
enum State {
    /// A start line is due. So many octets of blank lines have come instead.
    Between { blank: u8 },
    /// Within a message that was not whole in the input that began it.
    Within(Box<Partial>),
    /// A head could not be read to its end: whatever comes is ignored until the connection closes.
    Deaf,
    /// What came cannot be framed.
    Lost(Unframable),
}

impl Default for State {
    fn default() -> Self {
        Self::Between { blank: 0 }
    }
}

impl Framer {
    /// A framer for a new connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next frame from `input`. Call it until it returns `None`; then `input` is empty,
    /// and anything unfinished has been copied.
    ///
    /// After a head with `close_after` all further input is ignored; after an error it fails again.
    pub fn next<'a, 'i: 'a>(
        &'a mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<Frame<'a>>, Unframable> {
        self.settle();
        match self.state {
            State::Between { .. } => self.begin(input),
            State::Within(ref mut partial) => partial.next(input),
            State::Deaf => {
                *input = &[];
                Ok(None)
            }
            State::Lost(unframable) => Err(unframable),
        }
    }

    /// Hands out what is held of a body and certainly body, however little it is: nothing more has
    /// come for a while, and recipients should have what there is (CHUNK-14).
    pub fn flush(&mut self) -> Option<Piece<'_>> {
        self.settle();
        match &mut self.state {
            State::Within(partial) => partial.flush(),
            _ => None,
        }
    }

    /// Whether [`flush`](Self::flush) would hand out anything.
    pub fn can_flush(&self) -> bool {
        match &self.state {
            State::Within(partial) => partial.flushable().is_some(),
            _ => false,
        }
    }

    /// Octets of memory for what is unfinished: none between messages.
    pub fn held(&self) -> usize {
        match &self.state {
            State::Within(partial) => size_of::<Partial>() + partial.held.capacity(),
            State::Between { .. } | State::Deaf | State::Lost(_) => 0,
        }
    }

    /// Takes back what the last frame lent.
    fn settle(&mut self) {
        if let State::Within(partial) = &mut self.state {
            match partial.sequel {
                Sequel::Continued => {
                    partial.held.drain(..mem::take(&mut partial.lent));
                }
                Sequel::Between => self.state = State::Between { blank: 0 },
                Sequel::Deaf => self.state = State::Deaf,
                Sequel::Lost(unframable) => self.state = State::Lost(unframable),
            }
        }
    }

    /// Begins a message, if there is anything but blank lines.
    fn begin<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<Frame<'i>>, Unframable> {
        let State::Between { blank } = &mut self.state else { return Ok(None) };
        skip_blank_lines(blank, input);
        let bytes = *input;
        if bytes.is_empty() {
            return Ok(None);
        }
        if *blank % 2 == 1 {
            return self.lose(Unframable::NotMsrp);
        }
        let mut progress = Progress::new();
        match progress.advance(bytes) {
            Err(unframable) => self.lose(unframable),
            Ok(None) => {
                *input = &[];
                self.state = State::Within(Partial::holding(progress, bytes));
                Ok(None)
            }
            Ok(Some(step)) => {
                let frame = progress.frame(bytes, &step);
                *input = &bytes[step.consumed..];
                self.state = match step.sequel {
                    Sequel::Between => State::Between { blank: 0 },
                    Sequel::Continued => State::Within(Partial::holding(progress, &[])),
                    Sequel::Deaf => State::Deaf,
                    Sequel::Lost(unframable) => State::Lost(unframable),
                };
                Ok(frame)
            }
        }
    }

    fn lose<T>(&mut self, unframable: Unframable) -> Result<T, Unframable> {
        self.state = State::Lost(unframable);
        Err(unframable)
    }
}

/// Steps over CRLF CRLF at most; `blank` remembers how much of it came in earlier inputs.
fn skip_blank_lines(blank: &mut u8, input: &mut &[u8]) {
    while *blank < BLANK_SIZE_MAX
        && let [octet, rest @ ..] = *input
        && *octet == [b'\r', b'\n'][usize::from(*blank % 2)]
    {
        *blank += 1;
        *input = rest;
    }
}

/// A message that has not ended, or whose last frame is still on loan.
#[derive(Debug)]
struct Partial {
    progress: Progress,
    /// Octets of the message that are not passed on yet.
    held: Vec<u8>,
    /// How many of them the last frame lent. They go when the next one is asked for, as does the
    /// message itself if that was the end of it.
    lent: usize,
    sequel: Sequel,
}

impl Partial {
    fn holding(mut progress: Progress, bytes: &[u8]) -> Box<Self> {
        // A body that is skipped is not worth a copy.
        let dropped = progress.drop_skipped();
        let held = [&bytes[..dropped.start], &bytes[dropped.end..]].concat();
        Box::new(Self { progress, held, lent: 0, sequel: Sequel::Continued })
    }

    fn next<'a, 'i: 'a>(
        &'a mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<Frame<'a>>, Unframable> {
        let step = if self.held.is_empty() { self.borrow(input) } else { self.join(input) };
        match step {
            Ok(Some((source, step))) => {
                self.sequel = step.sequel;
                let bytes = match source {
                    Source::Input(bytes) => bytes,
                    Source::Held => &self.held,
                };
                Ok(self.progress.frame(bytes, &step))
            }
            Ok(None) => Ok(None),
            Err(unframable) => {
                self.sequel = Sequel::Lost(unframable);
                Err(unframable)
            }
        }
    }

    /// Nothing is held, so a frame can be borrowed from the input; what makes no frame is held.
    fn borrow<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<Loan<'i>>, Unframable> {
        let bytes = mem::take(input);
        let Some(step) = self.progress.advance(bytes)? else {
            self.held.extend_from_slice(bytes);
            return Ok(None);
        };
        *input = &bytes[step.consumed..];
        Ok(Some((Source::Input(bytes), step)))
    }

    /// Adds to what is held as much of the input as makes a frame.
    fn join<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<Loan<'i>>, Unframable> {
        while !input.is_empty() {
            let bytes = *input;
            let (joined, rest) = bytes.split_at(bytes.len().min(JOIN_SIZE));
            *input = rest;
            self.held.extend_from_slice(joined);
            let Some(step) = self.progress.advance(&self.held)? else {
                self.held.drain(self.progress.drop_skipped());
                continue;
            };
            // What was joined and not used goes back to the input, to be borrowed from there.
            let unused = self.held.len() - step.consumed;
            if let Some(used) = joined.len().checked_sub(unused) {
                *input = &bytes[used..];
                self.lent = self.held.len();
            } else {
                self.lent = step.consumed;
            }
            return Ok(Some((Source::Held, step)));
        }
        Ok(None)
    }

    fn flushable(&self) -> Option<Range<usize>> {
        match self.sequel {
            Sequel::Continued => self.progress.flushable(),
            _ => None,
        }
    }

    fn flush(&mut self) -> Option<Piece<'_>> {
        let body = self.flushable()?;
        self.progress.pass_on(body.end);
        self.lent = body.end;
        Some(Piece { body: &self.held[body], end: None })
    }
}

/// A frame to be made, and the octets to make it of.
type Loan<'i> = (Source<'i>, Step);

/// Where octets are.
enum Source<'i> {
    Input(&'i [u8]),
    Held,
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGES: &[u8] = b"MSRP abcd1234 SEND\r\n\
        To-Path: msrp://h:1/a;tcp\r\n\
        From-Path: msrp://h:2/b;tcp\r\n\
        Message-ID: m1\r\n\
        Content-Type: text/plain\r\n\
        \r\n\
        hello\r\n\
        -------abcd1234$\r\n\
        MSRP abcd1234 SEND\r\n\
        Folded:\r\n\
        \x20yes\r\n\
        \r\n\
        skipped\r\n\
        -------abcd1234$\r\n";

    /// Nothing is kept for a connection that waits for its next message, however the last
    /// one came.
    #[test]
    fn an_idle_framer_holds_no_memory() {
        for size in [1, 10, 100, MESSAGES.len()] {
            let mut framer = Framer::new();
            for mut input in MESSAGES.chunks(size) {
                while framer.next(&mut input).unwrap().is_some() {}
            }
            assert!(matches!(framer.state, State::Between { .. }), "in reads of {size} octets");
            assert_eq!(framer.held(), 0);
        }
        let mut framer = Framer::new();
        assert!(framer.next(&mut &MESSAGES[..70]).unwrap().is_none());
        assert!(framer.held() >= 70);
        assert!(size_of::<Framer>() <= 16);
    }

    /// A message that is whole in one input is borrowed from it.
    #[test]
    fn whole_messages_are_not_copied() {
        let mut framer = Framer::new();
        let mut input = MESSAGES;
        let Ok(Some(Frame::Head { head, piece })) = framer.next(&mut input) else {
            panic!("there is a message");
        };
        let within = MESSAGES.as_ptr_range();
        assert!(within.contains(&piece.body.as_ptr()));
        assert!(within.contains(&head.content_headers().as_ptr()));
        assert!(within.contains(&head.message_id.unwrap().as_ptr()));
    }

    /// What a skipped body leaves behind is bounded, however long it is.
    #[test]
    fn skipped_bodies_are_not_kept() {
        let mut framer = Framer::new();
        let mut input = &b"MSRP abcd1234 SEND\r\n Folded\r\n\r\n"[..];
        assert!(framer.next(&mut input).unwrap().is_none());
        for _ in 0..1000 {
            let mut input = &[b'x'; 1000][..];
            assert!(framer.next(&mut input).unwrap().is_none());
        }
        let State::Within(partial) = &framer.state else { panic!("there is no end yet") };
        assert!(partial.held.capacity() < 3 * JOIN_SIZE);
    }
}
