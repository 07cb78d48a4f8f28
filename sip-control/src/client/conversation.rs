//! What is kept of a conference when no leg to it lives.

use std::collections::HashSet;

use super::list::is_callable;
use super::watch::Roster;
use crate::message::{Header, Marks, Method, NameAddr, Response, SipUri};

/// Where aliases are at home, which lead to nobody (RFC 3323 section 4.1.1.3).
const NOWHERE: &str = "anonymous.invalid";

/// A conference as the client knows it. It outlives every leg: whoever wants to come back later
/// keeps it, on disk if need be.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Conversation {
    /// The Public Conference URI it was joined by.
    pub public_uri: Option<String>,
    /// The IM Session Identity: what the focus gave as its Contact, byte for byte and without the
    /// parameters of the header.
    pub identity: Option<String>,
    /// The methods that the focus serves, once it has said so. Nothing is assumed before.
    pub allow: Vec<String>,
    /// Whether the peer called itself a focus, which it need not.
    pub is_focus: bool,
    /// The others in it, by their URIs, as far as they were called into it or seen there, and have not
    /// departed since (RCS-05). Followed only where groups can be made of them.
    pub members: Vec<String>,
    /// What it is about, if it was made by us.
    pub subject: Option<String>,
    /// What tells it from others in the eyes of GSMA clients (RCS-01).
    pub marks: Marks,
}

/// The 200 has no Contact, which RFC 3261 section 12.1.1 requires. The join stands (JOIN-07).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ContactMissing;

impl Conversation {
    /// One that has only ever been heard of.
    pub fn of_public(uri: &str) -> Self {
        Self { public_uri: Some(uri.to_owned()), ..Self::default() }
    }

    /// Whether the focus has said that it serves the method (REJ-09).
    pub fn allows(&self, method: Method) -> bool {
        self.allow.iter().any(|name| name == method.name())
    }

    /// The URI by which room messages name the conference.
    pub fn address(&self) -> Option<&str> {
        self.identity.as_deref().or(self.public_uri.as_deref())
    }

    /// Steps 1 and 2 that follow a 200 (CR 7.1.1.9, 7.1.1.10).
    pub(super) fn handle_ok(&mut self, ok: &Response) -> Result<(), ContactMissing> {
        self.take_allow(ok);
        let Some(contact) = ok.address(Header::Contact) else {
            return Err(ContactMissing);
        };
        self.take_contact(&contact);
        Ok(())
    }

    /// The methods of a message that lists any replace those known before (REJ-09).
    pub(super) fn take_allow(&mut self, message: &Response) {
        if message.header(Header::Allow).is_some() {
            self.allow = message.list(Header::Allow).map(str::to_owned).collect();
        }
    }

    /// Whoever is shown is a member, but for those who have departed, and for `own`, the URI of our
    /// user. Whoever is not shown any more may just have been lost.
    pub(super) fn take_roster(&mut self, roster: &Roster, own: &str) {
        let key = |uri: &str| SipUri::parse(uri).map_or_else(|| uri.to_owned(), |uri| uri.key());
        let own = key(own);
        let listed: HashSet<String> = roster.users().keys().map(|entity| key(entity)).collect();
        self.members.retain(|member| !listed.contains(&key(member)));
        let others = roster.users().iter().filter(|(entity, member)| {
            !member.is_own && !member.has_departed && key(entity) != own && is_known(entity)
        });
        self.members.extend(others.map(|(entity, _)| entity.clone()));
    }

    fn take_contact(&mut self, contact: &NameAddr<'_>) {
        self.identity = Some(contact.uri().to_owned());
        self.is_focus = contact.params().has("isfocus");
    }
}

/// Whether the URI leads to somebody.
fn is_known(entity: &str) -> bool {
    let host = SipUri::parse(entity).map(|uri| uri.host().to_ascii_lowercase());
    is_callable(entity) && host.as_deref() != Some(NOWHERE)
}
