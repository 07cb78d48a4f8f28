//! What becomes of what a phone has asked.

use std::time::Instant;

use sip_control::{
    dialog::{Dialog, DialogId},
    message::{Draft, Header, Method, Response},
    transaction::ClientId,
};

use super::{KNOWN_MAX, Offer, Owing, Phone, Purpose, Talk, media::path_in};
use crate::dice::Dice;

impl Phone {
    /// A final answer to a request of ours.
    pub(super) fn answered(
        &mut self,
        now: Instant,
        dice: &mut Dice,
        id: ClientId,
        response: &Response,
    ) {
        let Some(asked) = self.asked.remove(&id) else { return };
        let is_yes = response.code() < 300;
        match asked.purpose {
            Purpose::Join { session, has_offer } if is_yes => {
                let (dialog, early) = match self.end_early(id) {
                    Some((dialog, remote))
                        if DialogId::of_response(response).as_ref() == Some(dialog.id()) =>
                    {
                        (dialog, Some(remote))
                    }
                    _ => (Dialog::begin(&asked.uri, response).expect("a dialog"), None),
                };
                let mut ack = dialog.ack(response.sequence());
                if !has_offer {
                    ack = ack.body("application/sdp", self.description(session, false));
                }
                let contact = response.address(Header::Contact).map(|it| it.uri().to_owned());
                let room = contact.expect("a focus says where it is");
                self.note_session(&room);
                let remote = path_in(response).or(early).expect("a path");
                self.connect(session, remote.clone(), &room);
                self.talks.push(Talk {
                    dialog,
                    session,
                    remote: Some(remote),
                    room,
                    is_lost: false,
                    settled: 0,
                });
                self.owe(dice, id, ack);
                if self.is_calm {
                    self.probe(now, self.talks.len() - 1);
                }
            }
            Purpose::Again { dialog, session, offer } => {
                let at = self.talks.iter().position(|talk| *talk.dialog.id() == dialog);
                let path = path_in(response);
                // The same path means the same session, also where it is offered anew.
                let same = at.map(|at| &self.talks[at]).filter(|talk| talk.remote == path);
                let session = match same {
                    Some(talk) if offer == Offer::Theirs => talk.session,
                    _ => session,
                };
                if response.cseq_method() == Method::Invite && is_yes {
                    let gone = Dialog::begin(&asked.uri, response).expect("a dialog");
                    let known = at.map_or(&gone, |at| &self.talks[at].dialog);
                    let mut ack = known.ack(response.sequence());
                    if offer == Offer::Theirs {
                        ack = ack.body("application/sdp", self.description(session, false));
                    }
                    self.owe(dice, id, ack);
                }
                let Some(at) = at else { return };
                // An answer that a later one has overtaken says nothing any more.
                if is_yes && response.sequence() < self.talks[at].settled {
                    return;
                }
                if is_yes {
                    self.talks[at].settled = response.sequence();
                    let former = self.talks[at].session;
                    self.talks[at].session = session;
                    let room = self.talks[at].room.clone();
                    self.talks[at].is_lost &= session == former && offer != Offer::Hold;
                    if offer == Offer::Hold {
                        self.close(former);
                        self.talks[at].remote = None;
                    } else if let Some(path) = path {
                        self.connect(session, path.clone(), &room);
                        self.talks[at].remote = Some(path);
                    }
                } else if matches!(response.code(), 408 | 481) {
                    self.hang_up(now, at);
                }
            }
            Purpose::Subscribe if is_yes => {
                let known =
                    |dialog: &Dialog| Some(dialog.id()) == DialogId::of_response(response).as_ref();
                let is_known = self.watches.iter().any(known)
                    || self.talks.iter().any(|talk| known(&talk.dialog));
                if !is_known {
                    self.watches.extend(Dialog::begin(&asked.uri, response));
                }
            }
            Purpose::Probe { dialog } if !is_yes => {
                let at = self.talks.iter().position(|talk| *talk.dialog.id() == dialog);
                if let Some(at) = at {
                    let talk = self.talks.remove(at);
                    self.close(talk.session);
                }
            }
            Purpose::Join { session, .. } => {
                self.end_early(id);
                self.close(session);
            }
            Purpose::Bye { .. } | Purpose::Probe { .. } | Purpose::Subscribe | Purpose::Other => {}
        }
    }

    /// It may come back there.
    pub(super) fn note_session(&mut self, identity: &str) {
        if self.known.len() >= KNOWN_MAX {
            self.known.pop_first();
        }
        self.known.insert(identity.to_owned());
    }

    fn owe(&mut self, dice: &mut Dice, transaction: ClientId, ack: Draft) {
        self.owing.push(Owing { transaction, ack });
        if self.is_calm || dice.chance(75) {
            self.acknowledge(self.owing.len() - 1);
        }
    }

    pub(super) fn acknowledge(&mut self, at: usize) {
        let Owing { transaction, ack } = self.owing.remove(at);
        self.transactions.acknowledge(transaction, &ack, self.target());
    }

    /// No answer will come.
    pub(super) fn failed(&mut self, now: Instant, id: ClientId) {
        match self.asked.remove(&id).map(|asked| asked.purpose) {
            Some(Purpose::Again { dialog, .. }) => {
                let at = self.talks.iter().position(|talk| *talk.dialog.id() == dialog);
                if let Some(at) = at {
                    self.hang_up(now, at);
                }
            }
            Some(Purpose::Join { session, .. }) => {
                self.end_early(id);
                self.close(session);
            }
            Some(Purpose::Bye { dialog }) => self.bye(now, dialog),
            _ => {}
        }
    }
}
