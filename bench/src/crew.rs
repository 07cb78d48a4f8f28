//! All members of all rooms: how they join, how they are cut off and come back, how they leave.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::clock::Clock;
use crate::fault::Fault;
use crate::peer::link::Link;
use crate::peer::msrp::{Incoming, SendForm, Session, binding};
use crate::peer::sdp::{Answer, Offer};
use crate::peer::sip::{Agent, Dialog};
use crate::report;
use crate::scenario::Scenario;
use crate::traffic::Traffic;

/// Dialogs being made or ended at once. It bounds what a slow focus has to remember of us, and
/// what we put on the network again while it does not answer.
const IN_FLIGHT_MAX: usize = 64;
/// How long the 200 to a binding may take.
const BIND_TIMEOUT: Duration = Duration::from_secs(10);
/// What is sent this soon after a binding may miss the newcomer: the focus makes it a recipient
/// after its 200 to the INVITE, and our connection may be faster than that order.
pub const SETTLING_TIME: Duration = Duration::from_millis(200);

/// Random octets of a session-id: more than the 80 bits of RFC 4975 section 14.1.
const SESSION_ID_ENTROPY: usize = 12;

/// Which member.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    /// The room, from 0.
    pub room: usize,
    /// The member of that room, from 0.
    pub member: usize,
}

/// All members.
pub struct Crew {
    scenario: Scenario,
    agent: Rc<Agent>,
    traffic: Rc<RefCell<Traffic>>,
    clock: Clock,
    /// Sets the identifiers of this run apart from those of every other.
    run: String,
    serial: Cell<u64>,
    legs: RefCell<BTreeMap<(usize, usize), Leg>>,
    /// Dialogs of legs that were cut off.
    abandoned: RefCell<Vec<Dialog>>,
    leaving: Cell<bool>,
    /// From the 200 to the answered binding, in nanoseconds.
    bind: RefCell<Histogram<u64>>,
}

/// One member's dialog and connection.
struct Leg {
    dialog: Dialog,
    link: Rc<Link>,
}

/// What many joins, rejoins or leaves came to.
#[derive(Debug)]
pub struct Tally {
    /// How long each took that succeeded, in nanoseconds.
    pub times: Histogram<u64>,
    /// Why the others failed, and how many.
    pub failures: BTreeMap<String, u64>,
    /// From the first to the last.
    pub took: Duration,
}

impl Crew {
    /// Nobody has joined yet.
    pub fn new(
        scenario: Scenario,
        agent: Rc<Agent>,
        traffic: Rc<RefCell<Traffic>>,
        clock: Clock,
        run: &str,
    ) -> Rc<Self> {
        Rc::new(Self {
            scenario,
            agent,
            traffic,
            clock,
            run: run.into(),
            serial: Cell::new(0),
            legs: RefCell::default(),
            abandoned: RefCell::default(),
            leaving: Cell::new(false),
            bind: RefCell::new(report::histogram()),
        })
    }

    /// Members that have joined.
    pub fn joined(&self) -> usize {
        self.legs.borrow().len()
    }

    /// How long it took from each 200 to the answer to the binding, in nanoseconds.
    pub fn bind_times(&self) -> Histogram<u64> {
        self.bind.borrow().clone()
    }

    /// Dialogs that the focus has ended although nobody had left or replaced them.
    pub fn dismissed(&self) -> u64 {
        self.agent.dismissed()
    }

    /// Everybody joins; the times are those from INVITE to 200.
    pub async fn join_all(self: &Rc<Self>) -> Tally {
        let places = (0..self.scenario.rooms)
            .flat_map(|room| (0..self.scenario.members).map(move |member| Place { room, member }));
        let crew = Rc::clone(self);
        all(places, self.scenario.join_interval, move |place| {
            let crew = Rc::clone(&crew);
            async move {
                let room = crew.scenario.room_uri(place.room);
                crew.join(place, &room).await
            }
        })
        .await
    }

