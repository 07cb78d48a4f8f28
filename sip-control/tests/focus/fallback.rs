//! Offers of ours that meet a middlebox which does not know RFC 6714.

use std::time::Duration;

use sip_control::{config::Config, offer_answer::Cema};

use super::harness::{Call, Sent, World, invite, vectors};

const GARDEN: &str = "sip:garden-open@im.example.com";
const BOB: &str = "sip:bob@example.com";

const DIRECT: &str = "msrp://192.0.2.22:7654/pQ4rS8tU2vW6xY0z;tcp";
const RELAYED: &str = "msrp://relay.example.com:2855/r;tcp msrp://192.0.2.22:7654/pQ4r;tcp";

/// An answer from behind a middlebox that has put its own address into c= and m=.
fn moved(path: &str, setup: &str) -> String {
    format!(
        "v=0\no=- 3900000025 1 IN IP4 192.0.2.22\ns=-\nc=IN IP4 203.0.113.1\nt=0 0\n\
         m=message 7000 TCP/MSRP *\na=accept-types:message/cpim\n\
         a=accept-wrapped-types:text/plain\na=setup:{setup}\na=path:{path}\n"
    )
}

/// The same, with the address where the peer is.
fn matching(path: &str, setup: &str) -> String {
    moved(path, setup).replace("203.0.113.1", "192.0.2.22").replace("7000", "7654")
}

fn sdp(body: &str) -> String {
    format!("Content-Type: application/sdp\nContent-Length: ?\n\n{body}")
}

const LINES: &str = "Contact: <sip:bob@192.0.2.22>\nContent-Type: application/sdp\n";

/// Bob is made an offer, and answers so: his call, and what he is offered then.
fn answered(world: &mut World, answer: &str) -> (Call, Option<Sent>) {
    let invite = invite(world, GARDEN, BOB, "", "");
    let ok = world.ask_for("SIP/2.0", &invite);
    assert!(ok.status() == 200 && ok.body().contains("a=msrp-cema\r\n"), "{}", ok.text);
    world.orders();
    let bob = Call::of(ok);
    bob.ack_with(world, &sdp(answer));
    (bob, world.take_requests("INVITE").pop())
}

/// msrp/CEMA-07, msrp/CEMA-01: where we would wait for a peer behind such a middlebox, and where we
/// would have to get past it to a relay, the media is offered anew without `msrp-cema` and otherwise
/// as before; nothing is due to the peer until that is answered, and then everything is.
#[test]
fn a_middlebox_that_knows_nothing_is_met_by_a_plain_offer() {
    for (path, setup) in [(DIRECT, "active"), (RELAYED, "active"), (RELAYED, "passive")] {
        let mut world = World::new(vectors());
        let (mut bob, offer) = answered(&mut world, &moved(path, setup));
        let offer = offer.expect("another offer");
        let first = bob.ok.body().replace("a=msrp-cema\r\n", "");
        let version = |body: &str| body.split(' ').nth(2).unwrap().to_owned();
        assert_eq!((version(bob.ok.body()), version(offer.body())), ("1".into(), "2".into()));
        let same = |body: &str| body.split_once("s=-").unwrap().1.to_owned();
        assert_eq!(same(offer.body()), same(&first), "{path} {setup}");
        assert_eq!(offer.header("Call-ID"), bob.ok.header("Call-ID"));
        assert_eq!(world.orders(), [""; 0], "of this peer nothing is known");

        // It takes its time, and so does the middlebox.
        world.wait(Duration::from_secs(5));
        world.answer_body(&offer, "200 OK", LINES, &matching(DIRECT, "active"));
        assert_eq!(world.take_requests("ACK").len(), 1);
        let session = bob.session().0;
        let terms = format!("Policy {session} {DIRECT} SendReceive None None");
        assert_eq!(world.orders(), [terms, format!("Activate {session}")]);
        world.wait(Duration::from_secs(9));
        world.bound(bob.session());
        world.wait(Duration::from_secs(60));
        assert!(world.take_requests("BYE").is_empty(), "a leg like any other");
        let again = bob.offer(&mut world, "INVITE", "", "");
        assert!(!again.body().contains("cema"), "{}", again.body());
    }
}

