//! Public joins: the answer line by line, the order of things, and one session for all.

use std::time::Duration;

use super::harness::{Core, OFFER, PROXY, World, invite, vectors};
use sip_control::{
    config::{Config, Limits},
    transport::Protocol,
};

const GARDEN: &str = "sip:garden-open@im.example.com";
const ALICE: &str = "sip:alice@example.com";
const BOB: &str = "sip:bob@example.com";

/// TV-01, byte for byte.
const TV_01: &str = "INVITE sip:garden-open@im.example.com SIP/2.0
Via: SIP/2.0/TCP proxy.example.com:5060;branch=z9hG4bKp01
Via: SIP/2.0/TCP 192.0.2.21:50231;branch=z9hG4bKc01
Record-Route: <sip:proxy.example.com;transport=tcp;lr>
Max-Forwards: 69
From: \"Alice\" <sip:alice@example.com>;tag=a01
To: <sip:garden-open@im.example.com>
Call-ID: tv01-7d2f@192.0.2.21
CSeq: 1 INVITE
Contact: <sip:alice@192.0.2.21:50231;transport=tcp>;+g.oma.sip-im;+sip.instance=\"<urn:uuid:00000000-0000-4000-8000-000000000001>\"
P-Asserted-Identity: \"Alice\" <sip:alice@example.com>
Accept-Contact: *;+g.oma.sip-im
User-Agent: IM-client/OMA1.0 demo/0.1
Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY, REFER, PRACK, UPDATE
Supported: timer, 100rel
Session-Expires: 1800
Content-Type: application/sdp
Content-Length: 327

v=0
o=- 3900000001 1 IN IP4 192.0.2.21
s=-
c=IN IP4 192.0.2.21
t=0 0
m=message 9 TCP/MSRP *
a=accept-types:message/cpim application/im-iscomposing+xml
a=accept-wrapped-types:text/plain message/imdn+xml
a=setup:active
a=path:msrp://192.0.2.21:9/k3Zq8vT1wY6uPb2nLx;tcp
a=chatroom:nickname private-messages
a=sendrecv
";

/// FOC-24, FOC-25, FOC-26, FOC-29, TMR-01, TV-01, TV-02, IMS-02: the answer to TV-01, line by line.
#[test]
fn a_public_join_is_answered_with_all_that_the_client_needs() {
    let mut config = vectors();
    config.media.wrapped_types = "text/plain message/imdn+xml".to_owned();
    config.media.size_max = 1_048_576;
    let mut world = World::new(config);
    let ok = world.ask(TV_01);
    let expected = [
        "SIP/2.0 200 OK",
        "Via: SIP/2.0/TCP proxy.example.com:5060;branch=z9hG4bKp01;received=192.0.2.1",
        "Via: SIP/2.0/TCP 192.0.2.21:50231;branch=z9hG4bKc01",
        "Record-Route: <sip:proxy.example.com;transport=tcp;lr>",
        "From: \"Alice\" <sip:alice@example.com>;tag=a01",
        &format!("To: <sip:garden-open@im.example.com>;tag={}", ok.to_tag()),
        "Call-ID: tv01-7d2f@192.0.2.21",
        "CSeq: 1 INVITE",
        "Server: IM-serv/OMA1.0 demo/0.1",
        "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, SUBSCRIBE, NOTIFY, REFER, PRACK, UPDATE",
        "Allow-Events: conference",
        "Accept: application/sdp, multipart/mixed, application/resource-lists+xml",
        "Supported: timer, 100rel, norefersub, gruu, recipient-list-invite",
        &format!(
            "Contact: <{}>;isfocus;automata;message;event=\"conference\";+g.oma.sip-im",
            ok.contact()
        ),
        "Require: timer",
        "Session-Expires: 1800;refresher=uac",
        "Content-Type: application/sdp",
        &format!("Content-Length: {}", ok.body().len()),
        "",
        "v=0",
        "o=- 2 1 IN IP4 198.51.100.5",
        "s=-",
        "c=IN IP4 198.51.100.5",
        "t=0 0",
        "m=message 2855 TCP/MSRP *",
        "a=accept-types:message/cpim",
        "a=accept-wrapped-types:text/plain message/imdn+xml",
        "a=setup:passive",
        "a=path:msrp://198.51.100.5:2855/core-2;tcp",
        "a=max-size:1048576",
        "a=chatroom:nickname private-messages",
        "a=sendrecv",
    ];
    assert_eq!(ok.text.lines().collect::<Vec<_>>(), expected);
    assert!(ok.text.ends_with("a=sendrecv\r\n"));
}

