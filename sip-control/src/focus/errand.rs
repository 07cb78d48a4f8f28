//! What waits for names to be looked up before its description can be judged (msrp/CEMA-09).
//!
//! ```text
//! request, or answer -> RESOLVE each name ... Resolved, each of them, or too long -> served again
//! ```
//!
//! Nothing has been done by then but to look, so serving it again does no harm; nobody else has to
//! wait meanwhile. On the second time all that can be known is known.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use mailbox::SessionId;

use super::{
    Focus, Incoming, RequestId, Subject,
    content::Content,
    duty::Duty,
    exchange::{Exchange, Open},
    link::Link,
    output::Output,
    participant::Originator,
    refusal::Refusal,
};
use crate::{
    message::{Message, Method, Response},
    offer_answer::{Names, Unresolved},
    transaction::ServerId,
};

/// How long names may take to be looked up. Those that take longer count as matching (msrp/JC-12).
const LOOKUP_MAX: Duration = Duration::from_secs(2);

/// Errands at once. What comes when there are as many is judged by what it says itself.
const ERRANDS_MAX: usize = 1024;

/// Something that waits for names. Never reused while the process lives.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ErrandId(u64);

/// What waits for names, and for which.
#[derive(Debug)]
pub struct Errand {
    what: Postponed,
    found: Names,
    missing: Vec<Box<str>>,
}

/// What is served again.
#[derive(Debug)]
pub enum Postponed {
    /// A request outside of any dialog, whose sender is known by now.
    Outside {
        /// The request.
        incoming: Incoming,
        /// Who sent it.
        originator: Originator,
        /// What its body is made of.
        content: Content,
    },
    /// A request of a leg.
    Within {
        /// The request.
        incoming: Incoming,
        /// The leg.
        session: SessionId,
    },
    /// The answer to an offer of ours to a leg.
    Answer {
        /// The leg.
        session: SessionId,
        /// What the answer is in.
        message: Message,
    },
    /// A 2xx to an INVITE of ours. It is acknowledged.
    Yes {
        /// The INVITE.
        request: RequestId,
        /// The leg that it is for.
        session: SessionId,
        /// The dialog that it makes.
        link: Box<Link>,
        /// The 2xx.
        ok: Response,
    },
}

impl Postponed {
    /// The request of a leg.
    pub fn within(incoming: &Incoming, session: SessionId) -> Self {
        Self::Within { incoming: incoming.clone(), session }
    }

    /// The answer of a leg.
    pub fn answer(message: &Message, session: SessionId) -> Self {
        Self::Answer { session, message: message.clone() }
    }

    fn is(&self, invite: ServerId) -> bool {
        match self {
            Self::Outside { incoming, .. } | Self::Within { incoming, .. } => {
                incoming.transaction == invite
            }
            Self::Answer { .. } | Self::Yes { .. } => false,
        }
    }

    /// The leg whose exchange it keeps open.
    fn leg(&self) -> Option<SessionId> {
        match self {
            Self::Within { session, .. } | Self::Answer { session, .. } => Some(*session),
            Self::Outside { .. } | Self::Yes { .. } => None,
        }
    }
}

impl Focus {
    /// These addresses were found for a name that was asked for: none if there are none.
    pub fn handle_resolved(
        &mut self,
        now: Instant,
        errand: ErrandId,
        name: &str,
        addresses: Box<[IpAddr]>,
    ) {
        let Some(it) = self.errands.get_mut(&errand) else { return };
        let Some(place) = it.missing.iter().position(|missing| **missing == *name) else { return };
        it.found.add(it.missing.swap_remove(place), addresses);
        if it.missing.is_empty() {
            self.run_errand(now, errand);
        }
    }

    /// Whether something has to wait for names. It is served again then.
    pub(super) fn waits_for(
        &mut self,
        now: Instant,
        names: &Unresolved,
        postponed: impl FnOnce() -> Postponed,
    ) -> bool {
        if names.is_empty() || self.errands.len() >= ERRANDS_MAX {
            return false;
        }
        let (id, what) = (ErrandId(self.next_id()), postponed());
        if let Some(exchange) = what.leg().and_then(|session| self.exchange_of(session)) {
            exchange.open = Some(Open::Unjudged);
        }
        let missing = names.0.clone();
        for name in &missing {
            self.outputs.push_back(Output::Resolve { errand: id, name: name.clone() });
        }
        self.errands.insert(id, Errand { what, found: Names::default(), missing });
        self.agenda.add(now + LOOKUP_MAX, Subject::Errand(id));
        true
    }

    /// Serves again what has waited, knowing what was found until now.
    pub(super) fn run_errand(&mut self, now: Instant, id: ErrandId) {
        let Some(Errand { what, mut found, missing }) = self.errands.remove(&id) else { return };
        for name in missing {
            found.add(name, Box::default());
        }
        self.close_unjudged(&what);
        self.names = found;
        match what {
            Postponed::Outside { incoming, originator, content } => {
                let served = if self.duty == Duty::Stopping {
                    Err(Refusal::Draining)
                } else {
                    self.serve(now, &incoming, &originator, &content)
                };
                self.conclude_request(&incoming, served);
            }
            Postponed::Within { incoming, session } => {
                let served = if self.exchange_of(session).is_none() {
                    Err(Refusal::Terminated)
                } else if incoming.request.method() == Method::Prack {
                    self.prack(now, &incoming, session)
                } else {
                    self.renegotiate(now, &incoming, session)
                };
                self.conclude_request(&incoming, served);
            }
            Postponed::Answer { session, message } => self.take_answer(now, session, &message),
            Postponed::Yes { request, session, link, ok } => {
                self.take_yes(now, request, session, *link, &ok);
            }
        }
        self.names = Names::default();
    }

    /// Nothing waits any more: the focus stops.
    pub(super) fn run_all_errands(&mut self, now: Instant) {
        while let Some((&id, _)) = self.errands.first_key_value() {
            self.run_errand(now, id);
        }
    }

    /// A request is withdrawn while it waits (DLG-15). Whether it did.
    pub(super) fn withdraw_errand(&mut self, invite: ServerId) -> bool {
        let errand = self.errands.iter().find(|(_, errand)| errand.what.is(invite));
        let Some(id) = errand.map(|(id, _)| *id) else { return false };
        let Some(Errand { what, .. }) = self.errands.remove(&id) else { return false };
        self.close_unjudged(&what);
        if let Postponed::Outside { incoming, .. } | Postponed::Within { incoming, .. } = what {
            self.refuse(incoming.transaction, &incoming.request, &Refusal::Terminated);
        }
        true
    }

    fn close_unjudged(&mut self, what: &Postponed) {
        if let Some(exchange) = what.leg().and_then(|session| self.exchange_of(session)) {
            exchange.open.take_if(|open| matches!(open, Open::Unjudged));
        }
    }

    /// What the two sides of a leg have said, from the first answer on, be that early.
    fn exchange_of(&mut self, session: SessionId) -> Option<&mut Exchange> {
        if self.early(session).is_some() {
            let early = self.early(session)?.early.as_mut()?;
            return Some(&mut early.exchange);
        }
        Some(&mut self.connected(session)?.exchange)
    }
}
