//! Cores and peers on a virtual network with a seed: reads cut anywhere, sends taken in part and
//! late, relays delayed, peers that vanish and rejoin. Time and every choice come from the seed, so
//! a failing one, which is printed, can be run again:
//!
//! `SIMULATION_SEED=17 cargo test -p engine --test simulation`
//!
//! `SIMULATION_SEEDS` sets how many seeds a run tries.

use std::{
    collections::{HashMap, VecDeque},
    net::Ipv4Addr,
    sync::Arc,
    time::{Duration, Instant},
};

use engine::{Batch, ConnectionId, Core, CoreConfig, Limits, Operation};
use mailbox::{
    Chatroom, Command, CoreId, CoreSet, Direction, Epoch, Event, ParticipantId, PeerMedia, Relay,
    RoomId, RoomPolicy, RoomTerms, Route, SessionId,
};
use msrp::{
    AcceptTypes, AddressBuf, ByteRange, FailureReport, Flag, Frame, Framer, Head, PathBuf,
    SendHead, Start, TransactionId,
};

/// SplitMix64: one number of state is all a seed needs.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    fn below(&mut self, bound: usize) -> usize {
        (self.roll() % bound as u64) as usize
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.roll() % 100 < percent
    }
}

/// One user's client: its connection, what it is sending, what it got.
struct Peer {
    participant: u64,
    core: usize,
    session: SessionId,
    uri: String,
    link: Option<Link>,
    framer: Framer,
    /// Octets on their way to the switch.
    outbox: VecDeque<u8>,
    /// Chunks of its message that are not sent yet.
    unsent: VecDeque<Vec<u8>>,
    said: u64,
    incoming: HashMap<Vec<u8>, Vec<u8>>,
    /// What is open in the stream: the Message-ID of the chunk whose end has not come.
    current: Option<(Vec<u8>, TransactionId)>,
    heard: Vec<(u64, u64)>,
    /// The messages said while it was a recipient from first to last.
    due: Vec<(u64, u64)>,
    recipient: bool,
    alive: bool,
}

#[derive(Clone, Copy)]
struct Link {
    core: usize,
    id: ConnectionId,
}

struct World {
    dice: Dice,
    now: Instant,
    cores: Vec<Core>,
    terms: Arc<RoomTerms>,
    spread: CoreSet,
    epoch: u64,
    sessions: u64,
    relays: Vec<VecDeque<Relay>>,
    sends: Vec<(usize, ConnectionId, Batch)>,
    events: Vec<Event>,
    peers: Vec<Peer>,
    /// The octets of every message ever said.
    texts: HashMap<(u64, u64), Vec<u8>>,
}

fn core_id(number: usize) -> CoreId {
    CoreId::new(number).unwrap()
}

