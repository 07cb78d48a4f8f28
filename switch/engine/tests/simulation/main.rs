//! Cores and peers on a virtual network with a seed: reads cut anywhere, sends taken in part, late, in
//! any order or not at all, relays and hand-overs delayed, sockets that take their time to close, peers
//! that are slow, that cut what they say into crumbs, flood, lie, vanish and come back. Time and every
//! choice come from the seed, so a failing one, which is printed, can be run again:
//!
//! `SIMULATION_SEED=17 cargo test -p engine --test simulation`
//!
//! `SIMULATION_SEEDS` sets how many seeds a run tries. Every 16th has hundreds of peers; a quarter have
//! queues so short that copies are shed; in a seventh memory is so scarce that messages are refused; in a
//! fifth time leaps, so that timers run out.

mod audience;
mod dice;
mod message;
mod peer;
mod seeds;
mod world;

use std::{collections::HashMap, sync::Arc};

use engine::Core;
use mailbox::{Command, CoreSet};

use crate::{peer::Life, world::World};

fn run(seed: u64) {
    let mut world = World::new(seed);
    for participant in 0..world.shape.users as u64 {
        world.join(participant);
    }
    for _ in 0..world.shape.steps {
        world.step();
    }
    world.quiesce();
    check_promises(&world);
    check_order(&world);

    // What was begun and never finished is given up in its time.
    world.let_time_pass();
    for peer in world.peers.iter().filter(|peer| peer.life() != Life::Gone) {
        assert_eq!(peer.life(), Life::Recipient, "u{} was never bound", peer.participant);
        assert_eq!(peer.unfinished(), 0, "a message is completed or given up, never left open");
        assert!(peer.asked.is_empty(), "every request has its answer");
    }
    everybody_leaves(&mut world);
}

/// Who was there when something was said, and stayed, has heard it.
fn check_promises(world: &World) {
    let mut missed = 0;
    for (name, said) in world.audiences.iter() {
        if !said.is_sound || world.peers[said.by].life() != Life::Recipient {
            continue;
        }
        for peer in said.promised.iter().map(|&at| &world.peers[at]) {
            if peer.life() == Life::Recipient && !peer.has_heard(name) {
                assert!(world.shape.is_tight, "u{} never heard {name:?}", peer.participant);
                missed += 1;
            }
        }
    }
    let counters = world.cores.iter().map(Core::counters);
    let shed: u64 = counters.map(|it| it.copies_shed + it.copies_skipped_congested).sum();
    assert!(missed <= shed, "{missed} copies are missed, {shed} were shed");
}

/// What one session says to the room, and what it says to one participant, is heard in its order.
fn check_order(world: &World) {
    for peer in &world.peers {
        let mut latest = HashMap::new();
        for &name in &peer.heard {
            let is_private = world.audiences.get(name).expect("said").to.is_some();
            let before = latest.insert((name.session, is_private), name.number);
            assert!(before.is_none_or(|before| before < name.number), "{name:?} is late");
        }
    }
}

fn everybody_leaves(world: &mut World) {
    for at in 0..world.peers.len() {
        if world.peers[at].life() != Life::Gone {
            world.leave(at);
            world.drain();
        }
    }
    world.quiesce();
    let (room, epoch, home) = (Arc::clone(&world.terms), world.epoch(), world.terms.home.index());
    world.command(home, Command::Spread { room, epoch, cores: CoreSet::EMPTY });
    world.drain();
    world.let_time_pass();
    for core in &world.cores {
        assert_eq!(core.occupancy(), (0, 0, 0), "nothing is left when all have gone");
        assert_eq!(core.poll_timeout(), None, "nor anything to wait for");
    }
    assert_eq!(world.commons.memory(), 0, "nor a single octet");
}

/// CHAT-08, CHAT-21, CHAT-23, CHAT-26, CHAT-29, CHUNK-10, CHUNK-11, CHUNK-18, WIRE-17, WIRE-35: whatever
/// the network and the peers do, every recipient gets every message exactly once and octet for
/// octet, in its sender's order, or sees it given up; nobody else gets any of it; and nothing is left
/// when all have gone.
#[test]
fn every_recipient_gets_every_message_once_whatever_the_network_does() {
    seeds::run_all(run);
}
