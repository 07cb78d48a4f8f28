//! A client as it runs: one task for all of a user's SIP, on real sockets.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep_until;

use super::session::{Session, SessionError};
use super::{
    CannotCall, CannotRefer, Client, Config, Conversation, Ending, Event, LegId, Media, NextHop,
    Privacy, ReferralId, Referred, Restart, Roster, Standing,
};
use crate::locate::{Destination, Dns, Locator};
use crate::transport::{self, Incoming, Protocol, Transport};

/// How often a port is looked for that is free for UDP and TCP alike.
const PORT_TRIES_MAX: usize = 16;

/// Opens the sockets of a client: UDP and TCP at one port, because a Contact names but one and large
/// requests come by TCP to where small ones come by UDP (RFC 3261 section 18.1.1). Port 0 is any that
/// is free for both.
pub async fn listen(address: SocketAddr) -> io::Result<(Transport, SocketAddr)> {
    let bind = |address: SocketAddr| {
        Transport::bind(transport::Config {
            udp: vec![address],
            tcp: vec![address],
            ..transport::Config::default()
        })
    };
    if address.port() != 0 {
        return Ok((bind(address).await?, address));
    }
    let mut tries = 0;
    loop {
        let free = tokio::net::UdpSocket::bind(address).await?.local_addr()?;
        match bind(free).await {
            Ok(transport) => return Ok((transport, free)),
            Err(error) if tries == PORT_TRIES_MAX => return Err(error),
            Err(_) => tries += 1,
        }
    }
}

/// Starts a client on the runtime that is around. It ends when the last [`User`] and [`Session`] of
/// it is gone and every leg has been left.
pub fn start(config: Config, transport: Transport) -> io::Result<User> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    let (orders, inbox) = mpsc::unbounded_channel();
    let Config { user: address, media, factory, .. } = config.clone();
    let (standing, stands) = watch::channel(None);
    let user = User { orders, address, media, makes_groups: factory.is_some(), stands };
    let mut lots = [0; 32];
    getrandom::fill(&mut lots).map_err(io::Error::other)?;
    let locator = Locator::new(name_servers(&config), &[Protocol::Udp, Protocol::Tcp], lots);
    let client = Client::new(config, seed);
    let (legs, referrals) = (HashMap::new(), HashMap::new());
    let orders = inbox;
    let running = Running { client, transport, locator, orders, legs, standing, referrals };
    tokio::spawn(running.run());
    Ok(user)
}

/// Whom to ask for names, if there is anything to ask.
fn name_servers(config: &Config) -> Option<Dns> {
    if matches!(config.next_hop, NextHop::At(_)) {
        return None;
    }
    let dns = Dns::new(&config.dns_servers);
    dns.inspect_err(|error| tracing::warn!(%error, "no name server: only addresses can be called"))
        .ok()
}

/// One user, who joins and rejoins conferences.
#[derive(Clone, Debug)]
pub struct User {
    orders: mpsc::UnboundedSender<Order>,
    address: String,
    media: Media,
    makes_groups: bool,
    stands: watch::Receiver<Option<Standing>>,
}

/// Why there is no session.
#[derive(Debug)]
pub enum CallError {
    /// Nothing was sent at all.
    Cannot(CannotCall),
    /// The attempt failed.
    Failed(Box<super::Failed>),
    /// The focus said yes, but its switch could not be reached, or did not know the session. The leg
    /// is being left.
    Media(SessionError),
    /// The client does not run any more.
    Stopped,
}

impl User {
    /// What the network knows of the user, once it has said anything. Registering begins by itself,
    /// where a [`Registrar`](super::Registrar) is configured, and ends when nobody needs it any more.
    pub fn standing(&self) -> watch::Receiver<Option<Standing>> {
        self.stands.clone()
    }

    /// Joins a public conference (CR 7.1.1.10). Whoever drops the future withdraws the attempt.
    pub async fn join(&self, public_uri: &str, privacy: Privacy) -> Result<Session, CallError> {
        let public_uri = public_uri.to_owned();
        self.call(|answer| Order::Join { public_uri, privacy, answer }).await
    }

