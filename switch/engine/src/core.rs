//! One core: completions and commands in, operations and events out.
//!
//! After any batch of `handle_*`, drain `poll_operation`, `poll_event` and `poll_relay`, then arm
//! `poll_timeout`. Time never runs backwards. The core owns no socket, reads no clock and draws its
//! randomness from the seed it was given: the same inputs give the same outputs.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    net::IpAddr,
    sync::Arc,
    time::Instant,
};

use mailbox::{
    CoreId, CoreSet, Event, FailureCause, Relay, RoomId, RoomRelay, SessionId, Stage, WallClock,
};

use crate::{
    Batch, Commons, Counters, Gauges, Limits,
    backlog::Watch,
    batch::Taken,
    branch::FOREIGN,
    commons::Share,
    connection::{Connection, ConnectionId, Phase, Sending, Side},
    fanout::Portion,
    limits::{TRANSACTIONS_MAX, URGENT_EXHAUSTED_MAX, URGENT_SIZE_MAX},
    message::Message,
    mint::Mint,
    operation::{Departure, Operation, SendFailed},
    outbox::Spares,
    replays::Replays,
    room::{Room, RoomKey},
    route::{Session, SessionKey},
    said::Said,
    slots::Slots,
    timers::{Expired, Timers},
    transactions::{Numbering, Transactions},
};

/// Which core this is.
#[derive(Clone, Debug)]
pub struct CoreConfig {
    /// Its number, which its session-ids name.
    pub id: CoreId,
    /// How many cores the node has.
    pub cores: usize,
    /// `host:port` of the session URIs it mints (URI-05): where clients connect.
    pub authority: String,
}

/// When a To-Path names a session (URI-16).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Match {
    /// When it is the URI that SDP gave out (RFC 4975 section 6.1).
    #[default]
    Uri,
    /// When it has the session-id of that URI: for clients behind devices that rewrite SDP, where
    /// hosts and ports are not what was given out.
    SessionId,
}

/// Everything one core knows.
pub struct Core {
    pub(crate) config: CoreConfig,
    pub(crate) matching: Match,
    pub(crate) limits: Limits,
    pub(crate) commons: Arc<Commons>,
    pub(crate) mint: Mint,
    pub(crate) connections: Slots<Connection>,
    pub(crate) sessions: Slots<Session>,
    pub(crate) rooms: Slots<Room>,
    /// What peers have begun to say and not finished: at most
    /// [`Limits::session_messages_max`] of each session.
    pub(crate) messages: Slots<Message>,
    /// What was sent and is not answered.
    pub(crate) transactions: Transactions,
    pub(crate) said: Said,
    pub(crate) replays: Replays,
    pub(crate) sessions_by_id: HashMap<SessionId, SessionKey>,
    /// By the session-id of their URI. Only ids minted here are in it, so no peer can choose what
    /// it holds.
    pub(crate) sessions_by_uri: HashMap<Box<str>, SessionKey>,
    pub(crate) rooms_by_id: HashMap<RoomId, RoomKey>,
    pub(crate) events: VecDeque<Event>,
    /// What waits for each other core.
    pub(crate) relays: Box<[VecDeque<Relay>]>,
    /// Other cores that are gone for good.
    pub(crate) gone: CoreSet,
    pub(crate) counters: Counters,
    pub(crate) draining: Draining,
    pub(crate) spares: Spares,
    /// What time of day it is, for those who read it.
    pub(crate) clock: Option<WallClock>,
    /// Sessions that are to be told what a chat room is.
    pub(crate) uninformed: Vec<SessionKey>,
    pub(crate) memory: Share,
    pub(crate) watch: Watch,
    /// Private messages from here that got to nobody, until their senders are told.
    pub(crate) lost: Vec<(SessionKey, u64)>,
    /// Memory for headers under construction, kept between messages.
    pub(crate) scratch: Vec<u8>,
    pub(crate) timers: Timers,
    /// Connections with something queued since the last drain.
    pub(crate) dirty: VecDeque<ConnectionId>,
    pub(crate) operations: VecDeque<Operation>,
    /// Connections that this side opened, by what they may be shared as (CONN-10).
    pub(crate) reached: HashMap<Box<str>, ConnectionId>,
    /// Branches of connections on other cores, by core and by what it calls the connection (CONN-09).
    pub(crate) branches: HashMap<(CoreId, u64), ConnectionId>,
}

/// Says what there is, and nothing of who they are or what they say (SEC-01).
impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("id", &self.config.id)
            .field("connections", &self.connections.len())
            .field("sessions", &self.sessions.len())
            .field("rooms", &self.rooms.len())
            .finish_non_exhaustive()
    }
}

