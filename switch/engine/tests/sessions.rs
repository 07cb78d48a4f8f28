//! Sessions, from `Install` to `Removed`: which connection they are bound to, what ends them, and what
//! is left of them then.

mod common;

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::{Duration, Instant},
};

use common::{
    Member, Node, core_id,
    lobby::{ALICE, BOB, Fixture, HELLO, TV_01, alice, bob, room_message},
};
use engine::{Commons, Core, CoreConfig, Limits, Operation};
use mailbox::{Command, Epoch, Event, FailureCause, RoomId, SessionId};

/// TV-05, CONN-06, CODE-14: the first binding stays in force.
#[test]
fn a_session_bound_elsewhere_is_answered_506_and_stays_where_it_is() {
    let mut room = Fixture::new();
    let second = room.node.connect(0);
    let request = format!(
        "MSRP h1j4ck00000000aa SEND\r\nTo-Path: {}\r\nFrom-Path: {ALICE}\r\n\
        Message-ID: second01\r\nByte-Range: 1-0/0\r\n-------h1j4ck00000000aa$\r\n",
        room.alice.1
    );
    room.node.feed(second, request.as_bytes());
    let expected = format!(
        "MSRP h1j4ck00000000aa 506 Session already in use\r\nTo-Path: {ALICE}\r\n\
        From-Path: {}\r\n-------h1j4ck00000000aa$\r\n",
        room.alice.1
    );
    assert_eq!(room.node.output(second), expected);
    room.say(TV_01);
    assert!(room.heard()[0].starts_with("MSRP a786hjs2Kd0Qw1Er 200 OK\r\n"));
}

/// CTRL-02: from the moment that a core says where a session is, it is there: whoever comes to it is
/// served, though nobody has been told of it yet.
#[test]
fn a_session_is_acceptable_as_soon_as_it_has_a_uri() {
    let mut node = Node::new(1);
    let (session, uri) = node.install(&bob());
    let peer = node.connect(0);
    let bind = format!(
        "MSRP ear1ybird SEND\r\nTo-Path: {uri}\r\nFrom-Path: {BOB}\r\n-------ear1ybird$\r\n"
    );
    node.feed(peer, bind.as_bytes());
    assert!(node.output(peer).starts_with("MSRP ear1ybird 200 OK\r\n"));
    assert!(node.events.contains(&Event::Bound { session }));
}

/// CTRL-08: who comes and who goes is nothing that the others hear of here.
#[test]
fn no_roster_is_told_by_msrp() {
    let mut node = Node::new(1);
    let (peer, _) = node.bound(&alice());
    let (_, _, session) = node.bound_as(&bob());
    node.join(&bob());
    node.remove(0, session);
    node.advance(Duration::from_secs(20));
    assert_eq!(node.output(peer), "");
}

/// TV-06, URI-07, URI-08, URI-09, URI-10, URI-11: a session is found by its id and then
/// compared in full.
#[test]
fn a_to_path_must_match_the_session_uri_in_full() {
    let mut room = Fixture::new();
    let own = room.alice.1.clone();
    let id = own.split('/').nth(3).and_then(|rest| rest.split(';').next()).expect("a session-id");
    let cases = [
        (format!("msrp://SW.Example.COM:2855/{id};TCP"), "200"),
        (format!("MSRP://bob@sw.example.com:2855/{id};tcp"), "200"),
        (format!("msrp://sw.example.com:2855/{};tcp", id.to_uppercase()), "481"),
        (format!("msrps://sw.example.com:2855/{id};tcp"), "481"),
        (format!("msrp://sw.example.com/{id};tcp"), "481"),
        (format!("msrp://sw.example.com:2855/{id};ws"), "481"),
        (format!("{own} {ALICE}"), "481"),
        (room.bob.1.clone(), "506"),
    ];
    for (to_path, status) in cases {
        room.say(&format!(
            "MSRP m4tch000 SEND\r\nTo-Path: {to_path}\r\nFrom-Path: {ALICE}\r\n-------m4tch000$\r\n"
        ));
        let [answer, ..] = room.heard();
        assert!(answer.starts_with(&format!("MSRP m4tch000 {status} ")), "{to_path}: {answer}");
    }
}

