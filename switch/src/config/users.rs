//! Who can prove who they are: tables of the configuration file, or a file of such tables.

use std::path::Path;

use serde::Deserialize;
use sip_control::config::Account;

use super::{Complaint, credentials::Hidden};

/// A file of users.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    user: Vec<User>,
}

/// One user.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    name: String,
    password: Hidden,
    identities: Option<Vec<String>>,
    display_name: Option<String>,
}

/// For logs: the password is nobody's business.
impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}

impl User {
    /// The account of the user, who is `sip:NAME@host` without identities of its own.
    pub fn account(self, host: &str) -> Account {
        let Self { name, password, identities, display_name } = self;
        let identities = identities.unwrap_or_else(|| vec![format!("sip:{name}@{host}")]);
        let password = password.reveal();
        Account { name, password, identities, display_name }
    }
}

/// Reads a file of users, or says in one line what is wrong with it.
pub fn read(file: &Path) -> Result<Vec<User>, String> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("{name} cannot be read: {error}; expected a file of users"))?;
    let read = toml::from_str::<File>(&text);
    let read = read.map_err(|error| {
        let span = error.span().unwrap_or_default();
        Complaint::at(&name, &text, span, error.message()).to_string()
    })?;
    Ok(read.user)
}
