//! Inviting: from the wish to have somebody in a session to a leg, or to the reason why there is
//! none (RFC 4579 section 5.5).
//!
//! ```text
//! invite -> INSTALL -> Installed -> located -> INVITE -> 2xx -> ACK, ACTIVATE, NOTIFY
//!              |                       |          |        |
//!              refused             no place    refused,   no seat left, or no use of the answer: BYE
//!                                              too late, or withdrawn: CANCEL
//! ```
//!
//! Whoever is invited holds no seat: it is taken, if one is left, with the 2xx (REF-04).

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use mailbox::{ParticipantId, PeerMedia, RoomId, SessionId};
use msrp::UriBuf;

use super::{
    Focus, RequestId,
    charging::Vector,
    conference_info::{Disconnection, Progress},
    errand::Postponed,
    exchange::{Exchange, Theirs},
    join::{SUPPORTED_AS_CALLER, contact_of, origin_of},
    keep_alive::allows_update,
    leg::{Ack, Connected, Farewell, Inviting, Leg, Media, Phase, Stage},
    link::Link,
    order::Order,
    output::Output,
    participant::Originator,
    recipients::Recipient,
    referral::ReferralId,
    refusal::{ACCEPT, ALLOW},
    screen,
    session_timer::{SessionTimer, Timing},
    user::UserKey,
    way::Way,
};
use crate::{
    digest::Tries,
    message::{Draft, Header, Marks, Method, Response, SipUri, join_parts, status},
    offer_answer::{MediaAnswer, Shape, Unacceptable},
    transport::Target,
};

/// Somebody who is to be in a session.
#[derive(Clone, Debug)]
pub struct Invitee {
    /// Who it is.
    pub user: Originator,
    /// The URI it is called at.
    pub uri: String,
    /// Nobody is told of it before it has joined (PUB-12).
    pub is_hidden: bool,
}

impl Invitee {
    /// Somebody by the URI that names it; `None` when that names nobody.
    pub fn of(uri: &str) -> Option<Self> {
        let key = UserKey::of(uri)?;
        let parsed = SipUri::parse(uri);
        let bare = parsed.map_or_else(|| uri.to_owned(), |uri| uri.bare());
        let user =
            Originator { uri: bare.clone(), uris: vec![bare], keys: vec![key], display_name: None };
        let uri = parsed.map_or_else(|| uri.to_owned(), |uri| uri.callee());
        Some(Self { user, uri, is_hidden: false })
    }

    /// Somebody on a list.
    pub fn listed(recipient: &Recipient) -> Option<Self> {
        Some(Self { is_hidden: recipient.is_hidden(), ..Self::of(&recipient.uri)? })
    }
}

/// Whom to invite when a session has begun.
#[derive(Clone, Debug)]
pub struct Gathering {
    /// Everybody, in the order of importance.
    pub invitees: Vec<Invitee>,
    /// What they are told.
    pub invitation: Arc<Invitation>,
}

/// What the INVITEs say that go out for one reason.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Invitation {
    /// Who asked for it, as Referred-By has it, if that may be told (ID-09).
    pub referred_by: Option<String>,
    /// Who else is called, a list as RFC 5364 has it.
    pub history: Option<String>,
}

/// An INVITE of ours, as long as it can be answered.
#[derive(Debug)]
pub struct Call {
    pub session: SessionId,
    /// Its Request-URI.
    pub uri: String,
    /// Where it goes: first where it was met.
    pub targets: Vec<Target>,
    /// What it says, but for proof of who we are.
    pub draft: Draft,
    /// The least interval that somebody on its way has asked for, in seconds.
    pub min_se: Option<u32>,
    /// To whom on its way it has given proof.
    pub tries: Tries,
    /// By what an IMS core knows the dialog that it makes.
    pub vector: Option<Vector>,
}

const SDP: &str = "application/sdp";
/// What a list is marked with that only tells who else is called (RFC 5364 section 6).
const HISTORY_FIELDS: &[(Header, &str)] = &[
    (Header::ContentType, "application/resource-lists+xml"),
    (Header::ContentDisposition, "recipient-list-history; handling=optional"),
];

/// The status of a call that could not be made: for want of a way, or of room in the media plane.
pub const UNAVAILABLE: u16 = 503;
/// The status of a call that nobody answers.
pub const NO_ANSWER: u16 = 408;
/// The status of a call that was answered when there was no seat left.
const NO_SEAT: u16 = 486;
/// The status of a call whose answer cannot be used.
const NO_USE: u16 = 488;
/// The status of a call that is not wanted any more.
pub const WITHDRAWN: u16 = 487;

