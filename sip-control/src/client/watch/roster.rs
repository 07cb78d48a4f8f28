//! Who is in a conference, put together from the documents of a subscription (RFC 4575 section 4.6).

use std::collections::BTreeMap;

use super::document::{self, Document, State, Unreadable};

/// Users that are kept, as a count. No room is so large, but a hostile focus may be.
const USERS_MAX: usize = 4096;
/// Endpoints of one user that are kept, as a count.
const ENDPOINTS_MAX: usize = 64;

/// Who is in a conference, as far as one subscription has told.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Roster {
    version: Option<u32>,
    subject: Option<String>,
    user_count: Option<u32>,
    users: BTreeMap<String, Member>,
}

/// One user.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Member {
    /// What the user wants to be called in the room (RFC 7701 section 7.4).
    pub nickname: Option<String>,
    /// What people call the user.
    pub display_text: Option<String>,
    /// Whether the focus says that this is us.
    pub is_own: bool,
    /// Whether the user left the conference, or was put out of it, as opposed to having been lost.
    pub has_departed: bool,
    /// The status of each endpoint, by its entity.
    pub endpoints: BTreeMap<String, String>,
}

/// What became of a document (EVT-12).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Applied {
    /// It says what is known, or less.
    Stale,
    /// The roster is now what it says.
    Fresh,
    /// It leaves out what would be needed. The roster stays as it was, and the whole has to be asked
    /// for.
    Incoherent,
    /// The conference is no more.
    Gone,
}

impl Roster {
    /// The users by their entities: URIs, or aliases.
    pub fn users(&self) -> &BTreeMap<String, Member> {
        &self.users
    }

    /// What the conference is about.
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// How many are connected. Large rooms tell this and not who they are (EVT-14).
    pub fn user_count(&self) -> Option<u32> {
        self.user_count
    }

    /// Takes in a document.
    pub(super) fn apply(&mut self, octets: &[u8]) -> Result<Applied, Unreadable> {
        let document = Document::read(octets)?;
        if self.version.is_some_and(|version| document.version <= version) {
            return Ok(Applied::Stale);
        }
        match document.state {
            State::Full => *self = Self::default(),
            State::Partial => {
                let next = self.version.and_then(|version| version.checked_add(1));
                if next != Some(document.version) {
                    return Ok(Applied::Incoherent);
                }
            }
            State::Deleted => {
                *self = Self { version: Some(document.version), ..Self::default() };
                return Ok(Applied::Gone);
            }
        }
        self.version = Some(document.version);
        self.subject = document.subject.or(self.subject.take());
        self.user_count = document.user_count.or(self.user_count);
        if let Some(users) = document.users {
            self.apply_users(users);
        }
        Ok(Applied::Fresh)
    }

    fn apply_users(&mut self, users: document::Users) {
        if users.state != State::Partial {
            self.users.clear();
        }
        for user in users.users {
            if user.state == State::Deleted {
                self.users.remove(&user.entity);
            } else if self.users.len() < USERS_MAX || self.users.contains_key(&user.entity) {
                let member = self.users.entry(user.entity.clone()).or_default();
                member.apply(user);
            }
        }
    }
}

impl Member {
    /// Whether any endpoint is in the conference.
    pub fn is_connected(&self) -> bool {
        self.endpoints.values().any(|status| status == "connected")
    }

    fn apply(&mut self, user: document::User) {
        if user.state == State::Full {
            *self = Self::default();
        }
        self.is_own |= user.is_own;
        if !user.endpoints.is_empty() {
            self.has_departed = user.endpoints.iter().all(document::Endpoint::has_departed);
        }
        self.nickname = user.nickname.or(self.nickname.take());
        self.display_text = user.display_text.or(self.display_text.take());
        for endpoint in user.endpoints {
            if endpoint.state == State::Deleted {
                self.endpoints.remove(&endpoint.entity);
            } else if self.endpoints.len() < ENDPOINTS_MAX
                || self.endpoints.contains_key(&endpoint.entity)
            {
                let status = self.endpoints.entry(endpoint.entity).or_default();
                match endpoint.status {
                    Some(new) => *status = new,
                    None if endpoint.state == State::Full => status.clear(),
                    None => {}
                }
            }
        }
    }
}
