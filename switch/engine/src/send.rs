//! SEND: from a chunk of a peer to pieces of a message.

use std::{borrow::Cow, time::Instant};

use mailbox::{Audience, Class};
use msrp::{
    ByteRange, FailureReport, Flag, Head, MediaType, Piece,
    cpim::{CpimError, Wrapper},
};

use crate::{
    audience::{Destination, is_heartbeat},
    connection::{Chunk, ConnectionId, Incoming},
    core::Core,
    fanout::{Body, OpeningView, Portion},
    message::{Held, Latest, Message, MessageStage, Refusal},
    report::Reported,
    request::ReplyTo,
    route::SessionKey,
};

/// The octets of one chunk that have just arrived.
#[derive(Clone, Copy)]
struct Arrived<'a> {
    /// Position of the first of them in the message.
    at: u64,
    body: &'a [u8],
    end: Option<Flag>,
    /// Octets the chunk announced from here on, if it announced any number.
    allowance: Option<u64>,
}

/// Whom to answer for a chunk, and how.
#[derive(Clone, Copy)]
struct Asker<'a> {
    connection: ConnectionId,
    session: SessionKey,
    reply: ReplyTo<'a>,
    /// The sender's whole path, where a success report goes (RPT-03).
    way_back: &'a [u8],
    message_id: &'a [u8],
}

/// What a SEND without Byte-Range brings: a message from its beginning (CHUNK-15).
const WHOLE: ByteRange = ByteRange { start: 1, end: None, total: None };

impl Core {
    /// A SEND of a session bound to this connection.
    pub(crate) fn handle_send(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        session: SessionKey,
        head: &Head<'_>,
        piece: &Piece<'_>,
        reply: ReplyTo<'_>,
    ) -> Incoming {
        let way_back = head.from_path.map(|path| path.raw()).unwrap_or_default();
        let message_id = head.message_id.unwrap_or_default();
        let asker = Asker { connection, session, reply, way_back, message_id };
        if head.content_type.is_none() {
            self.answer_bodiless(now, &asker, head.success_report, piece.end);
            return Incoming::Discarded;
        }
        let mut message = match self.message_of(now, session, head) {
            Ok(message) => message,
            Err(refusal) => {
                self.refuse_in(connection, session, &reply, refusal);
                if let Some(session) = self.sessions.get_mut(session) {
                    session.ended.remember(now, message_id, refusal);
                }
                return Incoming::Discarded;
            }
        };
        let range = head.byte_range.unwrap_or(WHOLE);
        if range.start == 1 {
            message.success_report = head.success_report; // SEND-07
        }
        let allowance = range.size_max();
        let Piece { body, end } = *piece;
        let arrived = Arrived { at: range.start, body, end, allowance };
        message.latest.start = range.start;
        let serial = message.serial;
        let headers = head.content_headers();
        if !self.receive(now, &asker, message, arrived, &headers) {
            return Incoming::Discarded;
        }
        let mut chunk = Box::new(Chunk {
            session,
            message: serial,
            transaction: reply.transaction,
            way_back: way_back.into(),
            failure_report: reply.failure_report,
            at: range.start,
            allowance,
        });
        chunk.advance(body.len());
        Incoming::Chunk(chunk)
    }

    /// More of a chunk that did not arrive in one piece.
    pub(crate) fn continue_chunk(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        mut chunk: Box<Chunk>,
        piece: &Piece<'_>,
    ) -> Incoming {
        let session = chunk.session;
        let Some(message) = self.take_message(session, |it| it.serial == chunk.message) else {
            return Incoming::Discarded;
        };
        let Chunk { at, allowance, .. } = *chunk;
        let Piece { body, end } = *piece;
        let arrived = Arrived { at, body, end, allowance };
        let (reply, way_back) = (chunk.reply(), &chunk.way_back);
        let message_id = &message.id.clone();
        let asker = Asker { connection, session, reply, way_back, message_id };
        if !self.receive(now, &asker, message, arrived, &[]) {
            return Incoming::Discarded;
        }
        chunk.advance(body.len());
        Incoming::Chunk(chunk)
    }

