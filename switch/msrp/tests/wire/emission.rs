//! What is written, octet for octet.

use msrp::{
    ByteRange, FailureReport, Flag, NicknameRequest, Report, SendHead, TransactionId, collides,
    cpim, has_hyphens, status, write_end, write_response,
};

fn transaction(text: &str) -> TransactionId {
    TransactionId::parse(text.as_bytes()).unwrap()
}

fn assert_written(write: impl FnOnce(&mut Vec<u8>), expected: &[u8]) {
    let mut out = Vec::new();
    write(&mut out);
    assert_eq!(out.escape_ascii().to_string(), expected.escape_ascii().to_string());
}

/// RESP-04, WIRE-24, WIRE-27: a response repeats the transaction, has both paths and no body.
#[test]
fn responses() {
    assert_written(
        |out| {
            write_response(
                out,
                &transaction("u4n0wn5e551on000"),
                status::NO_SESSION,
                status::comment(status::NO_SESSION),
                b"msrp://alice.example.org:7654/aL4c8Vn1Xy0B;tcp",
                b"msrp://sw.example.com:2855/nOsUcHsEsSiOn12345;tcp",
            );
        },
        b"MSRP u4n0wn5e551on000 481 Session does not exist\r\n\
        To-Path: msrp://alice.example.org:7654/aL4c8Vn1Xy0B;tcp\r\n\
        From-Path: msrp://sw.example.com:2855/nOsUcHsEsSiOn12345;tcp\r\n\
        -------u4n0wn5e551on000$\r\n",
    );
}

/// WIRE-07: a path that came with more than one space between its URIs goes out with one; without a
/// comment there is no space at the end of the line.
#[test]
fn paths_are_written_with_single_spaces() {
    assert_written(
        |out| {
            let to = b" msrp://r:1/a;tcp   msrp://c:2/b;tcp ";
            write_response(out, &transaction("abcd"), 299, "", to, b"msrp://s:3/c;tcp");
        },
        b"MSRP abcd 299\r\n\
        To-Path: msrp://r:1/a;tcp msrp://c:2/b;tcp\r\n\
        From-Path: msrp://s:3/c;tcp\r\n\
        -------abcd$\r\n",
    );
}

/// WIRE-04, WIRE-09, SEND-05: order of headers, defaults left out, the body between CRLFs.
#[test]
fn sends() {
    let transaction = transaction("a786hjs2Kd0Qw1Er");
    let head = SendHead {
        transaction: &transaction,
        to_path: b"msrps://relay.example.net:2855/r;tcp msrps://carol.example.com:5000/c;tcp",
        from_path: b"msrps://sw.example.com:2856/s;tcp",
        message_id: b"87652491aa",
        range: ByteRange { start: 1, end: None, total: Some(u64::MAX) },
        success_report: false,
        failure_report: FailureReport::Yes,
        content_headers: b"Content-Disposition: render\r\nContent-Type: text/plain\r\n",
    };
    assert_written(
        |out| {
            head.write(out);
            out.extend_from_slice(b"Hello");
            write_end(out, &transaction, Flag::More, true);
        },
        b"MSRP a786hjs2Kd0Qw1Er SEND\r\n\
        To-Path: msrps://relay.example.net:2855/r;tcp msrps://carol.example.com:5000/c;tcp\r\n\
        From-Path: msrps://sw.example.com:2856/s;tcp\r\n\
        Message-ID: 87652491aa\r\n\
        Byte-Range: 1-*/18446744073709551615\r\n\
        Content-Disposition: render\r\n\
        Content-Type: text/plain\r\n\
        \r\n\
        Hello\r\n\
        -------a786hjs2Kd0Qw1Er+\r\n",
    );
    let head = SendHead {
        success_report: true,
        failure_report: FailureReport::Partial,
        range: ByteRange { start: 2049, end: Some(4096), total: None },
        ..head
    };
    assert_written(
        |out| {
            head.write(out);
            write_end(out, &transaction, Flag::Abort, true);
        },
        b"MSRP a786hjs2Kd0Qw1Er SEND\r\n\
        To-Path: msrps://relay.example.net:2855/r;tcp msrps://carol.example.com:5000/c;tcp\r\n\
        From-Path: msrps://sw.example.com:2856/s;tcp\r\n\
        Message-ID: 87652491aa\r\n\
        Byte-Range: 2049-4096/*\r\n\
        Success-Report: yes\r\n\
        Failure-Report: partial\r\n\
        Content-Disposition: render\r\n\
        Content-Type: text/plain\r\n\
        \r\n\
        \r\n\
        -------a786hjs2Kd0Qw1Er#\r\n",
    );
}

