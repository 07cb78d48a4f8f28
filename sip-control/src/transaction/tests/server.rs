use super::*;

const INVITE: &str = "INVITE sip:garden@im.example.com SIP/2.0
Via: SIP/2.0/UDP 192.0.2.21;branch=z9hG4bKc01
Max-Forwards: 70
From: <sip:alice@example.com>;tag=a01
To: <sip:garden@im.example.com>
Call-ID: tv01@192.0.2.21
CSeq: 1 INVITE
Contact: <sip:alice@192.0.2.21>
Content-Length: 0

";

fn with_method(method: &str) -> String {
    INVITE.replace("INVITE", method)
}

/// The ACK of our answer; `branch` is that of the INVITE for a refusal.
fn ack(to_tag: &str, branch: &str) -> String {
    with_method("ACK")
        .replace(
            "To: <sip:garden@im.example.com>",
            &format!("To: <sip:garden@im.example.com>;tag={to_tag}"),
        )
        .replace("z9hG4bKc01", branch)
}

fn tag_of(answer: &str) -> String {
    line(answer, "To").split_once(";tag=").unwrap().1.to_owned()
}

/// DLG-05: a 100 goes out after 200 ms, and only if nothing else has.
#[test]
fn an_invite_that_takes_long_is_being_tried() {
    let mut bench = Bench::new();
    bench.udp(INVITE);
    assert_eq!(bench.pass(ms(199)), []);
    bench.layer.handle_timeout(bench.now + ms(1));
    let sent = bench.sent();
    assert_eq!(
        sent,
        ["SIP/2.0 100 Trying\r\n\
          Via: SIP/2.0/UDP 192.0.2.21;branch=z9hG4bKc01\r\n\
          From: <sip:alice@example.com>;tag=a01\r\n\
          To: <sip:garden@im.example.com>\r\n\
          Call-ID: tv01@192.0.2.21\r\n\
          CSeq: 1 INVITE\r\n\
          Content-Length: 0\r\n\r\n"]
    );

    let mut prompt = Bench::new();
    prompt.udp(INVITE);
    let transaction = prompt.request();
    assert!(prompt.layer.respond(prompt.now, transaction, &Reply::new(486)));
    assert_eq!(prompt.sent().len(), 1);
    assert_eq!(prompt.pass(ms(499)), []);
}

/// DLG-04, DLG-07: a retransmission gets the stored response byte for byte, and is seen once, for all of
/// 64*T1; on streams, where there are only copies by other ways, for T4.
#[test]
fn the_same_request_gets_the_same_answer() {
    for (protocol, time) in [(Protocol::Udp, 32_000), (Protocol::Tcp, 5_000)] {
        let mut bench = Bench::new();
        bench.receive(protocol, &with_method("BYE"));
        let transaction = bench.request();
        bench.receive(protocol, &with_method("BYE"));
        assert!(bench.sent().is_empty() && bench.events().is_empty());
        bench.layer.respond(bench.now, transaction, &Reply::new(200));
        let first = bench.sent();
        assert_eq!(first.len(), 1);
        bench.pass(ms(time - 1));
        bench.receive(protocol, &with_method("BYE"));
        assert_eq!(bench.sent(), first);
        assert!(bench.events().is_empty());
        bench.pass(ms(1));
        assert!(bench.is_empty());
    }
}

/// DLG-04: another sent-by or method is another request; another case of the host is not.
#[test]
fn branch_sent_by_and_method_make_a_transaction() {
    let mut bench = Bench::new();
    let options = with_method("OPTIONS");
    bench.udp(&options.replace("UDP 192.0.2.21", "UDP c.example.com"));
    bench.request();
    bench.udp(&options.replace("UDP 192.0.2.21", "UDP C.EXAMPLE.com"));
    assert!(bench.events().is_empty());
    bench.udp(&options.replace("UDP 192.0.2.21", "UDP c.example.com:5070"));
    bench.request();
    bench.udp(&with_method("BYE").replace("UDP 192.0.2.21", "UDP c.example.com"));
    bench.request();
}

/// DLG-04: without the cookie, the rules of RFC 2543: what repeats is what is equal in all that
/// tells requests apart, and the ACK is known by the tag we gave.
#[test]
fn a_client_of_rfc_2543_is_matched_by_its_rules() {
    let old = |text: &str| text.replace(";branch=z9hG4bKc01", "");
    let mut bench = Bench::new();
    bench.udp(&old(INVITE));
    let transaction = bench.request();
    bench.udp(&old(INVITE));
    assert!(bench.events().is_empty());
    bench.layer.respond(bench.now, transaction, &Reply::new(486));
    let tag = tag_of(&bench.sent()[0]);
    bench.udp(&old(&ack("another", "")));
    assert_eq!(bench.pass(ms(500)).len(), 1, "an ACK with another tag is for another answer");
    bench.udp(&old(&ack(&tag, "z9hG4bKc01")));
    assert_eq!(bench.pass(ms(5000)), []);
    assert!(bench.is_empty());
    bench.udp(&old(INVITE).replace("CSeq: 1", "CSeq: 2"));
    bench.request();
}

