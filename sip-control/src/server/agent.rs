//! The control plane without its sockets: codec, transactions, focus and placement, tied together.
//!
//! [`Agent`] reads no clock. After any `handle_*`, drain [`Agent::poll_transmit`] until it is `None`,
//! then arm [`Agent::poll_timeout`].

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use mailbox::{CoreId, RoomId, SessionId};

use crate::{
    config::Config,
    focus::{Counters, ErrandId, Focus, Gauges, Incoming, Output, RequestId, WallClock},
    group::Groups,
    locate::Destination,
    message::{Admission, Message, Method, admit},
    placement::{CoreLink, Found, Lookup, Placement},
    store::{Change, Remembered},
    transaction::{self, ClientId, Event, Transactions},
    transport::{Source, Target, Ticket, Transmit},
};

/// How soon commands that found a full ring are tried again, if no event comes before.
const RETRY: Duration = Duration::from_millis(10);

/// What the control plane calls itself.
#[derive(Clone, Debug)]
pub struct LocalNames {
    /// `host:port` in the Via of requests that go by UDP.
    pub sent_by_udp: String,
    /// `host:port` in the Via of requests that go by TCP.
    pub sent_by_tcp: String,
    /// The port in session identities, if SIP is not listened for at 5060.
    pub port: Option<u16>,
}

/// Transactions of peers at once. Those that came by datagrams live 32 s after their answer, and so do
/// INVITEs: this is a rate of 12 500 requests a second, kept up (OPS-11). A few hundred octets each.
const SERVERS_MAX: usize = 400_000;

/// One control plane.
#[derive(Debug)]
pub struct Agent {
    transactions: Transactions,
    focus: Focus,
    placement: Placement,
    /// Requests of the focus, by what the transactions call them.
    asked: HashMap<ClientId, RequestId>,
    /// INVITEs of the focus, by what it calls them itself.
    calls: HashMap<RequestId, ClientId>,
    /// Places that INVITEs of the focus wait for.
    sought: VecDeque<(SessionId, Destination)>,
    /// When commands that were kept are tried again.
    retry_at: Option<Instant>,
    /// Names whose addresses the focus wants.
    names: VecDeque<(ErrandId, Box<str>)>,
    /// Answers that need no transaction.
    stateless: VecDeque<Transmit>,
    /// What is to be remembered, and was not asked for yet.
    changes: VecDeque<Change>,
    /// How many changes there have been, and how many of them are remembered.
    recorded: u64,
    remembered: u64,
    /// What waits for a change to be remembered, each with the number of that change.
    held: VecDeque<(u64, Output)>,
}

impl Agent {
    /// An agent that serves `cores`. The seeds are as secret as the names made from them shall be.
    pub fn new(
        config: Arc<Config>,
        names: LocalNames,
        cores: Vec<CoreLink>,
        seeds: [[u8; 32]; 2],
        clock: WallClock,
    ) -> Self {
        let [tokens, branches] = seeds;
        let timers = transaction::Timers {
            t1: config.timers.t1,
            t2: config.timers.t2,
            t4: config.timers.t4,
            ..transaction::Timers::default()
        };
        let layer = transaction::Config {
            timers,
            sent_by_udp: names.sent_by_udp,
            sent_by_tcp: names.sent_by_tcp,
            servers_max: SERVERS_MAX,
        };
        Self {
            transactions: Transactions::new(layer, branches),
            placement: Placement::new(cores, config.media.placement),
            focus: Focus::new(config, names.port, tokens, clock),
            asked: HashMap::new(),
            calls: HashMap::new(),
            sought: VecDeque::new(),
            retry_at: None,
            names: VecDeque::new(),
            stateless: VecDeque::new(),
            changes: VecDeque::new(),
            recorded: 0,
            remembered: 0,
            held: VecDeque::new(),
        }
    }

