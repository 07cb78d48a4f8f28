//! The framing-level test vectors of the catalogue once more, in the wrapper that a room asks for and
//! through the real engine: what the framer makes of them is what recipients get, octet for octet.

mod common;

use common::lobby::{ALICE, BOB, Fixture};

const WRAPPER: &str = "To: <sip:lobby@chat.example.com>\r\nFrom: <sip:alice@example.org>\r\n\r\n\
    Content-Type: application/octet-stream\r\n\r\n";

/// Who only accepts text gets none of it, so Bob accepts all here.
fn room() -> Fixture {
    use common::{Member, Node, lobby};
    let bob = Member { wrapped: "*", ..lobby::bob() };
    Fixture::of(Node::new(1), &[lobby::alice(), bob, lobby::carol()])
}

/// Alice says this; what she is answered, and the body of what Bob gets.
fn say(tid: &str, range: &str, body: &[u8]) -> (String, Option<Vec<u8>>) {
    let mut room = room();
    let uri = room.alice.1.clone();
    let head = format!(
        "MSRP {tid} SEND\r\nTo-Path: {uri}\r\nFrom-Path: {ALICE}\r\nMessage-ID: vector01\r\n\
        {range}Content-Type: message/cpim\r\n\r\n"
    );
    let end = format!("\r\n-------{tid}$\r\n");
    let message = [head.as_bytes(), body, end.as_bytes()].concat();
    let (alice, bob) = (room.alice.0, room.bob.0);
    room.node.feed(alice, &message);
    let answer = room.node.output(alice);
    let status = answer.strip_prefix(&format!("MSRP {tid} ")).expect("an answer");
    let status = status.split("\r\n").next().expect("a status").to_owned();
    (status, heard(&room.node.octets(bob), &room.bob.1))
}

/// The body of the one SEND in these octets, which is whole and says where it comes from.
fn heard(copy: &[u8], uri: &str) -> Option<Vec<u8>> {
    if copy.is_empty() {
        return None;
    }
    let tid = copy.strip_prefix(b"MSRP ").expect("a request");
    let tid = &tid[..tid.iter().position(|&octet| octet == b' ').expect("a method")];
    let paths = format!(" SEND\r\nTo-Path: {BOB}\r\nFrom-Path: {uri}\r\nMessage-ID: ");
    let rest = copy[b"MSRP ".len() + tid.len()..].strip_prefix(paths.as_bytes()).expect("paths");
    let type_line = b"\r\nContent-Type: message/cpim\r\n\r\n";
    let at = rest.windows(type_line.len()).position(|it| it == type_line).expect("a type");
    let end = [b"\r\n-------", tid, b"$\r\n"].concat();
    Some(rest[at + type_line.len()..].strip_suffix(&end[..]).expect("an end").to_vec())
}

fn assert_passes(tid: &str, range: &str, content: &[u8]) {
    let body = [WRAPPER.as_bytes(), content].concat();
    let range = range.replace("{size}", &body.len().to_string());
    let (status, copy) = say(tid, &range, &body);
    assert_eq!(status, "200 OK", "{tid}");
    assert_eq!(copy.as_deref(), Some(&body[..]), "{tid}");
}

/// TV-03: an empty body is a body, with the blank line shared or not: in a room it is content without
/// the wrapper, and not a binding. Nothing in a wrapper is a message.
#[test]
fn nothing_is_content() {
    let mut room = room();
    let (alice, uri) = room.alice.clone();
    for (tid, blank) in [("e0e0e0e0AAAA0001", "\r\n\r\n"), ("e0e0e0e0AAAA0002", "\r\n")] {
        let send = format!(
            "MSRP {tid} SEND\r\nTo-Path: {uri}\r\nFrom-Path: {ALICE}\r\nMessage-ID: empty001\r\n\
            Byte-Range: 1-0/0\r\nContent-Type: text/plain\r\n{blank}-------{tid}$\r\n"
        );
        room.node.feed(alice, send.as_bytes());
        assert!(room.node.output(alice).starts_with(&format!("MSRP {tid} 415 ")), "{tid}");
    }
    assert_passes("e0e0e0e0AAAA0003", "Byte-Range: 1-{size}/{size}\r\n", b"");
}

/// TV-08: what only looks like an end-line is content, for the sender's transaction and for ours.
#[test]
fn what_looks_like_an_end_goes_through() {
    let content = b"x\r\n-------t8Qa+\r\n--------t8Qa+Lm2$\r\n\n-------t8Qa+Lm2$\r\n\
        -------t8Qa+Lm2$x\r\n-------t8Qa+Lm2~\r\ny";
    assert_eq!(content.len(), 93);
    assert_passes("t8Qa+Lm2", "Byte-Range: 1-*/*\r\n", content);
}

/// TV-10: a CRLF at the end of the content is content, whatever the range says, unless it says less
/// than there is.
#[test]
fn a_line_break_at_the_end_goes_through() {
    let body = [WRAPPER, "hi\r\n"].concat();
    assert_passes("crlf0010aaaabbbb", "Byte-Range: 1-{size}/{size}\r\n", b"hi\r\n");
    let tid = "crlf0010aaaabbbb";
    let more = format!("Byte-Range: 1-{0}/{0}\r\n", body.len() + 2);
    assert_eq!(say(tid, &more, body.as_bytes()), ("200 OK".into(), Some(body.clone().into())));
    let less = format!("Byte-Range: 1-{0}/{0}\r\n", body.len() - 2);
    let (status, copy) = say(tid, &less, body.as_bytes());
    assert_eq!((&status[..3], copy), ("400", None));
}

/// TV-11: content is octets.
#[test]
fn octets_that_are_no_text_go_through() {
    let content = b"\x00\xff\xfe\r\r\n\n-----\r\n------\x80\r";
    assert_eq!(content.len(), 22);
    assert_passes("b1nary11ccccdddd", "Byte-Range: 1-{size}/{size}\r\n", content);
}

/// TV-39: `To` counts by its namespace and in its case, and the body is forwarded as it is.
#[test]
fn headers_count_by_their_namespace() {
    let content = "\r\nContent-Type: text/plain\r\n\r\nHi";
    let two = "NS: c <urn:ietf:params:cpim-headers:>\r\nc.To: <sip:bob@example.net>\r\n\
        To: <sip:lobby@chat.example.com>\r\nFrom: <sip:alice@example.org>\r\n";
    let other = "From: <sip:alice@example.org>\r\nTo: <sip:lobby@chat.example.com>\r\n\
        NS: <urn:example:other>\r\nTo: <sip:bob@example.net>\r\n";
    let small = "to: <sip:lobby@chat.example.com>\r\nFrom: <sip:alice@example.org>\r\n";
    for (head, expected) in [(two, "403"), (other, "200"), (small, "400")] {
        let body = [head, content].concat();
        let (status, copy) = say("nsTV39aaaabbbb", "Byte-Range: 1-*/*\r\n", body.as_bytes());
        assert_eq!(&status[..3], expected, "{head}");
        assert_eq!(copy, (expected == "200").then(|| body.into_bytes()), "{head}");
    }
}
