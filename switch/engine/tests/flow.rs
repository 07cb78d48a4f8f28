//! Slow readers, fast senders, and what neither of them may do to the others.

mod common;

use std::time::Duration;

use common::{
    Member, Node, Peer,
    lobby::{ALICE, BOB, Fixture, HELLO, TV_01, alice, bob, room_message},
    status,
};
use engine::Limits;
use mailbox::{Chatroom, Event, FailureCause, RoomPolicy};

/// A whole room message of Alice's with so many octets after the wrapper.
fn text(tid: &str, size: usize) -> String {
    room_message(tid, "", &format!("{HELLO}{}", "x".repeat(size)))
}

fn to(address: &str, content_type: &str, body: &str) -> String {
    format!(
        "To: <{address}>\r\nFrom: <sip:alice@example.org>\r\n\r\nContent-Type: {content_type}\r\n\
        \r\n{body}"
    )
}

const NOTICE: &str = "message/imdn+xml\r\nContent-Disposition: notification";

fn composing(state: &str) -> String {
    to("sip:lobby@chat.example.com", "application/im-iscomposing+xml", state)
}

/// Bob takes private messages, and notifications by being asked nothing.
fn confidant() -> Member<'static> {
    let chatroom = Some(Chatroom { private_messages: true, ..Chatroom::default() });
    Member { chatroom, wrapped: "*", ..bob() }
}

fn everything() -> Fixture {
    let policy = RoomPolicy { private_messages: true, ..RoomPolicy::default() };
    Fixture::of(Node::under(1, policy), &[alice(), confidant(), common::lobby::carol()])
}

/// FLOW-06, FLOW-09, CHAT-29: whatever was queued in whatever order, a connection is served
/// responses, REPORTs, private messages, room messages, notifications and composing statuses; and
/// who sends to it is answered meanwhile.
#[test]
fn a_connection_is_served_by_class() {
    let mut room = everything();
    room.node.hold_sends(room.bob.0);
    room.say(&text("f1rst000", 10));
    let imdn = to("sip:bob@example.net", NOTICE, "<imdn/>");
    for (tid, body) in [
        ("c0mp0s1n", composing("active")),
        ("n0t1fied", imdn),
        ("r00m0000", HELLO.to_owned()),
        ("pr1v4te0", to("sip:bob@example.net", "text/plain", "Psst")),
    ] {
        room.say(&room_message(tid, "", &body));
    }
    assert_eq!(room.heard()[0].matches(" 200 OK\r\n").count(), 5, "Alice waits for nobody");
    let own = room_message("b0b00000", "Success-Report: yes\r\n", HELLO)
        .replace("{alice}", &room.bob.1)
        .replace(ALICE, BOB)
        .replace("sip:alice@example.org", "sip:bob@example.net");
    room.node.feed(room.bob.0, own.as_bytes());
    room.node.trickle(room.bob.0, usize::MAX);
    let bob = room.node.output(room.bob.0);
    let places = [
        "Hello roomxxxxxxxxxx",
        "MSRP b0b00000 200 OK",
        " REPORT\r\n",
        "Psst",
        "Hello room\r\n",
        "<imdn/>",
        "active",
    ]
    .map(|part| bob.find(part).unwrap_or_else(|| panic!("{part} is there: {bob}")));
    assert!(places.is_sorted(), "{places:?} in {bob}");
}

