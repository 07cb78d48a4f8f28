//! The room-level test vectors of the catalogue and what follows from them, on literal bytes
//! through the real engine. Session URIs are minted at random, so they stand in the vectors as
//! `{alice}` and `{bob}`.

mod common;

use std::time::Duration;

use common::{
    Member, Node,
    lobby::{ALICE, BOB, Fixture, HELLO, RELAYED, TV_01, alice, bob, carol, room_message},
    masked,
};
use engine::Limits;
use mailbox::{Command, Direction, Event, RoomId};

/// TV-01, CHAT-01, CHAT-11, CHAT-12, CHAT-16, CPIM-02, URI-19, WIRE-04, WIRE-07, WIRE-09: the sender
/// is answered, every other member gets its own SEND around the same octets.
#[test]
fn a_room_message_goes_to_everybody_else_with_fresh_ids_and_its_body_untouched() {
    let mut room = Fixture::new();
    room.say(TV_01);
    let [alice, bob, carol] = room.heard();
    let expected = "MSRP a786hjs2Kd0Qw1Er 200 OK\r\n\
        To-Path: msrp://alice.example.org:7654/aL4c8Vn1Xy0B;tcp\r\n\
        From-Path: {alice}\r\n\
        -------a786hjs2Kd0Qw1Er$\r\n";
    assert_eq!(alice, expected.replace("{alice}", &room.alice.1));

    let mut tids = Vec::new();
    for (output, path, own) in [(bob, BOB, &room.bob.1), (carol, RELAYED, &room.carol.1)] {
        let (text, tid, mid) = masked(&output);
        let expected = format!(
            "MSRP {{tid}} SEND\r\n\
            To-Path: {path}\r\n\
            From-Path: {own}\r\n\
            Message-ID: {{mid}}\r\n\
            Byte-Range: 1-157/157\r\n\
            Content-Type: message/cpim\r\n\
            \r\n\
            To: <sip:lobby@chat.example.com;transport=tcp>\r\n\
            From: Alice <sip:alice@example.org>\r\n\
            DateTime: 2026-01-15T10:00:00Z\r\n\
            \r\n\
            Content-Type: text/plain\r\n\
            \r\n\
            Hello room\r\n\
            -------{{tid}}$\r\n"
        );
        assert_eq!(text, expected);
        assert_ne!(mid, "87652491aa");
        assert!(tid != "a786hjs2Kd0Qw1Er" && (4..=32).contains(&tid.len()));
        tids.push(tid);
    }
    assert_ne!(tids[0], tids[1]);
    assert_eq!(room.node.counters(0).copies_delivered, 2);
}

/// TV-20, RESP-03, CHAT-16: with `Failure-Report: no` nothing is answered, and the copies do not
/// inherit it.
#[test]
fn a_sender_who_wants_no_report_gets_none() {
    let mut room = Fixture::new();
    room.say(
        "MSRP 5ilent20aaaabbb1 SEND\r\nTo-Path: msrp://sw.example.com:2855/nOsUcHsEsSiOn12345;tcp\r\n\
        From-Path: msrp://alice.example.org:7654/aL4c8Vn1Xy0B;tcp\r\nMessage-ID: sil00001\r\n\
        Failure-Report: no\r\nByte-Range: 1-2/2\r\nContent-Type: text/plain\r\n\r\nhi\r\n\
        -------5ilent20aaaabbb1$\r\n",
    );
    room.say(
        "MSRP 5ilent20aaaabbb2 SEND\r\nTo-Path: {alice}\r\n\
        From-Path: msrp://alice.example.org:7654/aL4c8Vn1Xy0B;tcp\r\nMessage-ID: sil00002\r\n\
        Failure-Report: no\r\nByte-Range: 1-2/2\r\nContent-Type: text/plain\r\n\r\nhi\r\n\
        -------5ilent20aaaabbb2$\r\n",
    );
    room.say(&room_message(
        "5ilent20aaaabbb3",
        "Failure-Report: no\r\nByte-Range: 1-105/105\r\n",
        HELLO,
    ));
    let [alice, bob, carol] = room.heard();
    assert_eq!(alice, "");
    assert!(!bob.contains("Failure-Report") && bob.contains("Hello room"));
    assert!(carol.contains("Hello room"));
}

