//! The conference focus (RFC 4353): sessions of rooms, who is in them, and who watches.
//!
//! [`Focus`] is the user of the transactions below it. It knows requests, dialogs and the media
//! plane's reports; it owns no socket, reads no clock and names no core. After any `handle_*`,
//! drain [`Focus::poll_output`] until it is `None`, then arm [`Focus::poll_timeout`].
//!
//! A request goes through three stages that are never interleaved: the checks of SIP itself, the
//! steps of the change request in their order, and what the change request does not know. The first
//! check that fails answers, and nothing later is looked at (sip-control.md section 0).

mod adhoc;
mod agenda;
mod audit;
mod charging;
mod conference_info;
mod content;
mod counters;
mod dialogs;
mod directory;
mod duty;
mod early;
mod errand;
mod exchange;
mod expiry;
mod grouping;
mod invite;
mod join;
mod keep_alive;
mod leave;
mod leg;
mod link;
mod loss;
mod members;
mod order;
mod output;
mod participant;
mod policy;
mod proving;
mod rates;
mod recall;
mod recipients;
mod reconfigure;
mod refer;
mod referral;
mod refusal;
mod renegotiate;
mod restore;
mod room;
mod roster;
mod screen;
mod session_timer;
mod subscription;
mod summons;
mod tidings;
mod user;
mod venue;
mod watch;
mod way;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use mailbox::{RoomId, SessionId};

use self::{
    agenda::Agenda,
    charging::Vector,
    content::Content,
    dialogs::Dialogs,
    directory::{Directory, Place},
    errand::Errand,
    invite::Call,
    leg::{Connected, Leg},
    participant::Originator,
    proving::{Asked, Keyrings},
    rates::Rates,
    referral::{Referral, ReferralId, is_about_referral},
    refusal::Refusal,
    room::Room,
    subscription::{Subscription, SubscriptionId},
    tidings::Tidings,
};
pub use mailbox::{Utc, WallClock};

pub use self::{
    counters::{Counters, Gauges},
    duty::Duty,
    errand::ErrandId,
    order::{Member, Order, Report},
    output::{Output, RequestId},
    user::UserKey,
};
pub(crate) use self::{
    directory::{is_session_identity, venue_key},
    way::Way,
};
use crate::{
    config::Config,
    dialog::DialogId,
    digest::Authenticator,
    locate::prefer,
    message::{Header, Method, Reply, Request, Response},
    offer_answer::Names,
    transaction::{ServerId, Tokens},
    transport::{Protocol, Source, Target},
};

/// A request that nobody has answered yet.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// What the answer is given to.
    pub transaction: ServerId,
    /// What it says.
    pub request: Request,
    /// Where it came from.
    pub source: Source,
    /// The tag that To gets in its answers.
    pub tag: String,
    /// Another copy of it is being served.
    pub is_merged: bool,
}

/// The conference focus.
#[derive(Debug)]
pub struct Focus {
    config: Arc<Config>,
    clock: WallClock,
    tokens: Tokens,
    /// Asks those for proof for whom nobody vouches, if they are served at all.
    authenticator: Option<Authenticator>,
    directory: Directory,
    rooms: HashMap<RoomId, Room>,
    legs: HashMap<SessionId, Leg>,
    /// Sessions in the media plane that a leg has besides the one it is named for.
    routes: HashMap<SessionId, SessionId>,
    subscriptions: HashMap<SubscriptionId, Subscription>,
    /// What became of REFERs, as long as it is told.
    referrals: HashMap<ReferralId, Referral>,
    dialogs: Dialogs,
    /// INVITEs that are not over: not answered, or not acknowledged.
    invites: HashMap<ServerId, SessionId>,
    /// INVITEs of ours, until no fork can answer them any more.
    calls: HashMap<RequestId, Call>,
    /// Requests of ours that are not answered, INVITEs that make a leg left out.
    requests: HashMap<RequestId, Asked>,
    /// What we were asked for ourselves.
    keyrings: Keyrings,
    agenda: Agenda<Subject>,
    /// The charging vectors of requests that are not answered.
    vectors: HashMap<ServerId, Vector>,
    /// Who is to be told of changes.
    tidings: Tidings,
    /// What waits for names.
    errands: BTreeMap<ErrandId, Errand>,
    /// What was looked up for what is served now.
    names: Names,
    outputs: VecDeque<Output>,
    counters: Counters,
    /// The last id given out. Sessions, rooms and all the others share one count.
    last_id: u64,
    duty: Duty,
    rates: Rates,
    /// How long the request that is served now has waited.
    delay: Duration,
    /// How busy the media plane is, in percent.
    media_load: u8,
}

