//! Requests of others: inside our dialogs they are served, outside of them declined.

use std::time::Instant;

use super::compose::{ALLOW, RELIABLE, SUPPORTED};
use super::event::LegId;
use super::leg::{Leg, Phase};
use super::outcome::Ending;
use super::refresh::Timer;
use super::{Client, Usage};
use crate::dialog::{DialogId, OutOfOrder};
use crate::message::{Header, Method, Reply, Request};
use crate::sdp::Description;
use crate::transaction::ServerId;

/// The bodies we read.
const ACCEPT: &str = "application/sdp";

impl Client {
    /// Answers a request, whatever it is.
    pub(super) fn serve(
        &mut self,
        now: Instant,
        transaction: ServerId,
        request: &Request,
        is_merged: bool,
    ) {
        let reply = if let Some(refusal) = screen(request, is_merged) {
            refusal
        } else if request.method() == Method::Notify {
            self.notified(now, request)
        } else if let Some(dialog) = DialogId::of_request(request) {
            match self.dialogs.get(&dialog).copied() {
                Some(Usage::Leg(leg)) => self.serve_leg(now, leg, transaction, request),
                Some(Usage::Early(leg)) => self.serve_early(leg, request),
                // What is not about the subscription has no place in its dialog.
                Some(Usage::Watch(_)) | None => Reply::new(481),
            }
        } else {
            stranger(request)
        };
        let mut reply = reply.header(Header::UserAgent, &self.config.user_agent());
        if let Some(access) = self.access_network() {
            reply = reply.header(Header::PAccessNetworkInfo, access);
        }
        self.transactions.respond(now, transaction, &reply);
    }

    fn serve_leg(
        &mut self,
        now: Instant,
        id: LegId,
        transaction: ServerId,
        request: &Request,
    ) -> Reply {
        let Some(dialog) = self.legs.get_mut(&id).and_then(Leg::dialog_mut) else {
            return Reply::new(481);
        };
        if dialog.handle_request(request) == Err(OutOfOrder) {
            return Reply::new(500);
        }
        match request.method() {
            Method::Bye => {
                self.dismissed(now, id, request);
                Reply::new(200)
            }
            Method::Invite | Method::Update => {
                self.refreshed_by_peer(now, id, transaction, request)
            }
            Method::Options => capabilities(),
            // We go where our user says, and nowhere else.
            Method::Refer => Reply::new(603),
            // No response of ours waits for a PRACK.
            _ => Reply::new(481),
        }
    }

    /// The focus ends the leg (LEAVE-11). If we were about to, it is what we wanted.
    fn dismissed(&mut self, now: Instant, id: LegId, bye: &Request) {
        let is_leaving =
            self.legs.get(&id).is_some_and(|leg| matches!(leg.phase, Phase::Leaving(_)));
        self.end(now, id, if is_leaving { Ending::Left } else { Ending::read(bye) });
    }

    /// The focus keeps the leg alive. An offer that would move the media is refused, and everything
    /// stays as it was: whoever wants that sends us away and takes us back.
    fn refreshed_by_peer(
        &mut self,
        now: Instant,
        id: LegId,
        transaction: ServerId,
        request: &Request,
    ) -> Reply {
        let contact = self.config.contact_address();
        let Some(connected) = self.connected(id) else {
            return Reply::new(481);
        };
        let is_invite = request.method() == Method::Invite;
        if is_invite && connected.refreshing.is_some() {
            return Reply::new(491); // DLG-11
        }
        let has_offer = !request.body().is_empty();
        if has_offer && !is_same_session(&request.body(), &connected.answer) {
            return Reply::new(488);
        }
        if connected.dialog.refresh(request).is_err() {
            return Reply::new(400);
        }
        let agreed = Timer::of_request(now, request);
        connected.timer = agreed.as_ref().map(|(timer, _)| *timer);
        let mut reply = capabilities().header(Header::Contact, &contact);
        if let Some((_, session_expires)) = agreed {
            reply = reply.header(Header::SessionExpires, &session_expires);
            // The requester knows timers, for it asked (RFC 4028 section 9).
            reply = reply.header(Header::Require, "timer");
        }
        if has_offer || is_invite {
            reply = reply.body("application/sdp", connected.offer.text().to_owned());
        }
        if is_invite {
            self.reinvites.insert(transaction, id);
        }
        reply
    }
}

/// Whether an offer is about the session there is: it names the path that the answer named. The rest
/// of it could only narrow what is agreed.
pub(super) fn is_same_session(offer: &[u8], answer: &[u8]) -> bool {
    let path = |text: &[u8]| {
        let description = Description::parse(text).ok()?;
        let [line] = &description.media[..] else { return None };
        line.attributes.first("path").filter(|_| line.port != 0).map(str::to_owned)
    };
    path(offer).is_some_and(|offered| Some(offered) == path(answer))
}

/// What is refused wherever it belongs.
fn screen(request: &Request, is_merged: bool) -> Option<Reply> {
    match request.method() {
        Method::Other => return Some(Reply::new(501)),
        Method::Invite
        | Method::Ack
        | Method::Bye
        | Method::Cancel
        | Method::Notify
        | Method::Options
        | Method::Prack
        | Method::Refer
        | Method::Update => {}
        _ => return Some(Reply::new(405).header(Header::Allow, ALLOW)),
    }
    if is_merged {
        return Some(Reply::new(482));
    }
    let required = request.list(Header::Require);
    let foreign: Vec<&str> = required.filter(|tag| !is_known(tag)).collect();
    if !foreign.is_empty() {
        return Some(Reply::new(420).header(Header::Unsupported, &foreign.join(", ")));
    }
    let is_foreign = request.content_type().is_some_and(|kind| !kind.is(ACCEPT));
    let is_offer = matches!(request.method(), Method::Invite | Method::Update);
    (is_offer && is_foreign).then(|| Reply::new(415).header(Header::Accept, ACCEPT))
}

/// Whether we know an extension. No answer of ours to an INVITE is provisional, so none has to be acknowledged.
fn is_known(tag: &str) -> bool {
    [SUPPORTED, RELIABLE].iter().any(|known| tag.eq_ignore_ascii_case(known))
}

/// What somebody hears who has no dialog with us.
fn stranger(request: &Request) -> Reply {
    match request.method() {
        Method::Options => capabilities(),
        Method::Invite => Reply::new(480),
        Method::Refer => Reply::new(603),
        _ => Reply::new(481),
    }
}

/// What we can (RFC 3261 section 11.2).
pub(super) fn capabilities() -> Reply {
    Reply::new(200)
        .header(Header::Allow, ALLOW)
        .header(Header::Accept, ACCEPT)
        .header(Header::Supported, SUPPORTED)
}