fn own_path(participant: u64) -> String {
    format!("msrp://client.example.org:7654/u{participant}x;tcp")
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let cores = 1 + dice.below(3);
        let core = |number: usize| {
            let authority = "sw.example.com:2855".to_owned();
            let config = CoreConfig { id: core_id(number), cores, authority };
            let mut key = [number as u8; 32];
            key[..8].copy_from_slice(&seed.to_le_bytes());
            Core::new(config, Limits::default(), key)
        };
        let address = AddressBuf::parse(b"sip:lobby@chat.example.com").unwrap();
        let home = core_id(dice.below(cores));
        let terms = RoomTerms {
            id: RoomId(1),
            addresses: [address].into(),
            home,
            size_max: 1 << 20,
            policy: RoomPolicy::default(),
        };
        Self {
            now: Instant::now(),
            cores: (0..cores).map(core).collect(),
            terms: Arc::new(terms),
            spread: CoreSet::EMPTY,
            epoch: 0,
            sessions: 0,
            relays: (0..cores * cores).map(|_| VecDeque::new()).collect(),
            sends: Vec::new(),
            events: Vec::new(),
            peers: Vec::new(),
            texts: HashMap::new(),
            dice,
        }
    }

    /// Joins a user: installs, spreads, activates, connects to any core, binds.
    fn join(&mut self, participant: u64) -> usize {
        self.sessions += 1;
        self.epoch += 1;
        let (session, epoch) = (SessionId(self.sessions), Epoch(self.epoch));
        let core = self.dice.below(self.cores.len());
        let address = format!("sip:u{participant}@example.com");
        let route = Box::new(Route {
            room: Arc::clone(&self.terms),
            participant: ParticipantId(participant),
            identities: [AddressBuf::parse(address.as_bytes()).unwrap()].into(),
            is_anonymous: false,
            peer: Some(PeerMedia {
                path: PathBuf::parse(own_path(participant).as_bytes()).unwrap(),
                accept_wrapped: AcceptTypes::any(),
                size_max: None,
                direction: Direction::SendReceive,
                chatroom: Some(Chatroom::default()),
            }),
        });
        self.cores[core].handle_command(self.now, Command::Install { session, epoch, route });
        if core != self.terms.home.index() {
            self.spread = self.spread.with(core_id(core));
            let (room, cores) = (Arc::clone(&self.terms), self.spread);
            let home = &mut self.cores[self.terms.home.index()];
            home.handle_command(self.now, Command::Spread { room, epoch, cores });
        }
        self.cores[core].handle_command(self.now, Command::Activate { session, epoch });
        self.drain();
        let path = self.events.iter().find_map(|event| match event {
            Event::Installed { session: it, path, .. } if *it == session => Some(path.clone()),
            _ => None,
        });
        let accepting = self.dice.below(self.cores.len());
        let id =
            self.cores[accepting].handle_accepted(self.now, Ipv4Addr::LOCALHOST.into()).unwrap();
        let uri = path.unwrap().as_str().to_owned();
        let mut bind = Vec::new();
        let transaction = TransactionId::parse(b"bind0001").unwrap();
        SendHead {
            transaction: &transaction,
            to_path: uri.as_bytes(),
            from_path: own_path(participant).as_bytes(),
            message_id: b"bind",
            range: ByteRange { start: 1, end: Some(0), total: Some(0) },
            success_report: false,
            failure_report: FailureReport::Yes,
            content_headers: &[],
        }
        .write(&mut bind);
        msrp::write_end(&mut bind, &transaction, Flag::End, false);
        self.peers.push(Peer {
            participant,
            core,
            session,
            uri,
            link: Some(Link { core: accepting, id }),
            framer: Framer::new(),
            outbox: bind.into(),
            unsent: VecDeque::new(),
            said: 0,
            incoming: HashMap::new(),
            current: None,
            heard: Vec::new(),
            due: Vec::new(),
            recipient: false,
            alive: true,
        });
        self.peers.len() - 1
    }

    /// Composes a message of random size, cut into chunks at random.
    fn compose(&mut self, at: usize) {
        let size = match self.dice.below(4) {
            0 => 0,
            1 => self.dice.below(50),
            2 => self.dice.below(3000),
            _ => self.dice.below(40_000),
        };
        let peer = &mut self.peers[at];
        let key = (peer.participant, (at as u64) << 32 | peer.said);
        peer.said += 1;
        let mut text = format!(
            "To: <sip:lobby@chat.example.com>\r\nFrom: <sip:u{}@example.com>\r\n\r\n\
            Content-Type: text/plain\r\n\r\n{}.{}|",
            key.0, key.0, key.1
        )
        .into_bytes();
        for _ in 0..size {
            // Much that looks like framing.
            text.push(*b"-\r\nax$+#".get(self.dice.below(8)).unwrap());
        }
        let (uri, own) = (self.peers[at].uri.clone(), own_path(key.0));
        let mut start = 0;
        while start < text.len() {
            let rest = text.len() - start;
            let take = if self.dice.chance(50) { rest } else { 1 + self.dice.below(rest) };
            let body = &text[start..start + take];
            let last = start + take == text.len();
            let transaction = loop {
                let name = format!("t{:016x}", self.dice.roll());
                if !msrp::collides(body, name.as_bytes()) {
                    break TransactionId::parse(name.as_bytes()).unwrap();
                }
            };
            let total = self.dice.chance(50).then_some(text.len() as u64);
            let mut chunk = Vec::new();
            SendHead {
                transaction: &transaction,
                to_path: uri.as_bytes(),
                from_path: own.as_bytes(),
                message_id: format!("m{}", key.1).as_bytes(),
                range: ByteRange { start: start as u64 + 1, end: None, total },
                success_report: false,
                failure_report: FailureReport::Yes,
                content_headers: b"Content-Type: message/cpim\r\n",
            }
            .write(&mut chunk);
            chunk.extend_from_slice(body);
            let flag = if last { Flag::End } else { Flag::More };
            msrp::write_end(&mut chunk, &transaction, flag, true);
            self.peers[at].unsent.push_back(chunk);
            start += take;
        }
        self.texts.insert(key, text);
        for peer in &mut self.peers {
            if peer.alive && peer.recipient && peer.participant != key.0 {
                peer.due.push(key);
            }
        }
    }

    /// One thing happens.
    fn step(&mut self) {
        let at = self.dice.below(self.peers.len());
        match self.dice.below(10) {
            0 if self.peers[at].alive && self.peers[at].recipient => {
                if self.peers[at].unsent.is_empty() {
                    self.compose(at);
                }
            }
            1 | 2 => {
                // Chunks of one message may go in any order.
                let peer = &mut self.peers[at];
                if !peer.unsent.is_empty() {
                    let next = self.dice.below(peer.unsent.len());
                    peer.outbox.extend(peer.unsent.remove(next).unwrap_or_default());
                }
            }
            3..=5 => self.carry(at),
            6 | 7 => self.complete_send(),
            8 => self.carry_relay(),
            _ if self.dice.chance(4) => self.vanish(at),
            _ => self.now += Duration::from_millis(1),
        }
        self.drain();
    }

    /// Some octets of a peer arrive at its core.
    fn carry(&mut self, at: usize) {
        let most = if self.dice.chance(30) { 5 } else { 5000 };
        let peer = &mut self.peers[at];
        let Some(link) = peer.link.filter(|_| !peer.outbox.is_empty()) else { return };
        let size = 1 + self.dice.below(peer.outbox.len().min(most));
        let bytes: Vec<u8> = peer.outbox.drain(..size).collect();
        self.cores[link.core].handle_received(self.now, link.id, &bytes);
    }

    /// The kernel takes some octets of some send.
    fn complete_send(&mut self) {
        if self.sends.is_empty() {
            return;
        }
        let at = self.dice.below(self.sends.len());
        let (core, id, batch) = self.sends.swap_remove(at);
        let taken = if self.dice.chance(70) {
            batch.slices().map(<[u8]>::len).sum()
        } else {
            1 + self.dice.below(batch.slices().map(<[u8]>::len).sum())
        };
        let octets = batch.slices().collect::<Vec<_>>().concat();
        let peer = self
            .peers
            .iter()
            .position(|it| it.link.is_some_and(|link| (link.core, link.id) == (core, id)));
        if let Some(peer) = peer {
            self.hear(peer, &octets[..taken]);
        }
        self.cores[core].handle_sent(self.now, id, batch, Ok(taken));
    }

    fn carry_relay(&mut self) {
        let at = self.dice.below(self.relays.len());
        if let Some(relay) = self.relays[at].pop_front() {
            let to = at % self.cores.len();
            self.cores[to].handle_relay(relay);
        }
    }

    /// A peer loses its network and comes back as a new session.
    fn vanish(&mut self, at: usize) {
        if !self.peers[at].alive {
            return;
        }
        self.leave(at);
        let participant = self.peers[at].participant;
        self.join(participant);
    }

    fn leave(&mut self, at: usize) {
        let peer = &mut self.peers[at];
        (peer.alive, peer.recipient) = (false, false);
        peer.unsent.clear();
        peer.outbox.clear();
        let (session, core) = (peer.session, peer.core);
        if let Some(link) = peer.link {
            self.cores[link.core].handle_disconnected(self.now, link.id);
        }
        self.epoch += 1;
        let epoch = Epoch(self.epoch);
        self.cores[core].handle_command(self.now, Command::Remove { session, epoch });
    }

    /// Carries out what the cores want, sends apart, which take their time.
    fn drain(&mut self) {
        for core in 0..self.cores.len() {
            while let Some(operation) = self.cores[core].poll_operation(self.now) {
                match operation {
                    Operation::Connect { .. } => unreachable!("every peer connects by itself"),
                    Operation::Send { connection, batch } => {
                        assert!(!batch.is_empty(), "nothing is not worth a send");
                        let twice = self.sends.iter().any(|it| (it.0, it.1) == (core, connection));
                        assert!(!twice, "two sends in flight on one connection");
                        self.sends.push((core, connection, batch));
                    }
                    Operation::Close { connection } => {
                        self.sends.retain(|it| (it.0, it.1) != (core, connection));
                        let here = |link: Link| (link.core, link.id) == (core, connection);
                        for peer in &mut self.peers {
                            peer.link = peer.link.filter(|link| !here(*link));
                        }
                        self.cores[core].handle_closed(connection);
                    }
                    Operation::Detach { connection } => {
                        let departure = self.cores[core].handle_detached(connection).unwrap();
                        let to = departure.to.index();
                        let id = self.cores[to]
                            .handle_accepted(self.now, Ipv4Addr::LOCALHOST.into())
                            .unwrap();
                        for peer in &mut self.peers {
                            if let Some(link) = &mut peer.link
                                && (link.core, link.id) == (core, connection)
                            {
                                *link = Link { core: to, id };
                            }
                        }
                        self.cores[to].handle_received(self.now, id, &departure.received);
                    }
                }
            }
            while let Some(event) = self.cores[core].poll_event() {
                if let Event::Bound { session } = event {
                    let peer = self.peers.iter_mut().find(|it| it.session == session).unwrap();
                    peer.recipient = peer.alive;
                }
                self.events.push(event);
            }
            for to in 0..self.cores.len() {
                while let Some(relay) = self.cores[core].poll_relay(core_id(to)) {
                    self.relays[core * self.cores.len() + to].push_back(relay);
                }
            }
        }
    }

    /// A peer reads, checks and answers what the switch sent.
    fn hear(&mut self, at: usize, mut input: &[u8]) {
        let peer = &mut self.peers[at];
        let mut framer = std::mem::take(&mut peer.framer);
        while let Some(frame) = framer.next(&mut input).expect("the switch frames well") {
            let piece = match frame {
                Frame::Head { head, piece } => {
                    peer.begin(&head);
                    piece
                }
                Frame::Body(piece) => piece,
            };
            peer.take(piece.body, piece.end, &self.texts);
        }
        peer.framer = framer;
    }

    /// Until nothing moves any more.
    fn quiesce(&mut self) {
        loop {
            let busy = !self.sends.is_empty()
                || self.relays.iter().any(|relays| !relays.is_empty())
                || self.peers.iter().any(|peer| {
                    peer.link.is_some() && !(peer.outbox.is_empty() && peer.unsent.is_empty())
                });
            if !busy {
                break;
            }
            for at in 0..self.peers.len() {
                let peer = &mut self.peers[at];
                let rest: Vec<u8> = peer.unsent.drain(..).flatten().collect();
                peer.outbox.extend(rest);
                self.carry(at);
                self.drain();
                self.complete_send();
                self.drain();
                self.carry_relay();
                self.drain();
            }
        }
    }
}

