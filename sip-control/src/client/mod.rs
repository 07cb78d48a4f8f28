//! The IM Client of the change request: joining a public conference (CR 7.1.1.10) and rejoining one
//! by its IM Session Identity (CR 7.1.1.9). Load and tests go by the same two doors (JOIN-12). Groups of
//! one's own are made by a third (RFC 5366).
//!
//! [`Client`] is one user's SIP side and [`MediaSession`] the MSRP side of one leg. Neither owns a
//! socket or reads a clock; [`start`] starts what does, and yields a [`User`] to join with.
//!
//! What a client refuses to be: a callee. It answers requests inside its own dialogs, and declines
//! all others.

mod call;
mod compose;
mod config;
mod conversation;
mod early;
mod event;
mod hop;
mod inbox;
mod leg;
mod list;
mod media;
mod media_session;
mod outcome;
mod receive;
mod refer;
mod referral;
mod refresh;
mod register;
mod registration;
mod restart;
mod run;
mod send;
mod serve;
mod session;
mod stay;
mod watch;

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

pub use self::compose::Privacy;
pub use self::config::{Config, Media, NextHop, Registrar};
pub use self::conversation::{ContactMissing, Conversation};
pub use self::event::{Event, Joined, LegId, Unwatched};
pub use self::media::{Agreement, Unusable};
pub use self::media_session::{
    CannotSend, MediaEvent, MediaSession, MessageNumber, Received, SENDS_MAX, Saying, Sender,
};
pub use self::outcome::{Ending, Failed, Failure, Refusal, Refused, Warning};
pub use self::refer::CannotRefer;
pub use self::referral::{ReferralId, Referred};
pub use self::registration::Standing;
pub use self::restart::Restart;
pub use self::run::{CallError, NotReferred, Referrer, User, listen, start};
pub use self::session::{Happening, NotSaid, Session, SessionError, Voice};
pub use self::watch::{Member, Roster};
pub use crate::digest::{Credentials, Secret};

use self::hop::Waiting;
use self::leg::{Leg, Phase};
use self::referral::Referral;
use self::registration::Registration;
use self::send::Sent;
use self::watch::Watch;
use crate::dialog::DialogId;
use crate::digest::Keyring;
use crate::locate::Destination;
use crate::message::{Message, NameAddr, SipUri};
use crate::transaction::{self, ClientId, ServerId, Tokens, Transactions};
use crate::transport::{Source, Target, Ticket, Transmit};

/// Why nothing was sent at all.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CannotCall {
    /// It is no SIP URI, or has headers in it, which no Request-URI may have.
    NotSip,
    /// It asks for TLS all the way, and there is none here.
    Secure,
    /// There is neither an IM Session Identity nor a Public Conference URI to go by (REJ-05).
    NoIdentity,
    /// It is not known where groups are made.
    NoFactory,
    /// There is nobody to make a group of, or somebody whose URI is no SIP or tel URI.
    NoMember,
}

/// One user's SIP side: all legs there are, and those to come.
///
/// After any `handle_*`, [`join`](Self::join), [`rejoin`](Self::rejoin), [`leave`](Self::leave) or
/// [`abandon`](Self::abandon), drain `poll_transmit`, `poll_event` and `poll_lookup`, in this order, until
/// all return `None`, then arm `poll_timeout`. Transmits go first: the ACK is out before anybody connects (REJ-11).
/// Time never runs backwards.
#[derive(Debug)]
pub struct Client {
    config: Config,
    transactions: Transactions,
    tokens: Tokens,
    /// A user has a few. What is due next is found by asking each.
    legs: HashMap<LegId, Leg>,
    /// Subscriptions, by the legs they were made for. They outlive those by one NOTIFY.
    watches: HashMap<LegId, Watch>,
    /// What the focus was asked for and is to report on.
    referrals: HashMap<ReferralId, Referral>,
    dialogs: HashMap<DialogId, Usage>,
    requests: HashMap<ClientId, Sent>,
    keyring: Keyring,
    /// Where names lead, for the dialogs there are.
    places: HashMap<Destination, Vec<Target>>,
    /// What waits until a place is known.
    waiting: HashMap<Destination, Vec<Waiting>>,
    /// Places that are to be looked up.
    lookups: VecDeque<Destination>,
    /// INVITEs of the focus whose 200 is not acknowledged.
    reinvites: HashMap<ServerId, LegId>,
    events: VecDeque<Event>,
    registration: Option<Registration>,
    /// What has become of it.
    standings: VecDeque<Standing>,
    last_leg: u64,
    last_referral: u64,
}

/// What a dialog is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Usage {
    Leg(LegId),
    /// A leg that is not answered yet.
    Early(LegId),
    Watch(LegId),
}

/// What a request of ours is for.
#[derive(Clone, Debug)]
enum Purpose {
    /// Makes a leg. Where it went to is kept, for the dialogs of forks.
    Invite { leg: LegId, request_uri: String },
    /// Acknowledges what was said before the answer, or confirms our part of it.
    Early { leg: LegId, dialog: DialogId },
    /// Keeps a leg alive, by UPDATE or by INVITE.
    Refresh { leg: LegId },
    /// Ends a leg.
    Bye { leg: LegId },
    /// Asks who is in the conference.
    Subscribe { leg: LegId },
    /// Tells the network where the user is.
    Register,
    /// Has others called in.
    Refer { leg: LegId },
    /// The same, or has one put out, and wants to hear of it.
    Referral { leg: LegId, referral: ReferralId },
    /// Ends what is forgotten already: no answer changes anything.
    Farewell,
}