/// CHUNK-08: sessions that share a connection take turns of 16 KiB, and so do a long
/// message and the short ones of others in one session; no chunk is too small to be worth it.
#[test]
fn sessions_and_messages_take_turns() {
    let mut node = Node::new(1);
    let (sender, uri) = node.bound(&alice());
    let (shared, one) = node.bound(&bob());
    let other = Member { participant: 3, path: "msrp://bob.example.net:4923/0ther;tcp", ..bob() };
    let two = node.install(&other).1;
    let session = node.events.iter().rev().find_map(|event| match event {
        Event::Installed { session, .. } => Some(*session),
        _ => None,
    });
    node.activate(0, session.expect("installed"));
    let bind = format!(
        "MSRP bind0002 SEND\r\nTo-Path: {two}\r\nFrom-Path: {}\r\n-------bind0002$\r\n",
        other.path
    );
    node.feed(shared, bind.as_bytes());
    node.output(shared);
    node.hold_sends(shared);
    let say = |node: &mut Node, bytes: &str| {
        node.feed(sender, bytes.replace("{alice}", &uri).as_bytes());
    };
    say(&mut node, TV_01);
    let long = room_message("l0ng0000", "", &format!("{HELLO}{}", "y".repeat(100_000)));
    for part in long.as_bytes().chunks(10_000) {
        say(&mut node, std::str::from_utf8(part).expect("ASCII"));
    }
    node.trickle(shared, usize::MAX);
    let heard = node.output(shared);
    let chunks: Vec<(bool, usize, bool)> = heard
        .split("MSRP ")
        .skip(3)
        .map(|chunk| {
            let (head, body) = chunk.split_once("\r\n\r\n").expect("a body");
            let (body, end) = body.rsplit_once("\r\n-------").expect("an end-line");
            (head.contains(&two), body.len(), end.contains('$'))
        })
        .collect();
    assert!(one != two && chunks.len() > 12);
    let (mut run, mut turns) = ((chunks[0].0, 0), Vec::new());
    for &(session, size, is_last) in &chunks {
        assert!(size >= 2048 || is_last, "{chunks:?}");
        if session != run.0 {
            turns.push(run.1);
            run = (session, 0);
        }
        run.1 += size;
    }
    assert!(turns.len() > 8, "{turns:?}");
    assert!(turns.iter().all(|&octets| octets < 16 * 1024 + 2 * 2048), "{turns:?}");
}

/// FLOW-01, FLOW-04, CHAT-29: what would be more than a session may have on its way is dropped for it
/// whole, and for nobody else; what it gets is complete.
#[test]
fn what_does_not_fit_any_more_is_dropped_whole() {
    let built_in = Limits::default();
    assert_eq!(built_in.session_queue_bytes_soft, 1 << 20);
    assert_eq!(built_in.connection_queue_bytes_max, 64 << 20);
    let size_max = 300_000;
    let limits = Limits { message_rate_max: 0, ..built_in };
    let mut room = Fixture::on(Node::with(1, &limits, size_max));
    room.node.hold_sends(room.bob.0);
    let hard = size_max as usize + (1 << 20);
    for _ in 0..200 {
        room.say(&text(&common::fresh_id(), 16_000));
        let [alice, _, carol] = room.heard();
        assert_eq!((status(&alice), carol.matches("$\r\n").count()), ("200", 1));
    }
    let shed = room.node.counters(0).copies_shed;
    assert!(shed > 0);
    room.node.trickle(room.bob.0, usize::MAX);
    let bob = room.node.output(room.bob.0);
    assert!(bob.len() <= hard && bob.len() > hard - 40_000, "{} octets", bob.len());
    assert_eq!(bob.matches("Hello roomx").count() as u64 + shed, 200);
    assert_eq!(bob.matches("You missed").count(), 1);
    assert_eq!(bob.matches("Hello roomx").count() + 1, bob.matches("$\r\n").count());
    assert!(!bob.contains("#\r\n") && !bob.contains("+\r\n"));
}

