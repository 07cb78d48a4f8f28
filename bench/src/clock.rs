//! The time of a run.

use std::time::Instant;

/// Counts nanoseconds since the run began.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// The run begins.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Nanoseconds since then.
    pub fn now(self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }
}
