//! Joining: from an INVITE to the 200, and what is undone when it does not get there.
//!
//! ```text
//! INVITE -> examine (steps 1 to 5) -> stage C -> seat, INSTALL -> Installed -> 200, ACTIVATE, NOTIFY
//!                 |                     |                |
//!                 refused               refused          refused, too late or withdrawn: the seat is free
//! ```
//!
//! An INVITE without an offer gets ours in the 200. ACTIVATE waits for the answer then, which comes
//! with the ACK or ends the leg (FOC-21).

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use mailbox::{ParticipantId, RoomId, SessionId};
use msrp::UriBuf;

use super::{
    Focus, Incoming, Subject, Utc,
    conference_info::Disconnection,
    content::Content,
    directory::{Place, SESSION_TOKEN_SIZE},
    duty::Duty,
    errand::Postponed,
    exchange::{Exchange, Open, Theirs},
    invite::UNAVAILABLE,
    keep_alive::allows_update,
    leg::{Ack, Connected, Farewell, Installing, Leg, Media, Phase},
    order::Order,
    participant::Originator,
    policy::{Petition, Snapshot},
    refusal::{ACCEPT, ALLOW, Refusal},
    room::Room,
    screen,
    session_timer::SessionTimer,
    venue::Venue,
};
use crate::{
    config::Profile,
    message::{Header, Marks, Reply, Request},
    offer_answer::{MediaOffer, Origin, RoomMedia, Shape},
    store::Change,
    transaction::ServerId,
};

/// What the steps of the change request found out.
struct Examined {
    venue: Arc<Venue>,
    /// The session that runs there, if one does.
    room: Option<RoomId>,
    is_anonymous: bool,
    offer: Option<MediaOffer>,
}

impl Focus {
    /// An INVITE outside of a dialog: a join or a rejoin, told apart by the Request-URI alone.
    pub(super) fn join(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        originator: &Originator,
        content: &Content,
    ) -> Result<(), Refusal> {
        let request = &incoming.request;
        screen::contact(request)?;
        screen::service(&self.config, request)?;
        let link = self.link(incoming)?;
        let Examined { venue, room, is_anonymous, offer } =
            self.examine(now, request, originator, content)?;
        if self.has_to_ask(now, offer.as_ref(), incoming, originator, content) {
            return Ok(());
        }
        let timer = self.agree_terms(request, offer.as_ref())?;
        let known = room.and_then(|room| self.rooms.get(&room));
        let legs = known.map_or(0, |room| room.legs_of(&originator.keys));
        if legs >= self.config.limits.legs_per_user {
            return Err(Refusal::TooManyLegs);
        }
        if let Some(room) = room.and_then(|room| self.rooms.get(&room)) {
            note_difference(&room.marks, request);
        }
        let room = room.map_or_else(|| self.open_room(venue, request), Ok)?;
        let installing = Installing {
            transaction: incoming.transaction,
            request: request.clone(),
            link,
            offer,
            timer,
            deadline: now + self.config.timers.install,
            early: None,
        };
        self.install(now, room, originator, is_anonymous, installing);
        Ok(())
    }

    /// Steps 1 to 5 of the change request (7.2.1.5), and the same for a room that is joined by its
    /// own URI (PUB-03). Nothing is changed by asking.
    fn examine(
        &self,
        now: Instant,
        request: &Request,
        originator: &Originator,
        content: &Content,
    ) -> Result<Examined, Refusal> {
        let place = self.directory.find(request.request_uri());
        let is_rejoin = matches!(place, Place::Session(_));
        let (venue, room) = match place {
            Place::Session(room) => {
                let venue = self.rooms.get(&room).map(|room| Arc::clone(&room.venue));
                (venue.ok_or(Refusal::NoSession)?, Some(room))
            }
            Place::NoSession => return Err(Refusal::NoSession),
            Place::Venue(venue) => {
                let room = self.directory.session_of(&venue);
                (venue, room)
            }
            Place::Factory | Place::Focus | Place::Nowhere => return Err(Refusal::NotFound),
        };
        let is_anonymous = request.privacy().id;
        let at = self.clock.utc(now);
        let limits = &self.config.limits;
        let snapshot = room.and_then(|room| self.rooms.get(&room)).map_or_else(
            || Snapshot::of_nobody(limits),
            |room| room.snapshot(&originator.keys, at, limits),
        );
        // Whoever comes by the name of the room or the group asks its rules, not the session (RCS-04).
        let has_departed = snapshot.has_departed && is_rejoin;
        let snapshot = Snapshot { has_departed, ..snapshot };
        let petition = Petition { user: &originator.keys, anonymous: is_anonymous, at };
        venue.policy.admit(petition, snapshot).map_err(Refusal::Denied)?;
        let offer = self.read_offer(request, content, &venue.media)?;
        Ok(Examined { venue, room, is_anonymous, offer })
    }