/// FLOW-04: a message that says at its beginning that it will not fit is not begun.
#[test]
fn what_will_not_fit_is_not_begun() {
    let limits = Limits { message_rate_max: 0, ..Limits::default() };
    let policy = RoomPolicy { private_messages: true, ..RoomPolicy::default() };
    let mut node = Node::with(1, &limits, 300_000);
    node.terms = std::sync::Arc::new(mailbox::RoomTerms { policy, ..(*node.terms).clone() });
    let mut room = Fixture::of(node, &[alice(), confidant(), common::lobby::carol()]);
    let whisper = to("sip:bob@example.net", "text/plain", "Psst");
    room.node.hold_sends(room.bob.0);
    while room.node.counters(0).copies_shed == 0 {
        let body = format!("{whisper}{}", "x".repeat(100_000));
        room.say(&room_message(&common::fresh_id(), "", &body));
    }
    room.node.trickle(room.bob.0, 150_000);
    let total = 250_000;
    let begun =
        room_message("l0ng0000", &format!("Byte-Range: 1-{}/{total}\r\n", whisper.len()), &whisper);
    room.say(&begun.replace("-------l0ng0000$", "-------l0ng0000+"));
    assert_eq!(room.node.counters(0).copies_shed, 2);
    room.node.trickle(room.bob.0, usize::MAX);
    let bob = room.node.output(room.bob.0);
    assert!(!bob.contains(&format!("/{total}")) && !bob.contains("#\r\n"));
}

/// FLOW-01, FLOW-04, FLOW-05: what waits already counts, on the connection as for the session, and what waits
/// to begin is taken back when there is no room for the rest.
#[test]
fn what_waits_already_counts() {
    let built_in = Limits::default();
    let on_connection = Limits { connection_queue_bytes_max: 30_000, ..built_in.clone() };
    let for_session = Limits { session_queue_bytes_soft: 4000, ..built_in };
    for (limits, size_max) in [(on_connection, 300_000), (for_session, 30_000)] {
        let mut room = Fixture::on(Node::with(1, &limits, size_max));
        room.node.hold_sends(room.bob.0);
        room.say(&text("f1rst000", 100));
        room.say(&text("n3xt0000", 20_000));
        assert_eq!(room.node.counters(0).copies_shed, 0);
        let opening = format!("{HELLO}{}", "w".repeat(3000));
        let begun = room_message("s3c0nd00", "Byte-Range: 1-*/*\r\n", &opening);
        room.say(&begun.replace("-------s3c0nd00$", "-------s3c0nd00+"));
        let rest = room_message(
            "r3st0000",
            &format!("Byte-Range: {}-*/*\r\n", opening.len() + 1),
            &"z".repeat(15_000),
        );
        room.say(&rest.replace("Message-ID: r3st0000", "Message-ID: s3c0nd00"));
        assert_eq!(room.node.counters(0).copies_shed, 1);
        room.node.trickle(room.bob.0, usize::MAX);
        let [_, bob, carol] = room.heard();
        assert!(carol.contains("zzz"));
        assert!(bob.contains(&"x".repeat(1000)));
        assert!(!bob.contains("ww") && !bob.contains("#\r\n"), "never begun");
    }
}

/// FLOW-03, COMP-04: a congested session is begun no long message, and is spared notices; what is
/// short it gets. Of the statuses of one composer that wait, the last one counts.
#[test]
fn a_congested_session_is_spared() {
    let policy = RoomPolicy { private_messages: true, ..RoomPolicy::default() };
    let mut node = Node::under(1, policy);
    node.terms =
        std::sync::Arc::new(mailbox::RoomTerms { size_max: 10_485_760, ..(*node.terms).clone() });
    let mut room = Fixture::of(node, &[alice(), confidant(), common::lobby::carol()]);
    room.node.hold_sends(room.bob.0);
    room.say(&text("f1rst000", 10));
    room.say(&room_message("c0mp0001", "", &composing("active")));
    room.say(&room_message("c0mp0002", "", &composing("idle")));
    room.say(&text("b1g00000", 900_000));
    assert!(room.node.counters(0).sessions_congested > 0);
    room.node.advance(Duration::from_secs(10));
    let imdn = to("sip:bob@example.net", NOTICE, "<imdn/>");
    room.say(&room_message("c0mp0003", "", &composing("late")));
    room.say(&room_message("n0t1fied", "", &imdn));
    room.say(&text("l0ng0000", 16_384));
    room.say(&room_message("sh0rt000", "", &format!("{HELLO} after all")));
    assert_eq!(room.node.counters(0).copies_skipped_congested, 3);
    room.node.trickle(room.bob.0, usize::MAX);
    let bob = room.node.output(room.bob.0);
    assert!(bob.contains("Hello room after all") && bob.contains("\r\n\r\nidle\r\n"));
    for absent in ["active", "late", "<imdn/>"] {
        assert!(!bob.contains(absent), "{absent}");
    }
    assert_eq!(bob.matches("You missed").count(), 1);
    assert_eq!(bob.matches("$\r\n").count(), 5, "that, two texts, one status, one long message");
    room.say(&text("n0wagain", 16_384));
    room.node.trickle(room.bob.0, usize::MAX);
    assert!(room.node.output(room.bob.0).contains("xxxx"), "relieved");
}

