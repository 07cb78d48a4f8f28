//! What happens in the dialog of a leg.

use std::time::Duration;

use sip_control::client::{Conversation, Ending, Event, LegId};
use sip_control::message::{Header, Message};

use super::peer::*;

/// Joins with these lines in the 200.
fn joined(lines: &str) -> (Scene, LegId, Message) {
    let mut scene = Scene::new();
    let leg = scene.join();
    let invite = scene.sent();
    scene.receive(&ok(&invite, &format!("{}{lines}", contact(IDENTITY))));
    assert_eq!(scene.sent().method_text(), "ACK");
    assert!(matches!(scene.event(), Some(Event::Joined { .. })));
    (scene, leg, invite)
}

fn ended(scene: &mut Scene) -> (Ending, Conversation) {
    match scene.event() {
        Some(Event::Ended { ending, conversation, .. }) => (ending, *conversation),
        other => panic!("{other:?}"),
    }
}

/// LEAVE-11: a BYE is answered 200; its Reason tells whether there is anything to come back to, and
/// the identity is kept for that.
#[test]
fn a_bye_of_the_focus_says_why() {
    for (reason, ending, may_rejoin) in [
        ("Reason: SIP;cause=410;text=\"Gone\"\n", Ending::Over, false),
        ("Reason: SIP;cause=403;text=\"Removed\"\n", Ending::Removed, false),
        ("Reason: SIP;cause=200;text=\"Replaced\"\n", Ending::Dismissed { cause: Some(200) }, true),
        ("Reason: Q.850;cause=16, SIP;cause=480\n", Ending::Dismissed { cause: Some(480) }, true),
        ("", Ending::Dismissed { cause: None }, true),
    ] {
        let (mut scene, _, invite) = joined("");
        scene.receive(&request(&invite, "BYE", 1, reason, ""));
        assert_eq!(scene.sent().status(), Some(200));
        let (how, conversation) = ended(&mut scene);
        assert_eq!((how, how.may_rejoin()), (ending, may_rejoin), "{reason}");
        assert_eq!(conversation.identity.as_deref(), Some(IDENTITY));
        assert_eq!(scene.client.legs(), 0);
        scene.receive(&request(&invite, "BYE", 2, "", ""));
        assert_eq!(scene.sent().status(), Some(481));
    }
}

/// LEAVE-11: who leaves and is dismissed at the same time has left.
#[test]
fn a_bye_that_crosses_ours_is_answered() {
    let (mut scene, leg, invite) = joined("");
    scene.client.leave(scene.now, leg);
    let bye = scene.sent();
    scene.receive(&request(&invite, "BYE", 1, "Reason: SIP;cause=410\n", ""));
    assert_eq!(scene.sent().status(), Some(200));
    assert_eq!(ended(&mut scene).0, Ending::Left);
    scene.receive(&answer(&bye, "481 Call/Transaction Does Not Exist", ""));
    assert!(scene.event().is_none());
}

/// REJ-03: every method that Allow lists gets an answer that says more than that it is not allowed;
/// every other gets 405 and the list.
#[test]
fn the_methods_that_are_listed_are_served() {
    let (mut scene, _, invite) = joined("");
    for (sequence, (method, status)) in (1..).zip([
        ("OPTIONS", 200),
        ("UPDATE", 200),
        ("REFER", 603),
        ("PRACK", 481),
        ("NOTIFY", 481),
    ]) {
        let lines = "Contact: <sip:s-1@im.example.com;gr>\nEvent: conference\n\
                     Subscription-State: active\n";
        scene.receive(&request(&invite, method, sequence, lines, ""));
        assert_eq!(scene.sent().status(), Some(status), "{method}");
    }
    for (sequence, (method, status)) in (10..).zip([("MESSAGE", 405), ("INFO", 405), ("WINK", 501)])
    {
        scene.receive(&request(&invite, method, sequence, "", ""));
        let answer = scene.sent();
        assert_eq!(answer.status(), Some(status), "{method}");
        if status == 405 {
            let allow = "INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY, REFER, PRACK, UPDATE";
            assert_eq!(answer.header(Header::Allow), Some(allow));
        }
    }
    scene.receive(&request(&invite, "OPTIONS", 20, "Require: timer, precondition\n", ""));
    let answer = scene.sent();
    assert_eq!(answer.status(), Some(420));
    assert_eq!(answer.header(Header::Unsupported), Some("precondition"));
    scene.receive(&request(&invite, "OPTIONS", 3, "", ""));
    assert_eq!(scene.sent().status(), Some(500));
    assert!(scene.event().is_none());
}

