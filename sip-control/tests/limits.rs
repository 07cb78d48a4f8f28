//! Sizes of messages, at the limit and one beyond (OPS-04).

use bytes::Bytes;
use sip_control::message::{Admission, Fault, Frame, Framer, Header, Message, admit, limits};

/// A request with these header lines and this body.
fn request(uri: &str, lines: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "OPTIONS {uri} SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.21;branch=z9hG4bKa\r\n\
         From: <sip:a@example.com>;tag=1\r\n\
         To: <sip:b@example.com>\r\n\
         Call-ID: c1\r\n\
         CSeq: 1 OPTIONS\r\n\
         {lines}Content-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// How many header lines `request` has of its own.
const LINES: usize = 6;

/// What becomes of it: `None` when it is admitted, else the status, or `0` when it is dropped.
fn outcome(message: Message) -> Option<(u16, Fault)> {
    match admit(message, "192.0.2.21:5060".parse().unwrap()) {
        Admission::Request(_) | Admission::Response(_) => None,
        Admission::Refused { fault, answer } => Some((answer.status().unwrap(), fault)),
        Admission::Dropped(fault) => Some((0, fault)),
    }
}

fn datagram(bytes: Vec<u8>) -> Option<(u16, Fault)> {
    outcome(Message::from_datagram(Bytes::from(bytes)).unwrap())
}

/// What becomes of the first message of a stream, and whether it is the last.
fn stream(bytes: &[u8]) -> (Option<(u16, Fault)>, bool) {
    let mut framer = Framer::default();
    framer.push(bytes);
    match framer.poll_frame() {
        Some(Frame::Message(message)) => (outcome(message), framer.is_broken()),
        other => panic!("{other:?}"),
    }
}

fn sip_uri(len: usize) -> String {
    format!("sip:{}@h", "u".repeat(len - "sip:@h".len()))
}

/// OPS-04: a Request-URI of 2 KiB is read, one octet more is 414.
#[test]
fn the_request_uri_is_bounded() {
    let max = limits::REQUEST_URI_SIZE_MAX;
    assert_eq!(datagram(request(&sip_uri(max), "", b"")), None);
    let beyond = Some((414, Fault::UriTooLong));
    assert_eq!(datagram(request(&sip_uri(max + 1), "", b"")), beyond);
    assert_eq!(datagram(request(&sip_uri(9 * 1024), "", b"")), beyond);
}

/// OPS-04: a header line of 8 KiB is read, with its folds; one octet more is 513.
#[test]
fn a_header_line_is_bounded() {
    let line = |len: usize, fold: &str| {
        let filler = "x".repeat(len - "Subject: ".len() - fold.len());
        request("sip:b@h", &format!("Subject: {fold}{filler}\r\n"), b"")
    };
    for fold in ["", "a\r\n b"] {
        assert_eq!(datagram(line(limits::LINE_SIZE_MAX, fold)), None);
        let beyond = datagram(line(limits::LINE_SIZE_MAX + 1, fold));
        assert_eq!(beyond, Some((513, Fault::LineTooLong)));
    }
}

/// OPS-04: 256 header lines are read, one more is 513; a request that says too little is dropped.
#[test]
fn header_lines_are_counted() {
    let lines = |count: usize| "X-Pad: y\r\n".repeat(count - LINES);
    assert_eq!(datagram(request("sip:b@h", &lines(limits::LINES_MAX), b"")), None);
    let beyond = request("sip:b@h", &lines(limits::LINES_MAX + 1), b"");
    assert_eq!(datagram(beyond.clone()), Some((513, Fault::TooManyLines)));
    let text = String::from_utf8(beyond).unwrap().replace("Call-ID: c1\r\n", "X-Pad: y\r\n");
    assert_eq!(datagram(text.into_bytes()), Some((0, Fault::TooManyLines)));
}

/// OPS-04: on a stream, a message too large is the last one if it does not say whom to tell; else
/// others on the connection need not suffer for it.
#[test]
fn a_stream_outlives_a_message_that_can_be_refused() {
    let long = format!("Subject: {}\r\n", "x".repeat(limits::LINE_SIZE_MAX));
    let bytes = request("sip:b@h", &long, b"");
    assert_eq!(stream(&bytes), (Some((513, Fault::LineTooLong)), false));
    let text = String::from_utf8(bytes).unwrap().replace("Call-ID: c1\r\n", "");
    assert_eq!(stream(text.as_bytes()), (Some((0, Fault::LineTooLong)), true));
}

/// OPS-04: 70 Via, 32 Route and 32 Record-Route, however they share their lines.
#[test]
fn values_of_the_path_are_counted() {
    let via = "Via: SIP/2.0/UDP h;branch=z9hG4bKx\r\n";
    let vias = |count: usize| request("sip:b@h", &via.repeat(count - 1), b"");
    assert_eq!(datagram(vias(limits::VIAS_MAX)), None);
    assert_eq!(datagram(vias(limits::VIAS_MAX + 1)), Some((513, Fault::TooMany(Header::Via))));
    for header in [Header::Route, Header::RecordRoute] {
        let routes = |count: usize| {
            let values = vec!["<sip:p;lr>"; count].join(", ");
            request("sip:b@h", &format!("{}: {values}\r\n", header.name()), b"")
        };
        assert_eq!(datagram(routes(limits::ROUTES_MAX)), None);
        let beyond = datagram(routes(limits::ROUTES_MAX + 1));
        assert_eq!(beyond, Some((513, Fault::TooMany(header))));
    }
}

/// OPS-04: a body of 128 KiB is read; a larger one is 413 as soon as it is announced, and ends the
/// stream.
#[test]
fn the_body_is_bounded() {
    let whole = request("sip:b@h", "", &vec![b'x'; limits::BODY_SIZE_MAX]);
    assert_eq!(stream(&whole), (None, false));
    let beyond = request("sip:b@h", "", &vec![b'x'; limits::BODY_SIZE_MAX + 1]);
    let head = beyond.windows(4).position(|octets| octets == b"\r\n\r\n").unwrap() + 4;
    assert_eq!(stream(&beyond[..head]), (Some((413, Fault::BodyTooLarge)), true));
}

/// OPS-04: a head without an end is 513 at 64 KiB, and ends the stream.
#[test]
fn the_head_is_bounded() {
    let line = format!("X: {}\r\n", "x".repeat(1000));
    let bytes = request("sip:b@h", &line.repeat(70), b"");
    assert!(bytes.len() > limits::HEAD_SIZE_MAX);
    assert_eq!(stream(&bytes), (Some((513, Fault::HeadTooLarge)), true));
    let cut = &bytes[..=limits::HEAD_SIZE_MAX];
    assert_eq!(stream(cut), (Some((513, Fault::HeadTooLarge)), true));
    // Without what a client would know the answer by, there is none.
    let endless = vec![b'x'; limits::HEAD_SIZE_MAX + 1];
    assert_eq!(stream(&endless).0.unwrap().0, 0);
}

/// DLG-02: Content-Length is a number below 2^31.
#[test]
fn content_length_is_a_number() {
    for length in ["-1", "2147483648", "99999999999999999999", "1x", "", "1 2", "0x10"] {
        let text = String::from_utf8(request("sip:b@h", "", b"")).unwrap();
        let text = text.replace("Content-Length: 0", &format!("Content-Length: {length}"));
        let expected = Some((400, Fault::LengthBad));
        assert_eq!(datagram(text.clone().into_bytes()), expected, "{length}");
        assert_eq!(stream(text.as_bytes()), (expected, true), "{length}");
    }
}

/// OPS-06: what is not UTF-8 is refused in a field that is text, and let be in one that we do not
/// know.
#[test]
fn text_is_utf_8() {
    let with = |line: &[u8]| {
        let text = request("sip:b@h", "X-Mark: 1\r\n", b"");
        let at = text.windows(6).position(|octets| octets == b"X-Mark").unwrap();
        [&text[..at], line, &text[at..]].concat()
    };
    assert_eq!(datagram(with(b"Subject: \xd1\x81\r\n")), None);
    let refused = Some((400, Fault::NotUtf8(Header::Subject)));
    assert_eq!(datagram(with(b"Subject: \xd1\r\n")), refused);
    assert_eq!(datagram(with(b"X-Other: \xd1\r\n")), None);
}

/// OPS-06: CR or LF alone could start a line for somebody else.
#[test]
fn line_ends_stand_together() {
    for line in ["Subject: a\rVia: b\r\n", "Subject: a\nVia: b\r\n", "Subject: a\r\r\n"] {
        let refused = Some((400, Fault::LineEnding));
        assert_eq!(datagram(request("sip:b@h", line, b"")), refused, "{line:?}");
    }
}
