//! What a Request-URI names. Nothing else of a request decides where it goes (PUB-01).

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use mailbox::RoomId;

use super::{policy::Policy, venue::Venue};
use crate::{
    config::{Config, RoomKind, Rules},
    group::Groups,
    message::SipUri,
    offer_answer::RoomMedia,
};

/// What every session identity's user part starts with (PUB-08).
const SESSION_PREFIX: &str = "s-";
/// Hexadecimal digits behind it: 128 random bits.
pub const SESSION_TOKEN_SIZE: usize = 32;

/// What a Request-URI names.
#[derive(Clone, Debug)]
pub enum Place {
    /// A running session, by its identity.
    Session(RoomId),
    /// An identity such as we mint, but of no running session (FOC-04).
    NoSession,
    /// A public room or a group.
    Venue(Arc<Venue>),
    /// Where ad-hoc groups are made (PUB-11).
    Factory,
    /// The focus itself: our host, and nobody there.
    Focus,
    /// Nothing here (PUB-01).
    Nowhere,
}

/// All names there are: those provisioned, and those of running sessions.
#[derive(Debug)]
pub struct Directory {
    host: String,
    /// Said in identities when it is not the default one.
    port: Option<u16>,
    /// What the media of sessions is like.
    media: Arc<RoomMedia>,
    /// The key of the Factory URI.
    factory: Option<String>,
    /// Provisioned rooms, by the key of their URI.
    named: HashMap<String, Arc<Venue>>,
    /// Groups that have a document, by the key of their URI. They go before all others.
    documented: HashMap<String, Arc<Venue>>,
    /// The keys of groups that had one. They are no rooms that anybody could make.
    former: HashSet<String>,
    /// What rules a room has that nobody provisioned, if there may be such.
    any: Option<(Arc<Policy>, Arc<RoomMedia>)>,
    /// Running sessions, by the key of their identity: the identity, which a hit is checked with.
    sessions: HashMap<String, (RoomId, String)>,
    /// The running session of a room, by the key of the room's URI.
    running: HashMap<String, RoomId>,
}

impl Directory {
    /// The names of `config`. `port` is where we are reached if it is not where SIP is expected.
    pub fn new(config: &Config, port: Option<u16>) -> Self {
        let media = Arc::new(room_media(config));
        Self {
            host: config.host.clone(),
            port,
            named: named(config, &media),
            documented: HashMap::new(),
            former: HashSet::new(),
            any: any(config, &media),
            media,
            factory: factory(config),
            sessions: HashMap::new(),
            running: HashMap::new(),
        }
    }

    /// Provisions what `config` has, and nothing of what was provisioned before. Sessions that run
    /// and groups with a document stay.
    pub fn reconfigure(&mut self, config: &Config) {
        let media = Arc::new(room_media(config));
        self.named = named(config, &media);
        self.any = any(config, &media);
        for venue in self.documented.values_mut() {
            Arc::make_mut(venue).media = Arc::clone(&media);
        }
        self.media = media;
        self.factory = factory(config);
    }

    /// What the media of sessions is like that are held nowhere.
    pub fn media(&self) -> &Arc<RoomMedia> {
        &self.media
    }

    /// How many sessions have a name.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// What `uri` names.
    pub fn find(&self, uri: &str) -> Place {
        let Some(uri) = SipUri::parse(uri) else { return Place::Nowhere };
        let is_ours = uri.host().eq_ignore_ascii_case(&self.host);
        if is_ours && is_session_identity(&uri) {
            let session = self.sessions.get(&uri.key()).filter(|(_, identity)| {
                // FOC-03. The identity is ours and parses.
                SipUri::parse(identity).is_some_and(|ours| ours.matches_ignoring_transport(&uri))
            });
            return session.map_or(Place::NoSession, |(room, _)| Place::Session(*room));
        }
        let key = key(&uri);
        if let Some(venue) = self.documented.get(&key).or_else(|| self.named.get(&key)) {
            return Place::Venue(Arc::clone(venue));
        }
        if self.factory.as_ref() == Some(&key) {
            return Place::Factory;
        }
        if self.former.contains(&key) {
            return Place::Nowhere;
        }
        match (is_ours, uri.user(), &self.any) {
            (true, None, _) => Place::Focus,
            (true, Some(_), Some((policy, media))) => Place::Venue(Arc::new(Venue {
                uri: self.canonical(&uri),
                subject: None,
                policy: Arc::clone(policy),
                media: Arc::clone(media),
            })),
            _ => Place::Nowhere,
        }
    }