/// What a request of ours is for.
#[derive(Clone, Copy, Debug)]
pub enum Purpose {
    /// It ends something that is forgotten already: no answer changes anything (LEAVE-10).
    Farewell,
    /// It tells a watcher.
    Notify(SubscriptionId),
    /// It keeps a leg alive (TMR-03).
    Refresh(SessionId),
    /// It tells what became of a REFER.
    Report(ReferralId),
}

/// What has deadlines.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Subject {
    Leg(SessionId),
    Subscription(SubscriptionId),
    Referral(ReferralId),
    Room(RoomId),
    Errand(ErrandId),
}

impl Focus {
    /// A focus without sessions. `port` is where SIP is listened for, if that is not 5060; `seed`
    /// makes the names that nobody may guess.
    pub fn new(config: Arc<Config>, port: Option<u16>, seed: [u8; 32], clock: WallClock) -> Self {
        let mut tokens = Tokens::new(seed);
        let authenticator = authenticator(&config, clock.start(), &mut tokens);
        Self {
            authenticator,
            directory: Directory::new(&config, port),
            config,
            clock,
            tokens,
            rooms: HashMap::new(),
            legs: HashMap::new(),
            routes: HashMap::new(),
            subscriptions: HashMap::new(),
            referrals: HashMap::new(),
            dialogs: Dialogs::default(),
            invites: HashMap::new(),
            calls: HashMap::new(),
            requests: HashMap::new(),
            keyrings: Keyrings::default(),
            agenda: Agenda::default(),
            vectors: HashMap::new(),
            tidings: Tidings::default(),
            errands: BTreeMap::new(),
            names: Names::default(),
            outputs: VecDeque::new(),
            counters: Counters::default(),
            last_id: 0,
            duty: Duty::Serving,
            rates: Rates::default(),
            delay: Duration::ZERO,
            media_load: 0,
        }
    }

    /// Serves a request. ACK and CANCEL come by ways of their own.
    pub fn handle_request(&mut self, now: Instant, incoming: &Incoming) {
        if let Some(vector) = self.vector_of(incoming) {
            self.vectors.insert(incoming.transaction, vector);
        }
        let served = match incoming.request.to_tag() {
            Some(_) => self.serve_in_dialog(now, incoming),
            None => self.serve_outside(now, incoming),
        };
        self.conclude_request(incoming, served);
    }

    /// A request has been served, or is refused.
    fn conclude_request(&mut self, incoming: &Incoming, served: Result<(), Refusal>) {
        if let Err(refusal) = served {
            self.refuse(incoming.transaction, &incoming.request, &refusal);
        }
    }

    /// The 200 to an INVITE is acknowledged.
    pub fn handle_acknowledged(&mut self, now: Instant, invite: ServerId, ack: &Request) {
        if let Some(session) = self.invites.remove(&invite) {
            self.acknowledged(now, session, invite, ack);
        }
    }

    /// An INVITE is withdrawn before it was answered (DLG-15).
    pub fn handle_cancel(&mut self, now: Instant, invite: ServerId) {
        if !self.withdraw_errand(invite) {
            self.cancel(now, invite);
        }
    }

    /// The 200 to an INVITE was never acknowledged (FOC-31).
    pub fn handle_unacknowledged(&mut self, now: Instant, invite: ServerId) {
        self.give_up_ack(now, invite);
    }

