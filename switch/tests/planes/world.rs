//! One node without its sockets and threads, and everybody around it. What happens next is up to the
//! dice.

mod lull;
mod media;
mod node;
mod upset;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use engine::{Batch, Commons, Core};
use mailbox::{Command, CoreId, Event, Receiver, Relay, RoomId, Sender};
use sip_control::{
    client::Media,
    config::{self, AdHoc, Config, Deal, Network as Block, Room, RoomKind, Rules, Timers, Users},
    group::Groups,
    message::{Header, Method, Response},
    server::Agent,
    transport::{Protocol, Source},
};

use self::{
    node::{Node, Plan},
    upset::groups,
};
use crate::{
    device::Device,
    dice::Dice,
    disk::Disk,
    documents::Documents,
    exchanges::{Exchanges, Said, admitted, read},
    network::{Arrival, Network, Packet, Weather},
    phone::Phone,
    wire::{Key, Link, Wire},
};

pub const FOCUS: &str = "192.0.2.100:5060";
/// Public rooms, and one that a group document makes.
pub const ROOMS: [&str; 3] = ["sip:lobby@chat.example.com", "sip:cellar@chat.example.com", TEAM];
const TEAM: &str = "sip:team@chat.example.com";
pub const FACTORY: &str = "sip:factory@chat.example.com";
/// Seats in the first room.
const SEATS: usize = 3;

/// Where a peer is.
pub fn address_of(peer: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, peer as u8 + 1], 5060))
}

/// Somebody with a SIP device.
#[allow(clippy::large_enum_variant, reason = "a handful, made once")]
pub enum Peer {
    Device(Device),
    Phone(Phone),
}

