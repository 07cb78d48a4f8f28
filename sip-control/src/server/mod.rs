//! The control plane as it runs: one loop on one thread that ties transport, transactions, focus
//! and placement together.
//!
//! Started in two steps, so that whoever starts it can say where it listens before anything is
//! served: [`bind`], then [`Bound::serve`].

mod agent;
mod desk;
mod resolver;

use std::{
    future::Future,
    io,
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd, RawFd},
    pin::pin,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use mailbox::{Doorbell, SessionId};
use tokio::{
    io::unix::AsyncFd,
    sync::{mpsc, watch},
};

use self::desk::{Instruction, desk};
use self::resolver::{Answer, Resolver, Rules};
pub use self::{
    agent::{Agent, LocalNames},
    desk::{Census, Desk},
};
use crate::{
    config::{Config, ConfigError},
    focus::{Counters, Duty, WallClock},
    group::{Groups, Library, LibraryError, Sources, Tally},
    locate::{Dns, Locator},
    placement::CoreLink,
    store::{Remembered, Store, StoreError},
    transport::{self, DEFAULT_PORT, Incoming, Protocol, Transport},
};

/// How long the cores may take to send what is queued, once every dialog is over.
const CORES_DRAIN_MAX: Duration = Duration::from_secs(1);

/// Why the control plane did not start.
#[derive(Debug)]
pub enum BindError {
    /// The configuration contradicts itself.
    Config(ConfigError),
    /// A socket could not be had. The error says which.
    Socket(io::Error),
    /// The file of the sessions cannot be used.
    Store(StoreError),
    /// The group documents cannot be used.
    Groups(LibraryError),
    /// The host has no randomness to make names from.
    Random,
}

impl std::fmt::Display for BindError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Socket(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
            Self::Groups(error) => error.fmt(f),
            Self::Random => f.write_str("the host has no source of random numbers"),
        }
    }
}

impl std::error::Error for BindError {}

/// The media plane, as the control plane reaches it.
#[derive(Debug)]
pub struct Cores {
    /// One link per core, core 0 first. At least one.
    pub links: Vec<CoreLink>,
    /// What the cores ring when they have said something: the bell of all event rings.
    pub doorbell: Doorbell,
    /// Where they listen. Nobody can have us connect there (msrp/SEC-02).
    pub listeners: Vec<SocketAddr>,
}

/// A control plane that listens, and serves nobody yet.
#[derive(Debug)]
pub struct Bound {
    config: Arc<Config>,
    transport: Transport,
    sources: Sources,
    fetched: Tally,
    store: Option<(Store, Vec<Remembered>)>,
    seeds: [[u8; 32]; 2],
    locator: Locator<SessionId>,
    desk: Desk,
    instructions: mpsc::Receiver<Instruction>,
}

/// Checks the configuration, reads the group documents and opens the sockets. Needs a tokio runtime
/// around it. Documents of an XCAP server are asked for, too, as long as
/// `timers.document_timeout` allows.
pub async fn bind(config: Config) -> Result<Bound, BindError> {
    config.check().map_err(BindError::Config)?;
    let library = config.group_documents.as_deref().map(Library::open).transpose();
    let library = library.map_err(BindError::Groups)?;
    let fetched = Tally::default();
    let sources = Sources::open(library, config.xcap.as_ref(), &config.timers, &fetched);
    let store = config.persist_sessions.as_deref().map(Store::open).transpose();
    let store = store.map_err(BindError::Store)?;
    let mut seeds = [[0; 32]; 3];
    for seed in &mut seeds {
        getrandom::fill(seed).map_err(|_| BindError::Random)?;
    }
    let [tokens, branches, lots] = seeds;
    let sockets = transport::Config {
        udp: config.listen.udp.clone(),
        tcp: config.listen.tcp.clone(),
        ..transport::Config::default()
    };
    let transport = Transport::bind(sockets).await.map_err(BindError::Socket)?;
    let (desk, instructions) = desk();
    let (config, seeds) = (Arc::new(config), [tokens, branches]);
    let locator = Locator::new(name_servers(&config), &spoken(&transport), lots);
    Ok(Bound { config, transport, sources, fetched, store, seeds, locator, desk, instructions })
}

impl Bound {
    /// Where datagrams are taken.
    pub fn udp_addresses(&self) -> Vec<SocketAddr> {
        self.transport.udp_addresses().collect()
    }

    /// Where streams are accepted.
    pub fn tcp_addresses(&self) -> Vec<SocketAddr> {
        self.transport.tcp_addresses().collect()
    }

    /// Where instructions are taken while it serves.
    pub fn desk(&self) -> Desk {
        self.desk.clone()
    }

