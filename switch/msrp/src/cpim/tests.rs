use super::*;
use crate::AddressBuf;

const ROOM: &str = "sip:lobby@chat.example.com";

fn parse_whole(body: &str) -> Result<Wrapper<'_>, CpimError> {
    Wrapper::parse_whole(body.as_bytes())
}

/// A wrapper with these message headers.
fn with_headers(headers: &str) -> String {
    format!("{headers}\r\n\r\nContent-Type: text/plain\r\n\r\nHi")
}

/// A wrapper with these headers of its part.
fn with_part(headers: &str) -> String {
    format!("From: <sip:a@b>\r\nTo: <sip:c@d>\r\n\r\n{headers}\r\n\r\nHi")
}

fn address(text: &str) -> AddressBuf {
    AddressBuf::parse(text.as_bytes()).unwrap()
}

/// CPIM-01, CPIM-06, CPIM-17: what a switch has to know of a message, and where its content begins.
#[test]
fn a_wrapper_is_read() {
    let body = "To: <sip:lobby@chat.example.com;transport=tcp>\r\n\
        From: Alice <sip:alice@example.org>\r\n\
        DateTime: 2026-01-15T10:00:00Z\r\n\
        Subject:;lang=fr Objet: de message\r\n\
        Require: something\r\n\
        MyFeatures.Wacky: silly\r\n\
        \r\n\
        Content-Type: Text/Plain;charset=utf-8\r\n\
        Content-ID: <1@x>\r\n\
        Content-Disposition: render\r\n\
        \r\n\
        Hello room";
    let wrapper = parse_whole(body).unwrap();
    assert!(wrapper.to == address(ROOM) && wrapper.to_count == 1);
    assert!(wrapper.from == address("sip:alice@example.org"));
    assert_eq!(wrapper.from_name, "Alice");
    assert_eq!(wrapper.date_time, Some("2026-01-15T10:00:00Z"));
    assert!(wrapper.content_type.is("text", "plain"));
    assert_eq!(wrapper.content_disposition, Some("render"));
    assert_eq!(&body[wrapper.head_len..], "Hello room");
    let minimal = parse_whole("From: <sip:a@b>\r\nTo: <sip:c@d>\r\n\r\nContent-Type: a/b\r\n\r\n");
    assert_eq!(minimal.unwrap().date_time, None);
}

/// CPIM-14: until the headers are complete there is nothing to say, wherever they are cut.
#[test]
fn a_wrapper_may_arrive_in_any_parts() {
    let body = "To: <sip:lobby@chat.example.com>\r\nFrom: <sip:alice@example.org>\r\n\r\n\
        Content-Type: text/plain\r\n\r\nsplit";
    let head_len = body.len() - "split".len();
    for size in 0..head_len {
        assert!(Wrapper::parse(&body.as_bytes()[..size]).unwrap().is_none(), "{size} octets");
        assert_eq!(parse_whole(&body[..size]).unwrap_err(), CpimError::Cut);
    }
    for size in head_len..=body.len() {
        assert_eq!(parse_whole(&body[..size]).unwrap().head_len, head_len);
    }
}

