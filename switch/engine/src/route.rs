//! One session: where its bytes go, what it accepts, and the messages it has begun to send.

use mailbox::{Epoch, Route, SessionId};
use msrp::UriBuf;

use crate::{connection::ConnectionId, message::Message, room::RoomKey, slots::Key};

/// A session's slot in the core's table.
pub(crate) type SessionKey = Key<Session>;

/// One session as its core knows it.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    /// The newest command applied.
    pub(crate) epoch: Epoch,
    pub(crate) room: RoomKey,
    pub(crate) route: Box<Route>,
    /// The switch's URI of this session: its `path` in SDP, From-Path of all it is sent.
    pub(crate) uri: UriBuf,
    /// The two path headers of everything that goes out, whole lines (URI-19, CHAT-11).
    pub(crate) path_headers: Box<[u8]>,
    pub(crate) binding: Binding,
    /// Whether the focus wants the room's messages to go here (CTRL-03).
    pub(crate) active: bool,
    /// Messages begun by the peer and not finished.
    pub(crate) incoming: Vec<Message>,
    /// Messages begun by the peer so far.
    pub(crate) messages_begun: u64,
}

/// Where a session's bytes go: to one connection at most (RFC 4975 section 5.4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Binding {
    /// Installed by the focus. The peer has yet to speak.
    Awaited,
    /// The first request naming the session came here. From any other connection: 506.
    Bound(ConnectionId),
    /// Its connection is gone; only a new SDP exchange replaces it (CONN-07, CONN-13): 481.
    Failed,
}

impl Session {
    pub(crate) fn new(
        id: SessionId,
        epoch: Epoch,
        room: RoomKey,
        route: Box<Route>,
        uri: UriBuf,
    ) -> Self {
        let path_headers = [
            &b"To-Path: "[..],
            route.peer_path.as_bytes(),
            b"\r\nFrom-Path: ",
            uri.as_bytes(),
            b"\r\n",
        ]
        .concat()
        .into_boxed_slice();
        Self {
            id,
            epoch,
            room,
            route,
            uri,
            path_headers,
            binding: Binding::Awaited,
            active: false,
            incoming: Vec::new(),
            messages_begun: 0,
        }
    }

    /// The connection to write to, while there is one.
    pub(crate) fn connection(&self) -> Option<ConnectionId> {
        match self.binding {
            Binding::Bound(connection) => Some(connection),
            Binding::Awaited | Binding::Failed => None,
        }
    }

    /// Whether it is a target of the fan-out: installed, activated and bound (CTRL-03).
    pub(crate) fn receives(&self) -> bool {
        self.active && self.connection().is_some()
    }
}
