//! Who guesses too often is not listened to for a while.

use std::{
    collections::{HashMap, VecDeque},
    net::{IpAddr, Ipv6Addr},
    time::{Duration, Instant},
};

/// When the number of failures is one too many, and what follows from it (AUTH-02).
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Failures of one source that are too many, as a count. Not 0.
    pub failures: usize,
    /// Within what time.
    pub window: Duration,
    /// How long the source is barred then.
    pub penalty: Duration,
}

/// Sources that are remembered at once, as a count: some megabytes at most.
const SOURCES_MAX: usize = 10_000;

/// The sources that have failed lately. A host with IPv6 has as many addresses as it likes, so its
/// network of 64 bits is one source.
#[derive(Debug)]
pub struct Penalties {
    terms: Terms,
    sources: HashMap<IpAddr, Record>,
    /// When those that have done nothing lately were last let go.
    swept: Option<Instant>,
}

#[derive(Debug, Default)]
struct Record {
    /// The last failures, oldest first.
    failures: VecDeque<Instant>,
    barred_until: Option<Instant>,
}

impl Penalties {
    /// Nobody has failed yet.
    pub fn new(terms: Terms) -> Self {
        Self { terms, sources: HashMap::new(), swept: None }
    }

    /// Whether the source is not listened to.
    pub fn is_barred(&self, now: Instant, source: IpAddr) -> bool {
        let record = self.sources.get(&network(source));
        record.and_then(|record| record.barred_until).is_some_and(|until| now < until)
    }

    /// The source has failed once more.
    pub fn note_failure(&mut self, now: Instant, source: IpAddr) {
        let Terms { failures, window, penalty } = self.terms;
        let source = network(source);
        if self.sources.len() >= SOURCES_MAX && !self.sources.contains_key(&source) {
            self.sweep(now);
            if self.sources.len() >= SOURCES_MAX {
                return;
            }
        }
        let record = self.sources.entry(source).or_default();
        record.failures.retain(|&at| now.saturating_duration_since(at) < window);
        record.failures.push_back(now);
        if record.failures.len() >= failures {
            record.failures.clear();
            record.barred_until = Some(now + penalty);
            tracing::warn!(%source, "too many wrong credentials; not listened to for a while");
        }
    }

    /// Lets go of all whose past does not matter any more; not more often than that can be.
    fn sweep(&mut self, now: Instant) {
        let Terms { window, .. } = self.terms;
        if self.swept.is_some_and(|swept| now.saturating_duration_since(swept) < window / 10) {
            return;
        }
        self.swept = Some(now);
        self.sources.retain(|_, record| {
            let is_recent = |at: &Instant| now.saturating_duration_since(*at) < window;
            record.barred_until.is_some_and(|until| now < until)
                || record.failures.back().is_some_and(is_recent)
        });
    }
}

fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::IpAddr,
        time::{Duration, Instant},
    };

    use super::{Penalties, SOURCES_MAX, Terms};

    const MINUTE: Duration = Duration::from_secs(60);

    fn penalties() -> Penalties {
        Penalties::new(Terms { failures: 3, window: MINUTE, penalty: MINUTE })
    }

    /// AUTH-02: only failures that are close together count, and only against their source.
    #[test]
    fn a_source_is_barred_for_failures_within_the_window() {
        let start = Instant::now();
        let [source, neighbour, other]: [IpAddr; 3] =
            ["2001:db8::1", "2001:db8::2:3", "2001:db8:1::1"].map(|text| text.parse().unwrap());
        let mut all = penalties();
        for seconds in [0, 40, 60] {
            let now = start + Duration::from_secs(seconds);
            all.note_failure(now, source);
            assert!(!all.is_barred(now, source), "{seconds}");
        }
        let last = start + Duration::from_secs(99) + Duration::from_millis(999);
        all.note_failure(last, neighbour);
        assert!(all.is_barred(last, source) && all.is_barred(last, neighbour));
        assert!(!all.is_barred(last, other));
        assert!(all.is_barred(last + Duration::from_millis(59_999), source));
        assert!(!all.is_barred(last + MINUTE, source));
    }

    /// AUTH-02: those who fail from everywhere take no more than their share of memory, and make
    /// room when their time is over.
    #[test]
    fn the_sources_that_are_remembered_are_bounded() {
        let start = Instant::now();
        let mut all = penalties();
        let source = |n: usize| IpAddr::from(std::net::Ipv4Addr::from_bits(n as u32));
        for n in 0..SOURCES_MAX + 10 {
            all.note_failure(start, source(n));
        }
        assert_eq!(all.sources.len(), SOURCES_MAX);
        all.note_failure(start + MINUTE, source(SOURCES_MAX));
        assert_eq!(all.sources.len(), 1);
    }
}
