//! Where the INVITEs of the focus go, and where they go next.

use std::time::Duration;

use mailbox::SessionId;
use sip_control::config::{Config, Network};
use sip_control::transport::{Protocol, Target};

use super::{
    callee::{accepted, answered, declined, heard, methods, session_of, status_of, told},
    harness::{Call, Sent, World, vectors},
    inviting::{begun, document, world},
};

const BOB: &str = "sip:bob@sea.example.net";
const NAMED: [(&str, &str); 2] =
    [("sip:bob@192.0.2.22", BOB), ("sip:carol@192.0.2.23", "mailto:nobody@example.net")];
const NUMBERED: [(&str, &str); 1] = [("sip:carol@192.0.2.23", "mailto:nobody@example.net")];

fn target(protocol: Protocol, remote: &str) -> Target {
    Target::new(protocol, remote.parse().unwrap())
}

/// A session whose focus wants to call Bob, who has a name for an address: what it asks for.
fn seeking(world: &mut World) -> (Call, Sent, SessionId) {
    let (alice, invites, notify) = begun(world);
    assert!(invites.is_empty(), "nobody knows yet where to");
    let [(session, place)] = &world.sought[..] else { panic!("{:?}", world.sought) };
    assert_eq!(place, "sea.example.net");
    let session = *session;
    (alice, notify, session)
}

fn invites(world: &mut World) -> Vec<Sent> {
    world.take_requests("INVITE")
}

fn branch(message: &Sent) -> &str {
    message.header("Via").split_once("branch=").unwrap().1.split(';').next().unwrap()
}

/// DLG-21, DLG-22: a name is looked up, and nothing waits for it but the INVITE that goes there; it
/// goes to the first place, and with another branch to the next when that one says 503 or cannot be
/// reached. Nobody hears of those.
#[test]
fn a_name_is_looked_up_and_places_are_tried_in_turn() {
    let mut world = world(&NAMED);
    let (mut alice, notify, session) = seeking(&mut world);
    assert_eq!(status_of(&notify, BOB), ["pending"]);
    let places = [
        target(Protocol::Tcp, "192.0.2.51:5060"),
        target(Protocol::Udp, "192.0.2.52:5062"),
        target(Protocol::Tcp, "192.0.2.53:5060"),
    ];
    world.locate(session, &places);
    let [first] = &invites(&mut world)[..] else { panic!() };
    assert_eq!(
        (first.start(), &*first.target),
        ("INVITE sip:bob@sea.example.net SIP/2.0", "TCP 192.0.2.51:5060")
    );
    assert_eq!(session_of(first), session);
    declined(&mut world, first, "503 Service Unavailable");
    let sent = world.take();
    assert_eq!(methods(&sent), ["ACK", "INVITE"]);
    let second = &sent[1];
    assert_eq!(second.target, "UDP 192.0.2.52:5062");
    assert_ne!(branch(second), branch(first));
    for field in ["From", "To", "Call-ID", "CSeq", "Contact"] {
        assert_eq!(second.header(field), first.header(field));
    }
    assert_eq!(second.body(), first.body());
    world.undelivered();
    let [third] = &invites(&mut world)[..] else { panic!() };
    assert_eq!(third.target, "TCP 192.0.2.53:5060");
    assert!(world.notified().is_empty());
    accepted(&mut world, third, "b1");
    let (sent, notify) = heard(&mut world);
    assert_eq!(methods(&sent), ["ACK"]);
    assert_eq!(status_of(&notify.unwrap(), BOB), ["connected"]);
    alice.bye(&mut world);
}

/// DLG-21: who says nothing at all is given up after Timer B for the next place.
#[test]
fn silence_is_no_answer() {
    let mut world = world(&NAMED);
    let (_, _, session) = seeking(&mut world);
    let places = ["192.0.2.51:5060", "192.0.2.52:5060"];
    world.locate(session, &places.map(|place| target(Protocol::Tcp, place)));
    assert_eq!(invites(&mut world)[0].target, "TCP 192.0.2.51:5060");
    world.wait(Duration::from_secs(32));
    let [second] = &invites(&mut world)[..] else { panic!() };
    assert_eq!(second.target, "TCP 192.0.2.52:5060");
    declined(&mut world, second, "503 Service Unavailable");
    assert_eq!(status_of(&told(&mut world), BOB), ["disconnected"], "that was the last");
}

/// A name that leads nowhere ends the attempt; one that is found when nobody wants it any more is of no
/// use.
#[test]
fn a_name_may_lead_nowhere_or_come_too_late() {
    let mut world = world(&NAMED);
    let (mut alice, _, session) = seeking(&mut world);
    world.locate(session, &[]);
    assert_eq!(status_of(&told(&mut world), BOB), ["disconnected"]);
    alice.bye(&mut world);

    let mut world = super::inviting::world(&NAMED);
    let (_, _, session) = seeking(&mut world);
    world.wait(Duration::from_mins(4));
    assert_eq!(status_of(&told(&mut world), BOB), ["disconnected"]);
    world.locate(session, &[target(Protocol::Tcp, "192.0.2.51:5060")]);
    assert!(invites(&mut world).is_empty());
}

