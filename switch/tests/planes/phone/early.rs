//! Legs that wait until a phone has reserved what it needs: a 183 that it acknowledges, and its word
//! that all is there (RFC 3262, RFC 3312).

use std::time::Instant;

use msrp::PathBuf;
use sip_control::{
    dialog::Dialog,
    message::{Header, Method, Response},
    transaction::ClientId,
};

use super::{Phone, Purpose, media::path_in};
use crate::dice::Dice;

/// A leg whose INVITE has been answered by a 183, and by nothing final.
pub(super) struct Early {
    invite: ClientId,
    dialog: Dialog,
    session: u64,
    pub(super) remote: PathBuf,
    /// What acknowledges the 183, while that was not done.
    rack: Option<String>,
    is_reserved: bool,
}

impl Phone {
    /// What a phone says that insists on something, which is there or is not.
    pub(super) fn wanting(&self, session: u64, is_reserved: bool) -> String {
        let current = if is_reserved { "sendrecv" } else { "none" };
        format!(
            "{}a=curr:qos local {current}\r\na=curr:qos remote none\r\n\
             a=des:qos mandatory local sendrecv\r\na=des:qos mandatory remote sendrecv\r\n",
            self.description(session, false)
        )
    }

    /// An answer that is not final. It may come again and again.
    pub(super) fn progressed(
        &mut self,
        now: Instant,
        dice: &mut Dice,
        invite: ClientId,
        response: &Response,
    ) {
        let Some(number) = response.header(Header::RSeq) else { return };
        if self.earlies.iter().any(|early| early.invite == invite) {
            return;
        }
        let Some(asked) = self.asked.get(&invite) else { return };
        let Purpose::Join { session, .. } = asked.purpose else { return };
        let dialog = Dialog::begin(&asked.uri, response).expect("a dialog");
        let remote = path_in(response).expect("a path");
        if dice.chance(40) {
            // Nobody has to wait for the 200.
            let room = dialog.remote_target().to_owned();
            self.connect(session, remote.clone(), &room);
        }
        let rack = Some(format!("{number} {} INVITE", response.sequence()));
        self.earlies.push(Early { invite, dialog, session, remote, rack, is_reserved: false });
        if self.is_calm || dice.chance(60) {
            self.go_on(now, dice, self.earlies.len() - 1);
        }
    }

    /// Says what was not said of an early leg: that its 183 has come, or that all is reserved.
    pub(super) fn go_on(&mut self, now: Instant, dice: &mut Dice, at: usize) {
        let (session, contact) = (self.earlies[at].session, self.contact());
        let has_news = !self.earlies[at].is_reserved && dice.chance(50);
        let sdp = self.wanting(session, true);
        let early = &mut self.earlies[at];
        let mut draft = match early.rack.take_if(|_| !has_news || dice.chance(60)) {
            Some(rack) => early.dialog.request(Method::Prack).header(Header::RAck, &rack),
            None => early.dialog.request(Method::Update).header(Header::Contact, &contact),
        };
        if has_news {
            early.is_reserved = true;
            draft = draft.body("application/sdp", sdp);
        }
        self.ask(now, &draft, Purpose::Other);
    }

    /// The INVITE has its final answer, or never will. What was early until now, if it was.
    pub(super) fn end_early(&mut self, invite: ClientId) -> Option<(Dialog, PathBuf)> {
        let at = self.earlies.iter().position(|early| early.invite == invite)?;
        let Early { dialog, remote, .. } = self.earlies.remove(at);
        Some((dialog, remote))
    }
}
