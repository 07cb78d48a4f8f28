//! Subscriptions and what is told to them.

use std::time::Duration;

use super::harness::{
    AUDIO, OFFER, Sent, World, connected, invite, subscribe, users, vectors, version,
};
use sip_control::config::{Config, Limits, Rules, Users};

const GARDEN: &str = "sip:garden-open@im.example.com";
const GROUP: &str = "sip:gardeners@groups.example.com";
const ALICE: &str = "sip:alice@example.com";
const BOB: &str = "sip:bob@example.com";
const CAROL: &str = "sip:carol@example.com";
const EVENT: &str = "Event: conference\n";

fn garden() -> (World, String) {
    let mut world = World::new(vectors());
    let alice = world.join(GARDEN, ALICE);
    world.bound(alice.session());
    (world, alice.identity())
}

fn ask(world: &mut World, uri: &str, user: &str, lines: &str) -> Sent {
    let subscribe = subscribe(world, uri, user, lines);
    world.ask_for("SIP/2.0", &subscribe)
}

/// SUB-07, NTF-01, EVT-02, TV-13, TV-14: a 200, and at once the full state in the same dialog.
#[test]
fn a_subscription_begins_with_the_full_state() {
    let mut world = World::new(vectors());
    let identity = world.join(GROUP, BOB).identity();
    world.join_with(&identity, ALICE, "Privacy: id\n");
    let subscribe =
        subscribe(&mut world, &identity, BOB, "Event: conference;id=7\nExpires: 3600\n");
    world.hear(&subscribe);
    let sent = world.take();
    let [ok, notify] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!((ok.status(), ok.header("Expires")), (200, "3600"));
    assert_eq!(ok.contact(), identity);
    assert_eq!(ok.header("Record-Route"), "<sip:proxy.example.com;transport=tcp;lr>");

    let contact = subscribe.lines().find_map(|line| line.strip_prefix("Contact: ")).unwrap();
    let contact = contact.trim_matches(['<', '>']);
    assert_eq!(notify.start(), format!("NOTIFY {contact} SIP/2.0"));
    assert_eq!(notify.header("Route"), "<sip:proxy.example.com;transport=tcp;lr>");
    assert_eq!(notify.header("From"), ok.header("To"));
    assert_eq!(notify.header("To"), ok.header("From"));
    assert_eq!(notify.header("Call-ID"), ok.header("Call-ID"));
    assert_eq!(notify.header("CSeq"), "1 NOTIFY");
    assert_eq!(notify.header("Contact"), format!("<{identity}>"));
    assert_eq!(notify.header("Event"), "conference;id=7");
    assert_eq!(notify.header("Subscription-State"), "active;expires=3600");
    assert_eq!(notify.header("Content-Type"), "application/conference-info+xml");
    let expected = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <conference-info xmlns=\"urn:ietf:params:xml:ns:conference-info\" entity=\"{identity}\" \
         state=\"full\" version=\"1\"><conference-description>\
         <subject>Roses and other matters</subject><conf-uris state=\"full\"><entry>\
         <uri>sip:gardeners@groups.example.com</uri></entry></conf-uris>\
         <maximum-user-count>3</maximum-user-count></conference-description>\
         <conference-state><user-count>2</user-count><active>true</active>\
         <locked>false</locked></conference-state><users state=\"full\">\
         <user entity=\"sip:bob@example.com\" state=\"full\"><display-text>bob</display-text>\
         <endpoint entity=\"e2\" state=\"full\"><status>connected</status>\
         <joining-method>dialed-in</joining-method>\
         <joining-info><when>1970-01-01T00:00:00Z</when></joining-info></endpoint></user>\
         <user entity=\"sip:anonymous1@anonymous.invalid\" state=\"full\">\
         <display-text>Anonymous1</display-text>\
         <endpoint entity=\"e4\" state=\"full\"><status>connected</status>\
         <joining-method>dialed-in</joining-method>\
         <joining-info><when>1970-01-01T00:00:00Z</when></joining-info></endpoint></user>\
         </users></conference-info>"
    );
    assert_eq!(notify.body(), expected);
}

