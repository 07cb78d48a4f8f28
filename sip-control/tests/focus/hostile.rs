//! Octets from outside: none of them brings the focus down, or breaks out of where it is put.

use proptest::prelude::*;

use super::harness::{OFFER, PROXY, World, invite, subscribe, vectors};
use sip_control::transport::Protocol;

const GARDEN: &str = "sip:garden-open@im.example.com";

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// OPS-05: an INVITE with octets changed at random is answered or dropped, and the next one is
    /// served as if nothing had been.
    #[test]
    fn a_mangled_invite_harms_nobody(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut world = World::new(vectors());
        let mut text = invite(&mut world, GARDEN, "sip:alice@example.com", "", OFFER)
            .replace('\n', "\r\n")
            .into_bytes();
        for (at, octet) in changes {
            let at = at.index(text.len());
            text[at] = octet;
        }
        world.hear_octets(PROXY, Protocol::Udp, text);
        for sent in world.take() {
            prop_assert!(!sent.text.contains('\0'));
            let head = sent.text.split("\r\n\r\n").next().unwrap();
            prop_assert!(!head.replace("\r\n", "").contains(['\r', '\n']), "{}", sent.text);
        }
        world.join(GARDEN, "sip:bob@example.com");
    }
}

/// OPS-06: what a peer calls itself stays within the element and the header it is put into.
#[test]
fn a_display_name_cannot_break_out() {
    let mut world = World::new(vectors());
    let evil = "P-Asserted-Identity: \"</user><user entity=\\\"sip:root@h\\\">&amp;\" <sip:eve@example.com>\n";
    let text = invite(&mut world, GARDEN, "sip:x@example.com", "", OFFER)
        .replace("P-Asserted-Identity: <sip:x@example.com>\n", evil);
    let identity = world.ask(&text).contact().to_owned();
    world.join(GARDEN, "sip:bob@example.com");
    let watch = subscribe(&mut world, &identity, "sip:bob@example.com", "Event: conference\n");
    world.hear(&watch);
    let notify = world.take_requests("NOTIFY").pop().unwrap();
    let name = "&lt;/user&gt;&lt;user entity=&quot;sip:root@h&quot;&gt;&amp;amp;";
    let element = format!("<display-text>{name}</display-text>");
    assert!(notify.body().contains(&element), "{}", notify.text);
    assert_eq!(notify.body().matches("<user ").count(), 2);
}
