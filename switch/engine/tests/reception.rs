//! Messages that are begun and not finished: how long they are waited for, how many there may be,
//! and what their sender is told.

mod common;

use std::time::Duration;

use common::{
    Node,
    lobby::{ALICE, Fixture, HELLO, RELAYED, TV_01, alice},
    masked, status,
};
use engine::Limits;

const SECOND: Duration = Duration::from_secs(1);

/// A chunk of Alice's message `mid`.
fn chunk(tid: &str, mid: &str, headers: &str, body: &str, flag: char) -> String {
    format!(
        "MSRP {tid} SEND\r\nTo-Path: {{alice}}\r\nFrom-Path: {ALICE}\r\nMessage-ID: {mid}\r\n\
        {headers}\r\nContent-Type: message/cpim\r\n\r\n{body}\r\n-------{tid}{flag}\r\n"
    )
}

/// A room whose recipients may take their time to answer.
fn patient_room() -> Fixture {
    let limits = Limits { answer_max: 3600 * SECOND, ..Limits::default() };
    Fixture::on(Node::with(1, &limits, 10_000))
}

impl Fixture {
    /// Alice says this; her answer's status.
    fn asked(&mut self, text: &str) -> String {
        self.say(text);
        status(&self.node.output(self.alice.0)).to_owned()
    }
}

/// CHAT-24, CHAT-25, RPT-02, RPT-03: a message of which nothing new comes for 540 s has been given
/// up: its copies end with `#`, and its sender is told by a report. Each new octet starts the time
/// anew, octets that were there before do not.
#[test]
fn a_message_that_goes_silent_is_given_up() {
    let mut room = patient_room();
    assert_eq!(room.asked(&chunk("s1lent01", "m0", "Byte-Range: 1-*/5000", HELLO, '+')), "200");
    room.node.advance(500 * SECOND);
    assert_eq!(room.asked(&chunk("s1lent02", "m0", "Byte-Range: 106-*/5000", "x", '+')), "200");
    room.node.advance(300 * SECOND);
    assert_eq!(room.asked(&chunk("s1lent03", "m0", "Byte-Range: 100-*/5000", "room", '+')), "200");
    room.node.advance(239 * SECOND);
    let [alice, bob, carol] = room.heard();
    assert_eq!(alice, "");
    assert!(!bob.contains("#\r\n") && !carol.contains("#\r\n"));
    room.node.advance(6 * SECOND);
    let [alice, bob, carol] = room.heard();
    let (report, ..) = masked(&alice);
    let expected = format!(
        "MSRP {{tid}} REPORT\r\nTo-Path: {ALICE}\r\nFrom-Path: {}\r\nMessage-ID: {{mid}}\r\n\
        Byte-Range: 100-103/5000\r\nStatus: 000 413 Stop sending\r\n-------{{tid}}$\r\n",
        room.alice.1
    );
    assert_eq!(report, expected);
    for copy in [bob, carol] {
        assert!(copy.contains("\r\nByte-Range: 107-*/5000\r\n") && copy.ends_with("#\r\n"));
    }
    let counters = room.node.counters(0);
    assert_eq!((counters.messages_timed_out, counters.messages_aborted), (1, 1));
    room.say(TV_01);
    assert!(room.heard()[1].contains("Hello room"), "the session lives on");
}

/// CHAT-24: the time is a limit of the node's.
#[test]
fn how_long_a_silence_is_borne_can_be_set() {
    let limits = Limits { message_silence_max: 6 * SECOND, ..Limits::default() };
    let mut room = Fixture::on(Node::with(1, &limits, 10_000));
    room.say(&chunk("s1lent01", "m0", "Byte-Range: 1-*/*", HELLO, '+'));
    room.node.advance(5 * SECOND);
    assert!(!room.heard()[1].contains("#\r\n"));
    room.node.advance(SECOND);
    assert!(room.heard()[1].ends_with("#\r\n"));
}

