//! A world with one focus, some cores that are told how to behave, and a wire one can read.

mod core;
mod sent;
mod user;

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use mailbox::{Command, CoreId, Doorbell, Event, FailureCause, Route, SessionId, ring};
use sip_control::{
    config::{Config, Limits, Listen, Network, Room, RoomKind, Rules, Users},
    focus::{ErrandId, WallClock},
    group::{GroupDocument, Groups},
    message::Message,
    placement::CoreLink,
    server::{Agent, LocalNames},
    store::{Change, Remembered},
    transport::{Protocol, Source, Target, Ticket},
};

pub use self::{
    core::{Core, path_of},
    sent::Sent,
    user::{AUDIO, Call, OFFER, connected, invite, subscribe, users, version},
};
use self::{
    core::{FakeCore, detailed, named},
    sent::{answer_to, show, wire},
};

/// The proxy whose word is believed.
pub const PROXY: &str = "192.0.2.1:5060";
/// Somebody nobody vouches for.
pub const STRANGER: &str = "203.0.113.9:5060";

/// One focus and its surroundings.
pub struct World {
    agent: Agent,
    pub now: Instant,
    pub core: Core,
    /// When the cores accepted the last message, if anybody asks.
    pub heard: Option<Instant>,
    /// Requests of the focus are answered at once.
    pub is_polite: bool,
    cores: Vec<FakeCore>,
    /// What the focus sent and ordered, in order, one line each.
    journal: Vec<String>,
    /// The same orders, with all that matters of them.
    orders: Vec<String>,
    /// What cores were told of sessions to expect, all of it.
    pub routes: Vec<Route>,
    sent: VecDeque<Sent>,
    /// Of what was sent last.
    ticket: Option<Ticket>,
    /// Places that the focus wants to be located.
    pub sought: Vec<(SessionId, String)>,
    serial: u32,
    /// What the focus wants remembered, all of it.
    pub changes: Vec<Change>,
    /// Whether it is at once.
    pub remembers: bool,
    /// Whether what is due at this very moment waits until time passes.
    pub lingers: bool,
}

/// The provisioning that the test vectors share (sip-control.md section 23).
pub fn vectors() -> Config {
    let users = |uris: &[&str]| Users::Only(uris.iter().map(|&uri| uri.to_owned()).collect());
    let members = ["sip:alice@example.com", "sip:bob@example.com", "tel:+12125550147"];
    Config {
        host: "im.example.com".to_owned(),
        listen: Listen::default(),
        trusted: vec![Network::parse("192.0.2.0/24").unwrap()],
        identity_from_from_header: false,
        product: "demo/0.1".to_owned(),
        // Most tests read who is there, which full documents tell.
        partial_rosters: false,
        // Where it matters how often somebody may ask, the test says so.
        limits: Limits { user_invites: 1000, user_subscribes: 1000, ..Limits::default() },
        any_room: None,
        rooms: vec![
            Room {
                uri: "sip:garden-open@im.example.com".to_owned(),
                kind: RoomKind::Public,
                subject: None,
                rules: Rules::default(),
            },
            Room {
                uri: "sip:gardeners@groups.example.com".to_owned(),
                kind: RoomKind::Group,
                subject: Some("Roses and other matters".to_owned()),
                rules: Rules {
                    admitted: users(&members),
                    max_participants: Some(3),
                    anonymity: users(&["sip:alice@example.com"]),
                    ..Rules::default()
                },
            },
        ],
        ..Config::default()
    }
}

impl World {
    pub fn new(config: Config) -> Self {
        Self::with_cores(config, 1)
    }

