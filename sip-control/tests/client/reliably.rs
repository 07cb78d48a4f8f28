//! What a focus, or a proxy before it, says before its answer and wants to have acknowledged.

use std::time::Duration;

use sip_control::client::{Config, Credentials, Event, Failure, LegId, Refusal};
use sip_control::message::{Header, Message};

use super::peer::*;

const PROXY: &str = "198.51.100.9:5060";

/// A provisional answer that has to be acknowledged.
fn reliable(invite: &Message, tag: &str, number: u32, answer: &str) -> String {
    let lines = format!(
        "Require: 100rel\nRSeq: {number}\nRecord-Route: <sip:{PROXY};lr>\n{}",
        contact(IDENTITY)
    );
    let text = ok_with(invite, tag, &lines, answer);
    let text = text.replacen("200 OK", "183 Session Progress", 1);
    if answer.is_empty() { text.replace("Content-Type: application/sdp\n", "") } else { text }
}

/// The answer of a fork that has a session of its own.
fn other_answer() -> String {
    ANSWER.replace("Qf7sX0aM4rJ9dK2yHc", "another")
}

/// The final answer of a fork, which has said before what its session is.
fn yes(invite: &Message, tag: &str, answer: &str) -> String {
    let lines = format!("Record-Route: <sip:{PROXY};lr>\n{}", contact(IDENTITY));
    ok_with(invite, tag, &lines, answer)
}

fn progressed(scene: &mut Scene) {
    let event = scene.event();
    assert!(matches!(event, Some(Event::Progress { status: 183, .. })), "{event:?}");
}

/// The path that was agreed upon.
fn joined(scene: &mut Scene) -> String {
    match scene.event() {
        Some(Event::Joined { joined, .. }) => joined.agreement.remote.as_str().to_owned(),
        other => panic!("{other:?}"),
    }
}

fn begun(config: Config) -> (Scene, LegId, Message) {
    let mut scene = Scene::with(config);
    let leg = scene.join();
    let invite = scene.sent();
    (scene, leg, invite)
}

/// IMS-11, IMS-03: the INVITE says that it can be; a 183 that asks for it is acknowledged in its early dialog,
/// by its way; the answer in it is the answer, and a description in the 200 after it is none. The dialog goes
/// on with the next number.
#[test]
fn a_reliable_answer_is_acknowledged_and_counts() {
    let (mut scene, leg, invite) = begun(config());
    assert_eq!(invite.header(Header::Supported), Some("timer, 100rel"));
    assert_eq!(invite.header(Header::Require), None);
    scene.receive(&reliable(&invite, "f9c1", 813_520, ANSWER));
    let (prack, to) = scene.sent_to();
    let via = prack.header(Header::Via).unwrap();
    let expected = format!(
        "PRACK {IDENTITY} SIP/2.0\nVia: {via}\nMax-Forwards: 70\nRoute: <sip:{PROXY};lr>\n\
         From: {}\nTo: <{ROOM}>;tag=f9c1\nCall-ID: {}\nCSeq: 2 PRACK\nRAck: 813520 1 INVITE\n\
         User-Agent: IM-client/OMA1.0 demo/0.1\nContent-Length: 0\n\n",
        invite.header(Header::From).unwrap(),
        invite.header(Header::CallId).unwrap(),
    );
    assert_eq!(text(&prack), expected.replace('\n', "\r\n"));
    assert_eq!(to.to_string(), PROXY);
    progressed(&mut scene);
    scene.receive(&answer(&prack, "200 OK", ""));
    scene.assert_silent();

    scene.receive(&yes(&invite, "f9c1", &other_answer()));
    let ack = scene.sent();
    assert_eq!(ack.header(Header::CSeq), Some("1 ACK"));
    assert_eq!(joined(&mut scene), "msrp://198.51.100.5:2855/Qf7sX0aM4rJ9dK2yHc;tcp");
    scene.client.leave(scene.now, leg);
    assert_eq!(scene.sent().header(Header::CSeq), Some("3 BYE"));
}

