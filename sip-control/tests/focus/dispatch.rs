//! What a Request-URI names, and OPTIONS.

use super::harness::{AUDIO, OFFER, World, invite, vectors};
use sip_control::config::{Config, Rules};

const GARDEN: &str = "sip:garden-open@im.example.com";
const ALICE: &str = "sip:alice@example.com";
const BOB: &str = "sip:bob@example.com";

/// What a user of its own gets who joins `uri`.
fn status(world: &mut World, uri: &str) -> u16 {
    let user = format!("sip:user{}@example.com", world.serial());
    let invite = invite(world, uri, &user, "", OFFER);
    world.ask(&invite).status()
}

fn open() -> Config {
    Config { any_room: Some(Rules::default()), ..vectors() }
}

/// PUB-01: what is not ours, or nothing of ours, is 404.
#[test]
fn a_uri_that_names_nothing_is_404() {
    let mut world = World::new(vectors());
    for uri in [
        "sip:nobody@im.example.com",
        "sip:im.example.com",
        "sip:garden-open@elsewhere.example.com",
        "sip:garden-open@im.example.com:5070",
        "sip:Garden-Open@im.example.com",
        "tel:+12125550100",
    ] {
        assert_eq!(status(&mut world, uri), 404, "{uri}");
    }
    for uri in [GARDEN, "sip:garden%2Dopen@IM.example.com;transport=tcp"] {
        assert_eq!(status(&mut world, uri), 200, "{uri}");
    }
}

/// PUB-02: other schemes than sip, sips and tel are 416.
#[test]
fn a_uri_of_another_scheme_is_416() {
    let mut world = World::new(vectors());
    assert_eq!(status(&mut world, "mailto:garden@im.example.com"), 416);
}

/// PUB-01: To, From and the body decide nothing.
#[test]
fn only_the_request_uri_decides() {
    let mut world = World::new(vectors());
    let to = format!("To: <{GARDEN}>");
    let invite = invite(&mut world, "sip:nobody@im.example.com", ALICE, "", OFFER)
        .replace("To: <sip:nobody@im.example.com>", &to);
    assert_eq!(world.ask(&invite).status(), 404);
}

/// PUB-01, PUB-04: where any name is a room, each name is one, however it is reached.
#[test]
fn any_name_can_be_a_room() {
    let mut world = World::new(open());
    let lobby = world.join("sip:lobby@im.example.com", ALICE).identity();
    for same in ["sip:lobby@im.example.com:5060", "sips:lobby@IM.EXAMPLE.COM;transport=tcp"] {
        assert_eq!(world.join(same, BOB).identity(), lobby, "{same}");
    }
    assert_ne!(world.join("sip:Lobby@im.example.com", BOB).identity(), lobby);
    assert_ne!(world.join(GARDEN, BOB).identity(), lobby, "a room of its own rules");
    assert_eq!(status(&mut world, "sip:lobby@elsewhere.example.com"), 404);
    assert_eq!(status(&mut world, "sip:im.example.com"), 404);
}

/// FOC-01: an identity of the form we mint is never a room, even where any name is one.
#[test]
fn a_session_identity_is_no_name_for_a_room() {
    let mut world = World::new(open());
    let unknown = "sip:s-ffffffffffffffffffffffffffffffff@im.example.com;gr";
    assert_eq!(status(&mut world, unknown), 403);
    assert_eq!(status(&mut world, "sip:s-ffff@im.example.com"), 200, "not of that form");
}

/// FOC-03: how identities are compared.
#[test]
fn identities_are_equal_as_sip_uris_are() {
    let mut world = World::new(vectors());
    let identity = world.join(GARDEN, ALICE).identity();
    let plain = identity.strip_suffix(";gr").unwrap().to_owned();
    let upper = identity.replace("im.example.com", "IM.Example.COM");
    for same in [&identity, &plain, &upper, &format!("{identity};transport=udp")] {
        assert_eq!(status(&mut world, same), 200, "{same}");
    }
    let ported = identity.replace(";gr", ":5060;gr");
    for other in [&ported, &format!("{plain};gr=x"), &identity.replace("sip:s-", "sip:S-")] {
        assert_ne!(status(&mut world, other), 200, "{other}");
    }
}

fn options(world: &mut World, uri: &str, user: &str, lines: &str, body: &str) -> String {
    invite(world, uri, user, lines, body).replace("INVITE", "OPTIONS")
}

/// DLG-17: OPTIONS is answered as an INVITE would be, and changes nothing.
#[test]
fn options_tells_what_an_invite_would_meet() {
    let mut world = World::new(vectors());
    let group = "sip:gardeners@groups.example.com";
    let identity = world.join(group, ALICE).identity();
    world.journal();
    let mut ask = |uri: &str, user: &str, lines: &str, body: &str| {
        let options = options(&mut world, uri, user, lines, body);
        world.ask(&options)
    };
    let ok = ask(&identity, BOB, "", "");
    assert_eq!((ok.status(), ok.contact()), (200, identity.as_str()));
    assert_eq!(ok.header("Allow-Events"), "conference");
    assert!(ok.header("Contact").contains(";isfocus"));
    assert_eq!(ok.body(), "", "no roster");
    assert_eq!(ask(&identity, BOB, "", OFFER).status(), 200);
    assert_eq!(ask(&identity, BOB, "", AUDIO).status(), 488);
    assert_eq!(ask(&identity, BOB, "Privacy: id\n", "").status(), 403);
    assert_eq!(ask(&identity, "sip:mallory@example.net", "", "").status(), 403);
    assert_eq!(ask("sip:nobody@im.example.com", BOB, "", "").status(), 404);
    assert_eq!(ask("sip:im.example.com", BOB, "", "").status(), 200);
    assert_eq!(world.journal().iter().filter(|line| line.starts_with("core")).count(), 0);
}

/// DLG-17: full is told too, and inside a dialog there is 200.
#[test]
fn options_takes_no_seat_and_works_in_a_dialog() {
    let mut config = vectors();
    config.rooms[0].rules.max_participants = Some(1);
    let mut world = World::new(config);
    for _ in 0..2 {
        let options = options(&mut world, GARDEN, ALICE, "", "");
        assert_eq!(world.ask(&options).status(), 200);
    }
    let mut alice = world.join(GARDEN, ALICE);
    let full = options(&mut world, GARDEN, BOB, "", "");
    assert_eq!(world.ask(&full).status(), 486);
    let within = alice.next(&mut world, "OPTIONS", "Content-Length: 0\n\n");
    assert_eq!(world.ask(&within).status(), 200);
}
