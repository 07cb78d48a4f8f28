//! A client in a network that wants to know where its users are: an IMS.

use std::time::Duration;

use sip_control::client::{
    Config, Conversation, Credentials, Event, Privacy, Registrar, Standing, listen, start,
};
use sip_control::message::{Header, Message};
use sip_control::transport::{Protocol, Target};
use tokio::net::UdpSocket;

use super::peer::*;
use super::running::run;

const HOME: &str = "sip:ims.example.com";
const PCSCF: &str = "<sip:198.51.100.5:5060;lr>";
const ACCESS: &str = "3GPP-E-UTRAN-FDD; utran-cell-id-3gpp=2620100010019B01";
const MINE: &str = "Contact: <sip:alice@192.0.2.21:5062>;expires=3600\n";

fn ims() -> Config {
    Config {
        is_hop_trusted: true,
        access_network: Some(ACCESS.to_owned()),
        registrar: Some(Registrar::new(HOME, vec![PCSCF.to_owned()])),
        credentials: Some(Credentials::new("alice@ims.example.com", "secret")),
        ..config()
    }
}

fn challenge(register: &Message, lines: &str) -> String {
    let line = "WWW-Authenticate: Digest realm=\"ims.example.com\", nonce=\"n1\", qop=\"auth\", \
                algorithm=MD5\n";
    answer(register, "401 Unauthorized", &format!("{line}{lines}"))
}

/// Registers; the scene is left behind the 200.
fn registered(config: Config, lines: &str) -> Scene {
    let mut scene = Scene::with(config);
    scene.client.register(scene.now);
    let register = scene.sent();
    scene.receive(&challenge(&register, ""));
    let register = scene.sent();
    scene.receive(&answer(&register, "200 OK", &format!("{MINE}{lines}")));
    assert!(matches!(scene.client.poll_standing(), Some(Standing::Registered { .. })));
    scene
}

/// IMS-06: the network is told where the user is, by way of its proxy, for as long as an IMS is asked
/// for, and proof is given when it is wanted; what it says of the user's identities is passed on.
#[test]
fn a_network_is_told_where_the_user_is() {
    let mut scene = Scene::with(ims());
    scene.client.register(scene.now);
    let first = scene.sent();
    assert_eq!((first.method_text(), first.request_uri()), ("REGISTER", HOME));
    for (field, value) in [
        (Header::Route, PCSCF),
        (Header::To, "<sip:alice@example.com>"),
        (Header::CSeq, "1 REGISTER"),
        (Header::Expires, "600000"),
        (Header::Supported, "path"),
        (Header::PAccessNetworkInfo, ACCESS),
        (
            Header::Contact,
            "<sip:alice@192.0.2.21:5062>;+g.oma.sip-im;\
             +sip.instance=\"<urn:uuid:00000000-0000-4000-8000-000000000001>\"",
        ),
        (
            Header::Authorization,
            "Digest username=\"alice@ims.example.com\", realm=\"ims.example.com\", nonce=\"\", \
             uri=\"sip:ims.example.com\", response=\"\"",
        ),
    ] {
        assert_eq!(first.header(field), Some(value));
    }
    for field in [Header::Require, Header::ProxyRequire, Header::SecurityClient] {
        assert_eq!(first.header(field), None);
    }
    scene.receive(&challenge(&first, ""));
    let second = scene.sent();
    assert_eq!(second.header(Header::CSeq), Some("2 REGISTER"));
    let proof: Vec<&str> = second.lines(Header::Authorization).collect();
    assert_eq!(proof.len(), 1);
    assert!(proof[0].contains("nonce=\"n1\"") && proof[0].contains("nc=00000001"), "{proof:?}");
    for field in [Header::CallId, Header::From, Header::Expires] {
        assert_eq!(second.header(field), first.header(field));
    }
    let lines = "Contact: <sip:alice@192.0.2.99>;expires=7\nP-Associated-URI: <sip:alice@example.com>, \
                 <tel:+12125550147>\n";
    scene.receive(&answer(&second, "200 OK", &format!("{lines}{MINE}")));
    let identities = ["sip:alice@example.com", "tel:+12125550147"].map(str::to_owned).to_vec();
    let expires = Duration::from_secs(3600);
    assert_eq!(scene.client.poll_standing(), Some(Standing::Registered { expires, identities }));
}

