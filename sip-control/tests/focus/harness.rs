//! A world with one focus, some cores that are told how to behave, and a wire one can read.

use std::{
    collections::VecDeque,
    fmt::Write as _,
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use mailbox::{
    Command, CoreId, Doorbell, Epoch, Event, FailureCause, InstallRefusal, PeerMedia, Receiver,
    Rights, RoomId, Route, Sender, SessionId, ring,
};
use msrp::UriBuf;
use sip_control::{
    config::{Config, Limits, Listen, Network, Room, RoomKind, Rules, Users},
    focus::{ErrandId, WallClock},
    group::{GroupDocument, Groups},
    message::Message,
    placement::CoreLink,
    server::{Agent, LocalNames},
    store::{Change, Remembered},
    transport::{Protocol, Source, Target, Ticket},
};

/// The proxy whose word is believed.
pub const PROXY: &str = "192.0.2.1:5060";
/// Somebody nobody vouches for.
pub const STRANGER: &str = "203.0.113.9:5060";

/// What a core does with an `Install`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Core {
    /// Answers at once.
    Quick,
    /// Does not answer, until it is told.
    Silent,
    /// Has no slot.
    Full,
}

/// One focus and its surroundings.
pub struct World {
    agent: Agent,
    pub now: Instant,
    pub core: Core,
    /// When the cores accepted the last message, if anybody asks.
    pub heard: Option<Instant>,
    /// Requests of the focus are answered at once.
    pub is_polite: bool,
    cores: Vec<FakeCore>,
    /// What the focus sent and ordered, in order, one line each.
    journal: Vec<String>,
    /// The same orders, with all that matters of them.
    orders: Vec<String>,
    /// What cores were told of sessions to expect, all of it.
    pub routes: Vec<Route>,
    sent: VecDeque<Sent>,
    /// Of what was sent last.
    ticket: Option<Ticket>,
    /// Places that the focus wants to be located.
    pub sought: Vec<(SessionId, String)>,
    serial: u32,
    /// What the focus wants remembered, all of it.
    pub changes: Vec<Change>,
    /// Whether it is at once.
    pub remembers: bool,
    /// Whether what is due at this very moment waits until time passes.
    pub lingers: bool,
}

struct FakeCore {
    commands: Receiver<Command>,
    events: Sender<Event>,
    installed: Vec<(SessionId, Epoch)>,
}

/// A message the focus sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub text: String,
    /// Where it went: `UDP 192.0.2.1:5060`.
    pub target: String,
}

impl Sent {
    /// The start line.
    pub fn start(&self) -> &str {
        self.text.lines().next().unwrap()
    }

    /// The value of the only line with this name.
    pub fn header(&self, name: &str) -> &str {
        self.find(name).unwrap_or_else(|| panic!("no {name} in\n{}", self.text))
    }

    /// The value of the line with this name, if there is one.
    pub fn find(&self, name: &str) -> Option<&str> {
        let mut lines = self.text.lines().take_while(|line| !line.is_empty());
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        assert!(!lines.any(|line| line.starts_with(&format!("{name}: "))), "{name} twice");
        value
    }

    pub fn status(&self) -> u16 {
        self.start().split(' ').nth(1).unwrap().parse().unwrap_or(0)
    }

    pub fn body(&self) -> &str {
        self.text.split_once("\r\n\r\n").unwrap().1
    }

    /// The tag of To.
    pub fn to_tag(&self) -> &str {
        self.header("To").split_once(";tag=").unwrap().1
    }

    /// The URI of Contact.
    pub fn contact(&self) -> &str {
        let contact = self.header("Contact").strip_prefix('<').unwrap();
        contact.split_once('>').unwrap().0
    }

    /// Status and Warning, as the decision table has them.
    pub fn verdict(&self) -> (u16, Option<&str>) {
        (self.status(), self.find("Warning"))
    }
}

