//! The focus calls: the members of a group whose document wants that, as the simplest reason to.

use std::time::Duration;

use sip_control::config::{Config, Network};

use mailbox::FailureCause;

use super::{
    callee::{
        ANSWER, accepted, answered, declined, heard, methods, session_of, status_of, to, told,
    },
    harness::{AUDIO, Call, OFFER, Sent, World, connected, invite, path_of, vectors},
};

const GROUP: &str = "sip:gardeners@groups.example.com";
const ALICE: &str = "sip:alice@192.0.2.21";
const BOB: &str = "sip:bob@192.0.2.22";
const CAROL: &str = "sip:carol@192.0.2.23";
const TEL: &str = "tel:+12125550147";

/// A group of four that invites its members, the rest of its document being that of section 5.1.
pub fn document(changes: &[(&str, &str)]) -> String {
    let catalogue = include_str!("../../spec/sip-control.md");
    let section = catalogue.split_once("### 5.1 ").expect("a section 5.1").1;
    let minimal = section.split("```\n").nth(1).expect("a document");
    let carol = "<entry uri=\"sip:carol@192.0.2.23\"/>\n    </list>";
    let mut document = minimal
        .replace("sip:alice@example.com", ALICE)
        .replace("sip:bob@example.com", BOB)
        .replace("</list>", carol)
        .replace("<invite-members>false", "<invite-members>true")
        .replace("<max-participant-count>3", "<max-participant-count>9");
    for (from, to) in changes {
        assert!(document.contains(from), "{from}");
        document = document.replace(from, to);
    }
    document
}

/// A focus with that group; telephone numbers can be called by a proxy only, and there is none.
pub fn world(changes: &[(&str, &str)]) -> World {
    let mut world = World::new(Config { rooms: Vec::new(), ..vectors() });
    world.regroup(&[&document(changes)]);
    world
}

/// Alice begins a session and watches it: her call, the INVITEs that follow, and the first NOTIFY.
pub fn begun(world: &mut World) -> (Call, Vec<Sent>, Sent) {
    let invite = invite(world, GROUP, ALICE, "", OFFER);
    world.take();
    world.journal();
    world.hear(&invite);
    let sent = world.take();
    let ok = sent.iter().find(|sent| sent.status() == 200).expect("a 200").clone();
    let call = Call::of(ok);
    call.ack(world);
    world.bound(call.session());
    let invites = sent.into_iter().filter(|sent| sent.start().starts_with("INVITE ")).collect();
    let identity = call.identity();
    let (_, notify) = world.watch(&identity, ALICE);
    (call, invites, notify)
}

/// PUB-07, PUB-09: when a session of such a group has begun, all its other members are invited, in
/// the name of the group.
#[test]
fn the_members_of_a_group_are_invited_once_its_session_has_begun() {
    let mut world = world(&[]);
    let (alice, invites, _) = begun(&mut world);
    let called: Vec<&str> = invites.iter().map(Sent::start).collect();
    assert_eq!(
        called,
        ["INVITE sip:bob@192.0.2.22 SIP/2.0", "INVITE sip:carol@192.0.2.23 SIP/2.0"],
        "and Alice herself is not, nor a number that nobody knows the way to"
    );
    let invite = to(&invites, BOB);
    let identity = alice.identity();
    let contact =
        format!("<{identity}>;isfocus;automata;message;event=\"conference\";+g.oma.sip-im");
    let from = invite.header("From").strip_prefix("<sip:gardeners@groups.example.com>;tag=");
    assert!(from.is_some_and(|tag| tag.len() >= 8), "{}", invite.text);
    for (name, value) in [
        ("To", "<sip:bob@192.0.2.22>"),
        ("CSeq", "1 INVITE"),
        ("Max-Forwards", "70"),
        ("Contact", contact.as_str()),
        ("Accept-Contact", "*;+g.oma.sip-im"),
        ("P-Asserted-Identity", "<sip:gardeners@groups.example.com>"),
        ("User-Agent", "IM-serv/OMA1.0 demo/0.1"),
        ("Subject", "Roses and other matters"),
        ("Session-Expires", "1800;refresher=uas"),
        ("Content-Type", "application/sdp"),
    ] {
        assert_eq!(invite.header(name), value, "{name}");
    }
    // What a device says before its answer is acknowledged by nobody, so it is not asked for.
    assert_eq!(invite.header("Supported"), "timer, norefersub, gruu, recipient-list-invite");
    let path = format!("a=path:{}", path_of(session_of(&invite)).as_str());
    for line in ["m=message 2855 TCP/MSRP *", "a=setup:actpass", &path] {
        assert!(invite.body().lines().any(|shown| shown == line), "{line}:\n{}", invite.body());
    }
    assert_ne!(session_of(&invite), session_of(&to(&invites, CAROL)), "a path of its own");
    assert_ne!(invite.header("Call-ID"), to(&invites, CAROL).header("Call-ID"));
}

