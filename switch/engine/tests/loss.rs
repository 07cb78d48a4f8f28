//! What a core does about another one that is gone for good.

mod common;

use common::{
    Member, Node, Peer, core_id,
    lobby::{HELLO, alice, bob, carol, room_message},
};
use mailbox::{Command, Event, FailureCause, RoomPolicy};

fn there() -> Member<'static> {
    Member { core: 1, wrapped: "*", ..bob() }
}

fn bind(node: &mut Node, peer: Peer, uri: &str, path: &str) {
    let bind = format!(
        "MSRP bind0001 SEND\r\nTo-Path: {uri}\r\nFrom-Path: {path}\r\n-------bind0001$\r\n"
    );
    node.feed(peer, bind.as_bytes());
    assert!(node.output(peer).starts_with("MSRP bind0001 200 "));
}

fn forsake(node: &mut Node) {
    for _ in 0..2 {
        node.command(0, Command::Forsake { core: core_id(1) });
    }
}

/// What Alice says, from the session of this URI.
fn said(uri: &str, headers: &str, body: &str) -> String {
    room_message(&common::fresh_id(), headers, body).replace("{alice}", uri)
}

fn answered(node: &mut Node, peer: Peer, text: &str) -> String {
    node.feed(peer, text.as_bytes());
    node.output(peer).split(' ').nth(2).unwrap_or_default().to_owned()
}

#[test]
fn nothing_is_said_to_a_core_that_is_gone() {
    let mut node = Node::under(2, RoomPolicy { private_messages: true, ..RoomPolicy::default() });
    let (peer, uri) = node.bound(&alice());
    node.bound(&there());
    let (other, _) = node.bound(&carol());
    forsake(&mut node);
    let relayed = node.relayed;
    assert_eq!(answered(&mut node, peer, &said(&uri, "", HELLO)), "200");
    assert!(node.output(other).contains("Hello room"));
    let psst = HELLO.replace("sip:lobby@chat.example.com", "sip:bob@example.net");
    assert_eq!(answered(&mut node, peer, &said(&uri, "", &psst)), "404", "he is not there");
    assert_eq!(node.relayed, relayed);
}

#[test]
fn what_it_was_in_the_middle_of_saying_ends() {
    let mut node = Node::new(2);
    let (hearer, _) = node.bound(&alice());
    let (peer, uri) = node.bound(&there());
    let body = HELLO.replace("sip:alice@example.org", "sip:bob@example.net");
    let half = said(&uri, "Byte-Range: 1-500/500\r\n", &body)
        .replace(alice().path, bob().path)
        .replace("$\r\n", "+\r\n");
    node.feed(peer, half.as_bytes());
    node.pause();
    let heard = node.output(hearer);
    assert!(heard.contains("Hello room") && heard.ends_with("+\r\n"), "{heard}");
    forsake(&mut node);
    assert!(node.output(hearer).ends_with("#\r\n"));
}

#[test]
fn a_connection_goes_on_without_the_sessions_that_are_gone() {
    let mut node = Node::new(2);
    let (_, here) = node.join(&alice());
    let (_, gone) = node.join(&there());
    let peer = node.connect(0);
    bind(&mut node, peer, &here, alice().path);
    bind(&mut node, peer, &gone, bob().path);
    forsake(&mut node);
    assert_eq!(answered(&mut node, peer, &said(&gone, "", HELLO)), "481");
    assert_eq!(answered(&mut node, peer, &said(&here, "", HELLO)), "200");
    assert!(!node.is_closed(peer));
    // Nobody is sent where nobody is.
    let late = node.connect(0);
    assert_eq!(answered(&mut node, late, &said(&gone, "", HELLO)), "481");
    assert_eq!(node.core_of(late), 0);
}

#[test]
fn a_session_whose_connection_is_gone_with_it_has_failed() {
    let mut node = Node::new(2);
    let (session, here) = node.join(&alice());
    let (_, gone) = node.join(&there());
    let peer = node.connect(1);
    bind(&mut node, peer, &gone, bob().path);
    bind(&mut node, peer, &here, alice().path);
    assert_eq!(node.core_of(peer), 1);
    forsake(&mut node);
    let cause = FailureCause::ConnectionLost;
    assert_eq!(node.events.last(), Some(&Event::Failed { session, cause }));
}