/// CHAT-25, RESP-17, RPT-09: when the silence falls in the middle of a chunk, its answer says it,
/// at once, and no report does; the rest of the chunk is not answered again.
#[test]
fn a_chunk_that_never_ends_is_answered_when_it_is_given_up() {
    let mut room = Fixture::new();
    let whole =
        chunk("h4lfw4y0", "m0", "Byte-Range: 1-*/*", &format!("{HELLO}{}", "x".repeat(5000)), '$');
    let (first, rest) = whole.split_at(4000);
    room.say(first);
    assert!(room.heard()[1].contains("Hello room"));
    room.node.advance(541 * SECOND);
    let [alice, bob, _] = room.heard();
    let expected = format!(
        "MSRP h4lfw4y0 413 Stop sending\r\nTo-Path: {ALICE}\r\nFrom-Path: {}\r\n-------h4lfw4y0$\r\n",
        room.alice.1
    );
    assert_eq!(alice, expected);
    assert!(bob.ends_with("#\r\n"));
    room.say(rest);
    assert_eq!(room.heard(), ["", "", ""]);
    room.say(TV_01);
    assert!(room.heard()[1].contains("Hello room"));
}

/// CHUNK-21: what is missing is waited for 30 s, each time anew when something missing comes; then
/// the message is refused with 413. Octets held behind the gap are bounded to 64 KiB.
#[test]
fn a_gap_that_is_not_filled_refuses_the_message() {
    let mut room = Fixture::new();
    let (first, rest) = HELLO.split_at(20);
    let (middle, last) = rest.split_at(20);
    assert_eq!(room.asked(&chunk("g4p00001", "m0", "Byte-Range: 41-*/*", last, '$')), "200");
    room.node.advance(20 * SECOND);
    assert_eq!(room.asked(&chunk("g4p00002", "m0", "Byte-Range: 200-*/*", "y", '+')), "200");
    room.node.advance(9 * SECOND);
    assert_eq!(room.asked(&chunk("g4p00003", "m0", "Byte-Range: 1-*/*", first, '+')), "200");
    room.node.advance(29 * SECOND);
    assert_eq!(room.heard()[0], "", "another gap, another 30 s");
    room.node.advance(SECOND + SECOND / 4);
    let [alice, bob, _] = room.heard();
    assert_eq!(alice.matches(" REPORT\r\n").count(), 1);
    assert!(alice.contains("\r\nStatus: 000 413 Stop sending\r\n"));
    assert_eq!(bob, "", "nothing had been passed on");
    assert_eq!(room.asked(&chunk("g4p00004", "m0", "Byte-Range: 21-*/*", middle, '+')), "413");

    let held = "z".repeat(40_000);
    assert_eq!(room.asked(&chunk("g4p00011", "m1", "Byte-Range: 200-*/*", &held, '+')), "200");
    assert_eq!(room.asked(&chunk("g4p00012", "m1", "Byte-Range: 40200-*/*", &held, '+')), "413");
}

/// CHUNK-21: a message without gaps is not refused for having had one.
#[test]
fn a_gap_that_is_filled_in_time_does_no_harm() {
    let mut room = patient_room();
    let (first, last) = HELLO.split_at(60);
    room.say(&chunk("g4p00001", "m0", "Byte-Range: 61-*/*", last, '+'));
    room.node.advance(29 * SECOND);
    room.say(&chunk("g4p00002", "m0", "Byte-Range: 1-*/*", first, '+'));
    room.node.advance(300 * SECOND);
    let [alice, bob, _] = room.heard();
    assert!(!alice.contains("413") && bob.contains("Hello room"));
    room.say(&chunk("g4p00003", "m0", "Byte-Range: 106-*/*", "!", '$'));
    assert!(room.heard()[1].ends_with("$\r\n"));
}

