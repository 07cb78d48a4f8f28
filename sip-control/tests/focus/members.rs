//! Members of a session, in the profile of GSMA: connections come and go, and they stay.

use std::time::Duration;

use mailbox::FailureCause;
use sip_control::{
    config::{AdHoc, Config, Profile, Users},
    message::Marks,
};

use super::{
    adhoc::{config, created},
    callee::{accepted, declined, session_of, status_of, to},
    captured::Log,
    harness::{AUDIO, Call, OFFER, Sent, World, connected, invite, users, vectors},
    referring::referred,
    restoring::{keeping, remembered},
};

const GARDEN: &str = "sip:gardeners@groups.example.com";
const OPEN: &str = "sip:garden-open@im.example.com";
const ALICE: &str = "sip:alice@example.com";
const BOB: &str = "sip:bob@example.com";
const CAROL: &str = "sip:carol@example.com";
const PHONE: &str = "tel:+12125550147";

const W_NOT_ALLOWED: Option<&str> = Some("399 im.example.com \"Not allowed to join\"");
const GONE: &str = "SIP;cause=410;text=\"Gone\"";
const QUIET: &str = "Refer-Sub: false\n";

fn rcs() -> Config {
    Config { profile: Profile::Rcs, ..config() }
}

/// A group of GSMA clients that Alice has made with Bob and Carol, and their calls.
fn company(config: Config) -> (World, Call, Call, Call) {
    let mut world = World::new(config);
    let list = format!("<entry uri=\"{BOB}\"/><entry uri=\"{CAROL}\"/>");
    let marks = "Contribution-ID: c0ffee\nConversation-ID: f00d\n";
    let (alice, invites) = created(&mut world, ALICE, marks, &list);
    for user in [BOB, CAROL] {
        let invite = to(&invites, user);
        accepted(&mut world, &invite, "no1");
        world.bound(session_of(&invite));
    }
    // Whoever is called may as well come by itself; that leg is the one there is then.
    let identity = alice.identity();
    let (bob, carol) = (join(&mut world, &identity, BOB), join(&mut world, &identity, CAROL));
    world.take();
    (world, alice, bob, carol)
}

/// Joins, and binds its session.
fn join(world: &mut World, uri: &str, user: &str) -> Call {
    let call = world.join(uri, user);
    world.bound(call.session());
    call
}

/// Hangs up, and says why.
fn bye_for(world: &mut World, call: &mut Call, reason: &str) {
    let bye = call.next(world, "BYE", &format!("Reason: {reason}\nContent-Length: 0\n\n"));
    assert_eq!(world.ask_for("SIP/2.0", &bye).status(), 200);
}

/// Leaves for good.
fn leave(world: &mut World, call: &mut Call) {
    bye_for(world, call, "SIP;cause=200;text=\"Call completed\"");
}

/// Loses the connection, and does not come back in time.
fn lose(world: &mut World, call: &Call) {
    world.failed(call.session(), FailureCause::ConnectionLost);
    world.wait(Duration::from_secs(61));
}

/// What a rejoin is answered.
fn rejoin(world: &mut World, identity: &str, user: &str) -> Sent {
    let rejoin = invite(world, identity, user, "", OFFER);
    world.ask_for("SIP/2.0", &rejoin)
}

/// The `<user>` of that entity in a document.
fn element<'a>(notify: &'a Sent, user: &str) -> &'a str {
    let begin = notify.body().find(&format!("<user entity=\"{user}\"")).expect("listed");
    let rest = &notify.body()[begin..];
    &rest[..rest.find("</user>").unwrap()]
}

/// RCS-03, EVT-07, EVT-08: whoever is lost stays in the roster, as one who is not connected and has not
/// departed, and is connected there again when it is back.
#[test]
fn who_is_lost_stays_in_the_roster() {
    let (mut world, alice, bob, mut carol) = company(rcs());
    let identity = alice.identity();
    lose(&mut world, &bob);
    bye_for(&mut world, &mut carol, "SIP;cause=480;text=\"Temporarily\"");
    world.wait(Duration::from_secs(6));
    // Long after it was told to those who watched.
    let (_, notify) = world.watch(&identity, ALICE);
    assert_eq!(connected(&notify), [ALICE]);
    for user in [BOB, CAROL] {
        assert_eq!(status_of(&notify, user), ["disconnected"], "{user}");
        let element = element(&notify, user);
        assert!(!element.contains("departed") && element.contains("<when>"), "{element}");
    }
    assert!(element(&notify, BOB).contains("<disconnection-method>failed"));
    assert!(!element(&notify, CAROL).contains("disconnection-method"));
    assert!(notify.body().contains("<user-count>1</user-count>"));

    // A rejoin that is refused changes nothing.
    let no_media = invite(&mut world, &identity, BOB, "", AUDIO);
    assert_eq!(world.ask_for("SIP/2.0", &no_media).status(), 488);
    assert_eq!(rejoin(&mut world, &identity, BOB).status(), 200);
    world.wait(Duration::from_secs(6));
    let (_, notify) = world.watch(&identity, BOB);
    let shown: Vec<String> = users(&notify).into_iter().map(|(entity, _)| entity).collect();
    assert_eq!(shown, [ALICE, BOB, CAROL], "nobody is listed twice");
    assert_eq!(connected(&notify), [ALICE, BOB]);
}