/// msrp/NICK-09, msrp/NICK-15: a nickname is told to those who watch, with the leg that has it, until it
/// is given back; a further leg of the same user changes nothing.
#[test]
fn a_nickname_is_told_as_long_as_a_leg_has_it() {
    let mut config = vectors();
    config.one_leg_per_user = false;
    let mut world = World::new(config);
    let alice = world.join(GARDEN, ALICE);
    let bob = world.join(&alice.identity(), BOB);
    world.watch(&alice.identity(), BOB);
    let named = "<user entity=\"sip:alice@example.com\" state=\"full\" \
                 xmlns:xcon=\"urn:ietf:params:xml:ns:xcon-conference-info\" \
                 xcon:nickname=\"Dopey Donkey\">";
    let plain = "<user entity=\"sip:alice@example.com\" state=\"full\"><display-text>";
    let told = |world: &mut World| {
        world.wait(Duration::from_secs(6));
        world.notified().iter().map(|notify| notify.body().to_owned()).collect::<String>()
    };
    for call in [&alice, &bob] {
        world.bound(call.session());
    }
    world.renamed(alice.session(), Some("Dopey Donkey"));
    assert!(told(&mut world).contains(named));
    let second = world.join(&alice.identity(), ALICE);
    world.bound(second.session());
    assert!(told(&mut world).contains(named));
    world.renamed(alice.session(), None);
    assert!(told(&mut world).contains(plain));
    world.renamed(alice.session(), None);
    assert_eq!(told(&mut world), "", "nothing has changed");
    world.renamed(second.session(), Some("Dopey Donkey"));
    assert!(told(&mut world).contains(named));
    world.renamed(bob.session(), Some("Bob <b>"));
    assert!(told(&mut world).contains("xcon:nickname=\"Bob &lt;b&gt;\""));
}

/// SUB-05, TV-13: the checks of a SUBSCRIBE in their order.
#[test]
fn a_subscribe_is_checked_in_order() {
    let (mut world, identity) = garden();
    let gone = "sip:s-ffffffffffffffffffffffffffffffff@im.example.com;gr";
    assert_eq!(ask(&mut world, gone, CAROL, "Accept: text/plain\n").status(), 400);
    let refused = ask(&mut world, gone, CAROL, "Event: presence\nAccept: text/plain\n");
    assert_eq!((refused.status(), refused.header("Allow-Events")), (489, "conference"));
    let lines = format!("{EVENT}Accept: text/plain\n");
    assert_eq!(ask(&mut world, gone, CAROL, &lines).status(), 406);
    let refused = ask(&mut world, gone, CAROL, EVENT);
    assert_eq!(refused.status(), 404, "not 403: the change request does not speak of it");
    assert_eq!(ask(&mut world, GROUP, CAROL, EVENT).status(), 404, "no session there");
    assert_eq!(ask(&mut world, &identity, CAROL, EVENT).status(), 403);
    let brief = format!("{EVENT}Expires: 20\n");
    assert_eq!(ask(&mut world, &identity, CAROL, &brief).status(), 403, "before the time");
    let refused = ask(&mut world, &identity, ALICE, &brief);
    assert_eq!((refused.status(), refused.header("Min-Expires")), (423, "60"));
    for range in ["*/*", "application/*", "text/plain, application/Conference-Info+xml;q=0.5"] {
        let lines = format!("{EVENT}Accept: {range}\nExpires: 0\n");
        assert_eq!(ask(&mut world, &identity, ALICE, &lines).status(), 200, "{range}");
    }
}

