//! Where group documents come from that are no files.

use super::ConfigError;
use crate::{focus::is_session_identity, group::is_root, message::SipUri};

/// The AUID of group documents, where nothing else is configured. Servers of the first PoC release have
/// them at `org.openmobilealliance.poc-groups`.
const AUID: &str = "org.openmobilealliance.groups";

/// An XCAP server, and which of its documents are those of Pre-defined Groups (POL-17).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Xcap {
    /// The XCAP root: an `http` or `https` URI.
    pub root: String,
    /// The application usage.
    pub auid: String,
    /// Groups whose documents are found by their own URIs, in the global tree.
    pub groups: Vec<String>,
    /// Documents in the home directories of users.
    pub documents: Vec<HomeDocument>,
}

/// A document in a home directory (RFC 4825 section 6.2).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HomeDocument {
    /// Whose: the XCAP User Identifier, which is the user's own URI most often.
    pub owner: String,
    /// Its name, behind those of the directories that it is in, if it is in any.
    pub file: String,
}

impl Xcap {
    /// A server that has no documents for us yet.
    pub fn new(root: &str) -> Self {
        let (groups, documents) = (Vec::new(), Vec::new());
        Self { root: root.to_owned(), auid: AUID.to_owned(), groups, documents }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if !is_root(&self.root) {
            return Err(ConfigError::XcapRoot(self.root.clone()));
        }
        // RFC 4825 section 5.1, and the dots of a reversed host name.
        let is_of_auid = |c: char| c.is_ascii_alphanumeric() || "-_~!$&'()*+,;=:@%.".contains(c);
        if self.auid.is_empty() || !self.auid.chars().all(is_of_auid) {
            return Err(ConfigError::Auid(self.auid.clone()));
        }
        let is_group = |uri: &&String| {
            let uri = SipUri::parse(uri);
            uri.is_some_and(|uri| uri.user().is_some() && !is_session_identity(&uri))
        };
        if let Some(uri) = self.groups.iter().find(|uri| !is_group(uri)) {
            return Err(ConfigError::GroupUri(uri.clone()));
        }
        let is_step = |step: &str| !matches!(step, "" | "." | "..");
        for HomeDocument { owner, file } in &self.documents {
            if !is_step(owner) {
                return Err(ConfigError::Owner(owner.clone()));
            }
            if !file.split('/').all(is_step) {
                return Err(ConfigError::DocumentName(file.clone()));
            }
        }
        if self.groups.is_empty() && self.documents.is_empty() {
            return Err(ConfigError::NoDocument);
        }
        Ok(())
    }
}
