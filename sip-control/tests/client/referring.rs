//! Having others called in (REF-01).

use std::time::Duration;

use sip_control::client::{CannotRefer, Event, ReferralId, Referred};
use sip_control::message::{Header, Message};

use super::peer::{IDENTITY, Scene, answer, config};

const BOB: &str = "sip:bob@example.com";
const CAROL: &str = "sip:carol@example.com";
const ALLOW: &str = "Allow: INVITE, ACK, BYE, REFER\n";

/// REF-01: one is named in Refer-To, several in a list that it points to; both go to the IM Session
/// Identity, outside of the INVITE dialog, and ask for no reports.
#[test]
fn one_is_named_and_several_are_listed() {
    let mut scene = Scene::new();
    let (leg, joined) = scene.joined(ALLOW);
    scene.client.refer(scene.now, leg, &[BOB]).unwrap();
    let refer = scene.sent();
    assert_eq!((refer.method_text(), refer.request_uri()), ("REFER", IDENTITY));
    assert_eq!(refer.header(Header::To), Some(&*format!("<{IDENTITY}>")), "no dialog");
    for (field, value) in [
        (Header::ReferTo, "<sip:bob@example.com>"),
        (Header::ReferSub, "false"),
        (Header::Supported, "norefersub"),
        (Header::CSeq, "1 REFER"),
        (Header::AcceptContact, "*;+g.oma.sip-im"),
    ] {
        assert_eq!(refer.header(field), Some(value));
    }
    assert!(refer.header(Header::Require).is_none() && refer.body().is_empty());
    scene.receive(&answer(&refer, "202 Accepted", "Refer-Sub: false\n"));
    match scene.event() {
        Some(Event::Referred { leg: of, status: Some(202) }) => assert_eq!(of, leg),
        other => panic!("{other:?}"),
    }

    scene.client.refer(scene.now, leg, &[BOB, "sip:a&b@example.com", "tel:+12125550147"]).unwrap();
    let refer = scene.sent();
    assert_eq!(refer.header(Header::Require), Some("multiple-refer, norefersub"));
    assert_eq!(refer.header(Header::ReferSub), Some("false"));
    let id = refer.header(Header::ContentId).unwrap().trim_matches(['<', '>']);
    assert_eq!(refer.header(Header::ReferTo), Some(&*format!("<cid:{id}>")));
    assert_eq!(refer.header(Header::ContentDisposition), Some("recipient-list"));
    assert_eq!(refer.header(Header::ContentType), Some("application/resource-lists+xml"));
    assert_eq!(
        refer.body(),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n\
         <resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\">\r\n<list>\r\n\
         <entry uri=\"sip:bob@example.com\"/>\r\n<entry uri=\"sip:a&amp;b@example.com\"/>\r\n\
         <entry uri=\"tel:+12125550147\"/>\r\n</list>\r\n</resource-lists>\r\n"
            .as_bytes()
    );
    scene.receive(&answer(&refer, "403 Forbidden", ""));
    assert!(matches!(scene.event(), Some(Event::Referred { status: Some(403), .. })));
    assert_eq!(joined.conversation.identity.as_deref(), Some(IDENTITY));
}

/// REF-01: where the focus wants it so, it goes inside the dialog of the leg, and shares its count.
#[test]
fn it_goes_inside_the_dialog_where_that_is_configured() {
    let mut scene = Scene::with(sip_control::client::Config { refers_within: true, ..config() });
    let (leg, _) = scene.joined(ALLOW);
    scene.client.refer(scene.now, leg, &[CAROL]).unwrap();
    let refer = scene.sent();
    assert_eq!(refer.header(Header::CSeq), Some("2 REFER"));
    assert!(refer.to().unwrap().tag().is_some(), "in the dialog");
    assert_eq!(refer.header(Header::ReferTo), Some("<sip:carol@example.com>"));
    assert_eq!(refer.header(Header::ReferSub), Some("false"));
    scene.client.leave(scene.now, leg);
    let mut sent = scene.sent();
    if sent.method_text() == "SUBSCRIBE" {
        sent = scene.sent();
    }
    assert_eq!(sent.header(Header::CSeq), Some("3 BYE"));
}

/// REJ-09: nothing is asked of a focus that has not said it serves that, nor for nobody.
#[test]
fn nothing_is_asked_that_could_not_be_done() {
    let mut scene = Scene::new();
    let waiting = scene.join();
    scene.sent();
    let refer = scene.client.refer(scene.now, waiting, &[BOB]);
    assert_eq!(refer, Err(CannotRefer::NotJoined));
    let mut scene = Scene::new();
    let (leg, _) = scene.joined("Allow: INVITE, ACK, BYE\n");
    assert_eq!(scene.client.refer(scene.now, leg, &[BOB]), Err(CannotRefer::NotServed));
    let mut scene = Scene::new();
    let (leg, _) = scene.joined(ALLOW);
    for nobody in [&[][..], &["mailto:x@example.com"], &[BOB, "sip:a@h>,<sip:b@h"], &["tel:x"]] {
        let refer = scene.client.refer(scene.now, leg, nobody);
        assert_eq!(refer, Err(CannotRefer::NoTarget), "{nobody:?}");
    }
    scene.assert_silent();
}

