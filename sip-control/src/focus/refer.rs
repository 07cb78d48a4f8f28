//! REFER: participants have others called in, and put out (RFC 4579 sections 5.5 and 5.11).
//!
//! A REFER inside the dialog of a leg and one outside of it are the same but for the dialog that its
//! reports go in.

use std::{sync::Arc, time::Instant};

use mailbox::{ParticipantId, RoomId, SessionId};

use super::{
    Focus, Incoming,
    conference_info::Disconnection,
    content::Content,
    directory::Place,
    invite::{Invitation, Invitee},
    join::contact_of,
    leg::{Farewell, Phase},
    link::Link,
    participant::Originator,
    policy::{Denial, Snapshot},
    recipients,
    referral::ReferralId,
    refusal::Refusal,
    user::UserKey,
};
use crate::{
    dialog::DialogId,
    message::{Header, Method, NameAddr, Request, SipUri, scheme},
    store::Change,
};

/// Users that one REFER may call (REF-08).
const TARGETS_MAX: usize = 100;

/// Who refers, and where.
#[derive(Clone, Debug)]
struct Referrer {
    room: RoomId,
    participant: ParticipantId,
    way: Way,
}

/// The dialog that is reported in.
#[derive(Clone, Debug)]
enum Way {
    /// The one that the REFER makes.
    New(Box<Link>),
    /// The one that it came in.
    Within(DialogId),
}

/// What is asked for.
#[derive(Clone, Debug)]
enum Wish {
    Add { invitees: Vec<Invitee>, is_list: bool },
    Remove { uri: String },
}

impl Focus {
    /// A REFER outside of a dialog, checked in the order of REF-02.
    pub(super) fn refer_outside(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        originator: &Originator,
        content: &Content,
    ) -> Result<(), Refusal> {
        let request = &incoming.request;
        let target = refer_to(request)?;
        let link = self.link(incoming)?;
        let room = match self.directory.find(request.request_uri()) {
            Place::Session(room) => Some(room),
            Place::Venue(venue) => self.directory.session_of(&venue),
            Place::NoSession | Place::Factory | Place::Focus | Place::Nowhere => None,
        };
        let room = room.and_then(|room| self.rooms.get(&room)).ok_or(Refusal::NotFound)?;
        let own = room.participants_of(&originator.keys).find(|own| own.is_connected());
        let participant = own.ok_or(Refusal::NotParticipant)?.id;
        let referrer = Referrer { room: room.id, participant, way: Way::New(Box::new(link)) };
        self.refer(now, incoming, &target, referrer, content)
    }

    /// A REFER inside the dialog of a leg.
    pub(super) fn refer_inside(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        session: SessionId,
        dialog: DialogId,
    ) -> Result<(), Refusal> {
        let target = refer_to(&incoming.request)?;
        let content = Content::read(&incoming.request)?;
        let leg = self.legs.get(&session).filter(|leg| leg.connected().is_some());
        let leg = leg.ok_or(Refusal::NoDialog)?;
        let way = Way::Within(dialog);
        let referrer = Referrer { room: leg.room, participant: leg.participant, way };
        self.refer(now, incoming, &target, referrer, &content)
    }

    fn refer(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        target: &str,
        referrer: Referrer,
        content: &Content,
    ) -> Result<(), Refusal> {
        let request = &incoming.request;
        let wish = self.wish(target, content)?;
        let Referrer { room: room_id, participant, way } = referrer;
        let room = self.rooms.get(&room_id).ok_or(Refusal::NotFound)?;
        let own = room.participant(participant).ok_or(Refusal::NotParticipant)?;
        let (own_keys, own_name) = (own.keys.clone(), own.entity.clone());
        let at = self.clock.utc(now);
        let removed = match &wish {
            Wish::Add { .. } => {
                if !room.venue.policy.may_add(&own_keys, at) {
                    return Err(Refusal::NotAdding);
                }
                let nobody = &[];
                let snapshot: Snapshot = room.snapshot(nobody, at, &self.config.limits);
                if !room.venue.policy.has_seat(snapshot) {
                    return Err(Refusal::Denied(Denial::Full));
                }
                None
            }
            Wish::Remove { uri } => {
                let is_itself = UserKey::of(uri).is_some_and(|key| own_keys.contains(&key));
                let target = if is_itself { Some(own) } else { room.named(uri) };
                let is_itself = target.is_some_and(|target| target.id == participant);
                if !is_itself && !room.venue.policy.may_remove(&own_keys, at) {
                    return Err(Refusal::NotRemoving);
                }
                Some((target.ok_or(Refusal::NotThere)?.id, is_itself))
            }
        };
        let identity = room.identity.clone();

        let is_list = matches!(wish, Wish::Add { is_list: true, .. });
        let is_quiet = is_list
            || request
                .header(Header::ReferSub)
                .is_some_and(|value| value.trim().eq_ignore_ascii_case("false"));
        let mut reply = self
            .plain_reply(202)
            .header(Header::Contact, &contact_of(&identity))
            .header(Header::Supported, "norefersub");
        if is_quiet {
            reply = reply.header(Header::ReferSub, "false");
        }
        self.reply(incoming.transaction, reply);
        let referral = if is_quiet {
            None
        } else {
            let dialog = match way {
                Way::New(link) => {
                    let dialog = link.id().clone();
                    self.dialogs.begin(*link);
                    dialog
                }
                Way::Within(dialog) => dialog,
            };
            Some(self.begin_referral(now, dialog, request.sequence(), identity))
        };
        match (wish, removed) {
            (Wish::Add { invitees, .. }, _) => {
                // Who asked is told only as far as it wants that (ID-09).
                let is_named = !request.privacy().id;
                let referred_by = Some(own_name).filter(|_| is_named);
                let invitation = Invitation { referred_by, history: None };
                self.add(now, room_id, invitees, &Arc::new(invitation), referral);
            }
            (Wish::Remove { .. }, Some((target, is_itself))) => {
                let by = Some(own_name).filter(|_| !is_itself);
                self.remove(now, room_id, target, by);
                self.conclude(now, referral, 200);
            }
            (Wish::Remove { .. }, None) => {}
        }
        Ok(())
    }

