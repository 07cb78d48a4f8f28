//! Keeping a leg alive where that is our part (RFC 4028 section 7.4).

use std::time::{Duration, Instant};

use mailbox::SessionId;

use super::{
    Focus, Purpose,
    exchange::Open,
    join::{SUPPORTED_AS_CALLER, contact_of},
    leg::{Farewell, Leg, Media},
    link::Link,
    output::{Output, RequestId},
    refusal::ALLOW,
    session_timer::SessionTimer,
};
use crate::message::{Header, Method, Response};

/// How long to wait after a 491, in steps of 10 ms: the least, and how many more there may be (RFC
/// 3261 section 14.1). First for who made the Call-ID, then for the other side.
const GLARE_STEPS: [(u32, u32); 2] = [(210, 191), (0, 201)];

impl Focus {
    /// Refreshes by UPDATE where the peer has said that it takes it, else by an INVITE that repeats
    /// what we said last (TMR-03). While an exchange is open there is no other, so that waits.
    pub(super) fn refresh(&mut self, now: Instant, session: SessionId) {
        let wait = self.glare_wait(session);
        let Some(connected) = self.connected(session) else { return };
        let is_busy = connected.exchange.open.is_some();
        let Some(timing) = &mut connected.timing else { return };
        if !connected.takes_update && is_busy {
            timing.refresh_at = Some(now + wait);
            return;
        }
        let method = if connected.takes_update { Method::Update } else { Method::Invite };
        self.ask_again(session, method);
    }

    /// Offers the media anew, without a word of middleboxes: one that does not know RFC 6714 can let
    /// through what is said so (msrp/CEMA-07).
    pub(super) fn fall_back(&mut self, session: SessionId) {
        let Some(leg) = self.legs.get_mut(&session) else { return };
        let Some(room) = self.rooms.get(&leg.room) else { return };
        let Some(connected) = leg.connected_mut() else { return };
        let exchange = &mut connected.exchange;
        exchange.is_plain = true;
        let ours = exchange.renew(|origin| exchange.offer(&room.venue.media, origin));
        exchange.set_ours(ours);
        self.ask_again(session, Method::Invite);
    }

    /// Makes an offer that met one of the peer's once more, if nothing else is open.
    pub(super) fn offer_again(&mut self, now: Instant, session: SessionId) {
        let wait = self.glare_wait(session);
        let Some(connected) = self.connected(session) else { return };
        let is_busy = connected.exchange.open.is_some();
        connected.exchange.offers_at = is_busy.then_some(now + wait);
        if !is_busy {
            self.ask_again(session, Method::Invite);
        }
    }

    /// An UPDATE, or an INVITE with our description. Either is a refresh (RFC 4028 section 7.4).
    fn ask_again(&mut self, session: SessionId, method: Method) {
        let user_agent = self.server();
        let Some(leg) = self.legs.get_mut(&session) else { return };
        let Some(room) = self.rooms.get(&leg.room) else { return };
        let contact = contact_of(&room.identity);
        let Some(connected) = leg.connected_mut() else { return };
        let request = self.dialogs.request(&connected.dialog, method);
        let Some((draft, target)) = request else { return };
        let mut draft = draft
            .header(Header::Contact, &contact)
            .header(Header::UserAgent, &user_agent)
            .header(Header::Allow, ALLOW)
            .header(Header::Supported, SUPPORTED_AS_CALLER);
        if let Some(timing) = &mut connected.timing {
            timing.refresh_at = None;
            let interval = timing.timer.interval.as_secs();
            draft = draft.header(Header::SessionExpires, &format!("{interval};refresher=uac"));
            if let Some(min_se) = timing.min_se {
                draft = draft.header(Header::MinSe, &min_se.to_string());
            }
        }
        if method == Method::Invite {
            draft = draft.body("application/sdp", connected.exchange.ours.clone());
        }
        let request = self.send(draft, target, Purpose::Refresh(session));
        if method == Method::Invite
            && let Some(connected) = self.connected(session)
        {
            connected.exchange.open = Some(Open::Sent(request));
        }
    }

