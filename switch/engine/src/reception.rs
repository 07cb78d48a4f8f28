//! What becomes of the messages a peer has begun to send: kept while more of them is to come, given
//! up when it does not come, and remembered for a while when they ended badly.

use std::time::Instant;

use msrp::FailureReport;

use crate::{
    connection::{Chunk, ConnectionId, Incoming},
    core::Core,
    fanout::{Body, Portion},
    message::{Message, MessageKey, MessageStage, Refusal},
    report::Reported,
    route::{Session, SessionKey},
};

impl Core {
    /// Takes an unfinished message of a session to work on it; it is either kept or dropped then.
    pub(crate) fn take_message(
        &mut self,
        session: SessionKey,
        is_it: impl Fn(&Message) -> bool,
    ) -> Option<Message> {
        let incoming = &self.sessions.get(session)?.incoming;
        let is_it = |key: &&MessageKey| self.messages.get(**key).is_some_and(&is_it);
        let key = *incoming.iter().find(is_it)?;
        self.messages.get_mut(key).map(std::mem::take)
    }

    /// Keeps a message of which more may come, under the name that its chunks have. `fresh`: octets
    /// have come that were not there before.
    pub(crate) fn keep_message(
        &mut self,
        now: Instant,
        session: SessionKey,
        mut message: Message,
        message_id: &[u8],
        fresh: bool,
    ) {
        let key = if let Some(key) = message.key {
            key
        } else {
            let Some(owner) = self.sessions.get_mut(session) else { return };
            let Ok(key) = self.messages.insert(Message::default()) else { return };
            owner.incoming.push(key);
            message.id = message_id.to_vec();
            (message.key, message.session) = (Some(key), Some(session));
            key
        };
        // A complete one stays as long as its last chunk takes to end; its connection has no other.
        let done = matches!(message.stage, MessageStage::Done);
        if done {
            self.timers.silent_messages.clear(key);
        } else if fresh {
            self.timers.silent_messages.set(now, key);
        }
        let gap = (!done && !message.ahead.is_empty()).then_some(message.next);
        if std::mem::replace(&mut message.gap, gap) != gap {
            match gap {
                Some(_) => self.timers.gaping_messages.set(now, key),
                None => self.timers.gaping_messages.clear(key),
            }
        }
        match &message.stage {
            MessageStage::Flowing(held) if held.is_for_a_while() => {
                if fresh {
                    self.timers.pausing_messages.set(now, key);
                }
            }
            _ => self.timers.pausing_messages.clear(key),
        }
        let held = message.held();
        self.memory.change(std::mem::replace(&mut message.counted, held), held);
        if let Some(place) = self.messages.get_mut(key) {
            *place = message;
        }
    }

    /// Nothing more is to come of a message.
    pub(crate) fn drop_message(&mut self, message: &Message) {
        let Some(key) = message.key else { return };
        self.memory.change(message.counted, 0);
        self.messages.remove(key);
        self.timers.forget_message(key);
        if let Some(session) = message.session.and_then(|session| self.sessions.get_mut(session)) {
            session.incoming.retain(|&it| it != key);
        }
    }

    /// A message is refused or given up by its sender: its copies end, and whatever still comes of
    /// it is answered the same for a while (CHUNK-25).
    pub(crate) fn end_message(
        &mut self,
        now: Instant,
        session: SessionKey,
        message: &Message,
        message_id: &[u8],
        refusal: Refusal,
    ) {
        self.drop_message(message);
        self.abort_message(session, message);
        if let Some(session) = self.sessions.get_mut(session) {
            session.ended.remember(now, message_id, refusal);
        }
    }

    /// A message is not waited for any longer: too long nothing has come of it (CHAT-24, CHAT-25),
    /// or not what was missing (CHUNK-21).
    pub(crate) fn time_out_message(&mut self, now: Instant, key: MessageKey) {
        if self.messages.get(key).is_some() {
            self.counters.messages_timed_out += 1;
            self.give_up_message(now, key, Refusal::StopSending, (msrp::status::STOP, &[]));
        }
    }

    /// The sender of a message has paused: what is held of it goes out, and with it what is held of
    /// the chunk that it is in the middle of (CHUNK-14).
    pub(crate) fn end_pause(&mut self, now: Instant, key: MessageKey) {
        let Some(message) = self.messages.get(key) else { return };
        let id = message.session.and_then(|it| self.sessions.get(it)).and_then(Session::connection);
        match id.filter(|&id| self.unfinished_message(id) == Some(key)) {
            Some(id) => self.flush_chunk(now, id),
            None => self.release_held(now, key),
        }
    }

