//! Where messages begin and end.

use msrp::{Fault, Flag, Frame, Framer, Method, PIECE_SIZE_MIN, Start, Unframable};

use crate::reader::{read, read_all, read_any_split, read_one, request};

const ROOM_MESSAGE: &[u8] = b"MSRP a786hjs2Kd0Qw1Er SEND\r\n\
    To-Path: msrp://sw.example.com:2855/sA9x2Lk7Qw3ZpT6mR8;tcp\r\n\
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

const EMPTY_BODY: &[u8] = b"MSRP e0e0e0e0AAAA0001 SEND\r\n\
    To-Path: msrp://sw.example.com:2855/sA9x2Lk7Qw3ZpT6mR8;tcp\r\n\
    From-Path: msrp://alice.example.org:7654/aL4c8Vn1Xy0B;tcp\r\n\
    Message-ID: empty001\r\n\
    Byte-Range: 1-0/0\r\n\
    Content-Type: text/plain\r\n\
    \r\n\
    \r\n\
    -------e0e0e0e0AAAA0001$\r\n";

const EMPTY_BODY_SHARED_CRLF: &[u8] = b"MSRP e0e0e0e0AAAA0002 SEND\r\n\
    To-Path: msrp://sw.example.com:2855/sA9x2Lk7Qw3ZpT6mR8;tcp\r\n\
    From-Path: msrp://alice.example.org:7654/aL4c8Vn1Xy0B;tcp\r\n\
    Message-ID: empty002\r\n\
    Byte-Range: 1-0/0\r\n\
    Content-Type: text/plain\r\n\
    \r\n\
    -------e0e0e0e0AAAA0002$\r\n";

const LOOK_ALIKES: &[u8] = b"MSRP t8Qa+Lm2 SEND\r\n\
    To-Path: msrp://sw.example.com:2855/sA9x2Lk7Qw3ZpT6mR8;tcp\r\n\
    From-Path: msrp://alice.example.org:7654/aL4c8Vn1Xy0B;tcp\r\n\
    Message-ID: look0001\r\n\
    Byte-Range: 1-*/*\r\n\
    Content-Type: text/plain\r\n\
    \r\n\
    x\r\n\
    -------t8Qa+\r\n\
    --------t8Qa+Lm2$\r\n\
    \n\
    -------t8Qa+Lm2$\r\n\
    -------t8Qa+Lm2$x\r\n\
    -------t8Qa+Lm2~\r\n\
    y\r\n\
    -------t8Qa+Lm2$\r\n";

const LOOK_ALIKES_BODY: &[u8] = b"x\r\n\
    -------t8Qa+\r\n\
    --------t8Qa+Lm2$\r\n\
    \n\
    -------t8Qa+Lm2$\r\n\
    -------t8Qa+Lm2$x\r\n\
    -------t8Qa+Lm2~\r\n\
    y";

const RESPONSE: &[u8] = b"MSRP a786hjs2Kd0Qw1Er 200 OK\r\n\
    To-Path: msrp://alice.example.org:7654/aL4c8Vn1Xy0B;tcp\r\n\
    From-Path: msrp://sw.example.com:2855/sA9x2Lk7Qw3ZpT6mR8;tcp\r\n\
    -------a786hjs2Kd0Qw1Er$\r\n";

/// WIRE-21, TV-09: framing depends on the octets, never on how TCP happened to cut them.
#[test]
fn any_split_into_reads_yields_the_same_messages() {
    let stream = [ROOM_MESSAGE, EMPTY_BODY, EMPTY_BODY_SHARED_CRLF, LOOK_ALIKES, RESPONSE].concat();
    let whole = read_all(&stream);
    let bodies = whole.iter().map(|message| message.body.len());
    assert!(bodies.eq([157, 0, 0, 93, 0]), "each message has the body it has alone");
    for size in 2..100 {
        assert_eq!(read(stream.chunks(size)).messages, whole, "in reads of {size} octets");
    }
}

