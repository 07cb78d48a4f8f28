//! All members of all rooms: how they join, how they are cut off and come back, how they leave.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::clock::Clock;
use crate::door::{Admission, Door};
use crate::fault::Fault;
use crate::figures;
use crate::peer::link::Link;
use crate::peer::msrp::{Incoming, SendForm, Session, binding};
use crate::peer::sdp::Answer;
use crate::peer::sip::{Dialog, Failure};
use crate::scenario::Scenario;
use crate::tally::{Setback, Tally, all};
use crate::traffic::Traffic;

/// How long the 200 to a binding may take.
const BIND_TIMEOUT: Duration = Duration::from_secs(10);
/// What is sent this soon after a binding may miss the newcomer: the focus makes it a recipient
/// after its 200 to the INVITE, and our connection may be faster than that order.
pub const SETTLING_TIME: Duration = Duration::from_millis(200);

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
    door: Door,
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
    /// Behind a bare server there is none.
    dialog: Option<Dialog>,
    link: Rc<Link>,
}

impl Crew {
    /// Nobody has joined yet.
    pub fn new(
        scenario: Scenario,
        door: Door,
        traffic: Rc<RefCell<Traffic>>,
        clock: Clock,
        run: &str,
    ) -> Rc<Self> {
        Rc::new(Self {
            scenario,
            door,
            traffic,
            clock,
            run: run.into(),
            serial: Cell::new(0),
            legs: RefCell::default(),
            abandoned: RefCell::default(),
            leaving: Cell::new(false),
            bind: RefCell::new(figures::histogram()),
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
        self.door.dismissed()
    }

    /// How long after `begun` the focus ended the dialogs of those that do not read.
    pub fn cuts(&self, begun: Instant) -> Vec<Duration> {
        let legs = self.legs.borrow();
        let stalled = legs.iter().filter(|((_, member), _)| self.scenario.is_stalled(*member));
        stalled
            .filter_map(|(_, leg)| self.door.ended_at(leg.dialog.as_ref()?))
            .map(|at| at.saturating_duration_since(begun))
            .collect()
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
        let crew = Rc::clone(self);
        let tally = all(legs, Duration::ZERO, move |Leg { dialog, link }| {
            let crew = Rc::clone(&crew);
            async move {
                let open = dialog.filter(|dialog| crew.door.ended_at(dialog).is_none());
                let left = match open {
                    Some(dialog) => Rc::clone(&crew).bye(dialog).await,
                    None => Ok(Duration::ZERO),
                };
                link.cut();
                left
            }
        })
        .await;
        let abandoned = self.abandoned.take().into_iter();
        let standing = abandoned.filter(|dialog| self.door.ended_at(dialog).is_none());
        let crew = Rc::clone(self);
        // Whether the focus still knows these dialogs is its own affair.
        all(standing, Duration::ZERO, move |dialog| Rc::clone(&crew).bye(dialog)).await;
        tally
    }

    async fn bye(self: Rc<Self>, dialog: Dialog) -> Result<Duration, Setback> {
        let begun = Instant::now();
        self.door.bye(dialog).await?;
        Ok(begun.elapsed())
    }

    async fn rejoin(self: Rc<Self>, place: Place) -> Result<Duration, Setback> {
        let Place { room, member } = place;
        let leg = self.legs.borrow_mut().remove(&(room, member));
        let Some(Leg { dialog: Some(dialog), link }) = leg else {
            return Err(Setback::told("it was not there"));
        };
        let begun = Instant::now();
        self.door.leave(&dialog);
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
    async fn join(self: &Rc<Self>, place: Place, target: &str) -> Result<Duration, Setback> {
        self.serial.set(self.serial.get() + 1);
        let serial = self.serial.get();
        let admission = self.door.admit(&self.scenario, place, target, serial).await?;
        let answered = Instant::now();
        match self.connect(place, serial, &admission).await {
            Ok(link) => {
                let took = answered.elapsed().as_nanos() as u64;
                self.bind.borrow_mut().saturating_record(took);
                if let Some(dialog) = &admission.dialog
                    && self.scenario.is_stalled(place.member)
                {
                    self.door.leave(dialog);
                }
                let leg = Leg { dialog: admission.dialog, link };
                self.legs.borrow_mut().insert((place.room, place.member), leg);
                Ok(admission.took)
            }
            Err(setback) => {
                if let Some(dialog) = admission.dialog {
                    self.door.bye_unheard(dialog).await;
                }
                Err(setback)
            }
        }
    }

    /// The MSRP side of a join: connect, bind, listen.
    async fn connect(
        self: &Rc<Self>,
        place: Place,
        serial: u64,
        Admission { own, answer, .. }: &Admission,
    ) -> Result<Rc<Link>, Setback> {
        let Answer { path, address } = answer;
        let link = Link::connect(*address).await.map_err(|error| match error.kind() {
            ErrorKind::TimedOut => Setback::silence("MSRP connection"),
            kind => Setback::told(format!("MSRP connection: {kind}")),
        })?;
        let session = Session::new(own, path, self.scenario.kept_size_max());
        let (bound, binding_answered) = oneshot::channel();
        tokio::task::spawn_local(Rc::clone(self).listen(place, Rc::clone(&link), session, bound));
        let message_id = format!("{}b{serial}", self.run);
        link.push(|out| {
            out.extend_from_slice(&binding(own, path, &message_id));
        });
        let setback = match timeout(BIND_TIMEOUT, binding_answered).await {
            Ok(Ok(200)) => {
                let message_id = format!("{}{serial}.", self.run);
                let form = SendForm::new(own, path, &message_id, self.scenario.size);
                let attached = Rc::clone(&link);
                self.traffic.borrow_mut().attach(place.room, place.member, attached, form);
                return Ok(link);
            }
            Ok(Ok(status)) => Setback::told(format!("binding answered {status}")),
            Ok(Err(_)) => Setback::told("connection closed before the binding was answered"),
            Err(_) => Setback::silence("binding"),
        };
        link.cut();
        Err(setback)
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
        let stalls = self.scenario.is_stalled(member);
        link.read_all(self.scenario.reading_rate(member), |received| {
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
            traffic.note_arrival(now);
            read.is_ok() && !(stalls && bound.is_none())
        })
        .await;
        if stalls && bound.is_none() {
            // From here on nothing is read, and the connection stays open until everybody leaves.
            return;
        }
        let was_ours = link.is_cut() || self.leaving.get() || bound.is_some();
        link.cut();
        if !was_ours {
            self.traffic.borrow_mut().lose(room, member, self.clock.now());
        }
    }
}

impl From<Failure> for Setback {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Silence => Self::silence("SIP request"),
            told => Self::told(told),
        }
    }
}

/// So many random octets, in hexadecimal digits.
pub fn token<const OCTETS: usize>() -> Result<String, getrandom::Error> {
    let mut octets = [0; OCTETS];
    getrandom::fill(&mut octets)?;
    let digits = octets.iter().flat_map(|octet| [octet >> 4, octet & 0xf]);
    Ok(digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect())
}