/// FLOW-08, CHAT-33: who keeps up again is told how many messages it missed, in a text of the room,
/// and a minute later of those it missed meanwhile.
#[test]
fn who_missed_messages_is_told_how_many() {
    let patience = Duration::from_secs(600);
    let limits = Limits {
        answer_max: patience,
        unanswered_max: patience,
        message_rate_max: 0,
        ..Limits::default()
    };
    let node = Node::with(1, &limits, 10_485_760);
    let mut room = Fixture::of(node, &[alice(), confidant(), common::lobby::carol()]);
    let fill = |room: &mut Fixture, missed: usize| {
        room.node.hold_sends(room.bob.0);
        room.say(&text("f1rst000", 10));
        room.say(&room_message("c0mp0001", "", &composing("active")));
        for _ in 0..9 {
            room.say(&text("b1g00000", 100_000));
        }
        for _ in 0..missed {
            room.say(&text("l0ng0000", 16_384));
        }
        room.say(&room_message("c0mp0002", "", &composing("late")));
        room.node.trickle(room.bob.0, usize::MAX);
        room.node.output(room.bob.0)
    };
    let told = |heard: &str| heard.matches("You missed").count();
    let bob = fill(&mut room, 2);
    let at = bob.find("You missed 2 messages: too much was on its way to you.\r\n").expect("told");
    let head = &bob[bob[..at].rfind("MSRP ").expect("a head")..at];
    assert!(head.contains("\r\nFailure-Report: no\r\nContent-Type: message/cpim\r\n\r\n"));
    assert!(
        head.contains("From: <sip:lobby@chat.example.com>\r\nTo: <sip:lobby@chat.example.com>\r\n")
    );
    assert_eq!(told(&bob), 1);
    assert_eq!(told(&fill(&mut room, 0)), 0, "nothing was missed");
    assert_eq!(told(&fill(&mut room, 1)), 0, "not so soon again");
    room.node.advance(Duration::from_secs(21));
    room.node.advance(Duration::from_secs(40));
    room.node.trickle(room.bob.0, usize::MAX);
    let bob = room.node.output(room.bob.0);
    assert!(bob.contains("You missed a message: "), "{bob}");
}

/// FLOW-07: a connection that takes nothing for 60 s while data is queued is closed, and so is one
/// that stays congested for 180 s; its session fails as a slow reader's, and nobody else's does.
#[test]
fn a_reader_that_is_too_slow_is_cut() {
    let second = Duration::from_secs(1);
    let mut room = Fixture::new();
    room.node.hold_sends(room.bob.0);
    room.say(TV_01);
    room.node.advance(50 * second);
    assert_eq!(room.node.trickle(room.bob.0, 1), 1);
    room.node.advance(59 * second);
    assert!(!room.node.is_closed(room.bob.0), "an octet is an octet");
    room.node.advance(2 * second);
    assert!(room.node.is_closed(room.bob.0));
    let slow = |room: &Fixture| {
        let is_it =
            |it: &&Event| matches!(it, Event::Failed { cause: FailureCause::SlowReader, .. });
        room.node.events.iter().filter(is_it).count()
    };
    assert_eq!(slow(&room), 1);

    let mut room = Fixture::new();
    room.node.hold_sends(room.bob.0);
    room.say(&text("b1g00000", 1_000_000));
    for _ in 0..17 {
        room.node.advance(10 * second);
        room.node.trickle(room.bob.0, 1000);
        assert!(!room.node.is_closed(room.bob.0));
    }
    room.node.advance(12 * second);
    assert!(room.node.is_closed(room.bob.0));
    assert_eq!((slow(&room), room.node.counters(0).connections_stalled), (1, 1));
    room.say(TV_01);
    let [alice, _, carol] = room.heard();
    assert!(status(&alice) == "200" && carol.contains("Hello room"));
}

