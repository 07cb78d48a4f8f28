//! Requests inside the dialog of a leg: leaving, and staying.

use std::time::Instant;

use mailbox::SessionId;

use super::{
    Focus, Incoming,
    join::{contact_of, with_timer},
    leg::{Ack, Phase, Theirs},
    refusal::Refusal,
    screen,
    session_timer::SessionTimer,
};
use crate::{
    message::{Header, Method, Reply},
    offer_answer::Unacceptable,
};

impl Focus {
    /// A request in the dialog of a leg.
    pub(super) fn serve_leg(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        session: SessionId,
    ) -> Result<(), Refusal> {
        let request = &incoming.request;
        let leg = self.legs.get_mut(&session).ok_or(Refusal::NoDialog)?;
        let link = match &mut leg.phase {
            Phase::Connected(connected) => &mut connected.link,
            Phase::Parting { link, .. } => link,
            Phase::Installing(_) | Phase::Inviting(_) => return Err(Refusal::NoDialog),
        };
        link.handle_request(request, incoming.source)?;
        match request.method() {
            Method::Bye => self.hang_up(now, incoming, session),
            Method::Invite | Method::Update => return self.refresh(now, incoming, session),
            Method::Options => {
                self.reply(incoming.transaction, self.capabilities(Reply::new(200)));
            }
            Method::Subscribe => return Err(Refusal::NotWatching),
            // No reliable response waits for a PRACK, and nothing here was subscribed to.
            _ => return Err(Refusal::NoDialog),
        }
        Ok(())
    }

    /// A re-INVITE or an UPDATE. What it may do is keep the session alive (TMR-07); an offer other
    /// than the one in force is refused, and everything stays as it was (SDP-21).
    fn refresh(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        session: SessionId,
    ) -> Result<(), Refusal> {
        let request = &incoming.request;
        let has_offer = screen::body(request)?;
        let timer = SessionTimer::negotiate(request, &self.config.timers)?;
        let leg = self.legs.get_mut(&session).ok_or(Refusal::NoDialog)?;
        let room = self.rooms.get(&leg.room).ok_or(Refusal::NoDialog)?;
        let contact = contact_of(&room.identity);
        let connected = leg.connected_mut().ok_or(Refusal::NoDialog)?;
        match &connected.theirs {
            // Our offer is not answered yet: another exchange cannot begin (DLG-11).
            Theirs::Awaited if has_offer || request.method() == Method::Invite => {
                return Err(Refusal::Pending);
            }
            Theirs::Agreed(theirs) if has_offer && request.body() != theirs => {
                return Err(Refusal::Media(Unacceptable::Change));
            }
            Theirs::Awaited | Theirs::Agreed(_) => {}
        }
        connected.link.refresh(request)?;
        let is_invite = request.method() == Method::Invite;
        connected.timer = timer;
        connected.refresh_due = timer.map(|timer| now + timer.patience());
        if is_invite {
            connected.ack = Ack::Awaited;
            self.invites.insert(incoming.transaction, session);
        }
        let ours = connected.ours.clone();
        let reply = self.capabilities(Reply::new(200)).header(Header::Contact, &contact);
        let reply = with_timer(reply, timer);
        // A re-INVITE without an offer asks for ours: it is the description in force (RFC 3261
        // section 14.2).
        let describes = has_offer || is_invite;
        let reply = if describes { reply.body("application/sdp", ours) } else { reply };
        self.reply(incoming.transaction, reply);
        self.plan_leg(session);
        Ok(())
    }
}