/// RPT-07, RPT-08, RPT-09: whoever wants no failure report gets none; who wants errors only gets it;
/// it says what arrived, not what was announced.
#[test]
fn only_who_wants_to_know_is_told_of_a_failure() {
    for (wish, told) in [("", true), ("partial", true), ("yes", true), ("no", false)] {
        let mut room = Fixture::new();
        let header = match wish {
            "" => String::new(),
            wish => format!("Failure-Report: {wish}\r\n"),
        };
        room.say(&chunk("w4nts001", "m0", &format!("{header}Byte-Range: 1-900/1000"), HELLO, '+'));
        room.heard();
        room.node.advance(541 * SECOND);
        let [alice, bob, _] = room.heard();
        assert_eq!(alice.matches(" REPORT\r\n").count(), usize::from(told), "{wish}");
        assert_eq!(alice.contains("\r\nByte-Range: 1-105/1000\r\n"), told, "{wish}");
        assert!(bob.ends_with("#\r\n"));
    }
}

/// RPT-16: a session that has ended is sent no report, although what it had begun fails with it.
#[test]
fn nothing_is_reported_into_a_session_that_is_over() {
    let mut room = Fixture::new();
    room.say(&chunk("0ver0001", "m0", "Byte-Range: 1-*/*", HELLO, '+'));
    room.node.pause();
    room.say(&chunk("0ver0002", "m1", "Byte-Range: 300-*/*", "x", '+'));
    room.heard();
    room.node.remove(0, mailbox::SessionId(1));
    room.node.advance(600 * SECOND);
    let [alice, bob, _] = room.heard();
    assert_eq!(alice, "");
    assert!(bob.ends_with("#\r\n"));
    assert_eq!(room.node.cores[0].poll_timeout(), None, "nothing is waited for any more");
}

/// CHUNK-25: whatever comes of a message that was given up, refused or timed out gets the same answer
/// for 60 s, and begins a message after that.
#[test]
fn the_rest_of_a_message_that_ended_badly_gets_the_same_answer() {
    type End = fn(&mut Fixture);
    let given_up: End = |room| {
        room.say(&chunk("b4dly001", "m0", "Byte-Range: 1-*/*", HELLO, '+'));
        room.say(&chunk("b4dly002", "m0", "Byte-Range: 106-*/*", "", '#'));
    };
    let refused: End = |room| {
        let forged = HELLO.replace("sip:alice", "sip:malice");
        room.say(&chunk("b4dly003", "m0", "Byte-Range: 1-*/*", &forged, '+'));
    };
    let refused_whole: End = |room| {
        let bare = chunk("b4dly004", "m0", "Byte-Range: 1-5/5", "hello", '$');
        room.say(&bare.replace("message/cpim", "text/plain"));
    };
    let timed_out: End = |room| {
        room.say(&chunk("b4dly005", "m0", "Byte-Range: 9-*/*", HELLO, '+'));
        room.node.advance(30 * SECOND);
    };
    for (end, code) in
        [(given_up, "413"), (refused, "403"), (refused_whole, "415"), (timed_out, "413")]
    {
        let mut room = Fixture::new();
        end(&mut room);
        room.heard();
        for wait in [0, 30, 29] {
            room.node.advance(wait * SECOND);
            let rest = chunk("b4dly009", "m0", "Byte-Range: 106-*/*", "more", '+');
            assert_eq!(room.asked(&rest), code, "after {wait} s");
            assert_eq!(room.node.output(room.bob.0), "");
        }
        room.node.advance(SECOND);
        assert_eq!(room.asked(&chunk("b4dly010", "m0", "Byte-Range: 1-*/*", HELLO, '$')), "200");
        assert!(room.node.output(room.bob.0).contains("Hello room"));
    }
}

