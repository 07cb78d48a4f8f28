//! What the focus may ask of one core.

use std::sync::Arc;

use crate::{CoreId, CoreSet, Epoch, PeerMedia, Remote, RoomId, RoomTerms, Route, SessionId};

/// An order to one core. Repeating a command is harmless. One whose epoch is older than what the
/// core has applied to the same session or room changes nothing, apart from its answer; `Remove` and
/// `Close` are final and act whatever their epoch.
#[derive(Clone, Debug)]
pub enum Command {
    /// Expect this session; it may bind and send, but is not yet a recipient. Answered by
    /// [`Event::Installed`], or by [`Event::Refused`] when the core has no slot.
    ///
    /// [`Event::Installed`]: crate::Event::Installed
    /// [`Event::Refused`]: crate::Event::Refused
    Install {
        /// The session to expect.
        session: SessionId,
        /// The room's clock.
        epoch: Epoch,
        /// All the core needs to serve it.
        route: Box<Route>,
    },
    /// From now on the room's messages are due to the session, as soon as it is bound (CTRL-03) and
    /// its peer's media is known.
    Activate {
        /// An installed session.
        session: SessionId,
        /// The room's clock.
        epoch: Epoch,
    },
    /// The peer of this session does not connect: connect to it, and send the first request
    /// (CONN-02). Its media has to be known. Followed by [`Event::Bound`] or [`Event::Failed`].
    ///
    /// [`Event::Bound`]: crate::Event::Bound
    /// [`Event::Failed`]: crate::Event::Failed
    Connect {
        /// An installed session.
        session: SessionId,
        /// The room's clock.
        epoch: Epoch,
        /// Where to.
        remote: Box<Remote>,
    },
    /// Other rights or limits, from the next message on (CTRL-04).
    Policy {
        /// The room's clock.
        epoch: Epoch,
        /// What changes.
        rights: Rights,
    },
    /// Out of the fan-out at once; later requests are answered 481. What is queued still goes out,
    /// messages begun end with `#` (CTRL-05). Answered by [`Event::Removed`]; until then the id is
    /// taken.
    ///
    /// [`Event::Removed`]: crate::Event::Removed
    Remove {
        /// The session to end.
        session: SessionId,
        /// The room's clock.
        epoch: Epoch,
    },
    /// Ends every session of the room on this core and forgets the room (CHAT-38). Answered by
    /// [`Event::Closed`], after a `Removed` for each session.
    ///
    /// [`Event::Closed`]: crate::Event::Closed
    Close {
        /// The room to forget.
        room: RoomId,
        /// The room's clock.
        epoch: Epoch,
    },
    /// To the home core of a room: its members live on these cores too, each gets one relay per
    /// chunk. Answered by [`Event::Spread`].
    ///
    /// [`Event::Spread`]: crate::Event::Spread
    Spread {
        /// The room, so that a home core without members of its own knows it.
        room: Arc<RoomTerms>,
        /// The room's clock.
        epoch: Epoch,
        /// Every core with a member, the home core itself left out.
        cores: CoreSet,
    },
    /// To the home core of a room: say when its last message was accepted. It changes nothing, so no
    /// epoch is needed. Answered by [`Event::Heard`].
    ///
    /// [`Event::Heard`]: crate::Event::Heard
    Inquire {
        /// Which room.
        room: RoomId,
    },
    /// Another core is gone for good: nothing comes from it any more, and nothing gets there. What was
    /// said in rooms whose home it was is not heard by anybody; the focus closes them (sip/OPS-09).
    Forsake {
        /// Which one.
        core: CoreId,
    },
    /// Accept nothing new, send what is queued, close every connection. Answered by
    /// [`Event::Drained`].
    ///
    /// [`Event::Drained`]: crate::Event::Drained
    Drain,
}

/// The subject of [`Command::Policy`].
#[derive(Clone, Debug)]
pub enum Rights {
    /// What the peer of one session says of itself: for the first time, or anew.
    Peer(SessionId, Box<PeerMedia>),
    /// New terms for a running room. Id and home never change.
    Terms(Arc<RoomTerms>),
}
