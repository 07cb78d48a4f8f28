//! Who opens the connection of a session, and where a peer waits that does not.

use std::net::SocketAddr;

/// Seen from the switch: who opens the connection (RFC 6135).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Setup {
    /// The peer does.
    #[default]
    Passive,
    /// The switch does.
    Active(NextHop),
}

/// What the peer's description says of the place to connect to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NextHop {
    /// A name, or an address as it is written without brackets.
    pub host: Box<str>,
    /// Never taken for granted (URI-18).
    pub port: u16,
    /// It is from the `c=` and `m=` lines, where middleboxes may have written it, and not from the
    /// path (CEMA-05).
    pub is_anchored: bool,
}

/// Where to connect to for a session whose peer is passive.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Remote {
    /// Its addresses, to be tried in this order until one connects (URI-17). At least one.
    pub addresses: Box<[SocketAddr]>,
    /// `host:port` of the next hop, the host in lower case: sessions that say the same share one
    /// connection (CONN-10). `None` for an address of a middlebox (CONN-11).
    pub shared_as: Option<Box<str>>,
}
