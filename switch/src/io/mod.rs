//! The only way from a core to its sockets.
//!
//! A [`Backend`] is told what to start and says, a whole batch at a time, what has come to its end.
//! It owns what the kernel works on: a payload from [`Backend::send`] until its
//! [`Completion::Sent`], a socket from [`Backend::attach`] or [`Backend::connect`] until its
//! [`Completion::Detached`] or [`Completion::Closed`]. Received bytes are only lent.
//!
//! It knows no MSRP, and it reads the clock for nothing but how long to sleep.

#[cfg(test)]
mod contract;
#[cfg(test)]
pub mod faulty;
mod readiness;
pub mod socket;
// The one place of the workspace where unsafe code may stand: the ring's memory is shared with the
// kernel, which no safe interface can express.
#[allow(unsafe_code)]
pub mod uring;

use std::{
    io,
    net::SocketAddr,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

pub use readiness::Readiness;
use rustix::io::Errno;
pub use uring::Uring;

/// Slices of a payload that one send takes. What is beyond goes with the next.
pub const SLICES_MAX: usize = 64;

/// A connection, as the owner of a backend calls it.
///
/// The low half is its place in a table and small; it is reused once the connection has been
/// reported [`Completion::Closed`] or [`Completion::Detached`]. The high half tells the tenants of
/// a place apart.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Token(pub u64);

impl Token {
    #[cfg(test)]
    fn new(place: usize, tenancy: u32) -> Self {
        Self(u64::from(tenancy) << 32 | place as u64)
    }

    fn place(self) -> usize {
        self.0 as u32 as usize
    }

    fn tenancy(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// Octets on their way out. While a backend holds a payload, nobody changes it.
pub trait Payload {
    /// What is to go, in order: at most [`SLICES_MAX`] slices, at least one octet in all.
    fn slices(&self) -> impl Iterator<Item = &[u8]>;
}

/// Something that has come to its end, or the next piece of something that goes on.
#[derive(Debug)]
pub enum Completion<'a, P> {
    /// Somebody connected. The socket belongs to the receiver of this.
    Accepted {
        /// The new socket.
        socket: OwnedFd,
    },
    /// The host is short of descriptors or memory. Nobody is accepted until
    /// [`Backend::accept_again`].
    AcceptStopped,
    /// The answer to [`Backend::connect`] when it worked: the connection receives from now on, and
    /// may be sent on.
    Connected {
        /// Which connection.
        token: Token,
    },
    /// Octets came. They are lent: when the sink returns, their buffer is used again.
    Received {
        /// On which connection.
        token: Token,
        /// At least one.
        bytes: &'a [u8],
    },
    /// The peer will send nothing more, or the connection broke or never came to be. Said once; the
    /// connection still has to be closed.
    Disconnected {
        /// Which connection.
        token: Token,
    },
    /// The answer to one [`Backend::send`]; each has exactly one.
    Sent {
        /// On which connection.
        token: Token,
        /// What was to be sent.
        payload: P,
        /// How many octets the kernel took: maybe not all. On an error, none.
        result: Result<usize, Errno>,
    },
    /// The answer to [`Backend::detach`]. The kernel holds no operation on the socket.
    Detached {
        /// Which connection it was.
        token: Token,
        /// All that was received has been delivered; the rest is still in here.
        socket: OwnedFd,
    },
    /// The answer to [`Backend::close`]. The token may be given to another connection.
    Closed {
        /// Which connection it was.
        token: Token,
    },
}

/// One core's sockets.
///
/// ```text
/// connect ---(refused)----------------------------+
///    | Connected                                  v
/// attach --> receiving --(end of stream)--> Disconnected
///                |  ^ send ... Sent, one at a time
///                +--> detach -> [Received...] [Sent] -> Detached
///                +--> close  -> [Sent] -> Closed
/// ```
///
/// A connection that was told to close delivers nothing but the answer to its send. One that was
/// told to detach still delivers what was received before.
pub trait Backend<P: Payload> {
    /// Accepts connections on this listening socket. Called once.
    fn listen(&mut self, listener: OwnedFd);

    /// Accepts again after [`Completion::AcceptStopped`].
    fn accept_again(&mut self);

    /// Closes the listening socket, for good.
    fn stop_listening(&mut self);

    /// Takes a connected socket and starts to receive from it.
    fn attach(&mut self, token: Token, socket: OwnedFd);

    /// Takes a socket of its own and connects it to `address`; from then on it is as if attached.
    /// Nothing may be sent before [`Completion::Connected`].
    fn connect(&mut self, token: Token, socket: OwnedFd, address: SocketAddr);

    /// Sends. No other send of this connection may be under way.
    fn send(&mut self, token: Token, payload: P);

    /// Tells the peer that nothing more will come, and goes on receiving. `false` when there is
    /// nothing to wait for: the peer has ended its side too, or a send is under way.
    fn finish(&mut self, token: Token) -> bool;

    /// Stops receiving, lets a send under way come to its end, and gives the socket back.
    fn detach(&mut self, token: Token);

    /// Stops everything that is under way and closes the socket.
    fn close(&mut self, token: Token);

    /// Starts what was asked for, sleeps until there is something to say, the doorbell rings, or
    /// `deadline` has come, and hands `sink` all there is. An error is the end of the backend.
    fn wait(
        &mut self,
        deadline: Option<Instant>,
        sink: &mut impl FnMut(Completion<'_, P>),
    ) -> io::Result<()>;
}

/// Whether a connection is one yet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    /// The kernel tries to connect it.
    Connecting,
    /// It never will be, and its owner may know already.
    Refused { told: bool },
    /// It is.
    Connected,
}

/// What a backend has a connection for.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Purpose {
    Serving,
    Departing,
    Closing,
}

/// Whether accepting failed for want of something that the host may have again later. Any other
/// error is about one connection alone.
fn is_shortage(error: Errno) -> bool {
    matches!(error, Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS)
}

/// How long to sleep: not at all when the deadline has passed, `None` for as long as it takes.
fn sleep(deadline: Option<Instant>) -> Option<Duration> {
    deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
}
