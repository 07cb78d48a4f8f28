//! Cores, the kernel under them, the rings between them, and the peers around them. Everything takes
//! its time, and what happens next is up to the dice.

mod kernel;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::{Duration, Instant},
};

use engine::{Batch, Commons, Core, CoreConfig, Limits};
use mailbox::{
    Chatroom, Command, CoreId, CoreSet, Direction, Epoch, ParticipantId, PeerMedia, Relay, RoomId,
    RoomPolicy, RoomTerms, Route, SessionId,
};
use msrp::{AcceptTypes, AddressBuf, PathBuf};

use crate::{
    audience::Audiences,
    dice::Dice,
    message::{self, Envelope, LIES, Name, ROOM},
    peer::{Life, Link, Peer, TEMPERS, Temper},
};

/// Octets that may be on their way to one session in a world that sheds, beside one message.
const TIGHT_QUEUE: usize = 20_000;

/// Octets of the largest message that the room takes.
const SIZE_MAX: usize = 64 * 1024;

/// Octets of one send beside what is queued of messages: answers to a flood, and heads.
const ANSWERS_SIZE_MAX: usize = 64 * 1024;

/// Octets of memory in a world where they are scarce, for all that is queued and half received.
const SCARCE_MEMORY: usize = 300_000;

/// Octets that one read of one peer can make every other connection hold, heads included.
const READ_COPIED_MAX: usize = 8_000;

/// What kind of world a seed makes.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub users: usize,
    pub steps: usize,
    /// Octets of the largest message, about.
    text_max: usize,
    /// Whether queues are so short that copies are shed.
    pub is_tight: bool,
    /// Whether memory is so scarce that messages are refused.
    pub is_scarce: bool,
    /// Whether time makes leaps, so that timers run out.
    has_leaps: bool,
}

impl Shape {
    fn roll(seed: u64, dice: &mut Dice) -> Self {
        let is_crowd = seed % 16 == 15;
        Self {
            users: if is_crowd { 100 + dice.below(150) } else { 2 + dice.below(8) },
            steps: if is_crowd { 4000 } else { 2500 },
            text_max: if is_crowd { 200 } else { 40_000 },
            is_tight: seed % 4 == 2,
            is_scarce: seed % 7 == 3,
            has_leaps: seed % 5 == 4,
        }
    }
}

pub struct World {
    pub shape: Shape,
    dice: Dice,
    now: Instant,
    pub cores: Vec<Core>,
    /// What the cores share.
    pub commons: Arc<Commons>,
    /// Octets of memory that they may have taken at the end of a turn (FLOW-09).
    memory_max: usize,
    pub terms: Arc<RoomTerms>,
    /// Octets that one connection can be sent at once, with one session on it (FLOW-01).
    batch_max: usize,
    spread: CoreSet,
    epoch: u64,
    relays: Vec<VecDeque<Relay>>,
    /// What the kernel is sending.
    sends: Vec<(Link, Batch)>,
    /// Sockets on their way out, and on their way to another core.
    closing: Vec<Link>,
    detaching: Vec<Link>,
    /// Whose connection it is, or was.
    links: HashMap<Link, usize>,
    pub peers: Vec<Peer>,
    /// Peers whose session is installed and not active.
    inactive: Vec<usize>,
    /// Peers that have said BYE and not closed their connection.
    leaving: Vec<usize>,
    /// Peers that have lost their session, and whose users come back.
    lost: Vec<usize>,
    pub audiences: Audiences,
    /// Who was due on a core when a message opened there of which nothing was told as yet.
    opening: HashMap<(usize, SessionId, u64), Vec<(usize, u64)>>,
    /// Time has leapt: connections and messages may have been given up.
    has_leapt: bool,
    removes: usize,
    removed: usize,
}

