//! Where SIP meets the network. The only I/O of this plane.
//!
//! [`Transport`] listens on UDP and TCP, opens the connections it needs, keeps using those it has,
//! and yields whole messages. It knows where messages go, and nothing of what they mean.

mod counters;
mod peer;
mod stream;
mod udp;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use self::counters::Counters;
use self::counters::Tally;
pub use self::peer::{ConnectionId, DEFAULT_PORT, Protocol, Source, Target, Ticket, Transmit};
use self::stream::{Arrival, Connection};
use crate::message::Message;

/// Where to listen, and how much to take on.
#[derive(Clone, Debug)]
pub struct Config {
    /// Addresses for datagrams. Each family needs its own.
    pub udp: Vec<SocketAddr>,
    /// Addresses for streams.
    pub tcp: Vec<SocketAddr>,
    /// Connections at once, both ways, as a count: descriptors are finite.
    pub connections_max: usize,
    /// Connections at once that one address of a peer may open, as a count.
    pub connections_per_peer_max: usize,
    /// Octets that may wait for a slow connection. What is more is not sent; above a quarter of it,
    /// nothing more is read from there.
    pub queue_size_max: usize,
    /// Messages that wait to be received, as a count: streams are read no further when they are
    /// that many, and datagrams are lost.
    pub inbox_max: usize,
    /// How long a message may be incomplete on a stream (DLG-02), a connection take to open, and a
    /// peer refuse to read.
    pub stall_max: Duration,
    /// How long a stream may bring nothing: 3 minutes more than the longest keepalive (DLG-20).
    pub idle_max: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            udp: Vec::new(),
            tcp: Vec::new(),
            connections_max: 16_384,
            connections_per_peer_max: 1024,
            queue_size_max: 4 * 1024 * 1024,
            inbox_max: 4096,
            stall_max: Duration::from_secs(32),
            idle_max: Duration::from_mins(20),
        }
    }
}

/// What comes out of the network.
// There is one at a time, and it is taken apart at once: a box would cost more than it saves.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug)]
pub enum Incoming {
    /// A message, perhaps with a fault.
    Message {
        /// The message.
        message: Message,
        /// Where it came from.
        source: Source,
        /// When it was read.
        read_at: std::time::Instant,
    },
    /// What was sent with this ticket did not go out.
    Undelivered(Ticket),
}

/// The listening sockets and the connections of this plane. Needs a tokio runtime around it.
#[derive(Debug)]
pub struct Transport {
    config: Config,
    sockets: Vec<(SocketAddr, Arc<UdpSocket>)>,
    listeners: Vec<SocketAddr>,
    /// The tasks that accept and that read datagrams. They end with us.
    tasks: Vec<JoinHandle<()>>,
    inbox: mpsc::Receiver<Arrival>,
    arrivals: mpsc::Sender<Arrival>,
    /// Ids are never given twice: a stale one finds nothing.
    last_connection: u64,
    connections: HashMap<ConnectionId, Connection>,
    /// The connection to use for an address.
    by_remote: HashMap<SocketAddr, ConnectionId>,
    /// How many connections each address of a peer has opened.
    accepted: HashMap<IpAddr, usize>,
    /// What failed before it left.
    undelivered: VecDeque<Ticket>,
    tally: Arc<Tally>,
}

impl Transport {
    /// Opens the listening sockets. The error names the address that could not be had.
    pub async fn bind(config: Config) -> io::Result<Self> {
        let (arrivals, inbox) = mpsc::channel(config.inbox_max.max(1));
        let tally = Arc::new(Tally::default());
        let mut transport = Self {
            sockets: Vec::new(),
            listeners: Vec::new(),
            tasks: Vec::new(),
            inbox,
            arrivals,
            last_connection: 0,
            connections: HashMap::new(),
            by_remote: HashMap::new(),
            accepted: HashMap::new(),
            undelivered: VecDeque::new(),
            tally,
            config,
        };
        for &address in &transport.config.udp {
            let named = |error| cannot_listen(Protocol::Udp, address, &error);
            let socket = Arc::new(UdpSocket::bind(address).await.map_err(named)?);
            let local = socket.local_addr().map_err(named)?;
            // Until the reactor has once seen it so, a socket counts as full, and what is sent first
            // would be lost.
            socket.writable().await.map_err(named)?;
            let (arrivals, tally) = (transport.arrivals.clone(), transport.tally.clone());
            let receive = udp::receive(socket.clone(), local, arrivals, tally);
            transport.tasks.push(tokio::spawn(receive));
            transport.sockets.push((local, socket));
        }
        for &address in &transport.config.tcp {
            let named = |error| cannot_listen(Protocol::Tcp, address, &error);
            let listener = TcpListener::bind(address).await.map_err(named)?;
            transport.listeners.push(listener.local_addr().map_err(named)?);
            let accept = stream::accept(listener, transport.arrivals.clone());
            transport.tasks.push(tokio::spawn(accept));
        }
        Ok(transport)
    }

