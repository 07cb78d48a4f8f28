//! Answers in two steps: a 183 that is acknowledged, and a 200 when all is reserved.

use std::time::Duration;

use super::{
    adhoc,
    ending::cancel_of,
    harness::{Call, Core, OFFER, Sent, World, invite, vectors},
};
use sip_control::config::Config;

const GARDEN: &str = "sip:garden-open@im.example.com";
const ALICE: &str = "sip:alice@example.com";
const BOB: &str = "sip:bob@example.com";
const INSISTS: &str = "Require: precondition\nSupported: 100rel, timer\n";

/// What nobody has reserved yet.
fn wanting() -> String {
    format!(
        "{OFFER}a=curr:qos local none\na=curr:qos remote none\n\
         a=des:qos mandatory local sendrecv\na=des:qos mandatory remote sendrecv\n"
    )
}

fn reserved() -> String {
    wanting().replace("local none", "local sendrecv")
}

fn world() -> World {
    World::new(Config { preconditions: true, ..vectors() })
}

/// Alice has been told of our side by a 183.
fn told(world: &mut World) -> (Call, String) {
    let text = invite(world, GARDEN, ALICE, INSISTS, &wanting());
    world.take();
    world.hear(&text);
    let [progress] = &world.take()[..] else { panic!("one answer") };
    assert_eq!(progress.status(), 183, "{}", progress.text);
    (Call::of(progress.clone()), text)
}

fn prack(world: &mut World, call: &mut Call, rack: &str, body: &str) -> Sent {
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\n" };
    let rest = format!("RAck: {rack}\n{kind}Content-Length: ?\n\n{body}");
    let text = call.next(world, "PRACK", &rest);
    world.take();
    world.hear(&text);
    world.take().remove(0)
}

fn rack(call: &Call) -> String {
    format!("{} 1 INVITE", call.ok.header("RSeq"))
}

/// IMS-07, IMS-08, FOC-23, FOC-32: what is missing is told in a 183 that has to be acknowledged, once the
/// route is there; the 200 comes when the peer says that it has reserved its part, with no description
/// of its own, and all the rest with it.
#[test]
fn who_has_something_to_reserve_is_waited_for() {
    let mut world = world();
    let (mut alice, _) = told(&mut world);
    assert_eq!(
        world.journal(),
        ["core 0: Install sip:alice@example.com", "sip: SIP/2.0 183 Session Progress"]
    );
    assert_eq!(alice.ok.header("Require"), "100rel");
    let number: u32 = alice.ok.header("RSeq").parse().unwrap();
    assert!((1..1 << 31).contains(&number));
    let lines = "a=curr:qos remote none\r\na=des:qos mandatory remote sendrecv\r\n\
                 a=conf:qos remote sendrecv\r\na=curr:qos local sendrecv\r\n\
                 a=des:qos mandatory local sendrecv\r\n";
    assert!(alice.ok.body().contains(lines), "{}", alice.ok.body());
    assert!(alice.ok.body().contains("a=path:msrp://198.51.100.5:2855/core-"));

    let acknowledged = rack(&alice);
    let answer = prack(&mut world, &mut alice, &acknowledged, "");
    assert_eq!((answer.status(), answer.body()), (200, ""));
    assert!(world.take().is_empty(), "it is known, but not ready");
    world.bound(alice.session());
    world.journal();
    let update = alice.offering(&mut world, "UPDATE", "", &reserved());
    world.hear(&update);
    let [updated, ok] = &world.take()[..] else { panic!("two answers") };
    assert_eq!((updated.status(), ok.status()), (200, 200));
    assert!(updated.body().contains("a=curr:qos remote sendrecv\r\n"), "{}", updated.body());
    assert!(!updated.body().contains("a=conf"), "nothing is left to be confirmed");
    assert_eq!((ok.header("CSeq"), ok.body()), ("1 INVITE", ""));
    assert_eq!(ok.to_tag(), alice.ok.to_tag());
    let answers = "sip: SIP/2.0 200 OK";
    assert_eq!(world.journal(), [answers, answers, "core 0: Activate"]);

    alice.ack_of(&mut world, ok, "Content-Length: 0\n\n");
    world.wait(Duration::from_secs(100));
    assert!(world.take_requests("BYE").is_empty(), "it was bound before the 200");
    assert_eq!(alice.bye(&mut world).status(), 200);
}

