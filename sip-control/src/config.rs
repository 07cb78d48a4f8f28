//! The checked, plain-data configuration of the control plane. The node reads text and fills it;
//! nothing downstream re-checks (OPS-12).
//!
//! [`Config::default`] is the built-in configuration: a focus on loopback where any
//! `sip:NAME@chat.localhost` is a public room, made by its first join.

use std::{
    collections::HashSet,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use mailbox::{NicknamePolicy, RoomPolicy};
use msrp::AcceptTypes;

pub use crate::offer_answer::Cema;
use crate::{
    digest::Algorithm,
    focus::{UserKey, Way, is_session_identity},
    message::SipUri,
};

/// All that the control plane is told by its operator.
#[derive(Clone, Debug)]
pub struct Config {
    /// The conference host: the host part of room and session URIs, the agent of every Warning.
    pub host: String,
    /// Which family of clients is served.
    pub profile: Profile,
    /// Where SIP is listened for.
    pub listen: Listen,
    /// Sources whose asserted identities are believed (ID-04).
    pub trusted: Vec<Network>,
    /// A trusted peer without P-Asserted-Identity is taken at its From. For the built-in
    /// configuration, where every peer is a program on this very host; never for a proxy.
    pub identity_from_from_header: bool,
    /// How everybody else proves who they are. Without it, they are not served (ID-03).
    pub digest: Option<Digest>,
    /// The rooms that have a name of their own.
    pub rooms: Vec<Room>,
    /// Where the documents of Pre-defined Groups are, `*.xml`. A group that has one goes before a
    /// room of the same URI.
    pub group_documents: Option<PathBuf>,
    /// The file in which sessions outlive the process, if they do (OPS-10).
    pub persist_sessions: Option<PathBuf>,
    /// Whether any other `sip:NAME@host` is a public room, and under which rules.
    pub any_room: Option<Rules>,
    /// What members may do beside talking to all, in rooms whose rules are a group document.
    pub chat: RoomPolicy,
    /// How users make groups of their own, if they may.
    pub ad_hoc: Option<AdHoc>,
    /// What the rooms' media is like.
    pub media: Media,
    /// Every timer of this plane.
    pub timers: Timers,
    /// Every bound of this plane.
    pub limits: Limits,
    /// A user's new leg replaces the one from the same device (FOC-14).
    pub one_leg_per_user: bool,
    /// Only who asks for messaging by `+g.oma.sip-im` in Accept-Contact is let in (IMS-04).
    pub strict_feature_tag: bool,
    /// Whoever has something to reserve before a session begins is waited for (IMS-08).
    pub preconditions: bool,
    /// The proxy by which users are invited, a SIP URI with an address in it. Without one only those
    /// can be whose URI has an address.
    pub outbound_proxy: Option<String>,
    /// Rosters tell of who is invited whether the device rings (EVT-06).
    pub transient_states: bool,
    /// Who watches a roster is told what has changed, and all of it only when it asks (EVT-10).
    pub partial_rosters: bool,
    /// Refusals tell their reason in a Warning (FOC-05).
    pub warn_detail: bool,
    /// Name and version as they stand behind `IM-serv/OMA1.0` (IMS-02).
    pub product: String,
}

/// Why a configuration cannot be used. Each says which value, as the operator wrote it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ConfigError {
    /// The conference host is no host name.
    Host(String),
    /// There is no address to listen on.
    NoListener,
    /// A room's URI is no SIP URI with a user part, or looks like a session identity.
    RoomUri(String),
    /// Two rooms have the same URI.
    RoomTwice(String),
    /// The Factory URI is no SIP URI with a user part, or is that of a room or a session.
    Factory(String),
    /// A user's URI is neither a SIP URI with a user part nor a telephone number.
    User(String),
    /// The realm of digest authentication is empty, or does not fit into a quoted string.
    Realm(String),
    /// Nothing is asked for in digest authentication.
    NoAlgorithm,
    /// Two accounts have the same name.
    AccountTwice(String),
    /// An account has no name, or one that no client could send.
    AccountName(String),
    /// An account has no identity.
    NoAccountIdentity(String),
    /// The media types cannot be read.
    WrappedTypes(String),
    /// The outbound proxy is no SIP URI with an address in it.
    OutboundProxy(String),
    /// A timer has a value that cannot work; this is its name.
    Timer(&'static str),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => write!(f, "`{host}` is no host name"),
            Self::NoListener => f.write_str("no address to listen for SIP on"),
            Self::RoomUri(uri) => write!(f, "`{uri}` cannot be the URI of a room"),
            Self::RoomTwice(uri) => write!(f, "the room `{uri}` is there twice"),
            Self::Factory(uri) => write!(f, "`{uri}` cannot be the URI where groups are made"),
            Self::User(uri) => write!(f, "`{uri}` is no address of a user"),
            Self::Realm(realm) => write!(f, "`{realm}` cannot be the name of a realm"),
            Self::NoAlgorithm => f.write_str("no algorithm to ask for"),
            Self::AccountTwice(name) => write!(f, "the account `{name}` is there twice"),
            Self::AccountName(name) => write!(f, "`{name}` cannot be the name of an account"),
            Self::NoAccountIdentity(name) => write!(f, "the account `{name}` has no identity"),
            Self::WrappedTypes(types) => write!(f, "`{types}` is no list of media types"),
            Self::OutboundProxy(uri) => {
                write!(f, "`{uri}` is no SIP URI of a proxy such as `sip:192.0.2.1:5060`")
            }
            Self::Timer(name) => write!(f, "the timer {name} has an impossible value"),
        }
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Checks the whole before anything of it is used (OPS-12).
    pub fn check(&self) -> Result<(), ConfigError> {
        let host = SipUri::parse(&format!("sip:{}", self.host)).map(|uri| uri.host().len());
        if host != Some(self.host.len()) {
            return Err(ConfigError::Host(self.host.clone()));
        }
        if self.listen.udp.is_empty() && self.listen.tcp.is_empty() {
            return Err(ConfigError::NoListener);
        }
        let mut keys = HashSet::new();
        for room in &self.rooms {
            let uri = SipUri::parse(&room.uri).filter(|uri| uri.user().is_some());
            let uri = uri.filter(|uri| !is_session_identity(uri));
            let uri = uri.ok_or_else(|| ConfigError::RoomUri(room.uri.clone()))?;
            if !keys.insert(uri.key()) {
                return Err(ConfigError::RoomTwice(room.uri.clone()));
            }
        }
        if let Some(ad_hoc) = &self.ad_hoc {
            let factory = SipUri::parse(&ad_hoc.factory).filter(|uri| uri.user().is_some());
            let factory = factory.filter(|uri| !is_session_identity(uri));
            if factory.is_none_or(|uri| keys.contains(&uri.key())) {
                return Err(ConfigError::Factory(ad_hoc.factory.clone()));
            }
        }
        let rules = self.rooms.iter().map(|room| &room.rules).chain(&self.any_room);
        let hidden = self.ad_hoc.iter().flat_map(|ad_hoc| ad_hoc.anonymity.named());
        let mut users = rules.flat_map(Rules::users).chain(hidden);
        if let Some(uri) = users.find(|uri| UserKey::of(uri).is_none()) {
            return Err(ConfigError::User(uri.clone()));
        }
        if let Some(digest) = &self.digest {
            digest.check()?;
        }
        if let Some(proxy) = &self.outbound_proxy
            && Way::to(proxy, self).is_none()
        {
            return Err(ConfigError::OutboundProxy(proxy.clone()));
        }
        let types = &self.media.wrapped_types;
        AcceptTypes::parse(types.as_bytes())
            .map_err(|_| ConfigError::WrappedTypes(types.clone()))?;
        self.timers.check().map_err(ConfigError::Timer)
    }
}