/// IMS-11: what comes again or out of its turn is neither acknowledged nor told of; what is next is. A 100
/// is never acknowledged, nor what has no number or makes no dialog.
#[test]
fn only_the_next_is_acknowledged() {
    let (mut scene, _, invite) = begun(config());
    let trying = "Require: 100rel\nRSeq: 1\n";
    scene.receive(&answer(&invite, "100 Trying", trying));
    scene.receive(&answer(&invite, "183 Session Progress", "Require: 100rel\n"));
    scene.receive(&answer(&invite, "183 Session Progress", "Require: 100rel\nRSeq: no\n"));
    scene.receive(&reliable(&invite, "", 1, ""));
    scene.assert_silent();
    assert!(scene.event().is_none());

    scene.receive(&reliable(&invite, "f9c1", 7, ""));
    let first = scene.sent();
    assert_eq!(first.header(Header::RAck), Some("7 1 INVITE"));
    progressed(&mut scene);
    for number in [7, 9, 6, 0] {
        scene.receive(&reliable(&invite, "f9c1", number, ANSWER));
        scene.assert_silent();
        assert!(scene.event().is_none(), "{number}");
    }
    scene.receive(&reliable(&invite, "f9c1", 8, ANSWER));
    let second = scene.sent();
    assert_eq!(second.header(Header::RAck), Some("8 1 INVITE"));
    assert_eq!(second.header(Header::CSeq), Some("3 PRACK"));
    progressed(&mut scene);
    // The PRACK is repeated by its own transaction, and by nothing else.
    scene.receive(&answer(&second, "200 OK", ""));
    scene.pass(Duration::from_millis(500));
    assert_eq!(scene.sent().as_bytes(), first.as_bytes());
    scene.assert_silent();
    // Not to be acknowledged is one that does not ask for it.
    scene.receive(&answer(&invite, "180 Ringing", ""));
    scene.assert_silent();
    assert!(matches!(scene.event(), Some(Event::Progress { status: 180, .. })));
}

/// IMS-11, DLG-06: forks are kept apart: each has its numbers and its answer, and the one that says yes is
/// the one that counts. What the other says then is of no dialog.
#[test]
fn forks_are_kept_apart() {
    let (mut scene, _, invite) = begun(config());
    for (tag, number, answer) in [("one", 4, other_answer()), ("two", 90, ANSWER.to_owned())] {
        scene.receive(&reliable(&invite, tag, number, &answer));
        let prack = scene.sent();
        assert_eq!(prack.header(Header::CSeq), Some("2 PRACK"));
        assert!(prack.header(Header::To).unwrap().ends_with(&format!(";tag={tag}")));
        progressed(&mut scene);
        scene.receive(&self::answer(&prack, "200 OK", ""));
    }
    scene.receive(&reliable(&invite, "one", 5, ""));
    assert_eq!(scene.sent().header(Header::RAck), Some("5 1 INVITE"));
    progressed(&mut scene);
    scene.receive(&yes(&invite, "two", ""));
    assert_eq!(scene.sent().method_text(), "ACK");
    assert!(joined(&mut scene).contains("Qf7sX0aM4rJ9dK2yHc"));
    let update = |tag: &str| request(&invite, "UPDATE", 1, "", "").replace("f9c1", tag);
    scene.receive(&update("one").replace("branch=", "branch=z9hG4bKone"));
    assert_eq!(scene.sent().status(), Some(481));
    scene.receive(&reliable(&invite, "one", 6, ""));
    scene.assert_silent();
}

/// IMS-11: there are not more early dialogs than a user has devices.
#[test]
fn early_dialogs_are_bounded() {
    let (mut scene, _, invite) = begun(config());
    for fork in 0..40 {
        scene.receive(&reliable(&invite, &format!("fork{fork}"), 1, ""));
    }
    let pracks = std::iter::from_fn(|| scene.client.poll_transmit());
    assert_eq!(pracks.count(), 16);
}

/// IMS-11, AUTH-05: a PRACK may be challenged like any other request.
#[test]
fn a_challenged_prack_goes_out_again() {
    let credentials = Some(Credentials::new("alice", "open sesame"));
    let (mut scene, leg, invite) = begun(Config { credentials, ..config() });
    scene.receive(&reliable(&invite, "f9c1", 1, ANSWER));
    let prack = scene.sent();
    let challenge = "Proxy-Authenticate: Digest realm=\"p\", nonce=\"n\", qop=\"auth\"\n";
    scene.receive(&answer(&prack, "407 Proxy Authentication Required", challenge));
    let again = scene.sent();
    assert_eq!(again.header(Header::CSeq), Some("3 PRACK"));
    assert_eq!(again.header(Header::RAck), Some("1 1 INVITE"));
    assert!(again.header(Header::ProxyAuthorization).unwrap().contains("nc=00000001"));
    scene.receive(&answer(&again, "200 OK", ""));
    scene.receive(&yes(&invite, "f9c1", ""));
    assert_eq!(scene.sent().header(Header::CSeq), Some("1 ACK"));
    scene.client.leave(scene.now, leg);
    assert_eq!(scene.sent().header(Header::CSeq), Some("4 BYE"));
}