    /// A SEND without content binds and keeps alive; it is never fanned out (CONN-19). With `#` it
    /// gives a message up like any other (WIRE-23).
    fn answer_bodiless(
        &mut self,
        now: Instant,
        asker: &Asker<'_>,
        success_report: bool,
        end: Option<Flag>,
    ) {
        let &Asker { connection, session, reply, way_back, message_id } = asker;
        if end == Some(Flag::Abort)
            && let Some(message) = self.take_message(session, |it| it.id == message_id)
        {
            self.end_message(now, session, &message, message_id, Refusal::StopSending);
        }
        if reply.failure_report == FailureReport::Yes {
            self.respond(connection, session, &reply, msrp::status::OK);
        }
        if success_report && !message_id.is_empty() {
            let reported = Reported { way_back, message_id, range: ByteRange::EMPTY };
            self.report(connection, session, reported, msrp::status::OK, &[]);
        }
    }

    /// The message this chunk belongs to: one that has begun, or a new one if it may begin.
    fn message_of(
        &mut self,
        now: Instant,
        key: SessionKey,
        head: &Head<'_>,
    ) -> Result<Message, Refusal> {
        let message_id = head.message_id.ok_or(Refusal::Malformed)?; // SEND-04
        if let Some(message) = self.take_message(key, |it| it.id == message_id) {
            return Ok(message);
        }
        let session = self.sessions.get_mut(key).ok_or(Refusal::NoSuchSession)?;
        if let Some(refusal) = session.ended.answer_to(now, message_id) {
            return Err(refusal); // CHUNK-25
        }
        let content_type = head.content_type.and_then(MediaType::parse);
        let is_ignored = content_type.is_some_and(is_heartbeat);
        let acceptable =
            content_type.is_some_and(|it| it.is_cpim()) && head.transfer_encoding.is_none();
        if !acceptable && !is_ignored {
            return Err(Refusal::UnsupportedType);
        }
        let (limits, rooms) = (&self.limits, &self.rooms);
        let session = self.sessions.get_mut(key).ok_or(Refusal::NoSuchSession)?;
        let room = rooms.get(session.room).ok_or(Refusal::NoSuchSession)?;
        if !session.may_send() {
            return Err(Refusal::Forbidden);
        }
        let total = head.byte_range.and_then(|range| range.total);
        if total.is_some_and(|total| total > room.terms.size_max) {
            return Err(Refusal::StopSending);
        }
        if session.incoming.len() >= limits.session_messages_max {
            return Err(Refusal::StopSending); // LIM-05
        }
        let short = self.memory.with_others(&self.commons) > limits.memory_bytes_max;
        if short && !is_ignored {
            self.counters.messages_refused_memory += 1;
            return Err(Refusal::StopSending); // FLOW-09
        }
        session.messages_begun += 1;
        let mut message = Message::new(session.messages_begun, total, room.terms.size_max);
        let who = (room.terms.id, session.participant);
        let is_repeated = self.replays.knows(now, who, message_id);
        self.counters.messages_repeated += u64::from(is_repeated);
        if is_ignored || is_repeated {
            message.stage = MessageStage::Ignored;
        }
        Ok(message)
    }

    /// Takes in octets of a message, answers for them, and decides what becomes of the message.
    /// `true`: more of the chunk is to come.
    fn receive(
        &mut self,
        now: Instant,
        asker: &Asker<'_>,
        mut message: Message,
        arrived: Arrived<'_>,
        content_headers: &[u8],
    ) -> bool {
        let before = message.arrived();
        let result = self.take_octets(now, asker.session, &mut message, arrived, content_headers);
        let fresh = message.key.is_none() || message.arrived() > before;
        message.latest.past = arrived.at.saturating_add(arrived.body.len() as u64);
        self.settle(now, asker, message, result, arrived.end, fresh)
    }