    /// Rejoins a conference at its IM Session Identity (CR 7.1.1.9). Whoever drops the future
    /// withdraws the attempt.
    pub async fn rejoin(
        &self,
        conversation: Conversation,
        privacy: Privacy,
    ) -> Result<Session, CallError> {
        let conversation = Box::new(conversation);
        self.call(|answer| Order::Rejoin { conversation, privacy, answer }).await
    }

    /// Rejoins some time within [`Config::rejoin_window`]: for whoever comes back to many conferences
    /// at once (REJ-15). Whoever drops the future withdraws the attempt.
    pub async fn rejoin_soon(
        &self,
        conversation: Conversation,
        privacy: Privacy,
    ) -> Result<Session, CallError> {
        let conversation = Box::new(conversation);
        self.call(|answer| Order::RejoinSoon { conversation, privacy, answer }).await
    }

    /// Makes a group of these users, who are called into it (RFC 5366). Whoever drops the future
    /// withdraws the attempt.
    pub async fn create(
        &self,
        members: Vec<String>,
        subject: Option<String>,
        privacy: Privacy,
    ) -> Result<Session, CallError> {
        self.call(|answer| Order::Create { members, subject, privacy, answer }).await
    }

    /// Begins a conference anew whose session is gone (RCS-05). Whoever drops the future withdraws the
    /// attempt.
    pub async fn restart(&self, restart: Restart, privacy: Privacy) -> Result<Session, CallError> {
        let restart = Box::new(restart);
        self.call(|answer| Order::Restart { restart, privacy, answer }).await
    }

    async fn call(
        &self,
        order: impl FnOnce(oneshot::Sender<Called>) -> Order,
    ) -> Result<Session, CallError> {
        let (answer, called) = oneshot::channel();
        self.orders.send(order(answer)).map_err(|_| CallError::Stopped)?;
        let called = called.await.map_err(|_| CallError::Stopped)?;
        let (leg, news) = called.map_err(CallError::Cannot)?;
        // From here on the leg is left when this is dropped.
        let orders = self.orders.clone();
        let mut line = Line { leg, news, early: VecDeque::new(), orders, is_over: false };
        loop {
            match line.next().await {
                Some(Event::Joined { joined, .. }) => {
                    let session = Session::open(line, *joined, &self.media, &self.address).await;
                    let follows = self.makes_groups.then(|| self.address.clone());
                    return session
                        .map(|session| session.following(follows))
                        .map_err(CallError::Media);
                }
                Some(Event::Failed { failed, .. }) => return Err(CallError::Failed(failed)),
                Some(Event::Ended { .. }) | None => return Err(CallError::Stopped),
                Some(_) => {}
            }
        }
    }
}

/// Asks the focus of a session to call others in, or to put members out. There may be several.
#[derive(Clone, Debug)]
pub struct Referrer {
    leg: LegId,
    orders: mpsc::UnboundedSender<Order>,
}

/// Why nothing became of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotReferred {
    /// Nothing was sent at all.
    Cannot(CannotRefer),
    /// The client does not run any more.
    Stopped,
}

impl Referrer {
    /// Has a user called in, by its URI (REF-01), and waits for what becomes of it: that may take a
    /// minute.
    pub async fn add(&self, user: &str) -> Result<Referred, NotReferred> {
        self.ask(Wish::Add(user.to_owned())).await
    }

    /// Has a member put out, by the URI that the roster has for it (REF-05), and waits for what becomes
    /// of it.
    pub async fn expel(&self, member: &str) -> Result<Referred, NotReferred> {
        self.ask(Wish::Expel(member.to_owned())).await
    }

    async fn ask(&self, wish: Wish) -> Result<Referred, NotReferred> {
        let (answer, heard) = oneshot::channel();
        let order = Order::Refer { leg: self.leg, wish, answer };
        self.orders.send(order).map_err(|_| NotReferred::Stopped)?;
        heard.await.map_err(|_| NotReferred::Stopped)?.map_err(NotReferred::Cannot)
    }
}

/// What a focus is asked to do with somebody.
#[derive(Debug)]
enum Wish {
    Add(String),
    Expel(String),
}

/// Who waits for what becomes of it.
type Waiting = oneshot::Sender<Result<Referred, CannotRefer>>;

/// What becomes of an order to call.
type Called = Result<(LegId, News), CannotCall>;

