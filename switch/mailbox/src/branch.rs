//! One connection that carries sessions of several cores (CONN-09).
//!
//! The connection stays with the core that has its socket. Messages for a session elsewhere go on to
//! that core, which has a *branch* of the connection: it serves it as if it had a socket of its own,
//! and what it has to say goes back the same way.
//!
//! ```text
//! peer ---> connection --- Received, Lost ---> branch
//!      <---    on core A <--- Send, Ended ---  on core B      one Send at a time, answered by Sent
//! ```

use std::fmt;

use bytes::Bytes;

use crate::{CoreId, FailureCause};

/// Something between a connection and a branch of it.
#[derive(Clone, Debug)]
pub struct BranchRelay {
    /// The core that has the socket.
    pub trunk: CoreId,
    /// The connection, as that core calls it.
    pub connection: u64,
    /// The core that has the branch.
    pub branch: CoreId,
    /// What is to be done.
    pub step: BranchStep,
}

/// What there is to say on the way to a branch, or back.
#[derive(Clone)]
pub enum BranchStep {
    /// To the branch, which begins with the first: octets that have come for a session there.
    Received {
        /// Whether a message begins with them. A piece is nothing to a branch without it.
        is_start: bool,
        /// Parts of one message.
        octets: Bytes,
    },
    /// To the branch: the connection is gone.
    Lost(FailureCause),
    /// To the branch: the kernel has taken what was last to be sent.
    Sent,
    /// From the branch: whole messages to be sent. Answered by `Sent`, or by `Lost`.
    Send(Bytes),
    /// From the branch: there is none any more.
    Ended {
        /// How many `Received` it has taken in. If there were more, it begins anew with them.
        handled: u64,
        /// How many of its requests were for no session (LIM-07).
        strays: u32,
        /// The connection is of no use any more.
        is_spoilt: bool,
    },
}

/// Says how much there is, and nothing of what it says (SEC-01).
impl fmt::Debug for BranchStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Received { is_start, octets } => {
                let mut received = f.debug_struct("Received");
                received.field("is_start", is_start).field("octets", &octets.len()).finish()
            }
            Self::Lost(cause) => f.debug_tuple("Lost").field(cause).finish(),
            Self::Sent => f.write_str("Sent"),
            Self::Send(octets) => f.debug_tuple("Send").field(&octets.len()).finish(),
            Self::Ended { handled, .. } => {
                f.debug_struct("Ended").field("handled", handled).finish_non_exhaustive()
            }
        }
    }
}
