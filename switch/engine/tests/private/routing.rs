//! Whom a private message is for, and what is refused before that matters.

use mailbox::Direction;

use super::common::{
    Member, Node,
    lobby::{self, ALICE, BOB, Fixture, TV_01, alice, bob, carol},
    masked,
};
use super::{TV_29, on, open_policy, private, psst, rooms, send, status, wrapped};

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
        room.node.describe(&on(core, Member { chatroom: None, ..private(lobby::bob()) }), session);
        assert_eq!(try_bob(&mut room), "428");
        room.node.describe(&bob, session);
        assert_eq!(try_bob(&mut room), "200");
        let deaf = Member { direction: Direction::FromPeer, ..private(on(core, lobby::bob())) };
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
