//! Somebody else's device: it calls and is called, and does what the RFCs leave to it in ways that
//! our own client never would. What it says is written here; only repetition and matching are left to
//! the transactions.

mod ask;
mod early;
mod heed;
mod media;
mod serve;

use std::{
    collections::{BTreeSet, HashMap},
    net::SocketAddr,
    time::Instant,
};

use msrp::PathBuf;
use sip_control::{
    dialog::{Dialog, DialogId},
    message::{Draft, Header, Message, Method, Reply, Request},
    transaction::{ClientId, Config, Event, ServerId, Timers, Transactions},
    transport::{Protocol, Source, Target, Ticket, Transmit},
};

use self::early::Early;
use crate::{
    dice::Dice,
    wire::Wish,
    world::{FOCUS, address_of},
};

const TALKS_MAX: usize = 3;
/// Sessions that a phone remembers, to come back to.
const KNOWN_MAX: usize = 4;

pub struct Phone {
    number: usize,
    pub user: String,
    address: SocketAddr,
    protocol: Protocol,
    transactions: Transactions,
    /// What became of it is not known yet.
    asked: HashMap<ClientId, Asked>,
    pub talks: Vec<Talk>,
    /// Legs that are on their way to be ones.
    earlies: Vec<Early>,
    /// Sessions that it has been in, by their identities.
    known: BTreeSet<String>,
    /// Dialogs of subscriptions alone.
    watches: Vec<Dialog>,
    /// INVITEs of the focus that are not answered.
    ringing: Vec<(ServerId, Request, String)>,
    /// Those that are, and not acknowledged.
    answered: HashMap<ServerId, DialogId>,
    /// Answers that are not acknowledged by us.
    owing: Vec<Owing>,
    pub wishes: Vec<Wish>,
    last: u64,
    /// Whether it says that it knows session timers, of which it serves no more than what the other side
    /// has to do.
    knows_timers: bool,
    /// What it says it takes: with UPDATE, or without it.
    allow: &'static str,
    /// Everything is done as it should be from now on.
    pub is_calm: bool,
}

/// A leg, as it is seen from here.
pub struct Talk {
    dialog: Dialog,
    /// The session that the last description of ours was about, and the other side of it.
    session: u64,
    remote: Option<PathBuf>,
    room: String,
    /// Its connection is gone.
    is_lost: bool,
    /// The number of the last offer of ours that was accepted.
    settled: u32,
}

/// A request of ours.
struct Asked {
    uri: String,
    purpose: Purpose,
}

enum Purpose {
    /// It makes a leg, with or without an offer.
    Join {
        session: u64,
        has_offer: bool,
    },
    /// It changes one.
    Again {
        dialog: DialogId,
        session: u64,
        offer: Offer,
    },
    /// It ends one, whatever it takes.
    Bye {
        dialog: Box<Dialog>,
    },
    /// Whether that is still there.
    Probe {
        dialog: DialogId,
    },
    Subscribe,
    Other,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Offer {
    Same,
    Moved,
    Hold,
    /// There is none: the other side makes one.
    Theirs,
}

/// An ACK that was not sent yet.
struct Owing {
    transaction: ClientId,
    ack: Draft,
}

impl Phone {
    pub fn new(number: usize, protocol: Protocol, dice: &mut Dice) -> Self {
        let address = address_of(number);
        let config = Config {
            timers: Timers::default(),
            sent_by_udp: address.to_string(),
            sent_by_tcp: address.to_string(),
            servers_max: 1000,
        };
        let mut seed = [number as u8; 32];
        seed[..8].copy_from_slice(&dice.roll().to_le_bytes());
        let transport = if protocol == Protocol::Tcp { ";transport=tcp" } else { "" };
        Self {
            number,
            user: format!("sip:p{number}@{address}{transport}"),
            address,
            protocol,
            transactions: Transactions::new(config, seed),
            asked: HashMap::new(),
            talks: Vec::new(),
            earlies: Vec::new(),
            known: BTreeSet::new(),
            watches: Vec::new(),
            ringing: Vec::new(),
            answered: HashMap::new(),
            owing: Vec::new(),
            wishes: Vec::new(),
            last: 0,
            knows_timers: dice.chance(40),
            allow: dice.one_of(&[
                "INVITE, ACK, BYE, CANCEL, UPDATE, NOTIFY, OPTIONS",
                "INVITE, ACK, BYE, CANCEL, NOTIFY, OPTIONS",
            ]),
            is_calm: false,
        }
    }

