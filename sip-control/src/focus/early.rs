//! Answering in two steps, where the peer has something to reserve first (RFC 3312): a 183 with our
//! description, sent until it is acknowledged (RFC 3262), and the 200 when all is reserved.
//!
//! ```text
//! Installed -> 183 ... PRACK -> 200        both: 200 to the INVITE, and on as for any other
//!                      UPDATE, all met -> 200
//!              too late, withdrawn or never acknowledged: the leg is refused, and its seat is free
//! ```

use std::time::{Duration, Instant};

use bytes::Bytes;
use mailbox::SessionId;

use super::{
    Focus, Incoming,
    content::Content,
    errand::Postponed,
    exchange::{Exchange, Theirs},
    join::contact_of,
    leg::{Installing, Leg, Media, Phase},
    order::Order,
    refusal::{ALLOW, Refusal},
    renegotiate::RETRY_AFTER_MAX,
};
use crate::{
    message::{Header, Method, RAck, Reply, Request},
    offer_answer::MediaOffer,
};

/// A leg that has been told of our side, and not yet that it may begin.
#[derive(Debug)]
pub struct Early {
    /// The 183.
    reply: Reply,
    /// Its RSeq.
    number: u32,
    /// When it is sent again, until it is acknowledged.
    resend_at: Option<Instant>,
    /// How long after that once more.
    wait: Duration,
    /// When its acknowledgement is not waited for any more.
    overdue_at: Instant,
    /// Whether all is reserved that has to be.
    is_ready: bool,
    /// What both sides have said.
    pub exchange: Exchange,
    /// Where its MSRP session is: nobody has to wait for the 200 to come to it.
    pub media: Media,
}

impl Early {
    /// When something about its acknowledgement is due.
    pub fn due(&self) -> Option<Instant> {
        self.resend_at.map(|at| at.min(self.overdue_at))
    }
}

/// RSeq begins below this (RFC 3262 section 3).
const NUMBER_MAX: u32 = (1 << 31) - 1;
/// How often T1 goes into the time that an acknowledgement may take (RFC 3262 section 3).
const PATIENCE: u32 = 64;

impl Focus {
    /// The media plane expects the leg, but its peer has something to reserve before.
    pub(super) fn progress(&mut self, now: Instant, session: SessionId, exchange: Exchange) {
        let number = 1 + self.tokens.below(NUMBER_MAX);
        let (t1, patience) = (self.config.timers.t1, self.config.timers.preconditions);
        let server = self.server();
        let Some(leg) = self.legs.get_mut(&session) else { return };
        let Some(room) = self.rooms.get(&leg.room) else { return };
        let contact = contact_of(&room.identity);
        let Phase::Installing(installing) = &mut leg.phase else { return };
        installing.deadline = now + patience;
        let (transaction, link) = (installing.transaction, installing.link.clone());
        let reply = Reply::new(183)
            .header(Header::Server, &server)
            .header(Header::Contact, &contact)
            .header(Header::Allow, ALLOW)
            .header(Header::Require, "100rel")
            .header(Header::RSeq, &number.to_string())
            .body("application/sdp", exchange.ours.clone());
        installing.early = Some(Box::new(Early {
            reply: reply.clone(),
            number,
            resend_at: Some(now + t1),
            wait: t1,
            overdue_at: now + PATIENCE * t1,
            is_ready: false,
            exchange,
            media: Media::Awaited,
        }));
        self.dialogs.begin_leg(link, session);
        self.reply(transaction, reply);
        self.plan_leg(session);
    }

