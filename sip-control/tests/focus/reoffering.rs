//! Offers within a leg: what stays, what changes, and what is as it was when it comes to nothing.

use std::time::Duration;

use mailbox::{FailureCause, SessionId};

use super::{
    ending::cancel_of,
    harness::{AUDIO, Call, Core, OFFER, Sent, World, vectors},
};

const GARDEN: &str = "sip:garden-open@im.example.com";
const ALICE: &str = "sip:alice@example.com";
const BOB: &str = "sip:bob@example.com";
const OLD: &str = "msrp://192.0.2.22:9/cX2vB5nM8kL1jH4gFd;tcp";
const NEW: &str = "msrp://192.0.2.22:9/another4gFdcX2vB5n;tcp";
const TERMS: &str = "SendReceive None None";

fn moved() -> String {
    OFFER.replace(OLD, NEW)
}

/// Alice has joined and is there; nothing that led to it is left in the books.
fn joined() -> (World, Call, u64) {
    let mut world = World::new(vectors());
    let alice = world.join(GARDEN, ALICE);
    world.bound(alice.session());
    world.orders();
    world.journal();
    let session = alice.session().0;
    (world, alice, session)
}

/// The line of that type.
fn line<'a>(sent: &'a Sent, of: &str) -> &'a str {
    sent.body().lines().find(|line| line.starts_with(of)).unwrap_or_else(|| panic!("{}", sent.text))
}

fn session(sent: &Sent) -> u64 {
    let path = line(sent, "a=path:");
    path.split("/core-").nth(1).unwrap().strip_suffix(";tcp").unwrap().parse().unwrap()
}

/// SDP-21, msrp/SDP-18, msrp/SDP-19: whatever of it is written anew, an offer of the same is answered
/// with the same, and nothing is ordered.
#[test]
fn the_same_offer_is_a_refresh() {
    let (mut world, mut alice, _) = joined();
    let answer = alice.ok.body().to_owned();
    let renumbered = OFFER.replace("o=- 3900000006 1", "o=- 3900000006 2");
    for (method, offer) in [("INVITE", OFFER), ("UPDATE", OFFER), ("INVITE", renumbered.as_str())] {
        let ok = alice.offer(&mut world, method, "", offer);
        assert_eq!((ok.status(), ok.body()), (200, answer.as_str()));
        if method == "INVITE" {
            alice.ack(&mut world);
        }
    }
    assert_eq!(world.orders(), [""; 0]);
}

/// SDP-21, SDP-15, SDP-22, msrp/SDP-18, msrp/SDP-29, msrp/CTRL-04: other types, another size, another
/// direction, other tokens are one order for the session that goes on; the answer says so under the
/// next version.
#[test]
fn other_terms_are_a_policy_for_the_same_session() {
    let (mut world, mut alice, session) = joined();
    let path = line(&alice.ok, "a=path:").to_owned();
    let version = |sent: &Sent| line(sent, "o=").split(' ').nth(2).unwrap().to_owned();
    assert_eq!(version(&alice.ok), "1");
    let wider = OFFER.replace("types:text/plain", "types:text/plain text/html");
    let with = |line: &str| format!("{OFFER}{line}\n");
    for (method, offer, terms, answered, number) in [
        ("UPDATE", with("a=sendonly"), "FromPeer None None", "a=recvonly", "2"),
        ("INVITE", with("a=recvonly"), "ToPeer None None", "a=sendonly", "3"),
        ("UPDATE", with("a=inactive"), "Inactive None None", "a=inactive", "4"),
        ("INVITE", with("a=max-size:4000"), "SendReceive Some(4000) None", "a=sendrecv", "5"),
        (
            "UPDATE",
            with("a=chatroom:nickname"),
            "SendReceive None Some(Chatroom { nickname: true, private_messages: false })",
            "a=sendrecv",
            "5",
        ),
        ("UPDATE", OFFER.to_owned(), TERMS, "a=sendrecv", "5"),
        ("UPDATE", wider, TERMS, "a=accept-wrapped-types:text/html text/plain", "6"),
    ] {
        let ok = alice.offer(&mut world, method, "", &offer);
        assert_eq!(ok.status(), 200, "{}", ok.text);
        assert_eq!(world.orders(), [format!("Policy {session} {OLD} {terms}")]);
        assert!(ok.body().contains(answered), "{}", ok.text);
        assert_eq!((version(&ok).as_str(), line(&ok, "a=path:")), (number, path.as_str()));
        if method == "INVITE" {
            alice.ack(&mut world);
        }
    }
}