/// RCS-03: who follows the changes is told that a member is not connected, and not that it is in the
/// list no more.
#[test]
fn a_lost_member_is_never_told_to_be_deleted() {
    let (mut world, alice, bob, mut carol) = company(Config { partial_rosters: true, ..rcs() });
    world.watch(&alice.identity(), ALICE);
    world.wait(Duration::from_secs(6));
    lose(&mut world, &bob);
    let mut told = world.notified();
    leave(&mut world, &mut carol);
    for _ in 0..3 {
        world.wait(Duration::from_secs(6));
        told.extend(world.notified());
    }
    let about = |user: &str, state: &str| {
        let element = format!("<user entity=\"{user}\" state=\"{state}\"");
        told.iter().filter(|notify| notify.body().contains(&element)).count()
    };
    assert_eq!((about(BOB, "full"), about(BOB, "deleted")), (1, 0));
    assert_eq!(about(CAROL, "full"), 1, "EVT-07: once as gone");
}

/// RCS-03: a member that is not there takes no seat, and has no claim to one.
#[test]
fn a_lost_member_does_not_count_at_step_3() {
    let mut config = Config { profile: Profile::Rcs, ..vectors() };
    config.rooms[1].rules.max_participants = Some(2);
    let mut world = World::new(config);
    join(&mut world, GARDEN, ALICE);
    let bob = join(&mut world, GARDEN, BOB);
    let identity = bob.identity();
    assert_eq!(rejoin(&mut world, &identity, PHONE).status(), 486);
    lose(&mut world, &bob);
    let phone = join(&mut world, &identity, PHONE);
    assert_eq!(rejoin(&mut world, &identity, BOB).status(), 486);
    lose(&mut world, &phone);
    assert_eq!(rejoin(&mut world, &identity, BOB).status(), 200);
}

/// RCS-04, FOC-08: who says that it leaves has departed, and may not come back to that session until
/// somebody adds it again. Any other BYE is no such word, nor is this one to clients that are none of
/// GSMA.
#[test]
fn who_leaves_for_good_is_denied_until_it_is_added_again() {
    let (mut world, alice, mut bob, mut carol) = company(rcs());
    let identity = alice.identity();
    for reason in ["SIP;cause=480", "Q.850;cause=200", "SIP;text=\"cause=200\""] {
        bye_for(&mut world, &mut carol, reason);
        carol = world.join(&identity, CAROL);
    }
    carol.bye(&mut world);
    world.join(&identity, CAROL);

    world.wait(Duration::from_secs(6));
    let (_, before) = world.watch(&identity, ALICE);
    assert_eq!(connected(&before), [ALICE, BOB, CAROL]);
    world.wait(Duration::from_secs(6));
    leave(&mut world, &mut bob);
    let notify = world.notified().pop().expect("told at once");
    assert!(element(&notify, BOB).contains("<disconnection-method>departed"));
    let denied = rejoin(&mut world, &identity, BOB);
    assert_eq!(denied.verdict(), (403, W_NOT_ALLOWED));
    assert_eq!(world.refusals("departed"), 1);

    let lines = format!("Refer-To: <{BOB}>\n{QUIET}");
    let (answer, sent) = referred(&mut world, &identity, ALICE, &lines);
    assert_eq!(answer.status(), 202);
    accepted(&mut world, &to(&sent, BOB), "no2");
    let mut bob = join(&mut world, &identity, BOB);
    leave(&mut world, &mut bob);
    assert_eq!(rejoin(&mut world, &identity, BOB).status(), 403, "and so again");

    let (mut world, alice, mut bob, _carol) = company(config());
    leave(&mut world, &mut bob);
    assert_eq!(rejoin(&mut world, &alice.identity(), BOB).status(), 200);
}

