//! How users prove who they are, as it is configured.

use std::{collections::HashSet, fmt};

use super::ConfigError;
use crate::{digest::Algorithm, focus::UserKey};

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
