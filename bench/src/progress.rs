//! A line on the terminal while a run lasts.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The line, or nothing when nobody looks.
#[derive(Clone, Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// On standard error, if that is a terminal and `quiet` does not forbid it.
    pub fn new(quiet: bool) -> Self {
        let target =
            if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{prefix:>10} {wide_bar} {elapsed} {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(250));
        Self(bar)
    }

    /// A new stretch, of so many steps.
    pub fn begin(&self, phase: &'static str, steps: u64) {
        self.0.set_length(steps);
        self.0.set_position(0);
        self.phase(phase);
    }

    /// The same stretch, called otherwise.
    pub fn phase(&self, phase: &'static str) {
        self.0.set_prefix(phase);
    }

    /// How far it has come.
    pub fn set(&self, step: u64) {
        self.0.set_position(step);
    }

    /// Says how much was delivered.
    pub fn tell(&self, delivered: u64) {
        if !self.0.is_hidden() {
            self.0.set_message(format!("{delivered} delivered"));
        }
    }

    /// The line goes.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}
