//! Leaving, withdrawing, being lost, and the end of a session.

use std::time::Duration;

use mailbox::FailureCause;

use super::harness::{Call, Core, OFFER, Sent, World, connected, invite, users, vectors};

const GARDEN: &str = "sip:garden-open@im.example.com";
const ALICE: &str = "sip:alice@example.com";
const BOB: &str = "sip:bob@example.com";

/// Alice watches, Bob has joined as well, and all of it is told.
fn world() -> (World, Call, Call) {
    let mut world = World::new(vectors());
    let alice = world.join(GARDEN, ALICE);
    world.bound(alice.session());
    world.watch(&alice.identity(), ALICE);
    let bob = world.join(GARDEN, BOB);
    world.bound(bob.session());
    world.wait(Duration::from_secs(10));
    world.notified();
    world.journal();
    (world, alice, bob)
}

fn statuses(notify: &Sent, user: &str) -> Vec<String> {
    users(notify).into_iter().find(|(entity, _)| entity == user).expect("listed").1
}

/// LEAVE-02, DLG-14, TV-16: out of the room, then the 200, then the others are told.
#[test]
fn a_bye_is_carried_out_before_it_is_answered() {
    let (mut world, _, mut bob) = world();
    let bye = bob.next(
        &mut world,
        "BYE",
        "Reason: SIP;cause=200;text=\"Call completed\"\nContent-Length: 0\n\n",
    );
    world.hear(&bye);
    let journal = world.journal();
    assert_eq!(journal[..2], ["core 0: Remove", "sip: SIP/2.0 200 OK"], "{journal:?}");
    assert!(journal[2].starts_with("sip: NOTIFY"), "{journal:?}");
    let notify = world.notified().pop().unwrap();
    assert_eq!(connected(&notify), [ALICE]);
    assert_eq!(statuses(&notify, BOB), ["disconnected"]);
    assert!(notify.body().contains("<disconnection-method>departed</disconnection-method>"));
}

/// TV-16, DLG-04, DLG-10: the same BYE again gets the same 200; with another tag there is no dialog.
#[test]
fn a_bye_is_answered_alike_each_time_and_only_in_its_dialog() {
    let (mut world, _, mut bob) = world();
    let bye = bob.next(&mut world, "BYE", "Content-Length: 0\n\n");
    let tag = bob.ok.to_tag().to_owned();
    let other = bye.replace(&tag, "elsewhere").replace("z9hG4bKd", "z9hG4bKe");
    assert_eq!(world.ask_for("SIP/2.0", &other).status(), 481);
    let first = world.ask_for("SIP/2.0", &bye);
    let again = world.ask_for("SIP/2.0", &bye);
    assert_eq!((first.status(), &first.text), (200, &again.text));
    let later = bob.next(&mut world, "BYE", "Content-Length: 0\n\n");
    assert_eq!(world.ask_for("SIP/2.0", &later).status(), 481, "the dialog is over");
}

/// TV-22, DLG-10: a re-INVITE without its dialog is 481, never a join.
#[test]
fn an_invite_with_a_to_tag_never_joins() {
    let mut world = World::new(vectors());
    let invite = invite(&mut world, GARDEN, ALICE, "", OFFER).replace(
        "To: <sip:garden-open@im.example.com>",
        "To: <sip:garden-open@im.example.com>;tag=gone",
    );
    assert_eq!(world.ask(&invite).status(), 481);
    assert!(world.journal().iter().all(|line| !line.starts_with("core")));
}

/// DLG-10: a request that is older than one served before it is 500.
#[test]
fn a_request_out_of_order_is_500() {
    let (mut world, _, mut bob) = world();
    let late = bob.next(&mut world, "OPTIONS", "Content-Length: 0\n\n");
    let early = bob.next(&mut world, "OPTIONS", "Content-Length: 0\n\n");
    assert_eq!(world.ask(&early).status(), 200);
    assert_eq!(world.ask(&late).status(), 500);
}

