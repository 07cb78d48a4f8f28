//! A core of the media plane is gone, and the sessions that it served (OPS-09).
//!
//! Whoever was served there is offered another core in a re-INVITE: the same dialog, the same seat,
//! another path. Of a crowd, and of those who cannot be asked now, each is sent away instead, and finds
//! the room where it was.
//!
//! ```text
//! lost -> INSTALL elsewhere -> Installed -> re-INVITE -> 2xx -> ACTIVATE -> Bound
//!                |                              |
//!                refused, or too late           refused, or not answered -> BYE
//! ```

use std::{collections::BTreeSet, time::Instant};

use mailbox::{RoomId, SessionId};
use msrp::UriBuf;

use super::{
    Focus, Subject,
    invite::UNAVAILABLE,
    leg::{Ack, Farewell, Leg, Media, Phase},
    order::Order,
    refusal::Refusal,
};

/// The session that is to take the place of one that was lost with its core.
#[derive(Clone, Copy, Debug)]
pub struct Relocation {
    /// Its name in the media plane.
    pub route: SessionId,
    /// When the media plane has taken too long; `None` once it has it, and the peer is asked.
    pub deadline: Option<Instant>,
}

impl Focus {
    /// A core is gone with these sessions, and these rooms have begun anew on others.
    pub(super) fn core_lost(&mut self, now: Instant, routes: &[SessionId], moved: &[RoomId]) {
        self.counters.cores_lost += 1;
        let legs: BTreeSet<SessionId> = routes.iter().map(|route| self.leg_of(*route)).collect();
        let may_move = legs.len() < self.config.limits.moved_legs;
        tracing::error!(legs = legs.len(), may_move, "a media core is lost");
        let rooms = legs.iter().filter_map(|leg| self.legs.get(leg)).map(|leg| leg.room);
        let mut rooms: BTreeSet<RoomId> = rooms.collect();
        rooms.extend(moved);
        // Whoever is sent away finds its session again.
        let until = now + self.config.timers.media_grace;
        for id in rooms {
            let Some(room) = self.rooms.get_mut(&id) else { continue };
            room.expiry.note_loss(now);
            room.lingers_until = room.lingers_until.max(Some(until));
            self.agenda.add(until, Subject::Room(id));
        }
        for route in routes {
            self.lose(now, *route, may_move);
        }
    }

    /// One session is lost with its core.
    fn lose(&mut self, now: Instant, route: SessionId, may_move: bool) {
        let session = self.leg_of(route);
        match self.legs.get(&session).map(|leg| &leg.phase) {
            Some(Phase::Installing(_)) => return self.abandon(now, session, &Refusal::MediaPlane),
            Some(Phase::Inviting(_)) => return self.fail_invitation(now, session, UNAVAILABLE),
            _ => {}
        }
        let Some(connected) = self.connected(session) else { return };
        let is_former = |at: super::exchange::Retiring| at.route == route;
        if connected.exchange.retiring.is_some_and(is_former) {
            return self.retire(session);
        }
        if connected.exchange.route != route || connected.media == Media::Held {
            return;
        }
        if may_move && self.may_be_asked(session) {
            self.relocate(now, session);
        } else {
            self.end_leg(now, session, Farewell::CoreLost);
        }
    }

    /// Whether an INVITE of ours may go out now, on a leg whose peer is known.
    fn may_be_asked(&self, session: SessionId) -> bool {
        self.legs.get(&session).and_then(Leg::connected).is_some_and(|connected| {
            let exchange = &connected.exchange;
            let is_settled = matches!(connected.ack, Ack::Received(_)) && exchange.open.is_none();
            is_settled && exchange.peer().is_some()
        })
    }

    fn relocate(&mut self, now: Instant, session: SessionId) {
        let at = self.clock.utc(now);
        let until = now + self.config.timers.media_grace;
        let (route, deadline) = (SessionId(self.next_id()), now + self.config.timers.install);
        let Some(leg) = self.legs.get_mut(&session) else { return };
        let Some(room) = self.rooms.get(&leg.room) else { return };
        let Some(member) = room.member(leg.participant, session, None, at) else { return };
        let room = leg.room;
        let Some(connected) = leg.connected_mut() else { return };
        connected.media = Media::Lost { until };
        connected.exchange.relocation = Some(Relocation { route, deadline: Some(deadline) });
        self.routes.insert(route, session);
        self.plan_leg(session);
        self.order(Order::Install { session: route, room, member: Box::new(member) });
    }

    /// Whether the leg waits for this session, to take the place of a lost one.
    pub(super) fn awaits_relocation(&self, session: SessionId, route: SessionId) -> bool {
        let relocation = self.legs.get(&session).and_then(Leg::connected);
        let relocation = relocation.and_then(|connected| connected.exchange.relocation);
        relocation.is_some_and(|it| it.route == route && it.deadline.is_some())
    }

    /// Another core has the session: the peer is asked to come there.
    pub(super) fn relocated(&mut self, now: Instant, session: SessionId, path: &UriBuf) {
        let Some(leg) = self.legs.get_mut(&session) else { return };
        let Some(room) = self.rooms.get(&leg.room) else { return };
        let Some(connected) = leg.connected_mut() else { return };
        let exchange = &mut connected.exchange;
        let Some(relocation) = &mut exchange.relocation else { return };
        relocation.deadline = None;
        let former = std::mem::replace(&mut exchange.route, relocation.route);
        exchange.path.clone_from(path);
        // Of the new session's peer nothing is known.
        exchange.forget_peer();
        let ours = exchange.renew(|origin| exchange.offer(&room.venue.media, origin));
        exchange.set_ours(ours);
        self.remove_route(former);
        self.offer_again(now, session);
        self.plan_leg(session);
    }
}