/// SDP-21, SDP-15, msrp/SDP-17, msrp/SDP-18, msrp/SDP-20, FOC-23: a new path is a new session, which
/// is there before the answer names it; from then on new messages are due to it alone, and the one
/// before goes when it is bound.
#[test]
fn a_new_path_is_a_new_session() {
    for method in ["INVITE", "UPDATE"] {
        let (mut world, mut alice, old) = joined();
        let ok = alice.offer(&mut world, method, "", &moved());
        assert_eq!(ok.status(), 200, "{}", ok.text);
        let new = session(&ok);
        assert_ne!(new, old);
        let first = line(&alice.ok, "o=").replace(" 1 IN", " 2 IN");
        assert_eq!(line(&ok, "o="), first);
        assert_eq!(
            world.orders(),
            [
                format!("Install {new} {NEW} {TERMS}"),
                format!("Policy {old} {OLD} FromPeer None None"),
                format!("Activate {new}"),
            ]
        );
        let order = ["core 0: Install sip:alice@example.com", "sip: SIP/2.0 200 OK"];
        assert_eq!(world.journal()[..2], order);
        if method == "INVITE" {
            alice.ack(&mut world);
        }
        world.wait(Duration::from_secs(20));
        assert_eq!(world.orders(), [""; 0]);
        world.bound(SessionId(new));
        assert_eq!(world.orders(), [format!("Remove {old}")]);

        // What is said of the former session does not matter any more.
        world.failed(SessionId(old), FailureCause::ConnectionLost);
        world.wait(Duration::from_secs(100));
        assert!(world.take_requests("BYE").is_empty());
        assert_eq!(alice.bye(&mut world).status(), 200);
        assert_eq!(world.orders(), [format!("Remove {new}")]);
    }
}

/// SDP-21: another side connects, so it is another session, whatever the path.
#[test]
fn another_setup_is_a_new_session() {
    let (mut world, mut alice, old) = joined();
    let waiting = OFFER
        .replace("message 9", "message 7654")
        .replace("192.0.2.22:9/", "192.0.2.22:7654/")
        .replace("setup:active", "setup:actpass");
    let second = session(&alice.offer(&mut world, "UPDATE", "", &waiting));
    assert_ne!(second, old);
    let ok = alice.offer(&mut world, "UPDATE", "", &waiting);
    assert_eq!(session(&ok), second, "active or actpass, the peer connects");
    let ok = alice.offer(&mut world, "UPDATE", "", &waiting.replace("actpass", "passive"));
    assert_eq!((ok.status(), line(&ok, "a=setup:")), (200, "a=setup:active"));
    assert_ne!(session(&ok), second);
}

/// msrp/SDP-20, FOC-33: a session that is not taken up ends the leg; the one before it may live for
/// 60 s, if the new one has as long.
#[test]
fn a_new_session_that_nobody_comes_to_is_not_waited_for_for_ever() {
    let mut config = vectors();
    config.timers.binding = Duration::from_secs(100);
    let mut world = World::new(config);
    let mut alice = world.join(GARDEN, ALICE);
    let old = alice.session().0;
    world.bound(SessionId(old));
    let new = session(&alice.offer(&mut world, "UPDATE", "", &moved()));
    world.orders();
    world.wait(Duration::from_millis(59_999));
    assert_eq!(world.orders(), [""; 0]);
    world.wait(Duration::from_millis(1));
    assert_eq!(world.orders(), [format!("Remove {old}")]);
    world.wait(Duration::from_millis(39_999));
    assert!(world.take_requests("BYE").is_empty());
    world.wait(Duration::from_millis(1));
    let bye = world.take_requests("BYE").pop().expect("a BYE");
    assert!(bye.header("Reason").contains("MSRP connection not established"));
    assert_eq!(world.orders(), [format!("Remove {new}")]);
}

