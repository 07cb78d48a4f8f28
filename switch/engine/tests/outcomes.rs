//! What recipients make of their copies, and what becomes of copies and recipients for it. The
//! sender never hears of it.

mod common;

use std::time::Duration;

use common::{
    Member, Node,
    lobby::{ALICE, BOB, Fixture, HELLO, RELAYED, alice, bob, room_message},
};
use mailbox::{Event, FailureCause, SessionId};

const SECOND: Duration = Duration::from_secs(1);

/// A chunk of Alice's message `m0`.
fn chunk(tid: &str, range: &str, body: &str, flag: char) -> String {
    format!(
        "MSRP {tid} SEND\r\nTo-Path: {{alice}}\r\nFrom-Path: {ALICE}\r\nMessage-ID: m0\r\n\
        Byte-Range: {range}\r\nContent-Type: message/cpim\r\n\r\n{body}\r\n-------{tid}{flag}\r\n"
    )
}

/// The transaction id of the last request in what was heard.
fn tid_of(heard: &str) -> String {
    let (_, last) = heard.rsplit_once("MSRP ").expect("a request");
    last.split(' ').next().expect("a transaction id").to_owned()
}

fn message_id_of(heard: &str) -> String {
    let (_, rest) = heard.rsplit_once("\r\nMessage-ID: ").expect("a Message-ID");
    rest.split("\r\n").next().expect("its line").to_owned()
}

/// How a recipient says something about its copy.
#[derive(Clone, Copy, Debug)]
enum How {
    Response,
    Report,
}

impl Fixture {
    /// Bob says this code about the copy he has just heard.
    fn bob_says(&mut self, how: How, code: &str, copy: &str) {
        let uri = &self.bob.1;
        let text = match how {
            How::Response => {
                let tid = tid_of(copy);
                format!(
                    "MSRP {tid} {code}\r\nTo-Path: {uri}\r\nFrom-Path: {BOB}\r\n-------{tid}$\r\n"
                )
            }
            How::Report => format!(
                "MSRP r3p0rt00 REPORT\r\nTo-Path: {uri}\r\nFrom-Path: {BOB}\r\nMessage-ID: {}\r\n\
                Byte-Range: 1-105/*\r\nStatus: 000 {code}\r\n-------r3p0rt00$\r\n",
                message_id_of(copy)
            ),
        };
        self.node.feed(self.bob.0, text.as_bytes());
    }

    /// Alice says something, and Bob hears it.
    fn bob_hears(&mut self) -> String {
        self.say(&room_message("s4ys0000", "", HELLO));
        let copy = self.node.output(self.bob.0);
        assert!(copy.contains("Hello room"), "{copy}");
        copy
    }

    /// Alice begins a message, and Bob hears its beginning.
    fn bob_hears_the_beginning(&mut self) -> String {
        self.say(&chunk("b3g1n001", "1-*/*", HELLO, '+'));
        self.node.pause();
        let copy = self.node.output(self.bob.0);
        assert!(copy.contains("Hello room"), "{copy}");
        self.heard();
        copy
    }

    /// What is known of Bob: whether his session has failed, and why.
    fn bob_failed(&self) -> Option<FailureCause> {
        self.node.events.iter().find_map(|event| match event {
            Event::Failed { session: SessionId(2), cause } => Some(*cause),
            _ => None,
        })
    }
}