    /// What the Refer-To asks for. The rest of its URI is not for us: nothing of a request that we
    /// make is written by others (REF-08).
    fn wish(&self, target: &str, content: &Content) -> Result<Wish, Refusal> {
        let is_list = scheme(target).is_some_and(|scheme| scheme.eq_ignore_ascii_case("cid"));
        if is_list {
            let id = target.split_once(':').map_or("", |(_, id)| id);
            let list = content.list.as_ref();
            let list = list.filter(|list| list.id.as_deref() == Some(id));
            let list = list.ok_or(Refusal::Malformed(Header::ReferTo))?;
            let recipients = recipients::read(&list.document, &[])?;
            if recipients.len() > TARGETS_MAX {
                return Err(Refusal::ReferTargets);
            }
            let callable = recipients
                .iter()
                .filter(|them| is_invite(&them.uri) && self.is_callable(&them.uri));
            let invitees: Vec<Invitee> = callable.filter_map(Invitee::listed).collect();
            if invitees.is_empty() {
                return Err(Refusal::ReferTargets);
            }
            return Ok(Wish::Add { invitees, is_list });
        }
        match method(target) {
            Some(method) if method.eq_ignore_ascii_case(Method::Bye.name()) => {
                Ok(Wish::Remove { uri: target.to_owned() })
            }
            _ if is_invite(target) => {
                let invitee = Invitee::of(target).filter(|_| self.is_callable(target));
                let invitees = vec![invitee.ok_or(Refusal::ReferTargets)?];
                Ok(Wish::Add { invitees, is_list })
            }
            _ => Err(Refusal::ReferMethod),
        }
    }

    /// Has users called in. Who is there, or being called, need not be (REF-04).
    fn add(
        &mut self,
        now: Instant,
        room_id: RoomId,
        invitees: Vec<Invitee>,
        invitation: &Arc<Invitation>,
        referral: Option<ReferralId>,
    ) {
        let mut is_open = false;
        for invitee in invitees {
            let Some(room) = self.rooms.get_mut(&room_id) else { return };
            if let Some(user) = room.readmit(&invitee.user.keys) {
                self.record_readmitted(room_id, user);
            }
            let Some(room) = self.rooms.get(&room_id) else { return };
            if room.is_awaited(&invitee.user.keys) {
                continue;
            }
            is_open |= self.invite(now, room_id, invitee, Arc::clone(invitation), referral);
        }
        if !is_open {
            self.conclude(now, referral, 200);
        }
    }

    /// Puts a user out (REF-06). Who goes by its own wish may come back.
    fn remove(
        &mut self,
        now: Instant,
        room_id: RoomId,
        participant: ParticipantId,
        by: Option<String>,
    ) {
        let Some(room) = self.rooms.get_mut(&room_id) else { return };
        let Some(target) = room.participant(participant) else { return };
        let (keys, is_expelled) = (target.keys.clone(), by.is_some());
        if is_expelled {
            room.expel(&keys);
        }
        let session = room.identity.clone();
        let legs = room.participants_of(&keys).flat_map(|them| &them.legs).map(|seat| seat.leg);
        let legs: Vec<SessionId> = legs.collect();
        let how = if is_expelled { Disconnection::Booted(by) } else { Disconnection::Departed };
        for leg in legs {
            match self.legs.get(&leg).map(|leg| &leg.phase) {
                Some(Phase::Installing(_)) => {
                    self.abandon(now, leg, &Refusal::Denied(Denial::Expelled));
                }
                Some(Phase::Inviting(_)) => self.withdraw(now, leg, how.clone()),
                Some(Phase::Connected(_)) => {
                    self.end_leg_as(now, leg, Farewell::Removed, how.clone());
                }
                Some(Phase::Parting { .. }) | None => {}
            }
        }
        let missed = self
            .rooms
            .get_mut(&room_id)
            .is_some_and(|room| room.forget_absence(&keys, None, &how, now, &self.clock));
        if missed && !self.end_if_too_few(now, room_id) {
            self.notify_watchers(now, room_id);
        }
        // Behind the note that it is gone, which this one replaces.
        let user = keys.into_iter().next().filter(|_| self.rooms.contains_key(&room_id));
        if let Some(user) = user.filter(|_| is_expelled) {
            self.record(|| Change::Expelled { session, user });
        }
    }
}

/// The one Refer-To there must be, without brackets (REF-02).
fn refer_to(request: &Request) -> Result<String, Refusal> {
    let mut values = request.list(Header::ReferTo);
    let value = values.next().filter(|_| values.next().is_none()).and_then(NameAddr::parse);
    value.map(|value| value.uri().to_owned()).ok_or(Refusal::Malformed(Header::ReferTo))
}

/// What a URI says of the method of the request it is for.
fn method(uri: &str) -> Option<&str> {
    SipUri::parse(uri)?.param("method")
}

fn is_invite(uri: &str) -> bool {
    method(uri).is_none_or(|method| method.eq_ignore_ascii_case(Method::Invite.name()))
}
