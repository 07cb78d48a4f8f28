//! Following the roster of a conference.

use std::time::Duration;

use sip_control::client::{Config, Event, LegId, Roster, Unwatched};
use sip_control::message::{Header, Message};

use super::peer::*;

/// Who is in a conference with these users, one of whom is anonymous (TV-14).
fn document(state: &str, version: u32, rest: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <conference-info xmlns=\"urn:ietf:params:xml:ns:conference-info\" entity=\"{IDENTITY}\" \
         state=\"{state}\" version=\"{version}\">\n{rest}</conference-info>\n"
    )
}

fn user(entity: &str, state: &str, endpoint: &str, status: &str) -> String {
    format!(
        "<user entity=\"{entity}\" state=\"{state}\"><display-text>{entity} &amp; co&#46;\
         </display-text><endpoint entity=\"{endpoint}\" state=\"full\"><status>{status}</status>\
         <media id=\"1\"><status>sendrecv</status></media></endpoint></user>\n"
    )
}

fn full(version: u32, users: &str) -> String {
    let rest = format!(
        "<conference-description><subject>Roses</subject></conference-description>\
         <conference-state><user-count>2</user-count></conference-state>\
         <users state=\"full\">{users}</users>"
    );
    document("full", version, &rest)
}

fn partial(version: u32, users: &str) -> String {
    document("partial", version, &format!("<users state=\"partial\">{users}</users>"))
}

/// A NOTIFY of the subscription that `subscribe` asked for.
fn notify(subscribe: &Message, sequence: u32, state: &str, body: &str) -> String {
    let lines = format!(
        "Contact: <{IDENTITY}>\nEvent: conference\nSubscription-State: {state}\n\
         Content-Type: application/conference-info+xml\n"
    );
    request(subscribe, "NOTIFY", sequence, &lines, body)
}

fn granted(scene: &mut Scene, subscribe: &Message, seconds: u32) {
    let lines = format!("Contact: <{IDENTITY}>\nExpires: {seconds}\n");
    scene.receive(&answer(subscribe, "200 OK", &lines));
}

/// A client that has joined, and the SUBSCRIBE it sends after its ACK.
fn joined() -> (Scene, LegId, Message) {
    let mut scene = Scene::with(Config { watches: true, ..config() });
    let leg = scene.join();
    let invite = scene.sent();
    scene.receive(&ok(&invite, &contact(IDENTITY)));
    assert_eq!(scene.sent().method_text(), "ACK");
    assert!(matches!(scene.event(), Some(Event::Joined { .. })));
    let subscribe = scene.sent();
    assert_eq!(subscribe.method_text(), "SUBSCRIBE");
    (scene, leg, subscribe)
}

/// The same, subscribed, with alice and an anonymous user in the room.
fn watching() -> (Scene, LegId, Message) {
    let (mut scene, leg, subscribe) = joined();
    granted(&mut scene, &subscribe, 3600);
    let users = user("sip:alice@example.com", "full", "e1", "connected")
        + &user("sip:anonymous1@anonymous.invalid", "full", "e2", "connected");
    scene.receive(&notify(&subscribe, 1, "active;expires=3600", &full(1, &users)));
    assert_eq!(scene.sent().status(), Some(200));
    assert_eq!(connected(&roster(&mut scene)).len(), 2);
    (scene, leg, subscribe)
}

fn roster(scene: &mut Scene) -> Roster {
    match scene.event() {
        Some(Event::Roster { roster, .. }) => *roster,
        other => panic!("{other:?}"),
    }
}

fn connected(roster: &Roster) -> Vec<&str> {
    let users = roster.users().iter().filter(|(_, member)| member.is_connected());
    users.map(|(entity, _)| entity.as_str()).collect()
}