/// IMS-11, JOIN-11: an attempt that is given up after that is withdrawn as any other, and nothing is left of its
/// early dialogs; neither is when the focus refuses, or nobody answers the PRACK.
#[test]
fn nothing_is_left_of_an_attempt_that_failed() {
    for status in ["487 Request Terminated", "504 Server Time-out", "580 Precondition Failure"] {
        let (mut scene, leg, invite) = begun(config());
        scene.receive(&reliable(&invite, "f9c1", 1, ANSWER));
        let prack = scene.sent();
        progressed(&mut scene);
        let is_withdrawn = status.starts_with("487");
        if is_withdrawn {
            scene.receive(&answer(&prack, "200 OK", ""));
            scene.client.leave(scene.now, leg);
            let cancel = scene.sent();
            assert_eq!(cancel.method_text(), "CANCEL");
            scene.receive(&answer(&cancel, "200 OK", ""));
        } else {
            scene.pass(Duration::from_secs(32));
            while scene.client.poll_transmit().is_some() {}
            assert!(scene.event().is_none(), "the INVITE is not answered yet");
        }
        scene.receive(&answer(&invite, status, ""));
        assert_eq!(scene.sent().method_text(), "ACK");
        let Some(Event::Failed { failed, .. }) = scene.event() else { panic!("{status}") };
        match failed.failure {
            Failure::Withdrawn => assert!(is_withdrawn),
            // REJ-14: any 5xx but 503.
            Failure::Refused(refused) => assert_eq!(refused.refusal, Refusal::ServerFault),
            other => panic!("{other:?}"),
        }
        scene.receive(&request(&invite, "UPDATE", 1, "", ""));
        assert_eq!(scene.sent().status(), Some(481));
        assert!(scene.client.is_idle());
    }
}

/// IMS-11: an INVITE that goes out again begins anew: nothing of its early dialogs is taken over.
#[test]
fn an_invite_that_goes_out_again_has_no_early_dialogs() {
    let (mut scene, _, invite) = begun(config());
    scene.receive(&reliable(&invite, "f9c1", 1, &other_answer()));
    let prack = scene.sent();
    progressed(&mut scene);
    scene.receive(&answer(&prack, "200 OK", ""));
    scene.receive(&answer(&invite, "422 Session Interval Too Small", "Min-SE: 3600\n"));
    assert_eq!(scene.sent().method_text(), "ACK");
    let invite = scene.sent();
    scene.receive(&reliable(&invite, "f9c1", 77, ANSWER));
    assert_eq!(scene.sent().header(Header::RAck), Some("77 2 INVITE"));
    progressed(&mut scene);
    scene.receive(&yes(&invite, "f9c1", ""));
    assert!(joined(&mut scene).contains("Qf7sX0aM4rJ9dK2yHc"));
}

/// IMS-11, DLG-11: an UPDATE in an early dialog is answered: with what we offered if it is about the session
/// there is, not before there is one, and not if it would move it. All else has no place there.
#[test]
fn an_update_before_the_answer_is_answered() {
    let (mut scene, _, invite) = begun(config());
    scene.receive(&reliable(&invite, "f9c1", 1, ""));
    scene.sent();
    let sdp = "Content-Type: application/sdp\nContact: <sip:elsewhere@198.51.100.6>\n";
    let ask = |scene: &mut Scene, method: &str, number: u32, body: &str| {
        let lines = if body.is_empty() { "" } else { sdp };
        scene.receive(&request(&invite, method, number, lines, body));
        scene.sent()
    };
    assert_eq!(ask(&mut scene, "UPDATE", 1, ANSWER).status(), Some(491));
    assert_eq!(ask(&mut scene, "UPDATE", 2, "").status(), Some(200));
    scene.receive(&reliable(&invite, "f9c1", 2, ANSWER));
    scene.sent();
    assert_eq!(ask(&mut scene, "UPDATE", 3, &other_answer()).status(), Some(488));
    let updated = ask(&mut scene, "UPDATE", 4, ANSWER);
    assert_eq!((updated.status(), updated.body()), (Some(200), invite.body()));
    for (method, number, status) in
        [("OPTIONS", 3, 500), ("OPTIONS", 5, 200), ("INVITE", 6, 491), ("BYE", 7, 481)]
    {
        assert_eq!(ask(&mut scene, method, number, "").status(), Some(status), "{method}");
        if method == "INVITE" {
            let ack = request(&invite, "ACK", number, "", "").replace("-ACK-", "-INVITE-");
            scene.receive(&ack);
        }
    }
    scene.receive(&yes(&invite, "f9c1", ""));
    assert_eq!(scene.sent().method_text(), "ACK");
    scene.receive(&request(&invite, "OPTIONS", 2, "", ""));
    assert_eq!(scene.sent().status(), Some(500), "the numbers go on");
}

