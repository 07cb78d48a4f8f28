//! Where messages come from and go to, as plain values.

use std::net::SocketAddr;

use bytes::Bytes;

use crate::message::{Message, Via};

/// The port of SIP over UDP and TCP (RFC 3261 section 19.1.2).
pub const DEFAULT_PORT: u16 = 5060;

/// A transport protocol.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Protocol {
    /// Datagrams: what is lost is sent again.
    Udp,
    /// A stream.
    Tcp,
}

impl Protocol {
    /// The name as Via has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        }
    }

    /// Whether it loses nothing, so that nothing is sent twice.
    pub const fn is_reliable(self) -> bool {
        matches!(self, Self::Tcp)
    }
}

/// One connection. Numbers are never given twice, so a stale one finds nothing.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ConnectionId(pub(super) u64);

/// Where a message came from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Source {
    /// Our address.
    pub local: SocketAddr,
    /// The peer's.
    pub remote: SocketAddr,
    /// How it came.
    pub protocol: Protocol,
    /// On which connection, if on one.
    pub connection: Option<ConnectionId>,
}

/// Where a message shall go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Target {
    /// How.
    pub protocol: Protocol,
    /// Whither. On a stream, only if `connection` is gone or not given.
    pub remote: SocketAddr,
    /// Datagrams leave from this address of ours; if none is given, from the first of that family.
    pub local: Option<SocketAddr>,
    /// The connection to use while it lasts.
    pub connection: Option<ConnectionId>,
}

impl Target {
    /// A target of which only the address is known.
    pub const fn new(protocol: Protocol, remote: SocketAddr) -> Self {
        Self { protocol, remote, local: None, connection: None }
    }
}

impl Source {
    /// Where the answer to a request goes (RFC 3261 section 18.2.2, RFC 3581 section 4): back on
    /// the connection it came on; on UDP to the address it came from, at the port it came from if
    /// the Via asks for that, else at the port of sent-by, and from the port it came to.
    ///
    /// `maddr` is not followed: anybody could name a victim there.
    pub fn reply_target(&self, request: &Message) -> Target {
        let remote = match request.top_via() {
            Some(via) if self.protocol == Protocol::Udp && via.wants_rport() => self.remote,
            Some(via) => SocketAddr::new(self.remote.ip(), sent_by_port(&via)),
            None => self.remote,
        };
        Target {
            protocol: self.protocol,
            remote,
            local: Some(self.local),
            connection: self.connection,
        }
    }
}

fn sent_by_port(via: &Via<'_>) -> u16 {
    via.port().unwrap_or(DEFAULT_PORT)
}

/// What the sender calls a message, to be told if it could not be sent.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Ticket(pub(crate) u64);

/// A message on its way out.
#[derive(Clone, Debug)]
pub struct Transmit {
    /// Where to.
    pub target: Target,
    /// The message.
    pub bytes: Bytes,
    /// Who wants to know if it cannot be sent.
    pub ticket: Option<Ticket>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(via: &str, protocol: Protocol) -> Target {
        let text = format!("OPTIONS sip:a@b SIP/2.0\r\nVia: {via}\r\n\r\n");
        let request = Message::from_datagram(text.into()).unwrap();
        let source = Source {
            local: "192.0.2.1:5062".parse().unwrap(),
            remote: "192.0.2.21:50231".parse().unwrap(),
            protocol,
            connection: (protocol == Protocol::Tcp).then_some(ConnectionId(7)),
        };
        source.reply_target(&request)
    }

    /// DLG-03: rport, else the port of sent-by, else 5060; never a host of the Via's choosing.
    #[test]
    fn answers_over_udp_go_to_the_address_of_the_request() {
        for (via, remote) in [
            ("SIP/2.0/UDP 10.0.0.1:5070;rport;branch=z9hG4bKa", "192.0.2.21:50231"),
            ("SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bKa", "192.0.2.21:5070"),
            ("SIP/2.0/UDP h.example.com;branch=z9hG4bKa", "192.0.2.21:5060"),
            ("SIP/2.0/UDP h;maddr=198.51.100.9;branch=z9hG4bKa", "192.0.2.21:5060"),
            ("garbage", "192.0.2.21:50231"),
        ] {
            let target = reply(via, Protocol::Udp);
            assert_eq!(target.remote, remote.parse().unwrap(), "{via}");
            assert_eq!(target.local, Some("192.0.2.1:5062".parse().unwrap()));
        }
    }

    /// DLG-03: on a stream, the same connection; if it is gone, a new one to sent-by.
    #[test]
    fn answers_over_tcp_go_to_the_connection_of_the_request() {
        let target = reply("SIP/2.0/TCP h:5070;branch=z9hG4bKa", Protocol::Tcp);
        assert_eq!(target.connection, Some(ConnectionId(7)));
        assert_eq!(target.remote, "192.0.2.21:5070".parse().unwrap());
    }
}
