//! Rooms that have a name of their own, groups that users make, and who may do what in them.

use mailbox::{NicknamePolicy, RoomPolicy};

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
    /// Users at one time. `None` is no limit but [`super::Limits::users_per_room`]; 0 is nobody (FOC-10,
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
    pub(super) fn users(&self) -> impl Iterator<Item = &String> {
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
    pub(super) fn named(&self) -> &[String] {
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