/// URI-16: a listener may find sessions by their id alone, for clients that were told another host;
/// without its id nobody finds one.
#[test]
fn a_session_may_be_found_by_its_id_alone() {
    let mut node = Node::new(1);
    let config =
        CoreConfig { id: core_id(0), cores: 1, authority: "sw.example.com:2855".to_owned() };
    node.cores[0] =
        Core::new(config, Limits::default(), [5; 32]).matching(engine::Match::SessionId);
    let (_, uri) = node.join(&Member::default());
    let peer = node.connect(0);
    let rewritten = uri.replace("sw.example.com:2855", "203.0.113.9:7000");
    for (tid, to, status) in [
        ("other001", rewritten.replace(";tcp", "x;tcp"), 481),
        ("other002", rewritten, 200),
        ("other003", uri, 200),
    ] {
        let path = Member::default().path;
        let bind =
            format!("MSRP {tid} SEND\r\nTo-Path: {to}\r\nFrom-Path: {path}\r\n-------{tid}$\r\n");
        node.feed(peer, bind.as_bytes());
        assert!(node.output(peer).starts_with(&format!("MSRP {tid} {status} ")), "{to}");
    }
}

/// CONN-17: an answer goes back where its request came from, and if that is gone, nowhere.
#[test]
fn an_answer_has_no_other_way_than_that_of_its_request() {
    let mut node = Node::new(1);
    let (first, uri) = node.bound(&Member::default());
    let other = node.connect(0);
    let path = Member::default().path;
    let stray = format!(
        "MSRP stray001 SEND\r\nTo-Path: {uri}\r\nFrom-Path: {path}\r\n-------stray001$\r\n"
    );
    node.feed(other, stray.as_bytes());
    assert!(node.output(other).starts_with("MSRP stray001 506 "));
    assert_eq!(node.output(first), "");
    // Gone before its answer was due.
    let begun = format!(
        "MSRP begun001 SEND\r\nTo-Path: {uri}\r\nFrom-Path: {path}\r\nMessage-ID: m1\r\n\
         Byte-Range: 1-*/200\r\nContent-Type: message/cpim\r\n\r\nTo: <sip:lobby@chat.example.com>"
    );
    node.feed(first, begun.as_bytes());
    node.disconnect(first);
    assert_eq!(node.output(other), "");
    assert_eq!(node.attempts(), [], "nothing is opened for an answer");
}

/// CONN-08: to a peer that is to connect nothing is sent before it has spoken.
#[test]
fn nothing_is_sent_before_the_first_request() {
    let mut node = Node::new(1);
    let (alice, uri) = node.bound(&common::lobby::alice());
    let (_, _) = node.join(&common::lobby::bob());
    let stranger = node.connect(0);
    let hello = common::lobby::room_message("hello001", "", common::lobby::HELLO);
    node.feed(alice, hello.replace("{alice}", &uri).as_bytes());
    assert_eq!(node.output(stranger), "");
    assert_eq!(node.attempts(), []);
}

/// CONN-12, CONN-07, CONN-13, CTRL-07: when a connection breaks its session has failed, is reported
/// once, and is never bound again.
#[test]
fn a_broken_connection_fails_its_session_for_good() {
    let mut room = Fixture::new();
    room.node.disconnect(room.bob.0);
    let failed = Event::Failed { session: SessionId(2), cause: FailureCause::ConnectionLost };
    assert_eq!(room.node.events.iter().filter(|&event| *event == failed).count(), 1);
    let again = room.node.connect(0);
    let bind = format!(
        "MSRP again000 SEND\r\nTo-Path: {}\r\nFrom-Path: {BOB}\r\n-------again000$\r\n",
        room.bob.1
    );
    room.node.feed(again, bind.as_bytes());
    assert!(room.node.output(again).starts_with("MSRP again000 481 "));
    room.say(TV_01);
    let [_, bob, carol] = room.heard();
    assert_eq!(bob, "");
    assert!(carol.contains("Hello room"), "nobody else noticed");
}

