//! Sessions that outlive the process.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use sip_control::{
    config::{Config, Users, Xcap},
    focus::UserKey,
    group,
    store::{Change, Remembered, RememberedMember},
};

use super::{
    adhoc, callee,
    grouping::document,
    harness::{OFFER, Sent, World, connected, invite, vectors},
};

const GARDEN: &str = "sip:gardeners@groups.example.com";
const OPEN: &str = "sip:garden-open@im.example.com";
const ALICE: &str = "sip:alice@example.com";
const BOB: &str = "sip:bob@example.com";

pub fn keeping() -> Config {
    let persist_sessions = Some(PathBuf::from("kept by the test"));
    let mut config = Config { persist_sessions, ..vectors() };
    config.rooms[1].rules.anonymity = Users::Everyone;
    config
}

/// What a store would have of the changes.
pub fn remembered(changes: &[Change]) -> Vec<Remembered> {
    let mut all: Vec<Remembered> = Vec::new();
    for change in changes {
        let mut of = |session: &String| {
            all.iter_mut().position(|one| one.session == *session).expect("it was opened")
        };
        match change {
            Change::Opened { session, room } => all.push(Remembered {
                session: session.clone(),
                room: room.clone(),
                ..Remembered::default()
            }),
            Change::Joined { session, user, is_anonymous } => {
                let at = of(session);
                let at = forget(&mut all, at, user);
                let member = RememberedMember { user: user.clone(), is_anonymous: *is_anonymous };
                all[at].members.push(member);
            }
            Change::Founded { session, founding } => {
                let at = of(session);
                all[at].founding = Some(founding.clone());
            }
            Change::Welcomed { session, user } => {
                let at = of(session);
                let at = forget(&mut all, at, user);
                all[at].guests.push(user.clone());
            }
            Change::Left { session, user } => {
                let at = of(session);
                forget(&mut all, at, user);
            }
            Change::Departed { session, user } => {
                let at = of(session);
                let at = forget(&mut all, at, user);
                all[at].departed.push(user.clone());
            }
            Change::Marked { session, marks } => {
                let at = of(session);
                all[at].marks = marks.clone();
            }
            Change::Expelled { session, user } => {
                let at = of(session);
                let at = forget(&mut all, at, user);
                all[at].expelled.push(user.clone());
            }
            Change::Aliased { session, last } => {
                let at = of(session);
                all[at].aliases = *last;
            }
            Change::Closed { session } => {
                let at = of(session);
                all.remove(at);
            }
        }
    }
    all
}

/// Whatever was known of the user is not any more.
fn forget(all: &mut [Remembered], at: usize, user: &UserKey) -> usize {
    let Remembered { members, guests, expelled, departed, .. } = &mut all[at];
    members.retain(|member| member.user != *user);
    for others in [guests, expelled, departed] {
        others.retain(|key| key != user);
    }
    at
}

/// Who was in a session.
fn members(remembered: &Remembered) -> Vec<UserKey> {
    remembered.members.iter().map(|member| member.user.clone()).collect()
}

fn key(uri: &str) -> UserKey {
    UserKey::of(uri).unwrap()
}

#[test]
fn what_is_noted_is_who_is_in_which_session() {
    let mut world = World::new(keeping());
    let alice = world.join(GARDEN, ALICE);
    let mut bob = world.join(GARDEN, BOB);
    let mut carol = world.join(OPEN, "sip:carol@example.com");
    let all = remembered(&world.changes);
    assert_eq!(all.iter().map(|one| &*one.room).collect::<Vec<_>>(), [GARDEN, OPEN]);
    assert_eq!(all[0].session, alice.identity());
    assert_eq!(members(&all[0]), [key(ALICE), key(BOB)]);
    bob.bye(&mut world);
    carol.bye(&mut world);
    let all = remembered(&world.changes);
    assert_eq!(all.len(), 1, "an empty session is over");
    assert_eq!(members(&all[0]), [key(ALICE)]);
    world.stop();
    assert_eq!(remembered(&world.changes), all, "who is sent away is in it as before");
}

/// A 200 is a promise: it leaves when the process could not forget it any more. What does not rest on
/// it is in the same order.
#[test]
fn nobody_is_told_what_could_be_forgotten() {
    let mut world = World::new(keeping());
    world.remembers = false;
    let join = invite(&mut world, GARDEN, ALICE, "", OFFER);
    world.hear(&join);
    assert_eq!(world.take().len(), 0, "nothing is on disk");
    let other = invite(&mut world, OPEN, BOB, "", OFFER);
    world.hear(&other);
    assert_eq!(world.take().len(), 0);
    for _ in 0..2 {
        // The session, and then who is in it.
        world.catch_up();
    }
    let answers = world.take();
    assert_eq!(answers.iter().map(Sent::status).collect::<Vec<_>>(), [200, 200]);
    assert!(answers[0].header("To").contains("gardeners"));
}