/// TV-21, RESP-02, CODE-08: with `partial` only an error is answered.
#[test]
fn a_sender_who_wants_partial_reports_hears_only_of_errors() {
    let mut room = Fixture::new();
    let headers = "Failure-Report: partial\r\nByte-Range: 1-105/105\r\n";
    room.say(&room_message("p4rtia121aaaabb1", headers, HELLO));
    let [alice, bob, _] = room.heard();
    assert_eq!(alice, "");
    assert!(bob.contains("Hello room"));
    room.say(
        "MSRP p4rtia121aaaabb2 SEND\r\nTo-Path: {alice}\r\n\
        From-Path: msrp://alice.example.org:7654/aL4c8Vn1Xy0B;tcp\r\nMessage-ID: part0002\r\n\
        Failure-Report: partial\r\nByte-Range: 1-2/2\r\nContent-Type: text/plain\r\n\r\nhi\r\n\
        -------p4rtia121aaaabb2$\r\n",
    );
    let expected = format!(
        "MSRP p4rtia121aaaabb2 415 Unsupported media type\r\nTo-Path: {ALICE}\r\nFrom-Path: {}\r\n\
        -------p4rtia121aaaabb2$\r\n",
        room.alice.1
    );
    assert_eq!(room.heard()[0], expected);
}

/// TV-22, RPT-01, RPT-02, RPT-04, RPT-05: one report for the whole message when it is
/// asked for, beside or without the 200.
#[test]
fn a_success_report_covers_the_whole_message() {
    let mut room = Fixture::new();
    let headers = "Success-Report: yes\r\nFailure-Report: no\r\nByte-Range: 1-105/105\r\n";
    room.say(&room_message("5ucc3ss22aaaabbb", headers, HELLO));
    let [alice, ..] = room.heard();
    let expected = format!(
        "MSRP {{tid}} REPORT\r\nTo-Path: {ALICE}\r\nFrom-Path: {}\r\nMessage-ID: {{mid}}\r\n\
        Byte-Range: 1-105/105\r\nStatus: 000 200 OK\r\n-------{{tid}}$\r\n",
        room.alice.1
    );
    let (text, _, mid) = masked(&alice);
    assert_eq!((text, mid.as_str()), (expected, "5ucc3ss22aaaabbb"));
    room.say(&room_message("n0r3port0000", "Byte-Range: 1-105/105\r\n", HELLO));
    assert!(!room.heard()[0].contains("REPORT"));
}

/// TV-23, RESP-08, RPT-10, RPT-11, RPT-12: reports are never answered, never forwarded, and do no
/// harm.
#[test]
fn a_report_is_never_answered_and_never_reaches_the_sender() {
    let mut room = Fixture::new();
    let own = room.bob.1.clone();
    for (to_path, rest) in [
        (own.as_str(), "Byte-Range: 1-5/5\r\nStatus: 000 200 OK\r\n"),
        (
            "msrp://sw.example.com:2855/nOsUcHsEsSiOn12345;tcp",
            "Byte-Range: 1-5/5\r\nStatus: 000 413 Stop\r\n",
        ),
        (own.as_str(), "Byte-Range: 9-5/5\r\n"),
    ] {
        let report = format!(
            "MSRP r3p0rt23aaaabbb1 REPORT\r\nTo-Path: {to_path}\r\nFrom-Path: {BOB}\r\n\
            Message-ID: nobody01\r\n{rest}-------r3p0rt23aaaabbb1$\r\n"
        );
        room.node.feed(room.bob.0, report.as_bytes());
    }
    let stray = format!(
        "MSRP unkn0wn0 200 OK\r\nTo-Path: {own}\r\nFrom-Path: {BOB}\r\n-------unkn0wn0$\r\n"
    );
    room.node.feed(room.bob.0, stray.as_bytes());
    assert_eq!(room.heard(), ["", "", ""]);
    assert!(!room.node.is_closed(room.bob.0));
    room.say(TV_01);
    assert!(room.heard()[1].contains("Hello room"), "the session lives on");
}

