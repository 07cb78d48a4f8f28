//! Somebody else's device: it calls and is called, and does what the RFCs leave to it in ways that
//! our own client never would. What it says is written here; only repetition and matching are left to
//! the transactions.

mod serve;

use std::{collections::HashMap, net::SocketAddr, time::Instant};

use msrp::{AcceptTypes, PathBuf, UriBuf};
use sip_control::{
    client::Agreement,
    dialog::{Dialog, DialogId},
    message::{Draft, Header, Message, Method, Reply, Request, Response},
    transaction::{ClientId, Config, Event, ServerId, Timers, Transactions},
    transport::{Protocol, Source, Target, Ticket, Transmit},
};

use crate::{
    dice::Dice,
    wire::{Call, Key, Wish},
    world::{FACTORY, FOCUS, ROOMS, address_of},
};

const TALKS_MAX: usize = 3;
const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, UPDATE, NOTIFY, OPTIONS";

pub struct Phone {
    number: usize,
    pub user: String,
    address: SocketAddr,
    protocol: Protocol,
    transactions: Transactions,
    /// What became of it is not known yet.
    asked: HashMap<ClientId, Asked>,
    pub talks: Vec<Talk>,
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
    /// Whether it says that it knows session timers, which it then does not serve.
    knows_timers: bool,
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
            watches: Vec::new(),
            ringing: Vec::new(),
            answered: HashMap::new(),
            owing: Vec::new(),
            wishes: Vec::new(),
            last: 0,
            knows_timers: dice.chance(40),
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
            (8 | 9, _) if !self.ringing.is_empty() => {
                let at = dice.below(self.ringing.len());
                self.decide(now, dice, at);
            }
            (10..13, Some(at)) => self.offer(now, dice, at),
            (13 | 14, Some(at)) => self.hang_up(now, at),
            (15 | 16, _) => self.subscribe(now, dice, some),
            (17 | 18, some) => self.refer(now, dice, some, users),
            _ => {}
        }
    }

    /// It wants nothing any more.
    pub fn leave_all(&mut self, now: Instant) {
        self.settle_debts(now);
        while !self.talks.is_empty() {
            self.hang_up(now, 0);
        }
    }

    /// What was put off is done now.
    pub fn settle_debts(&mut self, now: Instant) {
        self.is_calm = true;
        while !self.owing.is_empty() {
            self.acknowledge(0);
        }
        for (transaction, ..) in std::mem::take(&mut self.ringing) {
            self.transactions.respond(now, transaction, &Reply::new(486));
        }
        while let Some(at) = self.talks.iter().position(|talk| talk.is_lost) {
            self.hang_up(now, at);
        }
        // Its BYE may have been lost with a stream.
        for at in 0..self.talks.len() {
            let update = self.talks[at].dialog.request(Method::Update);
            let update = update.header(Header::Contact, &self.contact());
            let dialog = self.talks[at].dialog.id().clone();
            self.ask(now, &update, Purpose::Probe { dialog });
        }
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

    /// A description of ours. Every other session waits to be connected to.
    fn description(&self, session: u64, is_held: bool) -> String {
        let ip = self.address.ip();
        let (port, setup) = match port_of(session) {
            Some(port) => (port, "passive"),
            None => (9, "active"),
        };
        let line = if is_held { 0 } else { port };
        format!(
            "v=0\r\no=- {session} {} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
             m=message {line} TCP/MSRP *\r\na=accept-types:message/cpim\r\n\
             a=accept-wrapped-types:*\r\na=setup:{setup}\r\na=path:{}\r\n",
            self.last,
            self.path(session)
        )
    }

    fn path(&self, session: u64) -> String {
        let (ip, port) = (self.address.ip(), port_of(session).unwrap_or(9));
        format!("msrp://{ip}:{port}/phone{}x{session};tcp", self.number)
    }

    fn outside(&mut self, method: Method, uri: &str) -> Draft {
        let number = self.next();
        Draft::new(method, uri)
            .header(Header::From, &format!("<{}>;tag=f{number}", self.user))
            .header(Header::To, &format!("<{uri}>"))
            .header(Header::CallId, &format!("c{number}-{}", self.number))
            .header(Header::CSeq, &format!("1 {}", method.name()))
            .header(Header::Contact, &self.contact())
    }

    fn ask(&mut self, now: Instant, draft: &Draft, purpose: Purpose) {
        let uri = draft.request_uri().to_owned();
        let id = self.transactions.request(now, draft, self.target());
        self.asked.insert(id, Asked { uri, purpose });
    }

    fn join(&mut self, now: Instant, dice: &mut Dice) {
        let (session, has_offer) = (self.next(), dice.chance(75));
        let mut draft = self.outside(Method::Invite, dice.one_of(&ROOMS));
        draft = draft.header(Header::Allow, ALLOW);
        if self.knows_timers {
            draft = draft.header(Header::Supported, "timer");
        }
        if has_offer {
            draft = draft.body("application/sdp", self.description(session, false));
        }
        self.ask(now, &draft, Purpose::Join { session, has_offer });
    }

    /// Makes a group of its own with one or two others, who are called into it.
    fn create(&mut self, now: Instant, dice: &mut Dice, users: &[String]) {
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
            .header(Header::Allow, ALLOW)
            .body("multipart/mixed;boundary=b1", body);
        self.ask(now, &draft, Purpose::Join { session, has_offer: true });
    }

    fn cancel(&mut self, now: Instant, dice: &mut Dice) {
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
    fn offer(&mut self, now: Instant, dice: &mut Dice, at: usize) {
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
        let mut draft = talk.dialog.request(method).header(Header::Contact, &contact);
        if offer != Offer::Theirs {
            draft = draft.body("application/sdp", sdp);
        }
        self.ask(now, &draft, Purpose::Again { dialog, session, offer });
    }

    fn hang_up(&mut self, now: Instant, at: usize) {
        let talk = self.talks.remove(at);
        self.close(talk.session);
        self.bye(now, Box::new(talk.dialog));
    }

    fn bye(&mut self, now: Instant, mut dialog: Box<Dialog>) {
        let bye = dialog.request(Method::Bye);
        self.ask(now, &bye, Purpose::Bye { dialog });
    }

    fn close(&mut self, session: u64) {
        self.wishes.push(Wish::Close { key: Key { peer: self.number, session } });
    }

    fn subscribe(&mut self, now: Instant, dice: &mut Dice, talk: Option<usize>) {
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

    fn refer(&mut self, now: Instant, dice: &mut Dice, talk: Option<usize>, users: &[String]) {
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

    fn acknowledge(&mut self, at: usize) {
        let Owing { transaction, ack } = self.owing.remove(at);
        self.transactions.acknowledge(transaction, &ack, self.target());
    }

    fn connect(&mut self, session: u64, remote: PathBuf, to: &str) {
        let agreement = Agreement {
            local: UriBuf::parse(self.path(session).as_bytes()).unwrap(),
            remote,
            wrapped_types: AcceptTypes::any(),
            size_max: None,
            may_send: true,
            nicknames: false,
            private_messages: false,
        };
        let ip = self.address.ip();
        let call = Call {
            agreement,
            from: self.user.split(";transport").next().unwrap().to_owned(),
            to: to.to_owned(),
            is_anonymous: false,
            waits_at: port_of(session).map(|port| SocketAddr::new(ip, port)),
        };
        let key = Key { peer: self.number, session };
        self.wishes.push(Wish::Connect { key, call: Box::new(call) });
    }

    /// A final answer to a request of ours.
    fn answered(&mut self, now: Instant, dice: &mut Dice, id: ClientId, response: &Response) {
        let Some(asked) = self.asked.remove(&id) else { return };
        let is_yes = response.code() < 300;
        match asked.purpose {
            Purpose::Join { session, has_offer } if is_yes => {
                let dialog = Dialog::begin(&asked.uri, response).expect("a dialog");
                let mut ack = dialog.ack(response.sequence());
                if !has_offer {
                    ack = ack.body("application/sdp", self.description(session, false));
                }
                let contact = response.address(Header::Contact).map(|it| it.uri().to_owned());
                let room = contact.expect("a focus says where it is");
                let remote = path_in(response).expect("a path");
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
            Purpose::Join { .. }
            | Purpose::Bye { .. }
            | Purpose::Probe { .. }
            | Purpose::Subscribe
            | Purpose::Other => {}
        }
    }

    fn owe(&mut self, dice: &mut Dice, transaction: ClientId, ack: Draft) {
        self.owing.push(Owing { transaction, ack });
        if self.is_calm || dice.chance(75) {
            self.acknowledge(self.owing.len() - 1);
        }
    }

    /// No answer will come.
    fn failed(&mut self, now: Instant, id: ClientId) {
        match self.asked.remove(&id).map(|asked| asked.purpose) {
            Some(Purpose::Again { dialog, .. }) => {
                let at = self.talks.iter().position(|talk| *talk.dialog.id() == dialog);
                if let Some(at) = at {
                    self.hang_up(now, at);
                }
            }
            Some(Purpose::Bye { dialog }) => self.bye(now, dialog),
            _ => {}
        }
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
                Event::Response { .. } | Event::Settled { .. } => {}
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

/// Every other session waits to be connected to, each at a port of its own.
fn port_of(session: u64) -> Option<u16> {
    (session % 4 == 3).then(|| 10_000 + session as u16)
}

/// The path that a description names, if there is one that is in use.
fn path_in(message: &Message) -> Option<PathBuf> {
    let body = message.body();
    let text = std::str::from_utf8(&body).ok()?;
    let path = text.lines().find_map(|line| line.strip_prefix("a=path:"))?;
    PathBuf::parse(path.as_bytes())
}