/// IMS-06: it is told again 10 minutes before it forgets, or at half the time where that is less.
#[test]
fn a_registration_is_kept_alive() {
    for (expires, wait) in [(3600, 3000), (1200, 600), (600, 300)] {
        let mut scene = Scene::with(ims());
        scene.client.register(scene.now);
        let register = scene.sent();
        let contact = format!("Contact: <sip:alice@192.0.2.21:5062>\nExpires: {expires}\n");
        scene.receive(&answer(&register, "200 OK", &contact));
        scene.pass(Duration::from_secs(wait - 1));
        scene.assert_silent();
        scene.pass(Duration::from_secs(1));
        let again = scene.sent();
        assert_eq!(again.header(Header::CSeq), Some("2 REGISTER"));
        assert_eq!(again.header(Header::CallId), register.header(Header::CallId));
    }
}

/// IMS-06: a network that wants to be told less often is, once; one that cannot answer is asked again
/// after a while that grows, or when it says; one that does not want to know is not.
#[test]
fn a_network_may_want_it_otherwise() {
    let mut scene = Scene::with(Config { credentials: None, ..ims() });
    scene.client.register(scene.now);
    let first = scene.sent();
    let brief = "Min-Expires: 700000\n";
    scene.receive(&answer(&first, "423 Interval Too Brief", brief));
    let second = scene.sent();
    assert_eq!(second.header(Header::Expires), Some("700000"));
    assert_eq!(second.header(Header::CSeq), Some("2 REGISTER"));
    scene.receive(&answer(&second, "503 Service Unavailable", "Retry-After: 5\n"));
    let until = scene.now + Duration::from_secs(5);
    let waiting = Standing::Waiting { until, status: Some(503) };
    assert_eq!(scene.client.poll_standing(), Some(waiting));
    scene.pass(Duration::from_secs(5));
    let third = scene.sent();
    assert_eq!(third.header(Header::CSeq), Some("3 REGISTER"));
    // Nobody answers: half a minute at most, then a minute.
    for most in [60, 120] {
        scene.pass(Duration::from_secs(32));
        while scene.client.poll_transmit().is_some() {}
        let Some(Standing::Waiting { until, status: None }) = scene.client.poll_standing() else {
            panic!()
        };
        let wait = until - scene.now;
        let most = Duration::from_secs(most);
        assert!((most / 2..=most).contains(&wait), "{wait:?}");
        scene.pass(wait);
    }
    let last = scene.sent();
    scene.receive(&answer(&last, "423 Interval Too Brief", brief));
    assert_eq!(scene.client.poll_standing(), Some(Standing::Refused(423)));
    assert!(!scene.client.is_registered());
}

/// IMS-06: who leaves has the network forget, proves who it is if it has to, and is gone whatever the
/// answer.
#[test]
fn a_user_goes() {
    let mut scene = registered(ims(), "");
    scene.client.deregister(scene.now);
    scene.client.deregister(scene.now);
    let last = scene.sent();
    scene.assert_silent();
    assert_eq!(last.header(Header::Expires), Some("0"));
    assert!(last.header(Header::Authorization).unwrap().contains("nc=00000002"));
    scene.receive(&answer(&last, "500 Server Internal Error", ""));
    assert_eq!(scene.client.poll_standing(), Some(Standing::Gone));
    assert!(scene.client.is_idle());
    scene.pass(Duration::from_secs(7200));
    scene.assert_silent();
}

