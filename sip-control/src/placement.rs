//! Which core serves whom. The only holder of mailbox ends in this plane.
//!
//! A room has a home core, which puts its messages in order. Its members live there too, or are
//! dealt to all cores; the home must relay to a member's core before that member is activated, so
//! a session counts as installed when its own core and, where one is needed, the home's
//! [`Event::Spread`] have answered (FOC-23, FOC-32).
//!
//! A command ring that is full is never waited for. An `Install` is refused then, which becomes a
//! 503; whatever ends or completes something is kept and tried again. No `Install` passes what is
//! kept, so no more than four commands per live session and one per room can be.

mod audit;
mod loss;
mod reach;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use mailbox::{
    Command, CoreId, CoreSet, Epoch, Event, Full, NextHop, ParticipantId, Receiver, Rights, RoomId,
    RoomPolicy, RoomTerms, Route, Sender, SessionId,
};
use msrp::UriBuf;

pub use self::reach::{Found, Lookup};
use self::reach::{Reach, next_hop};
use crate::{
    config::Deal,
    focus::{Member, Order, Report},
};

/// The mailbox ends of one core. The number of the core is its place in the list.
#[derive(Debug)]
pub struct CoreLink {
    /// What the focus asks.
    pub commands: Sender<Command>,
    /// What the core tells.
    pub events: Receiver<Event>,
}

/// Deals rooms and sessions to cores, and keeps the books about it.
#[derive(Debug)]
pub struct Placement {
    cores: Vec<Core>,
    deal: Deal,
    /// The core whose turn it is.
    turn: usize,
    rooms: HashMap<RoomId, Room>,
    sessions: HashMap<SessionId, Session>,
    reports: VecDeque<Report>,
    reach: Reach,
}

#[derive(Debug)]
struct Core {
    id: CoreId,
    link: CoreLink,
    /// What did not fit into the ring, oldest first.
    kept: VecDeque<Command>,
    drained: bool,
    /// It does not serve any more (OPS-09).
    is_lost: bool,
    /// Percent of a CPU, as it says.
    load: u8,
}

#[derive(Debug)]
struct Room {
    terms: Arc<RoomTerms>,
    epoch: Epoch,
    /// Sessions per core, those under removal counted.
    members: HashMap<CoreId, usize>,
    /// The cores that the home was last told to relay to, and by which command.
    spread: (CoreSet, Epoch),
    /// The newest `Spread` the home has answered.
    spread_answered: Epoch,
    /// Sessions that wait for one.
    waiting: Vec<SessionId>,
    /// Every core that has heard of the room.
    aware: CoreSet,
    /// Set once the room is closed: the cores that have yet to say so.
    closing: Option<CoreSet>,
}

#[derive(Debug)]
struct Session {
    room: RoomId,
    core: CoreId,
    state: State,
    participant: ParticipantId,
    /// Where its peer waits, if it does.
    next_hop: Option<NextHop>,
}

#[derive(Debug)]
enum State {
    /// Answers are due: the core's `Installed`, and the home's `Spread` of at least this epoch.
    Installing {
        path: Option<UriBuf>,
        spread: Epoch,
    },
    Installed,
    /// The focus is done with it; the core is not.
    Removing,
}

impl Room {
    fn next_epoch(&mut self) -> Epoch {
        self.epoch.0 += 1;
        self.epoch
    }

    /// The cores with members, the home left out.
    fn outlying(&self) -> CoreSet {
        let cores = self.members.iter().filter(|(_, count)| **count > 0).map(|(core, _)| *core);
        cores.filter(|core| *core != self.terms.home).fold(CoreSet::EMPTY, CoreSet::with)
    }
}

impl Core {
    /// Hands `command` over now, or keeps it behind what is kept already.
    fn tell(&mut self, command: Command) {
        if self.is_lost {
            return;
        }
        if !self.kept.is_empty() {
            self.kept.push_back(command);
        } else if let Err(Full(command)) = self.link.commands.send(command) {
            self.kept.push_back(command);
        }
    }

    /// Whether `count` commands would go through now.
    fn has_room(&self, count: usize) -> bool {
        !self.is_lost && self.kept.is_empty() && self.link.commands.room() >= count
    }

