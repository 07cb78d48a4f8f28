use super::*;

const PEER: &str = "192.0.2.21:5060";

pub(super) fn draft(method: Method) -> Draft {
    Draft::new(method, "sip:alice@192.0.2.21")
        .header(Header::Route, "<sip:p1.example.com;lr>")
        .header(Header::From, "<sip:garden@im.example.com>;tag=f1")
        .header(Header::To, "<sip:alice@example.com>")
        .header(Header::CallId, "out-1@im.example.com")
        .header(Header::CSeq, &format!("5 {}", method.name()))
}

fn target(protocol: Protocol) -> Target {
    Target::new(protocol, PEER.parse().unwrap())
}

/// Starts a request; gives its id and its bytes.
fn start(bench: &mut Bench, method: Method, protocol: Protocol) -> (ClientId, String) {
    let id = bench.layer.request(bench.now, &draft(method), target(protocol));
    (id, bench.sent().remove(0))
}

/// What the peer answers to a request of ours.
pub(super) fn answer(request: &str, code: u16, to_tag: &str) -> String {
    format!(
        "SIP/2.0 {code} Phrase\nVia: {};received=192.0.2.1\nFrom: {}\nTo: {};tag={to_tag}\n\
         Call-ID: {}\nCSeq: {}\nContact: <sip:alice@192.0.2.21>\nContent-Length: 0\n\n",
        line(request, "Via"),
        line(request, "From"),
        line(request, "To"),
        line(request, "Call-ID"),
        line(request, "CSeq"),
    )
}

pub(super) fn codes(events: &[Event]) -> Vec<u16> {
    events
        .iter()
        .map(|event| match event {
            Event::Response { response, .. } => response.code(),
            other => panic!("{other:?}"),
        })
        .collect()
}

fn failure(bench: &mut Bench) -> Failure {
    match bench.events().as_slice() {
        [Event::Failed { failure, .. }] => *failure,
        other => panic!("{other:?}"),
    }
}

/// The bytes of a request: our Via first, with a branch of ours.
#[test]
fn a_request_has_our_via() {
    let mut bench = Bench::new();
    let (_, bye) = start(&mut bench, Method::Bye, Protocol::Tcp);
    let branch = bye.split_once("branch=z9hG4bK").unwrap().1.split_once(';').unwrap().0;
    assert_eq!(
        bye,
        format!(
            "BYE sip:alice@192.0.2.21 SIP/2.0\r\n\
             Via: SIP/2.0/TCP im.example.com:5061;branch=z9hG4bK{branch};rport\r\n\
             Max-Forwards: 70\r\n\
             Route: <sip:p1.example.com;lr>\r\n\
             From: <sip:garden@im.example.com>;tag=f1\r\n\
             To: <sip:alice@example.com>\r\n\
             Call-ID: out-1@im.example.com\r\n\
             CSeq: 5 BYE\r\n\
             Content-Length: 0\r\n\r\n"
        )
    );
}

/// DLG-06: Timer A doubles without a cap, on UDP alone; Timer B ends it.
#[test]
fn an_invite_is_repeated_on_udp_alone() {
    let mut bench = Bench::new();
    start(&mut bench, Method::Invite, Protocol::Udp);
    let times: Vec<_> = bench.pass(ms(31_999)).into_iter().map(|(at, _)| at).collect();
    assert_eq!(times, [500, 1500, 3500, 7500, 15_500, 31_500]);
    bench.pass(ms(1));
    assert_eq!(failure(&mut bench), Failure::Timeout);
    assert!(bench.is_empty());

    let mut bench = Bench::new();
    start(&mut bench, Method::Invite, Protocol::Tcp);
    assert_eq!(bench.pass(ms(32_000)), []);
    assert_eq!(failure(&mut bench), Failure::Timeout);
}

/// DLG-07: Timer E doubles to T2, and is T2 once a provisional response came; Timer F ends it.
#[test]
fn another_request_is_repeated_at_t2_at_most() {
    let mut bench = Bench::new();
    let (_, bye) = start(&mut bench, Method::Bye, Protocol::Udp);
    let times: Vec<_> = bench.pass(ms(12_000)).into_iter().map(|(at, _)| at).collect();
    assert_eq!(times, [500, 1500, 3500, 7500, 11_500]);
    bench.udp(&answer(&bye, 100, "t"));
    let times: Vec<_> = bench.pass(ms(19_999)).into_iter().map(|(at, _)| at).collect();
    assert_eq!(times, [16_000, 20_000, 24_000, 28_000]);
    assert_eq!(codes(&bench.events()), [100]);
    bench.pass(ms(1));
    assert_eq!(failure(&mut bench), Failure::Timeout);
    assert!(bench.is_empty());
}

