//! What participants are told whose clients do not know chat rooms.

mod common;

use common::{
    Member, Node,
    lobby::{ALICE, alice, bob, carol},
    masked,
};
use mailbox::RoomPolicy;

fn node(cores: usize) -> Node {
    Node::under(cores, RoomPolicy { greeting: true, ..RoomPolicy::default() })
}

fn unaware(member: Member<'static>) -> Member<'static> {
    Member { chatroom: None, ..member }
}

/// CHAT-32, CHAT-33, CHAT-34, CPIM-15: once, after the answer to its first request, it is told in two
/// texts where it is and who is there: an anonymous participant under its alias. Positions count the
/// wrapper.
#[test]
fn who_does_not_know_chat_rooms_is_told() {
    for cores in [1, 2] {
        let mut node = node(cores);
        let hidden = "sip:anonymous1@anonymous.invalid";
        node.bound(&Member { address: hidden, is_anonymous: true, ..bob() });
        node.bound(&Member { core: cores - 1, ..carol() });
        let (peer, uri, _, output) = node.enter(&unaware(alice()));
        let (answer, texts) = output.split_once("bind0001$\r\n").expect("it is answered first");
        assert!(answer.starts_with("MSRP bind0001 200 OK\r\n"));
        let second = texts[5..].find("MSRP ").expect("two texts") + 5;
        let (first, second) = texts.split_at(second);
        let text = |size: usize, content: &str| {
            format!(
                "MSRP {{tid}} SEND\r\n\
                To-Path: {ALICE}\r\n\
                From-Path: {uri}\r\n\
                Message-ID: {{mid}}\r\n\
                Byte-Range: 1-{size}/{size}\r\n\
                Failure-Report: no\r\n\
                Content-Type: message/cpim\r\n\
                \r\n\
                From: <sip:lobby@chat.example.com>\r\n\
                To: <sip:lobby@chat.example.com>\r\n\
                DateTime: 2026-01-15T12:00:00Z\r\n\
                \r\n\
                Content-Type: text/plain;charset=UTF-8\r\n\
                \r\n\
                {content}\r\n\
                -------{{tid}}$\r\n"
            )
        };
        let welcome = "This is a chat room: what you write goes to everybody in it.";
        assert_eq!(masked(first).0, text(206, welcome));
        let names = "In this room: sip:anonymous1@anonymous.invalid, sip:carol@example.com, \
            sip:alice@example.org";
        assert_eq!(masked(second).0, text(146 + names.len(), names));
        node.feed(
            peer,
            format!(
                "MSRP again001 SEND\r\nTo-Path: {uri}\r\nFrom-Path: {ALICE}\r\n-------again001$\r\n"
            )
            .as_bytes(),
        );
        assert!(!node.output(peer).contains("chat room"), "it is told once");
    }
}

/// CHAT-32, CHAT-33: whoever knows chat rooms, cannot read text, or does not want to hear, is told
/// nothing; nor is anybody in a room that does not greet.
#[test]
fn others_are_told_nothing() {
    let mut node = node(1);
    for member in [
        alice(),
        unaware(Member { wrapped: "message/cpim image/png", ..alice() }),
        unaware(Member { size_max: Some(100), ..alice() }),
        unaware(Member { direction: mailbox::Direction::FromPeer, ..alice() }),
    ] {
        let (.., output) = node.enter(&member);
        assert_eq!(output.matches("MSRP ").count(), 1, "{output}");
    }
    let (.., output) = Node::new(1).enter(&unaware(alice()));
    assert_eq!(output.matches("MSRP ").count(), 1, "{output}");
}

/// CHAT-32: if its first request is a long message, or it is activated only later, it is told then.
#[test]
fn it_waits_for_the_answer_to_the_first_request() {
    let mut node = node(1);
    let member = unaware(alice());
    let (_, uri) = node.join(&member);
    let peer = node.connect(0);
    node.feed(
        peer,
        format!(
            "MSRP l0ng0001 SEND\r\nTo-Path: {uri}\r\nFrom-Path: {ALICE}\r\nMessage-ID: long\r\n\
        Byte-Range: 1-*/*\r\nContent-Type: message/cpim\r\n\r\nTo: <sip:lobby@chat.example.com>\r\n"
        )
        .as_bytes(),
    );
    assert_eq!(node.output(peer), "");
    node.feed(
        peer,
        b"From: <sip:alice@example.org>\r\n\r\nContent-Type: a/b\r\n\r\nx\r\n-------l0ng0001$\r\n",
    );
    let output = node.output(peer);
    assert!(output.starts_with("MSRP l0ng0001 200 ") && output.contains("chat room"), "{output}");

    let (session, uri) = node.install(&unaware(bob()));
    let peer = node.connect(0);
    let path = bob().path;
    node.feed(
        peer,
        format!(
            "MSRP bind0001 SEND\r\nTo-Path: {uri}\r\nFrom-Path: {path}\r\n-------bind0001$\r\n"
        )
        .as_bytes(),
    );
    assert_eq!(node.output(peer).matches("MSRP ").count(), 1);
    node.activate(0, session);
    assert_eq!(node.output(peer).matches("MSRP ").count(), 2);
}
