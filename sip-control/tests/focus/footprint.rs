//! What legs cost, measured by hand:
//! `cargo test --release -p sip-control --test focus footprint -- --ignored --nocapture`.

use std::time::Duration;

use super::harness::{Call, OFFER, World, invite, vectors};

const LEGS: usize = 100_000;
const USERS_PER_ROOM: usize = 10;
/// Legs whose INVITEs are remembered at one time.
const BATCH: usize = 1000;
/// How long it takes all of them to come.
const ARRIVAL: Duration = Duration::from_secs(60);

/// Octets of memory that are in use.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kibibytes: usize = line.trim().trim_end_matches(" kB").parse().unwrap();
    kibibytes * 1024
}

fn world() -> World {
    let mut config = vectors();
    config.any_room = Some(sip_control::config::Rules::default());
    World::new(config)
}

/// Legs are refreshed by the focus, which peers may ask for.
const REFRESHED_BY_US: &str =
    "Allow: UPDATE\nSupported: timer\nSession-Expires: 1800;refresher=uas\n";

/// One more leg is up, in a room of so many.
fn join(world: &mut World, leg: usize, lines: &str) {
    let room = format!("sip:room{}@im.example.com", leg / USERS_PER_ROOM);
    let invite = invite(world, &room, &format!("sip:user{leg}@example.com"), lines, OFFER);
    let ok = world.ask_for("SIP/2.0 200", &invite);
    let call = Call::of(ok);
    call.ack(world);
    world.bound(call.session());
    forget(world);
}

/// What the world remembers for tests is nothing that a focus has.
fn forget(world: &mut World) {
    world.journal();
    world.orders();
    world.routes = Vec::new();
    world.take();
}

#[test]
#[ignore = "a measurement, which asserts nothing"]
fn footprint_of_established_legs() {
    let mut world = world();
    let before = resident();
    for leg in 0..LEGS {
        join(&mut world, leg, "");
        if leg % BATCH == 0 {
            // The transactions of their INVITEs are over then, and what they took is free again.
            world.wait(Duration::from_secs(40));
        }
    }
    world.wait(Duration::from_secs(40));
    forget(&mut world);
    let octets = (resident() - before) / LEGS;
    println!("{LEGS} legs in rooms of {USERS_PER_ROOM}: {octets} octets a leg");
}

/// TMR-08 says that they do not refresh in one minute; this says in how many they do.
#[test]
#[ignore = "a measurement, which asserts nothing"]
fn footprint_of_refreshes() {
    let mut world = world();
    for leg in 0..LEGS {
        join(&mut world, leg, REFRESHED_BY_US);
        world.wait(ARRIVAL / LEGS as u32);
    }
    world.is_polite = true;
    let mut refreshes = Vec::new();
    while refreshes.iter().sum::<usize>() < LEGS {
        world.wait(Duration::from_secs(1));
        let is_refresh = |start: &str| start.starts_with("UPDATE ") || start.starts_with("INVITE ");
        refreshes.push(world.take().iter().filter(|sent| is_refresh(sent.start())).count());
        forget(&mut world);
    }
    let first = refreshes.iter().position(|count| *count > 0).unwrap();
    let most = refreshes.iter().max().unwrap();
    println!(
        "{LEGS} legs made in {} s are refreshed within {} s, {most} in the busiest second",
        ARRIVAL.as_secs(),
        refreshes.len() - first
    );
}
