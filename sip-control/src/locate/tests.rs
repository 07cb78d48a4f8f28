use std::collections::HashMap;

use super::{Answer, Destination, Naptr, NoWay, Question, Search, Srv, TARGETS_MAX};
use crate::transport::Protocol;

const OURS: [Protocol; 2] = [Protocol::Udp, Protocol::Tcp];

fn naptr(order: u16, preference: u16, services: &str, replacement: &str) -> Naptr {
    Naptr {
        order,
        preference,
        flags: "s".to_owned(),
        services: services.to_owned(),
        has_regexp: false,
        replacement: replacement.to_owned(),
    }
}

fn srv(priority: u16, weight: u16, port: u16, host: &str) -> Srv {
    Srv { priority, weight, port, host: host.to_owned() }
}

/// A DNS of literal answers, and what it was asked.
#[derive(Default)]
struct Zone {
    naptr: HashMap<&'static str, Vec<Naptr>>,
    srv: HashMap<&'static str, Vec<Srv>>,
    addresses: HashMap<&'static str, Vec<&'static str>>,
    asked: Vec<String>,
}

impl Zone {
    fn answer(&mut self, question: &Question) -> Answer {
        match question {
            Question::Naptr(name) => {
                self.asked.push(format!("NAPTR {name}"));
                Answer::Naptr(self.naptr.get(&**name).cloned().unwrap_or_default())
            }
            Question::Srv(name) => {
                self.asked.push(format!("SRV {name}"));
                Answer::Srv(self.srv.get(&**name).cloned().unwrap_or_default())
            }
            Question::Addresses(name) => {
                self.asked.push(format!("A {name}"));
                let addresses = self.addresses.get(&**name).into_iter().flatten();
                Answer::Addresses(addresses.map(|address| address.parse().unwrap()).collect())
            }
        }
    }

    fn locate_by(&mut self, uri: &str, seed: u8, ours: &[Protocol]) -> Vec<String> {
        let destination = Destination::parse(uri).unwrap();
        let mut search = Search::new(&destination, ours, [seed; 32]);
        while let Some(question) = search.poll_question() {
            let answer = self.answer(&question);
            search.handle_answer(answer);
        }
        let targets = search.into_targets().into_iter();
        targets.map(|target| format!("{} {}", target.protocol.name(), target.remote)).collect()
    }

    fn locate(&mut self, uri: &str) -> Vec<String> {
        self.locate_by(uri, 1, &OURS)
    }
}

/// The domain of RFC 3263 section 4.1, with addresses.
fn example() -> Zone {
    let mut zone = Zone::default();
    zone.naptr.insert(
        "example.com",
        vec![
            naptr(100, 50, "SIP+D2U", "_sip._udp.example.com"),
            naptr(50, 50, "SIPS+D2T", "_sips._tcp.example.com"),
            naptr(90, 50, "SIP+D2T", "_sip._tcp.example.com"),
        ],
    );
    zone.srv.insert(
        "_sip._tcp.example.com",
        vec![srv(1, 1, 5060, "server2.example.com"), srv(0, 0, 5061, "server1.example.com")],
    );
    zone.srv.insert("_sip._udp.example.com", vec![srv(0, 0, 5070, "server3.example.com")]);
    zone.addresses.insert("server1.example.com", vec!["192.0.2.1", "2001:db8::1"]);
    zone.addresses.insert("server2.example.com", vec!["192.0.2.2"]);
    zone.addresses.insert("server3.example.com", vec!["192.0.2.3"]);
    zone.addresses.insert("example.com", vec!["192.0.2.9", "192.0.2.10"]);
    zone
}