/// DLG-05: a refusal is repeated on UDP from T1, doubling to T2, until its ACK comes; then the
/// transaction stays for T4.
#[test]
fn a_refusal_is_repeated_until_it_is_acknowledged() {
    let mut bench = Bench::new();
    bench.udp(INVITE);
    let transaction = bench.request();
    bench.layer.respond(bench.now, transaction, &Reply::new(486));
    let tag = tag_of(&bench.sent()[0]);
    let times: Vec<_> = bench.pass(ms(12_000)).into_iter().map(|(at, _)| at).collect();
    assert_eq!(times, [500, 1500, 3500, 7500, 11_500]);
    bench.udp(&ack(&tag, "z9hG4bKc01"));
    bench.udp(INVITE);
    assert_eq!(bench.pass(ms(4999)), []);
    assert!(!bench.is_empty());
    bench.pass(ms(1));
    assert!(bench.is_empty() && bench.events().is_empty());
}

/// DLG-05: a refusal that nobody acknowledges is given up after 64*T1; on a stream it goes out once.
#[test]
fn a_refusal_is_given_up() {
    let mut bench = Bench::new();
    bench.tcp(INVITE);
    let transaction = bench.request();
    bench.layer.respond(bench.now, transaction, &Reply::new(488));
    assert_eq!(bench.sent().len(), 1);
    assert_eq!(bench.pass(ms(31_999)), []);
    assert!(!bench.is_empty());
    bench.pass(ms(1));
    assert!(bench.is_empty() && bench.events().is_empty());
}

/// FOC-30, DLG-05: a 2xx is repeated at T1, doubling to T2, on streams too, until its ACK comes;
/// copies of the INVITE are absorbed meanwhile.
#[test]
fn a_success_is_repeated_until_it_is_acknowledged() {
    for protocol in [Protocol::Udp, Protocol::Tcp] {
        let mut bench = Bench::new();
        bench.receive(protocol, INVITE);
        let invite = bench.request();
        bench.layer.respond(bench.now, invite, &Reply::new(200));
        let answer = bench.sent();
        let times: Vec<_> = bench.pass(ms(8000)).into_iter().map(|(at, _)| at).collect();
        assert_eq!(times, [500, 1500, 3500, 7500]);
        bench.receive(protocol, INVITE);
        assert!(bench.sent().is_empty() && bench.events().is_empty());

        let ack = ack(&tag_of(&answer[0]), "z9hG4bKc02");
        bench.receive(protocol, &ack);
        match bench.events().as_slice() {
            [Event::Acknowledged { transaction, .. }] => assert_eq!(*transaction, invite),
            other => panic!("{other:?}"),
        }
        bench.receive(protocol, &ack);
        assert!(bench.events().is_empty(), "an ACK is told once");
        assert_eq!(bench.pass(ms(24_000)), []);
        assert!(bench.is_empty() && bench.events().is_empty());
    }
}

/// FOC-30: the ACK that never comes is told after 64*T1.
#[test]
fn a_success_that_nobody_acknowledges_is_told() {
    let mut bench = Bench::new();
    bench.udp(INVITE);
    let invite = bench.request();
    bench.layer.respond(bench.now, invite, &Reply::new(200));
    bench.udp(&ack("another", "z9hG4bKc02"));
    assert_eq!(bench.layer.counters().stray_acks, 1);
    bench.pass(ms(31_999));
    assert!(bench.events().is_empty());
    bench.pass(ms(1));
    match bench.events().as_slice() {
        [Event::Unacknowledged { transaction }] => assert_eq!(*transaction, invite),
        other => panic!("{other:?}"),
    }
    assert!(bench.is_empty());
}

#[test]
fn an_answer_is_given_once() {
    let mut bench = Bench::new();
    bench.udp(INVITE);
    let invite = bench.request();
    assert!(bench.layer.respond(bench.now, invite, &Reply::new(180)));
    assert!(bench.layer.respond(bench.now, invite, &Reply::new(200)));
    assert!(!bench.layer.respond(bench.now, invite, &Reply::new(487)));
    assert_eq!(bench.sent().iter().map(|sent| status(sent)).collect::<Vec<_>>(), ["180", "200"]);
}