/// RESP-04, RESP-05, RPT-03: behind a relay, the response to a SEND goes one hop back, a report all
/// the way.
#[test]
fn a_response_goes_one_hop_back_and_a_report_all_the_way() {
    let mut room = Fixture::new();
    let own = room.carol.1.clone();
    let request = format!(
        "MSRP r3l4yed0 SEND\r\nTo-Path: {own}\r\nFrom-Path: {RELAYED}\r\nMessage-ID: one-hop\r\n\
        Success-Report: yes\r\n-------r3l4yed0$\r\n"
    );
    room.node.feed(room.carol.0, request.as_bytes());
    let heard = room.node.output(room.carol.0);
    let expected = format!(
        "MSRP r3l4yed0 200 OK\r\nTo-Path: msrp://relay.example.net:2855/rC1k6Ty8Zq;tcp\r\n\
        From-Path: {own}\r\n-------r3l4yed0$\r\n"
    );
    let report = heard.strip_prefix(&expected).expect("the response is first");
    let report_to = format!(" REPORT\r\nTo-Path: {RELAYED}\r\nFrom-Path: {own}\r\n");
    assert!(report.contains(&report_to), "{report}");
}

/// RESP-09, RESP-19: what is wrong first is answered first: syntax, session, method. The answer to an
/// unknown method can be declined.
#[test]
fn requests_are_checked_in_their_order() {
    let mut room = Fixture::new();
    let own = room.alice.1.clone();
    let nobody = "msrp://sw.example.com:2855/nOsUcHsEsSiOn12345;tcp";
    let nowhere = "msrp://sw.example.com:2855;tcp";
    for (method, to_path, headers, status) in [
        ("PING", own.as_str(), "", Some("501")),
        ("PING", nobody, "", Some("481")),
        ("PING", nowhere, "", Some("501")),
        ("SEND", nowhere, "", Some("481")),
        ("PING", nobody, " folded\r\n", Some("400")),
        ("PING", own.as_str(), "Failure-Report: no\r\n", None),
        ("NICKNAME", own.as_str(), "Failure-Report: no\r\nUse-Nickname: \"a\"\r\n", Some("403")),
    ] {
        room.say(&format!(
            "MSRP 0rder000 {method}\r\nTo-Path: {to_path}\r\nFrom-Path: {ALICE}\r\n{headers}\
            -------0rder000$\r\n"
        ));
        let [answer, ..] = room.heard();
        let expected = status.map(|status| format!("MSRP 0rder000 {status} "));
        match expected {
            Some(start) => assert!(answer.starts_with(&start), "{method} {to_path}: {answer}"),
            None => assert_eq!(answer, ""),
        }
    }
}

/// TV-24, WIRE-30, CODE-13, RESP-06: an unknown method is answered all the way back.
#[test]
fn an_unknown_method_is_answered_501_along_the_whole_path() {
    let mut room = Fixture::new();
    let request = format!(
        "MSRP unkn0wn24aaaabbb PING\r\nTo-Path: {}\r\nFrom-Path: {RELAYED}\r\n\
        -------unkn0wn24aaaabbb$\r\n",
        room.carol.1
    );
    room.node.feed(room.carol.0, request.as_bytes());
    let expected = format!(
        "MSRP unkn0wn24aaaabbb 501 Unknown method\r\nTo-Path: {RELAYED}\r\nFrom-Path: {}\r\n\
        -------unkn0wn24aaaabbb$\r\n",
        room.carol.1
    );
    assert_eq!(room.heard()[2], expected);
}

/// TV-25, CHAT-13, WIRE-29: `Content-*` headers stay, unknown ones do not.
#[test]
fn copies_keep_content_headers_and_drop_unknown_ones() {
    let mut room = Fixture::new();
    let headers = "Byte-Range: 1-105/105\r\nX-Trace: 1;2=3\r\nContent-Disposition: render\r\n";
    room.say(&room_message("3xthdr25aaaabbbb", headers, HELLO));
    let (text, ..) = masked(&room.heard()[1]);
    let expected = format!(
        "MSRP {{tid}} SEND\r\nTo-Path: {BOB}\r\nFrom-Path: {}\r\nMessage-ID: {{mid}}\r\n\
        Byte-Range: 1-105/105\r\nContent-Disposition: render\r\nContent-Type: message/cpim\r\n\
        \r\n{HELLO}\r\n-------{{tid}}$\r\n",
        room.bob.1
    );
    assert_eq!(text, expected);
}

