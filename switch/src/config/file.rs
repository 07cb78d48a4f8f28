//! The shape of the configuration file, and what its values have to be to each other.

use std::{
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    ops::Range,
    path::PathBuf,
};

use mailbox::RoomPolicy;
use serde::Deserialize;
use sip_control::config::{
    AdHoc, Additions, Charging, Digest, HomeDocument, Room, Rules, Users, Xcap, default_chat,
};
use toml::Spanned;

use super::{
    Config,
    credentials::Proof,
    users::{self, User},
    value::{
        Adders, Address, Authority, Block, Ceiling, Cores, Crowd, Family, FlagOfProfile, Hash, Io,
        Kind, Matching, NameServer, Placement, Ports, Rewriting, Time, TimeOfProfile, TimeOrZero,
    },
};

/// Where in the text, and what was expected there.
type Wrong = (Range<usize>, String);

/// Connections that can be told apart in the user data of a completion, with room to spare.
const CONNECTIONS_MAX: u32 = 1 << 24;

/// The highest port of core 0 that leaves one for every other core there can be.
const FIRST_PORT_MAX: u16 = u16::MAX - (mailbox::CORES_MAX as u16 - 1);

/// A whole file. Everything may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct File {
    node: NodeTable,
    msrp: MsrpTable,
    sip: SipTable,
    metrics: MetricsTable,
    rooms: RoomsTable,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct NodeTable {
    cores: Option<Spanned<Cores>>,
    io: Option<Io>,
    control: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct MsrpTable {
    listen: Option<Spanned<Address>>,
    ports: Option<Spanned<Ports>>,
    advertise: Option<Authority>,
    placement: Option<Placement>,
    wrapped_types: Option<String>,
    message_bytes_max: Option<NonZeroU64>,
    accept_sbc_rewrite: Option<FlagOfProfile>,
    #[serde(rename = "match")]
    matching: Option<Matching>,
    cema: Option<Rewriting>,
    allow_active: Option<bool>,
    connect_anywhere: Option<bool>,
    connections_max: Option<Spanned<NonZeroU32>>,
    sessions_max: Option<NonZeroU32>,
    rooms_max: Option<NonZeroU32>,
    connection_sessions_max: Option<NonZeroUsize>,
    address_unbound_max: Option<u32>,
    congestion_max: Option<Time>,
    memory_bytes_max: Option<NonZeroUsize>,
    room_sessions_max: Option<NonZeroUsize>,
    participant_sessions_max: Option<NonZeroUsize>,
    message_rate_max: Option<u32>,
    message_burst_max: Option<NonZeroU32>,
    composing_rate_max: Option<u32>,
    session_queue_bytes_soft: Option<NonZeroUsize>,
    connection_queue_bytes_max: Option<NonZeroUsize>,
    session_messages_max: Option<NonZeroUsize>,
    message_silence_max: Option<Time>,
    message_gap_max: Option<Time>,
    relay_backlog_max: Option<NonZeroUsize>,
    connection_unbound_max: Option<Time>,
    session_unbound_max: Option<Time>,
    connect_attempt_max: Option<Time>,
    connect_max: Option<Time>,
    binding_answer_max: Option<Time>,
    connection_idle_max: Option<Time>,
    chunk_pause_max: Option<Time>,
    answer_max: Option<Time>,
    unanswered_max: Option<Time>,
    send_stall_max: Option<Time>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ImsTable {
    orig_ioi: Option<String>,
    term_ioi: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SipTable {
    host: Option<String>,
    listen_udp: Option<Vec<Address>>,
    listen_tcp: Option<Vec<Address>>,
    profile: Option<Family>,
    trusted: Option<Vec<Block>>,
    identity_from_from_header: Option<bool>,
    digest: Option<DigestTable>,
    ims: Option<ImsTable>,
    one_leg_per_user: Option<bool>,
    strict_feature_tag: Option<bool>,
    preconditions: Option<bool>,
    warn_detail: Option<bool>,
    partial_rosters: Option<bool>,
    outbound_proxy: Option<String>,
    #[serde(default)]
    credentials: Vec<Spanned<Proof>>,
    dns_servers: Option<Vec<NameServer>>,
    transient_states: Option<bool>,
    recalls_members: Option<bool>,
    min_participants: Option<usize>,
    persist_sessions: Option<PathBuf>,
    limits: SipLimitsTable,
    timers: TimersTable,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DigestTable {
    realm: Option<String>,
    algorithms: Option<Vec<Hash>>,
    users_file: Option<Spanned<PathBuf>>,
    #[serde(default)]
    user: Vec<User>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SipLimitsTable {
    sessions: Option<NonZeroUsize>,
    users_per_room: Option<NonZeroUsize>,
    legs: Option<NonZeroUsize>,
    legs_per_user: Option<NonZeroUsize>,
    subscriptions: Option<usize>,
    subscriptions_per_user: Option<usize>,
    roster: Option<usize>,
    moved_legs: Option<usize>,
    media_load: Option<u8>,
    source_requests: Option<NonZeroU32>,
    source_refusals: Option<u32>,
    user_invites: Option<NonZeroU32>,
    user_subscribes: Option<NonZeroU32>,
    digest_failures: Option<NonZeroUsize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct TimersTable {
    t1: Option<Time>,
    t2: Option<Time>,
    t4: Option<Time>,
    queue_delay_max: Option<Time>,
    overload_retry_min: Option<Time>,
    overload_retry_max: Option<Time>,
    rate_retry: Option<Time>,
    full_retry: Option<Time>,
    media_retry: Option<Time>,
    drain_retry: Option<Time>,
    install: Option<Time>,
    replacement: Option<Time>,
    binding: Option<Time>,
    ringing: Option<Time>,
    preconditions: Option<Time>,
    retirement: Option<Time>,
    media_grace: Option<Time>,
    session_linger: Option<TimeOrZero>,
    key_grace: Option<TimeOrZero>,
    recall: Option<Time>,
    idle_timeout: Option<TimeOfProfile>,
    restored_session: Option<Time>,
    list_refresh: Option<Time>,
    list_retry: Option<Time>,
    list_timeout: Option<Time>,
    document_refresh: Option<Time>,
    document_retry: Option<Time>,
    document_timeout: Option<Time>,
    drain: Option<TimeOrZero>,
    shutdown: Option<Time>,
    notify_min_interval: Option<Time>,
    session_interval: Option<Time>,
    session_interval_min: Option<Time>,
    subscription_max: Option<Time>,
    subscription_min: Option<Time>,
    refer_reports: Option<Time>,
    digest_nonce: Option<Time>,
    digest_window: Option<Time>,
    digest_penalty: Option<Time>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct MetricsTable {
    listen: Option<Address>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct AdHocTable {
    factory: Option<String>,
    max_group_size: Option<NonZeroUsize>,
    anonymity: Option<Crowd>,
    additions: Option<Adders>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RoomsTable {
    group_documents: Option<PathBuf>,
    xcap: Option<XcapTable>,
    chat: ChatTable,
    any: AnyTable,
    ad_hoc: AdHocTable,
    room: Vec<RoomTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct XcapTable {
    root: String,
    auid: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    documents: Vec<DocumentTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DocumentTable {
    owner: String,
    file: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct AnyTable {
    enabled: Option<bool>,
    admitted: Option<Crowd>,
    blocked: Option<Vec<String>>,
    max_participants: Option<Ceiling>,
    anonymity: Option<Crowd>,
    watchers: Option<Crowd>,
    inviters: Option<Crowd>,
    chat: ChatTable,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoomTable {
    uri: String,
    #[serde(default)]
    kind: Kind,
    subject: Option<String>,
    admitted: Option<Crowd>,
    #[serde(default)]
    blocked: Vec<String>,
    initiators: Option<Crowd>,
    max_participants: Option<Ceiling>,
    anonymity: Option<Crowd>,
    watchers: Option<Crowd>,
    inviters: Option<Crowd>,
    #[serde(default)]
    chat: ChatTable,
}

/// What members may do beside talking to all.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ChatTable {
    private_messages: Option<bool>,
    nicknames: Option<bool>,
    reserved_nicknames: Option<Vec<String>>,
    refuse_confusable_nicknames: Option<bool>,
    anonymous_notifications: Option<bool>,
    greeting: Option<bool>,
    whole_messages: Option<bool>,
}

/// Puts what the file says over what is built in.
macro_rules! put {
    ($from:expr => $into:expr; $($key:ident $(as $inner:tt)?),* $(,)?) => {
        $(if let Some(value) = $from.$key { $into.$key = put!(@ value $($inner)?); })*
    };
    (@ $value:ident) => { $value };
    (@ $value:ident number) => { $value.get() };
    (@ $value:ident time) => { $value.0 };
}

impl ChatTable {
    /// What it says, over what `policy` says.
    fn over(self, mut policy: RoomPolicy) -> RoomPolicy {
        put!(self => policy; private_messages, anonymous_notifications, greeting, whole_messages);
        if let Some(has_nicknames) = self.nicknames {
            let before = policy.nicknames.take();
            policy.nicknames = has_nicknames.then(|| before.unwrap_or_default());
        }
        if let Some(nicknames) = &mut policy.nicknames {
            if let Some(words) = self.reserved_nicknames {
                nicknames.reserved = words.into_iter().map(String::into_boxed_str).collect();
            }
            if let Some(refuse_confusable) = self.refuse_confusable_nicknames {
                nicknames.refuse_confusable = refuse_confusable;
            }
        }
        policy
    }
}

impl File {
    /// The configuration it means, or what is wrong with the part of the data plane.
    pub fn check(self) -> Result<Config, Wrong> {
        let mut config = Config::default();
        // For a file, the word of a trusted peer about itself is not enough unless it says so.
        config.sip.identity_from_from_header = false;
        self.node.check(&mut config)?;
        self.msrp.check(&mut config)?;
        self.sip.check(&mut config)?;
        config.metrics = self.metrics.listen.map(|Address(address)| address);
        self.rooms.put(&mut config);
        Ok(config)
    }
}

impl NodeTable {
    fn check(self, config: &mut Config) -> Result<(), Wrong> {
        put!(self => config; io);
        config.control = self.control;
        let Some(cores) = self.cores else { return Ok(()) };
        let span = cores.span();
        config.cores = match cores.into_inner() {
            Cores::Auto(_) => None,
            Cores::These(cpus) => {
                let mut distinct = cpus.clone();
                distinct.sort_unstable();
                distinct.dedup();
                if cpus.is_empty() || distinct.len() < cpus.len() {
                    return Err((span, "expected each CPU once, and at least one".to_owned()));
                }
                if cpus.len() > mailbox::CORES_MAX {
                    let most = mailbox::CORES_MAX;
                    return Err((span, format!("expected at most {most} CPUs")));
                }
                Some(cpus)
            }
        };
        Ok(())
    }
}

impl MsrpTable {
    fn check(self, config: &mut Config) -> Result<(), Wrong> {
        config.advertise = self.advertise;
        if let Some(listen) = self.listen {
            let span = listen.span();
            let Address(address) = listen.into_inner();
            if address.ip().is_unspecified() && config.advertise.is_none() {
                let expected = "expected an address that clients can connect to, or msrp.advertise \
                                beside it to name one";
                return Err((span, expected.to_owned()));
            }
            config.listen = address;
        }
        if let Some(ports) = self.ports {
            let span = ports.span();
            config.ports = ports.into_inner();
            let told = config.advertise.iter().map(|authority| authority.port);
            let highest = told.chain([config.listen.port()]).max().unwrap_or_default();
            if config.ports == Ports::PerCore && highest > FIRST_PORT_MAX {
                let expected = format!(
                    "expected msrp.listen and msrp.advertise with ports up to {FIRST_PORT_MAX}, for \
                     each core takes the next one"
                );
                return Err((span, expected));
            }
        }
        if let Some(connections) = self.connections_max {
            if connections.get_ref().get() > CONNECTIONS_MAX {
                return Err((connections.span(), format!("expected at most {CONNECTIONS_MAX}")));
            }
            config.limits.connections_max = connections.into_inner().get();
        }
        put!(self => config.limits;
            sessions_max as number, rooms_max as number, connection_sessions_max as number,
            address_unbound_max, message_rate_max, message_burst_max as number,
            composing_rate_max, congestion_max as time, memory_bytes_max as number,
            room_sessions_max as number, participant_sessions_max as number,
            session_queue_bytes_soft as number, connection_queue_bytes_max as number, session_messages_max as number,
            relay_backlog_max as number, connection_unbound_max as time,
            session_unbound_max as time, message_silence_max as time, message_gap_max as time,
            connect_attempt_max as time, connect_max as time, binding_answer_max as time, connection_idle_max as time, send_stall_max as time, unanswered_max as time, answer_max as time, chunk_pause_max as time,
        );
        if let Some(matching) = self.matching {
            config.matching = matching.into();
        }
        let media = &mut config.sip.media;
        if let Some(octets) = self.message_bytes_max {
            media.size_max = octets.get();
        }
        if let Some(placement) = self.placement {
            media.placement = placement.into();
        }
        if let Some(cema) = self.cema {
            media.cema = cema.into();
        }
        if let Some(FlagOfProfile(flag)) = self.accept_sbc_rewrite {
            media.accept_sbc_rewrite = flag;
        }
        put!(self => media; wrapped_types, allow_active, connect_anywhere);
        Ok(())
    }
}

impl SipTable {
    fn check(self, config: &mut Config) -> Result<(), Wrong> {
        let sip = &mut config.sip;
        let addresses =
            |these: Vec<Address>| these.into_iter().map(|Address(address)| address).collect();
        if let Some(these) = self.listen_tcp {
            sip.listen.tcp = addresses(these);
        }
        if let Some(these) = self.listen_udp {
            sip.listen.udp = addresses(these);
        }
        if let Some(profile) = self.profile {
            sip.profile = profile.into();
        }
        if let Some(blocks) = self.trusted {
            sip.trusted = blocks.into_iter().map(|Block(network)| network).collect();
        }
        sip.outbound_proxy = self.outbound_proxy;
        let checked = self.credentials.into_iter().map(|proof| {
            let span = proof.span();
            proof.into_inner().credentials().map_err(|expected| (span, expected.to_owned()))
        });
        sip.credentials = checked.collect::<Result<_, Wrong>>()?;
        if let Some(servers) = self.dns_servers {
            sip.dns_servers = servers.into_iter().map(|NameServer(address)| address).collect();
        }
        sip.min_participants = self.min_participants;
        put!(self => sip; host, identity_from_from_header, one_leg_per_user, strict_feature_tag, preconditions, warn_detail, partial_rosters,
            transient_states, recalls_members);
        sip.persist_sessions = self.persist_sessions;
        put!(self.limits => sip.limits;
            sessions as number, users_per_room as number, legs as number, legs_per_user as number,
            subscriptions, subscriptions_per_user, roster, moved_legs, media_load, source_requests as number, source_refusals,
            user_invites as number, user_subscribes as number, digest_failures as number,
        );
        put!(self.timers => sip.timers;
            t1 as time, t2 as time, t4 as time, queue_delay_max as time,
            overload_retry_min as time, overload_retry_max as time, rate_retry as time,
            full_retry as time, media_retry as time, drain_retry as time, install as time,
            replacement as time, binding as time, ringing as time, preconditions as time, retirement as time,
            media_grace as time, session_linger as time, key_grace as time, recall as time, idle_timeout as time, restored_session as time,
            list_refresh as time, list_retry as time, list_timeout as time,
            document_refresh as time, document_retry as time, document_timeout as time,
            drain as time, shutdown as time, notify_min_interval as time, session_interval as time,
            session_interval_min as time, subscription_max as time, subscription_min as time,
            refer_reports as time, digest_nonce as time, digest_window as time, digest_penalty as time,
        );
        sip.charging =
            self.ims.map(|table| Charging { orig_ioi: table.orig_ioi, term_ioi: table.term_ioi });
        sip.digest = self.digest.map(|table| table.check(&sip.host)).transpose()?;
        Ok(())
    }
}

impl DigestTable {
    /// The users of the file and those of the table together. The realm is the host, unless it has
    /// a name of its own.
    fn check(self, host: &str) -> Result<Digest, Wrong> {
        let mut users = self.user;
        if let Some(file) = self.users_file {
            users.extend(users::read(file.get_ref()).map_err(|wrong| (file.span(), wrong))?);
        }
        let algorithms = self.algorithms.unwrap_or_else(|| vec![Hash::Sha256]);
        Ok(Digest {
            realm: self.realm.unwrap_or_else(|| host.to_owned()),
            algorithms: algorithms.into_iter().map(Hash::into).collect(),
            accounts: users.into_iter().map(|user| user.account(host)).collect(),
        })
    }
}

impl RoomsTable {
    fn put(self, config: &mut Config) {
        let AnyTable {
            enabled,
            admitted,
            blocked,
            max_participants,
            anonymity,
            watchers,
            inviters,
            chat,
        } = self.any;
        let every = self.chat.over(default_chat());
        let mut rules = Rules { chat: chat.over(every.clone()), ..Rules::default() };
        let crowds = [admitted, None, anonymity, watchers, inviters];
        overrule(&mut rules, blocked, max_participants, crowds);
        config.sip.any_room = enabled.unwrap_or(true).then_some(rules);
        config.sip.ad_hoc = self.ad_hoc.rules();
        config.sip.group_documents = self.group_documents;
        config.sip.xcap = self.xcap.map(XcapTable::server);
        let room = |table: RoomTable| table.room(every.clone());
        config.sip.rooms = self.room.into_iter().map(room).collect();
        config.sip.chat = every;
    }
}

impl XcapTable {
    fn server(self) -> Xcap {
        let Self { root, auid, groups, documents } = self;
        let home = |DocumentTable { owner, file }| HomeDocument { owner, file };
        let documents = documents.into_iter().map(home).collect();
        let built_in = Xcap::new(&root);
        Xcap { auid: auid.unwrap_or(built_in.auid), groups, documents, root }
    }
}

impl AdHocTable {
    /// Without a place to make them at there are no such groups.
    fn rules(self) -> Option<AdHoc> {
        let Self { factory, max_group_size, anonymity, additions } = self;
        let built_in = AdHoc::new(&factory?);
        Some(AdHoc {
            size_max: max_group_size.map_or(built_in.size_max, NonZeroUsize::get),
            anonymity: anonymity.map_or(built_in.anonymity, Users::from),
            additions: additions.map_or(built_in.additions, Additions::from),
            ..built_in
        })
    }
}

impl RoomTable {
    /// The room it means, where `every` is what all rooms allow.
    fn room(self, every: RoomPolicy) -> Room {
        let RoomTable { uri, kind, subject, blocked, max_participants, .. } = self;
        let crowds = [self.admitted, self.initiators, self.anonymity, self.watchers, self.inviters];
        let mut rules = Rules { chat: self.chat.over(every), ..Rules::default() };
        if kind == Kind::Group {
            rules.max_participants = None;
        }
        overrule(&mut rules, Some(blocked), max_participants, crowds);
        Room { uri, kind: kind.into(), subject, rules }
    }
}

/// `crowds` are those of `admitted`, `initiators`, `anonymity`, `watchers` and `inviters`.
fn overrule(
    rules: &mut Rules,
    blocked: Option<Vec<String>>,
    max_participants: Option<Ceiling>,
    crowds: [Option<Crowd>; 5],
) {
    let Rules { admitted, initiators, anonymity, watchers, inviters, .. } = rules;
    let all = [admitted, initiators, anonymity, watchers, inviters];
    for (users, crowd) in all.into_iter().zip(crowds) {
        if let Some(crowd) = crowd {
            *users = crowd.into();
        }
    }
    if let Some(uris) = blocked {
        rules.blocked = uris;
    }
    if let Some(ceiling) = max_participants {
        rules.max_participants = ceiling.into();
    }
}