    /// Step 5: what the INVITE offers, if it offers anything, held against what the room allows. Who
    /// only knows of preconditions is answered at once (IMS-08).
    pub(super) fn read_offer(
        &self,
        request: &Request,
        content: &Content,
        room: &RoomMedia,
    ) -> Result<Option<MediaOffer>, Refusal> {
        let Some(sdp) = &content.sdp else { return Ok(None) };
        let offer = MediaOffer::read(sdp, room, &self.names).map_err(Refusal::Media)?;
        let insists = request.has_token(Header::Require, "precondition");
        Ok(Some(if insists { offer } else { offer.unconditional() }))
    }

    /// What comes behind step 5 and before a seat is taken (FOC-22): who is refreshing, and that
    /// whoever has something to reserve acknowledges what it is told meanwhile.
    pub(super) fn agree_terms(
        &self,
        request: &Request,
        offer: Option<&MediaOffer>,
    ) -> Result<Option<SessionTimer>, Refusal> {
        let timer = SessionTimer::negotiate(request, &self.config.timers)?;
        let is_ready = offer.is_none_or(MediaOffer::may_begin);
        if !is_ready && !screen::acknowledges_progress(request) {
            return Err(Refusal::Unreliable);
        }
        Ok(timer)
    }

    /// Whether a request has to wait until it is known of whose names its offer speaks.
    pub(super) fn has_to_ask(
        &mut self,
        now: Instant,
        offer: Option<&MediaOffer>,
        incoming: &Incoming,
        originator: &Originator,
        content: &Content,
    ) -> bool {
        offer.is_some_and(|offer| {
            self.waits_for(now, offer.unresolved(), || Postponed::Outside {
                incoming: incoming.clone(),
                originator: originator.clone(),
                content: content.clone(),
            })
        })
    }

    /// OPTIONS is answered as an INVITE would be, and changes nothing (DLG-17).
    pub(super) fn options(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        originator: &Originator,
        content: &Content,
    ) -> Result<(), Refusal> {
        let request = &incoming.request;
        let contact = match self.directory.find(request.request_uri()) {
            Place::Focus => None,
            Place::Factory => self.config.ad_hoc.as_ref().map(|ad_hoc| ad_hoc.factory.clone()),
            Place::Session(_) | Place::NoSession | Place::Venue(_) | Place::Nowhere => {
                let examined = self.examine(now, request, originator, content)?;
                let offer = examined.offer.as_ref();
                if self.has_to_ask(now, offer, incoming, originator, content) {
                    return Ok(());
                }
                let room = examined.room.and_then(|room| self.rooms.get(&room));
                Some(room.map_or_else(|| examined.venue.uri.clone(), |room| room.identity.clone()))
            }
        };
        let mut reply = self.capabilities(Reply::new(200));
        if let Some(contact) = contact {
            reply = reply.header(Header::Contact, &contact_of(&contact));
        }
        self.reply(incoming.transaction, reply);
        Ok(())
    }

    /// A session of the room begins, with nobody in it yet. Whoever gets no seat in it after all
    /// leaves none behind (PUB-04).
    fn open_room(&mut self, venue: Arc<Venue>, invite: &Request) -> Result<RoomId, Refusal> {
        let identity = self.session_identity();
        self.open_session(identity, venue, invite)
    }

    /// A session begins by that INVITE, under the name of `identity`.
    pub(super) fn open_session(
        &mut self,
        identity: String,
        venue: Arc<Venue>,
        invite: &Request,
    ) -> Result<RoomId, Refusal> {
        if self.duty != Duty::Serving {
            return Err(Refusal::Draining);
        }
        if self.rooms.len() >= self.config.limits.sessions {
            return Err(Refusal::Exhausted);
        }
        let id = RoomId(self.next_id());
        let (session, uri) = (identity.clone(), venue.uri.clone());
        self.record(|| Change::Opened { session, room: uri });
        let profile = self.config.profile;
        let mut room = Room::new(id, identity, venue);
        if profile == Profile::Rcs {
            (room.marks, room.keeps_members) = (Marks::read(invite), true);
        }
        self.hold(room);
        self.record_marks(id);
        Ok(id)
    }

    /// Has a session run from now on.
    pub(super) fn hold(&mut self, room: Room) {
        self.directory.open(room.id, &room.identity, &room.venue);
        let media = &room.venue.media;
        let (size_max, policy) = (media.size_max, media.policy.clone());
        self.order(Order::Open { room: room.id, addresses: room.addresses(), size_max, policy });
        self.rooms.insert(room.id, room);
    }