/// PUB-07: where the document does not want it nobody is invited, nor by who joins later.
#[test]
fn a_chat_group_invites_nobody() {
    let mut world = world(&[("<invite-members>true", "<invite-members>false")]);
    assert!(begun(&mut world).1.is_empty());
    let mut world = self::world(&[]);
    let (_, invites, _) = begun(&mut world);
    declined(&mut world, &to(&invites, BOB), "603 Decline");
    world.take();
    world.join(GROUP, BOB);
    assert!(world.take_requests("INVITE").is_empty(), "only when it begins");
}

/// PUB-07: no more are invited than there are seats, and those first who are required.
#[test]
fn no_more_are_invited_than_there_are_seats_for() {
    let two = ("<max-participant-count>9", "<max-participant-count>2");
    let mut world = world(&[two]);
    let (_, invites, _) = begun(&mut world);
    assert_eq!(invites.len(), 1);
    let required = "<oxe:required-participants-list><oxe:entry uri=\"sip:carol@192.0.2.23\"/>\
                    </oxe:required-participants-list>\n    <oxe:subject>";
    let mut world = self::world(&[two, ("<oxe:subject>", required)]);
    let (_, invites, _) = begun(&mut world);
    let called: Vec<&str> = invites.iter().map(Sent::start).collect();
    assert_eq!(called, ["INVITE sip:carol@192.0.2.23 SIP/2.0"]);
}

/// PUB-09, PUB-10, EVT-06: the route is there before the call, and becomes a recipient after the
/// ACK of the 200; the roster tells what is going on.
#[test]
fn whoever_accepts_is_in() {
    let mut world = world(&[]);
    let (_, invites, notify) = begun(&mut world);
    let order: Vec<String> = world.journal();
    let at = |line: &str| order.iter().position(|at| at.contains(line)).expect(line);
    assert!(at("Install without media sip:bob") < at("INVITE sip:bob"), "{order:?}");
    assert_eq!(connected(&notify), [ALICE]);
    assert_eq!(status_of(&notify, BOB), ["pending"]);
    assert!(notify.body().contains("<user-count>1</user-count>"), "{}", notify.body());

    let invite = to(&invites, BOB);
    world.journal();
    accepted(&mut world, &invite, "b1");
    let order = world.journal();
    let (sent, notify) = heard(&mut world);
    let (ack, notify) = (&sent[0], notify.expect("a NOTIFY"));
    assert_eq!(ack.start(), "ACK sip:device-b1@192.0.2.77:5099;transport=tcp SIP/2.0");
    assert_eq!(ack.header("CSeq"), "1 ACK");
    assert_eq!(
        order[..3],
        [
            "sip: ACK sip:device-b1@192.0.2.77:5099;transport=tcp SIP/2.0",
            "core 0: Policy msrp://192.0.2.22:9/dev1ceB2ob3;tcp",
            "core 0: Activate",
        ]
    );
    world.bound(session_of(&invite));
    assert_eq!(connected(&notify), [ALICE, BOB]);
    assert!(notify.body().contains("<joining-method>dialed-out</joining-method>"));
    assert!(notify.body().contains("<user-count>2</user-count>"), "{}", notify.body());

    // A leg like any other: it ends with a BYE of either side.
    let bye = format!(
        "BYE {} SIP/2.0\nVia: SIP/2.0/TCP 192.0.2.77;branch=z9hG4bKbye\nMax-Forwards: 70\n\
         From: {};tag=b1\nTo: {}\nCall-ID: {}\nCSeq: 1 BYE\nContent-Length: 0\n\n",
        invite.contact(),
        invite.header("To"),
        invite.header("From"),
        invite.header("Call-ID")
    );
    assert_eq!(world.ask_for("SIP/2.0", &bye).status(), 200);
    assert!(world.journal().contains(&"core 0: Remove".to_owned()));
}

