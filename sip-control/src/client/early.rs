//! What is said before the final answer and has to be acknowledged (RFC 3262 section 4): each fork that
//! says such things has a dialog of its own, which is early until the 200.
//!
//! ```text
//! INVITE -> 183 (100rel) -> PRACK -> its 200 -> [UPDATE, if the 183 wants our part confirmed] -> 200
//! ```

use std::time::Instant;

use bytes::Bytes;

use super::{
    Client, Purpose, Usage,
    call::sdp_of,
    event::{Event, LegId},
    leg::{Leg, Phase},
    media::Offer,
    serve::{capabilities, is_same_session},
};
use crate::{
    dialog::{Dialog, DialogId},
    message::{Header, Method, Reply, Request, Response},
    transaction::ClientId,
};

/// Early dialogs of one INVITE, as a count. A user has a few devices, and a focus none.
const EARLY_MAX: usize = 16;

/// A dialog that may come to be, or not.
#[derive(Debug)]
pub(super) struct Early {
    pub(super) dialog: Dialog,
    /// The number of the last response that was acknowledged.
    number: u32,
    /// What the peer answered to our offer. There is one answer: what comes after it is none.
    pub(super) answer: Option<Bytes>,
    /// What we have offered in this dialog.
    pub(super) offer: Offer,
    /// Whether our part has been confirmed, where that was asked for.
    is_confirmed: bool,
}

impl Client {
    /// A provisional response. One that is to be acknowledged is, if it is the next of its dialog; one
    /// that came before, or came too early, is as if it had not come (RFC 3262 section 4).
    pub(super) fn progressed(
        &mut self,
        now: Instant,
        id: LegId,
        transaction: ClientId,
        request_uri: &str,
        response: &Response,
    ) {
        if response.code() <= 100 || !self.legs.contains_key(&id) {
            return;
        }
        if response.has_token(Header::Require, "100rel") {
            let number =
                response.header(Header::RSeq).and_then(|number| number.trim().parse().ok());
            let noted = number
                .and_then(|number| self.note_early(id, transaction, request_uri, number, response));
            let Some(dialog) = noted else { return };
            self.acknowledge_early(now, id, &dialog, response);
        }
        self.events.push_back(Event::Progress { leg: id, status: response.code() });
    }

    /// Notes a response that is the next of its dialog, and yields the name of that.
    fn note_early(
        &mut self,
        id: LegId,
        transaction: ClientId,
        request_uri: &str,
        number: u32,
        response: &Response,
    ) -> Option<DialogId> {
        let dialog = Dialog::begin(request_uri, response)?;
        let name = dialog.id().clone();
        let answer = Some(sdp_of(response)).filter(|answer| !answer.is_empty());
        let calling = self.calling(id, transaction)?;
        let known = calling.early.iter_mut().find(|early| *early.dialog.id() == name);
        if let Some(early) = known {
            if early.number.checked_add(1) != Some(number) {
                return None;
            }
            early.number = number;
            early.answer = early.answer.take().or(answer);
            return Some(name);
        }
        if calling.early.len() == EARLY_MAX {
            return None;
        }
        let (offer, is_confirmed) = (calling.offer.clone(), false);
        calling.early.push(Early { dialog, number, answer, offer, is_confirmed });
        self.dialogs.insert(name.clone(), Usage::Early(id));
        Some(name)
    }

    fn acknowledge_early(&mut self, now: Instant, id: LegId, name: &DialogId, response: &Response) {
        let user_agent = self.config.user_agent();
        let Some(early) = self.early(id, name) else { return };
        let cseq = format!("{} {}", response.sequence(), Method::Invite.name());
        let prack = early.dialog.request(Method::Prack);
        let prack = prack
            .header(Header::RAck, &format!("{} {cseq}", early.number))
            .header(Header::UserAgent, &user_agent);
        let dialog = early.dialog.clone();
        let hop = self.hop_of(&dialog);
        self.send(now, prack, hop, Purpose::Early { leg: id, dialog: name.clone() });
    }

