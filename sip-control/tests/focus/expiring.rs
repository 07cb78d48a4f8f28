//! Sessions that end of themselves, or because the operator says so.

use std::time::Duration;

use sip_control::config::{AdHoc, Config, Profile};

use super::harness::{Call, OFFER, World, invite, subscribe, vectors};

const GARDEN: &str = "sip:garden-open@im.example.com";
const ALICE: &str = "sip:alice@example.com";
const BOB: &str = "sip:bob@example.com";

/// Alice and Bob are in the garden, and Alice watches.
fn world(config: Config) -> (World, Call) {
    let mut world = World::new(config);
    world.is_polite = true;
    let alice = world.join(GARDEN, ALICE);
    let bob = world.join(GARDEN, BOB);
    for call in [&alice, &bob] {
        world.bound(call.session());
    }
    let watch = subscribe(&mut world, &alice.identity(), ALICE, "Event: conference\n");
    world.hear(&watch);
    world.wait(Duration::from_secs(10));
    world.take();
    world.journal();
    (world, alice)
}

/// The session is over: closed in the media plane, every leg and every watcher told, and from then on
/// its identity names nothing (LEAVE-09).
fn assert_ended(world: &mut World, identity: &str, reason: &str) {
    let sent = world.take();
    let byes: Vec<&str> = sent
        .iter()
        .filter(|sent| sent.start().starts_with("BYE "))
        .map(|bye| bye.header("Reason"))
        .collect();
    assert_eq!(byes, [reason, reason]);
    let last = sent.iter().find(|sent| sent.start().starts_with("NOTIFY ")).expect("a last NOTIFY");
    assert_eq!(last.header("Subscription-State"), "terminated;reason=noresource");
    assert!(world.journal().contains(&"core 0: Close".to_owned()));
    let rejoin = invite(world, identity, ALICE, "", OFFER);
    let gone = world.ask_for("SIP/2.0", &rejoin);
    assert!(matches!(gone.status(), 403 | 404), "{}", gone.text);
}

fn after(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

/// LEAVE-08: after 15 minutes in the profile `rcs`, counted from the last message.
#[test]
fn a_session_in_which_nobody_says_anything_ends() {
    let (mut world, alice) = world(Config { profile: Profile::Rcs, ..vectors() });
    // Ten seconds ago it began.
    world.wait(Duration::from_millis(15 * 60_000 - 10_001));
    assert_eq!(world.journal(), [""; 0], "no core is asked before it matters");
    // Somebody has said something a minute ago, and no core has told of it unasked.
    let last = world.now.checked_sub(after(1));
    world.heard = last;
    world.wait(Duration::from_millis(1));
    assert_eq!(world.journal(), ["core 0: Inquire"]);
    world.wait(Duration::from_millis(14 * 60_000 - 2));
    assert_eq!(world.journal(), [""; 0]);
    world.wait(Duration::from_millis(1));
    assert_ended(&mut world, &alice.identity(), "SIP;cause=200;text=\"Session idle\"");
    // They may begin it again.
    let again = world.join(GARDEN, BOB);
    assert_ne!(again.identity(), alice.identity());
}

/// LEAVE-08: in the profile `oma` it does not, nor where it is switched off.
#[test]
fn silence_ends_a_session_only_where_it_is_to() {
    let (mut idle, _) = world(vectors());
    idle.wait(after(24 * 60));
    let mut config = Config { profile: Profile::Rcs, ..vectors() };
    config.timers.idle_timeout = Some(Duration::ZERO);
    let (mut rcs, _) = world(config.clone());
    rcs.wait(after(24 * 60));
    for world in [&mut idle, &mut rcs] {
        assert!(!world.journal().contains(&"core 0: Inquire".to_owned()));
        assert!(world.take_requests("BYE").is_empty());
    }
    // From now on it does: at once, for nothing was said all day.
    config.timers.idle_timeout = Some(after(5));
    rcs.reconfigure(config);
    assert_eq!(rcs.take_requests("BYE").len(), 2);
}

/// LEAVE-08: the end is that of LEAVE-09, whoever wants it.
#[test]
fn the_operator_ends_a_session_by_its_room_or_its_identity() {
    let config = Config { ad_hoc: Some(AdHoc::new("sip:conference@im.example.com")), ..vectors() };
    for by_room in [true, false] {
        let (mut world, alice) = world(config.clone());
        for nothing in ["sip:gardeners@groups.example.com", "sip:nobody@example.com", "garden"] {
            assert!(!world.end(nothing), "{nothing}");
        }
        assert_eq!(world.journal(), [""; 0]);
        let identity = alice.identity();
        assert!(world.end(if by_room { GARDEN } else { &identity }));
        assert_ended(&mut world, &identity, "SIP;cause=200;text=\"Session ended\"");
        assert!(!world.end(&identity), "it has ended");
    }
}

/// Whoever is on the way in when the session ends has not got in.
#[test]
fn no_leg_slips_in_while_a_session_ends() {
    let (mut world, alice) = world(vectors());
    world.core = super::harness::Core::Silent;
    let late = invite(&mut world, &alice.identity(), "sip:carol@example.com", "", OFFER);
    world.hear(&late);
    world.take();
    world.end(GARDEN);
    let refused = world.take().into_iter().find(|sent| sent.status() == 403);
    assert!(refused.is_some_and(|no| no.header("To").contains(&alice.identity())));
    world.answer_installs();
    assert!(world.take().iter().all(|sent| sent.status() != 200));
}