/// IMS-07: the 183 is sent again after T1, twice T1 and so on until it is acknowledged, always with its
/// number; the 200 waits for that, even if all is ready.
#[test]
fn the_183_is_sent_until_it_is_acknowledged() {
    let mut world = world();
    let (mut alice, _) = told(&mut world);
    for millis in [500, 1000, 2000, 4000] {
        world.wait(Duration::from_millis(millis - 1));
        assert!(world.take().is_empty(), "{millis}");
        world.wait(Duration::from_millis(1));
        let again = world.take();
        assert_eq!(again.iter().map(|sent| &sent.text).collect::<Vec<_>>(), [&alice.ok.text]);
    }
    let ready = alice.offer(&mut world, "UPDATE", "", &reserved());
    assert_eq!((ready.status(), world.take().len()), (200, 0));
    let number: u32 = alice.ok.header("RSeq").parse().unwrap();
    let foreign = [
        format!("{} 1 INVITE", number + 1),
        format!("{number} 2 INVITE"),
        format!("{number} 1 UPDATE"),
    ];
    for foreign in foreign {
        assert_eq!(prack(&mut world, &mut alice, &foreign, "").status(), 481, "{foreign}");
    }
    let rack = rack(&alice);
    let text = alice.next(&mut world, "PRACK", &format!("RAck: {rack}\nContent-Length: 0\n\n"));
    world.hear(&text);
    let answers: Vec<(u16, String)> =
        world.take().iter().map(|sent| (sent.status(), sent.header("CSeq").to_owned())).collect();
    assert_eq!(answers, [(200, "6 PRACK".to_owned()), (200, "1 INVITE".to_owned())]);
    world.wait(Duration::from_millis(400));
    assert!(world.take().is_empty());
    assert_eq!(prack(&mut world, &mut alice, &rack, "").status(), 481, "there is none any more");
}

/// OPS-13: with T1 at 10 ms all that follows from it is as much faster.
#[test]
fn timers_scale_with_t1() {
    let mut config = Config { preconditions: true, ..vectors() };
    config.timers.t1 = Duration::from_millis(10);
    let mut world = World::new(config);
    told(&mut world);
    for millis in [10, 20, 40, 80, 160, 320] {
        world.wait(Duration::from_millis(millis - 1));
        assert!(world.take().is_empty(), "{millis}");
        world.wait(Duration::from_millis(1));
        assert_eq!(world.take().iter().map(Sent::status).collect::<Vec<_>>(), [183], "{millis}");
    }
    world.wait(Duration::from_millis(9));
    assert!(world.take().is_empty());
    world.wait(Duration::from_millis(1));
    assert_eq!(world.take()[0].status(), 504, "64 times T1");
}

/// IMS-07, IMS-08: what is never acknowledged is 504, what is not reserved in 30 s is 580; either leaves
/// the seat free.
#[test]
fn what_comes_to_nothing_is_refused() {
    for (acknowledged, patience, status) in [(true, 30, 580), (false, 100, 504)] {
        let mut config = Config { preconditions: true, ..vectors() };
        config.timers.preconditions = Duration::from_secs(patience);
        config.rooms[0].rules.max_participants = Some(1);
        let mut world = World::new(config);
        let (mut alice, _) = told(&mut world);
        if acknowledged {
            let acknowledged = rack(&alice);
            prack(&mut world, &mut alice, &acknowledged, "");
        }
        let full = invite(&mut world, GARDEN, BOB, "", OFFER);
        assert_eq!(world.ask(&full).status(), 486, "the seat is held");
        world.journal();
        let end = if acknowledged { 30_000 } else { 32_000 };
        world.wait(Duration::from_millis(end - 1));
        assert!(world.take().iter().all(|sent| sent.status() < 200));
        world.wait(Duration::from_millis(1));
        let refused = world.take().into_iter().find(|sent| sent.status() >= 200);
        assert_eq!(refused.expect("an answer").status(), status);
        assert!(world.journal().contains(&"core 0: Remove".to_owned()));
        assert_eq!(alice.offer(&mut world, "UPDATE", "", &reserved()).status(), 481);
        world.join(GARDEN, BOB);
    }
}

/// IMS-07, DLG-11, DLG-15: until the 200 the INVITE may be withdrawn, or its dialog ended; another INVITE in it is
/// too early.
#[test]
fn an_early_dialog_is_a_dialog() {
    let mut world = world();
    let (mut alice, text) = told(&mut world);
    let early = alice.offer(&mut world, "INVITE", "", OFFER);
    assert_eq!(early.status(), 500);
    assert!(early.header("Retry-After").parse::<u32>().unwrap() <= 10);
    world.take();
    world.hear(&cancel_of(&text));
    assert_eq!(world.take().iter().map(Sent::status).collect::<Vec<_>>(), [200, 487]);
    let (mut alice, _) = told(&mut world);
    let bye = alice.next(&mut world, "BYE", "Content-Length: 0\n\n");
    world.hear(&bye);
    assert_eq!(world.take().iter().map(Sent::status).collect::<Vec<_>>(), [200, 487]);
    let (mut alice, _) = told(&mut world);
    let bad = alice.offer(&mut world, "UPDATE", "", &reserved().replace("message/cpim", "a/b"));
    assert_eq!(bad.status(), 488, "and all is as it was");
    let rack = rack(&alice);
    assert_eq!(prack(&mut world, &mut alice, &rack, &reserved()).status(), 200);
    let mut bob = world.join(GARDEN, BOB);
    assert_eq!(bob.bye(&mut world).status(), 200);
}

