//! Leaving, being lost, and the end of a session.

use std::time::Instant;

use mailbox::{FailureCause, RoomId, SessionId};

use super::{
    Focus, Incoming, Purpose, Subject,
    conference_info::Disconnection,
    duty::Duty,
    exchange::Open,
    invite::{NO_ANSWER, UNAVAILABLE, WITHDRAWN},
    leg::{Ack, Connected, Farewell, Leg, Media, Phase, Stage},
    order::Order,
    refusal::Refusal,
    subscription::Ending,
};
use crate::{
    dialog::DialogId,
    message::{Draft, Header, Method, Reason, Request},
    store::Change,
    transaction::ServerId,
    transport::Target,
};

/// The cause by which clients of GSMA leave for good (RCS-04).
const CALL_COMPLETED: u16 = 200;

impl Focus {
    /// BYE of the peer: out of the room first, answered then, and told to the others (LEAVE-02).
    pub(super) fn hang_up(&mut self, now: Instant, incoming: &Incoming, session: SessionId) {
        if matches!(self.legs.get(&session), Some(Leg { phase: Phase::Installing(_), .. })) {
            self.reply(incoming.transaction, self.plain_reply(200));
            return self.abandon(now, session, &Refusal::Terminated);
        }
        let Some(leg) = self.legs.remove(&session) else { return };
        if let Some(dialog) = DialogId::of_request(&incoming.request) {
            self.dialogs.end_leg(&dialog);
        }
        let Phase::Connected(connected) = leg.phase else {
            return self.reply(incoming.transaction, self.plain_reply(200));
        };
        self.counters.leaves += 1;
        let how = self.part_with(leg.room, session, &incoming.request);
        let unanswered = self.end_routes(connected.media, connected.exchange);
        self.reply(incoming.transaction, self.plain_reply(200));
        self.give_up_change(unanswered);
        self.vacate(now, leg.room, session, how);
    }

    /// What a BYE means for its sender's place among the members, if those are kept: only who says so
    /// leaves for good (RCS-03, RCS-04).
    fn part_with(&mut self, room: RoomId, session: SessionId, bye: &Request) -> Disconnection {
        let keeper = self.rooms.get_mut(&room).filter(|room| room.keeps_members);
        let Some(room) = keeper else { return Disconnection::Departed };
        let mut reasons = bye.list(Header::Reason).filter_map(Reason::parse);
        if !reasons.any(|reason| reason.sip_cause() == Some(CALL_COMPLETED)) {
            return Disconnection::Away;
        }
        room.resign(session);
        Disconnection::Departed
    }

    /// The ACK to a 200 of the leg is here.
    pub(super) fn acknowledged(
        &mut self,
        now: Instant,
        session: SessionId,
        invite: ServerId,
        ack: &Request,
    ) {
        match self.legs.get_mut(&session).map(|leg| &mut leg.phase) {
            Some(Phase::Connected(connected)) => {
                connected.ack = Ack::Received(now);
                if matches!(connected.exchange.open, Some(Open::Ours(of)) if of == invite) {
                    self.take_answer(now, session, ack);
                }
                self.plan_leg(session);
            }
            Some(Phase::Parting { .. }) => self.part(session),
            Some(Phase::Installing(_) | Phase::Inviting(_)) | None => {}
        }
    }

    /// The ACK will not come any more (FOC-31).
    pub(super) fn give_up_ack(&mut self, now: Instant, invite: ServerId) {
        let Some(session) = self.invites.remove(&invite) else { return };
        if let Some(connected) = self.connected(session) {
            connected.ack = Ack::Received(now);
            self.end_leg(now, session, Farewell::Unacknowledged);
        } else {
            self.part(session);
        }
    }

    /// The MSRP session is in use: what was there before may go, a session of this leg as well as a
    /// leg that it replaces (FOC-14).
    pub(super) fn bound(&mut self, now: Instant, route: SessionId) {
        let session = self.leg_of(route);
        if let Some(early) = self.early(session).and_then(|installing| installing.early.as_mut()) {
            early.media = Media::Bound;
        }
        let Some(connected) = self.in_force(session, route) else { return };
        connected.media = Media::Bound;
        let is_agreed = connected.exchange.theirs.is_some();
        self.retire(session);
        if is_agreed {
            self.replace_older(now, session);
        }
    }