    /// A name that nobody can guess and no other session ever has (PUB-08).
    pub(super) fn session_identity(&mut self) -> String {
        let mut token = self.tokens.token() + &self.tokens.token();
        token.truncate(SESSION_TOKEN_SIZE);
        self.directory.identity(&token)
    }

    /// Takes a seat (FOC-13) and asks the media plane to expect the leg (FOC-23).
    pub(super) fn install(
        &mut self,
        now: Instant,
        room_id: RoomId,
        originator: &Originator,
        is_anonymous: bool,
        installing: Installing,
    ) {
        let session = SessionId(self.next_id());
        let fresh = ParticipantId(self.next_id());
        let at = self.clock.utc(now);
        let Some(room) = self.rooms.get_mut(&room_id) else { return };
        let participant = room.take_seat(fresh, session, originator, is_anonymous);
        let participant_id = participant.id;
        let peer = installing.offer.as_ref().map(|offer| offer.peer().clone());
        let Some(member) = room.member(participant_id, session, peer, at) else { return };
        self.invites.insert(installing.transaction, session);
        let instance = installing
            .request
            .address(Header::Contact)
            .and_then(|contact| contact.params().get("+sip.instance").map(str::to_owned));
        let leg = Leg {
            session,
            room: room_id,
            participant: participant_id,
            instance,
            phase: Phase::Installing(Box::new(installing)),
            alarm: None,
        };
        self.legs.insert(session, leg);
        self.plan_leg(session);
        self.order(Order::Install { session, room: room_id, member: Box::new(member) });
    }

    /// The media plane expects the leg: it is answered, activated, and told of (steps 6 to 11).
    pub(super) fn installed(&mut self, now: Instant, session: SessionId, path: &UriBuf) {
        if let Some(leg) = self.routes.get(&session).copied() {
            if self.awaits_relocation(leg, session) {
                return self.relocated(now, leg, path);
            }
            return self.rerouted(now, leg, session, path);
        }
        let Some(leg) = self.legs.get(&session) else { return };
        let Phase::Installing(installing) = &leg.phase else {
            return self.call(now, session, path);
        };
        let Some(room) = self.rooms.get(&leg.room) else { return };
        let Installing { transaction, offer, .. } = &**installing;
        let origin = origin_of(self.clock.utc(now), session);
        let media = &room.venue.media;
        let (theirs, open) = match offer {
            Some(offer) => (Some(Theirs::offered(offer)), None),
            None => (None, Some(Open::Ours(*transaction))),
        };
        let ours = match offer {
            Some(offer) => Bytes::from(offer.answer(media, origin, path)),
            None => Bytes::from(media.offer(&Shape::default(), origin, path)),
        };
        let exchange = Exchange::new(session, origin, path.clone(), ours);
        let exchange = Exchange { theirs, open, ..exchange };
        if offer.as_ref().is_none_or(MediaOffer::may_begin) {
            self.accept(now, session, exchange, None);
        } else {
            self.progress(now, session, exchange);
        }
    }

    /// The 200, and what comes with it. It describes our side, unless the peer knows that from an
    /// `early` answer: then this is how far its media has come.
    pub(super) fn accept(
        &mut self,
        now: Instant,
        session: SessionId,
        exchange: Exchange,
        early: Option<Media>,
    ) {
        let chance = self.tokens.below(SessionTimer::CHANCES);
        let Some(leg) = self.legs.get_mut(&session) else { return };
        let Phase::Installing(installing) = &leg.phase else { return };
        let Some(room) = self.rooms.get_mut(&leg.room) else { return };
        let Installing { transaction, request, link, timer, .. } = &**installing;
        let (transaction, timer, room_id) = (*transaction, *timer, leg.room);
        let timers = &self.config.timers;
        let is_agreed = exchange.theirs.is_some();
        let ours = exchange.ours.clone();
        let contact = contact_of(&room.identity);
        let (dialog, link) = (link.id().clone(), link.clone());
        leg.phase = Phase::Connected(Box::new(Connected {
            dialog,
            ack: Ack::Awaited,
            media: early.unwrap_or(Media::Awaited),
            timing: timer.map(|timer| timer.start(now, chance)),
            takes_update: allows_update(request).unwrap_or(false),
            replaces_at: is_agreed.then(|| now + timers.replacement),
            exchange,
        }));
        let describes = early.is_none();
        if describes {
            self.dialogs.begin_leg(link, session);
        }
        let hidden_until = now + timers.notify_min_interval;
        let begins = !room.has_begun();
        let has_new_name = room.connect(session, now, hidden_until);
        room.note_return(self.clock.utc(now));
        self.counters.joins += 1;
        self.record_joined(room_id, session);

        let reply = self.capabilities(Reply::new(200)).header(Header::Contact, &contact);
        let reply = with_timer(reply, timer);
        let reply = if describes { reply.body("application/sdp", ours) } else { reply };
        self.reply(transaction, reply);
        if is_agreed {
            self.order(Order::Activate { session });
        }
        self.plan_leg(session);
        if early == Some(Media::Bound) {
            self.replace_older(now, session);
        }
        if has_new_name {
            self.end_former_name(now, session);
            self.agenda.add(hidden_until, Subject::Room(room_id));
        }
        self.withdraw_others(now, session);
        self.notify_watchers(now, room_id);
        if begins {
            self.gather(now, room_id);
            self.check_expiry(now, room_id);
        }
    }