/// Takes over from one configuration what another may not change, and notes what it would have.
macro_rules! keep {
    ($old:expr => $new:expr, $changed:ident; $($name:literal: $($field:ident).+,)*) => {
        $(if $new.$($field).+ != $old.$($field).+ {
            $new.$($field).+ = $old.$($field).+.clone();
            $changed.push($name);
        })*
    };
}

impl Config {
    /// What a control plane that serves by this configuration can make of `new`, and the keys whose
    /// values stay as they are until it is started again: names that are in use, sockets that are
    /// open, timers that run (OPS-12).
    pub fn amended(&self, mut new: Self) -> (Self, Vec<&'static str>) {
        let mut changed = Vec::new();
        keep!(self => new, changed;
            "sip.host": host,
            "sip.listen_udp": listen.udp,
            "sip.listen_tcp": listen.tcp,
            "sip.timers.t1": timers.t1,
            "sip.timers.t2": timers.t2,
            "sip.timers.t4": timers.t4,
            "sip.timers.list_refresh": timers.list_refresh,
            "sip.timers.list_retry": timers.list_retry,
            "sip.timers.list_timeout": timers.list_timeout,
            "sip.persist_sessions": persist_sessions,
            "msrp.placement": media.placement,
            "rooms.group_documents": group_documents,
        );
        (new, changed)
    }
}

