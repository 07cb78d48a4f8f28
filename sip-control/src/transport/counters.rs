//! What the tasks of the transport count together.

use std::sync::atomic::{AtomicU64, Ordering};

use mailbox::figures;

figures! {
    /// How often something happened since the start.
    #[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
    pub struct Counters {
        /// Messages received, on whatever transport.
        pub received: u64,
        /// Messages handed to a socket or its queue.
        pub sent: u64,
        /// Messages that could not be sent: nobody there, or a queue is full.
        pub undelivered: u64,
        /// Datagrams lost here, because the inbox or a socket buffer was full.
        pub datagrams_lost: u64,
        /// Connections of peers.
        pub connections_accepted: u64,
        /// Connections of peers that were closed at once, because there are too many.
        pub connections_refused: u64,
        /// Connections of our own.
        pub connections_opened: u64,
        /// Connections closed because they stalled, or because their messages could not be told apart.
        pub connections_broken: u64,
    }
}

/// The counters while they run.
#[derive(Debug, Default)]
pub(super) struct Tally {
    received: AtomicU64,
    sent: AtomicU64,
    undelivered: AtomicU64,
    datagrams_lost: AtomicU64,
    connections_accepted: AtomicU64,
    connections_refused: AtomicU64,
    connections_opened: AtomicU64,
    connections_broken: AtomicU64,
}

macro_rules! count {
    ($($method:ident $field:ident,)*) => {
        $(pub(super) fn $method(&self) {
            // Only ever read as a figure: no order with anything else is promised.
            self.$field.fetch_add(1, Ordering::Relaxed);
        })*
    };
}

impl Tally {
    count! {
        received received,
        sent sent,
        undelivered undelivered,
        datagram_lost datagrams_lost,
        connection_accepted connections_accepted,
        connection_refused connections_refused,
        connection_opened connections_opened,
        connection_broken connections_broken,
    }

    pub(super) fn read(&self) -> Counters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            received: read(&self.received),
            sent: read(&self.sent),
            undelivered: read(&self.undelivered),
            datagrams_lost: read(&self.datagrams_lost),
            connections_accepted: read(&self.connections_accepted),
            connections_refused: read(&self.connections_refused),
            connections_opened: read(&self.connections_opened),
            connections_broken: read(&self.connections_broken),
        }
    }
}
