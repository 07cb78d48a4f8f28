//! What a client sends to join and to rejoin.

use std::collections::HashSet;

use sip_control::client::{CannotCall, Conversation, Privacy};
use sip_control::message::{Header, Message};

use super::peer::*;

fn known() -> Conversation {
    Conversation {
        public_uri: Some(ROOM.to_owned()),
        identity: Some(IDENTITY.to_owned()),
        ..Conversation::default()
    }
}

fn rejoin(scene: &mut Scene) -> Message {
    scene.client.rejoin(scene.now, known(), Privacy::None).unwrap();
    scene.sent()
}

/// What is random or secret, as the message has it: branch, From tag, Call-ID, the session of `o=`
/// and the MSRP session.
fn names(invite: &Message) -> [String; 5] {
    let body = body(invite);
    let origin = body.split("o=- ").nth(1).unwrap().split(' ').next().unwrap();
    [
        invite.top_via().unwrap().branch().unwrap().to_owned(),
        invite.from().unwrap().tag().unwrap().to_owned(),
        invite.header(Header::CallId).unwrap().to_owned(),
        origin.to_owned(),
        attribute(invite, "path"),
    ]
}

/// The whole INVITE, octet for octet, but for its random names.
fn expected(uri: &str, names: &[String; 5]) -> String {
    let [branch, tag, call_id, origin, path] = names;
    let body = format!(
        "v=0\no=- {origin} 1 IN IP4 192.0.2.21\ns=-\nc=IN IP4 192.0.2.21\nt=0 0\n\
         m=message 9 TCP/MSRP *\na=accept-types:message/cpim\n\
         a=accept-wrapped-types:text/plain message/imdn+xml\na=setup:active\na=path:{path}\n\
         a=max-size:1048576\na=chatroom:nickname private-messages\na=sendrecv\n"
    )
    .replace('\n', "\r\n");
    let head = format!(
        "INVITE {uri} SIP/2.0\n\
         Via: SIP/2.0/UDP 192.0.2.21:5062;branch={branch};rport\n\
         Max-Forwards: 70\n\
         From: \"Alice\" <sip:alice@example.com>;tag={tag}\n\
         To: <{uri}>\n\
         Call-ID: {call_id}\n\
         CSeq: 1 INVITE\n\
         Contact: <sip:alice@192.0.2.21:5062>;+g.oma.sip-im;\
         +sip.instance=\"<urn:uuid:00000000-0000-4000-8000-000000000001>\"\n\
         Accept-Contact: *;+g.oma.sip-im\n\
         User-Agent: IM-client/OMA1.0 demo/0.1\n\
         Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY, REFER, PRACK, UPDATE\n\
         Supported: timer, 100rel\n\
         Session-Expires: 1800\n\
         Content-Type: application/sdp\n\
         Content-Length: {}\n\n",
        body.len()
    )
    .replace('\n', "\r\n");
    head + &body
}

/// JOIN-01, JOIN-02, JOIN-03, JOIN-04, REJ-02, REJ-03, IMS-01, IMS-02, SDP-01, SDP-03, SDP-05: a join
/// goes to the Public Conference URI, with an offer of one chat line, of nothing that is not served,
/// and with nothing else.
#[test]
fn a_join_is_an_invite_to_the_public_uri() {
    let mut scene = Scene::new();
    scene.join();
    let invite = scene.sent();
    assert_eq!(text(&invite), expected(ROOM, &names(&invite)));
    scene.assert_silent();
}

/// REJ-01, REJ-04, REJ-06: a rejoin goes to the IM Session Identity, byte for byte, with no live
/// dialog, To tag or Replaces.
#[test]
fn a_rejoin_is_an_invite_to_the_stored_identity() {
    let mut scene = Scene::new();
    let invite = rejoin(&mut scene);
    assert_eq!(text(&invite), expected(IDENTITY, &names(&invite)));
    scene.assert_silent();
}

/// JOIN-02: who joins by the public URI does so, whatever is known of the running session.
#[test]
fn joining_again_is_no_rejoin() {
    let mut scene = Scene::new();
    let (leg, _) = scene.joined("");
    scene.client.abandon(leg);
    scene.join();
    assert_eq!(scene.sent().request_uri(), ROOM);
}

/// REJ-01, REJ-07, SDP-02: nothing of one leg is used for another: not its Call-ID, not its tag, not
/// its MSRP session, of which nobody can guess the next.
#[test]
fn every_leg_has_names_of_its_own() {
    let mut scene = Scene::new();
    let mut seen = HashSet::new();
    for _ in 0..50 {
        let invite = rejoin(&mut scene);
        let [branch, tag, call_id, _, path] = names(&invite);
        let session_id = path.strip_prefix("msrp://192.0.2.21:9/").unwrap();
        let session_id = session_id.strip_suffix(";tcp").unwrap();
        assert!(session_id.len() * 4 >= 80, "{session_id} has less than 80 bits");
        for name in [&branch, &tag, &call_id, session_id] {
            assert!(seen.insert(name.to_owned()), "{name} was seen before");
        }
    }
}

/// REJ-05: without anything to go by nothing is sent.
#[test]
fn a_conference_nobody_knows_cannot_be_rejoined() {
    let mut scene = Scene::new();
    let unknown = Conversation::default();
    let refused = scene.client.rejoin(scene.now, unknown, Privacy::None);
    assert_eq!(refused, Err(CannotCall::NoIdentity));
    scene.assert_silent();
    assert_eq!(scene.client.legs(), 0);
}