/// DLG-21: the transport is that of the first rule which leads to one of ours, by order and then by
/// preference; its servers go by priority, and each of their addresses is one to try.
#[test]
fn a_domain_says_by_what_and_where_it_is_reached() {
    let mut zone = example();
    let targets = ["TCP 192.0.2.1:5061", "TCP [2001:db8::1]:5061", "TCP 192.0.2.2:5060"];
    assert_eq!(zone.locate("sip:garden@Example.COM"), targets);
    assert_eq!(
        zone.asked,
        [
            "NAPTR example.com",
            "SRV _sip._tcp.example.com",
            "A server1.example.com",
            "A server2.example.com"
        ]
    );
    // Without TCP the next rule has to do.
    assert_eq!(zone.locate_by("sip:example.com", 1, &OURS[..1]), ["UDP 192.0.2.3:5070"]);

    let rules = zone.naptr.get_mut("example.com").unwrap();
    *rules = vec![
        naptr(10, 20, "SIP+D2T", "_sip._tcp.example.com"),
        naptr(10, 10, "sip+d2u", "_sip._udp.example.com"),
    ];
    assert_eq!(zone.locate("sip:example.com"), ["UDP 192.0.2.3:5070"]);
}

/// DLG-21: rules that are not about SIP over a transport of ours, or that ask for more than a name,
/// are passed over; if none is left, the services of the domain are asked for by their usual names.
#[test]
fn rules_of_no_use_are_as_good_as_none() {
    let mut zone = example();
    let usual = ["UDP 192.0.2.3:5070", "TCP 192.0.2.1:5061"];
    let with_regexp = Naptr { has_regexp: true, ..naptr(1, 1, "SIP+D2T", "_sip._tcp.example.com") };
    let terminal = Naptr { flags: "u".to_owned(), ..naptr(1, 1, "SIP+D2T", "x.example.com") };
    for rules in [
        vec![],
        vec![naptr(1, 1, "SIPS+D2T", "_sips._tcp.example.com")],
        vec![naptr(1, 1, "SIP+D2S", "_sip._sctp.example.com")],
        vec![naptr(1, 1, "E2U+sip", "_sip._udp.elsewhere.example")],
        vec![naptr(1, 1, "SIP+D2U", "")],
        vec![with_regexp],
        vec![terminal],
    ] {
        zone.naptr.insert("example.com", rules.clone());
        assert_eq!(zone.locate("sip:example.com")[..2], usual, "{rules:?}");
    }
}

/// DLG-21: where there are no servers the name itself is the host, at the usual port and by UDP; a
/// service that is declared not to be there is not looked for any further.
#[test]
fn a_name_without_servers_is_a_host() {
    let mut zone = example();
    zone.naptr.clear();
    zone.srv.clear();
    let hosts = ["UDP 192.0.2.9:5060", "UDP 192.0.2.10:5060"];
    assert_eq!(zone.locate("sip:example.com"), hosts);
    let questions = [
        "NAPTR example.com",
        "SRV _sip._udp.example.com",
        "SRV _sip._tcp.example.com",
        "A example.com",
    ];
    assert_eq!(zone.asked, questions);
    zone.naptr.insert("example.com", vec![naptr(1, 1, "SIP+D2T", "_sip._tcp.example.com")]);
    let hosts = ["TCP 192.0.2.9:5060", "TCP 192.0.2.10:5060"];
    assert_eq!(zone.locate("sip:example.com"), hosts);
    zone.srv.insert("_sip._tcp.example.com", vec![srv(0, 0, 0, "")]);
    assert!(zone.locate("sip:example.com").is_empty());
    assert!(zone.locate("sip:nowhere.example").is_empty());
}

