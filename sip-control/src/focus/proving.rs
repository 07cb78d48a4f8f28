//! Requests of ours that somebody on their way wants proof for (RFC 3261 sections 22.2, 22.3): they go
//! out once more with it, and nobody hears of the challenge.

use std::{collections::HashMap, net::SocketAddr};

use super::{Focus, Purpose, RequestId, invite::Call, output::Output};
use crate::{
    digest::{Credentials, Keyring, Tries},
    message::{Draft, Header, Response},
    transaction::Tokens,
    transport::Target,
};

/// What first hops have asked us for, by where they are: others are not told what they could guess at
/// (RFC 3261 section 22.3).
#[derive(Debug, Default)]
pub struct Keyrings(HashMap<SocketAddr, Keyring>);

/// Hops that are remembered, as a count. A focus has one proxy, or a few.
const HOPS_MAX: usize = 64;

/// A request of ours that is not answered, but for an INVITE that makes a leg.
#[derive(Debug)]
pub struct Asked {
    /// What for.
    pub purpose: Purpose,
    /// How it goes out once more: `None` where nobody could be given proof anyway.
    again: Option<Box<Repeatable>>,
}

/// What it takes to send a request once more.
#[derive(Debug)]
struct Repeatable {
    /// What it says, but for the proof.
    draft: Draft,
    /// Where it went.
    target: Target,
    /// Whom it has answered.
    tries: Tries,
}

impl Keyrings {
    /// Takes in what a hop asks for. Whether the request is worth another try.
    fn handle(
        &mut self,
        who: &[Credentials],
        hop: SocketAddr,
        refusal: &Response,
        tries: &mut Tries,
    ) -> bool {
        if self.0.len() >= HOPS_MAX && !self.0.contains_key(&hop) {
            // They ask again.
            self.0.clear();
        }
        self.0.entry(hop).or_default().handle(who, refusal, tries)
    }

    /// The fields that answer all that a hop has asked for.
    fn credentials(
        &mut self,
        who: &[Credentials],
        hop: SocketAddr,
        draft: &Draft,
        tokens: &mut Tokens,
    ) -> Vec<(Header, String)> {
        let keyring = self.0.get_mut(&hop);
        keyring.map_or_else(Vec::new, |keyring| keyring.credentials(who, draft, tokens))
    }
}

impl Focus {
    /// Has a request sent that makes no leg.
    pub(super) fn send(&mut self, draft: Draft, target: Target, purpose: Purpose) -> RequestId {
        let request = RequestId(self.next_id());
        let has_credentials = !self.config.credentials.is_empty();
        let again = has_credentials.then(|| {
            Box::new(Repeatable { draft: draft.clone(), target, tries: Tries::default() })
        });
        self.requests.insert(request, Asked { purpose, again });
        self.put_out(request, draft, vec![target]);
        request
    }

    /// Has a request sent, with the proof that its first hop is known to want (AUTH-07).
    pub(super) fn put_out(&mut self, request: RequestId, draft: Draft, targets: Vec<Target>) {
        let who = &self.config.credentials;
        let draft = match targets.first() {
            Some(first) => {
                let hop = first.remote;
                let proof = self.keyrings.credentials(who, hop, &draft, &mut self.tokens);
                draft.headers(&proof)
            }
            None => draft,
        };
        self.outputs.push_back(Output::Send { request, draft, targets });
    }

    /// An INVITE was refused for want of proof. Whether it goes out again.
    pub(super) fn prove_call(
        &mut self,
        request: RequestId,
        mut call: Call,
        refusal: &Response,
    ) -> bool {
        let Some(hop) = call.targets.first().map(|target| target.remote) else { return false };
        if !self.has_proof(hop, refusal, &mut call.tries) {
            return false;
        }
        call.draft = call.draft.renumbered(refusal.sequence() + 1);
        self.put_out(request, call.draft.clone(), call.targets.clone());
        self.calls.insert(request, call);
        true
    }

    /// A request in a dialog was refused for want of proof. Whether it goes out again, under the next
    /// number of its dialog; what ends a dialog is the last in it.
    pub(super) fn prove(
        &mut self,
        request: RequestId,
        asked: &mut Asked,
        refusal: &Response,
    ) -> bool {
        let Some(mut again) = asked.again.take() else { return false };
        if self.is_moot(asked.purpose)
            || !self.has_proof(again.target.remote, refusal, &mut again.tries)
        {
            return false;
        }
        again.draft = self.dialogs.renumbered(again.draft, refusal);
        self.put_out(request, again.draft.clone(), vec![again.target]);
        let purpose = asked.purpose;
        self.requests.insert(request, Asked { purpose, again: Some(again) });
        true
    }

    /// Whether the leg is gone that a request was to keep alive.
    fn is_moot(&self, purpose: Purpose) -> bool {
        match purpose {
            Purpose::Refresh(session) => {
                self.legs.get(&session).is_none_or(|leg| leg.connected().is_none())
            }
            Purpose::Farewell | Purpose::Notify(_) | Purpose::Report(_) => false,
        }
    }

    /// Whether what a hop asks for can be given, and was not given in vain.
    fn has_proof(&mut self, hop: SocketAddr, refusal: &Response, tries: &mut Tries) -> bool {
        let (status, who) = (refusal.code(), &self.config.credentials);
        if !matches!(status, 401 | 407) {
            return false;
        }
        let has_proof = !who.is_empty() && self.keyrings.handle(who, hop, refusal, tries);
        if has_proof {
            self.counters.proofs += 1;
        } else {
            tracing::info!(%hop, status, "asked for proof that cannot be given, or was not believed");
        }
        has_proof
    }
}
