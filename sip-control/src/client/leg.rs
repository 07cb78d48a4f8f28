//! One leg, in each of the states it goes through.
//!
//! ```text
//!            503, nobody there                      2xx: ACK
//! Calling  ------------------->  Waiting    Calling ---------> Connected -- leave --> Leaving --> gone
//!    ^                              |          |                   |
//!    +------- its time is here -----+          +-- refused --> gone +-- BYE of the focus --> gone
//! ```

use std::time::Instant;

use super::compose::{Invitation, Privacy};
use super::conversation::Conversation;
use super::early::Early;
use super::media::Offer;
use super::refresh::Timer;
use super::{CannotCall, callable};
use crate::dialog::Dialog;
use crate::transaction::ClientId;

#[derive(Debug)]
pub(super) struct Leg {
    pub(super) conversation: Conversation,
    pub(super) procedure: Procedure,
    pub(super) privacy: Privacy,
    pub(super) phase: Phase,
}

/// Which procedure made it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Procedure {
    /// CR 7.1.1.10.
    Join,
    /// CR 7.1.1.9, tried again so often.
    Rejoin { retries: u32 },
    /// Making a group of the members, the first time or anew (RCS-05).
    Create,
}

impl Procedure {
    /// Which procedure brings somebody back, if any can (REJ-05, JOIN-07).
    pub(super) fn of_rejoin(conversation: &Conversation) -> Result<Self, CannotCall> {
        callable(conversation.address().ok_or(CannotCall::NoIdentity)?)?;
        Ok(match conversation.identity {
            Some(_) => Self::Rejoin { retries: 0 },
            None => Self::Join,
        })
    }
}

#[derive(Debug)]
pub(super) enum Phase {
    /// An INVITE is out.
    Calling(Box<Calling>),
    /// A new INVITE goes out then (REJ-15).
    Waiting { until: Instant },
    /// The focus said yes.
    Connected(Box<Connected>),
    /// Our BYE is out. The dialog still gets its requests answered.
    Leaving(Box<Dialog>),
}

#[derive(Debug)]
pub(super) struct Calling {
    pub(super) transaction: ClientId,
    pub(super) invitation: Invitation,
    pub(super) offer: Offer,
    /// The dialogs that its INVITE may come to make, as far as they are known.
    pub(super) early: Vec<Early>,
    /// Where 3xx answers have sent it, in order.
    pub(super) visited: Vec<String>,
    /// The user changed his mind, and the CANCEL is on its way, or waits to be (JOIN-11).
    pub(super) is_withdrawn: bool,
}

#[derive(Debug)]
pub(super) struct Connected {
    pub(super) dialog: Dialog,
    pub(super) offer: Offer,
    /// What the peer answered.
    pub(super) answer: bytes::Bytes,
    pub(super) timer: Option<Timer>,
    /// The least interval that a 422 asked for, in seconds.
    pub(super) min_se: Option<u32>,
    /// A refresh of ours that is not answered.
    pub(super) refreshing: Option<ClientId>,
}

impl Leg {
    pub(super) fn is_rejoin(&self) -> bool {
        matches!(self.procedure, Procedure::Rejoin { .. })
    }

    /// The dialog, as soon as there is one.
    pub(super) fn dialog_mut(&mut self) -> Option<&mut Dialog> {
        match &mut self.phase {
            Phase::Connected(connected) => Some(&mut connected.dialog),
            Phase::Leaving(dialog) => Some(dialog),
            Phase::Calling(_) | Phase::Waiting { .. } => None,
        }
    }

    /// When there is something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Waiting { until } => Some(*until),
            Phase::Connected(connected) => connected.timer.map(|timer| timer.due()),
            Phase::Calling(_) | Phase::Leaving(_) => None,
        }
    }
}