/// WIRE-32, TV-12: bytes that cannot be framed close their connection, fail its sessions, and
/// nobody else notices.
#[test]
fn unframable_bytes_cost_only_their_own_connection() {
    let mut room = Fixture::new();
    room.node.feed(room.bob.0, b"GET / HTTP/1.1\r\n\r\n");
    assert!(room.node.is_closed(room.bob.0));
    let failed = Event::Failed { session: SessionId(2), cause: FailureCause::Unframable };
    assert!(room.node.events.contains(&failed));
    room.say(TV_01);
    let [alice, bob, carol] = room.heard();
    assert!(alice.contains(" 200 OK") && bob.is_empty() && carol.contains("Hello room"));
}

/// WIRE-34, TV-13: what is malformed but framable is answered 400, and the connection lives on.
#[test]
fn a_malformed_request_is_answered_400_and_the_next_one_served() {
    let mut room = Fixture::new();
    room.say(&format!(
        "MSRP f0ld13aaaabbbbcc SEND\r\nTo-Path: {{alice}}\r\nFrom-Path: {ALICE}\r\n\
        Message-ID: fold0001\r\n folded: yes\r\nContent-Type: text/plain\r\n\r\nhi\r\n\
        -------f0ld13aaaabbbbcc$\r\n{TV_01}"
    ));
    let [alice, bob, _] = room.heard();
    assert!(alice.starts_with("MSRP f0ld13aaaabbbbcc 400 "));
    assert!(alice.contains("MSRP a786hjs2Kd0Qw1Er 200 OK\r\n"));
    assert!(bob.contains("Hello room"));
    assert_eq!(room.node.counters(0).refusals.bad_request, 1);
}

/// LIM-07: five requests for no session close a connection that has none.
#[test]
fn a_stranger_who_keeps_guessing_is_cut_off() {
    let mut node = Node::new(1);
    let peer = node.connect(0);
    let guess = format!(
        "MSRP gu3ss000 SEND\r\nTo-Path: msrp://sw.example.com:2855/nope;tcp\r\n\
        From-Path: {ALICE}\r\n-------gu3ss000$\r\n"
    );
    for _ in 0..4 {
        node.feed(peer, guess.as_bytes());
        assert!(!node.is_closed(peer));
    }
    node.feed(peer, guess.as_bytes());
    assert!(node.is_closed(peer));
    assert_eq!(node.output(peer).matches(" 481 ").count(), 5);
}

/// CONN-15, CONN-16: what is never bound is closed and retired, in its time and not before;
/// a connection whose last session has ended is kept for a while.
#[test]
fn unbound_connections_and_sessions_do_not_stay() {
    let mut node = Node::new(1);
    let (session, uri) = node.join(&bob());
    let idle = node.connect(0);
    node.advance(Duration::from_secs(29));
    assert!(!node.is_closed(idle));
    node.advance(Duration::from_secs(1));
    assert!(node.is_closed(idle));
    node.advance(Duration::from_secs(29));
    assert!(!node.events.iter().any(|event| matches!(event, Event::Failed { .. })));
    node.advance(Duration::from_secs(1));
    let failed = Event::Failed { session, cause: FailureCause::Unbound };
    assert!(node.events.contains(&failed));
    let late = node.connect(0);
    let bind =
        format!("MSRP l4te0000 SEND\r\nTo-Path: {uri}\r\nFrom-Path: {BOB}\r\n-------l4te0000$\r\n");
    node.feed(late, bind.as_bytes());
    assert!(node.output(late).starts_with("MSRP l4te0000 481 "));

    let (peer, _) = node.bound(&alice());
    let bound = node.events.iter().rev().find_map(|event| match event {
        Event::Bound { session } => Some(*session),
        _ => None,
    });
    node.remove(0, bound.expect("it was bound"));
    node.advance(Duration::from_secs(59));
    assert!(!node.is_closed(peer));
    node.advance(Duration::from_secs(1));
    assert!(node.is_closed(peer));
}

