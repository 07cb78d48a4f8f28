//! What a client tells its user.

use std::time::Instant;

use super::conversation::{ContactMissing, Conversation};
use super::media::Agreement;
use super::outcome::{Ending, Failed, Refused};
use super::referral::{ReferralId, Referred};
use super::watch::Roster;

/// One leg of ours, from the first INVITE to the end. Never given twice.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LegId(pub(super) u64);

/// What happened to a leg.
#[derive(Clone, Debug)]
pub enum Event {
    /// Somebody has heard of the INVITE and is at it. Not told of a 100, which says only that it
    /// arrived.
    Progress {
        /// Which leg.
        leg: LegId,
        /// The status code.
        status: u16,
    },
    /// A rejoin found the focus busy or not there, and will be tried again by itself (REJ-15).
    Deferred {
        /// Which leg.
        leg: LegId,
        /// When.
        until: Instant,
        /// What was said; `None` if there was nobody to say anything.
        refused: Option<Refused>,
    },
    /// The focus said yes, and its 200 is acknowledged. Now connect to the first URI of the path
    /// (REJ-11).
    Joined {
        /// Which leg.
        leg: LegId,
        /// What it led to.
        joined: Box<Joined>,
    },
    /// The leg did not come to be. It is forgotten.
    Failed {
        /// Which leg.
        leg: LegId,
        /// Why, and what is known after all.
        failed: Box<Failed>,
    },
    /// A leg that was joined is over: close its connection. It is forgotten.
    Ended {
        /// Which leg.
        leg: LegId,
        /// How.
        ending: Ending,
        /// For coming back.
        conversation: Box<Conversation>,
    },
    /// The focus has told who is in the conference (REJ-12).
    Roster {
        /// Which leg asked for it.
        leg: LegId,
        /// Who.
        roster: Box<Roster>,
    },
    /// The focus has answered whether it calls others in, as was asked (REF-01).
    Referred {
        /// Which leg.
        leg: LegId,
        /// The status code: 202 if it tries. `None` if there was no answer.
        status: Option<u16>,
    },
    /// What the focus was asked to do with a member has come to its end.
    Concluded {
        /// Which leg.
        leg: LegId,
        /// What was asked.
        referral: ReferralId,
        /// What became of it.
        outcome: Referred,
    },
    /// Nothing more will be heard of who is in the conference. The leg itself lives on.
    Unwatched {
        /// Which leg asked for it.
        leg: LegId,
        /// Why.
        why: Unwatched,
    },
}

impl Event {
    /// Which leg it happened to.
    pub fn leg(&self) -> LegId {
        match *self {
            Self::Progress { leg, .. }
            | Self::Deferred { leg, .. }
            | Self::Joined { leg, .. }
            | Self::Referred { leg, .. }
            | Self::Concluded { leg, .. }
            | Self::Failed { leg, .. }
            | Self::Ended { leg, .. }
            | Self::Roster { leg, .. }
            | Self::Unwatched { leg, .. } => leg,
        }
    }
}

/// Why nothing more is heard of who is in a conference.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Unwatched {
    /// The conference is no more.
    Gone,
    /// The focus refused, with this status.
    Refused(u16),
    /// The focus ended it, with this reason.
    Terminated(String),
    /// The focus was asked for more time, and gave none.
    Expired,
    /// The focus says nothing at all.
    Silence,
}

/// What a join or rejoin led to.
#[derive(Clone, Debug)]
pub struct Joined {
    /// To be kept for coming back.
    pub conversation: Conversation,
    /// For the media.
    pub agreement: Agreement,
    /// A fault of the focus that did no harm (JOIN-07).
    pub peer_fault: Option<ContactMissing>,
}