/// IMS-06: requests take the route that the network has given, behind its proxy; every one of them and
/// every answer tells the access network, but for ACK and CANCEL; nobody is told who is not trusted.
#[test]
fn requests_are_made_as_the_network_wants_them() {
    let services = "Service-Route: <sip:s1.example.com;lr>, <sip:s2.example.com;lr>\n";
    let mut scene = registered(ims(), services);
    let route = [PCSCF, "<sip:s1.example.com;lr>", "<sip:s2.example.com;lr>"];
    let leg = scene.join();
    let invite = scene.sent();
    assert_eq!(invite.lines(Header::Route).collect::<Vec<_>>(), route);
    assert_eq!(invite.header(Header::PAccessNetworkInfo), Some(ACCESS));
    let hint = invite.header(Header::PPreferredIdentity);
    assert_eq!(hint, Some("\"Alice\" <sip:alice@example.com>"));
    for field in [Header::Require, Header::ProxyRequire, Header::SecurityVerify] {
        assert_eq!(invite.header(field), None, "nothing was negotiated");
    }
    scene.receive(&ok(&invite, &contact(IDENTITY)));
    let ack = scene.sent();
    assert_eq!((ack.method_text(), ack.header(Header::PAccessNetworkInfo)), ("ACK", None));
    scene.receive(&request(&invite, "OPTIONS", 7, "", ""));
    let reply = scene.sent();
    assert_eq!(
        (reply.status(), reply.header(Header::PAccessNetworkInfo)),
        (Some(200), Some(ACCESS))
    );
    scene.client.leave(scene.now, leg);
    let bye = scene.sent();
    assert_eq!((bye.method_text(), bye.header(Header::PAccessNetworkInfo)), ("BYE", Some(ACCESS)));

    let leg = scene.join();
    let invite = scene.sent();
    scene.receive(&answer(&invite, "180 Ringing", ""));
    scene.client.leave(scene.now, leg);
    let cancel = scene.sent();
    assert_eq!((cancel.method_text(), cancel.header(Header::PAccessNetworkInfo)), ("CANCEL", None));

    let mut scene = registered(Config { is_hop_trusted: false, ..ims() }, services);
    scene.join();
    let invite = scene.sent();
    assert_eq!(invite.header(Header::PAccessNetworkInfo), None);
    assert_eq!(invite.header(Header::PPreferredIdentity), None);
}

/// IMS-06: protection is required where it was negotiated, of every request but ACK and CANCEL, and what
/// the network can do is repeated to it; where there is nothing in common, it is not.
#[test]
fn protection_is_required_where_it_was_negotiated() {
    let registrar = Registrar {
        security: vec!["ipsec-3gpp;alg=hmac-sha-1-96".to_owned()],
        ..Registrar::new(HOME, vec![PCSCF.to_owned()])
    };
    for (server, is_common) in
        [("tls;q=0.2, ipsec-3gpp;q=0.1;alg=hmac-sha-1-96", true), ("tls", false)]
    {
        let mut scene = Scene::with(Config { registrar: Some(registrar.clone()), ..ims() });
        scene.client.register(scene.now);
        let first = scene.sent();
        assert_eq!(first.header(Header::SecurityClient), Some("ipsec-3gpp;alg=hmac-sha-1-96"));
        let asked: Vec<&str> = first.lines(Header::Require).collect();
        assert_eq!(
            (asked, first.header(Header::ProxyRequire)),
            (vec!["sec-agree"], Some("sec-agree"))
        );
        scene.receive(&challenge(&first, &format!("Security-Server: {server}\n")));
        let second = scene.sent();
        assert_eq!(second.lines(Header::Require).count(), 1);
        scene.receive(&answer(&second, "200 OK", MINE));
        scene.join();
        let invite = scene.sent();
        let verified: Vec<&str> = invite.lines(Header::SecurityVerify).collect();
        let all: &[&str] = &["tls;q=0.2", "ipsec-3gpp;q=0.1;alg=hmac-sha-1-96"];
        assert_eq!(verified, if is_common { all } else { &[] });
        let required = is_common.then_some("sec-agree");
        assert_eq!(invite.header(Header::Require), required);
        assert_eq!(invite.header(Header::ProxyRequire), required);
        scene.receive(&ok(&invite, &contact(IDENTITY)));
        assert_eq!(scene.sent().header(Header::SecurityVerify), None, "an ACK");
    }
}