/// SUB-05, POL-14, J-16: the right to watch without joining.
#[test]
fn a_watcher_by_right_need_not_join() {
    let mut config = vectors();
    config.rooms[0].rules.watchers = Users::Only(vec![CAROL.to_owned()]);
    let mut world = World::new(config);
    let identity = world.join(GARDEN, ALICE).identity();
    world.watch(&identity, CAROL);
    assert_eq!(ask(&mut world, &identity, BOB, EVENT).status(), 403);
}

/// SUB-06: how long a subscription lasts.
#[test]
fn no_more_time_is_granted_than_asked_for() {
    for (asked, granted) in [("", "3600"), ("Expires: 100\n", "100"), ("Expires: 9999\n", "3600")] {
        let (mut world, identity) = garden();
        let ok = ask(&mut world, &identity, ALICE, &format!("{EVENT}{asked}"));
        assert_eq!(ok.header("Expires"), granted, "{asked}");
    }
}

/// SUB-06, NTF-06: a fetch gets the state once, and that was it.
#[test]
fn a_fetch_is_told_once() {
    let (mut world, identity) = garden();
    let subscribe = subscribe(&mut world, &identity, ALICE, "Event: conference\nExpires: 0\n");
    world.hear(&subscribe);
    let sent = world.take();
    assert_eq!((sent[0].status(), sent[0].header("Expires")), (200, "0"));
    assert_eq!(sent[1].header("Subscription-State"), "terminated;reason=timeout");
    assert_eq!(connected(&sent[1]), [ALICE]);
    world.answer(&sent[1], "200 OK");
    world.join(GARDEN, BOB);
    world.wait(Duration::from_secs(10));
    assert!(world.take_requests("NOTIFY").is_empty());
}

/// FOC-34, EVT-02, EVT-07: joins and leaves are told in rising versions, a departure once.
#[test]
fn every_join_and_leave_is_told() {
    let (mut world, identity) = garden();
    world.watch(&identity, ALICE);
    let mut bob = world.join(GARDEN, BOB);
    let joined = world.notified().pop().unwrap();
    assert_eq!((version(&joined), connected(&joined)), (2, vec![ALICE.to_owned(), BOB.to_owned()]));
    world.wait(Duration::from_secs(10));
    bob.bye(&mut world);
    let left = world.notified().pop().unwrap();
    assert_eq!((version(&left), connected(&left)), (3, vec![ALICE.to_owned()]));
    assert!(left.body().contains("<user-count>1</user-count>"));
    assert_eq!(users(&left).len(), 2, "the one who left is told of once");
    world.wait(Duration::from_secs(10));
    world.join(GARDEN, CAROL);
    let next = world.notified().pop().unwrap();
    assert_eq!((version(&next), users(&next).len()), (4, 2));
}

/// FOC-34: an attempt that is refused is told to nobody.
#[test]
fn a_refused_attempt_is_not_told() {
    let (mut world, identity) = garden();
    world.watch(&identity, ALICE);
    let refused = invite(&mut world, &identity, BOB, "", AUDIO);
    assert_eq!(world.ask(&refused).status(), 488);
    world.wait(Duration::from_secs(10));
    assert!(world.take().is_empty());
}

/// NTF-03, NTF-04: the first change goes at once, those in the next five seconds go together.
#[test]
fn changes_are_merged_to_one_notify_an_interval() {
    let (mut world, identity) = garden();
    world.watch(&identity, ALICE);
    let mut bob = world.join(GARDEN, BOB);
    assert_eq!(world.notified().len(), 1);
    world.wait(Duration::from_secs(1));
    bob.bye(&mut world);
    world.join(GARDEN, CAROL);
    let mut dave = world.join(GARDEN, "sip:dave@example.com");
    dave.bye(&mut world);
    assert!(world.notified().is_empty());
    world.wait(Duration::from_millis(3999));
    assert!(world.notified().is_empty());
    world.wait(Duration::from_millis(1));
    let merged = world.notified().pop().unwrap();
    assert_eq!(
        (version(&merged), connected(&merged)),
        (3, vec![ALICE.to_owned(), CAROL.to_owned()])
    );
    let gone: Vec<String> = users(&merged).into_iter().skip(2).map(|(user, _)| user).collect();
    assert_eq!(gone, [BOB, "sip:dave@example.com"]);
    world.wait(Duration::from_secs(10));
    assert!(world.notified().is_empty(), "nothing more to tell");
}

