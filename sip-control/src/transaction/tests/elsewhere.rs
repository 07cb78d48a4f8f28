//! From one place to the next (RFC 3263 section 4.3).

use super::client::{answer, codes, draft};
use super::*;

const PLACES: [(Protocol, &str); 3] = [
    (Protocol::Udp, "192.0.2.21:5060"),
    (Protocol::Tcp, "192.0.2.22:5060"),
    (Protocol::Udp, "192.0.2.23:5060"),
];

fn targets() -> Vec<Target> {
    PLACES
        .iter()
        .map(|(protocol, remote)| Target::new(*protocol, remote.parse().unwrap()))
        .collect()
}

/// Begins a request that may go to all of them.
fn begin(bench: &mut Bench, draft: &Draft) -> ClientId {
    let name = bench.layer.reserve();
    bench.layer.begin(bench.now, name, draft, &targets());
    name
}

/// All that is sent now, and where to.
fn sent(bench: &mut Bench) -> Vec<(Target, String)> {
    let transmits = std::iter::from_fn(|| bench.layer.poll_transmit());
    let text = |transmit: &Transmit| String::from_utf8(transmit.bytes.to_vec()).unwrap();
    transmits.map(|transmit| (transmit.target, text(&transmit))).collect()
}

fn branch(message: &str) -> &str {
    line(message, "Via").split_once("branch=").unwrap().1.split(';').next().unwrap()
}

/// The same request but for the Via.
fn body_of(message: &str) -> Vec<&str> {
    message.lines().filter(|line| !line.starts_with("Via: ")).collect()
}

/// DLG-21: who does not answer by Timer B or F is given up for the next place: the same request in a
/// transaction of its own, by the transport of that place.
#[test]
fn silence_leads_to_the_next_place() {
    for method in [Method::Invite, Method::Subscribe] {
        let mut bench = Bench::new();
        let name = begin(&mut bench, &draft(method));
        let first = sent(&mut bench).remove(0);
        assert_eq!(first.0, targets()[0]);
        bench.now += ms(32_000);
        bench.layer.handle_timeout(bench.now);
        let second = sent(&mut bench).pop().unwrap();
        assert_eq!(second.0, targets()[1]);
        assert_ne!(branch(&second.1), branch(&first.1));
        assert!(line(&second.1, "Via").starts_with("SIP/2.0/TCP im.example.com:5061;"));
        assert_eq!(body_of(&second.1), body_of(&first.1));
        assert!(bench.events().is_empty(), "nobody hears of it");
        assert_eq!(bench.layer.target(name), Some(targets()[1]));

        // What the first says too late is no answer any more.
        bench.udp(&answer(&first.1, 200, "late"));
        assert!(bench.events().is_empty());
        bench.tcp(&answer(&second.1, 200, "a1"));
        match bench.events().as_slice() {
            [Event::Response { transaction, .. }] => assert_eq!(*transaction, name),
            other => panic!("{other:?}"),
        }
    }
}

/// DLG-21: so is who cannot be reached, and who says 503, which is acknowledged all the same, as often
/// as it comes; what the last place says is the answer.
#[test]
fn errors_and_503_lead_to_the_next_place() {
    let mut bench = Bench::new();
    let name = begin(&mut bench, &draft(Method::Invite));
    let transmit = bench.layer.poll_transmit().unwrap();
    let first = String::from_utf8(transmit.bytes.to_vec()).unwrap();
    bench.udp(&answer(&first, 503, "b1"));
    let (ack, second) = match sent(&mut bench).as_slice() {
        [ack, second] => (ack.clone(), second.clone()),
        other => panic!("{other:?}"),
    };
    assert_eq!((ack.0, &ack.1[..4], branch(&ack.1)), (targets()[0], "ACK ", branch(&first)));
    assert_eq!(second.0, targets()[1]);
    bench.udp(&answer(&first, 503, "b1"));
    assert_eq!(sent(&mut bench), [ack]);
    assert!(bench.events().is_empty());

    // A ticket of the first says nothing of the second.
    bench.layer.handle_undelivered(bench.now, transmit.ticket.unwrap());
    assert!(sent(&mut bench).is_empty());
    let ticket = bench.layer.clients_by_key.values().map(|id| id.0).max().unwrap();
    bench.layer.handle_undelivered(bench.now, Ticket(ticket));
    let third = sent(&mut bench).remove(0);
    assert_eq!(third.0, targets()[2]);
    bench.udp(&answer(&third.1, 503, "b3"));
    assert_eq!(codes(&bench.events()), [503]);
    assert_eq!(bench.layer.target(name), Some(targets()[2]));
    bench.pass(ms(40_000));
    assert!(bench.is_empty() && bench.layer.moved.is_empty());
}