    /// A request of ours in an early dialog has its final answer. What the peer wants confirmed is, once
    /// it knows that its response came (RFC 3312 section 6); all else the INVITE will tell.
    pub(super) fn early_answered(
        &mut self,
        now: Instant,
        id: LegId,
        name: &DialogId,
        response: &Response,
    ) {
        let is_prack = response.cseq_method() == Method::Prack && response.code() < 300;
        if is_prack && !self.is_withdrawn(id) {
            self.confirm(now, id, name);
        }
    }

    fn confirm(&mut self, now: Instant, id: LegId, name: &DialogId) {
        let (contact, user_agent) = (self.config.contact_address(), self.config.user_agent());
        let Some(early) = self.early(id, name).filter(|early| !early.is_confirmed) else { return };
        let Some(answer) = &early.answer else { return };
        let Some(offer) = early.offer.confirming(answer) else { return };
        (early.offer, early.is_confirmed) = (offer, true);
        let update = early.dialog.request(Method::Update);
        let update = update
            .header(Header::Contact, &contact)
            .header(Header::UserAgent, &user_agent)
            .body("application/sdp", early.offer.text().to_owned());
        let dialog = early.dialog.clone();
        let hop = self.hop_of(&dialog);
        self.send(now, update, hop, Purpose::Early { leg: id, dialog: name.clone() });
    }

    /// A request of the peer in an early dialog. Of all there are, an UPDATE has something to say there.
    pub(super) fn serve_early(&mut self, id: LegId, request: &Request) -> Reply {
        let contact = self.config.contact_address();
        let early = DialogId::of_request(request).and_then(|name| self.early(id, &name));
        let Some(early) = early else { return Reply::new(481) };
        if early.dialog.handle_request(request).is_err() {
            return Reply::new(500);
        }
        match request.method() {
            Method::Update => {
                let body = request.body();
                let has_offer = !body.is_empty();
                match &early.answer {
                    // Our own offer is open (RFC 3311 section 5.2).
                    None if has_offer => return Reply::new(491),
                    Some(answer) if has_offer && !is_same_session(&body, answer) => {
                        return Reply::new(488);
                    }
                    _ => {}
                }
                if early.dialog.refresh(request).is_err() {
                    return Reply::new(400);
                }
                let reply = capabilities().header(Header::Contact, &contact);
                if has_offer {
                    reply.body("application/sdp", early.offer.text().to_owned())
                } else {
                    reply
                }
            }
            Method::Options => capabilities(),
            // Ours is not answered yet (RFC 3261 section 14.2).
            Method::Invite => Reply::new(491),
            Method::Refer => Reply::new(603),
            _ => Reply::new(481),
        }
    }

    /// Takes what is known of the dialog that a 2xx has made a real one. All others of that INVITE are
    /// nothing any more.
    pub(super) fn take_early(&mut self, id: LegId, dialog: &mut Dialog) -> Option<Early> {
        let Phase::Calling(calling) = &mut self.legs.get_mut(&id)?.phase else { return None };
        let at = calling.early.iter().position(|early| early.dialog.id() == dialog.id());
        let early = at.map(|at| calling.early.swap_remove(at));
        self.forget_early(id);
        if let Some(early) = &early {
            dialog.succeed(&early.dialog);
        }
        early
    }

    /// The INVITE that made these dialogs is over.
    pub(super) fn forget_early(&mut self, id: LegId) {
        self.dialogs.retain(|_, usage| *usage != Usage::Early(id));
        if let Some(Phase::Calling(calling)) = self.legs.get_mut(&id).map(|leg| &mut leg.phase) {
            calling.early.clear();
        }
    }

    /// A request in an early dialog went out again, under this number.
    pub(super) fn count_early(&mut self, id: LegId, name: &DialogId, sequence: u32) {
        if let Some(early) = self.early(id, name) {
            early.dialog.continue_from(sequence);
        }
    }

    fn early(&mut self, id: LegId, name: &DialogId) -> Option<&mut Early> {
        let Leg { phase: Phase::Calling(calling), .. } = self.legs.get_mut(&id)? else {
            return None;
        };
        calling.early.iter_mut().find(|early| early.dialog.id() == name)
    }

    /// Whether nobody waits for the answer to an INVITE any more.
    pub(super) fn is_withdrawn(&self, id: LegId) -> bool {
        self.legs.get(&id).is_none_or(|leg| match &leg.phase {
            Phase::Calling(calling) => calling.is_withdrawn,
            _ => true,
        })
    }
}
