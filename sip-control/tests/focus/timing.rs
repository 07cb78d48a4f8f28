//! Session timers: the peer refreshes, and the focus watches.

use std::time::Duration;

use super::harness::{AUDIO, OFFER, World, invite, vectors};

const GARDEN: &str = "sip:garden-open@im.example.com";
const ALICE: &str = "sip:alice@example.com";

fn agreed(lines: &str) -> (Option<String>, Option<String>) {
    let mut world = World::new(vectors());
    let call = world.join_with(GARDEN, ALICE, lines);
    let value = |name| call.ok.find(name).map(str::to_owned);
    (value("Session-Expires"), value("Require"))
}

/// TMR-01: the interval is copied, or asked for; the client refreshes; without support there is none.
#[test]
fn the_answer_says_who_refreshes_and_when() {
    let timed =
        |interval: &str| (Some(format!("{interval};refresher=uac")), Some("timer".to_owned()));
    assert_eq!(agreed("Supported: timer\nSession-Expires: 1800\n"), timed("1800"));
    assert_eq!(agreed("Supported: timer\nSession-Expires: 90;refresher=uac\n"), timed("90"));
    assert_eq!(agreed("k: 100rel, timer\nx: 3600\n"), timed("3600"));
    assert_eq!(agreed("Supported: timer\n"), timed("1800"));
    assert_eq!(agreed("Supported: timer\nMin-SE: 2000\n"), timed("2000"));
    assert_eq!(agreed(""), (None, None));
    assert_eq!(agreed("Session-Expires: 30\n"), (None, None), "never refused for it");
    assert_eq!(agreed("Supported: timer\nSession-Expires: 1800;refresher=uas\n"), (None, None));
}

/// TMR-05: unrefreshed, the leg ends a little before its time, as failed.
#[test]
fn an_unrefreshed_leg_is_ended_before_its_time() {
    for (interval, patience) in [(90, 60), (1800, 1768)] {
        let mut world = World::new(vectors());
        let lines = format!("Supported: timer\nSession-Expires: {interval}\n");
        let alice = world.join_with(GARDEN, ALICE, &lines);
        world.bound(alice.session());
        world.wait(Duration::from_millis(patience * 1000 - 1));
        assert!(world.take_requests("BYE").is_empty(), "{interval}");
        world.wait(Duration::from_millis(1));
        let bye = world.take_requests("BYE").pop().expect("a BYE");
        assert!(bye.header("Reason").contains("not refreshed"));
    }
}

/// TMR-07, SDP-21: a refresh by UPDATE or by the same offer renews the time and changes nothing.
#[test]
fn a_refresh_renews_the_time() {
    let mut world = World::new(vectors());
    let lines = "Supported: timer\nSession-Expires: 90\n";
    let mut alice = world.join_with(GARDEN, ALICE, lines);
    world.bound(alice.session());
    let answer = alice.ok.body().to_owned();
    world.journal();
    for round in 0..4 {
        world.wait(Duration::from_secs(50));
        let ok = if round % 2 == 0 {
            let rest = format!("{lines}Content-Length: 0\n\n");
            let update = alice.next(&mut world, "UPDATE", &rest);
            let ok = world.ask(&update);
            assert_eq!(ok.body(), "");
            ok
        } else {
            let rest = format!(
                "{lines}Contact: <sip:moved@192.0.2.23:50300;transport=tcp>\n\
                 Content-Type: application/sdp\nContent-Length: ?\n\n{OFFER}"
            );
            let reinvite = alice.next(&mut world, "INVITE", &rest);
            let ok = world.ask(&reinvite);
            alice.ack(&mut world);
            assert_eq!(ok.body(), answer, "the answer in force");
            ok
        };
        assert_eq!(ok.header("Session-Expires"), "90;refresher=uac");
        assert_eq!(ok.contact(), alice.identity(), "ours never changes");
    }
    assert!(world.journal().iter().all(|line| !line.starts_with("core")));
    world.wait(Duration::from_secs(60));
    let bye = world.take_requests("BYE").pop().expect("a BYE in the end");
    assert!(bye.start().starts_with("BYE sip:moved@192.0.2.23"), "DLG-13: the target moved");
}

/// SDP-21: an offer that is another one is refused, and everything stays as it was.
#[test]
fn a_changed_offer_changes_nothing() {
    let mut world = World::new(vectors());
    let mut alice = world.join(GARDEN, ALICE);
    for offer in [AUDIO.to_owned(), OFFER.replace("a=setup:active", "a=setup:actpass")] {
        let rest = format!(
            "Contact: <sip:a@192.0.2.22>\nContent-Type: application/sdp\nContent-Length: ?\n\n{offer}"
        );
        let reinvite = alice.next(&mut world, "INVITE", &rest);
        let refused = world.ask(&reinvite);
        assert_eq!((refused.status(), refused.body()), (488, ""));
    }
    assert_eq!(alice.bye(&mut world).status(), 200);
}

/// FOC-31: a re-INVITE whose 200 is never acknowledged ends the leg as well.
#[test]
fn an_unacknowledged_refresh_ends_the_leg() {
    let mut world = World::new(vectors());
    let mut alice = world.join(GARDEN, ALICE);
    world.bound(alice.session());
    let rest = format!(
        "Contact: <sip:a@192.0.2.22>\nContent-Type: application/sdp\nContent-Length: ?\n\n{OFFER}"
    );
    let reinvite = alice.next(&mut world, "INVITE", &rest);
    assert_eq!(world.ask(&reinvite).status(), 200);
    world.wait(Duration::from_secs(32));
    assert_eq!(world.take_requests("BYE").len(), 1);
}

/// TMR-02: a refresh may be too short as well, and then renews nothing.
#[test]
fn a_refresh_that_is_too_short_is_422() {
    let mut world = World::new(vectors());
    let mut alice = world.join(GARDEN, ALICE);
    let rest = "Supported: timer\nSession-Expires: 60\nContent-Length: 0\n\n";
    let update = alice.next(&mut world, "UPDATE", rest);
    let refused = world.ask(&update);
    assert_eq!((refused.status(), refused.header("Min-SE")), (422, "90"));
    let invite =
        invite(&mut world, GARDEN, ALICE, "Supported: timer\nSession-Expires: 89\n", OFFER);
    assert_eq!(world.ask(&invite).status(), 422);
}
