//! The same user comes again: a crashed client, a second device, another name.

use std::time::Duration;

use super::harness::{Call, Core, OFFER, Sent, World, connected, invite, users, vectors};
use sip_control::config::Config;

const GARDEN: &str = "sip:garden-open@im.example.com";
const GROUP: &str = "sip:gardeners@groups.example.com";
const ALICE: &str = "sip:alice@example.com";
const BOB: &str = "sip:bob@example.com";

/// A session in which Alice watches and Bob has a leg; the first roster change is long past.
fn world() -> (World, Call) {
    let mut world = World::new(vectors());
    let alice = world.join(GARDEN, ALICE);
    world.bound(alice.session());
    world.watch(&alice.identity(), ALICE);
    let bob = world.join(GARDEN, BOB);
    world.bound(bob.session());
    world.wait(Duration::from_secs(10));
    world.notified();
    world.journal();
    (world, bob)
}

fn byes(world: &mut World) -> Vec<Sent> {
    world.take_requests("BYE")
}

/// FOC-14, msrp/CTRL-06: the new leg is a session of its own; the old one goes when that is bound, and
/// not with a reason to stay away.
#[test]
fn a_new_leg_replaces_the_old_one_when_it_is_bound() {
    let (mut world, old) = world();
    world.orders();
    let new = world.join(&old.identity(), BOB);
    assert_eq!(byes(&mut world).len(), 0, "the old one lives until then");
    let (former, session) = (old.session().0, new.session().0);
    assert_ne!(session, former);
    let attached = world.orders();
    assert!(attached[0].starts_with(&format!("Install {session} ")), "{attached:?}");
    assert_eq!(attached[1..], [format!("Activate {session}")]);
    world.journal();
    world.bound(new.session());
    let bye = byes(&mut world).pop().expect("a BYE on the old dialog");
    assert_eq!(bye.header("Reason"), "SIP;cause=200;text=\"Replaced\"");
    assert_eq!(bye.header("Call-ID"), old.ok.header("Call-ID"));
    assert_eq!(world.journal()[0], "core 0: Remove");
    assert_eq!(world.orders(), [format!("Remove {former}")]);
    world.answer(&bye, "200 OK");
}

/// FOC-14, msrp/CTRL-06: five seconds after its 200 the new leg stands alone, bound or not.
#[test]
fn a_new_leg_replaces_the_old_one_after_five_seconds() {
    let (mut world, old) = world();
    world.join(&old.identity(), BOB);
    world.wait(Duration::from_millis(4999));
    assert_eq!(byes(&mut world).len(), 0);
    world.wait(Duration::from_millis(1));
    assert_eq!(byes(&mut world).len(), 1);
}

/// FOC-14: the others see one user throughout, and none that left.
#[test]
fn the_roster_shows_one_user_throughout() {
    let (mut world, old) = world();
    let new = world.join(&old.identity(), BOB);
    let mut seen = world.notified();
    world.wait(Duration::from_secs(1));
    world.bound(new.session());
    world.wait(Duration::from_secs(10));
    seen.extend(world.notified());
    assert!(!seen.is_empty());
    for notify in &seen {
        assert_eq!(connected(notify), [ALICE, BOB], "{}", notify.text);
        assert!(!notify.body().contains("disconnected"), "{}", notify.text);
    }
    let endpoints = users(seen.last().unwrap())[1].1.len();
    assert_eq!(endpoints, 1, "the endpoint was replaced");
}

/// FOC-14: another device of the same user is another leg.
#[test]
fn another_device_replaces_nothing() {
    let (mut world, old) = world();
    let invite = invite(&mut world, &old.identity(), BOB, "", OFFER).replace(
        "transport=tcp>\nP-",
        "transport=tcp>;+sip.instance=\"<urn:uuid:00000000-0000-4000-8000-000000000001>\"\nP-",
    );
    assert_eq!(world.ask_for("SIP/2.0", &invite).status(), 200);
    world.wait(Duration::from_secs(10));
    let sent = world.take();
    assert!(sent.iter().all(|sent| !sent.start().starts_with("BYE")));
    let notify = sent.iter().rfind(|sent| sent.start().starts_with("NOTIFY")).unwrap();
    assert_eq!(users(notify)[1].1, ["connected", "connected"]);
}

/// FOC-14: with the rule switched off, legs of one device live side by side.
#[test]
fn legs_are_kept_where_they_may_be_many() {
    let mut world = World::new(Config { one_leg_per_user: false, ..vectors() });
    world.join(GARDEN, BOB);
    world.join(GARDEN, BOB);
    world.wait(Duration::from_secs(10));
    assert_eq!(byes(&mut world).len(), 0);
}

