//! Who the user is, and by which way the client goes out.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use crate::{
    digest::Credentials,
    locate::Destination,
    transaction,
    transport::{Protocol, Target},
};

/// All that a client has to know before it can join anything.
#[derive(Clone, Debug)]
pub struct Config {
    /// The user's address of record, a URI without brackets.
    pub user: String,
    /// The name to show with it.
    pub display_name: Option<String>,
    /// The SIP URI under which requests reach this very client.
    pub contact: String,
    /// What tells this device from the user's others, a URN: `+sip.instance` (RFC 5626 section 4.1).
    pub instance: Option<String>,
    /// Name and version, as they stand behind `IM-client/OMA1.0` (IMS-02).
    pub product: String,
    /// The route that every request starts with, as Service-Route gave it: each value in angle
    /// brackets (REJ-08).
    pub route: Vec<String>,
    /// Where requests go first.
    pub next_hop: NextHop,
    /// Who is asked where names lead (DLG-21). None: those of the host's `resolv.conf`.
    pub dns_servers: Vec<SocketAddr>,
    /// Whether that hop belongs to the trust domain. Only then it is told who the user is where From
    /// does not say so (IMS-03, RFC 3325 section 6).
    pub is_hop_trusted: bool,
    /// By which access the user comes, as P-Access-Network-Info has it. It may be told where somebody is,
    /// so it goes to a trusted hop only (IMS-06, RFC 7315 section 4.4).
    pub access_network: Option<String>,
    /// The network that is told where the user is, if one wants to know (IMS-06).
    pub registrar: Option<Registrar>,
    /// Whether INVITE and SUBSCRIBE say that they are of the service of CPM group sessions, as GSMA
    /// networks route by it (RCS-02).
    pub marks_service: bool,
    /// Proof of who the user is, for those who ask for it (AUTH-05).
    pub credentials: Option<Credentials>,
    /// Whether a focus that says something before its answer has to have it acknowledged, or else may not
    /// serve us at all (RFC 3262).
    pub requires_100rel: bool,
    /// Whether offers say that on our side all is reserved that a session needs, as those of a 3GPP
    /// client do whose bearer is there already (TS 24.229 section 5.1.3, RFC 3312).
    pub preconditions: bool,
    /// What the media is like.
    pub media: Media,
    /// Whether whoever joins also follows who is in the conference (REJ-12, JOIN-09).
    pub watches: bool,
    /// Whether others are asked for inside the dialog of a leg, as some focuses want it (REF-01).
    pub refers_within: bool,
    /// `Session-Expires` in seconds (TMR-04).
    pub session_interval: u32,
    /// Where groups are made: the Factory URI, if there is one (RFC 5366).
    pub factory: Option<String>,
    /// A focus that follows the change request to the letter says 403 where a session is gone. Whether
    /// that is believed, by its words, as 404 is (RCS-05).
    pub is_gone_by_words: bool,
    /// How often a rejoin that met 503, or nobody, is tried again by itself (REJ-15). Other attempts,
    /// and other refusals, never are.
    pub retries_max: u32,
    /// Over how long the rejoins of one user are spread who comes back to many conferences at once.
    pub rejoin_window: Duration,
    /// The layer below.
    pub transactions: transaction::Config,
}

/// Where requests go first (REJ-08).
#[derive(Clone, Debug)]
pub enum NextHop {
    /// To this very address, the focus's or a proxy's before it.
    At(Target),
    /// To where RFC 3263 leads for this URI, an outbound proxy's.
    Proxy(String),
    /// To where RFC 3263 leads for the first URI of the route; without a route, for the Request-URI.
    Located,
}

impl From<Target> for NextHop {
    fn from(target: Target) -> Self {
        Self::At(target)
    }
}

/// A network that is told where its users are.
#[derive(Clone, Debug)]
pub struct Registrar {
    /// The domain of the user's home, a SIP URI without a user part.
    pub uri: String,
    /// The proxies on the way there, each in angle brackets: in an IMS the P-CSCF. All requests go by
    /// them, and then by those that the network names (RFC 3608 section 6.1).
    pub route: Vec<String>,
    /// How long the network is asked to know, in seconds.
    pub expires: u32,
    /// What the host can do below SIP for the protection of what is sent, as Security-Client has it.
    /// None: nothing is negotiated, and nothing required (RFC 3329).
    pub security: Vec<String>,
}

