//! Cores and peers on a network that exists only in memory: every octet arrives at once, in order,
//! and only when the test says so.
#![allow(dead_code, reason = "each test binary uses its part")]

pub mod lobby;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant, UNIX_EPOCH},
};

use engine::{Batch, ConnectionId, Core, CoreConfig, Counters, Limits, Operation};
use mailbox::{
    Chatroom, Command, CoreId, CoreSet, Direction, Epoch, Event, ParticipantId, PeerMedia, Relay,
    Remote, Rights, RoomId, RoomPolicy, RoomTerms, Route, SessionId, WallClock,
};
use msrp::{AcceptTypes, AddressBuf, PathBuf};

/// The room of the catalogue's test vectors.
pub const ROOM: &str = "sip:lobby@chat.example.com";

/// A peer's TCP connection, whichever core has it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Peer(pub usize);

struct Wire {
    core: usize,
    id: ConnectionId,
    /// Where the switch connects to, if it is the one that does.
    address: Option<SocketAddr>,
    output: Vec<u8>,
    closed: bool,
    /// The kernel takes nothing until the test says so; then this is what it has.
    held: Option<Vec<Batch>>,
}

/// Some cores, the peers connected to them, and a clock that only the test moves.
pub struct Node {
    pub cores: Vec<Core>,
    pub now: Instant,
    pub events: Vec<Event>,
    pub terms: Arc<RoomTerms>,
    wires: Vec<Wire>,
    sessions: u64,
    epoch: u64,
    spread: CoreSet,
    relays_held: bool,
    /// Pieces of messages that went from core to core so far.
    pub relayed: usize,
}

/// What a test wants to say of a member.
#[derive(Clone, Copy)]
pub struct Member<'a> {
    pub core: usize,
    pub address: &'a str,
    pub path: &'a str,
    pub wrapped: &'a str,
    pub participant: u64,
    pub size_max: Option<u64>,
    pub direction: Direction,
    pub chatroom: Option<Chatroom>,
    pub is_anonymous: bool,
    pub may_whisper: bool,
    /// That of the session whose place it takes.
    pub nickname: Option<&'a str>,
}

impl Default for Member<'_> {
    fn default() -> Self {
        Self {
            core: 0,
            address: "sip:alice@example.org",
            path: "msrp://alice.example.org:7654/aL4c8Vn1Xy0B;tcp",
            wrapped: "*",
            participant: 1,
            size_max: None,
            direction: Direction::SendReceive,
            chatroom: Some(Chatroom::default()),
            is_anonymous: false,
            may_whisper: true,
            nickname: None,
        }
    }
}

impl Member<'_> {
    /// What its SDP says.
    fn media(&self) -> PeerMedia {
        PeerMedia {
            path: PathBuf::parse(self.path.as_bytes()).expect("valid"),
            accept_wrapped: AcceptTypes::parse(self.wrapped.as_bytes()).expect("valid"),
            size_max: self.size_max,
            direction: self.direction,
            setup: mailbox::Setup::Passive,
            chatroom: self.chatroom,
        }
    }
}

pub fn core_id(number: usize) -> CoreId {
    CoreId::new(number).expect("a test has few cores")
}

impl Node {
    pub fn new(cores: usize) -> Self {
        Self::with(cores, &Limits::default(), 10_485_760)
    }

    pub fn with(cores: usize, limits: &Limits, size_max: u64) -> Self {
        let now = Instant::now();
        let noon = UNIX_EPOCH + Duration::from_secs(1_768_478_400);
        let core = |number: usize| {
            let config = CoreConfig {
                id: core_id(number),
                cores,
                authority: "sw.example.com:2855".to_owned(),
            };
            let mut core = Core::new(config, limits.clone(), [number as u8 + 1; 32]);
            core.set_clock(WallClock::new(now, noon));
            core
        };
        let address = AddressBuf::parse(ROOM.as_bytes()).expect("a valid address");
        let terms = RoomTerms {
            id: RoomId(1),
            addresses: [address].into(),
            home: core_id(0),
            size_max,
            policy: RoomPolicy::default(),
        };
        Self {
            cores: (0..cores).map(core).collect(),
            now,
            events: Vec::new(),
            terms: Arc::new(terms),
            wires: Vec::new(),
            sessions: 0,
            epoch: 0,
            spread: CoreSet::EMPTY,
            relays_held: false,
            relayed: 0,
        }
    }