/// The provisioning that the test vectors share (sip-control.md section 23).
pub fn vectors() -> Config {
    let users = |uris: &[&str]| Users::Only(uris.iter().map(|&uri| uri.to_owned()).collect());
    let members = ["sip:alice@example.com", "sip:bob@example.com", "tel:+12125550147"];
    Config {
        host: "im.example.com".to_owned(),
        listen: Listen::default(),
        trusted: vec![Network::parse("192.0.2.0/24").unwrap()],
        identity_from_from_header: false,
        product: "demo/0.1".to_owned(),
        // Most tests read who is there, which full documents tell.
        partial_rosters: false,
        // Where it matters how often somebody may ask, the test says so.
        limits: Limits { user_invites: 1000, user_subscribes: 1000, ..Limits::default() },
        any_room: None,
        rooms: vec![
            Room {
                uri: "sip:garden-open@im.example.com".to_owned(),
                kind: RoomKind::Public,
                subject: None,
                rules: Rules::default(),
            },
            Room {
                uri: "sip:gardeners@groups.example.com".to_owned(),
                kind: RoomKind::Group,
                subject: Some("Roses and other matters".to_owned()),
                rules: Rules {
                    admitted: users(&members),
                    max_participants: Some(3),
                    anonymity: users(&["sip:alice@example.com"]),
                    ..Rules::default()
                },
            },
        ],
        ..Config::default()
    }
}

impl World {
    pub fn new(config: Config) -> Self {
        Self::with_cores(config, 1)
    }