/// NTF-02: one NOTIFY at a time; what changes meanwhile is in the next.
#[test]
fn an_unanswered_notify_holds_back_the_next() {
    let (mut world, identity) = garden();
    world.watch(&identity, ALICE);
    world.join(GARDEN, BOB);
    let first = world.take_requests("NOTIFY").pop().unwrap();
    world.wait(Duration::from_secs(6));
    world.join(GARDEN, CAROL);
    world.wait(Duration::from_secs(6));
    assert!(world.take_requests("NOTIFY").is_empty(), "a stream repeats nothing");
    world.answer(&first, "200 OK");
    let second = world.notified().pop().unwrap();
    assert_eq!((version(&second), connected(&second).len()), (3, 3));
}

/// NTF-07: answers that end a subscription, and silence.
#[test]
fn a_watcher_that_is_not_there_is_forgotten() {
    for answer in ["481 Call/Transaction Does Not Exist", "489 Bad Event", "404 Not Found", ""] {
        let (mut world, identity) = garden();
        world.watch(&identity, ALICE);
        world.join(GARDEN, BOB);
        let notify = world.take_requests("NOTIFY").pop().unwrap();
        match answer {
            "" => world.wait(Duration::from_secs(33)),
            answer => world.answer(&notify, answer),
        }
        world.join(GARDEN, CAROL);
        world.wait(Duration::from_secs(20));
        assert!(world.take_requests("NOTIFY").is_empty(), "{answer}");
    }
}

/// NTF-07: a watcher that is busy is told again when it asked to be.
#[test]
fn a_watcher_that_is_busy_is_told_later() {
    let (mut world, identity) = garden();
    world.watch(&identity, ALICE);
    world.join(GARDEN, BOB);
    let notify = world.take_requests("NOTIFY").pop().unwrap();
    world.answer_with(&notify, "503 Service Unavailable", "Retry-After: 20\n");
    world.wait(Duration::from_millis(19_999));
    assert!(world.take_requests("NOTIFY").is_empty());
    world.wait(Duration::from_millis(1));
    let again = world.notified().pop().unwrap();
    assert_eq!(connected(&again), [ALICE, BOB]);
    assert!(version(&again) > version(&notify));
}

/// NTF-07: a watcher that could not read a document keeps watching, and gets the next one.
#[test]
fn a_document_that_is_refused_is_not_repeated() {
    let (mut world, identity) = garden();
    world.watch(&identity, ALICE);
    world.join(GARDEN, BOB);
    let notify = world.take_requests("NOTIFY").pop().unwrap();
    world.answer(&notify, "406 Not Acceptable");
    world.wait(Duration::from_secs(20));
    assert!(world.take_requests("NOTIFY").is_empty());
    world.join(GARDEN, CAROL);
    assert_eq!(connected(&world.notified().pop().unwrap()).len(), 3);
}

/// SUB-07, EVT-02: a refresh is followed by the state at once, under the same version if nothing
/// has changed.
#[test]
fn a_refresh_repeats_the_state() {
    let (mut world, identity) = garden();
    let (mut watch, first) = world.watch(&identity, ALICE);
    world.wait(Duration::from_secs(60));
    let rest =
        format!("{EVENT}Contact: <sip:moved@192.0.2.23:5060>\nExpires: 600\nContent-Length: 0\n\n");
    let refresh = watch.next(&mut world, "SUBSCRIBE", &rest);
    let ok = world.ask_for("SIP/2.0", &refresh);
    assert_eq!((ok.status(), ok.header("Expires")), (200, "600"));
    let state = world.notified().pop().unwrap();
    assert_eq!(state.header("Subscription-State"), "active;expires=600");
    assert_eq!((version(&state), state.body()), (version(&first), first.body()));
    assert!(state.start().starts_with("NOTIFY sip:moved@192.0.2.23:5060"));
}