    /// Cores of a room with this policy.
    pub fn under(cores: usize, policy: RoomPolicy) -> Self {
        let mut node = Self::new(cores);
        Arc::make_mut(&mut node.terms).policy = policy;
        node
    }

    /// Installs and activates a session; returns its id and the URI that was minted for it.
    pub fn join(&mut self, member: &Member<'_>) -> (SessionId, String) {
        let (session, path) = self.install(member);
        self.activate(member.core, session);
        (session, path)
    }

    /// Installs a session without making it a recipient.
    pub fn install(&mut self, member: &Member<'_>) -> (SessionId, String) {
        self.install_with(member, Some(member.media()))
    }

    /// Installs a session whose peer has not said yet what it takes, and by which path.
    pub fn install_unknown(&mut self, member: &Member<'_>) -> (SessionId, String) {
        self.install_with(member, None)
    }

    /// Asks for a session, whatever the answer.
    pub fn try_install(&mut self, member: &Member<'_>) {
        self.ask_to_install(member, Some(member.media()));
    }

    fn ask_to_install(&mut self, member: &Member<'_>, peer: Option<PeerMedia>) -> SessionId {
        self.sessions += 1;
        self.epoch += 1;
        let (session, epoch) = (SessionId(self.sessions), Epoch(self.epoch));
        let route = Route {
            room: Arc::clone(&self.terms),
            participant: ParticipantId(member.participant),
            identities: [AddressBuf::parse(member.address.as_bytes()).expect("valid")].into(),
            is_anonymous: member.is_anonymous,
            may_whisper: member.may_whisper,
            nickname: member.nickname.map(Into::into),
            peer,
        };
        let route = Box::new(route);
        self.command(member.core, Command::Install { session, epoch, route });
        session
    }

    fn install_with(
        &mut self,
        member: &Member<'_>,
        peer: Option<PeerMedia>,
    ) -> (SessionId, String) {
        let session = self.ask_to_install(member, peer);
        if member.core != self.terms.home.index() {
            self.spread = self.spread.with(core_id(member.core));
            let (room, cores) = (Arc::clone(&self.terms), self.spread);
            self.epoch += 1;
            let epoch = Epoch(self.epoch);
            self.command(self.terms.home.index(), Command::Spread { room, epoch, cores });
        }
        let path = self.events.iter().rev().find_map(|event| match event {
            Event::Installed { session: it, path, .. } if *it == session => Some(path.clone()),
            _ => None,
        });
        let path = path.expect("every install is answered");
        (session, String::from_utf8(path.as_bytes().to_vec()).expect("ASCII"))
    }

    /// The peer of a session says, for the first time or anew, what this member's SDP says.
    pub fn describe(&mut self, member: &Member<'_>, session: SessionId) {
        self.epoch += 1;
        let (epoch, rights) = (Epoch(self.epoch), Rights::Peer(session, Box::new(member.media())));
        self.command(member.core, Command::Policy { epoch, rights });
    }

    pub fn activate(&mut self, core: usize, session: SessionId) {
        self.epoch += 1;
        let epoch = Epoch(self.epoch);
        self.command(core, Command::Activate { session, epoch });
    }

    pub fn remove(&mut self, core: usize, session: SessionId) {
        self.epoch += 1;
        let epoch = Epoch(self.epoch);
        self.command(core, Command::Remove { session, epoch });
    }

    pub fn command(&mut self, core: usize, command: Command) {
        self.cores[core].handle_command(self.now, command);
        self.settle();
    }

    /// A new connection, accepted by this core.
    pub fn connect(&mut self, core: usize) -> Peer {
        let id = self.cores[core]
            .handle_accepted(self.now, Ipv4Addr::LOCALHOST.into())
            .expect("there is room");
        self.wire(core, id, None)
    }

    fn wire(&mut self, core: usize, id: ConnectionId, address: Option<SocketAddr>) -> Peer {
        self.wires.push(Wire { core, id, address, output: Vec::new(), closed: false, held: None });
        Peer(self.wires.len() - 1)
    }