    /// Adds octets to a message and passes on what may be passed on.
    fn take_octets(
        &mut self,
        now: Instant,
        key: SessionKey,
        message: &mut Message,
        arrived: Arrived<'_>,
        content_headers: &[u8],
    ) -> Result<(), Refusal> {
        let Arrived { at, body, end, allowance } = arrived;
        match message.stage {
            // Complete already: nothing that this chunk still brings is part of it (CHUNK-19).
            MessageStage::Done => return Ok(()),
            MessageStage::Gathering { .. } | MessageStage::Flowing(_) | MessageStage::Ignored => {}
        }
        if allowance.is_some_and(|octets| body.len() as u64 > octets) {
            return Err(Refusal::Malformed); // CHUNK-13
        }
        let past = at.saturating_add(body.len() as u64);
        if past - 1 > message.size_max {
            return Err(Refusal::StopSending); // CHAT-20
        }
        if self.is_exhausted() {
            return Err(Refusal::StopSending); // FLOW-09
        }
        match end {
            // What came with it is not to be delivered, nor what it would have made whole (CHUNK-24).
            Some(Flag::Abort) => return Ok(()),
            Some(Flag::End) => message.size = Some(past - 1),
            Some(Flag::More) | None => {}
        }
        let Some(fresh) = message.fresh(at, body) else {
            message.keep_headers(content_headers);
            let kept = message.ahead.keep(at, body);
            return kept.then_some(()).ok_or(Refusal::StopSending); // CHUNK-21
        };
        self.pass_on(now, key, message, fresh, content_headers)?;
        while !message.is_complete()
            && let Some(held) = message.ahead.take(message.next)
        {
            let fresh = message.fresh(message.next, &held).unwrap_or_default();
            self.pass_on(now, key, message, fresh, content_headers)?;
        }
        Ok(())
    }

    /// Passes on the octets whose turn has come, or gathers them until the wrapper is complete, and
    /// then until they are worth a chunk (CHUNK-06) or a whole message (PEER-02). Who gets them is
    /// fixed when the wrapper is complete (CHAT-08).
    fn pass_on(
        &mut self,
        now: Instant,
        key: SessionKey,
        message: &mut Message,
        fresh: &[u8],
        content_headers: &[u8],
    ) -> Result<(), Refusal> {
        let session = self.sessions.get(key).ok_or(Refusal::NoSuchSession)?;
        let (room, sender) = (session.room, session.participant);
        let flight = (session.id, message.serial);
        message.next += fresh.len() as u64;
        let last = message.is_complete();
        let (passed, held) = match &mut message.stage {
            MessageStage::Gathering { content_headers: kept, octets } => {
                if !octets.is_empty() {
                    octets.extend_from_slice(fresh);
                }
                let whole = if octets.is_empty() { fresh } else { &octets[..] };
                let wrapper = match Wrapper::parse(whole) {
                    Ok(Some(wrapper)) => wrapper,
                    Ok(None) if !last => {
                        if octets.is_empty() {
                            octets.extend_from_slice(fresh);
                        }
                        message.keep_headers(content_headers);
                        return Ok(());
                    }
                    Err(CpimError::TooLarge) => return Err(Refusal::StopSending), // CPIM-13
                    Ok(None) | Err(_) => return Err(Refusal::Malformed),
                };
                let announced = message.total.unwrap_or(0).max(whole.len() as u64);
                let (audience, class) = match self.destination(key, &wrapper, announced)? {
                    Destination::To(audience, class) => (audience, class),
                    Destination::Nowhere => {
                        message.stage = ignored(last);
                        return Ok(());
                    }
                };
                if !self.may_begin(now, key, class) {
                    if class != Class::Composing {
                        return Err(Refusal::StopSending); // LIM-06
                    }
                    message.stage = ignored(last); // COMP-05
                    return Ok(());
                }
                if let Audience::Participant(addressee) = audience {
                    let addressing = (wrapper.from_value, wrapper.to_value);
                    self.await_outcome(key, message.serial, addressee, addressing);
                }
                let opening = OpeningView {
                    sender,
                    audience,
                    total: message.total,
                    content_headers: if kept.is_empty() { content_headers } else { kept },
                    wrapped_type: Some(wrapper.content_type),
                    class,
                };
                let policy = self.rooms.get(room).map(|room| &room.terms.policy);
                let mut held = Held::new(policy.is_some_and(|it| it.whole_messages));
                let body = if last || held.is_enough_with(whole.len()) {
                    held.release(whole)
                } else {
                    held.keep(whole);
                    Cow::default()
                };
                let body = Body::borrowed(&body);
                let mut portion = Portion::Open { opening, body, last };
                self.hear(now, room, &portion);
                (self.submit(room, flight, &mut portion), held)
            }
            MessageStage::Flowing(held) if !last && !held.is_enough_with(fresh.len()) => {
                held.keep(fresh);
                return Ok(());
            }
            MessageStage::Flowing(held) => {
                let octets = held.release(fresh);
                let mut portion = Portion::More { body: Body::borrowed(&octets), last };
                (self.submit(room, flight, &mut portion), Held::new(false))
            }
            MessageStage::Ignored => {
                message.stage = ignored(last);
                return Ok(());
            }
            MessageStage::Done => return Ok(()),
        };
        if !passed {
            return Err(Refusal::StopSending);
        }
        message.stage = if last { MessageStage::Done } else { MessageStage::Flowing(held) };
        self.check_outcome(key, message.serial)
    }