    /// The MSRP session is dead. The user may come back to its place for a while (LEAVE-04), but
    /// not to this leg if nobody ever came to it (FOC-33).
    pub(super) fn media_failed(&mut self, now: Instant, route: SessionId, cause: FailureCause) {
        let until = now + self.config.timers.media_grace;
        let session = self.leg_of(route);
        if self.early(session).is_some() {
            return self.abandon(now, session, &Refusal::MediaPlane);
        }
        let is_called = |leg: &Leg| matches!(&leg.phase, Phase::Inviting(_));
        if self.legs.get(&session).is_some_and(is_called) {
            self.note_failure(session, cause.name());
            return self.fail_invitation(now, session, UNAVAILABLE);
        }
        let Some(connected) = self.in_force(session, route) else { return };
        connected.media = Media::Lost { until };
        self.note_failure(session, cause.name());
        if cause == FailureCause::Unbound {
            self.end_leg(now, session, Farewell::Unbound);
        } else {
            self.plan_leg(session);
        }
    }

    /// The connected leg whose media that session is, not that it was or will be.
    fn in_force(&mut self, session: SessionId, route: SessionId) -> Option<&mut Connected> {
        let connected = self.connected(session)?;
        let is_it = connected.exchange.route == route && connected.media != Media::Held;
        is_it.then_some(connected)
    }

    /// The one line about a leg that failed, and the one reason (msrp/PEER-15). Its URI is a secret;
    /// its number is none.
    fn note_failure(&mut self, session: SessionId, reason: &'static str) {
        *self.counters.failures.entry(reason).or_default() += 1;
        tracing::info!(leg = session.0, reason, "leg failed");
    }

    /// Ends whatever of a leg has lasted too long.
    pub(super) fn look_at_leg(&mut self, now: Instant, session: SessionId) {
        let timers = &self.config.timers;
        let Some(leg) = self.legs.get_mut(&session) else { return };
        leg.alarm = leg.alarm.filter(|alarm| *alarm > now);
        match &leg.phase {
            Phase::Installing(installing) if installing.early.is_some() => {
                self.look_at_early(now, session);
            }
            Phase::Installing(installing) if installing.deadline <= now => {
                self.abandon(now, session, &Refusal::MediaPlane);
            }
            Phase::Connected(connected) => {
                if let Some(farewell) = connected.overdue(now, timers) {
                    return self.end_leg(now, session, farewell);
                }
                let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
                let exchange = &connected.exchange;
                let offers = is_due(exchange.offers_at);
                let refreshes = is_due(connected.timing.and_then(|timing| timing.refresh_at));
                let replaces = is_due(connected.replaces_at);
                let retires = is_due(exchange.retiring.map(|retiring| retiring.at));
                if is_due(exchange.relocation.and_then(|relocation| relocation.deadline)) {
                    return self.end_leg(now, session, Farewell::CoreLost);
                }
                if is_due(exchange.change().map(|change| change.deadline)) {
                    self.drop_change(session, &Refusal::MediaPlane);
                }
                if offers {
                    self.offer_again(now, session);
                }
                if refreshes {
                    self.refresh(now, session);
                }
                if retires {
                    self.retire(session);
                }
                if replaces {
                    self.replace_older(now, session);
                }
                self.plan_leg(session);
            }
            Phase::Inviting(inviting) if inviting.deadline <= now => {
                let status = match inviting.stage {
                    Stage::Installing | Stage::Locating { .. } => UNAVAILABLE,
                    Stage::Called { .. } => NO_ANSWER,
                };
                self.fail_invitation(now, session, status);
            }
            // Another deadline than the one it was planned for.
            Phase::Inviting(_) => self.plan_leg(session),
            Phase::Installing(_) | Phase::Parting { .. } => {}
        }
    }

    /// The older legs of the same device go (FOC-14).
    pub(super) fn replace_older(&mut self, now: Instant, session: SessionId) {
        let Some(connected) = self.connected(session) else { return };
        connected.replaces_at = None;
        if !self.config.one_leg_per_user {
            return;
        }
        let Some(newer) = self.legs.get(&session) else { return };
        let is_older = |leg: &&Leg| {
            leg.session < session
                && leg.participant == newer.participant
                && leg.instance == newer.instance
        };
        let Some(room) = self.rooms.get(&newer.room) else { return };
        let legs = room.legs().filter_map(|leg| self.legs.get(&leg));
        let older: Vec<SessionId> = legs.filter(is_older).map(|leg| leg.session).collect();
        for old in older {
            self.end_leg(now, old, Farewell::Replaced);
        }
    }

