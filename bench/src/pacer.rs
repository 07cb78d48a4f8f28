//! Wakes the open loop when the next message is due.
//!
//! The runtime's own timers count milliseconds, which is more than a delivery takes, and the ring
//! runtime submits only when it goes to sleep, so nobody here may spin. A timer descriptor is exact
//! and is read on the ring like a socket.

use std::io;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio_uring::fs::File;

/// A timer of nanosecond resolution.
pub struct Pacer {
    timer: std::fs::File,
    expiries: File,
}

impl Pacer {
    /// Must be called in the runtime that will wait for it.
    pub fn new() -> io::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
        let timer = std::fs::File::from(timer);
        let expiries = File::from_std(timer.try_clone()?);
        Ok(Self { timer, expiries })
    }

    /// Sleeps so many nanoseconds. Must not be dropped before it is over: the read in flight would
    /// eat the next expiry.
    pub async fn sleep(&self, nanoseconds: u64) -> io::Result<()> {
        // A zero would disarm the timer.
        let pause = std::time::Duration::from_nanos(nanoseconds.max(1));
        let once = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: Timespec {
                tv_sec: pause.as_secs().cast_signed(),
                tv_nsec: pause.subsec_nanos().into(),
            },
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        let (read, _) = self.expiries.read_at(Vec::with_capacity(size_of::<u64>()), 0).await;
        read.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Pacer;

    #[test]
    fn a_sleep_lasts_as_long_as_asked_for_and_not_at_all_when_nothing_is() {
        tokio_uring::start(async {
            let pacer = Pacer::new().unwrap();
            let begun = Instant::now();
            for _ in 0..10 {
                pacer.sleep(200_000).await.unwrap();
            }
            assert!(begun.elapsed() >= Duration::from_millis(2));
            pacer.sleep(0).await.unwrap();
        });
    }
}
