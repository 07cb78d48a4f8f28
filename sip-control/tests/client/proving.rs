//! Proving who the user is, to those who ask.

use sip_control::client::{Config, Credentials, Event, Failure, LegId, Refusal};
use sip_control::message::{Header, Message};

use super::peer::*;

fn scene(realm: Option<&str>, watches: bool) -> Scene {
    let realm = realm.map(str::to_owned);
    let credentials = Credentials { realm, ..Credentials::new("alice", "open sesame") };
    Scene::with(Config { credentials: Some(credentials), watches, ..config() })
}

fn server(nonce: &str, rest: &str) -> String {
    format!(
        "WWW-Authenticate: Digest realm=\"example.com\", nonce=\"{nonce}\", qop=\"auth\", \
         algorithm=MD5{rest}\n\
         WWW-Authenticate: Digest realm=\"example.com\", nonce=\"{nonce}-256\", qop=\"auth\", \
         algorithm=SHA-256{rest}\n\
         WWW-Authenticate: Digest realm=\"example.com\", nonce=\"{nonce}-aka\", qop=\"auth\", \
         algorithm=AKAv1-MD5{rest}\n"
    )
}

fn challenged(scene: &mut Scene, request: &Message, lines: &str) -> Message {
    scene.receive(&answer(request, "401 Unauthorized", lines));
    if request.method_text() == "INVITE" {
        assert_eq!(scene.sent().method_text(), "ACK");
    }
    scene.sent()
}

/// The parameter of a credentials field.
fn param<'a>(value: &'a str, name: &str) -> &'a str {
    let mut params = value.strip_prefix("Digest ").unwrap().split(", ");
    params.find_map(|param| param.strip_prefix(name)?.strip_prefix('=')).unwrap()
}

fn authorization(message: &Message) -> &str {
    let mut values = message.lines(Header::Authorization);
    let value = values.next().expect("credentials");
    assert_eq!(values.next(), None);
    value
}

fn joined(scene: &mut Scene) -> (LegId, Message) {
    let leg = scene.join();
    let invite = scene.sent();
    let again = challenged(scene, &invite, &server("n1", ""));
    scene.receive(&ok(&again, &contact(IDENTITY)));
    assert!(matches!(scene.event(), Some(Event::Joined { .. })));
    (leg, again)
}

/// AUTH-05, JOIN-10: a challenge is answered with the strongest algorithm we know, in the same call and
/// under the next number; the ACK repeats the credentials, and later requests bring theirs unasked.
#[test]
fn a_challenge_is_answered_and_remembered() {
    let mut scene = scene(Some("example.com"), false);
    let leg = scene.join();
    let invite = scene.sent();
    assert_eq!(invite.header(Header::Authorization), None);
    let again = challenged(&mut scene, &invite, &server("n1", ""));
    for header in [Header::CallId, Header::From, Header::To] {
        assert_eq!(again.header(header), invite.header(header));
    }
    assert_eq!(again.header(Header::CSeq), Some("2 INVITE"));
    assert_eq!(again.body(), invite.body());
    let proof = authorization(&again);
    assert_eq!((param(proof, "username"), param(proof, "realm")), ("\"alice\"", "\"example.com\""));
    assert_eq!((param(proof, "algorithm"), param(proof, "nonce")), ("SHA-256", "\"n1-256\""));
    assert_eq!((param(proof, "nc"), param(proof, "qop")), ("00000001", "auth"));
    assert_eq!(param(proof, "uri"), format!("\"{ROOM}\""));
    assert_eq!(param(proof, "response").len(), 66);
    assert!(!text(&again).contains("sesame"));

    scene.receive(&ok(&again, &contact(IDENTITY)));
    let ack = scene.sent();
    assert_eq!(ack.header(Header::CSeq), Some("2 ACK"));
    assert_eq!(authorization(&ack), proof);
    scene.client.leave(scene.now, leg);
    let bye = scene.sent();
    assert_eq!(bye.header(Header::CSeq), Some("3 BYE"));
    let proof = authorization(&bye);
    assert_eq!((param(proof, "nc"), param(proof, "nonce")), ("00000002", "\"n1-256\""));
    assert_eq!(param(proof, "uri"), format!("\"{IDENTITY}\""));
}

