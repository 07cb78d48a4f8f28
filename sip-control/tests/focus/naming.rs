//! Descriptions with names in them, and who has to wait until those are looked up.

use std::time::Duration;

use sip_control::{config::Config, offer_answer::Cema};

use super::{
    adhoc::{config, created},
    callee::answered,
    ending::cancel_of,
    harness::{Call, OFFER, Sent, World, invite, vectors},
};

const GARDEN: &str = "sip:garden-open@im.example.com";
const ALICE: &str = "sip:alice@example.com";
const BOB: &str = "sip:bob@example.com";

const DIFFERS: (u16, Option<&str>) =
    (488, Some("399 im.example.com \"Path and connection address differ\""));

/// An offer of who waits at a name, without a word of middleboxes.
fn named(setup: &str) -> String {
    format!(
        "v=0\no=- 3900000025 1 IN IP4 192.0.2.22\ns=-\nc=IN IP4 192.0.2.22\nt=0 0\n\
         m=message 7654 TCP/MSRP *\na=accept-types:message/cpim\n\
         a=accept-wrapped-types:text/plain\na=setup:{setup}\n\
         a=path:msrp://Bob.example.com:7654/pQ4r;tcp\n"
    )
}

fn sdp(body: &str) -> String {
    format!("Content-Type: application/sdp\nContent-Length: ?\n\n{body}")
}

/// The final answers that were sent since the last time.
fn finals(world: &mut World) -> Vec<Sent> {
    world.take().into_iter().filter(|sent| sent.status() >= 200).collect()
}

/// Bob offers so, and is asked for.
fn invited(world: &mut World, body: &str) -> String {
    let text = invite(world, GARDEN, BOB, "", body);
    world.hear(&text);
    assert!(finals(world).is_empty(), "nothing is known yet");
    assert_eq!(world.orders(), [""; 0], "and nothing is done");
    text
}

/// msrp/CEMA-09, msrp/CEMA-02, SDP-11: a name is looked up before its bearer is judged, by whatever of its
/// addresses fits; everybody else is served meanwhile.
#[test]
fn names_are_looked_up_before_they_are_judged() {
    for (addresses, fits) in [
        (&["192.0.2.22"][..], true),
        (&["203.0.113.1", "2001:db8::22", "192.0.2.22"], true),
        (&["203.0.113.1", "2001:db8::22"], false),
    ] {
        let mut world = World::new(vectors());
        let text = invited(&mut world, &named("passive"));
        let questions = world.questions();
        let names: Vec<&str> = questions.iter().map(|(_, name)| &**name).collect();
        assert_eq!(names, ["bob.example.com"]);
        world.join(GARDEN, ALICE);
        world.take();

        // A copy of it is no second request.
        world.hear(&text);
        assert!(finals(&mut world).is_empty() && world.questions().is_empty());
        world.orders();
        world.resolve(&questions[0], addresses);
        let answers = finals(&mut world);
        assert_eq!(answers.len(), 1);
        if fits {
            assert_eq!(answers[0].status(), 200, "{addresses:?}");
            assert!(world.orders()[0].starts_with("Install"));
            Call::of(answers[0].clone()).ack(&mut world);
        } else {
            assert_eq!(answers[0].verdict(), DIFFERS, "{addresses:?}");
            assert_eq!(world.orders(), [""; 0]);
        }
        // What comes twice, or too late, is nobody's.
        world.resolve(&questions[0], &[]);
        world.wait(Duration::from_secs(3));
        assert!(finals(&mut world).is_empty());
    }
}

/// msrp/CEMA-09, msrp/JC-12: both names have to be looked up; what is not found, or not within 2 s,
/// speaks against nobody.
#[test]
fn names_that_nobody_knows_count_as_matching() {
    let offer = named("passive").replace("c=IN IP4 192.0.2.22", "c=IN IP4 media.example.com");
    let mut world = World::new(vectors());
    invited(&mut world, &offer);
    let questions = world.questions();
    let names: Vec<&str> = questions.iter().map(|(_, name)| &**name).collect();
    assert_eq!(names, ["bob.example.com", "media.example.com"]);
    world.resolve(&questions[0], &["192.0.2.22"]);
    assert!(finals(&mut world).is_empty(), "one of two");
    world.wait(Duration::from_millis(1999));
    assert!(finals(&mut world).is_empty());
    world.wait(Duration::from_millis(1));
    assert_eq!(finals(&mut world).pop().unwrap().status(), 200, "it took too long");
    world.orders();

    invited(&mut world, &offer.replace("media", "other"));
    for question in world.questions() {
        world.resolve(&question, &[]);
    }
    assert_eq!(finals(&mut world).pop().unwrap().status(), 200, "nothing was found");
    world.orders();

    invited(&mut world, &offer);
    let questions = world.questions();
    world.resolve(&questions[0], &["192.0.2.22"]);
    world.resolve(&questions[1], &["192.0.2.23"]);
    assert_eq!(finals(&mut world).pop().unwrap().verdict(), DIFFERS);
}