    /// A user who goes by another name now has no legs left under the former one (ID-06).
    pub(super) fn end_former_name(&mut self, now: Instant, session: SessionId) {
        let Some(leg) = self.legs.get(&session) else { return };
        let Some(room) = self.rooms.get(&leg.room) else { return };
        let Some(participant) = room.participant(leg.participant) else { return };
        let former = room.participants_of(&participant.keys).filter(|p| p.id != leg.participant);
        let former: Vec<SessionId> =
            former.flat_map(|participant| participant.legs.iter().map(|seat| seat.leg)).collect();
        let (room, keys, own) = (leg.room, participant.keys.clone(), leg.participant);
        for leg in former {
            self.dismiss(now, leg, Farewell::Replaced, &Refusal::Terminated);
        }
        if let Some(room) = self.rooms.get_mut(&room) {
            room.forget_absence(&keys, Some(own), &Disconnection::Departed, now, &self.clock);
        }
    }

    /// Ends a leg, however far it is: by `farewell` if it is connected, by `refusal` if its INVITE
    /// waits for an answer of ours, and by a CANCEL if ours waits for one.
    pub(super) fn dismiss(
        &mut self,
        now: Instant,
        session: SessionId,
        farewell: Farewell,
        refusal: &Refusal,
    ) {
        match self.legs.get(&session).map(|leg| &leg.phase) {
            Some(Phase::Installing(_)) => self.abandon(now, session, refusal),
            Some(Phase::Inviting(_)) => self.fail_invitation(now, session, WITHDRAWN),
            Some(Phase::Connected(_)) => self.end_leg(now, session, farewell),
            Some(Phase::Parting { .. }) | None => {}
        }
    }

    /// Ends a connected leg from our side: out of the room at once, and a BYE as soon as one may be
    /// sent.
    pub(super) fn end_leg(&mut self, now: Instant, session: SessionId, farewell: Farewell) {
        self.end_leg_as(now, session, farewell, farewell.disconnection());
    }

    /// As [`end_leg`](Self::end_leg), and the roster tells it like that.
    pub(super) fn end_leg_as(
        &mut self,
        now: Instant,
        session: SessionId,
        farewell: Farewell,
        how: Disconnection,
    ) {
        let Some(leg) = self.legs.remove(&session) else { return };
        let Phase::Connected(connected) = leg.phase else {
            self.legs.insert(session, leg);
            return;
        };
        let Connected { dialog, ack, media, exchange, .. } = *connected;
        let has_failed = matches!(farewell.disconnection(), Disconnection::Failed(_));
        if has_failed && !matches!(media, Media::Lost { .. }) {
            self.note_failure(session, farewell.name());
        }
        *self.counters.farewells.entry(farewell.name()).or_default() += 1;
        let unanswered = self.end_routes(media, exchange);
        self.give_up_change(unanswered);
        match ack {
            Ack::Awaited => {
                let phase = Phase::Parting { dialog, farewell };
                self.legs.insert(session, Leg { phase, ..leg });
            }
            Ack::Received(_) => self.send_bye(&dialog, farewell),
        }
        self.vacate(now, leg.room, session, how);
    }

    /// The BYE of a leg that had to wait for it.
    fn part(&mut self, session: SessionId) {
        let parting = self.legs.get(&session).map(|leg| &leg.phase);
        let Some(Phase::Parting { dialog, farewell }) = parting else { return };
        let (dialog, farewell) = (dialog.clone(), *farewell);
        self.legs.remove(&session);
        self.send_bye(&dialog, farewell);
    }

    /// Ends a leg with its dialog, unless that is used for more. Whatever is answered, it is over
    /// (LEAVE-10).
    fn send_bye(&mut self, dialog: &DialogId, farewell: Farewell) {
        if let Some(bye) = self.dialogs.request(dialog, Method::Bye) {
            self.say_farewell(bye, farewell);
        }
        self.dialogs.end_leg(dialog);
    }

    /// The BYE of a leg that is over, or never began.
    pub(super) fn say_farewell(&mut self, (draft, target): (Draft, Target), farewell: Farewell) {
        self.send(draft.header(Header::Reason, farewell.reason()), target, Purpose::Farewell);
    }

