//! What GSMA networks ask of a client.

use std::time::Duration;

use sip_control::client::{
    CannotCall, Config, Conversation, Ending, Event, Failed, Failure, Privacy, Refusal,
};
use sip_control::message::Header;

use super::peer::*;

const GROUP_SESSION: &str = "urn:urn-7:3gpp-service.ims.icsi.oma.cpm.session.group";

/// RCS-02: the INVITE and the SUBSCRIBE name the service, where the network wants that; nothing else
/// of the client does.
#[test]
fn requests_name_their_service() {
    for marks_service in [true, false] {
        let marked = marks_service.then_some(GROUP_SESSION);
        let mut scene = Scene::with(Config { marks_service, watches: true, ..config() });
        let leg = scene.join();
        let invite = scene.sent();
        assert_eq!(invite.header(Header::PPreferredService), marked);
        scene.receive(&ok(&invite, &contact(IDENTITY)));
        for method in ["ACK", "SUBSCRIBE"] {
            let sent = scene.sent();
            assert_eq!(sent.method_text(), method);
            let expected = marked.filter(|_| method == "SUBSCRIBE");
            assert_eq!(sent.header(Header::PPreferredService), expected, "{method}");
        }
        scene.client.leave(scene.now, leg);
        let bye = loop {
            let sent = scene.sent();
            if sent.method_text() == "BYE" {
                break sent;
            }
        };
        assert_eq!(bye.header(Header::PPreferredService), None);
    }
}

/// RCS-09: whoever was in a conference, and is not any more, does not come back by itself.
#[test]
fn nobody_rejoins_unasked() {
    for reason in
        ["Reason: SIP;cause=480;text=\"MSRP connection lost\"\n", "", "Reason: SIP;cause=503\n"]
    {
        let mut scene = Scene::new();
        scene.assert_silent();
        scene.join();
        let invite = scene.sent();
        scene.receive(&ok(&invite, &contact(IDENTITY)));
        scene.sent();
        scene.receive(&request(&invite, "BYE", 1, reason, ""));
        assert_eq!(scene.sent().status(), Some(200));
        while let Some(event) = scene.event() {
            assert!(matches!(event, Event::Joined { .. } | Event::Ended { .. }));
        }
        scene.pass(Duration::from_secs(24 * 3600));
        scene.assert_silent();
    }
}

const FACTORY: &str = "sip:chat-factory@im.example.com";
const NEXT: &str = "sip:s-0badcafe0badcafe0badcafe0badcafe@im.example.com;gr";
const GONE: &str = "Warning: 399 im.example.com \"IM Session does not exist\"\n";

fn gsma() -> Config {
    Config { factory: Some(FACTORY.to_owned()), watches: true, ..config() }
}

fn roster_of(users: &str, version: u32) -> String {
    format!(
        "<conference-info xmlns=\"urn:ietf:params:xml:ns:conference-info\" entity=\"{IDENTITY}\" \
         state=\"full\" version=\"{version}\"><users state=\"full\">{users}</users></conference-info>"
    )
}

fn user(uri: &str, how: &str) -> String {
    format!("<user entity=\"{uri}\"><endpoint entity=\"e\">{how}</endpoint></user>")
}