    /// A message as a transport read it.
    pub fn handle_message(&mut self, now: Instant, source: Source, message: Message) {
        let target = source.reply_target(&message);
        match admit(message, source.remote) {
            // Whom silence is due gets not even a transaction.
            Admission::Request(request) if self.focus.is_silenced(now, &request, source) => {}
            Admission::Request(request) => self.transactions.handle_request(now, source, request),
            Admission::Response(response) => self.transactions.handle_response(now, response),
            Admission::Refused { fault, answer } => {
                tracing::info!(remote = %source.remote, ?fault, "refused");
                let bytes = answer.as_bytes().clone();
                self.stateless.push_back(Transmit { target, bytes, ticket: None });
            }
            Admission::Dropped(fault) => {
                tracing::debug!(remote = %source.remote, ?fault, "dropped");
            }
        }
    }

    /// How long the message that is handled next has waited for us (OPS-01).
    pub fn handle_delay(&mut self, waited: Duration) {
        self.focus.handle_delay(waited);
    }

    /// A message could not be sent.
    pub fn handle_undelivered(&mut self, now: Instant, ticket: Ticket) {
        self.transactions.handle_undelivered(now, ticket);
    }

    /// These are the Pre-defined Groups from now on.
    pub fn handle_groups(&mut self, now: Instant, groups: &Groups) {
        self.focus.handle_groups(now, groups);
    }

    /// These are the sessions of the process before, once the groups are known (OPS-10).
    pub fn handle_remembered(&mut self, now: Instant, sessions: Vec<Remembered>) {
        self.focus.handle_remembered(now, sessions);
    }

    /// The change of that number is remembered, and all before it.
    pub fn handle_recorded(&mut self, number: u64) {
        self.remembered = self.remembered.max(number);
    }

    /// The next change to be remembered. They are numbered from 1 on, in this order.
    pub fn poll_change(&mut self) -> Option<Change> {
        self.changes.pop_front()
    }

    /// Goes by `config` from now on, but for what cannot change any more (OPS-12).
    pub fn handle_config(&mut self, now: Instant, config: Config) {
        let (config, fixed) = self.focus.config().amended(config);
        for key in fixed {
            tracing::warn!(key, "changed, which takes a restart");
        }
        self.focus.handle_config(now, Arc::new(config));
    }

    /// A core of the media plane is gone (OPS-09). What it said before that is taken in first.
    pub fn handle_core_lost(&mut self, core: CoreId) {
        self.handle_events();
        self.placement.lose(core);
    }

    /// The operator wants the session of this room, or of this identity, to end (LEAVE-08). Whether
    /// there is one.
    pub fn handle_end(&mut self, now: Instant, uri: &str) -> bool {
        self.focus.handle_end(now, uri)
    }

    /// The cores have something to say.
    pub fn handle_events(&mut self) {
        self.placement.handle_events();
        self.focus.handle_load(self.placement.load());
    }

    /// An answer to what [`poll_lookup`](Self::poll_lookup) asked.
    pub fn handle_found(&mut self, session: SessionId, found: Found) {
        self.placement.handle_found(session, found);
    }

    /// What has to be looked up next.
    pub fn poll_lookup(&mut self) -> Option<Lookup> {
        self.placement.poll_lookup()
    }

    /// An answer to what [`poll_name`](Self::poll_name) asked: the addresses of the name, none if
    /// there are none.
    pub fn handle_resolved(
        &mut self,
        now: Instant,
        errand: ErrandId,
        name: &str,
        addresses: Box<[IpAddr]>,
    ) {
        self.focus.handle_resolved(now, errand, name, addresses);
    }

    /// The next name whose addresses are wanted, and by what.
    pub fn poll_name(&mut self) -> Option<(ErrandId, Box<str>)> {
        self.names.pop_front()
    }

    /// An answer to what [`poll_sought`](Self::poll_sought) asked: where to go, in this order.
    pub fn handle_located(&mut self, now: Instant, session: SessionId, targets: &[Target]) {
        self.focus.handle_located(now, session, targets);
    }

