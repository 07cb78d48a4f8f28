//! SIGHUP: another configuration for a node that serves.

use std::fs;

use rustix::process::Signal;

use super::{
    caller::Caller,
    node::{ANYWHERE, Node, file},
};

const ROOM: &str = "sip:garden@chat.localhost";

/// sip/OPS-12: a sound file counts as a whole for whoever asks next, and puts nobody out; one that is
/// not sound is said in one line and changes nothing.
#[test]
fn the_next_who_asks_is_served_by_the_new_file() {
    let path = file(ANYWHERE);
    let mut node = Node::start_with(&path, &[]);
    let (mut alice, mut bob) = (Caller::new("alice", node.sip()), Caller::new("bob", node.sip()));
    let joined = alice.invite(ROOM);
    assert_eq!(joined.status(), 200);

    fs::write(&path, format!("{ANYWHERE}[rooms.any]\nblocked = [\"eve\"]\n")).unwrap();
    node.signal(Signal::HUP);
    let line = node.logged("stays as it was");
    assert!(line.contains("rooms.any.blocked: `eve` is no address"), "{line}");
    assert_eq!(bob.invite(ROOM).status(), 200);

    let blocked = "[rooms.any]\nblocked = [\"sip:bob@example.com\", \"sip:alice@example.com\"]\n";
    let moved = ANYWHERE.replace("[sip]\n", "connections_max = 9\n[sip]\nhost = \"h\"\n");
    fs::write(&path, format!("{moved}{blocked}")).unwrap();
    node.signal(Signal::HUP);
    let lines = [node.logged("takes a restart"), node.logged("takes a restart")].concat();
    assert!(lines.contains("the limits of [msrp]") && lines.contains("sip.host"), "{lines}");
    // The focus has said so before it took the new rules, but in the same turn.
    assert_eq!(bob.invite(ROOM).status(), 403);
    assert_eq!(alice.bye(&joined).status(), 200, "her dialog goes on");
}
