//! Credentials as a request carries them.

use std::borrow::Cow;

use super::{Algorithm, Proof, Protection, digest_params, param};
use crate::message::{Header, Request};

/// What a request claims, and how it means to prove it.
#[derive(Debug)]
pub struct Claim<'a> {
    /// Whose name.
    pub username: Cow<'a, str>,
    /// `uri`.
    pub uri: Cow<'a, str>,
    /// `nonce`.
    pub nonce: Cow<'a, str>,
    /// `response`.
    pub response: Cow<'a, str>,
    /// What it was computed with; `None` is one that we have never heard of.
    pub algorithm: Option<Algorithm>,
    /// `nc` and `cnonce`, where `qop` is `auth`.
    protection: Option<(Cow<'a, str>, Cow<'a, str>)>,
}

/// The credentials are for us, and something in them is missing or cannot be: 400 (AUTH-03).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Malformed;

/// `nc` is eight hexadecimal digits (RFC 7616 section 3.4).
const COUNT_SIZE: usize = 8;

impl<'a> Claim<'a> {
    /// The credentials of a request for `realm`. Those for other realms, and those of schemes that
    /// are not Digest, are for somebody else.
    pub fn find(request: &'a Request, realm: &str) -> Result<Option<Self>, Malformed> {
        for value in request.lines(Header::Authorization) {
            let Some(params) = digest_params(value) else {
                // A scheme alone is as strange to us as any other, unless it is ours.
                if value.trim().eq_ignore_ascii_case("Digest") {
                    return Err(Malformed);
                }
                continue;
            };
            if param(params, "realm").ok_or(Malformed)? == realm {
                return Self::read(params).map(Some);
            }
        }
        Ok(None)
    }

    fn read(params: &'a str) -> Result<Self, Malformed> {
        let get = |name| param(params, name).ok_or(Malformed);
        let protection = match param(params, "qop") {
            None => None,
            Some(qop) if qop.eq_ignore_ascii_case("auth") => Some((get("nc")?, get("cnonce")?)),
            Some(_) => return Err(Malformed),
        };
        let claim = Self {
            username: get("username")?,
            uri: get("uri")?,
            nonce: get("nonce")?,
            response: get("response")?,
            algorithm: Algorithm::read(param(params, "algorithm").as_deref()),
            protection,
        };
        let is_sound = claim.protection.is_none() || claim.count().is_some();
        is_sound.then_some(claim).ok_or(Malformed)
    }

    /// The number of the request under its nonce. A response without one is good for a single
    /// request, so it is as if it were the last (AUTH-02).
    pub fn count(&self) -> Option<u32> {
        let Some((count, _)) = &self.protection else { return Some(u32::MAX) };
        let is_written_well =
            count.len() == COUNT_SIZE && count.bytes().all(|octet| octet.is_ascii_hexdigit());
        is_written_well.then(|| u32::from_str_radix(count, 16).ok()).flatten()
    }

    /// What the response has to be computed over in a request of this method.
    pub fn proof<'b>(&'b self, method: &'b str) -> Proof<'b> {
        let protection = self.protection.as_ref();
        Proof {
            method,
            uri: &self.uri,
            nonce: &self.nonce,
            protection: protection.map(|(count, cnonce)| Protection { count, cnonce }),
        }
    }
}
