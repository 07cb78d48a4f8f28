//! Values of the configuration file that are more than a string or a number. Each is checked where
//! it is read, so that a complaint points at it.

use std::{fmt, net::SocketAddr, time::Duration};

use msrp::UriBuf;
use serde::Deserialize;
use sip_control::config::{Additions, Cema, Deal, Network, Profile, RoomKind, Users};
use sip_control::digest::Algorithm;

/// What was expected, and what is there instead.
fn instead(expected: &str, text: &str) -> String {
    format!("expected {expected}; not {text:?}")
}

/// How the cores get at their sockets.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Io {
    /// `io_uring` where the host has it, else epoll.
    Auto,
    /// `io_uring` or nothing.
    Uring,
    /// The slower way.
    Epoll,
}

/// `"auto"`, or the numbers of CPUs.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected \"auto\" or a list of CPU numbers")]
pub enum Cores {
    /// Every CPU of the affinity mask.
    Auto(Auto),
    /// These.
    These(Vec<usize>),
}

/// The word for it.
#[derive(Clone, Copy, Debug, Deserialize)]
pub enum Auto {
    /// Choose.
    #[serde(rename = "auto")]
    Auto,
}

/// An address to listen on.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Address(pub SocketAddr);

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let address = text.parse();
        address.map(Self).map_err(|_| instead("ADDRESS:PORT, as in 192.0.2.1:2855", &text))
    }
}

/// A server of the DNS.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct NameServer(pub SocketAddr);

impl TryFrom<String> for NameServer {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const DNS_PORT: u16 = 53;
        let with_port = text.parse();
        let address = with_port.or_else(|_| text.parse().map(|ip| SocketAddr::new(ip, DNS_PORT)));
        let expected = "ADDRESS or ADDRESS:PORT, as in 192.0.2.53";
        address.map(Self).map_err(|_| instead(expected, &text))
    }
}

/// `host:port`, as clients are told it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "String")]
pub struct Authority {
    /// As it stands in a URI, with the brackets of an IPv6 address.
    pub host: String,
    /// Above 0.
    pub port: u16,
}

impl Authority {
    /// The same host, at a port that is higher by `steps`. That there is one was checked with the
    /// configuration.
    pub fn up(&self, steps: u16) -> Self {
        Self { host: self.host.clone(), port: self.port + steps }
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl TryFrom<String> for Authority {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let uri = UriBuf::parse(format!("msrp://{text}/id;tcp").as_bytes());
        let port = uri.and_then(|uri| uri.as_uri().port()).filter(|&port| port > 0);
        match (port, text.rsplit_once(':')) {
            (Some(port), Some((host, _))) => Ok(Self { host: host.to_owned(), port }),
            _ => Err(instead("HOST:PORT, as in chat.example.com:2855", &text)),
        }
    }
}

/// Where the cores listen.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Ports {
    /// All at the same port.
    Shared,
    /// Each at one of its own: the first at the port that is configured, the others at those that
    /// follow it.
    PerCore,
}

/// Addresses whose word is taken.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Block(pub Network);

impl TryFrom<String> for Block {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Network::parse(&text)
            .map(Self)
            .ok_or_else(|| instead("ADDRESS or ADDRESS/PREFIX, as in 192.0.2.0/24", &text))
    }
}

/// A stretch of time above zero.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Time(pub Duration);

impl TryFrom<String> for Time {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match milliseconds(&text) {
            None | Some(0) => Err(instead("a time above zero, as in \"500ms\" or \"30s\"", &text)),
            Some(milliseconds) => Ok(Self(Duration::from_millis(milliseconds))),
        }
    }
}

/// A stretch of time that may be none.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct TimeOrZero(pub Duration);

impl TryFrom<String> for TimeOrZero {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        milliseconds(&text)
            .map(|milliseconds| Self(Duration::from_millis(milliseconds)))
            .ok_or_else(|| instead("a time, as in \"500ms\", \"30s\" or \"0s\"", &text))
    }
}

/// `"profile"`, or a stretch of time that may be none.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct TimeOfProfile(pub Option<Duration>);

impl TryFrom<String> for TimeOfProfile {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text == "profile" {
            return Ok(Self(None));
        }
        milliseconds(&text)
            .map(|milliseconds| Self(Some(Duration::from_millis(milliseconds))))
            .ok_or_else(|| instead("a time, as in \"15m\" or \"0s\", or \"profile\"", &text))
    }
}

/// `"profile"`, or yes or no.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "FlagOrWord")]
pub struct FlagOfProfile(pub Option<bool>);

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected true, false or \"profile\"")]
enum FlagOrWord {
    Flag(bool),
    Word(String),
}

