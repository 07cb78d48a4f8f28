//! One pinned thread per core: wait, feed, drain, submit.
//!
//! ```text
//!  commands, relays, arrivals --+
//!  completions of one wait -----+--> Core --+--> sends, closes, detaches --> the next wait
//!                                           +--> events, relays, departures
//! ```
//!
//! A whole batch of completions is handled before anything is submitted, so that all that was
//! queued for a connection meanwhile goes out in one send. What does not fit into a ring stays
//! where it is and is offered again; nothing is dropped and nobody spins.

mod linger;
mod load;
mod mesh;
mod meter;

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use engine::{
    BATCH_SLICES_MAX, Batch, ConnectionId, Core, Counters, Departure, Operation, SendFailed,
};
use mailbox::{Command, Event};

use self::linger::Lingering;
use self::load::Load;
use self::mesh::Adoption;
pub use self::{
    mesh::{Ends, Link, mesh},
    meter::Reading,
};
use crate::io::{Backend, Completion, Payload, SLICES_MAX, Token, socket};

/// Items taken out of one ring in one turn, so that no ring keeps the sockets waiting.
const TAKEN_MAX: usize = 1024;

/// How soon to look again whether a ring that was full has room. Its reader does not say.
const RETRY: Duration = Duration::from_millis(1);

/// How long to accept nobody after the host ran short of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const _: () = assert!(BATCH_SLICES_MAX <= SLICES_MAX);

impl Payload for Batch {
    fn slices(&self) -> impl Iterator<Item = &[u8]> {
        Batch::slices(self)
    }
}

/// A connection is called the same in the core and in the backend.
fn token(connection: ConnectionId) -> Token {
    Token(connection.to_token())
}

fn connection(token: Token) -> ConnectionId {
    ConnectionId::from_token(token.0)
}

/// One core and all it is connected to.
pub struct Runtime<B> {
    core: Core,
    backend: B,
    ends: Ends,
    lingering: Lingering,
    /// Handed over by this core, and not yet taken by the ring to the other.
    departing: Vec<VecDeque<Adoption>>,
    /// Accepted, or answers to what was asked; carried out when the backend is not busy telling.
    attaching: Vec<(ConnectionId, OwnedFd)>,
    /// When to accept again after the host ran short.
    accept_at: Option<Instant>,
    /// The focus has been told that the core has nothing left to do.
    drained: bool,
}

impl<B: Backend<Batch>> Runtime<B> {
    /// A core that accepts connections on `listener`.
    pub fn new(core: Core, mut backend: B, ends: Ends, listener: OwnedFd) -> Self {
        backend.listen(listener);
        let departing = ends.peers.iter().map(|_| VecDeque::new()).collect();
        Self {
            core,
            backend,
            ends,
            lingering: Lingering::default(),
            departing,
            attaching: Vec::new(),
            accept_at: None,
            drained: false,
        }
    }

    /// Serves until the core is drained; comes back with what it has counted. An error is the end of
    /// the backend.
    pub fn run(mut self) -> io::Result<Counters> {
        let mut load = Load::new(Instant::now());
        loop {
            let now = Instant::now();
            self.take_in(now);
            if self.core.poll_timeout().is_some_and(|due| due <= now) {
                self.core.handle_timeout(now);
            }
            self.carry_out(now);
            let waiting = self.pass_on();
            self.ends.meter.tell(&self.core);
            self.tell_load(&mut load, now);
            if self.drained {
                return Ok(*self.core.counters());
            }
            self.sleep(now, waiting, load.next())?;
        }
    }

    /// Takes in what the focus and the other cores have sent.
    fn take_in(&mut self, now: Instant) {
        for _ in 0..TAKEN_MAX {
            let Some(command) = self.ends.commands.pop() else { break };
            match command {
                Command::Drain => self.backend.stop_listening(),
                Command::Forsake { core } => {
                    self.ends.peers[core.index()] = None;
                    // Closed by that: whom they are for does not find a session any more.
                    self.departing[core.index()].clear();
                }
                _ => {}
            }
            self.core.handle_command(now, command);
        }
        for peer in self.ends.peers.iter_mut().flatten() {
            for _ in 0..TAKEN_MAX {
                let Some(relay) = peer.relays_in.pop() else { break };
                self.core.handle_relay(now, relay);
            }
            while let Some(Adoption { socket, from, received }) = peer.arrivals.pop() {
                if let Some(id) = self.core.handle_accepted(now, from) {
                    self.attaching.push((id, socket));
                    self.core.handle_received(now, id, &received);
                }
            }
        }
    }