/// WIRE-12, WIRE-13, TV-03: an empty body is a body, with the blank line shared or not.
#[test]
fn an_empty_body_is_a_body() {
    for octets in [EMPTY_BODY, EMPTY_BODY_SHARED_CRLF] {
        let message = read_one(octets);
        assert_eq!(message.content_type.as_deref(), Some("text/plain"));
        assert_eq!(message.content_headers, "Content-Type: text/plain\r\n");
        assert_eq!((message.body.len(), message.end), (0, Some(Flag::End)));
        assert_eq!(message.fault, None);
    }
    let no_blank_line = request(
        "MSRP abcd1234 SEND",
        "Message-ID: m1\r\nContent-Type: text/plain\r\n-------abcd1234$\r\n",
    );
    let message = read_one(&no_blank_line);
    assert_eq!((message.content_type.as_deref(), message.fault), (Some("text/plain"), None));
}

/// WIRE-10, WIRE-11, PEER-08: without Content-Type there is no body, whether or not a blank
/// line precedes the end-line, and with or without Message-ID and Byte-Range.
#[test]
fn a_request_without_content_type_has_no_body() {
    for rest in [
        "-------abcd1234$\r\n",
        "\r\n-------abcd1234$\r\n",
        "Keep-Alive: 5\r\n\r\n-------abcd1234$\r\n",
        "Message-ID: bind4711\r\nByte-Range: 1-0/0\r\n-------abcd1234$\r\n",
        "Message-ID: bind4711\r\nByte-Range: 1-*/*\r\n-------abcd1234$\r\n",
    ] {
        let message = read_one(&request("MSRP abcd1234 SEND", rest));
        assert_eq!((message.content_type, message.fault), (None, None), "{rest}");
        assert_eq!((message.body.len(), message.end), (0, Some(Flag::End)));
    }
}

/// WIRE-15, WIRE-16, TV-08: only a whole end-line after a CRLF is one; what looks like it is body.
#[test]
fn look_alikes_of_an_end_line_are_body() {
    let message = read_one(LOOK_ALIKES);
    assert_eq!(message.body, LOOK_ALIKES_BODY);
    assert_eq!(message.end, Some(Flag::End));
    let bare_cr = b"MSRP abcd1234 SEND\r\nTo-Path: msrp://h:1/a;tcp\r\nFrom-Path: msrp://h:2/b;tcp\r\n\
        Message-ID: m1\r\nContent-Type: a/b\r\n\r\n\r-------abcd1234$\r\n\r\r\n-------abcd1234+\r\n";
    let message = read_one(bare_cr);
    assert_eq!(message.body, b"\r-------abcd1234$\r\n\r");
    assert_eq!(message.end, Some(Flag::More));
}

/// WIRE-22: what may still become an end-line is held back, and nothing else is: at most 20 octets
/// with a transaction identifier of 8.
#[test]
fn only_what_may_be_an_end_line_is_held_back() {
    let head_size = LOOK_ALIKES.len() - LOOK_ALIKES_BODY.len() - b"\r\n-------t8Qa+Lm2$\r\n".len();
    let mut framer = Framer::new();
    let mut passed_on = Vec::new();
    for (index, octet) in LOOK_ALIKES.chunks(1).enumerate() {
        let mut input = octet;
        while let Some(frame) = framer.next(&mut input).unwrap() {
            if let Frame::Body(piece) = frame {
                passed_on.extend_from_slice(piece.body);
            }
        }
        if let Some(piece) = framer.flush() {
            assert!(!piece.body.is_empty());
            passed_on.extend_from_slice(piece.body);
        }
        assert!(LOOK_ALIKES_BODY.starts_with(&passed_on), "no octet of the end-line is passed on");
        let arrived = (index + 1).saturating_sub(head_size);
        assert!(arrived - passed_on.len() <= 20, "{} are held", arrived - passed_on.len());
        let is_undecided = LOOK_ALIKES[..=index].ends_with(b"\r");
        assert!(arrived != passed_on.len() || !is_undecided || arrived == 0);
    }
    assert_eq!(passed_on, LOOK_ALIKES_BODY);
}

