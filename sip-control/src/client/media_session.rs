//! The MSRP side of one leg: one connection, one session, one room.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use msrp::{ByteRange, FailureReport, Flag, Framer, SendHead, TransactionId, UriBuf, cpim, status};

use super::config::Media;
use super::inbox::Inbox;
use super::media::Agreement;
use super::receive::Chunk;
use crate::transaction::Tokens;

/// Messages of ours at once that no answer has come to, as a count. A room that does not answer
/// would otherwise be written to without end.
pub const SENDS_MAX: usize = 256;
/// How long an answer may take (RFC 4975 section 7.1.1).
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// A message of ours. Never given twice in one session.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MessageNumber(u64);

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CannotSend {
    /// The room does not read this type.
    Type,
    /// The room takes no message so large.
    TooLarge,
    /// The room wants to hear nothing from us.
    Muted,
    /// There are [`SENDS_MAX`] messages that the room did not answer yet.
    Busy,
    /// The session is over.
    Over,
}

/// What happened to the media of a leg.
#[derive(Clone, Debug)]
pub enum MediaEvent {
    /// The room knows that this connection is ours: from now on it speaks to us.
    Bound,
    /// The room took a message. Whether anybody read it is not told in rooms (RFC 7701 section 6.3).
    Taken(MessageNumber),
    /// The room did not take a message, or said nothing for 30 s, which counts as 408.
    NotTaken {
        /// Which message.
        message: MessageNumber,
        /// The status code.
        status: u16,
    },
    /// Somebody said something.
    Received(Received),
    /// The session is dead: close the connection. A rejoin makes a new one (RFC 4975 section 5.4).
    Lost,
}

/// What somebody said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Received {
    /// Who, if it came in a wrapper.
    pub sender: Option<Sender>,
    /// The type of what was said, without parameters.
    pub content_type: String,
    /// What was said.
    pub content: Bytes,
}

/// The wrapper of a message, as far as readers look at it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sender {
    /// The URI of who says it, in normal form.
    pub from: String,
    /// The name that goes with it.
    pub name: Option<String>,
    /// To whom: the room, or one of its members.
    pub to: String,
    /// When, in the words of the message (RFC 3339).
    pub date_time: Option<String>,
}

/// One MSRP session over one connection that we opened.
///
/// After any `handle_*` or [`send`](Self::send), drain `poll_transmit` and `poll_event`, then arm
/// `poll_timeout`. Time never runs backwards.
#[derive(Debug)]
pub struct MediaSession {
    pub(super) agreement: Agreement,
    pub(super) takes_bare_typing: bool,
    from: String,
    to: String,
    pub(super) framer: Framer,
    pub(super) inbox: Inbox,
    /// The chunk that is coming in, when its head did not come with its end.
    pub(super) chunk: Option<Chunk>,
    tokens: Tokens,
    /// What has no answer yet.
    unanswered: HashMap<TransactionId, Asked>,
    /// The same, in the order in which patience ends. Those answered in time are passed over.
    deadlines: VecDeque<(Instant, TransactionId)>,
    pub(super) out: Vec<u8>,
    pub(super) events: VecDeque<MediaEvent>,
    last_message: u64,
    pub(super) is_over: bool,
}

/// What an answer will be about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Asked {
    Binding,
    Message(MessageNumber),
}

impl MediaSession {
    /// The session that a leg agreed upon. `from` and `to` are what messages of ours say; `seed` is as
    /// secret as transaction identifiers shall be.
    pub fn new(agreement: Agreement, media: &Media, from: &str, to: &str, seed: [u8; 32]) -> Self {
        Self {
            agreement,
            takes_bare_typing: media.takes_bare_typing,
            from: from.to_owned(),
            to: to.to_owned(),
            framer: Framer::new(),
            inbox: Inbox::new(media.size_max),
            chunk: None,
            tokens: Tokens::new(seed),
            unanswered: HashMap::new(),
            deadlines: VecDeque::new(),
            out: Vec::new(),
            events: VecDeque::new(),
            last_message: 0,
            is_over: false,
        }
    }

    /// Where to connect to: the first URI of the peer's path.
    pub fn peer(&self) -> Option<UriBuf> {
        UriBuf::parse(self.agreement.remote.first())
    }

    /// Goes by another name from now on: that of the alias the room gave (ID-08).
    pub fn rename(&mut self, from: &str) {
        from.clone_into(&mut self.from);
    }

    /// The connection stands. The room learns at once whose it is, by a SEND without body (REJ-11).
    pub fn handle_connected(&mut self, now: Instant) {
        let transaction = self.transaction(b"");
        self.write_send(&transaction, ByteRange::EMPTY, b"");
        msrp::write_end(&mut self.out, &transaction, Flag::End, false);
        self.ask(now, transaction, Asked::Binding);
    }