/// CONN-05: a connection accepted by any core ends up on the core its session lives on, with not an
/// octet lost, however its first bytes were cut.
#[test]
fn a_connection_finds_the_core_of_its_session() {
    for size in [1, 3, 100, 10_000] {
        let mut node = Node::new(2);
        let (_, uri) = node.join(&Member { core: 1, ..alice() });
        let (bob_peer, _) = node.bound(&bob());
        let peer = node.connect(0);
        let bytes = TV_01.replace("{alice}", &uri);
        for part in bytes.as_bytes().chunks(size) {
            node.feed(peer, part);
        }
        assert_eq!(node.core_of(peer), 1);
        assert!(node.output(peer).starts_with("MSRP a786hjs2Kd0Qw1Er 200 OK\r\n"));
        assert!(node.output(bob_peer).contains("Hello room"), "across the cores, cut in {size}");
        assert_eq!(node.counters(0).connections_handed_over, 1);
    }
}

/// CHAT-38, CTRL-05: closing a room ends its sessions, and every command is answered again when it
/// is repeated.
#[test]
fn a_closed_room_is_gone_and_says_so_as_often_as_it_is_asked() {
    let mut room = Fixture::new();
    for _ in 0..2 {
        room.node.command(0, Command::Close { room: RoomId(1), epoch: Epoch(100) });
        let closed = Event::Closed { room: RoomId(1), epoch: Epoch(100) };
        assert!(room.node.events.contains(&closed));
        room.node.events.retain(|event| *event != closed);
    }
    let removed = room.node.events.iter().filter(|it| matches!(it, Event::Removed { .. }));
    assert_eq!(removed.count(), 3);
    room.say(TV_01);
    assert!(room.heard()[0].starts_with("MSRP a786hjs2Kd0Qw1Er 481 "));
    assert_eq!(room.node.cores[0].occupancy(), (3, 0, 0));
    room.node.command(0, Command::Drain);
    assert!(room.node.events.contains(&Event::Drained));
    assert_eq!(room.node.cores[0].occupancy(), (0, 0, 0));
}

/// TV-02, CONN-04, CONN-19, CHAT-02: the first request binds; without content it is answered and
/// goes nowhere.
#[test]
fn a_bodiless_send_binds_and_is_not_fanned_out() {
    let mut room = Fixture::new();
    for headers in ["Message-ID: bind4711\r\nByte-Range: 1-0/0\r\n", ""] {
        room.say(&format!(
            "MSRP b1nd0001XyZ2aBcD SEND\r\nTo-Path: {{alice}}\r\nFrom-Path: {ALICE}\r\n\
            {headers}-------b1nd0001XyZ2aBcD$\r\n"
        ));
        let [alice, bob, carol] = room.heard();
        let expected = format!(
            "MSRP b1nd0001XyZ2aBcD 200 OK\r\nTo-Path: {ALICE}\r\nFrom-Path: {}\r\n\
            -------b1nd0001XyZ2aBcD$\r\n",
            room.alice.1
        );
        assert_eq!((alice, bob, carol), (expected, String::new(), String::new()));
    }
    let bound = room.node.events.iter().filter(|event| matches!(event, Event::Bound { .. }));
    assert_eq!(bound.count(), 3, "each session is bound once");
}

/// TV-04, CONN-05, RESP-07, CODE-12: a session nobody installed.
#[test]
fn an_unknown_session_is_answered_481_and_nothing_is_delivered() {
    let mut room = Fixture::new();
    room.say(
        "MSRP u4n0wn5e551on000 SEND\r\n\
        To-Path: msrp://sw.example.com:2855/nOsUcHsEsSiOn12345;tcp\r\n\
        From-Path: msrp://alice.example.org:7654/aL4c8Vn1Xy0B;tcp\r\n\
        Message-ID: lost0001\r\nByte-Range: 1-2/2\r\nContent-Type: text/plain\r\n\r\nhi\r\n\
        -------u4n0wn5e551on000$\r\n",
    );
    let [alice, bob, _] = room.heard();
    let expected = "MSRP u4n0wn5e551on000 481 Session does not exist\r\n\
        To-Path: msrp://alice.example.org:7654/aL4c8Vn1Xy0B;tcp\r\n\
        From-Path: msrp://sw.example.com:2855/nOsUcHsEsSiOn12345;tcp\r\n\
        -------u4n0wn5e551on000$\r\n";
    assert_eq!((alice.as_str(), bob.as_str()), (expected, ""));
}