/// FOC-14: a rejoin that fails leaves the old leg as it was.
#[test]
fn a_rejoin_that_fails_replaces_nothing() {
    let (mut world, mut old) = world();
    world.core = Core::Full;
    let invite = invite(&mut world, &old.identity(), BOB, "", OFFER);
    assert_eq!(world.ask(&invite).status(), 503);
    world.wait(Duration::from_secs(10));
    assert_eq!(byes(&mut world).len(), 0);
    assert_eq!(old.bye(&mut world).status(), 200);
}

/// DLG-14: no BYE before the ACK to the 200 of the leg that is replaced.
#[test]
fn a_replaced_leg_that_was_not_acknowledged_is_ended_after_its_ack() {
    let mut world = World::new(vectors());
    let old = world.join_unacknowledged(GARDEN, BOB, "");
    let new = world.join(GARDEN, BOB);
    world.bound(new.session());
    assert_eq!(byes(&mut world).len(), 0);
    old.ack(&mut world);
    assert_eq!(byes(&mut world).len(), 1);
}

/// ID-06, J-05: a visible user who comes back anonymous leaves first; the alias shows up an
/// interval later, and nothing on the wire links the two.
#[test]
fn a_user_who_becomes_anonymous_is_seen_to_leave_first() {
    let mut world = World::new(vectors());
    let bob = world.join(GROUP, BOB);
    world.bound(bob.session());
    world.watch(&bob.identity(), BOB);
    world.is_polite = true;
    let alice = world.join(&bob.identity(), ALICE);
    world.wait(Duration::from_secs(10));
    world.take();

    let anonymous = world.join_with(&bob.identity(), ALICE, "Privacy: id\n");
    world.bound(anonymous.session());
    world.wait(Duration::from_secs(20));
    let sent = world.take();
    let bye = sent.iter().find(|sent| sent.start().starts_with("BYE")).expect("the old leg ends");
    assert_eq!(bye.header("Call-ID"), alice.ok.header("Call-ID"));
    let told = sent.iter().filter(|sent| sent.start().starts_with("NOTIFY"));
    let documents: Vec<_> = told.map(users).collect();
    let alias = "sip:anonymous1@anonymous.invalid";
    let appears = documents.iter().position(|users| users.iter().any(|(user, _)| user == alias));
    let appears = appears.expect("the alias is shown in the end");
    let names_alice = |users: &Vec<(String, Vec<String>)>| users.iter().any(|(u, _)| u == ALICE);
    assert!(documents[..appears].iter().any(names_alice), "she is seen to leave");
    assert!(documents[appears..].iter().all(|users| !names_alice(users)), "{documents:?}");
}

/// ID-06: one who was anonymous and does not ask for it again is joined by name.
#[test]
fn an_anonymous_user_may_come_back_by_name() {
    let mut world = World::new(vectors());
    let bob = world.join(GROUP, BOB);
    world.bound(bob.session());
    world.watch(&bob.identity(), BOB);
    world.is_polite = true;
    world.join_with(&bob.identity(), ALICE, "Privacy: id\n");
    world.wait(Duration::from_secs(10));
    world.journal();
    world.join(&bob.identity(), ALICE);
    assert_eq!(world.journal()[0], "core 0: Install sip:alice@example.com");
    world.wait(Duration::from_secs(20));
    let last = world.take_requests("NOTIFY").pop().unwrap();
    assert_eq!(connected(&last), [BOB, ALICE]);
}

/// FOC-11, FOC-13: while a user changes its name it still counts once.
#[test]
fn a_user_under_two_names_has_one_seat() {
    let mut world = World::new(vectors());
    let bob = world.join(GROUP, BOB);
    world.join(&bob.identity(), ALICE);
    world.core = Core::Silent;
    let anonymous = invite(&mut world, &bob.identity(), ALICE, "Privacy: id\n", OFFER);
    world.hear(&anonymous);
    world.core = Core::Quick;
    world.join(&bob.identity(), "tel:+12125550147");
}

/// ID-07: no alias is given twice in one session.
#[test]
fn aliases_are_not_reused() {
    let mut world = World::new(vectors());
    let bob = world.join(GROUP, BOB);
    for number in 1..=3 {
        world.journal();
        let mut alice = world.join_with(&bob.identity(), ALICE, "Privacy: id\n");
        let install = format!("core 0: Install sip:anonymous{number}@anonymous.invalid");
        assert_eq!(world.journal()[0], install);
        alice.bye(&mut world);
    }
}