/// DLG-07: Timer K absorbs late copies of the answer, on UDP for T4, on a stream not at all.
#[test]
fn a_late_copy_of_an_answer_is_absorbed() {
    let mut bench = Bench::new();
    let (_, bye) = start(&mut bench, Method::Bye, Protocol::Udp);
    bench.udp(&answer(&bye, 200, "t"));
    bench.pass(ms(4999));
    bench.udp(&answer(&bye, 200, "t"));
    assert_eq!(codes(&bench.events()), [200]);
    bench.pass(ms(1));
    assert!(bench.is_empty());

    let (_, bye) = start(&mut bench, Method::Bye, Protocol::Tcp);
    bench.tcp(&answer(&bye, 481, "t"));
    bench.pass(ms(0));
    assert_eq!(codes(&bench.events()), [481]);
    assert!(bench.is_empty());
}

/// DLG-06: a refusal is acknowledged by the transaction: same branch, same route, the peer's To; and
/// again for each copy, for 32 s.
#[test]
fn a_refusal_is_acknowledged_with_the_same_branch() {
    let mut bench = Bench::new();
    let (_, invite) = start(&mut bench, Method::Invite, Protocol::Udp);
    bench.udp(&answer(&invite, 486, "t9"));
    let ack = bench.sent();
    assert_eq!(
        ack,
        [format!(
            "ACK sip:alice@192.0.2.21 SIP/2.0\r\n\
             Via: {}\r\n\
             Max-Forwards: 70\r\n\
             Route: <sip:p1.example.com;lr>\r\n\
             From: <sip:garden@im.example.com>;tag=f1\r\n\
             To: <sip:alice@example.com>;tag=t9\r\n\
             Call-ID: out-1@im.example.com\r\n\
             CSeq: 5 ACK\r\n\
             Content-Length: 0\r\n\r\n",
            line(&invite, "Via")
        )]
    );
    bench.pass(ms(31_999));
    bench.udp(&answer(&invite, 486, "t9"));
    assert_eq!(bench.sent(), ack);
    assert_eq!(codes(&bench.events()), [486]);
    bench.pass(ms(1));
    assert!(bench.is_empty());
}

/// DLG-06: every 2xx is told once per dialog; its copies are answered with the ACK.
#[test]
fn each_fork_is_told_and_acknowledged() {
    let mut bench = Bench::new();
    let (id, invite) = start(&mut bench, Method::Invite, Protocol::Udp);
    for to_tag in ["t1", "t2"] {
        bench.udp(&answer(&invite, 200, to_tag));
        assert_eq!(codes(&bench.events()), [200]);
        // The user may take its time.
        bench.udp(&answer(&invite, 200, to_tag));
        assert!(bench.sent().is_empty() && bench.events().is_empty());
        let ack = Draft::new(Method::Ack, "sip:alice@192.0.2.21")
            .header(Header::To, &format!("<sip:alice@example.com>;tag={to_tag}"));
        bench.layer.acknowledge(id, &ack, target(Protocol::Udp));
        let sent = bench.sent();
        assert!(sent[0].starts_with("ACK "));
        assert_ne!(line(&sent[0], "Via"), line(&invite, "Via"));
        bench.udp(&answer(&invite, 200, to_tag));
        assert_eq!(bench.sent(), sent);
        assert!(bench.events().is_empty());
    }
    bench.udp(&answer(&invite, 486, "t3"));
    assert!(bench.sent().is_empty() && bench.events().is_empty());
    bench.pass(ms(32_000));
    assert!(matches!(bench.events()[..], [Event::Settled { .. }]) && bench.is_empty());
}

/// JOIN-11: a CANCEL waits for a provisional response; its own answer is nobody's business.
#[test]
fn a_cancel_waits_until_the_peer_has_been_heard() {
    let mut bench = Bench::new();
    let (id, invite) = start(&mut bench, Method::Invite, Protocol::Tcp);
    bench.layer.cancel(bench.now, id);
    assert!(bench.sent().is_empty());
    bench.tcp(&answer(&invite, 100, "t"));
    let cancel = bench.sent();
    assert_eq!(cancel.len(), 1);
    assert!(cancel[0].starts_with("CANCEL sip:alice@192.0.2.21 SIP/2.0\r\n"));
    assert_eq!(line(&cancel[0], "Via"), line(&invite, "Via"));
    assert_eq!(line(&cancel[0], "CSeq"), "5 CANCEL");
    assert_eq!(line(&cancel[0], "To"), "<sip:alice@example.com>");
    bench.layer.cancel(bench.now, id);
    assert!(bench.sent().is_empty(), "once is enough");
    bench.tcp(&answer(&cancel[0], 200, "t"));
    bench.tcp(&answer(&invite, 487, "t"));
    assert_eq!(codes(&bench.events()), [100, 487]);
    bench.pass(ms(0));
    assert!(bench.is_empty());
}