    /// The message whose chunk a connection is in the middle of.
    pub(crate) fn unfinished_message(&self, id: ConnectionId) -> Option<MessageKey> {
        let Incoming::Chunk(chunk) = &self.connections.get(id)?.incoming else { return None };
        let is_it = |key: &&MessageKey| {
            self.messages.get(**key).is_some_and(|it| it.serial == chunk.message)
        };
        self.sessions.get(chunk.session)?.incoming.iter().find(is_it).copied()
    }

    /// Passes on what is held of a message, little as it is, unless it is to go out whole.
    pub(crate) fn release_held(&mut self, now: Instant, key: MessageKey) {
        let Some(message) = self.messages.get_mut(key) else { return };
        let MessageStage::Flowing(held) = &mut message.stage else { return };
        if !held.is_for_a_while() {
            return;
        }
        let octets = held.release(&[]);
        let (before, after) = (message.counted, message.held());
        message.counted = after;
        let (owner, serial) = (message.session, message.serial);
        self.memory.change(before, after);
        self.timers.pausing_messages.clear(key);
        let Some(session) = owner.and_then(|owner| self.sessions.get(owner)) else { return };
        let (room, flight) = (session.room, (session.id, serial));
        let mut portion = Portion::More { body: Body::borrowed(&octets), last: false };
        if !self.submit(room, flight, &mut portion) {
            self.give_up_message(now, key, Refusal::StopSending, (msrp::status::STOP, &[]));
        }
    }

    /// No more of a message is wanted. The sender is told once (RPT-09): by the answer to a chunk
    /// that is still coming in (RESP-17), else by a report with this status and body.
    pub(crate) fn give_up_message(
        &mut self,
        now: Instant,
        key: MessageKey,
        refusal: Refusal,
        (status, body): (u16, &[u8]),
    ) {
        let Some(message) = self.messages.get_mut(key).map(std::mem::take) else { return };
        let Some(session) = message.session else { return };
        let of_message =
            |chunk: &Chunk| chunk.session == session && chunk.message == message.serial;
        if !self.answer_unfinished_chunk(session, of_message, refusal)
            && message.latest.failure_report != FailureReport::No
            && let Some(id) = self.sessions.get(session).and_then(Session::connection)
        {
            let range = message.reported_range();
            let way_back = &message.latest.way_back;
            let reported = Reported { way_back, message_id: &message.id, range };
            self.report(id, session, reported, status, body);
        }
        self.end_message(now, session, &message, &message.id, refusal);
    }

    /// Answers for the chunk that a session is in the middle of, if it is this one, because what it
    /// belongs to ends (RESP-17): what is still to come of it goes nowhere.
    pub(crate) fn answer_unfinished_chunk(
        &mut self,
        key: SessionKey,
        is_it: impl Fn(&Chunk) -> bool,
        refusal: Refusal,
    ) -> bool {
        let Some(id) = self.sessions.get(key).and_then(Session::connection) else { return false };
        let Some(connection) = self.connections.get_mut(id) else { return false };
        match std::mem::replace(&mut connection.incoming, Incoming::Discarded) {
            Incoming::Chunk(chunk) if is_it(&chunk) => {
                self.refuse_in(id, key, &chunk.reply(), refusal);
                true
            }
            other => {
                connection.incoming = other;
                false
            }
        }
    }

    /// Ends the copies of a message that will not be completed (CHAT-26).
    pub(crate) fn abort_message(&mut self, key: SessionKey, message: &Message) {
        let Some(session) = self.sessions.get(key) else { return };
        let (room, flight) = (session.room, (session.id, message.serial));
        self.forget_outcome(key, message.serial);
        if matches!(message.stage, MessageStage::Flowing(_)) {
            self.counters.messages_aborted += 1;
            self.submit(room, flight, &mut Portion::Abort);
        }
    }

    /// Ends everything that a session has begun to send.
    pub(crate) fn abort_messages_of(&mut self, session: SessionKey) {
        let Some(incoming) = self.sessions.get(session).map(|it| it.incoming.clone()) else {
            return;
        };
        for key in incoming {
            if let Some(message) = self.messages.get_mut(key).map(std::mem::take) {
                self.drop_message(&message);
                self.abort_message(session, &message);
            }
        }
    }
}
