//! The checked, plain-data configuration of the control plane. The node reads text and fills it;
//! nothing downstream re-checks (OPS-12).
//!
//! [`Config::default`] is the built-in configuration: a focus on loopback where any
//! `sip:NAME@chat.localhost` is a public room, made by its first join.

mod digest;
mod fault;
mod limits;
mod media;
mod network;
mod room;
#[cfg(test)]
mod tests;
mod timers;
mod xcap;

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use mailbox::RoomPolicy;
use msrp::AcceptTypes;

pub use self::{
    digest::{Account, Digest},
    fault::ConfigError,
    limits::Limits,
    media::{Cema, Deal, Media},
    network::Network,
    room::{
        AD_HOC_SIZE_MAX, AdHoc, Additions, MAX_PARTICIPANTS, Room, RoomKind, Rules, Users,
        default_chat,
    },
    timers::Timers,
    xcap::{HomeDocument, Xcap},
};
use crate::{
    digest::Credentials,
    focus::{UserKey, Way, is_session_identity},
    message::SipUri,
};

/// How long nobody may say anything in the profile `rcs` (LEAVE-08).
const RCS_IDLE_TIMEOUT: Duration = Duration::from_secs(900);

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
    /// The XCAP server that has documents of Pre-defined Groups, if one does. A file with the same
    /// group goes before it (POL-17).
    pub xcap: Option<Xcap>,
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
    /// The proxy by which users are invited, a SIP URI. Without one they are called where their own
    /// URIs lead.
    pub outbound_proxy: Option<String>,
    /// Who we are to those who want proof for requests of ours: each for one realm.
    pub credentials: Vec<Credentials>,
    /// Who is asked where names in SIP URIs lead (DLG-21). None: those of the host's `resolv.conf`.
    pub dns_servers: Vec<SocketAddr>,
    /// How many have to be left of a group for its session to go on. `None` is what the profile wants
    /// (LEAVE-05, RCS-07).
    pub min_participants: Option<usize>,
    /// A message that is accepted has members called who are not there (RCS-08).
    pub recalls_members: bool,
    /// What an IMS core is told for its bills, if there is one (IMS-05).
    pub charging: Option<Charging>,
    /// Rosters tell of who is invited whether the device rings (EVT-06).
    pub transient_states: bool,
    /// Who watches a roster is told what has changed, and all of it only when it asks (EVT-10).
    pub partial_rosters: bool,
    /// Refusals tell their reason in a Warning (FOC-05).
    pub warn_detail: bool,
    /// Name and version as they stand behind `IM-serv/OMA1.0` (IMS-02).
    pub product: String,
}

impl Config {
    /// How many have to be left of a group for its session to go on. Clients of GSMA do not talk to
    /// themselves (LEAVE-05).
    pub fn min_participants(&self) -> usize {
        self.min_participants.unwrap_or(match self.profile {
            Profile::Oma => 0,
            Profile::Rcs => 2,
        })
    }

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
        digest::check_credentials(&self.credentials)?;
        if let Some(proxy) = &self.outbound_proxy
            && let Err(why) = Way::to(proxy, self)
        {
            return Err(ConfigError::OutboundProxy(proxy.clone(), why));
        }
        if let Some(xcap) = &self.xcap {
            xcap.check()?;
        }
        let types = &self.media.wrapped_types;
        AcceptTypes::parse(types.as_bytes())
            .map_err(|_| ConfigError::WrappedTypes(types.clone()))?;
        self.timers.check().map_err(ConfigError::Timer)
    }
}

impl Config {
    /// How long nobody may say anything before a session is ended, if that ever ends one (LEAVE-08).
    pub fn idle_timeout(&self) -> Option<Duration> {
        let of_profile = match self.profile {
            Profile::Oma => Duration::ZERO,
            Profile::Rcs => RCS_IDLE_TIMEOUT,
        };
        let timeout = self.timers.idle_timeout.unwrap_or(of_profile);
        Some(timeout).filter(|timeout| !timeout.is_zero())
    }

    /// Whether a c/m address that differs from the path is tolerated (SDP-11). Clients of GSMA sit
    /// behind session border controllers.
    pub fn accept_sbc_rewrite(&self) -> bool {
        self.media.accept_sbc_rewrite.unwrap_or(self.profile == Profile::Rcs)
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
            "sip.timers.document_refresh": timers.document_refresh,
            "sip.timers.document_retry": timers.document_retry,
            "sip.timers.document_timeout": timers.document_timeout,
            "sip.dns_servers": dns_servers,
            "sip.persist_sessions": persist_sessions,
            "msrp.placement": media.placement,
            "rooms.group_documents": group_documents,
            "rooms.xcap": xcap,
        );
        (new, changed)
    }
}

/// Whose bills sessions are on, in an IMS core: inter-operator identifiers (RFC 7315 section 4.6).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Charging {
    /// Who we are in requests of ours.
    pub orig_ioi: Option<String>,
    /// Who we are in answers of ours.
    pub term_ioi: Option<String>,
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
            xcap: None,
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
            credentials: Vec::new(),
            dns_servers: Vec::new(),
            min_participants: None,
            recalls_members: false,
            charging: None,
            transient_states: false,
            partial_rosters: true,
            warn_detail: true,
            product: concat!("sip-control/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}
