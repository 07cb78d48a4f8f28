//! Test vectors of the catalogue, as a client hears them: octet for octet, but for what its own requests
//! were called, which it chose itself.

use std::time::Duration;

use sip_control::client::{Config, Conversation, Event, Privacy, Roster};
use sip_control::message::{Header, Message};
use sip_control::transport::{Protocol, Target};

use super::peer::*;

/// The answer to a public join.
const TV_02: &str = r#"SIP/2.0 200 OK
Via: SIP/2.0/TCP proxy.example.com:5060;branch=z9hG4bKp01
Via: SIP/2.0/TCP 192.0.2.21:50231;branch=z9hG4bKc01
Record-Route: <sip:proxy.example.com;transport=tcp;lr>
From: "Alice" <sip:alice@example.com>;tag=a01
To: <sip:garden-open@im.example.com>;tag=f9c1
Call-ID: tv01-7d2f@192.0.2.21
CSeq: 1 INVITE
Contact: <sip:s-91be77d20c5a4e0fa6d3b1c2e4f50617@im.example.com;gr>;isfocus;automata;message;event="conference";+g.oma.sip-im
Server: IM-serv/OMA1.0 demo/0.1
Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, SUBSCRIBE, NOTIFY, REFER, PRACK, UPDATE
Allow-Events: conference
Accept: application/sdp, multipart/mixed, application/resource-lists+xml
Supported: timer, 100rel, norefersub, gruu, recipient-list-invite
Require: timer
Session-Expires: 1800;refresher=uac
Content-Type: application/sdp
Content-Length: 329

v=0
o=- 4100000001 1 IN IP4 198.51.100.5
s=-
c=IN IP4 198.51.100.5
t=0 0
m=message 2855 TCP/MSRP *
a=accept-types:message/cpim
a=accept-wrapped-types:text/plain message/imdn+xml
a=setup:passive
a=path:msrp://198.51.100.5:2855/Qf7sX0aM4rJ9dK2yHc;tcp
a=max-size:1048576
a=chatroom:nickname private-messages
a=sendrecv
"#;

/// Who is in the session at first.
const TV_14: &str = r#"NOTIFY sip:bob@192.0.2.22:50300;transport=tcp SIP/2.0
Via: SIP/2.0/TCP im.example.com:5060;branch=z9hG4bKf14
Route: <sip:proxy.example.com;transport=tcp;lr>
Max-Forwards: 70
From: <sip:s-4f0c2a9be1d34b7c8d5e6f7a8b9c0d1e@im.example.com;gr>;tag=n14
To: <sip:bob@example.com>;tag=b13
Call-ID: tv13-9e01@192.0.2.22
CSeq: 1 NOTIFY
Contact: <sip:s-4f0c2a9be1d34b7c8d5e6f7a8b9c0d1e@im.example.com;gr>
Event: conference
Subscription-State: active;expires=3600
Content-Type: application/conference-info+xml
Content-Length: 1012

<?xml version="1.0" encoding="UTF-8"?>
<conference-info xmlns="urn:ietf:params:xml:ns:conference-info" entity="sip:s-4f0c2a9be1d34b7c8d5e6f7a8b9c0d1e@im.example.com;gr" state="full" version="1">
<conference-description><subject>Roses and other matters</subject><conf-uris state="full"><entry><uri>sip:gardeners@groups.example.com</uri></entry></conf-uris><maximum-user-count>3</maximum-user-count></conference-description>
<conference-state><user-count>2</user-count><active>true</active><locked>false</locked></conference-state>
<users state="full">
<user entity="sip:bob@example.com" state="full"><display-text>Bob</display-text><endpoint entity="e1" state="full"><status>connected</status><joining-method>dialed-in</joining-method></endpoint></user>
<user entity="sip:anonymous1@anonymous.invalid" state="full"><display-text>Anonymous1</display-text><endpoint entity="e2" state="full"><status>connected</status><joining-method>dialed-in</joining-method></endpoint></user>
</users>
</conference-info>
"#;

/// And after one of them has left.
const TV_15: &str = r#"NOTIFY sip:bob@192.0.2.22:50300;transport=tcp SIP/2.0
Via: SIP/2.0/TCP im.example.com:5060;branch=z9hG4bKf15
Route: <sip:proxy.example.com;transport=tcp;lr>
Max-Forwards: 70
From: <sip:s-4f0c2a9be1d34b7c8d5e6f7a8b9c0d1e@im.example.com;gr>;tag=n14
To: <sip:bob@example.com>;tag=b13
Call-ID: tv13-9e01@192.0.2.22
CSeq: 2 NOTIFY
Contact: <sip:s-4f0c2a9be1d34b7c8d5e6f7a8b9c0d1e@im.example.com;gr>
Event: conference
Subscription-State: active;expires=3411
Content-Type: application/conference-info+xml
Content-Length: 557

