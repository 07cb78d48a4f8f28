//! Offers within a leg: other terms, another path, on hold and back (SDP-21, RFC 3264 section 8).
//!
//! ```text
//! offer -> weigh -> terms:  POLICY, 200
//!                -> hold:   REMOVE, 200
//!                -> route:  INSTALL -> Installed -> 200, ACTIVATE -> Bound or too long -> REMOVE old
//!                                |
//!                                refused, too late or withdrawn: all is as it was
//! ```

use std::time::Instant;

use mailbox::{PeerMedia, SessionId};
use msrp::UriBuf;

use super::{
    Focus, Incoming,
    content::Content,
    errand::Postponed,
    exchange::{Change, Exchange, Open, Retiring, Step, Theirs, Weighed},
    join::{contact_of, with_timer},
    keep_alive::allows_update,
    leg::{Ack, Farewell, Leg, Media, Phase},
    order::Order,
    refusal::Refusal,
    session_timer::SessionTimer,
};
use crate::{
    message::{Header, Message, Method, Reply, Request},
    offer_answer::{MediaAnswer, Unacceptable},
    transaction::ServerId,
};

/// The longest wait, in seconds, that is asked of a peer whose offer came too early (RFC 3261
/// section 14.2).
pub const RETRY_AFTER_MAX: u32 = 10;

impl Focus {
    /// A re-INVITE or an UPDATE: it keeps the session alive (TMR-07), and may change it. Whatever is
    /// refused changes nothing.
    pub(super) fn renegotiate(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        session: SessionId,
    ) -> Result<(), Refusal> {
        let (request, transaction) = (&incoming.request, incoming.transaction);
        let sdp = Content::read(request)?.sdp;
        let has_offer = sdp.is_some();
        let is_invite = request.method() == Method::Invite;
        let retry_after = self.tokens.below(RETRY_AFTER_MAX + 1);
        let leg = self.legs.get(&session).ok_or(Refusal::NoDialog)?;
        if matches!(leg.phase, Phase::Installing(_)) {
            if is_invite {
                return Err(Refusal::Unfinished(retry_after));
            }
            return self.update_early(now, incoming, session);
        }
        let weighed = self.weigh(leg, request, sdp.as_deref(), retry_after)?;
        if let Some(Weighed { unresolved, .. }) = &weighed
            && self.waits_for(now, unresolved, || Postponed::within(incoming, session))
        {
            return Ok(());
        }
        let leg = self.legs.get(&session).ok_or(Refusal::NoDialog)?;
        let room = self.rooms.get(&leg.room).ok_or(Refusal::NoDialog)?;
        let connected = leg.connected().ok_or(Refusal::NoDialog)?;
        let (exchange, media) = (&connected.exchange, &room.venue.media);
        let is_live = connected.media.is_live();
        let timer = SessionTimer::negotiate(request, &self.config.timers)?;
        // A re-INVITE without an offer asks for ours (RFC 3261 section 14.2).
        let asks = !has_offer && is_invite;
        let route = match weighed.map(|weighed| weighed.step) {
            Some(Step::Route(offer)) => Some(Some(offer)),
            None if asks && !is_live => Some(None),
            Some(Step::Terms(agreement)) => {
                let route = exchange.route;
                let peer = self.connected(session).and_then(|it| it.exchange.agree(agreement));
                if let Some(peer) = peer {
                    self.order(Order::Describe { session: route, peer });
                }
                None
            }
            Some(Step::Hold(agreement)) => {
                self.put_on_hold(session);
                self.connected(session).and_then(|it| it.exchange.agree(agreement));
                None
            }
            None => {
                let ours = exchange.renew(|origin| exchange.offer(media, origin));
                if let Some(connected) = self.connected(session).filter(|_| asks) {
                    connected.exchange.set_ours(ours);
                    connected.exchange.open = Some(Open::Ours(transaction));
                }
                None
            }
        };
        if let Some(offer) = route {
            let (request, route) = (request.clone(), SessionId(self.next_id()));
            let deadline = now + self.config.timers.install;
            let change = Change { transaction, request, route, offer, timer, deadline };
            self.reroute(now, session, change);
        } else {
            self.agree(now, session, transaction, request, timer, has_offer || asks);
        }
        Ok(())
    }

    /// What a re-INVITE or an UPDATE asks for, with this offer or without one. Nothing is changed by
    /// asking.
    fn weigh(
        &self,
        leg: &Leg,
        request: &Request,
        sdp: Option<&[u8]>,
        retry_after: u32,
    ) -> Result<Option<Weighed>, Refusal> {
        let room = self.rooms.get(&leg.room).ok_or(Refusal::NoDialog)?;
        let connected = leg.connected().ok_or(Refusal::NoDialog)?;
        let exchange = &connected.exchange;
        if sdp.is_some() || request.method() == Method::Invite {
            exchange.may_begin(retry_after)?;
        }
        let link = self.dialogs.get(&connected.dialog).map(|usages| usages.link.clone());
        link.ok_or(Refusal::NoDialog)?.refresh(request)?;
        let (media, is_live) = (&room.venue.media, connected.media.is_live());
        let weighed = sdp.map(|sdp| exchange.weigh(sdp, media, &self.names, is_live));
        weighed.transpose().map_err(Refusal::Media)
    }

