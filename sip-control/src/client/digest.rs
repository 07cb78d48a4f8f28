//! Digest credentials (RFC 7616, RFC 8760, RFC 3261 section 22), as a client makes them.

use std::{borrow::Cow, fmt::Write};

use crate::{
    digest::{Algorithm, Proof, Protection, digest_params, param},
    message::{Draft, Header, List, Message, quote},
    transaction::Tokens,
};

/// Who the user is to those who ask for proof.
#[derive(Clone)]
pub struct Credentials {
    /// The user name.
    pub username: String,
    /// The password. It goes nowhere but into digests.
    pub password: String,
    /// The realm that may ask. `None` is any, so that whoever sees the request may try and guess.
    pub realm: Option<String>,
}

/// For logs: the password is nobody's business.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .field("realm", &self.realm)
            .finish_non_exhaustive()
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

    /// The value of the field that answers it, once more than before.
    fn answer(&mut self, who: &Credentials, method: &str, uri: &str, cnonce: &str) -> String {
        self.count += 1;
        let (realm, nonce, count) = (&self.realm, &self.nonce, format!("{:08x}", self.count));
        let protection = self.has_qop.then_some(Protection { count: &count, cnonce });
        let secret = self.algorithm.secret(&who.username, realm, &who.password);
        let response = self.algorithm.response(&secret, &Proof { method, uri, nonce, protection });
        let mut value = format!(
            "Digest username={}, realm={}, nonce={}, uri={}, response=\"{response}\", algorithm={}",
            quote(&who.username),
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
        value
    }
}

/// Realms that are remembered, as a count. A request meets a server and a few proxies.
const REALMS_MAX: usize = 8;

/// All that was ever asked of us, for answering before it is asked again.
#[derive(Debug, Default)]
pub(super) struct Keyring {
    challenges: Vec<Challenge>,
}

/// What one request has been through: the realms whose challenge it answered, and how often.
#[derive(Clone, Debug, Default)]
pub(super) struct Tries(Vec<(Side, String, u32)>);

/// How often one request answers one realm: the second time only because the nonce was stale
/// (AUTH-05).
const TRIES_MAX: u32 = 2;

impl Keyring {
    /// Takes in the challenges of a 401 or 407. True if the request is worth another try: each realm
    /// that asks is one whose question is new, and can be answered.
    pub(super) fn handle(
        &mut self,
        who: &Credentials,
        refusal: &Message,
        tries: &mut Tries,
    ) -> bool {
        let mut strongest: Vec<Challenge> = Vec::new();
        for side in Side::ALL {
            for challenge in
                refusal.lines(side.challenge()).filter_map(|value| Challenge::read(side, value))
            {
                let is_same =
                    |other: &&mut Challenge| other.side == side && other.realm == challenge.realm;
                match strongest.iter_mut().find(is_same) {
                    Some(other) if other.algorithm >= challenge.algorithm => {}
                    Some(other) => *other = challenge,
                    None => strongest.push(challenge),
                }
            }
        }
        strongest.retain(|challenge| who.realm.as_ref().is_none_or(|r| *r == challenge.realm));
        let is_answerable = !strongest.is_empty() && strongest.iter().all(|c| tries.allow(c));
        if is_answerable {
            for challenge in strongest {
                self.remember(challenge);
            }
        }
        is_answerable
    }

    fn remember(&mut self, challenge: Challenge) {
        self.challenges
            .retain(|known| known.side != challenge.side || known.realm != challenge.realm);
        if self.challenges.len() == REALMS_MAX {
            self.challenges.remove(0);
        }
        self.challenges.push(challenge);
    }

    /// The fields that answer all that was asked so far.
    pub(super) fn credentials(
        &mut self,
        who: &Credentials,
        draft: &Draft,
        tokens: &mut Tokens,
    ) -> Vec<(Header, String)> {
        let (method, uri) = (draft.method().name(), draft.request_uri());
        let answer = |challenge: &mut Challenge| {
            let value = challenge.answer(who, method, uri, &tokens.token());
            (challenge.side.credentials(), value)
        };
        self.challenges.iter_mut().map(answer).collect()
    }
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
        let who = Credentials {
            username: "Mufasa".to_owned(),
            password: "Circle of Life".to_owned(),
            realm: None,
        };
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
            let value = challenge.answer(&who, "GET", "/dir/index.html", cnonce);
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
        let who = Credentials {
            username: "Mufasa".to_owned(),
            password: "CircleOfLife".to_owned(),
            realm: None,
        };
        let challenge = "Digest realm=\"testrealm@host.com\", \
                         nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"";
        let mut challenge = Challenge::read(Side::Server, challenge).unwrap();
        let value = challenge.answer(&who, "GET", "/dir/index.html", "x");
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
