//! Searches under way.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Semaphore, task::JoinSet};

use super::{Destination, Dns, Search};
use crate::{
    transaction::Tokens,
    transport::{Protocol, Target},
};

/// How long one search may take. What was found by then is what there is.
const SEARCH_MAX: Duration = Duration::from_secs(10);

/// Searches that ask at the same time, as a count. Others wait for their turn.
const SEARCHES_MAX: usize = 64;

/// Finds the addresses behind URIs, for whoever has something to send there. `K` is by what the
/// result is known.
#[derive(Debug)]
pub struct Locator<K> {
    dns: Option<Dns>,
    ours: Arc<[Protocol]>,
    seeds: Tokens,
    places: Arc<Semaphore>,
    running: JoinSet<(K, Vec<Target>)>,
}

impl<K: Send + 'static> Locator<K> {
    /// One that asks `dns`; without it, names lead nowhere. `ours` are the transports that are spoken,
    /// the one preferred first; the seed decides between servers of equal rank.
    pub fn new(dns: Option<Dns>, ours: &[Protocol], seed: [u8; 32]) -> Self {
        Self {
            dns,
            ours: ours.into(),
            seeds: Tokens::new(seed),
            places: Arc::new(Semaphore::new(SEARCHES_MAX)),
            running: JoinSet::new(),
        }
    }

    /// Begins to look for a place. Needs a tokio runtime around it.
    pub fn begin(&mut self, key: K, destination: &Destination) {
        let mut search = Search::new(destination, &self.ours, self.seeds.seed());
        let (dns, places) = (self.dns.clone(), Arc::clone(&self.places));
        self.running.spawn(async move {
            let searching = async {
                let _place = places.acquire().await;
                while let (Some(dns), Some(question)) = (&dns, search.poll_question()) {
                    search.handle_answer(dns.ask(question).await);
                }
            };
            let is_cut = tokio::time::timeout(SEARCH_MAX, searching).await.is_err();
            let targets = search.into_targets();
            if is_cut || targets.is_empty() {
                tracing::info!(is_cut, found = targets.len(), "a name could not be located");
            }
            (key, targets)
        });
    }

    /// The next result: where to go, in this order; nothing if the place was not found. Never comes
    /// while nothing is under way. May be dropped and called again.
    pub async fn next(&mut self) -> (K, Vec<Target>) {
        loop {
            match self.running.join_next().await {
                Some(Ok(found)) => return found,
                // One that was cancelled has nobody left who waits for it.
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }
}