<?xml version="1.0" encoding="UTF-8"?>
<conference-info xmlns="urn:ietf:params:xml:ns:conference-info" entity="sip:s-4f0c2a9be1d34b7c8d5e6f7a8b9c0d1e@im.example.com;gr" state="partial" version="2">
<conference-state><user-count>1</user-count></conference-state>
<users state="partial">
<user entity="sip:anonymous1@anonymous.invalid" state="full"><display-text>Anonymous1</display-text><endpoint entity="e2" state="full"><status>disconnected</status><disconnection-method>departed</disconnection-method></endpoint></user>
</users>
</conference-info>
"#;

const RUNNING: &str = "sip:s-4f0c2a9be1d34b7c8d5e6f7a8b9c0d1e@im.example.com;gr";
const ANONYMOUS: &str = "sip:anonymous1@anonymous.invalid";

/// The client of a user at that address, which goes out by the proxy of the vectors.
fn client_of(user: &str, contact: &str) -> Config {
    let target = Target::new(Protocol::Tcp, "198.51.100.7:5060".parse().unwrap());
    let route = vec!["<sip:proxy.example.com;transport=tcp;lr>".to_owned()];
    let config = Config::new(user, contact.parse().unwrap(), target);
    Config { route, product: "demo/0.1".to_owned(), watches: false, ..config }
}

/// The vector with these lines in the place of those that begin like them.
fn with_lines(vector: &str, lines: &[(&str, String)]) -> String {
    let (head, body) = vector.split_once("\n\n").unwrap();
    let mut head: Vec<String> = head.lines().map(str::to_owned).collect();
    for (start, line) in lines {
        let mut places = head.iter_mut().filter(|line| line.starts_with(start));
        line.clone_into(places.next().unwrap());
        assert!(places.next().is_none(), "one {start}");
    }
    head.retain(|line| !line.is_empty());
    format!("{}\n\n{body}", head.join("\n"))
}

fn line(name: &str, message: &Message, header: Header) -> String {
    format!("{name}: {}", message.header(header).unwrap())
}

/// TV-02: everything in the answer to a public join counts: the identity, what the focus serves, who
/// refreshes and when, the route, and the media.
#[test]
fn the_answer_to_a_public_join_is_read_as_it_stands() {
    let mut scene = Scene::with(client_of("sip:alice@example.com", "192.0.2.21:50231"));
    let leg = scene.join();
    let invite = scene.sent();
    assert_eq!(invite.request_uri(), ROOM);
    // The proxy has taken its own Via off, and the rest is as the focus sent it.
    let ok = with_lines(
        TV_02,
        &[
            ("Via: SIP/2.0/TCP proxy.example.com", String::new()),
            ("Via: SIP/2.0/TCP 192.0.2.21", line("Via", &invite, Header::Via)),
            ("From: ", line("From", &invite, Header::From)),
            ("Call-ID: ", line("Call-ID", &invite, Header::CallId)),
        ],
    );
    scene.receive(&ok);
    let ack = scene.sent();
    let identity = "sip:s-91be77d20c5a4e0fa6d3b1c2e4f50617@im.example.com;gr";
    assert_eq!((ack.method_text(), ack.request_uri()), ("ACK", identity));
    assert_eq!(ack.header(Header::Route), Some("<sip:proxy.example.com;transport=tcp;lr>"));
    assert_eq!(ack.header(Header::To), Some("<sip:garden-open@im.example.com>;tag=f9c1"));
    let Some(Event::Joined { leg: joined_leg, joined }) = scene.event() else { panic!() };
    assert_eq!((joined_leg, joined.peer_fault), (leg, None));
    let Conversation { public_uri, identity: known, allow, is_focus, .. } = joined.conversation;
    assert_eq!(
        (public_uri.as_deref(), known.as_deref(), is_focus),
        (Some(ROOM), Some(identity), true)
    );
    let served = "INVITE ACK CANCEL BYE OPTIONS SUBSCRIBE NOTIFY REFER PRACK UPDATE";
    assert_eq!(allow.join(" "), served);
    let agreement = joined.agreement;
    assert_eq!(agreement.remote.as_str(), "msrp://198.51.100.5:2855/Qf7sX0aM4rJ9dK2yHc;tcp");
    assert_eq!(agreement.local.as_str(), attribute(&invite, "path"));
    assert_eq!(agreement.size_max, Some(1_048_576));
    assert!(agreement.may_send && agreement.nicknames && agreement.private_messages);
    assert!(agreement.wrapped_types.accepts(b"text/plain"));
    assert!(agreement.wrapped_types.accepts(b"message/imdn+xml"));
    assert!(!agreement.wrapped_types.accepts(b"text/html"));
    // It is for us to refresh, at half of 1800 s, and by UPDATE, which is served.
    scene.pass(Duration::from_secs(899));
    scene.assert_silent();
    scene.pass(Duration::from_secs(1));
    let update = scene.sent();
    assert_eq!((update.method_text(), update.request_uri()), ("UPDATE", identity));
    assert_eq!(update.header(Header::SessionExpires), Some("1800;refresher=uac"));
}

