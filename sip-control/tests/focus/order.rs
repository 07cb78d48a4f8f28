//! What waits for what, and what does not.

use super::harness::{Core, OFFER, World, invite, vectors};

const GARDEN: &str = "sip:garden-open@im.example.com";
const GROUP: &str = "sip:gardeners@groups.example.com";
const ALICE: &str = "sip:alice@example.com";
const BOB: &str = "sip:bob@example.com";

fn finals(world: &mut World) -> Vec<String> {
    let answers = world.take().into_iter().filter(|sent| sent.status() >= 200);
    answers.map(|sent| format!("{} {}", sent.status(), sent.header("CSeq"))).collect()
}

/// DLG-22: a room whose core says nothing keeps its own joiners waiting, and nobody else: whoever joins
/// another room is answered at once, and so is what they say in their dialog.
#[test]
fn no_join_waits_for_another_room() {
    let mut world = World::new(vectors());
    world.core = Core::Silent;
    let alice = invite(&mut world, GARDEN, ALICE, "", OFFER);
    world.hear(&alice);
    assert_eq!(finals(&mut world), [""; 0], "not installed yet");
    world.core = Core::Quick;
    let mut bob = world.join(GROUP, BOB);
    assert_eq!(bob.bye(&mut world).status(), 200);
    world.take();
    world.answer_installs();
    assert_eq!(finals(&mut world), ["200 1 INVITE"]);
}

/// DLG-22: nor for a name to be looked up, nor for a disk, where neither of them decides anything: here
/// neither ever answers.
#[test]
fn no_join_waits_for_dns_or_a_disk() {
    let mut world = World::new(vectors());
    world.remembers = false;
    let waiting = OFFER
        .replace("IP4 192.0.2.22", "IP4 bob.example.com")
        .replace("message 9", "message 7654")
        .replace("setup:active", "setup:passive")
        .replace("192.0.2.22:9/", "bob.example.com:7654/");
    let bob = invite(&mut world, GARDEN, BOB, "", &waiting);
    let ok = world.ask(&bob);
    assert_eq!(ok.status(), 200, "{}", ok.text);
    assert!(ok.body().contains("a=setup:active\r\n"), "who is to be found is not found yet");
    let orders = world.journal();
    assert!(orders.iter().all(|order| !order.contains("Connect")), "{orders:?}");
    let named = OFFER.replace("c=IN IP4 192.0.2.22", "c=IN IP4 bob.example.com");
    let alice = invite(&mut world, GARDEN, ALICE, "", &named);
    assert_eq!(world.ask(&alice).status(), 200);
}

/// DLG-22: what is said in a dialog is acted on in the order in which it came, though the first of it has
/// to wait for its answer.
#[test]
fn a_leg_is_served_in_order() {
    let mut world = World::new(vectors());
    let mut bob = world.join(GARDEN, BOB);
    world.bound(bob.session());
    world.orders();
    let moved = OFFER.replace("cX2vB5nM8kL1jH4gFd", "another");
    world.core = Core::Silent;
    let change = bob.offering(&mut world, "INVITE", "", &moved);
    let options = bob.next(&mut world, "OPTIONS", "Content-Length: 0\n\n");
    let bye = bob.next(&mut world, "BYE", "Content-Length: 0\n\n");
    let late = bob.next(&mut world, "UPDATE", "Content-Length: 0\n\n");
    world.take();
    for request in [&change, &options, &bye, &late] {
        world.hear(request);
    }
    // The BYE ends what the INVITE has begun; what comes behind it finds no dialog.
    let answers = ["200 3 OPTIONS", "200 4 BYE", "487 2 INVITE", "481 5 UPDATE"];
    assert_eq!(finals(&mut world), answers);
    let orders: Vec<String> = world.orders();
    let kinds: Vec<&str> = orders.iter().map(|order| order.split(' ').next().unwrap()).collect();
    assert_eq!(kinds, ["Install", "Remove", "Remove"]);
}