/// LIM-05: the ninth unfinished message is refused with 413. Whatever became of the eight, finished,
/// given up, refused or timed out, they keep their places no longer than that.
#[test]
fn eight_unfinished_messages_do_not_lock_a_session_out() {
    let mut room = Fixture::new();
    let mut begun = 0;
    let mut begin = |room: &mut Fixture| {
        begun += 1;
        let mid = format!("un0fin{begun:02}");
        (room.asked(&chunk(&mid, &mid, "Byte-Range: 1-*/*", HELLO, '+')), mid)
    };
    let mut names = Vec::new();
    for _ in 0..8 {
        let (answer, mid) = begin(&mut room);
        assert_eq!(answer, "200");
        names.push(mid);
    }
    assert_eq!(begin(&mut room).0, "413");
    let finish = [
        (&names[0], "Byte-Range: 106-*/*", "!", '$', "200"),
        (&names[1], "Byte-Range: 106-*/*", "", '#', "200"),
        (&names[2], "Byte-Range: 106-110/*", "too long", '+', "400"),
    ];
    for (mid, range, body, flag, code) in finish {
        assert_eq!(room.asked(&chunk("f1n15h00", mid, range, body, flag)), code);
        assert_eq!(begin(&mut room).0, "200", "its place is free");
        assert_eq!(begin(&mut room).0, "413", "and no other");
    }
    room.node.advance(541 * SECOND);
    room.heard();
    for _ in 0..8 {
        assert_eq!(begin(&mut room).0, "200");
    }
    assert_eq!(begin(&mut room).0, "413");
}

/// CHUNK-14: what has come of a chunk that its sender does not go on with is passed on after 200 ms as
/// a chunk of its own, and the rest follows when it comes. Until then, and after, the recipient's
/// connection is free for whatever else there is to say.
#[test]
fn a_sender_that_pauses_in_a_chunk_holds_nobody_up() {
    let millisecond = SECOND / 1000;
    let mut room = Fixture::new();
    let whole =
        chunk("p4us3000", "m0", "Byte-Range: 1-*/*", &format!("{HELLO}{}", "~".repeat(900)), '$');
    let head = whole.find("\r\n\r\n").expect("a body") + 4;
    room.say(&whole[..head + HELLO.len() + 300]);
    room.node.advance(150 * millisecond);
    room.say(&whole[head + HELLO.len() + 300..head + HELLO.len() + 500]);
    room.node.advance(199 * millisecond);
    assert_eq!(room.heard(), ["", "", ""], "each octet starts the time anew");
    let carol = HELLO.replace("alice@example.org", "carol@example.com");
    let carol = format!(
        "MSRP b3tw33n0 SEND\r\nTo-Path: {}\r\nFrom-Path: {RELAYED}\r\nMessage-ID: c0\r\n\
        Content-Type: message/cpim\r\n\r\n{carol}\r\n-------b3tw33n0$\r\n",
        room.carol.1
    );
    room.node.feed(room.carol.0, carol.as_bytes());
    let [_, bob, _] = room.heard();
    assert_eq!(
        (bob.matches("MSRP ").count(), bob.ends_with("$\r\n")),
        (1, true),
        "Carol's, at once"
    );

    room.node.advance(2 * millisecond);
    let [alice, bob, carol] = room.heard();
    assert_eq!(alice, "", "the chunk is answered when it is there");
    for copy in [&bob, &carol] {
        assert!(copy.contains("\r\nByte-Range: 1-*/*\r\n") && copy.ends_with("+\r\n"));
        assert_eq!(copy.matches('~').count(), 500);
    }
    room.node.advance(SECOND);
    assert_eq!(room.heard(), ["", "", ""]);
    room.say(&whole[head + HELLO.len() + 500..]);
    let [alice, bob, _] = room.heard();
    assert_eq!(status(&alice), "200");
    assert!(bob.contains("\r\nByte-Range: 606-1005/*\r\n") && bob.ends_with("$\r\n"));
}

