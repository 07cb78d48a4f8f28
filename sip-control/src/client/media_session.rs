//! The MSRP side of one leg: one connection, one session, one room.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use msrp::{
    Address, ByteRange, FailureReport, Flag, Framer, NicknameRequest, SendHead, TransactionId,
    UriBuf, cpim, status,
};

use super::config::Media;
use super::inbox::Inbox;
use super::media::Agreement;
use super::receive::Chunk;
use crate::transaction::Tokens;

/// Requests of ours at once that no answer has come to, as a count. A room that does not answer
/// would otherwise be written to without end.
pub const SENDS_MAX: usize = 256;
/// The namespace of notifications, and the headers of it that we write (RFC 5438 section 6).
pub(super) const IMDN: &str = "urn:ietf:params:imdn";
const IMDN_ID: &str = "imdn.Message-ID";
const IMDN_WANTED: &str = "imdn.Disposition-Notification";
/// What they can tell us that is true of a machine, and not of whoever sits before it.
pub(super) const DELIVERY: &str = "positive-delivery";
/// How long an answer may take (RFC 4975 section 7.1.1).
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// A message or a nickname of ours. Never given twice in one session.
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
    /// The room has no nicknames.
    NoNicknames,
    /// The room passes no private messages on.
    NoPrivateMessages,
    /// Not an address one can write to, or a header that would end before its line does.
    Malformed,
    /// There are [`SENDS_MAX`] requests that the room did not answer yet.
    Busy,
    /// The session is over.
    Over,
}

/// What happened to the media of a leg.
#[derive(Clone, Debug)]
pub enum MediaEvent {
    /// The room knows that this connection is ours: from now on it speaks to us.
    Bound,
    /// The room took a message, or gave a nickname. Whether anybody read it is not told in rooms (RFC 7701 section 6.3).
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
    /// What the sender calls it, if it has a name for notifications to go by (RFC 5438 section 6.3).
    pub imdn_id: Option<String>,
    /// Whether the sender wants to be told that it was delivered (RFC 5438 section 6.2).
    pub wants_delivery: bool,
}

/// Something to say.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Saying {
    /// To whom: the URI of one member; `None` is the room.
    pub to: Option<String>,
    /// The type of the content.
    pub content_type: String,
    /// What it is for, where that is not to be read: `notification` for an IMDN.
    pub disposition: Option<String>,
    /// The content.
    pub content: Vec<u8>,
    /// When it was written (RFC 3339).
    pub date_time: Option<String>,
    /// A name of our own choice by which readers are to notify us of its delivery
    /// (RFC 5438 section 7.1.1).
    pub imdn_id: Option<String>,
}

impl Saying {
    /// To the room, with nothing but the content.
    pub fn to_room(content_type: &str, content: &[u8]) -> Self {
        Self { content_type: content_type.to_owned(), content: content.to_vec(), ..Self::default() }
    }
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
    keep_alive: Option<Duration>,
    /// When the session was last asked whether it lives.
    last_asked: Option<Instant>,
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
    /// Whether it still lives.
    Life,
    /// Content, or a nickname.
    Message(MessageNumber),
}