    /// Whether a session may say one more thing of this kind now.
    fn may_begin(&mut self, now: Instant, key: SessionKey, class: Class) -> bool {
        let limits = &self.limits;
        let Some(session) = self.sessions.get_mut(key) else { return false };
        let granted = if class == Class::Composing {
            let rate = limits.composing_rate_max;
            session.composing.take(now, rate, rate)
        } else {
            session.messages.take(now, limits.message_rate_max, limits.message_burst_max)
        };
        self.counters.messages_too_frequent += u64::from(!granted);
        granted
    }

    /// Answers for a piece of a message and decides what becomes of the message. `true`: more of
    /// the chunk is to come.
    fn settle(
        &mut self,
        now: Instant,
        asker: &Asker<'_>,
        mut message: Message,
        result: Result<(), Refusal>,
        end: Option<Flag>,
        fresh: bool,
    ) -> bool {
        let &Asker { connection, session, reply, way_back, message_id } = asker;
        if let Err(refusal) = result {
            self.refuse_in(connection, session, &reply, refusal);
            self.end_message(now, session, &message, message_id, refusal);
            return false;
        }
        if let Some(flag) = end {
            if reply.failure_report == FailureReport::Yes {
                self.respond(connection, session, &reply, msrp::status::OK);
            }
            if message.is_complete() {
                self.counters.messages_accepted += 1;
                let size = message.next - 1;
                let range = ByteRange { start: 1, end: Some(size), total: Some(size) };
                let reported = Reported { way_back, message_id, range };
                if message.success_report {
                    self.report(connection, session, reported, msrp::status::OK, &[]);
                }
                let is_wanted = reply.failure_report != FailureReport::No;
                self.report_outcome(session, message.serial, is_wanted.then_some(reported));
                self.drop_message(&message);
                if let Some(session) = self.sessions.get_mut(session) {
                    session.received.note(now, message_id);
                }
                return false;
            }
            if flag == Flag::Abort {
                self.end_message(now, session, &message, message_id, Refusal::StopSending);
                return false;
            }
        }
        let Latest { way_back: kept, failure_report, .. } = &mut message.latest;
        *failure_report = reply.failure_report;
        if **kept != *way_back {
            *kept = way_back.into();
        }
        self.keep_message(now, session, message, message_id, fresh);
        end.is_none()
    }
}

/// What is left to do for a message that is for nobody.
fn ignored(last: bool) -> MessageStage {
    if last { MessageStage::Done } else { MessageStage::Ignored }
}
