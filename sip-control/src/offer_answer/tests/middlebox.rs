//! Relays of the peer, and middleboxes on the way to it (RFC 6714).

use mailbox::Setup;
use msrp::UriBuf;

use super::{
    Cema, Origin, RoomMedia, Shape, Unacceptable, answer, reachable, read, read_answer, read_for,
    room, to,
};

const RELAY: &str = "msrp://relay.example.com:2855/r;tcp msrp://192.0.2.21:7654/k;tcp";

/// An offer with c= at a middlebox, this path and this setup, and with or without `msrp-cema`.
fn moved(path: &str, setup: &str, cema: bool) -> String {
    let offer = reachable(setup)
        .replace("c=IN IP4 192.0.2.21", "c=IN IP4 203.0.113.1")
        .replace("m=message 7654", "m=message 7000")
        .replace("msrp://192.0.2.21:7654/k3Zq8vT1wY6uPb2nLx;tcp", path);
    if cema { offer.replace("a=sendrecv", "a=msrp-cema\r\na=sendrecv") } else { offer }
}

/// msrp/SETUP-10: to a relay of the peer we connect only if we are the active party, whatever else is
/// said; a peer that is active sees to its relay itself, and we wait.
#[test]
fn only_who_is_active_connects_to_a_relay() {
    for (setup, role) in [
        (PASSIVE, to("relay.example.com", 2855, false)),
        (ACTPASS, Setup::Passive),
        (ACTIVE, Setup::Passive),
        ("", Setup::Passive),
    ] {
        let offer = reachable(setup)
            .replace("m=message 7654", "m=message 2855")
            .replace("msrp://192.0.2.21:7654/k3Zq8vT1wY6uPb2nLx;tcp", RELAY);
        let offer = read(&offer).unwrap();
        assert_eq!((&offer.peer().setup, offer.peer().path.as_str()), (&role, RELAY), "{setup}");
    }
}

const DIRECT: &str = "msrp://192.0.2.21:7654/k;tcp";
const PASSIVE: &str = "a=setup:passive\r\n";
const ACTPASS: &str = "a=setup:actpass\r\n";
const ACTIVE: &str = "a=setup:active\r\n";

/// msrp/CEMA-02, SDP-11: an address that is not that of the path is a reason to refuse, unless the
/// peer says that it knows, or connects by itself and we are not strict about it (JC-12 of msrp.md).
#[test]
fn a_middlebox_nobody_was_told_of_is_refused() {
    let strict = RoomMedia { cema: Cema::Strict, ..room() };
    for setup in [PASSIVE, ACTPASS, ""] {
        for path in [DIRECT, RELAY] {
            assert_eq!(
                read(&moved(path, setup, false)).unwrap_err(),
                Unacceptable::AddressesDiffer
            );
        }
    }
    let active = moved(DIRECT, ACTIVE, false);
    assert_eq!(read(&active).unwrap().peer().setup, Setup::Passive);
    let refused = read_for(&active, &strict);
    assert_eq!(refused.unwrap_err(), Unacceptable::AddressesDiffer);
    assert!(!answer(&read(&active).unwrap(), &room()).contains("cema"));
}

/// msrp/CEMA-03, msrp/CEMA-04, msrp/CEMA-05, msrp/CEMA-10: who connects, where to, and whether the
/// answer knows of it, for every offer that does.
#[test]
fn an_offer_that_knows_of_middleboxes_is_answered_alike() {
    for (path, setup, role, cema) in [
        (DIRECT, ACTIVE, Setup::Passive, true),
        (DIRECT, ACTPASS, Setup::Passive, true),
        (DIRECT, "", Setup::Passive, true),
        (DIRECT, PASSIVE, to("203.0.113.1", 7000, true), true),
        (RELAY, ACTIVE, Setup::Passive, false),
        (RELAY, "", Setup::Passive, false),
        (RELAY, ACTPASS, to("203.0.113.1", 7000, true), true),
        (RELAY, PASSIVE, to("203.0.113.1", 7000, true), true),
    ] {
        let offer = read(&moved(path, setup, true)).unwrap();
        assert_eq!(offer.peer().setup, role, "{path} {setup}");
        let said = answer(&offer, &room());
        assert_eq!(said.contains("a=msrp-cema\r\n"), cema, "{path} {setup}");
        let role =
            if role == Setup::Passive { "a=setup:passive\r\n" } else { "a=setup:active\r\n" };
        assert!(said.contains(role), "{said}");
    }
    // Also where nothing was changed on the way.
    let same = reachable(ACTPASS).replace("a=sendrecv", "a=msrp-cema\r\na=sendrecv");
    assert!(answer(&read(&same).unwrap(), &room()).contains("a=msrp-cema\r\n"));
    let off = RoomMedia { cema: Cema::Off, ..room() };
    let same = read_for(&same, &off).unwrap();
    assert!(!answer(&same, &off).contains("cema"));
}

/// msrp/CEMA-01: our offers say that we know of middleboxes, and who may connect.
#[test]
fn our_offers_know_of_middleboxes() {
    let path = UriBuf::parse(b"msrp://198.51.100.5:2855/x;tcp").unwrap();
    let origin = Origin { session: 1, version: 1 };
    let ours = room().offer(&Shape::default(), origin, &path);
    let media = &ours[ours.find("m=message").unwrap()..];
    assert!(media.contains("a=msrp-cema\r\n") && media.contains("a=setup:actpass\r\n"), "{ours}");
    let off = RoomMedia { cema: Cema::Off, ..room() };
    assert!(!off.offer(&Shape::default(), origin, &path).contains("cema"));
}

/// msrp/CEMA-05, msrp/CEMA-08, msrp/SDP-04: as offerer we connect to c= and m= if the answer knows
/// of middleboxes, and to the path and nowhere else if it does not.
#[test]
fn an_answer_says_where_to_connect() {
    let anchored = read_answer(&moved(DIRECT, PASSIVE, true)).unwrap();
    assert_eq!(anchored.setup, to("203.0.113.1", 7000, true));
    let relayed = read_answer(&moved(RELAY, PASSIVE, true)).unwrap();
    assert_eq!(relayed.setup, to("203.0.113.1", 7000, true));
    let plain = read_answer(&moved(DIRECT, PASSIVE, false)).unwrap();
    assert_eq!(plain.setup, to("192.0.2.21", 7654, false));
    // The address of the peer itself, behind its relay: nobody has changed anything.
    let own = reachable(PASSIVE).replace("msrp://192.0.2.21:7654/k3Zq8vT1wY6uPb2nLx;tcp", RELAY);
    assert_eq!(read_answer(&own).unwrap().setup, to("relay.example.com", 2855, false));
    assert_eq!(
        read_answer(&moved(RELAY, PASSIVE, false)).unwrap_err(),
        Unacceptable::AddressesDiffer
    );
    assert_eq!(
        read_answer(&moved(DIRECT, ACTIVE, false)).unwrap_err(),
        Unacceptable::AddressesDiffer
    );
}