impl Peer {
    fn begin(&mut self, head: &Head<'_>) {
        assert_eq!(head.fault, None);
        if let Start::Response(status) = head.start {
            assert_eq!(status, 200, "u{} is refused nothing", self.participant);
            return;
        }
        assert_eq!(head.to_path.unwrap().raw(), own_path(self.participant).as_bytes());
        assert_eq!(head.from_path.unwrap().raw(), self.uri.as_bytes());
        let id = head.message_id.unwrap().to_vec();
        let so_far = self.incoming.entry(id.clone()).or_default();
        assert_eq!(head.byte_range.unwrap().start, so_far.len() as u64 + 1, "no gap, no overlap");
        self.current = Some((id, head.transaction));
    }

    fn take(&mut self, body: &[u8], end: Option<Flag>, texts: &HashMap<(u64, u64), Vec<u8>>) {
        let Some((id, transaction)) = &self.current else { return };
        let (id, transaction) = (id.clone(), *transaction);
        self.incoming.get_mut(&id).unwrap().extend_from_slice(body);
        let Some(end) = end else { return };
        self.current = None;
        let mut answer = Vec::new();
        let own = own_path(self.participant);
        let (to, from) = (self.uri.as_bytes(), own.as_bytes());
        msrp::write_response(&mut answer, &transaction, 200, "OK", to, from);
        self.outbox.extend(answer);
        match end {
            Flag::More => {}
            Flag::Abort => drop(self.incoming.remove(&id)),
            Flag::End => {
                let text = self.incoming.remove(&id).unwrap();
                let key = key_of(&text);
                assert_eq!(texts.get(&key), Some(&text), "octet for octet");
                assert_ne!(key.0, self.participant, "nobody hears itself");
                assert!(!self.heard.contains(&key), "exactly once");
                self.heard.push(key);
            }
        }
    }
}