/// SEND-13, SEND-16, RESP-18, RPT-13, RPT-14, CODE-15, CHAT-29: a copy that its recipient refuses, in
/// a response or in a report, with whatever code, ends with `#` where it is and gets nothing more of
/// the message. The session lives on, all others get the rest, and the sender hears nothing of it.
#[test]
fn a_refused_copy_ends_and_only_that() {
    for how in [How::Response, How::Report] {
        for code in
            ["413", "413 Stop", "400", "403", "415", "408", "423 Out of bounds", "501", "699"]
        {
            let mut room = Fixture::new();
            let copy = room.bob_hears_the_beginning();
            room.bob_says(how, code, &copy);
            let [alice, bob, carol] = room.heard();
            assert_eq!((alice.as_str(), carol.as_str()), ("", ""));
            assert!(bob.contains("\r\nByte-Range: 106-*/*\r\n"), "{how:?} {code}: {bob}");
            assert!(bob.ends_with("#\r\n") && bob.matches("MSRP ").count() == 1);
            assert_eq!(message_id_of(&bob), message_id_of(&copy));

            room.say(&chunk("g0es0n02", "106-*/*", " and", '+'));
            room.say(&chunk("g0es0n03", "110-*/*", " all", '$'));
            let [alice, bob, carol] = room.heard();
            assert_eq!(alice.matches(" 200 OK\r\n").count(), 2);
            assert_eq!(bob, "", "{how:?} {code}");
            assert!(carol.contains(" and") && carol.ends_with("$\r\n"));
            assert_eq!(room.bob_failed(), None);
            if code != "415" {
                room.bob_hears();
            }
        }
    }
}

/// SEND-13: of a message that is refused while the rest of it waits for its turn, nothing more is sent
/// than what the kernel has already, and a `#` where that ends; what else waits goes on.
#[test]
fn what_waits_of_a_refused_copy_is_not_sent() {
    let mut room = Fixture::new();
    room.node.hold_sends(room.bob.0);
    for filler in ["", "x", "y"] {
        room.say(&room_message("l0ng0000", "", &format!("{HELLO}{}", filler.repeat(400_000))));
    }
    let mut heard = String::new();
    while !heard.contains("yyyy") {
        assert!(room.node.trickle(room.bob.0, 50_000) > 0);
        heard.push_str(&room.node.output(room.bob.0));
    }
    room.bob_says(How::Response, "413", &heard);
    while room.node.trickle(room.bob.0, 50_000) > 0 {
        heard.push_str(&room.node.output(room.bob.0));
    }
    let sent = heard.matches("yyyyyyyy").count() * 8;
    assert!(heard.ends_with("#\r\n") && sent < 300_000, "{sent}");
    assert_eq!(heard.matches("$\r\n").count(), 2, "the others are whole");
    room.say(&room_message("s4ys0009", "", HELLO));
    room.node.trickle(room.bob.0, 50_000);
    assert!(room.node.output(room.bob.0).ends_with("$\r\n"));
}

/// SEND-15, RPT-14, CODE-15: 481 and 506 end the session, in a response and in a report.
#[test]
fn a_denied_session_is_over_however_it_is_denied() {
    for how in [How::Response, How::Report] {
        for code in ["481", "506 Elsewhere"] {
            let mut room = Fixture::new();
            let copy = room.bob_hears_the_beginning();
            room.bob_says(how, code, &copy);
            assert_eq!(room.bob_failed(), Some(FailureCause::RefusedByPeer), "{how:?} {code}");
            room.say(&chunk("g0es0n02", "106-*/*", "!", '$'));
            let [_, bob, carol] = room.heard();
            assert!(bob.is_empty() && carol.ends_with("$\r\n"));
        }
    }
}

/// RESP-18: any 2xx is a 200; the copy goes on.
#[test]
fn any_success_is_a_success() {
    for code in ["200 OK", "200", "204", "299 Fine"] {
        for how in [How::Response, How::Report] {
            let mut room = Fixture::new();
            let copy = room.bob_hears_the_beginning();
            room.bob_says(how, code, &copy);
            room.say(&chunk("g0es0n02", "106-*/*", "!", '$'));
            assert!(room.heard()[1].ends_with("$\r\n"), "{how:?} {code}");
            assert_eq!(room.node.counters(0).copies_refused_by_peer, 0);
        }
    }
}

/// SEND-14, RPT-14: a type that was refused with 415, in the response or in a report that comes later, is
/// not sent again while the session lasts, under whatever spelling; other types are.
#[test]
fn a_refused_type_is_not_sent_again() {
    for how in [How::Response, How::Report] {
        let mut room = Fixture::new();
        let copy = room.bob_hears();
        if let How::Report = how {
            room.bob_says(How::Response, "200 OK", &copy);
        }
        room.bob_says(how, "415", &copy);
        for kind in ["text/plain", "Text/PLAIN;charset=utf-8"] {
            room.say(&room_message("s4ys0001", "", &HELLO.replace("text/plain", kind)));
            let [alice, bob, carol] = room.heard();
            assert!(alice.contains(" 200 OK") && bob.is_empty() && carol.contains("Hello room"));
        }
        assert_eq!(room.node.counters(0).copies_skipped_type, 2);
        room.say(&room_message("s4ys0002", "", &HELLO.replace("text/plain", "text/html")));
        assert!(room.heard()[1].contains("Hello room"));
        assert_eq!(room.bob_failed(), None);
    }
}

