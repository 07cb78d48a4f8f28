//! Calling: from the wish to join or rejoin to a leg, or to the reason why there is none.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::compose::{Group, Invitation, Privacy};
use super::conversation::Conversation;
use super::event::{Event, Joined, LegId};
use super::leg::{Calling, Connected, Leg, Phase, Procedure};
use super::media::{Agreement, Offer, Unusable};
use super::outcome::{Ending, Failed, Failure, Refusal, Refused};
use super::referral::Referred;
use super::refresh::Timer;
use super::{CannotCall, Client, Purpose, Usage, callable};
use crate::dialog::Dialog;
use crate::message::{Header, Method, Response};
use crate::transaction::{self, ClientId};

/// How often a 3xx is followed (JOIN-10).
const REDIRECTIONS_MAX: usize = 5;
/// How often one INVITE goes out in all, as every hop may ask for another interval (TMR-04).
const INVITES_MAX: u32 = 10;
/// The least and the most that a rejoin waits before its second try (REJ-15), in milliseconds.
const RETRY_MILLIS: (u32, u32) = (1000, 4000);
/// The most that it waits before any other.
const RETRY_DELAY_MAX: Duration = Duration::from_secs(60);
/// What is told the focus when its answer is no good (SDP-23).
const REASON_UNUSABLE: &str = "SIP;cause=488;text=\"Not Acceptable Here\"";
/// What is told the focus by who leaves (LEAVE-01).
pub(super) const REASON_LEFT: &str = "SIP;cause=200;text=\"Call completed\"";

impl Client {
    /// Joins a public conference (CR 7.1.1.10). Whatever is known of its running session plays no
    /// part (JOIN-02).
    pub fn join(
        &mut self,
        now: Instant,
        public_uri: &str,
        privacy: Privacy,
    ) -> Result<LegId, CannotCall> {
        callable(public_uri)?;
        Ok(self.start(now, Conversation::of_public(public_uri), Procedure::Join, privacy))
    }

    /// Rejoins a conference at its IM Session Identity (CR 7.1.1.9). Where the focus never gave one,
    /// the Public Conference URI has to do, and this is a join (JOIN-07).
    pub fn rejoin(
        &mut self,
        now: Instant,
        conversation: Conversation,
        privacy: Privacy,
    ) -> Result<LegId, CannotCall> {
        let procedure = Procedure::of_rejoin(&conversation)?;
        Ok(self.start(now, conversation, procedure, privacy))
    }

    /// Rejoins some time within [`Config::rejoin_window`](super::Config::rejoin_window): for whoever
    /// comes back to many conferences at once, as all others do who lost the same server (REJ-15).
    pub fn rejoin_soon(
        &mut self,
        now: Instant,
        conversation: Conversation,
        privacy: Privacy,
    ) -> Result<LegId, CannotCall> {
        let procedure = Procedure::of_rejoin(&conversation)?;
        let window = u32::try_from(self.config.rejoin_window.as_millis()).unwrap_or(u32::MAX);
        let delay = Duration::from_millis(self.tokens.below(window).into());
        let id = self.next_leg();
        let phase = Phase::Waiting { until: now + delay };
        self.legs.insert(id, Leg { conversation, procedure, privacy, phase });
        Ok(id)
    }

    /// Leaves (LEAVE-01), or gives up an attempt (JOIN-11). [`Event::Ended`] or [`Event::Failed`]
    /// tells when it is done.
    pub fn leave(&mut self, now: Instant, id: LegId) {
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        match &mut leg.phase {
            Phase::Calling(calling) => {
                calling.is_withdrawn = true;
                let transaction = calling.transaction;
                self.transactions.cancel(now, transaction);
                self.call_off(now, transaction);
            }
            Phase::Waiting { .. } => self.fail(id, Failure::Withdrawn),
            Phase::Connected(_) => self.hang_up(now, id),
            Phase::Leaving(_) => {}
        }
        self.settle(now);
    }

