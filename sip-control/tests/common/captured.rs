//! A log that is kept for the test to read.

use std::{
    io,
    sync::{Arc, Mutex, Once},
};

use tracing::subscriber::DefaultGuard;

/// What one thread has written.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// What this thread writes, as long as the guard lives. All other threads write to nobody, but
    /// not to nothing: what a place in the code first hears from a thread without a subscriber, that nobody
    /// listens, is believed for all threads.
    pub fn begin() -> (Self, DefaultGuard) {
        static NOBODY: Once = Once::new();
        NOBODY.call_once(|| {
            let nobody = tracing_subscriber::registry();
            tracing::subscriber::set_global_default(nobody).expect("no other is set");
        });
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false);
        let subscriber = subscriber.with_writer(move || writer.clone()).finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}
