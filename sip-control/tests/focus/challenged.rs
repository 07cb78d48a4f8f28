//! The focus is asked for proof itself, when it calls or tells somebody something.

use std::{fmt::Write, time::Duration};

use sha2::{Digest as _, Sha256};
use sip_control::{
    config::Config,
    digest::{Algorithm, Credentials, Secret},
};

use super::{
    callee::{ANSWER, answered, declined, heard, methods, session_of, status_of, to},
    captured::Log,
    harness::{Call, Sent, World, vectors},
    inviting::{begun, document},
};

const GROUP: &str = "sip:gardeners@groups.example.com";
const GARDEN: &str = "sip:garden-open@im.example.com";
const ALICE: &str = "sip:alice@example.com";
const BOB: &str = "sip:bob@192.0.2.22";
const CAROL: &str = "sip:carol@192.0.2.23";
const ASKED: &str = "407 Proxy Authentication Required";
/// MD5 of `chat:example.org:open sesame`.
const HASH: &str = "92b326beeba0ea4abb1567d9be8646eb";

fn config() -> Config {
    let hashed = Secret::Hashed(vec![(Algorithm::Md5, HASH.to_owned())]);
    let other =
        Credentials { secret: hashed, ..Credentials::new("chat", "").for_realm("example.org") };
    Config {
        rooms: Vec::new(),
        outbound_proxy: Some("sip:192.0.2.1:5060;transport=tcp".to_owned()),
        credentials: vec![Credentials::new("chat", "open sesame").for_realm("example.com"), other],
        ..vectors()
    }
}

/// A group of Alice, Bob and Carol whose session Alice has begun: her call, and the two INVITEs.
fn calling(config: Config) -> (World, Call, Vec<Sent>) {
    let mut world = World::new(config);
    world.regroup(&[&document(&[("tel:+12125550147", "mailto:nobody@example.net")])]);
    let (alice, invites, _) = begun(&mut world);
    (world, alice, invites)
}

/// What a proxy asks for, by all that it knows.
fn challenge(nonce: &str, rest: &str) -> String {
    let line = |algorithm: &str| {
        format!(
            "Proxy-Authenticate: Digest realm=\"example.com\", nonce=\"{nonce}\", qop=\"auth\", \
             algorithm={algorithm}{rest}\n"
        )
    };
    format!("{}{}Content-Length: 0\n\n", line("MD5"), line("SHA-256"))
}

/// The request that follows a challenge: alone, or behind the ACK of an INVITE.
fn again(world: &mut World, request: &Sent, status: &str, challenge: &str) -> Sent {
    world.take();
    let text = challenge.replace("Content-Length: 0\n\n", "");
    world.answer_with(request, status, &text);
    let mut sent = world.take();
    let is_invite = request.start().starts_with("INVITE ");
    let expected = &["ACK", request.start().split(' ').next().unwrap()][usize::from(!is_invite)..];
    assert_eq!(methods(&sent), expected);
    sent.pop().unwrap()
}

/// A parameter of credentials.
fn param<'a>(value: &'a str, name: &str) -> &'a str {
    let mut params = value.strip_prefix("Digest ").unwrap().split(", ");
    params.find_map(|param| param.strip_prefix(name)?.strip_prefix('=')).unwrap()
}

fn sha256(text: String) -> String {
    Sha256::digest(text).iter().fold(String::new(), |mut text, octet| {
        write!(text, "{octet:02x}").unwrap();
        text
    })
}

/// Whether the request proves who it is from, under this nonce, for the so many-th time.
fn assert_proven(request: &Sent, nonce: &str, count: &str) {
    let proof = request.header("Proxy-Authorization");
    let (method, rest) = request.start().split_once(' ').unwrap();
    let uri = rest.strip_suffix(" SIP/2.0").unwrap();
    let secret = sha256("chat:example.com:open sesame".to_owned());
    let cnonce = param(proof, "cnonce").trim_matches('"');
    let request = sha256(format!("{method}:{uri}"));
    let response = sha256(format!("{secret}:{nonce}:{count}:{cnonce}:auth:{request}"));
    let expected = format!(
        "Digest username=\"chat\", realm=\"example.com\", nonce=\"{nonce}\", uri=\"{uri}\", \
         response=\"{response}\", algorithm=SHA-256, cnonce=\"{cnonce}\", qop=auth, nc={count}"
    );
    assert_eq!(proof, expected);
}

