//! What becomes of a referral, as the focus reports it (RFC 3515 section 2.4).

use std::time::{Duration, Instant};

use super::Client;
use super::event::{Event, LegId};
use crate::message::{self, Header, Reply, Request, Response, SubscriptionState};

/// Something that the focus was asked to do with a member, and reports on. Never given twice.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ReferralId(pub(super) u64);

/// What has become of a referral.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Referred {
    /// It is done: who was called has come in, who was to go is out.
    Done,
    /// The focus has tried in vain, and this is why: 486 if who was called is busy, 603 if it does not
    /// want to, 408 if it says nothing.
    Failed(u16),
    /// The focus does not try, and this is why: 403 if the user may not ask for it, 404 if the member
    /// is not there.
    Refused(u16),
    /// The focus tries, and says no more of it. The roster tells.
    Tried,
    /// Nothing was heard, neither of the request nor of what became of it.
    Unheard,
}

/// The package of the reports.
pub(super) const PACKAGE: &str = "refer";
/// Reports are given for at most 60 s (REF-07), and may take their time on the way.
const REPORTS_MAX: Duration = Duration::from_secs(90);

/// By what the reports on a REFER are known.
#[derive(Clone, Debug)]
pub(super) struct ReferNames {
    pub(super) call_id: String,
    /// Our tag.
    pub(super) tag: String,
    /// The number of the REFER, which tells it from others in its dialog.
    pub(super) sequence: u32,
}

/// A referral whose end is not known.
#[derive(Debug)]
pub(super) struct Referral {
    leg: LegId,
    names: ReferNames,
    /// The number of the last NOTIFY.
    notified: Option<u32>,
    /// When nothing more is waited for.
    pub(super) until: Instant,
}

impl Referral {
    /// One that the REFER with these names makes.
    pub(super) fn new(now: Instant, leg: LegId, names: ReferNames) -> Self {
        Self { leg, names, notified: None, until: now + REPORTS_MAX }
    }

    /// Whether a NOTIFY is about it. The first REFER of a dialog need not be named.
    fn is_meant(&self, notify: &Request, event_id: Option<u32>) -> bool {
        notify.header(Header::CallId) == Some(&self.names.call_id)
            && notify.to_tag() == Some(&self.names.tag)
            && event_id.is_none_or(|id| id == self.names.sequence)
    }
}

impl Client {
    /// The REFER was answered.
    pub(super) fn referral_answered(&mut self, id: ReferralId, response: &Response) {
        match response.code() {
            ..200 => {}
            200..300 => {
                let sub = response.header(Header::ReferSub);
                if sub.is_some_and(|sub| sub.trim().eq_ignore_ascii_case("false")) {
                    self.conclude(id, Referred::Tried);
                }
            }
            status => self.conclude(id, Referred::Refused(status)),
        }
    }

    /// The REFER goes out once more, under this number.
    pub(super) fn renumber_referral(&mut self, id: ReferralId, sequence: u32) {
        if let Some(referral) = self.referrals.get_mut(&id) {
            referral.names.sequence = sequence;
        }
    }

    /// It has ended like that.
    pub(super) fn conclude(&mut self, id: ReferralId, outcome: Referred) {
        if let Some(Referral { leg, .. }) = self.referrals.remove(&id) {
            self.events.push_back(Event::Concluded { leg, referral: id, outcome });
        }
    }

    /// Gives up those of which nothing was heard for too long.
    pub(super) fn give_up_referrals(&mut self, now: Instant) {
        let over = self.referrals.iter().filter(|(_, referral)| referral.until <= now);
        let mut over: Vec<ReferralId> = over.map(|(&id, _)| id).collect();
        over.sort_unstable();
        for id in over {
            self.conclude(id, Referred::Unheard);
        }
    }

    /// A report.
    pub(super) fn reported(
        &mut self,
        notify: &Request,
        event: &message::Event<'_>,
        state: &SubscriptionState<'_>,
    ) -> Reply {
        let event_id = match event.id.map(str::parse) {
            Some(Ok(id)) => Some(id),
            None => None,
            Some(Err(_)) => return Reply::new(481),
        };
        let mut known = self.referrals.iter_mut();
        let meant = known.find(|(_, referral)| referral.is_meant(notify, event_id));
        let Some((&id, referral)) = meant else {
            return Reply::new(481);
        };
        if referral.notified.is_some_and(|last| notify.sequence() <= last) {
            return Reply::new(500);
        }
        referral.notified = Some(notify.sequence());
        let is_over = state.state.eq_ignore_ascii_case("terminated");
        match status_of(notify) {
            Some(200..300) => self.conclude(id, Referred::Done),
            Some(status @ 300..) => self.conclude(id, Referred::Failed(status)),
            _ if is_over => self.conclude(id, Referred::Unheard),
            _ => {}
        }
        Reply::new(200)
    }
}

/// What a report says: the status in the first line of its `message/sipfrag`.
fn status_of(notify: &Request) -> Option<u16> {
    notify.content_type().filter(|kind| kind.is("message/sipfrag"))?;
    let body = notify.body();
    let line = body.split(|octet| matches!(octet, b'\r' | b'\n')).next()?;
    let line = std::str::from_utf8(line).ok()?.strip_prefix("SIP/2.0 ")?;
    line.get(..3)?.parse().ok().filter(|status| (100..700).contains(status))
}
