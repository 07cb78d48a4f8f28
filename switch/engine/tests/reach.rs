//! Peers that wait to be connected to: what the switch opens, in which order, and what it says first.

mod common;

use std::{net::SocketAddr, time::Duration};

use common::{
    Member, Node, Peer,
    lobby::{BOB, HELLO, RELAYED, alice, bob, carol},
    masked,
};
use engine::Limits;
use mailbox::{Event, FailureCause, Remote, SessionId};

fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 4923))
}

fn remote(addresses: &[u8], shared_as: Option<&str>) -> Remote {
    Remote {
        addresses: addresses.iter().copied().map(address).collect(),
        shared_as: shared_as.map(Into::into),
    }
}

/// Bob, who waits at these addresses.
fn passive(node: &mut Node, addresses: &[u8]) -> (SessionId, String) {
    let (session, uri) = node.join(&bob());
    node.reach(0, session, remote(addresses, Some("bob.example.net:4923")));
    (session, uri)
}

fn last_attempt(node: &Node) -> (Peer, SocketAddr) {
    *node.attempts().last().expect("the switch has tried")
}

/// The answer of Bob to the binding SEND with this transaction id.
fn answer(tid: &str, status: u16, uri: &str) -> String {
    format!("MSRP {tid} {status}\r\nTo-Path: {uri}\r\nFrom-Path: {BOB}\r\n-------{tid}$\r\n")
}

fn failed(node: &Node, session: SessionId) -> Option<FailureCause> {
    node.events.iter().find_map(|event| match event {
        Event::Failed { session: it, cause } if *it == session => Some(*cause),
        _ => None,
    })
}

fn is_bound(node: &Node, session: SessionId) -> bool {
    node.events.contains(&Event::Bound { session })
}

/// CONN-02, CONN-03, SETUP-08: as soon as the connection is up goes the binding SEND, without a
/// body, with Message-ID, `Byte-Range: 1-0/0` and no word on reports. Its 200 binds.
#[test]
fn the_binding_send_goes_first_and_its_answer_binds() {
    let mut node = Node::new(1);
    let (session, uri) = passive(&mut node, &[1]);
    let (peer, to) = last_attempt(&node);
    assert_eq!(to, address(1));
    assert_eq!(node.output(peer), "", "nothing is said into the void");
    node.welcome(peer);
    let (said, tid, mid) = masked(&node.output(peer));
    assert_eq!(
        said,
        format!(
            "MSRP {{tid}} SEND\r\nTo-Path: {BOB}\r\nFrom-Path: {uri}\r\nMessage-ID: {{mid}}\r\n\
             Byte-Range: 1-0/0\r\n-------{{tid}}$\r\n"
        )
    );
    assert!(!mid.is_empty() && !is_bound(&node, session));
    node.feed(peer, answer(&tid, 200, &uri).as_bytes());
    assert!(is_bound(&node, session));

    let (alice, room) = node.bound(&alice());
    let hello = common::lobby::room_message("hello001", "", HELLO).replace("{alice}", &room);
    node.feed(alice, hello.as_bytes());
    assert!(node.output(peer).contains("Hello room"), "bound, it gets what the room is told");
}

/// CTRL-03: before its peer has answered, a session gets nothing of what the room is told,
/// and nothing of it later.
#[test]
fn nothing_is_due_before_the_answer() {
    let mut node = Node::new(1);
    let (alice, room) = node.bound(&alice());
    let (_, uri) = passive(&mut node, &[1]);
    let (peer, _) = last_attempt(&node);
    let hello = |tid| common::lobby::room_message(tid, "", HELLO).replace("{alice}", &room);
    node.feed(alice, hello("hello001").as_bytes());
    node.welcome(peer);
    let (_, tid, _) = masked(&node.output(peer));
    node.feed(alice, hello("hello002").as_bytes());
    assert_eq!(node.output(peer), "");
    // Somebody else's transaction answers nothing.
    node.feed(peer, answer("n0b0dy", 200, &uri).as_bytes());
    node.feed(alice, hello("hello003").as_bytes());
    assert_eq!(node.output(peer), "");
    node.feed(peer, answer(&tid, 200, &uri).as_bytes());
    assert_eq!(node.output(peer), "");
    node.feed(alice, hello("hello004").as_bytes());
    assert_eq!(node.output(peer).matches("Hello room").count(), 1);
}

