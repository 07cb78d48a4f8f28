//! Session timers as a client sees them (RFC 4028): who refreshes, when, and what if nobody does.

use std::time::{Duration, Instant};

use crate::message::{Header, Message, Refresher, SessionExpires};

/// How long before its end an unrefreshed session is ended, at most (RFC 4028 section 10).
const LEAD_MAX: Duration = Duration::from_secs(32);
/// Shorter is never agreed to (RFC 4028 section 4).
const INTERVAL_MIN: u32 = 90;

/// The time a session has left.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Timer {
    /// In seconds.
    pub(super) interval: u32,
    /// When we refresh, if that is our part and not tried yet.
    pub(super) refresh_at: Option<Instant>,
    /// When the session is over for want of a refresh.
    pub(super) expires_at: Instant,
}

impl Timer {
    /// What is agreed from `now` on. `is_ours` says that we refresh: at half the interval (RFC 4028
    /// section 7.4).
    pub(super) fn new(now: Instant, interval: u32, is_ours: bool) -> Self {
        let interval = interval.max(INTERVAL_MIN);
        let whole = Duration::from_secs(interval.into());
        // Whoever waits for the other allows for its last retransmission.
        let lead = if is_ours { Duration::ZERO } else { LEAD_MAX.min(whole / 3) };
        Self {
            interval,
            refresh_at: is_ours.then(|| now + whole / 2),
            expires_at: now + whole.saturating_sub(lead),
        }
    }

    /// What a 2xx to our INVITE or UPDATE agrees to. `None` when the session is not timed (TMR-07).
    pub(super) fn of_response(now: Instant, ok: &Message) -> Option<Self> {
        let agreed = session_expires(ok)?;
        Some(Self::new(now, agreed.interval, agreed.refresher != Some(Refresher::Uas)))
    }

    /// What an INVITE or UPDATE of the peer asks for, and what the answer says of it. `None` when
    /// it asks for nothing. Who asks is left to refresh, unless it wants us to (TMR-01).
    pub(super) fn of_request(now: Instant, request: &Message) -> Option<(Self, String)> {
        let asked = session_expires(request)?;
        let is_ours = asked.refresher == Some(Refresher::Uas);
        let timer = Self::new(now, asked.interval, is_ours);
        let side = if is_ours { "uas" } else { "uac" };
        Some((timer, format!("{};refresher={side}", timer.interval)))
    }

    /// The earlier of refresh and end.
    pub(super) fn due(&self) -> Instant {
        self.refresh_at.map_or(self.expires_at, |at| at.min(self.expires_at))
    }
}

fn session_expires(message: &Message) -> Option<SessionExpires> {
    message.header(Header::SessionExpires).and_then(SessionExpires::parse)
}
