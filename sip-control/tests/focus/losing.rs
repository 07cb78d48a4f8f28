//! A core of the media plane is lost.

use std::time::Duration;

use mailbox::SessionId;
use sip_control::config::{Config, Deal};

use super::{
    callee::ANSWER,
    harness::{Call, Core, OFFER, Sent, World, connected, invite, vectors},
};

const GARDEN: &str = "sip:garden-open@im.example.com";
const ALICE: &str = "sip:alice@example.com";
const BOB: &str = "sip:bob@example.com";
const CAROL: &str = "sip:carol@example.com";

const LOST: &str = "SIP;cause=503;text=\"Media server lost\"";

/// The garden, whose home is core 0 of two: Bob is served there, Alice and Carol on core 1, and Bob
/// watches.
fn garden(mut config: Config) -> (World, [Call; 3]) {
    config.media.placement = Deal::Spread;
    settled(config)
}

fn settled(config: Config) -> (World, [Call; 3]) {
    let mut world = World::with_cores(config, 2);
    let calls = [ALICE, BOB, CAROL].map(|user| {
        let call = world.join(GARDEN, user);
        world.bound(call.session());
        call
    });
    world.watch(&calls[1].identity(), BOB);
    world.wait(Duration::from_secs(10));
    world.notified();
    world.journal();
    world.orders();
    (world, calls)
}

/// Whom these messages of the focus go to, by the dialogs of those who joined.
fn whose(calls: &[Call; 3], sent: &[Sent]) -> Vec<usize> {
    let dialog = |sent: &Sent| sent.header("Call-ID").to_owned();
    let find = |one| calls.iter().position(|call| dialog(&call.ok) == dialog(one));
    sent.iter().map(|one| find(one).expect("one of them")).collect()
}

fn path(sent: &Sent) -> &str {
    sent.body().lines().find(|line| line.starts_with("a=path:")).expect("a path")
}

/// The session that an offer of ours is about.
fn session(sent: &Sent) -> SessionId {
    let number = path(sent).split("/core-").nth(1).unwrap().strip_suffix(";tcp").unwrap();
    SessionId(number.parse().unwrap())
}

fn accept(world: &mut World, invite: &Sent) {
    let contact = "Contact: <sip:again@192.0.2.22:50300;transport=tcp>\n";
    let lines = format!("{contact}Content-Type: application/sdp\n");
    world.answer_body(invite, "200 OK", &lines, ANSWER);
}

/// OPS-09: whoever was served there is offered a path on another core, in the dialog there is; nobody
/// else notices.
#[test]
fn legs_of_a_lost_core_move_to_another() {
    let (mut world, calls) = garden(vectors());
    world.lose_core(1);
    let journal = world.journal();
    assert_eq!(journal[0], "core 0: Forsake 1");
    assert!(journal.iter().all(|line| !line.starts_with("core 1")), "{journal:?}");
    let sent = world.take();
    assert!(sent.iter().all(|one| one.start().starts_with("INVITE ")), "{sent:?}");
    assert_eq!(whose(&calls, &sent), [0, 2]);
    world.orders();
    for (invite, call) in sent.iter().zip([&calls[0], &calls[2]]) {
        assert_ne!(path(invite), path(&call.ok));
        assert_eq!(invite.header("From"), call.ok.header("To"), "the same dialog");
        accept(&mut world, invite);
        let orders = world.orders();
        assert!(orders[0].starts_with("Policy ") && orders[1].starts_with("Activate "));
        assert_eq!(world.take_requests("ACK").len(), 1);
    }
    let moved = world.routes[3..].iter().map(|route| route.participant).collect::<Vec<_>>();
    let before = [0, 2].map(|at: usize| world.routes[at].participant);
    assert_eq!(moved, before, "the same seats");
    // They come, and stay.
    for invite in &sent {
        world.bound(session(invite));
    }
    world.wait(Duration::from_secs(300));
    assert_eq!(world.take().len(), 0, "nobody who watches has heard of it");
    let carol = world.join(&calls[2].identity(), "sip:dave@example.com");
    assert_eq!(carol.identity(), calls[2].identity());
}

/// OPS-09, msrp/NICK-11: whoever moves takes its nickname along. Where the room's home has given it to
/// somebody else meanwhile, those who watch hear that it is gone.
#[test]
fn a_leg_that_moves_keeps_its_nickname() {
    let (mut world, calls) = garden(vectors());
    world.renamed(calls[0].session(), Some("Al"));
    world.wait(Duration::from_secs(6));
    assert!(world.notified()[0].body().contains("xcon:nickname=\"Al\""));
    world.lose_core(1);
    let invites = world.take_requests("INVITE");
    let names: Vec<_> = world.routes[3..].iter().map(|route| route.nickname.as_deref()).collect();
    assert_eq!(names, [Some("Al"), None]);
    for invite in &invites {
        accept(&mut world, invite);
        world.bound(session(invite));
    }
    world.wait(Duration::from_secs(6));
    assert!(world.notified().is_empty(), "she is called as before");
    world.renamed(session(&invites[0]), None);
    world.wait(Duration::from_secs(6));
    let told = world.notified();
    assert!(told[0].body().contains(ALICE) && !told[0].body().contains("nickname"));
}

