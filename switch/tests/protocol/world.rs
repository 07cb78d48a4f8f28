//! The real [`Placement`] and real cores, with every ring between them in the hands of the test: what
//! is under way arrives when the test says so, in whatever order rings allow.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    fmt::Write as _,
    net::Ipv4Addr,
    time::Instant,
};

use engine::{ConnectionId, Core, CoreConfig, Limits, Operation};
use mailbox::{
    Chatroom, Command, CoreId, Direction, Doorbell, Event, ParticipantId, PeerMedia, Receiver,
    Relay, RoomId, RoomPolicy, Sender, SessionId, ring,
};
use memchr::memmem;
use msrp::{AcceptTypes, AddressBuf, PathBuf};
use sip_control::{
    config::Deal,
    focus::{Member, Order, Report},
    placement::{CoreLink, Placement},
};

pub const CORES: usize = 2;
/// More than there ever is under way: what a full ring does is placement's own affair, and tested there.
const RING: usize = 64;
const ROOM: &str = "sip:lobby@chat.example.com";
const ROOM_ID: RoomId = RoomId(1);

/// What one participant does, in this order, as soon as it can; a refused `Install` is the end of it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Step {
    /// The focus has the leg installed.
    Install,
    /// The focus has it activated, once it is installed.
    Activate,
    /// The peer binds it, once it is installed.
    Bind,
    /// The peer says something to the room, once it has bound.
    Say,
    /// The focus ends it.
    Remove,
    /// The focus ends the leg of another participant's thread: a rejoin took its place.
    Replace(usize),
    /// The focus closes the room.
    Close,
}

/// One thing that can happen next.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Action {
    /// The next step of this participant.
    Step(usize),
    /// A core takes its next command.
    Command(usize),
    /// The control plane takes the next event of a core.
    Event(usize),
    /// A core takes the next relay of the other.
    Relay(usize),
}

struct Leg {
    steps: &'static [Step],
    at: usize,
    /// Its core and its URI, once a core has said so.
    place: Option<(usize, String)>,
    /// Whether the focus has been told that it is installed.
    is_installed: bool,
    is_removed: bool,
    connection: Option<ConnectionId>,
    /// Whether its core has activated it.
    is_active: bool,
    /// Whether its core has removed it.
    is_gone: bool,
    /// Whether the control plane has heard of that.
    is_forgotten: bool,
    /// What was said while it was a recipient, by whom.
    due: BTreeSet<usize>,
    heard: Vec<u8>,
}

pub struct World {
    now: Instant,
    placement: Placement,
    commands: Vec<Receiver<Command>>,
    /// What is on its way from the control plane to each core.
    asked: Vec<VecDeque<Command>>,
    events: Vec<Sender<Event>>,
    /// What each core has said and nobody has heard.
    said: Vec<VecDeque<Event>>,
    /// What is on its way to each core.
    relays: Vec<VecDeque<Relay>>,
    cores: Vec<Core>,
    legs: Vec<Leg>,
    connections: HashMap<(usize, ConnectionId), usize>,
    is_closed: bool,
    /// What each core has been told of the cores to relay to, and of the end of the room.
    told: [String; CORES],
}

impl World {
    /// One participant for each list of steps.
    pub fn new(threads: &[&'static [Step]]) -> Self {
        let doorbell = Doorbell::new().unwrap();
        let core = |number| {
            let id = CoreId::new(number).unwrap();
            let config =
                CoreConfig { id, cores: CORES, authority: "sw.example.com:2855".to_owned() };
            Core::new(config, Limits::default(), [number as u8 + 1; 32])
        };
        let (mut links, mut commands, mut events) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..CORES {
            let (to_core, command) = ring(RING, &doorbell);
            let (event, from_core) = ring(RING, &doorbell);
            links.push(CoreLink { commands: to_core, events: from_core });
            commands.push(command);
            events.push(event);
        }
        let mut placement = Placement::new(links, Deal::Spread);
        placement.handle_order(Order::Open {
            room: ROOM_ID,
            addresses: [AddressBuf::parse(ROOM.as_bytes()).unwrap()].into(),
            size_max: 1000,
            policy: RoomPolicy::default(),
        });
        let leg = |steps: &&'static [Step]| Leg {
            steps,
            at: 0,
            place: None,
            is_installed: false,
            is_removed: false,
            connection: None,
            is_active: false,
            is_gone: false,
            is_forgotten: false,
            due: BTreeSet::new(),
            heard: Vec::new(),
        };
        Self {
            now: Instant::now(),
            placement,
            commands,
            asked: vec![VecDeque::new(); CORES],
            events,
            said: vec![VecDeque::new(); CORES],
            relays: vec![VecDeque::new(); CORES],
            cores: (0..CORES).map(core).collect(),
            legs: threads.iter().map(leg).collect(),
            connections: HashMap::new(),
            is_closed: false,
            told: Default::default(),
        }
    }