/// FLOW-09: when more is queued than there is memory for, new messages are refused with 413 until it
/// is less; what has begun is refused only an eighth above that. What is queued is not lost.
#[test]
fn memory_is_bounded_by_refusing_senders() {
    let limits = Limits { memory_bytes_max: 400_000, ..Limits::default() };
    let mut room = Fixture::on(Node::with(1, &limits, 10_485_760));
    room.node.hold_sends(room.bob.0);
    let mut answers = Vec::new();
    for at in 0..20 {
        room.say(&text(&format!("m3m{at:05}"), 40_000));
        answers.push(status(&room.heard()[0]).to_owned());
    }
    let accepted = answers.iter().filter(|it| *it == "200").count();
    assert!((9..=11).contains(&accepted), "{answers:?}");
    assert!(answers[accepted..].iter().all(|it| it == "413"));
    assert_eq!(room.node.counters(0).messages_refused_memory, 20 - accepted as u64);
    room.node.trickle(room.bob.0, usize::MAX);
    let bob = room.node.output(room.bob.0);
    assert_eq!(bob.matches("$\r\n").count(), accepted);
    room.say(TV_01);
    assert_eq!(status(&room.heard()[0]), "200");
}

/// FLOW-09: the bound holds within one turn as well, before anything of it has gone out: what one read
/// brings for a whole room is refused from where it would not fit any more. What copies share counts once.
#[test]
fn one_read_cannot_take_more_memory_than_there_is() {
    for (size, memory_bytes_max, fits) in [(1800, 200_000, 50..150), (40_000, 500_000, 12..14)] {
        let limits = Limits { memory_bytes_max, message_rate_max: 0, ..Limits::default() };
        let mut room = Fixture::on(Node::with(1, &limits, 10_485_760));
        let messages: String = (0..500).map(|at| text(&format!("m3m{at:05}"), size)).collect();
        room.say(&messages);
        let [alice, bob, _] = room.heard();
        let accepted = alice.matches(" 200 OK\r\n").count();
        assert!(fits.contains(&accepted), "{accepted}");
        assert_eq!(room.node.counters(0).messages_refused_memory, 500 - accepted as u64);
        assert_eq!(
            (alice.matches(" 413").count(), bob.matches("$\r\n").count()),
            (500 - accepted, accepted)
        );
        room.say(TV_01);
        assert_eq!(status(&room.heard()[0]), "200");
    }
}

/// FLOW-09, LIM-01: what is half read takes memory that counts, until it is read or its connection is gone.
#[test]
fn a_head_that_is_not_complete_is_counted() {
    let mut room = Fixture::new();
    assert_eq!(room.node.cores[0].memory(), 0);
    let said = TV_01.replace("{alice}", &room.alice.1);
    let (first, second) = said.as_bytes().split_at(100);
    room.node.feed(room.alice.0, first);
    assert!(room.node.cores[0].memory() >= 100);
    room.node.feed(room.alice.0, second);
    assert_eq!((status(&room.heard()[0]), room.node.cores[0].memory()), ("200", 0));

    let stranger = room.node.connect(0);
    room.node.feed(stranger, &[b"MSRP ear1ybird SEND\r\nX: ", &[b'x'; 8000][..]].concat());
    assert!(room.node.cores[0].memory() >= 8000, "and as much for the core it may belong to");
    room.node.disconnect(stranger);
    assert_eq!(room.node.cores[0].memory(), 0);
}