/// WIRE-10, WIRE-12, CHUNK-04: a SEND without body has no blank line; one with an empty body has one,
/// and the CRLF of the end-line besides.
#[test]
fn sends_without_octets() {
    let transaction = transaction("b1nd0001XyZ2aBcD");
    let head = SendHead {
        transaction: &transaction,
        to_path: b"msrp://h:1/a;tcp",
        from_path: b"msrp://h:2/b;tcp",
        message_id: b"bind4711",
        range: ByteRange::EMPTY,
        success_report: false,
        failure_report: FailureReport::Yes,
        content_headers: b"",
    };
    assert_written(
        |out| {
            head.write(out);
            write_end(out, &transaction, Flag::End, false);
        },
        b"MSRP b1nd0001XyZ2aBcD SEND\r\n\
        To-Path: msrp://h:1/a;tcp\r\n\
        From-Path: msrp://h:2/b;tcp\r\n\
        Message-ID: bind4711\r\n\
        Byte-Range: 1-0/0\r\n\
        -------b1nd0001XyZ2aBcD$\r\n",
    );
    let head = SendHead { content_headers: b"Content-Type: text/plain\r\n", ..head };
    assert_written(
        |out| {
            head.write(out);
            write_end(out, &transaction, Flag::End, true);
        },
        b"MSRP b1nd0001XyZ2aBcD SEND\r\n\
        To-Path: msrp://h:1/a;tcp\r\n\
        From-Path: msrp://h:2/b;tcp\r\n\
        Message-ID: bind4711\r\n\
        Byte-Range: 1-0/0\r\n\
        Content-Type: text/plain\r\n\
        \r\n\
        \r\n\
        -------b1nd0001XyZ2aBcD$\r\n",
    );
}

/// RPT-01, RPT-02: a REPORT has Message-ID, range and a status in namespace 000, and asks for no
/// reports itself.
#[test]
fn reports() {
    let transaction = transaction("r3p0rt22aaaabbbb");
    let report = Report {
        transaction: &transaction,
        to_path: b"msrp://h:1/a;tcp",
        from_path: b"msrp://h:2/b;tcp",
        message_id: b"m1",
        range: ByteRange { start: 1, end: Some(157), total: Some(157) },
        status: status::OK,
        comment: status::comment(status::OK),
        content_headers: b"",
        body: b"",
    };
    assert_written(
        |out| report.write(out),
        b"MSRP r3p0rt22aaaabbbb REPORT\r\n\
        To-Path: msrp://h:1/a;tcp\r\n\
        From-Path: msrp://h:2/b;tcp\r\n\
        Message-ID: m1\r\n\
        Byte-Range: 1-157/157\r\n\
        Status: 000 200 OK\r\n\
        -------r3p0rt22aaaabbbb$\r\n",
    );
    let refusal = Report {
        status: status::NO_PRIVATE_MESSAGES,
        comment: "",
        content_headers: b"Content-Type: message/cpim\r\n",
        body: b"From: <sip:a@b>\r\nTo: <sip:c@d>\r\n\r\nContent-Type: text/plain\r\n\r\n",
        ..report
    };
    assert_written(
        |out| refusal.write(out),
        b"MSRP r3p0rt22aaaabbbb REPORT\r\n\
        To-Path: msrp://h:1/a;tcp\r\n\
        From-Path: msrp://h:2/b;tcp\r\n\
        Message-ID: m1\r\n\
        Byte-Range: 1-157/157\r\n\
        Status: 000 428\r\n\
        Content-Type: message/cpim\r\n\
        \r\n\
        From: <sip:a@b>\r\n\
        To: <sip:c@d>\r\n\
        \r\n\
        Content-Type: text/plain\r\n\
        \r\n\
        \r\n\
        -------r3p0rt22aaaabbbb$\r\n",
    );
}