/// PUB-10, EVT-08: whoever does not come is out of the room, and the roster tells why, never that
/// somebody has departed.
#[test]
fn a_declined_invitation_is_told_as_what_it_is() {
    for (status, method, reason) in [
        ("486 Busy Here", "busy", "SIP;cause=486;text=&quot;Busy Here&quot;"),
        ("600 Busy Everywhere", "busy", "SIP;cause=600;text=&quot;Busy Everywhere&quot;"),
        ("603 Decline", "failed", "SIP;cause=603;text=&quot;Decline&quot;"),
        ("404 Not Found", "failed", "SIP;cause=404;text=&quot;Not Found&quot;"),
    ] {
        let mut world = world(&[]);
        let (_, invites, _) = begun(&mut world);
        world.journal();
        declined(&mut world, &to(&invites, BOB), status);
        let (sent, notify) = heard(&mut world);
        assert_eq!(methods(&sent), ["ACK"], "{status}");
        assert!(world.journal().contains(&"core 0: Remove".to_owned()), "{status}");
        let notify = notify.expect("a NOTIFY");
        assert_eq!(status_of(&notify, BOB), ["disconnected"], "{status}");
        let expected = format!("<disconnection-method>{method}</disconnection-method>");
        assert!(notify.body().contains(&expected), "{}", notify.body());
        assert!(notify.body().contains(&format!("<reason>Reason: {reason}</reason>")));
        assert!(!notify.body().contains("departed"), "{}", notify.body());
    }
}

/// PUB-10, EVT-08: nobody rings for ever. The CANCEL waits until there is something to cancel, and
/// a yes that crosses it is ended with a BYE.
#[test]
fn who_does_not_answer_in_time_is_not_waited_for() {
    let mut world = world(&[]);
    let (_, invites, _) = begun(&mut world);
    let (bob, carol) = (to(&invites, BOB), to(&invites, CAROL));
    answered(&mut world, &bob, "180 Ringing", "b1", "Content-Length: 0\n\n");
    world.take();
    world.journal();
    world.wait(Duration::from_secs(50));
    let sent = world.take();
    let cancels: Vec<&str> =
        sent.iter().map(Sent::start).filter(|start| start.starts_with("CANCEL")).collect();
    assert_eq!(cancels, ["CANCEL sip:bob@192.0.2.22 SIP/2.0"], "Carol's device said nothing");
    assert!(world.journal().contains(&"core 0: Remove".to_owned()));
    accepted(&mut world, &bob, "b1");
    let sent = world.take();
    assert_eq!(methods(&sent), ["ACK", "BYE"]);
    let reason = "SIP;cause=200;text=\"Call completed elsewhere\"";
    assert_eq!(sent[1].header("Reason"), reason);
    accepted(&mut world, &carol, "c1");
    assert!(
        world.take_requests("BYE").is_empty(),
        "given up 18 s ago, and nobody listens any more"
    );
}

/// PUB-10: a call that finds nobody is over as soon as that is known.
#[test]
fn silence_and_want_of_media_end_a_call() {
    let mut world = world(&[]);
    let (_, invites, _) = begun(&mut world);
    let bob = to(&invites, BOB);
    answered(&mut world, &bob, "180 Ringing", "b1", "Content-Length: 0\n\n");
    // Nobody connected to the session within the time the cores allow.
    world.failed(session_of(&bob), FailureCause::Unbound);
    let (sent, _) = heard(&mut world);
    assert_eq!(methods(&sent), ["CANCEL"]);
    world.wait(Duration::from_secs(32));
    let notify = told(&mut world);
    assert_eq!(connected(&notify), [ALICE]);
    assert_eq!(status_of(&notify, CAROL), ["disconnected"]);
    assert!(notify.body().contains("SIP;cause=408;text=&quot;Request Timeout&quot;"));
}