    /// Its user does something.
    pub fn act(&mut self, now: Instant, dice: &mut Dice, users: &[String]) {
        let some = (!self.talks.is_empty()).then(|| dice.below(self.talks.len()));
        match (dice.below(20), some) {
            (0..4, _) if self.talks.len() + self.asked.len() < TALKS_MAX => {
                if dice.chance(15) {
                    self.create(now, dice, users);
                } else {
                    self.join(now, dice);
                }
            }
            (4 | 5, _) => self.cancel(now, dice),
            (6 | 7, _) if !self.owing.is_empty() => {
                let at = dice.below(self.owing.len());
                self.acknowledge(at);
            }
            (7 | 8, _) if !self.earlies.is_empty() => {
                let at = dice.below(self.earlies.len());
                self.go_on(now, dice, at);
            }
            (8 | 9, _) if !self.ringing.is_empty() => {
                let at = dice.below(self.ringing.len());
                self.decide(now, dice, at);
            }
            (10..13, Some(at)) => self.offer(now, dice, at),
            (13, Some(at)) => self.hang_up(now, at),
            (14..17, _) => self.subscribe(now, dice, some),
            (17 | 18, some) => self.refer(now, dice, some, users),
            _ => {}
        }
    }

    /// It wants nothing any more.
    pub fn leave_all(&mut self, now: Instant, dice: &mut Dice) {
        self.settle_debts(now, dice);
        while !self.talks.is_empty() {
            self.hang_up(now, 0);
        }
    }

    /// What was put off is done now.
    pub fn settle_debts(&mut self, now: Instant, dice: &mut Dice) {
        self.is_calm = true;
        while !self.owing.is_empty() {
            self.acknowledge(0);
        }
        for (transaction, ..) in std::mem::take(&mut self.ringing) {
            self.transactions.respond(now, transaction, &Reply::new(486));
        }
        for at in 0..self.earlies.len() {
            self.go_on(now, dice, at);
        }
        while let Some(at) = self.talks.iter().position(|talk| talk.is_lost) {
            self.hang_up(now, at);
        }
        for at in 0..self.talks.len() {
            self.probe(now, at);
        }
    }

    /// Asks whether the other side still knows of a leg: a BYE may have been lost with a stream, and what
    /// a process had answered may come when there is another.
    fn probe(&mut self, now: Instant, at: usize) {
        let update = self.talks[at].dialog.request(Method::Update);
        let update = self.timed(update.header(Header::Contact, &self.contact()));
        let dialog = self.talks[at].dialog.id().clone();
        self.ask(now, &update, Purpose::Probe { dialog });
    }

    /// The connection of a session is gone, perhaps because it is over and nobody said so.
    pub fn lose(&mut self, now: Instant, session: u64) {
        if let Some(at) = self.talks.iter().position(|talk| talk.session == session) {
            self.talks[at].is_lost = true;
            if self.is_calm {
                self.hang_up(now, at);
            }
        }
    }

    /// Where it is.
    pub fn rooms(&self) -> Vec<&str> {
        self.talks.iter().map(|talk| &*talk.room).collect()
    }

    fn target(&self) -> Target {
        Target::new(self.protocol, FOCUS.parse().unwrap())
    }

    fn contact(&self) -> String {
        format!("<{}>", self.user)
    }

    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn ask(&mut self, now: Instant, draft: &Draft, purpose: Purpose) {
        let uri = draft.request_uri().to_owned();
        let id = self.transactions.request(now, draft, self.target());
        self.asked.insert(id, Asked { uri, purpose });
    }

    pub fn handle_message(
        &mut self,
        now: Instant,
        dice: &mut Dice,
        source: Source,
        message: Message,
    ) {
        self.transactions.handle_message(now, source, message);
        self.settle(now, dice);
    }

    pub fn handle_undelivered(&mut self, now: Instant, dice: &mut Dice, ticket: Ticket) {
        self.transactions.handle_undelivered(now, ticket);
        self.settle(now, dice);
    }

    pub fn handle_timeout(&mut self, now: Instant, dice: &mut Dice) {
        self.transactions.handle_timeout(now);
        self.settle(now, dice);
    }

    fn settle(&mut self, now: Instant, dice: &mut Dice) {
        while let Some(event) = self.transactions.poll_event() {
            match event {
                Event::Request { transaction, request, tag, .. } => {
                    self.serve(now, dice, transaction, request, tag);
                }
                Event::Response { transaction, response } if response.code() >= 200 => {
                    self.answered(now, dice, transaction, &response);
                }
                Event::Response { transaction, response } => {
                    self.progressed(now, dice, transaction, &response);
                }
                Event::Settled { .. } => {}
                Event::Failed { transaction, .. } => self.failed(now, transaction),
                Event::Acknowledged { transaction, .. } => {
                    self.answered.remove(&transaction);
                }
                Event::Unacknowledged { transaction } => {
                    let dialog = self.answered.remove(&transaction);
                    let talk = |talk: &Talk| Some(talk.dialog.id()) == dialog.as_ref();
                    if let Some(at) = self.talks.iter().position(talk) {
                        self.hang_up(now, at);
                    }
                }
                Event::Cancelled { transaction } => {
                    self.ringing.retain(|(id, ..)| *id != transaction);
                    self.transactions.respond(now, transaction, &Reply::new(487));
                }
            }
        }
    }

    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transactions.poll_transmit()
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.transactions.poll_timeout()
    }
}