/// Whether the core is on its way out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Draining {
    No,
    /// Nothing new is accepted; `Drained` is said when the last connection is gone.
    Yes,
    /// It has been said.
    Done,
}

impl Core {
    /// A core without connections, sessions or rooms. `seed` must be unpredictable to peers.
    pub fn new(config: CoreConfig, limits: Limits, seed: [u8; 32]) -> Self {
        Self::among(config, limits, Arc::new(Commons::new(seed)), seed)
    }

    /// The same, as one of several that share `commons`.
    pub fn among(
        config: CoreConfig,
        limits: Limits,
        commons: Arc<Commons>,
        seed: [u8; 32],
    ) -> Self {
        Self {
            matching: Match::default(),
            commons,
            mint: Mint::new(seed),
            connections: Slots::new(limits.connections_max),
            sessions: Slots::new(limits.sessions_max),
            rooms: Slots::new(limits.rooms_max),
            messages: Slots::new(u32::MAX),
            transactions: Transactions::new(),
            said: Said::new(),
            replays: Replays::default(),
            sessions_by_id: HashMap::new(),
            sessions_by_uri: HashMap::new(),
            rooms_by_id: HashMap::new(),
            events: VecDeque::new(),
            relays: (0..config.cores).map(|_| VecDeque::new()).collect(),
            gone: CoreSet::EMPTY,
            counters: Counters::default(),
            draining: Draining::No,
            spares: Spares::default(),
            clock: None,
            uninformed: Vec::new(),
            memory: Share::default(),
            watch: Watch::new(&limits),
            lost: Vec::new(),
            scratch: Vec::new(),
            timers: Timers::new(&limits),
            dirty: VecDeque::new(),
            operations: VecDeque::new(),
            reached: HashMap::new(),
            branches: HashMap::new(),
            config,
            limits,
        }
    }

    /// Tells the time of day, which stands in what the core has to say itself (CHAT-33).
    pub fn set_clock(&mut self, clock: WallClock) {
        self.clock = Some(clock);
    }

    /// The same, that finds sessions in this way.
    #[must_use]
    pub fn matching(mut self, matching: Match) -> Self {
        self.matching = matching;
        self
    }

    /// A socket was accepted, here or by the core that handed it over, and comes from this address.
    /// `None`: there is no place for it, close it.
    pub fn handle_accepted(&mut self, now: Instant, from: IpAddr) -> Option<ConnectionId> {
        let id = self.seat(from);
        match id {
            Some(id) => {
                self.counters.connections_accepted += 1;
                self.timers.unbound_connections.set(now, id);
            }
            None => self.counters.connections_refused += 1,
        }
        id
    }

    fn seat(&mut self, from: IpAddr) -> Option<ConnectionId> {
        if self.draining != Draining::No || self.connections.is_full() {
            return None;
        }
        if !self.commons.strangers.admit(from, self.limits.address_unbound_max) {
            self.counters.connections_refused_address += 1;
            return None;
        }
        self.connections.insert(Connection::accepted(from)).ok()
    }

    /// The slot is free. What the connection was counted in, it is counted in no more.
    pub(crate) fn vacate(&mut self, id: ConnectionId) -> Option<Connection> {
        let mut connection = self.connections.remove(id)?;
        self.memory.change(connection.counted, 0);
        self.transactions.forget(&mut connection.outstanding);
        self.timers.forget_connection(id);
        if let Some(from) = connection.stranger_from {
            self.commons.strangers.forget(from);
        }
        self.check_drained();
        Some(connection)
    }