    /// Forgets a leg and sends nothing, because there is nobody to hear it: the network is gone
    /// (LEAVE-01). What is left is what a rejoin needs.
    pub fn abandon(&mut self, id: LegId) -> Option<Conversation> {
        self.drop_watch(id);
        self.forget(id)
    }

    fn forget(&mut self, id: LegId) -> Option<Conversation> {
        self.forget_early(id);
        self.dialogs.retain(|_, usage| *usage != Usage::Leg(id));
        self.legs.remove(&id).map(|leg| leg.conversation)
    }

    pub(super) fn start(
        &mut self,
        now: Instant,
        conversation: Conversation,
        procedure: Procedure,
        privacy: Privacy,
    ) -> LegId {
        let id = self.next_leg();
        let calling = self.call(now, id, &conversation, procedure, privacy);
        self.legs.insert(id, Leg { conversation, procedure, privacy, phase: calling });
        self.settle(now);
        id
    }

    /// Sends an INVITE of which nothing was ever used before: neither its Call-ID nor its tag, nor
    /// the MSRP session it offers (REJ-01, REJ-07).
    fn call(
        &mut self,
        now: Instant,
        id: LegId,
        conversation: &Conversation,
        procedure: Procedure,
        privacy: Privacy,
    ) -> Phase {
        let uri = match procedure {
            Procedure::Join => conversation.public_uri.as_deref(),
            Procedure::Rejoin { .. } => conversation.identity.as_deref(),
            Procedure::Create => self.config.factory.as_deref(),
        };
        let group = (procedure == Procedure::Create).then(|| Group {
            members: conversation.members.clone(),
            subject: conversation.subject.clone(),
            boundary: self.tokens.token(),
        });
        let uri = uri.unwrap_or_default().to_owned();
        let invitation = Invitation {
            to: uri.clone(),
            request_uri: uri,
            call_id: self.tokens.token(),
            from_tag: self.tokens.token(),
            sequence: 1,
            privacy,
            session_interval: self.config.session_interval,
            min_se: None,
            marks: conversation.marks.clone(),
            group,
        };
        let has_preconditions = self.config.preconditions;
        let offer = Offer::new(&self.config.media, has_preconditions, &mut self.tokens);
        let transaction = self.invite(now, id, &invitation, &offer);
        let visited = vec![invitation.request_uri.clone()];
        let early = Vec::new();
        let calling =
            Calling { transaction, invitation, offer, early, visited, is_withdrawn: false };
        Phase::Calling(Box::new(calling))
    }

    fn invite(
        &mut self,
        now: Instant,
        leg: LegId,
        invitation: &Invitation,
        offer: &Offer,
    ) -> ClientId {
        let draft = self.config.invite(invitation, offer.text());
        // Never to where an old dialog led: the way is what the network says today (REJ-08). Only a
        // redirection may name an address, and only where no proxy has to be asked.
        let is_redirected = invitation.request_uri != invitation.to;
        let hop = if is_redirected && self.config.route.is_empty() {
            self.hop(&invitation.request_uri)
        } else {
            self.first_hop(&invitation.request_uri)
        };
        let request_uri = invitation.request_uri.clone();
        self.send(now, draft, hop, Purpose::Invite { leg, request_uri })
    }

