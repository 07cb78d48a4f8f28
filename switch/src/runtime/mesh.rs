//! The rings: between the focus and each core, and between every ordered pair of cores.
//!
//! ```text
//!            commands              relays, sockets
//!   focus ============> core 0 <===================> core 1
//!         <============                 ...
//!             events
//! ```

use std::{io, net::IpAddr, os::fd::OwnedFd};

use mailbox::{Command, CoreId, Doorbell, Event, Receiver, Relay, Sender, ring};

use super::meter::{Meter, Reading, meter};

/// Commands on their way to one core. What does not fit is kept by the focus.
const COMMANDS: usize = 4096;

/// Events on their way to the focus, from one core.
const EVENTS: usize = 4096;

/// Relays on their way to one core from all others together: the rings are allocated in full, and
/// there are as many as cores squared.
const RELAYS: usize = 16_384;
const RELAYS_PER_RING_MAX: usize = 4096;

/// Sockets on their way from one core to another.
const ADOPTIONS: usize = 64;

/// A connection whose session lives on another core than the one that accepted it.
#[derive(Debug)]
pub struct Adoption {
    /// The socket; the kernel holds no operation on it.
    pub socket: OwnedFd,
    /// Where it comes from.
    pub from: IpAddr,
    /// Every octet received on it so far.
    pub received: Vec<u8>,
}

/// All the mailbox ends of one core.
#[derive(Debug)]
pub struct Ends {
    /// Wakes this core.
    pub doorbell: Doorbell,
    /// From the focus.
    pub commands: Receiver<Command>,
    /// To the focus.
    pub events: Sender<Event>,
    /// To whoever counts.
    pub meter: Meter,
    /// The other cores by number; the core itself is left out.
    pub peers: Vec<Option<Peer>>,
}

/// The ends of one core that are held elsewhere.
#[derive(Debug)]
pub struct Link {
    /// To the core.
    pub commands: Sender<Command>,
    /// From the core.
    pub events: Receiver<Event>,
    /// What the core counts.
    pub reading: Reading,
}

/// The ends between this core and one other.
#[derive(Debug)]
pub struct Peer {
    /// The other one.
    pub id: CoreId,
    /// Messages to it.
    pub relays_out: Sender<Relay>,
    /// Messages from it.
    pub relays_in: Receiver<Relay>,
    /// Sockets to it.
    pub departures: Sender<Adoption>,
    /// Sockets from it.
    pub arrivals: Receiver<Adoption>,
}

impl Ends {
    /// Whether something waits to be taken in.
    pub fn have_something(&self) -> bool {
        !self.commands.is_empty()
            || self.meter.is_asked()
            || self
                .peers
                .iter()
                .flatten()
                .any(|peer| !peer.relays_in.is_empty() || !peer.arrivals.is_empty())
    }
}

/// The ends of `cores` cores, and those of the focus, which is woken by `focus`. Fails when the
/// process is out of descriptors.
pub fn mesh(cores: &[CoreId], focus: &Doorbell) -> io::Result<(Vec<Ends>, Vec<Link>)> {
    let mut ends = Vec::new();
    let mut links = Vec::new();
    for _ in cores {
        let doorbell = Doorbell::new()?;
        let (orders, commands) = ring(COMMANDS, &doorbell);
        let (events, reports) = ring(EVENTS, focus);
        let (meter, reading) = meter(&doorbell);
        let peers = cores.iter().map(|_| None).collect();
        ends.push(Ends { doorbell, commands, events, meter, peers });
        links.push(Link { commands: orders, events: reports, reading });
    }
    let relays = (RELAYS / cores.len()).min(RELAYS_PER_RING_MAX);
    for (a, &id_a) in cores.iter().enumerate() {
        for (b, &id_b) in cores.iter().enumerate().skip(a + 1) {
            let (to_a, to_b) = (ends[a].doorbell.clone(), ends[b].doorbell.clone());
            let (relays_ab, relays_from_a) = ring(relays, &to_b);
            let (relays_ba, relays_from_b) = ring(relays, &to_a);
            let (sockets_ab, sockets_from_a) = ring(ADOPTIONS, &to_b);
            let (sockets_ba, sockets_from_b) = ring(ADOPTIONS, &to_a);
            ends[a].peers[b] = Some(Peer {
                id: id_b,
                relays_out: relays_ab,
                relays_in: relays_from_b,
                departures: sockets_ab,
                arrivals: sockets_from_b,
            });
            ends[b].peers[a] = Some(Peer {
                id: id_a,
                relays_out: relays_ba,
                relays_in: relays_from_a,
                departures: sockets_ba,
                arrivals: sockets_from_a,
            });
        }
    }
    Ok((ends, links))
}
