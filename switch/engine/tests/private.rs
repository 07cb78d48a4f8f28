//! Messages to one participant: the vectors of the catalogue and what follows from them, on literal
//! bytes through the real engine, on one core and on three.

mod common;

use std::time::Duration;

use common::{
    Member, Node, fresh_id,
    lobby::{ALICE, BOB, Fixture, TV_01, alice, bob, carol},
    masked,
};
use engine::Limits;
use mailbox::{Chatroom, Direction, RoomPolicy};

/// A room that allows private messages.
fn open_policy() -> RoomPolicy {
    RoomPolicy { private_messages: true, ..RoomPolicy::default() }
}

/// Declares `a=chatroom:private-messages`.
fn private(member: Member<'static>) -> Member<'static> {
    Member { chatroom: Some(Chatroom { private_messages: true, ..Chatroom::default() }), ..member }
}

fn on(core: usize, member: Member<'static>) -> Member<'static> {
    Member { core, ..member }
}

/// Alice, Bob who takes private messages, Carol who does not: on one core, and each on one of three.
fn rooms() -> [Fixture; 2] {
    let together = [alice(), private(bob()), carol()];
    let apart = [on(1, alice()), private(on(2, bob())), carol()];
    [
        Fixture::of(Node::under(1, open_policy()), &together),
        Fixture::of(Node::under(3, open_policy()), &apart),
    ]
}

/// The same, where a message that falls silent is given up before its unanswered copies are.
fn impatient_rooms() -> [Fixture; 2] {
    let limits = Limits { message_silence_max: Duration::from_secs(5), ..Limits::default() };
    let node = |cores| {
        let mut node = Node::with(cores, &limits, 10_485_760);
        std::sync::Arc::make_mut(&mut node.terms).policy = open_policy();
        node
    };
    [
        Fixture::of(node(1), &[alice(), private(bob()), carol()]),
        Fixture::of(node(3), &[on(1, alice()), private(on(2, bob())), carol()]),
    ]
}

/// A SEND of Alice's.
fn send(tid: &str, headers: &str, body: &str) -> String {
    let mid = fresh_id();
    format!(
        "MSRP {tid} SEND\r\nTo-Path: {{alice}}\r\nFrom-Path: {ALICE}\r\nMessage-ID: {mid}\r\n\
        {headers}Content-Type: message/cpim\r\n\r\n{body}\r\n-------{tid}$\r\n"
    )
}

/// What Alice wraps for somebody.
fn wrapped(to: &str, rest: &str) -> String {
    format!("To: <{to}>\r\nFrom: <sip:alice@example.org>\r\n\r\nContent-Type: {rest}")
}

fn psst(to: &str) -> String {
    wrapped(to, "text/plain\r\n\r\nPsst")
}

/// The status Alice is answered.
fn status(room: &mut Fixture, tid: &str, body: &str) -> String {
    room.say(&send(tid, "", body));
    let answer = room.node.output(room.alice.0);
    let rest = answer.strip_prefix(&format!("MSRP {tid} ")).expect("one answer").to_owned();
    rest[..3].to_owned()
}

const TV_29: &str = "MSRP pr1vat329aaaabbb SEND\r\n\
    To-Path: {alice}\r\n\
    From-Path: msrp://alice.example.org:7654/aL4c8Vn1Xy0B;tcp\r\n\
    Message-ID: priv0001\r\n\
    Byte-Range: 1-92/92\r\n\
    Content-Type: message/cpim\r\n\
    \r\n\
    To: <sip:bob@example.net>\r\n\
    From: <sip:alice@example.org>\r\n\
    \r\n\
    Content-Type: text/plain\r\n\
    \r\n\
    Psst\r\n\
    -------pr1vat329aaaabbb$\r\n";

/// TV-29, PRIV-01: it goes to the one participant it names, as it came, and to nobody else.
#[test]
fn a_private_message_goes_to_its_participant_alone() {
    for mut room in rooms() {
        room.say(TV_29);
        let [alice, bob, carol] = room.heard();
        let expected = format!(
            "MSRP pr1vat329aaaabbb 200 OK\r\nTo-Path: {ALICE}\r\nFrom-Path: {}\r\n\
            -------pr1vat329aaaabbb$\r\n",
            room.alice.1
        );
        assert_eq!(alice, expected);
        let expected = format!(
            "MSRP {{tid}} SEND\r\n\
            To-Path: {BOB}\r\n\
            From-Path: {}\r\n\
            Message-ID: {{mid}}\r\n\
            Byte-Range: 1-92/92\r\n\
            Content-Type: message/cpim\r\n\
            \r\n\
            To: <sip:bob@example.net>\r\n\
            From: <sip:alice@example.org>\r\n\
            \r\n\
            Content-Type: text/plain\r\n\
            \r\n\
            Psst\r\n\
            -------{{tid}}$\r\n",
            room.bob.1
        );
        let (text, tid, mid) = masked(&bob);
        assert_eq!(text, expected);
        assert!(tid != "pr1vat329aaaabbb" && mid != "priv0001");
        assert_eq!(carol, "");
    }
}

/// PRIV-03, TV-29, CHAT-06: where the room allows none, nobody learns who is there, and nothing that
/// is not for the room goes to the room.
#[test]
fn a_room_without_private_messages_refuses_them_all_alike() {
    let members = [alice(), private(bob()), carol()];
    let mut room = Fixture::of(Node::new(1), &members);
    room.say(TV_29);
    assert!(room.heard()[0].starts_with("MSRP pr1vat329aaaabbb 403 "));
    for to in ["sip:carol@example.com", "sip:nobody@example.net", "urn:example:bob"] {
        assert_eq!(status(&mut room, "f0rb1dden", &psst(to)), "403", "{to}");
    }
    assert_eq!(room.heard(), ["", "", ""]);
}

/// PRIV-03: the same for a member who may write to no single other, where others may.
#[test]
fn a_member_may_be_refused_what_others_may() {
    let members = [Member { may_whisper: false, ..alice() }, private(bob()), private(carol())];
    let mut room = Fixture::of(Node::new(1), &members);
    for to in ["sip:bob@example.net", "sip:nobody@example.net", "urn:example:bob"] {
        assert_eq!(status(&mut room, "f0rb1dden", &psst(to)), "403", "{to}");
    }
    room.say(TV_29);
    assert!(room.heard()[0].starts_with("MSRP pr1vat329aaaabbb 403 "));
    room.say(TV_01);
    assert!(room.heard()[0].starts_with("MSRP a786hjs2Kd0Qw1Er 200 "), "the room it may write to");
}

/// TV-30, PRIV-02, CODE-05: nobody with that address is in the room, whatever kind of address it is.
#[test]
fn a_private_message_to_nobody_is_404() {
    for mut room in rooms() {
        room.say(
            "MSRP nob0dy30aaaabbbb SEND\r\n\
            To-Path: {alice}\r\n\
            From-Path: msrp://alice.example.org:7654/aL4c8Vn1Xy0B;tcp\r\n\
            Message-ID: nob00001\r\n\
            Byte-Range: 1-95/95\r\n\
            Content-Type: message/cpim\r\n\
            \r\n\
            To: <sip:nobody@example.net>\r\n\
            From: <sip:alice@example.org>\r\n\
            \r\n\
            Content-Type: text/plain\r\n\
            \r\n\
            Psst\r\n\
            -------nob0dy30aaaabbbb$\r\n",
        );
        let expected = format!(
            "MSRP nob0dy30aaaabbbb 404 Cannot resolve recipient\r\nTo-Path: {ALICE}\r\n\
            From-Path: {}\r\n-------nob0dy30aaaabbbb$\r\n",
            room.alice.1
        );
        assert_eq!(room.heard()[0], expected);
        assert_eq!(status(&mut room, "urn00001", &psst("urn:example:bob")), "404");
        assert_eq!(status(&mut room, "typo0001", &psst("sip:bob@example.ne")), "404");
        let bare =
            psst("sip:bob@example.net").replace("<sip:bob@example.net>", "sip:bob@example.net");
        assert_eq!(status(&mut room, "bare0001", &bare), "400");
        let none = psst("x:y").replace("To: <x:y>\r\n", "");
        assert_eq!(status(&mut room, "none0001", &none), "400");
        assert_eq!(room.heard(), ["", "", ""]);
    }
}

/// TV-31, PRIV-04, PRIV-05, CODE-11: what the recipient has not declared to take is not forwarded,
/// and goes to those sessions of it that have.
#[test]
fn only_sessions_that_take_private_messages_get_them() {
    for (mut room, core) in rooms().into_iter().zip([0, 1]) {
        room.say(
            "MSRP nopr1v31aaaabbbb SEND\r\n\
            To-Path: {alice}\r\n\
            From-Path: msrp://alice.example.org:7654/aL4c8Vn1Xy0B;tcp\r\n\
            Message-ID: npm00001\r\n\
            Byte-Range: 1-94/94\r\n\
            Content-Type: message/cpim\r\n\
            \r\n\
            To: <sip:carol@example.com>\r\n\
            From: <sip:alice@example.org>\r\n\
            \r\n\
            Content-Type: text/plain\r\n\
            \r\n\
            Psst\r\n\
            -------nopr1v31aaaabbbb$\r\n",
        );
        let [alice, bob, carol_heard] = room.heard();
        let expected = format!(
            "MSRP nopr1v31aaaabbbb 428 Private messages not supported\r\nTo-Path: {ALICE}\r\n\
            From-Path: {}\r\n-------nopr1v31aaaabbbb$\r\n",
            room.alice.1
        );
        assert_eq!((alice, bob, carol_heard), (expected, String::new(), String::new()));

        let (second, _) = room.node.bound(&private(on(core, carol())));
        assert_eq!(status(&mut room, "s3cond00", &psst("sip:carol@example.com")), "200");
        assert_eq!(room.node.output(second).matches("Psst").count(), 1);
        assert_eq!(room.heard(), ["", "", ""]);
    }
}

/// PRIV-04, SDP-29: what counts is what the peer has declared last, and that it takes content at all.
#[test]
fn support_is_what_was_declared_last() {
    for (mut room, core) in [Node::under(1, open_policy()), Node::under(2, open_policy())]
        .map(|node| Fixture::of(node, &[alice(), carol(), carol()]))
        .into_iter()
        .zip([0, 1])
    {
        let bob = private(on(core, bob()));
        let (_, _, session) = room.node.bound_as(&bob);
        let try_bob = |room: &mut Fixture| status(room, "b0b00000", &psst("sip:bob@example.net"));
        assert_eq!(try_bob(&mut room), "200");
        room.node.describe(
            &on(core, Member { chatroom: None, ..private(common::lobby::bob()) }),
            session,
        );
        assert_eq!(try_bob(&mut room), "428");
        room.node.describe(&bob, session);
        assert_eq!(try_bob(&mut room), "200");
        let deaf =
            Member { direction: Direction::FromPeer, ..private(on(core, common::lobby::bob())) };
        room.node.describe(&deaf, session);
        assert_eq!(try_bob(&mut room), "428");
    }
}

/// PRIV-06: with several devices each that takes private messages gets a copy, wherever it is.
#[test]
fn every_supporting_session_of_the_recipient_gets_a_copy() {
    for (mut room, cores) in rooms().into_iter().zip([[0, 0], [1, 0]]) {
        let others = cores.map(|core| room.node.bound(&private(on(core, bob()))).0);
        room.say(TV_29);
        let [alice, bob, carol] = room.heard();
        assert!(alice.starts_with("MSRP pr1vat329aaaabbb 200 ") && carol.is_empty());
        for output in [bob, room.node.output(others[0]), room.node.output(others[1])] {
            assert_eq!(output.matches("Psst").count(), 1);
        }
    }
}

/// PRIV-07: who writes, to how many, and what: all that is checked before anybody is looked for.
#[test]
fn the_sender_is_checked_before_the_recipient_is_looked_up() {
    for mut room in rooms() {
        let nobody = psst("sip:nobody@example.net");
        let forged = nobody.replace("alice@example.org", "bob@example.net");
        assert_eq!(status(&mut room, "f0rged00", &forged), "403");
        let twice = format!("To: <sip:nobody@example.org>\r\n{nobody}");
        assert_eq!(status(&mut room, "tw1ce000", &twice), "403");
        let untyped = nobody.replace("Content-Type: text/plain\r\n", "");
        assert_eq!(status(&mut room, "untyped0", &untyped), "400");
        assert_eq!(status(&mut room, "n0body00", &nobody), "404");
    }
}

/// PRIV-08, CHAT-35: an anonymous participant writes and is written to under its alias, and
/// its address means nobody.
#[test]
fn an_anonymous_participant_is_known_by_its_alias_alone() {
    let hidden = |member: Member<'static>| Member {
        address: "sip:anon-7f3a@chat.example.com",
        is_anonymous: true,
        ..member
    };
    let rooms = [
        Fixture::of(Node::under(1, open_policy()), &[hidden(alice()), private(bob()), carol()]),
        Fixture::of(
            Node::under(3, open_policy()),
            &[hidden(on(1, alice())), private(on(2, bob())), carol()],
        ),
    ];
    for mut room in rooms {
        let psst = psst("sip:bob@example.net");
        assert_eq!(status(&mut room, "rea1addr", &psst), "403");
        let as_alias = psst.replace("sip:alice@example.org", "sip:anon-7f3a@chat.example.com");
        assert_eq!(status(&mut room, "al1as000", &as_alias), "200");
        assert!(room.heard()[1].contains("From: <sip:anon-7f3a@chat.example.com>"));
    }
    let hidden_bob =
        Member { address: "sip:anon-1@chat.example.com", is_anonymous: true, ..private(bob()) };
    let mut room = Fixture::of(Node::under(1, open_policy()), &[alice(), hidden_bob, carol()]);
    assert_eq!(status(&mut room, "rea1addr", &psst("sip:bob@example.net")), "404");
    assert_eq!(status(&mut room, "al1as000", &psst("sip:anon-1@chat.example.com")), "200");
    assert_eq!(room.heard()[1].matches("Psst").count(), 1);
}

/// PRIV-10: a single recipient that cannot take the message is told of.
#[test]
fn what_the_single_recipient_cannot_take_is_refused() {
    let small = |member| Member { size_max: Some(200), ..private(member) };
    let rooms = [
        Fixture::of(Node::under(1, open_policy()), &[alice(), small(bob()), carol()]),
        Fixture::of(Node::under(2, open_policy()), &[on(1, alice()), small(bob()), carol()]),
    ];
    for mut room in rooms {
        let picture = wrapped("sip:bob@example.net", "image/png\r\n\r\nx");
        assert_eq!(status(&mut room, "p1cture0", &picture), "415");
        let long = psst("sip:bob@example.net") + &"x".repeat(200);
        assert_eq!(status(&mut room, "l0ng0000", &long), "413");
        let beginning = send("beg1nn1n", "Byte-Range: 1-92/201\r\n", &psst("sip:bob@example.net"));
        room.say(&beginning.replace("-------beg1nn1n$", "-------beg1nn1n+"));
        assert!(room.heard()[0].starts_with("MSRP beg1nn1n 413 "));
        assert_eq!(room.heard(), ["", "", ""]);
        // Another device that can is enough.
        let (other, _) = room.node.bound(&private(bob()));
        assert_eq!(status(&mut room, "l0ng0001", &long), "200");
        assert_eq!(room.node.output(other).matches("Psst").count(), 1);
        assert_eq!(room.heard(), ["", "", ""]);
    }
}

/// PRIV-11: one may write to oneself, and gets it on every device.
#[test]
fn a_private_message_to_oneself_goes_to_all_own_sessions() {
    let mut room = Fixture::of(Node::under(2, open_policy()), &[private(alice()), bob(), carol()]);
    let (other, _) = room.node.bound(&private(on(1, alice())));
    room.say(&send("se1f0000", "", &psst("sip:alice@example.org")));
    let [own, bob, carol] = room.heard();
    assert!(own.contains("MSRP se1f0000 200 ") && own.matches("Psst").count() == 1);
    assert_eq!(room.node.output(other).matches("Psst").count(), 1);
    assert_eq!((bob, carol), (String::new(), String::new()));
}

/// PRIV-12: a participant without a bound session cannot be written to, on no core, until it is back.
#[test]
fn a_participant_without_a_bound_session_is_404() {
    for core in [0, 1] {
        let mut room = Fixture::of(Node::under(2, open_policy()), &[alice(), carol(), carol()]);
        let bob = || private(on(core, bob()));
        let try_bob = |room: &mut Fixture| status(room, "b0b00000", &psst("sip:bob@example.net"));
        let (waiting, _) = room.node.join(&bob());
        assert_eq!(try_bob(&mut room), "404", "installed and not bound");
        room.node.remove(core, waiting);
        let (first, _, _) = room.node.bound_as(&bob());
        let (_, _, second) = room.node.bound_as(&bob());
        assert_eq!(try_bob(&mut room), "200");
        room.node.disconnect(first);
        assert_eq!(try_bob(&mut room), "200");
        room.node.remove(core, second);
        assert_eq!(try_bob(&mut room), "404", "the other one failed, this one left");
        room.node.bound(&bob());
        assert_eq!(try_bob(&mut room), "200");
    }
}

/// PRIV-12: a core that begins to serve the room later, or again, knows who is there.
#[test]
fn a_core_that_joins_later_knows_who_is_there() {
    let mut room =
        Fixture::of(Node::under(3, open_policy()), &[private(on(1, alice())), bob(), carol()]);
    let (late, uri, session) = room.node.bound_as(&private(on(2, bob())));
    let write = |room: &mut Fixture, peer, uri: &str| {
        let text = send("l4te0000", "", &psst("sip:alice@example.org"))
            .replace("{alice}", uri)
            .replace("From: <sip:alice@example.org>", "From: <sip:bob@example.net>");
        room.node.feed(peer, text.as_bytes());
        room.node.output(peer)
    };
    assert!(write(&mut room, late, &uri).starts_with("MSRP l4te0000 200 "));
    assert_eq!(room.heard()[0].matches("Psst").count(), 1);
    // The core forgets the room with its last session, and the home is not told that it did.
    room.node.remove(2, session);
    let (again, uri, _) = room.node.bound_as(&private(on(2, bob())));
    assert!(write(&mut room, again, &uri).starts_with("MSRP l4te0000 200 "));
    assert_eq!(room.heard()[0].matches("Psst").count(), 1);
}

/// PRIV-13, RPT-07: if it is lost after its 200, its sender is told so once, unless it did not want to
/// know; and not if any copy got through.
#[test]
fn a_private_message_lost_after_its_200_is_reported_once() {
    for (failure_report, reported) in
        [("", 1), ("Failure-Report: partial\r\n", 1), ("Failure-Report: no\r\n", 0)]
    {
        let mut node = Node::under(2, open_policy());
        let (bob_peer, _, session) = node.bound_as(&private(on(1, bob())));
        let mut room = Fixture::of(node, &[alice(), carol(), carol()]);
        room.node.hold_relays(true);
        room.say(&send("g0ne0000", failure_report, &psst("sip:bob@example.net")));
        room.heard();
        room.node.remove(1, session);
        room.node.hold_relays(false);
        let [alice, ..] = room.heard();
        assert_eq!(alice.matches("REPORT").count(), reported, "{failure_report:?}");
        if reported == 1 {
            let (text, _, _) = masked(&alice);
            let expected = format!(
                "MSRP {{tid}} REPORT\r\nTo-Path: {ALICE}\r\nFrom-Path: {}\r\nMessage-ID: {{mid}}\r\n\
                Byte-Range: 1-92/92\r\nStatus: 000 481 Session does not exist\r\n-------{{tid}}$\r\n",
                room.alice.1
            );
            assert_eq!(text, expected);
        }
        assert_eq!(room.node.output(bob_peer), "");
    }
    // One of two devices is left, and gets it.
    let mut node = Node::under(3, open_policy());
    let (_, _, session) = node.bound_as(&private(on(1, bob())));
    let (other, _) = node.bound(&private(on(2, bob())));
    let mut room = Fixture::of(node, &[alice(), carol(), carol()]);
    room.node.hold_relays(true);
    room.say(&send("g0ne0000", "", &psst("sip:bob@example.net")));
    room.node.remove(1, session);
    room.node.hold_relays(false);
    assert!(!room.heard()[0].contains("REPORT"));
    assert_eq!(room.node.output(other).matches("Psst").count(), 1);
}

/// PRIV-13, RPT-15: a recipient that has just declared to take none is told of in a wrapper that says
/// who wrote to whom.
#[test]
fn a_report_of_missing_support_names_sender_and_recipient() {
    let mut node = Node::under(2, open_policy());
    let (_, _, session) = node.bound_as(&private(on(1, bob())));
    let mut room = Fixture::of(node, &[alice(), carol(), carol()]);
    room.node.hold_relays(true);
    let body = psst("sip:bob@example.net").replace("From: <", "From: \"A\" <");
    room.say(&send("n0more00", "", &body));
    room.node.describe(&on(1, bob()), session);
    room.heard();
    room.node.hold_relays(false);
    let expected = format!(
        "MSRP {{tid}} REPORT\r\nTo-Path: {ALICE}\r\nFrom-Path: {}\r\nMessage-ID: {{mid}}\r\n\
        Byte-Range: 1-96/96\r\nStatus: 000 428 Private messages not supported\r\n\
        Content-Type: message/cpim\r\n\r\n\
        From: \"A\" <sip:alice@example.org>\r\nTo: <sip:bob@example.net>\r\n\r\n\
        Content-Type: text/plain\r\n\r\n\r\n-------{{tid}}$\r\n",
        room.alice.1
    );
    assert_eq!(masked(&room.heard()[0]).0, expected);
}

/// PRIV-13, FLOW-04: a queue without room refuses the message; the answer tells where it can, a report
/// where it is too late for that.
#[test]
fn a_private_message_that_finds_no_room_is_413() {
    for core in [0, 1] {
        let limits = Limits { connection_queue_bytes_max: 400, ..Limits::default() };
        let mut node = Node::with(2, &limits, 10_485_760);
        std::sync::Arc::make_mut(&mut node.terms).policy = open_policy();
        let members = [alice(), private(on(core, bob())), carol()];
        let mut room = Fixture::of(node, &members);
        room.say(&send("b1g00000", "", &(psst("sip:bob@example.net") + &"x".repeat(400))));
        let [alice, bob, _] = room.heard();
        assert_eq!(bob, "");
        if core == 0 {
            assert!(
                alice.starts_with("MSRP b1g00000 413 ") && !alice.contains("REPORT"),
                "{alice}"
            );
        } else {
            assert!(alice.contains("MSRP b1g00000 200 "), "{alice}");
            assert_eq!(alice.matches("Status: 000 413 ").count(), 1);
        }
    }
}

/// PRIV-13, CHAT-26, CHUNK-25, RPT-08: if the recipient leaves in the middle, the sender is told, and
/// the rest is refused; and what the recipient had got does not look complete.
#[test]
fn a_recipient_that_leaves_in_the_middle_stops_the_sender() {
    for core in [0, 1] {
        let mut node = Node::under(2, open_policy());
        let (bob_peer, _, session) = node.bound_as(&private(on(core, bob())));
        let mut room = Fixture::of(node, &[alice(), carol(), carol()]);
        let part = |tid: &str, range: &str, body: &str, flag: &str| {
            format!(
                "MSRP {tid} SEND\r\nTo-Path: {{alice}}\r\nFrom-Path: {ALICE}\r\nMessage-ID: long\r\n\
                Byte-Range: {range}\r\nContent-Type: message/cpim\r\n\r\n{body}\r\n-------{tid}{flag}\r\n"
            )
        };
        room.say(&part("part0001", "1-92/96", &psst("sip:bob@example.net"), "+"));
        assert!(room.heard()[0].starts_with("MSRP part0001 200 "));
        room.node.pause();
        assert!(room.node.output(bob_peer).contains("Psst"));
        room.node.remove(core, session);
        let end = room.node.output(bob_peer);
        assert!(end.ends_with("#\r\n"), "{end}");
        let report = room.heard()[0].clone();
        assert!(report.contains("Byte-Range: 1-92/96\r\nStatus: 000 481 "), "{report}");
        room.say(&part("part0002", "93-94/96", "..", "+"));
        assert!(room.heard()[0].starts_with("MSRP part0002 404 "));
        room.say(&part("part0003", "95-96/96", "..", "$"));
        assert!(room.heard()[0].starts_with("MSRP part0003 404 "));
        assert_eq!(room.node.output(bob_peer), "");
    }
}

/// One chunk of Alice's long message.
fn chunk(mid: &str, tid: &str, headers: &str, body: &str, flag: &str) -> String {
    format!(
        "MSRP {tid} SEND\r\nTo-Path: {{alice}}\r\nFrom-Path: {ALICE}\r\nMessage-ID: {mid}\r\n\
        {headers}Content-Disposition: render\r\nContent-Type: message/cpim;charset=utf-8\r\n\r\n\
        {body}\r\n-------{tid}{flag}\r\n"
    )
}

/// PRIV-09: chunks of a private message are passed on as they come, with a Message-ID of the switch's own,
/// the content headers and positions of the sender, to those sessions that were there at the beginning,
/// and end with `#` if its sender gives up, falls silent, or says more than the recipient takes.
#[test]
fn a_private_message_is_passed_on_like_any_other() {
    for (mut room, core) in impatient_rooms().into_iter().zip([0, 2]) {
        let wrapper = psst("sip:bob@example.net");
        room.say(&chunk("l0ng", "part0001", "Byte-Range: 1-92/95\r\n", &wrapper, "+"));
        room.node.pause();
        let (first, tid, mid) = masked(&room.heard()[1]);
        let expected = format!(
            "MSRP {{tid}} SEND\r\nTo-Path: {BOB}\r\nFrom-Path: {}\r\nMessage-ID: {{mid}}\r\n\
            Byte-Range: 1-*/95\r\nContent-Disposition: render\r\n\
            Content-Type: message/cpim;charset=utf-8\r\n\r\n{wrapper}\r\n-------{{tid}}+\r\n",
            room.bob.1
        );
        assert_eq!(first, expected, "before there is more of it");
        let (late, _) = room.node.bound(&private(on(core, bob())));
        room.say(&chunk("l0ng", "part0002", "Byte-Range: 93-95/95\r\n", "...", "$"));
        let (last, other_tid, same_mid) = masked(&room.heard()[1]);
        assert!(
            last.contains("Byte-Range: 93-95/95\r\n")
                && last.ends_with("\r\n...\r\n-------{tid}$\r\n")
        );
        assert!(mid == same_mid && mid != "l0ng" && tid != other_tid);
        assert_eq!(room.node.output(late), "", "it came in the middle");

        room.say(&chunk("giv3n", "part0003", "Byte-Range: 1-92/95\r\n", &wrapper, "+"));
        room.node.pause();
        room.say(&chunk("giv3n", "part0004", "Byte-Range: 93-*/95\r\n", "", "#"));
        assert!(room.heard()[1].ends_with("#\r\n"));
        room.say(&chunk("s1lent", "part0005", "Byte-Range: 1-92/95\r\n", &wrapper, "+"));
        room.node.pause();
        assert!(room.heard()[1].ends_with("+\r\n"));
        room.node.output(late);
        room.node.advance(Duration::from_secs(6));
        assert!(room.heard()[1].ends_with("#\r\n"));
    }
    let small = Member { size_max: Some(100), ..private(bob()) };
    let mut room = Fixture::of(Node::under(1, open_policy()), &[alice(), small, carol()]);
    let wrapper = psst("sip:bob@example.net");
    room.say(&chunk("l0ng", "part0001", "Byte-Range: 1-*/*\r\n", &wrapper, "+"));
    room.node.pause();
    room.say(&chunk("l0ng", "part0002", "Byte-Range: 93-*/*\r\n", &"x".repeat(2048), "+"));
    let [alice, bob, _] = room.heard();
    assert!(alice.contains("MSRP part0001 200 ") && alice.contains("MSRP part0002 413 "));
    assert!(bob.ends_with("#\r\n"));
}

/// RPT-06: the success report says that the whole message is queued for whoever it is for, be it nobody;
/// it is not sent for what is refused, given up, or not finished in time.
#[test]
fn a_success_report_means_that_the_message_is_queued() {
    let wants = "Success-Report: yes\r\n";
    for mut room in impatient_rooms() {
        room.say(&send("5uccess0", wants, &psst("sip:bob@example.net")));
        let [alice, bob, _] = room.heard();
        assert!(alice.contains("Status: 000 200 OK") && bob.contains("Psst"));
        room.say(&send("5uccess1", wants, &wrapped("sip:lobby@chat.example.com", "a/b\r\n\r\nx")));
        assert!(room.heard()[0].contains("Status: 000 200 OK"), "nobody reads that");
        room.say(&send("fa1lure0", wants, &psst("sip:carol@example.com")));
        room.say(&send("fa1lure1", wants, &psst("sip:nobody@example.com")));
        let begun = format!("{wants}Byte-Range: 1-92/95\r\n");
        for to in ["sip:bob@example.net", "sip:lobby@chat.example.com"] {
            let ids = if to.starts_with("sip:bob") {
                ["giv3n000", "s1lent00"]
            } else {
                ["giv3n001", "s1lent01"]
            };
            for mid in ids {
                room.say(&chunk(mid, "part0001", &begun, &psst(to), "+"));
            }
            room.say(&chunk(ids[0], "part0002", "Byte-Range: 93-*/95\r\n", "", "#"));
        }
        room.node.advance(Duration::from_secs(6));
        let alice = &room.heard()[0];
        assert!(!alice.contains("Status: 000 200"), "{alice}");
    }
}

/// CHAT-37: a user in two rooms over one connection says in each what is for that room.
#[test]
fn a_message_never_crosses_rooms() {
    let mut node = Node::under(1, open_policy());
    let (bob_peer, _) = node.bound(&private(bob()));
    let (alice_peer, first) = node.bound(&private(alice()));
    let mut other = mailbox::RoomTerms::clone(&node.terms);
    other.id = mailbox::RoomId(2);
    node.terms = std::sync::Arc::new(other);
    let (carol_peer, _) = node.bound(&private(carol()));
    let (_, second) = node.join(&private(alice()));
    for (uri, to, bob_hears, carol_hears) in [
        (&first, "sip:lobby@chat.example.com", true, false),
        (&second, "sip:lobby@chat.example.com", false, true),
        (&first, "sip:bob@example.net", true, false),
        (&second, "sip:carol@example.com", false, true),
        (&first, "sip:carol@example.com", false, false),
        (&second, "sip:bob@example.net", false, false),
    ] {
        let text = send("cr0ss000", "", &psst(to)).replace("{alice}", uri);
        node.feed(alice_peer, text.as_bytes());
        let [alice, bob, carol] = [alice_peer, bob_peer, carol_peer].map(|peer| node.output(peer));
        let expected = if bob_hears || carol_hears { "200" } else { "404" };
        assert!(alice.starts_with(&format!("MSRP cr0ss000 {expected} ")), "{alice}");
        assert_eq!((bob.contains("Psst"), carol.contains("Psst")), (bob_hears, carol_hears));
    }
}
