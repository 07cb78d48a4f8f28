//! What legs cost, measured by hand:
//! `cargo test --release -p sip-control --test focus footprint -- --ignored --nocapture`.

use std::time::Duration;

use super::harness::{OFFER, World, invite, vectors};

const LEGS: usize = 100_000;
const USERS_PER_ROOM: usize = 10;
/// Legs whose INVITEs are remembered at one time.
const BATCH: usize = 1000;

/// Octets of memory that are in use.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kibibytes: usize = line.trim().trim_end_matches(" kB").parse().unwrap();
    kibibytes * 1024
}

#[test]
#[ignore = "a measurement, which asserts nothing"]
fn footprint_of_established_legs() {
    let mut config = vectors();
    config.any_room = Some(sip_control::config::Rules::default());
    let mut world = World::new(config);
    let before = resident();
    for leg in 0..LEGS {
        let room = format!("sip:room{}@im.example.com", leg / USERS_PER_ROOM);
        let invite = invite(&mut world, &room, &format!("sip:user{leg}@example.com"), "", OFFER);
        let ok = world.ask_for("SIP/2.0 200", &invite);
        let call = super::harness::Call::of(ok);
        call.ack(&mut world);
        world.bound(call.session());
        world.journal();
        world.take();
        if leg % BATCH == 0 {
            // The transactions of their INVITEs are over then, and what they took is free again.
            world.wait(Duration::from_secs(40));
        }
    }
    let octets = (resident() - before) / LEGS;
    println!("{LEGS} legs in rooms of {USERS_PER_ROOM}: {octets} octets a leg");
}
