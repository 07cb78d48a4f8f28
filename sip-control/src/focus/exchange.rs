//! What the two sides of a leg have said of its media (RFC 3264), and what of that is under way.
//!
//! A session in the media plane has one path of ours for its whole life. A new path of the peer is
//! a new session there, a route, which the leg moves to: it is installed first, answered then, and
//! the one before is retired (msrp/SDP-20). Until the answer nothing is changed, so a re-offer that
//! is refused, withdrawn or too late leaves everything as it was (DLG-11).

use std::{borrow::Cow, time::Instant};

use bytes::Bytes;
use mailbox::{Direction, PeerMedia, SessionId};
use msrp::UriBuf;

use super::{
    content::Content, loss::Relocation, output::RequestId, refusal::Refusal,
    session_timer::SessionTimer,
};
use crate::{
    message::{Message, Request},
    offer_answer::{
        Cema, LaterOffer, MediaAnswer, MediaOffer, Names, Origin, RoomMedia, Shape, Unacceptable,
        Unresolved,
    },
    transaction::ServerId,
};

/// The description exchange of a leg, from its first answer on.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The session in force, by its name in the media plane.
    pub route: SessionId,
    /// Our URI in it.
    pub path: UriBuf,
    /// Our description.
    pub ours: Bytes,
    /// The peer's, once there is one.
    pub theirs: Option<Theirs>,
    /// The offer that is not answered yet. There is one at a time, whoever made it.
    pub open: Option<Open>,
    /// The session that was in force before.
    pub retiring: Option<Retiring>,
    /// The version is that of `ours`.
    pub origin: Origin,
    /// Offers of ours say nothing of middleboxes any more, for there is one that does not know of
    /// them (msrp/CEMA-07).
    pub is_plain: bool,
    /// When an offer of ours that met one of the peer's is made again (RFC 3261 section 14.1).
    pub offers_at: Option<Instant>,
    /// What is to take the place of the session in force, which is lost with its core (OPS-09).
    pub relocation: Option<Relocation>,
}

/// The peer's description.
#[derive(Clone, Debug)]
pub struct Theirs {
    /// Its `m=` lines, which are ours as well.
    pub shape: Shape,
    /// What it says of the peer; `None` while the leg is on hold.
    pub peer: Option<PeerMedia>,
}

impl Theirs {
    /// What an offer says that was answered.
    pub fn offered(offer: &MediaOffer) -> Self {
        Self { shape: offer.shape().clone(), peer: Some(offer.peer().clone()) }
    }
}

/// An offer that is not answered.
#[derive(Clone, Debug)]
pub enum Open {
    /// Ours, in the 200 to this INVITE: the answer comes with the ACK (FOC-21).
    Ours(ServerId),
    /// Ours, in this request: the answer comes with its 2xx (TMR-03).
    Sent(RequestId),
    /// The peer's: its route is being installed.
    Theirs(Box<Change>),
    /// The peer's offer, or its answer to one of ours: it waits for names.
    Unjudged,
}

/// A re-offer that waits for the media plane.
#[derive(Clone, Debug)]
pub struct Change {
    /// The re-INVITE or UPDATE that is to be answered.
    pub transaction: ServerId,
    /// The same, for its fields.
    pub request: Request,
    /// The new session.
    pub route: SessionId,
    /// What it offers; without an offer it gets ours.
    pub offer: Option<MediaOffer>,
    /// What was agreed about refreshes.
    pub timer: Option<SessionTimer>,
    /// When to give up (FOC-22).
    pub deadline: Instant,
}

/// A session that is over when the next one is bound, or when it has taken too long (msrp/SDP-20).
#[derive(Clone, Copy, Debug)]
pub struct Retiring {
    /// Its name in the media plane.
    pub route: SessionId,
    /// When it has taken too long.
    pub at: Instant,
}

/// What an offer of the peer asks for, and what has to be known before that is certain.
#[derive(Debug)]
pub struct Weighed {
    /// What it asks for.
    pub step: Step,
    /// What has to be looked up.
    pub unresolved: Unresolved,
}

/// What an offer of the peer asks for.
#[derive(Debug)]
pub enum Step {
    /// The session goes on, on these terms.
    Terms(Agreement),
    /// The session is to be another one.
    Route(MediaOffer),
    /// The media stops, the dialog stays (SDP-21).
    Hold(Agreement),
}

/// An offer of the peer, and our answer.
#[derive(Debug)]
pub struct Agreement {
    /// Our description.
    pub ours: Bytes,
    /// The peer's.
    pub theirs: Theirs,
}

impl Exchange {
    /// An exchange of which so far only our side is known.
    pub fn new(route: SessionId, origin: Origin, path: UriBuf, ours: Bytes) -> Self {
        Self {
            route,
            path,
            ours,
            theirs: None,
            open: None,
            retiring: None,
            origin,
            is_plain: false,
            offers_at: None,
            relocation: None,
        }
    }

    /// An offer of ours for the media as it is.
    pub fn offer(&self, room: &RoomMedia, origin: Origin) -> String {
        self.terms(room).offer(&self.shape(), origin, &self.path)
    }

