//! Asking for proof, and judging it.

use std::{net::IpAddr, time::Instant};

use super::{
    Algorithm, Known,
    accounts::Accounts,
    claim::{Claim, Malformed},
    nonce::Nonces,
    penalty::{Penalties, Terms},
};
use crate::{
    config::{Digest, Limits, Timers},
    message::{Request, SipUri, quote},
    transaction::Tokens,
};

/// Asks those for proof for whom nobody vouches. Owns no socket, reads no clock, and knows no room
/// (AUTH-04).
#[derive(Debug)]
pub struct Authenticator {
    realm: String,
    /// In the order in which they are asked for.
    algorithms: Vec<Algorithm>,
    accounts: Accounts,
    nonces: Nonces,
    penalties: Penalties,
}

/// A request that has not proved whose it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Rejection {
    /// It is to be sent again with a proof: 401 with these challenges, the best first.
    Challenged(Vec<String>),
    /// Its credentials cannot be read: 400.
    Malformed,
    /// Its source has been wrong too often: 403.
    Barred,
}

/// The nonces in use at once whose count is remembered. With more users than that, the one that was
/// asked longest ago is asked again.
const COUNTS_MAX: usize = 200_000;

impl Authenticator {
    /// Asks for what `digest` says. What of it nobody may know is made from `tokens`.
    pub fn new(
        digest: &Digest,
        timers: &Timers,
        limits: &Limits,
        start: Instant,
        tokens: &mut Tokens,
    ) -> Self {
        let Digest { realm, algorithms, accounts } = digest;
        let terms = Terms {
            failures: limits.digest_failures,
            window: timers.digest_window,
            penalty: timers.digest_penalty,
        };
        Self {
            realm: realm.clone(),
            algorithms: algorithms.clone(),
            accounts: Accounts::new(realm, algorithms, accounts, &tokens.token()),
            nonces: Nonces::new(tokens.seed(), start, timers.digest_nonce, COUNTS_MAX),
            penalties: Penalties::new(terms),
        }
    }

    /// The account that a request from `source` proves to be of.
    pub fn authenticate(
        &mut self,
        now: Instant,
        request: &Request,
        source: IpAddr,
    ) -> Result<Known<'_>, Rejection> {
        if self.penalties.is_barred(now, source) {
            return Err(Rejection::Barred);
        }
        let (nonces, realm) = (&mut self.nonces, &self.realm);
        let fault = match judge(now, request, realm, &self.accounts, nonces) {
            Ok(known) => return Ok(known),
            Err(fault) => fault,
        };
        if fault == Fault::Wrong {
            self.penalties.note_failure(now, source);
        }
        if fault == Fault::Malformed {
            return Err(Rejection::Malformed);
        }
        // All with one nonce. To call it stale says that the proof was right, so that nobody has to
        // be asked for the password again.
        let (realm, nonce) = (quote(realm), nonces.mint(now));
        let stale = if fault == Fault::Stale { ", stale=true" } else { "" };
        let challenge = |algorithm: &Algorithm| {
            let algorithm = algorithm.name();
            format!(
                "Digest realm={realm}, qop=\"auth\", algorithm={algorithm}, nonce=\"{nonce}\"{stale}"
            )
        };
        Err(Rejection::Challenged(self.algorithms.iter().map(challenge).collect()))
    }
}

/// Why a request proves nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fault {
    /// It does not try to, or not in a way that was asked for.
    Silent,
    /// What it tries cannot be read.
    Malformed,
    /// There is no such user, or it is not the one who knows the password, or it means another
    /// request: nobody is told which (AUTH-02).
    Wrong,
    /// It is right, but the nonce is not good any more.
    Stale,
}

fn judge<'a>(
    now: Instant,
    request: &Request,
    realm: &str,
    accounts: &'a Accounts,
    nonces: &mut Nonces,
) -> Result<Known<'a>, Fault> {
    let claim = Claim::find(request, realm);
    let claim = claim.map_err(|Malformed| Fault::Malformed)?.ok_or(Fault::Silent)?;
    let (algorithm, count) = claim.algorithm.zip(claim.count()).ok_or(Fault::Silent)?;
    let known = accounts.find(&claim.username, algorithm).ok_or(Fault::Silent)?;
    let response = algorithm.response(known.secret, &claim.proof(request.method_text()));
    // Whether there is such a user is asked last: it takes as long to find out that there is none.
    let is_right = is_same(&response, &claim.response) & !known.identities.is_empty();
    if !is_right || !names(&claim.uri, request.request_uri()) {
        return Err(Fault::Wrong);
    }
    nonces.use_up(now, &claim.nonce, count).then_some(known).ok_or(Fault::Stale)
}

/// Whether the credentials are for this very request (AUTH-03).
fn names(uri: &str, request_uri: &str) -> bool {
    let [named, meant] = [uri, request_uri].map(SipUri::parse);
    uri == request_uri
        || named.zip(meant).is_some_and(|(named, meant)| named.matches_ignoring_transport(&meant))
}

/// Whether two texts are the same, found out in a time that does not tell where they differ.
fn is_same(ours: &str, theirs: &str) -> bool {
    let pairs = ours.bytes().zip(theirs.bytes());
    ours.len() == theirs.len()
        && pairs.fold(0, |differs, (ours, theirs)| differs | ours ^ theirs.to_ascii_lowercase())
            == 0
}
