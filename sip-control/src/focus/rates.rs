//! How often somebody may ask (OPS-07): a source that nobody vouches for, and a user.
//!
//! Each is kept as the one moment when all it has spent is earned back (the generic cell rate
//! algorithm), so a limiter costs an address and a time for each who asked of late.

use std::{
    collections::HashMap,
    hash::Hash,
    net::IpAddr,
    time::{Duration, Instant},
};

use super::{refusal::Refusal, user::UserKey};
use crate::{config::Limits, message::Method};

/// Who is remembered by one limiter at most. Who asks slowly is forgotten in a second or a minute.
const KNOWN_MAX: usize = 65_536;

/// So often those are looked for that need not be remembered, when there are too many.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// So many requests in so much time, all at once or evenly.
#[derive(Clone, Copy, Debug)]
struct Rate {
    count: u32,
    per: Duration,
}

/// All rates.
#[derive(Debug, Default)]
pub struct Rates {
    sources: Limiter<IpAddr>,
    inviters: Limiter<UserKey>,
    subscribers: Limiter<UserKey>,
}

impl Rates {
    /// A request that starts something, from a source that nobody vouches for.
    pub fn ask_source(
        &mut self,
        now: Instant,
        source: IpAddr,
        limits: &Limits,
    ) -> Result<(), Refusal> {
        self.sources.ask(now, &source, per_source(limits))
    }

    /// Whether a source has asked too often for so long that it is not even answered now.
    pub fn is_silenced(&self, now: Instant, source: IpAddr, limits: &Limits) -> bool {
        let Some(spent) = self.sources.known.get(&source) else { return false };
        spent.refused >= limits.source_refusals && !spent.may_ask(now, per_source(limits))
    }

    /// A request of a known user.
    pub fn ask_user(
        &mut self,
        now: Instant,
        user: &[UserKey],
        method: Method,
        limits: &Limits,
    ) -> Result<(), Refusal> {
        let Some(user) = user.first() else { return Ok(()) };
        match method {
            Method::Invite => {
                let per = Duration::from_secs(1);
                self.inviters.ask(now, user, Rate { count: limits.user_invites, per })
            }
            Method::Subscribe => {
                let per = Duration::from_secs(60);
                self.subscribers.ask(now, user, Rate { count: limits.user_subscribes, per })
            }
            _ => Ok(()),
        }
    }
}

fn per_source(limits: &Limits) -> Rate {
    Rate { count: limits.source_requests, per: Duration::from_secs(1) }
}

#[derive(Debug)]
struct Limiter<K> {
    known: HashMap<K, Spent>,
    sweep_at: Option<Instant>,
}

impl<K> Default for Limiter<K> {
    fn default() -> Self {
        Self { known: HashMap::new(), sweep_at: None }
    }
}

#[derive(Clone, Copy, Debug)]
struct Spent {
    /// When all of it is earned back.
    until: Instant,
    /// Requests refused since one was served.
    refused: u32,
}

impl Spent {
    fn may_ask(&self, now: Instant, rate: Rate) -> bool {
        let count = rate.count.max(1);
        let one = rate.per / count;
        self.until.saturating_duration_since(now) <= rate.per.saturating_sub(one)
    }
}

impl<K: Clone + Eq + Hash> Limiter<K> {
    fn ask(&mut self, now: Instant, who: &K, rate: Rate) -> Result<(), Refusal> {
        if !self.known.contains_key(who) && !self.has_place(now) {
            return Err(Refusal::TooOften);
        }
        let new = Spent { until: now, refused: 0 };
        let spent = self.known.entry(who.clone()).or_insert(new);
        if spent.may_ask(now, rate) {
            spent.until = spent.until.max(now) + rate.per / rate.count.max(1);
            spent.refused = 0;
            Ok(())
        } else {
            spent.refused = spent.refused.saturating_add(1);
            Err(Refusal::TooOften)
        }
    }

    /// Whether one more can be remembered.
    fn has_place(&mut self, now: Instant) -> bool {
        if self.known.len() < KNOWN_MAX {
            return true;
        }
        if self.sweep_at.is_none_or(|at| at <= now) {
            self.sweep_at = Some(now + SWEEP_INTERVAL);
            self.known.retain(|_, spent| spent.until > now);
        }
        self.known.len() < KNOWN_MAX
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::{collection::vec, prelude::*};

    use super::{KNOWN_MAX, Limiter, Rate};

    const RATE: Rate = Rate { count: 5, per: Duration::from_secs(1) };

    proptest! {
        /// Whenever somebody asks, no second and a bit has more than twice the rate in it, and who
        /// asks no faster than the rate is always served.
        #[test]
        fn a_burst_is_served_and_then_the_rate(pauses in vec(0u64..400, 1..200)) {
            let mut limiter = Limiter::default();
            let mut now = Instant::now();
            let mut served = Vec::new();
            for pause in pauses {
                now += Duration::from_millis(pause);
                if limiter.ask(now, &"somebody", RATE).is_ok() {
                    served.push(now);
                }
            }
            for window in served.windows(2 * RATE.count as usize + 1) {
                prop_assert!(*window.last().unwrap() - window[0] >= RATE.per);
            }
            let slow = Duration::from_millis(200);
            now += RATE.per;
            for _ in 0..20 {
                now += slow;
                prop_assert!(limiter.ask(now, &"somebody", RATE).is_ok());
            }
        }
    }

    #[test]
    fn no_number_of_strangers_takes_more_than_its_share_of_memory() {
        let mut limiter = Limiter::default();
        let now = Instant::now();
        for who in 0..KNOWN_MAX {
            assert!(limiter.ask(now, &who, RATE).is_ok());
        }
        assert!(limiter.ask(now, &KNOWN_MAX, RATE).is_err(), "there is no place");
        assert!(limiter.ask(now, &0, RATE).is_ok(), "who is known is served");
        let later = now + RATE.per + Duration::from_secs(1);
        assert!(limiter.ask(later, &KNOWN_MAX, RATE).is_ok());
        assert_eq!(limiter.known.len(), 1);
    }
}
