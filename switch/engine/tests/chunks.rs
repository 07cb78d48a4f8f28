//! A message that comes in pieces: joined, passed on as it comes, and never called complete when it is
//! not.

mod common;

use std::sync::Arc;

use common::{
    Member, Node,
    lobby::{ALICE, Fixture, HELLO, TV_01, alice, bob, room_message},
    masked, status,
};
use engine::Limits;
use mailbox::{Command, CoreSet, Epoch};

/// A chunk of Alice's message `m0`.
fn chunk(tid: &str, headers: &str, body: &str, flag: char) -> String {
    format!(
        "MSRP {tid} SEND\r\nTo-Path: {{alice}}\r\nFrom-Path: {ALICE}\r\nMessage-ID: m0\r\n\
        {headers}\r\nContent-Type: message/cpim\r\n\r\n{body}\r\n-------{tid}{flag}\r\n"
    )
}

/// The bodies of all chunks of one recipient, joined.
fn bodies(heard: &str) -> String {
    let bodies = heard.split("MSRP ").skip(1).map(|copy| {
        let (_, body) = copy.split_once("\r\n\r\n").expect("a body");
        body.rsplit_once("\r\n-------").expect("an end-line").0
    });
    bodies.collect()
}

/// WIRE-21, TV-09: the copies do not depend on how TCP happened to cut the sender's bytes.
#[test]
fn copies_do_not_depend_on_how_the_bytes_arrived() {
    let whole = TV_01.replace("{alice}", &Fixture::new().alice.1);
    for size in [1, 2, 7, 64, whole.len()] {
        let mut room = Fixture::new();
        for part in whole.as_bytes().chunks(size) {
            room.node.feed(room.alice.0, part);
        }
        let [alice, bob, _] = room.heard();
        assert!(alice.starts_with("MSRP a786hjs2Kd0Qw1Er 200 OK\r\n"), "reads of {size}");
        assert_eq!(alice.matches("MSRP").count(), 1, "one answer for one request");
        let body: String = bob.split("\r\n\r\n").skip(1).collect::<Vec<_>>().join("\r\n\r\n");
        assert!(body.contains("Content-Type: text/plain\r\n\r\nHello room\r\n-------"));
    }
}

/// CHAT-20, TV-36, RESP-17: too large is said at once; the rest of the chunk is discarded and not
/// answered again.
#[test]
fn a_message_that_announces_too_much_is_refused_before_its_body() {
    let mut room = Fixture::on(Node::with(1, &Limits::default(), 300));
    room.say(&format!(
        "MSRP t00b1g36aaaabbbb SEND\r\nTo-Path: {{alice}}\r\nFrom-Path: {ALICE}\r\n\
        Message-ID: big00001\r\nByte-Range: 1-*/5000\r\nContent-Type: message/cpim\r\n\r\n"
    ));
    let expected = format!(
        "MSRP t00b1g36aaaabbbb 413 Stop sending\r\nTo-Path: {ALICE}\r\nFrom-Path: {}\r\n\
        -------t00b1g36aaaabbbb$\r\n",
        room.alice.1
    );
    assert_eq!(room.heard()[0], expected);
    room.say(&"x".repeat(4000));
    room.say("\r\n-------t00b1g36aaaabbbb#\r\n");
    assert_eq!(room.heard(), ["", "", ""]);
    room.say(TV_01);
    assert!(room.heard()[1].contains("Hello room"));

    // What was not announced is refused when it is there, and given up where it has begun.
    let long = format!("{HELLO}{}", "x".repeat(300));
    room.say(&chunk("t00b1g01", "Byte-Range: 1-*/*", &long[..250], '+'));
    room.node.pause();
    room.say(&chunk("t00b1g02", "Byte-Range: 251-*/*", &long[250..], '+'));
    room.say(&chunk("t00b1g03", "Byte-Range: 406-*/*", "x", '$'));
    let [alice, bob, _] = room.heard();
    for (tid, status) in [("t00b1g01", 200), ("t00b1g02", 413), ("t00b1g03", 413)] {
        assert_eq!(alice.matches(&format!("MSRP {tid} {status} ")).count(), 1, "{alice}");
    }
    assert_eq!(bodies(&bob), long[..250]);
    assert!(bob.ends_with("#\r\n"));
}