impl Client {
    /// A client without legs. The seed is as secret as the names that are made of it.
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        let mut tokens = Tokens::new(seed);
        Self {
            transactions: Transactions::new(config.transactions.clone(), tokens.seed()),
            config,
            tokens,
            legs: HashMap::new(),
            watches: HashMap::new(),
            referrals: HashMap::new(),
            dialogs: HashMap::new(),
            requests: HashMap::new(),
            keyring: Keyring::default(),
            places: HashMap::new(),
            waiting: HashMap::new(),
            lookups: VecDeque::new(),
            reinvites: HashMap::new(),
            events: VecDeque::new(),
            registration: None,
            standings: VecDeque::new(),
            last_leg: 0,
            last_referral: 0,
        }
    }

    /// Takes in a message as it came.
    pub fn handle_message(&mut self, now: Instant, source: Source, message: Message) {
        self.transactions.handle_message(now, source, message);
        self.settle(now);
    }

    /// What was sent with this ticket did not go out.
    pub fn handle_undelivered(&mut self, now: Instant, ticket: Ticket) {
        self.transactions.handle_undelivered(now, ticket);
        self.settle(now);
    }

    /// Does all that is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.transactions.handle_timeout(now);
        let due = |leg: &Leg| leg.due().is_some_and(|due| due <= now);
        let mut legs: Vec<LegId> =
            self.legs.iter().filter(|(_, leg)| due(leg)).map(|(&id, _)| id).collect();
        legs.sort_unstable();
        for id in legs {
            match self.legs.get(&id).map(|leg| &leg.phase) {
                Some(Phase::Waiting { .. }) => self.try_again(now, id),
                Some(Phase::Connected(_)) => self.keep_alive(now, id),
                Some(Phase::Calling(_) | Phase::Leaving(_)) | None => {}
            }
        }
        let due = |watch: &Watch| watch.due().is_some_and(|due| due <= now);
        let mut watches: Vec<LegId> =
            self.watches.iter().filter(|(_, watch)| due(watch)).map(|(&id, _)| id).collect();
        watches.sort_unstable();
        for id in watches {
            self.look_after(now, id);
        }
        self.give_up_referrals(now);
        self.renew_registration(now);
        self.settle(now);
    }

    /// What is to be sent next.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transactions.poll_transmit()
    }

    /// What happened next.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let legs = self.legs.values().filter_map(Leg::due).min();
        let watches = self.watches.values().filter_map(Watch::due).min();
        let referrals = self.referrals.values().map(|referral| referral.until).min();
        let registration = self.registration.as_ref().and_then(Registration::due);
        let own = [self.transactions.poll_timeout(), registration];
        own.into_iter().chain([legs, watches, referrals]).flatten().min()
    }

    /// Legs that are not over, attempts among them.
    pub fn legs(&self) -> usize {
        self.legs.len()
    }

    /// Whether nothing is left that anybody has to be told of: no leg, no subscription and no
    /// registration.
    pub fn is_idle(&self) -> bool {
        self.legs.is_empty() && self.watches.is_empty() && !self.is_registered()
    }

    /// Acts upon what the transactions say.
    fn settle(&mut self, now: Instant) {
        while let Some(event) = self.transactions.poll_event() {
            match event {
                transaction::Event::Request { transaction, request, is_merged, .. } => {
                    self.serve(now, transaction, &request, is_merged);
                }
                transaction::Event::Response { transaction, response } => {
                    self.answered(now, transaction, &response);
                }
                transaction::Event::Failed { transaction, failure } => {
                    self.unanswered(now, transaction, failure);
                }
                transaction::Event::Settled { transaction } => {
                    self.requests.remove(&transaction);
                }
                transaction::Event::Unacknowledged { transaction } => {
                    self.unacknowledged(now, transaction);
                }
                transaction::Event::Acknowledged { transaction, .. } => {
                    self.reinvites.remove(&transaction);
                }
                // An INVITE of the focus is answered as it comes in: nothing is left to withdraw.
                transaction::Event::Cancelled { .. } => {}
            }
        }
    }

    fn next_leg(&mut self) -> LegId {
        self.last_leg += 1;
        LegId(self.last_leg)
    }
}

/// Whether a URI may be called: one that came from a user, a store or a redirection.
fn callable(uri: &str) -> Result<(), CannotCall> {
    // Between brackets it has to stay one URI.
    let bracketed = format!("<{uri}>");
    let is_one = NameAddr::parse(&bracketed).is_some_and(|address| address.uri() == uri);
    match SipUri::parse(uri).filter(|uri| is_one && uri.headers().is_empty()) {
        None => Err(CannotCall::NotSip),
        Some(uri) if uri.is_secure() => Err(CannotCall::Secure),
        Some(_) => Ok(()),
    }
}