/// RCS-04: the session is what was left. Whoever comes by the name of the room, or of the group, is let
/// in by their rules, and is a member again.
#[test]
fn a_room_is_open_to_who_left_a_session_of_it() {
    for room in [OPEN, GARDEN] {
        let mut world = World::new(Config { min_participants: Some(0), ..rcs() });
        let identity = world.join(room, ALICE).identity();
        let mut bob = world.join(room, BOB);
        leave(&mut world, &mut bob);
        assert_eq!(rejoin(&mut world, &identity, BOB).verdict(), (403, W_NOT_ALLOWED), "{room}");
        world.join(room, BOB).bye(&mut world);
        assert_eq!(rejoin(&mut world, &identity, BOB).status(), 200, "{room}");
    }
}

/// RCS-04: a user leaves with its last device.
#[test]
fn one_device_does_not_leave_for_all() {
    let mut world = World::new(Config { one_leg_per_user: false, ..rcs() });
    let (alice, _) = created(&mut world, ALICE, "", &format!("<entry uri=\"{BOB}\"/>"));
    let identity = alice.identity();
    let (mut first, mut second) = (world.join(&identity, BOB), world.join(&identity, BOB));
    leave(&mut world, &mut first);
    let (_, notify) = world.watch(&identity, BOB);
    assert_eq!(connected(&notify), [ALICE, BOB]);
    leave(&mut world, &mut second);
    assert_eq!(rejoin(&mut world, &identity, BOB).status(), 404, "too few were left");
}

/// RCS-07, LEAVE-05, LEAVE-09: a leave after which too few members are left ends the session of a
/// group, and those who are left are told not to come back.
#[test]
fn too_few_members_end_the_session() {
    let (mut world, alice, mut bob, mut carol) = company(rcs());
    let identity = alice.identity();
    world.watch(&identity, ALICE);
    leave(&mut world, &mut bob);
    world.wait(Duration::from_secs(6));
    world.notified();
    world.wait(Duration::from_secs(6));
    assert_eq!(connected(&world.watch(&identity, ALICE).1), [ALICE, CAROL], "two are left");
    world.take();
    leave(&mut world, &mut carol);
    let sent = world.take();
    let byes: Vec<&Sent> = sent.iter().filter(|sent| sent.start().starts_with("BYE ")).collect();
    assert_eq!(byes.len(), 1);
    assert_eq!(byes[0].header("Reason"), GONE);
    assert!(sent.iter().any(|sent| sent.body().contains("state=\"deleted\"")));
    assert_eq!(rejoin(&mut world, &identity, ALICE).status(), 404);
}

/// RCS-03, RCS-07, LEAVE-05: members are counted, connected or not, and only who leaves is none any
/// more. Without anybody connected there is no session all the same.
#[test]
fn lost_members_keep_the_session_as_long_as_somebody_is_there() {
    let (mut world, alice, bob, mut carol) = company(rcs());
    let identity = alice.identity();
    lose(&mut world, &bob);
    leave(&mut world, &mut carol);
    assert_eq!(world.take_requests("BYE").len(), 0);
    assert_eq!(rejoin(&mut world, &identity, BOB).status(), 200, "two members are left");

    let (mut world, mut alice, bob, carol) = company(rcs());
    lose(&mut world, &bob);
    lose(&mut world, &carol);
    assert_eq!(connected(&world.watch(&alice.identity(), ALICE).1), [ALICE]);
    alice.bye(&mut world);
    assert_eq!(rejoin(&mut world, &alice.identity(), BOB).status(), 404);
}

/// LEAVE-05: without a profile that says so, and unless configured, nobody is too few; a public room
/// goes on for whoever is in it.
#[test]
fn how_many_have_to_be_left_is_configured() {
    for (config, room, ends) in [
        (vectors(), GARDEN, false),
        (Config { min_participants: Some(2), ..vectors() }, GARDEN, true),
        (Config { min_participants: Some(2), ..vectors() }, OPEN, false),
        (Config { profile: Profile::Rcs, ..vectors() }, GARDEN, true),
        (Config { profile: Profile::Rcs, ..vectors() }, OPEN, false),
        (Config { profile: Profile::Rcs, min_participants: Some(1), ..vectors() }, GARDEN, false),
    ] {
        let context = format!("{:?} {:?} {room}", config.profile, config.min_participants);
        let mut world = World::new(config);
        world.join(room, ALICE);
        let mut bob = world.join(room, BOB);
        leave(&mut world, &mut bob);
        assert_eq!(world.take_requests("BYE").len(), usize::from(ends), "{context}");
    }
}