/// JC-13: who refuses three types that it has named cannot take the wrapper; who has named none may
/// refuse as many as it likes.
#[test]
fn who_refuses_all_it_had_asked_for_takes_nothing() {
    let types = ["text/plain", "text/html", "image/png"];
    for (wrapped, fails) in [("text/plain text/html image/png", true), ("*", false)] {
        let mut room = Fixture::new();
        room.node = Node::new(1);
        room.alice = room.node.bound(&alice());
        room.bob = room.node.bound(&Member { wrapped, ..bob() });
        for kind in types {
            assert_eq!(room.bob_failed(), None);
            room.say(&room_message("s4ys0000", "", &HELLO.replace("text/plain", kind)));
            let copy = room.node.output(room.bob.0);
            room.bob_says(How::Response, "415", &copy);
        }
        assert_eq!(room.bob_failed().is_some(), fails, "{wrapped}");
    }
}

/// RESP-10, RESP-11, PEER-03: what answers nothing that is outstanding there, an answer given twice, one
/// to another session, or one to a report, is dropped silently and changes nothing.
#[test]
fn answers_to_nothing_are_dropped() {
    let mut room = Fixture::new();
    let request = room_message("w1th5ucc", "Success-Report: yes\r\n", HELLO);
    room.say(&request);
    let [report, bob, carol] = room.heard();
    assert!(report.contains(" REPORT\r\n"));
    let (report, bob, carol) = (tid_of(&report), tid_of(&bob), tid_of(&carol));
    let answer = |tid: &str, to: &str, from: &str| {
        format!("MSRP {tid} 481\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\n-------{tid}$\r\n")
    };
    let strangers = [
        (room.alice.0, answer(&report, &room.alice.1, ALICE)),
        (room.alice.0, answer(&bob, &room.alice.1, ALICE)),
        (room.alice.0, answer(&bob, &room.bob.1, ALICE)),
        (room.bob.0, answer(&carol, &room.bob.1, BOB)),
        (room.bob.0, answer("n0b0dys0", &room.bob.1, BOB)),
        (room.bob.0, answer(&bob, &room.carol.1, BOB)),
        (room.bob.0, answer(&bob, "msrp://elsewhere.example.com:2855/x;tcp", BOB)),
        (room.bob.0, answer(&bob, &format!("{} {BOB}", room.bob.1), BOB)),
    ];
    let count = strangers.len() as u64;
    for (peer, text) in strangers {
        room.node.feed(peer, text.as_bytes());
    }
    // Only the first answer counts.
    for _ in 0..2 {
        let good = answer(&carol, &room.carol.1, RELAYED).replace(" 481", " 200 OK");
        room.node.feed(room.carol.0, good.as_bytes());
    }
    room.node.feed(room.carol.0, answer(&carol, &room.carol.1, RELAYED).as_bytes());
    assert!(!room.node.events.iter().any(|event| matches!(event, Event::Failed { .. })));
    assert_eq!(room.heard(), ["", "", ""]);
    let counters = room.node.counters(0);
    assert_eq!((counters.answers_unknown, counters.copies_refused_by_peer), (count + 2, 0));
    room.bob_hears();
}

