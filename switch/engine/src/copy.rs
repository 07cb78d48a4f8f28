//! One copy of a message: whether a recipient is to get it, how a part of it is queued on that recipient's
//! connection, and how it ends before its time.

use std::sync::Arc;

use mailbox::{Audience, Class, Outcome};
use msrp::{Flag, MediaType};

use crate::{
    Commons,
    batch::Change,
    chunk::{
        CopyHead, Due, append_body, definite_end, size_max, write_end, write_middle, write_start,
    },
    connection::{Phase, Sending},
    core::Core,
    fanout::{Body, OpeningView},
    limits::{BODY_COPIED_MAX, CONGESTED_SIZE_MAX},
    mint::PREFIX_LEN,
    room::{Begun, Flight, RoomKey},
    route::{Peer, Session, SessionKey},
};

/// What the copies of one piece have in common.
pub(crate) struct Chunk<'a> {
    pub(crate) prefix: [u8; PREFIX_LEN],
    /// Message-ID, Byte-Range, Content-*, blank line, and the body if it is worth copying.
    pub(crate) middle: &'a [u8],
    /// Octets of it without the body.
    pub(crate) headers: usize,
    /// Position of its first octet.
    pub(crate) at: u64,
    pub(crate) flag: Flag,
    pub(crate) hyphens: bool,
    pub(crate) head: Arc<CopyHead>,
}

impl Chunk<'_> {
    /// It as a part of one copy.
    fn due(&self, commons: &Commons, body: &mut Body<'_>) -> Due {
        let (head, body) = (Arc::clone(&self.head), body.share(commons));
        let whole = self.at == 1 && self.flag == Flag::End;
        Due { head, at: self.at, body, flag: self.flag, hyphens: self.hyphens, whole }
    }
}

impl Core {
    /// Ends one started copy with a `#` chunk (CHAT-27), whatever is queued already: it must not
    /// look complete.
    pub(crate) fn abort_copy(&mut self, recipient: SessionKey, flight: &Flight) {
        let mut middle = Vec::new();
        let prefix = self.mint.transaction_prefix();
        let chunk = flight.chunk(prefix, &[], Flag::Abort, false, &mut middle);
        self.end_copy(recipient, &chunk);
    }

    /// Says `#` where the copy would have gone on; what has not begun to go out never will
    /// (FLOW-05).
    pub(crate) fn end_copy(&mut self, recipient: SessionKey, chunk: &Chunk<'_>) -> bool {
        if chunk.at == 1 {
            return true; // It has heard nothing of the message, and will not.
        }
        match self.take_back(recipient, &chunk.head) {
            None => self.copy(recipient, chunk, &mut Body::borrowed(&[]), usize::MAX),
            Some(at) => self.end_copy_at(recipient, &chunk.head, at),
        }
    }

    /// Takes back what still waits of a copy. Returns the position from which on nothing has been
    /// sent, if anything waits.
    fn take_back(&mut self, recipient: SessionKey, head: &CopyHead) -> Option<u64> {
        let id = self.sessions.get(recipient).and_then(Session::connection)?;
        let (at, less) = self.connections.get_mut(id)?.outbox.take_back(recipient, head)?;
        let change = Change { session: recipient, more: 0, less };
        self.watch.note(&mut self.sessions, &mut self.counters, change);
        Some(at)
    }

    fn end_copy_at(&mut self, recipient: SessionKey, head: &Arc<CopyHead>, at: u64) -> bool {
        if at == 1 {
            return true; // It has heard nothing of the message, and will not.
        }
        let mut middle = Vec::new();
        let range = (at, None, head.total);
        write_middle(&mut middle, &head.message_id, range, &head.content_headers);
        let (prefix, head) = (self.mint.transaction_prefix(), Arc::clone(head));
        let (flag, hyphens, headers) = (Flag::Abort, false, middle.len());
        let chunk = Chunk { prefix, middle: &middle, headers, at, flag, hyphens, head };
        self.copy(recipient, &chunk, &mut Body::borrowed(&[]), usize::MAX)
    }