    pub fn with_cores(config: Config, count: usize) -> Self {
        let bell = Doorbell::new().unwrap();
        let (mut links, mut cores) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let (commands, to_core) = ring(1024, &bell);
            let (events, from_core) = ring(1024, &bell);
            links.push(CoreLink { commands, events: from_core });
            cores.push(FakeCore { commands: to_core, events, installed: Vec::new() });
        }
        let names = LocalNames {
            sent_by_udp: "im.example.com:5060".to_owned(),
            sent_by_tcp: "im.example.com:5060".to_owned(),
            port: None,
        };
        let now = Instant::now();
        let clock = WallClock::new(now, SystemTime::UNIX_EPOCH);
        let agent = Agent::new(Arc::new(config), names, links, [[1; 32], [2; 32]], clock);
        Self {
            agent,
            now,
            core: Core::Quick,
            heard: None,
            is_polite: false,
            cores,
            journal: Vec::new(),
            orders: Vec::new(),
            routes: Vec::new(),
            sent: VecDeque::new(),
            ticket: None,
            sought: Vec::new(),
            serial: 0,
            changes: Vec::new(),
            remembers: true,
            lingers: false,
        }
    }

    /// The proxy sends `text` over TCP; what comes of it at once is done.
    pub fn hear(&mut self, text: &str) {
        self.hear_from(PROXY, Protocol::Tcp, text);
    }

    /// Somebody sends `text`.
    pub fn hear_from(&mut self, remote: &str, protocol: Protocol, text: &str) {
        self.hear_octets(remote, protocol, wire(text));
    }

    /// Somebody sends `octets`, which may be anything.
    pub fn hear_octets(&mut self, remote: &str, protocol: Protocol, octets: Vec<u8>) {
        self.deliver(remote, protocol, octets);
        self.settle();
    }

    fn deliver(&mut self, remote: &str, protocol: Protocol, octets: Vec<u8>) {
        let source = Source {
            local: "192.0.2.100:5060".parse().unwrap(),
            remote: remote.parse().unwrap(),
            protocol,
            connection: None,
        };
        if let Some(message) = Message::from_datagram(octets.into()) {
            self.agent.handle_message(self.now, source, message);
        }
    }

    /// Sends `text` and takes the one answer it gets.
    pub fn ask(&mut self, text: &str) -> Sent {
        self.take();
        self.hear(text);
        let mut answers = self.take().into_iter().filter(|sent| sent.status() >= 200);
        let answer = answers.next().expect("an answer");
        assert_eq!(answers.next().map(|sent| sent.text), None, "one answer");
        answer
    }

    /// All messages sent since the last time.
    pub fn take(&mut self) -> Vec<Sent> {
        self.sent.drain(..).collect()
    }

    /// The messages sent since the last time that are requests of this method.
    pub fn take_requests(&mut self, method: &str) -> Vec<Sent> {
        let prefix = format!("{method} ");
        self.take().into_iter().filter(|sent| sent.start().starts_with(&prefix)).collect()
    }

    /// What was sent and ordered since the last time.
    pub fn journal(&mut self) -> Vec<String> {
        std::mem::take(&mut self.journal)
    }

    /// What was ordered since the last time, session by session.
    pub fn orders(&mut self) -> Vec<String> {
        std::mem::take(&mut self.orders)
    }

    /// Answers a request of the focus.
    pub fn answer(&mut self, request: &Sent, status: &str) {
        self.answer_with(request, status, "");
    }

    /// Answers a request of the focus, with some more header lines.
    pub fn answer_with(&mut self, request: &Sent, status: &str, lines: &str) {
        self.answer_body(request, status, lines, "");
    }

    /// Answers a request of the focus, with some more header lines and a body.
    pub fn answer_body(&mut self, request: &Sent, status: &str, lines: &str, body: &str) {
        self.hear(&answer_to(request, status, lines, body));
    }

    /// What is asked of the DNS since the last time: each name, and who has to be told.
    pub fn questions(&mut self) -> Vec<(ErrandId, Box<str>)> {
        std::iter::from_fn(|| self.agent.poll_name()).collect()
    }

    /// The DNS has these addresses for a name.
    pub fn resolve(&mut self, (errand, name): &(ErrandId, Box<str>), addresses: &[&str]) {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        self.agent.handle_resolved(self.now, *errand, name, addresses);
        self.settle();
    }

    /// Lets time pass, with everything that happens on the way.
    pub fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.agent.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.agent.handle_timeout(self.now);
            self.settle();
        }
        self.now = end;
    }

    /// From now on these are the documents of Pre-defined Groups.
    pub fn regroup(&mut self, documents: &[&str]) {
        let read = documents.iter().flat_map(|document| {
            GroupDocument::parse(document.as_bytes()).expect("a sound document").groups
        });
        self.agent.handle_groups(self.now, &read.collect::<Groups>());
        self.settle();
    }

    /// From now on this is the configuration.
    pub fn reconfigure(&mut self, config: Config) {
        self.agent.handle_config(self.now, config);
        self.settle();
    }

    /// A core is gone.
    pub fn lose_core(&mut self, number: usize) {
        self.agent.handle_core_lost(CoreId::new(number).unwrap());
        self.settle();
    }

    /// The operator ends the session of this URI.
    pub fn end(&mut self, uri: &str) -> bool {
        let was_there = self.agent.handle_end(self.now, uri);
        self.settle();
        was_there
    }

    pub fn stop(&mut self) {
        self.agent.handle_stop(self.now);
        self.settle();
    }

    pub fn is_idle(&self) -> bool {
        self.agent.is_idle()
    }

    /// How many entries that book of the control plane has.
    pub fn holding(&self, name: &str) -> usize {
        let holdings = self.agent.holdings();
        holdings.into_iter().find(|(book, _)| *book == name).expect("a book").1
    }

    pub fn refusals(&self, reason: &str) -> u64 {
        self.agent.counters().refusals.get(reason).copied().unwrap_or(0)
    }

    /// Core 0 says something of its own accord.
    pub fn report(&mut self, event: Event) {
        self.cores[0].events.push(event).unwrap();
        self.agent.handle_events();
        self.settle();
    }

    /// What comes next has waited so long to be served.
    pub fn delayed(&mut self, waited: Duration) {
        self.agent.handle_delay(waited);
    }

    pub fn bound(&mut self, session: SessionId) {
        self.report(Event::Bound { session });
    }

    pub fn renamed(&mut self, session: SessionId, nickname: Option<&str>) {
        self.report(Event::Nickname { session, nickname: nickname.map(Into::into) });
    }

    pub fn failed(&mut self, session: SessionId, cause: FailureCause) {
        self.report(Event::Failed { session, cause });
    }

    /// Core 0 answers the installs it was silent about.
    pub fn answer_installs(&mut self) {
        for (session, epoch) in std::mem::take(&mut self.cores[0].installed) {
            self.report(Event::Installed { session, epoch, path: path_of(session) });
        }
    }

    fn settle(&mut self) {
        loop {
            let sent = self.agent.poll_transmit(self.now);
            let has_said = self.hear_cores();
            match sent {
                Some(sent) => {
                    let text = String::from_utf8_lossy(&sent.bytes).into_owned();
                    self.journal.push(format!("sip: {}", text.lines().next().unwrap()));
                    let Target { protocol, remote, .. } = sent.target;
                    self.ticket = sent.ticket;
                    let sent = Sent { text, target: format!("{} {remote}", protocol.name()) };
                    show(&sent);
                    self.sent.push_back(sent.clone());
                    if self.is_polite && !sent.start().starts_with("SIP/") {
                        let answer = wire(&answer_to(&sent, "200 OK", "", ""));
                        self.deliver(PROXY, Protocol::Tcp, answer);
                    }
                }
                None if has_said => self.agent.handle_events(),
                None if self.remember() || self.seek() => {}
                None if !self.lingers && self.is_due() => self.agent.handle_timeout(self.now),
                None => return,
            }
        }
    }

    fn is_due(&self) -> bool {
        self.agent.poll_timeout().is_some_and(|due| due <= self.now)
    }

    /// Does one turn of what is due. Whether there was any.
    pub fn turn(&mut self) -> bool {
        let is_due = self.is_due();
        if is_due {
            self.agent.handle_timeout(self.now);
            self.settle();
        }
        is_due
    }

    /// These are the sessions of the process before.
    pub fn restore(&mut self, sessions: Vec<Remembered>) {
        self.agent.handle_remembered(self.now, sessions);
        self.settle();
    }

    /// What was changed is on disk now.
    pub fn catch_up(&mut self) {
        self.agent.handle_recorded(self.changes.len() as u64);
        self.settle();
    }

    /// Takes what is to be remembered. Whether that lets anything go on.
    fn remember(&mut self) -> bool {
        let before = self.changes.len();
        while let Some(change) = self.agent.poll_change() {
            self.changes.push(change);
        }
        let has_changed = self.changes.len() > before;
        if has_changed && self.remembers {
            self.agent.handle_recorded(self.changes.len() as u64);
        }
        has_changed && self.remembers
    }

    /// The place that the session waits for is here, in this order.
    pub fn locate(&mut self, session: SessionId, targets: &[Target]) {
        self.agent.handle_located(self.now, session, targets);
        self.settle();
    }

    /// What was sent last could not be.
    pub fn undelivered(&mut self) {
        let ticket = self.ticket.expect("something that can fail");
        self.agent.handle_undelivered(self.now, ticket);
        self.settle();
    }

    fn seek(&mut self) -> bool {
        let sought = std::iter::from_fn(|| self.agent.poll_sought());
        let before = self.sought.len();
        self.sought.extend(sought.map(|(session, place)| (session, place.to_string())));
        self.sought.len() > before
    }

    fn hear_cores(&mut self) -> bool {
        let mut has_said = false;
        for (number, core) in self.cores.iter_mut().enumerate() {
            while let Some(command) = core.commands.pop() {
                self.journal.push(format!("core {number}: {}", named(&command)));
                self.orders.extend(detailed(&command));
                if let Command::Install { route, .. } = &command {
                    self.routes.push((**route).clone());
                }
                if let Some(event) = core.react(command, self.core, self.heard) {
                    core.events.push(event).unwrap();
                    has_said = true;
                }
            }
        }
        has_said
    }

    /// A number no other message of this world has.
    pub fn serial(&mut self) -> u32 {
        self.serial += 1;
        self.serial
    }
}