/// PEER-04, RPT-11, RPT-13, RPT-17: a report that nobody asked for, about a message nobody knows, of
/// another namespace, or with a body, is taken and goes nowhere; only namespace 000 and its code
/// count.
#[test]
fn reports_nobody_asked_for_are_swallowed() {
    let mut room = Fixture::new();
    let copy = room.bob_hears();
    let message_id = message_id_of(&copy);
    room.heard();
    let mut report = |message_id: &str, status: &str, rest: &str| {
        let text = format!(
            "MSRP r3p0rt01 REPORT\r\nTo-Path: {}\r\nFrom-Path: {BOB}\r\nMessage-ID: {message_id}\r\n\
            Byte-Range: 1-105/105\r\nStatus: {status}\r\n{rest}-------r3p0rt01$\r\n",
            room.bob.1
        );
        room.node.feed(room.bob.0, text.as_bytes());
        room.heard()
    };
    let body = "Content-Type: message/cpim\r\n\r\nTo: <sip:lobby@chat.example.com>\r\n\
        From: <sip:bob@example.net>\r\n\r\nContent-Type: text/plain\r\n\r\nfor the room?\r\n";
    for (id, status, rest) in [
        (&*message_id, "000 200 OK", ""),
        ("n0b0dykn0ws", "000 481", ""),
        (&message_id, "001 481", ""),
        (&message_id, "999 415", ""),
        (&message_id, "000 200", body),
        ("s4ys0000", "000 506", body),
    ] {
        let heard = report(id, status, rest);
        assert!(heard[1..].iter().all(String::is_empty), "{status}");
        assert!(!heard[0].contains("REPORT"));
    }
    let heard = report(&message_id, "000 413", body);
    assert!(heard.iter().all(String::is_empty), "there is nothing of it left to end");
    assert_eq!(room.node.counters(0).copies_refused_by_peer, 1);
    assert_eq!(room.bob_failed(), None);
    room.bob_hears();
}

/// PEER-11: transaction ids mean something on one connection, in one direction: several peers may use
/// the same at the same time, and one that the switch has outstanding.
#[test]
fn the_same_transaction_id_may_be_used_by_anybody() {
    let mut room = Fixture::new();
    let copy = room.bob_hears();
    let ours = tid_of(&copy);
    room.heard();
    for tid in ["1763900000123", &*ours] {
        let bodies = [("alice@example.org", &room.alice), ("bob@example.net", &room.bob)];
        let requests = bodies.map(|(address, (peer, uri))| {
            let body = HELLO.replace("alice@example.org", address);
            let from = if address.starts_with("alice") { ALICE } else { BOB };
            let text = room_message(tid, "", &body).replace("{alice}", uri).replace(ALICE, from);
            (*peer, text)
        });
        let middle = requests[0].1.len() - 20;
        for (peer, text) in &requests {
            room.node.feed(*peer, &text.as_bytes()[..middle.min(text.len())]);
        }
        for (peer, text) in &requests {
            room.node.feed(*peer, &text.as_bytes()[middle.min(text.len())..]);
        }
        let [alice, bob, carol] = room.heard();
        for heard in [alice, bob] {
            assert_eq!(heard.matches(&format!("MSRP {tid} 200 OK\r\n")).count(), 1);
            assert_eq!(heard.matches(" SEND\r\n").count(), 1, "what the other one said");
        }
        assert_eq!(carol.matches(" SEND\r\n").count(), 2);
    }
    room.bob_says(How::Response, "481", &copy);
    assert_eq!(
        room.bob_failed(),
        Some(FailureCause::RefusedByPeer),
        "it was outstanding all the time"
    );
}

/// RESP-12, RESP-13, RESP-15: an answer is waited for 30 s from when the kernel has taken the last octet
/// of the chunk, not while it waits or is taken in part. One that does not come ends that copy.
#[test]
fn an_answer_is_due_30_s_after_the_chunk_is_gone() {
    let mut room = Fixture::new();
    room.node.hold_sends(room.bob.0);
    room.say(&chunk("sl0w0001", "1-*/*", HELLO, '+'));
    room.node.disconnect(room.carol.0);
    room.node.advance(25 * SECOND);
    room.node.take_sends(room.bob.0, 100);
    room.node.advance(25 * SECOND);
    assert_eq!(room.node.counters(0).copies_unanswered, 0);
    room.node.take_sends(room.bob.0, usize::MAX);
    let copy = room.node.output(room.bob.0);
    assert!(copy.ends_with("+\r\n"));
    room.node.advance(29 * SECOND);
    assert_eq!(room.node.counters(0).copies_unanswered, 0);
    assert_eq!(room.node.output(room.bob.0), "");
    room.node.advance(SECOND);
    let counters = room.node.counters(0);
    assert_eq!((counters.copies_unanswered, counters.copies_refused_by_peer), (1, 0));
    assert!(room.node.output(room.bob.0).ends_with("#\r\n"));
    assert_eq!(room.bob_failed(), None);
    room.bob_says(How::Response, "481", &copy);
    assert_eq!(room.bob_failed(), None, "the answer came too late to count");
}