/// CHUNK-14: an end-line that is cut by the pause is no body.
#[test]
fn a_pause_within_the_end_line_passes_nothing_of_it_on() {
    let whole = chunk("p4us3000", "m0", "Byte-Range: 1-*/*", HELLO, '$');
    let end_line = "\r\n-------p4us3000$\r\n".len();
    for cut in 1..=end_line {
        let mut room = Fixture::new();
        room.say(&whole[..whole.len() - cut]);
        room.node.advance(SECOND);
        let before = room.heard()[1].clone();
        assert!(before.contains("Hello room\r\n-------") && before.ends_with("+\r\n"), "{cut}");
        room.say(&whole[whole.len() - cut..]);
        let after = room.heard()[1].clone();
        assert!(after.contains("\r\nByte-Range: 106-105/*\r\n"), "{cut}: {after}");
        assert!(after.ends_with("$\r\n"));
    }
}

/// CHAT-30: what was completely received on a session that then failed is answered and reported when its
/// sender repeats it on its next session, within 10 min, and goes to nobody again. What was not, what
/// another participant says under the same name, and what is repeated on the same session, is new.
#[test]
fn what_had_arrived_before_the_session_failed_is_not_delivered_twice() {
    let said = |mid: &str| {
        chunk("r3p34t00", mid, "Success-Report: yes\r\nByte-Range: 1-105/105", HELLO, '$')
    };
    for (minutes, delivered) in [(0, 0), (9, 0), (10, 1)] {
        let mut room = patient_room();
        for _ in 0..2 {
            assert_eq!(room.asked(&said("m0")), "200");
            assert!(room.heard()[1].contains("Hello room"), "the same name, a new message");
        }
        room.say(&chunk("r3p34t01", "m1", "Byte-Range: 1-*/*", HELLO, '+'));
        room.node.disconnect(room.alice.0);
        room.node.remove(0, mailbox::SessionId(1));
        room.heard();
        room.node.advance(minutes * 60 * SECOND);
        room.alice = room.node.bound(&alice());
        room.say(&said("m0"));
        let [alice, bob, carol] = room.heard();
        assert!(alice.starts_with("MSRP r3p34t00 200 OK\r\n"));
        assert!(
            alice.contains("\r\nMessage-ID: m0\r\nByte-Range: 1-105/105\r\nStatus: 000 200 OK\r\n")
        );
        for copy in [bob, carol] {
            assert_eq!(copy.matches("Hello room").count(), delivered, "after {minutes} min");
        }
        assert_eq!(room.node.counters(0).messages_repeated, 1 - delivered as u64);
        room.say(&said("m1"));
        assert!(room.heard()[1].contains("Hello room"), "of this one only a part had arrived");

        // In chunks, and the other way round.
        let (first, last) = HELLO.split_at(40);
        room.say(&chunk("r3p34t03", "m0", "Byte-Range: 41-105/105", last, '$'));
        room.say(&chunk("r3p34t02", "m0", "Byte-Range: 1-*/105", first, '+'));
        let [alice, bob, _] = room.heard();
        assert_eq!(alice.matches(" 200 OK\r\n").count(), 2);
        assert_eq!(bob.contains("Hello room"), delivered == 1);
    }
    let mut room = Fixture::new();
    room.say(&said("m0"));
    room.node.disconnect(room.alice.0);
    let text = said("m0")
        .replace("{alice}", &room.carol.1)
        .replace(ALICE, RELAYED)
        .replace("alice@example.org", "carol@example.com");
    room.heard();
    room.node.feed(room.carol.0, text.as_bytes());
    assert!(room.heard()[1].contains("Hello room"), "another participant");
}

/// CHAT-30: who left, and did not fail, starts anew when it comes back.
#[test]
fn who_left_is_not_held_to_what_it_said_before() {
    let mut room = Fixture::new();
    room.say(TV_01);
    room.node.remove(0, mailbox::SessionId(1));
    room.heard();
    room.alice = room.node.bound(&alice());
    room.say(TV_01);
    assert!(room.heard()[1].contains("Hello room"));
}
