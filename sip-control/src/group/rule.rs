//! One rule of a group: whom it is about, when, and what it says (RFC 4745).

use std::collections::HashSet;

use super::document::Inquiry;
use crate::focus::{UserKey, Utc};

/// What a rule may grant (POL-12).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Right {
    /// To join a session that runs, and to come back to it.
    Join,
    /// To begin a session when none runs.
    Initiate,
    /// To watch the roster without having joined.
    ConferenceState,
    /// To be in the session under an alias.
    Anonymity,
    /// To have others invited.
    InviteUsers,
    /// To have others removed.
    Expel,
    /// To be one of those without whom there is no session.
    KeyParticipant,
    /// To write to single others.
    Whisper,
}

impl Right {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Join,
        Self::Initiate,
        Self::ConferenceState,
        Self::Anonymity,
        Self::InviteUsers,
        Self::Expel,
        Self::KeyParticipant,
        Self::Whisper,
    ];

    /// The element that grants it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Join => "join-handling",
            Self::Initiate => "allow-initiate-conference",
            Self::ConferenceState => "allow-conference-state",
            Self::Anonymity => "allow-anonymity",
            Self::InviteUsers => "allow-invite-users-dynamically",
            Self::Expel => "allow-expelling",
            Self::KeyParticipant => "is-key-participant",
            Self::Whisper => "allow-private-message",
        }
    }

    /// Whether that element is one of the extensions, and not of the list service (POL-14, POL-16).
    pub fn is_extension(self) -> bool {
        matches!(self, Self::Expel | Self::Whisper)
    }
}

/// A rule of a group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rule {
    /// What the document calls it.
    pub id: String,
    /// All of them have to hold.
    pub conditions: Vec<Condition>,
    /// What it says about rights, each once.
    pub actions: Vec<(Right, bool)>,
}

/// What has to be so for a rule to apply (POL-10).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Condition {
    /// The user is one of these.
    Identity(Vec<Identity>),
    /// The user is on the group's own list.
    ListMember,
    /// The user is on a list that is elsewhere, whose members nobody here knows.
    ExternalList,
    /// No rule of the group names the user.
    OtherIdentity,
    /// Nobody is named, or whoever is wants not to be.
    AnonymousRequest,
    /// It is between two of these times, the second excluded.
    Validity(Vec<(Utc, Utc)>),
    /// Something we do not know, and so never hold for fulfilled.
    Unknown,
}

/// Some users, by name or by where they are at home (RFC 4745 section 7.1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Identity {
    /// This one.
    One(UserKey),
    /// All of a domain, or all there are.
    Many {
        /// The domain, if it is one only.
        domain: Option<String>,
        /// Those left out.
        except: Vec<Except>,
    },
    /// Somebody whom we cannot tell from others, so nobody.
    Nobody,
}

/// Whom [`Identity::Many`] leaves out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Except {
    /// This one.
    One(UserKey),
    /// All of a domain.
    Domain(String),
}

impl Rule {
    /// Whether it is about this user by name, list or domain, whatever else it demands. A user whom
    /// some rule is about is nobody's `other-identity` (POL-11).
    pub fn names(&self, user: &[UserKey], members: &HashSet<UserKey>) -> bool {
        let mut naming =
            self.conditions.iter().filter(|condition| condition.is_naming()).peekable();
        naming.peek().is_some() && naming.all(|condition| condition.names(user, members))
    }

    /// Whether all its conditions hold. `is_other` says that no rule names the user.
    pub fn applies(
        &self,
        inquiry: &Inquiry<'_>,
        members: &HashSet<UserKey>,
        is_other: bool,
    ) -> bool {
        self.conditions.iter().all(|condition| match condition {
            // Whom nobody vouches for has no identity to be matched (RFC 4745 section 7.1).
            Condition::Identity(_) | Condition::ListMember | Condition::ExternalList => {
                inquiry.user.is_some_and(|user| condition.names(user, members))
            }
            Condition::OtherIdentity => is_other,
            Condition::AnonymousRequest => inquiry.is_anonymous || inquiry.user.is_none(),
            Condition::Validity(times) => {
                times.iter().any(|(from, until)| (*from..*until).contains(&inquiry.at))
            }
            Condition::Unknown => false,
        })
    }

    /// Whether there can be anybody to whom it applies.
    pub fn can_apply(&self) -> bool {
        let never = |condition| matches!(condition, &Condition::Unknown | &Condition::ExternalList);
        !self.conditions.iter().any(never)
    }

    /// What it says about `right`, if anything.
    pub fn says(&self, right: Right) -> Option<bool> {
        self.actions.iter().find(|(named, _)| *named == right).map(|(_, says)| *says)
    }
}

impl Condition {
    fn is_naming(&self) -> bool {
        matches!(self, Self::Identity(_) | Self::ListMember | Self::ExternalList)
    }

    fn names(&self, user: &[UserKey], members: &HashSet<UserKey>) -> bool {
        match self {
            Self::Identity(identities) => identities.iter().any(|identity| identity.holds(user)),
            Self::ListMember => user.iter().any(|key| members.contains(key)),
            _ => false,
        }
    }
}

impl Identity {
    fn holds(&self, user: &[UserKey]) -> bool {
        match self {
            Self::One(one) => user.contains(one),
            Self::Many { domain, except } => {
                let is_meant = domain.as_deref().is_none_or(|domain| is_of(user, domain));
                is_meant && !except.iter().any(|except| except.holds(user))
            }
            Self::Nobody => false,
        }
    }
}

impl Except {
    fn holds(&self, user: &[UserKey]) -> bool {
        match self {
            Self::One(one) => user.contains(one),
            Self::Domain(domain) => is_of(user, domain),
        }
    }
}

fn is_of(user: &[UserKey], domain: &str) -> bool {
    user.iter().filter_map(UserKey::host).any(|host| host.eq_ignore_ascii_case(domain))
}