pub struct World {
    pub dice: Dice,
    pub now: Instant,
    pub agent: Agent,
    plan: Plan,
    /// Which of the processes this is, one after the other.
    process: u64,
    /// What the operator has written: the configuration, and the documents of the groups.
    config: Config,
    groups: Groups,
    /// Cores that are broken, and those of which the focus has not heard that.
    is_lost: Vec<bool>,
    untold: VecDeque<usize>,
    commands: Vec<Receiver<Command>>,
    events: Vec<Sender<Event>>,
    /// What each core has said and the focus has not heard.
    said: Vec<VecDeque<Event>>,
    pub cores: Vec<Core>,
    pub commons: Arc<Commons>,
    relays: Vec<VecDeque<Relay>>,
    network: Network,
    pub peers: Vec<Peer>,
    /// Whom the focus can call.
    callable: Vec<String>,
    /// All that are known by an address.
    users: Vec<String>,
    wires: BTreeMap<Key, Wire>,
    links: HashMap<Link, Key>,
    sends: Vec<(Link, Batch)>,
    closing: Vec<Link>,
    detaching: Vec<Link>,
    /// Connections that the cores want to be opened.
    connecting: Vec<(Link, SocketAddr)>,
    /// Names that are looked up.
    lookups: Vec<sip_control::placement::Lookup>,
    media: Media,
    /// How much has been said by anybody.
    spoken: u64,
    disk: Disk,
    exchanges: Exchanges,
    documents: Documents,
    /// Upsets among what breaks, in percent.
    upsets: u64,
    /// Milliseconds that pass at most at a time, while something is under way between the planes.
    pace: usize,
    /// How many users each session has.
    crowds: HashMap<RoomId, usize>,
    /// Nothing goes wrong any more, and nobody starts anything.
    is_calm: bool,
    pub is_stopped: bool,
    /// Tells everything, for whoever looks for the reason of a failure.
    pub is_telling: bool,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let (cores, ring_size) = (1 + dice.below(3), dice.one_of(&[2, 4, 64]));
        let now = Instant::now();
        let plan = Plan { seed, cores, ring_size, began: now };
        let config = configuration(&mut dice);
        let Node { agent, commands, events, cores, commons } = Node::start(plan, 0, &config);
        let count = 3 + dice.below(5);
        let peers: Vec<Peer> = (0..count).map(|number| peer(number, &mut dice)).collect();
        let callable: Vec<String> = peers.iter().filter_map(Peer::called).collect();
        let users: Vec<String> = peers.iter().map(|peer| peer.user().to_owned()).collect();
        let weather = Weather::roll(&mut dice);
        let groups = groups(&mut dice, &users);
        let count = commands.len();
        let mut world = Self {
            now,
            agent,
            plan,
            process: 0,
            config,
            groups,
            is_lost: vec![false; count],
            untold: VecDeque::new(),
            said: (0..count).map(|_| VecDeque::new()).collect(),
            relays: (0..count * count).map(|_| VecDeque::new()).collect(),
            commands,
            events,
            cores,
            commons,
            network: Network::new(weather),
            peers,
            callable,
            users,
            wires: BTreeMap::new(),
            links: HashMap::new(),
            sends: Vec::new(),
            closing: Vec::new(),
            detaching: Vec::new(),
            connecting: Vec::new(),
            lookups: Vec::new(),
            media: Media::new([192, 0, 2, 1].into()),
            spoken: 0,
            disk: Disk::default(),
            exchanges: Exchanges::default(),
            documents: Documents::default(),
            upsets: dice.one_of(&[0, 4, 10]),
            pace: dice.one_of(&[40, 120, 400, 2000]),
            crowds: HashMap::new(),
            is_calm: false,
            is_stopped: false,
            is_telling: std::env::var_os("SIMULATION_TELLS").is_some(),
            dice,
        };
        world.agent.handle_groups(now, &world.groups);
        world
    }

    /// One thing happens.
    pub fn step(&mut self) {
        match self.dice.below(25) {
            0..3 => self.act(),
            3..8 => self.carry_command(),
            8..13 => self.carry_event(),
            13 => self.carry_relay(),
            14 | 15 => self.carry_octets(),
            16 | 17 => self.let_go(),
            18 if self.dice.chance(self.upsets) => self.upset(),
            18 => self.break_something(),
            19 => self.catch_up(),
            _ => self.pass_time(),
        }
        self.settle();
        self.audit();
    }

    /// The books agree, and nobody has got a seat that there was not.
    fn audit(&mut self) {
        self.agent.audit();
        let seats = self.agent.seats().map(|(room, users, seats)| {
            let before = self.crowds.get(&room).copied().unwrap_or_default();
            assert!(users <= seats.max(before), "{users} users on {seats} seats of {room:?}");
            (room, users)
        });
        self.crowds = seats.collect();
    }

    fn act(&mut self) {
        let at = self.dice.below(self.peers.len());
        match &mut self.peers[at] {
            Peer::Device(device) => device.act(self.now, &mut self.dice, &self.callable),
            Peer::Phone(phone) => phone.act(self.now, &mut self.dice, &self.users),
        }
        self.say();
    }

    fn carry_command(&mut self) {
        let core = self.dice.below(self.cores.len());
        if let Some(command) = self.commands[core].pop().filter(|_| !self.is_lost[core]) {
            self.tell(|| format!("core {core}: {command:?}"));
            self.cores[core].handle_command(self.now, command);
        }
    }

    fn carry_event(&mut self) {
        let core = self.dice.below(self.cores.len());
        while let Some(event) = self.said[core].pop_front() {
            self.tell(|| format!("core {core} says {event:?}"));
            if let Err(mailbox::Full(event)) = self.events[core].push(event) {
                self.said[core].push_front(event);
                break;
            }
        }
        self.agent.handle_events();
    }

    fn carry_relay(&mut self) {
        let way = self.dice.below(self.relays.len());
        if let Some(relay) = self.relays[way].pop_front() {
            self.cores[way % self.commands.len()].handle_relay(self.now, relay);
        }
    }

    /// The disk has taken some of what was to be remembered.
    fn catch_up(&mut self) {
        if !self.disk.is_idle() {
            let written = self.disk.write(&mut self.dice);
            self.agent.handle_recorded(written);
        }
    }

    /// Time goes on: a little while something is under way between the planes, and else to whatever
    /// comes next.
    fn pass_time(&mut self) {
        let is_busy = self.said.iter().any(|said| !said.is_empty())
            || self.commands.iter().any(|commands| !commands.is_empty());
        let next = self.next().unwrap_or(self.now);
        let little = self.now + Duration::from_millis(self.dice.below(self.pace) as u64);
        let end = if is_busy && self.dice.chance(90) { next.min(little) } else { next };
        self.advance(end.max(self.now));
    }

    /// When something happens by itself.
    fn next(&self) -> Option<Instant> {
        let peers = self.peers.iter().filter_map(Peer::poll_timeout);
        let cores = self.cores.iter().filter_map(Core::poll_timeout);
        let wires = self.wires.values().filter_map(|wire| wire.session.poll_timeout());
        let own = [self.agent.poll_timeout(), self.network.next()];
        peers.chain(cores).chain(wires).chain(own.into_iter().flatten()).min()
    }

    /// It is so late, and all that was due has happened.
    fn advance(&mut self, to: Instant) {
        self.now = to;
        while let Some(arrival) = self.network.arrival(to) {
            match arrival {
                Arrival::Packet(packet) => self.deliver(&packet),
                Arrival::Undelivered(from, ticket) => match self.peer_at(from) {
                    None => self.agent.handle_undelivered(to, ticket),
                    Some(Peer::Device(device)) => device.client.handle_undelivered(to, ticket),
                    Some(Peer::Phone(_)) => self.tell_phone(from, ticket),
                },
            }
            self.settle();
        }
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= to);
        if is_due(self.agent.poll_timeout()) {
            self.agent.handle_timeout(to);
        }
        for core in &mut self.cores {
            if is_due(core.poll_timeout()) {
                core.handle_timeout(to);
            }
        }
        for peer in &mut self.peers {
            if is_due(peer.poll_timeout()) {
                match peer {
                    Peer::Device(device) => device.client.handle_timeout(to),
                    Peer::Phone(phone) => phone.handle_timeout(to, &mut self.dice),
                }
            }
        }
        for wire in self.wires.values_mut() {
            if is_due(wire.session.poll_timeout()) {
                wire.session.handle_timeout(to);
                wire.drain();
            }
        }
        self.settle();
    }

    fn tell_phone(&mut self, at: SocketAddr, ticket: sip_control::transport::Ticket) {
        let number = number_of(at);
        if let Peer::Phone(phone) = &mut self.peers[number] {
            phone.handle_undelivered(self.now, &mut self.dice, ticket);
        }
    }

    fn peer_at(&mut self, address: SocketAddr) -> Option<&mut Peer> {
        if address == FOCUS.parse().unwrap() {
            return None;
        }
        Some(&mut self.peers[number_of(address)])
    }

    /// What happens, if anybody wants to know.
    fn tell(&self, what: impl Fn() -> String) {
        if self.is_telling {
            println!("{:9.3} {}", (self.now - self.plan.began).as_secs_f64(), what());
        }
    }

    fn deliver(&mut self, packet: &Packet) {
        self.tell(|| {
            format!("{} hears {} from {}", packet.to, summary(&packet.bytes), packet.from)
        });
        let source = Source {
            local: packet.to,
            remote: packet.from,
            protocol: packet.protocol,
            connection: None,
        };
        let message = read(packet);
        if packet.to == FOCUS.parse().unwrap() {
            if let Said::Asks(request) = admitted(packet) {
                self.exchanges.ask(&request);
            }
            return self.agent.handle_message(self.now, source, message);
        }
        match &mut self.peers[number_of(packet.to)] {
            Peer::Device(device) => device.client.handle_message(self.now, source, message),
            Peer::Phone(phone) => phone.handle_message(self.now, &mut self.dice, source, message),
        }
    }

    /// Takes what the last input has led to as far as the next queue.
    fn settle(&mut self) {
        let focus: SocketAddr = FOCUS.parse().unwrap();
        while let Some(transmit) = self.agent.poll_transmit(self.now) {
            let (to, protocol) = (transmit.target.remote, transmit.target.protocol);
            let bytes = transmit.bytes.clone();
            self.tell(|| format!("the focus says {} to {to}", summary(&bytes)));
            match admitted(&Packet { from: focus, to, protocol, bytes }) {
                Said::Asks(request) if request.method() == Method::Notify => {
                    self.documents.note(&request);
                }
                Said::Asks(_) => {}
                Said::Answers(response) => {
                    if self.exchanges.answer(&response) {
                        self.check_promise(&response);
                    }
                }
            }
            self.network.send(self.now, &mut self.dice, focus, transmit);
        }
        while let Some(change) = self.agent.poll_change() {
            self.disk.give(change);
        }
        while let Some(lookup) = self.agent.poll_lookup() {
            self.lookups.push(lookup);
        }
        for number in 0..self.peers.len() {
            let from = address_of(number);
            if let Peer::Device(device) = &mut self.peers[number] {
                device.heed();
            }
            while let Some(transmit) = self.peers[number].poll_transmit() {
                self.tell(|| format!("{from} says {}", summary(&transmit.bytes)));
                self.network.send(self.now, &mut self.dice, from, transmit);
            }
        }
        self.fulfil();
        self.drain_cores();
    }

    /// sip/OPS-10: whoever is told which session it is in can come back to it, whatever happens.
    fn check_promise(&self, answer: &Response) {
        let contact = answer.address(Header::Contact);
        let is_join = answer.code() == 200 && answer.cseq_method() == Method::Invite;
        if let Some(identity) = contact.map(|it| it.uri().to_owned()).filter(|_| is_join)
            && self.config.persist_sessions.is_some()
        {
            assert!(self.disk.holds(&identity), "{identity} is promised too early");
        }
    }
}

