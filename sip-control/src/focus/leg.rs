//! One leg: an INVITE dialog and the MSRP session that belongs to it.

use std::{sync::Arc, time::Instant};

use mailbox::{ParticipantId, RoomId, SessionId};
use msrp::UriBuf;

use super::{
    conference_info::Disconnection,
    early::Early,
    exchange::Exchange,
    invite::Invitation,
    link::Link,
    output::RequestId,
    referral::ReferralId,
    session_timer::{SessionTimer, Timing},
};
use crate::{
    config::Timers, dialog::DialogId, message::Request, offer_answer::MediaOffer,
    transaction::ServerId,
};

/// A leg, from the moment it has a seat until its dialog is over.
#[derive(Debug)]
pub struct Leg {
    /// Its name in the media plane.
    pub session: SessionId,
    /// The session it belongs to.
    pub room: RoomId,
    /// Whose it is.
    pub participant: ParticipantId,
    /// The device behind it, if that told its name (`+sip.instance`).
    pub instance: Option<String>,
    /// How far it is.
    pub phase: Phase,
    /// When it is planned to be looked at next.
    pub alarm: Option<Instant>,
}

/// How far a leg is.
#[derive(Debug)]
pub enum Phase {
    /// The media plane was asked to expect it. Nothing has been answered.
    Installing(Box<Installing>),
    /// The focus calls the user, who has not answered.
    Inviting(Box<Inviting>),
    /// The 200 is out, or in. The leg is connected.
    Connected(Box<Connected>),
    /// It has left the session, but its caller has not acknowledged the 200 yet: the BYE has to
    /// wait for that (DLG-14).
    Parting {
        /// What the BYE will be sent in.
        dialog: DialogId,
        /// Why it leaves.
        farewell: Farewell,
    },
}

/// A leg that waits for the media plane.
#[derive(Debug)]
pub struct Installing {
    /// The INVITE that is to be answered.
    pub transaction: ServerId,
    /// The same, for its fields.
    pub request: Request,
    /// The dialog that its answer makes.
    pub link: Link,
    /// What it offers. Without an offer of its own it gets ours (FOC-21).
    pub offer: Option<MediaOffer>,
    /// What was agreed about refreshes.
    pub timer: Option<SessionTimer>,
    /// When to give up: the media plane (FOC-22), or what has to be reserved (IMS-08).
    pub deadline: Instant,
    /// What the peer has been told already, where it has to be told before the answer.
    pub early: Option<Box<Early>>,
}

/// A leg that the focus calls for.
#[derive(Debug)]
pub struct Inviting {
    /// Whom it calls.
    pub uri: String,
    /// Where it was sent on to instead, in order (RFC 3261 section 8.1.3.4).
    pub redirections: Vec<String>,
    /// What the INVITE says besides.
    pub invitation: Arc<Invitation>,
    /// Who wants to know what becomes of it.
    pub referral: Option<ReferralId>,
    /// How far it is.
    pub stage: Stage,
    /// When to give up: the media plane (FOC-22), or the user.
    pub deadline: Instant,
}

/// How far a call of the focus is.
#[derive(Debug)]
pub enum Stage {
    /// The media plane was asked to expect the user. Nothing is sent before it does (PUB-10).
    Installing,
    /// Nobody knows yet where the INVITE has to go (DLG-21).
    Locating {
        /// Where the media plane expects the user.
        path: UriBuf,
    },
    /// The INVITE is out.
    Called {
        /// By what its answers are known.
        request: RequestId,
        /// Of which so far there is only the offer in it.
        exchange: Box<Exchange>,
    },
}

/// A leg that was answered.
#[derive(Debug)]
pub struct Connected {
    /// Its dialog.
    pub dialog: DialogId,
    /// Where the ACK to the 200 is.
    pub ack: Ack,
    /// Where the MSRP session is.
    pub media: Media,
    /// How long it lives without a refresh, if it is timed.
    pub timing: Option<Timing>,
    /// Whether the peer takes UPDATE.
    pub takes_update: bool,
    /// When the legs that this one replaces go at the latest (FOC-14).
    pub replaces_at: Option<Instant>,
    /// What both sides have said of the media.
    pub exchange: Exchange,
}

/// Where the ACK to the 200 is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ack {
    /// Not here. The transaction says when it is too late (FOC-31).
    Awaited,
    /// Here, since then; or what the peer has to know of our side went in an answer that needs none.
    Received(Instant),
}

/// Where the MSRP session of a connected leg is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Media {
    /// Installed; nobody has come yet.
    Awaited,
    /// In use.
    Bound,
    /// Not wanted for now: there is no session in the media plane (SDP-21).
    Held,
    /// Dead. The dialog goes on until then, for the user may come back (LEAVE-04).
    Lost {
        /// When the grace is over.
        until: Instant,
    },
}

/// Why the focus ends a leg.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Farewell {
    /// The same user has a newer leg (FOC-14).
    Replaced,
    /// The 200 was never acknowledged (FOC-31).
    Unacknowledged,
    /// The answer to our offer is missing or unusable (FOC-21).
    Unanswered,
    /// The MSRP connection never came (FOC-33).
    Unbound,
    /// The MSRP session was lost, and nobody came back (LEAVE-04).
    MediaLost,
    /// Its core was lost, and it could not be moved to another (OPS-09).
    CoreLost,
    /// The session was not refreshed (TMR-05).
    Unrefreshed,
    /// The session has ended for all (LEAVE-09).
    SessionOver,
    /// Too few are left for the session to go on, or for anybody to come back to (RCS-07).
    Gone,
    /// Nothing was said in the session for too long (LEAVE-08).
    Idle,
    /// The focus stops (OPS-02).
    Stopping,
    /// A participant had the user put out (REF-06).
    Removed,
    /// The user said yes to an invitation when there was no seat left.
    NoSeat,
    /// The user said yes to an invitation that was withdrawn, or said so from elsewhere before
    /// (DLG-06).
    Surplus,
}