/// WIRE-09, TV-10: the CRLF before the end-line is framing, whatever range was announced; one before
/// it is body.
#[test]
fn a_body_may_end_in_crlf() {
    for (range, is_too_long) in [("1-4/4", false), ("1-6/6", false), ("1-2/2", true)] {
        let message = read_one(
            format!(
                "MSRP crlf0010aaaabbbb SEND\r\n\
                 To-Path: msrp://sw.example.com:2855/sA9x2Lk7Qw3ZpT6mR8;tcp\r\n\
                 From-Path: msrp://alice.example.org:7654/aL4c8Vn1Xy0B;tcp\r\n\
                 Message-ID: crlf0001\r\n\
                 Byte-Range: {range}\r\n\
                 Content-Type: text/plain\r\n\
                 \r\n\
                 hi\r\n\
                 \r\n\
                 -------crlf0010aaaabbbb$\r\n"
            )
            .as_bytes(),
        );
        assert_eq!(message.body, b"hi\r\n");
        let size_max = message.byte_range.and_then(msrp::ByteRange::size_max);
        assert_eq!(size_max.is_some_and(|max| max < 4), is_too_long, "{range}");
    }
}

/// WIRE-20, TV-11: a body is octets, whatever they are.
#[test]
fn a_body_may_hold_any_octets() {
    let message = read_one(
        b"MSRP b1nary11ccccdddd SEND\r\n\
        To-Path: msrp://sw.example.com:2855/sA9x2Lk7Qw3ZpT6mR8;tcp\r\n\
        From-Path: msrp://alice.example.org:7654/aL4c8Vn1Xy0B;tcp\r\n\
        Message-ID: bin00001\r\n\
        Byte-Range: 1-22/22\r\n\
        Content-Type: application/octet-stream\r\n\
        \r\n\
        \x00\xff\xfe\r\r\n\
        \n\
        -----\r\n\
        ------\x80\r\r\n\
        -------b1nary11ccccdddd$\r\n",
    );
    assert_eq!(message.body, b"\x00\xff\xfe\r\r\n\n-----\r\n------\x80\r");
    assert_eq!(message.body.len(), 22);
}

/// WIRE-01, WIRE-02, WIRE-32, TV-12: what a start line may be, and what nothing can be framed after.
#[test]
fn start_lines() {
    let outcome = |start_line: &str, transaction: &str| {
        let rest = format!("-------{transaction}$\r\n");
        read_any_split(&request(start_line, &rest))
    };
    let accepted = |start_line, transaction, start, fault| {
        let outcome = outcome(start_line, transaction);
        assert_eq!(outcome.stream, Ok(()), "{start_line}");
        let message = &outcome.messages[0];
        assert_eq!((message.start, message.fault), (start, fault), "{start_line}");
        assert_eq!(message.end, Some(Flag::End), "{start_line}");
    };
    let refused = |start_line, transaction, unframable| {
        let outcome = outcome(start_line, transaction);
        assert_eq!(outcome.stream, Err(unframable), "{start_line}");
        assert!(outcome.messages.is_empty(), "{start_line}");
    };
    let other = Start::Request(Method::Other);
    let malformed = Some(Fault::StartLine);
    accepted("MSRP abcd SEND", "abcd", Start::Request(Method::Send), None);
    accepted("MSRP abcd1234 REPORT", "abcd1234", Start::Request(Method::Report), None);
    accepted("MSRP abcd1234 NICKNAME", "abcd1234", Start::Request(Method::Nickname), None);
    accepted("MSRP abcd1234 AUTH", "abcd1234", Start::Request(Method::Auth), None);
    accepted("MSRP abcd1234 PING", "abcd1234", other, None);
    accepted("MSRP abcd1234  SEND", "abcd1234", other, malformed);
    accepted("MSRP abcd1234 send", "abcd1234", other, malformed);
    accepted("MSRP abcd1234 SEND ", "abcd1234", other, malformed);
    accepted("MSRP abcd1234 ", "abcd1234", other, malformed);
    accepted("MSRP abcd1234", "abcd1234", other, malformed);
    accepted("MSRP abcd1234 200", "abcd1234", Start::Response(200), None);
    accepted("MSRP abcd1234 200 ", "abcd1234", Start::Response(200), None);
    accepted("MSRP abcd1234 413 Schlu\u{df}", "abcd1234", Start::Response(413), None);
    accepted("MSRP abcd1234 20", "abcd1234", Start::Response(0), malformed);
    accepted("MSRP abcd1234 2000", "abcd1234", Start::Response(0), malformed);
    accepted("MSRP abcd1234 200OK", "abcd1234", Start::Response(0), malformed);
    refused("MSRP abc SEND", "abc", Unframable::TransactionId);
    refused("MSRP abcd_1234 SEND", "abcd_1234", Unframable::TransactionId);
    refused("MSRP -abcd1234 SEND", "-abcd1234", Unframable::TransactionId);
    refused("MSRP  abcd1234 SEND", "abcd1234", Unframable::TransactionId);
    refused("msrp abcd1234 SEND", "abcd1234", Unframable::NotMsrp);
    refused("GET / HTTP/1.1", "abcd1234", Unframable::NotMsrp);
    refused("MSRP abcd\n1234 SEND", "abcd", Unframable::StartLine);
}

