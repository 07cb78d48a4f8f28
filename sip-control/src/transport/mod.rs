//! Where SIP meets the network. The only I/O of this plane.

mod peer;

pub use peer::{ConnectionId, DEFAULT_PORT, Protocol, Source, Target, Ticket, Transmit};