/// msrp/CEMA-09, msrp/JC-12: nobody is asked where the answer would change nothing: of who connects by
/// itself, unless we are strict; of who knows of middleboxes; of who is at another port in any case.
#[test]
fn nothing_is_asked_that_decides_nothing() {
    let knows = named("passive") + "a=msrp-cema\n";
    let elsewhere = named("passive").replace("m=message 7654", "m=message 7000");
    for (offer, status) in
        [(named("active"), 200), (knows, 200), (elsewhere, 488), (OFFER.to_owned(), 200)]
    {
        let mut world = World::new(vectors());
        let text = invite(&mut world, GARDEN, BOB, "", &offer);
        assert_eq!(world.ask_for("SIP/2.0", &text).status(), status, "{offer}");
        assert!(world.questions().is_empty());
    }
    let mut strict: Config = vectors();
    strict.media.cema = Cema::Strict;
    let mut world = World::new(strict);
    invited(&mut world, &named("active"));
    let questions = world.questions();
    world.resolve(&questions[0], &["203.0.113.1"]);
    assert_eq!(finals(&mut world).pop().unwrap().verdict(), DIFFERS);
}

/// DLG-15, OPS-02: what waits for names can be withdrawn, and does not outlive the service.
#[test]
fn what_waits_can_be_ended() {
    let mut world = World::new(vectors());
    let text = invited(&mut world, &named("passive"));
    let questions = world.questions();
    world.hear(&cancel_of(&text));
    let mut codes: Vec<u16> = finals(&mut world).iter().map(Sent::status).collect();
    codes.sort_unstable();
    assert_eq!(codes, [200, 487]);
    world.resolve(&questions[0], &["192.0.2.22"]);
    assert!(finals(&mut world).is_empty());

    invited(&mut world, &named("passive"));
    assert!(!world.is_idle());
    world.stop();
    assert_eq!(finals(&mut world).pop().unwrap().status(), 503);
    assert!(world.is_idle());
}

/// msrp/CEMA-09, DLG-11, DLG-14: an offer within a session waits as well, and all goes on as it was;
/// another one has to wait for it, of whichever side. When the leg ends, it is over with it.
#[test]
fn a_later_offer_waits_for_names() {
    for (address, status) in [("192.0.2.22", 200), ("203.0.113.1", 488)] {
        let mut world = World::new(vectors());
        let mut bob = world.join(GARDEN, BOB);
        world.bound(bob.session());
        world.orders();
        let first = bob.offering(&mut world, "INVITE", "", &named("passive"));
        world.hear(&first);
        assert!(finals(&mut world).is_empty());
        let questions = world.questions();
        assert_eq!(questions.len(), 1);
        let second = bob.offer(&mut world, "UPDATE", "", OFFER);
        assert_eq!(second.status(), 500);
        assert!(second.find("Retry-After").is_some());
        assert_eq!(world.orders(), [""; 0]);
        world.resolve(&questions[0], &[address]);
        let answer = finals(&mut world).pop().unwrap();
        assert_eq!((answer.status(), answer.header("CSeq")), (status, "2 INVITE"));
        assert_eq!(world.orders().is_empty(), status == 488);
        assert_eq!(bob.offer(&mut world, "UPDATE", "", "").status(), 200, "the exchange is closed");
    }
    let mut world = World::new(vectors());
    let mut bob = world.join(GARDEN, BOB);
    let offer = bob.offering(&mut world, "INVITE", "", &named("passive"));
    world.hear(&offer);
    assert_eq!(bob.bye(&mut world).status(), 200);
    world.take();
    world.wait(Duration::from_secs(2));
    assert_eq!(finals(&mut world).pop().unwrap().status(), 487);

    let mut bob = world.join(GARDEN, BOB);
    let offer = bob.offering(&mut world, "INVITE", "", &named("passive"));
    world.hear(&offer);
    world.take();
    world.hear(&cancel_of(&offer));
    assert!(finals(&mut world).iter().any(|sent| sent.status() == 487));
    assert_eq!(bob.offer(&mut world, "UPDATE", "", OFFER).status(), 200);
}