/// CPIM-04, CPIM-08, TV-39: names count with their namespace, and in their case.
#[test]
fn names_have_namespaces() {
    let wrapper = |headers: &str| {
        let body = with_headers(headers);
        parse_whole(&body).map(|wrapper| (wrapper.to_count, AddressBuf::from(wrapper.to)))
    };
    let room = address(ROOM);
    assert_eq!(
        wrapper(
            "NS: c <urn:ietf:params:cpim-headers:>\r\nc.To: <sip:bob@example.net>\r\n\
             To: <sip:lobby@chat.example.com>\r\nFrom: <sip:alice@example.org>"
        ),
        Ok((2, address("sip:bob@example.net"))),
        "a prefix of our namespace makes it a To"
    );
    assert_eq!(
        wrapper(
            "From: <sip:alice@example.org>\r\nTo: <sip:lobby@chat.example.com>\r\n\
             NS: <urn:example:other>\r\nTo: <sip:bob@example.net>"
        ),
        Ok((1, room.clone())),
        "in another namespace it is no To"
    );
    assert_eq!(
        wrapper("to: <sip:lobby@chat.example.com>\r\nFrom: <sip:alice@example.org>"),
        Err(CpimError::To)
    );
    assert_eq!(
        wrapper(
            "NS: <urn:example:other>\r\nTo: <sip:bob@example.net>\r\n\
             NS: <urn:ietf:params:cpim-headers:>\r\nTo: <sip:lobby@chat.example.com>\r\n\
             From: <sip:alice@example.org>"
        ),
        Ok((1, room.clone())),
        "the default can be bound back"
    );
    assert_eq!(
        wrapper(
            "NS: c <urn:ietf:params:cpim-headers:>\r\nNS: c <urn:example:other>\r\n\
             c.To: <sip:bob@example.net>\r\nTo: <sip:lobby@chat.example.com>\r\n\
             From: <sip:alice@example.org>"
        ),
        Ok((1, room.clone())),
        "a prefix means what it was last bound to"
    );
    assert_eq!(
        wrapper(
            "c.To: <sip:bob@example.net>\r\nNS: c <urn:ietf:params:cpim-headers:>\r\n\
             To: <sip:lobby@chat.example.com>\r\nFrom: <sip:alice@example.org>"
        ),
        Ok((1, room)),
        "a prefix means nothing before it is bound"
    );
    let bindings = (0..=PREFIXES_MAX).map(|index| format!("NS: p{index} <{NAMESPACE}>\r\n"));
    let many: String = bindings.collect();
    assert_eq!(wrapper(&format!("{many}To: <sip:a@b>")), Err(CpimError::Line));
}

/// CPIM-07: To may repeat, From may not, and both must be there.
#[test]
fn from_is_one_and_to_may_be_many() {
    let headers = |headers: &str| parse_whole(&with_headers(headers)).map(|_| ()).err();
    let (from, to) = ("From: <sip:a@b>", "To: <sip:c@d>");
    assert_eq!(headers(&format!("{from}\r\n{to}\r\n{to}")), None);
    assert_eq!(headers(&format!("{from}\r\n{from}\r\n{to}")), Some(CpimError::From));
    assert_eq!(headers(from), Some(CpimError::To));
    assert_eq!(headers(to), Some(CpimError::From));
    let body = with_headers(&format!("{from}\r\n{to}\r\nTo: <sip:e@f>\r\ncc: <sip:g@h>"));
    let wrapper = parse_whole(&body).unwrap();
    assert!(wrapper.to_count == 2 && wrapper.to == address("sip:c@d"));
}

/// CPIM-09, CPIM-10: an address stands in angle brackets, behind any name or none.
#[test]
fn display_names_may_be_anything() {
    let from = |value: &str| {
        let body = with_headers(&format!("From: {value}\r\nTo: <sip:c@d>"));
        parse_whole(&body).map(|wrapper| {
            assert!(wrapper.from == address("sip:a@b"));
            wrapper.from_name.to_owned()
        })
    };
    for (value, name) in [
        ("<sip:a@b>", ""),
        ("Alice <sip:a@b>", "Alice"),
        ("Alice B. Carol<sip:a@b>", "Alice B. Carol"),
        ("\"Alice\" <sip:a@b>", "\"Alice\""),
        ("\"Alice\"<sip:a@b>", "\"Alice\""),
        ("\"<sip:x@y> \\\" \" <sip:a@b>", "\"<sip:x@y> \\\" \""),
        ("Zo\u{eb} \u{1f600} \"Z\" <sip:a@b>", "Zo\u{eb} \u{1f600} \"Z\""),
        ("  <sip:a@b> ", ""),
    ] {
        assert_eq!(from(value).as_deref(), Ok(name), "{value}");
    }
    for value in [
        "sip:a@b",
        "",
        "<>",
        "<alice>",
        "<sip:a@b",
        "sip:a@b>",
        "<sip:a@b> x",
        "<<sip:a@b>>",
        "\"Alice <sip:a@b>",
        "\"Alice\\",
        "\"Alice\" B <sip:a@b>",
    ] {
        assert_eq!(from(value), Err(CpimError::From), "{value}");
    }
}