/// What an IMS is asked for (TS 24.229 section 5.1.1.2).
const REGISTRATION: u32 = 600_000;

impl Registrar {
    /// The home of a user, by these proxies.
    pub fn new(uri: &str, route: Vec<String>) -> Self {
        let (expires, security) = (REGISTRATION, Vec::new());
        Self { uri: uri.to_owned(), route, expires, security }
    }
}

/// What a client offers (SDP-01 to SDP-05).
#[derive(Clone, Debug)]
pub struct Media {
    /// Our address. Nobody connects to it: we are the side that connects (SDP-04).
    pub address: IpAddr,
    /// The types we read inside the wrapper, in order of preference (SDP-03).
    pub wrapped_types: Vec<String>,
    /// Whether typing indications may come without a wrapper (SDP-03).
    pub takes_bare_typing: bool,
    /// Octets of the largest message we take, wrapper included.
    pub size_max: usize,
    /// How often a session is asked whether it still lives: by a SEND without body, which also keeps
    /// the way through a NAT open. One that has not answered by the next time is lost. `None` never
    /// asks.
    pub keep_alive: Option<Duration>,
}

impl Media {
    /// The defaults of the catalogue.
    pub fn new(address: IpAddr) -> Self {
        Self {
            address,
            wrapped_types: vec!["text/plain".to_owned(), "message/imdn+xml".to_owned()],
            takes_bare_typing: false,
            size_max: 1024 * 1024,
            keep_alive: None,
        }
    }
}

/// `Session-Expires` where nothing else is configured (TMR-04).
const SESSION_INTERVAL: u32 = 1800;
/// With the delays of REJ-15, a focus may be away for about four minutes.
const RETRIES_MAX: u32 = 8;
/// Long enough that a server which starts anew does not meet everybody at once (REJ-15).
const REJOIN_WINDOW: Duration = Duration::from_secs(10);
/// Requests of the focus at once. A client has a few dialogs, and each rarely has one.
const SERVERS_MAX: usize = 1024;

impl Config {
    /// The defaults of the catalogue, for a user whose client is at `contact` and listens there.
    pub fn new(user: &str, contact: SocketAddr, next_hop: impl Into<NextHop>) -> Self {
        let next_hop = next_hop.into();
        let protocol = match &next_hop {
            NextHop::At(target) => Some(target.protocol),
            NextHop::Proxy(uri) => Destination::parse(uri).ok().and_then(|to| to.protocol()),
            NextHop::Located => None,
        };
        let transport = match protocol {
            Some(Protocol::Tcp) => ";transport=tcp",
            Some(Protocol::Udp) | None => "",
        };
        let name = user
            .split_once(':')
            .and_then(|(_, rest)| rest.split_once('@'))
            .map_or(String::new(), |(name, _)| format!("{name}@"));
        Self {
            user: user.to_owned(),
            display_name: None,
            contact: format!("sip:{name}{contact}{transport}"),
            instance: None,
            product: concat!("msrp-switch/", env!("CARGO_PKG_VERSION")).to_owned(),
            route: Vec::new(),
            next_hop,
            dns_servers: Vec::new(),
            is_hop_trusted: false,
            access_network: None,
            registrar: None,
            marks_service: false,
            credentials: None,
            requires_100rel: false,
            preconditions: false,
            media: Media::new(contact.ip()),
            refers_within: false,
            factory: None,
            is_gone_by_words: false,
            watches: true,
            session_interval: SESSION_INTERVAL,
            retries_max: RETRIES_MAX,
            rejoin_window: REJOIN_WINDOW,
            transactions: transaction::Config {
                timers: transaction::Timers::default(),
                sent_by_udp: contact.to_string(),
                sent_by_tcp: contact.to_string(),
                servers_max: SERVERS_MAX,
            },
        }
    }

    /// 64*T1: how long anything is waited for.
    pub(super) fn patience(&self) -> Duration {
        self.transactions.timers.patience()
    }
}