impl FakeCore {
    fn react(&mut self, command: Command, mood: Core, heard: Option<Instant>) -> Option<Event> {
        match command {
            Command::Install { session, epoch, .. } => match mood {
                Core::Quick => Some(Event::Installed { session, epoch, path: path_of(session) }),
                Core::Silent => {
                    self.installed.push((session, epoch));
                    None
                }
                Core::Full => Some(Event::Refused { session, epoch, reason: InstallRefusal::Full }),
            },
            Command::Remove { session, epoch } => Some(Event::Removed { session, epoch }),
            Command::Spread { room, epoch, .. } => Some(Event::Spread { room: room.id, epoch }),
            Command::Close { room, epoch } => Some(Event::Closed { room, epoch }),
            Command::Inquire { room } => Some(Event::Heard { room, last: heard }),
            Command::Drain => Some(Event::Drained),
            Command::Activate { .. }
            | Command::Connect { .. }
            | Command::Policy { .. }
            | Command::Forsake { .. } => None,
        }
    }
}

/// An answer to a request of the focus.
fn answer_to(request: &Sent, status: &str, lines: &str, body: &str) -> String {
    let mut text = format!("SIP/2.0 {status}\n");
    for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
        writeln!(text, "{name}: {}", request.header(name)).unwrap();
    }
    format!("{text}{lines}Content-Length: ?\n\n{body}")
}