/// PUB-08: the identity is 128 bits nobody can guess, and another for each session.
#[test]
fn every_session_has_an_identity_of_its_own() {
    let mut world = World::new(vectors());
    let mut identities = Vec::new();
    for _ in 0..3 {
        let mut alice = world.join(GARDEN, ALICE);
        let identity = alice.identity();
        let token = identity.strip_prefix("sip:s-").unwrap();
        let token = token.strip_suffix("@im.example.com;gr").unwrap();
        assert!(token.len() == 32 && token.bytes().all(|octet| octet.is_ascii_hexdigit()));
        identities.push(identity);
        alice.bye(&mut world);
    }
    identities.dedup();
    assert_eq!(identities.len(), 3);
}

/// FOC-23, FOC-32, FOC-35, PUB-03, J-03: INSTALL is answered before the 200, ACTIVATE comes after
/// it, and the others hear of it last.
#[test]
fn a_join_goes_through_its_steps_in_order() {
    let mut world = World::new(vectors());
    let alice = world.join(GARDEN, ALICE);
    world.watch(&alice.identity(), ALICE);
    world.wait(Duration::from_secs(10));
    world.journal();
    world.core = Core::Silent;
    let invite = invite(&mut world, GARDEN, BOB, "", OFFER);
    world.hear(&invite);
    assert_eq!(world.journal(), ["core 0: Install sip:bob@example.com"], "no 200 without a path");
    world.answer_installs();
    let journal = world.journal();
    assert_eq!(journal.len(), 3, "{journal:?}");
    assert_eq!(journal[..2], ["sip: SIP/2.0 200 OK", "core 0: Activate"]);
    assert!(journal[2].starts_with("sip: NOTIFY "), "{journal:?}");
}

/// PUB-04: the first join makes the session, the others are in the same one.
#[test]
fn first_joins_that_race_make_one_session() {
    let mut world = World::new(vectors());
    world.core = Core::Silent;
    let invites = [ALICE, BOB, "sip:carol@example.com"]
        .map(|user| invite(&mut world, GARDEN, user, "", OFFER));
    for invite in &invites {
        world.hear(invite);
    }
    world.answer_installs();
    let identities: Vec<String> = world.take().iter().map(|ok| ok.contact().to_owned()).collect();
    assert_eq!(identities.len(), 3);
    assert!(identities.iter().all(|identity| *identity == identities[0]), "{identities:?}");
}

/// PUB-04: a creating INVITE that is refused leaves no session behind, in whichever stage.
#[test]
fn a_refused_first_join_leaves_no_session() {
    let mut world = World::new(vectors());
    world.core = Core::Full;
    let invite = invite(&mut world, GARDEN, ALICE, "", OFFER);
    let refused = world.ask(&invite);
    assert_eq!((refused.status(), refused.header("Retry-After")), (503, "2"));
    let journal = world.journal();
    assert_eq!(journal[0], "core 0: Install sip:alice@example.com");
    assert!(journal.contains(&"core 0: Close".to_owned()), "{journal:?}");
    let options = invite_to_options(&mut world, GARDEN);
    let answer = world.ask(&options);
    assert_eq!(answer.contact(), GARDEN, "no session, so no identity");
}

fn invite_to_options(world: &mut World, uri: &str) -> String {
    invite(world, uri, ALICE, "", "").replace("INVITE", "OPTIONS")
}

/// FOC-22: no answer from the core in 500 ms is 503, and an answer after that changes nothing.
#[test]
fn a_core_that_does_not_answer_in_time_is_not_waited_for() {
    let mut world = World::new(vectors());
    world.core = Core::Silent;
    let invite = invite(&mut world, GARDEN, ALICE, "", OFFER);
    world.hear(&invite);
    world.wait(Duration::from_millis(499));
    let sent = world.take();
    assert!(sent.iter().all(|sent| sent.start() == "SIP/2.0 100 Trying"), "{sent:?}");
    world.wait(Duration::from_millis(1));
    let refused = world.take().pop().unwrap();
    assert_eq!((refused.status(), refused.header("Retry-After")), (503, "2"));
    assert!(world.journal().contains(&"core 0: Remove".to_owned()));
    world.answer_installs();
    assert!(world.take().is_empty());
}

/// PUB-05, FOC-13: the last seat of a room is taken once, whoever races for it, and is free again
/// when its taker is refused after all.
#[test]
fn the_last_seat_is_taken_once() {
    let mut config = vectors();
    config.rooms[0].rules.max_participants = Some(1);
    let mut world = World::new(config);
    world.core = Core::Silent;
    let [first, second, third] = [ALICE, BOB, "sip:carol@example.com"]
        .map(|user| invite(&mut world, GARDEN, user, "", OFFER));
    world.hear(&first);
    let full = world.ask(&second);
    assert_eq!(full.verdict(), (486, Some("399 im.example.com \"Too many participants\"")));
    world.wait(Duration::from_millis(500));
    world.take();
    world.core = Core::Quick;
    assert_eq!(world.ask(&third).status(), 200, "the seat is free again");
}