/// WIRE-32: what is not MSRP is told from its first octets, even if no line ever ends.
#[test]
fn a_stream_without_lines_is_refused_at_once() {
    let client_hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    let mut framer = Framer::new();
    for _ in 0..2 {
        assert_eq!(framer.next(&mut &client_hello[..]).err(), Some(Unframable::NotMsrp));
    }
}

/// WIRE-05: up to four octets of blank lines may come before a message, and no more.
#[test]
fn a_few_blank_lines_are_tolerated_between_messages() {
    let joined = |blank: &[u8]| [RESPONSE, blank, RESPONSE].concat();
    assert_eq!(read_all(&joined(b"\r\n")).len(), 2);
    assert_eq!(read_all(&joined(b"\r\n\r\n")).len(), 2);
    for blank in [&b"\r\n\r\n\r\n"[..], b"\r", b"\n", b"\r\r\n", b" "] {
        let outcome = read_any_split(&joined(blank));
        assert_eq!(outcome.messages.len(), 1, "{}", blank.escape_ascii());
        assert_eq!(outcome.stream, Err(Unframable::NotMsrp), "{}", blank.escape_ascii());
    }
    assert_eq!(read([&b"\r\n\r\n\r"[..]]).stream, Err(Unframable::NotMsrp), "told at once");
}

/// What is unfinished is counted, and nothing else is.
#[test]
fn what_is_unfinished_is_counted() {
    let mut framer = Framer::new();
    assert_eq!(framer.held(), 0);
    let (before, after) = ROOM_MESSAGE.split_at(100);
    assert!(framer.next(&mut &before[..]).unwrap().is_none());
    let held = framer.held();
    assert!((100..1000).contains(&held), "{held} octets for 100");
    let (more, after) = after.split_at(100);
    assert!(framer.next(&mut &more[..]).unwrap().is_none());
    assert!(framer.held() > held, "{} octets for 200", framer.held());
    let mut input = after;
    while framer.next(&mut input).unwrap().is_some() {}
    assert_eq!(framer.held(), 0);
}

/// SEC-01: what is logged of a piece is its size, and of a transaction its identifier.
#[test]
fn nothing_that_was_said_is_shown() {
    let mut framer = Framer::new();
    let frame = framer.next(&mut &ROOM_MESSAGE[..]).unwrap().unwrap();
    let Frame::Head { head, piece } = frame else { panic!("no head but {frame:?}") };
    assert_eq!(
        format!("{piece:?}"),
        format!("Piece {{ size: {}, end: Some(End) }}", piece.body.len())
    );
    assert_eq!(format!("{:?}", head.transaction), "TransactionId(a786hjs2Kd0Qw1Er)");
}

/// WIRE-23: each flag is told from the others.
#[test]
fn flags_say_how_a_chunk_ends() {
    for (flag, end) in [("$", Flag::End), ("+", Flag::More), ("#", Flag::Abort)] {
        let rest =
            format!("Message-ID: m1\r\nContent-Type: a/b\r\n\r\nabc\r\n-------abcd1234{flag}\r\n");
        assert_eq!(read_one(&request("MSRP abcd1234 SEND", &rest)).end, Some(end));
    }
}

/// WIRE-27: a body on a response is skipped; what follows is the next message.
#[test]
fn a_response_has_no_body() {
    let octets = [
        b"MSRP abcd1234 200 OK\r\nTo-Path: msrp://h:1/a;tcp\r\nFrom-Path: msrp://h:2/b;tcp\r\n\
        Content-Type: text/plain\r\n\r\nhello\r\n-------abcd1234$\r\n",
        RESPONSE,
    ]
    .concat();
    let messages = read_all(&octets);
    assert_eq!(messages.len(), 2);
    assert_eq!((&messages[0].body[..], messages[0].fault), (&b""[..], None));
    assert_eq!(messages[1].start, Start::Response(200));
}