/// REF-06, RCS-07: who is put out is no member any more, whether it was there or was being waited for.
#[test]
fn who_is_put_out_is_waited_for_no_longer() {
    let (mut world, alice, bob, _carol) = company(rcs());
    let identity = alice.identity();
    lose(&mut world, &bob);
    let put_out = |user: &str| format!("Refer-To: <{user};method=BYE>\n{QUIET}");
    assert_eq!(referred(&mut world, &identity, ALICE, &put_out(BOB)).0.status(), 202);
    world.wait(Duration::from_secs(6));
    let (_, notify) = world.watch(&identity, CAROL);
    assert!(users(&notify).iter().all(|(entity, _)| entity != BOB));
    assert_eq!(rejoin(&mut world, &identity, BOB).verdict(), (403, W_NOT_ALLOWED));
    let (_, sent) = referred(&mut world, &identity, ALICE, &put_out(CAROL));
    let byes = sent.iter().filter(|sent| sent.start().starts_with("BYE "));
    let reasons: Vec<&str> = byes.map(|bye| bye.header("Reason")).collect();
    assert_eq!(reasons, ["SIP;cause=403;text=\"Removed\"", GONE]);
}

/// ID-06, RCS-03: a member that comes back under another name is not waited for under the former.
#[test]
fn who_comes_back_under_an_alias_is_one_user() {
    let ad_hoc = AdHoc { anonymity: Users::Everyone, ..config().ad_hoc.unwrap() };
    let (mut world, alice, bob, _carol) = company(Config { ad_hoc: Some(ad_hoc), ..rcs() });
    let identity = alice.identity();
    lose(&mut world, &bob);
    let hidden = invite(&mut world, &identity, BOB, "Privacy: id\n", OFFER);
    assert_eq!(world.ask_for("SIP/2.0", &hidden).status(), 200);
    world.wait(Duration::from_secs(6));
    let (_, notify) = world.watch(&identity, ALICE);
    let shown: Vec<String> = users(&notify).into_iter().map(|(entity, _)| entity).collect();
    assert_eq!(shown, [ALICE, CAROL, "sip:anonymous1@anonymous.invalid"]);
}

/// RCS-01: what the creating INVITE says of the conversation is in every INVITE, those that a REFER
/// asked for too, and in the log of each; as far as it is of a size that anybody would keep.
#[test]
fn the_marks_of_a_conversation_are_in_every_invite() {
    let (log, _guard) = Log::begin();
    let (mut world, alice, _bob, _carol) = company(rcs());
    let dave = format!("Refer-To: <sip:dave@example.com>\n{QUIET}");
    let (_, sent) = referred(&mut world, &alice.identity(), BOB, &dave);
    let invite = to(&sent, "sip:dave@example.com");
    assert_eq!(invite.header("Contribution-ID"), "c0ffee");
    assert_eq!(invite.header("Conversation-ID"), "f00d");
    let log = log.text();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(" invites ")).collect();
    assert_eq!(lines.len(), 3, "Bob, Carol and Dave: {log}");
    assert!(lines.iter().all(|line| line.contains("\"c0ffee\"") && line.contains("\"f00d\"")));
    let call_id = invite.header("Call-ID");
    assert!(lines[2].contains(call_id.split('@').next().unwrap()), "{}", lines[2]);

    let mut world = World::new(rcs());
    let marks = |size: usize| {
        format!("Contribution-ID: {}\nConversation-ID: {}\n", "c".repeat(size), "d".repeat(128))
    };
    let list = format!("<entry uri=\"{BOB}\"/>");
    let (_, invites) = created(&mut world, ALICE, &marks(128), &list);
    assert_eq!(invites[0].header("Contribution-ID").len(), 128);
    let (_, invites) = created(&mut world, ALICE, &marks(129), &list);
    assert_eq!(invites[0].find("Contribution-ID"), None);
    assert_eq!(invites[0].header("Conversation-ID").len(), 128);
}

/// RCS-01: a rejoin by another Contribution-ID, or none, is let in, for the Request-URI decides; the
/// log says so.
#[test]
fn a_rejoin_by_another_mark_is_noted_and_let_in() {
    for (lines, is_noted) in
        [("Contribution-ID: c0ffee\n", false), ("Contribution-ID: another\n", true), ("", true)]
    {
        let (mut world, alice, _bob, _carol) = company(rcs());
        let (log, _guard) = Log::begin();
        let again = world.join_with(&alice.identity(), BOB, lines);
        assert_eq!(again.identity(), alice.identity());
        let log = log.text();
        assert_eq!(log.contains("rejoins by another Contribution-ID"), is_noted, "{lines}: {log}");
    }
}

