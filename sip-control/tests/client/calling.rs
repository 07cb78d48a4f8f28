//! From the INVITE to a leg, or to the reason why there is none.

use std::collections::HashSet;
use std::time::Duration;

use sip_control::client::{
    Config, ContactMissing, Conversation, Ending, Event, Failure, LegId, Privacy, Refusal, Refused,
    Unusable,
};
use sip_control::message::{Header, Message};

use super::peer::*;

fn known() -> Conversation {
    Conversation {
        public_uri: Some(ROOM.to_owned()),
        identity: Some(IDENTITY.to_owned()),
        allow: vec!["BYE".to_owned(), "UPDATE".to_owned()],
        is_focus: true,
        ..Conversation::default()
    }
}

fn rejoin(scene: &mut Scene) -> (LegId, Message) {
    let leg = scene.client.rejoin(scene.now, known(), Privacy::None).unwrap();
    (leg, scene.sent())
}

fn failure(scene: &mut Scene) -> Failure {
    match scene.event() {
        Some(Event::Failed { failed, .. }) => failed.failure,
        other => panic!("{other:?}"),
    }
}

fn refused(scene: &mut Scene) -> Refused {
    match failure(scene) {
        Failure::Refused(refused) => refused,
        other => panic!("{other:?}"),
    }
}

/// REJ-11, DLG-06: the ACK goes out before anybody connects, to the Contact of the 200 and with the
/// number of the INVITE, and goes out again with each copy of the 200.
#[test]
fn a_200_is_acknowledged_first_and_again() {
    let mut scene = Scene::new();
    let leg = scene.join();
    let invite = scene.sent();
    let ok = ok(&invite, &contact(IDENTITY));
    scene.receive(&ok);
    let ack = scene.sent();
    assert_eq!((ack.method_text(), ack.request_uri()), ("ACK", IDENTITY));
    assert_eq!(ack.header(Header::CSeq), Some("1 ACK"));
    let to = format!("<{ROOM}>;tag=f9c1");
    assert_eq!(ack.header(Header::To), Some(&*to));
    assert_eq!(ack.header(Header::From), invite.header(Header::From));
    let branch = |message: &Message| message.top_via().unwrap().branch().map(str::to_owned);
    assert_ne!(branch(&ack), branch(&invite));
    assert!(matches!(scene.event(), Some(Event::Joined { leg: joined, .. }) if joined == leg));

    scene.receive(&ok);
    assert_eq!(scene.sent().as_bytes(), ack.as_bytes());
    scene.assert_silent();
    assert!(scene.event().is_none());
}

/// REJ-10, JOIN-07, REJ-04: what is kept is the URI of the Contact, byte for byte, and none of the
/// header's parameters; whether it says `isfocus` is noted.
#[test]
fn the_identity_is_the_uri_of_the_contact() {
    let odd = "sip:S-91Be%41@IM.example.com;gr;x=Y%20z";
    for (line, is_focus) in [
        (format!("Contact: <{odd}>;isfocus;+g.oma.sip-im\n"), true),
        (format!("Contact: \"Room\" <{odd}>;expires=3600\n"), false),
    ] {
        let mut scene = Scene::new();
        let (leg, invite) = rejoin(&mut scene);
        scene.receive(&ok(&invite, &line));
        let Some(Event::Joined { joined, .. }) = scene.event() else { panic!() };
        assert_eq!(joined.conversation.identity.as_deref(), Some(odd));
        assert_eq!(joined.conversation.public_uri.as_deref(), Some(ROOM));
        assert_eq!(joined.conversation.is_focus, is_focus);
        assert_eq!(joined.peer_fault, None);

        // And by it the next rejoin goes.
        scene.client.abandon(leg);
        while scene.client.poll_transmit().is_some() {}
        scene.client.rejoin(scene.now, joined.conversation, Privacy::None).unwrap();
        assert_eq!(scene.sent().request_uri(), odd);
    }
}