impl Inviting {
    /// Where the INVITE goes to now.
    pub fn request_uri(&self) -> &str {
        self.redirections.last().unwrap_or(&self.uri)
    }
}

impl Leg {
    /// When something about it is due.
    pub fn next_deadline(&self, timers: &Timers) -> Option<Instant> {
        match &self.phase {
            Phase::Installing(installing) => {
                let early = installing.early.as_ref().and_then(|early| early.due());
                Some(early.map_or(installing.deadline, |at| at.min(installing.deadline)))
            }
            Phase::Inviting(inviting) => Some(inviting.deadline),
            Phase::Connected(connected) => connected.next_deadline(timers),
            Phase::Parting { .. } => None,
        }
    }

    /// What there is of it while it is connected.
    pub fn connected(&self) -> Option<&Connected> {
        match &self.phase {
            Phase::Connected(connected) => Some(connected),
            Phase::Installing(_) | Phase::Inviting(_) | Phase::Parting { .. } => None,
        }
    }

    /// As [`connected`](Self::connected).
    pub fn connected_mut(&mut self) -> Option<&mut Connected> {
        match &mut self.phase {
            Phase::Connected(connected) => Some(connected),
            Phase::Installing(_) | Phase::Inviting(_) | Phase::Parting { .. } => None,
        }
    }
}

impl Media {
    /// Whether there is a session in the media plane to go on with.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Awaited | Self::Bound)
    }
}

impl Connected {
    /// Why the leg has to end now, if it has to.
    pub fn overdue(&self, now: Instant, timers: &Timers) -> Option<Farewell> {
        let reasons = [
            (self.binding_deadline(timers), Farewell::Unbound),
            (self.grace(), Farewell::MediaLost),
            (self.timing.map(|timing| timing.ends_at), Farewell::Unrefreshed),
        ];
        let is_over = |deadline: Option<Instant>| deadline.is_some_and(|at| at <= now);
        reasons.into_iter().find(|(deadline, _)| is_over(*deadline)).map(|(_, farewell)| farewell)
    }

    fn next_deadline(&self, timers: &Timers) -> Option<Instant> {
        let deadlines = [
            self.binding_deadline(timers),
            self.grace(),
            self.timing.map(|timing| timing.due()),
            self.replaces_at,
            self.exchange.change().map(|change| change.deadline),
            self.exchange.retiring.map(|retiring| retiring.at),
            self.exchange.offers_at,
            self.exchange.relocation.and_then(|relocation| relocation.deadline),
        ];
        deadlines.into_iter().flatten().min()
    }

    fn binding_deadline(&self, timers: &Timers) -> Option<Instant> {
        match (self.media, self.ack) {
            (Media::Awaited, Ack::Received(at)) => Some(at + timers.binding),
            _ => None,
        }
    }

    fn grace(&self) -> Option<Instant> {
        match self.media {
            Media::Lost { until } => Some(until),
            Media::Awaited | Media::Bound | Media::Held => None,
        }
    }
}

impl Farewell {
    /// Its name in counters and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Replaced => "replaced",
            Self::Unacknowledged => "unacknowledged",
            Self::Unanswered => "unanswered",
            Self::Unbound => "unbound",
            Self::MediaLost => "media_lost",
            Self::CoreLost => "core_lost",
            Self::Unrefreshed => "unrefreshed",
            Self::SessionOver => "session_over",
            Self::Gone => "gone",
            Self::Idle => "idle",
            Self::Stopping => "stopping",
            Self::Removed => "removed",
            Self::NoSeat => "no_seat",
            Self::Surplus => "surplus",
        }
    }

    /// The Reason of the BYE. Cause 410 tells clients not to come back, so only who means that says it.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Replaced => "SIP;cause=200;text=\"Replaced\"",
            Self::Unacknowledged => "SIP;cause=408;text=\"No ACK\"",
            Self::Unanswered => "SIP;cause=488;text=\"No usable answer\"",
            Self::Unbound => "SIP;cause=480;text=\"MSRP connection not established\"",
            Self::MediaLost => "SIP;cause=480;text=\"MSRP connection lost\"",
            Self::CoreLost => "SIP;cause=503;text=\"Media server lost\"",
            Self::Unrefreshed => "SIP;cause=408;text=\"Session not refreshed\"",
            Self::SessionOver => "SIP;cause=200;text=\"Session ended\"",
            Self::Gone => "SIP;cause=410;text=\"Gone\"",
            Self::Idle => "SIP;cause=200;text=\"Session idle\"",
            Self::Stopping => "SIP;cause=503;text=\"Service stopping\"",
            Self::Removed => "SIP;cause=403;text=\"Removed\"",
            Self::NoSeat => "SIP;cause=486;text=\"Too many participants\"",
            Self::Surplus => "SIP;cause=200;text=\"Call completed elsewhere\"",
        }
    }

    /// How the roster tells it.
    pub fn disconnection(self) -> Disconnection {
        match self {
            Self::Replaced
            | Self::SessionOver
            | Self::Gone
            | Self::Idle
            | Self::Stopping
            | Self::Surplus => Disconnection::Departed,
            Self::Removed => Disconnection::Booted(None),
            Self::Unacknowledged
            | Self::Unanswered
            | Self::Unbound
            | Self::MediaLost
            | Self::CoreLost
            | Self::Unrefreshed
            | Self::NoSeat => Disconnection::Failed(self.reason().into()),
        }
    }
}
