//! One user in one session, as the others see it.

use std::time::Instant;

use mailbox::{ParticipantId, PeerMedia, SessionId};
use msrp::AddressBuf;

use super::{
    Utc, WallClock,
    conference_info::{Disconnection, Endpoint, Joining, Progress, Status, User},
    order::Member,
    user::UserKey,
};

/// Who sent a request, as a trusted peer vouches for it (ID-01).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Originator {
    /// The URI the roster shows: the first asserted SIP one, else the telephone number.
    pub uri: String,
    /// All asserted URIs.
    pub uris: Vec<String>,
    /// The same in normal form: one user (ID-05).
    pub keys: Vec<UserKey>,
    /// The asserted display name.
    pub display_name: Option<String>,
}

/// A user in a session, under one name. A user who was visible and comes back anonymous, or the
/// other way round, is another participant: nothing on the wire links the two (ID-06).
#[derive(Clone, Debug)]
pub struct Participant {
    /// Which one.
    pub id: ParticipantId,
    /// The user behind it. Never shown when anonymous.
    pub keys: Vec<UserKey>,
    /// Whether the user is shown under an alias.
    pub is_anonymous: bool,
    /// The URI the roster shows, and the only one it is known by outside.
    pub entity: String,
    /// The name the roster shows.
    pub display_text: String,
    /// The addresses its messages may come from.
    pub identities: Vec<AddressBuf>,
    /// Its legs, oldest first; those that only hold a seat yet, or are invited, are among them.
    pub legs: Vec<Seat>,
    /// The participant that the same user was before it asked for another name, until this one is
    /// connected.
    pub succeeds: Option<ParticipantId>,
    /// Until then the roster is silent about it: the time in which its alias could be told from the
    /// name that left just before.
    pub hidden_until: Option<Instant>,
    /// It was here, is not, and may come back (RCS-03).
    pub absence: Option<Absence>,
}

/// How a member came to be away.
#[derive(Clone, Debug)]
pub struct Absence {
    /// The leg it was here by.
    pub leg: SessionId,
    /// How that went.
    pub how: Disconnection,
    /// When.
    pub since: Utc,
    /// What was said until then is no reason to call it.
    pub heard: Instant,
    /// When it was last called, if it was.
    pub called_at: Option<Instant>,
}

impl Absence {
    /// A member is away from now on.
    pub fn new(leg: SessionId, how: Disconnection, now: Instant, clock: &WallClock) -> Self {
        Self { leg, how, since: clock.utc(now), heard: now, called_at: None }
    }
}

/// What a participant has of a leg.
#[derive(Clone, Debug)]
pub struct Seat {
    /// The leg.
    pub leg: SessionId,
    /// How far it is.
    pub standing: Standing,
    /// The nickname it has asked for and got. Each leg asks for its own (msrp/NICK-09).
    pub nickname: Option<Box<str>>,
}

/// How far a leg is, as its user stands to the session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// Invited by the focus. The seat is taken only when the user says yes (REF-04).
    Invited {
        /// As the roster tells it; `None` where it shall not tell at all (PUB-12).
        shown: Option<Progress>,
    },
    /// It holds a seat, and waits for the media plane.
    Seated,
    /// It is in.
    Connected {
        /// Who called whom.
        joining: Joining,
        /// Since when.
        since: Instant,
    },
}

impl Seat {
    /// A leg without a nickname.
    pub fn new(leg: SessionId, standing: Standing) -> Self {
        Self { leg, standing, nickname: None }
    }

    /// Whether it counts against the limit (FOC-11).
    pub fn is_taken(&self) -> bool {
        !matches!(self.standing, Standing::Invited { .. })
    }

    /// Whether the leg has been answered.
    pub fn is_connected(&self) -> bool {
        matches!(self.standing, Standing::Connected { .. })
    }

    fn status(&self, clock: &WallClock) -> Option<Status> {
        match self.standing {
            Standing::Invited { shown } => shown.map(Status::Invited),
            Standing::Seated => None,
            Standing::Connected { joining, since } => {
                Some(Status::Connected { joining, since: clock.utc(since) })
            }
        }
    }

    /// Whether rosters tell of it.
    pub fn is_told(&self) -> bool {
        matches!(self.standing, Standing::Invited { shown: Some(_) } | Standing::Connected { .. })
    }
}