/// A family of clients (sip-control.md section 0).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Profile {
    /// OMA SIMPLE IM, to the letter of the change request.
    #[default]
    Oma,
    /// GSMA.
    Rcs,
}

/// SIP listeners. Port 0 lets the host choose.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Listen {
    /// UDP sockets.
    pub udp: Vec<SocketAddr>,
    /// TCP listeners.
    pub tcp: Vec<SocketAddr>,
}

/// How somebody proves who it is (AUTH-01, RFC 7616, RFC 8760).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Digest {
    /// What the user is told the password is for. Passwords are hashed with it.
    pub realm: String,
    /// What is asked for, in order of preference. MD5 is broken, and so asked for only if it is
    /// named here.
    pub algorithms: Vec<Algorithm>,
    /// Who can prove it.
    pub accounts: Vec<Account>,
}

/// Somebody who can prove who it is.
#[derive(Clone, Eq, PartialEq)]
pub struct Account {
    /// The user name.
    pub name: String,
    /// The password.
    pub password: String,
    /// The SIP and tel URIs of the user, the one that the roster shows first (ID-02). At least one.
    pub identities: Vec<String>,
    /// What the user is called in rosters.
    pub display_name: Option<String>,
}

/// For logs: the password is nobody's business.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("name", &self.name)
            .field("identities", &self.identities)
            .field("display_name", &self.display_name)
            .finish_non_exhaustive()
    }
}

impl Digest {
    fn check(&self) -> Result<(), ConfigError> {
        let is_quotable = |text: &str| !text.is_empty() && !text.chars().any(char::is_control);
        if !is_quotable(&self.realm) {
            return Err(ConfigError::Realm(self.realm.clone()));
        }
        if self.algorithms.is_empty() {
            return Err(ConfigError::NoAlgorithm);
        }
        let mut names = HashSet::new();
        for Account { name, identities, .. } in &self.accounts {
            // A colon would make one name and password out of two (RFC 7616 section 3.4.2).
            if !is_quotable(name) || name.contains(':') {
                return Err(ConfigError::AccountName(name.clone()));
            }
            if !names.insert(name) {
                return Err(ConfigError::AccountTwice(name.clone()));
            }
            if identities.is_empty() {
                return Err(ConfigError::NoAccountIdentity(name.clone()));
            }
            if let Some(uri) = identities.iter().find(|uri| UserKey::of(uri).is_none()) {
                return Err(ConfigError::User(uri.clone()));
            }
        }
        Ok(())
    }
}

/// A block of IP addresses, `192.0.2.0/24`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Network {
    /// Any address in the block.
    pub address: IpAddr,
    /// How many leading bits its members share.
    pub prefix: u8,
}