impl Focus {
    /// Invites somebody. What comes of it is told to who watches, and to the sender of `referral`.
    /// Whether it is tried at all is returned.
    pub(super) fn invite(
        &mut self,
        now: Instant,
        room_id: RoomId,
        invitee: Invitee,
        invitation: Arc<Invitation>,
        referral: Option<ReferralId>,
    ) -> bool {
        if self.legs.len() >= self.config.limits.legs {
            return false;
        }
        let session = SessionId(self.next_id());
        let fresh = ParticipantId(self.next_id());
        let first =
            if self.config.transient_states { Progress::DialingOut } else { Progress::Pending };
        let at = self.clock.utc(now);
        let Some(room) = self.rooms.get_mut(&room_id) else { return false };
        let shown = Some(first).filter(|_| !invitee.is_hidden);
        let participant = room.expect(fresh, session, &invitee.user, shown);
        let participant_id = participant.id;
        let Some(member) = room.member(participant_id, session, None, at) else { return false };
        let inviting = Inviting {
            uri: invitee.uri,
            redirections: Vec::new(),
            invitation,
            referral,
            stage: Stage::Installing,
            deadline: now + self.config.timers.install,
        };
        let leg = Leg {
            session,
            room: room_id,
            participant: participant_id,
            instance: None,
            phase: Phase::Inviting(Box::new(inviting)),
            alarm: None,
        };
        self.legs.insert(session, leg);
        self.plan_leg(session);
        self.order(Order::Install { session, room: room_id, member: Box::new(member) });
        self.notify_watchers(now, room_id);
        true
    }

    /// The media plane expects the user, who may be called now (PUB-10).
    pub(super) fn call(&mut self, now: Instant, session: SessionId, path: &UriBuf) {
        let ringing = self.config.timers.ringing;
        let Some(Phase::Inviting(inviting)) = self.legs.get_mut(&session).map(|leg| &mut leg.phase)
        else {
            return;
        };
        let way = match Way::to(inviting.request_uri(), &self.config) {
            Ok(way) => way,
            Err(why) => {
                tracing::info!(session = session.0, %why, "no way to who is invited");
                return self.fail_invitation(now, session, UNAVAILABLE);
            }
        };
        inviting.stage = Stage::Locating { path: path.clone() };
        inviting.deadline = now + ringing;
        self.plan_leg(session);
        match way.hop.target() {
            Some(target) => self.located(now, session, &[target]),
            None => self.outputs.push_back(Output::Locate { session, destination: way.hop }),
        }
    }

    /// It is known where the INVITE has to go.
    pub(super) fn located(&mut self, now: Instant, session: SessionId, targets: &[Target]) {
        let Some(leg) = self.legs.get(&session) else { return };
        let Phase::Inviting(inviting) = &leg.phase else { return };
        let Stage::Locating { path } = &inviting.stage else { return };
        let Some(room) = self.rooms.get(&leg.room) else { return };
        if targets.is_empty() {
            tracing::info!(session = session.0, "who is invited cannot be located");
            return self.fail_invitation(now, session, UNAVAILABLE);
        }
        let origin = origin_of(self.clock.utc(now), session);
        let ours = Bytes::from(room.venue.media.offer(&Shape::default(), origin, path));
        let exchange = Box::new(Exchange::new(session, origin, path.clone(), ours.clone()));
        let uri = inviting.request_uri().to_owned();
        let history = inviting.invitation.history.clone();
        let (call_id, tag) = (self.tokens.token(), self.tokens.token());
        let draft = self.draft_invite(session, targets, &call_id, &tag);
        let Some(mut draft) = draft else { return };
        let charging = self.config.charging.as_ref().filter(|_| self.are_trusted(targets));
        let vector = charging.map(|ours| Vector::new(&call_id, ours));
        if let Some(vector) = &vector {
            draft = draft.header(Header::PChargingVector, &vector.in_request());
        }
        let draft = match &history {
            Some(history) => {
                let boundary = self.tokens.token();
                let sdp = (&[(Header::ContentType, SDP)][..], &ours[..]);
                let body = join_parts(&boundary, [sdp, (HISTORY_FIELDS, history.as_bytes())]);
                draft.body(&format!("multipart/mixed;boundary={boundary}"), body)
            }
            None => draft.body(SDP, ours),
        };
        let request = RequestId(self.next_id());
        let targets = targets.to_vec();
        let call = Call {
            session,
            uri,
            targets: targets.clone(),
            draft: draft.clone(),
            min_se: None,
            tries: Tries::default(),
            vector,
        };
        self.calls.insert(request, call);
        self.counters.invitations += 1;
        self.put_out(request, draft, targets);
        if let Some(Phase::Inviting(inviting)) =
            self.legs.get_mut(&session).map(|leg| &mut leg.phase)
        {
            inviting.stage = Stage::Called { request, exchange };
        }
    }

