//! What a sender says in crumbs, and how it goes out: in chunks worth sending, or whole.

mod common;

use std::time::Duration;

use common::{
    Member, Node,
    lobby::{ALICE, Fixture, HELLO, RELAYED, alice, bob, carol, room_message},
};
use mailbox::{Chatroom, RoomPolicy};

fn chunk(tid: &str, mid: &str, start: usize, body: &str, flag: char) -> String {
    format!(
        "MSRP {tid} SEND\r\nTo-Path: {{alice}}\r\nFrom-Path: {ALICE}\r\nMessage-ID: {mid}\r\n\
        Byte-Range: {start}-*/*\r\nContent-Type: message/cpim\r\n\r\n{body}\r\n-------{tid}{flag}\r\n"
    )
}

/// What one recipient got: of each chunk its Message-ID, its body and its flag.
fn chunks(heard: &str) -> Vec<(&str, &str, char)> {
    let mut chunks = Vec::new();
    for copy in heard.split("MSRP ").skip(1) {
        let Some((head, rest)) = copy.split_once("\r\n\r\n") else { continue };
        let (body, end) = rest.rsplit_once("\r\n-------").expect("an end-line");
        let id = head.lines().find_map(|line| line.strip_prefix("Message-ID: ")).expect("an id");
        chunks.push((id, body, end.trim_end().chars().last().expect("a flag")));
    }
    chunks
}

fn whole_messages() -> RoomPolicy {
    RoomPolicy { whole_messages: true, private_messages: true, ..RoomPolicy::default() }
}

/// A room on so many cores: Alice and Carol on the home core, Bob, who takes private messages, on
/// the last.
fn room(cores: usize, policy: RoomPolicy) -> Fixture {
    let chatroom = Some(Chatroom { private_messages: true, ..Chatroom::default() });
    let bob = Member { core: cores - 1, chatroom, wrapped: "*", ..bob() };
    Fixture::of(Node::under(cores, policy), &[alice(), bob, carol()])
}

/// Carol says this, all at once.
fn carol_says(room: &mut Fixture, tid: &str) {
    let said = room_message(tid, "", HELLO)
        .replace("{alice}", &room.carol.1)
        .replace(ALICE, RELAYED)
        .replace("sip:alice@example.org", "sip:carol@example.com");
    room.node.feed(room.carol.0, said.as_bytes());
}

/// CHUNK-06: however short the chunks of a sender are, no recipient gets one of less than 2048 octets
/// but the last of a message, and the one before a pause.
#[test]
fn crumbs_are_gathered_into_chunks() {
    for cores in [1, 2] {
        let mut room = room(cores, RoomPolicy::default());
        let text = format!("{HELLO}{}", "crumbs ".repeat(2000));
        let parts: Vec<&[u8]> = text.as_bytes().chunks(700).collect();
        for (at, part) in parts.iter().enumerate() {
            let flag = if at + 1 == parts.len() { '$' } else { '+' };
            let part = std::str::from_utf8(part).expect("ASCII");
            let said = chunk(&format!("crumb{at:03}"), "m0", 1 + at * 700, part, flag);
            room.say(&said);
            assert!(room.node.output(room.alice.0).contains(" 200 OK"), "each is answered");
        }
        let heard = room.node.output(room.bob.0);
        let chunks = chunks(&heard);
        assert_eq!(chunks.iter().map(|it| it.1).collect::<String>(), text);
        let (last, before) = chunks.split_last().expect("some");
        assert_eq!(last.2, '$');
        assert!(before.len() > 3 && before.iter().all(|it| it.1.len() >= 2048 && it.2 == '+'));

        // What is held when the sender pauses goes out by itself, and once.
        room.say(&chunk("p4use001", "m1", 1, HELLO, '+'));
        room.node.advance(Duration::from_millis(190));
        assert_eq!(room.heard()[1], "");
        room.node.advance(Duration::from_millis(20));
        assert!(room.heard()[1].ends_with("+\r\n"));
        room.node.pause();
        assert_eq!(room.heard()[1], "");
        // What is held when the sender gives up goes nowhere.
        room.say(&chunk("p4use002", "m1", 106, "held", '+'));
        room.say(&chunk("p4use003", "m1", 110, "", '#'));
        let end = room.heard()[1].clone();
        assert!(end.contains("\r\nByte-Range: 106-*/*\r\n") && end.ends_with("#\r\n"), "{end}");
        assert!(!end.contains("held"));
    }
}