/// A group that was made, lived and lost its leg: what is left of it. Bob was called and came, Carol was
/// called and never did, Dave was called in later and lost, Erin departed, Frank was put out, and one
/// more hid.
fn lived(scene: &mut Scene) -> Conversation {
    let members = ["sip:bob@example.com", "tel:+12125550147"];
    let leg = scene.client.create(scene.now, &members, Some("Pruning"), Privacy::None).unwrap();
    let invite = scene.sent();
    scene.receive(&ok(&invite, &contact(IDENTITY)));
    assert_eq!(scene.sent().method_text(), "ACK");
    let subscribe = scene.sent();
    scene.receive(&answer(
        &subscribe,
        "200 OK",
        &format!("Contact: <{IDENTITY}>\nExpires: 3600\n"),
    ));
    let connected = "<status>connected</status>";
    let gone = |how: &str| {
        format!("<status>disconnected</status><disconnection-method>{how}</disconnection-method>")
    };
    let first = ["bob", "dave", "erin", "frank"]
        .map(|name| user(&format!("sip:{name}@Example.com"), connected))
        .concat();
    let second = [
        user("sip:alice@example.com", connected),
        user("sip:bob@example.com", connected),
        user("sip:dave@example.com", &gone("failed")),
        user("sip:erin@example.com", &gone("departed")),
        user("sip:frank@example.com", &gone("booted")),
        user("sip:anonymous1@anonymous.invalid", connected),
    ];
    for (version, users) in [(1, &first), (2, &second.concat())] {
        let lines = "Event: conference\nSubscription-State: active;expires=3600\n\
                     Contact: <sip:focus@im.example.com>\n\
                     Content-Type: application/conference-info+xml\n";
        let document = roster_of(users, version);
        scene.receive(&request(&subscribe, "NOTIFY", version, lines, &document));
        assert_eq!(scene.sent().status(), Some(200));
    }
    scene.receive(&request(&invite, "BYE", 1, "Reason: SIP;cause=480\n", ""));
    loop {
        match scene.event().expect("an end") {
            Event::Ended { leg: ended, conversation, ending } => {
                assert_eq!((ended, ending.may_rejoin()), (leg, true));
                while scene.client.poll_transmit().is_some() {}
                return *conversation;
            }
            Event::Joined { .. } | Event::Roster { .. } | Event::Unwatched { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

/// What becomes of a rejoin that is answered like that.
fn rejoined(scene: &mut Scene, conversation: Conversation, status: &str, lines: &str) -> Failed {
    scene.client.rejoin(scene.now, conversation, Privacy::None).unwrap();
    let invite = scene.sent();
    assert!(text(&invite).starts_with(&format!("INVITE {IDENTITY} SIP/2.0\r\n")));
    scene.receive(&answer(&invite, status, lines));
    assert_eq!(scene.sent().method_text(), "ACK");
    match scene.event() {
        Some(Event::Failed { failed, .. }) => *failed,
        other => panic!("{other:?}"),
    }
}

/// RCS-05, REJ-14: a rejoin that finds the session gone offers to begin it anew, by hand: a group of the
/// members who have not departed, at the Factory URI, with the names and the subject that it had. The
/// identity that this leads to replaces the old one.
#[test]
fn a_session_that_is_gone_can_be_begun_anew() {
    let mut scene = Scene::with(gsma());
    let conversation = lived(&mut scene);
    let marks = conversation.marks.clone();
    let failed = rejoined(&mut scene, conversation, "404 Not Found", "");
    scene.assert_silent();
    let Failure::Refused(refused) = &failed.failure else { panic!("{failed:?}") };
    assert_eq!(refused.refusal, Refusal::SessionGone);

    let restart = failed.restart().expect("an offer");
    let leg = scene.client.restart(scene.now, restart, Privacy::None).unwrap();
    let invite = scene.sent();
    assert!(text(&invite).starts_with(&format!("INVITE {FACTORY} SIP/2.0\r\n")));
    assert_eq!(invite.header(Header::Require), Some("recipient-list-invite"));
    assert_eq!(invite.header(Header::ContributionId), marks.contribution.as_deref());
    assert_eq!(invite.header(Header::ConversationId), marks.conversation.as_deref());
    assert!(marks.contribution.is_some() && marks.conversation.is_some());
    assert_eq!(invite.header(Header::Subject), Some("Pruning"));
    let kind = invite.header(Header::ContentType).unwrap().to_owned();
    let boundary = kind.strip_prefix("multipart/mixed;boundary=").expect("two parts");
    let body = body(&invite);
    let parts: Vec<&str> = body.split(&format!("--{boundary}")).collect();
    assert_eq!(parts.len(), 4, "{body}");
    assert!(parts[1].starts_with("\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n"), "{body}");
    assert!(parts[1].contains("a=path:msrp://"), "{body}");
    let expected = "\r\nContent-Type: application/resource-lists+xml\r\n\
        Content-Disposition: recipient-list\r\n\r\n\
        <?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n\
        <resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\">\r\n<list>\r\n\
        <entry uri=\"tel:+12125550147\"/>\r\n\
        <entry uri=\"sip:bob@example.com\"/>\r\n\
        <entry uri=\"sip:dave@example.com\"/>\r\n\
        </list>\r\n</resource-lists>\r\n\r\n";
    assert_eq!(parts[2], expected);
    assert_eq!(parts[3], "--\r\n");

    scene.receive(&ok(&invite, &contact(NEXT)));
    match scene.event() {
        Some(Event::Joined { leg: joined_leg, joined }) => {
            assert_eq!(joined_leg, leg);
            assert_eq!(joined.conversation.identity.as_deref(), Some(NEXT));
            assert_eq!(joined.conversation.marks, marks);
        }
        other => panic!("{other:?}"),
    }
}

/// RCS-05: a 403 says the same only with the words for it, and only where they are believed. Nothing
/// else that a rejoin meets offers a restart, nor does a 404 to a join.
#[test]
fn only_a_session_that_is_gone_is_begun_anew() {
    let never = "Warning: 399 im.example.com \"127 Service not authorised\"\n";
    for (believes, status, lines, is_gone) in [
        (false, "404 Not Found", "", true),
        (true, "403 Forbidden", GONE, true),
        (false, "403 Forbidden", GONE, false),
        (true, "403 Forbidden", "", false),
        (true, "403 Forbidden", never, false),
        (true, "486 Busy Here", GONE, false),
        (true, "480 Temporarily Unavailable", "", false),
    ] {
        let mut scene = Scene::with(Config { is_gone_by_words: believes, ..gsma() });
        let conversation = lived(&mut scene);
        let failed = rejoined(&mut scene, conversation, status, lines);
        assert_eq!(failed.restart().is_some(), is_gone, "{believes} {status} {lines}");
        scene.pass(Duration::from_secs(24 * 3600));
        while let Some(sent) = scene.client.poll_transmit() {
            assert!(!sent.bytes.starts_with(b"INVITE "), "{status} {lines}");
        }
    }
    let mut scene = Scene::with(gsma());
    scene.join();
    let invite = scene.sent();
    scene.receive(&answer(&invite, "404 Not Found", ""));
    let Some(Event::Failed { failed, .. }) = scene.event() else { panic!() };
    assert!(failed.restart().is_none());
}

/// RCS-01: the conversation keeps its names in a rejoin.
#[test]
fn a_rejoin_says_which_conversation_it_is() {
    let mut scene = Scene::with(gsma());
    let conversation = lived(&mut scene);
    let marks = conversation.marks.clone();
    scene.client.rejoin(scene.now, conversation, Privacy::None).unwrap();
    let invite = scene.sent();
    assert_eq!(invite.header(Header::ContributionId), marks.contribution.as_deref());
    assert_eq!(invite.header(Header::ConversationId), marks.conversation.as_deref());
    assert_eq!(invite.header(Header::Subject), None);
    assert_eq!(invite.header(Header::ContentType), Some("application/sdp"));
}

/// RCS-07, LEAVE-11: a chat that is over is neither rejoined nor begun anew by itself, and whoever asks
/// is told not to.
#[test]
fn a_chat_that_is_over_stays_over() {
    let mut scene = Scene::with(Config { watches: false, ..gsma() });
    scene.join();
    let invite = scene.sent();
    scene.receive(&ok(&invite, &contact(IDENTITY)));
    scene.sent();
    scene.receive(&request(&invite, "BYE", 1, "Reason: SIP;cause=410;text=\"Gone\"\n", ""));
    assert_eq!(scene.sent().status(), Some(200));
    assert!(matches!(scene.event(), Some(Event::Joined { .. })));
    let Some(Event::Ended { ending, .. }) = scene.event() else { panic!() };
    assert_eq!((ending, ending.may_rejoin()), (Ending::Over, false));
    scene.pass(Duration::from_secs(24 * 3600));
    scene.assert_silent();
}

/// Nothing goes out that no focus could make a group of.
#[test]
fn a_group_needs_a_factory_and_members() {
    let mut scene = Scene::with(gsma());
    for members in [&[][..], &["mailto:bob@example.com"], &["sip:bob@h", "sip:<carol>@h"]] {
        let made = scene.client.create(scene.now, members, None, Privacy::None);
        assert_eq!(made, Err(CannotCall::NoMember), "{members:?}");
    }
    let mut scene = Scene::new();
    let made = scene.client.create(scene.now, &["sip:bob@h"], None, Privacy::None);
    assert_eq!(made, Err(CannotCall::NoFactory));
    scene.assert_silent();
}
