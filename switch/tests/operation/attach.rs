//! From the answer to an INVITE to the MSRP session that it names.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use super::{
    caller::Caller,
    node::{ANYWHERE, Node},
};

/// Binds the session of `path` over a connection to `address`.
pub fn bind(address: &str, path: &str) {
    let mut msrp = TcpStream::connect(address).unwrap();
    let bind = format!(
        "MSRP ear1ybird SEND\r\nTo-Path: {path}\r\nFrom-Path: \
         msrp://127.0.0.1:9/cX2vB5nM8kL1jH4gFd;tcp\r\nMessage-ID: first001\r\n\
         Byte-Range: 1-0/0\r\n-------ear1ybird$\r\n"
    );
    msrp.write_all(bind.as_bytes()).unwrap();
    let mut start = [0; 22];
    msrp.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"MSRP ear1ybird 200 OK\r", "{path} at {address}");
}

/// CTRL-02: the answer has the path of the session, the address that is listened on and who connects;
/// with nothing else said, not even the ACK, that session is served there.
#[test]
fn the_session_of_an_answer_is_there() {
    let node = Node::start(&format!("{ANYWHERE}[rooms.any]\n"), &[]);
    let mut alice = Caller::new("alice", node.sip());
    alice.send_invite("sip:lobby@chat.localhost");
    let answer = alice.answer();
    assert_eq!(answer.status(), 200, "{}", answer.0);
    let line = |words| answer.line(words);
    assert_eq!((line("a=setup:"), line("a=accept-types:")), ("passive", "message/cpim"));
    let host = line("c=IN IP4 ");
    let port = line("m=message ").strip_suffix(" TCP/MSRP *").expect("one of MSRP");
    assert_eq!(format!("{host}:{port}"), node.value("msrp"));
    let path = line("a=path:");
    assert!(path.starts_with(&format!("msrp://{host}:{port}/")), "{path}");
    bind(node.value("msrp"), path);
}
