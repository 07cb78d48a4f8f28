//! The messages of RFC 4475 as a whole control plane meets them: what the codec makes of each is
//! held by `tests/torture.rs`, and this is what its sender hears.
//!
//! The focus is at example.com, where every name is a public room. It is neither registrar nor
//! proxy: what the RFC says of those is answered as a conference focus has to (DLG-18).

use std::path::Path;

use super::harness::{World, vectors};
use sip_control::{
    config::{Config, Rules},
    transport::Protocol,
};

/// Each message, the section of RFC 4475 it is from, and the answer to it; 0 is none.
const TABLE: [(&str, &str, u16); 50] = [
    // To has a tag, so it is for a dialog, which is not there.
    ("wsinv", "3.1.1.1", 481),
    ("intmeth", "3.1.1.2", 501),
    // `%75se%72` at another host than ours is no room.
    ("esc01", "3.1.1.3", 404),
    ("escnull", "3.1.1.4", 405),
    // `RE%47IST%45R` is no REGISTER.
    ("esc02", "3.1.1.5", 501),
    ("lwsdisp", "3.1.1.6", 200),
    // A call with audio alone, however long its header fields.
    ("longreq", "3.1.1.7", 488),
    ("dblreq", "3.1.1.8", 405),
    ("semiuri", "3.1.1.9", 200),
    ("transports", "3.1.1.10", 200),
    ("mpart01", "3.1.1.11", 405),
    ("unreason", "3.1.1.12", 0),
    ("noreason", "3.1.1.13", 0),
    ("badinv01", "3.1.2.1", 400),
    ("clerr", "3.1.2.2", 400),
    ("ncl", "3.1.2.3", 400),
    ("scalar02", "3.1.2.4", 400),
    ("scalarlg", "3.1.2.5", 0),
    ("quotbal", "3.1.2.6", 400),
    ("ltgtruri", "3.1.2.7", 400),
    ("lwsruri", "3.1.2.8", 400),
    ("lwsstart", "3.1.2.9", 400),
    ("trws", "3.1.2.10", 400),
    ("escruri", "3.1.2.11", 400),
    // Whoever does not need the Date may ignore that it is wrong; there is only audio on offer.
    ("baddate", "3.1.2.12", 488),
    ("regbadct", "3.1.2.13", 400),
    ("badaspec", "3.1.2.14", 400),
    ("baddn", "3.1.2.15", 400),
    ("badvers", "3.1.2.16", 505),
    ("mismatch01", "3.1.2.17", 400),
    ("mismatch02", "3.1.2.18", 400),
    ("bigcode", "3.1.2.19", 0),
    ("badbranch", "3.2.1", 200),
    ("insuf", "3.3.1", 400),
    ("unkscm", "3.3.2", 416),
    ("novelsc", "3.3.3", 416),
    // From is a web page, so there is nobody who asks; the scheme of To is not looked at.
    ("unksm2", "3.3.4", 403),
    ("bext01", "3.3.5", 420),
    ("invut", "3.3.6", 415),
    ("regaut01", "3.3.7", 405),
    ("multi01", "3.3.8", 400),
    ("mcl01", "3.3.9", 400),
    ("bcast", "3.3.10", 0),
    // We are the one it is addressed to.
    ("zeromf", "3.3.11", 200),
    ("cparam01", "3.3.12", 405),
    ("cparam02", "3.3.13", 405),
    ("regescrt", "3.3.14", 405),
    // The only type it takes in an answer is none of ours, but it offers audio alone.
    ("sdp01", "3.3.15", 488),
    // A dialog needs to know where its peer is, and a caller of RFC 2543 may not say (DLG-09).
    ("inv2543", "3.4.1", 400),
    // Not in the text, but in the archive: no version, no Via, no CSeq.
    ("test", "-", 0),
];

fn read(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torture");
    std::fs::read(folder.join(format!("{name}.dat"))).expect(name)
}

/// OPS-05, DLG-01, DLG-18, DLG-19: every message of RFC 4475 gets the answer that RFC names, once; and
/// whatever came before, the next one is served.
#[test]
fn each_message_is_answered_as_the_rfc_says() {
    let mut world = World::new(Config {
        host: "example.com".to_owned(),
        any_room: Some(Rules::default()),
        identity_from_from_header: true,
        ..vectors()
    });
    for (name, section, status) in TABLE {
        world.take();
        world.hear_octets("192.0.2.200:5060", Protocol::Udp, read(name));
        let answers: Vec<u16> = world.take().iter().map(super::harness::Sent::status).collect();
        let expected = if status == 0 { vec![] } else { vec![status] };
        assert_eq!(answers, expected, "{name}, section {section}");
    }
    assert!(world.journal().iter().all(|line| !line.starts_with("core")), "nobody was let in");
    world.join("sip:lobby@example.com", "sip:bob@example.com");
}

/// AUTH-03: an authorization scheme that nobody knows is none at all: the challenge is ours (RFC 4475
/// section 3.3.7).
#[test]
fn an_unknown_authorization_scheme_gets_a_challenge() {
    let mut world = World::new(super::proving::config(&[sip_control::digest::Algorithm::Sha256]));
    world.hear_octets("203.0.113.9:5060", Protocol::Udp, read("regaut01"));
    let answer = world.take().remove(0);
    assert_eq!(answer.status(), 401);
    assert!(answer.header("WWW-Authenticate").starts_with("Digest realm="));
}
