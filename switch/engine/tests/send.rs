//! What a SEND says of itself, and what is believed of it: ranges, lengths, types, reports.

mod common;

use common::{
    Node,
    lobby::{ALICE, BOB, Fixture, HELLO, room_message},
    status,
};
use engine::Limits;

/// A chunk of Alice's with these headers, body and flag; its tid is its Message-ID.
fn chunk(tid: &str, headers: &str, body: &str, flag: char) -> String {
    format!(
        "MSRP {tid} SEND\r\nTo-Path: {{alice}}\r\nFrom-Path: {ALICE}\r\nMessage-ID: {tid}\r\n\
        {headers}Content-Type: message/cpim\r\n\r\n{body}\r\n-------{tid}{flag}\r\n"
    )
}

/// TV-14, CHUNK-12, CHUNK-13, CHUNK-15, CHUNK-22, CHUNK-23, WIRE-36, CODE-02, CODE-07: what a range
/// may say. The body here has 105 octets.
#[test]
fn ranges_are_believed_as_far_as_they_can_be_true() {
    let cases = [
        ("1-105/105", '$', "200"),
        ("1-*/105", '$', "200"),
        ("1-*/*", '$', "200"),
        ("1-105/*", '$', "200"),
        ("", '$', "200"),
        ("1-105/200", '+', "200"),
        ("1-107/107", '$', "200"),
        ("1-104/104", '$', "400"),
        ("1-*/104", '$', "400"),
        ("1-0/0", '$', "400"),
        ("0-104/105", '$', "400"),
        ("5-3/10", '+', "400"),
        ("1-211/210", '+', "400"),
        ("212-*/210", '$', "400"),
        ("1-105", '$', "400"),
        ("-105/105", '$', "400"),
        ("1 - 105/105", '$', "400"),
        ("1-*/18446744073709551616", '+', "400"),
        ("1-*/18446744073709551615", '+', "413"),
        ("1-18446744073709551615/*", '$', "200"),
        ("18446744073709551615-*/*", '+', "413"),
    ];
    for (range, flag, expected) in cases {
        let mut room = Fixture::new();
        let header =
            if range.is_empty() { String::new() } else { format!("Byte-Range: {range}\r\n") };
        room.say(&chunk("r4nge000", &header, HELLO, flag));
        room.node.pause();
        let [alice, bob, _] = room.heard();
        assert_eq!(status(&alice), expected, "{range}");
        assert_eq!(alice.matches("MSRP").count(), 1, "one answer, {range}");
        assert_eq!(bob.contains("Hello room"), expected == "200", "{range}");
        assert_eq!(expected == "200" && flag == '$', bob.ends_with("$\r\n"), "{range}");
    }
}

/// CHUNK-13, CHAT-26: octets beyond what was announced are not forwarded, and what was forwarded of
/// the message is given up.
#[test]
fn a_chunk_that_grows_beyond_its_range_is_given_up() {
    let mut room = Fixture::new();
    let head = chunk("gr0w0000", "Byte-Range: 1-4000/4000\r\n", "", '$');
    let head = head.strip_suffix("\r\n-------gr0w0000$\r\n").expect("the end-line");
    room.say(&format!("{head}{HELLO}{}", "x".repeat(3000)));
    assert!(room.heard()[1].contains("xxxx"), "the beginning is on its way");
    room.say(&"y".repeat(3000));
    room.say("\r\n-------gr0w0000$\r\n");
    let [alice, bob, _] = room.heard();
    assert_eq!((status(&alice), alice.matches("MSRP").count()), ("400", 1));
    assert!(!bob.contains("yyyy") && bob.ends_with("#\r\n"));
}