    /// An INVITE of ours (PUB-09), but for its body.
    fn draft_invite(
        &self,
        session: SessionId,
        targets: &[Target],
        call_id: &str,
        tag: &str,
    ) -> Option<Draft> {
        let leg = self.legs.get(&session)?;
        let Phase::Inviting(inviting) = &leg.phase else { return None };
        let room = self.rooms.get(&leg.room)?;
        let own = &room.venue.uri;
        let mut draft = Draft::new(Method::Invite, inviting.request_uri());
        if let Some(route) = Way::to(inviting.request_uri(), &self.config).ok()?.route {
            draft = draft.header(Header::Route, &route);
        }
        draft = draft
            .header(Header::From, &format!("<{own}>;tag={tag}"))
            .header(Header::To, &format!("<{}>", inviting.uri))
            .header(Header::CallId, &format!("{call_id}@{}", self.config.host))
            .header(Header::CSeq, &format!("1 {}", Method::Invite.name()))
            .header(Header::Contact, &contact_of(&room.identity))
            .header(Header::AcceptContact, "*;+g.oma.sip-im");
        // Nobody outside the trust domain is told who we are by another's word (ID-09).
        if self.are_trusted(targets) {
            draft = draft.header(Header::PAssertedIdentity, &format!("<{own}>"));
        }
        if let Some(referred_by) = &inviting.invitation.referred_by {
            draft = draft.header(Header::ReferredBy, &format!("<{referred_by}>"));
        }
        if let Some(subject) = &room.venue.subject {
            draft = draft.header(Header::Subject, subject);
        }
        if !room.marks.is_empty() {
            let Marks { contribution, conversation } = &room.marks;
            tracing::info!(call_id, contribution, conversation, "invites");
        }
        Some(
            room.marks
                .put(draft)
                .header(Header::UserAgent, &self.server())
                .header(Header::Allow, ALLOW)
                .header(Header::AllowEvents, "conference")
                .header(Header::Accept, ACCEPT)
                .header(Header::Supported, SUPPORTED_AS_CALLER)
                .header(Header::SessionExpires, &SessionTimer::asked(&self.config.timers, 0)),
        )
    }

    /// Whether all of these belong to the trust domain.
    fn are_trusted(&self, targets: &[Target]) -> bool {
        targets.iter().all(|target| screen::is_trusted(&self.config, target.remote.ip()))
    }

    /// An INVITE of ours is answered, or never will be.
    pub(super) fn called(&mut self, now: Instant, request: RequestId, answer: Option<&Response>) {
        let Some(session) = self.calls.get(&request).map(|call| call.session) else { return };
        let is_wanted = self.is_called(session, request);
        match answer {
            Some(answer) if answer.code() < 200 => {
                if is_wanted {
                    self.progressed(now, session, answer.code());
                }
            }
            Some(answer) if answer.code() < 300 => self.accepted(now, request, answer),
            _ => {
                let call = self.calls.remove(&request);
                let refused = call.zip(answer);
                if is_wanted
                    && !refused.is_some_and(|(call, no)| self.call_again(now, request, call, no))
                {
                    let code = answer.map_or(NO_ANSWER, Response::code);
                    self.fail_invitation(now, session, code);
                }
            }
        }
    }

    /// Whether the leg still waits for the answer to that INVITE.
    fn is_called(&self, session: SessionId, request: RequestId) -> bool {
        let Some(Phase::Inviting(inviting)) = self.legs.get(&session).map(|leg| &leg.phase) else {
            return false;
        };
        matches!(inviting.stage, Stage::Called { request: of, .. } if of == request)
    }

