//! Where the requests of a client go, and where they go next.

use std::time::Duration;

use sip_control::client::{Config, Event, Failure, NextHop, Privacy, listen, start};
use sip_control::locate::{Answer, Destination, Dns, Naptr, Question, Srv};
use sip_control::message::{Header, Message};
use sip_control::transport::{Protocol, Target};

use super::dns::{NAPTR, Zone};
use super::peer::*;
use super::running::run;
use super::server::{focus, run_local};
use super::switch::Switch;

const EVE: &str = "192.0.2.51:5060";
const ODA: &str = "192.0.2.52:5070";

fn udp(remote: &str) -> Target {
    Target::new(Protocol::Udp, remote.parse().unwrap())
}

fn located() -> Scene {
    Scene::with(Config { next_hop: NextHop::Located, ..config() })
}

fn place(uri: &str) -> Destination {
    Destination::parse(uri).unwrap()
}

fn branch(message: &Message) -> Option<String> {
    message.top_via().unwrap().branch().map(str::to_owned)
}

/// DLG-21, REJ-08: without a proxy the way is where RFC 3263 leads for the Request-URI. A place that
/// says 503 is left for the next, with another branch; the dialog goes to where it was made.
#[test]
fn places_are_tried_in_turn() {
    let mut scene = located();
    let leg = scene.join();
    scene.assert_silent();
    assert_eq!(scene.client.poll_lookup(), Some(place("sip:im.example.com")));
    assert_eq!(scene.client.poll_lookup(), None);
    let room = place("sip:im.example.com");
    scene.client.handle_located(scene.now, &room, &[udp(EVE), udp(ODA)]);
    let (first, at) = scene.sent_to();
    assert_eq!((first.request_uri(), at.to_string()), (ROOM, EVE.to_owned()));
    scene.receive(&answer(&first, "503 Service Unavailable", ""));
    assert_eq!(scene.sent().method_text(), "ACK");
    let (second, at) = scene.sent_to();
    assert_eq!(at.to_string(), ODA);
    assert_ne!(branch(&second), branch(&first));
    for field in [Header::From, Header::To, Header::CallId, Header::CSeq] {
        assert_eq!(second.header(field), first.header(field));
    }
    assert_eq!(body(&second), body(&first));
    assert!(scene.event().is_none());

    // The session has the name of the room's host, so it is known where it is.
    scene.receive(&ok(&second, &contact(IDENTITY)));
    let (ack, at) = scene.sent_to();
    assert_eq!((ack.method_text(), at.to_string()), ("ACK", ODA.to_owned()));
    assert!(matches!(scene.event(), Some(Event::Joined { .. })));
    scene.client.leave(scene.now, leg);
    assert_eq!(scene.client.poll_lookup(), None);
    let (bye, at) = scene.sent_to();
    assert_eq!((bye.method_text(), at.to_string()), ("BYE", ODA.to_owned()));
}

/// DLG-21: so is one that does not answer by Timer B; the last word is that of the last place.
#[test]
fn silence_leads_on_and_ends_with_the_last_place() {
    let mut scene = located();
    scene.join();
    let room = scene.client.poll_lookup().unwrap();
    scene.client.handle_located(scene.now, &room, &[udp(EVE), udp(ODA)]);
    assert_eq!(scene.sent_to().1.to_string(), EVE);
    scene.pass(Duration::from_millis(31_900));
    while scene.client.poll_transmit().is_some() {}
    scene.pass(Duration::from_millis(100));
    assert_eq!(scene.sent_to().1.to_string(), ODA);
    assert!(scene.event().is_none());
    scene.pass(Duration::from_secs(32));
    let Some(Event::Failed { failed, .. }) = scene.event() else { panic!() };
    assert_eq!(failed.failure, Failure::Timeout);
}

/// A name that leads nowhere ends the attempt; who has changed his mind by then has, and nothing is
/// sent at all.
#[test]
fn a_name_may_lead_nowhere_or_not_be_wanted_any_more() {
    let mut scene = located();
    scene.join();
    let room = scene.client.poll_lookup().unwrap();
    scene.client.handle_located(scene.now, &room, &[]);
    let Some(Event::Failed { failed, .. }) = scene.event() else { panic!() };
    assert_eq!(failed.failure, Failure::Unreachable);

    let mut scene = located();
    let leg = scene.join();
    let room = scene.client.poll_lookup().unwrap();
    scene.client.leave(scene.now, leg);
    let Some(Event::Failed { failed, .. }) = scene.event() else { panic!() };
    assert_eq!(failed.failure, Failure::Withdrawn);
    scene.client.handle_located(scene.now, &room, &[udp(EVE)]);
    scene.assert_silent();
}