/// CHUNK-02, CHUNK-03, CHUNK-05, CHAT-15, SEND-01: every chunk of a copy says where it begins; above
/// 2048 octets, or while more is coming, it does not promise where it ends.
#[test]
fn copies_say_where_they_begin_and_promise_no_more_than_they_know() {
    let mut room = Fixture::new();
    let long = format!("{HELLO}{}", "x".repeat(3000));
    room.say(&chunk("l0ng0000", &format!("Byte-Range: 1-*/{}\r\n", long.len()), &long, '$'));
    assert!(room.heard()[1].contains(&format!("\r\nByte-Range: 1-*/{}\r\n", long.len())));

    let (first, second) = HELLO.split_at(100);
    let part = |tid: &str, range: &str, body: &str, flag| {
        let whole = chunk(tid, &format!("Byte-Range: {range}\r\n"), body, flag);
        whole.replace(&format!("Message-ID: {tid}"), "Message-ID: parts000")
    };
    room.say(&part("p4rt0001", "1-*/105", first, '+'));
    room.node.pause();
    room.say(&part("p4rt0002", "101-105/105", second, '$'));
    let [_, bob, _] = room.heard();
    let lines = |name: &str| -> Vec<&str> {
        bob.lines().filter_map(|line| line.strip_prefix(name)).collect()
    };
    assert_eq!(lines("Byte-Range: "), ["1-*/105", "101-105/105"]);
    let ids = lines("Message-ID: ");
    assert!(ids.len() == 2 && ids[0] == ids[1] && (4..=32).contains(&ids[0].len()));
    assert!(ids[0].bytes().all(|octet| octet.is_ascii_alphanumeric()));
}

/// WIRE-18: every piece of a message that is passed on as it comes has a transaction of its own,
/// which occurs nowhere in it.
#[test]
fn every_piece_of_a_long_message_has_its_own_transaction() {
    let mut room = Fixture::new();
    let body = format!("{HELLO}{}", "-------0123456789abcdef$\r\n".repeat(400));
    let whole = chunk("l0ng0000", "", &body, '$').replace("{alice}", &room.alice.1);
    for part in whole.as_bytes().chunks(3000) {
        room.node.feed(room.alice.0, part);
    }
    let [_, bob, _] = room.heard();
    let pieces: Vec<&str> = bob.split("MSRP ").skip(1).collect();
    assert!(pieces.len() > 2);
    let mut joined = String::new();
    for (at, piece) in pieces.iter().enumerate() {
        let (tid, _) = piece.split_once(' ').expect("a start line");
        assert_eq!(bob.matches(&format!("MSRP {tid} SEND")).count(), 1);
        let (_, rest) = piece.split_once("\r\n\r\n").expect("a body");
        let flag = if at + 1 == pieces.len() { '$' } else { '+' };
        let end = format!("\r\n-------{tid}{flag}\r\n");
        let part = rest.strip_suffix(&end).expect("its own end-line");
        assert!(!part.contains(&format!("-------{tid}")));
        joined.push_str(part);
    }
    assert_eq!(joined, body);
}

/// TV-26, SEND-11, CHAT-02, CODE-08: content without the wrapper is 415, and so is a wrapper under a
/// transfer encoding (SEND-09).
#[test]
fn content_that_is_no_wrapper_is_refused_with_415() {
    let wrapped = |encoding: &str| {
        chunk("c0ntent0", &format!("Content-Transfer-Encoding: {encoding}\r\n"), HELLO, '$')
    };
    let bare = chunk("c0ntent0", "Byte-Range: 1-5/5\r\n", "Hello", '$');
    let cases = [
        (bare.replace("message/cpim", "text/plain"), "415"),
        (bare.replace("message/cpim", "multipart/mixed;boundary=x"), "415"),
        (wrapped("base64"), "415"),
        (wrapped("binary"), "200"),
        (wrapped("7bit"), "200"),
    ];
    for (text, expected) in cases {
        let mut room = Fixture::new();
        room.say(&text);
        let [alice, bob, carol] = room.heard();
        assert_eq!(status(&alice), expected, "{text}");
        assert_eq!(expected != "200", bob.is_empty() && carol.is_empty(), "{text}");
        assert!(!bob.contains("Content-Transfer-Encoding"));
    }
}

/// SEND-04: content without Message-ID is 400.
#[test]
fn content_needs_a_message_id() {
    let mut room = Fixture::new();
    let text = chunk("n0id0000", "", HELLO, '$').replace("Message-ID: n0id0000\r\n", "");
    room.say(&text);
    assert_eq!(status(&room.heard()[0]), "400");
}

/// SEND-10, CPIM-16, CPIM-18, CHAT-17: what is inside the wrapper, multipart, signed, or with a
/// Require nobody here knows, goes on as it is to who takes the type.
#[test]
fn the_inside_of_the_wrapper_is_not_interpreted() {
    let mut node = Node::new(1);
    let alice = node.bound(&common::lobby::alice());
    let (anything, _) = node.bound(&common::Member { wrapped: "*", ..common::lobby::bob() });
    for kind in ["multipart/mixed;boundary=x", "multipart/alternative", "multipart/signed"] {
        let body = format!(
            "NS: q <urn:example:q>\r\nRequire: q.Vital\r\nTo: <sip:lobby@chat.example.com>\r\n\
            From: <sip:alice@example.org>\r\n\r\nContent-Type: {kind}\r\n\r\n--x\r\n\r\n--x--\r\n"
        );
        let text = room_message("1ns1de00", "", &body).replace("{alice}", &alice.1);
        node.feed(alice.0, text.as_bytes());
        assert_eq!(status(&node.output(alice.0)), "200");
        assert!(node.output(anything).contains(&format!("\r\n\r\n{body}\r\n-------")), "{kind}");
    }
}