/// DLG-21: who has said something is there: it is not given up, and no other answer is a reason to
/// ask elsewhere.
#[test]
fn who_has_answered_is_not_given_up() {
    for code in [480, 500, 603] {
        let mut bench = Bench::new();
        begin(&mut bench, &draft(Method::Invite));
        let first = sent(&mut bench).remove(0).1;
        bench.udp(&answer(&first, code, "c"));
        assert_eq!(codes(&bench.events()), [code]);
        assert!(sent(&mut bench).iter().all(|(target, _)| *target == targets()[0]));
    }
    let mut bench = Bench::new();
    begin(&mut bench, &draft(Method::Subscribe));
    let first = sent(&mut bench).remove(0).1;
    bench.udp(&answer(&first, 100, "c"));
    bench.events();
    bench.now += ms(32_000);
    bench.layer.handle_timeout(bench.now);
    assert!(sent(&mut bench).iter().all(|(target, _)| *target == targets()[0]));
    assert!(matches!(bench.events().as_slice(), [Event::Failed { failure: Failure::Timeout, .. }]));
}

/// An INVITE that nobody wants any more is not taken elsewhere; the CANCEL of one that was goes there.
#[test]
fn what_is_withdrawn_goes_nowhere_else() {
    let mut bench = Bench::new();
    let name = begin(&mut bench, &draft(Method::Invite));
    sent(&mut bench);
    bench.layer.cancel(bench.now, name);
    bench.pass(ms(32_000));
    assert!(
        matches!(bench.events().as_slice(), [Event::Failed { transaction, .. }] if *transaction == name)
    );

    let mut bench = Bench::new();
    let name = begin(&mut bench, &draft(Method::Invite));
    let first = sent(&mut bench).remove(0).1;
    bench.udp(&answer(&first, 503, "b1"));
    let second = sent(&mut bench).remove(1).1;
    bench.tcp(&answer(&second, 180, "b2"));
    bench.layer.cancel(bench.now, name);
    let (target, cancel) = sent(&mut bench).remove(0);
    assert_eq!((target, &cancel[..7], branch(&cancel)), (targets()[1], "CANCEL ", branch(&second)));
}

/// A 2xx of a later place is acknowledged there, under the name that the user knows.
#[test]
fn a_later_place_is_acknowledged() {
    let mut bench = Bench::new();
    let name = begin(&mut bench, &draft(Method::Invite));
    let first = sent(&mut bench).remove(0).1;
    bench.udp(&answer(&first, 503, "b1"));
    let second = sent(&mut bench).remove(1).1;
    let ok = answer(&second, 200, "b2");
    bench.tcp(&ok);
    assert_eq!(codes(&bench.events()), [200]);
    let to = format!("{};tag=b2", line(&second, "To"));
    let ack = Draft::new(Method::Ack, "sip:alice@192.0.2.22")
        .header(Header::From, line(&second, "From"))
        .header(Header::To, &to)
        .header(Header::CallId, line(&second, "Call-ID"))
        .header(Header::CSeq, "5 ACK");
    bench.layer.acknowledge(name, &ack, targets()[1]);
    let out = sent(&mut bench);
    bench.tcp(&ok);
    assert_eq!(sent(&mut bench), out);
    bench.pass(ms(64_000));
    assert!(
        matches!(bench.events().as_slice(), [Event::Settled { transaction }] if *transaction == name)
    );
    assert!(bench.is_empty() && bench.layer.moved.is_empty());
}

/// Without any place there is nobody to be reached.
#[test]
fn a_request_without_a_place_fails() {
    let mut bench = Bench::new();
    let name = bench.layer.reserve();
    bench.layer.begin(bench.now, name, &draft(Method::Invite), &[]);
    assert!(sent(&mut bench).is_empty());
    let [Event::Failed { transaction, failure }] = bench.events()[..] else { panic!() };
    assert_eq!((transaction, failure), (name, Failure::Unreachable));
}
