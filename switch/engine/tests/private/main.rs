//! Messages to one participant: the vectors of the catalogue and what follows from them, on literal
//! bytes through the real engine, on one core and on three.

#[path = "../common/mod.rs"]
mod common;
mod outcome;
mod routing;

use std::time::Duration;

use common::{
    Member, Node, fresh_id,
    lobby::{ALICE, Fixture, alice, bob, carol},
};
use engine::Limits;
use mailbox::{Chatroom, RoomPolicy};

/// A room that allows private messages.
fn open_policy() -> RoomPolicy {
    RoomPolicy { private_messages: true, ..RoomPolicy::default() }
}

/// Declares `a=chatroom:private-messages`.
fn private(member: Member<'static>) -> Member<'static> {
    Member { chatroom: Some(Chatroom { private_messages: true, ..Chatroom::default() }), ..member }
}

fn on(core: usize, member: Member<'static>) -> Member<'static> {
    Member { core, ..member }
}

/// Alice, Bob who takes private messages, Carol who does not: on one core, and each on one of three.
fn rooms() -> [Fixture; 2] {
    let together = [alice(), private(bob()), carol()];
    let apart = [on(1, alice()), private(on(2, bob())), carol()];
    [
        Fixture::of(Node::under(1, open_policy()), &together),
        Fixture::of(Node::under(3, open_policy()), &apart),
    ]
}

/// The same, where a message that falls silent is given up before its unanswered copies are.
fn impatient_rooms() -> [Fixture; 2] {
    let limits = Limits { message_silence_max: Duration::from_secs(5), ..Limits::default() };
    let node = |cores| {
        let mut node = Node::with(cores, &limits, 10_485_760);
        std::sync::Arc::make_mut(&mut node.terms).policy = open_policy();
        node
    };
    [
        Fixture::of(node(1), &[alice(), private(bob()), carol()]),
        Fixture::of(node(3), &[on(1, alice()), private(on(2, bob())), carol()]),
    ]
}

/// A SEND of Alice's.
fn send(tid: &str, headers: &str, body: &str) -> String {
    let mid = fresh_id();
    format!(
        "MSRP {tid} SEND\r\nTo-Path: {{alice}}\r\nFrom-Path: {ALICE}\r\nMessage-ID: {mid}\r\n\
        {headers}Content-Type: message/cpim\r\n\r\n{body}\r\n-------{tid}$\r\n"
    )
}

/// What Alice wraps for somebody.
fn wrapped(to: &str, rest: &str) -> String {
    format!("To: <{to}>\r\nFrom: <sip:alice@example.org>\r\n\r\nContent-Type: {rest}")
}

fn psst(to: &str) -> String {
    wrapped(to, "text/plain\r\n\r\nPsst")
}

/// The status Alice is answered.
fn status(room: &mut Fixture, tid: &str, body: &str) -> String {
    room.say(&send(tid, "", body));
    let answer = room.node.output(room.alice.0);
    let rest = answer.strip_prefix(&format!("MSRP {tid} ")).expect("one answer").to_owned();
    rest[..3].to_owned()
}

const TV_29: &str = "MSRP pr1vat329aaaabbb SEND\r\n\
    To-Path: {alice}\r\n\
    From-Path: msrp://alice.example.org:7654/aL4c8Vn1Xy0B;tcp\r\n\
    Message-ID: priv0001\r\n\
    Byte-Range: 1-92/92\r\n\
    Content-Type: message/cpim\r\n\
    \r\n\
    To: <sip:bob@example.net>\r\n\
    From: <sip:alice@example.org>\r\n\
    \r\n\
    Content-Type: text/plain\r\n\
    \r\n\
    Psst\r\n\
    -------pr1vat329aaaabbb$\r\n";
