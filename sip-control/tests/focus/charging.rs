//! A focus behind an IMS core: an application server.

use sip_control::config::{Charging, Config, Rules};
use sip_control::transport::Protocol;

use super::{
    callee::accepted,
    harness::{AUDIO, Call, OFFER, STRANGER, Sent, World, invite, subscribe, vectors},
    inviting::document,
};

const GARDEN: &str = "sip:garden-open@im.example.com";
const ALICE: &str = "sip:alice@example.com";
const BOB: &str = "sip:bob@example.com";
const ROUTES: [&str; 2] = ["<sip:scscf.example.net;lr>", "<sip:pcscf.example.net;lr>"];
const VECTOR: &str = "P-Charging-Vector: icid-value=\"AyretyU0dm+6=0235\";orig-ioi=home1.net;\
                      icid-generated-at=192.0.2.5\n\
                      Record-Route: <sip:pcscf.example.net;lr>\n";
const ANSWERED: &str =
    "icid-value=\"AyretyU0dm+6=0235\";orig-ioi=\"home1.net\";term-ioi=\"as.example.com\"";
const ASKED: &str = "icid-value=\"AyretyU0dm+6=0235\";orig-ioi=\"chat.example.com\"";

fn behind_a_core() -> Config {
    let charging = Charging {
        orig_ioi: Some("chat.example.com".to_owned()),
        term_ioi: Some("as.example.com".to_owned()),
    };
    Config { charging: Some(charging), ..vectors() }
}

fn vector(sent: &Sent) -> Option<&str> {
    sent.find("P-Charging-Vector")
}

fn routes(sent: &Sent, name: &str) -> Vec<String> {
    let prefix = format!("{name}: ");
    let lines = sent.text.lines().filter_map(|line| line.strip_prefix(&prefix));
    lines.flat_map(|line| line.split(", ")).map(str::to_owned).collect()
}

/// By these proxies the INVITE has come, the nearest first.
fn by_two_proxies(invite: &str) -> String {
    invite.replace("<sip:proxy.example.com;transport=tcp;lr>", ROUTES[0])
}

/// IMS-05: what the core calls a dialog goes with every answer and every request in it, whoever makes
/// it; the proxies stay in their order; and nothing is said of an access network, for there is none.
#[test]
fn the_vector_of_a_dialog_is_kept() {
    let mut world = World::new(behind_a_core());
    let text = by_two_proxies(&invite(&mut world, GARDEN, ALICE, VECTOR, OFFER));
    let ok = world.ask(&text);
    assert_eq!((ok.status(), vector(&ok)), (200, Some(ANSWERED)));
    assert_eq!(routes(&ok, "Record-Route"), ROUTES);
    let mut alice = Call::of(ok);
    alice.ack(&mut world);
    world.bound(alice.session());
    let update = alice.offer(&mut world, "UPDATE", "", "");
    assert_eq!(
        (update.status(), vector(&update)),
        (200, Some(ANSWERED)),
        "a vector is not repeated"
    );

    let text =
        subscribe(&mut world, &alice.identity(), ALICE, &format!("Event: conference\n{VECTOR}"));
    world.take();
    world.hear(&by_two_proxies(&text));
    let sent = world.take();
    assert_eq!(vector(&sent[0]), Some(ANSWERED));
    assert!(sent[1].start().starts_with("NOTIFY "));
    assert_eq!(vector(&sent[1]), Some(ASKED));
    world.answer(&sent[1], "200 OK");

    world.stop();
    let sent = world.take();
    let bye = sent.iter().find(|sent| sent.start().starts_with("BYE ")).unwrap();
    assert_eq!(vector(bye), Some(ASKED));
    assert_eq!(routes(bye, "Route"), ROUTES);
    assert!(sent.iter().all(|sent| sent.find("P-Access-Network-Info").is_none()));
}

/// IMS-05: a refusal has the vector, too; who is not of the core is not told one, and neither is anybody
/// where there is no core; what has no icid is none.
#[test]
fn a_vector_is_for_the_core_alone() {
    let mut world = World::new(behind_a_core());
    let text = invite(&mut world, "sip:nowhere@im.example.com", ALICE, VECTOR, OFFER);
    let refused = world.ask(&text);
    assert_eq!((refused.status(), vector(&refused)), (404, Some(ANSWERED)));
    for nothing in ["", "P-Charging-Vector: orig-ioi=h\n", "P-Charging-Vector: icid-value=\"\"\n"] {
        let text = invite(&mut world, GARDEN, ALICE, nothing, OFFER);
        assert_eq!(vector(&world.ask(&text)), None, "{nothing}");
    }
    let text = invite(&mut world, GARDEN, ALICE, VECTOR, OFFER);
    world.hear_from(STRANGER, Protocol::Tcp, &text);
    let refused = world.take().pop().unwrap();
    assert_eq!((refused.status(), vector(&refused)), (403, None));

    let mut world = World::new(vectors());
    let text = invite(&mut world, GARDEN, ALICE, VECTOR, OFFER);
    assert_eq!(vector(&world.ask(&text)), None);
}