/// REJ-09, JOIN-06: a list of methods replaces the one before; where there is none, that one stays;
/// and where there never was one, nothing is assumed.
#[test]
fn a_list_of_methods_replaces_the_one_before() {
    for (line, allow) in [
        ("Allow: INVITE, ACK\nAllow: BYE\n", vec!["INVITE", "ACK", "BYE"]),
        ("Allow:\n", vec![]),
        ("", vec!["BYE", "UPDATE"]),
    ] {
        let mut scene = Scene::new();
        let (_, invite) = rejoin(&mut scene);
        scene.receive(&ok(&invite, &format!("{}{line}", contact(IDENTITY))));
        let Some(Event::Joined { joined, .. }) = scene.event() else { panic!() };
        assert_eq!(joined.conversation.allow, allow, "{line}");
    }
    let (_, joined) = Scene::new().joined("");
    assert!(joined.conversation.allow.is_empty());
}

/// JOIN-07: a 200 without Contact joins all the same, is reported, and leaves the identity unknown.
#[test]
fn a_missing_contact_is_the_peers_fault() {
    let mut scene = Scene::new();
    scene.join();
    let invite = scene.sent();
    scene.receive(&ok(&invite, ""));
    let Some(Event::Joined { joined, .. }) = scene.event() else { panic!() };
    assert_eq!(joined.peer_fault, Some(ContactMissing));
    assert_eq!(joined.conversation.identity, None);
    assert_eq!(joined.conversation.public_uri.as_deref(), Some(ROOM));
    // The ACK goes to where the INVITE went.
    assert_eq!(scene.sent().request_uri(), ROOM);
}

/// REJ-14: each refusal is an outcome of its own, and what it says is passed up word for word.
#[test]
fn refusals_are_told_apart() {
    let warning = "Warning: 399 im.example.com \"Say \\\"please\\\" first\"\n";
    for (status, refusal) in [
        ("403 Forbidden", Refusal::Forbidden),
        ("404 Not Found", Refusal::SessionGone),
        ("486 Busy Here", Refusal::Full),
        ("488 Not Acceptable Here", Refusal::MediaUnacceptable),
        ("420 Bad Extension", Refusal::Extension),
        ("421 Extension Required", Refusal::Extension),
        ("500 Server Internal Error", Refusal::ServerFault),
        ("401 Unauthorized", Refusal::CredentialsWanted),
        ("603 Decline", Refusal::Other),
    ] {
        let mut scene = Scene::new();
        let (_, invite) = rejoin(&mut scene);
        scene.receive(&answer(&invite, status, warning));
        let refused = refused(&mut scene);
        assert_eq!((refused.refusal, refused.status), (refusal, status[..3].parse().unwrap()));
        assert_eq!(refused.warnings[0].text, "Say \"please\" first");
        assert_eq!(
            (refused.warnings[0].code, &*refused.warnings[0].agent),
            (399, "im.example.com")
        );
    }
    let mut scene = Scene::new();
    scene.join();
    let invite = scene.sent();
    scene.receive(&answer(&invite, "404 Not Found", ""));
    assert_eq!(refused(&mut scene).refusal, Refusal::NotFound);
}

/// REJ-15, JOIN-10, DLG-06: a refused attempt ends. It is acknowledged on its own branch, is not
/// tried again, and leaves nothing behind.
#[test]
fn a_refused_attempt_is_over() {
    for status in ["403 Forbidden", "404 Not Found", "486 Busy Here", "488 Not Acceptable Here"] {
        let mut scene = Scene::new();
        let (_, invite) = rejoin(&mut scene);
        scene.receive(&answer(&invite, status, "Retry-After: 1\n"));
        let ack = scene.sent();
        assert_eq!(ack.method_text(), "ACK");
        assert_eq!(ack.header(Header::Via), invite.header(Header::Via));
        assert_eq!(scene.client.legs(), 0);
        scene.pass(Duration::from_secs(600));
        scene.assert_silent();
        assert_eq!(scene.client.poll_timeout(), None);
    }
}

/// RCS-06: the words of a 403 mean something in this one case only.
#[test]
fn a_user_without_the_service_is_told_so() {
    let mut scene = Scene::new();
    let (_, invite) = rejoin(&mut scene);
    let warning = "Warning: 399 im.example.com \"127 Service not authorised\"\n";
    scene.receive(&answer(&invite, "403 Forbidden", warning));
    assert_eq!(refused(&mut scene).refusal, Refusal::NotAuthorised);
}