/// OPS-09: a room whose home is lost has another one, and all of it begins anew there.
#[test]
fn a_room_moves_with_its_home() {
    for placement in [Deal::Together, Deal::Spread] {
        let mut config = vectors();
        config.media.placement = placement;
        let (mut world, calls) = settled(config);
        world.lose_core(0);
        let journal = world.journal();
        let closes = journal.iter().filter(|line| *line == "core 1: Close").count();
        assert_eq!(closes, usize::from(placement == Deal::Spread), "{journal:?}");
        let installs = journal.iter().filter(|line| line.starts_with("core 1: Install")).count();
        assert_eq!(installs, 3, "{journal:?}");
        let invites = world.take_requests("INVITE");
        assert_eq!(whose(&calls, &invites), [0, 1, 2]);
        for invite in &invites {
            accept(&mut world, invite);
        }
        assert!(world.take_requests("BYE").is_empty());
        let homes = world.routes[3..].iter().map(|route| route.room.home.index());
        assert_eq!(homes.collect::<Vec<_>>(), [1, 1, 1]);
    }
}

/// OPS-09: a peer that does not take the other path is sent away, and only then the roster says that it
/// failed; so is one whom no other core takes, or who does not answer.
#[test]
fn who_cannot_be_moved_is_sent_away() {
    let (mut world, calls) = garden(vectors());
    world.lose_core(1);
    let invites = world.take_requests("INVITE");
    world.wait(Duration::from_secs(6));
    assert!(world.notified().is_empty());
    world.answer(&invites[0], "488 Not Acceptable Here");
    let sent = world.take();
    let byes = sent.iter().position(|one| one.start().starts_with("BYE ")).expect("a BYE");
    let told = sent.iter().position(|one| one.start().starts_with("NOTIFY ")).expect("a NOTIFY");
    assert!(byes < told);
    assert_eq!((whose(&calls, &sent[byes..=byes]), sent[byes].header("Reason")), (vec![0], LOST));
    assert_eq!(connected(&sent[told]), [BOB, CAROL]);
    assert!(sent[told].body().contains("<disconnection-method>failed</disconnection-method>"));
    assert!(sent[told].body().contains("cause=503"));
    // Carol says nothing at all.
    world.wait(Duration::from_secs(40));
    let byes = world.take_requests("BYE");
    assert_eq!((whose(&calls, &byes), byes[0].header("Reason")), (vec![2], LOST));

    let (mut world, calls) = garden(vectors());
    world.core = Core::Full;
    world.lose_core(1);
    let byes = world.take_requests("BYE");
    assert_eq!(whose(&calls, &byes), [0, 2]);
    let (mut world, _) = garden(vectors());
    world.core = Core::Silent;
    world.lose_core(1);
    world.wait(Duration::from_millis(500));
    assert_eq!(world.take_requests("BYE").len(), 2, "no core has answered");
}

/// OPS-09: a crowd is sent away at once, and finds its room again: even one in which nobody is left.
#[test]
fn a_crowd_is_not_moved() {
    for (moved_legs, moves) in [(3, false), (4, true)] {
        let mut config = vectors();
        config.limits.moved_legs = moved_legs;
        let (mut world, calls) = settled(config);
        let identity = calls[0].identity();
        world.lose_core(0);
        let sent = world.take();
        let byes: Vec<&Sent> = sent.iter().filter(|one| one.start().starts_with("BYE ")).collect();
        assert_eq!(byes.len(), if moves { 0 } else { 3 });
        assert!(byes.iter().all(|bye| bye.header("Reason") == LOST));
        if !moves {
            let again = world.join(&identity, ALICE);
            assert_eq!(again.identity(), identity);
            assert_eq!(world.routes[3].room.home.index(), 1);
        }
    }
    let mut config = vectors();
    config.limits.moved_legs = 0;
    let (mut world, calls) = settled(config);
    world.lose_core(0);
    world.take();
    world.wait(Duration::from_secs(61));
    let late = invite(&mut world, &calls[0].identity(), ALICE, "", OFFER);
    assert_eq!(world.ask_for("SIP/2.0", &late).status(), 403, "nobody came back in time");
}

/// OPS-09: what is not settled when the core is lost is refused, or ended, and leaves nothing behind;
/// with the last core, all is.
#[test]
fn what_is_under_way_ends_with_its_core() {
    let (mut world, _) = garden(vectors());
    // Dave is served on core 0, Erin would be on core 1.
    let dave = world.join_unacknowledged(GARDEN, "sip:dave@example.com", "");
    world.core = Core::Silent;
    let erin = invite(&mut world, GARDEN, "sip:erin@example.com", "", OFFER);
    world.hear(&erin);
    world.core = Core::Quick;
    world.take();
    world.lose_core(1);
    let sent = world.take();
    assert!(sent.iter().any(|one| one.status() == 503 && one.header("To").contains("garden-open")));
    world.lose_core(0);
    dave.ack(&mut world);
    let byes = world.take_requests("BYE");
    assert!(byes.iter().any(|bye| bye.header("Call-ID") == dave.ok.header("Call-ID")));
    let nobody = invite(&mut world, GARDEN, ALICE, "", OFFER);
    assert_eq!(world.ask_for("SIP/2.0", &nobody).status(), 503);
}