    /// Octets arrived. They are borrowed for the call: what outlives it is copied.
    pub fn handle_received(&mut self, now: Instant, id: ConnectionId, bytes: &[u8]) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        match &mut connection.phase {
            Phase::Fresh { .. } | Phase::Open => self.read(now, id, bytes),
            Phase::Departing { received, .. } => received.extend_from_slice(bytes),
            Phase::Opening { .. } | Phase::Flushing | Phase::Closing => {}
        }
    }

    /// The peer closed the connection, or it broke, or it could not be opened.
    pub fn handle_disconnected(&mut self, now: Instant, id: ConnectionId) {
        if self.attempt_next(now, id) {
            return;
        }
        self.fail_connection(now, id, FailureCause::ConnectionLost);
        self.close(id);
    }

    /// The kernel took octets of a batch, or the connection is gone.
    pub fn handle_sent(
        &mut self,
        now: Instant,
        id: ConnectionId,
        mut batch: Batch,
        result: Result<usize, SendFailed>,
    ) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        connection.sending = Sending::Idle;
        let Ok(sent) = result else {
            self.fail_connection(now, id, FailureCause::ConnectionLost);
            self.close(id);
            return;
        };
        let Self { sessions, watch, counters, transactions, .. } = self;
        batch.advance(sent, |taken| match taken {
            Taken::Part(change) => watch.note(sessions, counters, change),
            Taken::All { number } if number < TRANSACTIONS_MAX => {
                transactions.taken(&mut connection.outstanding, number, now);
            }
            Taken::All { number: FOREIGN } => {}
            Taken::All { .. } => counters.copies_unsupervised += 1,
        });
        // Who is watched is asked when the time of what was the oldest has come: answers that keep
        // coming cost the timer nothing.
        if !connection.answers_watched && connection.outstanding.is_awaited() {
            connection.answers_watched = true;
            self.timers.unanswered_connections.set(now, id);
        }
        if !batch.is_empty() && !matches!(connection.phase, Phase::Closing) {
            let Connection { outbox, outstanding, .. } = connection;
            let mint = &mut self.mint;
            let mut numbering = Numbering { mint, transactions, outstanding };
            let change = outbox.let_in(&mut batch, &mut numbering, &mut self.spares);
            if let Some(change) = change {
                watch.note(sessions, counters, change);
            }
            connection.sending =
                Sending::InFlight { since: now, octets: batch.len(), own: batch.own() };
            self.operations.push_back(Operation::Send { connection: id, batch });
            return;
        }
        self.spares.keep(batch);
        self.memory.recount(connection);
        if connection.branches.is_some() {
            self.tell_branches_sent(id);
        }
        let Some(connection) = self.connections.get(id) else { return };
        if !connection.outbox.is_empty() {
            self.mark_dirty(id);
        } else if matches!(connection.phase, Phase::Flushing) {
            self.close(id);
        }
    }

    /// Answers [`Operation::Detach`]: the slot is free, the socket belongs to another core.
    pub fn handle_detached(&mut self, id: ConnectionId) -> Option<Departure> {
        let connection = self.vacate(id)?;
        match (connection.phase, connection.stranger_from) {
            (Phase::Departing { to, received }, Some(from)) => {
                self.counters.connections_handed_over += 1;
                Some(Departure { to, from, received })
            }
            _ => None,
        }
    }

    /// Answers [`Operation::Close`]: the slot is free.
    pub fn handle_closed(&mut self, id: ConnectionId) {
        if let Some(Connection { side: Side::Opened { shared_as: Some(name) }, .. }) =
            self.vacate(id)
            && self.reached.get(&name) == Some(&id)
        {
            self.reached.remove(&name);
        }
    }

    /// Something from another core.
    pub fn handle_relay(&mut self, now: Instant, relay: Relay) {
        match relay {
            Relay::Room(relay) => self.handle_room_relay(now, &relay),
            Relay::Directory(relay) => self.handle_news(&relay),
            Relay::Outcome(relay) => self.handle_outcome(relay),
            Relay::Nickname(relay) => self.handle_naming(now, relay),
            Relay::Branch(relay) => self.handle_branch(now, relay),
        }
    }

    fn handle_room_relay(&mut self, now: Instant, relay: &RoomRelay) {
        let flight = (relay.origin, relay.message);
        let Some(&room) = self.rooms_by_id.get(&relay.room) else {
            self.miss(relay);
            return;
        };
        let mut portion = Portion::of(&relay.piece);
        match relay.stage {
            Stage::ToHome => {
                self.hear(now, room, &portion);
                self.distribute(room, flight, &mut portion);
            }
            Stage::ToMembers => self.deliver(room, flight, &mut portion, CoreSet::EMPTY),
        }
    }

    /// Some time has come that [`Core::poll_timeout`] named.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(expired) = self.timers.expired(now) {
            self.handle_expired(now, expired);
        }
        while let Some(key) = self.watch.expired(now) {
            if let Some(id) = self.sessions.get(key).and_then(Session::connection) {
                self.cut_slow_reader(now, id);
            }
        }
    }

    fn handle_expired(&mut self, now: Instant, expired: Expired) {
        match expired {
            Expired::UnboundConnection(id) | Expired::IdleConnection(id) => self.close(id),
            Expired::OpeningConnection(id) => {
                self.attempt_next(now, id);
            }
            Expired::PausingConnection(id) => self.flush_chunk(now, id),
            Expired::StalledConnection(id) => self.check_stall(now, id),
            Expired::UnansweredConnection(id) => self.check_answers(now, id),
            Expired::UnboundSession(key) => self.fail_session(now, key, FailureCause::Unbound),
            Expired::ReachingSession(key) => {
                self.fail_session(now, key, FailureCause::ConnectFailed);
            }
            Expired::UnansweredSession(key) => {
                self.fail_session(now, key, FailureCause::BindingUnanswered);
            }
            Expired::ToldSession(key) => {
                if let Some(session) = self.sessions.get_mut(key) {
                    session.told_of_missed = false;
                    self.watch.tell_later(key);
                }
            }
            Expired::PausingMessage(key) => self.end_pause(now, key),
            Expired::SilentMessage(key) | Expired::GapingMessage(key) => {
                self.time_out_message(now, key);
            }
            Expired::Quarantine(key) => self.end_quarantine(now, key),
        }
    }

    /// What to do next. Drain it after a whole batch of completions: what was queued for one
    /// connection meanwhile goes out in one send.
    pub fn poll_operation(&mut self, now: Instant) -> Option<Operation> {
        self.tell_of_lost(now);
        if !self.uninformed.is_empty() {
            self.inform(now);
        }
        for key in self.watch.relieved() {
            self.tell_missed(now, key);
        }
        self.watch.start(now, &self.sessions);
        if let Some(operation) = self.operations.pop_front() {
            return Some(operation);
        }
        let most = self.limits.connection_queue_bytes_max + URGENT_SIZE_MAX;
        let most_urgent = if self.is_exhausted() { URGENT_EXHAUSTED_MAX } else { most };
        while let Some(id) = self.dirty.pop_front() {
            let Some(connection) = self.connections.get_mut(id) else { continue };
            connection.dirty = false;
            if connection.queued() > most || connection.outbox.urgent() > most_urgent {
                self.cut_slow_reader(now, id);
                return self.operations.pop_front();
            }
            if !connection.may_send() {
                self.memory.recount(connection);
                continue;
            }
            let Self { sessions, watch, counters, .. } = self;
            let changed = |change| watch.note(sessions, counters, change);
            let Connection { outbox, outstanding, .. } = connection;
            let (mint, transactions) = (&mut self.mint, &mut self.transactions);
            let mut numbering = Numbering { mint, transactions, outstanding };
            let batch = outbox.take(&mut numbering, &mut self.spares, changed);
            connection.sending =
                Sending::InFlight { since: now, octets: batch.len(), own: batch.own() };
            self.memory.recount(connection);
            if let Some(branches) = &mut connection.branches {
                branches.handed_over();
            }
            if matches!(connection.side, Side::Branch(_)) {
                // Whether the peer reads is seen where the socket is.
                self.send_on_branch(id, batch);
                continue;
            }
            if !connection.stall_watched {
                connection.stall_watched = true;
                self.timers.stalled_connections.set(now, id);
            }
            return Some(Operation::Send { connection: id, batch });
        }
        self.memory.tell(&self.commons);
        None
    }

    /// What the focus is to be told next.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// What another core is to be sent next. Ask only while the ring to it has room.
    pub fn poll_relay(&mut self, to: CoreId) -> Option<Relay> {
        self.relays.get_mut(to.index())?.pop_front()
    }

    /// When to call [`Core::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.timers.next(), self.watch.next()].into_iter().flatten().min()
    }

    /// Octets of memory for what is queued and half received, on all cores that share it.
    pub fn memory(&self) -> usize {
        self.commons.memory()
    }

    /// Whether there is no memory left for anything that anybody says (FLOW-09).
    pub(crate) fn is_exhausted(&self) -> bool {
        self.memory.with_others(&self.commons) > self.limits.memory_exhausted()
    }

    /// What was counted so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What there is now.
    pub fn gauges(&self) -> Gauges {
        let (connections, sessions, rooms) = self.occupancy();
        let count = |count: usize| count as u64;
        Gauges { connections: count(connections), sessions: count(sessions), rooms: count(rooms) }
    }

    /// Connections, sessions and rooms there are now.
    pub fn occupancy(&self) -> (usize, usize, usize) {
        (self.connections.len(), self.sessions.len(), self.rooms.len())
    }

    /// Something was queued for the connection.
    pub(crate) fn mark_dirty(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.mark_dirty(id, &mut self.dirty);
        }
    }

    pub(crate) fn check_drained(&mut self) {
        if self.draining == Draining::Yes && self.connections.len() == 0 {
            self.draining = Draining::Done;
            self.events.push_back(Event::Drained);
        }
    }
}