impl Network {
    /// Reads `address/prefix`, or an address alone, which is a block of one.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address.parse().ok()?, Some(prefix.parse().ok()?)),
            None => (text.parse().ok()?, None),
        };
        let whole = width(address);
        let prefix = prefix.unwrap_or(whole);
        (prefix <= whole).then_some(Self { address, prefix })
    }

    /// Whether `address` lies in the block. An IPv4 address that came mapped into IPv6 is compared
    /// as what it is.
    pub fn contains(&self, address: IpAddr) -> bool {
        let shift = u32::from(width(self.address) - self.prefix);
        match (self.address.to_canonical(), address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                (ours.to_bits() ^ theirs.to_bits()).checked_shr(shift).unwrap_or(0) == 0
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                (ours.to_bits() ^ theirs.to_bits()).checked_shr(shift).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

fn width(address: IpAddr) -> u8 {
    if address.to_canonical().is_ipv4() { 32 } else { 128 }
}

/// A room with a name of its own.
#[derive(Clone, Debug)]
pub struct Room {
    /// Its URI: `sip:garden-open@im.example.com`.
    pub uri: String,
    /// Whether it is open or a group.
    pub kind: RoomKind,
    /// What it is about, for rosters (EVT-04).
    pub subject: Option<String>,
    /// Who may do what in it.
    pub rules: Rules,
}

/// The two kinds of provisioned room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RoomKind {
    /// A public conference (PUB-03).
    Public,
    /// A Pre-defined Group (FOC-09): whoever begins a session of it needs the right to (PUB-06).
    Group,
}

/// Who may do what in a room.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rules {
    /// Who may join.
    pub admitted: Users,
    /// Who may not, whatever `admitted` says (POL-04).
    pub blocked: Vec<String>,
    /// Who of those admitted may begin a session of a group (PUB-06). Anybody begins one of a public
    /// room.
    pub initiators: Users,
    /// Users at one time. `None` is no limit but [`Limits::users_per_room`]; 0 is nobody (FOC-10,
    /// PUB-05).
    pub max_participants: Option<usize>,
    /// Who may join under an alias (FOC-16).
    pub anonymity: Users,
    /// Who may watch the roster without having joined (POL-14).
    pub watchers: Users,
    /// What members may do beside talking to all.
    pub chat: RoomPolicy,
    /// Who of the participants may have others called in (REF-03).
    pub inviters: Users,
}

impl Rules {
    fn users(&self) -> impl Iterator<Item = &String> {
        let lists =
            [&self.admitted, &self.initiators, &self.anonymity, &self.watchers, &self.inviters];
        lists.into_iter().flat_map(Users::named).chain(&self.blocked)
    }
}

/// The ceiling of a public room that names none (PUB-05).
pub const MAX_PARTICIPANTS: usize = 500;

impl Default for Rules {
    fn default() -> Self {
        Self {
            admitted: Users::Everyone,
            blocked: Vec::new(),
            initiators: Users::Everyone,
            max_participants: Some(MAX_PARTICIPANTS),
            anonymity: Users::nobody(),
            watchers: Users::nobody(),
            chat: default_chat(),
            inviters: Users::nobody(),
        }
    }
}

/// What members may do where nothing else is said: write to one another, and have nicknames.
pub fn default_chat() -> RoomPolicy {
    RoomPolicy {
        private_messages: true,
        anonymous_notifications: false,
        greeting: true,
        whole_messages: true,
        nicknames: Some(NicknamePolicy::default()),
    }
}

/// Some users, by their SIP or tel URIs (POL-08).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Users {
    /// All that have an identity.
    Everyone,
    /// These.
    Only(Vec<String>),
}

impl Users {
    /// Those that are named one by one.
    fn named(&self) -> &[String] {
        match self {
            Self::Everyone => &[],
            Self::Only(uris) => uris,
        }
    }

    /// No user at all.
    pub fn nobody() -> Self {
        Self::Only(Vec::new())
    }
}

/// How users make groups of their own: by an INVITE that says whom to call (RFC 5366).
#[derive(Clone, Debug)]
pub struct AdHoc {
    /// Where that INVITE goes: the Factory URI.
    pub factory: String,
    /// Users of one group, its creator among them (PUB-13).
    pub size_max: usize,
    /// Who may be in one under an alias (FOC-16).
    pub anonymity: Users,
    /// Who may have others called in later.
    pub additions: Additions,
}

impl AdHoc {
    /// The defaults of the catalogue.
    pub fn new(factory: &str) -> Self {
        Self {
            factory: factory.to_owned(),
            size_max: AD_HOC_SIZE_MAX,
            anonymity: Users::nobody(),
            additions: Additions::Everyone,
        }
    }
}