/// CPIM-03, CPIM-12: what is no header section is refused with 400.
#[test]
fn malformed_headers_are_refused() {
    for line in [
        "no colon",
        ": no name",
        "Two Words: x",
        "X-Any : x",
        " folded",
        "X-Any: a\rb",
        "X-Any: a\nb",
        "X-Any: a\tb",
        "X-Any: \u{0}",
        "NS: urn:no:brackets",
    ] {
        let body = with_headers(&format!("From: <sip:a@b>\r\n{line}\r\nTo: <sip:c@d>"));
        let error = parse_whole(&body).unwrap_err();
        assert_eq!((error, error.status()), (CpimError::Line, 400), "{}", line.escape_debug());
    }
    let not_utf8 = b"From: <sip:a@b>\r\nX-Any: \xff\r\nTo: <sip:c@d>\r\n\r\n";
    assert_eq!(Wrapper::parse(not_utf8).unwrap_err(), CpimError::Line);
    assert_eq!(parse_whole("").unwrap_err().status(), 400);
    assert_eq!(parse_whole("\r\n").unwrap_err(), CpimError::From);
}

/// CPIM-05, CPIM-12, CPIM-14: the headers of the part are MIME: folded at will, in any case, with
/// one type; none is judged before it is known that no line continues it.
#[test]
fn part_headers_are_mime() {
    for headers in [
        "content-TYPE: text/plain",
        "Content-Type:text/plain; charset=utf-8",
        "Content-Type:\r\n text/plain",
        "Content-Type: text/plain;\r\n\tcharset=utf-8",
        "X-Any: a\r\n b\r\n  c\r\nContent-Type: text/plain",
    ] {
        let body = with_part(headers);
        let wrapper = parse_whole(&body).unwrap();
        assert!(wrapper.content_type.is("text", "plain"), "{headers}");
        assert_eq!(&body[wrapper.head_len..], "Hi", "{headers}");
        for size in 0..wrapper.head_len {
            let part = Wrapper::parse(&body.as_bytes()[..size]);
            assert!(matches!(part, Ok(None)), "{headers}, {size} octets of it");
        }
    }
    for (headers, error) in [
        ("Content-ID: <1>", CpimError::ContentType),
        ("Content-Type: plain", CpimError::ContentType),
        ("Content-Type:", CpimError::ContentType),
        ("Content-Type: a/b\r\nContent-Type: c/d", CpimError::ContentType),
        ("no colon", CpimError::Line),
        (" folded: x", CpimError::Line),
        ("X-Any: a\nb", CpimError::Line),
    ] {
        assert_eq!(parse_whole(&with_part(headers)).unwrap_err(), error, "{headers}");
    }
}

/// CPIM-13: headers are complete within 16 KiB, or are refused with 413.
#[test]
fn headers_are_bounded() {
    let body = |head_len: usize| {
        let filled = with_headers("From: <sip:a@b>\r\nTo: <sip:c@d>\r\nX-Any: ").len() - "Hi".len();
        let filler = "x".repeat(head_len - filled);
        with_headers(&format!("From: <sip:a@b>\r\nTo: <sip:c@d>\r\nX-Any: {filler}"))
    };
    assert_eq!(parse_whole(&body(CPIM_HEAD_SIZE_MAX)).unwrap().head_len, CPIM_HEAD_SIZE_MAX);
    let too_large = body(CPIM_HEAD_SIZE_MAX + 1);
    let error = parse_whole(&too_large).unwrap_err();
    assert_eq!((error, error.status()), (CpimError::TooLarge, 413));
    let unfinished = &too_large.as_bytes()[..CPIM_HEAD_SIZE_MAX - 1];
    assert!(Wrapper::parse(unfinished).unwrap().is_none());
}

