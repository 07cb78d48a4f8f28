//! The decision table of the change request (sip-control.md section 20): which check answers, and
//! that an earlier one hides a later one.

use super::harness::{AUDIO, OFFER, World, invite, users, vectors};
use sip_control::config::{Config, Profile, Users};

const GROUP: &str = "sip:gardeners@groups.example.com";
const ALICE: &str = "sip:alice@example.com";
const BOB: &str = "sip:bob@example.com";
const CAROL: &str = "sip:carol@example.com";
const TEL: &str = "tel:+12125550147";
const MALLORY: &str = "sip:mallory@example.net";
/// Of the form we mint, and never minted.
const NO_SESSION: &str = "sip:s-ffffffffffffffffffffffffffffffff@im.example.com;gr";

const PRIVATE: &str = "Privacy: Header; ID\n";
const SHORT: &str = "Supported: timer\nSession-Expires: 30\n";

const W_NO_SESSION: Option<&str> = Some("399 im.example.com \"IM Session does not exist\"");
const W_NOT_ALLOWED: Option<&str> = Some("399 im.example.com \"Not allowed to join\"");
const W_FULL: Option<&str> = Some("399 im.example.com \"Too many participants\"");
const W_ANONYMITY: Option<&str> = Some("399 im.example.com \"Anonymity not allowed\"");
const W_MEDIA: Option<&str> = Some("304 im.example.com \"Media type not available\"");

/// The shared provisioning, with Carol as a fourth member.
fn with_carol() -> Config {
    let mut config = vectors();
    let Users::Only(members) = &mut config.rooms[1].rules.admitted else { panic!() };
    members.push(CAROL.to_owned());
    config
}

/// A running session of the group in which these users are, and its identity.
fn session(config: Config, users: &[&str]) -> (World, String) {
    let mut world = World::new(config);
    let calls: Vec<_> = users.iter().map(|user| world.join(GROUP, user)).collect();
    let identity = calls[0].identity();
    assert!(calls.iter().all(|call| call.identity() == identity), "one session");
    world.take();
    world.journal();
    (world, identity)
}

/// Asks, and checks that a refusal leaves no trace.
fn verdict(
    world: &mut World,
    uri: &str,
    user: &str,
    lines: &str,
    body: &str,
) -> (u16, Option<String>) {
    let invite = invite(world, uri, user, lines, body);
    world.journal();
    let answer = world.ask(&invite);
    if answer.status() >= 300 {
        assert!(answer.header("To").contains(";tag="), "{}", answer.text);
        assert_eq!(answer.body(), "", "a refusal has no body");
        let media_orders = world.journal().into_iter().filter(|line| line.starts_with("core"));
        assert_eq!(media_orders.count(), 0, "no order to the media plane");
    }
    let (status, warning) = answer.verdict();
    (status, warning.map(str::to_owned))
}

macro_rules! assert_verdict {
    ($world:expr, $uri:expr, $user:expr, $lines:expr, $body:expr, $status:expr, $warning:expr) => {
        let (status, warning) = verdict($world, $uri, $user, $lines, $body);
        assert_eq!((status, warning.as_deref()), ($status, $warning));
    };
}

/// FOC-01, FOC-05, TV-04: row D1, with everything else wrong too.
#[test]
fn d1_a_session_that_does_not_exist_is_403() {
    let mut world = World::new(vectors());
    assert_verdict!(&mut world, NO_SESSION, BOB, "", OFFER, 403, W_NO_SESSION);
    assert_verdict!(&mut world, NO_SESSION, MALLORY, PRIVATE, AUDIO, 403, W_NO_SESSION);
    assert_eq!(world.refusals("not_member"), 0, "policy was not asked");
}

/// FOC-05: the other profile says 404, with the same Warning; and Warnings can be switched off.
#[test]
fn d1_the_status_follows_the_profile() {
    let mut world = World::new(Config { profile: Profile::Rcs, ..vectors() });
    assert_verdict!(&mut world, NO_SESSION, BOB, PRIVATE, AUDIO, 404, W_NO_SESSION);
    let mut world = World::new(Config { warn_detail: false, ..vectors() });
    assert_verdict!(&mut world, NO_SESSION, BOB, "", OFFER, 403, None);
}

/// FOC-04: a session that is over does not exist, even to one who was in it.
#[test]
fn d1_a_session_that_has_ended_does_not_exist() {
    let mut world = World::new(vectors());
    let mut alice = world.join(GROUP, ALICE);
    let identity = alice.identity();
    alice.bye(&mut world);
    assert_verdict!(&mut world, &identity, ALICE, "", OFFER, 403, W_NO_SESSION);
}