/// DLG-15, TV-24: withdrawn before it is answered: 200, 487, and as if it had never been.
#[test]
fn a_cancelled_invite_leaves_nothing() {
    let (mut world, ..) = world();
    world.core = Core::Silent;
    let invite = invite(&mut world, GARDEN, "sip:carol@example.com", "", OFFER);
    world.hear(&invite);
    world.journal();
    let cancel = cancel_of(&invite);
    world.hear(&cancel);
    let sent = world.take();
    let answers: Vec<(u16, &str)> =
        sent.iter().map(|sent| (sent.status(), sent.header("CSeq"))).collect();
    assert_eq!(answers, [(200, "1 CANCEL"), (487, "1 INVITE")]);
    assert!(world.journal().contains(&"core 0: Remove".to_owned()));
    world.answer_installs();
    world.wait(Duration::from_secs(10));
    assert!(world.take_requests("NOTIFY").is_empty());
}

pub fn cancel_of(invite: &str) -> String {
    let head = invite.split("\n\n").next().unwrap();
    let kept = head.lines().filter(|line| {
        ["INVITE", "Via", "From", "To", "Call-ID", "CSeq", "Max-Forwards"]
            .iter()
            .any(|name| line.starts_with(name))
    });
    let lines: Vec<String> = kept.map(|line| line.replace("INVITE", "CANCEL")).collect();
    format!("{}\nContent-Length: 0\n\n", lines.join("\n"))
}

/// DLG-15, DLG-16, TV-24: after the 200 a CANCEL changes nothing; one that matches nothing is 481.
#[test]
fn a_cancel_that_comes_too_late_changes_nothing() {
    let mut world = World::new(vectors());
    let invite = invite(&mut world, GARDEN, ALICE, "", OFFER);
    let ok = world.ask(&invite);
    world.journal();
    assert_eq!(world.ask(&cancel_of(&invite)).status(), 200);
    assert_eq!(world.journal(), ["sip: SIP/2.0 200 OK"]);
    let stray = cancel_of(&invite).replace("z9hG4bKi", "z9hG4bKunknown");
    assert_eq!(world.ask(&stray).status(), 481);
    assert_eq!(ok.status(), 200);
}

/// FOC-30: the 200 comes again until it is acknowledged, on a stream too.
#[test]
fn the_200_is_repeated_until_its_ack() {
    let mut world = World::new(vectors());
    let call = world.join_unacknowledged(GARDEN, ALICE, "");
    world.wait(Duration::from_millis(1500));
    let again = world.take();
    assert_eq!(again.len(), 2, "after T1 and 3 T1");
    assert!(again.iter().all(|ok| ok.text == call.ok.text));
    call.ack(&mut world);
    world.wait(Duration::from_secs(40));
    assert!(world.take().iter().all(|sent| sent.status() != 200));
}

/// FOC-31: without an ACK in 64*T1 the leg is ended, and the roster says that it failed.
#[test]
fn a_leg_without_ack_is_given_up() {
    let (mut world, ..) = world();
    let carol = world.join_unacknowledged(GARDEN, "sip:carol@example.com", "");
    world.bound(carol.session());
    world.wait(Duration::from_secs(10));
    world.notified();
    world.journal();
    world.wait(Duration::from_secs(22));
    let sent = world.take();
    let bye = sent.iter().find(|sent| sent.start().starts_with("BYE")).expect("a BYE");
    assert_eq!(bye.header("Call-ID"), carol.ok.header("Call-ID"));
    let notify = sent.iter().find(|sent| sent.start().starts_with("NOTIFY")).expect("a NOTIFY");
    assert!(notify.body().contains("<disconnection-method>failed</disconnection-method>"));
    assert!(world.journal().contains(&"core 0: Remove".to_owned()));
}

