//! What the cores of one node have in common: counts, and nothing that anybody waits for.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use bytes::Bytes;

use crate::{connection::Connection, strangers::Strangers};

/// Shared by all cores of a node. A core made by [`Core::new`](crate::Core::new) has its own.
#[derive(Debug)]
pub struct Commons {
    pub(crate) strangers: Strangers,
    /// Octets of memory for what is queued and half received.
    memory: Arc<AtomicUsize>,
}

impl Commons {
    /// Nothing counted yet. `key` must be unpredictable to peers.
    pub fn new(key: [u8; 32]) -> Self {
        Self { strangers: Strangers::new(key), memory: Arc::default() }
    }

    /// Octets of memory that what is queued and half received takes, on all cores: shared bodies
    /// once, and the rest as of the last turn of each core.
    pub fn memory(&self) -> usize {
        self.memory.load(Relaxed)
    }

    /// A copy of a body that many may share. It is counted until the last of them is done with it.
    pub(crate) fn share(&self, body: &[u8]) -> Bytes {
        self.memory.fetch_add(body.len(), Relaxed);
        Bytes::from_owner(Shared { octets: body.into(), memory: Arc::clone(&self.memory) })
    }
}

struct Shared {
    octets: Box<[u8]>,
    memory: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.octets
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.memory.fetch_sub(self.octets.len(), Relaxed);
    }
}

/// What one core has of the common memory. Counted here, and told to the others once a turn.
#[derive(Debug, Default)]
pub(crate) struct Share {
    octets: usize,
    told: usize,
    /// Written for connections in this turn, which are counted at its end.
    written: usize,
}

impl Share {
    /// Something takes `now` octets that took `before`.
    pub(crate) fn change(&mut self, before: usize, now: usize) {
        self.octets = self.octets + now - before;
    }

    /// What a connection holds has changed.
    pub(crate) fn recount(&mut self, connection: &mut Connection) {
        let (before, now) = connection.recount();
        self.change(before, now);
    }

    /// So many octets were written for a connection.
    pub(crate) fn write(&mut self, octets: usize) {
        self.written += octets;
    }

    /// Octets that all cores have taken, with what this one has not told them yet.
    pub(crate) fn with_others(&self, commons: &Commons) -> usize {
        (commons.memory() + self.octets + self.written).saturating_sub(self.told)
    }

    /// Takes back what the others were told.
    pub(crate) fn give_up(&mut self, commons: &Commons) {
        commons.memory.fetch_sub(self.told, Relaxed);
        *self = Self::default();
    }

    /// Tells the others, at the end of a turn, when all connections are counted.
    pub(crate) fn tell(&mut self, commons: &Commons) {
        if self.octets > self.told {
            commons.memory.fetch_add(self.octets - self.told, Relaxed);
        } else if self.octets < self.told {
            commons.memory.fetch_sub(self.told - self.octets, Relaxed);
        }
        self.told = self.octets;
        self.written = 0;
    }
}