/// IMS-11, REJ-14: where it is wanted, a focus that cannot have it acknowledged is not served by.
#[test]
fn acknowledgement_may_be_required() {
    let (mut scene, _, invite) = begun(Config { requires_100rel: true, ..config() });
    assert_eq!(invite.header(Header::Require), Some("100rel"));
    scene.receive(&answer(&invite, "420 Bad Extension", "Unsupported: 100rel\n"));
    let Some(Event::Failed { failed, .. }) = scene.event() else { panic!() };
    let Failure::Refused(refused) = failed.failure else { panic!() };
    assert_eq!(refused.refusal, Refusal::Extension);
}

/// IMS-12: with preconditions, the offer says that all is reserved on our side; a 183 that wants that
/// confirmed is told so in an UPDATE, once, when its acknowledgement has come, with how far the peer said it is;
/// the 200 needs no description then.
#[test]
fn what_is_reserved_is_confirmed_when_asked() {
    let preconditions = "a=curr:qos local sendrecv\na=curr:qos remote none\n\
                         a=des:qos mandatory local sendrecv\na=des:qos optional remote sendrecv\n";
    let (mut scene, _, invite) = begun(Config { preconditions: true, ..config() });
    assert_eq!(invite.header(Header::Supported), Some("timer, 100rel, precondition"));
    let offer = body(&invite).replace("\r\n", "\n");
    assert!(offer.ends_with(&format!("a=sendrecv\n{preconditions}")), "{offer}");
    let wanting = format!(
        "{ANSWER}a=curr:qos local send\na=curr:qos remote none\na=des:qos mandatory local sendrecv\n\
         a=des:qos mandatory remote sendrecv\na=conf:qos remote sendrecv\n"
    );
    scene.receive(&reliable(&invite, "f9c1", 1, &wanting));
    let prack = scene.sent();
    scene.assert_silent();
    scene.receive(&answer(&prack, "200 OK", ""));
    let update = scene.sent();
    assert_eq!((update.method_text(), update.request_uri()), ("UPDATE", IDENTITY));
    assert_eq!(update.header(Header::CSeq), Some("3 UPDATE"));
    assert_eq!(update.header(Header::Contact), invite.header(Header::Contact));
    assert_eq!(update.header(Header::ContentType), Some("application/sdp"));
    let expected = offer.replacen(" 1 IN ", " 2 IN ", 1);
    let expected = expected.replace("curr:qos remote none", "curr:qos remote recv");
    assert_eq!(body(&update).replace("\r\n", "\n"), expected);
    scene.receive(&ok_with(&update, "f9c1", &contact(IDENTITY), ANSWER));
    scene.receive(&reliable(&invite, "f9c1", 2, &wanting));
    let prack = scene.sent();
    scene.receive(&answer(&prack, "200 OK", ""));
    scene.assert_silent();
    scene.receive(&yes(&invite, "f9c1", "").replace("Content-Type: application/sdp\n", ""));
    assert_eq!(scene.sent().header(Header::CSeq), Some("1 ACK"));
    while let Some(event) = scene.event() {
        if let Event::Joined { joined, .. } = event {
            assert!(joined.agreement.remote.as_str().contains("Qf7sX0aM4rJ9dK2yHc"));
            return;
        }
    }
    panic!("it was not joined");
}

/// IMS-12: without being configured nothing is said of it, and nothing confirmed.
#[test]
fn nothing_is_reserved_unless_configured() {
    let (mut scene, _, invite) = begun(config());
    assert!(!body(&invite).contains("qos"));
    let wanting = format!("{ANSWER}a=conf:qos remote sendrecv\n");
    scene.receive(&reliable(&invite, "f9c1", 1, &wanting));
    let prack = scene.sent();
    scene.receive(&answer(&prack, "200 OK", ""));
    scene.assert_silent();
}