/// FOC-33: nobody comes to the MSRP session in 30 s after the ACK.
#[test]
fn a_leg_that_nobody_binds_is_ended() {
    let (mut world, ..) = world();
    world.join(GARDEN, "sip:carol@example.com");
    world.wait(Duration::from_millis(29_999));
    assert!(world.notified().iter().all(|notify| !notify.body().contains("failed")));
    world.wait(Duration::from_millis(1));
    let sent = world.take();
    let bye = sent.iter().find(|sent| sent.start().starts_with("BYE")).expect("a BYE");
    let reason = "SIP;cause=480;text=\"MSRP connection not established\"";
    assert_eq!(bye.header("Reason"), reason);
    let notify = sent.iter().find(|sent| sent.start().starts_with("NOTIFY")).expect("a NOTIFY");
    assert!(notify.body().contains("<disconnection-method>failed</disconnection-method>"));
}

/// LEAVE-04: a lost connection leaves seat and roster as they were for a minute.
#[test]
fn a_lost_connection_is_waited_for() {
    let (mut world, _, bob) = world();
    world.failed(bob.session(), FailureCause::ConnectionLost);
    world.wait(Duration::from_millis(59_999));
    assert!(world.take().is_empty(), "nobody hears of it");
    world.wait(Duration::from_millis(1));
    let sent = world.take();
    let bye = sent.iter().find(|sent| sent.start().starts_with("BYE")).expect("a BYE");
    assert_eq!(bye.header("Reason"), "SIP;cause=480;text=\"MSRP connection lost\"");
    assert!(world.journal().contains(&"core 0: Remove".to_owned()));
    let notify = sent.iter().find(|sent| sent.start().starts_with("NOTIFY")).expect("a NOTIFY");
    assert_eq!(connected(notify), [ALICE]);
}

/// LEAVE-04, FOC-14: a rejoin in that time brings the user back, and nobody saw a thing.
#[test]
fn a_rejoin_after_a_lost_connection_keeps_the_user() {
    let (mut world, _, bob) = world();
    world.failed(bob.session(), FailureCause::ConnectionLost);
    let new = world.join(&bob.identity(), BOB);
    world.bound(new.session());
    world.wait(Duration::from_secs(100));
    let seen = world.notified();
    assert!(!seen.is_empty() && seen.iter().all(|notify| connected(notify) == [ALICE, BOB]));
}

/// LEAVE-10: whatever a BYE of ours is answered, or nothing at all, the dialog is over.
#[test]
fn no_answer_to_our_bye_matters() {
    for answer in ["200 OK", "481 Call/Transaction Does Not Exist", "500 Server Internal Error", ""]
    {
        let (mut world, _, bob) = world();
        world.failed(bob.session(), FailureCause::Unbound);
        let bye = world.take_requests("BYE").pop().expect("a BYE");
        match answer {
            "" => world.wait(Duration::from_secs(33)),
            answer => world.answer(&bye, answer),
        }
        assert!(world.take_requests("BYE").is_empty(), "{answer}");
    }
}

/// LEAVE-05, LEAVE-09, NTF-06: with its last user the session is over, for those who watch too.
#[test]
fn the_last_one_to_leave_ends_the_session() {
    let (mut world, mut alice, mut bob) = world();
    bob.bye(&mut world);
    world.wait(Duration::from_secs(10));
    world.notified();
    world.journal();
    let identity = alice.identity();
    let bye = alice.next(&mut world, "BYE", "Content-Length: 0\n\n");
    world.hear(&bye);
    let journal = world.journal();
    let expected = ["core 0: Remove", "sip: SIP/2.0 200 OK", "core 0: Close"];
    assert_eq!(journal[..3], expected, "{journal:?}");
    let last = world.notified().pop().expect("the last NOTIFY");
    assert_eq!(last.header("Subscription-State"), "terminated;reason=noresource");
    assert!(last.body().contains("state=\"deleted\""), "{}", last.text);
    let rejoin = invite(&mut world, &identity, ALICE, "", OFFER);
    assert_eq!(world.ask(&rejoin).status(), 403);
}