/// TV-27, TV-28, CHAT-03, CHAT-04, CHAT-05, CHAT-06, CHAT-36, PRIV-03, CPIM-12, CODE-02, CODE-04:
/// who may say what to whom.
#[test]
fn the_wrapper_decides_who_may_speak_to_whom() {
    let cases = [
        (
            "To: <sip:lobby@chat.example.com>\r\nTo: <sip:bob@example.net>\r\nFrom: <sip:alice@example.org>",
            "403",
        ),
        (
            "To: <sip:lobby@chat.example.com>\r\nTo: <sip:lobby@chat.example.com>\r\nFrom: <sip:alice@example.org>",
            "403",
        ),
        (
            "To: <sip:lobby@chat.example.com>\r\ncc: <sip:bob@example.net>\r\nFrom: <sip:alice@example.org>",
            "200",
        ),
        ("To: <sip:lobby@chat.example.com>\r\nFrom: <sip:bob@example.net>", "403"),
        ("To: <sip:lobby@chat.example.com>\r\nFrom: \"Bob\" <sip:alice@example.org>", "200"),
        ("To: <sip:lobby@chat.example.com>", "400"),
        ("To: <sip:bob@example.net>\r\nFrom: <sip:alice@example.org>", "403"),
        ("From: <sip:alice@example.org>", "400"),
        ("to: <sip:lobby@chat.example.com>\r\nFrom: <sip:alice@example.org>", "400"),
    ];
    for (wrapper, status) in cases {
        let mut room = Fixture::new();
        let body = format!("{wrapper}\r\n\r\nContent-Type: text/plain\r\n\r\nHi");
        room.say(&room_message("wr4pp3r0", "", &body));
        let [alice, bob, carol] = room.heard();
        assert!(alice.starts_with(&format!("MSRP wr4pp3r0 {status} ")), "{wrapper}: {alice}");
        assert_eq!(status == "200", bob.contains(wrapper) && carol.contains(wrapper));
        assert_eq!(status == "200", !bob.is_empty());
    }
}

/// CHAT-17, CHAT-18, CHAT-19, SDP-23, SDP-24: a copy is skipped for who cannot take it, and the
/// sender is not told.
#[test]
fn a_recipient_gets_only_what_it_can_take() {
    let mut node = Node::new(1);
    let (sender, uri) = node.bound(&alice());
    let member = |participant, wrapped, size_max, direction| Member {
        address: "sip:x@example.com",
        path: BOB,
        participant,
        wrapped,
        size_max,
        direction,
        ..Member::default()
    };
    let everything = Direction::SendReceive;
    let (all, _) = node.bound(&member(2, "*", None, everything));
    let (html, _) = node.bound(&member(3, "text/html", None, everything));
    let (small, _) = node.bound(&member(4, "*", Some(104), everything));
    let (exact, _) = node.bound(&member(5, "*", Some(105), everything));
    let (mute, _) = node.bound(&member(6, "*", None, Direction::FromPeer));
    let message = room_message("sk1pped0", "Byte-Range: 1-105/105\r\n", HELLO);
    node.feed(sender, message.replace("{alice}", &uri).as_bytes());
    assert!(node.output(sender).starts_with("MSRP sk1pped0 200 "));
    let got = [all, html, small, exact, mute].map(|peer| !node.output(peer).is_empty());
    assert_eq!(got, [true, false, false, true, false]);
    let counters = node.counters(0);
    assert_eq!((counters.copies_skipped_type, counters.copies_skipped_size), (1, 1));

    let (listener, uri) = node.bound(&Member { direction: Direction::ToPeer, ..alice() });
    node.feed(listener, message.replace("{alice}", &uri).as_bytes());
    assert!(node.output(listener).starts_with("MSRP sk1pped0 403 "));
}

/// CTRL-03, CHAT-08, CHAT-09, CHAT-10: a session is a recipient once it is activated and bound,
/// whichever comes last; no session of the sender is one.
#[test]
fn a_session_is_due_messages_once_it_is_active_and_bound() {
    let mut node = Node::new(1);
    let (sender, uri) = node.bound(&alice());
    let (second_device, _) = node.bound(&alice());
    let (one, one_uri) = node.install(&bob());
    let peer = node.connect(0);
    let bind = format!(
        "MSRP bind0001 SEND\r\nTo-Path: {one_uri}\r\nFrom-Path: {BOB}\r\n-------bind0001$\r\n"
    );
    node.feed(peer, bind.as_bytes());
    node.output(peer);
    let message = room_message("dueornot", "", HELLO).replace("{alice}", &uri);
    node.feed(sender, message.as_bytes());
    assert_eq!(node.output(peer), "", "bound but not activated");
    node.activate(0, one);
    let (unbound, _) = node.join(&carol());
    let (other_device, _) = node.bound(&bob());
    node.feed(sender, message.as_bytes());
    for device in [peer, other_device] {
        assert_eq!(node.output(device).matches("Hello room").count(), 1, "one copy on each");
    }
    assert_eq!(node.output(second_device), "");
    node.remove(0, one);
    node.feed(sender, message.as_bytes());
    assert_eq!(node.output(peer), "", "removed");
    let removed =
        |event: &Event| matches!(event, Event::Removed { session, .. } if *session == one);
    assert!(node.events.iter().any(removed));
    let bound = Event::Bound { session: unbound };
    assert!(!node.events.contains(&bound), "nobody spoke for it");
}