/// CPIM-11: escapes, what only looks like one, and a backslash at the end.
#[test]
fn escapes_are_undone() {
    for (value, text) in [
        ("plain", "plain"),
        (r#"\\ \" \'"#, r#"\ " '"#),
        (r"a\bb\tc\nd\re", "a\u{8}b\tc\nd\re"),
        (r"\u00e9\u20AC!", "\u{e9}\u{20ac}!"),
        (r"\x\y", "xy"),
        ("\\\u{e9}", "\u{e9}"),
        (r"\u12", "u12"),
        (r"\ud800", "ud800"),
        (r"\u+123", "u+123"),
        (r"end\", "end"),
    ] {
        assert_eq!(unescape(value), text, "{value}");
    }
}

/// CPIM-08: an extension's header is found under whatever prefix its namespace has there.
#[test]
fn headers_of_extensions_are_found_by_namespace() {
    const IMDN: &str = "urn:ietf:params:imdn";
    let id = |headers: &str| {
        let body = with_headers(headers);
        header(body.as_bytes(), IMDN, "Message-ID").map(str::to_owned)
    };
    let bound = "NS: imdn <urn:ietf:params:imdn>\r\n";
    assert_eq!(id(&format!("{bound}imdn.Message-ID: 34jk")).as_deref(), Some("34jk"));
    assert_eq!(
        id("NS: x <urn:ietf:params:imdn>\r\nx.Message-ID:;p=\"a b\" 34").as_deref(),
        Some("34")
    );
    assert_eq!(id("NS: <urn:ietf:params:imdn>\r\nMessage-ID: 7").as_deref(), Some("7"));
    // Not bound, bound to something else by now, another name, not a header at all.
    assert_eq!(id("imdn.Message-ID: 34jk"), None);
    assert_eq!(id(&format!("{bound}NS: imdn <urn:x>\r\nimdn.Message-ID: 34jk")), None);
    assert_eq!(id(&format!("{bound}imdn.message-id: 34jk")), None);
    assert_eq!(id("no colon"), None);
    let body = with_headers("From: <sip:a@b>");
    assert_eq!(header(body.as_bytes(), "urn:ietf:params:cpim-headers:", "From"), Some("<sip:a@b>"));
    assert_eq!(header(b"imdn", IMDN, "Message-ID"), None);
}

/// CPIM-08: a prefix that is ours may bind names as the bare `NS` does.
#[test]
fn the_binding_may_itself_have_a_prefix() {
    let headers = "NS: c <urn:ietf:params:cpim-headers:>\r\nc.NS: <urn:example:other>\r\n\
        From: <sip:a@b>\r\nc.From: <sip:e@f>\r\nc.To: <sip:c@d>";
    let body = with_headers(headers);
    let wrapper = parse_whole(&body).unwrap();
    assert!(wrapper.from == address("sip:e@f"));
}

/// CPIM-05: what continues a header of the part belongs to it, octet for octet.
#[test]
fn a_folded_header_is_kept_whole() {
    let body = with_part(
        "Content-Type: text/plain;\r\n charset=utf-8\r\n\
        Content-Disposition: render;\r\n\thandling=optional\r\n ;x=y",
    );
    let wrapper = parse_whole(&body).unwrap();
    let disposition = "render;\r\n\thandling=optional\r\n ;x=y";
    assert_eq!(wrapper.content_disposition, Some(disposition));
    assert_eq!(&body[wrapper.head_len..], "Hi");
    for size in 0..wrapper.head_len {
        assert!(matches!(Wrapper::parse(&body.as_bytes()[..size]), Ok(None)), "{size} octets");
    }
}

/// Parameters end at a space outside quotes (RFC 3862 section 3.3); what has none is left alone.
#[test]
fn a_value_begins_behind_its_parameters() {
    for (value, expected) in [
        ("2026 x", "2026 x"),
        (" 2026 x", "2026 x"),
        (";lang=fr 2026", "2026"),
        (r#";a="b c" 2026"#, "2026"),
        (r#";a="b\" c" 2026"#, "2026"),
        (r#";a="b\\" 2026"#, "2026"),
        (r#";a=\" b" 2026"#, "2026"),
        (";lang=fr", ""),
    ] {
        let body = with_headers(&format!("From: <sip:a@b>\r\nTo: <sip:c@d>\r\nDateTime:{value}"));
        assert_eq!(parse_whole(&body).unwrap().date_time, Some(expected), "{value}");
    }
}

/// CPIM-13: headers may take as much as a head may, and no more.
#[test]
fn headers_may_be_as_long_as_a_head() {
    let sized = |size: usize| {
        let filler =
            "x".repeat(size - with_headers("F: \r\nFrom: <sip:a@b>\r\nTo: <sip:c@d>").len());
        with_headers(&format!("F: {filler}\r\nFrom: <sip:a@b>\r\nTo: <sip:c@d>"))
    };
    assert!(parse_whole(&sized(16 * 1024)).is_ok());
    assert_eq!(parse_whole(&sized(16 * 1024 + 3)).unwrap_err(), CpimError::TooLarge);
}
