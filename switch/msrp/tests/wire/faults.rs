//! Malformed messages: skipped, told, and followed by the next one.

use msrp::{FailureReport, Fault, Field, Flag, Method, Start};

use crate::reader::{read_all, read_any_split, read_one, request};

const NEXT: &[u8] = b"MSRP n3xt13aaaabbbbcc SEND\r\n\
    To-Path: msrp://sw.example.com:2855/sA9x2Lk7Qw3ZpT6mR8;tcp\r\n\
    From-Path: msrp://alice.example.org:7654/aL4c8Vn1Xy0B;tcp\r\n\
    Message-ID: next0001\r\n\
    Byte-Range: 1-2/2\r\n\
    Content-Type: text/plain\r\n\
    \r\n\
    ok\r\n\
    -------n3xt13aaaabbbbcc$\r\n";

fn malformed(line: &str, more: &str) -> Vec<u8> {
    request(
        "MSRP f0ld13aaaabbbbcc SEND",
        &format!(
            "Message-ID: fold0001\r\n{line}\r\n{more}Content-Type: text/plain\r\n\r\nhi\r\n\
             -------f0ld13aaaabbbbcc$\r\n"
        ),
    )
}

/// The fault of a SEND with a body, one line of which is given.
fn fault_of(line: &str) -> Option<Fault> {
    let messages = read_all(&[&malformed(line, ""), NEXT].concat());
    assert_eq!(messages.len(), 2, "{line}");
    let [first, next] = &messages[..] else { unreachable!() };
    assert_eq!(first.transaction, "f0ld13aaaabbbbcc");
    assert!(
        first.fault.is_none() || first.body.is_empty(),
        "the body of a malformed message is skipped"
    );
    assert!(first.from_path.is_some(), "there is somewhere to answer");
    assert!(!first.close_after);
    assert_eq!((&next.body[..], next.fault), (&b"ok"[..], None), "{line}");
    first.fault
}

/// WIRE-08, WIRE-34, TV-13: a folded line is a fault, and the next request is read as if there were
/// none.
#[test]
fn a_malformed_request_is_skipped_to_its_end() {
    assert_eq!(fault_of(" folded: yes"), Some(Fault::Folded));
    assert_eq!(fault_of("\tfolded: yes"), Some(Fault::Folded));
    assert_eq!(fault_of("Message-ID: x1y2"), Some(Fault::Repeated(Field::MessageId)));
    assert_eq!(fault_of("X-Fine: yes"), None);
}

/// TV-13: Failure-Report is read even behind the line that is wrong, so that `no` is honoured.
#[test]
fn reporting_is_read_behind_a_fault() {
    let message = read_one(&malformed(" folded: yes", "Failure-Report: no\r\n"));
    assert_eq!(message.failure_report, FailureReport::No);
    assert_eq!(message.fault, Some(Fault::Folded));
}

/// WIRE-28: headers that may come once only.
#[test]
fn single_headers_come_once() {
    for (field, line) in [
        (Field::ToPath, "To-Path: msrp://h:1/a;tcp"),
        (Field::FromPath, "from-path: msrp://h:1/a;tcp"),
        (Field::MessageId, "Message-ID: fold0001"),
        (Field::ContentType, "Content-Type: text/plain"),
    ] {
        assert_eq!(fault_of(line), Some(Fault::Repeated(field)), "{line}");
    }
    for (field, line) in [
        (Field::ByteRange, "Byte-Range: 1-2/2"),
        (Field::SuccessReport, "Success-Report: yes"),
        (Field::FailureReport, "Failure-Report: yes"),
        (Field::Status, "Status: 000 200"),
        (Field::UseNickname, "Use-Nickname: \"x\""),
    ] {
        assert_eq!(fault_of(line), None, "{line}");
        assert_eq!(fault_of(&format!("{line}\r\n{line}")), Some(Fault::Repeated(field)), "{line}");
    }
    for line in ["X-Any: 1", "Content-Any: 1", "Content-Transfer-Encoding: binary"] {
        assert_eq!(fault_of(&format!("{line}\r\n{line}")), None, "{line}");
    }
}