/// The body of a REPORT comes whole, with its head.
#[test]
fn a_report_is_reported_whole() {
    let octets = request(
        "MSRP abcd1234 REPORT",
        "Message-ID: m1\r\nStatus: 000 428 No\r\nContent-Type: text/plain\r\n\r\nsorry\r\n\
         -------abcd1234$\r\n",
    );
    let message = read_one(&octets);
    assert_eq!(message.body, b"sorry");
    let mut framer = Framer::new();
    let mut before_end = &octets[..octets.len() - 1];
    assert!(framer.next(&mut before_end).unwrap().is_none());
}

/// CHUNK-11, CHUNK-14: a piece is passed on from that size on, and a smaller one when it is asked for.
#[test]
fn a_piece_is_worth_passing_on_from_some_size() {
    let head = request(
        "MSRP abcd1234 SEND",
        "Message-ID: m1\r\nByte-Range: 1-*/*\r\nContent-Type: a/b\r\n\r\n",
    );
    let body = [b'a'; PIECE_SIZE_MIN];
    for size in [PIECE_SIZE_MIN - 1, PIECE_SIZE_MIN] {
        let mut framer = Framer::new();
        let mut input = &head[..];
        while framer.next(&mut input).unwrap().is_some() {}
        let passed = framer.next(&mut &body[..size]).unwrap().is_some();
        assert_eq!(passed, size == PIECE_SIZE_MIN, "{size} octets");
        assert_eq!(framer.flush().map(|piece| piece.body.len()), (!passed).then_some(size));
    }
}

/// CHUNK-11: a chunk of any size passes in pieces, none of them waiting for the end.
#[test]
fn a_long_chunk_passes_in_pieces() {
    let head = request(
        "MSRP abcd1234 SEND",
        "Message-ID: m1\r\nByte-Range: 1-*/*\r\nContent-Type: a/b\r\n\r\n",
    );
    let body: Vec<u8> = (0..300_000u64).map(|index| ((index * index) >> 7) as u8).collect();
    let octets = [&head, &body[..], b"\r\n-------abcd1234$\r\n"].concat();
    for size in [1, 7, 100, 2047, 4096, 65_536, octets.len()] {
        let messages = read(octets.chunks(size)).messages;
        assert_eq!(messages.len(), 1);
        assert!(messages[0].body == body, "in reads of {size} octets");
        assert_eq!(messages[0].end, Some(Flag::End));
    }
    // However it arrives, less than a piece is held.
    let mut framer = Framer::new();
    let mut passed_on = 0;
    for (index, mut input) in octets[..head.len() + body.len()].chunks(100).enumerate() {
        while let Some(frame) = framer.next(&mut input).unwrap() {
            let (Frame::Head { piece, .. } | Frame::Body(piece)) = frame;
            passed_on += piece.body.len();
        }
        let arrived = ((index + 1) * 100).saturating_sub(head.len());
        assert!(arrived < passed_on + msrp::PIECE_SIZE_MIN + 44);
    }
}

/// The head of a SEND is known before the first octet of its body, so that a refusal need
/// not wait.
#[test]
fn a_head_is_reported_before_its_body() {
    let octets = request(
        "MSRP t00b1g36aaaabbbb SEND",
        "Message-ID: big00001\r\nByte-Range: 1-*/5000\r\nContent-Type: message/cpim\r\n\r\n",
    );
    let mut framer = Framer::new();
    let mut input = &octets[..];
    let Some(Frame::Head { head, piece }) = framer.next(&mut input).unwrap() else {
        panic!("the head is whole");
    };
    assert_eq!(head.byte_range.unwrap().total, Some(5000));
    assert_eq!((piece.body, piece.end), (&b""[..], None));
    assert!(framer.next(&mut input).unwrap().is_none());
    assert_eq!(framer.flush(), None);
    let mut end = &b"\r\n-------t00b1g36aaaabbbb#\r\n"[..];
    let Some(Frame::Body(piece)) = framer.next(&mut end).unwrap() else { panic!("it ends") };
    assert_eq!((piece.body, piece.end), (&b""[..], Some(Flag::Abort)));
}