/// A yes that came by the proxy, which wants to be on the way of all that follows.
fn accepted(world: &mut World, invite: &Sent, tag: &str) {
    let content = format!(
        "Record-Route: <sip:192.0.2.1:5060;transport=tcp;lr>\n\
         Content-Type: application/sdp\nContent-Length: ?\n\n{ANSWER}"
    );
    answered(world, invite, "200 OK", tag, &content);
}

/// AUTH-07: an INVITE that the outbound proxy wants proof for goes out again in the same call, under the
/// next number, with the strongest algorithm; nobody hears of it, and the ACK repeats the proof. What goes
/// there later has it unasked.
#[test]
fn a_challenged_invite_goes_out_again_with_proof() {
    let (mut world, alice, invites) = calling(config());
    let invite = to(&invites, BOB);
    assert_eq!(invite.find("Proxy-Authorization"), None);
    world.journal();
    let second = again(&mut world, &invite, ASKED, &challenge("n1", ""));
    for name in ["From", "To", "Call-ID", "Contact", "Session-Expires"] {
        assert_eq!(second.header(name), invite.header(name), "{name}");
    }
    assert_eq!((second.start(), second.body()), (invite.start(), invite.body()));
    assert_eq!((second.header("CSeq"), &second.target), ("2 INVITE", &invite.target));
    assert_ne!(second.header("Via"), invite.header("Via"));
    assert_proven(&second, "n1", "00000001");
    let journal = world.journal();
    assert!(!journal.iter().any(|line| line.starts_with("core")), "{journal:?}");

    accepted(&mut world, &second, "b1");
    let (sent, notify) = heard(&mut world);
    assert_eq!(methods(&sent), ["ACK"]);
    assert_eq!(sent[0].header("CSeq"), "2 ACK");
    assert_eq!(
        sent[0].header("Proxy-Authorization"),
        second.header("Proxy-Authorization"),
        "RFC 3261 section 22.1"
    );
    assert_eq!(status_of(&notify.unwrap(), BOB), ["connected"]);
    world.bound(session_of(&invite));

    world.take();
    world.end(&alice.identity());
    let byes = world.take_requests("BYE");
    let bye = byes.iter().find(|bye| bye.header("To").contains("bob")).expect("a BYE");
    assert_eq!(bye.header("CSeq"), "3 BYE");
    assert!(param(bye.header("Proxy-Authorization"), "nonce") == "\"n1\"");
    let numbers = byes.iter().map(|bye| param(bye.header("Proxy-Authorization"), "nc").to_owned());
    let mut numbers: Vec<String> = numbers.collect();
    numbers.sort();
    numbers.dedup();
    assert_eq!(numbers.len(), byes.len(), "no number of the nonce is used twice");
    assert!(!numbers.contains(&"00000001".to_owned()));
}

/// AUTH-07: a nonce that has run out is answered once more, and no third time.
#[test]
fn a_stale_nonce_is_answered_once_more() {
    let (mut world, _, invites) = calling(config());
    let invite = to(&invites, BOB);
    let invite = again(&mut world, &invite, ASKED, &challenge("n1", ""));
    let invite = again(&mut world, &invite, ASKED, &challenge("n2", ", stale=true"));
    assert_eq!(invite.header("CSeq"), "3 INVITE");
    assert_proven(&invite, "n2", "00000001");
    world.journal();
    assert_ended(&mut world, &invite, &challenge("n3", ", stale=true"));
}