    /// Serves until its duty is another one. Once that is to drain, it begins no more sessions, until
    /// none runs or `timers.drain` is up (OPS-02). Then, and at once when the duty is to stop or nobody is
    /// left to say what it is, it ends every dialog with BYE, and every subscription with a last NOTIFY,
    /// waits for their answers as long as `timers.shutdown` allows, and has the cores send what is
    /// queued. What was counted is returned.
    pub async fn serve(self, cores: Cores, duty: watch::Receiver<Duty>) -> Counters {
        let names = self.local_names();
        let Self { config, transport, sources, fetched, store, seeds, locator, .. } = self;
        let Self { instructions, desk: _desk, .. } = self;
        let clock = WallClock::new(Instant::now(), SystemTime::now());
        let connect_anywhere = config.media.connect_anywhere;
        let mut agent = Agent::new(config, names, cores.links, seeds, clock);
        let first = sources.groups();
        agent.handle_groups(Instant::now(), &first);
        let (store, remembered) = store.unzip();
        agent.handle_remembered(Instant::now(), remembered.unwrap_or_default());
        let (tell, groups) = watch::channel(first);
        // Only while the control plane ends is there nobody left to be told.
        let _watches = sources
            .follow(move |groups| drop(tell.send(groups)))
            .inspect_err(|error| tracing::error!(%error, "group documents are not watched"));
        let bell = listen_for(cores.doorbell);
        let own = [transport.tcp_addresses().collect(), cores.listeners].concat();
        let resolver = Resolver::new(Rules { is_open: connect_anywhere, own: own.into() });
        let mut running = Running {
            agent,
            transport,
            resolver,
            locator,
            store,
            groups,
            fetched,
            instructions,
            bell,
        };

        let comes_to = |least: Duty| {
            let mut duty = duty.clone();
            async move { drop(duty.wait_for(|duty| *duty >= least).await) }
        };
        let mut told = pin!(comes_to(Duty::Draining));
        while !running.turn(None, told.as_mut()).await {}
        running.drain(pin!(comes_to(Duty::Stopping))).await;
        tracing::info!("stopping");
        let now = Instant::now();
        running.agent.handle_stop(now);
        let end = now + running.agent.config().timers.shutdown;
        running.wait_until(end, Agent::is_idle).await;
        running.agent.drain_cores();
        let end = Instant::now() + CORES_DRAIN_MAX;
        running.wait_until(end, Agent::are_cores_drained).await;
        running.agent.counters().clone()
    }

    /// What we call ourselves. An address that stands for all addresses is none to give to others.
    fn local_names(&self) -> LocalNames {
        let named = |address: Option<SocketAddr>| match address {
            Some(address) if !address.ip().is_unspecified() => address.to_string(),
            Some(address) => format!("{}:{}", self.config.host, address.port()),
            None => self.config.host.clone(),
        };
        let udp = self.transport.udp_addresses().next();
        let tcp = self.transport.tcp_addresses().next();
        let port = udp.or(tcp).map(|address| address.port()).filter(|&port| port != DEFAULT_PORT);
        LocalNames { sent_by_udp: named(udp), sent_by_tcp: named(tcp), port }
    }
}

/// A control plane at work.
struct Running {
    agent: Agent,
    transport: Transport,
    resolver: Resolver,
    locator: Locator<SessionId>,
    /// Where sessions are kept, if they are.
    store: Option<Store>,
    /// The Pre-defined Groups, as their documents change.
    groups: watch::Receiver<Arc<Groups>>,
    /// What came of fetching them.
    fetched: Tally,
    /// What is said at the desk. One end of it is kept here, so it is never closed.
    instructions: mpsc::Receiver<Instruction>,
    bell: AsyncFd<Bell>,
}

impl Running {
    /// Does what there is to do, then waits for the next thing and takes it in. True when that was
    /// the word to stop; false too when `until` has come.
    async fn turn(
        &mut self,
        until: Option<Instant>,
        stop: std::pin::Pin<&mut impl Future<Output = ()>>,
    ) -> bool {
        self.work();
        // Whoever announces that it sleeps has to look once more (mailbox::Doorbell).
        self.bell.get_ref().0.announce_sleep();
        if self.agent.has_events() {
            self.bell.get_ref().0.awake();
            return false;
        }
        let wake = [self.agent.poll_timeout(), until].into_iter().flatten().min();
        let is_told = tokio::select! {
            incoming = self.transport.receive() => {
                self.take_in(incoming);
                false
            }
            answer = self.resolver.next() => {
                match answer {
                    Answer::Found(session, found) => self.agent.handle_found(session, found),
                    Answer::Resolved(errand, name, addresses) => {
                        self.agent.handle_resolved(Instant::now(), errand, &name, addresses);
                    }
                }
                false
            }
            (session, targets) = self.locator.next() => {
                self.agent.handle_located(Instant::now(), session, &targets);
                false
            }
            readable = self.bell.readable() => {
                self.bell.get_ref().0.silence();
                if let Ok(mut guard) = readable {
                    guard.clear_ready();
                }
                false
            }
            // Without documents there is nobody to tell of changes, and this never comes.
            Ok(()) = self.groups.changed() => {
                let groups = Arc::clone(&self.groups.borrow_and_update());
                self.agent.handle_groups(Instant::now(), &groups);
                false
            }
            () = progress_of(self.store.as_mut()) => {
                false
            }
            Some(instruction) = self.instructions.recv() => {
                self.heed(instruction);
                false
            }
            () = sleep_until(wake) => {
                self.agent.handle_timeout(Instant::now());
                false
            }
            () = stop => true,
        };
        self.bell.get_ref().0.awake();
        is_told
    }

