//! The node in the middle: both planes, and the rings between them.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use engine::{Commons, Core, CoreConfig, Limits};
use mailbox::{Command, Doorbell, Event, Receiver, Sender, ring};
use sip_control::{
    config::Config,
    focus::WallClock,
    placement::CoreLink,
    server::{Agent, LocalNames},
};

use super::{FOCUS, core_id};

pub struct Node {
    pub agent: Agent,
    pub commands: Vec<Receiver<Command>>,
    pub events: Vec<Sender<Event>>,
    pub cores: Vec<Core>,
    pub commons: Arc<Commons>,
}

/// What a node is like, whichever process it is.
#[derive(Clone, Copy)]
pub struct Plan {
    pub seed: u64,
    pub cores: usize,
    pub ring_size: usize,
    /// When the first of them began.
    pub began: Instant,
}

impl Node {
    /// The process of that number. No two of them draw the same names.
    pub fn start(plan: Plan, process: u64, config: &Config) -> Self {
        let Plan { seed, cores, ring_size, began } = plan;
        let bell = Doorbell::new().unwrap();
        let (mut links, mut commands, mut events) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..cores {
            let (to_core, command) = ring(ring_size, &bell);
            let (event, from_core) = ring(ring_size, &bell);
            links.push(CoreLink { commands: to_core, events: from_core });
            commands.push(command);
            events.push(event);
        }
        let commons = Arc::new(Commons::new(key(seed, process, 0)));
        let core = |number| plan.core(process, number, Arc::clone(&commons));
        let cores = (0..cores).map(core).collect();
        let clock = WallClock::new(began, SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000));
        let names =
            LocalNames { sent_by_udp: FOCUS.to_owned(), sent_by_tcp: FOCUS.to_owned(), port: None };
        let seeds = [key(seed, process, 1), key(seed, process, 2)];
        let agent = Agent::new(Arc::new(config.clone()), names, links, seeds, clock);
        Self { agent, commands, events, cores, commons }
    }
}

impl Plan {
    /// A core that has done nothing yet.
    pub fn core(self, process: u64, number: usize, commons: Arc<Commons>) -> Core {
        let authority = "sw.example.com:2855".to_owned();
        let config = CoreConfig { id: core_id(number), cores: self.cores, authority };
        let key = key(self.seed, process, 3 + number as u64);
        Core::among(config, Limits::default(), commons, key)
    }
}

/// Something to draw names from.
fn key(seed: u64, process: u64, part: u64) -> [u8; 32] {
    let mut key = [0; 32];
    for (octets, number) in key.chunks_mut(8).zip([seed, process, part]) {
        octets.copy_from_slice(&number.to_le_bytes());
    }
    key
}
