//! The fuzz target of the engine: the same lists of anything that can happen, for as long as one likes
//! by `fuzz/run`; under `cargo test` bolero runs it for a moment.

use proptest::{
    collection::vec,
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use crate::{step, steps::Step, world::World};

fn history() -> impl Strategy<Value = (usize, u8, Vec<Step>)> {
    (1..=2usize, 0..5u8, vec(step(), 0..200))
}

/// CHUNK-10, CHAT-26, CONN-18, CTRL-07, RESP-01: a core keeps its contract whatever a fuzzer finds.
#[test]
fn fuzz_engine() {
    // A seed, not a stream of choices: proptest draws again what does not fit, and would do so for
    // ever once a stream is used up.
    bolero::check!().with_type::<[u8; 16]>().for_each(|seed| {
        let random = TestRng::from_seed(RngAlgorithm::XorShift, seed);
        let mut runner = TestRunner::new_with_rng(Config::default(), random);
        let Ok(history) = history().new_tree(&mut runner) else { return };
        let (cores, members, steps) = history.current();
        World::live(cores, members, steps);
    });
}