/// DLG-06: every fork that says yes is acknowledged, and all but the first are sent away.
#[test]
fn only_one_fork_gets_in() {
    let mut world = world(&[]);
    let (_, invites, _) = begun(&mut world);
    let bob = to(&invites, BOB);
    accepted(&mut world, &bob, "b1");
    world.take();
    accepted(&mut world, &bob, "b2");
    let sent = world.take();
    assert_eq!(methods(&sent), ["ACK", "BYE"]);
    assert!(sent.iter().all(|sent| sent.start().contains("sip:device-b2@")));
    accepted(&mut world, &bob, "b1");
    let again = world.take();
    assert_eq!(again.len(), 1, "the ACK once more");
    assert!(again[0].start().starts_with("ACK sip:device-b1@"), "{}", again[0].text);
    world.wait(Duration::from_secs(33));
    accepted(&mut world, &bob, "b3");
    assert!(world.take_requests("ACK").is_empty(), "too late to be a fork");
}

/// FOC-21, PUB-10: an answer that cannot be used is acknowledged, and the leg ends with a BYE.
#[test]
fn an_unusable_answer_ends_the_leg() {
    let mut world = world(&[]);
    let (_, invites, _) = begun(&mut world);
    let content = format!("Content-Type: application/sdp\nContent-Length: ?\n\n{AUDIO}");
    world.journal();
    answered(&mut world, &to(&invites, BOB), "200 OK", "b1", &content);
    let (sent, notify) = heard(&mut world);
    assert_eq!(methods(&sent), ["ACK", "BYE"]);
    assert_eq!(sent[1].header("Reason"), "SIP;cause=488;text=\"No usable answer\"");
    let order = world.journal();
    assert!(order.contains(&"core 0: Remove".to_owned()), "{order:?}");
    assert!(!order.contains(&"core 0: Activate".to_owned()), "{order:?}");
    assert_eq!(status_of(&notify.expect("a NOTIFY"), BOB), ["disconnected"]);
}

/// FOC-11: an invitation holds no seat. Whoever says yes when there is none left is sent
/// away.
#[test]
fn the_seat_is_taken_with_the_yes() {
    let mut world = world(&[("<max-participant-count>9", "<max-participant-count>2")]);
    let (_, invites, _) = begun(&mut world);
    world.join(GROUP, CAROL);
    accepted(&mut world, &to(&invites, BOB), "b1");
    let (sent, notify) = heard(&mut world);
    let bye = sent.iter().find(|sent| sent.start().starts_with("BYE ")).expect("a BYE");
    assert_eq!(bye.header("Reason"), "SIP;cause=486;text=\"Too many participants\"");
    assert_eq!(connected(&notify.expect("a NOTIFY")), [ALICE, CAROL]);
}

/// PUB-10: whoever comes by itself need not be called any more, and is one user all the time.
#[test]
fn who_joins_meanwhile_is_not_called_any_more() {
    let mut world = world(&[]);
    let (_, invites, _) = begun(&mut world);
    let bob = to(&invites, BOB);
    answered(&mut world, &bob, "180 Ringing", "b1", "Content-Length: 0\n\n");
    world.take();
    let invite = invite(&mut world, GROUP, BOB, "", OFFER);
    world.hear(&invite);
    let (sent, notify) = heard(&mut world);
    assert!(sent.iter().any(|sent| sent.start() == "CANCEL sip:bob@192.0.2.22 SIP/2.0"));
    let notify = notify.expect("a NOTIFY");
    assert_eq!(status_of(&notify, BOB), ["connected"]);
    assert_eq!(connected(&notify), [ALICE, BOB]);
}

