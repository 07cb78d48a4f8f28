//! One session: where its bytes go, what it accepts, and the messages it has begun to send.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use mailbox::{Epoch, ParticipantId, PeerMedia, Route, SessionId};
use msrp::{AddressBuf, MediaType, TransactionId, UriBuf};

use crate::{
    backlog::Backlog,
    connection::ConnectionId,
    limits::{NAMED_TYPES_REFUSED_MAX, REFUSED_TYPES_MAX, UNANSWERED_MAX},
    message::{Ended, MessageKey},
    mint::write_base_36,
    nickname::Naming,
    private::Private,
    rate::Bucket,
    replays::Received,
    room::RoomKey,
    slots::Key,
};

/// A session's slot in the core's table.
pub(crate) type SessionKey = Key<Session>;

/// One session as its core knows it.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    /// The newest command applied.
    pub(crate) epoch: Epoch,
    pub(crate) room: RoomKey,
    pub(crate) participant: ParticipantId,
    /// The addresses that a message from here may name in CPIM `From` (CHAT-03).
    pub(crate) identities: Arc<[AddressBuf]>,
    /// Whether nobody is to learn who it is.
    pub(crate) is_anonymous: bool,
    /// Whether it may write to single members (PRIV-03).
    pub(crate) may_whisper: bool,
    /// The switch's URI of this session: its `path` in SDP, From-Path of all it is sent.
    pub(crate) uri: UriBuf,
    /// What its peer says of itself. Until that is known it may bind and send, and answers go back
    /// the way its requests came; nothing else can be sent to it.
    pub(crate) peer: Option<Box<Peer>>,
    pub(crate) binding: Binding,
    /// Whether the focus wants the room's messages to go here (CTRL-03).
    pub(crate) active: bool,
    /// Whether the room's directory has it.
    pub(crate) listed: bool,
    /// Messages begun by the peer and not finished (LIM-05).
    pub(crate) incoming: Vec<MessageKey>,
    /// Messages of the peer that were not to be finished.
    pub(crate) ended: Ended,
    /// Whether the peer may be sent anything with a body: its first request is answered (PEER-01).
    pub(crate) greeted: bool,
    /// How often it may begin a message, and say that it is composing (LIM-06, COMP-05).
    pub(crate) messages: Bucket,
    pub(crate) composing: Bucket,
    /// What is on its way to the peer.
    pub(crate) backlog: Backlog,
    /// Messages that the peer was to get and did not, because too much was on its way to it
    /// (FLOW-08).
    pub(crate) missed: u32,
    /// Whether it has been told of some in the last minute.
    pub(crate) told_of_missed: bool,
    /// Messages begun by the peer so far.
    pub(crate) messages_begun: u64,
    /// Private messages of the peer of which it is not known whether they got to their recipients.
    pub(crate) private: Vec<Private>,
    /// Its nickname, and what it has asked of nicknames, if it ever did.
    pub(crate) naming: Option<Box<Naming>>,
    /// Messages of the peer that are all there, should the session fail (CHAT-30).
    pub(crate) received: Received,
    pub(crate) silence: Silence,
    /// The types inside the wrapper that the peer has refused with 415, in lower case (SEND-14).
    refused_types: Vec<Box<str>>,
}

/// How long the peer has answered nothing (RESP-15).
#[derive(Debug, Default)]
pub(crate) struct Silence {
    /// Chunks in a row without an answer.
    chunks: u32,
    /// Since the first of them was given up.
    since: Option<Instant>,
}

impl Silence {
    /// One more chunk was not answered. `true`: the peer does not answer at all.
    pub(crate) fn goes_on(&mut self, now: Instant, longest: Duration) -> bool {
        self.chunks += 1;
        let since = *self.since.get_or_insert(now);
        let lasts = self.chunks > 1 && now.saturating_duration_since(since) >= longest;
        lasts || self.chunks >= UNANSWERED_MAX
    }
}

/// The far end of a session, as SDP describes it.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) media: PeerMedia,
    /// The two path headers of every copy (URI-19, CHAT-11), and its Message-ID as far as it tells
    /// this session from all others: a client may have several, and tell messages apart by their ids
    /// alone (PEER-12).
    pub(crate) path_headers: Arc<[u8]>,
}