/// CONN-07, SEND-15: a peer that answers 481 to a copy has ended its session: it is said once, the
/// session takes nothing more and is sent nothing more, and leaves its connection idle (CONN-16).
#[test]
fn a_session_that_its_peer_denies_is_over() {
    for code in ["481 Gone", "506"] {
        let mut room = Fixture::new();
        let headers = "Byte-Range: 1-*/*\r\n";
        room.say(&room_message("d3n1ed00", headers, HELLO).replace("00$", "00+"));
        room.node.pause();
        let [_, copy, _] = room.heard();
        let tid = copy.strip_prefix("MSRP ").and_then(|rest| rest.split(' ').next()).expect("tid");
        let (bob, uri) = room.bob.clone();
        let answer =
            format!("MSRP {tid} {code}\r\nTo-Path: {uri}\r\nFrom-Path: {BOB}\r\n-------{tid}$\r\n");
        room.node.feed(bob, answer.as_bytes());
        room.node.feed(bob, answer.as_bytes());
        let failed = Event::Failed { session: SessionId(2), cause: FailureCause::RefusedByPeer };
        assert_eq!(room.node.events.iter().filter(|&event| *event == failed).count(), 1);
        assert_eq!(room.node.output(bob), "", "not even the end of what was begun");
        let request = room_message("st1ll000", "", HELLO).replace("{alice}", &uri);
        room.node.feed(bob, request.as_bytes());
        assert!(room.node.output(bob).starts_with("MSRP st1ll000 481 "));
        room.node.remove(0, SessionId(2));
        room.node.advance(Duration::from_secs(60));
        assert!(room.node.is_closed(bob), "nothing keeps the connection open");
    }
}

/// Only the connection that carries a session can deny it: nobody else was sent anything.
#[test]
fn a_session_is_not_denied_by_strangers() {
    let mut room = Fixture::new();
    let (_, awaited) = room.node.join(&Member { participant: 9, ..bob() });
    for uri in [awaited, room.alice.1.clone()] {
        let answer = format!(
            "MSRP n0t0urs0 481\r\nTo-Path: {uri}\r\nFrom-Path: {BOB}\r\n-------n0t0urs0$\r\n"
        );
        room.node.feed(room.bob.0, answer.as_bytes());
    }
    assert!(!room.node.events.iter().any(|event| matches!(event, Event::Failed { .. })));
}

/// CTRL-05, RESP-01, RESP-17: a session that is removed while its peer is sending gets its one answer,
/// and the rest of the chunk goes nowhere.
#[test]
fn a_chunk_that_outlives_its_session_is_answered_once() {
    let mut room = Fixture::new();
    let whole =
        room_message("cutsh0rt", "Byte-Range: 1-*/*\r\n", &format!("{HELLO}{}", "x".repeat(9000)));
    let (first, rest) = whole.split_at(5000);
    room.say(first);
    let [alice, bob, _] = room.heard();
    assert!(alice.is_empty() && bob.contains("Hello room"));
    room.node.remove(0, SessionId(1));
    room.say(rest);
    room.say(TV_01);
    let expected = ["cutsh0rt", "a786hjs2Kd0Qw1Er"].map(|tid| {
        format!(
            "MSRP {tid} 481 Session does not exist\r\nTo-Path: {ALICE}\r\nFrom-Path: {}\r\n\
            -------{tid}$\r\n",
            room.alice.1
        )
    });
    let [alice, bob, _] = room.heard();
    assert_eq!(alice, expected.concat());
    assert!(bob.ends_with("#\r\n") && !bob.contains("xx") && !bob.contains("$\r\n"));
}

