//! SEND: from a chunk of a peer to pieces of a room message.

use msrp::{
    FailureReport, Flag, Head, MediaType, Piece,
    cpim::{CpimError, Wrapper},
};

use crate::{
    connection::{Chunk, ConnectionId, Incoming},
    core::Core,
    fanout::{Body, OpeningView, Portion},
    message::{Message, MessageStage, Progress, Refusal},
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

impl Core {
    /// A SEND of a session bound to this connection.
    pub(crate) fn handle_send(
        &mut self,
        id: ConnectionId,
        session: SessionKey,
        head: &Head<'_>,
        piece: &Piece<'_>,
        reply: ReplyTo<'_>,
    ) -> Incoming {
        let report_to = head.from_path.map(|path| path.raw());
        if head.content_type.is_none() {
            self.answer_bodiless(
                id,
                session,
                head,
                reply,
                report_to.filter(|_| head.success_report),
            );
            return Incoming::Discarded;
        }
        let mut message = match self.message_of(session, head) {
            Ok(message) => message,
            Err(refusal) => {
                self.refuse_in(id, session, &reply, refusal);
                return Incoming::Discarded;
            }
        };
        let range = head.byte_range.unwrap_or(msrp::ByteRange { start: 1, end: None, total: None });
        if range.start == 1 {
            message.success_report = head.success_report; // SEND-07
        }
        let announced = range.end.into_iter().chain(range.total).min();
        let allowance = announced.map(|last| last.saturating_add(1).saturating_sub(range.start));
        let arrived = Arrived { at: range.start, body: piece.body, end: piece.end, allowance };
        let result = self.take_octets(session, &mut message, arrived, &head.content_headers());
        let serial = message.serial;
        if !self.settle(id, session, message, head.message_id, reply, report_to, result, piece.end)
        {
            return Incoming::Discarded;
        }
        Incoming::Chunk(Chunk {
            session,
            message: serial,
            transaction: reply.transaction,
            previous_hop: reply.to.into(),
            report_to: report_to.map(Into::into),
            failure_report: reply.failure_report,
            at: range.start + piece.body.len() as u64,
            allowance: allowance.map(|octets| octets.saturating_sub(piece.body.len() as u64)),
        })
    }

    /// More of a chunk that did not arrive in one piece.
    pub(crate) fn continue_chunk(
        &mut self,
        id: ConnectionId,
        mut chunk: Chunk,
        piece: &Piece<'_>,
    ) -> Incoming {
        let session = chunk.session;
        let Some(mut message) = self.take_message(session, |it| it.serial == chunk.message) else {
            // The session ended meanwhile; nobody is left to answer for it.
            return Incoming::Discarded;
        };
        let Chunk { at, allowance, .. } = chunk;
        let arrived = Arrived { at, body: piece.body, end: piece.end, allowance };
        let result = self.take_octets(session, &mut message, arrived, &[]);
        let (reply, report_to) = (chunk.reply(), chunk.report_to.as_deref());
        if !self.settle(id, session, message, None, reply, report_to, result, piece.end) {
            return Incoming::Discarded;
        }
        chunk.at += piece.body.len() as u64;
        chunk.allowance = allowance.map(|octets| octets.saturating_sub(piece.body.len() as u64));
        Incoming::Chunk(chunk)
    }

    /// A SEND without content binds and keeps alive; it is never fanned out (CONN-19).
    fn answer_bodiless(
        &mut self,
        id: ConnectionId,
        session: SessionKey,
        head: &Head<'_>,
        reply: ReplyTo<'_>,
        report_to: Option<&[u8]>,
    ) {
        if reply.failure_report == FailureReport::Yes {
            self.respond(id, session, &reply, 200);
        }
        if let (Some(to), Some(message_id)) = (report_to, head.message_id) {
            self.report_success(id, session, to, message_id, 0);
        }
    }

    /// The message this chunk belongs to: one that has begun, or a new one if it may begin.
    fn message_of(&mut self, key: SessionKey, head: &Head<'_>) -> Result<Message, Refusal> {
        let message_id = head.message_id.ok_or(Refusal::Malformed)?; // SEND-04
        if let Some(message) = self.take_message(key, |it| it.id == message_id) {
            return Ok(message);
        }
        let acceptable =
            head.content_type.and_then(MediaType::parse).is_some_and(|it| it.is_cpim())
                && head.transfer_encoding.is_none();
        if !acceptable {
            return Err(Refusal::UnsupportedType);
        }
        let (limits, rooms) = (&self.limits, &self.rooms);
        let session = self.sessions.get_mut(key).ok_or(Refusal::NoSuchSession)?;
        let room = rooms.get(session.room).ok_or(Refusal::NoSuchSession)?;
        if !session.route.direction.from_peer() {
            return Err(Refusal::Forbidden);
        }
        let total = head.byte_range.and_then(|range| range.total);
        if total.is_some_and(|total| total > room.terms.size_max) {
            return Err(Refusal::StopSending);
        }
        if session.incoming.len() >= limits.session_messages_max {
            // One that was refused is only remembered for its manners.
            let refused = |it: &Message| matches!(it.stage, MessageStage::Refused(_));
            let oldest = session.incoming.iter().position(refused).ok_or(Refusal::StopSending)?;
            session.incoming.remove(oldest);
        }
        session.messages_begun += 1;
        Ok(Message::new(session.messages_begun, total))
    }

    fn take_message(
        &mut self,
        session: SessionKey,
        is_it: impl Fn(&Message) -> bool,
    ) -> Option<Message> {
        let incoming = &mut self.sessions.get_mut(session)?.incoming;
        let at = incoming.iter().position(is_it)?;
        Some(incoming.remove(at))
    }

    /// Adds octets to a message and passes on what may be passed on.
    fn take_octets(
        &mut self,
        key: SessionKey,
        message: &mut Message,
        arrived: Arrived<'_>,
        content_headers: &[u8],
    ) -> Result<(), Refusal> {
        if let MessageStage::Refused(refusal) = message.stage {
            return Err(refusal);
        }
        if arrived.allowance.is_some_and(|octets| arrived.body.len() as u64 > octets) {
            return Err(Refusal::Malformed); // CHUNK-13
        }
        let past = arrived.at.saturating_add(arrived.body.len() as u64);
        if past - 1 > self.size_max_of(key)? {
            return Err(Refusal::StopSending); // CHAT-20
        }
        message.note_end(past, arrived.end);
        let Some(fresh) = message.fresh(arrived.at, arrived.body) else {
            if message.progress(arrived.end) == Progress::Aborted {
                return self.pass_on(key, message, &[], arrived.end, content_headers);
            }
            if let MessageStage::Gathering { content_headers: kept, .. } = &mut message.stage
                && kept.is_empty()
            {
                kept.extend_from_slice(content_headers);
            }
            let kept = message.ahead.keep(arrived.at, arrived.body);
            return kept.then_some(()).ok_or(Refusal::StopSending); // CHUNK-21
        };
        message.next += fresh.len() as u64;
        self.pass_on(key, message, fresh, arrived.end, content_headers)?;
        while let Some(held) = message.ahead.take(message.next) {
            message.next += held.len() as u64;
            self.pass_on(key, message, &held, None, content_headers)?;
        }
        Ok(())
    }

    fn size_max_of(&self, key: SessionKey) -> Result<u64, Refusal> {
        let session = self.sessions.get(key).ok_or(Refusal::NoSuchSession)?;
        Ok(self.rooms.get(session.room).ok_or(Refusal::NoSuchSession)?.terms.size_max)
    }

    /// Passes on the octets whose turn has come, or gathers them until the wrapper is complete.
    fn pass_on(
        &mut self,
        key: SessionKey,
        message: &mut Message,
        fresh: &[u8],
        end: Option<Flag>,
        content_headers: &[u8],
    ) -> Result<(), Refusal> {
        let session = self.sessions.get(key).ok_or(Refusal::NoSuchSession)?;
        let (room, sender) = (session.room, session.route.participant);
        let flight = (session.id, message.serial);
        let progress = message.progress(end);
        let last = matches!(progress, Progress::Complete(_));
        match &mut message.stage {
            MessageStage::Gathering { .. } if progress == Progress::Aborted => Ok(()),
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
                        if kept.is_empty() {
                            kept.extend_from_slice(content_headers);
                        }
                        return Ok(());
                    }
                    Err(CpimError::TooLarge) => return Err(Refusal::StopSending), // CPIM-13
                    Ok(None) | Err(_) => return Err(Refusal::Malformed),
                };
                self.check_wrapper(key, &wrapper)?;
                let opening = OpeningView {
                    sender,
                    total: message.total,
                    content_headers: if kept.is_empty() { content_headers } else { kept },
                    wrapped_type: Some(wrapper.content_type),
                };
                let body = Body::borrowed(whole);
                let mut portion = Portion::Open { opening, body, last };
                if !self.submit(room, flight, &mut portion) {
                    return Err(Refusal::StopSending);
                }
                message.stage = MessageStage::Flowing;
                Ok(())
            }
            MessageStage::Flowing => {
                let mut portion = match progress {
                    Progress::Aborted => Portion::Abort,
                    // Nothing new and nothing ended: there is nothing to say.
                    Progress::Unfinished if fresh.is_empty() => return Ok(()),
                    _ => Portion::More { body: Body::borrowed(fresh), last },
                };
                let passed = self.submit(room, flight, &mut portion);
                passed.then_some(()).ok_or(Refusal::StopSending)
            }
            MessageStage::Refused(refusal) => Err(*refusal),
        }
    }

    /// The checks of RFC 7701 section 6.1 and 6.2, in their order.
    fn check_wrapper(&self, key: SessionKey, wrapper: &Wrapper<'_>) -> Result<(), Refusal> {
        let session = self.sessions.get(key).ok_or(Refusal::NoSuchSession)?;
        let room = self.rooms.get(session.room).ok_or(Refusal::NoSuchSession)?;
        if !session.route.identities.iter().any(|own| wrapper.from == *own) {
            return Err(Refusal::Forbidden); // CHAT-03, CHAT-04
        }
        if wrapper.to_count > 1 {
            return Err(Refusal::Forbidden); // CHAT-05
        }
        // This release's rooms allow no private messages (PRIV-03), and a message that is not for
        // the room never goes to the room (CHAT-06).
        if !room.terms.addresses.iter().any(|room| wrapper.to == *room) {
            return Err(Refusal::Forbidden);
        }
        Ok(())
    }

    /// Answers for a piece of a message and decides what becomes of the message. `true`: more of
    /// the chunk is to come.
    #[expect(clippy::too_many_arguments, reason = "the ends of one chunk's life meet here")]
    fn settle(
        &mut self,
        id: ConnectionId,
        key: SessionKey,
        mut message: Message,
        message_id: Option<&[u8]>,
        reply: ReplyTo<'_>,
        report_to: Option<&[u8]>,
        result: Result<(), Refusal>,
        end: Option<Flag>,
    ) -> bool {
        let progress = message.progress(end);
        let kept = progress == Progress::Unfinished || result.is_err();
        if message.id.is_empty() && kept {
            message.id = message_id.unwrap_or_default().to_vec();
        }
        if let Err(refusal) = result {
            self.refuse_in(id, key, &reply, refusal);
            self.abort_message(key, &message);
            message.stage = MessageStage::Refused(refusal);
            if !matches!(end, Some(Flag::End | Flag::Abort)) {
                self.keep_message(key, message);
            }
            return false;
        }
        if end.is_some() && reply.failure_report == FailureReport::Yes {
            self.respond(id, key, &reply, 200);
        }
        match progress {
            Progress::Unfinished => self.keep_message(key, message),
            Progress::Complete(size) => {
                self.counters.messages_accepted += 1;
                let message_id = message_id.unwrap_or(&message.id);
                if let Some(to) = report_to.filter(|_| message.success_report) {
                    self.report_success(id, key, to, message_id, size);
                }
            }
            Progress::Aborted => self.counters.messages_aborted += 1,
        }
        end.is_none()
    }

    fn keep_message(&mut self, key: SessionKey, message: Message) {
        if let Some(session) = self.sessions.get_mut(key) {
            session.incoming.push(message);
        }
    }

    /// Ends the copies of a message that will not be completed (CHAT-26).
    pub(crate) fn abort_message(&mut self, key: SessionKey, message: &Message) {
        let Some(session) = self.sessions.get(key) else { return };
        let (room, flight) = (session.room, (session.id, message.serial));
        if matches!(message.stage, MessageStage::Flowing) {
            self.counters.messages_aborted += 1;
            self.submit(room, flight, &mut Portion::Abort);
        }
    }
}