/// Where a session's bytes go: to one connection at most (RFC 4975 section 5.4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Binding {
    /// Installed by the focus. The peer has yet to speak.
    Awaited,
    /// It is up to us to connect. `asked` is the first request, once there is a connection to send
    /// it on; its answer binds (CONN-03).
    Reaching { connection: ConnectionId, asked: Option<TransactionId> },
    /// The first request naming the session came here. From any other connection: 506.
    Bound(ConnectionId),
    /// Its connection is gone; only a new SDP exchange replaces it (CONN-07, CONN-13): 481.
    Failed,
}

impl Binding {
    /// The connection that it has a place on.
    pub(crate) fn place(self) -> Option<ConnectionId> {
        match self {
            Self::Reaching { connection, .. } | Self::Bound(connection) => Some(connection),
            Self::Awaited | Self::Failed => None,
        }
    }
}

impl Session {
    pub(crate) fn new(
        id: SessionId,
        epoch: Epoch,
        room: RoomKey,
        route: Route,
        uri: UriBuf,
    ) -> Self {
        let Route { participant, identities, is_anonymous, may_whisper, nickname, peer, .. } =
            route;
        Self {
            id,
            epoch,
            room,
            participant,
            identities,
            is_anonymous,
            may_whisper,
            peer: peer.map(|media| Box::new(Peer::new(media, &uri, id))),
            uri,
            binding: Binding::Awaited,
            active: false,
            listed: false,
            greeted: false,
            messages: Bucket::default(),
            composing: Bucket::default(),
            backlog: Backlog::default(),
            incoming: Vec::new(),
            ended: Ended::default(),
            missed: 0,
            told_of_missed: false,
            messages_begun: 0,
            private: Vec::new(),
            naming: nickname.map(|nickname| Box::new(Naming::carried(nickname))),
            received: Received::default(),
            silence: Silence::default(),
            refused_types: Vec::new(),
        }
    }

    /// The connection to write to, while there is one.
    pub(crate) fn connection(&self) -> Option<ConnectionId> {
        match self.binding {
            Binding::Bound(connection) => Some(connection),
            Binding::Awaited | Binding::Reaching { .. } | Binding::Failed => None,
        }
    }

    /// Its peer, while it is a target of the fan-out: installed, activated and bound (CTRL-03).
    pub(crate) fn recipient(&self) -> Option<&Peer> {
        let reached = self.active && self.greeted && self.connection().is_some();
        self.peer.as_deref().filter(|_| reached)
    }

    /// Its peer is this one from now on.
    pub(crate) fn meet(&mut self, media: PeerMedia) {
        self.peer = Some(Box::new(Peer::new(media, &self.uri, self.id)));
    }

    /// Whether the peer has refused content of this type, whatever it had said before.
    pub(crate) fn has_refused(&self, wrapped: MediaType<'_>) -> bool {
        self.refused_types
            .iter()
            .filter_map(|it| it.split_once('/'))
            .any(|(main, sub)| wrapped.is(main, sub))
    }

    /// The peer has refused content of this type. `true`: it has now refused so much of what it had
    /// named that it cannot take the wrapper itself (JC-13).
    pub(crate) fn refuse(&mut self, wrapped_type: &str) -> bool {
        let wrapped_type = wrapped_type.to_ascii_lowercase().into_boxed_str();
        if !self.refused_types.contains(&wrapped_type) {
            if self.refused_types.len() >= REFUSED_TYPES_MAX {
                self.refused_types.remove(0);
            }
            self.refused_types.push(wrapped_type);
        }
        let Some(peer) = &self.peer else { return false };
        let named: Vec<&str> = peer.media.accept_wrapped.iter().collect();
        let refused = self.refused_types.iter().filter(|it| named.contains(&&***it));
        refused.count() >= NAMED_TYPES_REFUSED_MAX
    }

    /// Whether chat content is accepted from it. What the peer has not ruled out it may do.
    pub(crate) fn may_send(&self) -> bool {
        self.peer.as_ref().is_none_or(|peer| peer.media.direction.from_peer())
    }
}

impl Peer {
    fn new(media: PeerMedia, own: &UriBuf, id: SessionId) -> Self {
        let path_headers =
            [&b"To-Path: "[..], media.path.as_bytes(), b"\r\nFrom-Path: ", own.as_bytes(), b"\r\n"];
        let mut path_headers = path_headers.concat();
        path_headers.extend_from_slice(b"Message-ID: ");
        write_base_36(&mut path_headers, id.0);
        Self { media, path_headers: path_headers.into() }
    }
}
