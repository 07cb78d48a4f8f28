//! What the headers of a message say.

use msrp::{
    ByteRange, FailureReport, Frame, Framer, Head, Path, Status, Uri, parse_nickname, status,
};

use crate::reader::{read_one, request};

/// Hands the head of a message to a test.
fn with_head<T>(octets: &[u8], test: impl FnOnce(&Head<'_>) -> T) -> T {
    let mut framer = Framer::new();
    match framer.next(&mut &octets[..]) {
        Ok(Some(Frame::Head { head, .. })) => test(&head),
        other => panic!("no head but {other:?}"),
    }
}

fn send(headers: &str) -> Vec<u8> {
    request("MSRP abcd1234 SEND", &format!("{headers}-------abcd1234$\r\n"))
}

fn send_with_body(headers: &str) -> Vec<u8> {
    request("MSRP abcd1234 SEND", &format!("{headers}\r\nhello\r\n-------abcd1234$\r\n"))
}

/// WIRE-05, WIRE-06, PEER-10: names in any case, headers in any order, any white space around values.
#[test]
fn headers_are_read_tolerantly() {
    let octets = b"MSRP abcd1234 SEND\r\n\
        content-type:\t text/plain \t\r\n\
        MESSAGE-ID:m1\r\n\
        Byte-range:   1-5/5\r\n\
        from-path:  msrp://relay.example.net:2855/r;tcp   msrp://alice.example.org:7654/a;tcp \r\n\
        to-PATH:msrp://sw.example.com:2855/s;tcp\t\r\n\
        \r\n\
        hello\r\n\
        -------abcd1234$\r\n";
    let message = read_one(octets);
    assert_eq!(message.fault, None);
    assert_eq!(message.content_type.as_deref(), Some("text/plain"));
    assert_eq!(message.id.as_deref(), Some("m1"));
    assert_eq!(message.to_path.as_deref(), Some("msrp://sw.example.com:2855/s;tcp"));
    with_head(octets, |head| {
        let from = head.from_path.unwrap();
        assert_eq!(from.count(), 2);
        assert_eq!(from.first(), b"msrp://relay.example.net:2855/r;tcp");
        let uris: Vec<_> = from.uris().map(|uri| Uri::parse(uri).unwrap()).collect();
        assert_eq!(uris[1].port(), Some(7654));
        assert_eq!(head.byte_range, Some(ByteRange { start: 1, end: Some(5), total: Some(5) }));
    });
}

/// SEND-06, WIRE-37: what is missing has its default, and values are read in any case.
#[test]
fn reporting_headers_have_defaults() {
    let reports = |headers| {
        with_head(&send(headers), |head| {
            assert_eq!(head.fault, None);
            (head.success_report, head.failure_report)
        })
    };
    assert_eq!(reports(""), (false, FailureReport::Yes));
    assert_eq!(reports("Success-Report: YES\r\nFailure-Report: No\r\n"), (true, FailureReport::No));
    assert_eq!(
        reports("Success-Report: no\r\nFailure-Report: PARTIAL\r\n"),
        (false, FailureReport::Partial)
    );
    assert_eq!(reports("Failure-Report: yes\r\n"), (false, FailureReport::Yes));
}

/// RESP-10: of a response the first path that can be read counts, and nothing in it is an error.
#[test]
fn a_response_is_read_for_its_paths() {
    let octets = b"MSRP abcd1234 200 OK\r\n\
        To-Path:\r\n\
        To-Path: msrp://h:1/a;tcp\r\n\
        To-Path: msrp://h:1/other;tcp\r\n\
        From-Path:\r\n\
        -------abcd1234$\r\n";
    let message = read_one(octets);
    assert_eq!(message.to_path.as_deref(), Some("msrp://h:1/a;tcp"));
    assert_eq!((message.from_path, message.fault), (None, None));
}

/// A head can be had as it came, with what ended it and nothing of what follows.
#[test]
fn a_head_is_shown_as_it_came() {
    let whole = send_with_body("Message-ID: m1\r\nContent-Type: a/b\r\n");
    let body = whole.windows(5).position(|octets| octets == b"hello").unwrap();
    with_head(&whole, |head| assert_eq!(head.octets(), &whole[..body]));
    let bodiless = send("Message-ID: m1\r\n");
    with_head(&bodiless, |head| assert_eq!(head.octets(), &bodiless[..]));
}

/// SEND-03: a Message-ID is 1 to 128 visible octets, and comes through as it is.
#[test]
fn message_ids_are_visible() {
    for good in ["1", "4b2e1f0c-97aa-4d30-b7f2-5b1e3a9c8d77", "<a@b>", &"x".repeat(128)] {
        let message = read_one(&send(&format!("Message-ID: {good}\r\n")));
        assert_eq!((message.id.as_deref(), message.fault), (Some(good), None));
    }
    for bad in ["", "a b", "a\u{7f}", "\u{e9}", &"x".repeat(129)] {
        let message = read_one(&send(&format!("Message-ID: {bad}\r\n")));
        assert!(message.fault.is_some(), "{bad}");
        assert_eq!(message.id, None);
    }
}

/// WIRE-29: a header nobody knows changes nothing, and is not copied; Content-Disposition is.
#[test]
fn unknown_headers_are_ignored() {
    let message = read_one(&send_with_body(
        "Message-ID: m1\r\nX-Trace: 1;2=3\r\nContent-Disposition: render\r\n\
         Content-Type: message/cpim\r\n",
    ));
    assert_eq!(message.fault, None);
    assert_eq!(
        message.content_headers,
        "Content-Disposition: render\r\nContent-Type: message/cpim\r\n"
    );
}

/// CHAT-13, WIRE-04, WIRE-06, WIRE-07, SEND-08: content headers are copied with Content-Type last,
/// spelled and spaced as the RFC has it, whatever they came like; a transfer encoding is not.
#[test]
fn content_headers_are_copied_in_order() {
    for (came, copied) in [
        ("Content-Type: a/b;c=\"d e\"\r\n", "Content-Type: a/b;c=\"d e\"\r\n"),
        (
            "Content-ID: <1>\r\nContent-Description: x\r\nContent-Type: a/b\r\n",
            "Content-ID: <1>\r\nContent-Description: x\r\nContent-Type: a/b\r\n",
        ),
        ("Content-Type: a/b\r\nContent-ID: <1>\r\n", "Content-ID: <1>\r\nContent-Type: a/b\r\n"),
        (
            "Content-ID: <1>\r\nX-Other: 1\r\nContent-Type: a/b\r\n",
            "Content-ID: <1>\r\nContent-Type: a/b\r\n",
        ),
        ("CONTENT-TYPE:a/b \t\r\n", "Content-Type: a/b\r\n"),
        ("Content-Type:  a/b \r\n", "Content-Type: a/b\r\n"),
        (
            "content-disposition:  render\r\nContent-X-y: z\r\nContent-Type: a/b\r\n",
            "Content-Disposition: render\r\nContent-X-y: z\r\nContent-Type: a/b\r\n",
        ),
        (
            "Content-ID: <1>\r\nContent-Transfer-Encoding: binary\r\nContent-Type: a/b\r\n",
            "Content-ID: <1>\r\nContent-Type: a/b\r\n",
        ),
        ("Content-Type: a/b\r\nContent-Transfer-Encoding: 8bit\r\n", "Content-Type: a/b\r\n"),
    ] {
        let message = read_one(&send_with_body(&format!("Message-ID: m1\r\n{came}")));
        assert_eq!(message.fault, None);
        assert_eq!(message.content_headers, copied);
    }
    // Without a body there is nothing to describe (WIRE-10).
    assert_eq!(read_one(&send("Content-ID: <1>\r\n")).content_headers, "");
}

/// SEND-09: an encoding that changes nothing is as good as none; any other is told.
#[test]
fn transfer_encodings_are_told_if_they_matter() {
    let encoding = |value: &str| {
        let octets = send_with_body(&format!(
            "Message-ID: m1\r\nContent-Transfer-Encoding: {value}\r\nContent-Type: a/b\r\n"
        ));
        with_head(&octets, |head| head.transfer_encoding.map(<[u8]>::to_vec))
    };
    for identity in ["binary", "8bit", "7BIT"] {
        assert_eq!(encoding(identity), None);
    }
    assert_eq!(encoding("base64").as_deref(), Some(&b"base64"[..]));
    assert_eq!(encoding("quoted-printable").as_deref(), Some(&b"quoted-printable"[..]));
}

/// RPT-01: namespace and code of a report are told apart, with or without a comment.
#[test]
fn the_status_of_a_report_has_a_namespace() {
    let status = |value: &str| {
        let rest = format!("Message-ID: m1\r\nStatus: {value}\r\n-------abcd1234$\r\n");
        with_head(&request("MSRP abcd1234 REPORT", &rest), |head| head.status)
    };
    assert_eq!(status("000 200 OK"), Some(Status { namespace: 0, code: 200 }));
    assert_eq!(status("000 413"), Some(Status { namespace: 0, code: 413 }));
    assert_eq!(status("001 999 \u{e9}"), Some(Status { namespace: 1, code: 999 }));
    for malformed in ["200 OK", "000200", "000 20", "000  200", "", "0x0 200"] {
        assert_eq!(status(malformed), None, "{malformed}");
    }
}

/// A nickname with escapes, on its way through a relay.
#[test]
fn a_nickname_is_read() {
    let octets = b"MSRP n1ck32aaaabbbbcc NICKNAME\r\n\
        To-Path: msrps://sw.example.com:2856/sC3y6Gb0Ud7XnE1qL5;tcp\r\n\
        From-Path: msrps://relay.example.net:2855/rC1k6Ty8Zq;tcp msrps://carol.example.com:5000/cA2r9Ol4Mn;tcp\r\n\
        Use-Nickname: \"Carol the \\\"Cat\\\"\"\r\n\
        -------n1ck32aaaabbbbcc$\r\n";
    with_head(octets, |head| {
        let nickname = parse_nickname(head.use_nickname.unwrap()).unwrap();
        assert_eq!(nickname, "Carol the \"Cat\"");
        assert_eq!(
            head.response_path(),
            Some(
                &b"msrps://relay.example.net:2855/rC1k6Ty8Zq;tcp \
                   msrps://carol.example.com:5000/cA2r9Ol4Mn;tcp"[..]
            )
        );
    });
}

/// RESP-05, RESP-06: a SEND is answered to the previous hop, anything else all the way back.
#[test]
fn responses_go_back_one_hop_or_all() {
    let path = |start_line: &str| {
        let octets = format!(
            "{start_line}\r\nTo-Path: msrp://s:1/a;tcp\r\n\
             From-Path: msrp://r:1/b;tcp msrp://c:1/c;tcp\r\n-------abcd1234$\r\n"
        );
        with_head(octets.as_bytes(), |head| {
            String::from_utf8(head.response_path().unwrap().to_vec()).unwrap()
        })
    };
    assert_eq!(path("MSRP abcd1234 SEND"), "msrp://r:1/b;tcp");
    assert_eq!(path("MSRP abcd1234 NICKNAME"), "msrp://r:1/b;tcp msrp://c:1/c;tcp");
    assert_eq!(path("MSRP abcd1234 PING"), "msrp://r:1/b;tcp msrp://c:1/c;tcp");
}

/// RESP-02, RESP-03, RESP-08, RESP-19, NICK-13: which answers are owed to what.
#[test]
fn answers_are_owed_as_asked() {
    let owed = |method: &str, report: &str| {
        let headers = match report {
            "" => String::new(),
            value => format!("Failure-Report: {value}\r\n"),
        };
        let octets =
            request(&format!("MSRP abcd1234 {method}"), &format!("{headers}-------abcd1234$\r\n"));
        with_head(&octets, |head| {
            (head.owes_response(status::OK), head.owes_response(status::BAD_REQUEST))
        })
    };
    assert_eq!(owed("SEND", ""), (true, true));
    assert_eq!(owed("SEND", "yes"), (true, true));
    assert_eq!(owed("SEND", "partial"), (false, true));
    assert_eq!(owed("SEND", "no"), (false, false));
    assert_eq!(owed("SEND", "nonsense"), (true, true));
    assert_eq!(owed("REPORT", "yes"), (false, false));
    assert_eq!(owed("NICKNAME", "no"), (true, true));
    assert_eq!(owed("PING", "partial"), (true, true));
    assert_eq!(owed("PING", "no"), (false, false));
    assert_eq!(owed("200 OK", "yes"), (false, false));
}

/// RESP-10: headers of a response other than its paths play no part, not even if they are wrong.
#[test]
fn only_the_paths_of_a_response_count() {
    let message = read_one(
        b"MSRP abcd1234 200\r\n\
        To-Path: msrp://alice.example.org:7654/a;tcp\r\n\
        From-Path: msrp://sw.example.com:2855/s;tcp\r\n\
        Message-ID: a b\r\n\
        Byte-Range: 9-5/5\r\n\
        Byte-Range: 9-5/5\r\n\
        no header at all\r\n\
        -------abcd1234$\r\n",
    );
    assert_eq!(message.fault, None);
    assert_eq!(message.to_path.as_deref(), Some("msrp://alice.example.org:7654/a;tcp"));
    assert_eq!(message.from_path.as_deref(), Some("msrp://sw.example.com:2855/s;tcp"));
}

/// LIM-02: a path has at most 10 URIs of at most 1024 octets, and octets of URIs only.
#[test]
fn paths_are_bounded() {
    let uri = "msrp://h:1/a;tcp";
    let long = |size: usize| format!("msrp://h:1/{};tcp", "a".repeat(size - 15));
    for good in [uri.to_owned(), [uri; 10].join(" "), [uri; 10].join("   "), long(1024)] {
        assert!(Path::parse(good.as_bytes()).is_some(), "{good}");
    }
    for bad in [[uri; 11].join(" "), long(1025), String::new(), " ".into(), "a\tb".into()] {
        assert!(Path::parse(bad.as_bytes()).is_none(), "{bad}");
    }
    let message = read_one(
        format!(
            "MSRP abcd1234 SEND\r\nTo-Path: {uri}\r\nFrom-Path: {}\r\n-------abcd1234$\r\n",
            [uri; 11].join(" ")
        )
        .as_bytes(),
    );
    assert!(message.fault.is_some());
}

/// WIRE-29: a name of the same length, or one that only looks related, is not the header it is not.
#[test]
fn a_name_is_more_than_its_length() {
    let octets = send_with_body(
        "Message-ID: m1\r\nByte-Range: 1-5/5\r\nX-ss: 1\r\nXo-Path: x\r\nXrom-Path: x\r\n\
        Xessage-ID: x\r\nXyte-Range: x\r\nXontent-Type: x\r\nXse-Nickname: x\r\n\
        Xuccess-Report: x\r\nXailure-Report: x\r\nXontent-Transfer-Encoding: x\r\nXontent-Foo: x\r\n\
        Xtatus: x\r\nContent-Foo: y\r\nContent-Type: text/plain\r\n",
    );
    let message = read_one(&octets);
    assert_eq!(message.fault, None);
    assert_eq!(message.content_headers, "Content-Foo: y\r\nContent-Type: text/plain\r\n");
    with_head(&octets, |head| {
        assert_eq!(head.use_nickname, None);
        assert_eq!(head.transfer_encoding, None);
        assert_eq!((head.success_report, head.failure_report), (false, FailureReport::Yes));
        assert_eq!(head.status, None);
    });
}
