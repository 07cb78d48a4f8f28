//! Session timers, where the peer refreshes and we watch (RFC 4028).

use std::time::Duration;

use super::refusal::Refusal;
use crate::{
    config::Timers,
    message::{Header, Refresher, Request, Response, SessionExpires},
};

/// The interval agreed with a peer that refreshes (TMR-01).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SessionTimer {
    interval: Duration,
}

/// Shorter is never agreed to, whatever is configured (RFC 4028 section 4).
const INTERVAL_MIN: Duration = Duration::from_secs(90);
/// How long before its end an unrefreshed session is ended, at most (RFC 4028 section 10).
const LEAD_MAX: Duration = Duration::from_secs(32);

impl SessionTimer {
    /// What a request of the peer asks for. `None` when the session is not timed: the peer does not
    /// know timers, or wants us to refresh, which an answerer may decline by saying nothing (RFC
    /// 4028 section 9).
    pub fn negotiate(request: &Request, timers: &Timers) -> Result<Option<Self>, Refusal> {
        let supports = request.has_token(Header::Supported, "timer")
            || request.has_token(Header::Require, "timer");
        if !supports {
            return Ok(None);
        }
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        let asked = request.header(Header::SessionExpires).and_then(SessionExpires::parse);
        let shortest = timers.session_interval_min.max(INTERVAL_MIN);
        let interval = asked.map_or(timers.session_interval, |asked| seconds(asked.interval));
        if asked.is_some() && interval < shortest {
            return Err(Refusal::Interval(shortest));
        }
        if asked.is_some_and(|asked| asked.refresher == Some(Refresher::Uas)) {
            return Ok(None);
        }
        let peers_shortest = request.seconds(Header::MinSe).map_or(shortest, seconds);
        Ok(Some(Self { interval: interval.max(peers_shortest) }))
    }

    /// What our INVITE asks for: that the peer refreshes, as one does that calls us.
    pub fn asked(timers: &Timers) -> String {
        format!("{};refresher=uas", timers.session_interval.as_secs())
    }

    /// What the answer to our INVITE agrees to. `None` when the session is not timed.
    pub fn agreed(answer: &Response) -> Option<Self> {
        let agreed = answer.header(Header::SessionExpires).and_then(SessionExpires::parse)?;
        let is_watched = agreed.refresher == Some(Refresher::Uas);
        is_watched.then(|| Self { interval: Duration::from_secs(agreed.interval.into()) })
    }

    /// `Session-Expires` of the answer. It brings `Require: timer` with it.
    pub fn header(&self) -> String {
        format!("{};refresher=uac", self.interval.as_secs())
    }

    /// How long after a refresh the session is ended for want of another (TMR-05).
    pub fn patience(&self) -> Duration {
        self.interval.saturating_sub(LEAD_MAX.min(self.interval / 3))
    }
}