/// A peer that speaks first on the connection we opened is bound by that, as any other (CONN-04).
#[test]
fn a_request_of_the_peer_binds_too() {
    let mut node = Node::new(1);
    let (session, uri) = passive(&mut node, &[1]);
    let (peer, _) = last_attempt(&node);
    node.welcome(peer);
    let (_, tid, _) = masked(&node.output(peer));
    let bind =
        format!("MSRP hi001 SEND\r\nTo-Path: {uri}\r\nFrom-Path: {BOB}\r\n-------hi001$\r\n");
    node.feed(peer, bind.as_bytes());
    assert!(is_bound(&node, session) && node.output(peer).starts_with("MSRP hi001 200"));
    node.feed(peer, answer(&tid, 200, &uri).as_bytes());
    assert_eq!(node.events.iter().filter(|it| matches!(it, Event::Bound { .. })).count(), 1);
}

/// CONN-06: a session on its way to the peer is taken: who names it elsewhere hears 506.
#[test]
fn a_session_that_is_being_connected_is_in_use() {
    let mut node = Node::new(1);
    let (_, uri) = passive(&mut node, &[1]);
    let stranger = node.connect(0);
    let bind =
        format!("MSRP hi001 SEND\r\nTo-Path: {uri}\r\nFrom-Path: {BOB}\r\n-------hi001$\r\n");
    node.feed(stranger, bind.as_bytes());
    assert!(node.output(stranger).starts_with("MSRP hi001 506 "));
}

/// The addresses are tried in their order until one connects (RFC 4975 section 6.2).
#[test]
fn addresses_are_tried_in_order() {
    let mut node = Node::new(1);
    let (session, uri) = passive(&mut node, &[3, 1, 2]);
    node.disconnect(last_attempt(&node).0);
    node.disconnect(last_attempt(&node).0);
    let tried: Vec<_> = node.attempts().into_iter().map(|(_, address)| address).collect();
    assert_eq!(tried, [address(3), address(1), address(2)]);
    let (peer, _) = last_attempt(&node);
    node.welcome(peer);
    let (_, tid, _) = masked(&node.output(peer));
    node.feed(peer, answer(&tid, 200, &uri).as_bytes());
    assert!(is_bound(&node, session));
    assert_eq!(node.counters(0).connects_tried, 3);
}

#[test]
fn a_peer_that_is_nowhere_fails_the_session_once() {
    let mut node = Node::new(1);
    let (session, uri) = passive(&mut node, &[1, 2]);
    node.disconnect(last_attempt(&node).0);
    assert_eq!(failed(&node, session), None);
    node.disconnect(last_attempt(&node).0);
    assert_eq!(failed(&node, session), Some(FailureCause::ConnectFailed));
    let stranger = node.connect(0);
    let bind =
        format!("MSRP hi001 SEND\r\nTo-Path: {uri}\r\nFrom-Path: {BOB}\r\n-------hi001$\r\n");
    node.feed(stranger, bind.as_bytes());
    assert!(node.output(stranger).starts_with("MSRP hi001 481 "), "CONN-13: it stays dead");
}

