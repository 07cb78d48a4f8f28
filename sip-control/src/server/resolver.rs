//! From the words of a peer to the addresses behind them: asked of the host, away from everything
//! that has to go on meanwhile (DLG-22).

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use mailbox::SessionId;
use tokio::{sync::Semaphore, task::JoinSet};

use crate::{
    focus::ErrandId,
    placement::{Found, Lookup},
};

/// How long a name may take to be resolved.
const LOOKUP_MAX: Duration = Duration::from_secs(10);

/// Names that are asked for at once: each takes a thread of the runtime for the while.
const LOOKUPS_MAX: usize = 32;

/// Which addresses are not connected to, whoever asks for it (msrp/SEC-02).
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    /// None: everything may be connected to.
    pub is_open: bool,
    /// What this process listens on.
    pub own: Arc<[SocketAddr]>,
}

impl Rules {
    fn permit(&self, address: SocketAddr) -> bool {
        self.is_open || !is_special(address.ip().to_canonical()) && !self.is_own(address)
    }

    fn is_own(&self, address: SocketAddr) -> bool {
        let of_port = self.own.iter().filter(|own| own.port() == address.port());
        of_port.map(|own| own.ip().to_canonical()).any(|own| {
            own == address.ip().to_canonical() || own.is_unspecified() && is_local(address.ip())
        })
    }
}