/// RCS-03, RCS-04, RCS-01: members, those who left for good, and what marks the conversation, outlive
/// the process; the names of those who hid do not get into rosters by that.
#[test]
fn members_outlive_the_process() {
    let profile = Profile::Rcs;
    let config = || {
        let mut config = Config { profile, min_participants: Some(0), ..keeping() };
        config.rooms[0].rules.anonymity = Users::Everyone;
        config
    };
    let mut world = World::new(config());
    let marks = "Contribution-ID: c0ffee\n";
    let alice = world.join_with(GARDEN, ALICE, marks);
    world.bound(alice.session());
    let identity = alice.identity();
    let phone = join(&mut world, GARDEN, PHONE);
    lose(&mut world, &phone);
    let hidden = invite(&mut world, OPEN, BOB, "Privacy: id\n", OFFER);
    let open = world.ask_for("SIP/2.0", &hidden).contact().to_owned();
    let mut bob = world.join(GARDEN, BOB);
    leave(&mut world, &mut bob);
    let kept = remembered(&world.changes);
    let expected = Marks { contribution: Some("c0ffee".to_owned()), conversation: None };
    assert_eq!((kept.len(), &kept[0].marks), (2, &expected));

    let mut world = World::new(config());
    world.restore(kept);
    assert_eq!(rejoin(&mut world, &identity, BOB).verdict(), (403, W_NOT_ALLOWED));
    let alice = world.join(&identity, ALICE);
    assert_eq!(alice.identity(), identity);
    let (_, notify) = world.watch(&identity, ALICE);
    assert_eq!(connected(&notify), [ALICE]);
    assert_eq!(status_of(&notify, PHONE), ["disconnected"]);
    assert_eq!(users(&notify).len(), 2);
    assert_eq!(rejoin(&mut world, &open, CAROL).status(), 200);
    let (_, notify) = world.watch(&open, CAROL);
    let shown: Vec<String> = users(&notify).into_iter().map(|(entity, _)| entity).collect();
    assert_eq!(shown, [CAROL], "nobody hears whom the alias stood for");
}

/// RCS-08, PUB-09: something is said while members are not there: they are called, as they were at first,
/// each at most once in 30 s. Nobody is unless that is wanted, nor for what was said while it was there.
#[test]
fn a_message_has_absent_members_called() {
    let (mut world, alice, bob, mut carol) = company(Config { recalls_members: true, ..rcs() });
    let say = |world: &mut World| {
        world.wait(Duration::from_millis(10));
        world.heard = Some(world.now);
    };
    let called = |world: &mut World, seconds: u64| {
        world.take();
        world.wait(Duration::from_secs(seconds));
        world.take_requests("INVITE")
    };
    say(&mut world);
    lose(&mut world, &bob);
    bye_for(&mut world, &mut carol, "SIP;cause=480");
    assert!(called(&mut world, 100).is_empty(), "nothing was said since");
    say(&mut world);
    let invites = called(&mut world, 2);
    assert_eq!(invites.len(), 2);
    for user in [BOB, CAROL] {
        let invite = to(&invites, user);
        assert_eq!(invite.contact(), alice.identity());
        assert_eq!(invite.header("Contribution-ID"), "c0ffee");
        declined(&mut world, &invite, "480 Temporarily Unavailable");
    }
    say(&mut world);
    assert!(called(&mut world, 27).is_empty(), "30 s are not over");
    let again = called(&mut world, 3);
    assert_eq!(again.len(), 2, "for what was said behind the call");
    accepted(&mut world, &to(&again, BOB), "no3");
    world.bound(session_of(&to(&again, BOB)));
    declined(&mut world, &to(&again, CAROL), "603 Decline");
    say(&mut world);
    let last = called(&mut world, 40);
    assert_eq!(last.len(), 1, "Bob is there");
    let (_, notify) = world.watch(&alice.identity(), ALICE);
    assert_eq!(connected(&notify), [ALICE, BOB]);

    let (mut world, _alice, bob, _carol) = company(rcs());
    lose(&mut world, &bob);
    say(&mut world);
    assert!(called(&mut world, 100).is_empty(), "off by default");
}