/// DLG-21: a transport in the URI is the transport, a port in it is the port, and a number is where
/// it goes: the DNS is asked only for what is left open.
#[test]
fn what_the_uri_says_is_not_asked() {
    let mut zone = example();
    assert_eq!(zone.locate("sip:example.com;transport=UDP"), ["UDP 192.0.2.3:5070"]);
    assert_eq!(zone.asked, ["SRV _sip._udp.example.com", "A server3.example.com"]);
    zone.asked.clear();
    zone.srv.clear();
    let tcp = zone.locate("sip:example.com;transport=tcp");
    assert_eq!(tcp, ["TCP 192.0.2.9:5060", "TCP 192.0.2.10:5060"]);
    assert_eq!(zone.asked, ["SRV _sip._tcp.example.com", "A example.com"]);
    zone.asked.clear();
    let port = zone.locate("sip:example.com:5080");
    assert_eq!(port, ["UDP 192.0.2.9:5080", "UDP 192.0.2.10:5080"]);
    let both = zone.locate("sip:example.com:5080;transport=tcp");
    assert_eq!(both, ["TCP 192.0.2.9:5080", "TCP 192.0.2.10:5080"]);
    assert_eq!(zone.asked, ["A example.com", "A example.com"]);
    zone.asked.clear();
    assert_eq!(zone.locate("sip:a@192.0.2.7"), ["UDP 192.0.2.7:5060"]);
    assert_eq!(zone.locate("sip:a@[2001:db8::7]:5080"), ["UDP [2001:db8::7]:5080"]);
    assert_eq!(zone.locate("sip:192.0.2.7;transport=tcp"), ["TCP 192.0.2.7:5060"]);
    assert!(zone.asked.is_empty());
}

/// DLG-21: what cannot be reached from here is refused, and it is said why.
#[test]
fn ways_that_are_not_ours_are_refused() {
    for (uri, why) in [
        ("sips:a@example.com", NoWay::Secure),
        ("sip:a@example.com;transport=sctp", NoWay::Transport),
        ("tel:+12125550147", NoWay::NotSip),
        ("", NoWay::NotSip),
    ] {
        assert_eq!(Destination::parse(uri), Err(why), "{uri}");
    }
}

/// DLG-21: among servers of one priority the weight is the share of those that are first; the draw is
/// the same for the same seed, and a server without weight is hardly ever drawn before the others.
#[test]
fn weights_are_shares() {
    let mut zone = Zone::default();
    zone.srv.insert(
        "_sip._udp.w.example",
        vec![
            srv(1, 0, 1, "zero"),
            srv(1, 30, 2, "small"),
            srv(1, 90, 3, "large"),
            srv(2, 9, 4, "last"),
        ],
    );
    let hosts =
        [("zero", "10.0.0.1"), ("small", "10.0.0.2"), ("large", "10.0.0.3"), ("last", "10.0.0.4")];
    zone.addresses.extend(hosts.map(|(name, address)| (name, vec![address])));
    let mut first: HashMap<String, u32> = HashMap::new();
    for seed in 0..=255 {
        let order = zone.locate_by("sip:w.example;transport=udp", seed, &OURS);
        assert_eq!(order, zone.locate_by("sip:w.example;transport=udp", seed, &OURS));
        assert_eq!(order.len(), 4);
        assert_eq!(order[3], "UDP 10.0.0.4:4", "priorities are kept apart");
        *first.entry(order[0].clone()).or_default() += 1;
    }
    let share = |target: &str| first.get(target).copied().unwrap_or_default();
    assert!((160..=215).contains(&share("UDP 10.0.0.3:3")), "{first:?}");
    assert!((40..=90).contains(&share("UDP 10.0.0.2:2")), "{first:?}");
    assert!(share("UDP 10.0.0.1:1") < 12, "{first:?}");
}

/// However much a domain says of itself, a search ends.
#[test]
fn no_domain_keeps_us_busy() {
    let mut zone = Zone::default();
    let many = (0..500).map(|port| srv(0, port, port, "h")).collect();
    zone.srv.insert("_sip._udp.example.com", many);
    zone.addresses.insert("h", vec!["10.0.0.1", "10.0.0.1", "10.0.0.2"]);
    assert_eq!(zone.locate("sip:example.com").len(), TARGETS_MAX);
    assert!(zone.asked.len() <= TARGETS_MAX + 3);
    zone.addresses.clear();
    zone.asked.clear();
    assert!(zone.locate("sip:example.com").is_empty());
    assert!(zone.asked.len() <= TARGETS_MAX + 3);
}