/// A watcher that refreshes all the time costs no more than one that does not, and is told of its end.
#[test]
fn refreshes_without_end_leave_nothing_behind() {
    let (mut world, identity) = garden();
    let (mut watch, _) = world.watch(&identity, ALICE);
    let planned = world.holding("agenda");
    for _ in 0..50 {
        let rest = format!("{EVENT}Expires: 600\nContent-Length: 0\n\n");
        let refresh = watch.next(&mut world, "SUBSCRIBE", &rest);
        assert_eq!(world.ask_for("SIP/2.0", &refresh).status(), 200);
        world.notified();
        world.wait(Duration::from_millis(100));
    }
    assert!(world.holding("agenda") <= planned + 1, "{} plans", world.holding("agenda"));
    world.wait(Duration::from_secs(600));
    let last = world.notified().pop().expect("the last NOTIFY");
    assert_eq!(last.header("Subscription-State"), "terminated;reason=timeout");
}

/// NTF-06: a subscription that is not refreshed ends with the state as it is.
#[test]
fn a_subscription_ends_with_its_time() {
    let (mut world, identity) = garden();
    let subscribe = subscribe(&mut world, &identity, ALICE, "Event: conference\nExpires: 60\n");
    world.hear(&subscribe);
    world.notified();
    world.wait(Duration::from_millis(59_999));
    assert!(world.take_requests("NOTIFY").is_empty());
    world.wait(Duration::from_millis(1));
    let last = world.notified().pop().unwrap();
    assert_eq!(last.header("Subscription-State"), "terminated;reason=timeout");
    assert_eq!(connected(&last), [ALICE]);
}

/// NTF-06: its watcher may end it, and is told how things stand.
#[test]
fn a_watcher_may_stop_watching() {
    let (mut world, identity) = garden();
    let (mut watch, _) = world.watch(&identity, ALICE);
    let rest = format!("{EVENT}Expires: 0\nContent-Length: 0\n\n");
    let stop = watch.next(&mut world, "SUBSCRIBE", &rest);
    assert_eq!(world.ask_for("SIP/2.0", &stop).header("Expires"), "0");
    let last = world.notified().pop().unwrap();
    assert_eq!(last.header("Subscription-State"), "terminated;reason=timeout");
    let again = watch.next(&mut world, "SUBSCRIBE", &rest);
    assert_eq!(world.ask(&again).status(), 481);
}

/// NTF-06: whoever asks for more when the session is over is told that nothing of it is there, and then,
/// once the NOTIFY before is answered, how it ended.
#[test]
fn a_refresh_does_not_bring_an_ended_session_back() {
    let mut world = World::new(vectors());
    let alice = world.join(GARDEN, ALICE);
    let (mut watch, _) = world.watch(&alice.identity(), ALICE);
    let bob = world.join(GARDEN, BOB);
    let unanswered = world.take_requests("NOTIFY").pop().expect("Bob is there");
    for mut call in [bob, alice.clone()] {
        call.bye(&mut world);
    }
    let rest = format!("{EVENT}Expires: 600\nContent-Length: 0\n\n");
    let refresh = watch.next(&mut world, "SUBSCRIBE", &rest);
    assert_eq!(world.ask(&refresh).status(), 481);
    world.answer(&unanswered, "200 OK");
    let last = world.notified().pop().expect("the last NOTIFY");
    assert_eq!(last.header("Subscription-State"), "terminated;reason=noresource");
    assert!(last.body().contains("state=\"deleted\""), "{}", last.text);
}