    /// A response to a request of ours.
    pub(super) fn answered(&mut self, now: Instant, transaction: ClientId, response: &Response) {
        let Some(sent) = self.requests.get(&transaction).cloned() else {
            return;
        };
        if matches!(response.code(), 200..300) {
            if let Some(met) = self.transactions.target(transaction) {
                self.met(met);
            }
            if self.awaits_place(transaction, response) {
                return;
            }
        }
        // An accepted INVITE may be accepted again, by a fork.
        let is_over = response.code() >= 300
            || response.code() >= 200 && response.cseq_method() != Method::Invite;
        if is_over {
            self.requests.remove(&transaction);
        }
        if matches!(response.code(), 401 | 407) && self.authorize(now, transaction, &sent, response)
        {
            return;
        }
        match (sent.purpose, response.code()) {
            (Purpose::Invite { leg, request_uri }, ..200) => {
                self.progressed(now, leg, transaction, &request_uri, response);
            }
            (Purpose::Invite { leg, request_uri }, 200..300) => {
                self.accepted(now, leg, transaction, &request_uri, response);
            }
            (Purpose::Invite { leg, .. }, _) => self.refused(now, leg, transaction, response),
            (Purpose::Register, 200..) => self.registered(now, transaction, Some(response)),
            (Purpose::Register | Purpose::Farewell, _)
            | (
                Purpose::Early { .. }
                | Purpose::Refresh { .. }
                | Purpose::Bye { .. }
                | Purpose::Subscribe { .. }
                | Purpose::Refer { .. },
                ..200,
            ) => {}
            (Purpose::Early { leg, dialog }, _) => {
                self.early_answered(now, leg, &dialog, response);
            }
            (Purpose::Refer { leg }, status) => self.referred(leg, Some(status)),
            (Purpose::Referral { referral, .. }, _) => {
                self.referral_answered(referral, response);
            }
            (Purpose::Refresh { leg }, _) => self.refreshed(now, leg, transaction, response),
            (Purpose::Bye { leg }, _) => self.end(now, leg, Ending::Left),
            (Purpose::Subscribe { leg }, _) => self.subscribed(now, leg, transaction, response),
        }
    }

    /// No response to a request of ours will come.
    pub(super) fn unanswered(
        &mut self,
        now: Instant,
        transaction: ClientId,
        failure: transaction::Failure,
    ) {
        match self.requests.remove(&transaction).map(|sent| sent.purpose) {
            Some(Purpose::Invite { leg, .. }) => {
                match self.calling(leg, transaction).map(|calling| calling.is_withdrawn) {
                    Some(true) => self.fail(leg, Failure::Withdrawn),
                    Some(false) if failure == transaction::Failure::Timeout => {
                        self.fail(leg, Failure::Timeout);
                    }
                    Some(false) => self.defer(now, leg, None),
                    None => {}
                }
            }
            Some(Purpose::Refresh { leg }) => self.refresh_unanswered(now, leg, failure),
            Some(Purpose::Bye { leg }) => self.end(now, leg, Ending::Left),
            Some(Purpose::Subscribe { leg }) => self.unsubscribed(leg, transaction),
            Some(Purpose::Refer { leg }) => self.referred(leg, None),
            Some(Purpose::Referral { referral, .. }) => {
                self.conclude(referral, Referred::Unheard);
            }
            Some(Purpose::Register) => self.registered(now, transaction, None),
            // If nobody is there any more, the INVITE will tell.
            Some(Purpose::Early { .. } | Purpose::Farewell) | None => {}
        }
    }

    /// The attempt that this transaction is the current one of.
    pub(super) fn calling(&mut self, id: LegId, transaction: ClientId) -> Option<&mut Calling> {
        match &mut self.legs.get_mut(&id)?.phase {
            Phase::Calling(calling) if calling.transaction == transaction => Some(calling),
            _ => None,
        }
    }