/// SEND-07, WIRE-24, WIRE-26: the first octets of a message say whether a success report is wanted; each chunk says
/// for itself whether it wants an answer.
#[test]
fn reports_follow_the_first_octets_and_answers_their_own_chunk() {
    let (first, second) = HELLO.split_at(50);
    let part = |tid: &str, headers: &str, body: &str, flag| {
        chunk(tid, headers, body, flag)
            .replace(&format!("Message-ID: {tid}"), "Message-ID: rep0rts0")
    };
    let with = |report: &str| {
        [
            part(
                "p4rt0001",
                &format!("{report}Failure-Report: no\r\nByte-Range: 1-*/105\r\n"),
                first,
                '+',
            ),
            part("p4rt0002", "Byte-Range: 51-105/105\r\n", second, '$'),
        ]
    };
    for (report, wanted) in [("Success-Report: yes\r\n", 1), ("", 0)] {
        for order in [[0, 1], [1, 0]] {
            let mut room = Fixture::new();
            for at in order {
                room.say(&with(report)[at]);
            }
            let [alice, ..] = room.heard();
            assert!(!alice.contains("MSRP p4rt0001 "), "it asked for no answer");
            assert_eq!(alice.matches("MSRP p4rt0002 200 OK\r\n").count(), 1);
            assert_eq!(alice.matches("\r\nStatus: 000 200 OK\r\n").count(), wanted, "{order:?}");
            // A report is whole and has no body.
            assert_eq!(alice.matches("Content-").count(), 0);
        }
    }
}

/// RESP-01, RESP-16, SEND-12, CODE-01: every request is answered once and at once, repeated
/// content as well, whatever the recipients do with their copies.
#[test]
fn the_sender_is_answered_whatever_the_recipients_do() {
    let mut room = Fixture::new();
    for _ in 0..3 {
        room.say(&room_message("0nce0000", "", HELLO));
        let [alice, bob, _] = room.heard();
        assert_eq!((status(&alice), alice.matches("MSRP").count()), ("200", 1));
        let (tid, _) = bob["MSRP ".len()..].split_once(' ').expect("a start line");
        let refusal = format!(
            "MSRP {tid} 413 Stop\r\nTo-Path: {}\r\nFrom-Path: {BOB}\r\n-------{tid}$\r\n",
            room.bob.1
        );
        room.node.feed(room.bob.0, refusal.as_bytes());
        assert_eq!(room.heard()[0], "");
    }
}

/// LIM-05: an unfinished message too many is refused with 413; a refused one gives up its place.
#[test]
fn unfinished_messages_are_bounded() {
    let limits = Limits { session_messages_max: 2, ..Limits::default() };
    let mut room = Fixture::on(Node::with(1, &limits, 10_000));
    let begin = |tid: &str| chunk(tid, "Byte-Range: 1-*/*\r\n", HELLO, '+');
    for (tid, expected) in [("un0fin01", "200"), ("un0fin02", "200"), ("un0fin03", "413")] {
        room.say(&begin(tid));
        assert_eq!(status(&room.heard()[0]), expected, "{tid}");
    }
    room.say(&begin("un0fin01").replace('+', "#").replace("1-*/*", "106-*/*"));
    assert_eq!(status(&room.heard()[0]), "200");
    room.say(&begin("un0fin04"));
    assert_eq!(status(&room.heard()[0]), "200");
}

/// URI-03, URI-05, URI-14: a minted URI carries the transport and a port, and no two are equal.
#[test]
fn minted_uris_are_whole_and_differ() {
    let mut node = Node::new(1);
    let first = node.install(&common::lobby::bob()).1;
    let second = node.install(&common::lobby::bob()).1;
    assert_ne!(first, second);
    for uri in [first, second] {
        assert!(uri.starts_with("msrp://sw.example.com:2855/") && uri.ends_with(";tcp"), "{uri}");
    }
}
