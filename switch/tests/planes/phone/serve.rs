//! What a phone answers.

use std::time::Instant;

use msrp::PathBuf;
use sip_control::{
    dialog::{Dialog, DialogId},
    message::{Header, Method, Reply, Request},
    transaction::ServerId,
};

use super::{Phone, Purpose, Talk, media::path_in};
use crate::dice::Dice;

impl Phone {
    /// A request of the focus.
    pub(super) fn serve(
        &mut self,
        now: Instant,
        dice: &mut Dice,
        transaction: ServerId,
        request: Request,
        tag: String,
    ) {
        // Nobody at home. But who has gone has gone.
        if !self.is_calm && request.method() != Method::Bye && dice.chance(3) {
            return;
        }
        let dialog = DialogId::of_request(&request);
        let at = dialog.and_then(|id| self.talks.iter().position(|talk| *talk.dialog.id() == id));
        let reply = match (request.method(), at) {
            (Method::Invite, None) if request.to_tag().is_none() => {
                if dice.chance(50) {
                    self.transactions.respond(now, transaction, &Reply::new(180));
                }
                self.ringing.push((transaction, request, tag));
                if self.is_calm || dice.chance(70) {
                    self.decide(now, dice, self.ringing.len() - 1);
                }
                return;
            }
            (Method::Bye, Some(at)) => {
                let talk = self.talks.remove(at);
                self.close(talk.session);
                Reply::new(200)
            }
            (Method::Invite | Method::Update, Some(_)) if !self.is_calm && dice.chance(15) => {
                Reply::new(dice.one_of(&[491, 500]))
            }
            // Two offers at a time are one too many (RFC 3261 section 14.2).
            (Method::Invite | Method::Update, Some(at))
                if !request.body().is_empty() && self.is_offering(at) =>
            {
                Reply::new(491)
            }
            (Method::Invite | Method::Update, Some(at)) => {
                self.follow(at, path_in(&request));
                let talk = &mut self.talks[at];
                let _ = talk.dialog.handle_request(&request);
                let is_described = !request.body().is_empty() || request.method() == Method::Invite;
                let sdp = self.description(self.talks[at].session, false);
                let reply = Reply::new(200).header(Header::Contact, &self.contact());
                let reply = reply.header(Header::Allow, self.allow);
                let reply = if self.knows_timers {
                    reply.header(Header::SessionExpires, "90;refresher=uac")
                } else {
                    reply
                };
                if is_described { reply.body("application/sdp", sdp) } else { reply }
            }
            (Method::Notify, _) if !self.is_calm && dice.chance(6) => match dice.below(2) {
                0 => Reply::new(481),
                _ => Reply::new(503).header(Header::RetryAfter, "3"),
            },
            (Method::Notify | Method::Options, _) => Reply::new(200),
            _ => Reply::new(481),
        };
        self.transactions.respond(now, transaction, &reply);
    }

    /// Whether an offer of ours is not answered.
    fn is_offering(&self, at: usize) -> bool {
        let own = self.talks[at].dialog.id();
        let mut purposes = self.asked.values().map(|asked| &asked.purpose);
        purposes.any(|it| matches!(it, Purpose::Again { dialog, .. } if dialog == own))
    }

    /// The other side offers a path, which may be another one than before.
    fn follow(&mut self, at: usize, path: Option<PathBuf>) {
        let talk = &mut self.talks[at];
        let Some(path) = path.filter(|path| talk.remote.as_ref().is_some_and(|it| it != path))
        else {
            return;
        };
        talk.remote = Some(path.clone());
        talk.is_lost = false;
        let (session, room) = (talk.session, talk.room.clone());
        self.connect(session, path, &room);
    }

    /// Yes or no.
    pub(super) fn decide(&mut self, now: Instant, dice: &mut Dice, at: usize) {
        let (transaction, request, tag) = self.ringing.remove(at);
        let path = path_in(&request);
        let is_welcome = self.is_calm || dice.chance(70);
        let dialog = Dialog::accept(&request, &tag).expect("a focus says where it is");
        let Some(remote) = path.filter(|_| is_welcome) else {
            self.transactions.respond(now, transaction, &Reply::new(486));
            return;
        };
        let session = self.next();
        let reply = Reply::new(200)
            .header(Header::Contact, &self.contact())
            .header(Header::Allow, self.allow)
            .body("application/sdp", self.description(session, false));
        self.transactions.respond(now, transaction, &reply);
        self.answered.insert(transaction, dialog.id().clone());
        let room = dialog.remote_target().to_owned();
        self.note_session(&room);
        self.connect(session, remote.clone(), &room);
        let (is_lost, settled) = (false, 0);
        self.talks.push(Talk { dialog, session, remote: Some(remote), room, is_lost, settled });
    }
}