    /// A request of ours has its final answer, or will never have one. An INVITE may have several
    /// answers, provisional ones among them.
    pub fn handle_response(&mut self, now: Instant, request: RequestId, answer: Option<&Response>) {
        if self.calls.contains_key(&request) {
            return self.called(now, request, answer);
        }
        if answer.is_some_and(|answer| answer.code() < 200) {
            return;
        }
        let Some(mut asked) = self.requests.remove(&request) else { return };
        if answer.is_some_and(|answer| self.prove(request, &mut asked, answer)) {
            return;
        }
        match asked.purpose {
            Purpose::Notify(subscription) => self.notified(now, subscription, answer),
            Purpose::Refresh(session) => self.refreshed(now, session, request, answer),
            Purpose::Report(referral) => self.reported(now, referral, answer),
            Purpose::Farewell => {}
        }
    }

    /// The place was found that [`Output::Locate`] asked for: an INVITE is to go to the first of these
    /// targets, and to the others if that is of no use; nowhere if there are none.
    pub fn handle_located(&mut self, now: Instant, session: SessionId, targets: &[Target]) {
        self.located(now, session, targets);
    }

    /// A request of ours has been taken to this target, and what is said next of it is said from there.
    pub fn handle_moved(&mut self, request: RequestId, target: Target) {
        if let Some(call) = self.calls.get_mut(&request) {
            prefer(&mut call.targets, target);
        }
    }

    /// An INVITE of ours that was accepted will not be accepted again.
    pub fn handle_settled(&mut self, request: RequestId) {
        self.calls.remove(&request);
    }

    /// How long the next request has waited to be served.
    pub fn handle_delay(&mut self, waited: Duration) {
        self.delay = waited;
    }

    /// How busy the media plane is, in percent.
    pub fn handle_load(&mut self, percent: u8) {
        self.media_load = percent;
    }

    /// Whether a request is to be dropped without a word: its source has been told often enough that
    /// it asks too often, and may be a forged one (OPS-07).
    pub fn is_silenced(&self, now: Instant, request: &Request, source: Source) -> bool {
        let address = source.remote.ip();
        source.protocol == Protocol::Udp
            && request.to_tag().is_none()
            && !matches!(request.method(), Method::Ack | Method::Cancel)
            && !screen::is_trusted(&self.config, address)
            && self.rates.is_silenced(now, address, &self.config.limits)
    }

    /// Takes in what the media plane reports.
    pub fn handle_report(&mut self, now: Instant, report: Report) {
        match report {
            Report::Installed { session, path } => self.installed(now, session, &path),
            Report::Refused { session } => self.not_installed(now, session),
            Report::Bound { session } => self.bound(now, session),
            Report::Nickname { session, nickname } => {
                self.renamed(now, session, nickname.as_deref());
            }
            Report::Heard { room, last } => self.heard(now, room, last),
            Report::CoreLost { sessions, rooms } => self.core_lost(now, &sessions, &rooms),
            Report::Failed { session, cause } => self.media_failed(now, session, cause),
        }
    }

    /// The others are to know a leg by another name (msrp/NICK-15).
    fn renamed(&mut self, now: Instant, route: SessionId, nickname: Option<&str>) {
        let session = self.leg_of(route);
        let Some(id) = self.legs.get(&session).map(|leg| leg.room) else { return };
        if self.rooms.get_mut(&id).is_some_and(|room| room.rename(session, nickname, now)) {
            self.notify_watchers(now, id);
        }
    }

