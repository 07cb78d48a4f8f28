//! What the engine takes from the allocator. One test alone: the allocator counts for the process.

mod common;

use std::alloc::System;

use common::{
    Member, Node,
    lobby::{HELLO, alice, bob, room_message},
};
use engine::Limits;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Octets that an idle connection and its session may take of the engine, slots and all.
const IDLE_MAX: usize = 2048;

const MEMBERS: usize = 500;

#[test]
fn an_idle_member_takes_little_and_a_copy_nothing() {
    let limits = Limits { message_rate_max: 0, ..Limits::default() };
    let mut node = Node::with(1, &limits, 10_485_760);
    let (sender, uri) = node.bound(&alice());
    let paths: Vec<String> =
        (0..MEMBERS).map(|at| format!("msrp://192.0.2.77:49152/u{at:026};tcp")).collect();
    let join = |node: &mut Node, from: usize, to: usize| {
        for (at, path) in paths.iter().enumerate().take(to).skip(from) {
            let (peer, _) = node.bound(&Member { participant: 100 + at as u64, path, ..bob() });
            node.events.clear();
            drop(node.octets(peer));
        }
    };
    let region = Region::new(ALLOCATOR);
    join(&mut node, 0, MEMBERS);
    let change = region.change();
    let each = (change.bytes_allocated - change.bytes_deallocated) / MEMBERS;
    assert!(each < IDLE_MAX, "{each} octets for an idle member");

    let said: Vec<Vec<u8>> = (0..40)
        .map(|at| room_message(&format!("st34dy{at:02}"), "", HELLO).replace("{alice}", &uri))
        .map(String::into_bytes)
        .collect();
    let mut turns = said.iter();
    for text in turns.by_ref().take(20) {
        node.say_and_count(sender, text);
    }
    let before = node.counters(0).copies_delivered;
    let allocations: usize = turns.map(|text| node.say_and_count(sender, text)).sum();
    let copies = (node.counters(0).copies_delivered - before) as usize;
    assert_eq!(copies, 20 * MEMBERS);
    assert!(allocations < copies / 10, "{allocations} allocations for {copies} copies");
}

/// What is allocated by the engine alone, not by the test around it.
trait Counted {
    fn say_and_count(&mut self, sender: common::Peer, text: &[u8]) -> usize;
}

impl Counted for Node {
    fn say_and_count(&mut self, sender: common::Peer, text: &[u8]) -> usize {
        let region = Region::new(ALLOCATOR);
        let id = self.id_of(sender);
        self.cores[0].handle_received(self.now, id, text);
        let mut allocations = region.change().allocations;
        loop {
            let region = Region::new(ALLOCATOR);
            let operation = self.cores[0].poll_operation(self.now);
            allocations += region.change().allocations;
            let Some(engine::Operation::Send { connection, batch }) = operation else { break };
            let octets = batch.slices().map(<[u8]>::len).sum();
            let region = Region::new(ALLOCATOR);
            self.cores[0].handle_sent(self.now, connection, batch, Ok(octets));
            allocations += region.change().allocations;
        }
        allocations
    }
}