/// msrp/CEMA-07, msrp/CEMA-08: no other offer is made where there is no middlebox, where it is known of,
/// or where we can go around it.
#[test]
fn nothing_is_offered_anew_where_there_is_no_need() {
    for answer in [
        matching(DIRECT, "active"),
        matching(RELAYED, "passive"),
        moved(DIRECT, "passive"),
        moved(DIRECT, "active") + "a=msrp-cema\n",
        moved(RELAYED, "passive") + "a=msrp-cema\n",
    ] {
        let mut world = World::new(vectors());
        let (bob, offer) = answered(&mut world, &answer);
        assert!(offer.is_none(), "{answer}");
        let orders = world.orders();
        assert_eq!(orders.last(), Some(&format!("Activate {}", bob.session().0)), "{answer}");
    }
}

/// msrp/CEMA-07, SDP-11: where rewritten addresses are tolerated, who connects by itself is waited for.
#[test]
fn a_tolerated_middlebox_needs_no_other_offer() {
    let mut config = vectors();
    config.media.accept_sbc_rewrite = Some(true);
    let mut world = World::new(config);
    let (bob, offer) = answered(&mut world, &moved(DIRECT, "active"));
    assert!(offer.is_none());
    assert_eq!(world.orders().last(), Some(&format!("Activate {}", bob.session().0)));
}

/// msrp/CEMA-07: it is offered once. If that is answered no better, or refused, there is no session; nor
/// where our first offer had said nothing of middleboxes.
#[test]
fn a_plain_offer_is_made_once() {
    let refusal = "SIP;cause=488;text=\"No usable answer\"";
    for refused in [false, true] {
        let mut world = World::new(vectors());
        let (_, offer) = answered(&mut world, &moved(DIRECT, "active"));
        let offer = offer.expect("another offer");
        if refused {
            world.answer(&offer, "488 Not Acceptable Here");
        } else {
            world.answer_body(&offer, "200 OK", LINES, &moved(DIRECT, "active"));
        }
        let requests = world.take();
        let bye = requests.iter().find(|sent| sent.start().starts_with("BYE ")).expect("a BYE");
        assert_eq!(bye.header("Reason"), refusal);
        assert!(requests.iter().all(|sent| !sent.start().starts_with("INVITE ")));
        assert!(world.orders().iter().all(|order| order.starts_with("Remove")));
    }
    let mut config: Config = vectors();
    config.media.cema = Cema::Off;
    let mut world = World::new(config);
    let invite = invite(&mut world, GARDEN, BOB, "", "");
    let bob = Call::of(world.ask_for("SIP/2.0", &invite));
    bob.ack_with(&mut world, &sdp(&moved(DIRECT, "active")));
    let bye = world.take_requests("BYE").pop().expect("a BYE");
    assert_eq!(bye.header("Reason"), refusal);
}

/// msrp/CEMA-07, DLG-11: a plain offer that meets one of the peer's is made again, soon.
#[test]
fn a_plain_offer_that_meets_another_is_made_again() {
    let mut world = World::new(vectors());
    let (_, offer) = answered(&mut world, &moved(DIRECT, "active"));
    let first = offer.expect("another offer");
    world.answer(&first, "491 Request Pending");
    world.take();
    world.wait(Duration::from_secs(2));
    let second = world.take_requests("INVITE").pop().expect("once more");
    assert_eq!(second.body(), first.body());
    world.answer_body(&second, "200 OK", LINES, &matching(DIRECT, "active"));
    assert!(world.orders().last().is_some_and(|order| order.starts_with("Activate")));
    world.wait(Duration::from_secs(5));
    assert!(world.take_requests("INVITE").is_empty());
}
