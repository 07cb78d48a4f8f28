//! What the cores of one node have in common: counts, and nothing that anybody waits for.

use crate::strangers::Strangers;

/// Shared by all cores of a node. A core made by [`Core::new`](crate::Core::new) has its own.
#[derive(Debug)]
pub struct Commons {
    pub(crate) strangers: Strangers,
}

impl Commons {
    /// Nothing counted yet. `key` must be unpredictable to peers.
    pub fn new(key: [u8; 32]) -> Self {
        Self { strangers: Strangers::new(key) }
    }
}