/// SDP-21, msrp/SDP-20: from one session to the next and the next: each goes, none twice.
#[test]
fn no_session_of_a_leg_is_forgotten() {
    let (mut world, mut alice, first) = joined();
    let other = |name: &str| OFFER.replace("cX2vB5nM8kL1jH4gFd", name);
    let second = session(&alice.offer(&mut world, "UPDATE", "", &other("second")));
    let third = session(&alice.offer(&mut world, "UPDATE", "", &other("third")));
    let removed = |orders: Vec<String>| -> Vec<String> {
        orders.into_iter().filter(|order| order.starts_with("Remove")).collect()
    };
    // Nobody ever came to the second.
    assert_eq!(removed(world.orders()), [format!("Remove {first}"), format!("Remove {second}")]);
    world.bound(SessionId(third));
    let fourth = session(&alice.offer(&mut world, "UPDATE", "", &other("fourth")));
    world.core = Core::Silent;
    let invite = alice.offering(&mut world, "INVITE", "", &other("fifth"));
    world.hear(&invite);
    let fifth = world.orders().pop().unwrap().split(' ').nth(1).unwrap().to_owned();
    let bye = alice.next(&mut world, "BYE", "Content-Length: 0\n\n");
    world.take();
    world.hear(&bye);
    let answers: Vec<(u16, String)> =
        world.take().iter().map(|sent| (sent.status(), sent.header("CSeq").to_owned())).collect();
    // DLG-14: the BYE is answered, and so is what was open.
    assert_eq!(answers, [(200, "6 BYE".to_owned()), (487, "5 INVITE".to_owned())]);
    let all = [fourth, third].map(|session| format!("Remove {session}"));
    assert_eq!(world.orders(), [&all[..], &[format!("Remove {fifth}")]].concat());
    world.core = Core::Quick;
    world.answer_installs();
    assert!(world.take().is_empty());
}

/// SDP-21, msrp/SDP-21: port 0 takes the leg out of the room and leaves it its seat and its dialog; a
/// later offer brings it back, as another session, for there is none to go on with.
#[test]
fn port_0_holds_and_another_offer_resumes() {
    let (mut world, mut alice, old) = joined();
    let (mut bob, _) = world.watch(GARDEN, ALICE);
    let held = OFFER.replace("m=message 9", "m=message 0");
    for round in 0..2 {
        let ok = alice.offer(&mut world, "INVITE", "", &held);
        alice.ack(&mut world);
        assert_eq!((ok.status(), line(&ok, "m=")), (200, "m=message 0 TCP/MSRP *"));
        assert!(!ok.body().contains("a=path"), "{}", ok.text);
        let orders = if round == 0 { vec![format!("Remove {old}")] } else { Vec::new() };
        assert_eq!(world.orders(), orders, "held once is held");
    }
    world.wait(Duration::from_secs(600));
    assert!(world.take_requests("BYE").is_empty(), "the dialog stays");
    let ok = alice.offer(&mut world, "UPDATE", "", OFFER);
    let new = session(&ok);
    assert_eq!(world.orders(), [format!("Install {new} {OLD} {TERMS}"), format!("Activate {new}")]);
    world.bound(SessionId(new));
    world.wait(Duration::from_secs(100));
    assert!(world.take_requests("BYE").is_empty());
    assert_eq!(bob.bye(&mut world).status(), 481, "a subscription has no BYE");
    assert_eq!(alice.bye(&mut world).status(), 200);
    assert_eq!(world.orders(), [format!("Remove {new}")]);
}

/// SDP-21, msrp/SDP-17: who has lost its connection and offers the same again is given a session that
/// works, and not the one that is dead.
#[test]
fn a_dead_session_is_not_offered_again() {
    let (mut world, mut alice, old) = joined();
    world.failed(SessionId(old), FailureCause::ConnectionLost);
    world.wait(Duration::from_secs(10));
    let ok = alice.offer(&mut world, "INVITE", "", OFFER);
    alice.ack(&mut world);
    let new = session(&ok);
    assert_ne!(new, old);
    let orders = [
        format!("Install {new} {OLD} {TERMS}"),
        format!("Remove {old}"),
        format!("Activate {new}"),
    ];
    assert_eq!(world.orders(), orders);
    world.bound(SessionId(new));
    world.wait(Duration::from_secs(100));
    assert!(world.take_requests("BYE").is_empty());
}

