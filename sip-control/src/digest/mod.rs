//! Digest access authentication as SIP uses it (RFC 7616, RFC 8760, RFC 3261 section 22): what
//! those who ask for proof and those who give it have in common, how the focus asks, and how it answers, as
//! the client does, where it is asked itself.

mod accounts;
mod authenticator;
mod claim;
mod keyring;
mod nonce;
mod penalty;

use std::{borrow::Cow, fmt::Write};

use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};

pub(crate) use self::keyring::{Keyring, Tries};
pub use self::{
    accounts::Known,
    authenticator::{Authenticator, Rejection},
    keyring::{Credentials, Secret},
};
use crate::message::{List, unquote};

/// The hash functions there are, weakest first.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Algorithm {
    /// `MD5`, for clients that know nothing better.
    Md5,
    /// `SHA-256`.
    Sha256,
    /// `SHA-512-256`.
    Sha512To256,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Md5, Self::Sha256, Self::Sha512To256];

    /// The algorithm a parameter names. Absent is MD5 (RFC 7616 section 3.3). Those with `-sess`
    /// are not served: nobody offers them without the plain ones.
    pub fn read(name: Option<&str>) -> Option<Self> {
        match name {
            None => Some(Self::Md5),
            Some(name) => {
                Self::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(name))
            }
        }
    }

    /// Its name as parameters have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
            Self::Sha512To256 => "SHA-512-256",
        }
    }

    /// Hexadecimal digits of a hash.
    pub fn size(self) -> usize {
        match self {
            Self::Md5 => 32,
            Self::Sha256 | Self::Sha512To256 => 64,
        }
    }

    /// H(A1): all that has to be known of a password in order to check it (RFC 7616 section 3.4.2).
    pub fn secret(self, username: &str, realm: &str, password: &str) -> String {
        self.hash(&format!("{username}:{realm}:{password}"))
    }

    /// The `response` that proves the secret for this request (RFC 7616 section 3.4.1).
    pub fn response(self, secret: &str, proof: &Proof<'_>) -> String {
        let Proof { method, uri, nonce, protection } = proof;
        let request = self.hash(&format!("{method}:{uri}"));
        match protection {
            Some(Protection { count, cnonce }) => {
                self.hash(&format!("{secret}:{nonce}:{count}:{cnonce}:auth:{request}"))
            }
            None => self.hash(&format!("{secret}:{nonce}:{request}")),
        }
    }

    fn hash(self, text: &str) -> String {
        match self {
            Self::Md5 => hexadecimal(&Md5::digest(text)),
            Self::Sha256 => hexadecimal(&Sha256::digest(text)),
            Self::Sha512To256 => hexadecimal(&Sha512_256::digest(text)),
        }
    }
}

/// What a response is computed over, beside the secret.
#[derive(Clone, Copy, Debug)]
pub struct Proof<'a> {
    /// The method of the request.
    pub method: &'a str,
    /// The `uri` of the credentials.
    pub uri: &'a str,
    /// The `nonce` of the challenge.
    pub nonce: &'a str,
    /// What `qop=auth` adds; `None` is how RFC 2069 did it.
    pub protection: Option<Protection<'a>>,
}

/// What `qop=auth` adds to a response.
#[derive(Clone, Copy, Debug)]
pub struct Protection<'a> {
    /// `nc`, as it is written.
    pub count: &'a str,
    /// `cnonce`.
    pub cnonce: &'a str,
}

/// The parameters of a challenge or of credentials; `None` when its scheme is not Digest.
pub fn digest_params(value: &str) -> Option<&str> {
    let (scheme, params) = value.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("Digest").then_some(params)
}

/// The value of a parameter, without its quotes.
pub fn param<'a>(params: &'a str, wanted: &str) -> Option<Cow<'a, str>> {
    List::new(params).find_map(|param| {
        let (name, value) = param.split_once('=')?;
        name.trim().eq_ignore_ascii_case(wanted).then(|| unquote(value.trim()))
    })
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(2 * octets.len()), |mut text, octet| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
}