/// REJ-15: a rejoin that meets 503 is tried again when the focus says, with names of its own.
#[test]
fn an_unavailable_focus_is_asked_again_when_it_says() {
    let mut scene = Scene::new();
    let (leg, invite) = rejoin(&mut scene);
    scene.receive(&answer(&invite, "503 Service Unavailable", "Retry-After: 7\n"));
    assert_eq!(scene.sent().method_text(), "ACK");
    let Some(Event::Deferred { until, refused, .. }) = scene.event() else { panic!() };
    assert_eq!(until, scene.now + Duration::from_secs(7));
    assert_eq!(refused.unwrap().refusal, Refusal::Unavailable);
    scene.pass(Duration::from_millis(6_999));
    scene.assert_silent();
    scene.pass(Duration::from_millis(1));
    let again = scene.sent();
    assert_eq!(again.request_uri(), IDENTITY);
    assert_ne!(again.header(Header::CallId), invite.header(Header::CallId));
    assert_ne!(attribute(&again, "path"), attribute(&invite, "path"));
    scene.receive(&ok(&again, &contact(IDENTITY)));
    assert!(matches!(scene.event(), Some(Event::Joined { leg: joined, .. }) if joined == leg));
}

/// REJ-15: without Retry-After the wait is random between 1 and 4 s, doubles, ends at 60 s, and is
/// not for ever. A join is not tried again at all.
#[test]
fn an_unavailable_focus_is_asked_again_ever_more_slowly() {
    let mut scene = Scene::with(Config { retries_max: 8, ..config() });
    let (_, mut invite) = rejoin(&mut scene);
    for retry in 0..8 {
        scene.receive(&answer(&invite, "503 Service Unavailable", ""));
        assert_eq!(scene.sent().method_text(), "ACK");
        let Some(Event::Deferred { until, .. }) = scene.event() else { panic!() };
        let (least, most) = (1000 << retry, 4000 << retry);
        let delay = (until - scene.now).as_millis();
        assert!(delay >= least.min(60_000) && delay <= most.min(60_000), "{retry}: {delay} ms");
        scene.pass(until - scene.now);
        invite = scene.sent();
    }
    scene.receive(&answer(&invite, "503 Service Unavailable", ""));
    assert_eq!(refused(&mut scene).refusal, Refusal::Unavailable);

    let mut scene = Scene::new();
    scene.join();
    let invite = scene.sent();
    scene.receive(&answer(&invite, "503 Service Unavailable", ""));
    assert_eq!(refused(&mut scene).refusal, Refusal::Unavailable);
}

/// REJ-15: nobody there is as good as 503, to a rejoin.
#[test]
fn an_unreachable_focus_is_tried_again() {
    let mut scene = Scene::new();
    scene.client.rejoin(scene.now, known(), Privacy::None).unwrap();
    let ticket = scene.client.poll_transmit().unwrap().ticket.unwrap();
    scene.client.handle_undelivered(scene.now, ticket);
    let Some(Event::Deferred { until, refused: None, .. }) = scene.event() else { panic!() };
    scene.pass(until - scene.now);
    assert_eq!(scene.sent().method_text(), "INVITE");
}

/// REJ-15: who comes back to many conferences does so at random within a window of 10 s.
#[test]
fn many_rejoins_are_spread() {
    let mut scene = Scene::new();
    for _ in 0..100 {
        scene.client.rejoin_soon(scene.now, known(), Privacy::None).unwrap();
    }
    scene.assert_silent();
    let mut seen = HashSet::new();
    for second in 1..=10 {
        scene.pass(Duration::from_secs(1));
        let before = seen.len();
        // What is sent again has the Via it had.
        while let Some(transmit) = scene.client.poll_transmit() {
            let invite = Message::from_datagram(transmit.bytes).unwrap();
            seen.insert(invite.header(Header::Via).unwrap().to_owned());
        }
        let new = seen.len() - before;
        assert!((1..40).contains(&new), "{new} in second {second}");
    }
    assert_eq!(seen.len(), 100);
}

/// DLG-06: who never answers is asked again at T1, doubling, and given up after 64*T1.
#[test]
fn an_attempt_that_nobody_answers_times_out() {
    let mut scene = Scene::new();
    scene.join();
    let invite = scene.sent();
    scene.pass(Duration::from_secs(32));
    let mut copies = 0;
    while let Some(transmit) = scene.client.poll_transmit() {
        assert_eq!(&transmit.bytes, invite.as_bytes());
        copies += 1;
    }
    assert_eq!(copies, 6);
    assert_eq!(failure(&mut scene), Failure::Timeout);
    assert_eq!(scene.client.legs(), 0);
}