fn unwatched(scene: &mut Scene) -> Unwatched {
    match scene.event() {
        Some(Event::Unwatched { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

/// REJ-12, JOIN-09, SUB-01: after the ACK goes a SUBSCRIBE to the IM Session Identity, in a dialog of
/// its own and by the rules that the INVITE follows.
#[test]
fn who_joins_subscribes_at_the_identity() {
    let (mut scene, _, subscribe) = joined();
    let tag = subscribe.from().unwrap().tag().unwrap();
    let (branch, call_id) = (
        subscribe.top_via().unwrap().branch().unwrap().to_owned(),
        subscribe.header(Header::CallId).unwrap(),
    );
    let expected = format!(
        "SUBSCRIBE {IDENTITY} SIP/2.0\n\
         Via: SIP/2.0/UDP 192.0.2.21:5062;branch={branch};rport\n\
         Max-Forwards: 70\n\
         From: \"Alice\" <sip:alice@example.com>;tag={tag}\n\
         To: <{IDENTITY}>\n\
         Call-ID: {call_id}\n\
         CSeq: 1 SUBSCRIBE\n\
         Contact: <sip:alice@192.0.2.21:5062>;+g.oma.sip-im;\
         +sip.instance=\"<urn:uuid:00000000-0000-4000-8000-000000000001>\"\n\
         Accept-Contact: *;+g.oma.sip-im\n\
         User-Agent: IM-client/OMA1.0 demo/0.1\n\
         Event: conference\n\
         Accept: application/conference-info+xml\n\
         Expires: 3600\n\
         Content-Length: 0\n\n"
    );
    assert_eq!(text(&subscribe), expected.replace('\n', "\r\n"));
    scene.assert_silent();
}

/// REJ-12: a switch turns it off.
#[test]
fn who_does_not_want_to_watch_does_not() {
    Scene::new().joined("");
    let mut scene = Scene::new();
    scene.joined("");
    scene.assert_silent();
}

/// EVT-12: a full document replaces everything; a partial one changes what it names; one that is not
/// newer is passed over.
#[test]
fn documents_add_up() {
    let (mut scene, _, subscribe) = watching();
    let bob = user("sip:bob@example.com", "full", "e3", "connected");
    let gone = user("sip:anonymous1@anonymous.invalid", "full", "e2", "disconnected");
    scene.receive(&notify(&subscribe, 2, "active", &partial(2, &(bob + &gone))));
    assert_eq!(scene.sent().status(), Some(200));
    let now = roster(&mut scene);
    assert_eq!(connected(&now), ["sip:alice@example.com", "sip:bob@example.com"]);
    assert_eq!((now.subject(), now.user_count()), (Some("Roses"), Some(2)));
    let alice = &now.users()["sip:alice@example.com"];
    assert_eq!(alice.display_text.as_deref(), Some("sip:alice@example.com & co."));

    for stale in [full(2, ""), partial(1, ""), partial(2, "")] {
        scene.receive(&notify(&subscribe, 3, "active", &stale));
        assert_eq!(scene.sent().status(), Some(200));
        assert!(scene.event().is_none());
    }
    let another = "<user entity=\"sip:bob@example.com\" state=\"partial\">\
        <endpoint entity=\"e4\"><status>connected</status></endpoint></user>\
        <user entity=\"sip:anonymous1@anonymous.invalid\" state=\"deleted\"/>";
    scene.receive(&notify(&subscribe, 4, "active", &partial(3, another)));
    scene.sent();
    let now = roster(&mut scene);
    assert_eq!(now.users().len(), 2);
    assert_eq!(now.users()["sip:bob@example.com"].endpoints.len(), 2);
    scene.receive(&notify(&subscribe, 5, "active", &full(9, "")));
    scene.sent();
    assert!(roster(&mut scene).users().is_empty());
    scene.assert_silent();
}

/// EVT-12, EVT-13: where something was missed, or cannot be read, the roster stays as it was and the
/// whole is asked for; but a focus that only ever talks nonsense is not asked without end.
#[test]
fn what_was_missed_is_asked_for() {
    let broken = ["<conference-info", "<!DOCTYPE x [<!ENTITY a \"b\">]><x/>", "", "<x>&a;</x>"];
    let documents = [partial(3, ""), document("partial", 9, ""), document("odd", 2, "")];
    for document in broken.iter().map(|text| (*text).to_owned()).chain(documents) {
        let (mut scene, _, subscribe) = watching();
        scene.pass(Duration::from_secs(60));
        scene.receive(&notify(&subscribe, 2, "active;expires=3500", &document));
        assert_eq!(scene.sent().status(), Some(200), "{document}");
        assert!(scene.event().is_none(), "{document}");
        if document.is_empty() {
            scene.assert_silent();
            continue;
        }
        scene.pass(Duration::ZERO);
        let again = scene.sent();
        assert_eq!((again.method_text(), again.request_uri()), ("SUBSCRIBE", IDENTITY));
        assert_eq!(again.header(Header::CSeq), Some("2 SUBSCRIBE"));
        assert_eq!(again.header(Header::Expires), Some("3600"));
        granted(&mut scene, &again, 3600);
        scene.receive(&notify(&subscribe, 3, "active;expires=3600", &document));
        scene.sent();
        scene.pass(Duration::from_secs(9));
        scene.assert_silent();
        scene.pass(Duration::from_secs(1));
        assert_eq!(scene.sent().method_text(), "SUBSCRIBE");
    }
}

/// RFC 7701 section 7.4: a nickname is an attribute of RFC 6501, whatever its prefix; one of another
/// namespace is somebody else's.
#[test]
fn nicknames_are_read() {
    let (mut scene, _, subscribe) = watching();
    let users = "<user entity=\"sip:alice@example.com\" \
         xmlns:x=\"urn:ietf:params:xml:ns:xcon-conference-info\" x:nickname=\"A &lt;lice\"/>\
         <user entity=\"sip:bob@example.com\" xmlns:x=\"urn:x\" x:nickname=\"Bobby\"/>";
    scene.receive(&notify(&subscribe, 2, "active", &full(2, users)));
    scene.sent();
    let now = roster(&mut scene);
    assert_eq!(now.users()["sip:alice@example.com"].nickname.as_deref(), Some("A <lice"));
    assert_eq!(now.users()["sip:bob@example.com"].nickname, None);
}

/// EVT-12: a partial document before any full one says too little.
#[test]
fn a_change_of_nothing_known_is_asked_about() {
    let (mut scene, _, subscribe) = joined();
    granted(&mut scene, &subscribe, 3600);
    scene.receive(&notify(&subscribe, 1, "active;expires=3600", &partial(1, "")));
    assert_eq!(scene.sent().status(), Some(200));
    assert!(scene.event().is_none());
    scene.pass(Duration::from_secs(10));
    assert_eq!(scene.sent().method_text(), "SUBSCRIBE");
}

/// EVT-12: a conference that is no more is reported, and the subscription ended, while the leg lives
/// on until its BYE.
#[test]
fn a_conference_that_is_gone_is_reported() {
    let (mut scene, _, subscribe) = watching();
    scene.receive(&notify(&subscribe, 2, "active", &document("deleted", 2, "")));
    assert_eq!(unwatched(&mut scene), Unwatched::Gone);
    let sent = [scene.sent(), scene.sent()];
    let last = sent.iter().find(|message| message.is_request()).unwrap();
    assert_eq!(last.header(Header::Expires), Some("0"));
    assert_eq!(scene.client.legs(), 1);

    let (mut scene, _, subscribe) = watching();
    let over = "terminated;reason=noresource";
    scene.receive(&notify(&subscribe, 2, over, &document("deleted", 2, "")));
    assert_eq!(unwatched(&mut scene), Unwatched::Gone);
    assert_eq!(scene.sent().status(), Some(200));
    scene.assert_silent();
    assert!(scene.event().is_none());
}

/// SUB-02: a NOTIFY that overtakes the 200 makes the dialog, and 202 is as good as 200.
#[test]
fn a_notify_may_overtake_its_200() {
    let (mut scene, _, subscribe) = joined();
    let alice = user("sip:alice@example.com", "full", "e1", "connected");
    scene.receive(&notify(&subscribe, 1, "active;expires=3600", &full(1, &alice)));
    assert_eq!(scene.sent().status(), Some(200));
    assert_eq!(connected(&roster(&mut scene)), ["sip:alice@example.com"]);
    scene.receive(&answer(&subscribe, "202 Accepted", "Expires: 3600\n"));
    scene.receive(&notify(&subscribe, 2, "active", &full(2, "")));
    assert_eq!(scene.sent().status(), Some(200));
    assert!(connected(&roster(&mut scene)).is_empty());
    scene.pass(Duration::from_secs(40));
    scene.assert_silent();
}

/// SUB-02: without a NOTIFY within 64*T1 there is no subscription, whatever was answered.
#[test]
fn silence_ends_a_subscription() {
    let (mut scene, _, subscribe) = joined();
    granted(&mut scene, &subscribe, 3600);
    scene.pass(Duration::from_millis(31_999));
    assert!(scene.event().is_none());
    scene.pass(Duration::from_millis(1));
    assert_eq!(unwatched(&mut scene), Unwatched::Silence);
    assert_eq!(scene.client.legs(), 1);
    scene.receive(&notify(&subscribe, 1, "active", &full(1, "")));
    assert_eq!(scene.sent().status(), Some(481));
}

/// SUB-03: a long subscription is refreshed 600 s before its end, a short one at half its time; 423
/// is answered with the time it asks for; some refusals are the end, others are not.
#[test]
fn a_subscription_is_refreshed_in_time() {
    for (seconds, at) in [(3600, 3000), (1000, 500)] {
        let (mut scene, _, subscribe) = watching();
        let state = format!("active;expires={seconds}");
        scene.receive(&notify(&subscribe, 2, &state, &full(2, "")));
        scene.sent();
        scene.event();
        scene.pass(Duration::from_millis(at * 1000 - 1));
        scene.assert_silent();
        scene.pass(Duration::from_millis(1));
        let refresh = scene.sent();
        assert_eq!(refresh.header(Header::CSeq), Some("2 SUBSCRIBE"));
        assert_eq!(refresh.header(Header::CallId), subscribe.header(Header::CallId));
        scene.receive(&answer(&refresh, "423 Interval Too Brief", "Min-Expires: 7200\n"));
        let longer = scene.sent();
        assert_eq!(longer.header(Header::Expires), Some("7200"));
        scene.receive(&answer(&longer, "500 Server Internal Error", ""));
        assert!(scene.event().is_none());
        scene.pass(Duration::from_secs(seconds - at));
        assert_eq!(unwatched(&mut scene), Unwatched::Expired);
    }
    let (mut scene, _, _) = watching();
    scene.pass(Duration::from_secs(3000));
    let refresh = scene.sent();
    scene.receive(&answer(&refresh, "481 Subscription Does Not Exist", ""));
    assert_eq!(unwatched(&mut scene), Unwatched::Refused(481));
}

/// SUB-03: a first SUBSCRIBE that is refused is the end of it, and of nothing else.
#[test]
fn a_refused_subscription_leaves_the_leg_alone() {
    let (mut scene, leg, subscribe) = joined();
    scene.receive(&answer(&subscribe, "403 Forbidden", ""));
    assert_eq!(unwatched(&mut scene), Unwatched::Refused(403));
    scene.client.leave(scene.now, leg);
    assert_eq!(scene.sent().method_text(), "BYE");
    scene.assert_silent();
}

/// SUB-04: who leaves ends the subscription before the BYE, answers the last NOTIFY, and tells nobody.
#[test]
fn who_leaves_ends_the_subscription_too() {
    let (mut scene, leg, subscribe) = watching();
    scene.client.leave(scene.now, leg);
    let (last, bye) = (scene.sent(), scene.sent());
    assert_eq!((last.method_text(), bye.method_text()), ("SUBSCRIBE", "BYE"));
    assert_eq!(last.header(Header::Expires), Some("0"));
    assert_eq!(last.header(Header::CallId), subscribe.header(Header::CallId));
    scene.receive(&answer(&bye, "200 OK", ""));
    assert!(matches!(scene.event(), Some(Event::Ended { .. })));
    granted(&mut scene, &last, 0);
    // A NOTIFY that was on its way is not the last one.
    scene.receive(&notify(&subscribe, 2, "active;expires=3000", &full(2, "")));
    assert_eq!(scene.sent().status(), Some(200));
    assert!(!scene.client.is_idle());
    scene.receive(&notify(&subscribe, 3, "terminated;reason=timeout", &full(2, "")));
    assert_eq!(scene.sent().status(), Some(200));
    assert!(scene.event().is_none() && scene.client.is_idle());
    scene.pass(Duration::from_secs(120));
    scene.assert_silent();
}

/// SUB-04: a leg that the focus ends, or that leaves before the focus has said anything, leaves no
/// subscription behind either.
#[test]
fn no_subscription_outlives_its_leg() {
    let (mut scene, leg, subscribe) = joined();
    scene.client.leave(scene.now, leg);
    let bye = scene.sent();
    assert_eq!(bye.method_text(), "BYE");
    granted(&mut scene, &subscribe, 3600);
    let last = scene.sent();
    assert_eq!((last.method_text(), last.header(Header::Expires)), ("SUBSCRIBE", Some("0")));
    scene.receive(&answer(&bye, "200 OK", ""));
    scene.receive(&answer(&last, "481 Subscription Does Not Exist", ""));
    assert!(scene.client.is_idle());

    // A focus that never says the last word is not waited for.
    let (mut scene, leg, subscribe) = watching();
    scene.client.leave(scene.now, leg);
    let (last, bye) = (scene.sent(), scene.sent());
    scene.receive(&answer(&bye, "200 OK", ""));
    granted(&mut scene, &last, 0);
    scene.receive(&notify(&subscribe, 2, "active", &full(2, "")));
    scene.pass(Duration::from_secs(32));
    assert!(scene.client.is_idle());

    let (mut scene, leg, _) = watching();
    scene.client.abandon(leg);
    scene.assert_silent();
    assert!(scene.client.is_idle());
}

/// NTF-08: what is no NOTIFY of ours is refused, each in its way.
#[test]
fn foreign_notifies_are_refused() {
    let (mut scene, _, subscribe) = watching();
    let good = notify(&subscribe, 2, "active", &full(2, ""));
    for (text, status) in [
        (good.replace("Event: conference\n", ""), 400),
        (good.replace("Subscription-State: active\n", ""), 400),
        (good.replace("Event: conference", "Event: presence"), 489),
        (good.replace("Event: conference", "Event: conference;id=7"), 481),
        (good.replace(";tag=f9c1", ";tag=elsewhere"), 481),
        (good.replace("Call-ID: ", "Call-ID: x"), 481),
        (good.replace("CSeq: 2 ", "CSeq: 0 "), 500),
    ] {
        let text = text.replace("z9hG4bK-NOTIFY-2", &format!("z9hG4bK-{}", text.len()));
        scene.receive(&text);
        assert_eq!(scene.sent().status(), Some(status), "{text}");
        assert!(scene.event().is_none(), "{text}");
    }
    scene.receive(&good);
    assert_eq!(scene.sent().status(), Some(200));
    assert!(scene.event().is_some());
}

/// NTF-08: some endings are for good; after others a new subscription is tried, when the focus says or
/// after a pause, in a dialog of its own.
#[test]
fn an_ended_subscription_may_be_worth_another() {
    for (state, after) in [
        ("terminated;reason=noresource", None),
        ("terminated;reason=rejected", None),
        ("terminated;reason=invariant", None),
        ("terminated", None),
        ("terminated;reason=deactivated", Some(0)),
        ("terminated;reason=timeout", Some(0)),
        ("terminated;reason=probation;retry-after=70", Some(70)),
        ("terminated;reason=giveup;retry-after=80", Some(80)),
    ] {
        let (mut scene, _, subscribe) = watching();
        scene.pass(Duration::from_secs(30));
        scene.receive(&notify(&subscribe, 2, state, ""));
        assert_eq!(scene.sent().status(), Some(200), "{state}");
        let Some(after) = after else {
            assert!(matches!(unwatched(&mut scene), Unwatched::Terminated(_)), "{state}");
            scene.pass(Duration::from_secs(7200));
            scene.assert_silent();
            continue;
        };
        assert!(scene.event().is_none());
        scene.pass(Duration::from_secs(after));
        let again = scene.sent();
        assert_eq!(again.header(Header::CSeq), Some("1 SUBSCRIBE"), "{state}");
        assert_ne!(again.header(Header::CallId), subscribe.header(Header::CallId));
        granted(&mut scene, &again, 3600);
        scene.receive(&notify(&again, 7, "active", &full(1, "")));
        assert_eq!(scene.sent().status(), Some(200));
        assert!(roster(&mut scene).users().is_empty());
    }
}