/// The challenge is not answered: Bob is out of the session, and nothing is left of his call.
fn assert_ended(world: &mut World, invite: &Sent, challenge: &str) {
    answered(world, invite, ASKED, "no", challenge);
    let (sent, notify) = heard(world);
    assert_eq!(methods(&sent), ["ACK"]);
    assert!(world.journal().contains(&"core 0: Remove".to_owned()));
    let notify = notify.expect("a NOTIFY");
    assert_eq!(status_of(&notify, BOB), ["disconnected"]);
    let reason = "SIP;cause=407;text=&quot;Proxy Authentication Required&quot;";
    assert!(notify.body().contains("<disconnection-method>failed</disconnection-method>"));
    assert!(notify.body().contains(&format!("<reason>Reason: {reason}</reason>")));
    assert_eq!(world.holding("calls"), 1, "that to Carol");
}

/// AUTH-07, PUB-10: a password that is refused is not tried again, nor unasked later, and the invitation has
/// failed.
#[test]
fn a_wrong_password_ends_the_call() {
    let (mut world, mut alice, invites) = calling(config());
    let invite = again(&mut world, &to(&invites, BOB), ASKED, &challenge("n1", ""));
    world.journal();
    assert_ended(&mut world, &invite, &challenge("n2", ""));
    declined(&mut world, &to(&invites, CAROL), "603 Decline");
    alice.bye(&mut world);
    assert_eq!((world.holding("calls"), world.holding("legs")), (0, 0));
    world.take();
    world.join(GROUP, "sip:alice@192.0.2.21");
    let invites = world.take_requests("INVITE");
    assert_eq!(invites.len(), 2);
    assert!(invites.iter().all(|invite| invite.find("Proxy-Authorization").is_none()));
}

/// AUTH-07: without credentials for the realm, or without an algorithm that those are hashed by, a challenge is a refusal.
#[test]
fn what_cannot_be_answered_is_not() {
    let foreign = challenge("n1", "").replace("realm=\"example.com\"", "realm=\"elsewhere\"");
    let unhashed = "Proxy-Authenticate: Digest realm=\"example.org\", nonce=\"n1\", qop=\"auth\", \
                    algorithm=SHA-256\nContent-Length: 0\n\n";
    let nobody = Config { credentials: Vec::new(), ..config() };
    for (config, challenge) in [
        (config(), foreign.as_str()),
        (config(), unhashed),
        (config(), "Content-Length: 0\n\n"),
        (nobody, &challenge("n1", "")),
    ] {
        let (mut world, _, invites) = calling(config);
        world.journal();
        assert_ended(&mut world, &to(&invites, BOB), challenge);
    }
}

/// AUTH-07: who is called and a proxy before it may both ask, and are both answered, each in its own field.
#[test]
fn a_proxy_and_the_called_are_both_answered() {
    let (mut world, _, invites) = calling(config());
    let own = "WWW-Authenticate: Digest realm=\"example.org\", nonce=\"n1\", opaque=\"o\"\n";
    let both = format!("{own}{}", challenge("p1", ""));
    let invite = again(&mut world, &to(&invites, BOB), "401 Unauthorized", &both);
    assert_proven(&invite, "p1", "00000001");
    // Without qop, as RFC 2069 had it.
    assert_eq!(
        invite.header("Authorization"),
        "Digest username=\"chat\", realm=\"example.org\", nonce=\"n1\", \
         uri=\"sip:bob@192.0.2.22\", response=\"245e7d4bf9c41e980fceb5196ea6c877\", algorithm=MD5, \
         opaque=\"o\""
    );
    accepted(&mut world, &invite, "b1");
    let ack = world.take().remove(0);
    for name in ["Authorization", "Proxy-Authorization"] {
        assert_eq!(ack.header(name), invite.header(name));
    }
}