    /// Whether `uri` names something here, or something that could be.
    pub fn is_ours(&self, uri: &str) -> bool {
        let is_of_host = |uri: SipUri<'_>| {
            uri.host().eq_ignore_ascii_case(&self.host) && is_session_identity(&uri)
        };
        SipUri::parse(uri).is_some_and(is_of_host) || !matches!(self.find(uri), Place::Nowhere)
    }

    /// From now on these are the groups that have a document (POL-18).
    pub fn set_groups(&mut self, groups: &Groups) {
        let venues = groups.iter().map(|(key, group)| {
            let venue = Venue {
                uri: group.uri.clone(),
                subject: group.subject.clone(),
                policy: Arc::new(Policy::Documented(Arc::clone(group))),
                media: Arc::clone(&self.media),
            };
            (key.clone(), Arc::new(venue))
        });
        let documented = venues.collect();
        let before = std::mem::replace(&mut self.documented, documented);
        self.former.extend(before.into_keys());
    }

    /// The group with a document that is at the place of `venue` now.
    pub fn documented(&self, venue: &Venue) -> Option<&Arc<Venue>> {
        self.documented.get(&venue_key(&venue.uri)?)
    }

    /// The running session of a room.
    pub fn session_of(&self, venue: &Venue) -> Option<RoomId> {
        self.running.get(&key(&SipUri::parse(&venue.uri)?)).copied()
    }

    /// The identity made of a token of [`SESSION_TOKEN_SIZE`] (PUB-08).
    pub fn identity(&self, token: &str) -> String {
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("sip:{SESSION_PREFIX}{token}@{}{port};gr", self.host)
    }

    /// A session runs in a room from now on.
    pub fn open(&mut self, room: RoomId, identity: &str, venue: &Venue) {
        if let (Some(identity_key), Some(venue)) =
            (SipUri::parse(identity).map(|uri| uri.key()), SipUri::parse(&venue.uri))
        {
            self.sessions.insert(identity_key, (room, identity.to_owned()));
            self.running.insert(key(&venue), room);
        }
    }

    /// The session is over, and its identity names nothing from now on (FOC-04).
    pub fn close(&mut self, identity: &str, venue: &Venue) {
        if let Some(identity) = SipUri::parse(identity) {
            self.sessions.remove(&identity.key());
        }
        if let Some(venue) = SipUri::parse(&venue.uri) {
            self.running.remove(&key(&venue));
        }
    }

    /// The URI of a room that nobody provisioned. Its user part is all its name: whoever reached us
    /// by name and port, or securely, means the same room.
    fn canonical(&self, uri: &SipUri<'_>) -> String {
        let key = uri.key();
        let user = key.split_once(':').and_then(|(_, rest)| rest.split_once('@'));
        format!("sip:{}@{}", user.map_or("", |(user, _)| user), self.host)
    }
}

fn factory(config: &Config) -> Option<String> {
    venue_key(&config.ad_hoc.as_ref()?.factory)
}

fn room_media(config: &Config) -> RoomMedia {
    let media = &config.media;
    RoomMedia {
        wrapped_types: media.wrapped_types.split_whitespace().map(str::to_owned).collect(),
        size_max: media.size_max,
        policy: config.chat.clone(),
        accept_sbc_rewrite: config.accept_sbc_rewrite(),
        cema: media.cema,
        allow_active: media.allow_active,
    }
}

/// The provisioned rooms, by the key of their URI.
fn named(config: &Config, media: &Arc<RoomMedia>) -> HashMap<String, Arc<Venue>> {
    let venues = config.rooms.iter().filter_map(|room| {
        let venue = Venue {
            uri: room.uri.clone(),
            subject: room.subject.clone(),
            policy: Arc::new(Policy::new(room.kind, &room.rules)),
            media: media_under(media, &room.rules),
        };
        Some((key(&SipUri::parse(&room.uri)?), Arc::new(venue)))
    });
    venues.collect()
}

/// The rules of a room that nobody provisioned, and its media.
fn any(config: &Config, media: &Arc<RoomMedia>) -> Option<(Arc<Policy>, Arc<RoomMedia>)> {
    let rules = config.any_room.as_ref()?;
    Some((Arc::new(Policy::new(RoomKind::Public, rules)), media_under(media, rules)))
}

/// The media of a room with rules of its own.
fn media_under(media: &Arc<RoomMedia>, rules: &Rules) -> Arc<RoomMedia> {
    if media.policy == rules.chat {
        return Arc::clone(media);
    }
    Arc::new(RoomMedia { policy: rules.chat.clone(), ..RoomMedia::clone(media) })
}

/// The key of a room's URI: `sips` names the same room.
fn key(uri: &SipUri<'_>) -> String {
    let key = uri.key();
    key.strip_prefix("sips:").map_or_else(|| key.clone(), |address| format!("sip:{address}"))
}

/// The key of a room's URI, if it is a SIP URI at all.
pub fn venue_key(uri: &str) -> Option<String> {
    SipUri::parse(uri).map(|uri| key(&uri))
}

/// Whether the URI has the form of the identities we mint (FOC-01).
pub fn is_session_identity(uri: &SipUri<'_>) -> bool {
    uri.user().and_then(|user| user.strip_prefix(SESSION_PREFIX)).is_some_and(|token| {
        token.len() == SESSION_TOKEN_SIZE
            && token.bytes().all(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f'))
    })
}
