//! Orders of the operator to a node that serves.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use rustix::process::Signal;

use super::{
    caller::Caller,
    node::{ANYWHERE, NODE, Node, file},
    start::refusal,
};

const ROOM: &str = "sip:garden@chat.localhost";

/// Where a node of this test takes orders, and its configuration.
fn controlled(test: &str) -> (PathBuf, PathBuf) {
    // The path of a socket may have no more than 107 octets.
    let socket = std::env::temp_dir().join(format!("msrp-{}-{test}", std::process::id()));
    let config = file(&format!("[node]\ncontrol = \"{}\"\n{ANYWHERE}", socket.display()));
    (socket, config)
}

fn end(config: &Path, room: &str) -> Output {
    Command::new(NODE).arg("--config").arg(config).args(["end", room]).output().unwrap()
}

/// What the socket answers to a line.
fn order(socket: &Path, line: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.write_all(line).unwrap();
    let mut answer = String::new();
    // What was too long was not read to its end, and then the answer may be lost.
    let _ = BufReader::new(stream).read_line(&mut answer);
    answer
}

/// sip/LEAVE-08: the operator's order ends a session, and only the one that is meant.
#[test]
fn the_owner_has_a_session_end() {
    let (socket, config) = controlled("end");
    let node = Node::start_with(&config, &[]);
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let (mut alice, mut bob) = (Caller::new("alice", node.sip()), Caller::new("bob", node.sip()));
    let identity = alice.invite(ROOM).identity().to_owned();
    assert_eq!(bob.invite("sip:other@chat.localhost").status(), 200);

    let nobody = end(&config, "sip:nobody@chat.localhost");
    assert!(refusal(&nobody).contains("no session of sip:nobody@chat.localhost runs"));
    let spaced = end(&config, "sip:a b");
    assert!(refusal(&spaced).contains("expected the URI of a room or session"));
    for line in [&b"\n"[..], b"stop\n", b"end\n", &[0xff, b'\n'], &[b'x'; 5000]] {
        let answer = order(&socket, line);
        assert!(answer.is_empty() || answer.starts_with("expected"), "{answer}");
    }
    let ended = end(&config, ROOM);
    assert!(ended.status.success(), "{ended:?}");
    let mut carol = Caller::new("carol", node.sip());
    assert_eq!(carol.invite(&identity).status(), 403, "it has ended");
    let again = carol.invite(ROOM);
    assert_eq!(again.status(), 200);
    assert_ne!(again.identity(), identity);
    fs::remove_file(socket).unwrap();
}

#[test]
fn a_successor_takes_the_socket_of_one_that_was_killed() {
    let (socket, config) = controlled("killed");
    let first = Node::start_with(&config, &[]);
    let second = Command::new(NODE).arg("--config").arg(&config).output().unwrap();
    assert!(refusal(&second).contains("node.control"), "one that runs keeps its socket");
    first.signal(Signal::KILL);
    first.end();
    let gone = end(&config, ROOM);
    assert!(refusal(&gone).contains("is the node running"));
    let _second = Node::start_with(&config, &[]);
    assert!(refusal(&end(&config, ROOM)).contains("no session"));
    fs::remove_file(socket).unwrap();
}
