//! The messages of RFC 4475 against the codec, each in the transport it would have come by.
//!
//! The files are the RFC's own bytes. Where the RFC leaves a choice between refusing and being
//! liberal, this stack refuses what it could only guess at.

use std::net::SocketAddr;
use std::path::Path;

use bytes::Bytes;
use sip_control::message::{Admission, Fault, Frame, Framer, Header, Message, Method, admit};

/// What the codec says of a message.
#[derive(Debug, PartialEq)]
enum Verdict {
    /// A sound request: whatever is still wrong with it is not the codec's to say.
    Request(Method),
    /// A sound response.
    Response(u16),
    /// A request that is answered at once.
    Refused(u16, Fault),
    /// Not answered.
    Dropped(Fault),
}
use Verdict::{Dropped, Refused, Request, Response};

const TABLE: [(&str, Verdict); 50] = [
    // 3.1.1: valid messages
    ("wsinv", Request(Method::Invite)),
    ("intmeth", Request(Method::Other)),
    ("esc01", Request(Method::Invite)),
    ("escnull", Request(Method::Register)),
    ("esc02", Request(Method::Other)),
    ("lwsdisp", Request(Method::Options)),
    ("longreq", Request(Method::Invite)),
    ("dblreq", Request(Method::Register)),
    ("semiuri", Request(Method::Options)),
    ("transports", Request(Method::Options)),
    ("mpart01", Request(Method::Message)),
    ("unreason", Response(200)),
    ("noreason", Response(100)),
    // 3.1.2: invalid messages
    ("badinv01", Refused(400, Fault::Malformed(Header::Via))),
    ("clerr", Refused(400, Fault::BodyCut)),
    ("ncl", Refused(400, Fault::LengthBad)),
    ("scalar02", Refused(400, Fault::Malformed(Header::CSeq))),
    ("scalarlg", Dropped(Fault::Malformed(Header::CSeq))),
    ("quotbal", Refused(400, Fault::Malformed(Header::To))),
    ("ltgtruri", Refused(400, Fault::StartLine)),
    ("lwsruri", Refused(400, Fault::StartLine)),
    ("lwsstart", Refused(400, Fault::StartLine)),
    ("trws", Refused(400, Fault::StartLine)),
    ("escruri", Refused(400, Fault::StartLine)),
    // The Date is of no use to us, so neither is its fault.
    ("baddate", Request(Method::Invite)),
    ("regbadct", Refused(400, Fault::Malformed(Header::Contact))),
    ("badaspec", Refused(400, Fault::Malformed(Header::To))),
    // The archived file has no blank line after its head, which is found first.
    ("baddn", Refused(400, Fault::HeadCut)),
    ("badvers", Refused(505, Fault::Version)),
    ("mismatch01", Refused(400, Fault::MethodMismatch)),
    ("mismatch02", Refused(400, Fault::MethodMismatch)),
    ("bigcode", Dropped(Fault::StartLine)),
    // 3.2: transaction layer
    ("badbranch", Request(Method::Options)),
    // 3.3: application layer
    ("insuf", Refused(400, Fault::Missing(Header::From))),
    ("unkscm", Request(Method::Options)),
    ("novelsc", Request(Method::Options)),
    ("unksm2", Request(Method::Register)),
    ("bext01", Request(Method::Options)),
    ("invut", Request(Method::Invite)),
    ("regaut01", Request(Method::Register)),
    ("multi01", Refused(400, Fault::Repeated(Header::CSeq))),
    ("mcl01", Refused(400, Fault::LengthBad)),
    ("bcast", Response(200)),
    ("zeromf", Request(Method::Options)),
    ("cparam01", Request(Method::Register)),
    ("cparam02", Request(Method::Register)),
    ("regescrt", Request(Method::Register)),
    ("sdp01", Request(Method::Invite)),
    // 3.4: backward compatibility
    ("inv2543", Request(Method::Invite)),
    // Not in the RFC's text, but in its archive: no version, no Via, no CSeq.
    ("test", Dropped(Fault::StartLine)),
];

fn read(name: &str) -> Bytes {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torture");
    std::fs::read(folder.join(format!("{name}.dat"))).expect(name).into()
}

fn remote() -> SocketAddr {
    "192.0.2.200:40000".parse().unwrap()
}

fn verdict(message: Message) -> Verdict {
    match admit(message, remote()) {
        Admission::Request(request) => Request(request.method()),
        Admission::Response(response) => Response(response.code()),
        Admission::Refused { fault, answer } => Refused(answer.status().unwrap(), fault),
        Admission::Dropped(fault) => Dropped(fault),
    }
}