    /// A session has begun: those it was made for are invited, or all of its group if the group wants
    /// that, as many as there are seats for (PUB-07, PUB-11).
    pub(super) fn gather(&mut self, now: Instant, room_id: RoomId) {
        let Some(room) = self.rooms.get_mut(&room_id) else { return };
        let seats = room.venue.policy.seats(&self.config.limits).saturating_sub(room.users());
        let members = || Gathering {
            invitees: room.venue.policy.invitees(),
            invitation: Arc::new(Invitation::default()),
        };
        let Gathering { invitees, invitation } = room.gathering.take().unwrap_or_else(members);
        let absent = invitees.into_iter().filter(|them| !room.is_connected(&them.user.keys));
        let absent: Vec<Invitee> = absent.take(seats).collect();
        for invitee in absent {
            self.invite(now, room_id, invitee, Arc::clone(&invitation), None);
        }
    }

    /// The user's device has something to say, but not yes or no.
    fn progressed(&mut self, now: Instant, session: SessionId, code: u16) {
        if !self.config.transient_states || code == 100 {
            return;
        }
        let Some(room_id) = self.legs.get(&session).map(|leg| leg.room) else { return };
        let room = self.rooms.get_mut(&room_id);
        if room.is_some_and(|room| room.progress(session, Progress::Alerting)) {
            self.notify_watchers(now, room_id);
        }
    }

    /// A 2xx. It is acknowledged in any case, and first of all; whether anybody wants the dialog it
    /// makes comes after that (DLG-06).
    fn accepted(&mut self, now: Instant, request: RequestId, ok: &Response) {
        let Some(call) = self.calls.get(&request) else { return };
        let (session, call_vector) = (call.session, call.vector.clone());
        let Some(&target) = call.targets.first() else { return };
        let is_wanted = self.is_called(session, request);
        let Some(link) = Link::begin(&call.uri, ok, target) else {
            if is_wanted {
                self.fail_invitation(now, session, NO_ANSWER);
            }
            return;
        };
        let link = link.charged(call_vector);
        let (ack, target) = link.ack(ok.sequence());
        self.outputs.push_back(Output::Acknowledge { request, ack, target });
        self.take_yes(now, request, session, link, ok);
    }

    /// A 2xx that is acknowledged, and the dialog it makes: of use, or ended with BYE.
    pub(super) fn take_yes(
        &mut self,
        now: Instant,
        request: RequestId,
        session: SessionId,
        mut link: Link,
        ok: &Response,
    ) {
        if !self.is_called(session, request) {
            return self.say_farewell(link.request(Method::Bye), Farewell::Surplus);
        }
        let answer = self.answer_in(session, ok);
        if let Ok(MediaAnswer { unresolved, .. }) = &answer
            && self.waits_for(now, unresolved, || Postponed::Yes {
                request,
                session,
                link: Box::new(link.clone()),
                ok: ok.clone(),
            })
        {
            return;
        }
        let answer = answer.map(|answer| answer.peer);
        if let Err(farewell) = self.take_in(now, request, session, link.clone(), ok, answer) {
            self.say_farewell(link.request(Method::Bye), farewell);
            if let Some(Phase::Inviting(inviting)) = self.legs.get(&session).map(|leg| &leg.phase) {
                let code = if farewell == Farewell::NoSeat { NO_SEAT } else { NO_USE };
                self.conclude(now, inviting.referral, code);
            }
            self.withdraw(now, session, farewell.disconnection());
        }
    }

    /// What the user says of its media, in answer to our offer.
    fn answer_in(&self, session: SessionId, ok: &Response) -> Result<MediaAnswer, Unacceptable> {
        let leg = self.legs.get(&session).ok_or(Unacceptable::Missing)?;
        let room = self.rooms.get(&leg.room).ok_or(Unacceptable::Missing)?;
        match &leg.phase {
            Phase::Inviting(inviting) => match &inviting.stage {
                Stage::Called { exchange, .. } => {
                    exchange.read_answer(&room.venue.media, ok, &self.names)
                }
                Stage::Installing | Stage::Locating { .. } => Err(Unacceptable::Missing),
            },
            _ => Err(Unacceptable::Missing),
        }
    }