/// WIRE-36, WIRE-37, CHUNK-23: headers we understand have values we understand.
#[test]
fn values_are_checked() {
    for (field, line) in [
        (Field::ByteRange, "Byte-Range: 0-4/5"),
        (Field::ByteRange, "Byte-Range: 1-*/18446744073709551616"),
        (Field::ByteRange, "Byte-Range:"),
        (Field::SuccessReport, "Success-Report: maybe"),
        (Field::SuccessReport, "Success-Report: partial"),
        (Field::FailureReport, "Failure-Report: maybe"),
        (Field::Status, "Status: 200"),
        (Field::OtherContent, "Content-ID: \u{7}"),
        (Field::Unknown, "no colon"),
        (Field::Unknown, ": no name"),
        (Field::Unknown, "X Any: two words"),
        (Field::Unknown, "Content-Type : text/html"),
        (Field::Unknown, "-------f0ld13aaaabbbbcc"),
        (Field::Unknown, "-------f0ld13aaaabbbbcc$ "),
    ] {
        assert_eq!(fault_of(line), Some(Fault::Header(field)), "{line}");
    }
    // What was not understood counts as `yes` (WIRE-37).
    let message = read_one(&malformed("Failure-Report: never", ""));
    assert_eq!(message.failure_report, FailureReport::Yes);
}

/// WIRE-31: what goes into copies is UTF-8.
#[test]
fn copied_headers_are_text() {
    let octets = [
        &b"MSRP abcd1234 SEND\r\nTo-Path: msrp://h:1/a;tcp\r\nFrom-Path: msrp://h:2/b;tcp\r\n\
        Message-ID: m1\r\nContent-Description: \xff\xfe\r\nContent-Type: a/b\r\n\r\nx\r\n\
        -------abcd1234$\r\n"[..],
        NEXT,
    ]
    .concat();
    let messages = read_all(&octets);
    assert_eq!(messages[0].fault, Some(Fault::Header(Field::OtherContent)));
    assert_eq!(messages[1].fault, None);
}

/// SEND-04, WIRE-14: content needs a Message-ID and a type.
#[test]
fn content_needs_a_message_id_and_a_type() {
    let without_id =
        request("MSRP abcd1234 SEND", "Content-Type: text/plain\r\n\r\nhi\r\n-------abcd1234$\r\n");
    assert_eq!(read_one(&without_id).fault, Some(Fault::Missing(Field::MessageId)));
    for body in ["hi", "\r\n", "a longer body, longer than any end-line could possibly be"] {
        let without_type = request(
            "MSRP abcd1234 SEND",
            &format!("Message-ID: m1\r\n\r\n{body}\r\n-------abcd1234$\r\n"),
        );
        let message = read_one(&without_type);
        assert_eq!(message.fault, Some(Fault::UntypedBody), "{body}");
        assert!(message.body.is_empty());
    }
    let empty_type = request(
        "MSRP abcd1234 SEND",
        "Message-ID: m1\r\nContent-Type:\r\n\r\nhi\r\n-------abcd1234$\r\n",
    );
    assert_eq!(read_one(&empty_type).fault, Some(Fault::Header(Field::ContentType)));
}

/// CODE-02: a request without a path is malformed; the path that is there can still be used.
#[test]
fn requests_need_both_paths() {
    let message =
        read_one(b"MSRP abcd1234 SEND\r\nFrom-Path: msrp://h:2/b;tcp\r\n-------abcd1234$\r\n");
    assert_eq!(message.fault, Some(Fault::Missing(Field::ToPath)));
    assert_eq!(message.from_path.as_deref(), Some("msrp://h:2/b;tcp"));
    let message =
        read_one(b"MSRP abcd1234 SEND\r\nTo-Path: msrp://h:1/a;tcp\r\n-------abcd1234$\r\n");
    assert_eq!(message.fault, Some(Fault::Missing(Field::FromPath)));
    let message = read_one(b"MSRP abcd1234 SEND\r\n-------abcd1234$\r\n");
    assert_eq!(message.fault, Some(Fault::Missing(Field::ToPath)));
}