    /// What the answer to an offer of ours says, if there is one in the message.
    pub fn read_answer(
        &self,
        room: &RoomMedia,
        message: &Message,
        names: &Names,
    ) -> Result<MediaAnswer, Unacceptable> {
        let sdp = Content::read(message).ok().and_then(|content| content.sdp);
        let sdp = sdp.ok_or(Unacceptable::Missing)?;
        self.terms(room).read_answer(&self.shape(), &sdp, names)
    }

    /// Whether an answer with this fault calls for an offer that says nothing of middleboxes: one
    /// stands between us and the peer where nobody would get past it (msrp/CEMA-07).
    pub fn falls_back(&self, room: &RoomMedia, fault: Unacceptable) -> bool {
        fault == Unacceptable::AddressesDiffer && !self.is_plain && room.cema != Cema::Off
    }

    fn terms<'a>(&self, room: &'a RoomMedia) -> Cow<'a, RoomMedia> {
        if self.is_plain {
            Cow::Owned(RoomMedia { cema: Cema::Off, ..room.clone() })
        } else {
            Cow::Borrowed(room)
        }
    }

    /// Whether another offer may be made now (RFC 3311 section 5.2, RFC 3261 section 14.2). Ours
    /// being open, the peer's collides with it; the peer's being open, it should have waited.
    pub fn may_begin(&self, retry_after: u32) -> Result<(), Refusal> {
        match &self.open {
            None => Ok(()),
            Some(Open::Ours(_) | Open::Sent(_)) => Err(Refusal::Glare),
            Some(Open::Theirs(_) | Open::Unjudged) => Err(Refusal::Unfinished(retry_after)),
        }
    }

    /// What the peer wants with `body`. `is_live` says whether there is a session to go on with.
    pub fn weigh(
        &self,
        body: &[u8],
        room: &RoomMedia,
        names: &Names,
        is_live: bool,
    ) -> Result<Weighed, Unacceptable> {
        let (step, unresolved) = match LaterOffer::read(body, room, &self.shape(), names)? {
            LaterOffer::Chat(offer) => {
                let unresolved = offer.unresolved().clone();
                let is_same = |peer: &PeerMedia| {
                    peer.path == offer.peer().path && peer.setup == offer.peer().setup
                };
                let step = if is_live && self.peer().is_some_and(is_same) {
                    Step::Terms(Agreement {
                        ours: self.renew(|origin| offer.answer(room, origin, &self.path)),
                        theirs: Theirs::offered(&offer),
                    })
                } else {
                    Step::Route(offer)
                };
                (step, unresolved)
            }
            LaterOffer::Hold(hold) => {
                let step = Step::Hold(Agreement {
                    ours: self.renew(|origin| hold.answer(origin, &self.path)),
                    theirs: Theirs { shape: hold.shape().clone(), peer: None },
                });
                (step, Unresolved::default())
            }
        };
        Ok(Weighed { step, unresolved })
    }

    /// The `m=` lines there are.
    pub fn shape(&self) -> Shape {
        self.theirs.as_ref().map(|theirs| theirs.shape.clone()).unwrap_or_default()
    }

    /// What the peer has last said of itself.
    pub fn peer(&self) -> Option<&PeerMedia> {
        self.theirs.as_ref()?.peer.as_ref()
    }

    /// What the peer has said of itself is not so any more.
    pub fn forget_peer(&mut self) {
        if let Some(theirs) = &mut self.theirs {
            theirs.peer = None;
        }
    }

    /// The peer with no content due to it, but free to go on with what it sends (msrp/SDP-20).
    pub fn quiet_peer(&self) -> Option<PeerMedia> {
        let peer = self.peer()?.clone();
        let is_heard = peer.direction.from_peer();
        let direction = if is_heard { Direction::FromPeer } else { Direction::Inactive };
        Some(PeerMedia { direction, ..peer })
    }

    /// Both sides are as agreed from now on. What the peer says of itself, if that is news.
    pub fn agree(&mut self, Agreement { ours, theirs }: Agreement) -> Option<Box<PeerMedia>> {
        let news = theirs.peer.clone().filter(|peer| self.peer() != Some(peer));
        self.set_ours(ours);
        self.theirs = Some(theirs);
        news.map(Box::new)
    }

    /// Our side from now on.
    pub fn set_ours(&mut self, ours: Bytes) {
        if self.ours != ours {
            self.origin.version += 1;
            self.ours = ours;
        }
    }

    /// Our description of the media as it is now: under the version of the last one if it says the
    /// same, else under the next (msrp/SDP-18).
    pub fn renew(&self, describe: impl Fn(Origin) -> String) -> Bytes {
        let same = describe(self.origin);
        if self.ours == same.as_bytes() {
            return self.ours.clone();
        }
        let version = self.origin.version + 1;
        describe(Origin { version, ..self.origin }).into()
    }

    /// The re-offer that waits for this route, or was made in this transaction.
    pub fn change(&self) -> Option<&Change> {
        match &self.open {
            Some(Open::Theirs(change)) => Some(change),
            Some(Open::Ours(_) | Open::Sent(_) | Open::Unjudged) | None => None,
        }
    }

    /// The same, which waits no longer.
    pub fn take_change(&mut self) -> Option<Box<Change>> {
        match self.open.take() {
            Some(Open::Theirs(change)) => Some(change),
            other => {
                self.open = other;
                None
            }
        }
    }
}