    /// Serves sessions that run and no new ones, until none runs any more, it has taken long enough, or
    /// `stop` is done.
    async fn drain(&mut self, mut stop: std::pin::Pin<&mut impl Future<Output = ()>>) {
        let longest = self.agent.config().timers.drain;
        let end = Instant::now() + longest;
        self.agent.handle_drain();
        if !longest.is_zero() {
            tracing::info!(?longest, "no new sessions: draining");
        }
        while self.agent.has_sessions() && Instant::now() < end {
            if self.turn(Some(end), stop.as_mut()).await {
                break;
            }
        }
    }

    /// Goes on until `is_done`, or until it has taken too long.
    async fn wait_until(&mut self, end: Instant, is_done: impl Fn(&Agent) -> bool) {
        self.work();
        while !is_done(&self.agent) && Instant::now() < end {
            self.turn(Some(end), pin!(std::future::pending())).await;
            self.work();
        }
    }

    fn take_in(&mut self, incoming: Incoming) {
        let now = Instant::now();
        match incoming {
            Incoming::Message { message, source, read_at } => {
                self.agent.handle_delay(now.saturating_duration_since(read_at));
                self.agent.handle_message(now, source, message);
            }
            Incoming::Undelivered(ticket) => self.agent.handle_undelivered(now, ticket),
        }
    }

    fn heed(&mut self, instruction: Instruction) {
        match instruction {
            Instruction::Count(answer) => {
                let census = Census {
                    focus: self.agent.counters().clone(),
                    gauges: self.agent.gauges(),
                    transactions: *self.agent.transaction_counters(),
                    transport: self.transport.counters(),
                    groups: self.fetched.counters(),
                    store: self.store.as_ref().map(Store::counters),
                };
                // Whoever asked may have stopped waiting.
                let _ = answer.send(census);
            }
            Instruction::Lose(core) => self.agent.handle_core_lost(core),
            Instruction::End(uri, answer) => {
                // Whoever asked may have stopped waiting.
                let _ = answer.send(self.agent.handle_end(Instant::now(), &uri));
            }
            Instruction::Reconfigure(config) => {
                self.agent.handle_config(Instant::now(), *config);
            }
        }
    }

    fn work(&mut self) {
        let now = Instant::now();
        self.agent.handle_events();
        if let Some(store) = &mut self.store {
            self.agent.handle_recorded(store.written());
        }
        while let Some(transmit) = self.agent.poll_transmit(now) {
            self.transport.send(transmit);
        }
        while let Some(lookup) = self.agent.poll_lookup() {
            self.resolver.begin(lookup);
        }
        while let Some((errand, name)) = self.agent.poll_name() {
            self.resolver.resolve(errand, name);
        }
        while let Some((session, destination)) = self.agent.poll_sought() {
            self.locator.begin(session, &destination);
        }
        while let Some(change) = self.agent.poll_change() {
            if let Some(store) = &self.store {
                store.write(change);
            }
        }
    }
}

/// Whom to ask for names. A host that has nobody to ask can still reach numbers.
fn name_servers(config: &Config) -> Option<Dns> {
    let dns = Dns::new(&config.dns_servers);
    dns.inspect_err(|error| tracing::warn!(%error, "no name server: only addresses can be called"))
        .ok()
}

/// The transports that there are sockets for, datagrams first.
fn spoken(transport: &Transport) -> Vec<Protocol> {
    let udp = transport.udp_addresses().next().map(|_| Protocol::Udp);
    // A stream can be opened without a socket to listen on.
    udp.into_iter().chain([Protocol::Tcp]).collect()
}

/// Until the store has written more, if there is one.
async fn progress_of(store: Option<&mut Store>) {
    match store {
        Some(store) => store.progress().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

/// Has the runtime wait for the bell.
#[expect(
    deprecated,
    reason = "its successor is unsafe; what that demands holds: a Bell owns its descriptor, and \
              always names the same one"
)]
fn listen_for(doorbell: Doorbell) -> AsyncFd<Bell> {
    AsyncFd::new(Bell(doorbell)).expect("an eventfd can be waited for")
}

/// A doorbell as tokio wants it.
#[derive(Debug)]
struct Bell(Doorbell);

impl AsRawFd for Bell {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}