/// Users of an ad-hoc group where nothing else is configured (PUB-13).
pub const AD_HOC_SIZE_MAX: usize = 100;

/// Who may have others called into an ad-hoc group (REF-03).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Additions {
    /// Whoever is in it.
    #[default]
    Everyone,
    /// Who made it.
    Creator,
}

/// What the media of all rooms is like.
#[derive(Clone, Debug)]
pub struct Media {
    /// Types that messages may have inside the wrapper, as in `a=accept-wrapped-types`.
    pub wrapped_types: String,
    /// Octets of the largest message, wrapper included (msrp/LIM-03).
    pub size_max: u64,
    /// A c/m address that differs from the path is tolerated (SDP-11).
    pub accept_sbc_rewrite: bool,
    /// Middleboxes are reckoned with (RFC 6714).
    pub cema: Cema,
    /// Peers that wait to be connected to are connected to (SDP-13).
    pub allow_active: bool,
    /// They may be anywhere, even on this host or on this link (msrp/SEC-02).
    pub connect_anywhere: bool,
    /// How participants are dealt to cores.
    pub placement: Deal,
}

/// How participants are dealt to cores.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Deal {
    /// All of a room on one core: no message crosses cores.
    #[default]
    Together,
    /// Round robin over all cores: for few large rooms.
    Spread,
}

/// Timers, by the names the catalogue gives them (OPS-13).
#[derive(Clone, Debug)]
pub struct Timers {
    /// Round-trip estimate (RFC 3261 section 17).
    pub t1: Duration,
    /// Longest wait between retransmissions.
    pub t2: Duration,
    /// Longest life of a message in the network.
    pub t4: Duration,
    /// How long a request may wait to be served; above it, nothing new is begun (OPS-01).
    pub queue_delay_max: Duration,
    /// When those are to ask again for whom that was too much: a random time from this
    pub overload_retry_min: Duration,
    /// to this.
    pub overload_retry_max: Duration,
    /// How long a core may take to acknowledge an INSTALL (FOC-22).
    pub install: Duration,
    /// How long after the 200 the old leg of a user lives at most (FOC-14).
    pub replacement: Duration,
    /// How long after the ACK the MSRP connection may take (FOC-33).
    pub binding: Duration,
    /// How long somebody who is invited may take to answer. Shorter than a core waits for a session
    /// to be bound (msrp/LIM-08), for it waits from before the call.
    pub ringing: Duration,
    /// How long a peer may take to reserve what it has to (IMS-08).
    pub preconditions: Duration,
    /// How long the session of a leg lives at most once a re-offer has made it another one
    /// (msrp/SDP-20).
    pub retirement: Duration,
    /// How long a leg outlives its MSRP connection (LEAVE-04).
    pub media_grace: Duration,
    /// How long a session outlives its last user, so that a rejoin finds it (LEAVE-06).
    pub session_linger: Duration,
    /// How long a session of the process before waits for its users (OPS-10).
    pub restored_session: Duration,
    /// How long a list that is elsewhere counts, before it is asked for again (POL-09).
    pub list_refresh: Duration,
    /// When one that did not come is asked for again.
    pub list_retry: Duration,
    /// How long it may take to come.
    pub list_timeout: Duration,
    /// How long a session whose last key participant has gone waits for one to come back (LEAVE-07).
    pub key_grace: Duration,
    /// How long the process waits for all of them when it is told to stop.
    pub shutdown: Duration,
    /// Least time between two change NOTIFYs of one subscription (NTF-04).
    pub notify_min_interval: Duration,
    /// Session interval asked of a peer that names none (TMR-01).
    pub session_interval: Duration,
    /// Least session interval accepted (TMR-02).
    pub session_interval_min: Duration,
    /// Longest subscription granted (SUB-06).
    pub subscription_max: Duration,
    /// Shortest subscription granted (SUB-06).
    pub subscription_min: Duration,
    /// How long a nonce is good for (AUTH-02).
    pub digest_nonce: Duration,
    /// Within what time wrong credentials of one source add up (AUTH-02).
    pub digest_window: Duration,
    /// How long a source is refused that had too many of them (AUTH-02).
    pub digest_penalty: Duration,
}