/// CHAT-19, FLOW-05: a recipient for whom a message grows too long, or whose queue is full, gets the
/// end of its copy, and the others get the rest.
#[test]
fn a_copy_that_cannot_go_on_is_given_up_alone() {
    let limits = Limits { connection_queue_bytes_max: 2000, ..Limits::default() };
    let mut node = Node::with(1, &limits, 10_000);
    let (sender, uri) = node.bound(&alice());
    let (small, _) = node.bound(&Member { participant: 5, size_max: Some(150), ..bob() });
    let (large, _) = node.bound(&Member { participant: 6, ..bob() });
    let mut say = |range: &str, body: &str, flag| {
        let text = chunk("gr0w1ng0", range, body, flag).replace("{alice}", &uri);
        node.feed(sender, text.as_bytes());
        node.pause();
        assert!(node.output(sender).starts_with("MSRP gr0w1ng0 200 "), "the sender is not told");
        [small, large].map(|peer| node.output(peer))
    };
    let [one, other] = say("Byte-Range: 1-*/*", HELLO, '+');
    assert!(one.contains("Hello room") && other.contains("Hello room"));
    let [one, other] = say("Byte-Range: 106-*/*", &"w".repeat(45), '+');
    assert!(one.contains("ww") && other.contains("ww"), "150 octets are not too many");
    let [one, other] = say("Byte-Range: 151-*/*", "x", '+');
    assert!(one.ends_with("#\r\n") && !one.contains("\r\n\r\nx"));
    assert!(other.contains("\r\n\r\nx\r\n") && other.ends_with("+\r\n"));
    let [one, other] = say("Byte-Range: 152-*/*", &"y".repeat(3000), '$');
    assert_eq!(one, "");
    assert!(other.ends_with("#\r\n") && !other.contains("yy"));
    let counters = node.counters(0);
    assert_eq!((counters.copies_skipped_size, counters.copies_shed), (1, 1));
}

/// CHAT-28: a verdict that only a later chunk allows answers that chunk and those after it;
/// nothing had been passed on.
#[test]
fn a_late_verdict_answers_the_chunk_that_allows_it() {
    let mut room = Fixture::new();
    let forged = HELLO.replace("sip:alice", "sip:malice");
    room.say(&chunk("l4tev001", "Byte-Range: 1-*/*", &forged[..40], '+'));
    room.say(&chunk("l4tev002", "Byte-Range: 41-*/*", &forged[40..], '+'));
    room.say(&chunk("l4tev003", "Byte-Range: 107-*/*", "more", '+'));
    let [alice, bob, _] = room.heard();
    for (tid, status) in [("l4tev001", 200), ("l4tev002", 403), ("l4tev003", 403)] {
        assert_eq!(alice.matches(&format!("MSRP {tid} {status} ")).count(), 1, "{alice}");
    }
    assert_eq!(bob, "");
}

/// TV-18, CPIM-14, CHAT-08, CHAT-14: the recipients are fixed when the wrapper is complete, and get
/// every octet from position 1, in chunks that are not the sender's.
#[test]
fn a_wrapper_split_over_two_chunks_is_judged_when_it_is_complete() {
    let mut room = Fixture::new();
    let late = Member { participant: 9, address: "sip:dan@example.com", ..bob() };
    room.say(&format!(
        "MSRP 5plit18aaaabbbb1 SEND\r\nTo-Path: {{alice}}\r\nFrom-Path: {ALICE}\r\n\
        Message-ID: cpim0001\r\nByte-Range: 1-*/100\r\nContent-Type: message/cpim\r\n\r\n\
        To: <sip:lobby@chat.example.com>\r\nFro\r\n-------5plit18aaaabbbb1+\r\n"
    ));
    let [alice, bob, _] = room.heard();
    assert!(alice.starts_with("MSRP 5plit18aaaabbbb1 200 ") && bob.is_empty());
    let (dan, _) = room.node.bound(&late);
    room.say(&format!(
        "MSRP 5plit18aaaabbbb2 SEND\r\nTo-Path: {{alice}}\r\nFrom-Path: {ALICE}\r\n\
        Message-ID: cpim0001\r\nByte-Range: 38-100/100\r\nContent-Type: message/cpim\r\n\r\n\
        m: <sip:alice@example.org>\r\n\r\nContent-Type: text/plain\r\n\r\nsplit\r\n\
        -------5plit18aaaabbbb2$\r\n"
    ));
    let [alice, bob, carol] = room.heard();
    assert!(alice.starts_with("MSRP 5plit18aaaabbbb2 200 "));
    for copy in [bob, carol, room.node.output(dan)] {
        assert!(copy.contains(
            "Byte-Range: 1-100/100\r\nContent-Type: message/cpim\r\n\r\n\
            To: <sip:lobby@chat.example.com>\r\nFrom: <sip:alice@example.org>\r\n\r\n\
            Content-Type: text/plain\r\n\r\nsplit\r\n-------"
        ));
    }
}

