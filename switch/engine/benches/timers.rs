//! What timers cost: one turn of a core in which nothing is due, with none armed and with a hundred
//! thousand; and setting and taking one back.

use std::{hint::black_box, net::Ipv4Addr, time::Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use engine::{Core, CoreConfig, Limits, Operation};
use mailbox::CoreId;

/// A core with so many connections that have bound nothing yet: each has a timer.
fn core_with(connections: usize, now: Instant) -> Core {
    let id = CoreId::new(0).expect("the first core");
    let config = CoreConfig { id, cores: 1, authority: "127.0.0.1:2855".to_owned() };
    let limits = Limits { address_unbound_max: 0, ..Limits::default() };
    let mut core = Core::new(config, limits, [1; 32]);
    for _ in 0..connections {
        core.handle_accepted(now, Ipv4Addr::LOCALHOST.into()).expect("there is room");
    }
    core
}

fn idle(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("turn with nothing due");
    let now = Instant::now();
    for connections in [0, 1, 100_000] {
        let mut core = core_with(connections, now);
        let id = BenchmarkId::from_parameter(format!("{connections} timers"));
        group.bench_function(id, |bencher| {
            bencher.iter(|| {
                core.handle_timeout(black_box(now));
                black_box(core.poll_timeout())
            });
        });
    }
    group.finish();
}

fn churn(criterion: &mut Criterion) {
    let now = Instant::now();
    let mut core = core_with(100_000, now);
    criterion.bench_function("connection that comes and goes among 100000", |bencher| {
        bencher.iter(|| {
            let id = core.handle_accepted(now, Ipv4Addr::LOCALHOST.into()).expect("there is room");
            core.handle_disconnected(now, id);
            while let Some(Operation::Close { connection }) = core.poll_operation(now) {
                core.handle_closed(connection);
            }
        });
    });
}

criterion_group!(benches, idle, churn);
criterion_main!(benches);
