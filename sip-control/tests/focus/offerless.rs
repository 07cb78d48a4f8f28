//! An INVITE without SDP: the focus makes the offer, and the answer comes with the ACK.

use std::time::Duration;

use super::harness::{AUDIO, Call, OFFER, PROXY, World, invite, vectors};
use sip_control::{config::Config, transport::Protocol};

const GARDEN: &str = "sip:garden-open@im.example.com";
const BOB: &str = "sip:bob@example.com";

/// TV-25, byte for byte.
const TV_25: &str = "INVITE sip:garden-open@im.example.com SIP/2.0
v: SIP/2.0/TCP proxy.example.com:5060
 ;branch=z9hG4bKp25
Max-Forwards: 0
f: \"Bob \\\"the\\\" Rose\" <sip:bob@example.com>
 ;tag=b25
t: sip:garden-open@im.example.com
i: tv25-1010@192.0.2.22
CSeq: 0001   INVITE
m: <sip:bob@192.0.2.22:50300;transport=tcp>
p-asserted-identity: <sip:bob@example.com>
k: timer
X-Unknown: ignored, whatever it says
l: 0

";

/// What Bob answers to the offer that TV-25 gets.
const ANSWER: &str = "v=0
o=- 3900000025 1 IN IP4 192.0.2.22
s=-
c=IN IP4 192.0.2.22
t=0 0
m=message 9 TCP/MSRP *
a=accept-types:message/cpim
a=accept-wrapped-types:text/plain
a=setup:active
a=path:msrp://192.0.2.22:9/pQ4rS8tU2vW6xY0z;tcp
";

fn ack_of_tv_25(ok_tag: &str, identity: &str, content: &str) -> String {
    format!(
        "ACK {identity} SIP/2.0
Via: SIP/2.0/TCP proxy.example.com:5060;branch=z9hG4bKp25a
Max-Forwards: 70
From: \"Bob \\\"the\\\" Rose\" <sip:bob@example.com>;tag=b25
To: <sip:garden-open@im.example.com>;tag={ok_tag}
Call-ID: tv25-1010@192.0.2.22
CSeq: 1 ACK
{content}"
    )
}

fn with_sdp(sdp: &str) -> String {
    format!("Content-Type: application/sdp\nContent-Length: ?\n\n{sdp}")
}

/// The room of TV-25, and the types of it that stand in our offer.
fn garden() -> Config {
    let mut config = vectors();
    "text/plain message/imdn+xml".clone_into(&mut config.media.wrapped_types);
    config.media.size_max = 1_048_576;
    config
}

/// Bob is invited without an offer of his own; nothing of the 200 is acknowledged.
fn offered(world: &mut World) -> Call {
    let invite = invite(world, GARDEN, BOB, "", "");
    let ok = world.ask_for("SIP/2.0", &invite);
    assert_eq!(ok.status(), 200, "{}", ok.text);
    Call::of(ok)
}