/// TMR-04, REJ-14: a 422 is answered inside, with the interval it asks for and everything else as it
/// was; one that is never content is passed up.
#[test]
fn a_longer_session_interval_is_agreed_to() {
    let mut scene = Scene::new();
    let (leg, invite) = rejoin(&mut scene);
    scene.receive(&answer(&invite, "422 Session Interval Too Small", "Min-SE: 3600\n"));
    assert_eq!(scene.sent().method_text(), "ACK");
    let again = scene.sent();
    assert_eq!(again.header(Header::SessionExpires), Some("3600"));
    assert_eq!(again.header(Header::MinSe), Some("3600"));
    assert_eq!(again.header(Header::CSeq), Some("2 INVITE"));
    for header in [Header::CallId, Header::From, Header::To] {
        assert_eq!(again.header(header), invite.header(header));
    }
    assert_eq!(again.body(), invite.body());
    assert!(scene.event().is_none());
    scene.receive(&answer(&again, "422 Session Interval Too Small", "Min-SE: 3600\n"));
    assert_eq!(refused(&mut scene).refusal, Refusal::Interval);

    let (_, invite) = {
        while scene.client.poll_transmit().is_some() {}
        rejoin(&mut scene)
    };
    scene.receive(&answer(&invite, "422 Session Interval Too Small", "Min-SE: 1900\n"));
    scene.sent();
    let again = scene.sent();
    scene.receive(&ok(&again, &contact(IDENTITY)));
    assert!(matches!(scene.event(), Some(Event::Joined { .. })));
    let _ = leg;
}

/// JOIN-10: a 3xx is followed to SIP URIs that were not tried, five times at most.
#[test]
fn redirections_are_followed_within_reason() {
    let mut scene = Scene::new();
    scene.join();
    let mut invite = scene.sent();
    for hop in 1..=5 {
        let contacts = format!(
            "Contact: <tel:+12125550100>, <sips:a@b>, <{ROOM}>, <sip:hop{hop}@im.example.com>\n"
        );
        scene.receive(&answer(&invite, "302 Moved Temporarily", &contacts));
        assert_eq!(scene.sent().method_text(), "ACK");
        let next = scene.sent();
        assert_eq!(next.request_uri(), format!("sip:hop{hop}@im.example.com"));
        let to = format!("<{ROOM}>");
        assert_eq!(next.header(Header::To), Some(&*to));
        assert_eq!(next.header(Header::CSeq), Some(&*format!("{} INVITE", hop + 1)));
        invite = next;
    }
    let contact = "Contact: <sip:hop6@im.example.com>\n";
    scene.receive(&answer(&invite, "302 Moved Temporarily", contact));
    assert_eq!(refused(&mut scene).refusal, Refusal::Redirected);
}

/// JOIN-10: a circle is noticed, however it is written.
#[test]
fn a_redirection_to_where_it_was_is_not_followed() {
    let mut scene = Scene::new();
    scene.join();
    let invite = scene.sent();
    let contact = "Contact: <sip:garden-open@IM.EXAMPLE.COM>\n";
    scene.receive(&answer(&invite, "302 Moved Temporarily", contact));
    assert_eq!(refused(&mut scene).refusal, Refusal::Redirected);
}

/// ID-10: a user who may not be anonymous is told so, and not joined in the clear.
#[test]
fn a_refused_alias_is_not_traded_for_the_name() {
    let mut scene = Scene::new();
    scene.client.rejoin(scene.now, known(), Privacy::Anonymous).unwrap();
    let invite = scene.sent();
    let warning = "Warning: 399 im.example.com \"Anonymity not allowed\"\n";
    scene.receive(&answer(&invite, "403 Forbidden", warning));
    assert_eq!(refused(&mut scene).refusal, Refusal::Forbidden);
    assert_eq!(scene.sent().method_text(), "ACK");
    scene.pass(Duration::from_secs(600));
    scene.assert_silent();
}