    fn retry(&mut self) {
        while let Some(command) = self.kept.pop_front() {
            if let Err(Full(command)) = self.link.commands.send(command) {
                self.kept.push_front(command);
                return;
            }
        }
    }
}

impl Placement {
    /// Deals to the cores behind `links`.
    ///
    /// # Panics
    ///
    /// When there is no core, or more than a [`CoreSet`] has bits for.
    pub fn new(links: Vec<CoreLink>, deal: Deal) -> Self {
        assert!(!links.is_empty(), "a switch has at least one core");
        let core = |(number, link)| Core {
            id: CoreId::new(number).expect("no more cores than a set has bits for"),
            link,
            kept: VecDeque::new(),
            drained: false,
            is_lost: false,
            load: 0,
        };
        Self {
            cores: links.into_iter().enumerate().map(core).collect(),
            deal,
            turn: 0,
            rooms: HashMap::new(),
            sessions: HashMap::new(),
            reports: VecDeque::new(),
            reach: Reach::default(),
        }
    }

    /// Carries out an order of the focus.
    pub fn handle_order(&mut self, order: Order) {
        match order {
            Order::Open { room, addresses, size_max, policy } => {
                self.open(room, addresses, size_max, policy);
            }
            Order::Install { session, room, member } => self.install(session, room, *member),
            Order::Describe { session, peer } => {
                if let Some(placed) = self.sessions.get_mut(&session) {
                    placed.next_hop = next_hop(&peer);
                }
                let rights = Rights::Peer(session, peer);
                self.tell_core_of(session, |epoch| Command::Policy { epoch, rights });
            }
            Order::Activate { session } => {
                self.tell_core_of(session, |epoch| Command::Activate { session, epoch });
                self.reach_out(session);
            }
            Order::Remove { session } => self.remove(session),
            Order::Amend { room, size_max, policy } => self.amend(room, size_max, policy),
            Order::Inquire { room } => self.inquire(room),
            Order::Close { room } => self.close(room),
        }
    }

    /// Takes in what the cores have to say, and hands them what was kept for them.
    pub fn handle_events(&mut self) {
        for number in 0..self.cores.len() {
            // What it said last was said of sessions that are not there any more.
            if self.cores[number].is_lost {
                continue;
            }
            self.cores[number].retry();
            while let Some(event) = self.cores[number].link.events.pop() {
                self.handle_event(number, event);
            }
        }
    }

    /// The next thing the focus has to hear.
    pub fn poll_report(&mut self) -> Option<Report> {
        self.reports.pop_front()
    }

    /// Whether commands wait for room in a ring, and so for another [`handle_events`].
    ///
    /// [`handle_events`]: Self::handle_events
    pub fn keeps_commands(&self) -> bool {
        self.cores.iter().any(|core| !core.kept.is_empty())
    }

    /// Whether some core has said something that is not taken in yet.
    pub fn has_events(&self) -> bool {
        self.cores.iter().any(|core| !core.is_lost && !core.link.events.is_empty())
    }

    /// How busy the cores are, all together: percent of what they could do.
    pub fn load(&self) -> u8 {
        let serving = || self.cores.iter().filter(|core| !core.is_lost);
        let sum: usize = serving().map(|core| usize::from(core.load)).sum();
        (sum / serving().count().max(1)) as u8
    }

    /// Tells every core to finish.
    pub fn drain(&mut self) {
        for core in &mut self.cores {
            core.tell(Command::Drain);
        }
    }

    /// Whether every core has finished.
    pub fn is_drained(&self) -> bool {
        self.cores.iter().all(|core| core.drained || core.is_lost)
    }

    fn open(
        &mut self,
        room: RoomId,
        addresses: Box<[msrp::AddressBuf]>,
        size_max: u64,
        policy: RoomPolicy,
    ) {
        let home = self.next_core();
        let terms = Arc::new(RoomTerms { id: room, addresses, home, size_max, policy });
        let opened = Room {
            terms,
            epoch: Epoch(0),
            members: HashMap::new(),
            spread: (CoreSet::EMPTY, Epoch(0)),
            spread_answered: Epoch(0),
            waiting: Vec::new(),
            aware: CoreSet::EMPTY,
            closing: None,
        };
        self.rooms.insert(room, opened);
    }