    /// A PRACK: it is for the 183 that is sent again and again, or for nothing (RFC 3262 section 3).
    pub(super) fn prack(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        session: SessionId,
    ) -> Result<(), Refusal> {
        let request = &incoming.request;
        let acknowledged = request.header(Header::RAck).and_then(RAck::parse);
        let installing = self.early(session).ok_or(Refusal::NoDialog)?;
        let (invite, early) = (installing.request.sequence(), &installing.early);
        let early = early.as_ref().ok_or(Refusal::NoDialog)?;
        let is_it = |rack: RAck<'_>| {
            early.resend_at.is_some()
                && rack.response == early.number
                && rack.cseq.number == invite
                && rack.cseq.method() == Method::Invite
        };
        if !acknowledged.is_some_and(is_it) {
            return Err(Refusal::NoDialog);
        }
        let offer = self.early_offer(session, request)?;
        if self.waits_early(now, incoming, session, offer.as_ref()) {
            return Ok(());
        }
        let answer = self.answer_early(session, offer)?;
        if let Some(early) = self.early(session).and_then(|it| it.early.as_mut()) {
            early.resend_at = None;
        }
        let reply = self.plain_reply(200);
        self.reply(incoming.transaction, with_answer(reply, answer));
        self.begin_if_ready(now, session);
        Ok(())
    }

    /// An UPDATE before the INVITE is answered: what it is for is to say what is reserved by now.
    pub(super) fn update_early(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        session: SessionId,
    ) -> Result<(), Refusal> {
        let request = &incoming.request;
        let leg = self.legs.get(&session).ok_or(Refusal::NoDialog)?;
        let room = self.rooms.get(&leg.room).ok_or(Refusal::NoDialog)?;
        let contact = contact_of(&room.identity);
        let installing = self.early(session).ok_or(Refusal::NoDialog)?;
        let dialog = installing.link.id().clone();
        let link = self.dialogs.get(&dialog).map(|usages| usages.link.clone());
        link.ok_or(Refusal::NoDialog)?.refresh(request)?;
        let offer = self.early_offer(session, request)?;
        if self.waits_early(now, incoming, session, offer.as_ref()) {
            return Ok(());
        }
        let answer = self.answer_early(session, offer)?;
        if let Some(link) = self.dialogs.link_mut(&dialog) {
            link.refresh(request)?;
        }
        let reply = self.capabilities(Reply::new(200)).header(Header::Contact, &contact);
        self.reply(incoming.transaction, with_answer(reply, answer));
        self.begin_if_ready(now, session);
        Ok(())
    }

    /// What of an early leg is due: the 183 once more, or its end.
    pub(super) fn look_at_early(&mut self, now: Instant, session: SessionId) {
        let Some(installing) = self.early(session) else { return };
        let (deadline, transaction) = (installing.deadline, installing.transaction);
        let Some(early) = &mut installing.early else { return };
        if early.resend_at.is_some() && early.overdue_at <= now {
            return self.abandon(now, session, &Refusal::Unacknowledged);
        }
        if deadline <= now {
            return self.abandon(now, session, &Refusal::Precondition);
        }
        if early.resend_at.is_some_and(|at| at <= now) {
            early.wait *= 2;
            early.resend_at = Some(now + early.wait);
            let reply = early.reply.clone();
            self.reply(transaction, reply);
        }
        self.plan_leg(session);
    }

    /// The offer in a request, if there is one.
    fn early_offer(
        &mut self,
        session: SessionId,
        request: &Request,
    ) -> Result<Option<MediaOffer>, Refusal> {
        let retry_after = self.tokens.below(RETRY_AFTER_MAX + 1);
        let Some(sdp) = Content::read(request)?.sdp else { return Ok(None) };
        let leg = self.legs.get(&session).ok_or(Refusal::NoDialog)?;
        let room = self.rooms.get(&leg.room).ok_or(Refusal::NoDialog)?;
        let Phase::Installing(installing) = &leg.phase else { return Err(Refusal::NoDialog) };
        let early = installing.early.as_ref().ok_or(Refusal::NoDialog)?;
        early.exchange.may_begin(retry_after)?;
        let offer = MediaOffer::read(&sdp, &room.venue.media, &self.names);
        Ok(Some(offer.map_err(Refusal::Media)?))
    }

    /// Whether a request has to wait until it is known of whose names its offer speaks.
    fn waits_early(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        session: SessionId,
        offer: Option<&MediaOffer>,
    ) -> bool {
        offer.is_some_and(|offer| {
            let postponed = || Postponed::within(incoming, session);
            self.waits_for(now, offer.unresolved(), postponed)
        })
    }

    /// Our answer to an offer, if there was one.
    fn answer_early(
        &mut self,
        session: SessionId,
        offer: Option<MediaOffer>,
    ) -> Result<Option<Bytes>, Refusal> {
        let Some(offer) = offer else { return Ok(None) };
        let leg = self.legs.get_mut(&session).ok_or(Refusal::NoDialog)?;
        let room = self.rooms.get(&leg.room).ok_or(Refusal::NoDialog)?;
        let Phase::Installing(installing) = &mut leg.phase else { return Err(Refusal::NoDialog) };
        let early = installing.early.as_mut().ok_or(Refusal::NoDialog)?;
        let media = &room.venue.media;
        let exchange = &mut early.exchange;
        let ours = exchange.renew(|origin| offer.answer(media, origin, &exchange.path));
        exchange.set_ours(ours.clone());
        early.is_ready = offer.may_begin();
        let is_news = exchange.peer() != Some(offer.peer());
        exchange.theirs = Some(Theirs::offered(&offer));
        let peer = is_news.then(|| Box::new(offer.peer().clone()));
        installing.offer = Some(offer);
        if let Some(peer) = peer {
            self.order(Order::Describe { session, peer });
        }
        Ok(Some(ours))
    }

    /// The 200 waits for both: that the 183 is known to have come, and that all is reserved.
    fn begin_if_ready(&mut self, now: Instant, session: SessionId) {
        let early = self.early(session).and_then(|installing| {
            installing.early.take_if(|early| early.is_ready && early.resend_at.is_none())
        });
        if let Some(early) = early {
            self.accept(now, session, early.exchange, Some(early.media));
        }
    }

    pub(super) fn early(&mut self, session: SessionId) -> Option<&mut Installing> {
        let Leg { phase: Phase::Installing(installing), .. } = self.legs.get_mut(&session)? else {
            return None;
        };
        Some(&mut **installing).filter(|installing| installing.early.is_some())
    }
}

fn with_answer(reply: Reply, answer: Option<Bytes>) -> Reply {
    match answer {
        Some(answer) => reply.body("application/sdp", answer),
        None => reply,
    }
}
