//! What has documents or lists fetched as they fall due.

use std::time::{Duration, Instant};

use super::fetch::{FetchError, Fetched, Fetcher};

/// Something that reads no clock and fetches nothing by itself: it says what is due, and is told what
/// came.
pub trait Demand {
    /// What is to be fetched now: where it is, and the tag of what is known of it.
    fn due(&self, now: Instant) -> Option<(String, Option<String>)>;

    /// When the next is due.
    fn next_due(&self) -> Option<Instant>;

    /// What came of fetching it. Whether the groups are others now.
    fn handle_fetched(
        &mut self,
        now: Instant,
        url: &str,
        result: Result<Fetched, FetchError>,
    ) -> bool;

    /// Fetches one that is due, if one is. Whether the groups are others now.
    fn fetch_next(&mut self, fetcher: &Fetcher) -> bool {
        let Some((url, tag)) = self.due(Instant::now()) else { return false };
        let result = fetcher.get(&url, tag.as_deref());
        self.handle_fetched(Instant::now(), &url, result)
    }

    /// Fetches all that is due, one after the other, as often as one leads to another. None is begun
    /// with after `until`, if that is some time.
    fn fetch_due(&mut self, fetcher: &Fetcher, until: Option<Instant>) {
        let is_late = || until.is_some_and(|until| until <= Instant::now());
        while self.due(Instant::now()).is_some() && !is_late() {
            self.fetch_next(fetcher);
        }
    }

    /// How long nothing is due.
    fn pause(&self) -> Duration {
        self.next_due().map_or(Duration::MAX, |due| due.saturating_duration_since(Instant::now()))
    }
}
