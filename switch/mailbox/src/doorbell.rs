//! Waking a thread that sleeps in the kernel, and not waking one that is awake.
//!
//! The sleeper's side of the bargain: announce, look once more, and only then sleep.
//!
//! ```text
//! producer:  push          -> ring()  : asleep.swap(false) ? write the eventfd : nothing
//! consumer:  announce_sleep() : asleep.store(true) -> look into every ring again
//!            -> empty: sleep in the kernel     -> not empty: awake(), go on
//! ```
//!
//! Both sides write before they read, sequentially consistent, so at least one of them sees the
//! other: an item pushed is either found by the second look or rung for.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
};

#[cfg(loom)]
use loom::sync::atomic::{AtomicBool, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{EventfdFlags, eventfd};

/// Whether the owner of a doorbell sleeps or is about to.
#[derive(Debug, Default)]
pub struct Sleeper {
    asleep: AtomicBool,
}

impl Sleeper {
    /// An owner that is awake.
    pub fn new() -> Self {
        Self { asleep: AtomicBool::new(false) }
    }

    /// The owner is about to sleep. It must look into its rings once more after this.
    pub fn announce_sleep(&self) {
        // A swap takes its place behind every ringer's swap, so a ringer of the last sleep cannot
        // unsay this one. On x86-64 it is the instruction that a store would be.
        self.asleep.swap(true, Ordering::SeqCst);
        #[cfg(not(loom))]
        std::sync::atomic::fence(Ordering::SeqCst);
        #[cfg(loom)]
        loom::sync::atomic::fence(Ordering::SeqCst);
    }

    /// The owner is awake and will look into its rings before it sleeps again.
    pub fn awake(&self) {
        self.asleep.store(false, Ordering::SeqCst);
    }

    /// After a push: whether the owner has to be woken, by this caller and nobody else.
    pub fn must_wake(&self) -> bool {
        #[cfg(not(loom))]
        std::sync::atomic::fence(Ordering::SeqCst);
        #[cfg(loom)]
        loom::sync::atomic::fence(Ordering::SeqCst);
        self.asleep.load(Ordering::SeqCst) && self.asleep.swap(false, Ordering::SeqCst)
    }
}

/// Wakes one thread. Cloned into every sender of that thread's rings.
#[derive(Clone, Debug)]
pub struct Doorbell {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    sleeper: Sleeper,
    eventfd: OwnedFd,
}

impl Doorbell {
    /// A doorbell whose owner is awake. Fails only when the process is out of descriptors.
    pub fn new() -> io::Result<Self> {
        let eventfd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { shared: Arc::new(Shared { sleeper: Sleeper::new(), eventfd }) })
    }

    /// Wakes the owner if it sleeps. Call it after a push, once for many pushes.
    pub fn ring(&self) {
        if self.shared.sleeper.must_wake() {
            // The only error an eventfd gives here is that its counter is full: it rings already.
            let _ = rustix::io::write(&self.shared.eventfd, &1u64.to_ne_bytes());
        }
    }

    /// See [`Sleeper::announce_sleep`].
    pub fn announce_sleep(&self) {
        self.shared.sleeper.announce_sleep();
    }

    /// See [`Sleeper::awake`].
    pub fn awake(&self) {
        self.shared.sleeper.awake();
    }

    /// Silences the bell: reads the counter, whatever it is. A bell that was not rung is no error.
    pub fn silence(&self) {
        let _ = rustix::io::read(&self.shared.eventfd, &mut [0u8; 8]);
    }
}

impl AsFd for Doorbell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.eventfd.as_fd()
    }
}