    /// Looks at everything whose time has come, and tells some of those who wait to be told.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(subject) = self.agenda.pop(now) {
            match subject {
                Subject::Leg(session) => self.look_at_leg(now, session),
                Subject::Subscription(subscription) => self.look_at_subscription(now, subscription),
                Subject::Referral(referral) => self.look_at_referral(now, referral),
                Subject::Room(room) => self.look_at_room(now, room),
                Subject::Errand(errand) => self.run_errand(now, errand),
            }
        }
        self.spread_tidings(now);
    }

    /// The next thing to be done.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.tidings.due(), self.agenda.next()].into_iter().flatten().min()
    }

    /// Whether nothing is left of what was told to end.
    pub fn is_idle(&self) -> bool {
        self.legs.is_empty()
            && self.requests.is_empty()
            && self.errands.is_empty()
            && self.tidings.is_empty()
    }

    /// What it goes by.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What has been counted.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What there is now.
    pub fn gauges(&self) -> Gauges {
        Gauges {
            sessions: self.rooms.len() as u64,
            legs: self.legs.len() as u64,
            subscriptions: self.subscriptions.len() as u64,
        }
    }

    /// Stage A, from DLG-01 step 5 on, and then the others.
    fn serve_outside(&mut self, now: Instant, incoming: &Incoming) -> Result<(), Refusal> {
        let request = &incoming.request;
        self.has_room_for(request.method())?;
        let originator = self.originator(now, incoming)?;
        let method = request.method();
        self.rates.ask_user(now, &originator.keys, method, &self.config.limits)?;
        screen::method(request)?;
        screen::uri_scheme(request)?;
        if incoming.is_merged {
            return Err(Refusal::Merged);
        }
        let place = self.directory.find(request.request_uri());
        let makes_group = matches!(place, Place::Factory);
        screen::extensions(&self.config, request, makes_group)?;
        let content = Content::read(request)?;
        self.serve(now, incoming, &originator, &content)
    }

    /// What the method asks for, stages B and C. Nothing has been changed when that has to wait for
    /// names.
    fn serve(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        originator: &Originator,
        content: &Content,
    ) -> Result<(), Refusal> {
        let request = &incoming.request;
        let makes_group = matches!(self.directory.find(request.request_uri()), Place::Factory);
        match request.method() {
            Method::Invite if makes_group => self.create(now, incoming, originator, content),
            // A list of recipients is for where groups are made (PUB-11).
            Method::Invite if content.list.is_some() => Err(Refusal::MediaType),
            Method::Invite => self.join(now, incoming, originator, content),
            Method::Options => self.options(now, incoming, originator, content),
            Method::Refer => self.refer_outside(now, incoming, originator, content),
            Method::Subscribe => self.subscribe(now, incoming, originator),
            _ => Err(Refusal::NoDialog),
        }
    }

    /// Who sent a request that starts something: whom a trusted peer names, or who proves it (ID-01,
    /// ID-02). Nothing is looked up for it, so nothing is told by it (AUTH-04).
    fn originator(&mut self, now: Instant, incoming: &Incoming) -> Result<Originator, Refusal> {
        let (request, source) = (&incoming.request, incoming.source.remote.ip());
        if screen::is_trusted(&self.config, source) {
            return screen::asserted(&self.config, request);
        }
        self.rates.ask_source(now, source, &self.config.limits)?;
        let authenticator = self.authenticator.as_mut().ok_or(Refusal::NoIdentity)?;
        let known = authenticator.authenticate(now, request, source)?;
        screen::proven(request, &known).ok_or(Refusal::NoIdentity)
    }

    /// Whether one more can be served at all. Asked before anything else, for looking costs as much
    /// as serving (OPS-02, OPS-03).
    fn has_room_for(&mut self, method: Method) -> Result<(), Refusal> {
        let limits = &self.config.limits;
        match method {
            _ if self.duty == Duty::Stopping => Err(Refusal::Draining),
            _ if self.is_overloaded() => Err(Refusal::Overloaded(self.respite())),
            Method::Invite if self.legs.len() >= limits.legs => Err(Refusal::Exhausted),
            Method::Subscribe if self.subscriptions.len() >= limits.subscriptions => {
                Err(Refusal::Exhausted)
            }
            _ => Ok(()),
        }
    }

    /// Whether what is served must not become more (OPS-01).
    fn is_overloaded(&self) -> bool {
        self.delay > self.config.timers.queue_delay_max
            || self.media_load > self.config.limits.media_load
    }

    /// When to ask again: not everybody at once.
    fn respite(&mut self) -> Duration {
        let (shortest, longest) =
            (self.config.timers.overload_retry_min, self.config.timers.overload_retry_max);
        let span = longest.saturating_sub(shortest).as_secs() as u32;
        shortest + Duration::from_secs(self.tokens.below(span + 1).into())
    }

    fn serve_in_dialog(&mut self, now: Instant, incoming: &Incoming) -> Result<(), Refusal> {
        let request = &incoming.request;
        screen::method(request)?;
        let dialog = DialogId::of_request(request).ok_or(Refusal::NoDialog)?;
        let leg = self.dialogs.get(&dialog).ok_or(Refusal::NoDialog)?.leg;
        screen::extensions(&self.config, request, false)?;
        let link = self.dialogs.link_mut(&dialog).ok_or(Refusal::NoDialog)?;
        link.handle_request(request, incoming.source)?;
        match (request.method(), leg) {
            (Method::Subscribe, _) if is_about_referral(request) => {
                self.extend_referral(now, incoming, &dialog)
            }
            (Method::Subscribe, _) => self.subscribe_within(now, incoming, &dialog),
            (Method::Options, _) => {
                self.reply(incoming.transaction, self.capabilities(Reply::new(200)));
                Ok(())
            }
            (Method::Bye, Some(session)) => {
                self.hang_up(now, incoming, session);
                Ok(())
            }
            (Method::Invite | Method::Update, Some(session)) => {
                self.renegotiate(now, incoming, session)
            }
            (Method::Prack, Some(session)) => self.prack(now, incoming, session),
            (Method::Refer, Some(session)) => self.refer_inside(now, incoming, session, dialog),
            // Nothing here was subscribed to.
            _ => Err(Refusal::NoDialog),
        }
    }

    /// The connected leg of that name.
    fn connected(&mut self, session: SessionId) -> Option<&mut Connected> {
        self.legs.get_mut(&session).and_then(Leg::connected_mut)
    }

    /// The leg that a session in the media plane belongs to.
    fn leg_of(&self, route: SessionId) -> SessionId {
        self.routes.get(&route).copied().unwrap_or(route)
    }

    /// Answers no, and says so once in the log. Nothing of the message's content gets there, and of
    /// the sender no more than its domain (OPS-08).
    fn refuse(&mut self, transaction: ServerId, request: &Request, refusal: &Refusal) {
        let status = refusal.status(self.config.profile);
        let warning = refusal.warning();
        *self.counters.refusals.entry(refusal.reason()).or_default() += 1;
        tracing::info!(
            call_id = request.call_id(),
            method = request.method_text(),
            check = refusal.check(),
            status,
            warning = warning.map(|(_, text)| text),
            reason = refusal.reason(),
            "refused"
        );
        let mut reply = self.plain_reply(status);
        for (field, value) in refusal.fields(&self.config.timers) {
            reply = reply.header(field, &value);
        }
        if let Some((code, text)) = warning.filter(|_| self.config.warn_detail) {
            reply = reply.warning(code, &self.config.host, text);
        }
        self.reply(transaction, reply);
    }

    fn reply(&mut self, to: ServerId, reply: Reply) {
        let vector = match reply.status() {
            ..200 => self.vectors.get(&to).cloned(),
            _ => self.vectors.remove(&to),
        };
        let reply = match vector {
            Some(vector) => reply.header(Header::PChargingVector, &vector.in_answer()),
            None => reply,
        };
        self.outputs.push_back(Output::Reply { to, reply });
    }

    fn order(&mut self, order: Order) {
        self.outputs.push_back(Output::Order(order));
    }

    /// Server and User-Agent of everything that says what it is (IMS-02).
    fn server(&self) -> String {
        format!("IM-serv/OMA1.0 {}", self.config.product)
    }

    /// An answer that says no more than who gives it.
    fn plain_reply(&self, status: u16) -> Reply {
        Reply::new(status).header(Header::Server, &self.server())
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}

/// Who asks for proof, by this configuration.
fn authenticator(config: &Config, start: Instant, tokens: &mut Tokens) -> Option<Authenticator> {
    let Config { digest, timers, limits, .. } = config;
    let digest = digest.as_ref()?;
    Some(Authenticator::new(digest, timers, limits, start, tokens))
}