    /// A 2xx. It is acknowledged in any case, and first of all (REJ-11); whether anybody wants the
    /// dialog it made comes after that (DLG-06, JOIN-11, SDP-23).
    fn accepted(
        &mut self,
        now: Instant,
        id: LegId,
        transaction: ClientId,
        request_uri: &str,
        ok: &Response,
    ) {
        let Some(mut dialog) = Dialog::begin(request_uri, ok) else {
            if self.calling(id, transaction).is_some() {
                self.fail(id, Failure::Unusable(Unusable::NoDialog));
            }
            return;
        };
        let hop = self.hop_of(&dialog);
        self.acknowledge(transaction, &dialog.ack(ok.sequence()), &hop);
        let is_wanted = self.calling(id, transaction).is_some();
        let early = is_wanted.then(|| self.take_early(id, &mut dialog)).flatten();
        let Some(leg) = self.legs.get_mut(&id).filter(|_| is_wanted) else {
            // Another fork said yes before, or nobody is here any more.
            return self.say_farewell(now, dialog, REASON_LEFT);
        };
        let peer_fault = leg.conversation.handle_ok(ok).err();
        let Phase::Calling(calling) = &mut leg.phase else {
            return;
        };
        let answered = early.and_then(|early| Some((early.answer?, early.offer)));
        let (answer, offer) = answered.unwrap_or_else(|| (sdp_of(ok), calling.offer.clone()));
        let unwanted = match agreement(&answer, &offer) {
            _ if calling.is_withdrawn => (Failure::Withdrawn, REASON_LEFT),
            Err(unusable) => (Failure::Unusable(unusable), REASON_UNUSABLE),
            Ok(agreement) => {
                self.dialogs.insert(dialog.id().clone(), Usage::Leg(id));
                leg.phase = Phase::Connected(Box::new(Connected {
                    dialog,
                    offer,
                    answer,
                    timer: Timer::of_response(now, ok),
                    min_se: calling.invitation.min_se,
                    refreshing: None,
                }));
                let (conversation, privacy) = (leg.conversation.clone(), leg.privacy);
                let identity = conversation.identity.clone().filter(|_| self.config.watches);
                let joined = Box::new(Joined { conversation, agreement, peer_fault });
                self.events.push_back(Event::Joined { leg: id, joined });
                if let Some(identity) = identity {
                    self.watch(now, id, &identity, privacy);
                }
                return;
            }
        };
        let (failure, reason) = unwanted;
        self.fail(id, failure);
        self.say_farewell(now, dialog, reason);
    }

    /// A final response other than 2xx.
    fn refused(&mut self, now: Instant, id: LegId, transaction: ClientId, response: &Response) {
        let Some(calling) = self.calling(id, transaction) else {
            return;
        };
        if calling.is_withdrawn {
            return self.fail(id, Failure::Withdrawn);
        }
        self.forget_early(id);
        let Some(calling) = self.calling(id, transaction) else {
            return;
        };
        let follow_up = match response.code() {
            _ if calling.invitation.sequence >= INVITES_MAX => None,
            300..400 => redirected(calling, response),
            422 => raised(calling, response),
            _ => None,
        };
        if let Some(next) = follow_up {
            let (invitation, offer) = (next.clone(), calling.offer.clone());
            let transaction = self.invite(now, id, &invitation, &offer);
            if let Some(Leg { phase: Phase::Calling(calling), .. }) = self.legs.get_mut(&id) {
                (calling.transaction, calling.invitation) = (transaction, invitation);
            }
            return;
        }
        let is_rejoin = self.legs.get(&id).is_some_and(Leg::is_rejoin);
        let refused = Refused::read(response, is_rejoin, self.config.is_gone_by_words);
        match refused.refusal {
            Refusal::Unavailable => self.defer(now, id, Some(refused)),
            _ => self.fail(id, Failure::Refused(refused)),
        }
    }

    /// Tries a rejoin again later, when the focus says so or, if it does not, after a while that is
    /// different for everybody (REJ-15). Nothing else is tried again by itself.
    fn defer(&mut self, now: Instant, id: LegId, met: Option<Refused>) {
        let retries_max = self.config.retries_max;
        let (least, most) = RETRY_MILLIS;
        let random = Duration::from_millis((least + self.tokens.below(most - least)).into());
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        match &mut leg.procedure {
            Procedure::Rejoin { retries } if *retries < retries_max => {
                let delay = random.saturating_mul(1 << (*retries).min(6)).min(RETRY_DELAY_MAX);
                let told = met.as_ref().and_then(|refused| refused.retry_after);
                *retries += 1;
                let until = now + told.unwrap_or(delay);
                leg.phase = Phase::Waiting { until };
                self.events.push_back(Event::Deferred { leg: id, until, refused: met });
            }
            _ => self.fail(id, met.map_or(Failure::Unreachable, Failure::Refused)),
        }
    }