/// FLOW-09, FLOW-07: while there is no memory left, who is refused and does not read even that is cut;
/// otherwise as many answers may wait.
#[test]
fn unread_refusals_do_not_take_the_last_memory() {
    for (memory_bytes_max, is_cut) in [(100_000, true), (1 << 30, false)] {
        let limits = Limits { memory_bytes_max, message_rate_max: 0, ..Limits::default() };
        let mut room = Fixture::on(Node::with(1, &limits, 10_485_760));
        room.node.hold_sends(room.bob.0);
        room.say(&text("b1g00000", 200_000));
        room.heard();
        room.node.hold_sends(room.alice.0);
        for at in 0..2000 {
            room.say(&text(&format!("m3m{at:05}"), 10));
        }
        assert_eq!(room.node.is_closed(room.alice.0), is_cut, "{memory_bytes_max}");
        assert!(!room.node.is_closed(room.bob.0));
    }
}

/// LIM-06, COMP-05: a session may begin 60 messages at once and 20 a second; one more is refused with
/// 413. Of composing statuses it may send two a second, and is not told of more.
#[test]
fn what_one_session_says_has_a_rate() {
    let mut room = Fixture::new();
    let count = |room: &mut Fixture, many: usize, body: &str| {
        let (mut ok, mut stop) = (0, 0);
        for _ in 0..many {
            room.say(&room_message(&common::fresh_id(), "", body));
            match status(&room.heard()[0]) {
                "200" => ok += 1,
                "413" => stop += 1,
                other => panic!("{other}"),
            }
        }
        (ok, stop)
    };
    assert_eq!(count(&mut room, 70, HELLO), (60, 10));
    room.node.advance(Duration::from_secs(1));
    assert_eq!(count(&mut room, 30, HELLO), (20, 10));
    room.node.advance(Duration::from_secs(60));

    let before = room.node.counters(0).copies_delivered;
    let status = composing("active");
    let mut heard = 0;
    for _ in 0..5 {
        room.say(&room_message(&common::fresh_id(), "", &status));
        let [alice, _, carol] = room.heard();
        assert_eq!(common::status(&alice), "200");
        heard += usize::from(carol.contains("active"));
    }
    assert_eq!((heard, room.node.counters(0).copies_delivered - before), (0, 0), "not accepted");
    assert_eq!(room.node.counters(0).messages_too_frequent, 20 + 3);
    assert_eq!(count(&mut room, 60, HELLO), (60, 0), "they count for themselves");
    let mut room = everything();
    for _ in 0..5 {
        room.say(&room_message(&common::fresh_id(), "", &status));
    }
    assert_eq!(room.heard()[1].matches("active").count(), 2);
}

/// Octets of a long message's text.
fn count(octets: &[u8]) -> usize {
    octets.split(|&octet| octet == b'Z').count() - 1
}

