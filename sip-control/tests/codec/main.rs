//! What holds of the codec whatever the bytes.

mod fuzz;

use bytes::Bytes;
use proptest::prelude::*;
use sip_control::message::{
    Admission, Draft, Frame, Framer, Header, Message, Method, NameAddr, Reply, SipUri, Via, admit,
};

const REQUEST: &[u8] = b"INVITE sip:garden@im.example.com;gr SIP/2.0\r\n\
    v: SIP/2.0/TCP proxy.example.com:5060\r\n ;branch=z9hG4bKp25, SIP/2.0/UDP h;branch=x;rport\r\n\
    Max-Forwards: 0\r\n\
    f: \"Bob \\\"the\\\" Rose\" <sip:bob@example.com>\r\n\t;tag=b25\r\n\
    t: sip:garden@im.example.com\r\n\
    i: tv25-1010@192.0.2.22\r\n\
    CSeq: 0001   INVITE\r\n\
    m: <sip:bob@192.0.2.22:50300;transport=tcp>;+g.oma.sip-im\r\n\
    Route: <sip:p1;lr>, <sip:p2;lr>\r\n\
    Privacy: Header; ID\r\n\
    Content-Type: multipart/mixed;boundary=\"b\"\r\n\
    X-Unknown: \xff\xfe\r\n\
    l: 4\r\n\r\n\0\r\n\xff";

fn remote() -> std::net::SocketAddr {
    "192.0.2.200:40000".parse().unwrap()
}

/// Uses every view there is of a message, and answers it.
fn use_all(message: &Message) {
    let _ = (message.fault(), message.method(), message.request_uri(), message.reason());
    let _ = (message.top_via(), message.from(), message.to(), message.cseq());
    let _ = (message.content_type(), message.privacy(), message.seconds(Header::Expires));
    let _ = (message.extension("X-Unknown"), message.body());
    for (header, value) in message.fields() {
        assert!(!value.contains(['\r', '\n']), "{header:?} shows a line end");
        let _ = (NameAddr::parse(value), Via::parse(value), SipUri::parse(value));
        assert!(message.addresses(header).count() <= message.list(header).count());
    }
    let answer = match admit(message.clone(), remote()) {
        Admission::Request(request) => Reply::new(200)
            .header(Header::Subject, request.header(Header::Subject).unwrap_or_default())
            .complete(&request, remote(), "t"),
        Admission::Refused { answer, .. } => answer,
        Admission::Response(_) | Admission::Dropped(_) => return,
    };
    let bytes = answer.as_bytes().clone();
    assert!(!bytes[..bytes.len()].contains(&0));
    // What we say is sound as far as what we were told is.
    let read = Message::from_datagram(bytes.clone()).expect("an answer");
    assert_eq!(read.as_bytes(), &bytes);
    assert_eq!(read.status(), answer.status());
    assert!(answer.fields().eq(read.fields()));
}

/// Frames of a stream that comes in these pieces.
fn frames<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Option<Bytes>> {
    let mut framer = Framer::default();
    let mut frames = Vec::new();
    for piece in pieces {
        framer.push(piece);
        while let Some(frame) = framer.poll_frame() {
            frames.push(match frame {
                Frame::Message(message) => Some(message.as_bytes().clone()),
                Frame::Ping => None,
            });
        }
    }
    frames
}