/// IMS-08, IMS-10: where preconditions are not known, who insists on them is told so; who only knows of them
/// is answered at once, and so is who has all it needs.
#[test]
fn only_who_insists_and_lacks_something_waits() {
    let mut off = World::new(vectors());
    let text = invite(&mut off, GARDEN, ALICE, INSISTS, &wanting());
    let refused = off.ask(&text);
    assert_eq!((refused.status(), refused.header("Unsupported")), (420, "precondition"));
    let knows = "Supported: precondition, 100rel\n";
    for (mut world, lines, offer) in [
        (off, knows, wanting()),
        (world(), knows, wanting()),
        (world(), INSISTS, OFFER.to_owned()),
        (world(), INSISTS, wanting().replace("mandatory", "optional")),
    ] {
        let text = invite(&mut world, GARDEN, ALICE, lines, &offer);
        let ok = world.ask(&text);
        assert_eq!(ok.status(), 200, "{}", ok.text);
        assert_eq!(ok.body().contains("a=curr"), offer.contains("optional"), "{}", ok.text);
    }
    let mut world = world();
    let text = invite(&mut world, GARDEN, ALICE, INSISTS, &reserved());
    let ok = world.ask(&text);
    assert!(ok.status() == 200 && ok.body().contains("a=curr:qos remote sendrecv\r\n"));
    let text = invite(&mut world, GARDEN, BOB, "Require: precondition\n", &wanting());
    let refused = world.ask(&text);
    assert_eq!((refused.status(), refused.header("Require")), (421, "100rel"));
}

/// IMS-08: who makes a group is waited for like anybody who joins: only if it insists.
#[test]
fn who_makes_a_group_waits_only_if_it_insists() {
    let lists = "Require: recipient-list-invite\n";
    let insists = format!("{lists}{INSISTS}");
    let knows = format!("{lists}Supported: precondition, 100rel\n");
    for (is_known, lines, status) in
        [(false, &insists, 420), (false, &knows, 200), (true, &knows, 200), (true, &insists, 183)]
    {
        let mut world = World::new(Config { preconditions: is_known, ..adhoc::config() });
        let text = adhoc::creation(&mut world, ALICE, lines, "").replace(OFFER, &wanting());
        world.hear(&text);
        let answer = world.take().remove(0);
        assert_eq!(answer.status(), status, "{lines}");
        assert_eq!(answer.text.contains("a=curr"), status == 183, "{}", answer.text);
    }
}

/// IMS-08, FOC-02, FOC-22: the steps of the change request come first, whatever is to be reserved.
#[test]
fn what_is_to_be_reserved_changes_nothing_about_who_may_join() {
    let mut world = world();
    let no_session = "sip:s-ffffffffffffffffffffffffffffffff@im.example.com;gr";
    for (uri, offer, status) in [
        (no_session, wanting(), 403),
        ("sip:gardeners@groups.example.com", wanting(), 403),
        (GARDEN, wanting().replace("message/cpim", "a/b"), 488),
    ] {
        let mallory = "sip:mallory@example.com";
        let text = invite(&mut world, uri, mallory, "Require: precondition\n", &offer);
        assert_eq!(world.ask(&text).status(), status, "{uri}");
    }
    world.core = Core::Full;
    let text = invite(&mut world, GARDEN, ALICE, INSISTS, &wanting());
    assert_eq!(world.ask(&text).status(), 503);
}

/// IMS-07: the normal join says nothing before its answer, whatever the peer would acknowledge.
#[test]
fn a_normal_join_has_no_progress() {
    for lines in ["Require: 100rel\n", "Supported: 100rel\n", ""] {
        let mut world = world();
        let text = invite(&mut world, GARDEN, ALICE, lines, OFFER);
        world.hear(&text);
        assert_eq!(world.take().iter().map(Sent::status).collect::<Vec<_>>(), [200], "{lines}");
    }
}

/// msrp/NICK-15, IMS-07: whoever has its media before its 200 may take a nickname, which is told with the
/// 200; and is not told at all, if that never comes.
#[test]
fn a_nickname_is_told_when_its_leg_is_there() {
    for comes in [false, true] {
        let config = Config { preconditions: true, one_leg_per_user: false, ..vectors() };
        let mut world = World::new(config);
        let bob = world.join(GARDEN, BOB);
        let first = world.join(GARDEN, ALICE);
        world.watch(&bob.identity(), BOB);
        for call in [&bob, &first] {
            world.bound(call.session());
        }
        let (mut second, _) = told(&mut world);
        world.bound(second.session());
        world.wait(Duration::from_secs(6));
        world.notified();
        world.renamed(second.session(), Some("Al"));
        let acknowledged = rack(&second);
        assert_eq!(prack(&mut world, &mut second, &acknowledged, "").status(), 200);
        if comes {
            let update = second.offering(&mut world, "UPDATE", "", &reserved());
            world.hear(&update);
        } else {
            world.wait(Duration::from_secs(31));
        }
        let notified = world.notified();
        let names = notified.iter().filter(|it| it.body().contains("nickname=\"Al\"")).count();
        assert_eq!((notified.len(), names), if comes { (1, 1) } else { (0, 0) });
    }
}