impl MediaSession {
    /// The session that a leg agreed upon. `from` and `to` are what messages of ours say; `seed` is as
    /// secret as transaction identifiers shall be.
    pub fn new(agreement: Agreement, media: &Media, from: &str, to: &str, seed: [u8; 32]) -> Self {
        Self {
            agreement,
            takes_bare_typing: media.takes_bare_typing,
            keep_alive: media.keep_alive,
            last_asked: None,
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
        self.send_empty(now, Asked::Binding);
    }

    fn send_empty(&mut self, now: Instant, asked: Asked) {
        let transaction = self.transaction(b"");
        self.write_send(&transaction, ByteRange::EMPTY, b"");
        msrp::write_end(&mut self.out, &transaction, Flag::End, false);
        self.ask(now, transaction, asked);
        self.last_asked = Some(now);
    }

    /// Says something, in one chunk.
    pub fn send(&mut self, now: Instant, saying: &Saying) -> Result<MessageNumber, CannotSend> {
        let headers = match &saying.imdn_id {
            Some(id) => {
                format!("NS: imdn <{IMDN}>\r\n{IMDN_ID}: {id}\r\n{IMDN_WANTED}: {DELIVERY}\r\n")
            }
            None => String::new(),
        };
        let message = cpim::Message {
            from: &self.from,
            to: saying.to.as_deref().unwrap_or(&self.to),
            date_time: saying.date_time.as_deref(),
            headers: &headers,
            content_type: &saying.content_type,
            content_disposition: saying.disposition.as_deref(),
            content: &saying.content,
        };
        let mut body = Vec::with_capacity(saying.content.len() + 256);
        message.write(&mut body);
        self.check(saying, body.len())?;
        let transaction = self.transaction(&body);
        let size = body.len() as u64;
        let range = ByteRange { start: 1, end: Some(size), total: Some(size) };
        self.write_send(&transaction, range, b"Content-Type: message/cpim\r\n");
        self.out.extend_from_slice(&body);
        msrp::write_end(&mut self.out, &transaction, Flag::End, true);
        Ok(self.ask_about(now, transaction))
    }

    /// Asks for a nickname, or gives the one there is back if it is empty (msrp/NICK-05).
    pub fn request_nickname(
        &mut self,
        now: Instant,
        nickname: &str,
    ) -> Result<MessageNumber, CannotSend> {
        self.check_open()?;
        if !self.agreement.nicknames {
            return Err(CannotSend::NoNicknames);
        }
        if nickname.chars().any(char::is_control) {
            return Err(CannotSend::Malformed);
        }
        let transaction = self.transaction(b"");
        let request = NicknameRequest {
            transaction: &transaction,
            to_path: self.agreement.remote.as_bytes(),
            from_path: self.agreement.local.as_bytes(),
            nickname,
        };
        request.write(&mut self.out);
        Ok(self.ask_about(now, transaction))
    }

    fn check_open(&self) -> Result<(), CannotSend> {
        if self.is_over {
            Err(CannotSend::Over)
        } else if self.unanswered.len() >= SENDS_MAX {
            Err(CannotSend::Busy)
        } else {
            Ok(())
        }
    }

    fn check(&self, saying: &Saying, size: usize) -> Result<(), CannotSend> {
        let Saying { to, content_type, disposition, date_time, imdn_id, .. } = saying;
        self.check_open()?;
        if !self.agreement.may_send {
            return Err(CannotSend::Muted);
        }
        // A line end in it would end the line it stands on.
        let ends_line = |text: &str| text.contains(|c: char| c.is_ascii_control());
        if ends_line(content_type) || !self.agreement.wrapped_types.accepts(content_type.as_bytes())
        {
            return Err(CannotSend::Type);
        }
        if [to, disposition, date_time, imdn_id].into_iter().flatten().any(|text| ends_line(text)) {
            return Err(CannotSend::Malformed);
        }
        if let Some(to) = to {
            // Notifications reach their one reader in every room (msrp/IMDN-04).
            if !self.agreement.private_messages && disposition.is_none() {
                return Err(CannotSend::NoPrivateMessages);
            }
            if to.contains(['<', '>']) || Address::parse(to.as_bytes()).is_none() {
                return Err(CannotSend::Malformed);
            }
        }
        if self.agreement.size_max.is_some_and(|most| size as u64 > most) {
            return Err(CannotSend::TooLarge);
        }
        Ok(())
    }

    /// The connection is gone.
    pub fn handle_closed(&mut self) {
        self.lose();
    }

    /// Gives up on what was not answered in time, and asks the session whether it still lives.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(&(at, transaction)) = self.deadlines.front()
            && at <= now
        {
            self.deadlines.pop_front();
            self.handle_answer(&transaction, status::TIMEOUT);
        }
        self.drop_answered();
        if self.asks_at().is_some_and(|at| at <= now) {
            // Whoever did not answer the last time is not asked again.
            if self.unanswered.values().any(|&asked| asked == Asked::Life) {
                self.lose();
            } else {
                self.send_empty(now, Asked::Life);
            }
        }
    }

    /// When the session is asked again.
    fn asks_at(&self) -> Option<Instant> {
        self.last_asked.filter(|_| !self.is_over).zip(self.keep_alive).map(|(at, most)| at + most)
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
        let answer = self.deadlines.front().map(|&(at, _)| at);
        answer.into_iter().chain(self.asks_at()).min()
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

    fn ask_about(&mut self, now: Instant, transaction: TransactionId) -> MessageNumber {
        self.last_message += 1;
        let number = MessageNumber(self.last_message);
        self.ask(now, transaction, Asked::Message(number));
        number
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
            (Some(Asked::Life), 200..300) => {}
            (Some(Asked::Binding | Asked::Life), _) => self.lose(),
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
