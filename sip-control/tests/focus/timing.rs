//! Session timers: the peer refreshes, and the focus watches.

use std::time::Duration;

use super::harness::{AUDIO, Call, OFFER, Sent, World, invite, vectors};

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
    let by_us = (Some("1800;refresher=uas".to_owned()), Some("timer".to_owned()));
    assert_eq!(agreed("Supported: timer\nSession-Expires: 1800;refresher=uas\n"), by_us);
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

/// A leg that the focus has to refresh every so many seconds, its peer taking these methods.
fn refreshed_by_us(interval: u32, allow: &str) -> (World, Call) {
    let mut world = World::new(vectors());
    let lines =
        format!("Supported: timer\nSession-Expires: {interval};refresher=uas\nAllow: {allow}\n");
    let call = world.join_with(GARDEN, ALICE, &lines);
    assert_eq!(call.ok.header("Session-Expires"), format!("{interval};refresher=uas"));
    world.bound(call.session());
    (world, call)
}

/// The refresh that comes within so many milliseconds, and not before.
fn refresh_in(world: &mut World, method: &str, from: u64, to: u64) -> Sent {
    world.wait(Duration::from_millis(from));
    assert!(world.take().is_empty(), "too early");
    world.wait(Duration::from_millis(to - from));
    let sent = world.take();
    let [refresh] = &sent[..] else { panic!("{sent:?}") };
    assert!(refresh.start().starts_with(&format!("{method} sip:")), "{}", refresh.text);
    refresh.clone()
}

/// TMR-03, TMR-07: who asks us to refresh is refreshed, by UPDATE without an offer, at half the interval
/// and a little before; the 2xx says for how long, who is next, and where the peer is now.
#[test]
fn the_focus_refreshes_by_update_when_it_is_asked_to() {
    let (mut world, alice) = refreshed_by_us(200, "INVITE, UPDATE");
    for _ in 0..3 {
        let update = refresh_in(&mut world, "UPDATE", 89_000, 100_000);
        assert_eq!(update.header("Session-Expires"), "200;refresher=uac");
        assert_eq!((update.body(), update.contact()), ("", alice.identity().as_str()));
        assert!(update.header("Supported").contains("timer"));
        world.answer_with(&update, "200 OK", "Session-Expires: 200;refresher=uac\n");
        world.wait(Duration::ZERO);
    }
    let update = refresh_in(&mut world, "UPDATE", 80_000, 100_000);
    let lines = "Session-Expires: 100;refresher=uas\nContact: <sip:moved@192.0.2.23>\n";
    world.answer_with(&update, "200 OK", lines);
    world.wait(Duration::from_millis(67_999));
    assert!(world.take().is_empty(), "it is for the peer to refresh");
    world.wait(Duration::from_millis(1));
    let bye = world.take_requests("BYE").pop().expect("a BYE");
    assert!(bye.start().starts_with("BYE sip:moved@192.0.2.23"));

    let (mut world, _) = refreshed_by_us(200, "INVITE, UPDATE");
    let update = refresh_in(&mut world, "UPDATE", 80_000, 100_000);
    world.answer_with(&update, "200 OK", "");
    world.wait(Duration::from_secs(3600));
    assert!(world.take().is_empty(), "it is not timed any more");
}

/// TMR-03, DLG-11, msrp/SDP-17: where the peer does not take UPDATE, a re-INVITE repeats our last
/// description, `o=` and all; while it is out no offer of the peer is taken, and its answer counts.
#[test]
fn the_focus_refreshes_by_invite_where_there_is_no_update() {
    let (mut world, mut alice) = refreshed_by_us(200, "INVITE, ACK, BYE");
    world.orders();
    let invite = refresh_in(&mut world, "INVITE", 80_000, 100_000);
    assert_eq!(invite.body(), alice.ok.body());
    assert_eq!(invite.header("Content-Type"), "application/sdp");
    for method in ["INVITE", "UPDATE"] {
        assert_eq!(alice.offer(&mut world, method, "", OFFER).status(), 491, "{method}");
    }
    let timed = "Supported: timer\nSession-Expires: 200;refresher=uas\n";
    assert_eq!(alice.offer(&mut world, "UPDATE", timed, "").status(), 200, "it offers nothing");
    let lines = "Session-Expires: 200;refresher=uac\nContact: <sip:u@192.0.2.22>\n\
                 Content-Type: application/sdp\n";
    world.take();
    world.answer_body(&invite, "200 OK", lines, OFFER);
    let ack = world.take_requests("ACK").pop().expect("an ACK");
    assert_eq!(ack.header("CSeq").split(' ').next(), invite.header("CSeq").split(' ').next());
    assert_eq!(world.orders(), [""; 0], "it answers what it did before");
    assert_eq!(alice.offer(&mut world, "UPDATE", timed, OFFER).status(), 200, "ours is answered");

    world.wait(Duration::from_millis(1));
    let invite = refresh_in(&mut world, "INVITE", 80_000, 100_000);
    let moved = OFFER.replace("cX2vB5nM8kL1jH4gFd", "another");
    world.answer_body(&invite, "200 OK", lines, &moved);
    let policy = "msrp://192.0.2.22:9/another;tcp SendReceive None None";
    assert_eq!(world.orders(), [format!("Policy {} {policy}", alice.session().0)]);
}

