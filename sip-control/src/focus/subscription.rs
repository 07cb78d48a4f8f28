//! One subscription to the conference event package (RFC 6665, RFC 4575): what its watcher knows,
//! and when it may be told more.

use std::time::{Duration, Instant};

use mailbox::RoomId;

use crate::dialog::DialogId;

use super::{output::RequestId, roster::Known, user::UserKey};

/// A subscription. Never reused while the process lives.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SubscriptionId(pub u64);

/// Somebody who watches a session.
#[derive(Debug)]
pub struct Subscription {
    /// The session watched.
    pub room: RoomId,
    /// Its identity, which outlives it by one NOTIFY.
    pub identity: String,
    /// Who watches.
    pub keys: Vec<UserKey>,
    /// Its dialog.
    pub dialog: DialogId,
    /// The `id` of Event, which every NOTIFY repeats.
    pub event_id: Option<String>,
    /// How much it is told.
    pub view: View,
    /// When it ends unless it is refreshed.
    pub expires: Instant,
    /// The version of the last document (EVT-02). 0 before the first.
    pub version: u32,
    /// The change of the roster that the last document told of.
    pub told: u64,
    /// The change that the document before it told of.
    pub told_before: u64,
    /// The NOTIFY that is not answered yet: there is one at a time (NTF-02).
    pub in_flight: Option<RequestId>,
    /// What has to be told next, no matter whether anything has changed.
    pub owed: Option<Owed>,
    /// When a change may be told again (NTF-04).
    pub quiet_until: Option<Instant>,
    /// It is among those whose turn to be told is to come.
    pub is_waiting: bool,
    /// When it is planned to be looked at next, for that or because it ends.
    pub alarm: Option<Instant>,
}

/// How much of the roster a watcher is told, for as long as the subscription lasts (EVT-14).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum View {
    /// Who is there.
    Everybody,
    /// How many are there, and its own entry.
    Itself,
}

/// A NOTIFY that a change of the roster is not needed for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Owed {
    /// The full state, for the SUBSCRIBE that was just accepted (SUB-07).
    State,
    /// The last one.
    Last(Ending),
}

/// Why a subscription ends (NTF-06).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ending {
    /// The session is over.
    NoResource,
    /// It was not refreshed, or was ended by its watcher.
    Timeout,
    /// Its watcher may not look any more.
    Rejected,
    /// It may be made anew at once: the focus stops, and there may be another one; or the session
    /// has outgrown what a document can list.
    Deactivated,
}

impl Ending {
    /// The `reason` of Subscription-State.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NoResource => "noresource",
            Self::Timeout => "timeout",
            Self::Rejected => "rejected",
            Self::Deactivated => "deactivated",
        }
    }
}

/// What to do about a subscription now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Due {
    /// Nothing, until something happens.
    Nothing,
    /// Nothing before then.
    At(Instant),
    /// Tell the state.
    State,
    /// Tell the end.
    Last(Ending),
}

impl Subscription {
    /// What has to be told now, when the roster is at `change`.
    pub fn due(&self, now: Instant, change: u64) -> Due {
        if self.in_flight.is_some() {
            return Due::Nothing;
        }
        match self.owed {
            Some(Owed::Last(ending)) => Due::Last(ending),
            _ if self.expires <= now => Due::Last(Ending::Timeout),
            Some(Owed::State) => Due::State,
            None if self.told == change => Due::Nothing,
            None => match self.quiet_until {
                Some(quiet_until) if quiet_until > now => Due::At(quiet_until),
                _ => Due::State,
            },
        }
    }

    /// What its watcher knows of the roster.
    pub fn known(&self) -> Known {
        Known { told: self.told, told_before: self.told_before }
    }

    /// Notes that the state as of `change` is being told, and yields the version of the document:
    /// one more than the last, unless it says nothing new (EVT-02). Only news start the interval in
    /// which no more may be told.
    pub fn tell(&mut self, now: Instant, change: u64, interval: Duration) -> u32 {
        let is_solicited = self.owed.take().is_some();
        if self.version == 0 || self.told != change {
            self.version += 1;
        }
        if !is_solicited {
            self.quiet_until = Some(now + interval);
        }
        self.told_before = self.told;
        self.told = change;
        self.version
    }
}
