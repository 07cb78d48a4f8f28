//! All users: how each joins, comes back, and keeps its session.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::ledger::{Attempt, Ledger};
use super::options::Options;
use crate::crew::token;
use crate::door::SESSION_ID_ENTROPY;
use crate::peer::link::Link;
use crate::peer::msrp::{Incoming, Session, binding};
use crate::peer::sdp::{Answer, Offer};
use crate::peer::sip::{Agent, Dialog};
use crate::tally::{Setback, all};

/// `Session-Expires` in seconds (TMR-04).
const SESSION_INTERVAL: u32 = 1800;
/// How long the 200 to a binding may take.
const BIND_TIMEOUT: Duration = Duration::from_secs(10);
/// Octets of the largest message that is put together: nobody says anything here.
const KEPT_SIZE_MAX: usize = 64 * 1024;

/// All users.
pub struct Users {
    options: Options,
    agent: Rc<Agent>,
    /// Sets the identifiers of this run apart from those of every other.
    run: String,
    serial: Cell<u64>,
    /// What each user has now; nothing while it rejoins.
    legs: RefCell<Vec<Option<Rc<Leg>>>>,
    ledger: RefCell<Ledger>,
}

/// What a user has of the conference.
struct Leg {
    dialog: Dialog,
    link: Rc<Link>,
    /// The Call-ID of its subscription.
    watch: Option<String>,
}

impl Users {
    /// Nobody has joined yet.
    pub async fn new(options: Options, run: &str) -> io::Result<Rc<Self>> {
        let Options { sip, sip_transport, .. } = options;
        let agent = Agent::start(sip, sip_transport, run, Some(SESSION_INTERVAL)).await?;
        let legs = (0..options.users()).map(|_| None).collect();
        Ok(Rc::new(Self {
            options,
            agent,
            run: run.to_owned(),
            serial: Cell::new(0),
            legs: RefCell::new(legs),
            ledger: RefCell::default(),
        }))
    }

    /// A user joins its room for the first time.
    pub async fn enter(self: Rc<Self>, user: usize) -> Result<Duration, Setback> {
        let begun = Instant::now();
        let (leg, _, _) = self.join(user, &self.options.room_uri(user), begun).await?;
        self.legs.borrow_mut()[user] = Some(Rc::new(leg));
        Ok(begun.elapsed())
    }

    /// The rejoin of that number: another user's each time, as long as there are others.
    pub async fn rejoin(self: Rc<Self>, number: u64, due: Instant) {
        let user = (number % (self.options.rooms * self.options.members) as u64) as usize;
        self.ledger.borrow_mut().rejoins.begun += 1;
        let came = self.come_back(user, due).await;
        let mut ledger = self.ledger.borrow_mut();
        match came {
            Ok((attempt, subscribed)) => ledger.rejoined(attempt, subscribed),
            Err(why) => *ledger.rejoins.outcomes.entry(why).or_default() += 1,
        }
    }

    async fn come_back(
        &self,
        user: usize,
        due: Instant,
    ) -> Result<(Attempt, Option<Instant>), String> {
        let leg = self.legs.borrow_mut()[user].take();
        let leg = leg.ok_or("the user's rejoin before was not done: more --members")?;
        leg.link.cut();
        self.agent.leave(&leg.dialog);
        if let Some(watch) = &leg.watch {
            self.agent.forget_watch(watch);
        }
        let identity = leg.dialog.session_identity().to_owned();
        match self.join(user, &identity, due).await {
            Ok((fresh, attempt, subscribed)) => {
                self.legs.borrow_mut()[user] = Some(Rc::new(fresh));
                Ok((attempt, subscribed))
            }
            Err(setback) => {
                // The next time may go better.
                self.legs.borrow_mut()[user] = Some(leg);
                Err(setback.to_string())
            }
        }
    }