/// NICK-01, WIRE-38: a nickname goes out in quotes, with quotes and backslashes in it escaped.
#[test]
fn nickname_requests() {
    let transaction = transaction("n1ck32aaaabbbbcc");
    let request = NicknameRequest {
        transaction: &transaction,
        to_path: b"msrp://h:1/a;tcp",
        from_path: b"msrp://h:2/b;tcp",
        nickname: "Carol the \"Cat\" \\o/",
    };
    assert_written(
        |out| request.write(out),
        b"MSRP n1ck32aaaabbbbcc NICKNAME\r\n\
        To-Path: msrp://h:1/a;tcp\r\n\
        From-Path: msrp://h:2/b;tcp\r\n\
        Use-Nickname: \"Carol the \\\"Cat\\\" \\\\o/\"\r\n\
        -------n1ck32aaaabbbbcc$\r\n",
    );
}

/// WIRE-17, WIRE-19: a body is cleared for all transactions that share a prefix, by one scan, and for
/// all there are if no seven hyphens are in it.
#[test]
fn collisions_are_seen() {
    assert!(!has_hyphens(b"------ ------"));
    assert!(has_hyphens(b"a-------b"));
    assert!(has_hyphens(b"\r\n-------"));
    for body in [
        &b"-------prefix"[..],
        b"x-------prefix$",
        b"x---------prefixsuffix+",
        b"-------other -------prefix",
        b"-------pre-------prefix",
    ] {
        assert!(collides(body, b"prefix"), "{}", body.escape_ascii());
    }
    for body in
        [&b""[..], b"prefix", b"------prefix", b"-------prefi", b"------- prefix", b"-------"]
    {
        assert!(!collides(body, b"prefix"), "{}", body.escape_ascii());
    }
}

/// CPIM-01: a wrapped message of our own: headers, part headers, content.
#[test]
fn cpim_messages() {
    let message = cpim::Message {
        from: "sip:lobby@chat.example.com",
        to: "sip:lobby@chat.example.com",
        date_time: Some("2026-01-15T10:00:00Z"),
        headers: "",
        content_type: "text/plain;charset=utf-8",
        content_disposition: None,
        content: b"Welcome",
    };
    assert_written(
        |out| message.write(out),
        b"From: <sip:lobby@chat.example.com>\r\n\
        To: <sip:lobby@chat.example.com>\r\n\
        DateTime: 2026-01-15T10:00:00Z\r\n\
        \r\n\
        Content-Type: text/plain;charset=utf-8\r\n\
        \r\n\
        Welcome",
    );
    let notification = cpim::Message {
        date_time: None,
        headers: "NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: 9\r\n",
        content_type: "message/imdn+xml",
        content_disposition: Some("notification"),
        content: b"<imdn/>",
        ..message
    };
    assert_written(
        |out| notification.write(out),
        b"From: <sip:lobby@chat.example.com>\r\n\
        To: <sip:lobby@chat.example.com>\r\n\
        NS: imdn <urn:ietf:params:imdn>\r\n\
        imdn.Message-ID: 9\r\n\
        \r\n\
        Content-Type: message/imdn+xml\r\n\
        Content-Disposition: notification\r\n\
        \r\n\
        <imdn/>",
    );
}
