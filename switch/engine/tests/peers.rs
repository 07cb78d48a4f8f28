//! What peers may rely on, however unlike each other they are.

mod common;

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use common::{
    Member, Node,
    lobby::{ALICE, BOB, Fixture, HELLO, TV_01, alice, bob, room_message},
};
use engine::Limits;
use mailbox::{Command, Epoch, Event, InstallRefusal, Rights, RoomTerms};

/// PEER-01: nothing with a body is sent on a session before its binding SEND is answered, however
/// long that one takes to end.
#[test]
fn nothing_overtakes_the_answer_to_the_first_request() {
    let mut room = Fixture::new();
    let dan = Member { participant: 9, path: "msrp://dan.example.com:5000/d;tcp", ..bob() };
    let (_, uri) = room.node.join(&dan);
    let peer = room.node.connect(0);
    let bind = room_message("b1nd0000", "", &format!("{HELLO}{}", "x".repeat(5000)))
        .replace("{alice}", &uri)
        .replace(ALICE, dan.path)
        .replace("sip:alice@example.org", dan.address);
    let (begun, rest) = bind.split_at(3000);
    room.node.feed(peer, begun.as_bytes());
    room.say(TV_01);
    assert_eq!(room.node.output(peer), "");
    room.node.feed(peer, rest.as_bytes());
    assert!(room.node.output(peer).starts_with("MSRP b1nd0000 200 OK\r\n"));
    room.say(&room_message("aft3r000", "", HELLO));
    let heard = room.node.output(peer);
    assert!(heard.contains("Hello room") && heard.matches(" SEND\r\n").count() == 1);
}

/// CONN-08: a session that is not bound is sent nothing, though it is active and its peer connected.
#[test]
fn who_has_not_spoken_hears_nothing() {
    let mut room = Fixture::new();
    let (_, _) = room.node.join(&Member { participant: 9, ..bob() });
    let peer = room.node.connect(0);
    room.say(TV_01);
    room.node.advance(Duration::from_secs(10));
    assert_eq!(room.node.output(peer), "");
}

/// PEER-12: of one message and of many, no two sessions get copies with the same Message-ID.
#[test]
fn no_two_sessions_see_the_same_message_id() {
    let mut room = Fixture::new();
    room.say(TV_01);
    room.say(&room_message("s3c0nd00", "", HELLO));
    let heard = room.heard().concat();
    let ids: Vec<&str> = heard.lines().filter_map(|it| it.strip_prefix("Message-ID: ")).collect();
    assert_eq!(ids.len(), 4);
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 4, "{ids:?}");
}

/// PEER-14: a client may connect from anywhere, whatever address and port its SDP names.
#[test]
fn where_a_client_connects_from_is_its_own_affair() {
    for from in [IpAddr::from(Ipv4Addr::new(203, 0, 113, 77)), Ipv6Addr::LOCALHOST.into()] {
        let mut node = Node::new(1);
        let member = Member { path: "msrp://192.0.2.9:9/bO7t3Jm5Rs9E;tcp", ..bob() };
        let (_, uri) = node.join(&member);
        let id = node.cores[0].handle_accepted(node.now, from).expect("there is room");
        let bind = format!(
            "MSRP bind0001 SEND\r\nTo-Path: {uri}\r\nFrom-Path: {}\r\n-------bind0001$\r\n",
            member.path
        );
        node.cores[0].handle_received(node.now, id, bind.as_bytes());
        let events: Vec<Event> = std::iter::from_fn(|| node.cores[0].poll_event()).collect();
        assert!(events.iter().any(|it| matches!(it, Event::Bound { .. })), "{events:?}");
    }
}

/// PEER-16: a message larger than any buffer, in any number of reads and with headers nobody knows,
/// is served whole; one too large for the room is refused with a status.
#[test]
fn large_frames_are_served_or_refused() {
    for (size, expected) in [(300_000, "200"), (600_000, "413")] {
        for read in [977, 16_384, 1_000_000] {
            let mut room = Fixture::on(Node::with(1, &Limits::default(), 500_000));
            let headers = format!("X-Unheard-Of: {}\r\nBYTE-range: 1-*/*\r\n", "y".repeat(3000));
            let whole = room_message("l4rge000", &headers, &format!("{HELLO}{}", "Z".repeat(size)));
            let whole = whole.replace("{alice}", &room.alice.1);
            for part in whole.as_bytes().chunks(read) {
                room.node.feed(room.alice.0, part);
            }
            let [alice, bob, _] = room.heard();
            assert!(alice.starts_with(&format!("MSRP l4rge000 {expected} ")), "{size} by {read}");
            assert_eq!(alice.matches("MSRP ").count(), 1);
            let heard = bob.matches('Z').count();
            assert!(if expected == "200" { heard == size } else { heard < size });
            assert_eq!(bob.contains("$\r\n"), expected == "200");
        }
    }
}