    /// Where everything stands. Worlds that agree in it go on in the same ways: the numbers of epochs
    /// differ between them, and their order does not.
    pub fn fingerprint(&self) -> String {
        let mut print = format!("{:?} {} {:?}", self.told, self.is_closed, self.relays);
        for core in 0..CORES {
            let asked: Vec<String> = self.asked[core].iter().map(name_of_command).collect();
            let said: Vec<String> = self.said[core].iter().map(name_of_event).collect();
            let _ = write!(print, "|{asked:?} {said:?}");
        }
        for number in 0..self.legs.len() {
            let leg = &self.legs[number];
            let core = leg.place.as_ref().map(|(core, _)| core);
            let flags = [
                leg.is_installed,
                leg.is_removed,
                leg.connection.is_some(),
                leg.is_active,
                leg.is_gone,
                leg.is_forgotten,
            ];
            let heard: Vec<_> = (0..self.legs.len()).map(|it| leg.times_heard(it)).collect();
            let _ = write!(print, "|{} {core:?} {flags:?} {:?} {heard:?}", leg.at, leg.due);
        }
        print
    }

    /// Everything that can happen next.
    pub fn actions(&self) -> Vec<Action> {
        let legs = (0..self.legs.len()).filter(|&leg| self.may_step(leg)).map(Action::Step);
        let cores = 0..CORES;
        let commands = cores.clone().filter(|&core| !self.asked[core].is_empty());
        let events = cores.clone().filter(|&core| !self.said[core].is_empty());
        let relays = cores.filter(|&core| !self.relays[core].is_empty());
        legs.chain(commands.map(Action::Command))
            .chain(events.map(Action::Event))
            .chain(relays.map(Action::Relay))
            .collect()
    }

    fn may_step(&self, number: usize) -> bool {
        let leg = &self.legs[number];
        let is_live = leg.is_installed && !leg.is_removed && !self.is_closed;
        match leg.steps.get(leg.at) {
            Some(Step::Install | Step::Close) => !self.is_closed,
            Some(Step::Activate | Step::Bind) => is_live,
            Some(Step::Say) => is_live && leg.connection.is_some(),
            Some(Step::Remove) => leg.at > 0 && !leg.is_removed && !self.is_closed,
            Some(Step::Replace(other)) => {
                let other = &self.legs[*other];
                other.at > 0 && !other.is_removed && !self.is_closed
            }
            None => false,
        }
    }

    /// Lets it happen.
    pub fn act(&mut self, action: Action) {
        match action {
            Action::Step(leg) => self.step(leg),
            Action::Command(core) => {
                let command = self.asked[core].pop_front().unwrap();
                match &command {
                    Command::Activate { session, .. } => self.leg(*session).is_active = true,
                    Command::Remove { session, .. } => self.leg(*session).is_gone = true,
                    Command::Spread { cores, .. } => self.told[core] = format!("{cores:?}"),
                    Command::Close { .. } => self.told[core].push_str("closed"),
                    _ => {}
                }
                self.cores[core].handle_command(self.now, command);
            }
            Action::Event(core) => {
                if let Some(event) = self.said[core].pop_front() {
                    if let Event::Removed { session, .. } = event {
                        self.leg(session).is_forgotten = true;
                    }
                    self.events[core].push(event).ok().unwrap();
                }
                self.placement.handle_events();
            }
            Action::Relay(core) => {
                let relay = self.relays[core].pop_front().unwrap();
                self.cores[core].handle_relay(self.now, relay);
            }
        }
        self.settle();
    }