/// LIM-08: 60 s for a peer that is to connect; 5 s per address and 20 s in all where we do.
#[test]
fn connecting_has_its_time() {
    let mut node = Node::new(1);
    let (awaited, _) = node.join(&alice());
    let (session, _) = passive(&mut node, &[1, 2, 3, 4, 5, 6]);
    // A timer is up to a hundred-and-twentieth late.
    let mut at = 0;
    let mut until = |node: &mut Node, milliseconds: u64| {
        node.advance(Duration::from_millis(milliseconds - at));
        at = milliseconds;
    };
    until(&mut node, 4999);
    assert_eq!(node.attempts().len(), 1);
    until(&mut node, 5050);
    assert_eq!(node.attempts().len(), 2);
    let (first, _) = node.attempts()[0];
    assert!(node.is_closed(first), "the kernel may stop trying");
    // Refused at once: the next has its five seconds, but not beyond the twenty.
    node.disconnect(last_attempt(&node).0);
    until(&mut node, 10_100);
    until(&mut node, 15_200);
    assert_eq!(node.attempts().len(), 5);
    node.disconnect(last_attempt(&node).0);
    assert_eq!(node.attempts().len(), 6);
    until(&mut node, 19_999);
    assert_eq!(failed(&node, session), None);
    until(&mut node, 20_180);
    assert_eq!(failed(&node, session), Some(FailureCause::ConnectFailed));
    assert!(node.is_closed(last_attempt(&node).0));
    assert_eq!(node.cores[0].occupancy().0, 0);
    until(&mut node, 59_999);
    assert_eq!(failed(&node, awaited), None);
    until(&mut node, 60_500);
    assert_eq!(failed(&node, awaited), Some(FailureCause::Unbound));
}

#[test]
fn a_peer_that_does_not_answer_or_refuses_fails_the_session() {
    let mut node = Node::new(1);
    let (session, _) = passive(&mut node, &[1]);
    node.welcome(last_attempt(&node).0);
    node.advance(Duration::from_millis(30_250));
    assert_eq!(failed(&node, session), Some(FailureCause::BindingUnanswered));

    let (session, uri) = passive(&mut node, &[2]);
    let (peer, to) = last_attempt(&node);
    assert_eq!(to, address(1), "the connection is there already: CONN-10");
    let output = node.output(peer);
    let (_, tid, _) = masked(&output[output.rfind("MSRP ").expect("a request")..]);
    node.feed(peer, answer(&tid, 481, &uri).as_bytes());
    assert_eq!(failed(&node, session), Some(FailureCause::RefusedByPeer));
}

/// CONN-10: sessions to the same host and port go by one connection, whether it is up already or
/// only on its way; each has its own binding SEND (CONN-02). Another port is another connection.
#[test]
fn a_connection_to_the_same_place_is_shared() {
    let mut node = Node::new(1);
    let here = || remote(&[1], Some("relay.example.net:2855"));
    let sessions: Vec<_> = (0..4).map(|_| node.join(&bob())).collect();
    node.reach(0, sessions[0].0, here());
    node.reach(0, sessions[1].0, here());
    let (peer, _) = last_attempt(&node);
    node.welcome(peer);
    node.reach(0, sessions[2].0, here());
    assert_eq!(node.attempts().len(), 1);
    let said = node.output(peer);
    for (_, uri) in &sessions[..3] {
        assert_eq!(said.matches(&format!("From-Path: {uri}\r\n")).count(), 1);
    }
    node.reach(0, sessions[3].0, remote(&[1], Some("relay.example.net:2856")));
    assert_eq!(node.attempts().len(), 2);
}

/// CONN-10: a full connection is not reused, and a lost one neither.
#[test]
fn a_connection_that_takes_no_more_is_not_shared() {
    let limits = Limits { connection_sessions_max: 1, ..Limits::default() };
    let mut node = Node::with(1, &limits, 1000);
    passive(&mut node, &[1]);
    passive(&mut node, &[1]);
    assert_eq!(node.attempts().len(), 2);
    let mut node = Node::new(1);
    let (session, _) = passive(&mut node, &[1]);
    let (peer, _) = last_attempt(&node);
    node.welcome(peer);
    node.disconnect(peer);
    assert_eq!(failed(&node, session), Some(FailureCause::ConnectionLost));
    passive(&mut node, &[1]);
    assert_eq!(node.attempts().len(), 2);
}

