//! Looking at something again and again, on a thread of its own so that what is slow holds up nobody.

use std::{io, sync::mpsc, thread, time::Duration};

/// A source of groups that is looked at for as long as this is kept.
#[derive(Debug)]
pub struct Watch {
    /// Nothing is ever sent: the thread ends when this end is dropped.
    _stop: mpsc::Sender<()>,
}

impl Watch {
    /// Has the thread `name` look after that pause, and then each time after the one that `look` names.
    pub(super) fn begin(
        name: &str,
        mut pause: Duration,
        mut look: impl FnMut() -> Duration + Send + 'static,
    ) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            while stopped.recv_timeout(pause) == Err(mpsc::RecvTimeoutError::Timeout) {
                pause = look();
            }
        })?;
        Ok(Self { _stop: stop })
    }
}