/// SUB-09, LEAVE-03: a subscription is no seat, and outlives the leg of its watcher.
#[test]
fn watching_and_taking_part_are_two_things() {
    let mut config = vectors();
    config.rooms[0].rules.max_participants = Some(2);
    let mut world = World::new(config);
    let mut alice = world.join(GARDEN, ALICE);
    let (_, first) = world.watch(&alice.identity(), ALICE);
    assert!(first.body().contains("<user-count>1</user-count>"));
    world.join(GARDEN, BOB);
    world.notified();
    world.wait(Duration::from_secs(10));
    alice.bye(&mut world);
    let told = world.notified().pop().expect("told of her own departure");
    assert_eq!(connected(&told), [BOB]);
}

/// SUB-09: four of one user, and not five.
#[test]
fn one_user_may_watch_so_often() {
    let (mut world, identity) = garden();
    for _ in 0..4 {
        world.watch(&identity, ALICE);
    }
    assert_eq!(ask(&mut world, &identity, ALICE, EVENT).status(), 403);
}

/// OPS-03: as many subscriptions as there may be.
#[test]
fn subscriptions_are_bounded() {
    let mut config = vectors();
    config.limits = Limits { subscriptions: 1, ..Limits::default() };
    let mut world = World::new(config);
    let identity = world.join(GARDEN, ALICE).identity();
    world.watch(&identity, ALICE);
    assert_eq!(ask(&mut world, &identity, ALICE, EVENT).status(), 503);
}

/// NTF-05: an alias is all that those who watch are ever told of an anonymous user, also when it
/// goes.
#[test]
fn an_anonymous_user_stays_anonymous_to_the_end() {
    let mut world = World::new(vectors());
    let identity = world.join(GROUP, BOB).identity();
    world.watch(&identity, BOB);
    world.is_polite = true;
    let mut alice = world.join_with(&identity, ALICE, "Privacy: id\n");
    world.wait(Duration::from_secs(10));
    alice.bye(&mut world);
    world.wait(Duration::from_secs(10));
    let told = world.take_requests("NOTIFY");
    assert!(told.iter().all(|notify| !notify.text.contains("alice")));
    assert!(told.iter().any(|notify| notify.body().contains("disconnected")));
}

/// NTF-09: whoever watches does not delay a join: the 200 goes before any NOTIFY.
#[test]
fn a_joiner_does_not_wait_for_those_who_watch() {
    let (mut world, identity) = garden();
    world.is_polite = true;
    for user in ["sip:u1@example.com", "sip:u2@example.com", "sip:u3@example.com"] {
        world.join(GARDEN, user);
        world.watch(&identity, user);
    }
    world.wait(Duration::from_secs(10));
    world.take();
    world.journal();
    let invite = invite(&mut world, GARDEN, BOB, "", OFFER);
    world.hear(&invite);
    let journal = world.journal();
    let at = |start: &str| journal.iter().position(|line| line.starts_with(start)).unwrap();
    assert!(at("sip: SIP/2.0 200 OK") < at("sip: NOTIFY"), "{journal:?}");
    assert_eq!(world.take_requests("NOTIFY").len(), 3);
}