/// REJ-09: as refresher the client sends an UPDATE without offer at half the interval, if the
/// focus has said that it serves it, and a 2xx starts the time anew.
#[test]
fn a_session_is_refreshed_by_update_where_that_is_allowed() {
    let (mut scene, _, _) =
        joined("Allow: INVITE, ACK, BYE, UPDATE\nSession-Expires: 1800;refresher=uac\n");
    for number in 2..5 {
        scene.pass(Duration::from_millis(899_999));
        scene.assert_silent();
        scene.pass(Duration::from_millis(1));
        let update = scene.sent();
        assert_eq!((update.method_text(), update.request_uri()), ("UPDATE", IDENTITY));
        assert_eq!(update.header(Header::CSeq), Some(&*format!("{number} UPDATE")));
        assert_eq!(update.header(Header::SessionExpires), Some("1800;refresher=uac"));
        assert_eq!(update.header(Header::Supported), Some("timer"));
        assert!(update.header(Header::Contact).is_some());
        assert!(update.body().is_empty());
        let lines = "Session-Expires: 1800;refresher=uac\n";
        scene.receive(&answer(&update, "200 OK", lines));
    }
    assert!(scene.event().is_none());
}

/// REJ-09: where UPDATE is not known to be served, a re-INVITE repeats the description.
#[test]
fn a_session_is_refreshed_by_invite_elsewhere() {
    let (mut scene, _, invite) = joined("Session-Expires: 1800;refresher=uac\n");
    scene.pass(Duration::from_secs(900));
    let again = scene.sent();
    assert_eq!((again.method_text(), again.request_uri()), ("INVITE", IDENTITY));
    assert_eq!(again.body(), invite.body());
    assert_eq!(again.header(Header::CallId), invite.header(Header::CallId));
    scene.receive(&ok(
        &again,
        &format!("{}Session-Expires: 1800;refresher=uac\n", contact(IDENTITY)),
    ));
    let ack = scene.sent();
    assert_eq!(ack.header(Header::CSeq), Some("2 ACK"));
    assert!(scene.event().is_none());
    scene.pass(Duration::from_secs(900));
    assert_eq!(scene.sent().header(Header::CSeq), Some("3 INVITE"));
}

/// A refresh that finds nobody, or no dialog, ends the leg; any other failure leaves it to
/// its expiry.
#[test]
fn a_refresh_that_fails_may_end_the_leg() {
    let lines = "Allow: UPDATE\nSession-Expires: 1800;refresher=uac\n";
    for status in ["481 Call/Transaction Does Not Exist", "408 Request Timeout", ""] {
        let (mut scene, _, _) = joined(lines);
        scene.pass(Duration::from_secs(900));
        let update = scene.sent();
        if status.is_empty() {
            scene.pass(Duration::from_secs(32));
        } else {
            scene.receive(&answer(&update, status, ""));
        }
        assert_eq!(ended(&mut scene).0, Ending::Lost, "{status}");
        let mut last = None;
        while let Some(transmit) = scene.client.poll_transmit() {
            last = Message::from_datagram(transmit.bytes);
        }
        assert_eq!(last.unwrap().method_text(), "BYE");
    }
    let (mut scene, _, _) = joined(lines);
    scene.pass(Duration::from_secs(900));
    let update = scene.sent();
    scene.receive(&answer(&update, "500 Server Internal Error", ""));
    scene.pass(Duration::from_millis(899_999));
    assert!(scene.event().is_none());
    scene.pass(Duration::from_millis(1));
    assert_eq!(ended(&mut scene).0, Ending::Lost);
    assert_eq!(scene.sent().method_text(), "BYE");
}

/// DLG-12: after a 491 the owner of the Call-ID waits 2.1 to 4 s, and tries again.
#[test]
fn a_refresh_that_meets_another_waits() {
    let (mut scene, _, _) = joined("Allow: UPDATE\nSession-Expires: 1800;refresher=uac\n");
    scene.pass(Duration::from_secs(900));
    let update = scene.sent();
    scene.receive(&answer(&update, "491 Request Pending", ""));
    scene.pass(Duration::from_millis(2_099));
    scene.assert_silent();
    scene.pass(Duration::from_millis(1_901));
    assert_eq!(scene.sent().header(Header::CSeq), Some("3 UPDATE"));
}

/// A 422 to a refresh is answered with the interval it asks for.
#[test]
fn a_refresh_agrees_to_a_longer_interval() {
    let (mut scene, _, _) = joined("Allow: UPDATE\nSession-Expires: 1800;refresher=uac\n");
    scene.pass(Duration::from_secs(900));
    let update = scene.sent();
    scene.receive(&answer(&update, "422 Session Interval Too Small", "Min-SE: 2400\n"));
    let again = scene.sent();
    assert_eq!(again.header(Header::SessionExpires), Some("2400;refresher=uac"));
    assert_eq!(again.header(Header::MinSe), Some("2400"));
    scene.receive(&answer(&again, "422 Session Interval Too Small", "Min-SE: 2400\n"));
    scene.assert_silent();
}

