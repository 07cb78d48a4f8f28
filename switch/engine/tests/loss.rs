//! What a core does about another one that is gone for good.

mod common;

use std::{
    net::Ipv4Addr,
    sync::Arc,
    time::{Duration, Instant},
};

use common::{
    Member, Node, Peer, core_id,
    lobby::{HELLO, alice, bob, carol, room_message},
};
use engine::{Commons, Core, CoreConfig, Limits};
use mailbox::{Command, Event, FailureCause, NicknamePolicy, RoomPolicy};

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

/// NICK-12: the nicknames of those who were there are theirs for a while, and free after that.
#[test]
fn the_nicknames_of_those_who_were_there_are_free_in_time() {
    let nicknames = Some(NicknamePolicy::default());
    let mut node = Node::under(2, RoomPolicy { nicknames, ..RoomPolicy::default() });
    let (peer, uri) = node.bound(&alice());
    let (gone, for_bob) = node.bound(&there());
    let names = |node: &mut Node, peer: Peer, uri: &str, path: &str, name: &str| {
        let id = common::fresh_id();
        let request = format!(
            "MSRP {id} NICKNAME\r\nTo-Path: {uri}\r\nFrom-Path: {path}\r\nUse-Nickname: \"{name}\"\r\n\
             -------{id}$\r\n"
        );
        answered(node, peer, &request)
    };
    assert_eq!(names(&mut node, gone, &for_bob, there().path, "Bobby"), "200");
    forsake(&mut node);
    assert_eq!(names(&mut node, peer, &uri, alice().path, "bobby"), "425");
    let (back, for_bob) = node.bound(&Member { core: 0, nickname: Some("Bobby"), ..bob() });
    assert_eq!(names(&mut node, back, &for_bob, bob().path, ""), "200");
    node.advance(Duration::from_secs(300));
    assert_eq!(names(&mut node, peer, &uri, alice().path, "bobby"), "200");
}

/// FLOW-09, LIM-07: what a core had counted among all is counted no more when it is gone.
#[test]
fn what_a_core_had_counted_goes_with_it() {
    let commons = Arc::new(Commons::new([7; 32]));
    let limits = Limits { address_unbound_max: 1, ..Limits::default() };
    let core = |number| {
        let config =
            CoreConfig { id: core_id(number), cores: 2, authority: "sw.example.com:2855".into() };
        Core::among(config, limits.clone(), Arc::clone(&commons), [number as u8; 32])
    };
    let (mut lost, mut other) = (core(0), core(1));
    let (now, from) = (Instant::now(), Ipv4Addr::LOCALHOST.into());
    let stranger = lost.handle_accepted(now, from).expect("there is room");
    lost.handle_received(now, stranger, &b"MSRP half0001 SEND\r\nTo-Path: ".repeat(20));
    assert!(lost.poll_operation(now).is_none());
    assert!(commons.memory() > 0);
    assert_eq!(other.handle_accepted(now, from), None, "one stranger at a time");
    drop(lost);
    assert_eq!(commons.memory(), 0);
    assert!(other.handle_accepted(now, from).is_some());
}
