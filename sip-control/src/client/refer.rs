//! Having others called into a conference, or put out of it (RFC 4579 sections 5.5 and 5.11, RFC 5368):
//! the focus is asked to, and may be asked to say what became of it.

use std::time::Instant;

use super::compose::Names;
use super::event::{Event, LegId};
use super::hop::Hop;
use super::leg::{Leg, Phase};
use super::list::{LIST, is_callable, resource_list};
use super::referral::{ReferNames, Referral, ReferralId};
use super::{Client, Purpose, callable};
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
    /// by a list. Whether it tries is told by [`Event::Referred`], and who comes by the roster.
    pub fn refer(&mut self, now: Instant, id: LegId, targets: &[&str]) -> Result<(), CannotRefer> {
        if targets.is_empty() || !targets.iter().all(|target| is_callable(target)) {
            return Err(CannotRefer::NoTarget);
        }
        let (draft, hop, _) = self.referring(id)?;
        let list_id = format!("{}@{}", self.tokens.token(), "list.invalid");
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

    /// Asks the focus to call a user into the conference of a leg, and to say what becomes of it: that
    /// is told by [`Event::Concluded`].
    pub fn add(&mut self, now: Instant, id: LegId, user: &str) -> Result<ReferralId, CannotRefer> {
        if !is_callable(user) {
            return Err(CannotRefer::NoTarget);
        }
        self.refer_to(now, id, &format!("<{user}>"))
    }

    /// Asks the focus to put a member out of the conference of a leg (REF-05), by the URI that the
    /// roster has for it. What becomes of it is told by [`Event::Concluded`].
    pub fn expel(
        &mut self,
        now: Instant,
        id: LegId,
        member: &str,
    ) -> Result<ReferralId, CannotRefer> {
        // A number has no parameters of SIP, and so no method.
        callable(member).map_err(|_| CannotRefer::NoTarget)?;
        self.refer_to(now, id, &format!("<{member};method=BYE>"))
    }

    fn refer_to(
        &mut self,
        now: Instant,
        id: LegId,
        target: &str,
    ) -> Result<ReferralId, CannotRefer> {
        let (draft, hop, names) = self.referring(id)?;
        self.last_referral += 1;
        let referral = ReferralId(self.last_referral);
        self.referrals.insert(referral, Referral::new(now, id, names));
        let draft = draft.header(Header::ReferTo, target);
        self.send(now, draft, hop, Purpose::Referral { leg: id, referral });
        self.settle(now);
        Ok(referral)
    }

    /// A REFER that lacks only what it is about, where it goes, and by what reports on it are known.
    fn referring(&mut self, id: LegId) -> Result<(Draft, Hop, ReferNames), CannotRefer> {
        let leg = self.legs.get(&id).ok_or(CannotRefer::NotJoined)?;
        if !matches!(leg.phase, Phase::Connected(_)) {
            return Err(CannotRefer::NotJoined);
        }
        if !leg.conversation.allows(Method::Refer) {
            return Err(CannotRefer::NotServed);
        }
        if self.config.refers_within {
            let contact = self.config.contact_address();
            let dialog = self.legs.get_mut(&id).and_then(Leg::dialog_mut);
            let dialog = dialog.ok_or(CannotRefer::NotJoined)?;
            let draft = dialog.request(Method::Refer).header(Header::Contact, &contact);
            let names = ReferNames {
                call_id: dialog.id().call_id.clone(),
                tag: dialog.id().local_tag.clone(),
                sequence: dialog.local_sequence(),
            };
            let draft = draft.header(Header::UserAgent, &self.config.user_agent());
            let dialog = dialog.clone();
            return Ok((draft, self.hop_of(&dialog), names));
        }
        let address = leg.conversation.address().unwrap_or_default().to_owned();
        let privacy = leg.privacy;
        let (call_id, tag) = (self.tokens.token(), self.tokens.token());
        let names = Names {
            request_uri: &address,
            to: &address,
            call_id: &call_id,
            from_tag: &tag,
            sequence: 1,
            privacy,
        };
        let draft = self.config.outside(Method::Refer, &names);
        let hop = self.first_hop(&address);
        Ok((draft, hop, ReferNames { call_id, tag, sequence: 1 }))
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