/// FLOW-05, CHAT-29: one of ten reads at a tenth of the speed. The nine get all of a long message,
/// the sender hears no error, what is queued is bounded, and the slow one is told that its copy has
/// come to an end.
#[test]
fn one_slow_reader_of_a_long_message_costs_nobody_anything() {
    const SIZE: usize = 100 << 20;
    const PIECE: usize = 16 * 1024;
    let bound = 64 << 20;
    let mut node = Node::with(1, &Limits::default(), 200 << 20);
    let (sender, uri) = node.bound(&alice());
    let names: Vec<String> =
        (0..10).map(|at| format!("msrp://u.example.net:4923/u{at};tcp")).collect();
    let mut readers: Vec<(Peer, usize)> = Vec::new();
    for (at, path) in names.iter().enumerate() {
        let member = Member { participant: 100 + at as u64, path, ..bob() };
        readers.push((node.bound(&member).0, 0));
    }
    let slow = readers[0].0;
    node.hold_sends(slow);
    let head = room_message("l0ng0000", "", HELLO).replace("{alice}", &uri);
    let (head, _) = head.rsplit_once("\r\n-------").expect("an end-line");
    node.feed(sender, head.as_bytes());
    let piece = vec![b'Z'; PIECE];
    let (mut slow_heard, mut ended, mut most) = (0, false, 0);
    for _ in 0..SIZE / PIECE {
        node.feed(sender, &piece);
        node.trickle(slow, PIECE / 10);
        most = most.max(node.cores[0].memory());
        let first = node.octets(readers[1].0);
        readers[1].1 += count(&first);
        for &(peer, _) in &readers[2..] {
            // Only ids differ, by some digits.
            assert!(node.octets(peer).len().abs_diff(first.len()) < 16);
        }
        let octets = node.octets(slow);
        slow_heard += count(&octets);
        ended |= octets.windows(3).any(|it| it == b"#\r\n");
    }
    node.feed(sender, b"\r\n-------l0ng0000$\r\n");
    let answer = node.output(sender);
    assert_eq!((status(&answer), answer.matches("MSRP").count()), ("200", 1));
    assert_eq!(readers[1].1, SIZE);
    for &(peer, _) in &readers[1..] {
        assert!(node.octets(peer).ends_with(b"$\r\n"));
    }
    node.trickle(slow, usize::MAX);
    let octets = node.octets(slow);
    ended |= octets.windows(3).any(|it| it == b"#\r\n");
    slow_heard += count(&octets);
    assert!(ended && slow_heard < SIZE / 2, "{slow_heard}");
    assert!(most > bound / 2 && most < bound + (2 << 20), "{most} octets at most");
    assert!(node.cores[0].memory() < 1 << 20, "and nothing is left of them");
}

/// A 200 for every SEND in what a peer has heard.
fn answers(heard: &str, own: &str, path: &str) -> String {
    let sends = heard.split("MSRP ").filter_map(|it| it.split_once(" SEND\r\n"));
    let answer = |(tid, _): (&str, &str)| {
        format!("MSRP {tid} 200 OK\r\nTo-Path: {own}\r\nFrom-Path: {path}\r\n-------{tid}$\r\n")
    };
    sends.map(answer).collect()
}

/// CHAT-29, FLOW-07: ten of a room of a hundred read nothing. The ninety get everything, the ten are
/// cut for being slow, and the sender hears no error.
#[test]
fn ten_stalled_readers_of_a_hundred_cost_the_others_nothing() {
    let limits = Limits { message_rate_max: 0, ..Limits::default() };
    let mut node = Node::with(1, &limits, 10_485_760);
    let (sender, uri) = node.bound(&alice());
    let paths: Vec<String> =
        (0..100).map(|at| format!("msrp://u.example.net:4923/u{at};tcp")).collect();
    let mut readers = Vec::new();
    for (at, path) in paths.iter().enumerate() {
        let member = Member { participant: 100 + at as u64, path, ..bob() };
        let (peer, own) = node.bound(&member);
        readers.push((peer, own, path));
    }
    let (stalled, live) = readers.split_at(10);
    for &(peer, ..) in stalled {
        node.hold_sends(peer);
    }
    let (mut heard, mut most) = (vec![0; live.len()], 0);
    for at in 0..1500 {
        node.feed(sender, text(&common::fresh_id(), 3000).replace("{alice}", &uri).as_bytes());
        assert_eq!(status(&node.output(sender)), "200");
        for (count, (peer, own, path)) in heard.iter_mut().zip(live) {
            let copy = node.output(*peer);
            *count += copy.matches("$\r\n").count();
            node.feed(*peer, answers(&copy, own, path).as_bytes());
        }
        most = most.max(node.cores[0].memory());
        if at % 15 == 14 {
            node.advance(Duration::from_secs(1));
        }
    }
    assert!(heard.iter().all(|&count| count == 1500));
    assert!(stalled.iter().all(|&(peer, ..)| node.is_closed(peer)));
    assert!(live.iter().all(|&(peer, ..)| !node.is_closed(peer)));
    let is_slow = |it: &&Event| matches!(it, Event::Failed { cause: FailureCause::SlowReader, .. });
    assert_eq!(node.events.iter().filter(is_slow).count(), 10);
    assert!(most < 11 << 20, "shared bodies count once: {most}");
}