    /// Says something to the room, in one chunk.
    pub fn send(
        &mut self,
        now: Instant,
        content_type: &str,
        content: &[u8],
    ) -> Result<MessageNumber, CannotSend> {
        let mut body = Vec::with_capacity(content.len() + 256);
        let message = cpim::Message {
            from: &self.from,
            to: &self.to,
            date_time: None,
            content_type,
            content,
        };
        message.write(&mut body);
        self.check(content_type, body.len())?;
        let transaction = self.transaction(&body);
        let size = body.len() as u64;
        let range = ByteRange { start: 1, end: Some(size), total: Some(size) };
        self.write_send(&transaction, range, b"Content-Type: message/cpim\r\n");
        self.out.extend_from_slice(&body);
        msrp::write_end(&mut self.out, &transaction, Flag::End, true);
        self.last_message += 1;
        let number = MessageNumber(self.last_message);
        self.ask(now, transaction, Asked::Message(number));
        Ok(number)
    }

    fn check(&self, content_type: &str, size: usize) -> Result<(), CannotSend> {
        if self.is_over {
            return Err(CannotSend::Over);
        }
        if !self.agreement.may_send {
            return Err(CannotSend::Muted);
        }
        // A line end in it would end the line it stands on.
        let is_clean = !content_type.contains(|c: char| c.is_ascii_control());
        if !is_clean || !self.agreement.wrapped_types.accepts(content_type.as_bytes()) {
            return Err(CannotSend::Type);
        }
        if self.agreement.size_max.is_some_and(|most| size as u64 > most) {
            return Err(CannotSend::TooLarge);
        }
        if self.unanswered.len() >= SENDS_MAX {
            return Err(CannotSend::Busy);
        }
        Ok(())
    }

    /// The connection is gone.
    pub fn handle_closed(&mut self) {
        self.lose();
    }

    /// Gives up on what was not answered in time.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(&(at, transaction)) = self.deadlines.front()
            && at <= now
        {
            self.deadlines.pop_front();
            self.handle_answer(&transaction, status::TIMEOUT);
        }
        self.drop_answered();
    }

    /// What is to be written next.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        (!self.out.is_empty()).then(|| std::mem::take(&mut self.out))
    }

    /// What happened next.
    pub fn poll_event(&mut self) -> Option<MediaEvent> {
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.front().map(|&(at, _)| at)
    }

    /// A transaction identifier that does not stand in the body as an end-line would (msrp/WIRE-17).
    pub(super) fn transaction(&mut self, body: &[u8]) -> TransactionId {
        loop {
            let token = self.tokens.token();
            let transaction = TransactionId::parse(token.as_bytes());
            if let Some(transaction) =
                transaction.filter(|_| !msrp::collides(body, token.as_bytes()))
            {
                return transaction;
            }
        }
    }

    fn write_send(
        &mut self,
        transaction: &TransactionId,
        range: ByteRange,
        content_headers: &[u8],
    ) {
        let message_id = self.tokens.token();
        let head = SendHead {
            transaction,
            to_path: self.agreement.remote.as_bytes(),
            from_path: self.agreement.local.as_bytes(),
            message_id: message_id.as_bytes(),
            range,
            success_report: false,
            failure_report: FailureReport::Yes,
            content_headers,
        };
        head.write(&mut self.out);
    }

    fn ask(&mut self, now: Instant, transaction: TransactionId, asked: Asked) {
        self.unanswered.insert(transaction, asked);
        self.deadlines.push_back((now + ANSWER_MAX, transaction));
    }

    /// A request of ours has its answer.
    pub(super) fn handle_answer(&mut self, transaction: &TransactionId, status: u16) {
        let is_fatal = matches!(status, status::NO_SESSION | status::SESSION_IN_USE);
        match (self.unanswered.remove(transaction), status) {
            (None, _) => return,
            (Some(Asked::Binding), 200..300) => self.events.push_back(MediaEvent::Bound),
            (Some(Asked::Binding), _) => self.lose(),
            (Some(Asked::Message(message)), 200..300) => {
                self.events.push_back(MediaEvent::Taken(message));
            }
            (Some(Asked::Message(message)), status) => {
                self.events.push_back(MediaEvent::NotTaken { message, status });
            }
        }
        if is_fatal {
            self.lose();
        }
    }

    /// Nobody has to be woken for what was answered in time.
    pub(super) fn drop_answered(&mut self) {
        while let Some((_, transaction)) = self.deadlines.front()
            && !self.unanswered.contains_key(transaction)
        {
            self.deadlines.pop_front();
        }
    }

    /// The session is dead.
    pub(super) fn lose(&mut self) {
        if !self.is_over {
            self.is_over = true;
            self.events.push_back(MediaEvent::Lost);
        }
    }
}
