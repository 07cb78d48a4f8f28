//! Rosters that tell what has changed.

use std::time::Duration;

use sip_control::config::{Config, Profile};

use super::harness::{Sent, World, connected, subscribe, vectors};

const GARDEN: &str = "sip:garden-open@im.example.com";
const GROUP: &str = "sip:gardeners@groups.example.com";
const ALICE: &str = "sip:alice@example.com";
const BOB: &str = "sip:bob@example.com";
const CAROL: &str = "sip:carol@example.com";

/// Longer than any two notifications are apart.
const A_WHILE: Duration = Duration::from_secs(6);

fn config() -> Config {
    Config { partial_rosters: true, ..vectors() }
}

/// The one notification that a change brings, in time.
fn told(world: &mut World) -> Sent {
    world.wait(A_WHILE);
    let mut notified = world.notified();
    let last = notified.pop().expect("a notification");
    assert!(notified.is_empty(), "one of them");
    last
}

fn document(identity: &str, version: u32, count: usize, users: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <conference-info xmlns=\"urn:ietf:params:xml:ns:conference-info\" entity=\"{identity}\" \
         state=\"partial\" version=\"{version}\">\
         <conference-state><user-count>{count}</user-count></conference-state>\
         <users state=\"partial\">{users}</users></conference-info>"
    )
}

/// EVT-10, EVT-07: who came, who left, and who is in the list no more, each in a document of
/// its own that has nobody else in it and is one more than the last.
#[test]
fn a_change_is_told_by_those_whom_it_touches() {
    let mut world = World::new(config());
    let identity = world.join(GROUP, BOB).identity();
    let mut hidden = world.join_with(&identity, ALICE, "Privacy: id\n");
    let (_, first) = world.watch(&identity, BOB);
    assert!(first.body().contains("state=\"full\" version=\"1\""));
    world.wait(A_WHILE);
    hidden.bye(&mut world);
    let gone = "<user entity=\"sip:anonymous1@anonymous.invalid\" state=\"full\">\
                <display-text>Anonymous1</display-text><endpoint entity=\"e4\" state=\"full\">\
                <status>disconnected</status><disconnection-method>departed</disconnection-method>\
                <disconnection-info><when>1970-01-01T00:00:06Z</when></disconnection-info>\
                </endpoint></user>";
    assert_eq!(told(&mut world).body(), document(&identity, 2, 1, gone));
    world.join(&identity, "tel:+12125550147");
    let notify = told(&mut world);
    let (came, forgotten) = notify.body().split_once("<users state=\"partial\">").unwrap();
    assert!(
        came.contains("<user-count>2</user-count>") && came.contains("version=\"3\""),
        "{came}"
    );
    assert!(
        forgotten.starts_with("<user entity=\"tel:+12125550147\" state=\"full\">"),
        "{forgotten}"
    );
    let deleted = "<user entity=\"sip:anonymous1@anonymous.invalid\" state=\"deleted\"/></users>";
    assert!(forgotten.contains(deleted), "{forgotten}");
    assert_eq!(forgotten.matches("<user ").count(), 2);
}

/// EVT-02, SUB-07: who asks is told everything, with the number of the last change; and the next
/// change is told as one again.
#[test]
fn who_asks_is_told_everything() {
    let mut world = World::new(config());
    let identity = world.join(GARDEN, ALICE).identity();
    let (mut watch, _) = world.watch(&identity, ALICE);
    world.wait(A_WHILE);
    world.join(GARDEN, BOB);
    assert_eq!(connected(&told(&mut world)), [BOB]);
    let refresh = watch.next(&mut world, "SUBSCRIBE", "Event: conference\nContent-Length: 0\n\n");
    world.hear(&refresh);
    let full = world.notified().pop().expect("at once");
    assert!(full.body().contains("state=\"full\" version=\"2\""), "{}", full.body());
    assert_eq!(connected(&full), [ALICE, BOB]);
    world.wait(A_WHILE);
    world.join(GARDEN, CAROL);
    let notify = told(&mut world);
    assert!(notify.body().contains("state=\"partial\" version=\"3\""));
    assert_eq!(connected(&notify), [CAROL]);
}

/// EVT-10: changes that come while it must wait are one document, whose users are as they are then.
#[test]
fn changes_that_wait_are_one_document() {
    let mut world = World::new(config());
    let identity = world.join(GARDEN, ALICE).identity();
    world.watch(&identity, ALICE);
    world.wait(A_WHILE);
    let mut bob = world.join(GARDEN, BOB);
    world.notified().pop().expect("the first at once");
    let mut carol = world.join(GARDEN, CAROL);
    bob.bye(&mut world);
    carol.bye(&mut world);
    world.join(GARDEN, BOB);
    let notify = told(&mut world);
    assert_eq!(connected(&notify), [BOB]);
    assert!(notify.body().contains("<user-count>2</user-count>"));
    assert!(notify.body().contains(&format!("<user entity=\"{CAROL}\" state=\"full\">")));
    assert_eq!(notify.body().matches("disconnected").count(), 1);
}

/// EVT-10, NTF-07: whoever could not take a document is not told what has changed since then, but
/// everything.
#[test]
fn who_missed_a_document_is_told_everything() {
    let mut world = World::new(config());
    let identity = world.join(GARDEN, ALICE).identity();
    world.watch(&identity, ALICE);
    world.wait(A_WHILE);
    world.join(GARDEN, BOB);
    let missed = world.take_requests("NOTIFY").pop().unwrap();
    world.answer_with(&missed, "503 Service Unavailable", "Retry-After: 1\n");
    assert_eq!(connected(&told(&mut world)), [ALICE, BOB]);
}

/// EVT-11: in the family of clients that wants it so, and in all its documents, a participant is told
/// which user it is; others are not.
#[test]
fn a_participant_is_told_which_one_it_is() {
    for (profile, is_marked) in [(Profile::Rcs, true), (Profile::Oma, false)] {
        let mut world = World::new(Config { profile, ..config() });
        let identity = world.join(GARDEN, ALICE).identity();
        world.join(GARDEN, BOB);
        let own = |user: &str| format!("<user entity=\"{user}\" state=\"full\" yourown=\"true\">");
        let (_, full) = world.watch(&identity, BOB);
        assert_eq!(full.body().contains(&own(BOB)), is_marked, "{}", full.body());
        assert!(!full.body().contains(&own(ALICE)));
        assert_eq!(full.body().matches("yourown").count(), usize::from(is_marked));
        let another = subscribe(&mut world, &identity, ALICE, "Event: conference\n");
        world.hear(&another);
        let full = world.notified().pop().unwrap();
        assert_eq!(full.body().contains(&own(ALICE)), is_marked);
        world.wait(A_WHILE);
        // A second leg of Bob, on another device.
        let device = "Contact: <sip:bob@192.0.2.9:5060>;+sip.instance=\"<urn:uuid:2>\"\n";
        let second = super::harness::invite(&mut world, GARDEN, BOB, "", super::harness::OFFER);
        let second = second.lines().map(|line| {
            if line.starts_with("Contact:") { device.to_owned() } else { format!("{line}\n") }
        });
        world.hear(&second.collect::<String>());
        world.wait(A_WHILE);
        let partials = world.notified();
        let marked = partials.iter().filter(|notify| notify.body().contains(&own(BOB)));
        assert_eq!((partials.len(), marked.count()), (2, usize::from(is_marked)));
    }
}