    /// The 200 to a re-INVITE or an UPDATE, with our description if it was about descriptions.
    fn agree(
        &mut self,
        now: Instant,
        session: SessionId,
        transaction: ServerId,
        request: &Request,
        timer: Option<SessionTimer>,
        describes: bool,
    ) {
        let chance = self.tokens.below(SessionTimer::CHANCES);
        let Some(leg) = self.legs.get_mut(&session) else { return };
        let Some(room) = self.rooms.get(&leg.room) else { return };
        let contact = contact_of(&room.identity);
        let Some(connected) = leg.connected_mut() else { return };
        // It was tried when the request came.
        let link = self.dialogs.link_mut(&connected.dialog);
        if link.is_none_or(|link| link.refresh(request).is_err()) {
            return;
        }
        connected.timing = timer.map(|timer| timer.start(now, chance));
        connected.takes_update = allows_update(request).unwrap_or(connected.takes_update);
        let ours = connected.exchange.ours.clone();
        if request.method() == Method::Invite {
            connected.ack = Ack::Awaited;
            self.invites.insert(transaction, session);
        } else if matches!(connected.ack, Ack::Received(_)) {
            connected.ack = Ack::Received(now);
        }
        let reply = self.capabilities(Reply::new(200)).header(Header::Contact, &contact);
        let reply = with_timer(reply, timer);
        let reply = if describes { reply.body("application/sdp", ours) } else { reply };
        self.reply(transaction, reply);
        self.plan_leg(session);
    }

    /// Asks the media plane for another session. Nothing is answered and nothing is changed before
    /// it is there.
    fn reroute(&mut self, now: Instant, session: SessionId, change: Change) {
        let at = self.clock.utc(now);
        let Some(leg) = self.legs.get_mut(&session) else { return };
        let (room_id, participant) = (leg.room, leg.participant);
        let Some(room) = self.rooms.get(&room_id) else { return };
        let peer = change.offer.as_ref().map(|offer| offer.peer().clone());
        let Some(member) = room.member(participant, session, peer, at) else { return };
        let Some(connected) = leg.connected_mut() else { return };
        let route = change.route;
        if change.request.method() == Method::Invite {
            self.invites.insert(change.transaction, session);
        }
        connected.exchange.open = Some(Open::Theirs(Box::new(change)));
        self.routes.insert(route, session);
        self.plan_leg(session);
        self.order(Order::Install { session: route, room: room_id, member: Box::new(member) });
    }

    /// The new session is there: it is the one in force from now on, and new messages are due to it
    /// alone (msrp/SDP-20).
    pub(super) fn rerouted(
        &mut self,
        now: Instant,
        session: SessionId,
        route: SessionId,
        path: &UriBuf,
    ) {
        let retirement = self.config.timers.retirement;
        let Some(leg) = self.legs.get_mut(&session) else { return };
        let Some(room) = self.rooms.get(&leg.room) else { return };
        let Some(connected) = leg.connected_mut() else { return };
        let exchange = &mut connected.exchange;
        if exchange.change().is_none_or(|change| change.route != route) {
            return;
        }
        let Some(change) = exchange.take_change() else { return };
        let superseded = exchange.relocation.take().map(|relocation| relocation.route);
        let Change { transaction, request, offer, timer, .. } = *change;
        let quiet = exchange.quiet_peer();
        let former = std::mem::replace(&mut exchange.route, route);
        exchange.path.clone_from(path);
        let media = &room.venue.media;
        let ours = exchange.renew(|origin| match &offer {
            Some(offer) => offer.answer(media, origin, path),
            None => exchange.offer(media, origin),
        });
        exchange.set_ours(ours);
        if let Some(offer) = &offer {
            exchange.theirs = Some(Theirs::offered(offer));
        } else {
            // Of the new session's peer nothing is known.
            exchange.forget_peer();
            exchange.open = Some(Open::Ours(transaction));
        }
        let before = std::mem::replace(&mut connected.media, Media::Awaited);
        let retires = before == Media::Bound;
        let retiring = Retiring { route: former, at: now + retirement };
        let earlier = std::mem::replace(&mut exchange.retiring, retires.then_some(retiring));
        let over = earlier.map(|earlier| earlier.route);
        let over = over
            .into_iter()
            .chain(superseded)
            .chain((!retires && before != Media::Held).then_some(former));
        for route in over {
            self.remove_route(route);
        }
        self.agree(now, session, transaction, &request, timer, true);
        if let Some(peer) = quiet.filter(|_| retires).map(Box::new) {
            self.order(Order::Describe { session: former, peer });
        }
        if offer.is_some() {
            self.order(Order::Activate { session: route });
        }
    }