/// Bounds (OPS-03).
#[derive(Clone, Debug)]
pub struct Limits {
    /// Sessions at one time.
    pub sessions: usize,
    /// Users of one room at one time, whatever its rules say.
    pub users_per_room: usize,
    /// Legs at one time.
    pub legs: usize,
    /// Legs of one user in one room.
    pub legs_per_user: usize,
    /// Subscriptions at one time.
    pub subscriptions: usize,
    /// Subscriptions of one user to one session (SUB-09).
    pub subscriptions_per_user: usize,
    /// Percent of the media plane's CPUs in use, above which nothing new is begun (OPS-01).
    pub media_load: u8,
    /// Requests that start something, of one source that nobody vouches for, in a second (OPS-07).
    pub source_requests: u32,
    /// Refusals of those above that are answered, if they came by UDP (OPS-07).
    pub source_refusals: u32,
    /// INVITEs of one user in a second (OPS-07).
    pub user_invites: u32,
    /// SUBSCRIBEs of one user in a minute (OPS-07).
    pub user_subscribes: u32,
    /// Users whom a roster lists one by one. Who begins to watch a session of more is told their
    /// number only (EVT-14).
    pub roster: usize,
    /// Wrong credentials of one source, within [`Timers::digest_window`], that are too many
    /// (AUTH-02).
    pub digest_failures: usize,
}

impl Default for Config {
    fn default() -> Self {
        let sip = SocketAddr::from((Ipv4Addr::LOCALHOST, 5060));
        Self {
            host: "chat.localhost".to_owned(),
            profile: Profile::Oma,
            listen: Listen { udp: vec![sip], tcp: vec![sip] },
            trusted: vec![
                Network { address: IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), prefix: 8 },
                Network { address: IpAddr::V6(Ipv6Addr::LOCALHOST), prefix: 128 },
            ],
            identity_from_from_header: true,
            digest: None,
            rooms: Vec::new(),
            group_documents: None,
            persist_sessions: None,
            any_room: Some(Rules::default()),
            chat: default_chat(),
            ad_hoc: None,
            media: Media::default(),
            timers: Timers::default(),
            limits: Limits::default(),
            one_leg_per_user: true,
            strict_feature_tag: false,
            preconditions: false,
            outbound_proxy: None,
            transient_states: false,
            partial_rosters: true,
            warn_detail: true,
            product: concat!("sip-control/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

impl Default for Media {
    fn default() -> Self {
        Self {
            wrapped_types: "*".to_owned(),
            size_max: 10 * 1024 * 1024,
            accept_sbc_rewrite: false,
            cema: Cema::On,
            allow_active: true,
            connect_anywhere: false,
            placement: Deal::Together,
        }
    }
}

impl Default for Timers {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            t1: Duration::from_millis(500),
            t2: seconds(4),
            t4: seconds(5),
            queue_delay_max: Duration::from_millis(100),
            overload_retry_min: seconds(2),
            overload_retry_max: seconds(10),
            install: Duration::from_millis(500),
            replacement: seconds(5),
            binding: seconds(30),
            ringing: seconds(50),
            preconditions: seconds(30),
            retirement: seconds(60),
            media_grace: seconds(60),
            session_linger: Duration::ZERO,
            key_grace: Duration::ZERO,
            restored_session: seconds(600),
            list_refresh: seconds(300),
            list_retry: seconds(30),
            list_timeout: seconds(5),
            shutdown: seconds(3),
            notify_min_interval: seconds(5),
            session_interval: seconds(1800),
            session_interval_min: seconds(90),
            subscription_max: seconds(3600),
            subscription_min: seconds(60),
            digest_nonce: seconds(300),
            digest_window: seconds(60),
            digest_penalty: seconds(60),
        }
    }
}

impl Timers {
    /// The name of a timer that cannot work.
    fn check(&self) -> Result<(), &'static str> {
        let faults = [
            ("t1", self.t1.is_zero()),
            ("t2", self.t2 < self.t1),
            ("install", self.install.is_zero()),
            ("overload_retry_max", self.overload_retry_max < self.overload_retry_min),
            ("ringing", self.ringing.is_zero()),
            // Shorter is not allowed (RFC 4028 section 4).
            ("session_interval_min", self.session_interval_min < Duration::from_secs(90)),
            ("session_interval", self.session_interval < self.session_interval_min),
            ("subscription_max", self.subscription_max < self.subscription_min),
            ("digest_nonce", self.digest_nonce.is_zero()),
        ];
        faults.iter().find(|(_, is_fault)| *is_fault).map_or(Ok(()), |(name, _)| Err(name))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 100_000,
            users_per_room: 1_000,
            legs: 500_000,
            legs_per_user: 4,
            subscriptions: 500_000,
            subscriptions_per_user: 4,
            media_load: 90,
            source_requests: 50,
            source_refusals: 10,
            user_invites: 5,
            user_subscribes: 20,
            roster: 200,
            digest_failures: 10,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Config, ConfigError, Network, Room, RoomKind, Rules, Users};