/// CHAT-08, CHAT-22: the recipients of a message are those who are there when its wrapper is complete,
/// although nothing of it has gone out by then.
#[test]
fn the_recipients_of_what_is_held_are_fixed() {
    for cores in [1, 2] {
        let mut room = room(cores, whole_messages());
        room.say(&chunk("h3ld0001", "m0", 1, HELLO, '+'));
        let late = Member { participant: 9, address: "sip:dan@example.com", ..bob() };
        let (dan, _) = room.node.bound(&late);
        room.say(&chunk("h3ld0002", "m0", 106, "!", '$'));
        assert!(room.heard()[1].contains("Hello room!\r\n"));
        assert_eq!(room.node.output(dan), "");
    }
}

/// PEER-02, CHAT-25: a message of up to 64 KiB is begun when it is whole: what others say comes before
/// it or after it, however its sender cuts it up and pauses, and nothing comes of one that is given
/// up, or never finished. A longer one begins when it is longer.
#[test]
fn nothing_comes_between_the_chunks_of_a_message() {
    for cores in [1, 2] {
        let mut room = room(cores, whole_messages());
        let text = format!("{HELLO}{}", "y".repeat(60_000));
        for (at, part) in text.as_bytes().chunks(20_000).enumerate() {
            let flag = if at == 3 { '$' } else { '+' };
            let part = std::str::from_utf8(part).expect("ASCII");
            room.say(&chunk(&format!("p4rt000{at}"), "m0", 1 + at * 20_000, part, flag));
            room.node.pause();
            carol_says(&mut room, &format!("c4rol00{at}"));
        }
        let heard = room.node.output(room.bob.0);
        let all = chunks(&heard);
        let own: Vec<_> = all.iter().filter(|it| it.1.contains("yyy")).collect();
        assert_eq!((all.len(), own.len()), (5, 1));
        assert_eq!((own[0].1, own[0].2), (&*text, '$'));

        let text = "z".repeat(66_000);
        room.say(&chunk("l0ng0001", "m3", 1, &format!("{HELLO}{}", &text[..60_000]), '+'));
        assert_eq!(room.node.output(room.bob.0), "");
        room.say(&chunk("l0ng0002", "m3", 60_106, &text[60_000..], '+'));
        assert!(room.node.output(room.bob.0).ends_with("+\r\n"), "it is too long to be held");
        room.say(&chunk("l0ng0003", "m3", 66_106, "", '$'));
        assert!(room.node.output(room.bob.0).ends_with("$\r\n"));

        let mut room = self::room(cores, whole_messages());
        room.say(&chunk("g1v3n001", "m1", 1, HELLO, '+'));
        room.say(&chunk("g1v3n002", "m1", 106, "", '#'));
        room.say(&chunk("s1l3nt01", "m2", 1, HELLO, '+'));
        room.node.advance(Duration::from_secs(600));
        assert_eq!(room.node.output(room.bob.0), "", "they were not begun");
        room.say(&room_message("4fter001", "", HELLO));
        assert!(room.node.output(room.bob.0).ends_with("$\r\n"), "he is there");
    }
}

/// PEER-02, FLOW-06: what has begun is finished before a private message begins, although that is more
/// urgent.
#[test]
fn what_is_more_urgent_waits_for_the_end_of_what_has_begun() {
    let mut room = room(1, whole_messages());
    room.node.hold_sends(room.bob.0);
    let composing = HELLO.replace("text/plain", "application/im-iscomposing+xml");
    room.say(&room_message("f1rst000", "", HELLO));
    room.say(&room_message("c0mp0s1n", "", &composing));
    for at in 0..4 {
        let body = format!("{HELLO}{}", "w".repeat(50_000));
        room.say(&room_message(&format!("l4rge00{at}"), "", &body));
    }
    let mut heard = String::new();
    while !heard.ends_with("$\r\n") {
        room.node.trickle(room.bob.0, 1);
        heard.push_str(&room.node.output(room.bob.0));
    }
    let psst = HELLO.replace("sip:lobby@chat.example.com", "sip:bob@example.net");
    room.say(&room_message("pr1v4te0", "", &psst));
    room.node.trickle(room.bob.0, usize::MAX);
    let heard = room.node.output(room.bob.0);
    let chunks = chunks(&heard);
    let mut open = None;
    for &(id, _, flag) in &chunks {
        assert!(open.is_none_or(|open| open == id), "between the chunks of another");
        open = (flag == '+').then_some(id);
    }
    let private = chunks.iter().position(|it| it.1.contains("sip:bob@example.net")).expect("heard");
    assert!(chunks[private - 1].1.ends_with('w'), "in the midst of them");
    assert!(private + 2 < chunks.len(), "and before those that had not begun");
}