/// NTF-09: however many watch a room, a join elsewhere waits for a few of their NOTIFYs at most; and all
/// of them are told in the end, as well as when it is over.
#[test]
fn a_crowd_that_watches_delays_nobody_elsewhere() {
    const CROWD: usize = 500;
    const TURN: usize = 16;
    let mut config = Config { any_room: Some(Rules::default()), ..vectors() };
    config.rooms[0].rules.max_participants = None;
    // A roster of all of them would not fit into a message.
    config.limits.roster = 0;
    let mut world = World::new(config);
    world.is_polite = true;
    let identity = world.join(GARDEN, ALICE).identity();
    for number in 0..CROWD - 1 {
        let user = format!("sip:u{number}@example.com");
        world.join(GARDEN, &user);
        world.watch(&identity, &user);
    }
    world.wait(Duration::from_secs(10));
    world.take();
    let told_of = |sent: &[Sent]| sent.iter().filter(|it| it.start().starts_with("NOTIFY")).count();
    world.lingers = true;
    let mut last = world.join(GARDEN, BOB);
    let mut told = told_of(&world.take());
    assert!(told <= TURN, "{told} before the next may be heard");
    let mut turns = 0;
    loop {
        let elsewhere = format!("sip:other{turns}@im.example.com");
        let invite = invite(&mut world, &elsewhere, CAROL, "", OFFER);
        world.hear(&invite);
        let sent = world.take();
        assert!(sent.iter().any(|it| it.status() == 200), "turn {turns}: answered at once");
        assert_eq!(told_of(&sent), 0, "turn {turns}");
        if !world.turn() {
            break;
        }
        let now = told_of(&world.take());
        assert!(now <= TURN, "turn {turns}: {now}");
        told += now;
        turns += 1;
    }
    assert_eq!(told, CROWD - 1);
    assert!(turns >= CROWD / TURN, "{turns}");

    // The same when the time comes at which all may be told more, and when all is over.
    last.bye(&mut world);
    world.take();
    world.lingers = false;
    world.wait(Duration::from_secs(10));
    assert_eq!(told_of(&world.take()), CROWD - 1);
    world.stop();
    assert_eq!(told_of(&world.take()), CROWD - 1, "the last word");
}

/// EVT-14: who begins to watch a large session is told how many there are, and of itself.
#[test]
fn a_large_roster_is_a_number() {
    let mut config = vectors();
    config.limits = Limits { roster: 2, ..Limits::default() };
    let mut world = World::new(config);
    let identity = world.join(GARDEN, ALICE).identity();
    let (_, before) = world.watch(&identity, ALICE);
    for user in [BOB, CAROL] {
        world.join(GARDEN, user);
    }
    let (_, first) = world.watch(&identity, CAROL);
    assert_eq!(
        (connected(&before), connected(&first)),
        (vec![ALICE.to_owned()], vec![CAROL.to_owned()])
    );
    assert!(first.body().contains("<user-count>3</user-count>"), "{}", first.text);
    world.take();
    world.wait(Duration::from_secs(10));
    world.is_polite = true;
    let mut dave = world.join(GARDEN, "sip:dave@example.com");
    let mut told = world.take_requests("NOTIFY");
    world.wait(Duration::from_secs(10));
    dave.bye(&mut world);
    told.extend(world.take_requests("NOTIFY"));
    told.retain(|notify| notify.header("To") == first.header("To"));
    assert_eq!(told.len(), 2, "the number has changed twice");
    assert!(told.iter().all(|notify| users(notify).len() == 1));
    assert!(told[1].body().contains("<user-count>3</user-count>"));
}

/// EVT-14, OPS-04: a roster that outgrows what a message may hold is told no more; who watches anew
/// is told less.
#[test]
fn a_roster_that_outgrows_a_message_ends_the_subscription() {
    let mut world = World::new(vectors());
    let identity = world.join(GARDEN, ALICE).identity();
    let (_, first) = world.watch(&identity, ALICE);
    world.is_polite = true;
    let host = format!("{}.example.com", "long.".repeat(60));
    for number in 0..250 {
        world.join(GARDEN, &format!("sip:user{number}@{host}"));
    }
    world.wait(Duration::from_secs(5));
    let last = world.take_requests("NOTIFY").pop().unwrap();
    assert_eq!(last.header("To"), first.header("To"));
    assert_eq!(last.header("Subscription-State"), "terminated;reason=deactivated");
    assert!(last.body().len() < 2000);
    world.is_polite = false;
    let (_, anew) = world.watch(&identity, ALICE);
    assert_eq!(connected(&anew), [ALICE]);
    assert!(anew.body().contains("<user-count>251</user-count>"));
}
