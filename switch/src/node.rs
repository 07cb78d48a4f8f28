//! The data plane as a whole: its cores are started here, and their ends are told here.

use std::{
    fmt,
    net::SocketAddr,
    os::fd::OwnedFd,
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use engine::{Commons, Core, CoreConfig, Counters, Limits, Match};
use mailbox::{CoreId, Doorbell, WallClock};
use rustix::io::Errno;
use sip_control::placement::CoreLink;

use crate::{
    config::{Config, Io, Ports},
    failure::Failure,
    host,
    io::{Backend, Readiness, Uring, socket, uring},
    runtime::{Ends, Link, Reading, Runtime, mesh},
};

/// Descriptors a core needs beside its connections: listener, ring or epoll, doorbell.
const DESCRIPTORS_PER_CORE: u64 = 3;

/// Descriptors for all else: SIP sockets and connections, standard streams, the async runtime.
const DESCRIPTORS_RESERVED: u64 = 1024;

/// How long a thread may take to set up its ring.
const CORE_START_MAX: Duration = Duration::from_secs(10);

/// Cores that serve.
pub struct Node {
    /// The mailbox ends of each core, for the focus.
    pub links: Vec<CoreLink>,
    /// What each core counts.
    pub readings: Vec<Reading>,
    /// Woken when a core has said something.
    pub bell: Doorbell,
    /// Where clients connect: one address, or one for each core.
    pub addresses: Vec<SocketAddr>,
    /// How the cores get at their sockets.
    pub way: Way,
    /// Says which core has ended, and how.
    pub ended: tokio::sync::mpsc::Receiver<Ended>,
}

/// A core that has come to its end.
pub type Ended = (CoreId, std::io::Result<Counters>);

/// One of the ways to the kernel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// One ring per core.
    Uring,
    /// The slower one.
    Epoll,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Uring => "io_uring",
            Self::Epoll => "epoll",
        })
    }
}

impl Node {
    /// Looks at the host, takes the port, and starts one thread per core.
    pub fn start(config: &Config) -> Result<Self, Failure> {
        Self::start_with(config, Seat::serve)
    }

    /// The same, where `serve` is what each thread does.
    fn start_with(
        config: &Config,
        serve: impl Fn(Seat, &Started) -> Option<std::io::Result<Counters>> + Clone + Send + 'static,
    ) -> Result<Self, Failure> {
        let cpus = choose_cpus(config)?;
        let way = choose_way(config.io)?;
        check_descriptors(config, cpus.len())?;
        let doors = doors(config, cpus.len())?;
        let addresses = addresses(config.ports, &doors);
        let bell = Doorbell::new().map_err(|error| Failure::Broken(error.to_string()))?;
        let ids: Vec<CoreId> = (0..cpus.len()).filter_map(CoreId::new).collect();
        let (ends, links) =
            mesh(&ids, &bell).map_err(|error| Failure::Broken(error.to_string()))?;
        let key = seed().map_err(|error| Failure::Broken(error.to_string()))?;
        let commons = Arc::new(Commons::new(key));
        let (started, starts) = mpsc::channel();
        let (ending, ended) = tokio::sync::mpsc::channel(cpus.len());
        for (((id, cpu), ends), door) in ids.iter().copied().zip(cpus).zip(ends).zip(doors) {
            let Door { listener, authority, .. } = door;
            let seat = Seat {
                core: CoreConfig { id, cores: ids.len(), authority },
                matching: config.matching,
                limits: config.limits_per_core(ids.len()),
                commons: Arc::clone(&commons),
                cpu,
                way,
                ends,
                listener,
            };
            let (started, ending, serve) = (started.clone(), ending.clone(), serve.clone());
            thread::Builder::new()
                .name(format!("core-{}", id.index()))
                .spawn(move || {
                    if let Some(end) = serve(seat, &started) {
                        // Nobody listens any more only when the process is on its way out.
                        let _ = ending.blocking_send((id, end));
                    }
                })
                .map_err(|error| Failure::Broken(format!("no thread for a core: {error}")))?;
        }
        drop(started);
        for _ in &ids {
            match starts.recv_timeout(CORE_START_MAX) {
                Ok(Ok(())) => {}
                Ok(Err(failure)) => return Err(failure),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    return Err(Failure::Broken("a core did not start".to_owned()));
                }
            }
        }
        let links = links
            .into_iter()
            .map(|Link { commands, events, reading }| (CoreLink { commands, events }, reading));
        let (links, readings) = links.unzip();
        Ok(Self { links, readings, bell, addresses, way, ended })
    }
}

/// Where one core accepts connections.
struct Door {
    listener: OwnedFd,
    address: SocketAddr,
    /// What its sessions' URIs say of it.
    authority: String,
}

/// A door for each core: all at one port, or each at its own.
fn doors(config: &Config, cores: usize) -> Result<Vec<Door>, Failure> {
    let listen = |address, sockets| {
        socket::listen(address, sockets, socket::PATIENCE)
            .map_err(|error| cannot_listen("MSRP", "msrp.listen", address, error))
    };
    let door = |listener, address: SocketAddr, steps| {
        let told = config.advertise.as_ref().map(|first| first.up(steps).to_string());
        Door { listener, address, authority: told.unwrap_or_else(|| address.to_string()) }
    };
    match config.ports {
        Ports::Shared => {
            let (listeners, address) = listen(config.listen, cores)?;
            Ok(listeners.into_iter().map(|listener| door(listener, address, 0)).collect())
        }
        Ports::PerCore => {
            let mut doors = Vec::with_capacity(cores);
            for steps in 0..cores as u16 {
                let mut address = config.listen;
                if address.port() > 0 {
                    address.set_port(address.port() + steps);
                }
                let (listeners, address) = listen(address, 1)?;
                doors.extend(listeners.into_iter().map(|listener| door(listener, address, steps)));
            }
            Ok(doors)
        }
    }
}

