//! By which way a request outside of any dialog leaves.

use std::net::{IpAddr, SocketAddr};

use crate::{
    config::Config,
    message::{SipUri, scheme},
    transport::{DEFAULT_PORT, Protocol, Target},
};

/// The first hop of a request, and the route it takes from there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Way {
    /// Where it goes first.
    pub target: Target,
    /// What its Route says, if it goes by a proxy.
    pub route: Option<String>,
}

impl Way {
    /// Whether `uri` is of a kind that an INVITE of ours can go to at all: a number only where a proxy
    /// knows what to do with it, and nobody who insists on TLS (REF-08).
    pub fn is_spoken(uri: &str, config: &Config) -> bool {
        let has_scheme =
            |wanted: &str| scheme(uri).is_some_and(|own| own.eq_ignore_ascii_case(wanted));
        match SipUri::parse(uri) {
            Some(uri) => !uri.is_secure(),
            None => has_scheme("tel") && config.outbound_proxy.is_some(),
        }
    }

    /// The way to `uri`: by the outbound proxy where there is one, else straight to the address that
    /// the URI names. `None` when it names a host and nobody is there to be asked for its address.
    pub fn to(uri: &str, config: &Config) -> Option<Self> {
        let hop = config.outbound_proxy.as_deref().unwrap_or(uri);
        let hop = SipUri::parse(hop).filter(|hop| !hop.is_secure())?;
        let Address { remote, protocol } = Address::of(&hop)?;
        let target = Target::new(protocol.unwrap_or(Protocol::Udp), remote);
        Some(Self { target, route: config.outbound_proxy.as_deref().map(loose_route) })
    }
}

/// The proxy as Route has it: it shall leave the Request-URI alone (RFC 3261 section 16.12).
fn loose_route(proxy: &str) -> String {
    let is_loose = SipUri::parse(proxy).is_some_and(|uri| uri.param("lr").is_some());
    if is_loose { format!("<{proxy}>") } else { format!("<{proxy};lr>") }
}

/// Where a URI leads without asking anybody.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Address {
    /// The address and the port, which may be the usual one.
    pub remote: SocketAddr,
    /// What it asks to be reached by, if it does and we speak it.
    pub protocol: Option<Protocol>,
}

impl Address {
    /// The address in `uri`; `None` when it has a name there.
    pub fn of(uri: &SipUri<'_>) -> Option<Self> {
        let address: IpAddr = uri.host().trim_matches(['[', ']']).parse().ok()?;
        let remote = SocketAddr::new(address, uri.port().unwrap_or(DEFAULT_PORT));
        let protocol = match uri.param("transport").map(str::to_ascii_lowercase).as_deref() {
            Some("udp") => Some(Protocol::Udp),
            Some("tcp") => Some(Protocol::Tcp),
            _ => None,
        };
        Some(Self { remote, protocol })
    }
}

#[cfg(test)]
mod tests {
    use super::Way;
    use crate::config::Config;

    fn way(uri: &str, proxy: Option<&str>) -> Option<String> {
        let config = Config { outbound_proxy: proxy.map(str::to_owned), ..Config::default() };
        let Way { target, route } = Way::to(uri, &config)?;
        let by = route.map(|route| format!(" by {route}")).unwrap_or_default();
        Some(format!("{} {}{by}", target.protocol.name(), target.remote))
    }

    /// Without a proxy an address is called straight, and a name not at all; with one all goes there.
    #[test]
    fn the_proxy_goes_before_the_address_in_the_uri() {
        let straight = |uri| way(uri, None);
        assert_eq!(straight("sip:a@192.0.2.1").unwrap(), "UDP 192.0.2.1:5060");
        assert_eq!(straight("sip:a@[::1]:7000;transport=TCP").unwrap(), "TCP [::1]:7000");
        for nowhere in ["sip:a@example.com", "tel:+12125550147", "sips:a@192.0.2.1"] {
            assert_eq!(straight(nowhere), None, "{nowhere}");
        }
        let proxied = |uri| way(uri, Some("sip:192.0.2.9:5070;transport=tcp")).unwrap();
        let expected = "TCP 192.0.2.9:5070 by <sip:192.0.2.9:5070;transport=tcp;lr>";
        assert_eq!(proxied("tel:+12125550147"), expected);
        assert_eq!(proxied("sip:a@192.0.2.1"), expected);
        let loose = way("sip:a@h", Some("sip:192.0.2.9;lr")).unwrap();
        assert_eq!(loose, "UDP 192.0.2.9:5060 by <sip:192.0.2.9;lr>");
    }
}
