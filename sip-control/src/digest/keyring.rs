//! Giving proof, as who is asked for it does (RFC 7616, RFC 8760, RFC 3261 section 22): the focus for its
//! own requests, and the client.

use std::{borrow::Cow, fmt::Write};

use super::{Algorithm, Proof, Protection, digest_params, param};
use crate::{
    message::{Draft, Header, List, Message, quote},
    transaction::Tokens,
};

/// Who somebody is to those who ask for proof.
#[derive(Clone, Eq, PartialEq)]
pub struct Credentials {
    /// The user name.
    pub username: String,
    /// What proves it.
    pub secret: Secret,
    /// The realm that may ask. `None` is any, so that whoever sees the request may try and guess.
    pub realm: Option<String>,
}

/// What proves a user name. It goes nowhere but into digests.
#[derive(Clone, Eq, PartialEq)]
pub enum Secret {
    /// A password.
    Password(String),
    /// H(A1) of it in hexadecimal, for one realm, by each of these algorithms: all that is needed of the
    /// password (RFC 7616 section 3.4.2). No other algorithm can be answered.
    Hashed(Vec<(Algorithm, String)>),
}

/// For logs: the secret is nobody's business.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .field("realm", &self.realm)
            .finish_non_exhaustive()
    }
}

/// As above.
impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(hidden)")
    }
}

impl Credentials {
    /// Those of a user with a password, for any realm.
    pub fn new(username: &str, password: &str) -> Self {
        let secret = Secret::Password(password.to_owned());
        Self { username: username.to_owned(), secret, realm: None }
    }

    /// The same, for no other realm than this.
    #[must_use]
    pub fn for_realm(self, realm: &str) -> Self {
        Self { realm: Some(realm.to_owned()), ..self }
    }

    /// H(A1) for a realm and an algorithm, if both can be answered.
    fn hash(&self, realm: &str, algorithm: Algorithm) -> Option<Cow<'_, str>> {
        if self.realm.as_ref().is_some_and(|own| own != realm) {
            return None;
        }
        match &self.secret {
            Secret::Password(password) => {
                Some(algorithm.secret(&self.username, realm, password).into())
            }
            Secret::Hashed(hashes) => {
                let hash = hashes.iter().find(|(of, _)| *of == algorithm);
                hash.map(|(_, hash)| hash.as_str().into())
            }
        }
    }
}

/// Whose challenge it is: 401 and 407 have fields of their own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Side {
    Server,
    Proxy,
}

impl Side {
    const ALL: [Self; 2] = [Self::Server, Self::Proxy];

    fn challenge(self) -> Header {
        match self {
            Self::Server => Header::WwwAuthenticate,
            Self::Proxy => Header::ProxyAuthenticate,
        }
    }

    fn credentials(self) -> Header {
        match self {
            Self::Server => Header::Authorization,
            Self::Proxy => Header::ProxyAuthorization,
        }
    }
}

/// What was asked, and how often it was answered.
#[derive(Clone, Debug)]
struct Challenge {
    side: Side,
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    /// Whether `qop=auth` may be used; otherwise as RFC 2069 did.
    has_qop: bool,
    is_stale: bool,
    /// Requests that carried this nonce.
    count: u32,
}

impl Challenge {
    /// Reads `Digest realm="...", nonce="...", ...`. `None` for what we cannot answer.
    fn read(side: Side, value: &str) -> Option<Self> {
        let params = digest_params(value)?;
        let get = |name| param(params, name).map(Cow::into_owned);
        let qop = get("qop");
        let has_auth = |qop: &str| List::new(qop).any(|qop| qop.eq_ignore_ascii_case("auth"));
        if qop.as_deref().is_some_and(|qop| !has_auth(qop)) {
            return None;
        }
        Some(Self {
            side,
            realm: get("realm")?,
            nonce: get("nonce")?,
            opaque: get("opaque"),
            algorithm: Algorithm::read(get("algorithm").as_deref())?,
            has_qop: qop.is_some(),
            is_stale: get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
            count: 0,
        })
    }

    /// Whose it is to answer, and with what.
    fn keys<'a>(&self, who: &'a [Credentials]) -> Option<(&'a str, Cow<'a, str>)> {
        who.iter()
            .find_map(|who| Some((who.username.as_str(), who.hash(&self.realm, self.algorithm)?)))
    }

    /// The value of the field that answers it, once more than before. `None` where nobody can any more.
    fn answer(
        &mut self,
        who: &[Credentials],
        method: &str,
        uri: &str,
        cnonce: &str,
    ) -> Option<String> {
        let (username, secret) = self.keys(who)?;
        self.count += 1;
        let (realm, nonce, count) = (&self.realm, &self.nonce, format!("{:08x}", self.count));
        let protection = self.has_qop.then_some(Protection { count: &count, cnonce });
        let response = self.algorithm.response(&secret, &Proof { method, uri, nonce, protection });
        let mut value = format!(
            "Digest username={}, realm={}, nonce={}, uri={}, response=\"{response}\", algorithm={}",
            quote(username),
            quote(realm),
            quote(nonce),
            quote(uri),
            self.algorithm.name(),
        );
        // Writing to a String cannot fail.
        if self.has_qop {
            let _ = write!(value, ", cnonce=\"{cnonce}\", qop=auth, nc={count}");
        }
        if let Some(opaque) = &self.opaque {
            let _ = write!(value, ", opaque={}", quote(opaque));
        }
        Some(value)
    }
}

