//! Having others called into a conference (RFC 4579 section 5.5, RFC 5368): the focus is asked to,
//! and says no more than that it will try. Who comes is seen in the roster.

use std::time::Instant;

use super::compose::Names;
use super::event::{Event, LegId};
use super::leg::{Leg, Phase};
use super::list::{LIST, is_callable, resource_list};
use super::{Client, Purpose};
use crate::message::{Draft, Header, Method};

/// Why nobody was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CannotRefer {
    /// There is no such leg, or it is not joined.
    NotJoined,
    /// The focus does not serve REFER (REJ-09).
    NotServed,
    /// There is nobody to be called, or somebody whose URI is no SIP or tel URI.
    NoTarget,
}

/// The options that let a REFER name several, and go unreported.
const SEVERAL: &str = "multiple-refer, norefersub";

impl Client {
    /// Asks the focus to call these users into the conference of a leg (REF-01): one by name, several
    /// by a list. What comes of it is told by [`Event::Referred`].
    pub fn refer(&mut self, now: Instant, id: LegId, targets: &[&str]) -> Result<(), CannotRefer> {
        let leg = self.legs.get(&id).ok_or(CannotRefer::NotJoined)?;
        if !matches!(leg.phase, Phase::Connected(_)) {
            return Err(CannotRefer::NotJoined);
        }
        if !leg.conversation.allows(Method::Refer) {
            return Err(CannotRefer::NotServed);
        }
        if targets.is_empty() || !targets.iter().all(|target| is_callable(target)) {
            return Err(CannotRefer::NoTarget);
        }
        let address = leg.conversation.address().unwrap_or_default().to_owned();
        let privacy = leg.privacy;
        let list_id = format!("{}@{}", self.tokens.token(), "list.invalid");
        let (call_id, from_tag) = (self.tokens.token(), self.tokens.token());
        let (draft, hop) = if self.config.refers_within {
            let contact = self.config.contact_address();
            let dialog = self.legs.get_mut(&id).and_then(Leg::dialog_mut);
            let dialog = dialog.ok_or(CannotRefer::NotJoined)?;
            let draft = dialog.request(Method::Refer).header(Header::Contact, &contact);
            let dialog = dialog.clone();
            (draft.header(Header::UserAgent, &self.config.user_agent()), self.hop_of(&dialog))
        } else {
            let names = Names {
                request_uri: &address,
                to: &address,
                call_id: &call_id,
                from_tag: &from_tag,
                sequence: 1,
                privacy,
            };
            (self.config.outside(Method::Refer, &names), self.first_hop(&address))
        };
        let draft = draft.header(Header::ReferSub, "false");
        let draft = match targets {
            [one] => {
                let draft = draft.header(Header::Supported, "norefersub");
                draft.header(Header::ReferTo, &format!("<{one}>"))
            }
            several => with_list(draft, &list_id, several),
        };
        self.send(now, draft, hop, Purpose::Refer { leg: id });
        self.settle(now);
        Ok(())
    }

    /// The focus has said whether it will try; or nobody has said anything.
    pub(super) fn referred(&mut self, leg: LegId, status: Option<u16>) {
        if self.legs.contains_key(&leg) {
            self.events.push_back(Event::Referred { leg, status });
        }
    }
}

/// A REFER to all on a list in its body.
fn with_list(draft: Draft, id: &str, targets: &[&str]) -> Draft {
    draft
        .header(Header::Require, SEVERAL)
        .header(Header::ReferTo, &format!("<cid:{id}>"))
        .header(Header::ContentId, &format!("<{id}>"))
        .header(Header::ContentDisposition, "recipient-list")
        .body(LIST, resource_list(targets.iter().copied()))
}