fn core_id(number: usize) -> CoreId {
    CoreId::new(number).unwrap()
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let shape = Shape::roll(seed, &mut dice);
        let cores = 1 + dice.below(4);
        // A few say all there is to say, in next to no time.
        let mut limits = Limits { message_rate_max: 0, composing_rate_max: 0, ..Limits::default() };
        if shape.is_tight {
            limits.session_queue_bytes_soft = TIGHT_QUEUE;
        }
        if shape.is_scarce {
            limits.memory_bytes_max = SCARCE_MEMORY;
        }
        let commons = Arc::new(Commons::new([seed as u8; 32]));
        let core = |number: usize| {
            let authority = "sw.example.com:2855".to_owned();
            let config = CoreConfig { id: core_id(number), cores, authority };
            let mut key = [number as u8; 32];
            key[..8].copy_from_slice(&seed.to_le_bytes());
            Core::among(config, limits.clone(), Arc::clone(&commons), key)
        };
        let terms = RoomTerms {
            id: RoomId(1),
            addresses: [AddressBuf::parse(ROOM.as_bytes()).unwrap()].into(),
            home: core_id(dice.below(cores)),
            size_max: SIZE_MAX as u64,
            policy: RoomPolicy {
                private_messages: true,
                whole_messages: seed % 3 == 1,
                ..RoomPolicy::default()
            },
        };
        Self {
            shape,
            now: Instant::now(),
            cores: (0..cores).map(core).collect(),
            memory_max: limits.memory_bytes_max / 8 * 9 + SIZE_MAX + shape.users * READ_COPIED_MAX,
            commons,
            terms: Arc::new(terms),
            batch_max: limits.session_queue_bytes_soft + SIZE_MAX + ANSWERS_SIZE_MAX,
            spread: CoreSet::EMPTY,
            epoch: 0,
            relays: (0..cores * cores).map(|_| VecDeque::new()).collect(),
            sends: Vec::new(),
            closing: Vec::new(),
            detaching: Vec::new(),
            links: HashMap::new(),
            peers: Vec::new(),
            inactive: Vec::new(),
            leaving: Vec::new(),
            lost: Vec::new(),
            audiences: Audiences::default(),
            opening: HashMap::new(),
            has_leapt: false,
            removes: 0,
            removed: 0,
            dice,
        }
    }

    pub fn epoch(&mut self) -> Epoch {
        self.epoch += 1;
        Epoch(self.epoch)
    }

    pub fn command(&mut self, core: usize, command: Command) {
        self.cores[core].handle_command(self.now, command);
    }

    /// A user joins: its session is installed, the room's home told where it is, and the client
    /// connects to any core. Whether it is active first, or bound, is up to the network.
    pub fn join(&mut self, participant: u64) {
        let temper = TEMPERS[(participant as usize + self.terms.home.index()) % TEMPERS.len()];
        let me = self.peers.len();
        let (session, epoch) = (SessionId(me as u64 + 1), self.epoch());
        let core = self.dice.below(self.cores.len());
        let mut peer = Peer::new(participant, temper, core, session);
        let identity = message::address(participant);
        let route = Box::new(Route {
            room: Arc::clone(&self.terms),
            participant: ParticipantId(participant),
            identities: [AddressBuf::parse(identity.as_bytes()).unwrap()].into(),
            is_anonymous: false,
            may_whisper: true,
            nickname: None,
            peer: Some(PeerMedia {
                path: PathBuf::parse(peer.own.as_bytes()).unwrap(),
                accept_wrapped: AcceptTypes::any(),
                size_max: None,
                direction: Direction::SendReceive,
                setup: mailbox::Setup::Passive,
                chatroom: Some(Chatroom { nickname: false, private_messages: true }),
            }),
        });
        self.command(core, Command::Install { session, epoch, route });
        let home = self.terms.home;
        if core != home.index() {
            self.spread = self.spread.with(core_id(core));
            let (room, cores, epoch) = (Arc::clone(&self.terms), self.spread, self.epoch());
            self.command(home.index(), Command::Spread { room, epoch, cores });
        }
        let accepting = self.dice.below(self.cores.len());
        let from = address_of(participant);
        let id = self.cores[accepting].handle_accepted(self.now, from).expect("there is room");
        let link = Link { core: accepting, id };
        self.links.insert(link, me);
        peer.link = Some(link);
        self.peers.push(peer);
        self.drain();
        self.inactive.push(me);
        if self.dice.chance(70) {
            self.activate(self.inactive.len() - 1);
        }
        let peer = &mut self.peers[me];
        assert!(!peer.uri.is_empty(), "an install is answered at once");
        peer.outbox.extend(message::binding(&peer.uri, &peer.own));
    }

    fn activate(&mut self, at: usize) {
        let me = self.inactive.swap_remove(at);
        let epoch = self.epoch();
        let (session, core) = (self.peers[me].session, self.peers[me].core);
        self.command(core, Command::Activate { session, epoch });
        self.peers[me].is_active = true;
    }

    /// One thing happens.
    pub fn step(&mut self) {
        let at = self.dice.below(self.peers.len());
        match self.dice.below(13) {
            0 => self.compose(at),
            1 | 2 => self.write(at),
            3..=5 => self.carry(at),
            6..=8 => self.complete_send(),
            9 => self.carry_relay(),
            10 => self.let_go(),
            11 => self.lose(at),
            _ => self.pass_time(),
        }
        self.drain();
    }

    /// A peer thinks of something to say.
    fn compose(&mut self, at: usize) {
        let peer = &self.peers[at];
        if peer.life() != Life::Recipient || !peer.unsent.is_empty() {
            return;
        }
        let times = if peer.temper == Temper::Flooding { 1 + self.dice.below(12) } else { 1 };
        for _ in 0..times {
            self.compose_one(at);
            if self.peers[at].temper == Temper::Flooding {
                let flood = std::mem::take(&mut self.peers[at].unsent);
                self.peers[at].outbox.extend(flood.into_iter().flatten());
            }
        }
    }

    fn compose_one(&mut self, at: usize) {
        let size = match self.dice.below(4) {
            0 => 0,
            1 => self.dice.below(50),
            2 => self.dice.below(self.shape.text_max.min(3000)),
            _ => self.dice.below(self.shape.text_max),
        };
        let to = self.dice.chance(20).then(|| {
            let other = self.dice.below(self.peers.len());
            self.peers[other].participant
        });
        let peer = &mut self.peers[at];
        let name = Name { session: peer.session.0, number: peer.said };
        peer.said += 1;
        let (sender, temper) = (peer.participant, peer.temper);
        let target = to.map_or_else(|| ROOM.to_owned(), message::address);
        let text = message::text(name, sender, &target, size, &mut self.dice);
        let lie =
            (temper == Temper::Lying && self.dice.chance(50)).then(|| self.dice.one_of(&LIES));
        let envelope = Envelope { uri: &peer.uri, own: &peer.own, name };
        let cut = peer.cut(self.shape.text_max > 1000);
        for (transaction, chunk) in message::chunks(&envelope, &text, cut, lie, &mut self.dice) {
            peer.asked.insert(transaction, name);
            peer.unsent.push(chunk);
        }
        // Who is where has to be known on all cores before a private message can be promised.
        let is_news = |relay: &Relay| matches!(relay, Relay::Directory(_));
        let is_known = to.is_none() || !self.relays.iter().flatten().any(is_news);
        let promised = self.peers.iter().enumerate().filter(|(_, peer)| {
            is_known
                && peer.life() == Life::Recipient
                && to.map_or(peer.participant != sender, |to| peer.participant == to)
        });
        let promised = promised.map(|(peer, _)| peer).collect();
        let is_sound = temper != Temper::Lying && !self.shape.is_scarce;
        self.audiences.say(name, text, sender, to, at, promised, is_sound);
    }

    /// A peer writes one chunk. Those of one message may go in any order.
    fn write(&mut self, at: usize) {
        let peer = &mut self.peers[at];
        if !peer.unsent.is_empty() {
            let next = self.dice.below(peer.unsent.len());
            let chunk = peer.unsent.swap_remove(next);
            peer.outbox.extend(chunk);
        }
    }

    /// Some octets of a peer arrive at its core.
    fn carry(&mut self, at: usize) {
        let is_choppy = self.peers[at].temper == Temper::Choppy || self.dice.chance(20);
        let most = 1 + self.dice.below(if is_choppy { 50 } else { 6000 });
        self.carry_at_most(at, most);
    }

    fn carry_at_most(&mut self, at: usize, most: usize) {
        let peer = &self.peers[at];
        let size = peer.outbox.len().min(most);
        let Some(link) = peer.link.filter(|_| size > 0) else { return };
        self.open_at_home(at);
        let peer = &mut self.peers[at];
        let bytes: Vec<u8> = peer.outbox.drain(..size).collect();
        peer.carried += size;
        self.cores[link.core].handle_received(self.now, link.id, &bytes);
    }

    /// Messages of a peer whose core is the room's home open there unseen, with any of its octets, or
    /// when it has paused after them (CHUNK-14).
    fn open_at_home(&mut self, at: usize) {
        let peer = &self.peers[at];
        let core = peer.core;
        if core == self.terms.home.index() {
            let due = self.due_at(core);
            let unanswered: HashSet<Name> = peer.asked.values().copied().collect();
            for name in unanswered {
                self.audiences.open(name, core, &due, false);
            }
        }
    }

    /// The peers that are due at a core, and their participants.
    fn due_at(&self, core: usize) -> Vec<(usize, u64)> {
        let due = |(at, peer): (usize, &Peer)| {
            let is_due = peer.core == core && peer.life() == Life::Recipient;
            is_due.then_some((at, peer.participant))
        };
        self.peers.iter().enumerate().filter_map(due).collect()
    }

    /// A peer may lose its network, or say BYE; either way its user comes back.
    fn lose(&mut self, at: usize) {
        let peer = &self.peers[at];
        let percent = if peer.temper == Temper::Mortal { 20 } else { 2 };
        if peer.life() == Life::Gone || !self.dice.chance(percent) {
            return;
        }
        if self.dice.chance(50) {
            let link = self.peers[at].link;
            self.cut_off(at);
            if let Some(link) = link {
                self.disconnect(link);
            }
        } else {
            self.leave(at);
            self.lost.push(at);
        }
    }

    fn disconnect(&mut self, link: Link) {
        let is_known = !self.closing.contains(&link) && !self.detaching.contains(&link);
        if is_known {
            self.cores[link.core].handle_disconnected(self.now, link.id);
        }
    }

    /// Nothing more comes from a peer, nor gets to it.
    fn cut_off(&mut self, me: usize) {
        let peer = &mut self.peers[me];
        let is_new = peer.life() != Life::Gone;
        peer.is_gone = true;
        peer.link = None;
        peer.unsent.clear();
        peer.outbox.clear();
        if is_new {
            self.lost.push(me);
        }
    }

    /// The focus takes a peer out: by its BYE, or after its session failed.
    pub fn leave(&mut self, me: usize) {
        let peer = &mut self.peers[me];
        peer.unsent.clear();
        peer.outbox.clear();
        peer.is_gone = true;
        let (session, core) = (peer.session, peer.core);
        self.inactive.retain(|it| *it != me);
        let epoch = self.epoch();
        self.removes += 1;
        self.command(core, Command::Remove { session, epoch });
        self.peers[me].is_removed = true;
        self.leaving.push(me);
    }

    fn hang_up(&mut self, me: usize) {
        if let Some(link) = self.peers[me].link.take() {
            self.disconnect(link);
        }
    }

    fn come_back(&mut self, me: usize) {
        if !self.peers[me].is_removed {
            self.leave(me);
        }
        self.join(self.peers[me].participant);
    }

    fn pass_time(&mut self) {
        let leaps = self.shape.has_leaps && self.dice.chance(2);
        let seconds = if leaps { 1 + self.dice.below(90) as u64 } else { 0 };
        if leaps {
            self.doubt();
        }
        self.now += Duration::from_millis(1) + Duration::from_secs(seconds);
        self.wake();
    }

    /// Wakes the cores that have something to do at this time.
    fn wake(&mut self) {
        for number in 0..self.cores.len() {
            if self.cores[number].poll_timeout().is_some_and(|due| due <= self.now) {
                for at in 0..self.peers.len() {
                    if self.peers[at].core == number {
                        self.open_at_home(at);
                    }
                }
                self.cores[number].handle_timeout(self.now);
            }
        }
    }

    /// Whatever is unfinished may be given up from now on.
    fn doubt(&mut self) {
        self.has_leapt = true;
        for (name, said) in self.audiences.iter_mut() {
            let misses = |peer: &usize| {
                let peer = &self.peers[*peer];
                peer.life() == Life::Recipient && !peer.has_heard(name)
            };
            let is_answered = !self.peers[said.by].asked.values().any(|it| *it == name);
            said.is_sound &= is_answered && !said.promised.iter().any(misses);
        }
    }

    /// Until nothing moves any more.
    pub fn quiesce(&mut self) {
        loop {
            let is_busy = !self.sends.is_empty()
                || !self.closing.is_empty()
                || !self.detaching.is_empty()
                || !self.inactive.is_empty()
                || !self.leaving.is_empty()
                || !self.lost.is_empty()
                || self.relays.iter().any(|relays| !relays.is_empty())
                || self.peers.iter().any(Peer::has_more_to_say);
            if !is_busy {
                break;
            }
            for at in 0..self.peers.len() {
                let peer = &mut self.peers[at];
                let rest: Vec<u8> = peer.unsent.drain(..).flatten().collect();
                peer.outbox.extend(rest);
                self.carry_at_most(at, 16_000);
                self.drain();
            }
            while !self.sends.is_empty() {
                let at = self.dice.below(self.sends.len());
                self.complete(at, usize::MAX);
                self.drain();
            }
            for _ in 0..8 * self.relays.len() {
                self.carry_relay();
                self.drain();
                self.let_go();
                self.drain();
            }
        }
        assert_eq!(self.removed, self.removes, "every removal has one answer");
    }

    /// Until no timer is left that could change anything.
    pub fn let_time_pass(&mut self) {
        while let Some(due) = self.cores.iter().filter_map(Core::poll_timeout).min() {
            self.doubt();
            self.now = self.now.max(due);
            self.wake();
            self.drain();
            self.quiesce();
        }
    }
}

/// Where a user connects from.
fn address_of(participant: u64) -> IpAddr {
    Ipv4Addr::from_bits(0x0a00_0001 + participant as u32).into()
}