/// PUB-09, ID-09: the proxy may have a name; who the focus is by its own word is said only if all
/// that is behind the name may be told.
#[test]
fn a_named_proxy_is_told_no_more_than_all_behind_it_may_know() {
    for (second, asserted) in [("192.0.2.52:5060", true), ("198.51.100.52:5060", false)] {
        let mut world = World::new(Config {
            rooms: Vec::new(),
            outbound_proxy: Some("sip:proxy.example.net;transport=tcp".to_owned()),
            trusted: vec![Network::parse("192.0.2.0/24").unwrap()],
            ..vectors()
        });
        world.regroup(&[&document(&[])]);
        let (_, none, _) = begun(&mut world);
        assert!(none.is_empty());
        assert!(world.sought.iter().all(|(_, place)| place == "proxy.example.net by TCP"));
        let places = ["192.0.2.51:5060", second].map(|place| target(Protocol::Tcp, place));
        let session = world.sought[0].0;
        world.locate(session, &places);
        let [invite] = &invites(&mut world)[..] else { panic!() };
        assert_eq!(invite.header("Route"), "<sip:proxy.example.net;transport=tcp;lr>");
        assert_eq!(invite.find("P-Asserted-Identity").is_some(), asserted, "{second}");
    }
}

/// RFC 4028 section 7.3: an INVITE whose interval is too short for somebody goes out once more with the one that is
/// asked for, in the same name and under the next number; who asks for no more is not satisfied again.
#[test]
fn an_interval_that_is_too_short_is_raised() {
    let mut world = world(&NUMBERED);
    let (_, sent, _) = begun(&mut world);
    let [first] = &sent[..] else { panic!() };
    let lines = "Min-SE: 7200\nContent-Length: 0\n\n";
    answered(&mut world, first, "422 Session Interval Too Small", "p", lines);
    let (sent, notify) = heard(&mut world);
    assert_eq!(methods(&sent), ["ACK", "INVITE"]);
    assert!(notify.is_none(), "nobody hears of it");
    let second = &sent[1];
    assert_eq!(second.header("CSeq"), "2 INVITE");
    assert_eq!(second.header("Session-Expires"), "7200;refresher=uas");
    assert_eq!(second.header("Min-SE"), "7200");
    for field in ["From", "To", "Call-ID"] {
        assert_eq!(second.header(field), first.header(field));
    }
    assert_eq!((second.body(), &second.target), (first.body(), &first.target));
    answered(&mut world, second, "422 Session Interval Too Small", "q", lines);
    let (sent, notify) = heard(&mut world);
    assert_eq!(methods(&sent), ["ACK"]);
    assert_eq!(status_of(&notify.unwrap(), "sip:bob@192.0.2.22"), ["disconnected"]);
}

/// RFC 3261 section 8.1.3.4: an invitation is sent on to the first place that may be called and was not tried, five
/// times at most; To stays as it was, and what is written behind the URI is not executed.
#[test]
fn an_invitation_is_sent_on() {
    let mut world = world(&NUMBERED);
    let (_, sent, _) = begun(&mut world);
    let [first] = &sent[..] else { panic!() };
    let moved = |world: &mut World, invite: &Sent, contacts: &str| {
        let to = format!("{};tag=m", invite.header("To"));
        let (via, from) = (invite.header("Via"), invite.header("From"));
        let (call_id, cseq) = (invite.header("Call-ID"), invite.header("CSeq"));
        world.hear(&format!(
            "SIP/2.0 302 Moved Temporarily\nVia: {via}\nFrom: {from}\nTo: {to}\n\
             Call-ID: {call_id}\nCSeq: {cseq}\nContact: {contacts}\nContent-Length: 0\n\n"
        ));
        let (sent, notify) = heard(world);
        (sent.into_iter().find(|sent| sent.start().starts_with("INVITE ")), notify)
    };
    let contacts = "<sips:bob@192.0.2.60>, <sip:bob@192.0.2.22>, \
                    <sip:bob@192.0.2.60?Replaces=x>, <sip:bob@192.0.2.61;transport=tcp>";
    let (second, notify) = moved(&mut world, first, contacts);
    assert!(notify.is_none(), "nobody hears of it");
    let mut invite = second.expect("sent on");
    assert_eq!(invite.start(), "INVITE sip:bob@192.0.2.61;transport=tcp SIP/2.0");
    assert_eq!(
        (invite.header("To"), &*invite.target),
        ("<sip:bob@192.0.2.22>", "TCP 192.0.2.61:5060")
    );
    assert_eq!(session_of(&invite), session_of(first));
    for nth in 62..66 {
        invite = moved(&mut world, &invite, &format!("<sip:bob@192.0.2.{nth}>")).0.unwrap();
    }
    let (sixth, notify) = moved(&mut world, &invite, "<sip:bob@192.0.2.66>");
    assert!(sixth.is_none());
    assert_eq!(status_of(&notify.unwrap(), "sip:bob@192.0.2.22"), ["disconnected"]);
}

/// RFC 3261 section 8.1.3.4: whoever is sent in a circle is not called there again.
#[test]
fn an_invitation_is_not_sent_in_a_circle() {
    let mut world = world(&NUMBERED);
    let (_, sent, _) = begun(&mut world);
    let [first] = &sent[..] else { panic!() };
    let lines = "Content-Length: 0\n\n";
    answered(&mut world, first, "302 Moved Temporarily", "m", lines);
    // The Contact that every answer of the device has.
    let sent = world.take();
    assert_eq!(methods(&sent), ["ACK", "INVITE"]);
    assert_eq!(sent[1].target, "TCP 192.0.2.77:5099");
    answered(&mut world, &sent[1], "302 Moved Temporarily", "m", lines);
    assert_eq!(methods(&heard(&mut world).0), ["ACK"]);
}