    /// The last member of each room, a listener, loses its connection and rejoins; the times are
    /// those from the cut to the new binding.
    pub async fn rejoin_all(self: &Rc<Self>) -> Tally {
        let member = self.scenario.members - 1;
        let places = (0..self.scenario.rooms).map(move |room| Place { room, member });
        let crew = Rc::clone(self);
        all(places, self.scenario.join_interval, move |place| Rc::clone(&crew).rejoin(place)).await
    }

    /// Everybody leaves; the times are those from BYE to 200.
    pub async fn leave_all(self: &Rc<Self>) -> Tally {
        self.leaving.set(true);
        let legs = self.legs.take().into_values();
        let abandoned = self.abandoned.take();
        let crew = Rc::clone(self);
        let tally = all(legs, Duration::ZERO, move |Leg { dialog, link }| {
            let crew = Rc::clone(&crew);
            async move {
                let begun = Instant::now();
                let left = crew.agent.bye(dialog).await;
                link.cut();
                left.map(|()| begun.elapsed()).map_err(|failure| failure.to_string())
            }
        })
        .await;
        for dialog in abandoned {
            if !self.agent.has_ended(&dialog) {
                // Whether the focus still knows it is its own affair.
                let _ = self.agent.bye(dialog).await;
            }
        }
        tally
    }

    async fn rejoin(self: Rc<Self>, place: Place) -> Result<Duration, String> {
        let Place { room, member } = place;
        let leg = self.legs.borrow_mut().remove(&(room, member));
        let Leg { dialog, link } = leg.ok_or("it was not there")?;
        let begun = Instant::now();
        self.agent.leave(&dialog);
        link.cut();
        self.traffic.borrow_mut().cut(room, member, self.clock.now());
        let identity = dialog.session_identity().to_owned();
        self.abandoned.borrow_mut().push(dialog);
        self.join(place, &identity).await?;
        let took = begun.elapsed();
        sleep(SETTLING_TIME).await;
        self.traffic.borrow_mut().restore(room, member);
        Ok(took)
    }

    /// One member joins `target`, a room or an IM Session Identity. Returns the time from INVITE
    /// to 200.
    async fn join(self: &Rc<Self>, place: Place, target: &str) -> Result<Duration, String> {
        self.serial.set(self.serial.get() + 1);
        let serial = self.serial.get();
        let session_id = token::<SESSION_ID_ENTROPY>().map_err(|error| error.to_string())?;
        let offer = Offer::new(self.agent.address(), &session_id, serial);
        let uri = self.scenario.member_uri(place.room, place.member);
        let joined = self.agent.invite(&uri, target, &offer).await;
        let joined = joined.map_err(|failure| failure.to_string())?;
        let answered = Instant::now();
        match self.connect(place, serial, &offer, &joined.answer).await {
            Ok(link) => {
                let took = answered.elapsed().as_nanos() as u64;
                self.bind.borrow_mut().saturating_record(took);
                let leg = Leg { dialog: joined.dialog, link };
                self.legs.borrow_mut().insert((place.room, place.member), leg);
                Ok(joined.took)
            }
            Err(why) => {
                // The dialog stands although nothing can be said in it. That the focus is told so
                // is courtesy; the failure to report is `why`.
                let _ = self.agent.bye(joined.dialog).await;
                Err(why)
            }
        }
    }