/// FOC-21, FOC-23, FOC-32, TV-25, J-08, msrp/SETUP-01, msrp/SETUP-03: the 200 carries an offer that
/// lets the peer choose who connects; the leg is a recipient once the answer is here, on its terms.
#[test]
fn an_invite_without_sdp_gets_an_offer_and_its_ack_brings_the_answer() {
    let mut world = World::new(garden());
    let ok = world.ask(TV_25);
    let expected = [
        "SIP/2.0 200 OK",
        "Content-Type: application/sdp",
        "",
        "v=0",
        "o=- 2 1 IN IP4 198.51.100.5",
        "s=-",
        "c=IN IP4 198.51.100.5",
        "t=0 0",
        "m=message 2855 TCP/MSRP *",
        "a=accept-types:message/cpim",
        "a=accept-wrapped-types:text/plain message/imdn+xml",
        "a=setup:actpass",
        "a=path:msrp://198.51.100.5:2855/core-2;tcp",
        "a=max-size:1048576",
        "a=chatroom:nickname private-messages",
        "a=msrp-cema",
        "a=sendrecv",
    ];
    let is_shown = |line: &&str| expected.contains(line);
    assert_eq!(ok.text.lines().filter(is_shown).collect::<Vec<_>>(), expected);
    assert_eq!(ok.body().lines().count(), 14, "no more than that:\n{}", ok.body());
    assert_eq!(
        world.journal(),
        ["core 0: Install without media sip:bob@example.com", "sip: SIP/2.0 200 OK"]
    );
    world.hear(&ack_of_tv_25(ok.to_tag(), ok.contact(), &with_sdp(ANSWER)));
    let path = "core 0: Policy msrp://192.0.2.22:9/pQ4rS8tU2vW6xY0z;tcp";
    assert_eq!(world.journal(), [path, "core 0: Activate"]);
    world.wait(Duration::from_secs(9));
    world.bound(Call::of(ok).session());
    world.wait(Duration::from_secs(60));
    assert!(world.take().is_empty(), "a leg like any other");
}

/// FOC-21: without an answer, or with one that an offer would have been refused for, the leg ends
/// with 488, and its seat is free.
#[test]
fn an_answer_that_is_missing_or_unusable_ends_the_leg() {
    let nothing = "Content-Length: 0\n\n".to_owned();
    let foreign = "Content-Type: text/plain\nContent-Length: ?\n\nv=0\n".to_owned();
    let instead = |from: &str, to: &str| {
        assert!(ANSWER.contains(from), "{from:?}");
        with_sdp(&ANSWER.replace(from, to))
    };
    for content in [
        nothing,
        foreign,
        with_sdp("hello"),
        with_sdp(AUDIO),
        with_sdp(&format!("{ANSWER}m=audio 4000 RTP/AVP 0\n")),
        instead("m=message 9", "m=message 0"),
        instead("TCP/MSRP", "TCP/TLS/MSRP"),
        instead("a=path:", "a=pass:"),
        instead("message/cpim", "text/plain"),
        instead("types:text/plain", "types:image/png"),
        // Who does not say that it connects has to say where it waits.
        instead("a=setup:active\n", ""),
        instead("setup:active", "setup:passive"),
    ] {
        let mut config = garden();
        config.rooms[0].rules.max_participants = Some(1);
        let mut world = World::new(config);
        let ok = world.ask(TV_25);
        world.journal();
        world.hear(&ack_of_tv_25(ok.to_tag(), ok.contact(), &content));
        let bye = world.take_requests("BYE").pop().unwrap_or_else(|| panic!("a BYE for {content}"));
        assert!(bye.start().starts_with("BYE sip:bob@192.0.2.22:50300"), "{}", bye.start());
        assert_eq!(bye.header("Reason"), "SIP;cause=488;text=\"No usable answer\"", "{content}");
        let journal = world.journal();
        assert_eq!(journal[0], "core 0: Remove", "{journal:?}");
        assert!(journal.iter().all(|line| !line.contains("Policy") && !line.contains("Activate")));
        world.join(GARDEN, "sip:carol@example.com");
    }
}

/// FOC-21, FOC-31: a leg whose offer nobody answers is one whose 200 nobody acknowledges. It was
/// never a recipient.
#[test]
fn an_offer_that_is_never_answered_ends_the_leg() {
    let mut world = World::new(garden());
    let invite = TV_25.replace("SIP/2.0/TCP", "SIP/2.0/UDP");
    world.hear_from(PROXY, Protocol::Udp, &invite);
    let ok = world.take().pop().expect("a 200");
    world.bound(Call::of(ok).session());
    world.wait(Duration::from_millis(31_999));
    let repeated = world.take();
    assert!(repeated.iter().all(|sent| sent.status() == 200), "{repeated:?}");
    assert!(repeated.len() > 5 && repeated[0].body().contains("a=setup:actpass"));
    world.wait(Duration::from_millis(1));
    let bye = world.take_requests("BYE").pop().expect("a BYE");
    assert!(bye.header("Reason").starts_with("SIP;cause=408"));
    let journal = world.journal();
    assert!(journal.contains(&"core 0: Remove".to_owned()), "{journal:?}");
    assert!(!journal.contains(&"core 0: Activate".to_owned()), "{journal:?}");
}

