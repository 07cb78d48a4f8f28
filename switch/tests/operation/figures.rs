//! What the node tells of itself over HTTP.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use super::{
    caller::Caller,
    node::{ANYWHERE, Node},
};

pub const METRICS: &str = "[metrics]\nlisten = \"127.0.0.1:0\"\n";

/// Status and body of a page.
pub fn page(node: &Node, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(node.value("metrics")).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

pub fn figure(page: &str, name: &str) -> u64 {
    let line =
        page.lines().find(|line| line.strip_prefix(name).is_some_and(|v| v.starts_with(' ')));
    line.and_then(|line| line.rsplit(' ').next()).expect(name).parse().unwrap()
}

#[test]
fn every_part_is_counted_and_nobody_is_named() {
    let mut node = Node::start(&format!("{ANYWHERE}{METRICS}"), &[]);
    let mut alice = Caller::new("alice", node.sip());
    let joined = alice.invite("sip:garden@chat.localhost");
    assert_eq!(joined.status(), 200);
    assert_eq!(alice.invite("sip:nobody@elsewhere.example").status(), 404);
    let (status, text) = page(&node, "/metrics");
    assert_eq!(status, 200);
    assert!(text.ends_with("# EOF\n"), "{text}");
    for (name, value) in [
        ("msrp_switch_focus_joins_total", 1),
        ("msrp_switch_focus_refusals_total{reason=\"not_found\"}", 1),
        ("msrp_switch_focus_present_legs", 1),
        ("msrp_switch_core_sessions{core=\"0\"}", 1),
        ("msrp_switch_core_messages_accepted_total{core=\"0\"}", 0),
    ] {
        assert_eq!(figure(&text, name), value, "{name}");
    }
    assert!(figure(&text, "msrp_switch_transport_received_total") >= 3);
    assert!(!text.contains("alice") && !text.contains("sip:"), "{text}");
    assert_eq!(page(&node, "/").0, 404);
    node.logged("reason=\"not_found\"");
}

/// sip/OPS-02: told to stop, a node is not ready any more, and goes on with the sessions it has until they
/// are over, or until it is told again.
#[test]
fn a_node_drains_before_it_ends() {
    for told_again in [false, true] {
        let config = format!("{ANYWHERE}{METRICS}[sip.timers]\ndrain = \"1h\"\n");
        let mut node = Node::start(&config, &[]);
        let mut alice = Caller::new("alice", node.sip());
        let mut bob = Caller::new("bob", node.sip());
        let joined = alice.invite("sip:garden@chat.localhost");
        assert_eq!((joined.status(), page(&node, "/ready").0), (200, 200));
        node.signal(rustix::process::Signal::TERM);
        node.logged("draining");
        assert_eq!(page(&node, "/ready").0, 503);
        assert_eq!(bob.invite("sip:orchard@chat.localhost").status(), 503);
        let met = bob.invite(joined.identity());
        assert_eq!(met.status(), 200);
        if told_again {
            node.signal(rustix::process::Signal::TERM);
        } else {
            assert_eq!(alice.bye(&joined).status(), 200);
            assert_eq!(bob.bye(&met).status(), 200);
        }
        assert_eq!(node.end().0, Some(0));
    }
}

/// sip/OPS-02: readiness is withdrawn, and only then new sessions are refused.
#[test]
fn a_node_that_ends_is_not_ready_any_more() {
    let config = format!("{ANYWHERE}{METRICS}");
    let node = Node::start(&config, &[]);
    let mut alice = Caller::new("alice", node.sip());
    assert_eq!(page(&node, "/ready").0, 200);
    assert_eq!(alice.invite("sip:garden@chat.localhost").status(), 200);
    node.signal(rustix::process::Signal::TERM);
    // Nobody answers Alice's BYE, so there is time to ask.
    while page(&node, "/ready").0 == 200 {}
    assert_eq!(alice.invite("sip:garden@chat.localhost").status(), 503);
}