/// RESP-14, RESP-15: three chunks in a row without an answer, or with the answer or report 408, fail the
/// session, and any answer begins the count anew.
#[test]
fn who_does_not_answer_three_times_is_gone() {
    type Silence = fn(&mut Fixture);
    let unanswered: Silence = |room| {
        room.bob_hears();
        room.node.advance(31 * SECOND);
    };
    let answered_408: Silence = |room| {
        let copy = room.bob_hears();
        room.bob_says(How::Response, "408", &copy);
    };
    let reported_408: Silence = |room| {
        let copy = room.bob_hears();
        room.bob_says(How::Response, "200 OK", &copy);
        room.bob_says(How::Report, "408", &copy);
    };
    for silences in [[answered_408; 3], [unanswered, answered_408, answered_408]] {
        let mut room = Fixture::new();
        for answer in ["200 OK", "413"] {
            silences[0](&mut room);
            silences[1](&mut room);
            let copy = room.bob_hears();
            room.bob_says(How::Response, answer, &copy);
        }
        for silence in silences {
            assert_eq!(room.bob_failed(), None);
            silence(&mut room);
        }
        assert_eq!(room.bob_failed(), Some(FailureCause::Unresponsive));
        room.say(&room_message("s4ys0009", "", HELLO));
        assert_eq!(room.node.output(room.bob.0), "");
    }
    let mut room = Fixture::new();
    reported_408(&mut room);
    assert_eq!(room.node.counters(0).copies_unanswered, 1);

    // All at once: three chunks that the kernel took together.
    let mut room = Fixture::new();
    for _ in 0..3 {
        room.bob_hears();
    }
    room.node.advance(29 * SECOND);
    assert_eq!(room.bob_failed(), None);
    room.node.advance(SECOND);
    assert_eq!(room.bob_failed(), Some(FailureCause::Unresponsive));
}

/// FLOW-07, RESP-15: the kernel has room for much that a reader never sees. That nobody answers it is no
/// failure of its own while the reader reads nothing: it has its 60 s, and is cut for being slow.
#[test]
fn who_reads_nothing_is_slow_and_not_silent() {
    let mut room = Fixture::new();
    for _ in 0..10 {
        room.bob_hears();
    }
    room.node.advance(5 * SECOND);
    room.node.hold_sends(room.bob.0);
    room.say(&room_message("n0tr3ad0", "", HELLO));
    room.node.advance(58 * SECOND);
    assert!(room.node.counters(0).copies_unanswered >= 10);
    assert_eq!(room.bob_failed(), None);
    room.node.advance(3 * SECOND);
    assert_eq!(room.bob_failed(), Some(FailureCause::SlowReader));
}

/// RESP-15: two are enough when all of a minute goes unanswered; one alone never is.
#[test]
fn who_answers_nothing_for_a_minute_is_gone() {
    for (pause, fails) in [(58, false), (60, true)] {
        let mut room = Fixture::new();
        room.bob_hears();
        room.node.advance(30 * SECOND);
        room.node.advance((pause - 30) * SECOND);
        assert_eq!(room.node.counters(0).copies_unanswered, 2, "Bob's and Carol's");
        room.bob_hears();
        room.node.advance(30 * SECOND);
        assert_eq!(room.bob_failed().is_some(), fails, "{pause} s apart");
    }
    let mut room = Fixture::new();
    room.bob_hears();
    room.node.advance(1000 * SECOND);
    assert_eq!(room.bob_failed(), None);
    assert_eq!(room.node.cores[0].poll_timeout(), None, "one timer, and it is done");
}