impl Participant {
    /// A user under its own name.
    pub fn visible(
        id: ParticipantId,
        originator: &Originator,
        succeeds: Option<ParticipantId>,
    ) -> Self {
        let identities = originator.uris.iter();
        let display_text = originator.display_name.clone();
        Self {
            id,
            keys: originator.keys.clone(),
            is_anonymous: false,
            display_text: display_text.unwrap_or_else(|| short_name(&originator.uri)),
            entity: originator.uri.clone(),
            identities: identities.filter_map(|uri| AddressBuf::parse(uri.as_bytes())).collect(),
            legs: Vec::new(),
            succeeds,
            hidden_until: None,
            absence: None,
        }
    }

    /// A user under the alias of that number (ID-07).
    pub fn anonymous(
        id: ParticipantId,
        originator: &Originator,
        succeeds: Option<ParticipantId>,
        number: u64,
    ) -> Self {
        let entity = format!("sip:anonymous{number}@anonymous.invalid");
        Self {
            id,
            keys: originator.keys.clone(),
            is_anonymous: true,
            display_text: format!("Anonymous{number}"),
            identities: AddressBuf::parse(entity.as_bytes()).into_iter().collect(),
            entity,
            legs: Vec::new(),
            succeeds,
            hidden_until: None,
            absence: None,
        }
    }

    /// A leg of it, as the cores have to know it.
    pub fn member(&self, leg: SessionId, peer: Option<PeerMedia>, may_whisper: bool) -> Member {
        Member {
            participant: self.id,
            identities: self.identities.clone().into(),
            is_anonymous: self.is_anonymous,
            may_whisper,
            nickname: self.seat(leg).and_then(|seat| seat.nickname.clone()),
            peer,
        }
    }

    /// What it has of this leg.
    pub fn seat(&self, leg: SessionId) -> Option<&Seat> {
        self.legs.iter().find(|seat| seat.leg == leg)
    }

    /// Whether the user is the one with these keys.
    pub fn is(&self, keys: &[UserKey]) -> bool {
        self.keys.iter().any(|key| keys.contains(key))
    }

    /// Whether it holds a seat, and is not only invited.
    pub fn is_seated(&self) -> bool {
        self.legs.iter().any(Seat::is_taken)
    }

    /// Whether a leg of it has been answered.
    pub fn is_connected(&self) -> bool {
        self.legs.iter().any(Seat::is_connected)
    }

    /// Whether the roster shows it now.
    pub fn is_shown(&self, now: Instant) -> bool {
        let is_told = self.absence.is_some() || self.legs.iter().any(Seat::is_told);
        is_told && self.hidden_until.is_none_or(|until| until <= now)
    }

    /// Its `<user>` while it is there, or invited, or waited for.
    pub fn user(&self, clock: &WallClock) -> User {
        let endpoints = self.legs.iter().filter_map(|seat| {
            Some(Endpoint { entity: endpoint(seat.leg), status: seat.status(clock)? })
        });
        let endpoints: Vec<Endpoint> = endpoints.collect();
        let absence = self.absence.iter().filter(|_| endpoints.is_empty()).map(|absence| {
            let status = Status::Disconnected { how: absence.how.clone(), since: absence.since };
            Endpoint { entity: endpoint(absence.leg), status }
        });
        let absence: Vec<Endpoint> = absence.collect();
        self.user_with(if absence.is_empty() { endpoints } else { absence })
    }

    /// Its `<user>` when its last leg has gone.
    pub fn user_gone(
        &self,
        leg: SessionId,
        how: Disconnection,
        now: Instant,
        clock: &WallClock,
    ) -> User {
        let status = Status::Disconnected { how, since: clock.utc(now) };
        self.user_with(vec![Endpoint { entity: endpoint(leg), status }])
    }

    /// What it is called by its own choice: by that of its oldest leg that has made one. A leg that is not
    /// connected yet, and may never be, has its media before (IMS-07), and no say in that.
    pub fn nickname(&self) -> Option<&str> {
        let mut connected = self.legs.iter().filter(|seat| seat.is_connected());
        connected.find_map(|seat| seat.nickname.as_deref())
    }

    fn user_with(&self, endpoints: Vec<Endpoint>) -> User {
        User {
            entity: self.entity.clone(),
            nickname: self.nickname().map(str::to_owned),
            display_text: self.display_text.clone(),
            endpoints,
        }
    }
}

/// What a user without a display name is called: the user part, or the number.
fn short_name(uri: &str) -> String {
    let user = uri.split_once(':').map_or(uri, |(_, address)| address);
    user.split(['@', ';']).next().unwrap_or(user).to_owned()
}

/// The name of a leg in documents: counted by us, so it tells nothing of the device (EVT-05).
fn endpoint(leg: SessionId) -> String {
    format!("e{}", leg.0)
}