    fn install(&mut self, session: SessionId, room_id: RoomId, member: Member) {
        let dealt = match self.deal {
            Deal::Together => None,
            Deal::Spread => Some(self.next_core()),
        };
        let refused = Report::Refused { session };
        let Some(room) = self.rooms.get_mut(&room_id).filter(|room| room.closing.is_none()) else {
            self.reports.push_back(refused);
            return;
        };
        let home = room.terms.home;
        let core = dealt.unwrap_or(home);
        let spreads = core != home && !room.spread.0.contains(core);
        if !self.cores[core.index()].has_room(1) || spreads && !self.cores[home.index()].has_room(1)
        {
            self.reports.push_back(refused);
            return;
        }
        *room.members.entry(core).or_default() += 1;
        room.aware = room.aware.with(core);
        if spreads {
            self.spread(room_id);
        }
        let Some(room) = self.rooms.get_mut(&room_id) else { return };
        let spread = if core == home { Epoch(0) } else { room.spread.1 };
        if spread > room.spread_answered {
            room.waiting.push(session);
        }
        let next_hop = member.peer.as_ref().and_then(next_hop);
        let participant = member.participant;
        let route = Box::new(Route {
            room: Arc::clone(&room.terms),
            participant,
            identities: member.identities.into(),
            is_anonymous: member.is_anonymous,
            may_whisper: member.may_whisper,
            nickname: member.nickname,
            peer: member.peer,
        });
        let state = State::Installing { path: None, spread };
        let placed = Session { room: room_id, core, state, participant, next_hop };
        self.sessions.insert(session, placed);
        self.tell(core, room_id, |epoch| Command::Install { session, epoch, route });
    }

    fn remove(&mut self, session: SessionId) {
        let Some(placed) = self.sessions.get_mut(&session) else { return };
        placed.state = State::Removing;
        let (room, core) = (placed.room, placed.core);
        self.reached(session);
        self.tell(core, room, |epoch| Command::Remove { session, epoch });
    }

    fn amend(&mut self, room_id: RoomId, size_max: u64, policy: RoomPolicy) {
        let Some(room) = self.rooms.get_mut(&room_id).filter(|room| room.closing.is_none()) else {
            return;
        };
        room.terms = Arc::new(RoomTerms { size_max, policy, ..RoomTerms::clone(&room.terms) });
        let (aware, terms) = (room.aware, Arc::clone(&room.terms));
        for core in aware.iter() {
            let rights = Rights::Terms(Arc::clone(&terms));
            self.tell(core, room_id, |epoch| Command::Policy { epoch, rights });
        }
    }

    /// The home knows, for every message passes it. A core that has never heard of the room says so.
    fn inquire(&mut self, room_id: RoomId) {
        if let Some(room) = self.rooms.get(&room_id) {
            let home = room.terms.home.index();
            self.cores[home].tell(Command::Inquire { room: room_id });
        }
    }

    fn close(&mut self, room_id: RoomId) {
        let Some(room) = self.rooms.get_mut(&room_id).filter(|room| room.closing.is_none()) else {
            return;
        };
        room.closing = Some(room.aware);
        let aware = room.aware;
        for core in aware.iter() {
            self.tell(core, room_id, |epoch| Command::Close { room: room_id, epoch });
        }
        self.forget_closed(room_id);
    }

    /// Tells the home where the members are now.
    fn spread(&mut self, room_id: RoomId) {
        let Some(room) = self.rooms.get_mut(&room_id) else { return };
        let (home, cores, epoch) = (room.terms.home, room.outlying(), room.next_epoch());
        room.spread = (cores, epoch);
        room.aware = room.aware.with(home);
        let room = Arc::clone(&room.terms);
        self.cores[home.index()].tell(Command::Spread { room, epoch, cores });
    }

    fn tell_core_of(&mut self, session: SessionId, command: impl FnOnce(Epoch) -> Command) {
        if let Some(Session { room, core, .. }) = self.sessions.get(&session) {
            self.tell(*core, *room, command);
        }
    }

