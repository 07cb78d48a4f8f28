//! Requests on their way out, and out again with the credentials that somebody asked for (AUTH-05).

use std::time::Instant;

use super::event::LegId;
use super::hop::{Hop, Waiting};
use super::leg::Leg;
use super::{Client, Purpose};
use crate::digest::Tries;
use crate::locate::prefer;
use crate::message::{Draft, Header, Response};
use crate::transaction::ClientId;
use crate::transport::Target;

/// A request of ours that may still be answered.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) purpose: Purpose,
    /// The request without credentials, and where it went.
    draft: Draft,
    hop: Hop,
    /// The credentials it goes with.
    credentials: Vec<(Header, String)>,
    tries: Tries,
}

impl Client {
    /// Sends a request, with whatever credentials were ever asked for.
    pub(super) fn send(
        &mut self,
        now: Instant,
        draft: Draft,
        hop: Hop,
        purpose: Purpose,
    ) -> ClientId {
        self.send_again(now, draft, hop, purpose, Tries::default())
    }

    fn send_again(
        &mut self,
        now: Instant,
        draft: Draft,
        hop: Hop,
        purpose: Purpose,
        tries: Tries,
    ) -> ClientId {
        let who = self.config.credentials.as_slice();
        let mut credentials = self.keyring.credentials(who, &draft, &mut self.tokens);
        if let (Purpose::Register, Some(registration)) = (&purpose, &self.registration)
            && credentials.is_empty()
        {
            let introduction = registration.introduction(&self.config);
            credentials.extend(introduction.map(|value| (Header::Authorization, value)));
        }
        let transaction = self.transactions.reserve();
        let sent = Sent { purpose, draft, hop: hop.clone(), credentials, tries };
        self.requests.insert(transaction, sent);
        match hop {
            Hop::Known(targets) => self.go(now, transaction, &targets),
            Hop::Unknown(destination) => {
                self.look_up(destination, Waiting::Request(transaction));
            }
        }
        transaction
    }

    /// It is known where a request goes.
    pub(super) fn go(&mut self, now: Instant, transaction: ClientId, targets: &[Target]) {
        let Some(sent) = self.requests.get_mut(&transaction) else {
            return;
        };
        sent.hop = Hop::Known(targets.to_vec());
        let complete = sent.draft.clone().headers(&sent.credentials);
        let complete = self.for_network(complete);
        self.transactions.begin(now, transaction, &complete, targets);
    }

    /// Sends the ACK of a 2xx: to the next hop of the dialog, and to where the INVITE was answered if
    /// nobody knows better.
    pub(super) fn acknowledge(&mut self, transaction: ClientId, ack: &Draft, hop: &Hop) {
        let next = match hop {
            Hop::Known(targets) => targets.first().copied(),
            Hop::Unknown(_) => None,
        };
        if let Some(target) = next.or_else(|| self.transactions.target(transaction)) {
            self.transactions.acknowledge(transaction, ack, target);
        }
    }

    /// Sends a request again that was refused for want of credentials, if there are any that were not
    /// tried. Everything but the number stays the same (RFC 3261 section 22.2).
    pub(super) fn authorize(
        &mut self,
        now: Instant,
        transaction: ClientId,
        sent: &Sent,
        refusal: &Response,
    ) -> bool {
        let who = self.config.credentials.as_slice();
        if let (Purpose::Register, Some(registration)) = (&sent.purpose, &mut self.registration) {
            registration.agree(refusal);
        }
        let mut tries = sent.tries.clone();
        if self.is_unwanted(&sent.purpose) || !self.keyring.handle(who, refusal, &mut tries) {
            return false;
        }
        let sequence = refusal.sequence() + 1;
        let draft = sent.draft.clone().renumbered(sequence);
        let mut hop = sent.hop.clone();
        // Whoever asked knows what was asked.
        if let (Hop::Known(targets), Some(met)) = (&mut hop, self.transactions.target(transaction))
        {
            prefer(targets, met);
        }
        let again = self.send_again(now, draft, hop, sent.purpose.clone(), tries);
        self.follow(&sent.purpose, (transaction, again), sequence);
        true
    }

    fn is_unwanted(&self, purpose: &Purpose) -> bool {
        matches!(purpose, Purpose::Invite { leg, .. } if self.is_withdrawn(*leg))
    }

    /// Whoever waits for the answer to one request now waits for that to another.
    fn follow(&mut self, purpose: &Purpose, (old, new): (ClientId, ClientId), sequence: u32) {
        match purpose {
            Purpose::Invite { leg, .. } => {
                if let Some(calling) = self.calling(*leg, old) {
                    calling.transaction = new;
                    calling.invitation.sequence = sequence;
                }
                self.forget_early(*leg);
            }
            Purpose::Refresh { leg } => {
                if let Some(connected) = self.connected(*leg) {
                    connected.refreshing = Some(new);
                }
                self.count(*leg, sequence);
            }
            Purpose::Bye { leg } => self.count(*leg, sequence),
            Purpose::Subscribe { leg } => {
                if let Some(watch) = self.watches.get_mut(leg) {
                    watch.follow((old, new), sequence);
                }
            }
            Purpose::Referral { leg, referral } => {
                self.renumber_referral(*referral, sequence);
                if self.config.refers_within {
                    self.count(*leg, sequence);
                }
            }
            Purpose::Refer { leg } if self.config.refers_within => self.count(*leg, sequence),
            Purpose::Register => {
                if let Some(registration) = &mut self.registration {
                    registration.follow((old, new), sequence);
                }
            }
            Purpose::Early { leg, dialog } => self.count_early(*leg, dialog, sequence),
            Purpose::Refer { .. } | Purpose::Farewell => {}
        }
    }

    fn count(&mut self, leg: LegId, sequence: u32) {
        if let Some(dialog) = self.legs.get_mut(&leg).and_then(Leg::dialog_mut) {
            dialog.continue_from(sequence);
        }
    }
}
