//! One port for all cores, or one for each.

use std::collections::BTreeSet;

use super::{
    attach::bind,
    caller::{Answer, Caller},
    node::{ANYWHERE, Node},
};

/// The number of the core in the session-id of a path.
fn core_of(path: &str) -> usize {
    let id = path.rsplit('/').next().unwrap();
    usize::from_str_radix(&id[..2], 16).unwrap()
}

/// Joins a room for each core: the answers, each with the core that it names.
fn joined(node: &Node, cores: usize) -> Vec<(Answer, usize)> {
    let join = |room: usize| {
        let mut caller = Caller::new(&format!("user{room}"), node.sip());
        let answer = caller.invite(&format!("sip:room{room}@chat.localhost"));
        assert_eq!(answer.status(), 200, "{}", answer.0);
        let core = core_of(answer.line("a=path:"));
        (answer, core)
    };
    let answers: Vec<(Answer, usize)> = (0..cores).map(join).collect();
    let used: BTreeSet<usize> = answers.iter().map(|(_, core)| *core).collect();
    assert_eq!(used.len(), cores, "rooms are dealt to all cores");
    answers
}

/// SDP-03, CONN-09: with a port for each core, a session is told that of its core; a client that comes to
/// another one is served all the same.
#[test]
fn a_session_is_told_the_port_of_its_core() {
    let config = ANYWHERE.replace("[msrp]\n", "[msrp]\nports = \"per-core\"\n");
    let node = Node::start(&format!("{config}[rooms.any]\n"), &[]);
    let cores: usize = node.value("cores").parse().unwrap();
    let addresses: Vec<&str> = node.value("msrp").split(',').collect();
    assert_eq!(addresses.iter().collect::<BTreeSet<_>>().len(), cores, "{addresses:?}");
    for (answer, core) in joined(&node, cores) {
        let address = addresses[core];
        let (path, port) = (answer.line("a=path:"), address.rsplit(':').next().unwrap());
        assert!(path.starts_with(&format!("msrp://{address}/")), "{path}");
        assert_eq!(answer.line("m=message "), format!("{port} TCP/MSRP *"));
        bind(address, path);
    }
    for (answer, core) in joined(&node, cores) {
        bind(addresses[(core + 1) % cores], answer.line("a=path:"));
    }
}

/// URI-18: unless told otherwise, all cores share one port, whichever of them a session is on.
#[test]
fn sessions_of_all_cores_share_one_port() {
    let node = Node::start(&format!("{ANYWHERE}[rooms.any]\n"), &[]);
    for (answer, _) in joined(&node, node.value("cores").parse().unwrap()) {
        let path = answer.line("a=path:");
        assert!(path.starts_with(&format!("msrp://{}/", node.value("msrp"))), "{path}");
        bind(node.value("msrp"), path);
    }
}

/// URI-05: what stands in SDP may be another address, and then each core's port is as far from the first
/// as its own is.
#[test]
fn the_ports_that_are_told_follow_each_other() {
    let advertise = "ports = \"per-core\"\nadvertise = \"chat.example.com:7000\"\n";
    let config = ANYWHERE.replace("[msrp]\n", &format!("[msrp]\n{advertise}"));
    let node = Node::start(&format!("{config}[rooms.any]\n"), &[]);
    for (answer, core) in joined(&node, node.value("cores").parse().unwrap()) {
        let path = answer.line("a=path:");
        assert!(path.starts_with(&format!("msrp://chat.example.com:{}/", 7000 + core)), "{path}");
    }
}
