//! Keeping a leg alive (RFC 4028): refreshes of ours, and the end for want of one.

use std::time::{Duration, Instant};

use super::compose::{ALLOW, SUPPORTED};
use super::event::LegId;
use super::leg::{Connected, Leg, Phase};
use super::outcome::Ending;
use super::refresh::Timer;
use super::{Client, Purpose};
use crate::message::{Header, Method, Response};
use crate::transaction::{self, ClientId, ServerId};

/// What the focus is told when a session was not kept alive (RFC 4028 section 10).
const REASON_EXPIRED: &str = "SIP;cause=408;text=\"Session expired\"";
/// The owner of a Call-ID waits so long after a 491, in milliseconds: the least, and the steps of ten
/// on top of it (DLG-12).
const GLARE_MILLIS: (u32, u32) = (2100, 191);

impl Client {
    /// What a leg's timer says is due: a refresh, or its end.
    pub(super) fn keep_alive(&mut self, now: Instant, id: LegId) {
        let Some(connected) = self.connected(id) else {
            return;
        };
        let Some(timer) = &mut connected.timer else {
            return;
        };
        if timer.expires_at <= now {
            return self.give_up(now, id);
        }
        timer.refresh_at = None;
        let interval = timer.interval;
        self.refresh(now, id, interval);
    }

    /// Refreshes by UPDATE where the focus has said that it serves it, else by an INVITE that repeats
    /// our description (REJ-09, TMR-03).
    fn refresh(&mut self, now: Instant, id: LegId, interval: u32) {
        let (contact, user_agent) = (self.config.contact_address(), self.config.user_agent());
        let Some(Leg { conversation, phase: Phase::Connected(connected), .. }) =
            self.legs.get_mut(&id)
        else {
            return;
        };
        let has_update = conversation.allows(Method::Update);
        let method = if has_update { Method::Update } else { Method::Invite };
        let mut draft = connected
            .dialog
            .request(method)
            .header(Header::Contact, &contact)
            .header(Header::UserAgent, &user_agent)
            .header(Header::Allow, ALLOW)
            .header(Header::Supported, SUPPORTED)
            .header(Header::SessionExpires, &format!("{interval};refresher=uac"));
        if let Some(min_se) = connected.min_se {
            draft = draft.header(Header::MinSe, &min_se.to_string());
        }
        if !has_update {
            draft = draft.body("application/sdp", connected.offer.text().to_owned());
        }
        let dialog = connected.dialog.clone();
        let hop = self.hop_of(&dialog);
        let transaction = self.send(now, draft, hop, Purpose::Refresh { leg: id });
        if let Some(connected) = self.connected(id) {
            connected.refreshing = Some(transaction);
        }
    }

    /// A final response to a refresh of ours.
    pub(super) fn refreshed(
        &mut self,
        now: Instant,
        id: LegId,
        transaction: ClientId,
        response: &Response,
    ) {
        let is_invite = response.cseq_method() == Method::Invite;
        if is_invite && response.code() < 300 {
            self.acknowledge_refresh(id, transaction, response);
        }
        let (least, steps) = GLARE_MILLIS;
        let glare = Duration::from_millis((least + 10 * self.tokens.below(steps)).into());
        let Some(Leg { conversation, phase: Phase::Connected(connected), .. }) =
            self.legs.get_mut(&id)
        else {
            return;
        };
        connected.refreshing = None;
        match response.code() {
            ..300 => {
                conversation.take_allow(response);
                // A Contact that is no good moves nothing: the one before it still stands.
                let _ = connected.dialog.refresh(response);
                connected.timer = Timer::of_response(now, response);
            }
            422 => self.raise(now, id, response),
            408 | 481 => self.give_up(now, id),
            491 => {
                if let Some(timer) = &mut connected.timer {
                    timer.refresh_at = Some(now + glare);
                }
            }
            // Anything else says nothing about the session, which lives on to its expiry (TMR-06).
            _ => {}
        }
    }

    fn acknowledge_refresh(&mut self, id: LegId, transaction: ClientId, ok: &Response) {
        let Some(dialog) = self.legs.get_mut(&id).and_then(Leg::dialog_mut) else {
            return;
        };
        let ack = dialog.ack(ok.sequence());
        let dialog = dialog.clone();
        let hop = self.hop_of(&dialog);
        self.acknowledge(transaction, &ack, &hop);
    }

    /// A 422 to a refresh: once more, with the interval it asks for (TMR-06).
    fn raise(&mut self, now: Instant, id: LegId, response: &Response) {
        let least = response.seconds(Header::MinSe);
        let Some(connected) = self.connected(id) else {
            return;
        };
        let Some(least) = least.filter(|&least| connected.min_se.is_none_or(|known| least > known))
        else {
            return;
        };
        connected.min_se = Some(least);
        let interval = connected.timer.map_or(least, |timer| timer.interval.max(least));
        self.refresh(now, id, interval);
    }

    /// No response to a refresh of ours will come.
    pub(super) fn refresh_unanswered(
        &mut self,
        now: Instant,
        id: LegId,
        failure: transaction::Failure,
    ) {
        if let Some(connected) = self.connected(id) {
            connected.refreshing = None;
        }
        if failure == transaction::Failure::Timeout {
            self.give_up(now, id);
        }
    }

    /// Our 2xx to an INVITE of the focus was never acknowledged: the dialog is no good (RFC 3261
    /// section 13.3.1.4).
    pub(super) fn unacknowledged(&mut self, now: Instant, transaction: ServerId) {
        if let Some(id) = self.reinvites.remove(&transaction) {
            self.give_up(now, id);
        }
    }

    /// Ends a leg that has no future, and says so once.
    fn give_up(&mut self, now: Instant, id: LegId) {
        let Some(dialog) = self.connected(id).map(|connected| connected.dialog.clone()) else {
            return;
        };
        self.end(now, id, Ending::Lost);
        self.say_farewell(now, dialog, REASON_EXPIRED);
    }

    pub(super) fn connected(&mut self, id: LegId) -> Option<&mut Connected> {
        match &mut self.legs.get_mut(&id)?.phase {
            Phase::Connected(connected) => Some(connected),
            _ => None,
        }
    }
}
