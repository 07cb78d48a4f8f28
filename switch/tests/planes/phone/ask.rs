//! What a phone asks.

use std::time::Instant;

use sip_control::{
    dialog::Dialog,
    message::{Draft, Header, Method},
    transaction::ClientId,
};

use super::{Asked, Offer, Phone, Purpose};
use crate::{
    dice::Dice,
    world::{FACTORY, ROOMS},
};

impl Phone {
    fn outside(&mut self, method: Method, uri: &str) -> Draft {
        let number = self.next();
        Draft::new(method, uri)
            .header(Header::From, &format!("<{}>;tag=f{number}", self.user))
            .header(Header::To, &format!("<{uri}>"))
            .header(Header::CallId, &format!("c{number}-{}", self.number))
            .header(Header::CSeq, &format!("1 {}", method.name()))
            .header(Header::Contact, &self.contact())
    }

    /// The same, with a word about session timers: whoever knows them wants the other side to refresh.
    pub(super) fn timed(&self, draft: Draft) -> Draft {
        if self.knows_timers {
            let draft = draft.header(Header::Supported, "timer");
            draft.header(Header::SessionExpires, "90;refresher=uas")
        } else {
            draft
        }
    }

    pub(super) fn join(&mut self, now: Instant, dice: &mut Dice) {
        let (session, has_offer) = (self.next(), dice.chance(75));
        let known = self.known.iter().nth(dice.below(1 + self.known.len())).cloned();
        let room = known.filter(|_| dice.chance(50));
        let room = room.unwrap_or_else(|| dice.one_of(&ROOMS).to_owned());
        let mut draft = self.outside(Method::Invite, &room);
        draft = draft.header(Header::Allow, self.allow);
        let insists = has_offer && dice.chance(40);
        draft = self.timed(draft);
        if insists {
            let draft =
                draft.header(Header::Supported, "100rel").header(Header::Require, "precondition");
            let draft = draft.body("application/sdp", self.wanting(session, false));
            return self.ask(now, &draft, Purpose::Join { session, has_offer });
        }
        if has_offer {
            draft = draft.body("application/sdp", self.description(session, false));
        }
        self.ask(now, &draft, Purpose::Join { session, has_offer });
    }

    /// Makes a group of its own with one or two others, who are called into it.
    pub(super) fn create(&mut self, now: Instant, dice: &mut Dice, users: &[String]) {
        let session = self.next();
        let mut list = String::new();
        for _ in 0..=dice.below(2) {
            let whom = &users[dice.below(users.len())];
            list = format!("{list}<entry uri=\"{whom}\"/>");
        }
        let body = format!(
            "--b1\r\nContent-Type: application/sdp\r\n\r\n{}\r\n--b1\r\n\
             Content-Type: application/resource-lists+xml\r\n\
             Content-Disposition: recipient-list\r\n\r\n\
             <resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"><list>{list}</list>\
             </resource-lists>\r\n--b1--\r\n",
            self.description(session, false)
        );
        let draft = self
            .outside(Method::Invite, FACTORY)
            .header(Header::Require, "recipient-list-invite")
            .header(Header::Allow, self.allow)
            .body("multipart/mixed;boundary=b1", body);
        self.ask(now, &draft, Purpose::Join { session, has_offer: true });
    }

    pub(super) fn cancel(&mut self, now: Instant, dice: &mut Dice) {
        let is_join =
            |asked: &Asked| matches!(asked.purpose, Purpose::Join { .. } | Purpose::Again { .. });
        let mut joins: Vec<ClientId> =
            self.asked.iter().filter(|(_, asked)| is_join(asked)).map(|(id, _)| *id).collect();
        joins.sort_unstable();
        if !joins.is_empty() {
            self.transactions.cancel(now, joins[dice.below(joins.len())]);
        }
    }

    /// A re-INVITE or an UPDATE.
    pub(super) fn offer(&mut self, now: Instant, dice: &mut Dice, at: usize) {
        let is_update = dice.chance(40);
        let offer = match dice.below(10) {
            0..3 => Offer::Same,
            3..6 => Offer::Moved,
            6 | 7 => Offer::Hold,
            _ if is_update => Offer::Same,
            _ => Offer::Theirs,
        };
        let session = match offer {
            Offer::Same | Offer::Hold => self.talks[at].session,
            Offer::Moved | Offer::Theirs => self.next(),
        };
        let method = if is_update { Method::Update } else { Method::Invite };
        let sdp = self.description(session, offer == Offer::Hold);
        let contact = self.contact();
        let talk = &mut self.talks[at];
        let dialog = talk.dialog.id().clone();
        let draft = talk.dialog.request(method).header(Header::Contact, &contact);
        let mut draft = self.timed(draft);
        if offer != Offer::Theirs {
            draft = draft.body("application/sdp", sdp);
        }
        self.ask(now, &draft, Purpose::Again { dialog, session, offer });
    }

    pub(super) fn hang_up(&mut self, now: Instant, at: usize) {
        let talk = self.talks.remove(at);
        self.close(talk.session);
        self.bye(now, Box::new(talk.dialog));
    }

    pub(super) fn bye(&mut self, now: Instant, mut dialog: Box<Dialog>) {
        let bye = dialog.request(Method::Bye);
        self.ask(now, &bye, Purpose::Bye { dialog });
    }

    pub(super) fn subscribe(&mut self, now: Instant, dice: &mut Dice, talk: Option<usize>) {
        let contact = self.contact();
        let draft = match talk {
            Some(at) if dice.chance(40) => {
                let draft = self.talks[at].dialog.request(Method::Subscribe);
                draft.header(Header::Contact, &contact)
            }
            _ if !self.watches.is_empty() && dice.chance(60) => {
                let at = dice.below(self.watches.len());
                let draft = self.watches[at].request(Method::Subscribe);
                draft.header(Header::Contact, &contact)
            }
            Some(at) => {
                let room = self.talks[at].room.clone();
                self.outside(Method::Subscribe, &room)
            }
            None => self.outside(Method::Subscribe, dice.one_of(&ROOMS)),
        };
        let event = dice.one_of(&["conference", "conference", "conference;id=7"]);
        let mut draft = draft.header(Header::Event, event);
        if let Some(expires) = dice.one_of(&[None, Some("0"), Some("60"), Some("100")]) {
            draft = draft.header(Header::Expires, expires);
        }
        self.ask(now, &draft, Purpose::Subscribe);
    }

    pub(super) fn refer(
        &mut self,
        now: Instant,
        dice: &mut Dice,
        talk: Option<usize>,
        users: &[String],
    ) {
        let Some(at) = talk else { return };
        let contact = self.contact();
        let draft = if dice.chance(50) {
            let draft = self.talks[at].dialog.request(Method::Refer);
            draft.header(Header::Contact, &contact)
        } else {
            let room = self.talks[at].room.clone();
            self.outside(Method::Refer, &room)
        };
        let whom = &users[dice.below(users.len())];
        let method = if dice.chance(25) { ";method=BYE" } else { "" };
        let mut draft = draft.header(Header::ReferTo, &format!("<{whom}{method}>"));
        if dice.chance(30) {
            draft = draft.header(Header::ReferSub, "false");
        }
        self.ask(now, &draft, Purpose::Other);
    }
}