/// JOIN-11: after a final response nothing is cancelled, and a CANCEL that is not answered ends the
/// wait after 64*T1.
#[test]
fn a_cancel_ends_one_way_or_another() {
    let mut bench = Bench::new();
    let (id, invite) = start(&mut bench, Method::Invite, Protocol::Tcp);
    bench.tcp(&answer(&invite, 200, "t"));
    bench.layer.cancel(bench.now, id);
    assert!(bench.sent().is_empty());

    let mut bench = Bench::new();
    let (id, invite) = start(&mut bench, Method::Invite, Protocol::Tcp);
    bench.tcp(&answer(&invite, 180, "t"));
    bench.layer.cancel(bench.now, id);
    assert_eq!(bench.sent().len(), 1);
    bench.events();
    bench.pass(ms(32_000));
    assert_eq!(failure(&mut bench), Failure::Timeout);
    assert!(bench.is_empty());
}

/// NTF-02, DLG-21: a request over 1300 octets goes by TCP though UDP is configured, its Via says so, and
/// UDP is what is left when that is refused, and only then.
#[test]
fn a_large_request_goes_by_stream() {
    let mut bench = Bench::new();
    let large = draft(Method::Notify).body("text/plain", vec![b'x'; 1300]);
    bench.layer.request(bench.now, &large, target(Protocol::Udp));
    let first = bench.layer.poll_transmit().unwrap();
    assert_eq!(first.target, target(Protocol::Tcp));
    assert!(first.bytes.starts_with(b"NOTIFY sip:alice@192.0.2.21 SIP/2.0\r\nVia: SIP/2.0/TCP im"));
    bench.layer.handle_undelivered(bench.now, first.ticket.unwrap());
    let second = bench.layer.poll_transmit().unwrap();
    assert_eq!(second.target, target(Protocol::Udp));
    assert!(
        second.bytes.starts_with(b"NOTIFY sip:alice@192.0.2.21 SIP/2.0\r\nVia: SIP/2.0/UDP im")
    );
    let notify = String::from_utf8(second.bytes.to_vec()).unwrap();
    bench.udp(&answer(&notify, 200, "t"));
    assert_eq!(codes(&bench.events()), [200]);

    bench.layer.request(bench.now, &large, target(Protocol::Udp));
    assert_eq!(bench.layer.poll_transmit().unwrap().target, target(Protocol::Tcp));
    assert_eq!(bench.pass(ms(31_999)), [], "silence is no refusal");
    assert_eq!(bench.pass(ms(1)), []);
    assert_eq!(failure(&mut bench), Failure::Timeout);

    let small = draft(Method::Notify).body("text/plain", vec![b'x'; 800]);
    bench.layer.request(bench.now, &small, target(Protocol::Udp));
    assert_eq!(bench.layer.poll_transmit().unwrap().target, target(Protocol::Udp));
}

#[test]
fn what_cannot_be_sent_fails_at_once() {
    let mut bench = Bench::new();
    bench.layer.request(bench.now, &draft(Method::Bye), target(Protocol::Tcp));
    let ticket = bench.layer.poll_transmit().unwrap().ticket.unwrap();
    bench.layer.handle_undelivered(bench.now, ticket);
    assert_eq!(failure(&mut bench), Failure::Unreachable);
    bench.layer.handle_undelivered(bench.now, ticket);
    assert!(bench.events().is_empty() && bench.is_empty());
}

/// A response with a fault in a field that nobody needs is still the answer; one without what it
/// is known by is none.
#[test]
fn a_response_is_taken_for_what_it_says() {
    let mut bench = Bench::new();
    let (_, bye) = start(&mut bench, Method::Bye, Protocol::Udp);
    let ok = answer(&bye, 200, "t");
    bench.udp(&ok.replace("Call-ID", "X-Call"));
    assert_eq!(bench.layer.counters().faulty_dropped, 1);
    bench
        .udp(&ok.replace("Contact: <sip:alice@192.0.2.21>", "Expires: soon\nno field\nContact: <"));
    assert_eq!(codes(&bench.events()), [200]);
}

/// A response that is not to us: no branch of ours, another method, or somebody else's Via below.
#[test]
fn stray_responses_are_dropped() {
    let mut bench = Bench::new();
    let (_, bye) = start(&mut bench, Method::Bye, Protocol::Udp);
    let ok = answer(&bye, 200, "t");
    bench.udp(&ok.replace("z9hG4bK", "z9hG4bK0"));
    bench.udp(&ok.replace("5 BYE", "5 INVITE"));
    bench.udp(&ok.replace("\nFrom", "\nVia: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bKx\nFrom"));
    assert!(bench.events().is_empty());
    assert_eq!(bench.layer.counters().stray_responses, 3);
}