/// LEAVE-06: where sessions linger, the last leaver may come back to the same one, for a while.
#[test]
fn a_session_may_wait_for_its_users() {
    let mut config = vectors();
    config.timers.session_linger = Duration::from_secs(30);
    let mut world = World::new(config);
    world.is_polite = true;
    let mut alice = world.join(GARDEN, ALICE);
    world.watch(&alice.identity(), ALICE);
    alice.bye(&mut world);
    world.wait(Duration::from_millis(29_999));
    let mut again = world.join(&alice.identity(), ALICE);
    world.wait(Duration::from_secs(20));
    again.bye(&mut world);
    world.take();
    world.wait(Duration::from_millis(29_999));
    assert!(world.take_requests("NOTIFY").iter().all(|n| !n.text.contains("terminated")));
    world.wait(Duration::from_millis(1));
    let last = world.take_requests("NOTIFY").pop().expect("the session is over");
    assert_eq!(last.header("Subscription-State"), "terminated;reason=noresource");
    let late = invite(&mut world, &alice.identity(), ALICE, "", OFFER);
    assert_eq!(world.ask(&late).status(), 403);
}

/// LEAVE-05: a seat that is about to be taken keeps the session.
#[test]
fn a_pending_join_keeps_the_session() {
    let mut world = World::new(vectors());
    let mut alice = world.join(GARDEN, ALICE);
    world.core = Core::Silent;
    let rejoin = invite(&mut world, &alice.identity(), BOB, "", OFFER);
    world.hear(&rejoin);
    alice.bye(&mut world);
    world.answer_installs();
    let ok = world.take().pop().unwrap();
    assert_eq!((ok.status(), ok.contact()), (200, alice.identity().as_str()));
}

/// OPS-02, LEAVE-09: told to stop, the focus says BYE to all, refuses what is new, and is done when
/// all have answered.
#[test]
fn a_focus_that_stops_says_good_bye_to_all() {
    let (mut world, ..) = world();
    world.core = Core::Silent;
    let pending = invite(&mut world, GARDEN, "sip:carol@example.com", "", OFFER);
    world.hear(&pending);
    world.take();
    world.stop();
    let sent = world.take();
    let byes: Vec<&Sent> = sent.iter().filter(|sent| sent.start().starts_with("BYE")).collect();
    assert_eq!(byes.len(), 2);
    assert!(byes.iter().all(|bye| !bye.header("Reason").contains("410")));
    let refused = sent.iter().find(|sent| sent.start().starts_with("SIP/2.0 503")).expect("Carol");
    assert_eq!(refused.header("Retry-After"), "30");
    let last = sent.iter().rfind(|sent| sent.start().starts_with("NOTIFY")).expect("the watcher");
    assert_eq!(last.header("Subscription-State"), "terminated;reason=deactivated");
    assert!(!world.is_idle());
    for request in sent.iter().filter(|sent| sent.status() == 0) {
        world.answer(request, "200 OK");
    }
    assert!(world.is_idle());
    let late = invite(&mut world, GARDEN, ALICE, "", OFFER);
    let refused = world.ask(&late);
    assert_eq!((refused.status(), refused.header("Retry-After")), (503, "30"));
}

/// OPS-02: a focus that drains begins no session, and serves those that run: who joins, who rejoins, and
/// who leaves. When the last has left there is nothing to wait for.
#[test]
fn a_focus_that_drains_serves_the_sessions_that_run() {
    let (mut world, mut alice, mut bob) = world();
    world.drain();
    let new = invite(&mut world, "sip:gardeners@groups.example.com", ALICE, "", OFFER);
    let refused = world.ask(&new);
    assert_eq!((refused.status(), refused.header("Retry-After")), (503, "30"));
    assert_eq!(world.refusals("draining"), 1);
    let mut carol = world.join(GARDEN, "sip:carol@example.com");
    assert_eq!(carol.identity(), alice.identity());
    let mut again = world.join(&alice.identity(), BOB);
    world.bound(again.session());
    world.take();
    for call in [&mut alice, &mut bob, &mut carol, &mut again] {
        assert!(world.has_sessions());
        let bye = call.next(&mut world, "BYE", "Content-Length: 0\n\n");
        world.hear(&bye);
    }
    assert!(!world.has_sessions());
    let late = invite(&mut world, GARDEN, ALICE, "", OFFER);
    assert_eq!(world.ask(&late).status(), 503);
}
