//! What becomes of private messages. Whoever sends to the room is answered by the room; whoever sends
//! to one participant is told if nothing of it gets there (PRIV-13).
//!
//! Every core that the message is for says once what became of it there. What is known at once goes
//! into the answer to a chunk; what is known only after that, into one failure report.

use std::{sync::Arc, time::Instant};

use mailbox::{
    Addressee, Audience, Class, CoreId, CoreSet, Outcome, OutcomeRelay, Piece, Presence, Relay,
    RoomRelay, Stage,
};
use msrp::ByteRange;

use crate::{
    connection::Phase,
    core::Core,
    limits::PRIVATE_AWAITED_MAX,
    message::{MessageKey, Refusal},
    report::Reported,
    room::{FlightId, RoomKey},
    route::{Session, SessionKey},
};

/// A private message of which it is not known yet whether it got to its recipient.
#[derive(Debug)]
pub(crate) struct Private {
    /// Which of its session's messages.
    message: u64,
    /// The cores that have not yet said what became of it.
    awaited: CoreSet,
    /// What became of it on the others: nothing good, or it would not be here any more.
    outcome: Outcome,
    /// The values of `From` and `To`, for a report (RPT-15).
    addressing: (Box<str>, Box<str>),
    /// Where to report to, once its last chunk has been answered.
    report: Option<Box<ReportTo>>,
}

/// What a failure report needs of the message it is about.
#[derive(Debug)]
struct ReportTo {
    way_back: Box<[u8]>,
    message_id: Box<[u8]>,
    range: ByteRange,
}