    /// The leg's place in the room is free, and the others are told. With the last one the session
    /// is over (LEAVE-05), unless it is to wait for somebody to come back. When all sessions end,
    /// each ends as a whole.
    pub(super) fn vacate(
        &mut self,
        now: Instant,
        room_id: RoomId,
        session: SessionId,
        how: Disconnection,
    ) {
        let Some(room) = self.rooms.get_mut(&room_id) else { return };
        let user = room.holder_of(session).map(|user| user.keys.clone()).unwrap_or_default();
        let was_connected = room.is_connected_by(session);
        let is_loss = how.is_loss();
        let has_changed = room.vacate(session, how, now, &self.clock);
        if self.duty == Duty::Stopping {
            return;
        }
        let linger = self.config.timers.session_linger;
        // A session of the process before waits for all its users, not only for the first.
        let waits = room.lingers_until.is_some_and(|until| until > now);
        if room.is_empty() && !waits && (linger.is_zero() || !room.has_begun()) {
            return self.end_room(now, room_id, Ending::NoResource);
        }
        if was_connected && room.has_lost(&user) && self.end_if_too_few(now, room_id) {
            return;
        }
        let Some(room) = self.rooms.get_mut(&room_id) else { return };
        let key_grace = self.config.timers.key_grace;
        let is_forsaken = room.is_forsaken(self.clock.utc(now));
        if is_forsaken && key_grace.is_zero() {
            return self.end_room(now, room_id, Ending::NoResource);
        }
        if is_forsaken && room.forsaken_until.is_none() {
            let until = now + key_grace;
            room.forsaken_until = Some(until);
            self.agenda.add(until, Subject::Room(room_id));
        }
        if room.is_empty() {
            let until = room.lingers_until.map_or(now + linger, |until| until.max(now + linger));
            room.lingers_until = Some(until);
            self.agenda.add(until, Subject::Room(room_id));
        }
        let is_member = room.keeps_members && is_loss;
        if was_connected && !is_member && !room.is_connected(&user) {
            self.record_gone(room_id, &user);
        }
        self.watch_for_messages(now, room_id);
        if has_changed {
            self.notify_watchers(now, room_id);
        }
    }

    /// Ends the session of a group of which too few are left, and tells those not to come back
    /// (LEAVE-05, RCS-07). Whether it is over.
    pub(super) fn end_if_too_few(&mut self, now: Instant, room_id: RoomId) -> bool {
        let Some(room) = self.rooms.get(&room_id) else { return true };
        let of_group = room.venue.policy.participants_min();
        let least = of_group.unwrap_or_else(|| self.config.min_participants());
        let are_too_few = room.venue.policy.is_of_group() && room.remaining() < least;
        if are_too_few {
            self.end_room_saying(now, room_id, Farewell::Gone, Ending::NoResource);
        }
        are_too_few
    }

    /// The end of a session (LEAVE-09): from here on its identity names nothing, so no new leg can
    /// slip in. Whoever is left in it goes, and then those who watch.
    pub(super) fn end_room(&mut self, now: Instant, room_id: RoomId, ending: Ending) {
        self.end_room_saying(now, room_id, Farewell::SessionOver, ending);
    }

    /// The same, with another word to those who go.
    pub(super) fn end_room_saying(
        &mut self,
        now: Instant,
        room_id: RoomId,
        farewell: Farewell,
        ending: Ending,
    ) {
        let Some(room) = self.rooms.remove(&room_id) else { return };
        self.directory.close(&room.identity, &room.venue);
        if self.duty != Duty::Stopping {
            let session = room.identity.clone();
            self.record(|| Change::Closed { session });
        }
        for leg in room.legs() {
            self.dismiss(now, leg, farewell, &Refusal::NoSession);
        }
        self.order(Order::Close { room: room_id });
        for watcher in room.watchers {
            self.end_subscription(now, watcher, ending);
        }
    }

    /// Ends everything there is, all sessions at once (OPS-02).
    pub(super) fn end_everything(&mut self, now: Instant) {
        let mut sessions: Vec<SessionId> = self.legs.keys().copied().collect();
        sessions.sort_unstable();
        for session in sessions {
            self.dismiss(now, session, Farewell::Stopping, &Refusal::Draining);
        }
        let mut rooms: Vec<RoomId> = self.rooms.keys().copied().collect();
        rooms.sort_unstable();
        for room in rooms {
            self.end_room(now, room, Ending::Deactivated);
        }
    }

    /// Plans to look at a leg when the next of its deadlines comes, unless it is looked at before
    /// that anyway: then it is planned anew.
    pub(super) fn plan_leg(&mut self, session: SessionId) {
        let Some(leg) = self.legs.get_mut(&session) else { return };
        let Some(deadline) = leg.next_deadline(&self.config.timers) else { return };
        if leg.alarm.is_none_or(|alarm| deadline < alarm) {
            leg.alarm = Some(deadline);
            self.agenda.add(deadline, Subject::Leg(session));
        }
    }
}
