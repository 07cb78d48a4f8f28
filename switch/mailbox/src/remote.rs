//! Where a peer waits that does not connect by itself.

use std::net::SocketAddr;

/// Where to connect to for a session whose peer is passive.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Remote {
    /// Its addresses, to be tried in this order until one connects (URI-17). At least one.
    pub addresses: Box<[SocketAddr]>,
    /// `host:port` of the next hop, the host in lower case: sessions that say the same share one
    /// connection (CONN-10). `None` for an address of a middlebox (CONN-11).
    pub shared_as: Option<Box<str>>,
}
