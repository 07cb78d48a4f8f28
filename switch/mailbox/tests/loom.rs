//! The sleeper's bargain under every interleaving and every reordering that the memory model
//! allows: an item pushed is found by the second look, or rung for.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p mailbox --release --test loom`
#![cfg(loom)]

use std::sync::atomic::AtomicUsize as PlainUsize;

use loom::{
    sync::{
        Arc, Notify,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};
use mailbox::Sleeper;

/// A ring as weakly ordered as one may be: a push releases, a look acquires, nothing more. With a
/// lock in its place the lock would do the ordering that is the sleeper's to do.
#[derive(Default)]
struct Ring {
    pushed: AtomicUsize,
}

/// The bell, the ring and the sleeper that producer and consumer share.
struct Shared {
    ring: Ring,
    sleeper: Sleeper,
    /// As an eventfd: what is written before anybody waits is remembered.
    bell: Notify,
    /// How often the bell was rung. Not part of the model, so the standard library's.
    rings: PlainUsize,
}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            ring: Ring::default(),
            sleeper: Sleeper::new(),
            bell: Notify::new(),
            rings: PlainUsize::default(),
        })
    }

    fn send(&self) {
        self.ring.pushed.fetch_add(1, Ordering::Release);
        if self.sleeper.must_wake() {
            self.rings.fetch_add(1, Ordering::Relaxed);
            self.bell.notify();
        }
    }

    /// Sleeps when there is nothing new, and comes back when there is. Loom fails the test when
    /// this waits for a bell that nobody rings any more.
    fn wait_for_more_than(&self, seen: usize) -> usize {
        loop {
            let pushed = self.ring.pushed.load(Ordering::Acquire);
            if pushed > seen {
                return pushed;
            }
            self.sleeper.announce_sleep();
            if self.ring.pushed.load(Ordering::Acquire) == seen {
                self.bell.wait();
            }
            self.sleeper.awake();
        }
    }
}

#[test]
fn an_item_pushed_is_never_left_to_a_consumer_that_sleeps() {
    loom::model(|| {
        let shared = Shared::new();
        let producer = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.send())
        };
        assert_eq!(shared.wait_for_more_than(0), 1);
        producer.join().expect("the producer does not panic");
    });
}

#[test]
fn two_producers_leave_nothing_behind() {
    // Every interleaving of three threads is more than can be waited for. Two preemptions are what
    // a lost wake-up takes: of a ringer between its look and its swap, and of the sleeper.
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let shared = Shared::new();
        let producers = [(); 2].map(|()| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.send())
        });
        let mut seen = 0;
        while seen < 2 {
            seen = shared.wait_for_more_than(seen);
        }
        for producer in producers {
            producer.join().expect("a producer does not panic");
        }
    });
}

#[test]
fn one_sleep_is_rung_for_at_most_once() {
    loom::model(|| {
        let shared = Shared::new();
        shared.sleeper.announce_sleep();
        let producers = [(); 2].map(|()| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.send())
        });
        for producer in producers {
            producer.join().expect("a producer does not panic");
        }
        assert_eq!(shared.rings.load(Ordering::Relaxed), 1);
    });
}