/// SDP-21, DLG-11: what cannot be used is refused as a first offer would be, and nothing changes: not
/// the session, not its terms, not where the peer is, not when it is due for a refresh.
#[test]
fn a_refused_offer_changes_nothing() {
    let mut world = World::new(vectors());
    let timed = "Supported: timer\nSession-Expires: 90\n";
    let mut alice = world.join_with(GARDEN, ALICE, timed);
    world.bound(alice.session());
    world.orders();
    let two_lines = format!("{OFFER}m=audio 0 RTP/AVP 0\n");
    for (offer, warning) in [
        (AUDIO.to_owned(), "304 im.example.com \"Media type not available\""),
        (
            moved().replace("message/cpim", "text/plain"),
            "305 im.example.com \"Incompatible media format\"",
        ),
        ("v=1".to_owned(), "399 im.example.com \"Malformed session description\""),
    ] {
        let refused = alice.offer(&mut world, "INVITE", timed, &offer);
        assert_eq!((refused.verdict(), refused.body()), ((488, Some(warning)), ""));
    }
    let short = "Supported: timer\nSession-Expires: 30\n";
    assert_eq!(alice.offer(&mut world, "UPDATE", short, &moved()).status(), 422);
    for (core, wait) in [(Core::Full, 0), (Core::Silent, 500)] {
        world.core = core;
        let invite = alice.offering(&mut world, "INVITE", timed, &moved());
        world.take();
        world.hear(&invite);
        world.wait(Duration::from_millis(wait));
        let refused = world.take().into_iter().find(|sent| sent.status() >= 200).unwrap();
        assert_eq!((refused.status(), refused.header("Retry-After")), (503, "2"));
        let orders = world.orders();
        let new = orders[0].split(' ').nth(1).unwrap();
        // Of what a core has refused there is nothing to be removed.
        let removed = (core == Core::Silent).then(|| format!("Remove {new}"));
        assert_eq!(orders[1..], removed.into_iter().collect::<Vec<_>>());
    }
    world.core = Core::Quick;
    world.answer_installs();
    assert_eq!(world.orders(), [""; 0]);

    // The next offer, of two lines, and then of one: a line may not be taken away.
    assert_eq!(alice.offer(&mut world, "UPDATE", timed, &two_lines).status(), 200);
    let refused = alice.offer(&mut world, "UPDATE", timed, OFFER);
    let warning = "399 im.example.com \"Media lines are missing\"";
    assert_eq!(refused.verdict(), (488, Some(warning)));

    let mut bob = world.join_with(GARDEN, BOB, timed);
    world.bound(bob.session());
    world.wait(Duration::from_secs(59));
    assert_eq!(bob.offer(&mut world, "INVITE", timed, AUDIO).status(), 488);
    world.wait(Duration::from_secs(1));
    let byes = world.take_requests("BYE");
    let [alice, bob] = &byes[..] else { panic!("neither was refreshed") };
    assert!(alice.start().starts_with("BYE sip:again@192.0.2.22"), "that one was answered");
    assert!(bob.start().starts_with("BYE sip:u"), "a refused request does not move the target");
}

/// SDP-21, DLG-11, DLG-15: a re-INVITE may be withdrawn while its session is being installed; then
/// nothing is left of it.
#[test]
fn a_withdrawn_offer_changes_nothing() {
    let (mut world, mut alice, _) = joined();
    world.core = Core::Silent;
    let invite = alice.offering(&mut world, "INVITE", "", &moved());
    world.hear(&invite);
    let new = world.orders().pop().unwrap().split(' ').nth(1).unwrap().to_owned();
    world.take();
    world.hear(&cancel_of(&invite));
    let answers: Vec<u16> = world.take().iter().map(Sent::status).collect();
    assert_eq!(answers, [200, 487]);
    assert_eq!(world.orders(), [format!("Remove {new}")]);
    world.answer_installs();
    assert_eq!((world.orders(), world.take().len()), (Vec::new(), 0));
    assert_eq!(alice.offer(&mut world, "UPDATE", "", OFFER).status(), 200);
    assert_eq!(world.orders(), [""; 0], "the session that was is still in force");
}

/// DLG-11: while an offer of the peer is not answered the next one is too early, by INVITE as well as by
/// UPDATE; a refresh without one is not.
#[test]
fn a_second_offer_before_the_first_is_answered_is_500() {
    let (mut world, mut alice, _) = joined();
    world.core = Core::Silent;
    let invite = alice.offering(&mut world, "INVITE", "", &moved());
    world.hear(&invite);
    world.take();
    let mut waits = Vec::new();
    for (method, offer) in [("INVITE", OFFER), ("INVITE", ""), ("UPDATE", OFFER)].repeat(8) {
        let refused = alice.offer(&mut world, method, "", offer);
        assert_eq!(refused.status(), 500, "{method}");
        waits.push(refused.header("Retry-After").parse::<u32>().unwrap());
    }
    assert!(waits.iter().all(|wait| *wait <= 10) && waits.iter().any(|wait| *wait != waits[0]));
    assert_eq!(alice.offer(&mut world, "UPDATE", "", "").status(), 200);
    world.core = Core::Quick;
    world.answer_installs();
    let ok = world.take().pop().unwrap();
    assert_eq!((ok.status(), ok.header("CSeq")), (200, "2 INVITE"));
}