/// JOIN-07: where the focus never said its identity, the public URI has to do.
#[test]
fn without_an_identity_a_rejoin_is_a_join() {
    let mut scene = Scene::new();
    let conversation = Conversation { identity: None, ..known() };
    scene.client.rejoin(scene.now, conversation, Privacy::None).unwrap();
    assert_eq!(scene.sent().request_uri(), ROOM);
}

/// JOIN-02: what is no SIP URI by itself is not called, and cannot smuggle anything in.
#[test]
fn only_sip_uris_are_called() {
    let mut scene = Scene::new();
    for (uri, why) in [
        ("tel:+12125550100", CannotCall::NotSip),
        ("garden-open@im.example.com", CannotCall::NotSip),
        ("sip:a@b> SIP/2.0\r\nEvil: 1", CannotCall::NotSip),
        ("sip:a@b>;tag=1,<sip:c@d", CannotCall::NotSip),
        ("sip:a@b?Replaces=x", CannotCall::NotSip),
        ("", CannotCall::NotSip),
        ("sips:a@b", CannotCall::Secure),
    ] {
        assert_eq!(scene.client.join(scene.now, uri, Privacy::None), Err(why), "{uri}");
    }
    scene.assert_silent();
}

/// REJ-08, JOIN-05: a request takes the route that is laid out, and goes to the next hop even if the
/// last dialog led elsewhere.
#[test]
fn requests_take_the_route_that_is_laid_out() {
    let mut config = config();
    config.route =
        vec!["<sip:proxy.example.com;lr>".to_owned(), "<sip:orig@scscf.example.com;lr>".to_owned()];
    let mut scene = Scene::with(config);
    let leg = scene.join();
    let (invite, remote) = scene.sent_to();
    let routes: Vec<_> = invite.lines(Header::Route).collect();
    assert_eq!(routes, ["<sip:proxy.example.com;lr>", "<sip:orig@scscf.example.com;lr>"]);
    assert_eq!(remote, FOCUS.parse().unwrap());
    scene.client.abandon(leg);

    let conversation =
        Conversation { identity: Some("sip:s-1@203.0.113.9:5099;gr".to_owned()), ..known() };
    scene.client.rejoin(scene.now, conversation, Privacy::None).unwrap();
    let (invite, remote) = scene.sent_to();
    assert_eq!(invite.request_uri(), "sip:s-1@203.0.113.9:5099;gr");
    assert_eq!(remote, FOCUS.parse().unwrap());
}

/// IMS-03, REJ-02: the first hop hears who the user is only if it may be trusted with that; Privacy
/// is there only if it was asked for.
#[test]
fn the_identity_is_for_a_trusted_hop_only() {
    let mut scene = Scene::new();
    scene.join();
    let invite = scene.sent();
    assert_eq!(invite.header(Header::PPreferredIdentity), None);
    assert_eq!(invite.header(Header::Privacy), None);

    let mut scene = Scene::with(sip_control::client::Config { is_hop_trusted: true, ..config() });
    scene.join();
    let invite = scene.sent();
    let identity = "\"Alice\" <sip:alice@example.com>";
    assert_eq!(invite.header(Header::PPreferredIdentity), Some(identity));
}

/// ID-10: who asks for anonymity is named to nobody but a trusted hop; `critical` is there only for
/// who insists.
#[test]
fn an_anonymous_invite_names_nobody() {
    for (privacy, value) in
        [(Privacy::Anonymous, "id"), (Privacy::AnonymousOrNothing, "id;critical")]
    {
        let mut scene =
            Scene::with(sip_control::client::Config { is_hop_trusted: true, ..config() });
        scene.client.rejoin(scene.now, known(), privacy).unwrap();
        let invite = scene.sent();
        assert_eq!(invite.header(Header::Privacy), Some(value));
        let from = invite.header(Header::From).unwrap();
        assert!(from.starts_with("\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag="), "{from}");
        let identity = "\"Alice\" <sip:alice@example.com>";
        assert_eq!(invite.header(Header::PPreferredIdentity), Some(identity));
    }
}

/// SDP-01, SDP-02, SDP-03: an IPv6 host stands in brackets in the path only, and bare typing
/// indications are offered to who wants them.
#[test]
fn the_offer_follows_what_is_configured() {
    let mut config = config();
    config.media.address = "2001:db8::1".parse().unwrap();
    config.media.takes_bare_typing = true;
    config.media.wrapped_types = vec!["text/plain".to_owned()];
    let mut scene = Scene::with(config);
    scene.join();
    let invite = scene.sent();
    assert!(body(&invite).contains("\r\nc=IN IP6 2001:db8::1\r\n"));
    assert!(attribute(&invite, "path").starts_with("msrp://[2001:db8::1]:9/"));
    let types = "message/cpim application/im-iscomposing+xml";
    assert_eq!(attribute(&invite, "accept-types"), types);
    assert_eq!(attribute(&invite, "accept-wrapped-types"), "text/plain");
}

/// SDP-04: who cannot be connected to says `active` with port 9, in the line and in the path.
#[test]
fn the_offerer_connects() {
    let mut scene = Scene::new();
    scene.join();
    let invite = scene.sent();
    assert_eq!(attribute(&invite, "setup"), "active");
    assert!(body(&invite).contains("\r\nm=message 9 TCP/MSRP *\r\n"));
    assert!(attribute(&invite, "path").starts_with("msrp://192.0.2.21:9/"));
    assert!(!body(&invite).contains("a=connection") && !body(&invite).contains("holdconn"));
}