    fn step(&mut self, number: usize) {
        let leg = &mut self.legs[number];
        let step = leg.steps[leg.at];
        leg.at += 1;
        let session = session(number);
        match step {
            Step::Install => {
                let member = Box::new(member(number));
                self.placement.handle_order(Order::Install { session, room: ROOM_ID, member });
            }
            Step::Activate => self.placement.handle_order(Order::Activate { session }),
            Step::Bind => self.bind(number),
            Step::Say => self.say(number),
            Step::Remove => self.remove(number),
            Step::Replace(other) => self.remove(other),
            Step::Close => {
                self.is_closed = true;
                self.placement.handle_order(Order::Close { room: ROOM_ID });
            }
        }
    }

    fn remove(&mut self, number: usize) {
        self.legs[number].is_removed = true;
        self.placement.handle_order(Order::Remove { session: session(number) });
    }

    fn bind(&mut self, number: usize) {
        let (core, uri) = self.legs[number].place.clone().unwrap();
        let connection =
            self.cores[core].handle_accepted(self.now, Ipv4Addr::LOCALHOST.into()).unwrap();
        self.connections.insert((core, connection), number);
        self.legs[number].connection = Some(connection);
        let bind = format!(
            "MSRP bind000{number} SEND\r\nTo-Path: {uri}\r\nFrom-Path: {}\r\n-------bind000{number}$\r\n",
            path(number)
        );
        self.cores[core].handle_received(self.now, connection, bind.as_bytes());
        self.settle();
        // FOC-23: what the focus was told is installed is acceptable on the wire.
        let heard = std::mem::take(&mut self.legs[number].heard);
        let ok = format!("MSRP bind000{number} 200 ");
        assert!(heard.starts_with(ok.as_bytes()), "{}", heard.escape_ascii());
    }

    fn say(&mut self, number: usize) {
        let (core, uri) = self.legs[number].place.clone().unwrap();
        let text = format!(
            "From: <{}>\r\nTo: <{ROOM}>\r\n\r\nContent-Type: text/plain\r\n\r\nwords of {number}",
            address(number)
        );
        let send = format!(
            "MSRP said000{number} SEND\r\nTo-Path: {uri}\r\nFrom-Path: {}\r\nMessage-ID: m{number}\r\n\
             Byte-Range: 1-{1}/{1}\r\nFailure-Report: no\r\nContent-Type: message/cpim\r\n\r\n{text}\r\n\
             -------said000{number}$\r\n",
            path(number),
            text.len()
        );
        let connection = self.legs[number].connection.unwrap();
        self.cores[core].handle_received(self.now, connection, send.as_bytes());
        for (other, leg) in self.legs.iter_mut().enumerate() {
            let is_recipient = leg.is_active && leg.connection.is_some();
            if other != number && is_recipient && !leg.is_removed && !self.is_closed {
                leg.due.insert(number);
            }
        }
    }

    /// Takes what the last input has led to as far as the next ring.
    fn settle(&mut self) {
        let mut is_settled = true;
        for core in 0..CORES {
            while let Some(command) = self.commands[core].pop() {
                self.asked[core].push_back(command);
            }
            while let Some(operation) = self.cores[core].poll_operation(self.now) {
                match operation {
                    Operation::Send { connection, batch } => {
                        let octets: Vec<u8> = batch.slices().flatten().copied().collect();
                        let sent = octets.len();
                        if let Some(&leg) = self.connections.get(&(core, connection)) {
                            self.legs[leg].heard.extend(octets);
                        }
                        self.cores[core].handle_sent(self.now, connection, batch, Ok(sent));
                    }
                    Operation::Close { connection } => self.cores[core].handle_closed(connection),
                    other => panic!("{other:?}"),
                }
            }
            while let Some(event) = self.cores[core].poll_event() {
                if let Event::Installed { session, path, .. } = &event {
                    let path = String::from_utf8(path.as_bytes().to_vec()).unwrap();
                    self.leg(*session).place = Some((core, path));
                }
                self.said[core].push_back(event);
            }
            for to in 0..CORES {
                while let Some(relay) = self.cores[core].poll_relay(CoreId::new(to).unwrap()) {
                    // Who is where is told all the time; when it arrives is of no account here, as
                    // long as it overtakes no message.
                    if matches!(relay, Relay::Room(_)) || !self.relays[to].is_empty() {
                        self.relays[to].push_back(relay);
                    } else {
                        self.cores[to].handle_relay(self.now, relay);
                        is_settled = false;
                    }
                }
            }
        }
        if !is_settled {
            self.settle();
        }
        while let Some(report) = self.placement.poll_report() {
            match report {
                Report::Installed { session, .. } => {
                    let leg = self.leg(session);
                    assert!(!std::mem::replace(&mut leg.is_installed, true), "said once");
                }
                Report::Refused { session } => {
                    let leg = self.leg(session);
                    (leg.is_removed, leg.at) = (true, leg.steps.len());
                }
                _ => {}
            }
        }
    }

