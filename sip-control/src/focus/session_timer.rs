//! Session timers (RFC 4028): who refreshes, when, and when it has gone too long without.

use std::time::{Duration, Instant};

use super::refusal::Refusal;
use crate::{
    config::Timers,
    message::{Header, Refresher, Request, Response, SessionExpires},
};

/// What was agreed about refreshes (TMR-01).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SessionTimer {
    /// From one refresh to the end for want of the next.
    pub interval: Duration,
    /// Who refreshes.
    pub side: Side,
}

/// Who refreshes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// The peer; we watch.
    Peer,
    /// We do.
    Us {
        /// Whether the peer knows what timers are.
        is_understood: bool,
    },
}

/// A session timer that runs.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// What was agreed.
    pub timer: SessionTimer,
    /// When we refresh, if that is our part and not under way.
    pub refresh_at: Option<Instant>,
    /// The least interval that the peer has asked for, in seconds.
    pub min_se: Option<u32>,
    /// When the session is over for want of a refresh (TMR-05).
    pub ends_at: Instant,
}

/// Shorter is never agreed to, whatever is configured (RFC 4028 section 4).
const INTERVAL_MIN: Duration = Duration::from_secs(90);
/// How long before its end an unrefreshed session is ended by who does not refresh, at most (RFC
/// 4028 section 10).
const LEAD_MAX: Duration = Duration::from_secs(32);
/// Refreshes of ours are early by up to this part of what they could wait, so that what began at one
/// time is not refreshed at one time (TMR-08).
const EARLY_PART: u32 = 10;

impl SessionTimer {
    /// What a request of the peer asks for (RFC 4028 section 9, table 2). `None` when nobody asks
    /// for the session to be timed. A peer that knows timers refreshes, unless it wants us to; for
    /// one that does not, and was asked for by a proxy, we do.
    pub fn negotiate(request: &Request, timers: &Timers) -> Result<Option<Self>, Refusal> {
        let is_understood = request.has_token(Header::Supported, "timer")
            || request.has_token(Header::Require, "timer");
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        let asked = request.header(Header::SessionExpires).and_then(SessionExpires::parse);
        if asked.is_none() && !is_understood {
            return Ok(None);
        }
        let shortest = timers.session_interval_min.max(INTERVAL_MIN);
        let interval = asked.map_or(timers.session_interval, |asked| seconds(asked.interval));
        if asked.is_some() && is_understood && interval < shortest {
            return Err(Refusal::Interval(shortest));
        }
        let wants_us = asked.is_some_and(|asked| asked.refresher == Some(Refresher::Uas));
        let side = if is_understood && !wants_us { Side::Peer } else { Side::Us { is_understood } };
        let peers_shortest = request.seconds(Header::MinSe).map_or(shortest, seconds);
        Ok(Some(Self { interval: interval.max(peers_shortest).max(INTERVAL_MIN), side }))
    }

    /// What our INVITE asks for: that the peer refreshes, as one does that calls us. `least`, in
    /// seconds, is what somebody on the way has asked for.
    pub fn asked(timers: &Timers, least: u32) -> String {
        let interval = timers.session_interval.as_secs().max(least.into());
        format!("{interval};refresher=uas")
    }

    /// What a 2xx to our request agrees to. `None` when the session is not timed (TMR-07).
    pub fn agreed(answer: &Response) -> Option<Self> {
        let agreed = answer.header(Header::SessionExpires).and_then(SessionExpires::parse)?;
        let side = match agreed.refresher {
            Some(Refresher::Uas) => Side::Peer,
            Some(Refresher::Uac) | None => Side::Us { is_understood: true },
        };
        let interval = Duration::from_secs(agreed.interval.into()).max(INTERVAL_MIN);
        Some(Self { interval, side })
    }

    /// `Session-Expires` of our answer.
    pub fn header(&self) -> String {
        let side = if self.side == Side::Peer { "uac" } else { "uas" };
        format!("{};refresher={side}", self.interval.as_secs())
    }

    /// Whether the answer has to say `Require: timer`: the peer has a part in it (RFC 4028 section
    /// 9).
    pub fn is_required(&self) -> bool {
        self.side != Side::Us { is_understood: false }
    }

    /// The timer, running from now on. `chance` is below [`CHANCES`](Self::CHANCES), and spreads
    /// refreshes.
    pub fn start(self, now: Instant, chance: u32) -> Timing {
        let half = self.interval / 2;
        let early = half / EARLY_PART * chance / Self::CHANCES;
        let (refresh_at, lead) = match self.side {
            Side::Us { .. } => (Some(now + half.saturating_sub(early)), Duration::ZERO),
            Side::Peer => (None, LEAD_MAX.min(self.interval / 3)),
        };
        let ends_at = now + self.interval.saturating_sub(lead);
        Timing { timer: self, refresh_at, min_se: None, ends_at }
    }

    /// What the chance of [`start`](Self::start) is below.
    pub const CHANCES: u32 = 1 << 16;
}

impl Timing {
    /// When something is due.
    pub fn due(&self) -> Instant {
        self.refresh_at.map_or(self.ends_at, |at| at.min(self.ends_at))
    }
}