    /// Ends the copy of one message to one recipient, if there is more of it to come or to go
    /// (SEND-13, SEND-16).
    pub(crate) fn abort_copy_to(&mut self, recipient: SessionKey, head: &Arc<CopyHead>) {
        let Some(key) = self.sessions.get(recipient).map(|session| session.room) else { return };
        let in_flight = self.rooms.get_mut(key).and_then(|it| it.flights.remove(&head.flight));
        let Some(mut flight) = in_flight else {
            if let Some(at) = self.take_back(recipient, head) {
                self.end_copy_at(recipient, head, at);
            }
            return;
        };
        if let Some(at) = flight.recipients.iter().position(|it| it.recipient == recipient) {
            flight.recipients.swap_remove(at);
            self.abort_copy(recipient, &flight);
        }
        if let Some(room) = self.rooms.get_mut(key) {
            room.flights.insert(head.flight, flight);
        }
    }

    /// Takes a session out of every message in flight to it and ends what it got of them with `#`
    /// (CTRL-05).
    pub(crate) fn abort_copies_to(&mut self, recipient: SessionKey) {
        let Some(session) = self.sessions.get(recipient) else { return };
        let key = session.room;
        let Some(room) = self.rooms.get_mut(key) else { return };
        let mut flights = std::mem::take(&mut room.flights);
        let mut missed = Vec::new();
        for (&id, flight) in &mut flights {
            if let Some(at) = flight.recipients.iter().position(|it| it.recipient == recipient) {
                flight.recipients.swap_remove(at);
                self.abort_copy(recipient, flight);
                if let Audience::Participant(addressee) = flight.audience
                    && flight.recipients.is_empty()
                {
                    missed.push((addressee, id));
                }
            }
        }
        if let Some(room) = self.rooms.get_mut(key) {
            room.flights = flights;
        }
        for (addressee, id) in missed {
            self.say_outcome(addressee, id, Outcome::Gone);
        }
    }

    /// Whether the session is to get a copy of this message, as far as can be known at its start
    /// (CHAT-08, CHAT-09, CHAT-17, CHAT-19).
    pub(crate) fn is_due(
        &mut self,
        recipient: SessionKey,
        opening: &OpeningView<'_>,
        size: u64,
        most: usize,
    ) -> bool {
        let Some(session) = self.sessions.get(recipient) else { return false };
        let Some(Peer { media, .. }) = session.recipient() else { return false };
        let wants = match opening.audience {
            Audience::Room => session.participant != opening.sender && media.direction.to_peer(),
            // Notifications are no content, and go by what is accepted alone (IMDN-04, SDP-23).
            Audience::Participant(_) => {
                opening.class == Class::Disposition || media.takes_private()
            }
        };
        if !wants {
            return false;
        }
        let accepts =
            |it: MediaType<'_>| media.accept_wrapped.includes(it) && !session.has_refused(it);
        if !opening.wrapped_type.is_some_and(accepts) {
            self.counters.copies_skipped_type += 1;
            return false;
        }
        let announced = opening.total.unwrap_or(0).max(size);
        if media.size_max.is_some_and(|max| announced > max) {
            self.counters.copies_skipped_size += 1;
            return false;
        }
        let kept_up = match opening.class {
            Class::Private => true,
            Class::Room => announced <= CONGESTED_SIZE_MAX,
            Class::Disposition | Class::Composing => false,
        };
        if session.backlog.is_congested() && !kept_up {
            self.counters.copies_skipped_congested += 1;
            self.miss_copy(recipient, opening.class);
            return false;
        }
        if session.backlog.octets() as u64 + announced > most as u64 {
            self.counters.copies_shed += 1;
            self.miss_copy(recipient, opening.class);
            return false;
        }
        true
    }

