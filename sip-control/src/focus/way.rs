//! By which way a request outside of any dialog leaves.

use crate::{
    config::Config,
    locate::{Destination, NoWay},
    message::{SipUri, scheme},
};

/// The first hop of a request, and the route it takes from there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Way {
    /// Where it goes first. What is behind a name is looked up when it is sent (DLG-21).
    pub hop: Destination,
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

    /// The way to `uri`: by the outbound proxy where there is one, else straight to where the URI
    /// leads.
    pub fn to(uri: &str, config: &Config) -> Result<Self, NoWay> {
        let proxy = config.outbound_proxy.as_deref();
        let hop = Destination::parse(proxy.unwrap_or(uri))?;
        Ok(Self { hop, route: proxy.map(loose_route) })
    }
}

/// The proxy as Route has it: it shall leave the Request-URI alone (RFC 3261 section 16.12).
fn loose_route(proxy: &str) -> String {
    let is_loose = SipUri::parse(proxy).is_some_and(|uri| uri.param("lr").is_some());
    if is_loose { format!("<{proxy}>") } else { format!("<{proxy};lr>") }
}

#[cfg(test)]
mod tests {
    use super::Way;
    use crate::{config::Config, locate::NoWay};

    fn way(uri: &str, proxy: Option<&str>) -> Result<String, NoWay> {
        let config = Config { outbound_proxy: proxy.map(str::to_owned), ..Config::default() };
        let Way { hop, route } = Way::to(uri, &config)?;
        Ok(route.map_or(hop.to_string(), |route| format!("{hop} via {route}")))
    }

    /// DLG-21: without a proxy a request goes to where its URI leads; with one it all goes there.
    #[test]
    fn the_proxy_goes_before_what_the_uri_says() {
        let straight = |uri| way(uri, None);
        assert_eq!(straight("sip:a@192.0.2.1").unwrap(), "192.0.2.1");
        assert_eq!(straight("sip:a@[::1]:7000;transport=TCP").unwrap(), "[::1]:7000 by TCP");
        assert_eq!(straight("sip:a@Example.com").unwrap(), "example.com");
        assert_eq!(straight("tel:+12125550147"), Err(NoWay::NotSip));
        assert_eq!(straight("sips:a@192.0.2.1"), Err(NoWay::Secure));
        let proxied = |uri| way(uri, Some("sip:proxy.example.com:5070;transport=tcp")).unwrap();
        let expected =
            "proxy.example.com:5070 by TCP via <sip:proxy.example.com:5070;transport=tcp;lr>";
        assert_eq!(proxied("tel:+12125550147"), expected);
        assert_eq!(proxied("sip:a@192.0.2.1"), expected);
        let loose = way("sip:a@h", Some("sip:192.0.2.9;lr")).unwrap();
        assert_eq!(loose, "192.0.2.9 via <sip:192.0.2.9;lr>");
    }
}
