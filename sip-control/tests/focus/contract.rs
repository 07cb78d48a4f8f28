//! What a core is told of a session, and what it is not asked for.

use std::time::Duration;

use mailbox::{Chatroom, Direction, NextHop, Setup};

use super::harness::{Core, World, invite, vectors};

const GROUP: &str = "sip:gardeners@groups.example.com";
const ALICE: &str = "sip:alice@example.com";
const BOB: &str = "sip:bob@example.com";

/// All that a description may say.
const EVERYTHING: &str = "v=0
o=- 1 1 IN IP4 192.0.2.22
s=-
c=IN IP4 203.0.113.1
t=0 0
m=message 7000 TCP/MSRP *
a=accept-types:message/cpim text/html
a=accept-wrapped-types:text/plain image/*
a=path:msrp://relay.example.com:2855/r;tcp msrp://192.0.2.22:7654/cX2vB5nM8kL1jH4gFd;tcp
a=setup:passive
a=msrp-cema
a=max-size:4000
a=chatroom:private-messages
a=recvonly
";

/// msrp/CTRL-01: the room with its terms, whose it is and by which names it may speak, and each thing
/// that its SDP says: all of it is told with the order to expect the session.
#[test]
fn a_core_is_told_all_of_a_session() {
    let mut config = vectors();
    config.media.wrapped_types = "*".to_owned();
    config.media.size_max = 5000;
    let mut world = World::new(config);
    let tel = "P-Asserted-Identity: <tel:+12125550147>\n";
    let bob = invite(&mut world, GROUP, BOB, tel, EVERYTHING);
    let ok = world.ask(&bob);
    assert_eq!(ok.status(), 200, "{}", ok.text);
    let alice = invite(&mut world, ok.contact(), ALICE, "Privacy: id\n", EVERYTHING);
    assert_eq!(world.ask(&alice).status(), 200);

    let [bob, alice] = &world.routes[..] else { panic!("{:?}", world.routes) };
    let addresses: Vec<String> = bob.room.addresses.iter().map(ToString::to_string).collect();
    let [group, identity] = &addresses[..] else { panic!("{addresses:?}") };
    assert!(group == GROUP && ok.contact().starts_with(identity.as_str()), "{addresses:?}");
    assert_eq!((bob.room.size_max, bob.room.id), (5000, alice.room.id));
    assert!(bob.room.policy.private_messages && bob.room.policy.nicknames.is_some());
    let names = |route: &mailbox::Route| -> Vec<String> {
        route.identities.iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        (names(bob), bob.is_anonymous),
        (vec![BOB.to_owned(), "tel:+12125550147".to_owned()], false)
    );
    let alias = "sip:anonymous1@anonymous.invalid".to_owned();
    assert_eq!((names(alice), alice.is_anonymous), (vec![alias], true));
    assert_ne!(alice.participant, bob.participant);

    let peer = bob.peer.as_ref().expect("its offer is here");
    let path = "msrp://relay.example.com:2855/r;tcp msrp://192.0.2.22:7654/cX2vB5nM8kL1jH4gFd;tcp";
    assert_eq!(peer.path.as_str(), path);
    let takes = |media_type: &str| peer.accept_wrapped.accepts(media_type.as_bytes());
    assert!(takes("text/html") && takes("text/plain") && takes("image/png") && !takes("audio/x"));
    assert_eq!((peer.size_max, peer.direction), (Some(4000), Direction::ToPeer));
    assert_eq!(peer.chatroom, Some(Chatroom { nickname: false, private_messages: true }));
    let middlebox = NextHop { host: "203.0.113.1".into(), port: 7000, is_anchored: true };
    assert_eq!(peer.setup, Setup::Active(middlebox));
}

/// msrp/CTRL-08: the others are told of a join by the focus, after the session is there; the cores are
/// asked for the session and nothing else, and whether anybody takes note is not waited for.
#[test]
fn the_media_plane_has_no_part_in_the_roster() {
    let mut world = World::new(vectors());
    let bob = world.join(GROUP, BOB);
    world.watch(&bob.identity(), BOB);
    world.wait(Duration::from_secs(10));
    world.take();
    world.journal();
    world.core = Core::Silent;
    let invite = invite(&mut world, &bob.identity(), ALICE, "", EVERYTHING);
    world.hear(&invite);
    assert_eq!(world.journal(), [format!("core 0: Install {ALICE}")], "nobody is told yet");
    world.answer_installs();
    let journal = world.journal();
    let of_cores: Vec<_> = journal.iter().filter(|line| line.starts_with("core")).collect();
    assert_eq!(of_cores, ["core 0: Activate"]);
    let told = world.take_requests("NOTIFY");
    assert!(told[0].body().contains(ALICE), "{}", told[0].text);
    // Nobody answers that; messages go to and fro all the same.
    world.wait(Duration::from_millis(100));
    assert_eq!(world.journal().iter().filter(|line| line.starts_with("core")).count(), 0);
}
