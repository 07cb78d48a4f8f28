//! How a core's figures get out: it tells them when it is asked, and never otherwise.
//!
//! ```text
//!   whoever asks:  asked = true -> ring the doorbell -> wait for the next census
//!   the core:      every turn, and once more before it sleeps: asked? -> census
//! ```

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use engine::{Core, Counters, Gauges};
use mailbox::Doorbell;
use tokio::sync::watch;

/// How long to wait for a core. One that takes longer has other troubles than to be counted, and
/// what it told last is told again.
const PATIENCE: Duration = Duration::from_millis(200);

/// The figures of one core.
#[derive(Clone, Copy, Debug, Default)]
pub struct Census {
    /// What it has counted.
    pub counters: Counters,
    /// What there is.
    pub gauges: Gauges,
}

/// The core's end.
#[derive(Debug)]
pub struct Meter {
    asked: Arc<AtomicBool>,
    census: watch::Sender<Census>,
}

/// The end of whoever asks. Many may.
#[derive(Clone, Debug)]
pub struct Reading {
    asked: Arc<AtomicBool>,
    census: watch::Receiver<Census>,
    doorbell: Doorbell,
}

/// The two ends for the core that `doorbell` wakes.
pub fn meter(doorbell: &Doorbell) -> (Meter, Reading) {
    let asked = Arc::new(AtomicBool::new(false));
    let (told, census) = watch::channel(Census::default());
    let meter = Meter { asked: Arc::clone(&asked), census: told };
    (meter, Reading { asked, census, doorbell: doorbell.clone() })
}

impl Meter {
    /// Whether somebody waits for a census.
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    /// Tells the census, if somebody waits for it.
    pub fn tell(&self, core: &Core) {
        if self.asked.load(Ordering::Relaxed) && self.asked.swap(false, Ordering::SeqCst) {
            let census = Census { counters: *core.counters(), gauges: core.gauges() };
            self.census.send_replace(census);
        }
    }
}

impl Reading {
    /// The figures as they are now, or as they last were if the core does not say.
    pub async fn take(&mut self) -> Census {
        self.census.mark_unchanged();
        self.asked.store(true, Ordering::SeqCst);
        self.doorbell.ring();
        // A core that has ended says nothing any more, and what it said last stands.
        let _ = tokio::time::timeout(PATIENCE, self.census.changed()).await;
        *self.census.borrow_and_update()
    }
}
