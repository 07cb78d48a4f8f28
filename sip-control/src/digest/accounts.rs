//! Who can prove who they are, and by which identities they are known then.

use std::collections::HashMap;

use super::Algorithm;
use crate::config::Account;

/// The accounts of one realm. Of the passwords, only what checks them is kept.
#[derive(Debug)]
pub struct Accounts {
    by_name: HashMap<String, Entry>,
    /// What a response in the name of nobody is measured against, so that it takes as long as one
    /// in the name of somebody (AUTH-02).
    nobody: Vec<Secret>,
}

struct Entry {
    secrets: Vec<Secret>,
    identities: Vec<String>,
    display_name: Option<String>,
}

type Secret = (Algorithm, String);

/// For logs: what checks a password is as good as the password.
impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("identities", &self.identities).finish_non_exhaustive()
    }
}

/// What is known of whom a claim names.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// What its response is measured against.
    pub secret: &'a str,
    /// The identities of the account; empty when there is none of that name.
    pub identities: &'a [String],
    /// What its user is called.
    pub display_name: Option<&'a str>,
}

impl Accounts {
    /// The accounts of `realm`, for these algorithms. `unknown` is a password that nobody has.
    pub fn new(realm: &str, algorithms: &[Algorithm], accounts: &[Account], unknown: &str) -> Self {
        let secrets = |name: &str, password: &str| {
            let secret = |of: &Algorithm| (*of, of.secret(name, realm, password));
            algorithms.iter().map(secret).collect::<Vec<_>>()
        };
        let entry = |account: &Account| {
            let entry = Entry {
                secrets: secrets(&account.name, &account.password),
                identities: account.identities.clone(),
                display_name: account.display_name.clone(),
            };
            (account.name.clone(), entry)
        };
        Self { by_name: accounts.iter().map(entry).collect(), nobody: secrets("", unknown) }
    }

    /// What a claim of this name is measured against; `None` only for an algorithm that is not
    /// served.
    pub fn find(&self, name: &str, algorithm: Algorithm) -> Option<Known<'_>> {
        let entry = self.by_name.get(name);
        let secrets = entry.map_or(&self.nobody, |entry| &entry.secrets);
        let (_, secret) = secrets.iter().find(|(of, _)| *of == algorithm)?;
        Some(Known {
            secret,
            identities: entry.map_or(&[], |entry| &entry.identities),
            display_name: entry.and_then(|entry| entry.display_name.as_deref()),
        })
    }
}
