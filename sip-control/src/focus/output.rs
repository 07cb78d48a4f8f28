//! What the focus wants done.

use mailbox::SessionId;

use super::{errand::ErrandId, order::Order};
use crate::{
    locate::Destination,
    message::{Draft, Reply},
    store::Change,
    transaction::ServerId,
    transport::Target,
};

/// Something to be done. Things are to be done in the order in which they are handed out: an order
/// that follows an answer is given when that answer is on its way (FOC-32, FOC-35).
#[derive(Debug)]
pub enum Output {
    /// Answer a request.
    Reply {
        /// Which one.
        to: ServerId,
        /// With what.
        reply: Reply,
    },
    /// Send a request.
    Send {
        /// By what its answer will be known. One that goes out again, under another number, is still the
        /// same.
        request: RequestId,
        /// What.
        draft: Draft,
        /// Where to, and where next if that is of no use (DLG-21). At least one.
        targets: Vec<Target>,
    },
    /// Find out where the INVITE of this session has to go. The answer is for
    /// [`Focus::handle_located`](super::Focus::handle_located).
    Locate {
        /// Which session.
        session: SessionId,
        /// What is known of the place.
        destination: Destination,
    },
    /// Withdraw an INVITE that has no final answer. Its 2xx may come all the same.
    Cancel {
        /// Which one.
        request: RequestId,
    },
    /// Acknowledge a 2xx to an INVITE.
    Acknowledge {
        /// Which INVITE.
        request: RequestId,
        /// With what.
        ack: Draft,
        /// Where to.
        target: Target,
    },
    /// Have this remembered. What comes after it leaves only when it is (OPS-10).
    Record(Change),
    /// Find the addresses of a name, which go to [`Focus::handle_resolved`].
    ///
    /// [`Focus::handle_resolved`]: super::Focus::handle_resolved
    Resolve {
        /// What waits for them.
        errand: ErrandId,
        /// The name, in lower case.
        name: Box<str>,
    },
    /// Tell the media plane.
    Order(Order),
}

/// A request of the focus. Never reused while the process lives.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct RequestId(pub u64);
