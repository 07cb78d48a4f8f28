//! What is checked before any room is looked at, and in which order.

use super::harness::{OFFER, STRANGER, World, invite, vectors};
use sip_control::{config::Config, transport::Protocol};

const GARDEN: &str = "sip:garden-open@im.example.com";
const ALICE: &str = "sip:alice@example.com";
const NO_SESSION: &str = "sip:s-ffffffffffffffffffffffffffffffff@im.example.com;gr";

/// ID-02, ID-03, ID-04: an asserted identity from a source that is not trusted is worth nothing.
#[test]
fn an_untrusted_source_asserts_nothing() {
    let mut world = World::new(Config { identity_from_from_header: true, ..vectors() });
    let invite = invite(&mut world, GARDEN, ALICE, "", OFFER);
    world.hear_from(STRANGER, Protocol::Udp, &invite);
    let refused = world.take().pop().unwrap();
    let warning = Some("399 im.example.com \"No asserted identity\"");
    assert_eq!(refused.verdict(), (403, warning));
}

/// ID-03: the From is taken only where the configuration says so, and never an anonymous one.
#[test]
fn the_from_is_an_identity_only_by_configuration() {
    let without = |world: &mut World| {
        invite(world, GARDEN, ALICE, "", OFFER)
            .replace("P-Asserted-Identity: <sip:alice@example.com>\n", "")
    };
    let mut world = World::new(Config { identity_from_from_header: true, ..vectors() });
    let text = without(&mut world);
    world.journal();
    assert_eq!(world.ask(&text).status(), 200);
    assert_eq!(world.journal()[0], "core 0: Install sip:whoever@example.org");
    let text = without(&mut world)
        .replace("<sip:whoever@example.org>", "\"Anonymous\" <sip:anonymous@anonymous.invalid>");
    assert_eq!(world.ask(&text).status(), 403);
}

/// ID-01: the first SIP identity, with the telephone number of the same user as another address.
#[test]
fn both_asserted_identities_may_be_used_in_messages() {
    let mut world = World::new(vectors());
    let lines = "P-Asserted-Identity: <tel:+12125550100>, <sip:second@example.com>\n";
    let invite = invite(&mut world, GARDEN, ALICE, lines, OFFER);
    world.ask(&invite);
    let journal = world.journal();
    assert_eq!(journal[0], "core 0: Install sip:alice@example.com tel:+12125550100");
}

/// DLG-18: methods that are not served are 405 with Allow, unknown ones 501.
#[test]
fn methods_that_are_not_served_are_refused() {
    let mut world = World::new(vectors());
    for method in ["MESSAGE", "INFO", "PUBLISH", "REGISTER"] {
        let text = invite(&mut world, GARDEN, ALICE, "", "").replace("INVITE", method);
        let refused = world.ask(&text);
        assert_eq!(refused.status(), 405, "{method}");
        assert!(refused.header("Allow").starts_with("INVITE, ACK, CANCEL, BYE"));
    }
    let text = invite(&mut world, GARDEN, ALICE, "", "").replace("INVITE", "invite");
    assert_eq!(world.ask(&text).status(), 501);
}

/// DLG-01: the identity goes before the method, the method before the scheme, the scheme before the
/// extensions, those before the body.
#[test]
fn the_first_check_that_fails_answers() {
    let mut world = World::new(vectors());
    let lines = "Require: foo\nContent-Type: application/unknown\n";
    let body = "hello\n";
    let base = |world: &mut World| {
        invite(world, "mailto:a@b", ALICE, lines, body)
            .replace("Content-Type: application/sdp\n", "")
            .replace("INVITE", "PUBLISH")
    };
    let text = base(&mut world).replace("P-Asserted-Identity: <sip:alice@example.com>\n", "");
    assert_eq!(world.ask(&text).status(), 403);
    let text = base(&mut world);
    assert_eq!(world.ask(&text).status(), 405);
    let text = base(&mut world).replace("PUBLISH", "INVITE");
    assert_eq!(world.ask(&text).status(), 416);
    let text = base(&mut world).replace("PUBLISH", "INVITE").replace("mailto:a@b", NO_SESSION);
    assert_eq!(world.ask(&text).status(), 420);
    let text = base(&mut world)
        .replace("PUBLISH", "INVITE")
        .replace("mailto:a@b", NO_SESSION)
        .replace("Require: foo\n", "");
    assert_eq!(world.ask(&text).status(), 415);
}