/// OPS-05, DLG-01: every message of RFC 4475 gets the answer that RFC names, and a sound one keeps
/// its bytes.
#[test]
fn each_message_gets_the_answer_the_rfc_names() {
    for (name, expected) in &TABLE {
        let bytes = read(name);
        let message = Message::from_datagram(bytes.clone()).expect(name);
        assert!(bytes.starts_with(message.as_bytes()), "{name} was changed");
        assert_eq!(verdict(message), *expected, "{name}");
    }
}

/// DLG-02: two requests in a datagram are one request and octets that nobody asked for.
#[test]
fn what_follows_the_body_of_a_datagram_is_cut_off() {
    let message = Message::from_datagram(read("dblreq")).unwrap();
    assert!(message.as_bytes().ends_with(b"Content-Length: 0\r\n\r\n"));
}

/// DLG-02: white space where nobody puts any, folds, compact forms, repeated headers.
#[test]
fn the_torturous_invite_says_what_it_means() {
    let message = Message::from_datagram(read("wsinv")).unwrap();
    assert_eq!(message.request_uri(), "sip:vivekg@chair-dnrc.example.com;unknownparam");
    assert_eq!(message.to().unwrap().tag(), Some("1918181833n"));
    let from = message.from().unwrap();
    assert_eq!(from.display_name().as_deref(), Some(r#"J Rosenberg \""#));
    assert_eq!((from.uri(), from.tag()), ("sip:jdrosen@example.com", Some("98asjd8")));
    assert_eq!(message.header(Header::MaxForwards), Some("0068"));
    assert_eq!(message.cseq().unwrap().number, 9);
    let vias: Vec<_> = message
        .list(Header::Via)
        .map(|value| sip_control::message::Via::parse(value).expect(value))
        .map(|via| (via.transport(), via.host(), via.branch()))
        .collect();
    assert_eq!(
        vias,
        [
            ("UDP", "192.0.2.2", Some("390skdjuw")),
            ("TCP", "spindle.example.com", Some("z9hG4bK9ikj8")),
            ("UDP", "192.168.255.111", Some("z9hG4bK30239")),
        ]
    );
    let contact = message.address(Header::Contact).unwrap();
    assert_eq!(contact.display_name().as_deref(), Some("Quoted string \"\""));
    assert_eq!(contact.params().get("newparam"), Some("newvalue"));
    assert_eq!(contact.params().get("q"), Some("0.33"));
    let route = message.address(Header::Route).unwrap().sip_uri().unwrap();
    assert_eq!((route.param("lr"), route.param("unknownwith")), (Some(""), Some("value")));
    assert!(message.body().starts_with(b"v=0\r\n"));
}

/// OPS-06: folds and NULs of a request do not come back in its answer.
#[test]
fn an_answer_has_no_fold_and_no_nul() {
    for name in ["wsinv", "intmeth", "longreq", "esc01"] {
        let request = Message::from_datagram(read(name)).unwrap();
        let answer = sip_control::message::Reply::new(501).complete(&request, remote(), "t1");
        let text = answer.as_bytes();
        assert!(!text.contains(&0), "{name}");
        for line in text.split(|&octet| octet == b'\n') {
            assert!(line.is_empty() || line.ends_with(b"\r"), "{name}");
            assert!(!line.starts_with(b" ") && !line.starts_with(b"\t"), "{name}");
        }
        let read_back = Message::from_datagram(text.clone()).unwrap();
        assert_eq!(verdict(read_back), Response(501), "{name}");
    }
}

/// DLG-02: on a stream, a message without a usable Content-Length is the last one.
#[test]
fn a_stream_breaks_where_the_length_is_not_known() {
    for (name, fault) in
        [("ncl", Fault::LengthBad), ("mcl01", Fault::LengthBad), ("inv2543", Fault::LengthMissing)]
    {
        let mut framer = Framer::default();
        framer.push(&read(name));
        let Some(Frame::Message(message)) = framer.poll_frame() else {
            panic!("{name}: no message");
        };
        assert_eq!(verdict(message), Refused(400, fault), "{name}");
        assert!(framer.is_broken(), "{name}");
        framer.push(b"OPTIONS sip:a@b SIP/2.0\r\n\r\n");
        assert!(framer.poll_frame().is_none(), "{name}");
    }
}

/// DLG-02: on a stream, what a datagram would cut off is the next message.
#[test]
fn a_stream_holds_both_of_two_requests() {
    let mut framer = Framer::default();
    framer.push(&read("dblreq"));
    let mut methods = Vec::new();
    while let Some(frame) = framer.poll_frame() {
        if let Frame::Message(message) = frame {
            methods.push(message.method());
        }
    }
    // The second one's Content-Length is short by a line, which starts no third.
    assert_eq!(methods[..2], [Method::Register, Method::Invite]);
}
