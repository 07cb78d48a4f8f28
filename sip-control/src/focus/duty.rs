//! What a focus is there for: to serve, or to come to an end.

use std::time::Instant;

use super::Focus;

/// How far it has come. It never goes back.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Duty {
    /// Whatever is asked.
    #[default]
    Serving,
    /// Sessions that run, and no new ones (OPS-02).
    Draining,
    /// The end of all of them.
    Stopping,
}

impl Focus {
    /// Begins no more sessions; those that run are served and joined as ever (OPS-02).
    pub fn handle_drain(&mut self) {
        self.duty = self.duty.max(Duty::Draining);
    }

    /// Ends all sessions and serves no new ones (LEAVE-09, OPS-02).
    pub fn handle_stop(&mut self, now: Instant) {
        self.duty = Duty::Stopping;
        self.end_everything(now);
        self.run_all_errands(now);
    }

    /// Whether any session runs.
    pub fn has_sessions(&self) -> bool {
        !self.rooms.is_empty()
    }
}