    /// The switch is to connect to the peer of this session.
    pub fn reach(&mut self, core: usize, session: SessionId, remote: Remote) {
        self.epoch += 1;
        let (epoch, remote) = (Epoch(self.epoch), Box::new(remote));
        self.command(core, Command::Connect { session, epoch, remote });
    }

    /// The attempts of the switch to connect, in their order, those that are over among them.
    pub fn attempts(&self) -> Vec<(Peer, SocketAddr)> {
        let all = self.wires.iter().enumerate();
        all.filter_map(|(at, wire)| Some((Peer(at), wire.address?))).collect()
    }

    /// The peer that the switch connects to is there.
    pub fn welcome(&mut self, peer: Peer) {
        let Wire { core, id, .. } = self.wires[peer.0];
        self.cores[core].handle_connected(self.now, id);
        self.settle();
    }

    /// Octets from a peer, in one read.
    pub fn feed(&mut self, peer: Peer, bytes: &[u8]) {
        let Wire { core, id, .. } = self.wires[peer.0];
        self.cores[core].handle_received(self.now, id, bytes);
        self.settle();
    }

    /// The peer is gone.
    pub fn disconnect(&mut self, peer: Peer) {
        let Wire { core, id, .. } = self.wires[peer.0];
        self.cores[core].handle_disconnected(self.now, id);
        self.settle();
    }

    /// Everything sent to a peer since the last call.
    pub fn output(&mut self, peer: Peer) -> String {
        String::from_utf8(self.octets(peer)).expect("the tests send text")
    }

    /// The same, whatever it is.
    pub fn octets(&mut self, peer: Peer) -> Vec<u8> {
        std::mem::take(&mut self.wires[peer.0].output)
    }

    pub fn id_of(&self, peer: Peer) -> ConnectionId {
        self.wires[peer.0].id
    }

    pub fn is_closed(&self, peer: Peer) -> bool {
        self.wires[peer.0].closed
    }

    pub fn core_of(&self, peer: Peer) -> usize {
        self.wires[peer.0].core
    }

    pub fn advance(&mut self, by: Duration) {
        self.now += by;
        for core in &mut self.cores {
            core.handle_timeout(self.now);
        }
        self.settle();
    }

    /// What a sender has begun and does not go on with is passed on (CHUNK-14).
    pub fn pause(&mut self) {
        self.advance(Duration::from_millis(210));
    }

    pub fn counters(&self, core: usize) -> Counters {
        *self.cores[core].counters()
    }

    /// Joins, connects and binds; returns the connection and the switch's URI.
    pub fn bound(&mut self, member: &Member<'_>) -> (Peer, String) {
        let (peer, uri, _) = self.bound_as(member);
        (peer, uri)
    }

    /// The same, and the session's id.
    pub fn bound_as(&mut self, member: &Member<'_>) -> (Peer, String, SessionId) {
        let (peer, uri, session, answer) = self.enter(member);
        assert!(answer.starts_with("MSRP bind0001 200 "), "binding was answered {answer:?}");
        (peer, uri, session)
    }

    /// The same, whatever came back.
    pub fn enter(&mut self, member: &Member<'_>) -> (Peer, String, SessionId, String) {
        let (session, uri) = self.join(member);
        let peer = self.connect(member.core);
        let bind = format!(
            "MSRP bind0001 SEND\r\nTo-Path: {uri}\r\nFrom-Path: {}\r\n-------bind0001$\r\n",
            member.path
        );
        self.feed(peer, bind.as_bytes());
        let output = self.output(peer);
        (peer, uri, session, output)
    }

    /// From now on the kernel takes nothing that is sent to this peer.
    pub fn hold_sends(&mut self, peer: Peer) {
        self.wires[peer.0].held.get_or_insert_default();
    }

    /// The kernel takes so many octets of what was held, and goes on holding if that is not all.
    pub fn take_sends(&mut self, peer: Peer, octets: usize) {
        let wire = &mut self.wires[peer.0];
        let (core, id) = (wire.core, wire.id);
        let batch = wire.held.as_mut().and_then(Vec::pop).expect("something is held");
        let waiting = batch.slices().collect::<Vec<_>>().concat();
        let taken = octets.min(waiting.len());
        if taken == waiting.len() {
            wire.held = None;
        }
        wire.output.extend_from_slice(&waiting[..taken]);
        self.cores[core].handle_sent(self.now, id, batch, Ok(taken));
        self.settle();
    }

