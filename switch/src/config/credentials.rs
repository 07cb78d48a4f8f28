//! Who the node is to proxies and others that want proof for its own requests, and secrets as a file has them.

use std::collections::BTreeMap;

use serde::Deserialize;
use sip_control::digest::{Algorithm, Credentials, Secret};

use super::value::Hash;

/// Words that no complaint repeats.
#[derive(Clone, Deserialize)]
#[serde(try_from = "toml::Value")]
pub struct Hidden(String);

impl Hidden {
    /// The words, for whoever they are meant for.
    pub fn reveal(self) -> String {
        self.0
    }
}

/// For logs: what it says is nobody's business.
impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(hidden)")
    }
}

impl TryFrom<toml::Value> for Hidden {
    type Error = &'static str;

    fn try_from(value: toml::Value) -> Result<Self, Self::Error> {
        match value {
            toml::Value::String(text) => Ok(Self(text)),
            _ => Err("expected a secret between quotes"),
        }
    }
}

/// One `[[sip.credentials]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    realm: String,
    name: String,
    password: Option<Hidden>,
    ha1: Option<BTreeMap<Hash, Hidden>>,
}

impl Proof {
    /// What it says, or what was expected.
    pub fn credentials(self) -> Result<Credentials, &'static str> {
        let hashed = |hashes: BTreeMap<Hash, Hidden>| {
            let lower = |(algorithm, hash): (Hash, Hidden)| {
                (Algorithm::from(algorithm), hash.reveal().to_ascii_lowercase())
            };
            Secret::Hashed(hashes.into_iter().map(lower).collect())
        };
        let secret = match (self.password, self.ha1) {
            (Some(password), None) => Secret::Password(password.reveal()),
            (None, Some(hashes)) => hashed(hashes),
            _ => return Err("expected either a password or what is made of it, ha1"),
        };
        Ok(Credentials { username: self.name, secret, realm: Some(self.realm) })
    }
}