/// WIRE-33, WIRE-34: a response that cannot be read is not answered, but it closes the connection like
/// a request, at once or when there are too many.
#[test]
fn malformed_responses_count_like_requests() {
    let mut room = Fixture::new();
    room.node.feed(room.bob.0, b"MSRP bare0000 200 OK\r\nTo-Path: x\ny\r\n");
    assert!(room.node.is_closed(room.bob.0));
    let malformed = "MSRP n0st4tus 2OO OK\r\nTo-Path: a\r\n-------n0st4tus$\r\n";
    for count in 1..=10 {
        assert!(!room.node.is_closed(room.carol.0), "after {}", count - 1);
        room.node.feed(room.carol.0, malformed.as_bytes());
    }
    assert!(room.node.is_closed(room.carol.0));
    assert_eq!(room.heard(), ["", "", ""]);
}

/// A connection on its way to another core is not this core's to wait for.
#[test]
fn a_core_is_drained_when_its_last_connection_has_departed() {
    let config =
        CoreConfig { id: core_id(0), cores: 2, authority: "sw.example.com:2855".to_owned() };
    let mut core = Core::new(config, Limits::default(), [1; 32]);
    let now = Instant::now();
    let id = core.handle_accepted(now, Ipv4Addr::LOCALHOST.into()).expect("there is room");
    let uri = format!("msrp://sw.example.com:2855/01{};tcp", "a".repeat(26));
    let request =
        format!("MSRP t0c0re01 SEND\r\nTo-Path: {uri}\r\nFrom-Path: {BOB}\r\n-------t0c0re01$\r\n");
    core.handle_received(now, id, request.as_bytes());
    assert!(matches!(core.poll_operation(now), Some(Operation::Detach { .. })));
    core.handle_command(now, Command::Drain);
    assert_eq!(core.poll_event(), None);
    let departure = core.handle_detached(id).expect("it was to depart");
    assert_eq!(departure.received, request.as_bytes());
    assert_eq!(core.poll_event(), Some(Event::Drained));
    core.handle_command(now, Command::Drain);
    assert_eq!(core.poll_event(), Some(Event::Drained), "answered as often as it is asked");
}

/// LIM-07: an address may have 64 connections that are not bound, on all cores together; one that
/// binds or goes makes room for the next.
#[test]
fn an_address_may_have_so_many_strangers_and_no_more() {
    let commons = Arc::new(Commons::new([5; 32]));
    let core = |number: usize| {
        let authority = "sw.example.com:2855".to_owned();
        let config = CoreConfig { id: core_id(number), cores: 2, authority };
        Core::among(config, Limits::default(), Arc::clone(&commons), [number as u8; 32])
    };
    let mut node = Node::new(1);
    node.cores = vec![core(0), core(1)];
    let (now, home) = (node.now, IpAddr::from(Ipv4Addr::LOCALHOST));
    let (_, uri) = node.install(&alice());
    let mut accept = |core: usize, from| node.cores[core].handle_accepted(now, from);
    let seated: Vec<_> = (0..64).filter_map(|at| accept(at % 2, home)).collect();
    assert_eq!(seated.len(), 64);
    assert!(accept(0, home).is_none() && accept(1, home).is_none());
    assert!(accept(0, Ipv4Addr::new(192, 0, 2, 1).into()).is_some(), "another address");

    let bind = format!(
        "MSRP bind0001 SEND\r\nTo-Path: {uri}\r\nFrom-Path: {ALICE}\r\n-------bind0001$\r\n"
    );
    node.cores[0].handle_received(now, seated[0], bind.as_bytes());
    assert!(node.cores[1].handle_accepted(now, home).is_some(), "one is no stranger any more");
    assert!(node.cores[1].handle_accepted(now, home).is_none());
    node.cores[1].handle_disconnected(now, seated[1]);
    node.cores[1].handle_closed(seated[1]);
    assert!(node.cores[0].handle_accepted(now, home).is_some(), "one is gone");
    assert!(node.cores[0].handle_accepted(now, home).is_none());
    // The one that was bound counts no second time when it goes.
    node.cores[0].handle_disconnected(now, seated[0]);
    node.cores[0].handle_closed(seated[0]);
    assert!(node.cores[0].handle_accepted(now, home).is_none());
    assert_eq!(node.counters(0).connections_refused_address, 3);
}
