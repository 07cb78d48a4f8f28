//! Requests inside the dialog of a leg: leaving, and staying.

use std::time::Instant;

use mailbox::SessionId;

use super::{Focus, Incoming, leg::Phase, refusal::Refusal};
use crate::message::{Method, Reply};

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
            Method::Invite | Method::Update => return self.renegotiate(now, incoming, session),
            Method::Options => {
                self.reply(incoming.transaction, self.capabilities(Reply::new(200)));
            }
            Method::Subscribe => return Err(Refusal::NotWatching),
            // No reliable response waits for a PRACK, and nothing here was subscribed to.
            _ => return Err(Refusal::NoDialog),
        }
        Ok(())
    }
}