/// Who said it, and the how manieth it was, as the text itself says.
fn key_of(text: &[u8]) -> (u64, u64) {
    let text = String::from_utf8_lossy(text);
    let body = text.split("\r\n\r\n").nth(2).unwrap();
    let (key, _) = body.split_once('|').unwrap();
    let (sender, number) = key.split_once('.').unwrap();
    (sender.parse().unwrap(), number.parse().unwrap())
}

fn run(seed: u64) {
    let mut world = World::new(seed);
    let users = 2 + world.dice.below(6) as u64;
    for participant in 0..users {
        world.join(participant);
    }
    for _ in 0..2000 {
        world.step();
    }
    world.quiesce();

    // A sender that vanished in mid-message finished nothing; all others did.
    let finished = |world: &World, key: (u64, u64)| {
        let sender = &world.peers[(key.1 >> 32) as usize];
        sender.alive
    };
    for peer in world.peers.iter().filter(|peer| peer.alive) {
        assert!(peer.recipient, "u{} was never bound", peer.participant);
        assert!(peer.incoming.is_empty(), "a message is completed or given up, never left open");
        for &key in peer.due.iter().filter(|&&key| finished(&world, key)) {
            assert!(peer.heard.contains(&key), "u{} never heard {key:?}", peer.participant);
        }
        for window in peer.heard.windows(2) {
            let same_session = window[0].1 >> 32 == window[1].1 >> 32;
            assert!(!same_session || window[0].1 < window[1].1, "one sender's messages in order");
        }
    }
    let alive: Vec<usize> = (0..world.peers.len()).filter(|&at| world.peers[at].alive).collect();
    for at in alive {
        world.leave(at);
        world.drain();
    }
    world.quiesce();
    let cores = CoreSet::EMPTY;
    let (room, epoch) = (Arc::clone(&world.terms), Epoch(world.epoch + 1));
    let home = world.terms.home.index();
    world.cores[home].handle_command(world.now, Command::Spread { room, epoch, cores });
    world.drain();
    for core in &world.cores {
        assert_eq!(core.occupancy(), (0, 0, 0), "nothing is left when all have gone");
    }
}

/// CHAT-08, CHAT-21, CHAT-23, CHAT-26, CHAT-29, CHUNK-10, CHUNK-11, CHUNK-18, WIRE-17, WIRE-35:
/// whatever the network does, every recipient gets every message exactly once and octet for octet,
/// in its sender's order, and nothing is left when all have gone.
#[test]
fn every_recipient_gets_every_message_once_whatever_the_network_does() {
    struct Named(u64);
    impl Drop for Named {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("failing seed: SIMULATION_SEED={}", self.0);
            }
        }
    }
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse().ok());
    let seeds = match number("SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SIMULATION_SEEDS").unwrap_or(200),
    };
    for seed in seeds {
        let _named = Named(seed);
        run(seed);
    }
}