/// FOC-07, FOC-08, TV-05: row D2; not 486, and not 488.
#[test]
fn d2_who_may_not_join_is_not_told_more() {
    let (mut world, session) = session(vectors(), &[ALICE, BOB, TEL]);
    assert_verdict!(&mut world, &session, MALLORY, "", AUDIO, 403, W_NOT_ALLOWED);
    assert_verdict!(&mut world, &session, MALLORY, PRIVATE, OFFER, 403, W_NOT_ALLOWED);
    assert_verdict!(&mut world, GROUP, MALLORY, PRIVATE, AUDIO, 403, W_NOT_ALLOWED);
    assert_eq!(world.refusals("not_member"), 3);
}

/// PUB-06: who may begin a session of a group, and that the others may join it once it runs.
#[test]
fn a_group_is_begun_by_those_who_may() {
    let mut config = vectors();
    config.rooms[1].rules.initiators = Users::Only(vec![ALICE.to_owned()]);
    let mut world = World::new(config);
    let warning = Some("399 im.example.com \"Not allowed to initiate\"");
    assert_verdict!(&mut world, GROUP, BOB, PRIVATE, AUDIO, 403, warning);
    world.join(GROUP, ALICE);
    assert_verdict!(&mut world, GROUP, BOB, "", OFFER, 200, None);
    assert_verdict!(&mut world, GROUP, MALLORY, "", OFFER, 403, W_NOT_ALLOWED);
}

/// FOC-06: the identity is the asserted one; From and Contact are what anybody can write.
#[test]
fn d2_from_and_contact_identify_nobody() {
    let (mut world, session) = session(vectors(), &[ALICE]);
    let invite = invite(&mut world, &session, MALLORY, "", OFFER)
        .replace("From: <sip:whoever@example.org>", "From: <sip:bob@example.com>")
        .replace("Contact: <sip:u", "Contact: <sip:bob");
    assert_eq!(world.ask(&invite).verdict(), (403, W_NOT_ALLOWED));
}

/// FOC-09, FOC-10, FOC-11, FOC-12, TV-06: row D3; not 403 for privacy, 488, nor 422.
#[test]
fn d3_a_full_group_is_486() {
    let (mut world, session) = session(with_carol(), &[ALICE, BOB, TEL]);
    assert_verdict!(&mut world, &session, CAROL, "", OFFER, 486, W_FULL);
    assert_verdict!(&mut world, &session, CAROL, PRIVATE, OFFER, 486, W_FULL);
    assert_verdict!(&mut world, &session, CAROL, "", AUDIO, 486, W_FULL);
    assert_verdict!(&mut world, &session, CAROL, SHORT, OFFER, 486, W_FULL);
    let invite = invite(&mut world, &session, CAROL, "", OFFER);
    assert_eq!(world.ask(&invite).find("Retry-After"), None);
}

/// FOC-11, TV-06: a member's own leg does not fill the group against him.
#[test]
fn d4_ones_own_leg_does_not_count() {
    let (mut world, session) = session(with_carol(), &[ALICE, BOB, TEL]);
    assert_verdict!(&mut world, &session, BOB, PRIVATE, OFFER, 403, W_ANONYMITY);
    assert_verdict!(&mut world, &session, BOB, "", OFFER, 200, None);
}

/// FOC-15, FOC-16, FOC-17, TV-07: row D4; only the token `id` asks, in whatever case.
#[test]
fn d4_anonymity_is_asked_by_id_and_may_be_refused() {
    let (mut world, session) = session(vectors(), &[ALICE]);
    assert_verdict!(&mut world, &session, BOB, PRIVATE, OFFER, 403, W_ANONYMITY);
    assert_verdict!(&mut world, &session, BOB, PRIVATE, AUDIO, 403, W_ANONYMITY);
    assert_verdict!(
        &mut world,
        &session,
        BOB,
        "Privacy: user\nPrivacy: id\n",
        OFFER,
        403,
        W_ANONYMITY
    );
    assert_verdict!(&mut world, &session, BOB, "Privacy: header;none\n", OFFER, 200, None);
}

/// FOC-19, FOC-20, TV-09: rows D5 and D6.
#[test]
fn d5_d6_media_that_no_answer_fits_is_488() {
    let (mut world, session) = session(vectors(), &[BOB]);
    assert_verdict!(&mut world, &session, ALICE, PRIVATE, AUDIO, 488, W_MEDIA);
    assert_verdict!(&mut world, &session, ALICE, "", AUDIO, 488, W_MEDIA);
    assert_verdict!(&mut world, &session, BOB, SHORT, AUDIO, 488, W_MEDIA);
}

