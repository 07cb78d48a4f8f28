//! INVITEs of ours that are refused for a reason which can be met: they go out once more, and nobody
//! hears of the refusal.

use std::time::Instant;

use mailbox::SessionId;

use super::{
    Focus, RequestId,
    invite::Call,
    leg::{Phase, Stage},
    session_timer::SessionTimer,
};
use crate::message::{Header, Response, SipUri};

/// How often an invitation is sent on (JOIN-10).
const REDIRECTIONS_MAX: usize = 5;
/// How often one INVITE goes out in all, as every hop may ask for another interval (RFC 4028 section
/// 7.3).
const INVITES_MAX: u32 = 10;

impl Focus {
    /// An INVITE was refused. Whether it goes out again.
    pub(super) fn call_again(
        &mut self,
        now: Instant,
        request: RequestId,
        call: Call,
        refusal: &Response,
    ) -> bool {
        match refusal.code() {
            300..=399 => self.send_on(now, call.session, refusal),
            401 | 407 => self.prove_call(request, call, refusal),
            422 => self.raise_interval(call, refusal),
            _ => false,
        }
    }

    /// The user is elsewhere: it is called at the first place that is named, could be reached and was
    /// not tried (RFC 3261 section 8.1.3.4).
    fn send_on(&mut self, now: Instant, session: SessionId, refusal: &Response) -> bool {
        let Some(Phase::Inviting(inviting)) = self.legs.get(&session).map(|leg| &leg.phase) else {
            return false;
        };
        let Stage::Called { exchange, .. } = &inviting.stage else { return false };
        if inviting.redirections.len() == REDIRECTIONS_MAX {
            return false;
        }
        let tried = || inviting.redirections.iter().chain([&inviting.uri]);
        let is_new = |uri: &str| !tried().any(|tried| is_same(tried, uri));
        let mut places = refusal.addresses(Header::Contact).flatten();
        let next = places.find(|place| {
            let is_bare = SipUri::parse(place.uri()).is_none_or(|uri| uri.headers().is_empty());
            is_bare && self.is_callable(place.uri()) && is_new(place.uri())
        });
        let Some(next) = next.map(|place| place.uri().to_owned()) else { return false };
        let path = exchange.path.clone();
        if let Some(Phase::Inviting(inviting)) =
            self.legs.get_mut(&session).map(|leg| &mut leg.phase)
        {
            inviting.redirections.push(next);
        }
        self.call(now, session, &path);
        true
    }

    /// The interval is too short for somebody: the INVITE goes out with the one that is asked for (RFC
    /// 4028 section 7.3). Who asks for no more than it was given will never be content.
    fn raise_interval(&mut self, call: Call, refusal: &Response) -> bool {
        let least = refusal.seconds(Header::MinSe);
        let least = least.filter(|least| call.min_se.is_none_or(|known| *least > known));
        let Some(least) = least.filter(|_| refusal.sequence() < INVITES_MAX) else { return false };
        let again = RequestId(self.next_id());
        let leg = self.legs.get_mut(&call.session);
        let Some(Phase::Inviting(inviting)) = leg.map(|leg| &mut leg.phase) else { return false };
        let Stage::Called { request, .. } = &mut inviting.stage else { return false };
        *request = again;
        let interval = SessionTimer::asked(&self.config.timers, least);
        let draft = call.draft.renumbered(refusal.sequence() + 1);
        let draft = draft.with(Header::SessionExpires, &interval);
        let draft = draft.with(Header::MinSe, &least.to_string());
        let targets = call.targets.clone();
        let call = Call { draft: draft.clone(), min_se: Some(least), ..call };
        self.calls.insert(again, call);
        self.put_out(again, draft, targets);
        true
    }
}

fn is_same(one: &str, other: &str) -> bool {
    match (SipUri::parse(one), SipUri::parse(other)) {
        (Some(one), Some(other)) => one.matches(&other),
        _ => one == other,
    }
}