impl TryFrom<FlagOrWord> for FlagOfProfile {
    type Error = String;

    fn try_from(text: FlagOrWord) -> Result<Self, Self::Error> {
        match text {
            FlagOrWord::Flag(flag) => Ok(Self(Some(flag))),
            FlagOrWord::Word(word) if word == "profile" => Ok(Self(None)),
            FlagOrWord::Word(word) => Err(instead("true, false or \"profile\"", &word)),
        }
    }
}

fn milliseconds(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let unit = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// `"everyone"`, or URIs.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected \"everyone\" or a list of SIP or tel URIs")]
pub enum Crowd {
    /// All that have an identity.
    Everyone(Everyone),
    /// These.
    Only(Vec<String>),
}

/// The word for it.
#[derive(Clone, Copy, Debug, Deserialize)]
pub enum Everyone {
    /// All.
    #[serde(rename = "everyone")]
    Everyone,
}

impl From<Crowd> for Users {
    fn from(crowd: Crowd) -> Self {
        match crowd {
            Crowd::Everyone(_) => Self::Everyone,
            Crowd::Only(uris) => Self::Only(uris),
        }
    }
}

/// `"none"`, or a number.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged, expecting = "expected \"none\" or a number of users")]
pub enum Ceiling {
    /// No limit of its own.
    None(Nothing),
    /// At most so many.
    AtMost(usize),
}

/// The word for it.
#[derive(Clone, Copy, Debug, Deserialize)]
pub enum Nothing {
    /// Not any.
    #[serde(rename = "none")]
    None,
}

impl From<Ceiling> for Option<usize> {
    fn from(ceiling: Ceiling) -> Self {
        match ceiling {
            Ceiling::None(_) => None,
            Ceiling::AtMost(users) => Some(users),
        }
    }
}

/// How participants are dealt to cores.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Placement {
    /// A room on one core.
    Together,
    /// Round robin.
    Spread,
}

impl From<Placement> for Deal {
    fn from(placement: Placement) -> Self {
        match placement {
            Placement::Together => Self::Together,
            Placement::Spread => Self::Spread,
        }
    }
}

/// When a To-Path names a session.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Matching {
    /// When it is the URI that was given out.
    Uri,
    /// When its session-id is.
    SessionId,
}

impl From<Matching> for engine::Match {
    fn from(matching: Matching) -> Self {
        match matching {
            Matching::Uri => Self::Uri,
            Matching::SessionId => Self::SessionId,
        }
    }
}

/// What is made of middleboxes in front of clients (RFC 6714).
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rewriting {
    /// Nothing.
    Off,
    /// As RFC 6714 says, but for clients that connect by themselves.
    On,
    /// To the letter.
    Strict,
}

impl From<Rewriting> for Cema {
    fn from(rewriting: Rewriting) -> Self {
        match rewriting {
            Rewriting::Off => Self::Off,
            Rewriting::On => Self::On,
            Rewriting::Strict => Self::Strict,
        }
    }
}

/// A family of clients.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// OMA SIMPLE IM.
    Oma,
    /// GSMA.
    Rcs,
}

impl From<Family> for Profile {
    fn from(family: Family) -> Self {
        match family {
            Family::Oma => Self::Oma,
            Family::Rcs => Self::Rcs,
        }
    }
}

/// A hash function of digest authentication.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
pub enum Hash {
    /// For clients that know nothing better.
    #[serde(rename = "MD5")]
    Md5,
    /// What most clients know.
    #[serde(rename = "SHA-256")]
    Sha256,
    /// What few do.
    #[serde(rename = "SHA-512-256")]
    Sha512To256,
}

impl From<Hash> for Algorithm {
    fn from(hash: Hash) -> Self {
        match hash {
            Hash::Md5 => Self::Md5,
            Hash::Sha256 => Self::Sha256,
            Hash::Sha512To256 => Self::Sha512To256,
        }
    }
}

/// Who may have others called into an ad-hoc group.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Adders {
    /// Whoever is in it.
    Everyone,
    /// Who made it.
    Creator,
}

impl From<Adders> for Additions {
    fn from(adders: Adders) -> Self {
        match adders {
            Adders::Everyone => Self::Everyone,
            Adders::Creator => Self::Creator,
        }
    }
}

/// The two kinds of provisioned room.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Open.
    #[default]
    Public,
    /// Pre-defined.
    Group,
}

impl From<Kind> for RoomKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Public => Self::Public,
            Kind::Group => Self::Group,
        }
    }
}