/// An address that means this host, this link, many hosts or none.
fn is_special(address: IpAddr) -> bool {
    let is_narrow = match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_broadcast(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    is_narrow || address.is_loopback() || address.is_multicast() || address.is_unspecified()
}

/// Whether an interface of this host has it: only such can be bound to.
fn is_local(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

/// Lookups under way.
#[derive(Debug)]
pub(super) struct Resolver {
    rules: Rules,
    places: Arc<Semaphore>,
    running: JoinSet<Answer>,
}

/// What was found.
#[derive(Debug)]
pub(super) enum Answer {
    /// What there is to connect to.
    Found(SessionId, Found),
    /// The addresses of a name, whatever they are; none if there are none.
    Resolved(ErrandId, Box<str>, Box<[IpAddr]>),
}

impl Resolver {
    /// Finds what these rules permit.
    pub fn new(rules: Rules) -> Self {
        let places = Arc::new(Semaphore::new(LOOKUPS_MAX));
        Self { rules, places, running: JoinSet::new() }
    }

    /// Begins to look for what there is to connect to.
    pub fn begin(&mut self, lookup: Lookup) {
        let (rules, places) = (self.rules.clone(), Arc::clone(&self.places));
        self.running.spawn(async move {
            let Lookup { session, host, port } = lookup;
            let addresses = if let Ok(address) = host.parse() {
                vec![SocketAddr::new(address, port)]
            } else {
                addresses_of(&places, &host, port).await
            };
            Answer::Found(session, judge(&rules, addresses))
        });
    }

    /// Begins to look for the addresses of a name, of which nobody makes more than to compare them.
    pub fn resolve(&mut self, errand: ErrandId, name: Box<str>) {
        let places = Arc::clone(&self.places);
        self.running.spawn(async move {
            let addresses = addresses_of(&places, &name, 0).await;
            let addresses = addresses.into_iter().map(|address| address.ip()).collect();
            Answer::Resolved(errand, name, addresses)
        });
    }

    /// The next answer. Never comes while nothing is under way. May be dropped and called again.
    pub async fn next(&mut self) -> Answer {
        loop {
            match self.running.join_next().await {
                Some(Ok(answer)) => return answer,
                // One that was cancelled has nobody left who waits for it.
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }
}

/// The addresses that the host knows of a name, by A and AAAA; none if it does not say so in time.
async fn addresses_of(places: &Semaphore, name: &str, port: u16) -> Vec<SocketAddr> {
    let _place = places.acquire().await;
    let asked = tokio::net::lookup_host((name, port));
    let answer = tokio::time::timeout(LOOKUP_MAX, asked).await;
    answer.ok().and_then(Result::ok).map(Iterator::collect).unwrap_or_default()
}

/// What is left of what was found.
fn judge(rules: &Rules, addresses: Vec<SocketAddr>) -> Found {
    if addresses.is_empty() {
        return Found::Nothing;
    }
    let permitted: Box<[_]> = addresses.into_iter().filter(|it| rules.permit(*it)).collect();
    if permitted.is_empty() { Found::Forbidden } else { Found::Addresses(permitted) }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use mailbox::SessionId;

    use super::{Answer, Resolver, Rules};
    use crate::{
        focus::ErrandId,
        placement::{Found, Lookup},
    };

    fn rules(own: &[&str]) -> Rules {
        let own = own.iter().map(|address| address.parse().unwrap()).collect();
        Rules { is_open: false, own }
    }

    async fn found(rules: Rules, host: &str, port: u16) -> Found {
        let mut resolver = Resolver::new(rules);
        resolver.begin(Lookup { session: SessionId(1), host: host.into(), port });
        let Answer::Found(SessionId(1), found) = resolver.next().await else { panic!() };
        found
    }

    fn only(address: &str) -> Found {
        Found::Addresses([address.parse::<SocketAddr>().unwrap()].into())
    }

    /// msrp/SEC-02: nobody can have us connect to this host, this link, many hosts or none, nor to
    /// ourselves, unless that is configured.
    #[tokio::test]
    async fn special_addresses_and_our_own_are_not_connected_to() {
        let special = [
            "127.0.0.1",
            "127.8.8.8",
            "169.254.1.1",
            "224.0.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.1.1",
        ];
        for host in special {
            assert_eq!(found(rules(&[]), host, 2855).await, Found::Forbidden, "{host}");
        }
        let open = Rules { is_open: true, ..rules(&["127.0.0.1:2855"]) };
        assert_eq!(found(open, "127.0.0.1", 2855).await, only("127.0.0.1:2855"));
        let own = || rules(&["192.0.2.1:2855", "0.0.0.0:2856"]);
        assert_eq!(found(own(), "192.0.2.1", 2855).await, Found::Forbidden);
        assert_eq!(found(own(), "::ffff:192.0.2.1", 2855).await, Found::Forbidden);
        assert_eq!(found(own(), "192.0.2.1", 2857).await, only("192.0.2.1:2857"));
        // Nobody's address is none of this host, whatever it listens on.
        assert_eq!(found(own(), "192.0.2.1", 2856).await, only("192.0.2.1:2856"));
        assert!(super::is_local("127.0.0.1".parse().unwrap()));
    }

    /// msrp/URI-17: numbers are taken as they are; a name is looked up, and the port is the one
    /// that was given.
    #[tokio::test]
    async fn names_are_resolved_and_numbers_are_not() {
        assert_eq!(found(rules(&[]), "192.0.2.7", 7654).await, only("192.0.2.7:7654"));
        assert_eq!(found(rules(&[]), "2001:db8::7", 7654).await, only("[2001:db8::7]:7654"));
        let open = Rules { is_open: true, ..Rules::default() };
        let Found::Addresses(local) = found(open, "localhost", 7654).await else { panic!() };
        assert!(local.iter().all(|it| it.ip().is_loopback() && it.port() == 7654));
        let nowhere = found(rules(&[]), "nobody.invalid", 7654).await;
        assert_eq!(nowhere, Found::Nothing);
    }

    /// msrp/CEMA-09: what a name stands for is told whole, connected to or not; what stands for nothing
    /// is told, too.
    #[tokio::test]
    async fn the_addresses_of_a_name_are_told_as_they_are() {
        let mut resolver = Resolver::new(rules(&[]));
        for (name, is_known) in [("localhost", true), ("nobody.invalid", false)] {
            let errand = ErrandId::default();
            resolver.resolve(errand, name.into());
            let Answer::Resolved(of, told, addresses) = resolver.next().await else { panic!() };
            assert_eq!((of, &*told), (errand, name));
            assert_eq!(!addresses.is_empty(), is_known, "{name}");
            assert!(addresses.iter().all(std::net::IpAddr::is_loopback));
        }
    }
}