    pub fn with_cores(config: Config, count: usize) -> Self {
        let bell = Doorbell::new().unwrap();
        let (mut links, mut cores) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let (commands, to_core) = ring(1024, &bell);
            let (events, from_core) = ring(1024, &bell);
            links.push(CoreLink { commands, events: from_core });
            cores.push(FakeCore { commands: to_core, events, installed: Vec::new() });
        }
        let names = LocalNames {
            sent_by_udp: "im.example.com:5060".to_owned(),
            sent_by_tcp: "im.example.com:5060".to_owned(),
            port: None,
        };
        let now = Instant::now();
        let clock = WallClock::new(now, SystemTime::UNIX_EPOCH);
        let agent = Agent::new(Arc::new(config), names, links, [[1; 32], [2; 32]], clock);
        Self {
            agent,
            now,
            core: Core::Quick,
            heard: None,
            is_polite: false,
            cores,
            journal: Vec::new(),
            orders: Vec::new(),
            routes: Vec::new(),
            sent: VecDeque::new(),
            ticket: None,
            sought: Vec::new(),
            serial: 0,
            changes: Vec::new(),
            remembers: true,
            lingers: false,
        }
    }

    /// The proxy sends `text` over TCP; what comes of it at once is done.
    pub fn hear(&mut self, text: &str) {
        self.hear_from(PROXY, Protocol::Tcp, text);
    }

    /// Somebody sends `text`.
    pub fn hear_from(&mut self, remote: &str, protocol: Protocol, text: &str) {
        self.hear_octets(remote, protocol, wire(text));
    }

    /// Somebody sends `octets`, which may be anything.
    pub fn hear_octets(&mut self, remote: &str, protocol: Protocol, octets: Vec<u8>) {
        self.deliver(remote, protocol, octets);
        self.settle();
    }

    fn deliver(&mut self, remote: &str, protocol: Protocol, octets: Vec<u8>) {
        let source = Source {
            local: "192.0.2.100:5060".parse().unwrap(),
            remote: remote.parse().unwrap(),
            protocol,
            connection: None,
        };
        if let Some(message) = Message::from_datagram(octets.into()) {
            self.agent.handle_message(self.now, source, message);
        }
    }

    /// Sends `text` and takes the one answer it gets.
    pub fn ask(&mut self, text: &str) -> Sent {
        self.take();
        self.hear(text);
        let mut answers = self.take().into_iter().filter(|sent| sent.status() >= 200);
        let answer = answers.next().expect("an answer");
        assert_eq!(answers.next().map(|sent| sent.text), None, "one answer");
        answer
    }

    /// All messages sent since the last time.
    pub fn take(&mut self) -> Vec<Sent> {
        self.sent.drain(..).collect()
    }

    /// The messages sent since the last time that are requests of this method.
    pub fn take_requests(&mut self, method: &str) -> Vec<Sent> {
        let prefix = format!("{method} ");
        self.take().into_iter().filter(|sent| sent.start().starts_with(&prefix)).collect()
    }

    /// What was sent and ordered since the last time.
    pub fn journal(&mut self) -> Vec<String> {
        std::mem::take(&mut self.journal)
    }

    /// What was ordered since the last time, session by session.
    pub fn orders(&mut self) -> Vec<String> {
        std::mem::take(&mut self.orders)
    }

    /// Answers a request of the focus.
    pub fn answer(&mut self, request: &Sent, status: &str) {
        self.answer_with(request, status, "");
    }

    /// Answers a request of the focus, with some more header lines.
    pub fn answer_with(&mut self, request: &Sent, status: &str, lines: &str) {
        self.answer_body(request, status, lines, "");
    }

    /// Answers a request of the focus, with some more header lines and a body.
    pub fn answer_body(&mut self, request: &Sent, status: &str, lines: &str, body: &str) {
        self.hear(&answer_to(request, status, lines, body));
    }

    /// What is asked of the DNS since the last time: each name, and who has to be told.
    pub fn questions(&mut self) -> Vec<(ErrandId, Box<str>)> {
        std::iter::from_fn(|| self.agent.poll_name()).collect()
    }

    /// The DNS has these addresses for a name.
    pub fn resolve(&mut self, (errand, name): &(ErrandId, Box<str>), addresses: &[&str]) {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        self.agent.handle_resolved(self.now, *errand, name, addresses);
        self.settle();
    }

    /// Lets time pass, with everything that happens on the way.
    pub fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.agent.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.agent.handle_timeout(self.now);
            self.settle();
        }
        self.now = end;
    }

    /// From now on these are the documents of Pre-defined Groups.
    pub fn regroup(&mut self, documents: &[&str]) {
        let read = documents.iter().flat_map(|document| {
            GroupDocument::parse(document.as_bytes()).expect("a sound document").groups
        });
        self.regroup_as(&read.collect());
    }

    /// From now on these are the Pre-defined Groups.
    pub fn regroup_as(&mut self, groups: &Groups) {
        self.agent.handle_groups(self.now, groups);
        self.settle();
    }

    /// From now on this is the configuration.
    pub fn reconfigure(&mut self, config: Config) {
        self.agent.handle_config(self.now, config);
        self.settle();
    }

    /// A core is gone.
    pub fn lose_core(&mut self, number: usize) {
        self.agent.handle_core_lost(CoreId::new(number).unwrap());
        self.settle();
    }

    /// The operator ends the session of this URI.
    pub fn end(&mut self, uri: &str) -> bool {
        let was_there = self.agent.handle_end(self.now, uri);
        self.settle();
        was_there
    }

    pub fn drain(&mut self) {
        self.agent.handle_drain();
        self.settle();
    }

    pub fn has_sessions(&self) -> bool {
        self.agent.has_sessions()
    }

    pub fn stop(&mut self) {
        self.agent.handle_stop(self.now);
        self.settle();
    }

    pub fn is_idle(&self) -> bool {
        self.agent.is_idle()
    }

    /// How many entries that book of the control plane has.
    pub fn holding(&self, name: &str) -> usize {
        let holdings = self.agent.holdings();
        holdings.into_iter().find(|(book, _)| *book == name).expect("a book").1
    }

    pub fn refusals(&self, reason: &str) -> u64 {
        self.agent.counters().refusals.get(reason).copied().unwrap_or(0)
    }

    /// Core 0 says something of its own accord.
    pub fn report(&mut self, event: Event) {
        self.cores[0].events.push(event).unwrap();
        self.agent.handle_events();
        self.settle();
    }

    /// What comes next has waited so long to be served.
    pub fn delayed(&mut self, waited: Duration) {
        self.agent.handle_delay(waited);
    }

    pub fn bound(&mut self, session: SessionId) {
        self.report(Event::Bound { session });
    }

    pub fn renamed(&mut self, session: SessionId, nickname: Option<&str>) {
        self.report(Event::Nickname { session, nickname: nickname.map(Into::into) });
    }

    pub fn failed(&mut self, session: SessionId, cause: FailureCause) {
        self.report(Event::Failed { session, cause });
    }

    /// Core 0 answers the installs it was silent about.
    pub fn answer_installs(&mut self) {
        for (session, epoch) in std::mem::take(&mut self.cores[0].installed) {
            self.report(Event::Installed { session, epoch, path: path_of(session) });
        }
    }

    fn settle(&mut self) {
        loop {
            let sent = self.agent.poll_transmit(self.now);
            let has_said = self.hear_cores();
            match sent {
                Some(sent) => {
                    let text = String::from_utf8_lossy(&sent.bytes).into_owned();
                    self.journal.push(format!("sip: {}", text.lines().next().unwrap()));
                    let Target { protocol, remote, .. } = sent.target;
                    self.ticket = sent.ticket;
                    let sent = Sent { text, target: format!("{} {remote}", protocol.name()) };
                    show(&sent);
                    self.sent.push_back(sent.clone());
                    if self.is_polite && !sent.start().starts_with("SIP/") {
                        let answer = wire(&answer_to(&sent, "200 OK", "", ""));
                        self.deliver(PROXY, Protocol::Tcp, answer);
                    }
                }
                None if has_said => self.agent.handle_events(),
                None if self.remember() || self.seek() => {}
                None if !self.lingers && self.is_due() => self.agent.handle_timeout(self.now),
                None => return,
            }
        }
    }

    fn is_due(&self) -> bool {
        self.agent.poll_timeout().is_some_and(|due| due <= self.now)
    }

    /// Does one turn of what is due. Whether there was any.
    pub fn turn(&mut self) -> bool {
        let is_due = self.is_due();
        if is_due {
            self.agent.handle_timeout(self.now);
            self.settle();
        }
        is_due
    }

    /// These are the sessions of the process before.
    pub fn restore(&mut self, sessions: Vec<Remembered>) {
        self.agent.handle_remembered(self.now, sessions);
        self.settle();
    }

    /// What was changed is on disk now.
    pub fn catch_up(&mut self) {
        self.agent.handle_recorded(self.changes.len() as u64);
        self.settle();
    }

    /// Takes what is to be remembered. Whether that lets anything go on.
    fn remember(&mut self) -> bool {
        let before = self.changes.len();
        while let Some(change) = self.agent.poll_change() {
            self.changes.push(change);
        }
        let has_changed = self.changes.len() > before;
        if has_changed && self.remembers {
            self.agent.handle_recorded(self.changes.len() as u64);
        }
        has_changed && self.remembers
    }

    /// The place that the session waits for is here, in this order.
    pub fn locate(&mut self, session: SessionId, targets: &[Target]) {
        self.agent.handle_located(self.now, session, targets);
        self.settle();
    }

    /// What was sent last could not be.
    pub fn undelivered(&mut self) {
        let ticket = self.ticket.expect("something that can fail");
        self.agent.handle_undelivered(self.now, ticket);
        self.settle();
    }

    fn seek(&mut self) -> bool {
        let sought = std::iter::from_fn(|| self.agent.poll_sought());
        let before = self.sought.len();
        self.sought.extend(sought.map(|(session, place)| (session, place.to_string())));
        self.sought.len() > before
    }

    fn hear_cores(&mut self) -> bool {
        let mut has_said = false;
        for (number, core) in self.cores.iter_mut().enumerate() {
            while let Some(command) = core.commands.pop() {
                self.journal.push(format!("core {number}: {}", named(&command)));
                self.orders.extend(detailed(&command));
                if let Command::Install { route, .. } = &command {
                    self.routes.push((**route).clone());
                }
                if let Some(event) = core.react(command, self.core, self.heard) {
                    core.events.push(event).unwrap();
                    has_said = true;
                }
            }
        }
        has_said
    }

    /// A number no other message of this world has.
    pub fn serial(&mut self) -> u32 {
        self.serial += 1;
        self.serial
    }
}