    /// There was no room for a message to a recipient. Of those that somebody wrote it will be told
    /// how many they were (FLOW-08).
    fn miss_copy(&mut self, recipient: SessionKey, class: Class) {
        if let Some(session) = self.sessions.get_mut(recipient) {
            session.missed += u32::from(matches!(class, Class::Private | Class::Room));
        }
    }

    /// A recipient that has got the beginning of a message.
    pub(crate) fn begun(&self, recipient: SessionKey) -> Begun {
        let peer = self.sessions.get(recipient).and_then(Session::recipient);
        Begun { recipient, size_max: peer.and_then(|peer| peer.media.size_max) }
    }

    /// Octets that may be on their way to one session of a room (FLOW-01).
    pub(crate) fn backlog_max(&self, room: RoomKey) -> usize {
        let size_max = self.rooms.get(room).map_or(0, |room| room.terms.size_max);
        (size_max as usize).saturating_add(self.limits.session_queue_bytes_soft)
    }

    /// Queues one copy of a chunk; `false` when the recipient's queue has no room for it
    /// (FLOW-04). A `#` always has room.
    pub(crate) fn copy(
        &mut self,
        recipient: SessionKey,
        chunk: &Chunk<'_>,
        body: &mut Body<'_>,
        most: usize,
    ) -> bool {
        let Some(session) = self.sessions.get(recipient) else { return false };
        let (Some(id), Some(peer)) = (session.connection(), &session.peer) else { return false };
        let open = self.connections.get_mut(id).filter(|it| matches!(it.phase, Phase::Open));
        let Some(connection) = open else { return false };
        let size = size_max(peer.path_headers.len() + chunk.headers, body.octets.len());
        let full = connection.queued() + size > self.limits.connection_queue_bytes_max
            || session.backlog.octets() + size > most;
        if full && chunk.flag != Flag::Abort {
            self.counters.copies_shed += 1;
            self.miss_copy(recipient, chunk.head.class);
            return false;
        }
        let sole = connection.sessions.len() == 1;
        let sending = !matches!(connection.sending, Sending::Idle);
        let (class, octets) = (chunk.head.class, body.octets);
        let direct = connection.outbox.direct(&mut self.spares, class, octets.len(), sole, sending);
        let (change, own) = if let Some(batch) = direct {
            let (of, head, prefix) = (&mut connection.outstanding, &chunk.head, &chunk.prefix);
            let number = self.transactions.begin(of, recipient, head, prefix);
            let out = batch.writer();
            write_start(out, prefix, number, &peer.path_headers);
            out.extend_from_slice(chunk.middle);
            let shared = if octets.len() > BODY_COPIED_MAX { octets.len() } else { 0 };
            if shared > 0 {
                batch.share(chunk.due(&self.commons, body), peer.path_headers.len());
            }
            write_end(batch.writer(), prefix, number, chunk.flag);
            let more = batch.end_chunk(recipient, number);
            (Change { session: recipient, more, less: 0 }, more - shared)
        } else {
            let due = chunk.due(&self.commons, body);
            (connection.outbox.wait(recipient, &peer.path_headers, due), size_of::<Due>())
        };
        self.memory.write(own);
        connection.mark_dirty(id, &mut self.dirty);
        self.watch.note(&mut self.sessions, &mut self.counters, change);
        true
    }
}

impl Flight {
    /// What the copies of its next piece have in common.
    pub(crate) fn chunk<'a>(
        &self,
        prefix: [u8; PREFIX_LEN],
        body: &[u8],
        flag: Flag,
        hyphens: bool,
        middle: &'a mut Vec<u8>,
    ) -> Chunk<'a> {
        let range = (self.next, definite_end(self.next, body.len(), flag), self.head.total);
        write_middle(middle, &self.head.message_id, range, &self.head.content_headers);
        let (headers, head) = (append_body(middle, body), Arc::clone(&self.head));
        Chunk { prefix, middle, headers, at: self.next, flag, hyphens, head }
    }
}