    /// The kernel takes at most so many octets of what is held, and of what is held next, and goes on
    /// holding. Returns how many it took.
    pub fn trickle(&mut self, peer: Peer, octets: usize) -> usize {
        let mut left = octets;
        while left > 0 {
            let wire = &mut self.wires[peer.0];
            let Some(batch) = wire.held.as_mut().and_then(Vec::pop) else { break };
            let all = batch.slices().collect::<Vec<_>>().concat();
            let taken = all.len().min(left);
            wire.output.extend_from_slice(&all[..taken]);
            left -= taken;
            let (core, id) = (wire.core, wire.id);
            self.cores[core].handle_sent(self.now, id, batch, Ok(taken));
            self.settle();
        }
        octets - left
    }

    /// Whether the rings between the cores are full.
    pub fn hold_relays(&mut self, held: bool) {
        self.relays_held = held;
        self.settle();
    }

    fn settle(&mut self) {
        loop {
            let mut quiet = true;
            for core in 0..self.cores.len() {
                while let Some(operation) = self.cores[core].poll_operation(self.now) {
                    quiet = false;
                    self.perform(core, operation);
                }
                while let Some(event) = self.cores[core].poll_event() {
                    self.events.push(event);
                }
                for to in 0..self.cores.len() {
                    while !self.relays_held
                        && let Some(relay) = self.cores[core].poll_relay(core_id(to))
                    {
                        quiet = false;
                        self.relayed += usize::from(matches!(relay, Relay::Room(_)));
                        self.cores[to].handle_relay(self.now, relay);
                    }
                }
            }
            if quiet {
                break;
            }
        }
    }

    fn perform(&mut self, core: usize, operation: Operation) {
        let wire = |wires: &mut Vec<Wire>, id: ConnectionId| {
            wires.iter_mut().position(|it| it.core == core && it.id == id).expect("known")
        };
        match operation {
            Operation::Connect { connection, address } => {
                self.wire(core, connection, Some(address));
            }
            Operation::Send { connection, batch } => {
                let at = wire(&mut self.wires, connection);
                if let Some(held) = &mut self.wires[at].held {
                    held.push(batch);
                    return;
                }
                let octets = batch.slices().collect::<Vec<_>>().concat();
                self.wires[at].output.extend_from_slice(&octets);
                self.cores[core].handle_sent(self.now, connection, batch, Ok(octets.len()));
            }
            Operation::Close { connection } => {
                let at = wire(&mut self.wires, connection);
                self.wires[at].closed = true;
                self.cores[core].handle_closed(connection);
            }
            Operation::Detach { connection } => {
                let at = wire(&mut self.wires, connection);
                let departure = self.cores[core].handle_detached(connection).expect("departing");
                let to = departure.to.index();
                let id = self.cores[to]
                    .handle_accepted(self.now, Ipv4Addr::LOCALHOST.into())
                    .expect("there is room");
                self.wires[at].core = to;
                self.wires[at].id = id;
                self.cores[to].handle_received(self.now, id, &departure.received);
            }
        }
    }
}

/// The status of an answer.
pub fn status(answer: &str) -> &str {
    answer.split(' ').nth(2).unwrap_or("none").split("\r\n").next().unwrap_or_default()
}

/// A Message-ID that no other message of the test has: what comes of one that was refused is answered
/// as it was (CHUNK-25).
pub fn fresh_id() -> String {
    static DRAWN: AtomicUsize = AtomicUsize::new(0);
    format!("fresh{}", DRAWN.fetch_add(1, Ordering::Relaxed))
}

/// Takes a transaction id or Message-ID that the switch chose out of what it sent, so that the rest
/// can be compared octet by octet: returns the text with `{tid}` and `{mid}` in their places.
pub fn masked(output: &str) -> (String, String, String) {
    let tid = output.strip_prefix("MSRP ").and_then(|rest| rest.split(' ').next()).expect("a tid");
    let mid = output
        .split_once("\r\nMessage-ID: ")
        .and_then(|(_, rest)| rest.split("\r\n").next())
        .unwrap_or("");
    let mut text = output.replace(tid, "{tid}");
    if !mid.is_empty() {
        text = text.replace(mid, "{mid}");
    }
    (text, tid.to_owned(), mid.to_owned())
}