/// What a core would call the session.
pub fn path_of(session: SessionId) -> UriBuf {
    UriBuf::parse(format!("msrp://198.51.100.5:2855/core-{};tcp", session.0).as_bytes()).unwrap()
}

fn named(command: &Command) -> String {
    match command {
        Command::Install { route, .. } => {
            let identities: Vec<String> =
                route.identities.iter().map(ToString::to_string).collect();
            let whose = if route.peer.is_some() { "" } else { "without media " };
            format!("Install {whose}{}", identities.join(" "))
        }
        Command::Activate { .. } => "Activate".to_owned(),
        Command::Connect { remote, .. } => format!("Connect {:?}", remote.addresses),
        Command::Remove { .. } => "Remove".to_owned(),
        Command::Close { room: RoomId(_), .. } => "Close".to_owned(),
        Command::Spread { .. } => "Spread".to_owned(),
        Command::Policy { rights: Rights::Peer(_, peer), .. } => {
            format!("Policy {}", peer.path.as_str())
        }
        Command::Policy { .. } => "Policy".to_owned(),
        Command::Inquire { .. } => "Inquire".to_owned(),
        Command::Forsake { core } => format!("Forsake {}", core.index()),
        Command::Drain => "Drain".to_owned(),
    }
}

/// What is asked about one session.
fn detailed(command: &Command) -> Option<String> {
    let terms = |peer: &PeerMedia| {
        let path = peer.path.as_str();
        format!("{path} {:?} {:?} {:?}", peer.direction, peer.size_max, peer.chatroom)
    };
    Some(match command {
        Command::Install { session, route, .. } => {
            let peer = route.peer.as_ref().map_or("no peer".to_owned(), terms);
            format!("Install {} {peer}", session.0)
        }
        Command::Policy { rights: Rights::Peer(session, peer), .. } => {
            format!("Policy {} {}", session.0, terms(peer))
        }
        Command::Activate { session, .. } => format!("Activate {}", session.0),
        Command::Remove { session, .. } => format!("Remove {}", session.0),
        Command::Policy { rights: Rights::Terms(terms), .. } => {
            let (size_max, policy) = (terms.size_max, &terms.policy);
            let (private, named) = (policy.private_messages, policy.nicknames.is_some());
            format!("Terms {size_max} private={private} nicknames={named}")
        }
        _ => return None,
    })
}

/// Leaves the document of a NOTIFY where `ROSTER_DOCUMENTS` says, if it says anything: another tool
/// holds all that are told in any test against the schema.
fn show(sent: &Sent) {
    static SHELF: OnceLock<Option<PathBuf>> = OnceLock::new();
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let shelf = SHELF.get_or_init(|| std::env::var_os("ROSTER_DOCUMENTS").map(PathBuf::from));
    // The family of clients that wants this attribute has a schema of its own; and what became of a
    // REFER is told in no XML at all.
    let is_roster =
        || sent.body().contains("<conference-info") && !sent.body().contains(" yourown=");
    if let Some(shelf) = shelf
        && sent.start().starts_with("NOTIFY ")
        && is_roster()
    {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        std::fs::write(shelf.join(format!("{number}.xml")), sent.body()).unwrap();
    }
}

/// A message as it is on the wire: lines end in CRLF, and `Content-Length: ?` is counted.
fn wire(text: &str) -> Vec<u8> {
    let text = text.replace("\r\n", "\n").replace('\n', "\r\n");
    let length = text.split_once("\r\n\r\n").map_or(0, |(_, body)| body.len());
    text.replace("Content-Length: ?", &format!("Content-Length: {length}")).into_bytes()
}

/// An offer that every room takes.
pub const OFFER: &str = "v=0
o=- 3900000006 1 IN IP4 192.0.2.22
s=-
c=IN IP4 192.0.2.22
t=0 0
m=message 9 TCP/MSRP *
a=accept-types:message/cpim
a=accept-wrapped-types:text/plain
a=setup:active
a=path:msrp://192.0.2.22:9/cX2vB5nM8kL1jH4gFd;tcp
";

/// An offer that no room takes.
pub const AUDIO: &str = "v=0
o=- 1 1 IN IP4 192.0.2.22
s=-
c=IN IP4 192.0.2.22
t=0 0
m=audio 4000 RTP/AVP 0 8
";