/// CONN-11, CEMA-06: a connection to a middlebox's address is nobody else's, and what is said there is
/// said to the path all the same.
#[test]
fn a_connection_by_cema_is_not_shared() {
    let mut node = Node::new(1);
    for _ in 0..2 {
        let (session, uri) = node.join(&bob());
        node.reach(0, session, remote(&[1], None));
        let (peer, _) = last_attempt(&node);
        node.welcome(peer);
        let paths = format!("To-Path: {BOB}\r\nFrom-Path: {uri}\r\n");
        assert!(node.output(peer).contains(&paths));
    }
    passive(&mut node, &[1]);
    assert_eq!(node.attempts().len(), 3);
}

/// SETUP-10: whoever is active sends the first request, and only they: a peer that is not connected to
/// comes by its relay and is answered; one that is gets it by its relay, to the whole path.
#[test]
fn the_binding_send_is_for_the_active_side_also_by_a_relay() {
    let mut node = Node::new(1);
    let (session, uri) = node.join(&carol());
    node.advance(Duration::from_secs(5));
    assert!(node.attempts().is_empty(), "its relay is for the peer to connect to");
    let relay = node.connect(0);
    assert_eq!(node.output(relay), "");
    let bind =
        format!("MSRP hi001 SEND\r\nTo-Path: {uri}\r\nFrom-Path: {RELAYED}\r\n-------hi001$\r\n");
    node.feed(relay, bind.as_bytes());
    node.advance(Duration::from_secs(5));
    let said = node.output(relay);
    assert!(said.starts_with("MSRP hi001 200 ") && !said.contains(" SEND\r\n"), "{said}");
    assert!(is_bound(&node, session) && node.attempts().is_empty());

    let (session, uri) = node.join(&carol());
    node.reach(0, session, remote(&[9], Some("relay.example.net:2855")));
    let (relay, to) = last_attempt(&node);
    assert_eq!(to, address(9));
    node.welcome(relay);
    let said = node.output(relay);
    let paths = format!(" SEND\r\nTo-Path: {RELAYED}\r\nFrom-Path: {uri}\r\n");
    assert!(said.contains(&paths) && said.matches("MSRP ").count() == 1, "{said}");
}

/// CONN-16: what we have opened is kept for 60 s after its last session, for reuse.
#[test]
fn an_idle_connection_of_ours_is_reused_or_closed() {
    let mut node = Node::new(1);
    let (session, _) = passive(&mut node, &[1]);
    let (peer, _) = last_attempt(&node);
    node.welcome(peer);
    node.remove(0, session);
    node.advance(Duration::from_millis(59_999));
    let (session, _) = passive(&mut node, &[1]);
    assert_eq!(node.attempts().len(), 1);
    node.remove(0, session);
    node.advance(Duration::from_millis(60_500));
    assert!(node.is_closed(peer));
    passive(&mut node, &[1]);
    assert_eq!(node.attempts().len(), 2);
}

/// Who leaves while we connect takes the attempt along.
#[test]
fn a_removal_ends_the_attempt() {
    let mut node = Node::new(1);
    let (session, _) = passive(&mut node, &[1, 2]);
    node.remove(0, session);
    let (peer, _) = last_attempt(&node);
    assert!(node.is_closed(peer));
    assert_eq!((node.attempts().len(), node.cores[0].occupancy()), (1, (0, 0, 0)));
}

/// An order that is repeated, or that comes for a session that is bound, opens nothing.
#[test]
fn connecting_twice_is_connecting_once() {
    let mut node = Node::new(1);
    let (session, _) = passive(&mut node, &[1]);
    node.reach(0, session, remote(&[2], None));
    assert_eq!(node.attempts().len(), 1);
    let (other, _) = node.install_unknown(&Member::default());
    node.reach(0, other, remote(&[2], None));
    assert_eq!(node.attempts().len(), 1, "and for one whose peer is not known yet neither");
}