    /// The addresses that datagrams come to.
    pub fn udp_addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.sockets.iter().map(|(address, _)| *address)
    }

    /// The addresses that accept streams.
    pub fn tcp_addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.listeners.iter().copied()
    }

    /// Waits for the next message. Dropping the future loses nothing.
    pub async fn receive(&mut self) -> Incoming {
        loop {
            if let Some(ticket) = self.undelivered.pop_front() {
                return Incoming::Undelivered(ticket);
            }
            // We hold a sender, so the channel does not end.
            let Some(arrival) = self.inbox.recv().await else {
                return std::future::pending().await;
            };
            match arrival {
                Arrival::Message { message, source, read_at } => {
                    return Incoming::Message { message, source, read_at };
                }
                Arrival::Accepted { stream, local, remote } => self.accept(stream, local, remote),
                Arrival::Undelivered(ticket) => self.fail(Some(ticket)),
                Arrival::Closed(id) => self.close(id),
            }
        }
    }

    /// Sends a message, or says by its ticket that it cannot be sent. Never waits: what a slow
    /// connection cannot take is bounded, and what a full socket buffer cannot take is lost, as
    /// datagrams are.
    pub fn send(&mut self, transmit: Transmit) {
        match transmit.target.protocol {
            Protocol::Udp => self.send_datagram(&transmit),
            Protocol::Tcp => self.send_on_stream(transmit),
        }
    }

    fn send_datagram(&mut self, transmit: &Transmit) {
        let target = &transmit.target;
        let socket = self
            .sockets
            .iter()
            .find(|(local, _)| target.local == Some(*local))
            .or_else(|| {
                self.sockets.iter().find(|(local, _)| local.is_ipv4() == target.remote.is_ipv4())
            })
            .map(|(_, socket)| socket);
        match socket.map(|socket| socket.try_send_to(&transmit.bytes, target.remote)) {
            Some(Ok(_)) => self.tally.sent(),
            Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                self.tally.datagram_lost();
            }
            Some(Err(_)) | None => self.fail(transmit.ticket),
        }
    }

    fn send_on_stream(&mut self, transmit: Transmit) {
        let Transmit { target, bytes, ticket } = transmit;
        let known = target
            .connection
            .filter(|id| self.is_open(*id))
            .or_else(|| self.by_remote.get(&target.remote).copied().filter(|id| self.is_open(*id)));
        let id = known.or_else(|| self.open(target.remote));
        let connection = id.and_then(|id| self.connections.get(&id));
        if connection.is_some_and(|connection| connection.queue.push(bytes, ticket)) {
            self.tally.sent();
        } else {
            self.fail(ticket);
        }
    }

    fn is_open(&self, id: ConnectionId) -> bool {
        self.connections.get(&id).is_some_and(|connection| !connection.queue.is_closed())
    }

    fn fail(&mut self, ticket: Option<Ticket>) {
        self.tally.undelivered();
        self.undelivered.extend(ticket);
    }

    /// Registers a connection that a peer opened, unless there are too many.
    fn accept(&mut self, stream: tokio::net::TcpStream, local: SocketAddr, remote: SocketAddr) {
        let of_peer = self.accepted.entry(remote.ip()).or_default();
        if self.connections.len() >= self.config.connections_max
            || *of_peer >= self.config.connections_per_peer_max
        {
            self.tally.connection_refused();
            if *of_peer == 0 {
                self.accepted.remove(&remote.ip());
            }
            return;
        }
        *of_peer += 1;
        self.tally.connection_accepted();
        let id = self.next_connection();
        let connection = Connection::of_accepted(id, stream, local, remote, self.context());
        self.register(id, connection);
    }

    /// Starts a connection of our own, unless there are too many.
    fn open(&mut self, remote: SocketAddr) -> Option<ConnectionId> {
        if self.connections.len() >= self.config.connections_max {
            return None;
        }
        self.tally.connection_opened();
        let id = self.next_connection();
        let connection = Connection::to(id, remote, self.context());
        self.register(id, connection);
        Some(id)
    }

    fn register(&mut self, id: ConnectionId, connection: Connection) {
        self.by_remote.insert(connection.remote, id);
        self.connections.insert(id, connection);
    }

    fn next_connection(&mut self) -> ConnectionId {
        self.last_connection += 1;
        ConnectionId(self.last_connection)
    }

    fn context(&self) -> stream::Context {
        stream::Context {
            arrivals: self.arrivals.clone(),
            tally: self.tally.clone(),
            queue_size_max: self.config.queue_size_max,
            stall_max: self.config.stall_max,
            idle_max: self.config.idle_max,
        }
    }

    /// Closes a connection when what waits for it has been written.
    pub fn close(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.remove(&id) else {
            return;
        };
        if self.by_remote.get(&connection.remote) == Some(&id) {
            self.by_remote.remove(&connection.remote);
        }
        if connection.is_accepted
            && let Some(of_peer) = self.accepted.get_mut(&connection.remote.ip())
        {
            *of_peer -= 1;
            if *of_peer == 0 {
                self.accepted.remove(&connection.remote.ip());
            }
        }
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// How often things happened.
    pub fn counters(&self) -> Counters {
        self.tally.read()
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

fn cannot_listen(protocol: Protocol, address: SocketAddr, error: &io::Error) -> io::Error {
    let text = format!("cannot listen for SIP over {} on {address}: {error}", protocol.name());
    io::Error::new(error.kind(), text)
}

#[cfg(test)]
mod tests;
