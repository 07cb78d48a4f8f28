//! What a core asks of its runtime, and what they hand to each other in doing so.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use mailbox::CoreId;

#[cfg(doc)]
use crate::Core;
use crate::{Batch, ConnectionId};

/// What the runtime is to do.
#[derive(Debug)]
pub enum Operation {
    /// Hand `batch` to the kernel; answered once by [`Core::handle_sent`], which takes it back.
    Send {
        /// Where to.
        connection: ConnectionId,
        /// What; never empty.
        batch: Batch,
    },
    /// Open a connection; answered by [`Core::handle_connected`] or [`Core::handle_disconnected`].
    Connect {
        /// Which one.
        connection: ConnectionId,
        /// Where to.
        address: SocketAddr,
    },
    /// Close the socket when the kernel holds no operation on it any more; answered by
    /// [`Core::handle_closed`].
    Close {
        /// Which one.
        connection: ConnectionId,
    },
    /// Stop receiving and take the socket out of this core's hands; answered by
    /// [`Core::handle_detached`] when the kernel holds no operation on it any more.
    Detach {
        /// Which one.
        connection: ConnectionId,
    },
}

/// A connection on its way to the core that serves its session.
pub struct Departure {
    /// The core to give the socket to.
    pub to: CoreId,
    /// Where it comes from.
    pub from: IpAddr,
    /// Every octet received on it so far.
    pub received: Vec<u8>,
}

/// The send failed: the connection is gone.
#[derive(Clone, Copy, Debug)]
pub struct SendFailed;

/// Says how much was received, and nothing of what it says (SEC-01).
impl fmt::Debug for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Departure")
            .field("to", &self.to)
            .field("octets", &self.received.len())
            .finish_non_exhaustive()
    }
}