/// What is said of the doors: an address that all share is said once.
fn addresses(ports: Ports, doors: &[Door]) -> Vec<SocketAddr> {
    let several = if ports == Ports::Shared { 1 } else { doors.len() };
    doors.iter().take(several).map(|door| door.address).collect()
}

/// What a thread needs to become a core.
struct Seat {
    core: CoreConfig,
    matching: Match,
    limits: Limits,
    commons: Arc<Commons>,
    cpu: usize,
    way: Way,
    ends: Ends,
    listener: OwnedFd,
}

/// Says whether a core has started.
type Started = mpsc::Sender<Result<(), Failure>>;

impl Seat {
    /// Sets up what must be made on the thread that uses it, says so, and serves to the end. `None`
    /// when it did not come to that.
    fn serve(self, started: &Started) -> Option<std::io::Result<Counters>> {
        let doorbell = self.ends.doorbell.clone();
        let cpu = self.cpu;
        let refuse = |what: &dyn fmt::Display| {
            // Whoever wants to know may be gone: another core has not started either.
            let _ = started.send(Err(Failure::Refused(format!("core on CPU {cpu}: {what}"))));
            None
        };
        if let Err(error) = host::pin(cpu) {
            return refuse(&format_args!("cannot be pinned: {error}"));
        }
        let seed = match seed() {
            Ok(seed) => seed,
            Err(error) => return refuse(&error),
        };
        match self.way {
            Way::Uring => match Uring::new(doorbell) {
                Ok(backend) => self.run(backend, seed, started),
                Err(error) => refuse(&format_args!("io_uring: {error}")),
            },
            Way::Epoll => match Readiness::new(doorbell) {
                Ok(backend) => self.run(backend, seed, started),
                Err(error) => refuse(&format_args!("epoll: {error}")),
            },
        }
    }

    fn run<B: Backend<engine::Batch>>(
        self,
        backend: B,
        seed: [u8; 32],
        started: &Started,
    ) -> Option<std::io::Result<Counters>> {
        let core = Core::among(self.core, self.limits, self.commons, seed);
        let mut core = core.matching(self.matching);
        core.set_clock(WallClock::new(Instant::now(), SystemTime::now()));
        let runtime = Runtime::new(core, backend, self.ends, self.listener);
        started.send(Ok(())).ok()?;
        Some(runtime.run())
    }
}

fn seed() -> Result<[u8; 32], getrandom::Error> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    Ok(seed)
}

/// The CPUs to put a core on: those of the configuration, or all there are.
fn choose_cpus(config: &Config) -> Result<Vec<usize>, Failure> {
    let allowed = host::cpus()
        .map_err(|error| Failure::Broken(format!("cannot ask for the CPUs: {error}")))?;
    let Some(wanted) = &config.cores else {
        return Ok(allowed.into_iter().take(mailbox::CORES_MAX).collect());
    };
    match wanted.iter().find(|cpu| !allowed.contains(cpu)) {
        None => Ok(wanted.clone()),
        Some(cpu) => Err(Failure::Refused(format!(
            "node.cores: CPU {cpu} is not among those this process may use ({allowed:?}); choose \
             others, or start it with a wider affinity mask"
        ))),
    }
}

/// io_uring where it is to be had, and a line about what is slower than it could be.
fn choose_way(io: Io) -> Result<Way, Failure> {
    if io == Io::Epoll {
        tracing::info!("epoll instead of io_uring, as configured: slower");
        return Ok(Way::Epoll);
    }
    match uring::probe() {
        Ok(slower) => {
            for line in slower {
                tracing::warn!("{line}");
            }
            Ok(Way::Uring)
        }
        Err(unusable) if io == Io::Auto => {
            tracing::warn!("no io_uring: {unusable}; epoll is used instead, which is slower");
            Ok(Way::Epoll)
        }
        Err(unusable) => Err(Failure::Refused(format!(
            "no io_uring: {unusable}; allow it, or set node.io (--io) to \"auto\" or \"epoll\""
        ))),
    }
}

fn check_descriptors(config: &Config, cores: usize) -> Result<(), Failure> {
    let connections = u64::from(config.limits.connections_max);
    let needed = connections + cores as u64 * DESCRIPTORS_PER_CORE + DESCRIPTORS_RESERVED;
    let allowed = host::raise_descriptors();
    if allowed >= needed {
        return Ok(());
    }
    Err(Failure::Refused(format!(
        "too few descriptors: {allowed} allowed (RLIMIT_NOFILE), {needed} needed for \
         msrp.connections_max = {connections}; raise the hard limit or lower msrp.connections_max"
    )))
}

/// The line about an address that cannot be had.
pub fn cannot_listen(what: &str, key: &str, address: SocketAddr, error: Errno) -> Failure {
    let remedy = match error {
        Errno::ADDRINUSE => "stop the process that has it, or choose another port",
        Errno::ADDRNOTAVAIL => "choose an address of this host",
        Errno::ACCESS => "choose a port above 1023, or give the process CAP_NET_BIND_SERVICE",
        _ => "choose another address",
    };
    Failure::Refused(format!("cannot listen for {what} on {address} ({key}): {error}; {remedy}"))
}

#[cfg(test)]
mod tests;