/// A dialog that the focus has accepted, as its caller sees it.
#[derive(Clone, Debug)]
pub struct Call {
    pub ok: Sent,
    cseq: u32,
}

impl Call {
    /// The dialog that this 200 to the first INVITE made.
    pub fn of(ok: Sent) -> Self {
        Self { ok, cseq: 1 }
    }

    pub fn identity(&self) -> String {
        self.ok.contact().to_owned()
    }

    /// The session in the media plane, by the path that the fake core made of it.
    pub fn session(&self) -> SessionId {
        let path = self.ok.body().lines().find_map(|line| line.strip_prefix("a=path:")).unwrap();
        let number = path.split("/core-").nth(1).unwrap().strip_suffix(";tcp").unwrap();
        SessionId(number.parse().unwrap())
    }

    /// The URI the caller's own dialog requests go to, and who it is.
    fn request(&self, method: &str, cseq: u32, branch: u32, rest: &str) -> String {
        let (from, to) = (self.ok.header("From"), self.ok.header("To"));
        let (call_id, uri) = (self.ok.header("Call-ID"), self.ok.contact());
        format!(
            "{method} {uri} SIP/2.0\n\
             Via: SIP/2.0/TCP proxy.example.com:5060;branch=z9hG4bKd{branch}\n\
             Max-Forwards: 69\n\
             From: {from}\n\
             To: {to}\n\
             Call-ID: {call_id}\n\
             CSeq: {cseq} {method}\n\
             {rest}"
        )
    }

    /// A request inside the dialog. `rest` is header lines, the blank line and the body.
    pub fn next(&mut self, world: &mut World, method: &str, rest: &str) -> String {
        self.cseq += 1;
        self.request(method, self.cseq, world.serial(), rest)
    }

    pub fn ack(&self, world: &mut World) {
        self.ack_with(world, "Content-Length: 0\n\n");
    }

    /// Acknowledges the last INVITE. `rest` is header lines, the blank line and the body.
    pub fn ack_with(&self, world: &mut World, rest: &str) {
        let text = self.request("ACK", self.cseq, world.serial(), rest);
        world.hear(&text);
    }

    /// Acknowledges the INVITE that got this answer.
    pub fn ack_of(&self, world: &mut World, ok: &Sent, rest: &str) {
        let cseq = ok.header("CSeq").split(' ').next().unwrap().parse().unwrap();
        let text = self.request("ACK", cseq, world.serial(), rest);
        world.hear(&text);
    }

    /// As [`ack_with`](Self::ack_with), but the INVITE that made the dialog.
    pub fn ack_first(&self, world: &mut World, rest: &str) {
        let text = self.request("ACK", 1, world.serial(), rest);
        world.hear(&text);
    }

    /// Offers `body` in a request inside the dialog, and takes the answer.
    pub fn offer(&mut self, world: &mut World, method: &str, lines: &str, body: &str) -> Sent {
        let request = self.offering(world, method, lines, body);
        world.ask_for("SIP/2.0", &request)
    }

    /// A request inside the dialog that offers `body`, or nothing.
    pub fn offering(&mut self, world: &mut World, method: &str, lines: &str, body: &str) -> String {
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\n" };
        let contact = "Contact: <sip:again@192.0.2.22:50300;transport=tcp>\n";
        self.next(world, method, &format!("{contact}{lines}{kind}Content-Length: ?\n\n{body}"))
    }

    pub fn bye(&mut self, world: &mut World) -> Sent {
        let bye = self.next(world, "BYE", "Content-Length: 0\n\n");
        world.ask_for("SIP/2.0", &bye)
    }
}

/// An INVITE by which `user` joins or rejoins `uri`.
pub fn invite(world: &mut World, uri: &str, user: &str, lines: &str, body: &str) -> String {
    let n = world.serial();
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\n" };
    format!(
        "INVITE {uri} SIP/2.0\n\
         Via: SIP/2.0/TCP proxy.example.com:5060;branch=z9hG4bKi{n}\n\
         Record-Route: <sip:proxy.example.com;transport=tcp;lr>\n\
         Max-Forwards: 69\n\
         From: <sip:whoever@example.org>;tag=t{n}\n\
         To: <{uri}>\n\
         Call-ID: call-{n}@192.0.2.22\n\
         CSeq: 1 INVITE\n\
         Contact: <sip:u{n}@192.0.2.22:50300;transport=tcp>\n\
         P-Asserted-Identity: <{user}>\n\
         {lines}{kind}Content-Length: ?\n\
         \n\
         {body}"
    )
}