/// JOIN-11: a CANCEL waits for a provisional response, and a 487 then ends the attempt.
#[test]
fn an_attempt_is_withdrawn_when_somebody_is_known_to_listen() {
    let mut scene = Scene::new();
    let leg = scene.join();
    let invite = scene.sent();
    scene.client.leave(scene.now, leg);
    scene.assert_silent();
    scene.receive(&answer(&invite, "100 Trying", ""));
    let cancel = scene.sent();
    assert_eq!((cancel.method_text(), cancel.request_uri()), ("CANCEL", ROOM));
    assert_eq!(cancel.header(Header::Via), invite.header(Header::Via));
    assert_eq!(cancel.header(Header::CSeq), Some("1 CANCEL"));
    scene.receive(&answer(&cancel, "200 OK", ""));
    assert!(scene.event().is_none());
    scene.receive(&answer(&invite, "487 Request Terminated", ""));
    assert_eq!(scene.sent().method_text(), "ACK");
    assert_eq!(failure(&mut scene), Failure::Withdrawn);
    assert_eq!(scene.client.legs(), 0);
}

/// JOIN-11: a 200 that crosses the CANCEL is acknowledged and ended; nobody is joined.
#[test]
fn a_200_that_crosses_the_cancel_is_acknowledged_and_ended() {
    let mut scene = Scene::new();
    let leg = scene.join();
    let invite = scene.sent();
    scene.receive(&answer(&invite, "100 Trying", ""));
    scene.client.leave(scene.now, leg);
    assert_eq!(scene.sent().method_text(), "CANCEL");
    scene.receive(&ok(&invite, &contact(IDENTITY)));
    let (ack, bye) = (scene.sent(), scene.sent());
    assert_eq!((ack.method_text(), bye.method_text()), ("ACK", "BYE"));
    assert_eq!(bye.request_uri(), IDENTITY);
    assert_eq!(bye.header(Header::CSeq), Some("2 BYE"));
    assert_eq!(failure(&mut scene), Failure::Withdrawn);
    scene.receive(&answer(&bye, "200 OK", ""));
    assert!(scene.event().is_none());
}

/// JOIN-11: after the 200 there is nothing to cancel: leaving is a BYE.
#[test]
fn nothing_is_cancelled_after_a_final_response() {
    let mut scene = Scene::new();
    let (leg, _) = scene.joined("");
    scene.client.leave(scene.now, leg);
    assert_eq!(scene.sent().method_text(), "BYE");
    scene.assert_silent();
}

/// DLG-06: a second fork that says yes is acknowledged and ended, and the first leg lives on, even
/// when that has been abandoned meanwhile.
#[test]
fn a_second_fork_is_acknowledged_and_ended() {
    for is_abandoned in [false, true] {
        let mut scene = Scene::new();
        let leg = scene.join();
        let invite = scene.sent();
        scene.receive(&ok(&invite, &contact(IDENTITY)));
        assert_eq!(scene.sent().method_text(), "ACK");
        scene.event().unwrap();
        if is_abandoned {
            scene.client.abandon(leg);
        }
        let other = contact("sip:s-2@im.example.com;gr");
        scene.receive(&ok_with(&invite, "0ther", &other, ANSWER));
        let (ack, bye) = (scene.sent(), scene.sent());
        for message in [&ack, &bye] {
            assert_eq!(message.request_uri(), "sip:s-2@im.example.com;gr");
            assert!(message.header(Header::To).unwrap().ends_with(";tag=0ther"));
        }
        assert_eq!((ack.method_text(), bye.method_text()), ("ACK", "BYE"));
        assert!(scene.event().is_none());
    }
}

