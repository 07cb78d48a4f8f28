//! One piece of a message in; one chunk out per recipient here, one relay per other core.
//!
//! Every queued chunk is whole, re-chunked at what has arrived, so a stalled sender can never hold
//! a recipient's connection. Per copy only the transaction id, the paths and the end-line differ;
//! everything between them is written once. See [`chunk`](crate::chunk).

use std::sync::Arc;

use bytes::Bytes;
use mailbox::{
    Audience, Class, CoreId, CoreSet, Opening, Outcome, ParticipantId, Piece, Relay, RoomId,
    RoomRelay, Stage,
};
use msrp::{Flag, MediaType};

use crate::{
    Commons,
    chunk::{CopyHead, append_body, definite_end, prefix_for, write_middle},
    copy::Chunk,
    core::Core,
    room::{Begun, Flight, FlightId, RoomKey},
    route::Session,
};

/// One piece of a message as the fan-out sees it: borrowed from a receive buffer or from a relay.
pub(crate) enum Portion<'a> {
    /// The wrapper's head is complete. The first octets, or none if they are held as yet.
    Open { opening: OpeningView<'a>, body: Body<'a>, last: bool },
    /// The next octets.
    More { body: Body<'a>, last: bool },
    /// The sender gave up or is gone.
    Abort,
}

/// A borrowed [`Opening`].
#[derive(Clone, Copy)]
pub(crate) struct OpeningView<'a> {
    pub(crate) sender: ParticipantId,
    pub(crate) audience: Audience,
    pub(crate) total: Option<u64>,
    pub(crate) content_headers: &'a [u8],
    /// `None`, from another core, is a type that nobody accepts.
    pub(crate) wrapped_type: Option<MediaType<'a>>,
    pub(crate) class: Class,
}

/// Body octets that become shareable when the first taker needs them to be.
pub(crate) struct Body<'a> {
    pub(crate) octets: &'a [u8],
    shared: Option<Bytes>,
}

impl<'a> Body<'a> {
    pub(crate) fn borrowed(octets: &'a [u8]) -> Self {
        Self { octets, shared: None }
    }

    pub(crate) fn share(&mut self, commons: &Commons) -> Bytes {
        self.shared.get_or_insert_with(|| commons.share(self.octets)).clone()
    }
}

impl<'a> Portion<'a> {
    /// A view of what came from another core.
    pub(crate) fn of(piece: &'a Piece) -> Self {
        let shared = |body: &'a Bytes| Body { octets: body, shared: Some(body.clone()) };
        match piece {
            Piece::Open { opening, body, last } => Self::Open {
                opening: OpeningView {
                    sender: opening.sender,
                    audience: opening.audience,
                    total: opening.total,
                    content_headers: &opening.content_headers,
                    wrapped_type: MediaType::parse(opening.wrapped_type.as_bytes()),
                    class: opening.class,
                },
                body: shared(body),
                last: *last,
            },
            Piece::More { body, last } => Self::More { body: shared(body), last: *last },
            Piece::Abort => Self::Abort,
        }
    }

    /// An owned copy that can go to another core.
    fn own(&mut self, commons: &Commons) -> Piece {
        match self {
            Self::Open { opening, body, last } => Piece::Open {
                opening: Box::new(Opening {
                    sender: opening.sender,
                    audience: opening.audience,
                    total: opening.total,
                    content_headers: Bytes::copy_from_slice(opening.content_headers),
                    wrapped_type: opening
                        .wrapped_type
                        .map(|it| it.to_string())
                        .unwrap_or_default()
                        .into(),
                    class: opening.class,
                }),
                body: body.share(commons),
                last: *last,
            },
            Self::More { body, last } => Piece::More { body: body.share(commons), last: *last },
            Self::Abort => Piece::Abort,
        }
    }
}

