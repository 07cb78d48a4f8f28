//! How users prove who they are, as it is configured.

use std::{collections::HashSet, fmt};

use super::ConfigError;
use crate::{
    digest::{Algorithm, Credentials, Secret},
    focus::UserKey,
};

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
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if !is_quotable(&self.realm) {
            return Err(ConfigError::Realm(self.realm.clone()));
        }
        if self.algorithms.is_empty() {
            return Err(ConfigError::NoAlgorithm);
        }
        let mut names = HashSet::new();
        for Account { name, identities, .. } in &self.accounts {
            if !is_username(name) {
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

/// Whether these say who we are, and that in one way for each realm.
pub(super) fn check_credentials(all: &[Credentials]) -> Result<(), ConfigError> {
    let mut realms = HashSet::new();
    for Credentials { username, secret, realm } in all {
        let realm = realm.as_deref().unwrap_or_default();
        if !is_quotable(realm) {
            return Err(ConfigError::Realm(realm.to_owned()));
        }
        if !realms.insert(realm) {
            return Err(ConfigError::RealmTwice(realm.to_owned()));
        }
        if !is_username(username) {
            return Err(ConfigError::AccountName(username.clone()));
        }
        let is_hash = |(algorithm, hash): &(Algorithm, String)| {
            let is_hexadecimal = |octet: u8| matches!(octet, b'0'..=b'9' | b'a'..=b'f');
            hash.len() == algorithm.size() && hash.bytes().all(is_hexadecimal)
        };
        if let Secret::Hashed(hashes) = secret
            && (hashes.is_empty() || !hashes.iter().all(is_hash))
        {
            return Err(ConfigError::Hash(realm.to_owned()));
        }
    }
    Ok(())
}

/// Whether a quoted string can have it, and is not empty.
fn is_quotable(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_control)
}

/// Whether it can be the name of an account. A colon would make one name and password out of two (RFC 7616
/// section 3.4.2).
fn is_username(name: &str) -> bool {
    is_quotable(name) && !name.contains(':')
}