/// TV-19, CHAT-21, CHAT-22, CHAT-26, CHAT-27, WIRE-23: what a sender gives up, or leaves behind,
/// ends with `#` and never with `$`.
#[test]
fn an_abandoned_message_ends_with_a_hash_at_every_recipient() {
    for by_request in [true, false] {
        let mut room = Fixture::new();
        room.say(&format!(
            "MSRP 4bort19aaaabbbb1 SEND\r\nTo-Path: {{alice}}\r\nFrom-Path: {ALICE}\r\n\
            Message-ID: abrt0001\r\nByte-Range: 1-*/5000\r\nContent-Type: message/cpim\r\n\r\n\
            To: <sip:lobby@chat.example.com>\r\nFrom: <sip:alice@example.org>\r\n\r\n\
            Content-Type: text/plain\r\n\r\npart one \r\n-------4bort19aaaabbbb1+\r\n"
        ));
        room.node.pause();
        let [alice, bob, _] = room.heard();
        assert!(alice.starts_with("MSRP 4bort19aaaabbbb1 200 "));
        assert!(bob.contains("Byte-Range: 1-*/5000\r\n") && bob.contains("part one \r\n-------"));
        assert!(bob.ends_with("+\r\n"));
        if by_request {
            room.say(&format!(
                "MSRP 4bort19aaaabbbb2 SEND\r\nTo-Path: {{alice}}\r\nFrom-Path: {ALICE}\r\n\
                Message-ID: abrt0001\r\nByte-Range: 105-*/5000\r\nContent-Type: message/cpim\r\n\
                \r\n\r\n-------4bort19aaaabbbb2#\r\n"
            ));
        } else {
            room.node.disconnect(room.alice.0);
        }
        let [alice, bob, carol] = room.heard();
        assert_eq!(alice.starts_with("MSRP 4bort19aaaabbbb2 200 "), by_request);
        for end in [bob, carol] {
            let (text, ..) = masked(&end);
            let expected = "Byte-Range: 105-*/5000\r\nContent-Type: message/cpim\r\n\r\n\r\n\
                -------{tid}#\r\n";
            assert!(text.ends_with(expected), "{text}");
            assert!(!end.contains("$\r\n"));
        }
    }
}

/// CHUNK-09, CHUNK-16, CHUNK-17, TV-17: chunks of one sender's messages may be interleaved; each
/// message is its own.
#[test]
fn interleaved_messages_arrive_whole_and_apart() {
    let mut room = Fixture::new();
    let chunk = |tid: &str, mid: &str, range: &str, body: &str, flag: char| {
        format!(
            "MSRP {tid} SEND\r\nTo-Path: {{alice}}\r\nFrom-Path: {ALICE}\r\nMessage-ID: {mid}\r\n\
            Byte-Range: {range}\r\nContent-Type: message/cpim\r\n\r\n{body}\r\n-------{tid}{flag}\r\n"
        )
    };
    room.say(&chunk("1nter17aaaabbbb1", "long0001", "1-*/109", HELLO, '+'));
    room.node.pause();
    room.say(&chunk("1nter17aaaabbbb2", "quick001", "1-105/105", HELLO, '$'));
    room.say(&chunk("1nter17aaaabbbb3", "long0001", "106-109/109", "TEXT", '$'));
    let [alice, bob, _] = room.heard();
    for tid in ["1nter17aaaabbbb1", "1nter17aaaabbbb2", "1nter17aaaabbbb3"] {
        assert_eq!(alice.matches(&format!("MSRP {tid} 200 OK\r\n")).count(), 1);
    }
    let ranges: Vec<_> = bob.lines().filter(|line| line.starts_with("Byte-Range: ")).collect();
    assert_eq!(ranges, ["Byte-Range: 1-*/109", "Byte-Range: 1-105/105", "Byte-Range: 106-109/109"]);
    let mids: Vec<_> = bob.lines().filter(|line| line.starts_with("Message-ID: ")).collect();
    assert!(mids[0] == mids[2] && mids[0] != mids[1]);
    let tids: Vec<_> = bob.lines().filter(|line| line.ends_with(" SEND")).collect();
    assert!(tids[0] != tids[2]);
    let flags: String = bob
        .lines()
        .filter(|line| line.starts_with("-------"))
        .filter_map(|line| line.chars().last())
        .collect();
    assert_eq!(flags, "+$$");
}

