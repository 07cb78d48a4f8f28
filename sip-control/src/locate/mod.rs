//! Locating SIP servers (RFC 3263): from the URI of a next hop to the addresses that it may be
//! reached at, in the order in which they are to be tried.
//!
//! [`Search`] knows the rules and asks nobody: it is given each answer of the DNS, and says what to
//! ask next. [`Dns`] asks, and is the only one here that does; [`Locator`] has as many searches under
//! way as there are requests that wait, away from everything that has to go on meanwhile (DLG-22).

mod dns;
mod locator;
mod records;
mod search;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

pub use self::{
    dns::Dns,
    locator::Locator,
    records::{Naptr, Srv},
    search::{Answer, Question, Search, TARGETS_MAX},
};
use crate::{
    message::SipUri,
    transport::{DEFAULT_PORT, Protocol, Target},
};

/// What a URI says of where it leads. Two that are equal lead to the same place.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Destination {
    host: Host,
    port: Option<u16>,
    protocol: Option<Protocol>,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Host {
    Number(IpAddr),
    /// In lower case.
    Name(String),
}

/// Why a URI leads nowhere that we could go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NoWay {
    /// It is no SIP URI.
    NotSip,
    /// It asks for TLS all the way, and there is none here.
    Secure,
    /// It asks for a transport that is not spoken here.
    Transport,
}

impl fmt::Display for NoWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotSip => "no SIP URI",
            Self::Secure => "it asks for TLS all the way",
            Self::Transport => "it asks for a transport that is not spoken here",
        })
    }
}

impl std::error::Error for NoWay {}

/// Has the target that was met go before the others, which stay in their order.
pub fn prefer(targets: &mut [Target], met: Target) {
    targets.sort_by_key(|target| *target != met);
}

impl Destination {
    /// Reads the URI of a next hop.
    pub fn parse(uri: &str) -> Result<Self, NoWay> {
        Self::of(&SipUri::parse(uri).ok_or(NoWay::NotSip)?)
    }

    /// Reads the URI of a next hop. A `maddr` is not followed: anybody could name a victim there.
    pub fn of(uri: &SipUri<'_>) -> Result<Self, NoWay> {
        if uri.is_secure() {
            return Err(NoWay::Secure);
        }
        let protocol = match uri.param("transport").map(str::to_ascii_lowercase).as_deref() {
            None => None,
            Some("udp") => Some(Protocol::Udp),
            Some("tcp") => Some(Protocol::Tcp),
            Some(_) => return Err(NoWay::Transport),
        };
        let host = uri.host();
        let host = match host.trim_start_matches('[').trim_end_matches(']').parse() {
            Ok(number) => Host::Number(number),
            Err(_) => Host::Name(host.trim_end_matches('.').to_ascii_lowercase()),
        };
        Ok(Self { host, port: uri.port(), protocol })
    }

    /// The transport that is asked for.
    pub fn protocol(&self) -> Option<Protocol> {
        self.protocol
    }

    /// Where it leads if nobody has to be asked (RFC 3263 section 4.1): a number, by UDP unless the
    /// URI says otherwise.
    pub fn target(&self) -> Option<Target> {
        let protocol = self.protocol.unwrap_or(Protocol::Udp);
        Some(Target::new(protocol, self.address()?))
    }

    /// The address and port in it, if it has an address.
    pub fn address(&self) -> Option<SocketAddr> {
        match self.host {
            Host::Number(address) => {
                Some(SocketAddr::new(address, self.port.unwrap_or(DEFAULT_PORT)))
            }
            Host::Name(_) => None,
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Number(IpAddr::V6(address)) => write!(f, "[{address}]")?,
            Host::Number(address) => write!(f, "{address}")?,
            Host::Name(name) => f.write_str(name)?,
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        self.protocol.map_or(Ok(()), |protocol| write!(f, " by {}", protocol.name()))
    }
}