    /// The user said yes: the leg is connected if a seat is left and the answer can be used.
    fn take_in(
        &mut self,
        now: Instant,
        request: RequestId,
        session: SessionId,
        link: Link,
        ok: &Response,
        answer: Result<PeerMedia, Unacceptable>,
    ) -> Result<(), Farewell> {
        let at = self.clock.utc(now);
        let chance = self.tokens.below(SessionTimer::CHANCES);
        let min_se = self.calls.get(&request).and_then(|call| call.min_se);
        let leg = self.legs.get_mut(&session).ok_or(Farewell::Surplus)?;
        let room = self.rooms.get_mut(&leg.room).ok_or(Farewell::Surplus)?;
        let Phase::Inviting(inviting) = &leg.phase else { return Err(Farewell::Surplus) };
        let Stage::Called { exchange, .. } = &inviting.stage else { return Err(Farewell::Surplus) };
        let participant = room.participant(leg.participant).ok_or(Farewell::Surplus)?;
        let snapshot = room.snapshot(&participant.keys, at, &self.config.limits);
        if !room.venue.policy.has_seat(snapshot) {
            return Err(Farewell::NoSeat);
        }
        let peer = match answer {
            Ok(peer) => Some(peer),
            Err(fault) if exchange.falls_back(&room.venue.media, fault) => None,
            Err(fault) => {
                tracing::info!(session = session.0, fault = fault.warn_text(), "no usable answer");
                return Err(Farewell::Unanswered);
            }
        };
        let referral = inviting.referral;
        let timers = &self.config.timers;
        leg.instance = ok
            .address(Header::Contact)
            .and_then(|contact| contact.params().get("+sip.instance").map(str::to_owned));
        let theirs = peer.clone().map(|peer| Theirs { shape: exchange.shape(), peer: Some(peer) });
        let exchange = Exchange { theirs, ..(**exchange).clone() };
        leg.phase = Phase::Connected(Box::new(Connected {
            dialog: link.id().clone(),
            ack: Ack::Received(now),
            media: Media::Awaited,
            timing: SessionTimer::agreed(ok)
                .map(|timer| Timing { min_se, ..timer.start(now, chance) }),
            takes_update: allows_update(ok).unwrap_or(false),
            replaces_at: peer.is_some().then(|| now + timers.replacement),
            exchange,
        }));
        self.dialogs.begin_leg(link, session);
        let room_id = leg.room;
        room.connect(session, now, now);
        room.note_return(at);
        self.counters.joins += 1;
        self.record_joined(room_id, session);
        if let Some(peer) = peer.map(Box::new) {
            self.order(Order::Describe { session, peer });
            self.order(Order::Activate { session });
        } else {
            self.fall_back(session);
        }
        self.plan_leg(session);
        self.conclude(now, referral, ok.code());
        self.notify_watchers(now, room_id);
        Ok(())
    }

    /// The user said no, or nothing, or cannot be asked: the roster tells which (EVT-08). A leg that
    /// is not being called for is left alone.
    pub(super) fn fail_invitation(&mut self, now: Instant, session: SessionId, code: u16) {
        let cause = format!("SIP;cause={code};text=\"{}\"", status::reason(code)).into();
        let how = match code {
            486 | 600 => Disconnection::Busy(cause),
            _ => Disconnection::Failed(cause),
        };
        if let Some(Phase::Inviting(inviting)) = self.legs.get(&session).map(|leg| &leg.phase) {
            self.conclude(now, inviting.referral, code);
        }
        self.withdraw(now, session, how);
    }

    /// Takes an invitation back (PUB-10). A yes that crosses the CANCEL is ended with BYE.
    pub(super) fn withdraw(&mut self, now: Instant, session: SessionId, how: Disconnection) {
        let Some(leg) = self.legs.get(&session) else { return };
        let Phase::Inviting(inviting) = &leg.phase else { return };
        let (room, referral) = (leg.room, inviting.referral);
        if let Stage::Called { request, .. } = inviting.stage
            && self.calls.contains_key(&request)
        {
            self.outputs.push_back(Output::Cancel { request });
        }
        self.legs.remove(&session);
        self.order(Order::Remove { session });
        self.conclude(now, referral, WITHDRAWN);
        self.vacate(now, room, session, how);
    }

    /// Whoever has come by itself need not be called any more.
    pub(super) fn withdraw_others(&mut self, now: Instant, session: SessionId) {
        let Some(leg) = self.legs.get(&session) else { return };
        let Some(room) = self.rooms.get(&leg.room) else { return };
        let Some(participant) = room.participant(leg.participant) else { return };
        let invited = participant.legs.iter().filter(|seat| !seat.is_taken());
        let invited: Vec<SessionId> = invited.map(|seat| seat.leg).collect();
        for leg in invited {
            self.withdraw(now, leg, Disconnection::Departed);
        }
    }
}
