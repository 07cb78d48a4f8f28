//! The contract between a core and its runtime, held against lists of anything that can happen: the
//! focus may order what it likes, peers may say what they like, and the network may do what it
//! likes with it. The world in [`world`] checks every operation the moment it is asked for.

mod client;
mod fuzz;
mod said;
mod socket;
mod steps;
mod world;

use proptest::prelude::*;

use said::Said;
use steps::{Order, Step, Taken};
use world::World;

fn said() -> BoxedStrategy<Said> {
    prop_oneof![
        2 => Just(Said::Bind),
        3 => (0..3000usize).prop_map(|size| Said::Whole { size }),
        3 => (0..3u8, any::<bool>(), prop_oneof![4 => Just('$'), 1 => Just('#')])
            .prop_map(|(message, backwards, flag)| Said::Parts { message, backwards, flag }),
        2 => (0..3u8, 0..4u8, prop_oneof![Just('$'), Just('+'), Just('+'), Just('#')])
            .prop_map(|(message, part, flag)| Said::Chunk { message, part, flag }),
        1 => prop_oneof![
            code().prop_map(|code| Said::Answer { code }),
            code().prop_map(|code| Said::Report { code }),
            Just(Said::Auth),
            Just(Said::Ping),
            Just(Said::Nickname),
            Just(Said::Guess),
            Just(Said::Malformed),
            Just(Said::MalformedResponse),
            Just(Said::BareLineBreak),
            Just(Said::Garbage),
        ],
    ]
    .boxed()
}

/// What a recipient may say of its copy.
fn code() -> impl Strategy<Value = u16> {
    prop::sample::select(vec![200, 204, 400, 408, 413, 413, 415, 481, 506, 699])
}

fn order() -> BoxedStrategy<Order> {
    let session = 0..6u8;
    let room = 0..2u8;
    prop_oneof![
        6 => (session.clone(), room.clone(), prop::bool::weighted(0.2))
            .prop_map(|(session, room, unmet)| Order::Install { session, room, unmet }),
        6 => session.clone().prop_map(|session| Order::Activate { session }),
        2 => session.clone().prop_map(|session| Order::Remove { session }),
        2 => (session.clone(), 0..4u8, prop::option::weighted(0.8, 0..2u8))
            .prop_map(|(session, addresses, place)| Order::Connect { session, addresses, place }),
        1 => (session, 0..4u8)
            .prop_map(|(session, direction)| Order::Meet { session, direction }),
        1 => (room.clone(), 0..6000u64)
            .prop_map(|(room, size_max)| Order::Terms { room, size_max }),
        1 => room.clone().prop_map(|room| Order::Close { room }),
        3 => (room, 0..8u8).prop_map(|(room, cores)| Order::Spread { room, cores }),
    ]
    .boxed()
}

/// Boxed: what proptest makes of it would be moved about by the kilobyte.
fn step() -> BoxedStrategy<Step> {
    let taken = prop_oneof![
        4 => Just(Taken::All),
        3 => (1..500usize).prop_map(Taken::Some),
        1 => Just(Taken::Failed),
    ];
    prop_oneof![
        1 => any::<u8>().prop_map(|core| Step::Accept { core }),
        16 => (any::<u8>(), prop::option::weighted(0.2, any::<u8>()), said())
            .prop_map(|(socket, session, said)| Step::Write { socket, session, said }),
        12 => (any::<u8>(), 1..4000usize)
            .prop_map(|(socket, octets)| Step::Receive { socket, octets }),
        1 => any::<u8>().prop_map(|socket| Step::Disconnect { socket }),
        8 => (any::<u8>(), taken).prop_map(|(socket, taken)| Step::Sent { socket, taken }),
        4 => any::<u8>().prop_map(|socket| Step::Finish { socket }),
        4 => any::<u8>().prop_map(|way| Step::Relay { way }),
        4 => (any::<u8>(), 0..3u64, order())
            .prop_map(|(core, late, order)| Step::Order { core, late, order }),
        1 => prop_oneof![4 => 0..100u64, 1 => 0..70_000u64]
            .prop_map(|milliseconds| Step::Wait { milliseconds }),
        // The runtime drains only after a whole batch of completions.
        8 => Just(Step::Drain),
    ]
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// CHUNK-10, CHAT-26, CONN-18, CTRL-07, RESP-01, CODE-03, CODE-06, CODE-09: whatever happens, in
    /// whatever order, on one core or on two.
    ///
    /// Nothing is sent on a connection that was told to close or to leave; at most one send is under
    /// way; each connection is closed or handed over once. What a peer gets is well framed, its
    /// messages are without gaps, and only whole ones end with `$`. Every request is answered at most
    /// once, and exactly once if its connection lives, and never with what only relays say: 401, 408
    /// or 423. Recipients may answer and report what they like, or nothing. Every command gets its answer, and every
    /// session is bound and fails at most once. When all is removed, nothing is left, and no timer.
    #[test]
    fn a_core_keeps_its_contract_whatever_happens(
        cores in 1..=2usize,
        members in 0..5u8,
        steps in prop::collection::vec(step(), 0..200),
    ) {
        World::live(cores, members, steps);
    }

    /// A core that is told to drain says so once its last connection is gone, and not before.
    #[test]
    fn a_core_drains_whatever_it_was_doing(
        cores in 1..=2usize,
        members in 0..5u8,
        before in prop::collection::vec(step(), 0..100),
        after in prop::collection::vec(step(), 0..30),
    ) {
        let mut world = World::new(cores);
        world.populate(members);
        for step in before {
            world.take(step);
        }
        world.drain_cores();
        for step in after {
            world.take(step);
        }
        world.finish_draining();
    }
}

/// RESP-01: a branch that nobody has bound for 30 s goes, but not before the answers that it owes have
/// gone to the connection it belongs to.
#[test]
fn a_branch_says_what_it_has_to_say_before_it_goes() {
    let mut world = World::new(2);
    world.populate(4);
    let chunk = Said::Chunk { message: 0, part: 0, flag: '$' };
    for step in [
        Step::Write { socket: 3, session: Some(20), said: chunk },
        Step::Sent { socket: 0, taken: Taken::All },
        Step::Write { socket: 0, session: None, said: Said::Bind },
        Step::Receive { socket: 43, octets: 209 },
        Step::Accept { core: 0 },
        Step::Relay { way: 134 },
        Step::Wait { milliseconds: 30_000 },
    ] {
        world.take(step);
    }
    world.settle();
    world.tear_down();
}