    /// The time of a deferred rejoin has come.
    pub(super) fn try_again(&mut self, now: Instant, id: LegId) {
        let Some(leg) = self.legs.get(&id) else {
            return;
        };
        let (conversation, procedure, privacy) =
            (leg.conversation.clone(), leg.procedure, leg.privacy);
        let phase = self.call(now, id, &conversation, procedure, privacy);
        if let Some(leg) = self.legs.get_mut(&id) {
            leg.phase = phase;
        }
    }

    /// Ends a connected leg from our side.
    pub(super) fn hang_up(&mut self, now: Instant, id: LegId) {
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        let Some(mut dialog) = leg.dialog_mut().cloned() else {
            return;
        };
        self.unwatch(now, id);
        let bye = dialog.request(Method::Bye).header(Header::Reason, REASON_LEFT);
        let hop = self.hop_of(&dialog);
        if let Some(leg) = self.legs.get_mut(&id) {
            leg.phase = Phase::Leaving(Box::new(dialog));
        }
        self.send(now, bye, hop, Purpose::Bye { leg: id });
    }

    /// Ends a dialog that no leg is about.
    pub(super) fn say_farewell(&mut self, now: Instant, mut dialog: Dialog, reason: &str) {
        let bye = dialog.request(Method::Bye).header(Header::Reason, reason);
        let hop = self.hop_of(&dialog);
        self.send(now, bye, hop, Purpose::Farewell);
    }

    /// The leg did not come to be.
    fn fail(&mut self, id: LegId, failure: Failure) {
        self.forget_early(id);
        if let Some(leg) = self.legs.remove(&id) {
            let failed = Box::new(Failed { failure, conversation: leg.conversation });
            self.events.push_back(Event::Failed { leg: id, failed });
        }
    }

    /// The leg is over.
    pub(super) fn end(&mut self, now: Instant, id: LegId, ending: Ending) {
        let Some(conversation) = self.forget(id) else {
            return;
        };
        self.unwatch(now, id);
        let conversation = Box::new(conversation);
        self.events.push_back(Event::Ended { leg: id, ending, conversation });
    }
}

/// What the 200 agrees to.
fn agreement(answer: &[u8], offer: &Offer) -> Result<Agreement, Unusable> {
    if answer.is_empty() {
        return Err(Unusable::Missing);
    }
    Agreement::read(answer, offer)
}

/// The description in a response: nothing if there is none.
pub(super) fn sdp_of(response: &Response) -> Bytes {
    let is_sdp = response.content_type().is_some_and(|kind| kind.is("application/sdp"));
    if is_sdp { response.body() } else { Bytes::new() }
}

/// The INVITE for the first place a 3xx names that may be called and was not (JOIN-10).
fn redirected<'a>(calling: &'a mut Calling, response: &Response) -> Option<&'a Invitation> {
    if calling.visited.len() > REDIRECTIONS_MAX {
        return None;
    }
    let contacts = response.addresses(Header::Contact).flatten().map(|contact| contact.uri());
    let visited = &calling.visited;
    let next = contacts.into_iter().find(|uri| {
        callable(uri).is_ok() && !visited.iter().any(|visited| is_same(visited, uri))
    })?;
    calling.visited.push(next.to_owned());
    next.clone_into(&mut calling.invitation.request_uri);
    calling.invitation.sequence += 1;
    Some(&calling.invitation)
}

fn is_same(one: &str, other: &str) -> bool {
    let (Some(one), Some(other)) =
        (crate::message::SipUri::parse(one), crate::message::SipUri::parse(other))
    else {
        return one == other;
    };
    one.matches(&other)
}

/// The INVITE with the interval that a 422 asks for (TMR-04). One that asks for no more than it was
/// given will never be content.
fn raised<'a>(calling: &'a mut Calling, response: &Response) -> Option<&'a Invitation> {
    let least = response.seconds(Header::MinSe)?;
    let invitation = &mut calling.invitation;
    if invitation.min_se.is_some_and(|known| least <= known) {
        return None;
    }
    invitation.min_se = Some(least);
    invitation.session_interval = invitation.session_interval.max(least);
    invitation.sequence += 1;
    Some(invitation)
}