/// PUB-05: nought is nobody.
#[test]
fn a_room_for_nobody_is_always_full() {
    let mut config = vectors();
    config.rooms[0].rules.max_participants = Some(0);
    let mut world = World::new(config);
    let invite = invite(&mut world, GARDEN, ALICE, "", OFFER);
    assert_eq!(world.ask(&invite).status(), 486);
}

/// POL-04: a public room admits everybody but those on its block list.
#[test]
fn the_blocked_do_not_get_into_a_public_room() {
    let mut config = vectors();
    config.rooms[0].rules.blocked = vec!["sip:mallory@EXAMPLE.net".to_owned()];
    let mut world = World::new(config);
    let invite = invite(&mut world, GARDEN, "sip:mallory@example.net;x=y", "", OFFER);
    let warning = Some("399 im.example.com \"Not allowed to join\"");
    assert_eq!(world.ask(&invite).verdict(), (403, warning));
    assert_eq!(world.refusals("blocked"), 1);
    world.join(GARDEN, "sip:anybody@example.net");
}

/// DLG-04, DLG-05: a retransmission gets nothing run a second time.
#[test]
fn a_retransmitted_invite_takes_no_second_seat() {
    let mut world = World::new(vectors());
    let invite = invite(&mut world, GARDEN, ALICE, "", OFFER).replace("SIP/2.0/TCP", "SIP/2.0/UDP");
    world.hear_from(PROXY, Protocol::Udp, &invite);
    let first = world.take();
    world.journal();
    world.hear_from(PROXY, Protocol::Udp, &invite);
    assert!(world.journal().iter().all(|line| !line.starts_with("core")));
    assert_eq!(first.len(), 1);
}

/// DLG-08: a copy that came by another path is 482, and the first one is not disturbed.
#[test]
fn a_merged_request_is_refused() {
    let mut world = World::new(vectors());
    world.core = Core::Silent;
    let invite = invite(&mut world, GARDEN, ALICE, "", OFFER);
    world.hear(&invite);
    let merged = world.ask(&invite.replace("branch=z9hG4bKi", "branch=z9hG4bKother"));
    assert_eq!(merged.status(), 482);
    world.answer_installs();
    assert_eq!(world.take()[0].status(), 200);
}

/// OPS-03: as many legs as there may be, and as many of one user in one room.
#[test]
fn legs_are_bounded() {
    let limits = Limits { legs: 2, legs_per_user: 1, ..Limits::default() };
    let mut world = World::new(Config { limits, ..vectors() });
    world.join(GARDEN, ALICE);
    let second = invite(&mut world, GARDEN, ALICE, "", OFFER);
    assert_eq!(world.ask(&second).status(), 503, "a second leg of the same user");
    world.join(GARDEN, BOB);
    let third = invite(&mut world, GARDEN, "sip:carol@example.com", "", OFFER);
    let refused = world.ask(&third);
    assert_eq!((refused.status(), refused.header("Retry-After")), (503, "10"));
}

/// OPS-03: as many sessions as there may be.
#[test]
fn sessions_are_bounded() {
    let limits = Limits { sessions: 1, ..Limits::default() };
    let mut world = World::new(Config { limits, ..vectors() });
    world.join(GARDEN, ALICE);
    let second = invite(&mut world, "sip:gardeners@groups.example.com", ALICE, "", OFFER);
    assert_eq!(world.ask(&second).status(), 503);
    world.join(GARDEN, BOB);
}

/// ID-05: one user by whichever asserted address, so no second seat.
#[test]
fn a_user_is_one_by_sip_and_by_tel() {
    let mut config = vectors();
    config.rooms[0].rules.max_participants = Some(1);
    let mut world = World::new(config);
    let tel = "P-Asserted-Identity: <tel:+1-212-555-0100>\n";
    let first = world.join_with(GARDEN, ALICE, tel);
    let second = world.join(GARDEN, "sip:+12125550100@gw.example.com;user=phone");
    assert_eq!(first.identity(), second.identity());
}

/// FOC-28: types a room was not set up with are not selected, whoever offers them.
#[test]
fn a_join_does_not_widen_the_types_of_the_session() {
    let mut config = vectors();
    config.media.wrapped_types = "text/plain".to_owned();
    let mut world = World::new(config);
    let alice = world.join(GARDEN, ALICE);
    let offer = OFFER.replace("types:text/plain", "types:text/plain image/png");
    let rejoin = invite(&mut world, &alice.identity(), BOB, "", &offer);
    let ok = world.ask(&rejoin);
    assert!(ok.body().contains("a=accept-wrapped-types:text/plain\r\n"), "{}", ok.text);
}