/// Bytes that look like SIP often enough to reach the depths of the parser.
fn sip_like() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => prop::sample::select(vec![
            "INVITE sip:a@b SIP/2.0\r\n", "SIP/2.0 200 OK\r\n", "Via: SIP/2.0/UDP h;branch=z9hG4bKa\r\n",
            "From: <sip:a@b>;tag=1\r\n", "To: \"x\" <sip:c@d>\r\n", "Call-ID: c@h\r\n", "CSeq: 1 INVITE\r\n",
            "Contact: <sip:a@b>, \"", "Content-Length: 5\r\n", "l: 0\r\n", "\r\n", "\r\n ", "\r", "\n", "\r\n\r\n",
            ";", ",", "<", ">", "\"", "\\", "=", ":", "@", "[::1]", "%41", "sip:", "?", " ", "\t", "\0",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// OPS-05: no datagram makes the codec panic, and a message keeps its bytes.
    #[test]
    fn any_datagram_can_be_read(bytes in sip_like()) {
        if let Some(message) = Message::from_datagram(Bytes::from(bytes.clone())) {
            let lead = bytes.iter().take_while(|&&o| o == b'\r' || o == b'\n').count();
            prop_assert!(bytes[lead..].starts_with(message.as_bytes()));
            use_all(&message);
        }
    }

    /// OPS-05: a sound message with any octets changed, cut or doubled.
    #[test]
    fn any_change_can_be_read(
        at in 0..REQUEST.len(), octet in any::<u8>(), from in 0..REQUEST.len(), len in 0..40_usize,
    ) {
        let mut bytes = REQUEST.to_vec();
        bytes[at] = octet;
        let again = bytes[from..bytes.len().min(from + len)].to_vec();
        bytes.splice(at..at, again);
        if let Some(message) = Message::from_datagram(Bytes::from(bytes)) {
            use_all(&message);
        }
    }

    /// DLG-02: what a stream says does not depend on how it was cut, and no stream makes the framer
    /// panic.
    #[test]
    fn any_cut_of_a_stream_says_the_same(
        junk in sip_like(), cuts in prop::collection::vec(0..2000_usize, 0..8),
    ) {
        let ping = b"\r\n\r\n";
        let bytes = [REQUEST, ping, REQUEST, b"\r\n", REQUEST, &junk].concat();
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut start = 0;
        for cut in cuts.into_iter().chain([bytes.len()]) {
            pieces.push(&bytes[start..cut]);
            start = cut;
        }
        let whole = frames([&bytes[..]]);
        let message = Some(Bytes::from_static(REQUEST));
        prop_assert_eq!(&whole[..4], &[message.clone(), None, message.clone(), message][..]);
        prop_assert_eq!(&frames(pieces)[..4], &whole[..4]);
    }

    /// OPS-06: whatever is put into a header, the message has the lines it was given, and no more.
    #[test]
    fn nothing_put_in_makes_a_line(subject in any::<String>(), name in any::<String>()) {
        let draft = Draft::new(Method::Message, "sip:a@b")
            .header(Header::Subject, &subject)
            .header(Header::From, &format!("{} <sip:a@b>;tag=1", sip_control::message::quote(&name)))
            .body("text/plain", "\r\nX: y");
        let message = draft.complete("SIP/2.0/UDP h;branch=z9hG4bKa");
        let read = Message::from_datagram(message.as_bytes().clone()).unwrap();
        let headers: Vec<_> = read.fields().map(|(header, _)| header).collect();
        prop_assert_eq!(
            headers,
            [
                Header::Via,
                Header::MaxForwards,
                Header::Subject,
                Header::From,
                Header::ContentType,
                Header::ContentLength,
            ]
        );
        let plain: String = name.chars().filter(|character| !character.is_control()).collect();
        let from = read.from().unwrap();
        prop_assert_eq!(from.display_name().unwrap_or_default(), plain);
        prop_assert_eq!(&read.body()[..], b"\r\nX: y");
    }
}

/// DLG-02: one octet at a time, with nothing held once it is out.
#[test]
fn a_stream_may_come_octet_by_octet() {
    let bytes = [REQUEST, b"\r\n\r\n", REQUEST].concat();
    let message = Some(Bytes::from_static(REQUEST));
    assert_eq!(frames(bytes.chunks(1)), [message.clone(), None, message]);
}

/// OPS-05: reading takes time in proportion to the bytes, whatever they are. No clock is asked: of
/// the largest datagrams there are, one that is read in time that grows with the square of its size
/// takes minutes.
#[test]
fn the_longest_repetition_can_be_read() {
    let head = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h\r\n";
    for unit in
        ["\r\n ", ",", ";", "\"", "<", "\\", "a=\"b\";", ";a=b", "%41", "X: y\r\n", "::", "@"]
    {
        for header in ["Contact", "From", "Via", "Accept"] {
            let value = unit.repeat(65_000 / unit.len());
            let text = format!("{head}{header}: x{value}\r\n\r\n");
            use_all(&Message::from_datagram(text.into()).unwrap());
        }
    }
}