/// IMS-05: nobody is challenged whom the core stands for, whatever is asked of others.
#[test]
fn the_core_is_never_challenged() {
    let digest = sip_control::config::Digest {
        realm: "im.example.com".to_owned(),
        algorithms: vec![sip_control::digest::Algorithm::Sha256],
        accounts: Vec::new(),
    };
    let mut world = World::new(Config { digest: Some(digest), ..behind_a_core() });
    let text = invite(&mut world, GARDEN, ALICE, VECTOR, OFFER);
    let nameless = text.replace("P-Asserted-Identity: <sip:alice@example.com>\n", "");
    assert_ne!(nameless, text);
    let refused = world.ask(&nameless);
    assert_eq!((refused.status(), refused.find("WWW-Authenticate")), (403, None));
    world.hear_from(STRANGER, Protocol::Tcp, &nameless.replace("z9hG4bK", "z9hG4bKx"));
    assert_eq!(world.take().pop().unwrap().status(), 401, "but others are");
}

/// IMS-05: a dialog that the focus begins by the core has a vector of its own, in all that is asked in it.
#[test]
fn an_invitation_has_a_vector_of_its_own() {
    let mut world = World::new(Config { rooms: Vec::new(), ..behind_a_core() });
    world.regroup(&[&document(&[])]);
    let (_, invites, _) = super::inviting::begun(&mut world);
    let [one, other] = &invites[..] else { panic!() };
    let own = vector(one).expect("a vector").to_owned();
    assert!(own.starts_with("icid-value=\"") && own.ends_with("\";orig-ioi=\"chat.example.com\""));
    assert_ne!(vector(other), Some(&*own));
    accepted(&mut world, one, "b1");
    let sent = world.take();
    let ack = sent.iter().find(|sent| sent.start().starts_with("ACK ")).unwrap();
    assert_eq!(vector(ack), None, "an ACK has none");
    world.stop();
    let sent = world.take();
    let bye = sent.iter().find(|sent| sent.start().starts_with("BYE sip:device-b1@")).unwrap();
    assert_eq!(vector(bye), Some(&*own));
}

/// FOC-36: behind an IMS core the steps have their order: who insists on reliable answers and on
/// preconditions is refused for the first that fails, and has its seat when the last is passed, long
/// before the 200 that it waits for.
#[test]
fn reservations_change_when_the_200_is_sent_and_not_what_comes_before() {
    let mut config = Config { preconditions: true, ..behind_a_core() };
    let rules = Rules {
        blocked: vec!["sip:eve@example.com".to_owned()],
        max_participants: Some(1),
        ..Rules::default()
    };
    config.rooms[0].rules = rules;
    let mut world = World::new(config);
    let insists = format!("Require: precondition, 100rel\nSupported: timer\n{VECTOR}");
    let wanting = format!(
        "{OFFER}a=curr:qos local none\na=curr:qos remote none\n\
         a=des:qos mandatory local sendrecv\na=des:qos mandatory remote sendrecv\n"
    );
    let asked = |world: &mut World, room: &str, user: &str, lines: &str, offer: &str| {
        let text = invite(world, room, user, &format!("{insists}{lines}"), offer);
        world.take();
        world.hear(&text);
        let sent = world.take().remove(0);
        assert_eq!(vector(&sent), Some(ANSWERED));
        sent.status()
    };
    // Each is at fault in what comes later, too.
    let brief = "Session-Expires: 60\n";
    assert_eq!(
        asked(&mut world, "sip:nowhere@im.example.com", "sip:eve@example.com", brief, AUDIO),
        404
    );
    assert_eq!(asked(&mut world, GARDEN, "sip:eve@example.com", brief, AUDIO), 403);
    assert_eq!(asked(&mut world, GARDEN, ALICE, brief, AUDIO), 488);
    assert_eq!(asked(&mut world, GARDEN, ALICE, brief, &wanting), 422);
    assert_eq!(asked(&mut world, GARDEN, ALICE, "", &wanting), 183);
    assert_eq!(asked(&mut world, GARDEN, BOB, brief, AUDIO), 486, "the seat is taken");
}
