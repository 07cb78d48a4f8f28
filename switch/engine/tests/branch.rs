//! One connection with sessions on several cores: served as one, whoever serves them.

mod common;

use std::time::Duration;

use common::{
    Member, Node, Peer,
    lobby::{HELLO, alice, bob, room_message},
};
use engine::Limits;
use mailbox::{Event, FailureCause, SessionId};

/// A client with a session on each of two cores: Alice on the first, Bob on the second.
struct Shared {
    node: Node,
    peer: Peer,
    alice: (SessionId, String),
    bob: (SessionId, String),
}

fn bind(tid: &str, uri: &str, path: &str) -> String {
    format!("MSRP {tid} SEND\r\nTo-Path: {uri}\r\nFrom-Path: {path}\r\n-------{tid}$\r\n")
}

fn response(tid: &str, status: &str, to: &str, from: &str) -> String {
    format!("MSRP {tid} {status}\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\n-------{tid}$\r\n")
}

fn there() -> Member<'static> {
    Member { core: 1, wrapped: "*", ..bob() }
}

impl Shared {
    fn new() -> Self {
        Self::on(Node::new(2))
    }

    fn on(mut node: Node) -> Self {
        let alice_session = node.join(&alice());
        let bob_session = node.join(&there());
        let peer = node.connect(0);
        node.feed(peer, bind("bind0001", &alice_session.1, alice().path).as_bytes());
        node.feed(peer, bind("bind0002", &bob_session.1, bob().path).as_bytes());
        let expected = [
            response("bind0001", "200 OK", alice().path, &alice_session.1),
            response("bind0002", "200 OK", bob().path, &bob_session.1),
        ];
        assert_eq!(node.output(peer), expected.concat());
        assert_eq!(node.core_of(peer), 0);
        Self { node, peer, alice: alice_session, bob: bob_session }
    }

    fn say(&mut self, text: &str) {
        self.node.feed(self.peer, text.as_bytes());
    }

    fn heard(&mut self) -> String {
        self.node.output(self.peer)
    }

    fn failures(&self) -> Vec<(SessionId, FailureCause)> {
        let failed = |event: &Event| match event {
            Event::Failed { session, cause } => Some((*session, *cause)),
            _ => None,
        };
        self.node.events.iter().filter_map(failed).collect()
    }
}

/// CONN-09: each session of a connection is bound by its own first request, wherever it is served,
/// and the requests and the copies of all of them share the connection.
#[test]
fn sessions_on_two_cores_share_a_connection() {
    let mut shared = Shared::new();
    let hello = room_message("hello001", "", HELLO).replace("{alice}", &shared.alice.1);
    shared.say(&hello);
    let heard = shared.heard();
    let answer = response("hello001", "200 OK", alice().path, &shared.alice.1);
    assert!(heard.contains(&answer), "{heard}");
    let copy = format!("To-Path: {}\r\nFrom-Path: {}\r\n", bob().path, shared.bob.1);
    assert!(heard.contains(&copy) && heard.matches("Hello room").count() == 1, "{heard}");
    // And the other way.
    let hello = hello
        .replace(&shared.alice.1, &shared.bob.1)
        .replace(alice().path, bob().path)
        .replace("sip:alice@example.org", "sip:bob@example.net");
    shared.say(&hello);
    let heard = shared.heard();
    let copy = format!("To-Path: {}\r\nFrom-Path: {}\r\n", alice().path, shared.alice.1);
    assert!(heard.contains(&copy) && heard.matches("Hello room").count() == 1, "{heard}");
    assert_eq!(shared.node.counters(1).branches_opened, 1);
    assert_eq!(shared.node.counters(0).connections_handed_over, 0);
}