/// DLG-08: the copy by another path is told from the first, which goes on as if alone.
#[test]
fn a_merged_request_is_marked() {
    let mut bench = Bench::new();
    let merged = |bench: &mut Bench| match bench.events().as_slice() {
        [Event::Request { transaction, is_merged, .. }] => (*transaction, *is_merged),
        other => panic!("{other:?}"),
    };
    bench.udp(INVITE);
    let (first, is_merged) = merged(&mut bench);
    assert!(!is_merged);
    bench.udp(&INVITE.replace("z9hG4bKc01", "z9hG4bKother"));
    let (second, is_merged) = merged(&mut bench);
    assert!(is_merged);
    bench.layer.respond(bench.now, second, &Reply::new(482));
    bench.layer.respond(bench.now, first, &Reply::new(200));
    let sent = bench.sent();
    assert_eq!([status(&sent[0]), status(&sent[1])], ["482", "200"]);
    // Inside a dialog there are no copies to merge, and another CSeq is another request.
    let inside = INVITE.replace("im.example.com>\n", "im.example.com>;tag=f1\n");
    bench.udp(&inside.replace("z9hG4bKc01", "z9hG4bKi1"));
    assert!(!merged(&mut bench).1);
    bench.udp(&INVITE.replace("z9hG4bKc01", "z9hG4bKn1").replace("CSeq: 1", "CSeq: 2"));
    assert!(!merged(&mut bench).1);
}

/// DLG-15: a CANCEL in time is answered 200 and told; both answers have one tag; the copy of the
/// CANCEL gets the same.
#[test]
fn a_cancel_in_time_is_told() {
    let mut bench = Bench::new();
    bench.udp(INVITE);
    let invite = bench.request();
    let cancel = with_method("CANCEL").replace("Content-Length", "Require: foo\nContent-Length");
    bench.udp(&cancel);
    let ok = bench.sent();
    assert_eq!((status(&ok[0]), line(&ok[0], "CSeq")), ("200", "1 CANCEL"));
    match bench.events().as_slice() {
        [Event::Cancelled { transaction }] => assert_eq!(*transaction, invite),
        other => panic!("{other:?}"),
    }
    bench.udp(&cancel);
    assert_eq!(bench.sent(), ok);
    bench.layer.respond(bench.now, invite, &Reply::new(487));
    let terminated = bench.sent();
    assert_eq!((status(&terminated[0]), line(&terminated[0], "CSeq")), ("487", "1 INVITE"));
    assert_eq!(tag_of(&terminated[0]), tag_of(&ok[0]));
}

/// DLG-15, DLG-16: a CANCEL after the answer is too late, one of an unknown branch is for nothing.
#[test]
fn a_cancel_too_late_or_astray_changes_nothing() {
    let mut bench = Bench::new();
    bench.udp(INVITE);
    let invite = bench.request();
    bench.layer.respond(bench.now, invite, &Reply::new(200));
    bench.sent();
    bench.udp(&with_method("CANCEL"));
    assert_eq!(status(&bench.sent()[0]), "200");
    bench.udp(&with_method("CANCEL").replace("z9hG4bKc01", "z9hG4bKnone"));
    assert_eq!(status(&bench.sent()[0]), "481");
    assert!(bench.events().is_empty());
}

/// DLG-01, TV-19: a datagram shorter than its Content-Length is answered 400, and nothing else
/// happens.
#[test]
fn a_message_cut_short_is_answered_at_once() {
    let mut bench = Bench::new();
    bench.udp(&INVITE.replace("Content-Length: 0", "Content-Length: 9999"));
    assert_eq!(status(&bench.sent()[0]), "400");
    assert!(bench.events().is_empty() && bench.is_empty());
    assert_eq!(bench.layer.counters().faulty_answered, 1);
}

/// DLG-01, TV-20: the order of checks is version, then headers; To is repeated as far as it is there.
#[test]
fn faults_are_weighed_in_order() {
    let mut bench = Bench::new();
    let bad =
        INVITE.replace("To: <sip:garden@im.example.com>\n", "").replace("1 INVITE", "1 OPTIONS");
    for (text, answer) in [
        (bad.clone(), "400"),
        (INVITE.replace("1 INVITE", "1 OPTIONS"), "400"),
        (INVITE.replace("CSeq: 1", "CSeq: 4294967296"), "400"),
        (bad.replace("SIP/2.0\nVia", "SIP/7.0\nVia"), "505"),
    ] {
        bench.udp(&text);
        let sent = bench.sent();
        assert_eq!(status(&sent[0]), answer, "{text}");
        assert_eq!(sent[0].contains("\r\nTo: "), text.contains("\nTo: "));
    }
    // Not even a fault makes an ACK answered.
    bench.udp(&bad.replace("INVITE sip", "ACK sip"));
    assert!(bench.sent().is_empty());
    assert_eq!(bench.layer.counters().faulty_dropped, 1);
}

/// The tables are bounded: what is beyond is told to come back, and not remembered.
#[test]
fn too_many_transactions_are_refused() {
    let mut bench = Bench::with(|config| config.servers_max = 1);
    bench.udp(INVITE);
    bench.request();
    bench.udp(&with_method("OPTIONS").replace("c01", "c02"));
    let sent = bench.sent();
    assert_eq!(status(&sent[0]), "503");
    assert!((2..=10).contains(&line(&sent[0], "Retry-After").parse::<u32>().unwrap()));
    assert!(bench.events().is_empty());
    // What is known is still served.
    bench.udp(INVITE);
    assert_eq!(bench.layer.counters().retransmissions, 1);
}