/// TV-15, TV-16, CHUNK-18, CHUNK-19, SEND-05: chunks may come in any order; the `$` chunk fixes the
/// length whatever was announced, and one report covers what there is.
#[test]
fn chunks_out_of_order_make_the_same_message() {
    let chunk = |tid: &str, range: &str, body: &str, flag: char| {
        format!(
            "MSRP {tid} SEND\r\nTo-Path: {{alice}}\r\nFrom-Path: {ALICE}\r\nMessage-ID: intr0001\r\n\
            Success-Report: yes\r\nByte-Range: {range}\r\nContent-Type: message/cpim\r\n\r\n\
            {body}\r\n-------{tid}{flag}\r\n"
        )
    };
    let (first, second) = HELLO.split_at(40);
    for (one, two) in [("1-*/120", "41-120/120"), ("1-40/*", "41-*/*")] {
        for swapped in [false, true] {
            let mut room = Fixture::new();
            let chunks = [
                chunk("1nt3rrupt15aaaa1", one, first, '+'),
                chunk("1nt3rrupt15aaaa2", two, second, '$'),
            ];
            for at in if swapped { [1, 0] } else { [0, 1] } {
                room.say(&chunks[at]);
            }
            let [alice, bob, _] = room.heard();
            assert_eq!(alice.matches(" 200 OK\r\nTo-Path").count(), 2, "one for each request");
            assert_eq!(alice.matches("\r\nByte-Range: 1-105/105\r\nStatus: 000 200 OK").count(), 1);
            let bodies = bob.split("MSRP ").skip(1).map(|copy| {
                let (_, body) = copy.split_once("\r\n\r\n").expect("a body");
                body.rsplit_once("\r\n-------").expect("an end-line").0
            });
            assert_eq!(bodies.collect::<String>(), HELLO);
            assert!(bob.ends_with("$\r\n"));
            assert!(!bob.contains("-Report:"), "no chunk says what the others do not");
        }
    }
}

/// CHUNK-23, WIRE-36, CHAT-20: positions at the end of the numbers are as good as any others.
#[test]
fn the_largest_positions_do_no_harm() {
    let max = u64::MAX;
    for (range, status) in [
        (format!("Byte-Range: {max}-*/*"), "413"),
        (format!("Byte-Range: {max}-{max}/{max}"), "413"),
        (format!("Byte-Range: 1-{max}/*"), "200"),
    ] {
        let mut room = Fixture::new();
        room.say(&chunk("l4rgest0", &range, HELLO, '$'));
        assert!(room.heard()[0].starts_with(&format!("MSRP l4rgest0 {status} ")), "{range}");
        room.say(TV_01);
        assert!(room.heard()[1].contains("Hello room"));
    }
}