/// msrp/CEMA-09, IMS-08: so does what is offered before the INVITE is answered.
#[test]
fn an_early_offer_waits_for_names() {
    let lines = "a=curr:qos local none\na=curr:qos remote none\n\
                 a=des:qos mandatory local sendrecv\na=des:qos mandatory remote sendrecv\n";
    let insists = "Require: precondition\nSupported: 100rel, timer\n";
    for (address, statuses) in [("192.0.2.22", &[200, 200][..]), ("203.0.113.1", &[488])] {
        let mut world = World::new(Config { preconditions: true, ..vectors() });
        let text = invite(&mut world, GARDEN, BOB, insists, &format!("{OFFER}{lines}"));
        world.take();
        world.hear(&text);
        let mut bob = Call::of(world.take().remove(0));
        let rack = format!("RAck: {} 1 INVITE\nContent-Length: 0\n\n", bob.ok.header("RSeq"));
        let prack = bob.next(&mut world, "PRACK", &rack);
        assert_eq!(world.ask_for("SIP/2.0", &prack).status(), 200);
        let reserved = lines.replace("local none", "local sendrecv");
        let update =
            bob.offering(&mut world, "UPDATE", "", &format!("{}{reserved}", named("passive")));
        world.hear(&update);
        assert!(finals(&mut world).is_empty());
        let questions = world.questions();
        assert_eq!(bob.offer(&mut world, "UPDATE", "", OFFER).status(), 500);
        world.resolve(&questions[0], &[address]);
        let answers: Vec<u16> = finals(&mut world).iter().map(Sent::status).collect();
        assert_eq!(answers, statuses, "the UPDATE, and the INVITE if all is reserved");
    }
}

/// msrp/CEMA-09, msrp/CEMA-07: an answer with names is not relied on before they are looked up. If they
/// are somebody else's, the media is offered anew.
#[test]
fn an_answer_waits_for_names() {
    for (address, fits) in [("192.0.2.22", true), ("203.0.113.1", false)] {
        let mut world = World::new(vectors());
        let text = invite(&mut world, GARDEN, BOB, "", "");
        let bob = Call::of(world.ask_for("SIP/2.0", &text));
        world.orders();
        bob.ack_with(&mut world, &sdp(&named("active")));
        let questions = world.questions();
        assert_eq!((world.orders().len(), questions.len()), (0, 1));
        world.resolve(&questions[0], &[address]);
        let orders = world.orders();
        let offer = world.take_requests("INVITE").pop();
        assert_eq!(offer.is_none(), fits, "{address}");
        let Some(offer) = offer else {
            assert_eq!(orders.last(), Some(&format!("Activate {}", bob.session().0)));
            continue;
        };
        assert!(orders.is_empty() && !offer.body().contains("cema"), "{orders:?}");
        // The plain offer is answered by a name as well.
        let lines = "Contact: <sip:bob@192.0.2.22>\nContent-Type: application/sdp\n";
        world.answer_body(&offer, "200 OK", lines, &named("active"));
        assert_eq!(world.take_requests("ACK").len(), 1);
        let questions = world.questions();
        assert_eq!(world.orders(), [""; 0]);
        world.resolve(&questions[0], &["192.0.2.22"]);
        assert!(world.orders().last().unwrap().starts_with("Activate"));
    }
}

/// msrp/CEMA-09, DLG-06: who is called and says yes is acknowledged at once, and in when its names are
/// known, unless nobody waits for it any more.
#[test]
fn a_yes_waits_for_names() {
    for (address, fits, is_wanted) in
        [("192.0.2.22", true, true), ("203.0.113.1", false, true), ("192.0.2.22", true, false)]
    {
        let mut world = World::new(config());
        let (alice, mut calls) = created(&mut world, ALICE, "", &format!("<entry uri=\"{BOB}\"/>"));
        let call = calls.remove(0);
        world.orders();
        answered(&mut world, &call, "200 OK", "b1", &sdp(&named("active")));
        assert_eq!(world.take_requests("ACK").len(), 1);
        assert_eq!(world.orders(), [""; 0]);
        let questions = world.questions();
        if !is_wanted {
            world.join(&alice.identity(), BOB);
            world.take();
        }
        world.orders();
        world.resolve(&questions[0], &[address]);
        let sent = world.take();
        let has = |start: &str| sent.iter().any(|sent| sent.start().starts_with(start));
        assert_eq!(has("BYE "), !is_wanted, "{address}");
        assert_eq!(has("INVITE "), !fits, "a plain offer");
        let orders = world.orders();
        let is_in = orders.iter().any(|order| order.starts_with("Activate"));
        assert_eq!(is_in, fits && is_wanted, "{orders:?}");
    }
}