    /// The media plane did not take the leg (FOC-22).
    pub(super) fn not_installed(&mut self, now: Instant, session: SessionId) {
        if let Some(leg) = self.routes.get(&session).copied() {
            if self.awaits_relocation(leg, session) {
                return self.end_leg(now, leg, Farewell::CoreLost);
            }
            return self.drop_change(leg, &Refusal::MediaPlane);
        }
        self.abandon(now, session, &Refusal::MediaPlane);
        self.fail_invitation(now, session, UNAVAILABLE);
    }

    /// The INVITE is withdrawn. Once it is answered that changes nothing (DLG-16).
    pub(super) fn cancel(&mut self, now: Instant, invite: ServerId) {
        let Some(session) = self.invites.get(&invite).copied() else { return };
        let change = self.connected(session).and_then(|connected| connected.exchange.change());
        if change.is_some_and(|change| change.transaction == invite) {
            self.drop_change(session, &Refusal::Terminated);
        } else {
            self.abandon(now, session, &Refusal::Terminated);
        }
    }

    /// A leg that has not been answered is refused, and its seat is free (FOC-13).
    pub(super) fn abandon(&mut self, now: Instant, session: SessionId, refusal: &Refusal) {
        let Some(leg) = self.legs.get(&session) else { return };
        let Phase::Installing(installing) = &leg.phase else { return };
        let (transaction, request) = (installing.transaction, installing.request.clone());
        let (room, dialog) = (leg.room, installing.link.id().clone());
        self.legs.remove(&session);
        self.invites.remove(&transaction);
        self.dialogs.end_leg(&dialog);
        self.order(Order::Remove { session });
        self.refuse(transaction, &request, refusal);
        self.vacate(now, room, session, Disconnection::Departed);
    }

    /// What every positive answer says of us (FOC-24).
    pub(super) fn capabilities(&self, reply: Reply) -> Reply {
        let precondition = if self.config.preconditions { ", precondition" } else { "" };
        reply
            .header(Header::Server, &self.server())
            .header(Header::Allow, ALLOW)
            .header(Header::AllowEvents, "conference")
            .header(Header::Accept, ACCEPT)
            .header(Header::Supported, &format!("{SUPPORTED}{precondition}"))
    }
}

/// Says in the log that an INVITE to a conversation names another, or none. It is let in all the same:
/// the Request-URI decides (RCS-01).
fn note_difference(marks: &Marks, request: &Request) {
    let Some(contribution) = marks.contribution.as_deref() else { return };
    let theirs = request.header(Header::ContributionId);
    if theirs != Some(contribution) {
        let call_id = request.call_id();
        tracing::info!(call_id, contribution, theirs, "rejoins by another Contribution-ID");
    }
}

/// The name of our part of a session's description: no other has it (RFC 8866 section 5.2).
pub(super) fn origin_of(at: Utc, session: SessionId) -> Origin {
    Origin { session: at.0 << 32 | session.0, version: 1 }
}

/// The extensions we know, as Supported has them.
const SUPPORTED: &str = "timer, 100rel, norefersub, gruu, recipient-list-invite";
/// The same in INVITEs and UPDATEs of ours. What who is called says before its answer is of no use to us, and so
/// never acknowledged: it must not think that it would be (RFC 3262 section 3).
pub(super) const SUPPORTED_AS_CALLER: &str = "timer, norefersub, gruu, recipient-list-invite";

/// Adds what was agreed about refreshes (TMR-01).
pub(super) fn with_timer(reply: Reply, timer: Option<SessionTimer>) -> Reply {
    match timer {
        Some(timer) if timer.is_required() => {
            reply.header(Header::Require, "timer").header(Header::SessionExpires, &timer.header())
        }
        Some(timer) => reply.header(Header::SessionExpires, &timer.header()),
        None => reply,
    }
}

/// Contact of the focus in all that belongs to a session (FOC-25).
pub(super) fn contact_of(uri: &str) -> String {
    format!("<{uri}>;isfocus;automata;message;event=\"conference\";+g.oma.sip-im")
}