/// LEAVE-05, LEAVE-09: a session lives as long as an invitation is pending, and takes it along when
/// it ends.
#[test]
fn a_session_waits_for_those_who_are_invited() {
    let mut world = world(&[]);
    let (mut alice, invites, _) = begun(&mut world);
    alice.bye(&mut world);
    accepted(&mut world, &to(&invites, BOB), "b1");
    assert_eq!(world.take_requests("ACK").len(), 1);
    assert!(!world.journal().contains(&"core 0: Close".to_owned()));
    answered(&mut world, &to(&invites, CAROL), "180 Ringing", "c1", "Content-Length: 0\n\n");
    world.take();
    world.regroup(&[]);
    let sent = world.take();
    assert!(sent.iter().any(|sent| sent.start() == "CANCEL sip:carol@192.0.2.23 SIP/2.0"));
    assert!(sent.iter().any(|sent| sent.start().starts_with("BYE sip:device-b1@")));
    assert!(world.journal().contains(&"core 0: Close".to_owned()));
}

/// PUB-09: a hop that is not trusted is not told who the focus is by its own word; with a
/// proxy all goes there, numbers too.
#[test]
fn the_outbound_proxy_takes_all_calls_and_is_told_no_more_than_it_may() {
    for (trusted, asserted) in [("192.0.2.0/24", true), ("192.0.2.1", false)] {
        let mut world = World::new(Config {
            rooms: Vec::new(),
            outbound_proxy: Some("sip:192.0.2.9;transport=tcp".to_owned()),
            trusted: vec![Network::parse(trusted).unwrap()],
            ..vectors()
        });
        world.regroup(&[&document(&[])]);
        let (_, invites, _) = begun(&mut world);
        assert_eq!(invites.len(), 3);
        let tel = to(&invites, TEL);
        assert_eq!(tel.header("Route"), "<sip:192.0.2.9;transport=tcp;lr>");
        assert_eq!(tel.header("To"), "<tel:+12125550147>");
        assert!(tel.header("Via").starts_with("SIP/2.0/TCP "), "{}", tel.text);
        assert_eq!(tel.find("P-Asserted-Identity").is_some(), asserted, "{trusted}");
    }
}

/// EVT-06: with `transient_states` the roster tells whether a device rings.
#[test]
fn rosters_tell_of_ringing_when_they_shall() {
    let mut world = World::new(Config { rooms: Vec::new(), transient_states: true, ..vectors() });
    world.regroup(&[&document(&[])]);
    let (_, invites, notify) = begun(&mut world);
    assert_eq!(status_of(&notify, BOB), ["dialing-out"]);
    answered(&mut world, &to(&invites, BOB), "180 Ringing", "b1", "Content-Length: 0\n\n");
    assert_eq!(status_of(&told(&mut world), BOB), ["alerting"]);
}

/// msrp/CEMA-07: whoever accepts from behind a middlebox that does not know of itself is acknowledged, and
/// offered the media without a word of it.
#[test]
fn who_accepts_from_behind_a_middlebox_is_offered_again() {
    let mut world = world(&[]);
    let (_, invites, _) = begun(&mut world);
    let invite = to(&invites, BOB);
    assert!(invite.body().contains("a=msrp-cema\r\n"));
    world.journal();
    let moved = ANSWER
        .replace("c=IN IP4 192.0.2.22", "c=IN IP4 203.0.113.1")
        .replace("message 9", "message 7000")
        .replace("192.0.2.22:9/", "192.0.2.22:7654/");
    let content = format!("Content-Type: application/sdp\nContent-Length: ?\n\n{moved}");
    answered(&mut world, &invite, "200 OK", "b1", &content);
    let (sent, _) = heard(&mut world);
    assert_eq!(methods(&sent), ["ACK", "INVITE"]);
    let again = &sent[1];
    assert!(!again.body().contains("cema") && session_of(again) == session_of(&invite));
    assert!(world.journal().iter().all(|line| !line.contains("Activate")));
    let lines = "Contact: <sip:device-b1@192.0.2.77:5099>\nContent-Type: application/sdp\n";
    world.answer_body(again, "200 OK", lines, ANSWER);
    let journal = world.journal();
    let policy = "core 0: Policy msrp://192.0.2.22:9/dev1ceB2ob3;tcp";
    assert_eq!(journal[1..3], [policy, "core 0: Activate"], "{journal:?}");
}