/// TV-21, DLG-01: a body nobody here reads is 415, unless its sender calls it optional.
#[test]
fn an_unknown_body_is_415_unless_it_is_optional() {
    let mut world = World::new(vectors());
    let text = invite(&mut world, NO_SESSION, ALICE, "", "hello\n")
        .replace("application/sdp", "application/unknown");
    let refused = world.ask(&text);
    let read = "application/sdp, multipart/mixed, application/resource-lists+xml";
    assert_eq!((refused.status(), refused.header("Accept")), (415, read));
    let lines = "Content-Disposition: render;handling=optional\n";
    let text = invite(&mut world, NO_SESSION, ALICE, lines, "hello\n")
        .replace("application/sdp", "application/unknown");
    assert_eq!(world.ask(&text).status(), 403, "passed over, and then step 1");
    let text = invite(&mut world, GARDEN, ALICE, "Content-Encoding: gzip\n", OFFER);
    let refused = world.ask(&text);
    assert_eq!((refused.status(), refused.header("Accept-Encoding")), (415, "identity"));
}

/// DLG-19: a request that is at its end has no hops left to count.
#[test]
fn max_forwards_may_be_nought_or_absent() {
    let mut world = World::new(vectors());
    for line in ["Max-Forwards: 0\n", ""] {
        let text = invite(&mut world, GARDEN, ALICE, "", OFFER).replace("Max-Forwards: 69\n", line);
        assert_eq!(world.ask(&text).status(), 200, "{line}");
    }
    let text =
        invite(&mut world, GARDEN, ALICE, "", OFFER).replace("Forwards: 69", "Forwards: 256");
    assert_eq!(world.ask(&text).status(), 400);
}

/// IMS-10: what is understood may be required.
#[test]
fn known_extensions_may_be_required() {
    let mut world = World::new(vectors());
    let lines = "Require: timer, 100rel\nRequire: GRUU\n";
    world.join_with(GARDEN, ALICE, lines);
}

/// IMS-09: another focus does not join.
#[test]
fn a_focus_may_not_join() {
    let mut world = World::new(vectors());
    let text = invite(&mut world, GARDEN, ALICE, "", OFFER)
        .replace("transport=tcp>\nP-", "transport=tcp>;isfocus\nP-");
    assert_eq!(world.ask(&text).status(), 403);
}

/// DLG-09: who does not say where it is cannot be called.
#[test]
fn a_contact_is_needed() {
    let mut world = World::new(vectors());
    for contact in ["", "Contact: *\n", "Contact: <tel:+1212>\n", "Contact: <sip:a@h>, <sip:b@h>\n"]
    {
        let text = invite(&mut world, GARDEN, ALICE, "", OFFER);
        let line = text.lines().find(|line| line.starts_with("Contact")).unwrap().to_owned();
        let refused = world.ask(&text.replace(&format!("{line}\n"), contact));
        assert_eq!(refused.status(), 400, "{contact}");
    }
}

/// OPS-08: every refusal is counted under a reason of its own.
#[test]
fn refusals_are_counted_by_reason() {
    let mut world = World::new(vectors());
    let text = invite(&mut world, "sip:nobody@im.example.com", ALICE, "", OFFER);
    world.ask(&text);
    let text = invite(&mut world, GARDEN, ALICE, "Require: foo\n", OFFER);
    world.ask(&text);
    assert_eq!((world.refusals("not_found"), world.refusals("extension")), (1, 1));
}

/// IMS-04: an INVITE that got here is served, whatever it prefers; unless only those are let in that
/// ask for messaging.
#[test]
fn a_feature_is_asked_for_only_where_that_is_a_condition() {
    let warning = Some("399 im.example.com \"Service not supported\"");
    for (strict, lines, verdict) in [
        (false, "", (200, None)),
        (false, "Accept-Contact: *;audio\n", (200, None)),
        (true, "", (403, warning)),
        (true, "Accept-Contact: *;+g.oma.sip-imx\n", (403, warning)),
        (true, "a: *;+g.oma.sip-im;require;explicit\n", (200, None)),
        (true, "Accept-Contact: *;audio, *;+G.OMA.sip-im=\"TRUE\"\n", (200, None)),
    ] {
        let mut world = World::new(Config { strict_feature_tag: strict, ..vectors() });
        let text = invite(&mut world, GARDEN, ALICE, lines, OFFER);
        assert_eq!(world.ask(&text).verdict(), verdict, "{lines}");
        if verdict.0 == 403 {
            let unknown = invite(&mut world, NO_SESSION, ALICE, lines, OFFER);
            assert_eq!(world.ask(&unknown).verdict(), verdict, "before step 1");
        }
    }
}

/// RCS-02: the service that a peer prefers, or that a stranger asserts, makes nobody trusted.
#[test]
fn a_service_proves_nothing() {
    let service = "urn:urn-7:3gpp-service.ims.icsi.oma.cpm.session.group";
    for field in ["P-Preferred-Service", "P-Asserted-Service"] {
        let mut world = World::new(vectors());
        let lines = format!("{field}: {service}\n");
        let marked = invite(&mut world, GARDEN, ALICE, &lines, OFFER);
        world.hear_from(STRANGER, Protocol::Tcp, &marked);
        let refused = world.take().pop().expect("an answer");
        assert_eq!(refused.status(), 403);
        world.join_with(GARDEN, ALICE, &lines);
    }
}
