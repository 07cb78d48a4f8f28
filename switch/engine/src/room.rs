//! One room on one core: who is here, and who gets the rest of each message in flight.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use mailbox::{Audience, CoreSet, Epoch, RoomTerms, SessionId};

use crate::{
    chunk::CopyHead, directory::Directory, nickname::Nicknames, route::SessionKey, slots::Key,
};

/// A room's slot in the core's table.
pub(crate) type RoomKey = Key<Room>;

/// Names one message while it is in flight, on every core of its room: who sent it, and the how
/// manieth of that session it is.
pub(crate) type FlightId = (SessionId, u64);

/// One room as one core knows it.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) terms: Arc<RoomTerms>,
    /// The newest command about the room as a whole.
    pub(crate) epoch: Epoch,
    /// On the home core: the other cores with members.
    pub(crate) cores: CoreSet,
    /// Every session here, bound or not.
    pub(crate) sessions: Vec<SessionKey>,
    /// The sessions that are due what the room says (CTRL-03), in the order they came.
    pub(crate) recipients: Vec<SessionKey>,
    /// Who is here, on all cores.
    pub(crate) directory: Directory,
    /// On the home core: when it was last given a message to put in order.
    pub(crate) heard_at: Option<Instant>,
    /// On the home core: who has which nickname, once somebody wants one.
    pub(crate) nicknames: Option<Box<Nicknames>>,
    /// Messages of which more is to come. In order, so that what is done to all of them is done in
    /// the same order whenever the inputs are the same.
    pub(crate) flights: BTreeMap<FlightId, Flight>,
}

/// A message that arrives piece by piece, from the moment its recipients were fixed (CHAT-08,
/// CHAT-22).
#[derive(Debug)]
pub(crate) struct Flight {
    /// Whom it is for.
    pub(crate) audience: Audience,
    /// Who got the beginning and is still to get the rest (CHAT-23).
    pub(crate) recipients: Vec<Begun>,
    /// Octets that may be on their way to each of them (FLOW-01).
    pub(crate) backlog_max: usize,
    /// What every chunk says.
    pub(crate) head: Arc<CopyHead>,
    /// Position of the octet that comes next.
    pub(crate) next: u64,
    /// On the home core: the other cores that got the beginning and are still to get the rest.
    pub(crate) cores: CoreSet,
}

/// A recipient of a message in flight. What was decided about it stays, whatever its peer says of
/// itself meanwhile (CTRL-04).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begun {
    pub(crate) recipient: SessionKey,
    /// Octets of the largest message that it takes.
    pub(crate) size_max: Option<u64>,
}

impl Room {
    pub(crate) fn new(terms: Arc<RoomTerms>) -> Self {
        Self {
            terms,
            epoch: Epoch(0),
            cores: CoreSet::EMPTY,
            sessions: Vec::new(),
            recipients: Vec::new(),
            directory: Directory::default(),
            heard_at: None,
            nicknames: None,
            flights: BTreeMap::new(),
        }
    }

    /// Whether nothing keeps the room here: no session, no other core to relay to, and no nickname
    /// that is kept for somebody (NICK-12).
    pub(crate) fn is_idle(&self) -> bool {
        self.sessions.is_empty()
            && self.cores.is_empty()
            && self.nicknames.as_ref().is_none_or(|it| it.is_empty())
    }
}