    /// The next place that has to be located.
    pub fn poll_sought(&mut self) -> Option<(SessionId, Destination)> {
        self.sought.pop_front()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.retry_at.is_some_and(|at| at <= now) {
            self.placement.handle_events();
        }
        self.transactions.handle_timeout(now);
        self.focus.handle_timeout(now);
    }

    /// What it goes by.
    pub fn config(&self) -> &Config {
        self.focus.config()
    }

    /// Begins no more sessions (OPS-02).
    pub fn handle_drain(&mut self) {
        self.focus.handle_drain();
    }

    /// Ends everything: BYE to all, the last NOTIFYs, and no new session.
    pub fn handle_stop(&mut self, now: Instant) {
        self.focus.handle_stop(now);
    }

    /// What is to be sent next. What was to be done only after it was sent is done when it is asked
    /// for more (FOC-32, FOC-35): so this is to be called until there is nothing.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        loop {
            let transmit = self.stateless.pop_front().or_else(|| self.transactions.poll_transmit());
            if transmit.is_some() {
                return transmit;
            }
            if !self.advance(now) {
                self.retry_at = self.placement.keeps_commands().then(|| now + RETRY);
                return None;
            }
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let times = [self.transactions.poll_timeout(), self.focus.poll_timeout(), self.retry_at];
        times.into_iter().flatten().min()
    }

    /// Whether some core has said something that [`handle_events`](Self::handle_events) has not
    /// taken in yet.
    pub fn has_events(&self) -> bool {
        self.placement.has_events()
    }

    /// Whether any session runs.
    pub fn has_sessions(&self) -> bool {
        self.focus.has_sessions()
    }

    /// Whether nothing is left of what was told to end.
    pub fn is_idle(&self) -> bool {
        self.focus.is_idle() && self.held.is_empty()
    }

    /// Tells the cores to finish.
    pub fn drain_cores(&mut self) {
        self.placement.drain();
    }

    /// Whether the cores have finished.
    pub fn are_cores_drained(&self) -> bool {
        self.placement.is_drained()
    }

    /// Holds the books of all parts against one another, when nothing waits to be done: for
    /// simulations, which ask after every step.
    ///
    /// # Panics
    ///
    /// When two of them disagree. The message says which.
    pub fn audit(&self) {
        self.focus.audit();
        self.placement.audit();
        self.transactions.audit();
        if !self.held.is_empty() {
            // What waits for the disk includes what placement and transactions are to hear.
            return;
        }
        let (lasting, meant) = (self.placement.lasting(), self.focus.media_sessions());
        for session in &lasting {
            assert!(meant.contains_key(session), "{session:?} has a route and no leg");
        }
        for (session, _) in meant.iter().filter(|(_, is_due)| **is_due) {
            assert!(lasting.contains(session), "{session:?} has a leg and no route");
        }
        assert!(self.calls.values().all(|client| self.asked.contains_key(client)));
    }

    /// Of each session: how many users are on seats, and how many seats there are. They are too few only
    /// where they have become fewer (OPS-12).
    pub fn seats(&self) -> impl Iterator<Item = (RoomId, usize, usize)> {
        self.focus.seats()
    }

    /// How many entries there are in each of the books, by their names. None is left in any when
    /// everything is over.
    pub fn holdings(&self) -> Vec<(&'static str, usize)> {
        let own = [
            ("requests asked", self.asked.len()),
            ("calls asked", self.calls.len()),
            ("outputs held", self.held.len()),
        ];
        let parts =
            [self.focus.holdings(), self.transactions.holdings(), self.placement.holdings()];
        parts.into_iter().flatten().chain(own).collect()
    }

    /// What the focus has counted.
    pub fn counters(&self) -> &Counters {
        self.focus.counters()
    }

    /// What there is in the focus.
    pub fn gauges(&self) -> Gauges {
        self.focus.gauges()
    }

    /// What the transactions have counted.
    pub fn transaction_counters(&self) -> &transaction::Counters {
        self.transactions.counters()
    }

    /// Does one thing that waits to be done, if there is one.
    fn advance(&mut self, now: Instant) -> bool {
        if let Some(event) = self.transactions.poll_event() {
            self.handle_event(now, event);
        } else if let Some(output) = self.released() {
            self.handle_output(now, output);
        } else if let Some(output) = self.focus.poll_output() {
            self.take_output(now, output);
        } else if let Some(report) = self.placement.poll_report() {
            self.focus.handle_report(now, report);
        } else {
            return false;
        }
        true
    }

    fn handle_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::Request { transaction, request, source, tag, is_merged } => {
                let incoming = Incoming { transaction, request, source, tag, is_merged };
                self.focus.handle_request(now, &incoming);
            }
            Event::Acknowledged { transaction, ack } => {
                self.focus.handle_acknowledged(now, transaction, &ack);
            }
            Event::Unacknowledged { transaction } => {
                self.focus.handle_unacknowledged(now, transaction);
            }
            Event::Cancelled { transaction } => self.focus.handle_cancel(now, transaction),
            Event::Response { transaction, response } => {
                let Some(request) = self.asked.get(&transaction).copied() else { return };
                // Only an INVITE is answered more than once: by progress, and by every fork.
                let is_call = self.calls.contains_key(&request);
                if let Some(target) = self.transactions.target(transaction).filter(|_| is_call) {
                    self.focus.handle_moved(request, target);
                }
                if response.code() >= 300 || response.code() >= 200 && !is_call {
                    self.forget(transaction);
                }
                if response.code() >= 200 || is_call {
                    self.focus.handle_response(now, request, Some(&response));
                }
            }
            Event::Failed { transaction, failure } => {
                if let Some(request) = self.forget(transaction) {
                    tracing::info!(?failure, "a request was not answered");
                    self.focus.handle_response(now, request, None);
                }
            }
            Event::Settled { transaction } => {
                if let Some(request) = self.forget(transaction) {
                    self.focus.handle_settled(request);
                }
            }
        }
    }

    /// Nothing more will be heard of a request.
    fn forget(&mut self, transaction: ClientId) -> Option<RequestId> {
        let request = self.asked.remove(&transaction)?;
        self.calls.remove(&request);
        Some(request)
    }

    /// The next thing that has waited long enough.
    fn released(&mut self) -> Option<Output> {
        let (number, _) = self.held.front()?;
        if *number > self.remembered {
            return None;
        }
        self.held.pop_front().map(|(_, output)| output)
    }

    /// Whatever follows a change waits until that is remembered, and the order stays: nobody is told
    /// what a process that is killed would not know any more (OPS-10).
    fn take_output(&mut self, now: Instant, output: Output) {
        let waits = self.recorded > self.remembered || !self.held.is_empty();
        if waits && !matches!(output, Output::Record(_)) {
            self.held.push_back((self.recorded, output));
        } else {
            self.handle_output(now, output);
        }
    }

    fn handle_output(&mut self, now: Instant, output: Output) {
        match output {
            Output::Reply { to, reply } => {
                self.transactions.respond(now, to, &reply);
            }
            Output::Locate { session, destination } => {
                self.sought.push_back((session, destination));
            }
            Output::Send { request, draft, targets } => {
                let client = self.transactions.reserve();
                self.asked.insert(client, request);
                if draft.method() == Method::Invite {
                    self.calls.insert(request, client);
                }
                self.transactions.begin(now, client, &draft, &targets);
            }
            Output::Cancel { request } => {
                if let Some(client) = self.calls.get(&request) {
                    self.transactions.cancel(now, *client);
                }
            }
            Output::Acknowledge { request, ack, target } => {
                if let Some(client) = self.calls.get(&request) {
                    self.transactions.acknowledge(*client, &ack, target);
                }
            }
            Output::Record(change) => {
                self.recorded += 1;
                self.changes.push_back(change);
            }
            Output::Resolve { errand, name } => self.names.push_back((errand, name)),
            Output::Order(order) => self.placement.handle_order(order),
        }
    }
}