/// CHUNK-24, CHAT-26: a `#` ends the message although its octets would have closed the gap before
/// others, and although those were the last.
#[test]
fn a_message_given_up_is_not_completed_by_what_came_before_its_turn() {
    let (first, rest) = HELLO.split_at(20);
    let (middle, last) = rest.split_at(20);
    for begun in [false, true] {
        let mut room = Fixture::new();
        if begun {
            room.say(&chunk("g1ven000", "Byte-Range: 1-*/*", first, '+'));
        }
        room.say(&chunk("g1ven001", "Byte-Range: 41-*/*", last, '$'));
        let (range, body) = if begun { ("21-*/*", middle) } else { ("1-*/*", &HELLO[..40]) };
        room.say(&chunk("g1ven002", &format!("Byte-Range: {range}"), body, '#'));
        let [alice, bob, _] = room.heard();
        assert_eq!(alice.matches(" 200 OK\r\n").count(), if begun { 3 } else { 2 });
        assert_eq!(bob, "", "nothing had been passed on");
        room.say(TV_01);
        assert!(room.heard()[1].contains("Hello room"));
    }
}

/// RESP-01, CHUNK-18, CHUNK-19: when the missing octets come in several reads, the chunk that brings
/// them is answered at its end-line; what it has beyond the end of the message is nothing.
#[test]
fn a_chunk_that_completes_its_message_early_is_still_answered() {
    let text = format!("{HELLO}{}", "x".repeat(9000));
    let (first, last) = text.split_at(8000);
    let mut room = Fixture::new();
    room.say(&chunk("e4rly001", "Byte-Range: 8001-*/*", last, '$'));
    let filling = chunk(
        "e4rly002",
        "Success-Report: yes\r\nByte-Range: 1-*/*",
        &format!("{first}{last}{}", "y".repeat(6000)),
        '+',
    );
    let cut = filling.len() - 3000;
    room.say(&filling[..cut]);
    room.say(&filling[cut..]);
    let [alice, bob, _] = room.heard();
    for tid in ["e4rly001", "e4rly002"] {
        assert_eq!(alice.matches(&format!("MSRP {tid} 200 OK\r\n")).count(), 1);
    }
    let size = text.len();
    assert_eq!(alice.matches(&format!("\r\nByte-Range: 1-{size}/{size}\r\nStatus:")).count(), 1);
    assert_eq!(bodies(&bob), text);
    assert_eq!(bob.matches("$\r\n").count(), 1);
    room.say(TV_01);
    assert!(room.heard()[1].contains("Hello room"));
}

/// SEND-07: whether the whole message is reported on is said by its beginning, in whatever order its
/// chunks come.
#[test]
fn the_first_chunk_decides_about_the_success_report() {
    let (first, last) = HELLO.split_at(40);
    for (first_says, last_says) in [("yes", "no"), ("no", "yes")] {
        for swapped in [false, true] {
            let chunks = [
                chunk(
                    "d3c1de01",
                    &format!("Success-Report: {first_says}\r\nByte-Range: 1-*/*"),
                    first,
                    '+',
                ),
                chunk(
                    "d3c1de02",
                    &format!("Success-Report: {last_says}\r\nByte-Range: 41-*/*"),
                    last,
                    '$',
                ),
            ];
            let mut room = Fixture::new();
            for at in if swapped { [1, 0] } else { [0, 1] } {
                room.say(&chunks[at]);
            }
            let reports = room.heard()[0].matches(" REPORT\r\n").count();
            assert_eq!(reports, usize::from(first_says == "yes"), "{first_says}, {swapped}");
        }
    }
}

/// WIRE-23, CHUNK-24: a `#` gives the message up whether or not it says what type it is of.
#[test]
fn a_hash_without_content_gives_the_message_up() {
    let mut room = Fixture::new();
    room.say(&chunk("h4sh0001", "Byte-Range: 1-*/*", HELLO, '+'));
    room.node.pause();
    assert!(room.heard()[1].ends_with("+\r\n"));
    room.say(&format!(
        "MSRP h4sh0002 SEND\r\nTo-Path: {{alice}}\r\nFrom-Path: {ALICE}\r\nMessage-ID: m0\r\n\
        Byte-Range: 106-*/*\r\n-------h4sh0002#\r\n"
    ));
    let [alice, bob, _] = room.heard();
    assert!(alice.starts_with("MSRP h4sh0002 200 "));
    assert!(bob.contains("\r\nByte-Range: 106-*/*\r\n") && bob.ends_with("#\r\n"));
}