/// DLG-06: a yes that comes again before the first could be acknowledged is no yes of another fork.
#[test]
fn a_yes_that_comes_twice_makes_one_leg() {
    let persist_sessions = Some(PathBuf::from("kept by the test"));
    let mut world = World::new(Config { persist_sessions, ..adhoc::config() });
    let list = format!("<entry uri=\"{BOB}\"/>");
    let (_, invites) = adhoc::created(&mut world, ALICE, "", &list);
    world.remembers = false;
    let waits = invite(&mut world, OPEN, ALICE, "", OFFER);
    world.hear(&waits);
    world.take();
    for _ in 0..2 {
        callee::accepted(&mut world, &callee::to(&invites, BOB), "b1");
    }
    for _ in 0..4 {
        world.catch_up();
    }
    let sent = world.take();
    let count = |method: &str| sent.iter().filter(|sent| sent.start().starts_with(method)).count();
    assert_eq!((count("ACK "), count("BYE ")), (1, 0));
}

/// OPS-10: identity, members and aliases are as before, and nobody is connected.
#[test]
fn a_rejoin_finds_the_session_of_the_process_before() {
    let mut world = World::new(keeping());
    let alice = world.join(GARDEN, ALICE);
    let hidden = invite(&mut world, GARDEN, BOB, "Privacy: id\n", OFFER);
    assert_eq!(world.ask_for("SIP/2.0", &hidden).status(), 200);
    let identity = alice.identity();
    let kept = remembered(&world.changes);

    let mut world = World::new(keeping());
    world.restore(kept);
    let mut again = alice.clone();
    let bye = again.next(&mut world, "BYE", "Content-Length: 0\n\n");
    assert_eq!(world.ask(&bye).status(), 481, "no dialog survives");
    let mut bob = world.join(&identity, BOB);
    assert_eq!(bob.identity(), identity);
    let (_, roster) = world.watch(&identity, BOB);
    assert_eq!(connected(&roster), [BOB], "an empty roster of connections");
    // Bob is not the last one whom it waits for.
    bob.bye(&mut world);
    let alice = world.join(GARDEN, ALICE);
    assert_eq!(alice.identity(), identity, "the room has no other session");
    let hidden = invite(&mut world, &identity, BOB, "Privacy: id\n", OFFER);
    assert_eq!(world.ask_for("SIP/2.0", &hidden).status(), 200);
    let (_, roster) = world.watch(&identity, ALICE);
    let alias = "sip:anonymous2@anonymous.invalid";
    assert_eq!(connected(&roster), [ALICE, alias], "no alias is given twice");
}

/// OPS-10: who was expelled is expelled.
#[test]
fn who_was_put_out_stays_out() {
    let mut world = World::new(keeping());
    let session = world.join(GARDEN, ALICE).identity();
    let mut kept = remembered(&world.changes);
    kept[0].expelled.push(key(BOB));
    let mut world = World::new(keeping());
    world.restore(kept);
    let rejoin = invite(&mut world, &session, BOB, "", OFFER);
    assert_eq!(world.ask(&rejoin).status(), 403);
    world.join(&session, ALICE);
}

/// OPS-10: what nobody comes back to is over when it has been waited for long enough.
#[test]
fn a_session_that_nobody_comes_back_to_ends() {
    let mut world = World::new(keeping());
    let identity = world.join(GARDEN, ALICE).identity();
    let kept = remembered(&world.changes);
    let mut world = World::new(keeping());
    world.restore(kept);
    world.wait(Duration::from_secs(601));
    assert_eq!(world.changes, [Change::Closed { session: identity.clone() }]);
    let rejoin = invite(&mut world, &identity, ALICE, "", OFFER);
    assert_eq!(world.ask(&rejoin).status(), 403);
}

/// OPS-10, POL-17: a session of a group whose document is late is kept, and nobody is let into it before the
/// document says who may be.
#[test]
fn a_session_waits_for_the_document_of_its_group() {
    let config = || Config { rooms: Vec::new(), ..keeping() };
    let mut world = World::new(config());
    world.regroup(&[&document(&[])]);
    let session = world.join(GARDEN, ALICE).identity();
    let kept = remembered(&world.changes);

    let mut world = World::new(config());
    let server = Xcap { groups: vec![GARDEN.to_owned()], ..Xcap::new("http://xcap.example.com") };
    let round = group::Round::of_documents(&config().timers, group::Tally::default());
    let awaited = group::Xcap::new(Instant::now(), &server, round);
    world.regroup_as(&awaited.groups());
    world.restore(kept);
    for uri in [&*session, GARDEN] {
        let early = invite(&mut world, uri, ALICE, "", OFFER);
        let refused = world.ask(&early);
        let warning = Some("399 im.example.com \"Not allowed to join\"");
        assert_eq!(refused.verdict(), (403, warning), "{uri}");
    }
    world.regroup(&[&document(&[])]);
    assert_eq!(world.join(&session, ALICE).identity(), session);
}