    fn holds(network: &str, address: &str) -> bool {
        Network::parse(network).unwrap().contains(address.parse().unwrap())
    }

    /// ID-04: trust is a matter of the source address and of nothing else.
    #[test]
    fn a_network_holds_the_addresses_that_share_its_prefix() {
        assert!(holds("127.0.0.0/8", "127.9.8.7") && !holds("127.0.0.0/8", "128.0.0.1"));
        assert!(holds("192.0.2.64/26", "192.0.2.127") && !holds("192.0.2.64/26", "192.0.2.128"));
        assert!(holds("192.0.2.7", "192.0.2.7") && !holds("192.0.2.7", "192.0.2.6"));
        assert!(holds("0.0.0.0/0", "203.0.113.9") && !holds("0.0.0.0/0", "2001:db8::1"));
        assert!(holds("2001:db8::/32", "2001:db8:1::1") && !holds("2001:db8::/32", "2001:db9::1"));
        assert!(holds("::/0", "2001:db8::1"));
        assert!(holds("127.0.0.0/8", "::ffff:127.0.0.1"), "mapped into IPv6 it is still loopback");
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "/8", "127.0.0.1/33", "::1/129", "127.0.0.1/x", "localhost"] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }

    fn room(uri: &str) -> Room {
        let kind = RoomKind::Public;
        Room { uri: uri.to_owned(), kind, subject: None, rules: Rules::default() }
    }

    /// OPS-12: a configuration is used as a whole or not at all.
    #[test]
    fn every_impossible_value_is_named() {
        let check = |change: &dyn Fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            config.check()
        };
        let identity = "sip:s-ffffffffffffffffffffffffffffffff@h";
        assert_eq!(check(&|_| {}), Ok(()));
        for host in ["", "a b", "h;x", "h:5060", "u@h"] {
            let fault = Err(ConfigError::Host(host.to_owned()));
            assert_eq!(check(&|config| config.host = host.to_owned()), fault);
        }
        let fault = Err(ConfigError::NoListener);
        assert_eq!(check(&|config| config.listen = super::Listen::default()), fault);
        for uri in ["lobby", "sip:h", "tel:+1", identity] {
            let fault = Err(ConfigError::RoomUri(uri.to_owned()));
            assert_eq!(check(&|config| config.rooms = vec![room(uri)]), fault);
        }
        let twice = |config: &mut Config| config.rooms = vec![room("sip:a@h"), room("sip:a@H;x")];
        assert_eq!(check(&twice), Err(ConfigError::RoomTwice("sip:a@H;x".to_owned())));
        let users = |config: &mut Config| {
            let anonymity = Users::Only(vec!["bob".to_owned()]);
            config.any_room = Some(Rules { anonymity, ..Rules::default() });
        };
        assert_eq!(check(&users), Err(ConfigError::User("bob".to_owned())));
        let types = |config: &mut Config| config.media.wrapped_types = "text".to_owned();
        assert_eq!(check(&types), Err(ConfigError::WrappedTypes("text".to_owned())));
        let short = |config: &mut Config| {
            config.timers.session_interval_min = std::time::Duration::from_secs(89);
        };
        assert_eq!(check(&short), Err(ConfigError::Timer("session_interval_min")));
    }
}