/// CHAT-23, CHAT-26: what cannot be passed on to another core is given up there once, and the room's
/// other recipients get all of it.
#[test]
fn a_core_that_does_not_keep_up_is_told_once() {
    let limits = Limits { relay_backlog_max: 2, ..Limits::default() };
    let mut node = Node::with(2, &limits, 10_485_760);
    let (sender, uri) = node.bound(&alice());
    let (near, _) = node.bound(&bob());
    let (far, _) = node.bound(&Member { core: 1, participant: 7, ..bob() });
    node.hold_relays(true);
    let say = |node: &mut Node, start: usize, body: &str, flag| {
        let range = format!("Byte-Range: {start}-*/*");
        let text = chunk("sl0wc0re", &range, body, flag).replace("{alice}", &uri);
        node.feed(sender, text.as_bytes());
    };
    say(&mut node, 1, HELLO, '+');
    let more = "x".repeat(2048);
    for part in 0..9 {
        say(&mut node, HELLO.len() + 1 + part * more.len(), &more, '+');
    }
    say(&mut node, HELLO.len() + 1 + 9 * more.len(), &more, '$');
    node.hold_relays(false);
    assert_eq!(node.relayed, 3, "who gets it, some of it, and that there will be no end");
    let counters = node.counters(0);
    assert_eq!((counters.relays_shed, counters.copies_delivered), (1, 1));
    let (near, far) = (node.output(near), node.output(far));
    assert_eq!(bodies(&near), format!("{HELLO}{}", more.repeat(10)));
    assert!(near.ends_with("$\r\n"));
    assert_eq!(bodies(&far), format!("{HELLO}{more}"));
    assert!(far.ends_with("#\r\n") && far.matches("#\r\n").count() == 1);
}

/// CHAT-23, CHAT-26: what does not reach the room's home is refused its sender, and what had begun on the
/// way there is given up, however full the way is.
#[test]
fn a_home_that_does_not_keep_up_is_no_secret() {
    let limits = Limits { relay_backlog_max: 2, ..Limits::default() };
    let mut node = Node::with(2, &limits, 10_485_760);
    let (sender, uri) = node.bound(&Member { core: 1, ..alice() });
    let (home, _) = node.bound(&bob());
    node.hold_relays(true);
    let say = |node: &mut Node, text: &str| {
        node.feed(sender, text.replace("{alice}", &uri).as_bytes());
        node.output(sender)
    };
    let part =
        |at: usize, body: &str| chunk("f4rh0me0", &format!("Byte-Range: {at}-*/*"), body, '+');
    say(&mut node, &part(1, HELLO));
    say(&mut node, &part(HELLO.len() + 1, &"x".repeat(2048)));
    let refused = say(&mut node, &room_message("wh0le000", "", HELLO));
    assert_ne!(status(&refused), "200", "{refused}");
    assert_eq!(node.output(home), "");
    node.disconnect(sender);
    node.hold_relays(false);
    let home = node.output(home);
    assert!(home.ends_with("#\r\n") && !home.contains("wh0le000"), "{home}");
    assert_eq!(home.matches("$\r\n").count(), 0);
}

/// CHAT-22, CHAT-26, CHAT-38: a home core that forgets the room takes back what it had passed on of
/// messages that are not complete.
#[test]
fn a_home_that_forgets_the_room_ends_what_has_begun_elsewhere() {
    for close in [false, true] {
        let mut node = Node::new(2);
        let (sender, uri) = node.bound(&Member { core: 1, ..alice() });
        let (far, _) = node.bound(&Member { core: 1, ..bob() });
        let begun = chunk("f0rg0t00", "Byte-Range: 1-*/*", HELLO, '+').replace("{alice}", &uri);
        node.feed(sender, begun.as_bytes());
        node.pause();
        assert!(node.output(far).ends_with("+\r\n"));
        let (epoch, room) = (Epoch(100), Arc::clone(&node.terms));
        let forget = if close {
            Command::Close { room: room.id, epoch }
        } else {
            Command::Spread { room, epoch, cores: CoreSet::EMPTY }
        };
        node.command(0, forget);
        assert!(node.output(far).ends_with("#\r\n"));
        assert_eq!(node.cores[0].occupancy(), (0, 0, 0));
    }
}
