//! What becomes of a REFER, told to whoever sent it (RFC 3515 section 2.4): that it is tried, and
//! how it ended. What lies between is not told, for it may be about somebody who hides (REF-07).

use std::time::Instant;

use super::{Focus, Incoming, Purpose, Subject, join::contact_of, refusal::Refusal};
use crate::{
    dialog::DialogId,
    message::{Event, Header, Method, Request, Response, status},
};

/// A REFER that is reported on. Never reused while the process lives.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ReferralId(pub u64);

/// The subscription that a REFER makes.
#[derive(Debug)]
pub struct Referral {
    dialog: DialogId,
    /// The CSeq of the REFER, which tells it from others in its dialog.
    event_id: u32,
    /// The session that it is about.
    identity: String,
    /// When it ends at the latest.
    until: Instant,
    /// A NOTIFY is not answered yet.
    is_in_flight: bool,
    /// How it ended, as far as it has not been told.
    end: Option<(u16, &'static str)>,
}

/// The status of what goes on.
const TRYING: u16 = 100;
/// The package.
const PACKAGE: &str = "refer";
/// Its documents.
const DOCUMENT: &str = "message/sipfrag;version=2.0";

impl Focus {
    /// A REFER was accepted: that it is tried is told at once.
    pub(super) fn begin_referral(
        &mut self,
        now: Instant,
        dialog: DialogId,
        event_id: u32,
        identity: String,
    ) -> ReferralId {
        let id = ReferralId(self.next_id());
        let until = now + self.config.timers.refer_reports;
        self.dialogs.add_referral(&dialog, id);
        let referral =
            Referral { dialog, event_id, identity, until, is_in_flight: false, end: None };
        self.referrals.insert(id, referral);
        self.agenda.add(until, Subject::Referral(id));
        self.tell_referral(now, id, TRYING, None);
        id
    }

    /// It has ended like that.
    pub(super) fn conclude(&mut self, now: Instant, id: Option<ReferralId>, code: u16) {
        if let Some(id) = id {
            self.close_referral(now, id, code, "noresource");
        }
    }

    /// It has lasted long enough.
    pub(super) fn look_at_referral(&mut self, now: Instant, id: ReferralId) {
        if self.referrals.get(&id).is_some_and(|referral| referral.until <= now) {
            self.close_referral(now, id, TRYING, "timeout");
        }
    }

    /// A SUBSCRIBE for the reports on a REFER: to have the last one again, or no more of them.
    pub(super) fn extend_referral(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        dialog: &DialogId,
    ) -> Result<(), Refusal> {
        let request = &incoming.request;
        let event_id = request.header(Header::Event).and_then(Event::parse);
        let event_id = event_id.and_then(|event| event.id?.parse::<u32>().ok());
        let usages = self.dialogs.get(dialog).ok_or(Refusal::NoDialog)?;
        let is_meant = |id: &&ReferralId| {
            let referral = self.referrals.get(id);
            referral.is_some_and(|referral| event_id.is_none_or(|id| id == referral.event_id))
        };
        let id = usages.referrals.iter().find(is_meant).copied().ok_or(Refusal::NoDialog)?;
        self.dialogs.link_mut(dialog).ok_or(Refusal::NoDialog)?.refresh(request)?;
        let referral = self.referrals.get(&id).ok_or(Refusal::NoDialog)?;
        let left = referral.until.saturating_duration_since(now).as_secs();
        let granted = request.seconds(Header::Expires).map_or(left, |asked| left.min(asked.into()));
        let reply = self
            .plain_reply(200)
            .header(Header::Contact, &contact_of(&referral.identity))
            .header(Header::Expires, &granted.to_string());
        self.reply(incoming.transaction, reply);
        if granted == 0 {
            self.close_referral(now, id, TRYING, "timeout");
        } else {
            self.tell_referral(now, id, TRYING, None);
        }
        Ok(())
    }

    /// A NOTIFY has its answer, or will never have one.
    pub(super) fn reported(&mut self, now: Instant, id: ReferralId, answer: Option<&Response>) {
        let Some(referral) = self.referrals.get_mut(&id) else { return };
        referral.is_in_flight = false;
        if answer.is_none_or(|answer| answer.code() >= 300) {
            return self.forget_referral(id);
        }
        if let Some((code, reason)) = referral.end.take() {
            self.close_referral(now, id, code, reason);
        }
    }

    fn close_referral(&mut self, now: Instant, id: ReferralId, code: u16, reason: &'static str) {
        let Some(referral) = self.referrals.get_mut(&id) else { return };
        if referral.is_in_flight {
            // One after the other, or they might change places on their way.
            referral.end.get_or_insert((code, reason));
            return;
        }
        self.tell_referral(now, id, code, Some(reason));
        self.forget_referral(id);
    }

    fn forget_referral(&mut self, id: ReferralId) {
        if let Some(referral) = self.referrals.remove(&id) {
            self.dialogs.end_referral(&referral.dialog, id);
        }
    }

    fn tell_referral(
        &mut self,
        now: Instant,
        id: ReferralId,
        code: u16,
        end: Option<&'static str>,
    ) {
        let Some(referral) = self.referrals.get_mut(&id) else { return };
        let report = self.dialogs.request(&referral.dialog, Method::Notify);
        let Some((draft, target)) = report else { return };
        referral.is_in_flight = true;
        let left = referral.until.saturating_duration_since(now).as_secs();
        let state = end.map_or_else(
            || format!("active;expires={left}"),
            |reason| format!("terminated;reason={reason}"),
        );
        let draft = draft
            .header(Header::Contact, &contact_of(&referral.identity))
            .header(Header::Event, &format!("{PACKAGE};id={}", referral.event_id))
            .header(Header::SubscriptionState, &state)
            .body(DOCUMENT, format!("SIP/2.0 {code} {}\r\n", status::reason(code)));
        self.send(draft, target, Purpose::Report(id));
    }
}

/// Whether a SUBSCRIBE is about the reports on a REFER.
pub fn is_about_referral(request: &Request) -> bool {
    let event = request.header(Header::Event).and_then(Event::parse);
    event.is_some_and(|event| event.package == PACKAGE)
}