/// FOC-21, SDP-21, DLG-11, msrp/SDP-17, msrp/SDP-18: a re-INVITE without an offer gets ours, of the session
/// as it is, in all lines that there ever were; what the ACK answers is in force from then on, and
/// without an answer all stays.
#[test]
fn a_re_invite_without_an_offer_gets_ours() {
    let (mut world, mut alice, session) = joined();
    let two_lines = format!("{OFFER}m=audio 4000 RTP/AVP 0\n");
    assert_eq!(alice.offer(&mut world, "UPDATE", "", &two_lines).status(), 200);
    let ok = alice.offer(&mut world, "INVITE", "", "");
    let path = line(&alice.ok, "a=path:");
    assert_eq!((ok.status(), line(&ok, "a=path:")), (200, path));
    assert_eq!((line(&ok, "a=setup:"), line(&ok, "a=sendrecv")), ("a=setup:actpass", "a=sendrecv"));
    assert!(ok.body().ends_with("m=audio 0 RTP/AVP 0\r\n"), "{}", ok.body());
    assert_eq!(alice.offer(&mut world, "UPDATE", "", OFFER).status(), 491, "ours is open");
    assert_eq!(alice.offer(&mut world, "INVITE", "", "").status(), 491);
    world.orders();
    let answer = two_lines.replace(OLD, NEW) + "a=x\n";
    let sdp = "Content-Type: application/sdp\nContent-Length: ?\n\n";
    alice.ack_of(&mut world, &ok, &format!("{sdp}{answer}"));
    assert_eq!(world.orders(), [format!("Policy {session} {NEW} {TERMS}")]);

    let ok = alice.offer(&mut world, "INVITE", "", "");
    alice.ack_of(&mut world, &ok, "Content-Length: 0\n\n");
    assert_eq!((world.orders(), world.take().len()), (Vec::new(), 0), "all as it was");
    assert_eq!(alice.offer(&mut world, "UPDATE", "", &answer).status(), 200);
    assert_eq!(world.orders(), [""; 0], "the last answer is in force");
}

/// FOC-21, FOC-23, msrp/SDP-17: on hold there is no session to offer, so the offer is of a new one; it
/// becomes a recipient with the answer.
#[test]
fn an_offer_of_ours_is_of_a_session_that_is_there() {
    let (mut world, mut alice, _) = joined();
    let held = OFFER.replace("m=message 9", "m=message 0");
    alice.offer(&mut world, "UPDATE", "", &held);
    world.orders();
    let ok = alice.offer(&mut world, "INVITE", "", "");
    let new = session(&ok);
    assert_eq!(world.orders(), [format!("Install {new} no peer")]);
    let sdp = "Content-Type: application/sdp\nContent-Length: ?\n\n";
    alice.ack_of(&mut world, &ok, &format!("{sdp}{OFFER}"));
    let orders = [format!("Policy {new} {OLD} {TERMS}"), format!("Activate {new}")];
    assert_eq!(world.orders(), orders);
    alice.offer(&mut world, "UPDATE", "", &held);
    let ok = alice.offer(&mut world, "INVITE", "", "");
    alice.ack_of(&mut world, &ok, "Content-Length: 0\n\n");
    let bye = world.take_requests("BYE").pop().expect("nothing to go on with");
    assert_eq!(bye.header("Reason"), "SIP;cause=488;text=\"No usable answer\"");
}

/// msrp/NICK-11, msrp/NICK-15: by another path a leg is called as before, and what it is called then is told
/// as it was before.
#[test]
fn a_nickname_goes_with_the_leg() {
    let (mut world, mut alice, _) = joined();
    world.watch(&alice.identity(), ALICE);
    let told = |world: &mut World| {
        world.wait(Duration::from_secs(6));
        world.notified().iter().map(|notify| notify.body().to_owned()).collect::<String>()
    };
    world.renamed(alice.session(), Some("Al"));
    assert!(told(&mut world).contains("xcon:nickname=\"Al\""));
    let ok = alice.offer(&mut world, "UPDATE", "", &moved());
    assert_eq!(world.routes[1].nickname.as_deref(), Some("Al"));
    world.bound(SessionId(session(&ok)));
    assert_eq!(told(&mut world), "");
    world.renamed(SessionId(session(&ok)), Some("Allie"));
    assert!(told(&mut world).contains("xcon:nickname=\"Allie\""));
}
