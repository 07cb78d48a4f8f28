//! Another configuration for a focus that serves.

use std::time::Duration;

use sip_control::config::{Config, Users};

use super::harness::{Core, OFFER, World, connected, invite, vectors};

const GARDEN: &str = "sip:garden-open@im.example.com";
const ALICE: &str = "sip:alice@example.com";
const BOB: &str = "sip:bob@example.com";

/// OPS-12: the media plane is told what is another for a room that runs, once and only then; nobody
/// who is in it is put out, and whoever asks next is asked by the new rules.
#[test]
fn a_room_that_runs_goes_by_the_new_rules() {
    let mut world = World::new(vectors());
    let mut alice = world.join(GARDEN, ALICE);
    let bob = world.join(GARDEN, BOB);
    let (_, roster) = world.watch(&bob.identity(), BOB);
    assert!(roster.body().contains("<maximum-user-count>500</maximum-user-count>"));
    world.wait(Duration::from_secs(6));
    world.journal();
    let mut config = vectors();
    config.rooms[0].rules.blocked = vec![ALICE.to_owned()];
    world.reconfigure(config.clone());
    assert_eq!(world.journal(), [""; 0], "neither a core nor a watcher has to know");

    config.media.size_max = 1000;
    config.rooms[0].rules.max_participants = Some(2);
    config.rooms[0].rules.chat.private_messages = false;
    world.orders();
    world.reconfigure(config.clone());
    let journal = world.journal();
    assert_eq!(world.orders(), ["Terms 1000 private=false nicknames=true"]);
    assert!(!journal.iter().any(|line| line.contains("BYE")), "{journal:?}");
    let told = world.notified().pop().expect("what watchers see is another");
    assert!(told.body().contains("<maximum-user-count>2</maximum-user-count>"));
    assert_eq!(connected(&told), [ALICE, BOB]);
    let update = alice.next(&mut world, "UPDATE", "Content-Length: 0\n\n");
    assert_eq!(world.ask(&update).status(), 200, "her dialog goes on");
    for (user, status) in [(ALICE, 403), ("sip:carol@example.com", 486)] {
        let ask = invite(&mut world, GARDEN, user, "", OFFER);
        assert_eq!(world.ask(&ask).status(), status, "{user}");
    }
    let again = world.join(&bob.identity(), BOB);
    assert!(again.ok.body().contains("a=max-size:1000\r\n"));
}

/// OPS-12: a room that is not provisioned any more begins no session, and one that runs there goes on.
#[test]
fn a_room_that_is_taken_away_runs_to_its_end() {
    let mut world = World::new(vectors());
    let mut alice = world.join(GARDEN, ALICE);
    world.reconfigure(Config { rooms: Vec::new(), ..vectors() });
    world.join(&alice.identity(), BOB).bye(&mut world);
    assert_eq!(alice.bye(&mut world).status(), 200);
    let ask = invite(&mut world, GARDEN, ALICE, "", OFFER);
    assert_eq!(world.ask(&ask).status(), 404);
}

/// OPS-12: what is in use stays as it is, and all else of the same configuration counts.
#[test]
fn what_is_in_use_stays() {
    let mut world = World::new(vectors());
    let alice = world.join(GARDEN, ALICE);
    let mut config = vectors();
    config.host = "elsewhere.example.com".to_owned();
    config.timers.t1 = Duration::from_secs(1);
    config.timers.install = Duration::from_secs(3);
    config.rooms[0].rules.anonymity = Users::Everyone;
    let (amended, fixed) = vectors().amended(config.clone());
    assert_eq!(fixed, ["sip.host", "sip.timers.t1"]);
    assert_eq!(
        (&*amended.host, amended.timers.install),
        ("im.example.com", Duration::from_secs(3))
    );
    world.reconfigure(config);
    world.join_with(&alice.identity(), BOB, "Privacy: id\n");
    world.core = Core::Silent;
    let slow = invite(&mut world, GARDEN, "sip:carol@example.com", "", OFFER);
    world.hear(&slow);
    world.take();
    world.wait(Duration::from_millis(2999));
    assert!(world.take().iter().all(|sent| sent.status() < 200));
    world.wait(Duration::from_millis(1));
    assert_eq!(world.take().pop().expect("an answer").status(), 503);
}