impl Core {
    /// From now on it matters what becomes of this message.
    pub(crate) fn await_outcome(
        &mut self,
        key: SessionKey,
        message: u64,
        addressee: Addressee,
        (from, to): (&str, &str),
    ) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        if session.private.len() >= PRIVATE_AWAITED_MAX {
            session.private.remove(0);
        }
        session.private.push(Private {
            message,
            awaited: addressee.cores,
            outcome: Outcome::Gone,
            addressing: (from.into(), to.into()),
            report: None,
        });
    }

    /// The sessions here of the participant that a message is for.
    pub(crate) fn sessions_of(&self, key: RoomKey, addressee: Addressee) -> Vec<SessionKey> {
        let Some(room) = self.rooms.get(key) else { return Vec::new() };
        let here = |it: &&Arc<Presence>| it.core == self.config.id;
        let listed = room.directory.of(addressee.participant).iter().filter(here);
        listed.filter_map(|it| self.sessions_by_id.get(&it.session).copied()).collect()
    }

    /// Why a message cannot be begun on any of these sessions.
    pub(crate) fn obstacle(&self, sessions: &[SessionKey], class: Class) -> Outcome {
        let sessions = || sessions.iter().filter_map(|&key| self.sessions.get(key));
        let is_open = |session: &Session| {
            let connection = session.connection().and_then(|id| self.connections.get(id));
            connection.is_some_and(|it| matches!(it.phase, Phase::Open))
        };
        let takes =
            |session: &Session| session.recipient().is_some_and(|peer| peer.media.takes_private());
        if !sessions().any(is_open) {
            Outcome::Gone
        } else if class != Class::Disposition && !sessions().any(takes) {
            Outcome::Unsupported
        } else {
            Outcome::Dropped
        }
    }

    /// Says what became of a private message on this core, if it was for this core.
    pub(crate) fn say_outcome(&mut self, addressee: Addressee, id: FlightId, outcome: Outcome) {
        let own = self.config.id;
        if addressee.cores.contains(own) {
            self.tell_outcome(addressee.sender, id, CoreSet::EMPTY.with(own), outcome);
        }
    }

    /// A piece of a message has come for a room that is not here any more.
    pub(crate) fn miss(&mut self, relay: &RoomRelay) {
        if let Piece::Open { opening, .. } = &relay.piece
            && let Audience::Participant(addressee) = opening.audience
        {
            let cores = match relay.stage {
                Stage::ToHome => addressee.cores,
                Stage::ToMembers => CoreSet::EMPTY.with(self.config.id),
            };
            let id = (relay.origin, relay.message);
            self.tell_outcome(addressee.sender, id, cores, Outcome::Gone);
        }
    }

    /// Says what became of a private message on some cores.
    pub(crate) fn tell_outcome(
        &mut self,
        sender: CoreId,
        (origin, message): FlightId,
        cores: CoreSet,
        outcome: Outcome,
    ) {
        let relay = OutcomeRelay { origin, message, cores, outcome };
        if sender == self.config.id {
            self.handle_outcome(relay);
        } else {
            self.tell(sender, Relay::Outcome(relay));
        }
    }

    /// Some cores have said what became of a private message from here.
    pub(crate) fn handle_outcome(&mut self, relay: OutcomeRelay) {
        let Some(&key) = self.sessions_by_id.get(&relay.origin) else { return };
        let Some(session) = self.sessions.get_mut(key) else { return };
        let Some(at) = session.private.iter().position(|it| it.message == relay.message) else {
            return;
        };
        if relay.outcome == Outcome::Delivered {
            session.private.swap_remove(at);
            return;
        }
        let private = &mut session.private[at];
        private.awaited = relay.cores.iter().fold(private.awaited, CoreSet::without);
        if relay.outcome != Outcome::Gone {
            private.outcome = relay.outcome;
        }
        if private.awaited.is_empty() {
            self.lost.push((key, relay.message));
        }
    }

    /// Tells the senders of lost messages, as far as no answer to a chunk has told them yet.
    pub(crate) fn tell_of_lost(&mut self, now: Instant) {
        for (key, message) in std::mem::take(&mut self.lost) {
            let Some(session) = self.sessions.get_mut(key) else { continue };
            let Some(at) = session.private.iter().position(|it| it.message == message) else {
                continue;
            };
            let private = session.private.swap_remove(at);
            let (status, body) = (status(private.outcome), private.report_body());
            let is_it = |it: &&MessageKey| {
                self.messages.get(**it).is_some_and(|unfinished| unfinished.serial == message)
            };
            if let Some(&unfinished) = session.incoming.iter().find(is_it) {
                let refusal = refusal(private.outcome);
                self.give_up_message(now, unfinished, refusal, (status, body.as_bytes()));
            } else if let Some(report) = private.report.as_deref()
                && let Some(id) = session.connection()
            {
                let ReportTo { way_back, message_id, range } = report;
                let reported = Reported { way_back, message_id, range: *range };
                self.report(id, key, reported, status, body.as_bytes());
            }
        }
    }

    /// Whether it is known already that a message cannot get to its recipient.
    pub(crate) fn check_outcome(&mut self, key: SessionKey, message: u64) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get_mut(key) else { return Ok(()) };
        let lost = |it: &Private| it.message == message && it.awaited.is_empty();
        match session.private.iter().position(lost) {
            Some(at) => Err(refusal(session.private.swap_remove(at).outcome)),
            None => Ok(()),
        }
    }

    /// A message has been answered to its end. If it is a private one, and it is not known yet what
    /// becomes of it, its sender will be told the worst, if that is wanted.
    pub(crate) fn report_outcome(
        &mut self,
        key: SessionKey,
        message: u64,
        reported: Option<Reported<'_>>,
    ) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let Some(at) = session.private.iter().position(|it| it.message == message) else { return };
        match reported {
            Some(Reported { way_back, message_id, range }) => {
                let (way_back, message_id) = (way_back.into(), message_id.into());
                session.private[at].report =
                    Some(Box::new(ReportTo { way_back, message_id, range }));
            }
            None => drop(session.private.swap_remove(at)),
        }
    }

    /// It does not matter any more what becomes of a message: its sender has given it up.
    pub(crate) fn forget_outcome(&mut self, key: SessionKey, message: u64) {
        if let Some(session) = self.sessions.get_mut(key) {
            session.private.retain(|it| it.message != message);
        }
    }
}

impl Private {
    /// What a report says beside its status (RPT-15).
    fn report_body(&self) -> String {
        let (from, to) = &self.addressing;
        match self.outcome {
            Outcome::Unsupported => {
                format!("From: {from}\r\nTo: {to}\r\n\r\nContent-Type: text/plain\r\n\r\n")
            }
            Outcome::Delivered | Outcome::Gone | Outcome::Dropped => String::new(),
        }
    }
}

/// The answer to a chunk of a message of which nothing gets to its recipient. Of a recipient that is
/// gone it says that there is none: 481 would be about the sender's own session (PRIV-12).
fn refusal(outcome: Outcome) -> Refusal {
    match outcome {
        Outcome::Gone | Outcome::Delivered => Refusal::NoSuchRecipient,
        Outcome::Unsupported => Refusal::NoPrivateMessages,
        Outcome::Dropped => Refusal::StopSending,
    }
}

/// The status of a report about it.
fn status(outcome: Outcome) -> u16 {
    match outcome {
        Outcome::Gone | Outcome::Delivered => msrp::status::NO_SESSION,
        Outcome::Unsupported | Outcome::Dropped => refusal(outcome).status(),
    }
}
