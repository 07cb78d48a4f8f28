//! Both planes together: the real transactions, focus and placement, real cores, and around them users
//! with SIP devices and MSRP connections. Datagrams are lost, late, doubled and overtaken; streams
//! break; a BYE crosses the 200, a CANCEL the answer and a re-offer another one; connections never come
//! or are lost; rings are full, and commands and events take their time. The configuration and the group
//! documents change, cores break, and the process dies and begins again with what was on disk. Time and
//! every choice come from the seed, so a failing one, which is printed, can be run again:
//!
//! `SIMULATION_SEED=17 cargo test -p msrp-switch --test planes`
//!
//! `SIMULATION_SEEDS` sets how many seeds a run tries; with `SIMULATION_TELLS` everything that happens
//! is told.

mod device;
#[path = "../../engine/tests/simulation/dice.rs"]
mod dice;
mod disk;
mod documents;
mod exchanges;
mod network;
mod phone;
#[path = "../../engine/tests/simulation/seeds.rs"]
mod seeds;
mod wire;
mod world;

use crate::world::World;

/// Things that happen before the weather clears up.
const STEPS: usize = 2000;

fn run(seed: u64) {
    let mut world = World::new(seed);
    for _ in 0..STEPS {
        world.step();
    }
    world.calm_down();
    world.check_legs();
    world.check_rosters();
    world.check_talk();
    world.end(seed % 4 == 1);
    world.check_end();
}

/// sip/FOC-13: whatever the network, the peers, the operator and the host do, seats are those of legs,
/// routes those of sessions that are meant to be, and every request is answered once; the differences
/// that watchers are told add up to the whole; when the weather clears up the peers and both planes agree
/// on who is there and all of them hear each other; and when all have gone nothing is left anywhere.
#[test]
fn both_planes_agree_whatever_the_network_does() {
    seeds::run_all(run);
}