impl Core {
    /// Takes a piece from the core it arrived at to the room's home. `false`: the way there is full
    /// and nothing was passed on; the sender has to be told.
    pub(crate) fn submit(
        &mut self,
        room: RoomKey,
        flight: FlightId,
        portion: &mut Portion<'_>,
    ) -> bool {
        let Some(terms) = self.rooms.get(room).map(|room| room.terms.clone()) else { return true };
        if terms.home == self.config.id {
            self.distribute(room, flight, portion);
            return true;
        }
        if self.gone.contains(terms.home) {
            return false;
        }
        let Some(backlog) = self.relays.get_mut(terms.home.index()) else { return false };
        // An abort takes next to nothing and must not be lost.
        if backlog.len() >= self.limits.relay_backlog_max && !matches!(portion, Portion::Abort) {
            return false;
        }
        let piece = portion.own(&self.commons);
        let (origin, message) = flight;
        let relay = RoomRelay { room: terms.id, stage: Stage::ToHome, origin, message, piece };
        backlog.push_back(Relay::Room(relay));
        true
    }

    /// On the home core: to every recipient here, and once to every other core with members.
    pub(crate) fn distribute(&mut self, key: RoomKey, id: FlightId, portion: &mut Portion<'_>) {
        let Some(room) = self.rooms.get(key) else { return };
        let cores = match portion {
            Portion::Open { opening, .. } => match opening.audience {
                Audience::Room => room.cores,
                Audience::Participant(addressee) => addressee.cores.without(self.config.id),
            },
            // What a core did not get from its beginning is nothing to it (CHAT-23).
            Portion::More { .. } | Portion::Abort => {
                room.flights.get(&id).map_or(CoreSet::EMPTY, |flight| flight.cores)
            }
        };
        let room = room.terms.id;
        let reached: CoreSet =
            cores.iter().filter(|&core| self.relay(core, room, id, portion)).collect();
        if let Portion::Open { opening, .. } = portion
            && let Audience::Participant(addressee) = opening.audience
        {
            let missed = reached.iter().fold(cores, CoreSet::without);
            if !missed.is_empty() {
                self.tell_outcome(addressee.sender, id, missed, Outcome::Dropped);
            }
        }
        self.deliver(key, id, portion, reached);
    }

    /// To one other core with members. `false`: the way there is full, and what has begun there has
    /// been given up, once and for all: it must not look complete there.
    pub(crate) fn relay(
        &mut self,
        core: CoreId,
        room: RoomId,
        (origin, message): FlightId,
        portion: &mut Portion<'_>,
    ) -> bool {
        if self.gone.contains(core) {
            return false;
        }
        let Some(backlog) = self.relays.get_mut(core.index()) else { return false };
        let fits = backlog.len() < self.limits.relay_backlog_max;
        let piece = match portion {
            Portion::Open { .. } | Portion::More { .. } if fits => Some(portion.own(&self.commons)),
            Portion::Open { .. } => None,
            Portion::More { .. } | Portion::Abort => Some(Piece::Abort),
        };
        if let Some(piece) = piece {
            let relay = RoomRelay { room, stage: Stage::ToMembers, origin, message, piece };
            backlog.push_back(Relay::Room(relay));
        }
        let shed = !fits && !matches!(portion, Portion::Abort);
        self.counters.relays_shed += u64::from(shed);
        !shed
    }

    /// To every recipient on this core. `cores` are those that have got the same, on the home core.
    pub(crate) fn deliver(
        &mut self,
        room: RoomKey,
        flight: FlightId,
        portion: &mut Portion<'_>,
        cores: CoreSet,
    ) {
        match portion {
            Portion::Open { opening, body, last } => {
                self.open_flight(room, flight, *opening, body, *last, cores);
            }
            Portion::More { body, last } => {
                let flag = if *last { Flag::End } else { Flag::More };
                self.continue_flight(room, flight, body, flag, cores);
            }
            Portion::Abort => {
                self.continue_flight(room, flight, &mut Body::borrowed(&[]), Flag::Abort, cores);
            }
        }
    }