/// CTRL-03, URI-19, CHAT-11, CHAT-17, sip/FOC-21: a peer that was made an offer may connect and speak
/// before its answer is here. Messages are due to it once the answer is, along the path it names and
/// of the types it takes, whatever path it used itself; and so they are when it changes its mind.
#[test]
fn a_session_is_due_nothing_before_its_peer_has_described_itself() {
    let mut node = Node::new(1);
    let (sender, uri) = node.bound(&alice());
    let message = room_message("notknown", "", HELLO).replace("{alice}", &uri);
    let (session, own) = node.install_unknown(&bob());
    node.activate(0, session);
    let peer = node.connect(0);
    let hello = format!(
        "MSRP b0b5aysh1 SEND\r\nTo-Path: {own}\r\nFrom-Path: msrp://10.0.0.7:9/early;tcp\r\n\
        Message-ID: m1\r\nSuccess-Report: yes\r\nByte-Range: 1-98/98\r\n\
        Content-Type: message/cpim\r\n\r\n\
        To: <sip:lobby@chat.example.com>\r\nFrom: <sip:bob@example.net>\r\n\r\n\
        Content-Type: text/plain\r\n\r\nHi\r\n-------b0b5aysh1$\r\n"
    );
    node.feed(peer, hello.as_bytes());
    let answers = node.output(peer);
    let early = format!("\r\nTo-Path: msrp://10.0.0.7:9/early;tcp\r\nFrom-Path: {own}\r\n");
    assert!(answers.starts_with(&format!("MSRP b0b5aysh1 200 OK{early}")), "{answers}");
    assert!(answers.contains(&format!(" REPORT{early}")), "{answers}");
    assert!(node.output(sender).contains("\r\n\r\nHi\r\n"), "what it says is heard");
    node.feed(sender, message.as_bytes());
    assert_eq!(node.output(peer), "", "active and bound, but where to?");

    node.describe(&bob(), session);
    node.feed(sender, message.as_bytes());
    let copy = format!(" SEND\r\nTo-Path: {BOB}\r\nFrom-Path: {own}\r\n");
    let heard = node.output(peer);
    assert!(heard.contains(&copy) && heard.contains("Hello room"), "{heard}");

    node.describe(&Member { wrapped: "text/html", ..bob() }, session);
    node.feed(sender, message.as_bytes());
    assert_eq!(node.output(peer), "", "plain text is not for it any more");
}

/// CTRL-03: in whichever order the focus and the peer see to it.
#[test]
fn a_session_may_be_described_before_it_is_activated_and_bound() {
    let mut node = Node::new(1);
    let (sender, uri) = node.bound(&alice());
    let (session, own) = node.install_unknown(&bob());
    node.describe(&bob(), session);
    node.activate(0, session);
    let peer = node.connect(0);
    let bind =
        format!("MSRP bind0001 SEND\r\nTo-Path: {own}\r\nFrom-Path: {BOB}\r\n-------bind0001$\r\n");
    node.feed(peer, bind.as_bytes());
    node.output(peer);
    node.feed(sender, room_message("dueatend", "", HELLO).replace("{alice}", &uri).as_bytes());
    assert!(node.output(peer).contains("Hello room"));
}

/// NICK-02: a room without nicknames refuses them, whatever else is wrong with the value.
#[test]
fn nicknames_are_refused_where_the_room_has_none() {
    let mut room = Fixture::new();
    room.say(&format!(
        "MSRP n1ck34aaaabbbbcc NICKNAME\r\nTo-Path: {{alice}}\r\nFrom-Path: {ALICE}\r\n\
        Failure-Report: no\r\nUse-Nickname: \"Bob\"\r\n-------n1ck34aaaabbbbcc$\r\n"
    ));
    assert!(room.heard()[0].starts_with("MSRP n1ck34aaaabbbbcc 403 "));
}

