//! The room-level test vectors of the catalogue and what follows from them, on literal bytes
//! through the real engine. Session URIs are minted at random, so they stand in the vectors as
//! `{alice}` and `{bob}`.

mod common;

use std::time::Duration;

use common::{Member, Node, Peer, masked};
use engine::Limits;
use mailbox::{Command, Direction, Epoch, Event, FailureCause, RoomId, SessionId};

const ALICE: &str = "msrp://alice.example.org:7654/aL4c8Vn1Xy0B;tcp";
const BOB: &str = "msrp://bob.example.net:4923/bO7t3Jm5Rs9E;tcp";
const RELAYED: &str =
    "msrp://relay.example.net:2855/rC1k6Ty8Zq;tcp msrp://carol.example.com:5000/cA2r9Ol4Mn;tcp";

fn alice() -> Member<'static> {
    Member::default()
}

fn bob() -> Member<'static> {
    Member {
        address: "sip:bob@example.net",
        path: BOB,
        wrapped: "text/plain text/html",
        participant: 2,
        ..Member::default()
    }
}

fn carol() -> Member<'static> {
    Member {
        address: "sip:carol@example.com",
        path: RELAYED,
        wrapped: "message/cpim text/plain",
        participant: 3,
        ..Member::default()
    }
}

struct Fixture {
    node: Node,
    alice: (Peer, String),
    bob: (Peer, String),
    carol: (Peer, String),
}

impl Fixture {
    fn new() -> Self {
        Self::on(Node::new(1))
    }

    fn on(mut node: Node) -> Self {
        let alice = node.bound(&alice());
        let bob = node.bound(&bob());
        let carol = node.bound(&carol());
        Self { node, alice, bob, carol }
    }

    /// Alice says this; `{alice}` stands for her session's URI.
    fn say(&mut self, text: &str) {
        let bytes = text.replace("{alice}", &self.alice.1);
        self.node.feed(self.alice.0, bytes.as_bytes());
    }

    fn heard(&mut self) -> [String; 3] {
        [self.alice.0, self.bob.0, self.carol.0].map(|peer| self.node.output(peer))
    }
}

const TV_01: &str = "MSRP a786hjs2Kd0Qw1Er SEND\r\n\
    To-Path: {alice}\r\n\
    From-Path: msrp://alice.example.org:7654/aL4c8Vn1Xy0B;tcp\r\n\
    Message-ID: 87652491aa\r\n\
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
    -------a786hjs2Kd0Qw1Er$\r\n";

/// TV-01, CHAT-01, CHAT-02, CHAT-11, CHAT-12, CHAT-14, CHAT-16, CPIM-02, URI-19, RESP-05, WIRE-04,
/// WIRE-07, WIRE-09: the sender is answered, every other member gets its own SEND around the same
/// octets.
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

/// TV-06, URI-07, URI-08, URI-09, URI-10, URI-11, URI-16: a session is found by its id and then
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

fn room_message(tid: &str, headers: &str, body: &str) -> String {
    format!(
        "MSRP {tid} SEND\r\nTo-Path: {{alice}}\r\nFrom-Path: {ALICE}\r\nMessage-ID: {tid}\r\n\
        {headers}Content-Type: message/cpim\r\n\r\n{body}\r\n-------{tid}$\r\n"
    )
}

const HELLO: &str = "To: <sip:lobby@chat.example.com>\r\nFrom: <sip:alice@example.org>\r\n\r\n\
    Content-Type: text/plain\r\n\r\nHello room";

/// TV-20, RESP-03, SEND-05: with `Failure-Report: no` nothing is answered, and the copies do not
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

/// TV-22, RPT-01, RPT-02, RPT-03, RPT-04, RPT-05: one report for the whole message when it is
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

/// TV-23, RESP-08, RESP-11, RPT-10, RPT-11, RPT-12: reports are never answered, never forwarded,
/// and do no harm.
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

/// TV-24, WIRE-30, CODE-13, RESP-06, RESP-09: an unknown method is answered all the way back.
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
        core: 0,
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
    node.feed(sender, message.as_bytes());
    assert!(node.output(peer).contains("Hello room"));
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
}

/// TV-18, CPIM-14, CHAT-08, CHAT-21, CHAT-28: the recipients are fixed when the wrapper is complete,
/// and get every octet from position 1.
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

/// TV-19, CHAT-22, CHAT-26, CHAT-27, WIRE-23: what a sender gives up, or leaves behind,
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

/// CHUNK-16, CHUNK-17, TV-17: chunks of one sender's messages may be interleaved; each
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
}

/// TV-15, TV-16, CHUNK-09, CHUNK-18, CHUNK-19: chunks may come in any order; the `$` chunk fixes the
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
        }
    }
}

/// NICK-02, RESP-19: a room without nicknames refuses them, whatever else is wrong with the value.
#[test]
fn nicknames_are_refused_where_the_room_has_none() {
    let mut room = Fixture::new();
    room.say(&format!(
        "MSRP n1ck34aaaabbbbcc NICKNAME\r\nTo-Path: {{alice}}\r\nFrom-Path: {ALICE}\r\n\
        Failure-Report: no\r\nUse-Nickname: \"Bob\"\r\n-------n1ck34aaaabbbbcc$\r\n"
    ));
    assert!(room.heard()[0].starts_with("MSRP n1ck34aaaabbbbcc 403 "));
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

/// CONN-15, LIM-08, CONN-16: what is never bound is closed and retired, in its time and not before;
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