/// Where the focus refreshes, each refresh renews the time, and 32 s before its end
/// an unrefreshed leg is ended.
#[test]
fn a_session_that_the_focus_refreshes_is_watched() {
    let (mut scene, _, invite) = joined("Session-Expires: 1800;refresher=uas\n");
    scene.pass(Duration::from_secs(900));
    scene.assert_silent();
    let lines = "Contact: <sip:s-1@im.example.com;gr>\nSupported: timer\n\
                 Session-Expires: 1800;refresher=uac\n";
    scene.receive(&request(&invite, "UPDATE", 1, lines, ""));
    let answer = scene.sent();
    assert_eq!(answer.status(), Some(200));
    assert_eq!(answer.header(Header::SessionExpires), Some("1800;refresher=uac"));
    assert_eq!(answer.header(Header::Require), Some("timer"));
    scene.pass(Duration::from_millis(1_767_999));
    assert!(scene.event().is_none());
    scene.pass(Duration::from_millis(1));
    assert_eq!(ended(&mut scene).0, Ending::Lost);
    let bye = scene.sent();
    // A refresh may move the remote target (DLG-13).
    assert_eq!((bye.method_text(), bye.request_uri()), ("BYE", "sip:s-1@im.example.com;gr"));
}

/// A 2xx without Session-Expires is of a session that is not timed.
#[test]
fn a_session_without_interval_is_not_timed() {
    let (mut scene, _, _) = joined("");
    scene.pass(Duration::from_secs(86_400));
    scene.assert_silent();
    assert!(scene.event().is_none());
}

/// A re-INVITE that repeats the session is answered with our description; one that would move
/// it is refused, and everything stays.
#[test]
fn a_reinvite_keeps_the_media_as_they_are() {
    let (mut scene, _, invite) = joined("");
    let lines = format!("{}Content-Type: application/sdp\n", contact(IDENTITY));
    scene.receive(&request(&invite, "INVITE", 1, &lines, ANSWER));
    let same = scene.sent();
    assert_eq!(same.status(), Some(200));
    assert_eq!(same.body(), invite.body());
    assert_eq!(same.header(Header::Contact), invite.header(Header::Contact));
    let ack = request(&invite, "ACK", 1, "", "");
    scene.receive(&ack);
    scene.pass(Duration::from_secs(40));
    scene.assert_silent();

    let moved = ANSWER.replace("Qf7sX0aM4rJ9dK2yHc", "elsewhere0000000000");
    scene.receive(&request(&invite, "INVITE", 2, &lines, &moved));
    assert_eq!(scene.sent().status(), Some(488));
    scene.pass(Duration::from_secs(40));
    assert!(scene.event().is_none());
    assert_eq!(scene.client.legs(), 1);
}

/// A re-INVITE that meets one of ours is put off.
#[test]
fn a_reinvite_that_meets_ours_is_put_off() {
    let (mut scene, _, invite) = joined("Session-Expires: 1800;refresher=uac\n");
    scene.pass(Duration::from_secs(900));
    assert_eq!(scene.sent().method_text(), "INVITE");
    scene.receive(&request(&invite, "INVITE", 1, &contact(IDENTITY), ""));
    assert_eq!(scene.sent().status(), Some(491));
}

/// A 200 of ours that is never acknowledged ends the dialog it was in.
#[test]
fn a_reinvite_that_is_not_acknowledged_ends_the_leg() {
    let (mut scene, _, invite) = joined("");
    scene.receive(&request(&invite, "INVITE", 1, &contact(IDENTITY), ""));
    assert_eq!(scene.sent().status(), Some(200));
    scene.pass(Duration::from_secs(33));
    assert_eq!(ended(&mut scene).0, Ending::Lost);
}

/// Requests of dialogs that are not ours, and of none, are declined.
#[test]
fn strangers_are_declined() {
    let mut scene = Scene::new();
    scene.join();
    let invite = scene.sent();
    for (sequence, (method, status)) in
        (1..).zip([("BYE", 481), ("NOTIFY", 481), ("INVITE", 481), ("OPTIONS", 481)])
    {
        let lines = "Event: conference\nSubscription-State: active\n";
        scene.receive(&request(&invite, method, sequence, lines, ""));
        assert_eq!(scene.sent().status(), Some(status), "{method}");
    }
    let to = invite.header(Header::From).unwrap();
    for (sequence, (method, status)) in
        (10..).zip([("INVITE", 480), ("OPTIONS", 200), ("REFER", 603), ("BYE", 481)])
    {
        let text = request(&invite, method, sequence, "", "");
        let text = text.replacen(to, "<sip:alice@example.com>", 1);
        scene.receive(&text);
        assert_eq!(scene.sent().status(), Some(status), "{method}");
    }
}
