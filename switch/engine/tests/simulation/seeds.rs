//! The seeds of a simulation: which are run, and which one it was that failed.

use std::{
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};

/// Tells which seed it was when something went wrong.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failing seed: SIMULATION_SEED={}", self.0);
        }
    }
}

/// Runs every seed that the environment asks for, on all processors: `SIMULATION_SEED` alone, or so many
/// as `SIMULATION_SEEDS` says.
pub fn run_all(run: impl Fn(u64) + Sync) {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse().ok());
    let seeds: Range<u64> = match number("SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SIMULATION_SEEDS").unwrap_or(200),
    };
    let next = AtomicU64::new(seeds.start);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if !seeds.contains(&seed) {
                        break;
                    }
                    let _named = Named(seed);
                    run(seed);
                }
            });
        }
    });
}
