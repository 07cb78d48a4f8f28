//! Cores, their runtimes, and peers. Everything that a runtime may rely on is asserted here, at the
//! moment it would rely on it.

use std::{
    collections::{HashMap, HashSet},
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use engine::{BATCH_SLICES_MAX, ConnectionId, Core, CoreConfig, Limits, Operation, SendFailed};
use mailbox::{
    Command, CoreId, CoreSet, Direction, Epoch, Event, FailureCause, NicknamePolicy, ParticipantId,
    PeerMedia, Remote, Rights, RoomId, RoomPolicy, RoomTerms, Route, SessionId,
};
use msrp::{AcceptTypes, AddressBuf, PathBuf, UriBuf};

use super::{
    said::{Said, own_path},
    socket::{Socket, State},
    steps::{Order, Step, Taken},
};

const SESSIONS: u8 = 6;
const ROOMS: u8 = 2;

#[derive(Default)]
struct Tally {
    asked: usize,
    answered: usize,
}

pub struct World {
    now: Instant,
    cores: Vec<Core>,
    sockets: Vec<Socket>,
    /// Every session URI there ever was, and whose it is.
    uris: Vec<(u8, UriBuf)>,
    requests: usize,
    epoch: u64,
    /// Installs, closes and spreads, and their answers.
    orders: [Tally; 3],
    removals: Tally,
    drained: Vec<usize>,
    /// The URIs of sessions that failed while their connections lived: what they were being sent is
    /// not even ended.
    cut: HashSet<Vec<u8>>,
    /// How often each session was bound, and how often it failed.
    bound: HashMap<SessionId, usize>,
    failed: HashMap<SessionId, usize>,
}

fn core_id(number: usize) -> CoreId {
    CoreId::new(number).expect("a test has few cores")
}

/// The session as the focus calls it.
fn session_id(session: u8) -> SessionId {
    SessionId(u64::from(session))
}

/// What the peer of a session says of itself.
fn peer(session: u8, direction: u8) -> PeerMedia {
    PeerMedia {
        path: PathBuf::parse(own_path(session).as_bytes()).expect("valid"),
        accept_wrapped: AcceptTypes::any(),
        size_max: (session == 5).then_some(1000),
        direction: [
            Direction::SendReceive,
            Direction::ToPeer,
            Direction::FromPeer,
            Direction::Inactive,
        ][usize::from(direction)],
        setup: mailbox::Setup::Passive,
        chatroom: None,
    }
}

impl World {
    pub fn new(cores: usize) -> Self {
        let limits = Limits {
            connections_max: 6,
            sessions_max: 5,
            rooms_max: 2,
            connection_sessions_max: 2,
            connection_queue_bytes_max: 6000,
            session_messages_max: 3,
            relay_backlog_max: 3,
            message_rate_max: 0,
            ..Limits::default()
        };
        let core = |number: usize| {
            let authority = "sw.example.com:2855".to_owned();
            let config = CoreConfig { id: core_id(number), cores, authority };
            Core::new(config, limits.clone(), [number as u8; 32])
        };
        Self {
            now: Instant::now(),
            cores: (0..cores).map(core).collect(),
            sockets: Vec::new(),
            uris: Vec::new(),
            requests: 0,
            epoch: 10,
            orders: Default::default(),
            removals: Tally::default(),
            drained: vec![0; cores],
            cut: HashSet::new(),
            bound: HashMap::new(),
            failed: HashMap::new(),
        }
    }

    /// All that happens to some cores and the members of a room, from the beginning to the end.
    pub fn live(cores: usize, members: u8, steps: Vec<Step>) {
        let mut world = Self::new(cores);
        world.populate(members);
        for step in steps {
            world.take(step);
        }
        world.settle();
        world.tear_down();
    }

    /// A room with some members, each on a connection of its own.
    pub fn populate(&mut self, members: u8) {
        for session in 0..members {
            self.order(0, 0, &Order::Install { session, room: 0, unmet: false });
            self.order(0, 0, &Order::Spread { room: 0, cores: 0b11 });
            self.order(0, 0, &Order::Activate { session });
            self.settle();
            self.accept(usize::from(session) % 3 % self.cores.len());
            let socket = self.sockets.len() - 1;
            self.write(socket, None, &Said::Bind);
            self.settle();
        }
    }

    pub fn take(&mut self, step: Step) {
        match step {
            Step::Accept { core } => self.accept(usize::from(core) % self.cores.len()),
            Step::Write { socket, session, said } => {
                if let Some(at) = self.pick(socket) {
                    self.write(at, session, &said);
                }
            }
            Step::Receive { socket, octets } => {
                if let Some(at) = self.pick(socket) {
                    self.receive(at, octets);
                }
            }
            Step::Disconnect { socket } => {
                if let Some(at) = self.pick(socket) {
                    self.disconnect(at);
                }
            }
            Step::Sent { socket, taken } => {
                if let Some(at) = self.pick(socket) {
                    self.sent(at, &taken);
                }
            }
            Step::Finish { socket } => {
                if let Some(at) = self.pick(socket) {
                    self.finish(at);
                }
            }
            Step::Relay { way } => {
                let ways = self.cores.len() * self.cores.len();
                self.carry_relay(usize::from(way) % ways);
            }
            Step::Order { core, late, order } => self.order(usize::from(core), late, &order),
            Step::Wait { milliseconds } => {
                self.now += Duration::from_millis(milliseconds);
                for core in &mut self.cores {
                    core.handle_timeout(self.now);
                }
            }
            Step::Drain => self.drain(),
        }
    }

    fn pick(&self, socket: u8) -> Option<usize> {
        let there = |at: &usize| self.sockets[*at].state != State::Gone;
        let sockets: Vec<usize> = (0..self.sockets.len()).filter(there).collect();
        (!sockets.is_empty()).then(|| sockets[usize::from(socket) % sockets.len()])
    }

    fn accept(&mut self, core: usize) {
        let from = Ipv4Addr::LOCALHOST.into();
        if let Some(id) = self.cores[core].handle_accepted(self.now, from) {
            self.know(core, id, State::Open);
        }
    }

    fn know(&mut self, core: usize, id: ConnectionId, state: State) {
        let voice = self.uris.len().saturating_sub(1);
        self.sockets.push(Socket::new(core, id, state, voice));
    }

    fn write(&mut self, at: usize, session: Option<u8>, said: &Said) {
        let socket = &mut self.sockets[at];
        let about = match *said {
            Said::Answer { code } => socket.client.unanswered.pop_front().map(|it| it.answer(code)),
            Said::Report { code } => socket.client.last.as_ref().map(|it| it.report(code)),
            _ => None,
        };
        if matches!(said, Said::Answer { .. } | Said::Report { .. }) {
            socket.say(&about.unwrap_or_default());
            return;
        }
        let voice = session.map_or(socket.voice, usize::from);
        let Some((session, uri)) = self.uris.get(voice % self.uris.len().max(1)) else { return };
        for said in said.apart() {
            self.requests += 1;
            let tid = format!("request{}", self.requests);
            let octets = said.octets(&tid, *session, uri);
            socket.written += octets.len();
            socket.outbox.extend(octets);
            if said.is_owed_an_answer() {
                socket.asked.push((tid, socket.written));
            }
        }
    }

    fn receive(&mut self, at: usize, octets: usize) {
        let socket = &mut self.sockets[at];
        if socket.ended || !matches!(socket.state, State::Open | State::Detaching) {
            return;
        }
        while let Some(request) = socket.client.unanswered.pop_front() {
            socket.say(&request.answer(200));
        }
        let octets: Vec<u8> = socket.outbox.drain(..octets.min(socket.outbox.len())).collect();
        socket.arrived += octets.len();
        if !octets.is_empty() {
            self.cores[socket.core].handle_received(self.now, socket.id, &octets);
        }
    }

    fn disconnect(&mut self, at: usize) {
        let socket = &mut self.sockets[at];
        if !socket.ended && !matches!(socket.state, State::Closing | State::Gone) {
            socket.ended = true;
            self.cores[socket.core].handle_disconnected(self.now, socket.id);
        }
    }

    fn sent(&mut self, at: usize, taken: &Taken) {
        let socket = &mut self.sockets[at];
        let Some(batch) = socket.sending.take() else { return };
        let octets = batch.slices().collect::<Vec<_>>().concat();
        let result = match taken {
            Taken::All => Ok(octets.len()),
            Taken::Some(some) => Ok(octets.len().min(*some)),
            Taken::Failed => Err(SendFailed),
        };
        socket.client.hear(&octets[..result.unwrap_or(0)]);
        self.cores[socket.core].handle_sent(self.now, socket.id, batch, result);
    }

    fn finish(&mut self, at: usize) {
        match self.sockets[at].state {
            State::Closing => {
                self.sent(at, &Taken::Some(1));
                let socket = &mut self.sockets[at];
                assert!(socket.sending.is_none());
                socket.state = State::Gone;
                self.cores[socket.core].handle_closed(socket.id);
            }
            State::Detaching => {
                let socket = &mut self.sockets[at];
                let departure = self.cores[socket.core].handle_detached(socket.id);
                let departure = departure.expect("it was told to leave");
                let received: usize = departure.received.len();
                assert_eq!(received, socket.arrived, "no octet is lost on the way");
                let to = departure.to.index();
                assert_ne!(to, socket.core);
                match self.cores[to].handle_accepted(self.now, Ipv4Addr::LOCALHOST.into()) {
                    Some(id) => {
                        (socket.core, socket.id, socket.state) = (to, id, State::Open);
                        self.cores[to].handle_received(self.now, id, &departure.received);
                        if socket.ended {
                            self.cores[to].handle_disconnected(self.now, id);
                        }
                    }
                    None => socket.state = State::Gone,
                }
            }
            State::Opening if !self.sockets[at].ended => {
                let socket = &mut self.sockets[at];
                socket.state = State::Open;
                self.cores[socket.core].handle_connected(self.now, socket.id);
            }
            State::Opening | State::Open | State::Gone => {}
        }
    }

    fn carry_relay(&mut self, way: usize) -> bool {
        let (from, to) = (way / self.cores.len(), way % self.cores.len());
        let Some(relay) = self.cores[from].poll_relay(core_id(to)) else { return false };
        assert_ne!(from, to, "a core has nothing to say to itself");
        self.cores[to].handle_relay(self.now, relay);
        true
    }

    fn terms(&self, room: u8, size_max: u64) -> Arc<RoomTerms> {
        let address = AddressBuf::parse(b"sip:room@example.com").expect("valid");
        Arc::new(RoomTerms {
            id: RoomId(u64::from(room)),
            addresses: [address].into(),
            home: core_id(usize::from(room) % self.cores.len()),
            size_max,
            policy: RoomPolicy {
                private_messages: true,
                nicknames: Some(NicknamePolicy::default()),
                ..RoomPolicy::default()
            },
        })
    }

    /// Anything may be ordered at any time, except that a session lives on one core, a room has one
    /// home, and is closed on all cores.
    fn order(&mut self, core: usize, late: u64, order: &Order) {
        self.epoch += 1;
        let epoch = Epoch(self.epoch - late);
        let at_home = |session: u8| usize::from(session) % self.cores.len();
        let (core, command) = match *order {
            Order::Install { session, room, unmet } => {
                self.orders[0].asked += 1;
                let address = format!("sip:u{session}@example.com");
                let route = Box::new(Route {
                    room: self.terms(room, 5000),
                    participant: ParticipantId(u64::from(session)),
                    identities: [AddressBuf::parse(address.as_bytes()).expect("valid")].into(),
                    is_anonymous: false,
                    may_whisper: true,
                    nickname: None,
                    peer: (!unmet).then(|| peer(session, 0)),
                });
                (at_home(session), Command::Install { session: session_id(session), epoch, route })
            }
            Order::Activate { session } => {
                (at_home(session), Command::Activate { session: session_id(session), epoch })
            }
            Order::Remove { session } => {
                self.removals.asked += 1;
                (at_home(session), Command::Remove { session: session_id(session), epoch })
            }
            Order::Connect { session, addresses, place } => {
                let address = |at: u8| SocketAddr::from(([192, 0, 2, at], 7654));
                let remote = Box::new(Remote {
                    addresses: (1..=addresses).map(address).collect(),
                    shared_as: place.map(|place| format!("place{place}:7654").into()),
                });
                (at_home(session), Command::Connect { session: session_id(session), epoch, remote })
            }
            Order::Meet { session, direction } => {
                let rights = Rights::Peer(session_id(session), Box::new(peer(session, direction)));
                (at_home(session), Command::Policy { epoch, rights })
            }
            Order::Terms { room, size_max } => {
                let rights = Rights::Terms(self.terms(room, size_max));
                (core % self.cores.len(), Command::Policy { epoch, rights })
            }
            Order::Close { room } => {
                let room = RoomId(u64::from(room));
                for core in &mut self.cores {
                    self.orders[1].asked += 1;
                    core.handle_command(self.now, Command::Close { room, epoch });
                }
                return;
            }
            Order::Spread { room, cores } => {
                self.orders[2].asked += 1;
                let members = (0..3).filter(|number| cores & 1 << number != 0);
                let cores: CoreSet = members.map(core_id).collect();
                let home = usize::from(room) % self.cores.len();
                (home, Command::Spread { room: self.terms(room, 5000), epoch, cores })
            }
        };
        self.cores[core].handle_command(self.now, command);
    }

    fn drain(&mut self) {
        for core in 0..self.cores.len() {
            while let Some(operation) = self.cores[core].poll_operation(self.now) {
                self.perform(core, operation);
            }
            while let Some(event) = self.cores[core].poll_event() {
                self.note(core, event);
            }
        }
    }

    fn perform(&mut self, core: usize, operation: Operation) {
        if let Operation::Connect { connection, .. } = operation {
            return self.know(core, connection, State::Opening);
        }
        let (Operation::Send { connection, .. }
        | Operation::Connect { connection, .. }
        | Operation::Close { connection }
        | Operation::Detach { connection }) = operation;
        let known =
            |it: &&mut Socket| (it.core, it.id) == (core, connection) && it.state != State::Gone;
        let socket = self.sockets.iter_mut().find(known).expect("the runtime knows the socket");
        let is_close = matches!(operation, Operation::Close { .. });
        let may = socket.state == State::Open || is_close && socket.state == State::Opening;
        assert!(may, "nothing is asked of what is not there, or on its way out");
        match operation {
            Operation::Connect { .. } => {}
            Operation::Send { batch, .. } => {
                assert!(socket.sending.is_none(), "one send at a time");
                let slices: Vec<&[u8]> = batch.slices().collect();
                assert!(!slices.is_empty() && slices.len() <= BATCH_SLICES_MAX);
                assert!(slices.iter().all(|slice| !slice.is_empty()));
                let octets: usize = slices.iter().map(|slice| slice.len()).sum();
                assert!(octets == batch.len() || slices.len() == BATCH_SLICES_MAX);
                socket.sending = Some(batch);
            }
            Operation::Close { .. } => socket.state = State::Closing,
            Operation::Detach { .. } => {
                assert!(socket.sending.is_none(), "nothing is said to who is sent elsewhere");
                socket.state = State::Detaching;
            }
        }
    }

    fn note(&mut self, core: usize, event: Event) {
        match event {
            Event::Installed { session, path, .. } => {
                self.orders[0].answered += 1;
                let session = session.0 as u8;
                if !self.uris.iter().any(|(_, uri)| *uri == path) {
                    self.uris.push((session, path));
                }
            }
            Event::Refused { .. } => self.orders[0].answered += 1,
            Event::Closed { .. } => self.orders[1].answered += 1,
            Event::Spread { .. } => self.orders[2].answered += 1,
            Event::Removed { .. } => self.removals.answered += 1,
            Event::Bound { session } => *self.bound.entry(session).or_default() += 1,
            Event::Failed { session, cause } => {
                *self.failed.entry(session).or_default() += 1;
                if matches!(cause, FailureCause::RefusedByPeer | FailureCause::Unresponsive) {
                    let lives = self.uris.iter().filter(|(it, _)| session_id(*it) == session);
                    self.cut.extend(lives.map(|(_, uri)| uri.as_bytes().to_vec()));
                }
            }
            Event::Heard { .. } => panic!("nobody asked"),
            Event::Load { .. } => panic!("a core has no clock to tell its load by"),
            Event::Nickname { .. } => {}
            Event::Drained => {
                assert_eq!(self.cores[core].occupancy().0, 0, "there are connections left");
                self.drained[core] += 1;
            }
        }
    }

    /// Lets everything that is under way come to its end.
    pub fn settle(&mut self) {
        let mut busy = true;
        while busy {
            busy = false;
            self.drain();
            for at in 0..self.sockets.len() {
                let socket = &self.sockets[at];
                busy |= socket.sending.is_some()
                    || matches!(socket.state, State::Closing | State::Detaching)
                    || socket.state == State::Opening && !socket.ended
                    || socket.state == State::Open
                        && !socket.ended
                        && socket.has_something_to_say();
                self.sent(at, &Taken::All);
                self.receive(at, 1000);
                self.finish(at);
            }
            for way in 0..self.cores.len() * self.cores.len() {
                while self.carry_relay(way) {
                    busy = true;
                }
            }
        }
        self.check();
    }

    /// What must be true whenever nothing is under way.
    fn check(&self) {
        for socket in &self.sockets {
            let owed: HashSet<&str> = socket.asked.iter().map(|(tid, _)| tid.as_str()).collect();
            for (tid, &count) in &socket.client.answers {
                assert!(owed.contains(tid.as_str()), "{tid} was not to be answered");
                assert_eq!(count, 1, "{tid} was answered {count} times");
            }
            let arrived = |end: usize| end <= socket.arrived && socket.state == State::Open;
            for (tid, _) in socket.asked.iter().filter(|(_, end)| arrived(*end)) {
                assert!(socket.client.answers.contains_key(tid), "{tid} was never answered");
            }
        }
        for Tally { asked, answered } in &self.orders {
            assert_eq!(answered, asked, "every command has its answer");
        }
        assert!(self.removals.answered >= self.removals.asked, "every removal has its answer");
        for happened in [&self.bound, &self.failed] {
            for (session, &times) in happened {
                let lives = self.uris.iter().filter(|(it, _)| session_id(*it) == *session).count();
                assert!(times <= lives, "{session:?} had {lives} lives");
            }
        }
    }

    /// Everybody leaves; nothing stays.
    pub fn tear_down(&mut self) {
        for session in 0..SESSIONS {
            self.order(0, 0, &Order::Remove { session });
            self.settle();
            for socket in self.sockets.iter().filter(|it| it.state == State::Open) {
                let waits = socket.client.waits_for(session, &self.cut);
                assert!(!waits, "complete or given up, never left open");
            }
        }
        for room in 0..ROOMS {
            self.order(0, 0, &Order::Spread { room, cores: 0 });
        }
        self.settle();
        for core in &self.cores {
            let (_, sessions, _) = core.occupancy();
            assert_eq!(sessions, 0);
        }
        // A connection without sessions is closed in its time (CONN-15, CONN-16), and a room is
        // forgotten when no nickname is kept in it any more (NICK-12).
        while let Some(due) = self.cores.iter().filter_map(Core::poll_timeout).min() {
            self.now = self.now.max(due);
            for core in &mut self.cores {
                core.handle_timeout(self.now);
            }
            self.settle();
        }
        for core in &self.cores {
            assert_eq!(core.occupancy(), (0, 0, 0));
        }
    }

    pub fn drain_cores(&mut self) {
        for core in &mut self.cores {
            core.handle_command(self.now, Command::Drain);
        }
    }

    pub fn finish_draining(&mut self) {
        self.settle();
        assert_eq!(self.drained, vec![1; self.cores.len()]);
    }
}