    fn leg(&mut self, session: SessionId) -> &mut Leg {
        &mut self.legs[session.0 as usize]
    }

    /// When nothing can happen any more: everybody has heard what was due, once, and what the focus
    /// has ended has left nothing behind.
    pub fn check_end(&mut self) {
        for (number, leg) in self.legs.iter().enumerate() {
            for other in 0..self.legs.len() {
                let times = leg.times_heard(other);
                let is_due = leg.due.contains(&other) && !leg.is_removed && !self.is_closed;
                let least = usize::from(is_due);
                assert!((least..=1).contains(&times), "{number} heard {other} {times} times");
            }
        }
        assert!(!self.placement.keeps_commands());
        let live = |leg: &&Leg| leg.is_installed && !leg.is_removed && !self.is_closed;
        let live = self.legs.iter().filter(live).count();
        let occupied = self.cores.iter().map(Core::occupancy);
        let (sessions, rooms) =
            occupied.fold((0, 0), |(s, r), (_, sessions, rooms)| (s + sessions, r + rooms));
        assert_eq!(sessions, live);
        assert!(live > 0 || rooms == 0, "{rooms} rooms are left");
        // What was ended is known nowhere any more.
        for number in 0..self.legs.len() {
            let leg = &self.legs[number];
            if let Some((core, uri)) = leg.place.clone()
                && (leg.is_removed || self.is_closed)
            {
                self.legs[number].heard.clear();
                let connection =
                    self.cores[core].handle_accepted(self.now, Ipv4Addr::LOCALHOST.into());
                let connection = connection.unwrap();
                self.connections.insert((core, connection), number);
                let late = format!(
                    "MSRP late0001 SEND\r\nTo-Path: {uri}\r\nFrom-Path: {}\r\n-------late0001$\r\n",
                    path(number)
                );
                self.cores[core].handle_received(self.now, connection, late.as_bytes());
                self.settle();
                let heard = &self.legs[number].heard;
                assert!(heard.starts_with(b"MSRP late0001 481 "), "{}", heard.escape_ascii());
            }
        }
    }
}

impl Leg {
    /// How often it has heard all that another said.
    fn times_heard(&self, other: usize) -> usize {
        let words = format!("\r\n\r\nwords of {other}\r\n-------");
        memmem::find_iter(&self.heard, words.as_bytes()).count()
    }
}

/// What a command says, without its epoch.
fn name_of_command(command: &Command) -> String {
    match command {
        Command::Install { session, .. } => format!("install {session:?}"),
        Command::Activate { session, .. } => format!("activate {session:?}"),
        Command::Remove { session, .. } => format!("remove {session:?}"),
        Command::Spread { cores, .. } => format!("spread {cores:?}"),
        Command::Close { .. } => "close".to_owned(),
        other => panic!("{other:?}"),
    }
}

/// What an event says, without its epoch.
fn name_of_event(event: &Event) -> String {
    match event {
        Event::Installed { session, .. } => format!("installed {session:?}"),
        Event::Removed { session, .. } => format!("removed {session:?}"),
        Event::Bound { session } => format!("bound {session:?}"),
        Event::Spread { .. } => "spread".to_owned(),
        Event::Closed { .. } => "closed".to_owned(),
        other => panic!("{other:?}"),
    }
}

fn session(number: usize) -> SessionId {
    SessionId(number as u64)
}

fn address(number: usize) -> String {
    format!("sip:user{number}@example.com")
}

fn path(number: usize) -> String {
    format!("msrp://192.0.2.{number}:7777/p{number};tcp")
}

fn member(number: usize) -> Member {
    Member {
        participant: ParticipantId(number as u64),
        identities: [AddressBuf::parse(address(number).as_bytes()).unwrap()].into(),
        is_anonymous: false,
        may_whisper: true,
        nickname: None,
        peer: Some(PeerMedia {
            path: PathBuf::parse(path(number).as_bytes()).unwrap(),
            accept_wrapped: AcceptTypes::any(),
            size_max: None,
            direction: Direction::SendReceive,
            setup: mailbox::Setup::Passive,
            chatroom: Some(Chatroom::default()),
        }),
    }
}