/// REJ-13, JOIN-08: what an IMS wants comes on top of what the procedures say, and takes nothing away.
#[test]
fn an_ims_adds_to_the_procedures_and_takes_nothing_away() {
    let known = Conversation { identity: Some(IDENTITY.to_owned()), ..Conversation::default() };
    for is_rejoin in [false, true] {
        let services = "Service-Route: <sip:s1.example.com;lr>\n";
        let mut plain = Scene::with(Config { is_hop_trusted: true, ..config() });
        let mut in_ims = registered(ims(), services);
        let [plain, in_ims] = [&mut plain, &mut in_ims].map(|scene| {
            if is_rejoin {
                scene.client.rejoin(scene.now, known.clone(), Privacy::None).unwrap();
            } else {
                scene.join();
            }
            let invite = scene.sent();
            scene.receive(&ok(&invite, &contact(IDENTITY)));
            assert_eq!(scene.sent().method_text(), "ACK");
            assert!(matches!(scene.event(), Some(Event::Joined { .. })));
            invite
        });
        // The one is the other, but for its random names and the lines on top.
        let lines = |message: &Message| -> Vec<String> {
            let random = ["Via: ", "From: ", "Call-ID: ", "Content-Length: ", "a=path:", "o=- "];
            let text = text(message);
            let lines = text.lines().filter(|line| !random.iter().any(|it| line.starts_with(it)));
            lines.map(str::to_owned).collect()
        };
        let (plain, in_ims) = (lines(&plain), lines(&in_ims));
        let added: Vec<&String> = in_ims.iter().filter(|line| !plain.contains(line)).collect();
        assert!(plain.iter().all(|line| in_ims.contains(line)), "{plain:?} {in_ims:?}");
        let names = added.iter().map(|line| line.split(':').next().unwrap());
        let names: Vec<&str> = names.collect();
        assert_eq!(names, ["Route", "Route", "Authorization", "P-Access-Network-Info"]);
    }
}

/// IMS-06: a client that runs registers by itself, and has the network forget when nobody needs it.
#[test]
fn a_client_registers_as_long_as_it_has_a_user() {
    run(async {
        let network = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let at = network.local_addr().unwrap();
        let (transport, contact) = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let config = Config::new("sip:alice@example.com", contact, Target::new(Protocol::Udp, at));
        let registrar = Some(Registrar::new(HOME, Vec::new()));
        let user = start(Config { registrar, ..config }, transport).unwrap();
        let mut standing = user.standing();
        told(&network, "600000").await;
        standing.wait_for(Option::is_some).await.unwrap();
        assert!(matches!(*standing.borrow(), Some(Standing::Registered { .. })));
        drop(user);
        told(&network, "0").await;
    });
}

/// Takes in one REGISTER, which has to ask for so long.
async fn told(network: &UdpSocket, expires: &str) {
    let mut buffer = [0; 4096];
    let (size, from) = network.recv_from(&mut buffer).await.unwrap();
    let register = Message::from_datagram(buffer[..size].to_vec().into()).unwrap();
    assert_eq!(register.method_text(), "REGISTER");
    assert_eq!(register.header(Header::Expires), Some(expires));
    let mine = format!("Contact: {}\n", register.header(Header::Contact).unwrap());
    let ok = answer(&register, "200 OK", &mine).replace('\n', "\r\n");
    network.send_to(ok.as_bytes(), from).await.unwrap();
}