/// What the task says of a leg.
#[derive(Debug)]
struct News {
    /// Turns in the life of a leg. There are but a few, and each is said once, so not bounded.
    events: mpsc::UnboundedReceiver<Event>,
    /// Who is in the conference, as it was told last. Of those before nobody needs to hear.
    roster: watch::Receiver<Roster>,
}

/// The other end of [`News`].
struct Herald {
    events: mpsc::UnboundedSender<Event>,
    roster: watch::Sender<Roster>,
}

/// What the task is told to do.
#[derive(Debug)]
enum Order {
    Join {
        public_uri: String,
        privacy: Privacy,
        answer: oneshot::Sender<Called>,
    },
    Rejoin {
        conversation: Box<Conversation>,
        privacy: Privacy,
        answer: oneshot::Sender<Called>,
    },
    RejoinSoon {
        conversation: Box<Conversation>,
        privacy: Privacy,
        answer: oneshot::Sender<Called>,
    },
    Create {
        members: Vec<String>,
        subject: Option<String>,
        privacy: Privacy,
        answer: oneshot::Sender<Called>,
    },
    Restart {
        restart: Box<Restart>,
        privacy: Privacy,
        answer: oneshot::Sender<Called>,
    },
    Refer {
        leg: LegId,
        wish: Wish,
        answer: Waiting,
    },
    Leave(LegId),
    Abandon(LegId),
}

/// One leg, as its user holds it. Dropped, it is left.
#[derive(Debug)]
pub(super) struct Line {
    leg: LegId,
    news: News,
    /// Events that came while only the end was waited for.
    early: VecDeque<Event>,
    orders: mpsc::UnboundedSender<Order>,
    is_over: bool,
}

impl Line {
    /// What happens next; `None` when nothing will any more. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Option<Event> {
        if let Some(event) = self.early.pop_front() {
            return Some(event);
        }
        let leg = self.leg;
        tokio::select! {
            biased;
            event = self.news.events.recv() => self.noted(event),
            Ok(()) = self.news.roster.changed() => {
                let roster = Box::new(self.news.roster.borrow_and_update().clone());
                Some(Event::Roster { leg, roster })
            }
        }
    }

    /// Something to ask the focus with.
    pub(super) fn referrer(&self) -> Referrer {
        Referrer { leg: self.leg, orders: self.orders.clone() }
    }

    /// Waits for the end, and keeps what comes before it.
    pub(super) async fn ended(&mut self) -> Ending {
        loop {
            let event = self.news.events.recv().await;
            match self.noted(event) {
                Some(Event::Ended { ending, .. }) => return ending,
                Some(event) => self.early.push_back(event),
                None => return Ending::Lost,
            }
        }
    }

    fn noted(&mut self, event: Option<Event>) -> Option<Event> {
        self.is_over |= matches!(event, None | Some(Event::Failed { .. } | Event::Ended { .. }));
        event
    }

    /// Leaves, and waits until that is done.
    pub(super) async fn leave(&mut self) -> Option<Conversation> {
        self.order(Order::Leave(self.leg));
        loop {
            if let Event::Ended { conversation, .. } = self.next().await? {
                return Some(*conversation);
            }
        }
    }

    /// Forgets the leg without a word.
    pub(super) fn abandon(&mut self) {
        self.is_over = true;
        self.order(Order::Abandon(self.leg));
    }

    fn order(&self, order: Order) {
        // A client that does not run any more has no legs.
        let _ = self.orders.send(order);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !self.is_over {
            self.order(Order::Leave(self.leg));
        }
    }
}

/// The task.
struct Running {
    client: Client,
    transport: Transport,
    locator: Locator<Destination>,
    orders: mpsc::UnboundedReceiver<Order>,
    legs: HashMap<LegId, Herald>,
    standing: watch::Sender<Option<Standing>>,
    /// Those who wait for what becomes of what the focus was asked.
    referrals: HashMap<ReferralId, Waiting>,
}