/// Realms that are remembered, as a count. A request meets a server and a few proxies.
const REALMS_MAX: usize = 8;

/// All that was ever asked of us, for answering before it is asked again.
#[derive(Debug, Default)]
pub(crate) struct Keyring {
    challenges: Vec<Challenge>,
}

/// What one request has been through: the realms whose challenge it answered, and how often.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tries(Vec<(Side, String, u32)>);

/// How often one request answers one realm: the second time only because the nonce was stale
/// (AUTH-05).
const TRIES_MAX: u32 = 2;

impl Keyring {
    /// Takes in the challenges of a 401 or 407. True if the request is worth another try: each realm
    /// that asks, and is one of ours, is one whose question is new.
    pub(crate) fn handle(
        &mut self,
        who: &[Credentials],
        refusal: &Message,
        tries: &mut Tries,
    ) -> bool {
        let asked = strongest(who, refusal);
        let is_answerable = !asked.is_empty() && asked.iter().all(|c| tries.allow(c));
        for challenge in asked {
            self.forget(&challenge);
            // What was refused is not said unasked to the same realm again.
            if is_answerable {
                self.remember(challenge);
            }
        }
        is_answerable
    }

    fn forget(&mut self, challenge: &Challenge) {
        self.challenges
            .retain(|known| known.side != challenge.side || known.realm != challenge.realm);
    }

    fn remember(&mut self, challenge: Challenge) {
        if self.challenges.len() == REALMS_MAX {
            self.challenges.remove(0);
        }
        self.challenges.push(challenge);
    }

    /// The fields that answer all that was asked so far.
    pub(crate) fn credentials(
        &mut self,
        who: &[Credentials],
        draft: &Draft,
        tokens: &mut Tokens,
    ) -> Vec<(Header, String)> {
        let (method, uri) = (draft.method().name(), draft.request_uri());
        let answer = |challenge: &mut Challenge| {
            let value = challenge.answer(who, method, uri, &tokens.token())?;
            Some((challenge.side.credentials(), value))
        };
        self.challenges.iter_mut().filter_map(answer).collect()
    }
}

/// The strongest challenge of each realm among those that can be answered (RFC 8760 section 2.4).
fn strongest(who: &[Credentials], refusal: &Message) -> Vec<Challenge> {
    let mut strongest: Vec<Challenge> = Vec::new();
    for side in Side::ALL {
        let challenges = refusal.lines(side.challenge());
        let challenges = challenges.filter_map(|value| Challenge::read(side, value));
        for challenge in challenges.filter(|challenge| challenge.keys(who).is_some()) {
            let is_same =
                |other: &&mut Challenge| other.side == side && other.realm == challenge.realm;
            match strongest.iter_mut().find(is_same) {
                Some(other) if other.algorithm >= challenge.algorithm => {}
                Some(other) => *other = challenge,
                None => strongest.push(challenge),
            }
        }
    }
    strongest
}

impl Tries {
    /// Whether the request may answer this challenge, and notes that it does.
    fn allow(&mut self, challenge: &Challenge) -> bool {
        let is_same = |(side, realm, _): &&mut (Side, String, u32)| {
            *side == challenge.side && *realm == challenge.realm
        };
        match self.0.iter_mut().find(is_same) {
            None => {
                self.0.push((challenge.side, challenge.realm.clone(), 1));
                true
            }
            Some((_, _, count)) => {
                *count += 1;
                challenge.is_stale && *count <= TRIES_MAX
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AUTH-05: the example of RFC 7616 section 3.9.1, with both its algorithms.
    #[test]
    fn responses_are_those_of_the_rfc() {
        let who = [Credentials::new("Mufasa", "Circle of Life")];
        for (algorithm, response) in [
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ] {
            let challenge = format!(
                "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", \
                 algorithm={algorithm}, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
                 opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
            );
            let mut challenge = Challenge::read(Side::Server, &challenge).unwrap();
            let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
            let value = challenge.answer(&who, "GET", "/dir/index.html", cnonce).unwrap();
            assert_eq!(
                value,
                format!(
                    "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", \
                     nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
                     uri=\"/dir/index.html\", response=\"{response}\", algorithm={algorithm}, \
                     cnonce=\"{cnonce}\", qop=auth, nc=00000001, \
                     opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
                )
            );
        }
    }

    /// AUTH-05: without qop the response is that of RFC 2069, here the example of its erratum.
    #[test]
    fn a_challenge_without_qop_is_answered_as_of_old() {
        let who = [Credentials::new("Mufasa", "CircleOfLife")];
        let challenge = "Digest realm=\"testrealm@host.com\", \
                         nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"";
        let mut challenge = Challenge::read(Side::Server, challenge).unwrap();
        let value = challenge.answer(&who, "GET", "/dir/index.html", "x").unwrap();
        assert!(value.contains("response=\"1949323746fe6a43ef61f9606e7febea\""), "{value}");
        assert!(!value.contains("nc=") && !value.contains("cnonce="), "{value}");
    }

    /// AUTH-05: what cannot be answered is none of ours.
    #[test]
    fn foreign_challenges_are_passed_over() {
        for value in [
            "Basic realm=\"a\"",
            "Digest realm=\"a\"",
            "Digest nonce=\"b\"",
            "Digest realm=\"a\", nonce=\"b\", qop=\"auth-int\"",
            "Digest realm=\"a\", nonce=\"b\", algorithm=AKAv1-MD5",
            "Digest",
            "",
        ] {
            assert!(Challenge::read(Side::Proxy, value).is_none(), "{value}");
        }
    }
}