impl Peer {
    /// The address that its user goes by.
    fn user(&self) -> &str {
        match self {
            Self::Device(device) => &device.user,
            Self::Phone(phone) => &phone.user,
        }
    }

    /// The address at which it can be called without asking anybody for the way.
    fn called(&self) -> Option<String> {
        match self {
            Self::Device(_) => None,
            Self::Phone(phone) => Some(phone.user.clone()),
        }
    }

    fn poll_transmit(&mut self) -> Option<sip_control::transport::Transmit> {
        match self {
            Self::Device(device) => device.client.poll_transmit(),
            Self::Phone(phone) => phone.poll_transmit(),
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Device(device) => device.client.poll_timeout(),
            Self::Phone(phone) => phone.poll_timeout(),
        }
    }
}

fn peer(number: usize, dice: &mut Dice) -> Peer {
    let protocol = if dice.chance(60) { Protocol::Udp } else { Protocol::Tcp };
    if dice.chance(50) {
        return Peer::Phone(Phone::new(number, protocol, dice));
    }
    // A user may have two devices.
    let user = format!("sip:u{}@example.com", number / 2);
    Peer::Device(Device::new(number, &user, protocol, dice))
}

fn configuration(dice: &mut Dice) -> Config {
    let seconds = Duration::from_secs;
    let rules = |seats| Rules {
        max_participants: seats,
        anonymity: Users::Everyone,
        watchers: Users::Everyone,
        inviters: Users::Everyone,
        ..Rules::default()
    };
    let room = |uri: &str, seats| Room {
        uri: uri.to_owned(),
        kind: RoomKind::Public,
        subject: None,
        rules: rules(seats),
    };
    let deal = if dice.chance(50) { Deal::Spread } else { Deal::Together };
    Config {
        host: "chat.example.com".to_owned(),
        trusted: vec![Block::parse("192.0.2.0/24").unwrap()],
        rooms: vec![room(ROOMS[0], Some(SEATS)), room(ROOMS[1], None)],
        any_room: None,
        ad_hoc: Some(AdHoc::new(FACTORY)),
        media: config::Media { placement: deal, ..config::Media::default() },
        timers: Timers {
            session_interval: seconds(90),
            subscription_max: seconds(120),
            media_grace: seconds(20),
            session_linger: if dice.chance(30) { seconds(15) } else { Duration::ZERO },
            restored_session: seconds(dice.one_of(&[20, 300, 600])),
            ..Timers::default()
        },
        limits: config::Limits {
            user_invites: 1000,
            user_subscribes: 1000,
            moved_legs: dice.one_of(&[2, 1000, 1000]),
            roster: dice.one_of(&[1, 200, 200]),
            ..config::Limits::default()
        },
        persist_sessions: dice.chance(50).then(|| PathBuf::from("sessions")),
        one_leg_per_user: dice.chance(70),
        preconditions: dice.chance(70),
        transient_states: dice.chance(50),
        partial_rosters: dice.chance(80),
        ..Config::default()
    }
}

fn core_id(number: usize) -> CoreId {
    CoreId::new(number).unwrap()
}

/// A message in a line.
fn summary(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let wanted = [
        "Call-ID",
        "CSeq",
        "To",
        "Event",
        "Subscription-State",
        "Reason",
        "Expires",
        "Session-Expires",
    ];
    let is_wanted = |line: &&str| wanted.iter().any(|name| line.starts_with(&format!("{name}:")));
    let start = head.lines().next().unwrap_or_default();
    let lines: Vec<&str> = head.lines().filter(is_wanted).collect();
    let body = body.replace("\r\n", "|");
    format!("{start} [{}] {body}", lines.join("; "))
}

fn number_of(address: SocketAddr) -> usize {
    match address.ip() {
        std::net::IpAddr::V4(ip) => usize::from(ip.octets()[3]) - 1,
        std::net::IpAddr::V6(_) => unreachable!("nobody is there"),
    }
}