/// WIRE-34: a malformed response is told as such, to be dropped, and skipped with all it has.
#[test]
fn a_malformed_response_is_skipped() {
    let octets = [
        &b"MSRP abcd1234 20\r\nTo-Path: msrp://h:1/a;tcp\r\n\r\nbody\r\n-------abcd1234$\r\n"[..],
        NEXT,
    ]
    .concat();
    let messages = read_all(&octets);
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0].start, Start::Response(0));
    assert_eq!(messages[0].fault, Some(Fault::StartLine));
}

/// WIRE-25: whatever is not a SEND is short and in one piece, or malformed, and skipped.
#[test]
fn requests_other_than_send_are_short_and_whole() {
    let report = |body_size: usize, flag: &str| {
        let rest = format!(
            "Message-ID: m1\r\nContent-Type: text/plain\r\n\r\n{}\r\n-------abcd1234{flag}\r\n",
            "x".repeat(body_size)
        );
        let octets = [&request("MSRP abcd1234 REPORT", &rest)[..], NEXT].concat();
        let whole = crate::reader::read([&octets[..]]);
        assert_eq!(crate::reader::read(octets.chunks(1)), whole);
        assert_eq!(crate::reader::read(octets.chunks(1000)), whole);
        let messages = whole.messages;
        assert_eq!(messages.len(), 2);
        assert_eq!(messages[0].start, Start::Request(Method::Report));
        (messages[0].fault, messages[0].body.len())
    };
    assert_eq!(report(10_240, "$"), (None, 10_240));
    assert_eq!(report(10_241, "$"), (Some(Fault::BodyTooLarge), 0));
    assert_eq!(report(100_000, "$"), (Some(Fault::BodyTooLarge), 0));
    assert_eq!(report(5, "+"), (Some(Fault::Unfinished), 0));
    assert_eq!(report(5, "#"), (Some(Fault::Unfinished), 0));
    let nickname = request("MSRP abcd1234 NICKNAME", "Use-Nickname: \"x\"\r\n-------abcd1234+\r\n");
    assert_eq!(read_one(&nickname).fault, Some(Fault::Unfinished));
}

/// WIRE-33: a CR or LF on its own in a head ends what can be read of the connection.
#[test]
fn a_bare_line_break_in_a_head_closes() {
    for line in ["X-Any: a\nb", "X-Any: a\rb", "X-Any: a\r\r", "X-Any: a\n", "\n", "\r"] {
        let octets = [&malformed(line, "Failure-Report: no\r\n")[..], NEXT].concat();
        let outcome = read_any_split(&octets);
        assert_eq!(outcome.stream, Ok(()));
        assert_eq!(outcome.messages.len(), 1, "nothing is read after {}", line.escape_debug());
        let message = &outcome.messages[0];
        assert_eq!(message.fault, Some(Fault::BareLineBreak));
        assert!(message.close_after);
        assert_eq!(message.end, None);
        assert_eq!(message.id.as_deref(), Some("fold0001"), "what came before counts");
        assert_eq!(message.failure_report, FailureReport::Yes, "what came after does not");
    }
}

/// A REPORT that is wrong in every way is told with its fault, to be dropped.
#[test]
fn a_malformed_report_is_told() {
    let message = read_one(
        b"MSRP r3p0rt23aaaabbb3 REPORT\r\n\
        To-Path: msrp://sw.example.com:2855/sB5r8Nd1Hf4KvC2jW7;tcp\r\n\
        From-Path: msrp://bob.example.net:4923/bO7t3Jm5Rs9E;tcp\r\n\
        Message-ID: nobody03\r\n\
        Byte-Range: 9-5/5\r\n\
        -------r3p0rt23aaaabbb3$\r\n",
    );
    assert_eq!(message.start, Start::Request(Method::Report));
    assert_eq!(message.fault, Some(Fault::Header(Field::ByteRange)));
    assert_eq!(message.end, Some(Flag::End));
}