/// FOC-21: the others are told that it failed.
#[test]
fn a_leg_that_ends_for_want_of_an_answer_is_told_as_failed() {
    let mut world = World::new(garden());
    let alice = world.join(GARDEN, "sip:alice@example.com");
    world.watch(&alice.identity(), "sip:alice@example.com");
    let bob = offered(&mut world);
    world.wait(Duration::from_secs(10));
    world.notified();
    bob.ack(&mut world);
    world.wait(Duration::from_secs(10));
    let told = world.notified().pop().expect("a NOTIFY");
    let method = "<disconnection-method>failed</disconnection-method>";
    assert!(told.body().contains(method), "{}", told.body());
}

/// FOC-14, FOC-21: the leg that it replaces stays until the new one has its answer, even if the peer
/// has connected already; and stays for good when the answer is none.
#[test]
fn an_older_leg_stays_until_the_offer_is_answered() {
    let mut world = World::new(garden());
    let older = world.join(GARDEN, BOB);
    world.bound(older.session());
    let newer = offered(&mut world);
    world.bound(newer.session());
    world.wait(Duration::from_secs(10));
    assert!(world.take_requests("BYE").is_empty());
    newer.ack(&mut world);
    let bye = world.take_requests("BYE").pop().expect("a BYE");
    assert!(bye.header("Reason").contains("488"), "the newer one goes");

    for is_early in [true, false] {
        let newer = offered(&mut world);
        if is_early {
            world.bound(newer.session());
        }
        newer.ack_with(&mut world, &with_sdp(ANSWER));
        let replaced = world.take_requests("BYE").len();
        assert_eq!(replaced, usize::from(is_early));
        world.wait(Duration::from_secs(5));
        let replaced = replaced + world.take_requests("BYE").len();
        assert_eq!(replaced, 1, "bound or not, in five seconds the older one goes");
        world.bound(newer.session());
    }
}

/// FOC-21, DLG-14, SDP-21: while our offer is open no other exchange begins, but the session can be
/// left; afterwards the answer, repeated, is a refresh.
#[test]
fn no_other_exchange_begins_while_our_offer_is_open() {
    let mut world = World::new(garden());
    let mut bob = offered(&mut world);
    let contact = "Contact: <sip:bob@192.0.2.22:50300;transport=tcp>\n";
    for (method, rest, status) in [
        ("INVITE", with_sdp(OFFER), 491),
        ("INVITE", "Content-Length: 0\n\n".to_owned(), 491),
        ("UPDATE", with_sdp(OFFER), 491),
        ("UPDATE", "Content-Length: 0\n\n".to_owned(), 200),
    ] {
        let request = bob.next(&mut world, method, &format!("{contact}{rest}"));
        assert_eq!(world.ask_for("SIP/2.0", &request).status(), status, "{method} {rest}");
    }
    bob.ack_first(&mut world, &with_sdp(ANSWER));
    let refresh = bob.next(&mut world, "INVITE", &format!("{contact}{}", with_sdp(ANSWER)));
    assert_eq!(world.ask_for("SIP/2.0", &refresh).status(), 200);
    bob.ack(&mut world);

    let mut bob = offered(&mut world);
    assert_eq!(bob.bye(&mut world).status(), 200);
    assert!(world.journal().contains(&"core 0: Remove".to_owned()));
    bob.ack_first(&mut world, &with_sdp(ANSWER));
    assert!(!world.journal().iter().any(|line| line.contains("Policy")), "it is gone");
}