/// CONN-09, WIRE-21: a message for a session elsewhere may come in any pieces, among others.
#[test]
fn a_message_for_another_core_may_come_octet_by_octet() {
    let mut shared = Shared::new();
    let body = "x".repeat(5000);
    let content = format!(
        "To: <sip:lobby@chat.example.com>\r\nFrom: <sip:bob@example.net>\r\n\r\n\
         Content-Type: text/plain\r\n\r\n{body}"
    );
    let said = room_message("hello001", "", &content)
        .replace("{alice}", &shared.bob.1)
        .replace(alice().path, bob().path);
    let empty = bind("empty001", &shared.bob.1, bob().path);
    let own = bind("empty002", &shared.alice.1, alice().path);
    for octet in [said, empty, own].concat().as_bytes() {
        shared.node.feed(shared.peer, &[*octet]);
    }
    let heard = shared.heard();
    for tid in ["hello001", "empty001", "empty002"] {
        assert_eq!(heard.matches(&format!("MSRP {tid} 200 OK")).count(), 1, "{heard}");
    }
    let copies: usize = heard.split("\r\n-------").map(|it| it.matches("xx").count()).sum();
    assert!(copies >= 2400, "Alice has got all of it: {copies}");
}

/// A response finds its session by its To-Path, as a request does.
#[test]
fn a_response_for_another_core_reaches_it() {
    let mut shared = Shared::new();
    let (to, from) = (shared.bob.1.clone(), bob().path);
    let hello = room_message("hello001", "", HELLO).replace("{alice}", &shared.alice.1);
    shared.say(&hello);
    let heard = shared.heard();
    let at = heard.find(&format!("To-Path: {from}")).expect("a copy");
    let start = heard[..at].rfind("MSRP ").expect("its start line") + 5;
    let tid = &heard[start..heard[start..].find(' ').expect("a space") + start];
    shared.say(&response(tid, "481", &to, from));
    assert_eq!(shared.failures(), [(shared.bob.0, FailureCause::RefusedByPeer)]);
}

/// CONN-12: when the connection is lost, so are its sessions on all cores, each told once.
#[test]
fn a_lost_connection_fails_its_sessions_everywhere() {
    let mut shared = Shared::new();
    shared.node.disconnect(shared.peer);
    let lost = FailureCause::ConnectionLost;
    assert_eq!(shared.failures(), [(shared.alice.0, lost), (shared.bob.0, lost)]);
    for core in 0..2 {
        assert_eq!(shared.node.cores[core].occupancy().0, 0);
    }
}

/// CONN-14, CONN-16: the connection lives while any session is bound to it, wherever that is, and
/// 60 s longer.
#[test]
fn the_connection_outlives_the_session_it_came_for() {
    let mut shared = Shared::new();
    shared.node.remove(0, shared.alice.0);
    shared.node.advance(Duration::from_secs(3600));
    assert!(!shared.node.is_closed(shared.peer));
    shared.say(&bind("still001", &shared.bob.1.clone(), bob().path));
    assert!(shared.heard().starts_with("MSRP still001 200"));
    shared.node.remove(1, shared.bob.0);
    assert_eq!(shared.node.cores[1].occupancy().0, 0, "nothing is left of the branch");
    shared.node.advance(Duration::from_millis(59_999));
    assert!(!shared.node.is_closed(shared.peer));
    shared.node.advance(Duration::from_secs(1));
    assert!(shared.node.is_closed(shared.peer));
}

/// CONN-05: what names nothing is told so by the core it names, and a branch without a session does
/// not stay; too much of it, and the connection goes (LIM-07).
#[test]
fn a_stray_request_for_another_core_is_answered_there() {
    let mut shared = Shared::new();
    let gone = shared.bob.1.clone();
    shared.node.remove(1, shared.bob.0);
    shared.say(&bind("stray001", &gone, bob().path));
    assert_eq!(
        shared.heard(),
        response("stray001", "481 Session does not exist", bob().path, &gone)
    );
    assert_eq!(shared.node.cores[1].occupancy().0, 1);
    shared.node.advance(Duration::from_millis(30_300));
    assert_eq!(shared.node.cores[1].occupancy().0, 0);
    assert!(!shared.node.is_closed(shared.peer), "it has a session here");
    shared.node.remove(0, shared.alice.0);
    for tid in ["stray002", "stray003", "stray004", "stray005", "stray006"] {
        shared.say(&bind(tid, &gone, bob().path));
    }
    assert!(shared.node.is_closed(shared.peer));
    assert_eq!(shared.heard().matches(" 481 ").count(), 5, "each was answered");
}