    /// The refresh of that number: another user's session each time, as long as there are others. Who
    /// is about to rejoin has none.
    pub async fn refresh(self: Rc<Self>, number: u64, due: Instant) {
        let users = self.options.users();
        let first = (number % users as u64) as usize;
        self.ledger.borrow_mut().refreshes.begun += 1;
        let leg = {
            let legs = self.legs.borrow();
            (first..users).chain(0..first).find_map(|user| legs[user].clone())
        };
        let refreshed = match &leg {
            Some(leg) => self.agent.refresh(&leg.dialog).await.map_err(|why| why.to_string()),
            None => Err("everybody was about to rejoin".to_owned()),
        };
        let mut ledger = self.ledger.borrow_mut();
        match refreshed {
            Ok((_, answered)) => ledger.refreshed(due, answered),
            Err(why) => *ledger.refreshes.outcomes.entry(why).or_default() += 1,
        }
    }

    /// The whole procedure (CR 7.1.1.9, 7.1.1.10): INVITE, ACK, connection, binding, subscription.
    async fn join(
        &self,
        user: usize,
        target: &str,
        due: Instant,
    ) -> Result<(Leg, Attempt, Option<Instant>), Setback> {
        self.serial.set(self.serial.get() + 1);
        let serial = self.serial.get();
        let session_id = token::<SESSION_ID_ENTROPY>().map_err(Setback::told)?;
        let offer = Offer::new(self.agent.address(), &session_id, serial);
        let uri = self.options.user_uri(user);
        let joined = self.agent.invite(&uri, target, &offer).await?;
        let answer = Answer::parse(&joined.answer).map_err(Setback::told)?;
        let link = self.bind(serial, &offer, &answer).await?;
        let bound = Instant::now();
        let subscribed = if self.options.no_watch {
            None
        } else {
            Some(self.agent.subscribe(&uri, &joined.dialog).await?)
        };
        let (sent, notified) =
            subscribed.as_ref().map(|subscribed| (subscribed.sent, subscribed.notified)).unzip();
        let attempt = Attempt { due, moments: joined.moments, bound, notified };
        let watch = subscribed.map(|subscribed| subscribed.call_id);
        Ok((Leg { dialog: joined.dialog, link, watch }, attempt, sent))
    }

    /// The MSRP side: connect, bind, and listen from then on.
    async fn bind(&self, serial: u64, offer: &Offer, answer: &Answer) -> Result<Rc<Link>, Setback> {
        let link = Link::connect(answer.address).await;
        let link = link.map_err(|error| Setback::told(format!("MSRP connection: {error}")))?;
        let session = Session::new(&offer.path, &answer.path, KEPT_SIZE_MAX);
        let (bound, is_bound) = oneshot::channel();
        tokio::task::spawn_local(listen(Rc::clone(&link), session, bound));
        let message_id = format!("{}b{serial}", self.run);
        let binding = binding(&offer.path, &answer.path, &message_id);
        link.push(|out| out.extend_from_slice(&binding));
        match timeout(BIND_TIMEOUT, is_bound).await {
            Ok(Ok(200)) => Ok(link),
            Ok(Ok(status)) => Err(Setback::told(format!("binding answered {status}"))),
            Ok(Err(_)) => Err(Setback::told("connection closed before the binding was answered")),
            Err(_) => Err(Setback::silence("binding")),
        }
    }

    /// Everybody leaves. Nothing of that is measured.
    pub async fn leave(self: &Rc<Self>) {
        let legs = self.legs.take();
        let users = Rc::clone(self);
        all(legs.into_iter().flatten(), Duration::ZERO, move |leg| {
            let users = Rc::clone(&users);
            async move {
                let left = users.agent.bye(&leg.dialog).await;
                leg.link.cut();
                left.map(|()| Duration::ZERO).map_err(Setback::from)
            }
        })
        .await;
    }

    /// What was counted.
    pub fn close(&self) -> Ledger {
        self.ledger.take()
    }
}

/// Reads one connection to its end, and answers what has to be answered.
async fn listen(link: Rc<Link>, mut session: Session, bound: oneshot::Sender<u16>) {
    let mut bound = Some(bound);
    let mut answers = Vec::new();
    link.read_all(None, |received| {
        let read = session.handle_received(received, &mut answers, |incoming| {
            if let Incoming::Bound { status } = incoming
                && let Some(bound) = bound.take()
            {
                // Whoever asked may have stopped waiting.
                let _ = bound.send(status);
            }
        });
        if !answers.is_empty() {
            link.push(|out| out.extend_from_slice(&answers));
            answers.clear();
        }
        read.is_ok()
    })
    .await;
    link.cut();
}