    /// A refresh of ours has its final answer, or will never have one (TMR-06).
    pub(super) fn refreshed(
        &mut self,
        now: Instant,
        session: SessionId,
        request: RequestId,
        answer: Option<&Response>,
    ) {
        let wait = self.glare_wait(session);
        let Some(connected) = self.connected(session) else { return };
        let dialog = connected.dialog.clone();
        let is_it = |open: &mut Open| matches!(open, Open::Sent(of) if *of == request);
        let is_invite = connected.exchange.open.take_if(is_it).is_some();
        let is_moving = connected.exchange.relocation.is_some();
        let unrefreshed = if is_moving { Farewell::CoreLost } else { Farewell::Unrefreshed };
        let unanswered = if is_moving { Farewell::CoreLost } else { Farewell::Unanswered };
        let Some(answer) = answer else {
            return self.end_leg(now, session, unrefreshed);
        };
        if is_invite && answer.code() < 300 {
            if let Some(link) = self.dialogs.link_mut(&dialog) {
                let (ack, target) = link.ack(answer.sequence());
                self.outputs.push_back(Output::Acknowledge { request, ack, target });
            }
            // What is answered to our description is in force from now on (msrp/SDP-17).
            if self.connected(session).is_some_and(|it| it.media != Media::Held) {
                self.take_answer(now, session, answer);
            }
        }
        let Some(connected) = self.connected(session) else { return };
        let is_described = connected.exchange.peer().is_some() || connected.media == Media::Held;
        match answer.code() {
            ..300 => self.renew(now, session, answer),
            408 | 481 => self.end_leg(now, session, unrefreshed),
            422 => {
                let Some(timing) = &mut connected.timing else { return };
                // More than it asked for before, or the two of us would never come to an end.
                let least = answer.seconds(Header::MinSe);
                let least = least.filter(|least| timing.min_se.is_none_or(|known| *least > known));
                if let Some(least) = least {
                    timing.min_se = Some(least);
                    let interval = Duration::from_secs(least.into());
                    timing.timer.interval = timing.timer.interval.max(interval);
                    let method = if is_invite { Method::Invite } else { Method::Update };
                    self.ask_again(session, method);
                }
            }
            491 => {
                if is_invite {
                    connected.exchange.offers_at = Some(now + wait);
                } else if let Some(timing) = &mut connected.timing {
                    timing.refresh_at = Some(now + wait);
                }
                self.plan_leg(session);
            }
            // It says nothing about the session, which lives on to its expiry; but without an answer
            // to our first offer there is none.
            _ if is_invite && !is_described => self.end_leg(now, session, unanswered),
            _ => {}
        }
    }

    /// A 2xx renews the time, and may give the part of who refreshes to the other (TMR-07).
    fn renew(&mut self, now: Instant, session: SessionId, answer: &Response) {
        let chance = self.tokens.below(SessionTimer::CHANCES);
        let Some(connected) = self.connected(session) else { return };
        connected.takes_update = allows_update(answer).unwrap_or(connected.takes_update);
        let min_se = connected.timing.and_then(|timing| timing.min_se);
        let timing = SessionTimer::agreed(answer).map(|timer| timer.start(now, chance));
        connected.timing = timing.map(|mut timing| {
            timing.min_se = min_se;
            timing
        });
        let dialog = connected.dialog.clone();
        if let Some(link) = self.dialogs.link_mut(&dialog) {
            link.refreshed(answer);
        }
        self.plan_leg(session);
    }

    fn glare_wait(&mut self, session: SessionId) -> Duration {
        let dialog = self.legs.get(&session).and_then(Leg::connected).map(|leg| &leg.dialog);
        let link = dialog.and_then(|dialog| self.dialogs.get(dialog)).map(|usages| &usages.link);
        let owns = link.is_some_and(Link::owns_call_id);
        let (least, steps) = GLARE_STEPS[usize::from(!owns)];
        Duration::from_millis((10 * (least + self.tokens.below(steps))).into())
    }
}

/// Whether the sender takes UPDATE, if it says which methods it takes.
pub(super) fn allows_update(message: &crate::message::Message) -> Option<bool> {
    message.header(Header::Allow)?;
    Some(message.has_token(Header::Allow, Method::Update.name()))
}