    fn tell(&mut self, core: CoreId, room: RoomId, command: impl FnOnce(Epoch) -> Command) {
        if let Some(room) = self.rooms.get_mut(&room) {
            self.cores[core.index()].tell(command(room.next_epoch()));
        }
    }

    fn next_core(&mut self) -> CoreId {
        let count = self.cores.len();
        let turns = (0..count).map(|step| (self.turn + step) % count);
        let serving = turns.clone().find(|turn| !self.cores[*turn].is_lost);
        // Where none serves, all is refused.
        let chosen = serving.unwrap_or(self.turn);
        self.turn = (chosen + 1) % count;
        self.cores[chosen].id
    }

    fn handle_event(&mut self, from: usize, event: Event) {
        match event {
            Event::Installed { session, path, .. } => {
                if let Some(Session { state: State::Installing { path: waiting, .. }, .. }) =
                    self.sessions.get_mut(&session)
                {
                    *waiting = Some(path);
                    self.complete(session);
                }
            }
            Event::Refused { session, reason, .. } => {
                tracing::warn!(session = session.0, core = from, ?reason, "install refused");
                if self.forget(session) {
                    self.reports.push_back(Report::Refused { session });
                }
            }
            Event::Removed { session, .. } => {
                self.forget(session);
            }
            Event::Spread { room, epoch } => self.spread_answered(room, epoch),
            Event::Closed { room, .. } => {
                let core = self.cores[from].id;
                if let Some(closing) =
                    self.rooms.get_mut(&room).and_then(|room| room.closing.as_mut())
                {
                    *closing = closing.without(core);
                    self.forget_closed(room);
                }
            }
            Event::Bound { session } => {
                self.reached(session);
                self.report_live(session, Report::Bound { session });
            }
            Event::Failed { session, cause } => {
                self.reached(session);
                self.report_live(session, Report::Failed { session, cause });
            }
            Event::Nickname { session, nickname } => {
                self.report_live(session, Report::Nickname { session, nickname });
            }
            Event::Heard { room, last } => self.reports.push_back(Report::Heard { room, last }),
            Event::Load { percent } => self.cores[from].load = percent,
            Event::Drained => self.cores[from].drained = true,
        }
    }

    fn spread_answered(&mut self, room_id: RoomId, epoch: Epoch) {
        let Some(room) = self.rooms.get_mut(&room_id) else { return };
        room.spread_answered = room.spread_answered.max(epoch);
        for session in std::mem::take(&mut room.waiting) {
            self.complete(session);
        }
    }

    /// Reports the session as installed once all that it needs has been answered.
    fn complete(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(room) = self.rooms.get_mut(&session.room) else { return };
        let State::Installing { path, spread } = &mut session.state else { return };
        if *spread > room.spread_answered {
            room.waiting.push(id);
        } else if let Some(path) = path.take() {
            session.state = State::Installed;
            self.reports.push_back(Report::Installed { session: id, path });
        }
    }

    fn report_live(&mut self, session: SessionId, report: Report) {
        let state = self.sessions.get(&session).map(|session| &session.state);
        if matches!(state, Some(State::Installing { .. } | State::Installed)) {
            self.reports.push_back(report);
        }
    }

    /// Drops the session from the books; whether the focus still counted on it.
    fn forget(&mut self, session: SessionId) -> bool {
        let Some(gone) = self.sessions.remove(&session) else { return false };
        let Some(room) = self.rooms.get_mut(&gone.room) else { return false };
        let left = room.members.entry(gone.core).or_default();
        *left = left.saturating_sub(1);
        // Fewer cores to relay to. Nobody waits for it: a core without members drops relays.
        if *left == 0 && room.closing.is_none() && room.spread.0.contains(gone.core) {
            self.spread(gone.room);
        }
        !matches!(gone.state, State::Removing)
    }

    fn forget_closed(&mut self, room: RoomId) {
        let is_closed = |room: &Room| room.closing.is_some_and(CoreSet::is_empty);
        if self.rooms.get(&room).is_some_and(is_closed) {
            self.rooms.remove(&room);
            self.sessions.retain(|_, session| session.room != room);
        }
    }
}

#[cfg(test)]
mod tests;