    /// The MSRP side of a join: connect, bind, listen.
    async fn connect(
        self: &Rc<Self>,
        place: Place,
        serial: u64,
        offer: &Offer,
        answer: &[u8],
    ) -> Result<Rc<Link>, String> {
        let answer = Answer::parse(answer)?;
        let link = Link::connect(answer.address)
            .await
            .map_err(|error| format!("MSRP connection: {}", error.kind()))?;
        let session = Session::new(&offer.path, &answer.path);
        let (bound, binding_answered) = oneshot::channel();
        tokio::task::spawn_local(Rc::clone(self).listen(place, Rc::clone(&link), session, bound));
        let message_id = format!("{}b{serial}", self.run);
        link.push(|out| {
            out.extend_from_slice(&binding(&offer.path, &answer.path, &message_id));
        });
        let why = match timeout(BIND_TIMEOUT, binding_answered).await {
            Ok(Ok(200)) => {
                let message_id = format!("{}{serial}.", self.run);
                let form =
                    SendForm::new(&offer.path, &answer.path, &message_id, self.scenario.size);
                let attached = Rc::clone(&link);
                self.traffic.borrow_mut().attach(place.room, place.member, attached, form);
                return Ok(link);
            }
            Ok(Ok(status)) => format!("binding answered {status}"),
            Ok(Err(_)) => "connection closed before the binding was answered".into(),
            Err(_) => "binding not answered".into(),
        };
        link.cut();
        Err(why)
    }

    /// Reads one member's connection to its end.
    async fn listen(
        self: Rc<Self>,
        Place { room, member }: Place,
        link: Rc<Link>,
        mut session: Session,
        bound: oneshot::Sender<u16>,
    ) {
        let mut bound = Some(bound);
        let mut answers = Vec::new();
        link.read_all(|received| {
            let now = self.clock.now();
            let mut traffic = self.traffic.borrow_mut();
            let read = session.handle_received(received, &mut answers, |incoming| {
                match (incoming, bound.take()) {
                    // Whoever asked may have stopped waiting.
                    (Incoming::Bound { status }, Some(bound)) => drop(bound.send(status)),
                    (incoming, waiting) => {
                        bound = waiting;
                        traffic.handle(room, member, incoming, now);
                    }
                }
            });
            if !answers.is_empty() {
                link.push(|out| out.extend_from_slice(&answers));
                answers.clear();
            }
            if read.is_err() {
                traffic.fault(room, member, Fault::Stray);
            }
            read.is_ok()
        })
        .await;
        let was_ours = link.is_cut() || self.leaving.get() || bound.is_some();
        link.cut();
        if !was_ours {
            self.traffic.borrow_mut().lose(room, member, self.clock.now());
        }
    }
}

/// Does the same for everybody, begun at an even pace and with a bound on how many are under way.
async fn all<T, F>(
    items: impl Iterator<Item = T>,
    pace: Duration,
    mut begin: impl FnMut(T) -> F,
) -> Tally
where
    F: Future<Output = Result<Duration, String>> + 'static,
{
    let begun = Instant::now();
    let mut tally =
        Tally { times: report::histogram(), failures: BTreeMap::new(), took: Duration::ZERO };
    let mut under_way = JoinSet::new();
    // An interval must not be empty; one this short is none.
    let mut pace = interval(pace.max(Duration::from_nanos(1)));
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for item in items {
        pace.tick().await;
        while under_way.len() >= IN_FLIGHT_MAX
            && let Some(done) = under_way.join_next().await
        {
            tally.add(done);
        }
        under_way.spawn_local(begin(item));
    }
    while let Some(done) = under_way.join_next().await {
        tally.add(done);
    }
    tally.took = begun.elapsed();
    tally
}

impl Tally {
    fn add(&mut self, done: Result<Result<Duration, String>, tokio::task::JoinError>) {
        match done.unwrap_or_else(|error| Err(error.to_string())) {
            Ok(took) => self.times.saturating_record(took.as_nanos() as u64),
            Err(why) => *self.failures.entry(why).or_default() += 1,
        }
    }

    /// How many failed.
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }
}

/// So many random octets, in hexadecimal digits.
pub fn token<const OCTETS: usize>() -> Result<String, getrandom::Error> {
    let mut octets = [0; OCTETS];
    getrandom::fill(&mut octets)?;
    let digits = octets.iter().flat_map(|octet| [octet >> 4, octet & 0xf]);
    Ok(digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect())
}