/// A session that ends in the middle of a message from it: the rest goes nowhere, and the stream is
/// understood again after it.
#[test]
fn a_session_elsewhere_may_end_within_a_message() {
    let mut shared = Shared::new();
    let said = room_message("hello001", "", HELLO)
        .replace("{alice}", &shared.bob.1)
        .replace(alice().path, bob().path)
        .replace("sip:alice@example.org", "sip:bob@example.net");
    let (begin, rest) = said.split_at(said.len() - 30);
    shared.say(begin);
    shared.node.remove(1, shared.bob.0);
    shared.say(rest);
    assert!(shared.heard().starts_with("MSRP hello001 481 "));
    assert_eq!(shared.node.cores[1].occupancy().0, 0);
    shared.say(&bind("still001", &shared.alice.1.clone(), alice().path));
    assert!(shared.heard().starts_with("MSRP still001 200 "));
}

/// WIRE-34: malformed is malformed wherever it would have gone, and the connection lives on.
#[test]
fn a_malformed_request_for_another_core_is_answered_where_it_comes_in() {
    let mut shared = Shared::new();
    let bad = bind("bad00001", &shared.bob.1, bob().path)
        .replace("\r\n-------", "\r\nByte-Range: x\r\n-------");
    shared.say(&bad);
    let heard = shared.heard();
    assert!(heard.starts_with("MSRP bad00001 400 ") && !shared.node.is_closed(shared.peer));
    assert!(heard.contains(&format!("From-Path: {}\r\n", shared.bob.1)));
}

/// What cannot be taken in there ends the connection: it must not be dropped without a word.
#[test]
fn a_connection_that_a_core_has_no_place_for_is_closed() {
    let limits = Limits { connections_max: 1, ..Limits::default() };
    let mut node = Node::with(2, &limits, 1000);
    let (_, here) = node.join(&alice());
    let (_, elsewhere) = node.join(&there());
    let occupant = node.connect(1);
    let peer = node.connect(0);
    node.feed(peer, bind("bind0001", &here, alice().path).as_bytes());
    node.feed(peer, bind("bind0002", &elsewhere, bob().path).as_bytes());
    assert!(node.is_closed(peer) && !node.is_closed(occupant));
}

/// CONN-09, CONN-12: a branch that was about to go, because too much on it found no session, knows
/// where in its messages it is when there is more: nothing in them is taken for a beginning, what
/// comes next is served, and it goes with its last session.
#[test]
fn a_branch_about_to_go_reads_on() {
    let mut shared = Shared::new();
    let gone = shared.bob.1.clone();
    shared.node.remove(1, shared.bob.0);
    let (session, uri) = shared.node.join(&there());
    shared.node.hold_sends(shared.peer);
    for tid in ["stray001", "stray002", "stray003", "stray004"] {
        shared.say(&bind(tid, &gone, bob().path));
    }
    let said = room_message("stray005", "", HELLO)
        .replace("{alice}", &gone)
        .replace(alice().path, bob().path);
    let (begin, rest) = said.split_at(said.len() - 30);
    shared.say(begin);
    shared.say(rest);
    shared.say(&bind("bind0003", &uri, bob().path));
    shared.node.take_sends(shared.peer, usize::MAX);
    let heard = shared.heard();
    assert_eq!(heard.matches(" 481 ").count(), 5, "{heard}");
    assert!(heard.contains("MSRP bind0003 200 OK"), "{heard}");
    shared.node.remove(1, session);
    assert_eq!(shared.node.cores[1].occupancy().0, 0, "nothing is left of the branch");
    assert!(!shared.node.is_closed(shared.peer) && shared.failures().is_empty());
}