    /// Has the backend do what the core wants done.
    fn carry_out(&mut self, now: Instant) {
        for (id, socket) in self.attaching.drain(..) {
            self.backend.attach(token(id), socket);
        }
        while let Some(operation) = self.core.poll_operation(now) {
            match operation {
                Operation::Send { connection, batch } => {
                    self.backend.send(token(connection), batch);
                }
                Operation::Connect { connection, address } => {
                    self.connect(now, connection, address);
                }
                Operation::Detach { connection } => self.backend.detach(token(connection)),
                Operation::Close { connection } => {
                    let token = token(connection);
                    if self.backend.finish(token) {
                        self.lingering.add(now, token);
                    } else {
                        self.backend.close(token);
                    }
                }
            }
        }
        while let Some(token) = self.lingering.expired(now) {
            self.backend.close(token);
        }
        if self.accept_at.is_some_and(|at| at <= now) {
            self.accept_at = None;
            self.backend.accept_again();
        }
    }

    /// Connects, if the host has a socket for it.
    fn connect(&mut self, now: Instant, connection: ConnectionId, address: SocketAddr) {
        if let Ok(socket) = socket::outgoing(address) {
            self.backend.connect(token(connection), socket, address);
        } else {
            self.core.handle_disconnected(now, connection);
            self.core.handle_closed(connection);
        }
    }

    /// Puts into the rings what fits. `true` when something has to wait, or may have to.
    fn pass_on(&mut self) -> bool {
        let mut pushed = false;
        let events = &self.ends.events;
        while events.room() > 0
            && let Some(event) = self.core.poll_event()
        {
            self.drained |= event == Event::Drained;
            // There is room: nobody else pushes into this ring.
            let _ = events.push(event);
            pushed = true;
        }
        if std::mem::take(&mut pushed) {
            events.ring();
        }
        let mut waiting = events.room() == 0;
        for (peer, departing) in self.ends.peers.iter().zip(&mut self.departing) {
            let Some(peer) = peer else { continue };
            while peer.relays_out.room() > 0
                && let Some(relay) = self.core.poll_relay(peer.id)
            {
                let _ = peer.relays_out.push(relay);
                pushed = true;
            }
            while peer.departures.room() > 0
                && let Some(departure) = departing.pop_front()
            {
                let _ = peer.departures.push(departure);
                pushed = true;
            }
            if std::mem::take(&mut pushed) {
                // One bell for both rings: they wake the same thread.
                peer.relays_out.ring();
            }
            waiting |= peer.relays_out.room() == 0 || !departing.is_empty();
        }
        waiting
    }

    /// Tells how busy the core is, if that is news.
    fn tell_load(&mut self, load: &mut Load, now: Instant) {
        let events = &self.ends.events;
        if events.room() > 0
            && let Some(percent) = load.take(now)
        {
            // There is room: nobody else pushes into this ring.
            let _ = events.send(Event::Load { percent });
        }
    }

    /// Waits, and feeds the core all there is.
    fn sleep(&mut self, now: Instant, waiting: bool, look: Option<Instant>) -> io::Result<()> {
        let retry = waiting.then(|| now + RETRY);
        let timers = [self.core.poll_timeout(), self.lingering.next(), self.accept_at, retry, look];
        let mut deadline = timers.into_iter().flatten().min();
        self.ends.doorbell.announce_sleep();
        if self.ends.have_something() {
            deadline = Some(now);
        }
        let Self { core, ends, lingering, departing, attaching, accept_at, .. } = self;
        // One reading of the clock for the whole batch, after the sleep.
        let mut woken = None;
        let mut feed = |completion: Completion<'_, Batch>| {
            let now = *woken.get_or_insert_with(Instant::now);
            match completion {
                Completion::Accepted { socket } => {
                    // Who is gone already has no address any more.
                    if let Ok(from) = socket::peer(&socket)
                        && let Some(id) = core.handle_accepted(now, from)
                    {
                        attaching.push((id, socket));
                    }
                }
                Completion::AcceptStopped => *accept_at = Some(now + ACCEPT_PAUSE),
                Completion::Connected { token } => core.handle_connected(now, connection(token)),
                Completion::Received { token, .. } if lingering.has(token) => {}
                Completion::Received { token, bytes } => {
                    core.handle_received(now, connection(token), bytes);
                }
                Completion::Disconnected { token } if lingering.has(token) => {
                    lingering.end_early(token);
                }
                Completion::Disconnected { token } => {
                    core.handle_disconnected(now, connection(token));
                }
                Completion::Sent { token, payload, result } => {
                    let result = result.map_err(|_| SendFailed);
                    core.handle_sent(now, connection(token), payload, result);
                }
                Completion::Detached { token, socket } => {
                    if let Some(Departure { to, from, received }) =
                        core.handle_detached(connection(token))
                        && ends.peers[to.index()].is_some()
                    {
                        departing[to.index()].push_back(Adoption { socket, from, received });
                    }
                }
                Completion::Closed { token } => core.handle_closed(connection(token)),
            }
        };
        let waited = self.backend.wait(deadline, &mut feed);
        self.ends.doorbell.awake();
        waited
    }
}

#[cfg(test)]
mod footprint;
#[cfg(test)]
mod tests;