/// A SUBSCRIBE to `uri` by `user`.
pub fn subscribe(world: &mut World, uri: &str, user: &str, lines: &str) -> String {
    let n = world.serial();
    format!(
        "SUBSCRIBE {uri} SIP/2.0\n\
         Via: SIP/2.0/TCP proxy.example.com:5060;branch=z9hG4bKs{n}\n\
         Record-Route: <sip:proxy.example.com;transport=tcp;lr>\n\
         Max-Forwards: 69\n\
         From: <{user}>;tag=s{n}\n\
         To: <{uri}>\n\
         Call-ID: watch-{n}@192.0.2.22\n\
         CSeq: 1 SUBSCRIBE\n\
         Contact: <sip:w{n}@192.0.2.22:50300;transport=tcp>\n\
         P-Asserted-Identity: <{user}>\n\
         {lines}Content-Length: 0\n\
         \n"
    )
}

impl World {
    /// Sends `text` and takes the one message among what follows whose start line starts so.
    pub fn ask_for(&mut self, start: &str, text: &str) -> Sent {
        self.take();
        self.hear(text);
        let mut found = self.sent.iter().filter(|sent| sent.start().starts_with(start));
        let first = found.next().expect("an answer").clone();
        assert!(found.next().is_none(), "one {start}");
        self.sent.retain(|sent| !sent.start().starts_with(start));
        first
    }

    /// `user` joins `uri`, and the 200 is acknowledged.
    pub fn join(&mut self, uri: &str, user: &str) -> Call {
        self.join_with(uri, user, "")
    }

    pub fn join_with(&mut self, uri: &str, user: &str, lines: &str) -> Call {
        let call = self.join_unacknowledged(uri, user, lines);
        call.ack(self);
        call
    }

    pub fn join_unacknowledged(&mut self, uri: &str, user: &str, lines: &str) -> Call {
        let invite = invite(self, uri, user, lines, OFFER);
        let ok = self.ask_for("SIP/2.0", &invite);
        assert_eq!(ok.status(), 200, "{}", ok.text);
        Call { ok, cseq: 1 }
    }

    /// `user` watches `uri`: the dialog, and the first NOTIFY, which is answered.
    pub fn watch(&mut self, uri: &str, user: &str) -> (Call, Sent) {
        let subscribe = subscribe(self, uri, user, "Event: conference\n");
        let ok = self.ask_for("SIP/2.0", &subscribe);
        assert_eq!(ok.status(), 200, "{}", ok.text);
        let notify = self.take_requests("NOTIFY").pop().expect("a NOTIFY at once");
        self.answer(&notify, "200 OK");
        (Call { ok, cseq: 1 }, notify)
    }

    /// The NOTIFYs since the last time, each answered.
    pub fn notified(&mut self) -> Vec<Sent> {
        let notifies = self.take_requests("NOTIFY");
        for notify in &notifies {
            self.answer(notify, "200 OK");
        }
        notifies
    }
}

/// The `<user>` entities of a document, each with its statuses.
pub fn users(notify: &Sent) -> Vec<(String, Vec<String>)> {
    let between = |text: &str, open: &str, close: &str| {
        let parts = text.split(open).skip(1);
        parts.map(|part| part.split(close).next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let users = between(notify.body(), "<user ", "</user>");
    let user = |user: &String| {
        let entity = between(user, "entity=\"", "\"").remove(0);
        (entity, between(user, "<status>", "</status>"))
    };
    users.iter().map(user).collect()
}

/// The users that a document shows as connected.
pub fn connected(notify: &Sent) -> Vec<String> {
    let users = users(notify).into_iter();
    users.filter(|(_, status)| status.contains(&"connected".to_owned())).map(|(u, _)| u).collect()
}

pub fn version(notify: &Sent) -> u32 {
    let version = notify.body().split("state=\"full\" version=\"").nth(1).unwrap();
    version.split('"').next().unwrap().parse().unwrap()
}