impl Running {
    async fn run(mut self) {
        let mut has_users = true;
        self.client.register(Instant::now());
        while has_users || !self.client.is_idle() {
            if !has_users && self.client.legs() == 0 {
                self.client.deregister(Instant::now());
            }
            self.drain();
            let due = self.client.poll_timeout();
            tokio::select! {
                incoming = self.transport.receive() => self.receive(incoming),
                (destination, targets) = self.locator.next() => {
                    self.client.handle_located(Instant::now(), &destination, &targets);
                }
                order = self.orders.recv(), if has_users => match order {
                    Some(order) => self.obey(order),
                    None => has_users = false,
                },
                () = sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => {
                    self.client.handle_timeout(Instant::now());
                }
            }
        }
        self.drain();
    }

    /// Transmits go first: the ACK is on its way before anybody connects.
    fn drain(&mut self) {
        while let Some(standing) = self.client.poll_standing() {
            self.standing.send_replace(Some(standing));
        }
        while let Some(destination) = self.client.poll_lookup() {
            self.locator.begin(destination.clone(), &destination);
        }
        while let Some(transmit) = self.client.poll_transmit() {
            self.transport.send(transmit);
        }
        while let Some(event) = self.client.poll_event() {
            if let Event::Concluded { referral, outcome, .. } = event {
                if let Some(waiting) = self.referrals.remove(&referral) {
                    // Whoever asked may have stopped waiting.
                    let _ = waiting.send(Ok(outcome));
                }
                continue;
            }
            let Some(herald) = self.legs.get(&event.leg()) else {
                continue;
            };
            // Whoever does not listen has dropped the leg, and its order to leave is on its way.
            match event {
                // Nobody waits for these, and there may be any number of them.
                Event::Progress { .. } => {}
                Event::Roster { roster, .. } => drop(herald.roster.send(*roster)),
                Event::Failed { leg, .. } | Event::Ended { leg, .. } => {
                    drop(herald.events.send(event));
                    self.legs.remove(&leg);
                }
                event => drop(herald.events.send(event)),
            }
        }
    }

    fn receive(&mut self, incoming: Incoming) {
        let now = Instant::now();
        match incoming {
            Incoming::Message { message, source, .. } => {
                self.client.handle_message(now, source, message);
            }
            Incoming::Undelivered(ticket) => self.client.handle_undelivered(now, ticket),
        }
    }

    fn obey(&mut self, order: Order) {
        let now = Instant::now();
        match order {
            Order::Join { public_uri, privacy, answer } => {
                let called = self.client.join(now, &public_uri, privacy);
                self.called(now, called, answer);
            }
            Order::Rejoin { conversation, privacy, answer } => {
                let called = self.client.rejoin(now, *conversation, privacy);
                self.called(now, called, answer);
            }
            Order::RejoinSoon { conversation, privacy, answer } => {
                let called = self.client.rejoin_soon(now, *conversation, privacy);
                self.called(now, called, answer);
            }
            Order::Create { members, subject, privacy, answer } => {
                let members: Vec<&str> = members.iter().map(String::as_str).collect();
                let called = self.client.create(now, &members, subject.as_deref(), privacy);
                self.called(now, called, answer);
            }
            Order::Restart { restart, privacy, answer } => {
                let called = self.client.restart(now, *restart, privacy);
                self.called(now, called, answer);
            }
            Order::Refer { leg, wish, answer } => {
                let asked = match &wish {
                    Wish::Add(user) => self.client.add(now, leg, user),
                    Wish::Expel(member) => self.client.expel(now, leg, member),
                };
                match asked {
                    Ok(referral) => drop(self.referrals.insert(referral, answer)),
                    Err(cannot) => {
                        let _ = answer.send(Err(cannot));
                    }
                }
            }
            Order::Leave(leg) => self.client.leave(now, leg),
            Order::Abandon(leg) => {
                self.client.abandon(leg);
                self.legs.remove(&leg);
            }
        }
    }

    fn called(
        &mut self,
        now: Instant,
        called: Result<LegId, CannotCall>,
        answer: oneshot::Sender<Called>,
    ) {
        let called = called.map(|leg| {
            let (events, hears) = mpsc::unbounded_channel();
            let (roster, sees) = watch::channel(Roster::default());
            self.legs.insert(leg, Herald { events, roster });
            (leg, News { events: hears, roster: sees })
        });
        if let Err(Ok((leg, _))) = answer.send(called) {
            // Whoever asked has gone away.
            self.client.leave(now, leg);
        }
    }
}
