//! What the focus has counted since it began. A new counter is one line here.

use std::collections::BTreeMap;

use mailbox::figures;

figures! {
    /// Counters. They only grow.
    #[derive(Clone, Debug, Default, Eq, PartialEq)]
    pub struct Counters {
        /// INVITEs that made a leg, ours among them.
        pub joins: u64,
        /// INVITEs of ours.
        pub invitations: u64,
        /// Legs that ended by a BYE of the peer.
        pub leaves: u64,
        /// Legs that the focus ended, by why.
        pub farewells: BTreeMap<&'static str, u64>,
        /// Legs that failed, by why (PEER-15).
        pub failures: BTreeMap<&'static str, u64>,
        /// Cores of the media plane that were lost (OPS-09).
        pub cores_lost: u64,
        /// Requests refused, by the machine-readable reason (OPS-08).
        pub refusals: BTreeMap<&'static str, u64>,
        /// Subscriptions made.
        pub subscriptions: u64,
        /// Requests of ours that went out again with the proof that somebody on their way asked for.
        pub proofs: u64,
        /// NOTIFYs sent.
        pub notifies: u64,
    }
}

figures! {
    /// What there is at this moment.
    #[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
    pub struct Gauges {
        /// Sessions of rooms that run.
        pub sessions: u64,
        /// Legs, those that are not answered yet among them.
        pub legs: u64,
        /// Subscriptions to rosters.
        pub subscriptions: u64,
    }
}