/// TV-10, SDP-20: what is wrong with the media line is in the one Warning.
#[test]
fn d6_the_warning_tells_what_is_wrong_with_the_offer() {
    let (mut world, session) = session(vectors(), &[ALICE]);
    for (from, to, warning) in [
        ("message/cpim", "text/html image/png", "305 im.example.com \"Incompatible media format\""),
        (
            "a=accept-types:message/cpim\n",
            "",
            "306 im.example.com \"Attribute not understood: accept-types\"",
        ),
        (
            "a=path:msrp://192.0.2.22:9/cX2vB5nM8kL1jH4gFd;tcp\n",
            "",
            "306 im.example.com \"Attribute not understood: path\"",
        ),
        ("TCP/MSRP", "TCP/TLS/MSRP", "302 im.example.com \"Incompatible transport protocol\""),
    ] {
        let offer = OFFER.replace(from, to);
        assert_verdict!(&mut world, &session, BOB, "", &offer, 488, Some(warning));
    }
}

/// FOC-18, ID-07, ID-08, TV-08: row D7; nothing that leaves the focus names her.
#[test]
fn d7_an_anonymous_user_is_known_by_an_alias_alone() {
    let (mut world, session) = session(vectors(), &[BOB]);
    let (_, _) = world.watch(&session, BOB);
    let lines = "P-Asserted-Identity: <tel:+12125550100>\nPrivacy: id;critical\n";
    let invite = invite(&mut world, &session, ALICE, lines, OFFER);
    world.journal();
    world.hear(&invite);
    let journal = world.journal();
    assert_eq!(journal[0], "core 0: Install sip:anonymous1@anonymous.invalid", "{journal:?}");
    let sent = world.take();
    assert_eq!(sent[0].status(), 200);
    assert!(sent.iter().all(|sent| !sent.text.contains("alice")), "{sent:?}");
    assert!(sent.iter().all(|sent| !sent.text.contains("5550100")), "{sent:?}");
    let alias = ("sip:anonymous1@anonymous.invalid".to_owned(), vec!["connected".to_owned()]);
    assert!(users(&sent[1]).contains(&alias), "{}", sent[1].text);
    assert!(sent[1].body().contains("<display-text>Anonymous1</display-text>"));
}

/// Row D8 (TV-03): a rejoin, with nothing in its way.
/// FOC-24, FOC-25, TV-03: the session is the same, and its name too.
#[test]
fn d8_a_member_rejoins() {
    let (mut world, session) = session(vectors(), &[ALICE]);
    let bob = world.join(&session, BOB);
    assert_eq!(bob.identity(), session);
    let contact =
        format!("<{session}>;isfocus;automata;message;event=\"conference\";+g.oma.sip-im");
    assert_eq!(bob.ok.header("Contact"), contact);
    assert!(bob.ok.body().contains("a=accept-types:message/cpim\r\n"));
}

/// DLG-01, FOC-02, TV-11: stage A goes before step 1.
#[test]
fn extensions_are_looked_at_before_the_session() {
    let mut world = World::new(vectors());
    let lines = "Require: timer, foo\nRequire: recipient-list-invite\n";
    let invite = invite(&mut world, NO_SESSION, BOB, lines, "");
    let answer = world.ask(&invite);
    assert_eq!(answer.status(), 420);
    assert_eq!(answer.header("Unsupported"), "foo, recipient-list-invite");
}

/// FOC-02, FOC-22, TMR-02, TV-12: stage C comes last, and frees the seat.
#[test]
fn the_session_interval_is_looked_at_last() {
    let (mut world, session) = session(vectors(), &[ALICE, BOB]);
    let invite = invite(&mut world, &session, TEL, SHORT, OFFER);
    let answer = world.ask(&invite);
    assert_eq!((answer.status(), answer.header("Min-SE")), (422, "90"));
    world.join(&session, TEL);
}

/// ID-03: no asserted identity, no session: stage A answers.
#[test]
fn an_identity_is_needed_before_anything_is_looked_up() {
    let mut world = World::new(vectors());
    let invite = invite(&mut world, NO_SESSION, BOB, "", OFFER)
        .replace("P-Asserted-Identity: <sip:bob@example.com>\n", "");
    let warning = Some("399 im.example.com \"No asserted identity\"");
    assert_eq!(world.ask(&invite).verdict(), (403, warning));
}
