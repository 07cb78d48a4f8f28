//! One dialog for a leg and for subscriptions, as old clients have it (RFC 5057).

use std::time::Duration;

use super::harness::{Call, Sent, World, connected, vectors};

const GARDEN: &str = "sip:garden-open@im.example.com";
const ALICE: &str = "sip:alice@example.com";
const BOB: &str = "sip:bob@example.com";
const CAROL: &str = "sip:carol@example.com";

/// A SUBSCRIBE inside the dialog: its answer, and the NOTIFYs that follow at once, each answered.
fn subscribe(world: &mut World, call: &mut Call, event: &str, expires: u32) -> (Sent, Vec<Sent>) {
    let lines = format!(
        "Contact: <sip:alice@192.0.2.22>\nEvent: {event}\nExpires: {expires}\nContent-Length: 0\n\n"
    );
    let text = call.next(world, "SUBSCRIBE", &lines);
    let ok = world.ask_for("SIP/2.0", &text);
    (ok, world.notified())
}

fn names(sent: &Sent) -> (String, String, String) {
    let tag = |name| sent.header(name).split_once(";tag=").unwrap().1.to_owned();
    (sent.header("Call-ID").to_owned(), tag("From"), tag("To"))
}

fn sequence(sent: &Sent) -> u32 {
    sent.header("CSeq").split(' ').next().unwrap().parse().unwrap()
}

/// SUB-08: the NOTIFYs of a subscription inside the dialog of a leg are of that dialog, and counted with
/// all that is sent in it; who says good-bye goes on watching, and who stops watching stays.
#[test]
fn a_leg_and_a_subscription_share_a_dialog_and_end_apart() {
    let mut world = World::new(vectors());
    let mut alice = world.join(GARDEN, ALICE);
    world.bound(alice.session());
    let (ok, notifies) = subscribe(&mut world, &mut alice, "conference", 3600);
    assert_eq!((ok.status(), ok.header("Expires")), (200, "3600"));
    assert_eq!(ok.contact(), alice.identity());
    let [first] = &notifies[..] else { panic!("one NOTIFY at once") };
    let (call_id, ours, theirs) = names(first);
    assert_eq!(call_id, alice.ok.header("Call-ID"));
    assert_eq!((ours.as_str(), theirs), (alice.ok.to_tag(), "t1".to_owned()));
    assert_eq!((sequence(first), connected(first).len()), (1, 1));

    let mut bob = world.join(GARDEN, BOB);
    world.bound(bob.session());
    assert_eq!(world.notified().len(), 1, "Alice is told");
    let (_, notifies) = subscribe(&mut world, &mut bob, "conference", 3600);
    assert_eq!(connected(&notifies[0]).len(), 2);
    world.wait(Duration::from_secs(5));
    world.notified();
    assert_eq!(alice.bye(&mut world).status(), 200);
    world.wait(Duration::from_secs(5));
    let notifies = world.notified();
    assert_eq!(notifies.len(), 2, "Alice goes on watching");
    assert!(notifies.iter().any(|notify| names(notify).0 == call_id && sequence(notify) > 1));
    let (ok, notifies) = subscribe(&mut world, &mut alice, "conference", 0);
    assert_eq!(ok.status(), 200);
    assert!(notifies[0].header("Subscription-State").starts_with("terminated"));
    assert_eq!(alice.bye(&mut world).status(), 481, "nothing is left of the dialog");

    let (_, notifies) = subscribe(&mut world, &mut bob, "conference", 0);
    let last = sequence(&notifies[0]);
    world.join(GARDEN, CAROL);
    world.wait(Duration::from_secs(60));
    assert!(world.notified().is_empty(), "Bob does not watch any more");
    world.stop();
    let byes = world.take_requests("BYE");
    let bye = byes.iter().find(|bye| bye.header("Call-ID") == bob.ok.header("Call-ID"));
    assert_eq!(sequence(bye.expect("Bob is still there")), last + 1);
}

/// SUB-08: subscriptions in one dialog are told apart by the `id` of Event, which every NOTIFY repeats;
/// the same `id` again is the same subscription.
#[test]
fn several_subscriptions_in_a_dialog_have_an_id_each() {
    let mut world = World::new(vectors());
    let mut alice = world.join(GARDEN, ALICE);
    for event in ["conference", "conference;id=a", "conference;id=b"] {
        let (ok, notifies) = subscribe(&mut world, &mut alice, event, 3600);
        assert_eq!(ok.status(), 200);
        assert_eq!(notifies.iter().map(|n| n.header("Event")).collect::<Vec<_>>(), [event]);
    }
    let (_, notifies) = subscribe(&mut world, &mut alice, "conference;id=a", 3600);
    assert_eq!(notifies.len(), 1, "a refresh");
    world.join(GARDEN, BOB);
    world.wait(Duration::from_secs(5));
    assert_eq!(world.notified().len(), 3);
    let (_, notifies) = subscribe(&mut world, &mut alice, "conference;id=a", 0);
    assert!(notifies[0].header("Subscription-State").starts_with("terminated"));
    world.join(GARDEN, CAROL);
    world.wait(Duration::from_secs(5));
    let mut events: Vec<String> =
        world.notified().iter().map(|notify| notify.header("Event").to_owned()).collect();
    events.sort_unstable();
    assert_eq!(events, ["conference", "conference;id=b"]);
}

/// SUB-05, SUB-06, SUB-08, SUB-09, DLG-10: inside a dialog a SUBSCRIBE is held to the same rules, and to the
/// order of what came before it.
#[test]
fn a_subscription_inside_a_dialog_is_checked_like_any_other() {
    let mut world = World::new(vectors());
    let mut alice = world.join(GARDEN, ALICE);
    let text = |event: &str, lines: &str| {
        format!("Contact: <sip:a@192.0.2.22>\n{event}{lines}Content-Length: 0\n\n")
    };
    for (event, lines, status) in [
        ("Event: presence\n", "", 489),
        ("", "", 400),
        ("Event: conference\n", "Accept: text/plain\n", 406),
        ("Event: conference\n", "Expires: 59\n", 423),
        ("Event: conference\n", "", 200),
        ("Event: conference;id=2\n", "", 200),
        ("Event: conference;id=3\n", "", 200),
        ("Event: conference;id=4\n", "", 200),
        ("Event: conference;id=5\n", "", 403),
    ] {
        let subscribe = alice.next(&mut world, "SUBSCRIBE", &text(event, lines));
        let answer = world.ask_for("SIP/2.0", &subscribe);
        assert_eq!(answer.status(), status, "{event}{lines}");
    }
    let late = alice.next(&mut world, "SUBSCRIBE", &text("Event: conference\n", ""));
    let late = late.replace("CSeq: 11", "CSeq: 3");
    assert_eq!(world.ask_for("SIP/2.0", &late).status(), 500);
}