    fn open_flight(
        &mut self,
        key: RoomKey,
        id: FlightId,
        opening: OpeningView<'_>,
        body: &mut Body<'_>,
        last: bool,
        cores: CoreSet,
    ) {
        let message_id = self.mint.message_id();
        let size = body.octets.len() as u64;
        let flag = if last { Flag::End } else { Flag::More };
        let mut middle = std::mem::take(&mut self.scratch);
        let end = definite_end(1, body.octets.len(), flag);
        let range = (1, end, opening.total);
        write_middle(&mut middle, &message_id, range, opening.content_headers);
        let headers = append_body(&mut middle, body.octets);
        let hyphens = msrp::has_hyphens(body.octets);
        let prefix = prefix_for(&mut self.mint, body.octets, hyphens);
        let head = Arc::new(CopyHead {
            message_id,
            total: opening.total,
            content_headers: opening.content_headers.into(),
            sender: opening.sender,
            class: opening.class,
            wrapped_type: opening.wrapped_type.map(|it| it.to_string()).unwrap_or_default().into(),
            flight: id,
        });
        self.said.note(&head);
        let chunk = Chunk { prefix, middle: &middle, headers, at: 1, flag, hyphens, head };

        // What is still held where it arrives brings no octets yet: it fixes the recipients.
        let begins = last || size > 0;
        let mut started = Vec::new();
        let most = self.backlog_max(key);
        let mut reached = false;
        let addressed = match opening.audience {
            Audience::Room => None,
            Audience::Participant(addressee) => Some(self.sessions_of(key, addressee)),
        };
        let mut at = 0;
        loop {
            let recipient = match &addressed {
                None => self.rooms.get(key).and_then(|room| room.recipients.get(at)),
                Some(sessions) => sessions.get(at),
            };
            let Some(&recipient) = recipient else { break };
            if self.is_due(recipient, &opening, size, most)
                && (!begins || self.copy(recipient, &chunk, body, most))
            {
                reached = true;
                if last {
                    self.counters.copies_delivered += 1;
                } else {
                    started.push(self.begun(recipient));
                }
            }
            at += 1;
        }
        if let (Audience::Participant(addressee), Some(sessions)) = (opening.audience, addressed) {
            if !reached {
                self.say_outcome(addressee, id, self.obstacle(&sessions, opening.class));
            } else if last {
                self.say_outcome(addressee, id, Outcome::Delivered);
            }
        }
        if !last && let Some(room) = self.rooms.get_mut(key) {
            let flight = Flight {
                audience: opening.audience,
                recipients: started,
                backlog_max: most,
                head: chunk.head,
                next: size + 1,
                cores,
            };
            room.flights.insert(id, flight);
        }
        middle.clear();
        self.scratch = middle;
    }

    fn continue_flight(
        &mut self,
        key: RoomKey,
        id: FlightId,
        body: &mut Body<'_>,
        flag: Flag,
        cores: CoreSet,
    ) {
        let Some(mut flight) = self.rooms.get_mut(key).and_then(|room| room.flights.remove(&id))
        else {
            return;
        };
        let size = body.octets.len() as u64;
        let mut middle = std::mem::take(&mut self.scratch);
        let hyphens = msrp::has_hyphens(body.octets);
        let prefix = prefix_for(&mut self.mint, body.octets, hyphens);
        let chunk = flight.chunk(prefix, body.octets, flag, hyphens, &mut middle);
        let most = flight.backlog_max;
        let mut cut = Vec::new();
        flight.recipients.retain(|&Begun { recipient, size_max }| {
            if self.sessions.get(recipient).and_then(Session::recipient).is_none() {
                return false;
            }
            let past_size = size_max.is_some_and(|max| flight.next - 1 + size > max);
            if flag != Flag::Abort && past_size {
                self.counters.copies_skipped_size += 1;
                cut.push(recipient);
                return false;
            }
            let written = match flag {
                Flag::Abort => self.end_copy(recipient, &chunk),
                Flag::End | Flag::More => self.copy(recipient, &chunk, body, most),
            };
            match flag {
                Flag::End if written => self.counters.copies_delivered += 1,
                Flag::End | Flag::More if !written => cut.push(recipient),
                _ => {}
            }
            written
        });
        middle.clear();
        self.scratch = middle;
        for recipient in cut {
            self.abort_copy(recipient, &flight);
        }
        if let Audience::Participant(addressee) = flight.audience {
            match flag {
                Flag::More if !flight.recipients.is_empty() => {}
                Flag::End if !flight.recipients.is_empty() => {
                    self.say_outcome(addressee, id, Outcome::Delivered);
                }
                _ => self.say_outcome(addressee, id, Outcome::Dropped),
            }
        }
        if flag == Flag::More
            && let Some(room) = self.rooms.get_mut(key)
        {
            flight.next += size;
            flight.cores = cores;
            room.flights.insert(id, flight);
        }
    }
}
