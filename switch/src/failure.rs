//! Why the node does not run: one line that says what, where, and what to do about it.

use std::{fmt, process::ExitCode};

/// The end of the process, for its operator.
#[derive(Debug)]
pub enum Failure {
    /// Something outside has to be changed first: the configuration, a limit, another process.
    Refused(String),
    /// Something broke while we ran.
    Broken(String),
}

impl Failure {
    /// What the shell is told.
    pub fn status(&self) -> ExitCode {
        match self {
            Self::Refused(_) => ExitCode::from(2),
            Self::Broken(_) => ExitCode::from(1),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Refused(line) | Self::Broken(line)) = self;
        f.write_str(line)
    }
}