#[test]
fn a_session_whose_room_is_gone_does_not_come_back() {
    let session = "sip:s-4f0c2a9be1d34b7c8d5e6f7a8b9c0d1e@im.example.com;gr".to_owned();
    let room = "sip:elsewhere@groups.example.com".to_owned();
    let kept = Remembered { session: session.clone(), room, ..Remembered::default() };
    let mut world = World::new(keeping());
    world.restore(vec![kept]);
    assert_eq!(world.changes, [Change::Closed { session: session.clone() }]);
    let rejoin = invite(&mut world, &session, ALICE, "", OFFER);
    assert_eq!(world.ask(&rejoin).status(), 403);
}

const CAROL: &str = "sip:carol@example.com";
const DAVE: &str = "sip:dave@example.com";

/// OPS-10: an ad-hoc group comes back as it was: whose it is, what it is about, and who may come to it,
/// called or once in it. It is held nowhere but in its own identity.
#[test]
fn an_ad_hoc_group_comes_back() {
    let config = || Config { persist_sessions: keeping().persist_sessions, ..adhoc::config() };
    let mut world = World::new(config());
    let called = format!("<entry uri=\"{BOB}\"/><entry uri=\"{CAROL}\"/>");
    let (alice, _) = adhoc::created(&mut world, ALICE, "Subject: Pruning\n", &called);
    let identity = alice.identity();
    let mut bob = world.join(&identity, BOB);
    bob.bye(&mut world);
    let carol = world.join(&identity, CAROL);
    let put_out = carol.identity();
    let refer = |world: &mut World, by: &mut super::harness::Call, user: &str| {
        let lines = format!(
            "Refer-To: <{user};method=BYE>\nRefer-Sub: false\nSupported: norefersub\n\
             Contact: <sip:u@192.0.2.22:50300;transport=tcp>\nContent-Length: 0\n\n"
        );
        let refer = by.next(world, "REFER", &lines);
        world.ask_for("SIP/2.0", &refer).status()
    };
    assert_eq!(refer(&mut world, &mut alice.clone(), CAROL), 202);
    let kept = remembered(&world.changes);
    assert_eq!(kept[0].room, identity);

    let mut world = World::new(config());
    world.restore(kept.clone());
    for (user, status) in [(DAVE, 403), (CAROL, 403), (BOB, 200)] {
        let rejoin = invite(&mut world, &put_out, user, "", OFFER);
        assert_eq!(world.ask_for("SIP/2.0", &rejoin).status(), status, "{user}");
    }
    let mut alice = world.join(&identity, ALICE);
    let (_, roster) = world.watch(&identity, ALICE);
    assert_eq!(connected(&roster), [BOB, ALICE]);
    assert!(roster.body().contains("<subject>Pruning</subject>"));
    assert_eq!(refer(&mut world, &mut alice, BOB), 202, "it is still hers");

    // Where there are no such groups any more, it is over.
    let mut world = World::new(keeping());
    world.restore(kept);
    assert_eq!(world.changes, [Change::Closed { session: identity.clone() }]);
    let rejoin = invite(&mut world, &identity, BOB, "", OFFER);
    assert_eq!(world.ask(&rejoin).status(), 403);
}

/// OPS-10: what nobody saved is not there any more: neither dialogs nor sessions.
#[test]
fn nothing_comes_back_that_was_not_kept() {
    let mut world = World::new(vectors());
    let mut alice = world.join(GARDEN, ALICE);
    assert_eq!(world.changes, [], "nothing is kept unasked");
    let mut world = World::new(vectors());
    for method in ["BYE", "UPDATE", "REFER", "SUBSCRIBE"] {
        let request = alice.next(&mut world, method, "Content-Length: 0\n\n");
        assert_eq!(world.ask(&request).status(), 481, "{method}");
    }
    let rejoin = invite(&mut world, &alice.identity(), ALICE, "", OFFER);
    let gone = Some("399 im.example.com \"IM Session does not exist\"");
    assert_eq!(world.ask(&rejoin).verdict(), (403, gone));
}