/// DLG-21, REJ-11: a focus that gives a name of its own is looked up before it is acknowledged, and
/// nobody connects before that; copies of the 200 change nothing. A name that leads nowhere is where
/// its owner was met.
#[test]
fn a_dialog_goes_to_where_its_contact_leads() {
    for (found, to) in [(&["198.51.100.7:5060"][..], "198.51.100.7:5060"), (&[], EVE)] {
        let mut scene = located();
        let leg = scene.join();
        let room = scene.client.poll_lookup().unwrap();
        scene.client.handle_located(scene.now, &room, &[udp(EVE)]);
        let invite = scene.sent();
        let ok = ok(&invite, &contact("sip:s-1@node7.example.net;gr"));
        scene.receive(&ok);
        scene.receive(&ok);
        scene.assert_silent();
        assert!(scene.event().is_none());
        let node = scene.client.poll_lookup().unwrap();
        assert_eq!((&node, scene.client.poll_lookup()), (&place("sip:node7.example.net"), None));
        let found: Vec<Target> = found.iter().map(|remote| udp(remote)).collect();
        scene.client.handle_located(scene.now, &node, &found);
        let (ack, at) = scene.sent_to();
        assert_eq!((ack.method_text(), at.to_string()), ("ACK", to.to_owned()));
        assert!(matches!(scene.event(), Some(Event::Joined { .. })));
        scene.assert_silent();
        scene.client.leave(scene.now, leg);
        assert_eq!(scene.sent_to().1.to_string(), to);
    }
}

/// DLG-21, REJ-08: a route goes before the Request-URI, and an outbound proxy before both. Addresses
/// are looked up by nobody.
#[test]
fn the_way_leads_by_proxies() {
    let route = vec!["<sip:p1.example.com;transport=tcp;lr>".to_owned()];
    let proxy = NextHop::Proxy("sip:edge.example.com:5080".to_owned());
    for (next_hop, place_of) in [
        (NextHop::Located, "sip:p1.example.com;transport=tcp"),
        (proxy, "sip:edge.example.com:5080"),
    ] {
        let route = route.clone();
        let mut scene = Scene::with(Config { next_hop, route, ..config() });
        scene.join();
        assert_eq!(scene.client.poll_lookup(), Some(place(place_of)));
    }
    let mut scene = located();
    scene.client.join(scene.now, "sip:lobby@192.0.2.61:5066", Privacy::None).unwrap();
    assert_eq!(scene.client.poll_lookup(), None);
    assert_eq!(scene.sent_to().1.to_string(), "192.0.2.61:5066");
}

/// DLG-21: what a DNS server puts into packets is what is found in them.
#[test]
fn records_are_read_as_they_are_on_the_wire() {
    run(async {
        let rule = b"\0\x0a\0\x14\x01s\x07SIP+D2T\0\x04_sip\x04_tcp\x02im\x04test\0";
        let zone = Zone::default()
            .with("im.test", NAPTR, rule)
            .server("_sip._tcp.im.test", 7, 5070, b"\x03one\x02im\x04test\0")
            .host("one.im.test");
        let dns = Dns::new(&[zone.serve().await]).unwrap();
        let rule = Naptr {
            order: 10,
            preference: 20,
            flags: "s".to_owned(),
            services: "SIP+D2T".to_owned(),
            has_regexp: false,
            replacement: "_sip._tcp.im.test".to_owned(),
        };
        let asked = dns.ask(Question::Naptr("im.test".to_owned())).await;
        assert_eq!(asked, Answer::Naptr(vec![rule]));
        let server = Srv { priority: 7, weight: 0, port: 5070, host: "one.im.test".to_owned() };
        let asked = dns.ask(Question::Srv("_sip._tcp.im.test".to_owned())).await;
        assert_eq!(asked, Answer::Srv(vec![server]));
        let asked = dns.ask(Question::Addresses("one.im.test".to_owned())).await;
        assert_eq!(asked, Answer::Addresses(vec!["127.0.0.1".parse().unwrap()]));
        for nothing in ["nobody.im.test", "two..dots", &"x".repeat(300)] {
            let asked = dns.ask(Question::Addresses(nothing.to_owned())).await;
            assert_eq!(asked, Answer::Addresses(Vec::new()), "{nothing}");
            let asked = dns.ask(Question::Srv(nothing.to_owned())).await;
            assert_eq!(asked, Answer::Srv(Vec::new()), "{nothing}");
        }
    });
}

/// DLG-21: from the name of a room to its focus, by the DNS: past a server that refuses the
/// connection, to the one that serves.
#[test]
fn a_room_is_found_by_its_name() {
    run_local(async {
        let switch = Switch::answering("200 OK").await;
        let [_, tcp] = focus(switch.address, |config| "im.test".clone_into(&mut config.host)).await;
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let refusing = closed.local_addr().unwrap().port();
        drop(closed);
        let rule = b"\0\x01\0\x01\x01s\x07SIP+D2T\0\x04_sip\x04_tcp\x02im\x04test\0";
        let zone = Zone::default()
            .with("im.test", NAPTR, rule)
            .server("_sip._tcp.im.test", 2, tcp.port(), b"\x03two\x02im\x04test\0")
            .server("_sip._tcp.im.test", 1, refusing, b"\x03one\x02im\x04test\0")
            .host("one.im.test")
            .host("two.im.test")
            .host("im.test");
        let dns_servers = vec![zone.serve().await];
        let (transport, contact) = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let user = "sip:alice@example.com";
        let config = Config::new(user, contact, NextHop::Located);
        let alice = start(Config { dns_servers, ..config }, transport).unwrap();
        let session = alice.join("sip:lobby@im.test", Privacy::None).await.unwrap();
        session.send("text/plain", b"found").await.unwrap();
        session.leave().await;
        let nowhere = alice.join("sip:lobby@nowhere.test", Privacy::None).await;
        assert!(nowhere.is_err());
    });
}