/// AUTH-07: in a dialog a request goes out again under the dialog's next number: what keeps a leg alive, what
/// tells a watcher, and what ends a leg that is forgotten already.
#[test]
fn requests_in_dialogs_are_proven_too() {
    let mut world = World::new(Config { rooms: vectors().rooms, ..config() });
    let lines = "Supported: timer\nSession-Expires: 200;refresher=uas\n";
    let mut alice = world.join_with(GARDEN, ALICE, lines);
    world.bound(alice.session());
    world.take();
    world.wait(Duration::from_secs(100));
    let refresh = world.take_requests("INVITE").remove(0);
    let second = again(&mut world, &refresh, ASKED, &challenge("n1", ""));
    assert_eq!((second.header("CSeq"), second.body()), ("2 INVITE", refresh.body()));
    assert_proven(&second, "n1", "00000001");
    let lines =
        "Session-Expires: 200;refresher=uac\nAllow: UPDATE\nContent-Type: application/sdp\n";
    world.answer_body(&second, "200 OK", lines, ANSWER);
    let ack = world.take_requests("ACK").remove(0);
    assert_eq!(ack.header("Proxy-Authorization"), second.header("Proxy-Authorization"));

    world.wait(Duration::from_secs(100));
    let update = world.take_requests("UPDATE").remove(0);
    assert_eq!(update.header("CSeq"), "3 UPDATE");
    assert_proven(&update, "n1", "00000002");
    let second = again(&mut world, &update, ASKED, &challenge("n2", ", stale=true"));
    assert_eq!(second.header("CSeq"), "4 UPDATE");
    assert_proven(&second, "n2", "00000001");
    world.answer_with(&second, "200 OK", "Session-Expires: 200;refresher=uac\n");

    let identity = alice.identity();
    let subscribe = super::harness::subscribe(&mut world, &identity, ALICE, "Event: conference\n");
    let notify = world.ask_for("NOTIFY", &subscribe);
    assert_proven(&notify, "n2", "00000002");
    let second = again(&mut world, &notify, ASKED, &challenge("n3", ""));
    assert_eq!((second.header("CSeq"), second.body()), ("2 NOTIFY", notify.body()));
    assert_proven(&second, "n3", "00000001");
    // Not believed: the watcher is told again when there is something to tell.
    answered(&mut world, &second, ASKED, "w", &challenge("n4", ""));
    assert!(world.take().is_empty());

    world.end(&identity);
    let sent = world.take();
    let (last, bye) = (&sent[1], &sent[0]);
    assert_eq!(methods(&sent), ["BYE", "NOTIFY"]);
    assert_eq!((bye.header("CSeq"), bye.find("Proxy-Authorization")), ("5 BYE", None));
    let second = again(&mut world, bye, ASKED, &challenge("n5", ""));
    assert_eq!(second.header("CSeq"), "6 BYE");
    assert_proven(&second, "n5", "00000001");
    assert_eq!(second.header("Reason"), bye.header("Reason"));
    world.answer(&second, "200 OK");
    let second = again(&mut world, last, ASKED, &challenge("n6", ""));
    assert_eq!(second.header("CSeq"), "4 NOTIFY");
    assert!(second.header("Subscription-State").starts_with("terminated"));
    world.answer(&second, "200 OK");
    assert_eq!((world.holding("requests"), world.holding("dialogs")), (0, 0));
    let bye = alice.bye(&mut world);
    assert_eq!(bye.status(), 481);
}

/// AUTH-07: an invitation that was taken back meanwhile is not repeated.
#[test]
fn nobody_is_called_again_who_is_not_wanted_any_more() {
    let (mut world, alice, invites) = calling(config());
    let invite = to(&invites, BOB);
    answered(&mut world, &invite, "180 Ringing", "b1", "Content-Length: 0\n\n");
    world.take();
    world.join(&alice.identity(), BOB);
    world.take();
    answered(&mut world, &invite, ASKED, "b1", &challenge("n1", ""));
    assert_eq!(methods(&world.take()), ["ACK"]);
}

/// AUTH-07: what proves who we are is in no log.
#[test]
fn no_secret_is_logged() {
    let (log, _guard) = Log::begin();
    let (mut world, _, invites) = calling(config());
    let invite = again(&mut world, &to(&invites, BOB), ASKED, &challenge("n1", ""));
    answered(&mut world, &invite, ASKED, "no", &challenge("n2", ""));
    let shown = format!("{} {:?}", log.text(), config());
    assert!(shown.contains("status=407"), "{shown}");
    assert!(!shown.contains("sesame") && !shown.contains(HASH), "{shown}");
}
