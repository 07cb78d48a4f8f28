//! More than can be served, and more than anybody may ask.

use std::{collections::HashSet, time::Duration};

use mailbox::Event;
use sip_control::{
    config::{Config, Limits},
    transport::Protocol,
};

use super::harness::{AUDIO, OFFER, PROXY, STRANGER, World, invite, subscribe, vectors};

const ROOM: &str = "sip:garden-open@im.example.com";
const ALICE: &str = "sip:alice@example.com";
const BOB: &str = "sip:bob@example.com";

const TOO_LONG: Duration = Duration::from_millis(101);

/// An overload, and its end.
type Turn = fn(&mut World, bool);

fn late(world: &mut World, is_late: bool) {
    world.delayed(if is_late { TOO_LONG } else { Duration::from_millis(100) });
}

fn busy(world: &mut World, is_busy: bool) {
    world.report(Event::Load { percent: if is_busy { 91 } else { 90 } });
}

/// OPS-01: what would begin something is put off, to a time that is not the same for all, and whatever
/// else is wrong with it; what goes on, or ends something, is served as ever.
#[test]
fn an_overloaded_focus_begins_nothing_and_ends_everything() {
    for turn in [late as Turn, busy] {
        let mut world = World::new(vectors());
        let mut alice = world.join(ROOM, ALICE);
        let unacknowledged = world.join_unacknowledged(ROOM, BOB, "");
        let once = invite(&mut world, ROOM, "sip:carol@example.com", "", OFFER);
        assert_eq!(world.ask_for("SIP/2.0 200", &once).status(), 200);
        world.core = super::harness::Core::Silent;
        let pending = invite(&mut world, ROOM, "sip:dave@example.com", "", OFFER);
        world.hear(&pending);
        turn(&mut world, true);

        let mut respites = HashSet::new();
        for n in 0..40 {
            let text = match n % 5 {
                0 => invite(&mut world, ROOM, ALICE, "", OFFER),
                1 => invite(&mut world, "sip:nobody@im.example.com", ALICE, "", AUDIO),
                2 => subscribe(&mut world, ROOM, ALICE, "Event: conference\n"),
                3 => invite(&mut world, ROOM, ALICE, "", OFFER).replace("INVITE", "OPTIONS"),
                _ => invite(&mut world, ROOM, ALICE, "", OFFER).replace("INVITE", "REFER"),
            };
            let refused = world.ask(&text);
            assert_eq!(refused.status(), 503, "{text}");
            let seconds: u32 = refused.header("Retry-After").parse().unwrap();
            assert!((2..=10).contains(&seconds), "{seconds}");
            respites.insert(seconds);
        }
        assert!(respites.len() > 3, "{respites:?}");

        world.hear(&once);
        assert!(world.take().is_empty(), "a retransmission is one as ever (RFC 6026)");
        let refresh = alice.next(&mut world, "UPDATE", "Content-Length: 0\n\n");
        assert_eq!(world.ask(&refresh).status(), 200);
        let refresh = alice.next(&mut world, "INVITE", "Content-Length: 0\n\n");
        assert_eq!(world.ask_for("SIP/2.0", &refresh).status(), 200);
        let prack = alice.next(&mut world, "PRACK", "Content-Length: 0\n\n");
        assert_eq!(world.ask(&prack).status(), 481, "there is nothing to acknowledge");
        unacknowledged.ack(&mut world);
        assert_eq!(world.ask_for("SIP/2.0 200", &super::ending::cancel_of(&pending)).status(), 200);
        assert_eq!(alice.bye(&mut world).status(), 200);

        turn(&mut world, false);
        world.core = super::harness::Core::Quick;
        world.join(ROOM, ALICE);
    }
}

/// OPS-07: a user asks so often, and then again when the time has come.
#[test]
fn a_user_may_ask_only_so_often() {
    let config = Config { limits: Limits::default(), ..vectors() };
    let mut world = World::new(config);
    let ask = |world: &mut World, what: fn(&mut World, &str) -> String, user: &str| {
        let text = what(world, user);
        let answer = world.ask_for("SIP/2.0", &text);
        (answer.status(), answer.find("Retry-After").map(str::to_owned))
    };
    let inviting = |world: &mut World, user: &str| invite(world, ROOM, user, "", AUDIO);
    let watching = |world: &mut World, user: &str| {
        subscribe(world, "sip:nobody@im.example.com", user, "Event: conference\n")
    };
    let too_often = (503, Some("10".to_owned()));
    for _ in 0..5 {
        assert_eq!(ask(&mut world, inviting, ALICE).0, 488);
    }
    assert_eq!(ask(&mut world, inviting, ALICE), too_often);
    assert_eq!(ask(&mut world, inviting, BOB).0, 488, "Bob has asked for nothing");
    world.wait(Duration::from_millis(200));
    assert_eq!(ask(&mut world, inviting, ALICE).0, 488);
    assert_eq!(ask(&mut world, inviting, ALICE), too_often);
    for _ in 0..20 {
        assert_eq!(ask(&mut world, watching, ALICE).0, 404);
    }
    assert_eq!(ask(&mut world, watching, ALICE), too_often);
    world.wait(Duration::from_secs(3));
    assert_eq!(ask(&mut world, watching, ALICE).0, 404);
}

/// OPS-07: a source that nobody vouches for may ask 50 times in a second, is told ten times that it
/// does more, and then is not answered by UDP until it has been quiet; a connection is.
#[test]
fn a_stranger_may_ask_only_so_often() {
    let mut world = World::new(vectors());
    let answers = |world: &mut World, remote: &str, protocol| {
        let text = invite(world, ROOM, ALICE, "", OFFER);
        world.take();
        world.hear_from(remote, protocol, &text);
        let answers = world.take();
        answers.iter().map(super::harness::Sent::status).find(|status| *status >= 200)
    };
    for protocol in [Protocol::Udp, Protocol::Tcp] {
        for _ in 0..50 {
            assert_eq!(answers(&mut world, STRANGER, protocol), Some(403));
        }
        for _ in 0..10 {
            assert_eq!(answers(&mut world, STRANGER, protocol), Some(503));
        }
        let then = (protocol == Protocol::Tcp).then_some(503);
        assert_eq!(answers(&mut world, STRANGER, protocol), then);
        assert_eq!(answers(&mut world, "203.0.113.10:5060", protocol), Some(403), "another");
        world.wait(Duration::from_secs(60));
    }
    // Whoever is trusted speaks for many.
    for _ in 0..70 {
        let text = subscribe(&mut world, "sip:nobody@im.example.com", ALICE, "Event: conference\n");
        world.take();
        world.hear_from(PROXY, Protocol::Udp, &text);
        assert_eq!(world.take()[0].status(), 404);
    }
}