/// SDP-23, REJ-11: an answer that cannot be used is acknowledged and ended, and the user hears why.
#[test]
fn an_unusable_answer_is_acknowledged_and_ended() {
    let instead = |from: &str, to: &str| ANSWER.replacen(from, to, 1);
    let second = format!("{ANSWER}m=audio 4000 RTP/AVP 0\n");
    for (body, unusable) in [
        (String::new(), Unusable::Missing),
        ("hello\n".to_owned(), Unusable::Malformed),
        (second, Unusable::Lines),
        (instead("m=message", "m=audio"), Unusable::Lines),
        (instead("m=message 2855", "m=message 0"), Unusable::Refused),
        (instead("TCP/MSRP", "TCP/TLS/MSRP"), Unusable::Transport),
        (instead("a=path:", "a=x-path:"), Unusable::Path),
        (instead("/Qf7sX0aM4rJ9dK2yHc", ""), Unusable::Path),
        (instead("msrp:", "msrps:"), Unusable::Path),
        (instead("a=path:", "a=path:msrp://a:1/b;tcp\na=path:"), Unusable::Path),
        (instead("setup:passive", "setup:active"), Unusable::Setup),
        (instead("setup:passive", "setup:actpass"), Unusable::Setup),
        (instead("message/cpim", "message/cpim text/html"), Unusable::Types),
        (instead("a=accept-types:message/cpim\n", ""), Unusable::Types),
        (instead("text/plain", "text/html"), Unusable::Types),
    ] {
        let mut scene = Scene::new();
        scene.join();
        let invite = scene.sent();
        scene.receive(&ok_with(&invite, "f9c1", &contact(IDENTITY), &body));
        let (ack, bye) = (scene.sent(), scene.sent());
        assert_eq!((ack.method_text(), bye.method_text()), ("ACK", "BYE"), "{body}");
        let Some(Event::Failed { failed, .. }) = scene.event() else { panic!("{body}") };
        assert_eq!(failed.failure, Failure::Unusable(unusable), "{body}");
        assert_eq!(failed.conversation.identity.as_deref(), Some(IDENTITY));
        assert_eq!(scene.client.legs(), 0);
    }
}

/// SDP-23: who says nothing of COMEDIA is passive; what was offered and left out is taken as offered.
#[test]
fn an_answer_may_say_less() {
    let body = ANSWER
        .replace("a=setup:passive\n", "")
        .replace("a=max-size:1048576\n", "")
        .replace("a=accept-wrapped-types:text/plain message/imdn+xml\n", "a=recvonly\n");
    let mut scene = Scene::new();
    scene.join();
    let invite = scene.sent();
    scene.receive(&ok_with(&invite, "f9c1", &contact(IDENTITY), &body));
    let Some(Event::Joined { joined, .. }) = scene.event() else { panic!() };
    let agreement = &joined.agreement;
    assert!(agreement.wrapped_types.accepts(b"message/imdn+xml"));
    assert_eq!((agreement.size_max, agreement.may_send), (None, true));
    assert_eq!(agreement.local.as_str(), attribute(&invite, "path"));
    assert_eq!(agreement.remote.as_str(), "msrp://198.51.100.5:2855/Qf7sX0aM4rJ9dK2yHc;tcp");
}

/// LEAVE-01: leaving is a BYE that says so, in the dialog and by its route; the leg is over when that
/// is answered, whatever the answer, or never will be.
#[test]
fn leaving_is_a_bye_that_says_so() {
    for status in ["200 OK", "481 Call/Transaction Does Not Exist", ""] {
        let mut scene = Scene::new();
        let (leg, _) = scene.joined("Record-Route: <sip:p2@203.0.113.2:5070;lr>, <sip:p1;lr>\n");
        scene.client.leave(scene.now, leg);
        let (bye, _) = scene.sent_to();
        assert_eq!((bye.method_text(), bye.request_uri()), ("BYE", IDENTITY));
        assert_eq!(bye.header(Header::Reason), Some("SIP;cause=200;text=\"Call completed\""));
        let routes: Vec<_> = bye.lines(Header::Route).collect();
        assert_eq!(routes, ["<sip:p1;lr>", "<sip:p2@203.0.113.2:5070;lr>"]);
        assert!(scene.event().is_none());
        if status.is_empty() {
            scene.pass(Duration::from_secs(32));
        } else {
            scene.receive(&answer(&bye, status, ""));
        }
        let Some(Event::Ended { ending, conversation, .. }) = scene.event() else { panic!() };
        assert_eq!(ending, Ending::Left);
        assert_eq!(conversation.identity.as_deref(), Some(IDENTITY));
        assert_eq!(scene.client.legs(), 0);
    }
}

/// LEAVE-01: who lost the network sends nothing, and keeps what a rejoin needs.
#[test]
fn a_lost_network_hears_nothing() {
    let mut scene = Scene::new();
    let (leg, _) = scene.joined("Session-Expires: 1800;refresher=uac\n");
    let conversation = scene.client.abandon(leg).unwrap();
    scene.pass(Duration::from_secs(4000));
    scene.assert_silent();
    assert_eq!(conversation.identity.as_deref(), Some(IDENTITY));
    assert_eq!(scene.client.poll_timeout(), None);
}