/// Bob's client, in the session that runs, with its SUBSCRIBE accepted.
fn bob() -> (Scene, Message) {
    let config = client_of("sip:bob@example.com", "192.0.2.22:50300");
    let mut scene = Scene::with(Config { watches: true, ..config });
    let known = Conversation { identity: Some(RUNNING.to_owned()), ..Conversation::default() };
    scene.client.rejoin(scene.now, known, Privacy::None).unwrap();
    let invite = scene.sent();
    scene.receive(&ok(&invite, &contact(RUNNING)));
    assert_eq!(scene.sent().method_text(), "ACK");
    assert!(matches!(scene.event(), Some(Event::Joined { .. })));
    let subscribe = scene.sent();
    assert_eq!((subscribe.method_text(), subscribe.request_uri()), ("SUBSCRIBE", RUNNING));
    let lines = format!("Contact: <{RUNNING}>\nExpires: 3600\n");
    let accepted = answer(&subscribe, "200 OK", &lines).replace(";tag=f9c1", ";tag=n14");
    scene.receive(&accepted);
    (scene, subscribe)
}

/// A NOTIFY of the vectors, in the dialog of this SUBSCRIBE.
fn notify(vector: &str, subscribe: &Message) -> String {
    with_lines(
        vector,
        &[
            ("To: ", line("To", subscribe, Header::From)),
            ("Call-ID: ", line("Call-ID", subscribe, Header::CallId)),
        ],
    )
}

/// Takes in a NOTIFY, which is answered 200. The roster, if that has changed by it.
fn told(scene: &mut Scene, notify: &str) -> Option<Roster> {
    scene.receive(notify);
    assert_eq!(scene.sent().status(), Some(200), "{notify}");
    match scene.event() {
        Some(Event::Roster { roster, .. }) => Some(*roster),
        None => None,
        other => panic!("{other:?}"),
    }
}

/// TV-15, EVT-12: what has changed is applied to version 1, which it follows.
#[test]
fn a_change_is_applied_to_the_state_before_it() {
    let (mut scene, subscribe) = bob();
    let roster = told(&mut scene, &notify(TV_14, &subscribe)).expect("all there is");
    assert!(roster.users()[ANONYMOUS].is_connected());
    let roster = told(&mut scene, &notify(TV_15, &subscribe)).expect("a change");
    let gone = &roster.users()[ANONYMOUS];
    assert!(!gone.is_connected() && gone.has_departed);
    assert!(roster.users()["sip:bob@example.com"].is_connected());
    assert_eq!(roster.user_count(), Some(1));
    assert_eq!(roster.subject(), Some("Roses and other matters"), "as before");
    scene.assert_silent();
}

/// TV-15, EVT-12: without the state before it, or with one that is older than that, it means nothing:
/// the whole is asked for. With version 2 or a later one it is old news.
#[test]
fn a_change_of_another_state_changes_nothing() {
    let full = |version: u32| {
        let version = format!("version=\"{version}\"");
        TV_14.replace("version=\"1\"", &version).replace("CSeq: 1 ", "CSeq: 2 ")
    };
    let change = TV_15.replace("CSeq: 2 ", "CSeq: 3 ");
    for (known, asks) in [(None, true), (Some(0), true), (Some(2), false), (Some(7), false)] {
        let (mut scene, subscribe) = bob();
        let before = known.map(|version| told(&mut scene, &notify(&full(version), &subscribe)));
        scene.receive(&notify(&change, &subscribe));
        assert_eq!(scene.sent().status(), Some(200), "{known:?}");
        assert!(scene.event().is_none(), "{known:?}: the roster stays as it was");
        assert_eq!(before.flatten().is_some(), known.is_some());
        scene.pass(Duration::from_secs(10));
        let again = scene.client.poll_transmit();
        assert_eq!(again.is_some_and(|it| it.bytes.starts_with(b"SUBSCRIBE ")), asks, "{known:?}");
    }
}
