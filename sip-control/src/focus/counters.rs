//! What the focus has counted since it began.

use std::collections::BTreeMap;

/// Counters. They only grow.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    /// INVITEs that made a leg.
    pub joins: u64,
    /// Legs that ended by a BYE of the peer.
    pub leaves: u64,
    /// Legs that the focus ended, by why.
    pub farewells: BTreeMap<&'static str, u64>,
    /// Requests refused, by the machine-readable reason (OPS-08).
    pub refusals: BTreeMap<&'static str, u64>,
    /// Subscriptions made.
    pub subscriptions: u64,
    /// NOTIFYs sent.
    pub notifies: u64,
}