/// TMR-06: without an answer, and with one that says that the dialog is gone, it is ended; any other
/// leaves it until it has lasted too long.
#[test]
fn a_failed_refresh_ends_what_is_gone_and_nothing_else() {
    for (answer, is_over) in [
        (Some("408 Request Timeout"), true),
        (Some("481 Call/Transaction Does Not Exist"), true),
        (None, true),
        (Some("500 Server Internal Error"), false),
        (Some("488 Not Acceptable Here"), false),
    ] {
        for allow in ["INVITE, UPDATE", "INVITE"] {
            let (mut world, _) = refreshed_by_us(200, allow);
            world.wait(Duration::from_secs(100));
            let refresh = world.take().remove(0);
            match answer {
                Some(status) => world.answer(&refresh, status),
                None => world.wait(Duration::from_secs(32)),
            }
            assert_eq!(world.take_requests("BYE").len(), usize::from(is_over), "{answer:?}");
            if !is_over {
                world.wait(Duration::from_secs(98));
                assert!(world.take_requests("BYE").is_empty());
                world.wait(Duration::from_secs(2));
                assert_eq!(world.take_requests("BYE").len(), 1, "it was not refreshed");
            }
        }
    }
}

/// TMR-06: a refresh that is too short is repeated at once with what the peer wants, until that is no
/// more than before.
#[test]
fn a_refresh_that_is_too_short_for_the_peer_is_longer_the_next_time() {
    let (mut world, _) = refreshed_by_us(200, "UPDATE");
    world.wait(Duration::from_secs(100));
    let update = world.take_requests("UPDATE").remove(0);
    assert_eq!(update.find("Min-SE"), None);
    world.answer_with(&update, "422 Session Interval Too Small", "Min-SE: 300\n");
    let update = world.take_requests("UPDATE").remove(0);
    assert_eq!(update.header("Session-Expires"), "300;refresher=uac");
    assert_eq!(update.header("Min-SE"), "300");
    world.answer_with(&update, "422 Session Interval Too Small", "Min-SE: 300\n");
    assert!(world.take().is_empty());
}

/// TMR-03: a refresh that meets one of the peer is tried again: soon, for the Call-ID is the peer's.
#[test]
fn a_refresh_that_crosses_another_is_tried_again() {
    let (mut world, _) = refreshed_by_us(200, "UPDATE");
    world.wait(Duration::from_secs(100));
    for _ in 0..5 {
        let update = world.take_requests("UPDATE").remove(0);
        world.answer(&update, "491 Request Pending");
        world.wait(Duration::from_secs(2));
    }
    assert_eq!(world.take_requests("UPDATE").len(), 1);
}

/// TMR-01, TMR-02: a proxy may have a session timed whose caller knows nothing of timers: then we refresh,
/// and ask nothing of the caller. However short, it is not refused, but it is not kept that short.
#[test]
fn who_knows_no_timers_is_refreshed() {
    for (asked, interval) in [(1800, 1800), (30, 90)] {
        let mut world = World::new(vectors());
        let lines = format!("Session-Expires: {asked}\nAllow: UPDATE\n");
        let call = world.join_with(GARDEN, ALICE, &lines);
        let expected = format!("{interval};refresher=uas");
        assert_eq!(call.ok.header("Session-Expires"), expected);
        assert_eq!(call.ok.find("Require"), None);
        world.bound(call.session());
        world.wait(Duration::from_secs(interval / 2));
        assert_eq!(world.take_requests("UPDATE").len(), 1);
    }
}

/// TMR-08: legs that were made at one time are refreshed over a tenth of the time they could wait.
#[test]
fn refreshes_are_spread() {
    let mut config = vectors();
    config.limits.users_per_room = 1000;
    let mut world = World::new(config);
    for user in 0..400 {
        let uri = format!("sip:user{user}@example.com");
        let lines = "Supported: timer\nSession-Expires: 2000;refresher=uas\nAllow: UPDATE\n";
        let call = world.join_with(GARDEN, &uri, lines);
        world.bound(call.session());
    }
    world.take();
    world.wait(Duration::from_secs(899));
    assert!(world.take_requests("UPDATE").is_empty());
    let mut counts = Vec::new();
    for part in 0..10 {
        world.wait(Duration::from_secs(if part == 0 { 11 } else { 10 }));
        let updates = world.take_requests("UPDATE");
        counts.push(updates.len());
        for update in updates {
            world.answer_with(&update, "200 OK", "Session-Expires: 2000;refresher=uac\n");
        }
    }
    assert_eq!(counts.iter().sum::<usize>(), 400);
    assert!(counts.iter().all(|count| (15..80).contains(count)), "{counts:?}");
}