/// CHAT-31: a room may have members on several cores; each other core gets one relay per message,
/// and all recipients see one common order.
#[test]
fn a_room_spread_over_cores_gets_one_relay_per_core_and_one_order() {
    let mut node = Node::new(3);
    let mut peers = Vec::new();
    for number in 0..9u64 {
        let member = Member {
            core: (number % 3) as usize,
            address: &format!("sip:u{number}@example.com"),
            participant: number,
            ..bob()
        };
        peers.push(node.bound(&member));
    }
    for round in 0..4 {
        for (number, (peer, uri)) in peers.iter().enumerate() {
            let message = format!(
                "MSRP spr34d00 SEND\r\nTo-Path: {uri}\r\nFrom-Path: {BOB}\r\nMessage-ID: m{round}x\r\n\
                Content-Type: message/cpim\r\n\r\nTo: <sip:lobby@chat.example.com>\r\n\
                From: <sip:u{number}@example.com>\r\n\r\nContent-Type: text/plain\r\n\r\n\
                said {round}.{number}.\r\n-------spr34d00$\r\n"
            );
            node.feed(*peer, message.as_bytes());
        }
    }
    let heard: Vec<Vec<String>> = peers
        .iter()
        .map(|(peer, _)| {
            let output = node.output(*peer);
            output.lines().filter(|line| line.starts_with("said ")).map(str::to_owned).collect()
        })
        .collect();
    for (number, heard) in heard.iter().enumerate() {
        assert_eq!(heard.len(), 4 * 8, "u{number} hears all the others and not itself");
        assert!(heard.iter().all(|line| !line.ends_with(&format!(".{number}."))));
    }
    let without = |list: &[String], a: usize, b: usize| -> Vec<String> {
        let own = [format!(".{a}."), format!(".{b}.")];
        list.iter().filter(|line| own.iter().all(|own| !line.ends_with(own))).cloned().collect()
    };
    for other in 1..9 {
        let (first, second) = (without(&heard[0], 0, other), without(&heard[other], 0, other));
        assert_eq!(first, second, "u0 and u{other} agree on the order");
    }
}

/// CHAT-29, FLOW-04: a full queue costs its own recipient a whole message and nobody else anything.
#[test]
fn a_full_queue_sheds_whole_messages_for_its_own_recipient_only() {
    let limits = Limits { connection_queue_bytes_max: 700, ..Limits::default() };
    let mut node = Node::with(1, &limits, 10_000);
    let (sender, uri) = node.bound(&alice());
    let (bob_peer, _) = node.bound(&bob());
    let long = format!("{HELLO}{}", "x".repeat(600));
    let message = room_message("sh3d0000", "", &long).replace("{alice}", &uri);
    node.feed(sender, message.as_bytes());
    assert!(node.output(sender).starts_with("MSRP sh3d0000 200 "));
    assert_eq!(node.output(bob_peer), "");
    assert_eq!(node.counters(0).copies_shed, 1);
    node.feed(sender, room_message("f1ts0000", "", HELLO).replace("{alice}", &uri).as_bytes());
    assert!(node.output(bob_peer).contains("Hello room"));
}

/// The home core knows when a room was last spoken in, from whichever core, and says so when it is
/// asked. What binds a session is not said in a room, nor is what was refused.
#[test]
fn a_home_knows_when_its_room_was_last_spoken_in() {
    for sender in [0, 1] {
        let mut node = Node::new(2);
        let home = |node: &mut Node| {
            node.command(0, Command::Inquire { room: RoomId(1) });
            match node.events.pop() {
                Some(Event::Heard { room: RoomId(1), last }) => last,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(home(&mut node), None, "a room that it does not know");
        let (peer, uri) = node.bound(&Member { core: sender, ..alice() });
        node.bound(&bob());
        let said = |body: &str| {
            let id = common::fresh_id();
            room_message(&id, &format!("Byte-Range: 1-{0}/{0}\r\n", body.len()), body)
                .replace("{alice}", &uri)
        };
        node.feed(peer, said("no wrapper").as_bytes());
        assert_eq!(home(&mut node), None);
        let first = node.now;
        node.feed(peer, said(HELLO).as_bytes());
        node.advance(Duration::from_secs(5));
        assert_eq!(home(&mut node), Some(first));
        node.feed(peer, said(HELLO).as_bytes());
        assert_eq!(home(&mut node), Some(first + Duration::from_secs(5)));
    }
}