/// CONN-14: a connection stays open for as long as a session is bound to it, whatever is not said.
#[test]
fn a_silent_connection_with_a_session_stays() {
    let mut room = Fixture::new();
    for _ in 0..48 {
        room.node.advance(Duration::from_secs(1800));
    }
    assert!(!room.node.is_closed(room.bob.0));
    room.say(TV_01);
    assert!(room.node.output(room.bob.0).contains("Hello room"));
}

/// CONN-17: a response goes back on the connection of its request, though the session it names is
/// bound to another; when that connection is gone there is no response.
#[test]
fn a_response_goes_back_the_way_its_request_came() {
    let mut room = Fixture::new();
    let stray = room.node.connect(0);
    let request = room_message("str4y000", "", HELLO).replace("{alice}", &room.alice.1);
    room.node.feed(stray, request.as_bytes());
    assert!(room.node.output(stray).starts_with("MSRP str4y000 506 "));
    assert_eq!(room.node.output(room.alice.0), "");

    let (begun, rest) = request.split_at(request.len() - 10);
    room.node.feed(room.alice.0, begun.as_bytes());
    room.node.disconnect(room.alice.0);
    room.node.feed(stray, rest.as_bytes());
    assert_eq!(room.node.output(room.alice.0), "");
    assert!(room.node.attempts().is_empty(), "and nobody is connected to for it");
}

/// CTRL-04: a smaller limit of a peer or of the room holds for the next message, not for one whose
/// recipients are fixed.
#[test]
fn new_limits_hold_from_the_next_message_on() {
    let mut node = Node::new(1);
    let (sender, uri) = node.bound(&alice());
    let (reader, _, session) = node.bound_as(&bob());
    let long = room_message("l0ng0000", "", &format!("{HELLO}{}", "Z".repeat(9000)));
    let long = long.replace("{alice}", &uri);
    let (begun, rest) = long.split_at(5000);
    node.feed(sender, begun.as_bytes());
    node.describe(&Member { size_max: Some(1000), ..bob() }, session);
    let terms = RoomTerms { size_max: 2000, ..(*node.terms).clone() };
    let rights = Rights::Terms(std::sync::Arc::new(terms));
    node.command(0, Command::Policy { epoch: Epoch(1000), rights });
    node.feed(sender, rest.as_bytes());
    assert!(node.output(sender).starts_with("MSRP l0ng0000 200 "));
    let heard = node.output(reader);
    assert!(heard.matches('Z').count() == 9000 && heard.ends_with("$\r\n"));

    let say = |node: &mut Node, tid: &str, size: usize| {
        let text = room_message(tid, "", &format!("{HELLO}{}", "Z".repeat(size)));
        node.feed(sender, text.replace("{alice}", &uri).as_bytes());
        node.output(sender)[14..17].to_owned()
    };
    assert_eq!(say(&mut node, "n3xt0000", 1000), "200");
    assert_eq!(node.output(reader), "", "too large for its peer");
    assert_eq!(say(&mut node, "n3xt0001", 2000), "413");
}

/// LIM-04: a room has at most 1000 sessions, a participant 8 of them, and a connection carries 1000;
/// the focus is told when there is no room for one more.
#[test]
fn a_crowd_is_refused_towards_the_focus() {
    let built_in = Limits::default();
    assert_eq!((built_in.room_sessions_max, built_in.participant_sessions_max), (1000, 8));
    assert_eq!(built_in.connection_sessions_max, 1000);
    let limits = Limits { room_sessions_max: 10, ..built_in };
    let mut node = Node::with(1, &limits, 10_000);
    for _ in 0..8 {
        node.install(&alice());
    }
    let refused = |node: &mut Node, participant: u64| {
        let before = node.events.len();
        node.try_install(&Member { participant, ..alice() });
        matches!(node.events[before..], [Event::Refused { reason: InstallRefusal::Full, .. }])
    };
    assert!(refused(&mut node, 1), "a ninth of the same");
    assert!(!refused(&mut node, 2) && !refused(&mut node, 3));
    assert!(refused(&mut node, 4), "an eleventh of all");

    let limits = Limits { connection_sessions_max: 1, ..Limits::default() };
    let mut node = Node::with(1, &limits, 10_000);
    let (peer, _) = node.bound(&alice());
    let (_, second) = node.install(&bob());
    let bind = format!(
        "MSRP bind0002 SEND\r\nTo-Path: {second}\r\nFrom-Path: {BOB}\r\n-------bind0002$\r\n"
    );
    node.feed(peer, bind.as_bytes());
    assert!(node.output(peer).starts_with("MSRP bind0002 481 "));
}