    /// The answer to our offer, in the ACK (FOC-21) or in a 2xx. The first one makes the leg a
    /// recipient, or ends it; only then is it certain that it can take the place of an older one
    /// (FOC-14). Without a later one, all goes on as before, if there is anything to go on with.
    pub(super) fn take_answer(&mut self, now: Instant, session: SessionId, message: &Message) {
        let Some(leg) = self.legs.get(&session) else { return };
        let Some(room) = self.rooms.get(&leg.room) else { return };
        let Some(connected) = leg.connected() else { return };
        let answer = connected.exchange.read_answer(&room.venue.media, message, &self.names);
        if let Ok(MediaAnswer { unresolved, .. }) = &answer
            && self.waits_for(now, unresolved, || Postponed::answer(message, session))
        {
            return;
        }
        self.heed_answer(now, session, answer.map(|answer| answer.peer));
    }

    fn heed_answer(
        &mut self,
        now: Instant,
        session: SessionId,
        answer: Result<PeerMedia, Unacceptable>,
    ) {
        let replaces_at = now + self.config.timers.replacement;
        let Some(leg) = self.legs.get_mut(&session) else { return };
        let Some(room) = self.rooms.get(&leg.room) else { return };
        let Some(connected) = leg.connected_mut() else { return };
        let media = &room.venue.media;
        let exchange = &mut connected.exchange;
        exchange.open = None;
        let is_first = exchange.theirs.is_none();
        let had_peer = exchange.peer().is_some();
        let peer = match answer {
            Ok(peer) => peer,
            Err(fault) => {
                tracing::debug!(session = session.0, fault = fault.warn_text(), "no usable answer");
                if exchange.falls_back(media, fault) {
                    self.fall_back(session);
                } else if !had_peer {
                    let is_moving = exchange.relocation.is_some();
                    let farewell =
                        if is_moving { Farewell::CoreLost } else { Farewell::Unanswered };
                    self.end_leg(now, session, farewell);
                }
                return;
            }
        };
        let shape = exchange.shape();
        let (route, is_news) = (exchange.route, exchange.peer() != Some(&peer));
        exchange.theirs = Some(Theirs { shape, peer: Some(peer.clone()) });
        if exchange.relocation.take().is_some() && connected.media != Media::Bound {
            // From now on the peer knows where to come to.
            (connected.media, connected.ack) = (Media::Awaited, Ack::Received(now));
        }
        let is_bound = connected.media == Media::Bound;
        if is_first {
            connected.replaces_at = Some(replaces_at);
            // Only now is it said how the peer may come.
            if matches!(connected.ack, Ack::Received(_)) {
                connected.ack = Ack::Received(now);
            }
        }
        if is_news {
            self.order(Order::Describe { session: route, peer: Box::new(peer) });
        }
        if !had_peer {
            self.order(Order::Activate { session: route });
        }
        if is_first && is_bound {
            self.replace_older(now, session);
        }
    }

    /// A re-offer comes to nothing: all is as it was before it.
    pub(super) fn drop_change(&mut self, session: SessionId, refusal: &Refusal) {
        let change = self.connected(session).and_then(|it| it.exchange.take_change());
        if let Some(change) = change {
            self.remove_route(change.route);
            self.refuse_change(&change, refusal);
        }
    }

    /// The session that was in force before is not needed any more.
    pub(super) fn retire(&mut self, session: SessionId) {
        let retiring = self.connected(session).and_then(|it| it.exchange.retiring.take());
        if let Some(Retiring { route, .. }) = retiring {
            self.remove_route(route);
        }
    }

    /// Ends all sessions that a leg has in the media plane. The re-offer that was not answered is
    /// left to be refused.
    pub(super) fn end_routes(
        &mut self,
        media: Media,
        mut exchange: Exchange,
    ) -> Option<Box<Change>> {
        let change = exchange.take_change();
        let in_force = (media != Media::Held).then_some(exchange.route);
        let retiring = exchange.retiring.map(|retiring| retiring.route);
        let changing = change.as_ref().map(|change| change.route);
        let moving = exchange.relocation.filter(|it| it.deadline.is_some()).map(|it| it.route);
        for route in in_force.into_iter().chain(retiring).chain(changing).chain(moving) {
            self.remove_route(route);
        }
        change
    }

    /// The dialog is over, and with it a re-offer that was not answered (DLG-14).
    pub(super) fn give_up_change(&mut self, change: Option<Box<Change>>) {
        if let Some(change) = change {
            self.refuse_change(&change, &Refusal::Terminated);
        }
    }

    fn refuse_change(&mut self, change: &Change, refusal: &Refusal) {
        self.invites.remove(&change.transaction);
        self.refuse(change.transaction, &change.request, refusal);
    }

    /// The media stops: there is no session in the media plane until the peer offers one.
    fn put_on_hold(&mut self, session: SessionId) {
        self.retire(session);
        let Some(connected) = self.connected(session) else { return };
        let route = connected.exchange.route;
        if std::mem::replace(&mut connected.media, Media::Held) != Media::Held {
            self.remove_route(route);
        }
    }

    pub(super) fn remove_route(&mut self, route: SessionId) {
        self.routes.remove(&route);
        self.order(Order::Remove { session: route });
    }
}