/// A report of the focus on what it was asked for.
fn report(refer: &Message, number: u32, event: &str, state: &str, fragment: &str) -> String {
    let body = format!("{fragment}\n");
    format!(
        "NOTIFY sip:alice@192.0.2.21:5062 SIP/2.0\n\
         Via: SIP/2.0/UDP 198.51.100.5:5060;branch=z9hG4bK-{}-{number};rport\nMax-Forwards: 70\n\
         From: <{IDENTITY}>;tag=f9c1\nTo: {}\nCall-ID: {}\nCSeq: {number} NOTIFY\n\
         Contact: <{IDENTITY}>\nEvent: {event}\nSubscription-State: {state}\n\
         Content-Type: message/sipfrag;version=2.0\nContent-Length: {}\n\n{body}",
        refer.header(Header::CallId).unwrap(),
        refer.header(Header::From).unwrap(),
        refer.header(Header::CallId).unwrap(),
        body.len() + 1,
    )
}

fn outcome(scene: &mut Scene) -> Option<(ReferralId, Referred)> {
    match scene.event()? {
        Event::Concluded { referral, outcome, .. } => Some((referral, outcome)),
        other => panic!("{other:?}"),
    }
}

/// RFC 3515 section 2.4: who is asked to report says at first that it tries, and at last how it ended.
/// That may overtake the answer, and comes to each of several who were asked for.
#[test]
fn what_becomes_of_somebody_who_is_called_is_reported() {
    let mut scene = Scene::new();
    let (leg, _) = scene.joined(ALLOW);
    for (end, expected) in [
        ("SIP/2.0 200 OK", Referred::Done),
        ("SIP/2.0 486 Busy Here", Referred::Failed(486)),
        ("SIP/2.0 100 Trying", Referred::Unheard),
        ("nonsense", Referred::Unheard),
    ] {
        let referral = scene.client.add(scene.now, leg, BOB).unwrap();
        let refer = scene.sent();
        assert_eq!((refer.method_text(), refer.request_uri()), ("REFER", IDENTITY));
        assert_eq!(refer.header(Header::ReferTo), Some("<sip:bob@example.com>"));
        assert_eq!(refer.header(Header::ReferSub), None);
        let trying = report(&refer, 1, "refer;id=1", "active;expires=60", "SIP/2.0 100 Trying");
        scene.receive(&trying);
        assert!(scene.sent().status() == Some(200) && outcome(&mut scene).is_none());
        scene.receive(&answer(&refer, "202 Accepted", ""));
        assert!(outcome(&mut scene).is_none());
        scene.receive(&report(&refer, 2, "refer", "terminated;reason=noresource", end));
        assert_eq!(scene.sent().status(), Some(200));
        assert_eq!(outcome(&mut scene), Some((referral, expected)), "{end}");
        // Nobody waits for more of it.
        scene.receive(&report(&refer, 3, "refer", "terminated;reason=noresource", end));
        assert_eq!(scene.sent().status(), Some(481));
        assert!(scene.event().is_none());
    }
}

/// REF-05: who is to go is named with the method BYE; what is no member's address is not even sent.
#[test]
fn a_member_is_put_out_by_its_address() {
    let mut scene = Scene::new();
    let (leg, _) = scene.joined(ALLOW);
    let referral = scene.client.expel(scene.now, leg, CAROL).unwrap();
    let refer = scene.sent();
    assert_eq!(refer.header(Header::ReferTo), Some("<sip:carol@example.com;method=BYE>"));
    scene.receive(&answer(&refer, "403 Forbidden", ""));
    assert_eq!(outcome(&mut scene), Some((referral, Referred::Refused(403))));
    for nobody in ["tel:+12125550147", "carol", "sip:a@h?x=y"] {
        let expelled = scene.client.expel(scene.now, leg, nobody);
        assert_eq!(expelled, Err(CannotRefer::NoTarget), "{nobody}");
    }
    scene.assert_silent();
}

/// RFC 4488: a focus may say that it will not report; one that says nothing at all is not waited for.
#[test]
fn who_does_not_report_is_not_waited_for() {
    let mut scene = Scene::new();
    let (leg, _) = scene.joined(ALLOW);
    let first = scene.client.add(scene.now, leg, BOB).unwrap();
    let refer = scene.sent();
    scene.receive(&answer(&refer, "202 Accepted", "Refer-Sub: false\n"));
    assert_eq!(outcome(&mut scene), Some((first, Referred::Tried)));

    let second = scene.client.add(scene.now, leg, BOB).unwrap();
    let refer = scene.sent();
    scene.receive(&answer(&refer, "202 Accepted", ""));
    scene.pass(Duration::from_secs(89));
    assert!(outcome(&mut scene).is_none());
    scene.pass(Duration::from_secs(1));
    assert_eq!(outcome(&mut scene), Some((second, Referred::Unheard)));

    let third = scene.client.add(scene.now, leg, BOB).unwrap();
    scene.pass(Duration::from_secs(32));
    assert_eq!(outcome(&mut scene), Some((third, Referred::Unheard)));
}

/// REF-01: inside the dialog of the leg, REFERs are told apart by their numbers (RFC 3515 section 2.4.6).
#[test]
fn reports_inside_a_dialog_are_told_apart() {
    let mut scene = Scene::with(sip_control::client::Config { refers_within: true, ..config() });
    let (leg, _) = scene.joined(ALLOW);
    let first = scene.client.add(scene.now, leg, BOB).unwrap();
    let one = scene.sent();
    let second = scene.client.add(scene.now, leg, CAROL).unwrap();
    let two = scene.sent();
    assert_eq!(
        (one.header(Header::CSeq), two.header(Header::CSeq)),
        (Some("2 REFER"), Some("3 REFER"))
    );
    let end = "terminated;reason=noresource";
    scene.receive(&report(&one, 1, "refer;id=3", end, "SIP/2.0 603 Decline"));
    assert_eq!(outcome(&mut scene), Some((second, Referred::Failed(603))));
    scene.receive(&report(&one, 2, "refer;id=2", end, "SIP/2.0 200 OK"));
    assert_eq!(outcome(&mut scene), Some((first, Referred::Done)));
}
