//! Having others called in (REF-01).

use sip_control::client::{CannotRefer, Event};
use sip_control::message::Header;

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