/// AUTH-05: whoever asks again is answered again only if the nonce was stale, and but once.
#[test]
fn a_refused_proof_is_not_repeated() {
    for (second, tries) in [(server("n2", ""), 1), (server("n2", ", stale=true"), 2)] {
        let mut scene = scene(None, false);
        scene.join();
        let mut invite = scene.sent();
        invite = challenged(&mut scene, &invite, &server("n1", ""));
        for _ in 1..tries {
            invite = challenged(&mut scene, &invite, &second);
            assert_eq!(param(authorization(&invite), "nonce"), "\"n2-256\"");
            assert_eq!(param(authorization(&invite), "nc"), "00000001");
        }
        scene.receive(&answer(&invite, "401 Unauthorized", &second));
        let Some(Event::Failed { failed, .. }) = scene.event() else { panic!() };
        let Failure::Refused(refused) = failed.failure else { panic!() };
        assert_eq!(refused.refusal, Refusal::CredentialsWanted);
        assert_eq!(scene.sent().method_text(), "ACK");
        scene.assert_silent();
    }
}

/// AUTH-05: a proxy and a server may both ask, and are both answered.
#[test]
fn a_proxy_and_a_server_are_both_answered() {
    let mut scene = scene(None, false);
    scene.join();
    let invite = scene.sent();
    let proxy = "Proxy-Authenticate: Digest realm=\"p, q\", nonce=\"p1\", opaque=\"o\"\n";
    scene.receive(&answer(&invite, "407 Proxy Authentication Required", proxy));
    assert_eq!(scene.sent().method_text(), "ACK");
    let invite = scene.sent();
    let invite = challenged(&mut scene, &invite, &server("n1", ""));
    assert_eq!(invite.header(Header::CSeq), Some("3 INVITE"));
    assert_eq!(param(authorization(&invite), "nonce"), "\"n1-256\"");
    let proof = invite.header(Header::ProxyAuthorization).unwrap();
    // Without qop there is nothing to count (RFC 2069).
    assert!(proof.contains("realm=\"p, q\"") && proof.contains("opaque=\"o\""), "{proof}");
    assert!(!proof.contains("nc=") && proof.contains("algorithm=MD5"), "{proof}");
}

/// AUTH-05: another realm than ours hears nothing that it could guess at, and neither does anybody
/// after the user has changed his mind.
#[test]
fn not_everybody_is_answered() {
    let mut scene = scene(Some("example.org"), false);
    scene.join();
    let invite = scene.sent();
    scene.receive(&answer(&invite, "401 Unauthorized", &server("n1", "")));
    assert!(matches!(scene.event(), Some(Event::Failed { .. })));
    assert_eq!(scene.sent().method_text(), "ACK");
    scene.assert_silent();

    let mut scene = self::scene(None, false);
    let leg = scene.join();
    let invite = scene.sent();
    scene.client.leave(scene.now, leg);
    scene.receive(&answer(&invite, "401 Unauthorized", &server("n1", "")));
    let Some(Event::Failed { failed, .. }) = scene.event() else { panic!() };
    assert_eq!(failed.failure, Failure::Withdrawn);
    assert_eq!(scene.sent().method_text(), "ACK");
    scene.assert_silent();
}

/// AUTH-05, SUB-03: the SUBSCRIBE and the BYE may be challenged as well, with a nonce that has run out.
#[test]
fn every_request_may_be_challenged() {
    let mut scene = scene(None, true);
    let (leg, _) = joined(&mut scene);
    assert_eq!(scene.sent().method_text(), "ACK");
    let subscribe = scene.sent();
    assert_eq!(param(authorization(&subscribe), "nc"), "00000002");
    let again = challenged(&mut scene, &subscribe, &server("n2", ", stale=true"));
    assert_eq!(again.header(Header::CSeq), Some("2 SUBSCRIBE"));
    assert_eq!(param(authorization(&again), "nonce"), "\"n2-256\"");
    scene.receive(&answer(&again, "200 OK", &format!("Contact: <{IDENTITY}>\nExpires: 3600\n")));

    scene.client.leave(scene.now, leg);
    let (last, bye) = (scene.sent(), scene.sent());
    assert_eq!(last.header(Header::CSeq), Some("3 SUBSCRIBE"));
    assert_eq!(bye.header(Header::CSeq), Some("3 BYE"));
    let bye = challenged(&mut scene, &bye, &server("n3", ""));
    assert_eq!(bye.header(Header::CSeq), Some("4 BYE"));
    scene.receive(&answer(&bye, "200 OK", ""));
    assert!(matches!(scene.event(), Some(Event::Ended { .. })));
}

/// AUTH-05: what is configured is not what is logged.
#[test]
fn the_password_is_not_shown() {
    let config = format!("{:?}", scene(None, false).client);
    assert!(config.contains("alice") && !config.contains("sesame"));
}
