//! Timers of fixed length: a wheel with a spoke per tick, and on each spoke a list of what is due.
//!
//! ```text
//!      now                                    now + length
//!   ────┼──────┬──────┬──────┬── … ──┬──────┬──────┼────
//!       │ tick │ tick │ tick │       │ tick │ tick │     one bit each: is anything due then?
//!              └─ 7 ── 3 ── 12       └─ 5                slots of the table that is timed
//! ```
//!
//! A thing has at most one timer of a kind, kept in a place of its own: setting it again moves it,
//! and taking it back leaves nothing. So however much comes, goes and is set anew, a kind of timer
//! costs 24 octets for each slot its table ever used, and 512 octets once. Setting, moving, taking
//! back and expiring take constant time; moving within a tick is a comparison. What is not due
//! wakes nobody, and what is due within one tick wakes once.

use std::time::{Duration, Instant};

use crate::slots::Key;

/// Ticks of one turn of the wheel: as many as one number has bits.
const SPOKES: u64 = u128::BITS as u64;

/// Ticks of one length. A timer is late by less than one of them, and never early.
const TICKS: u64 = 120;

/// Nanoseconds of the shortest tick: nothing here is timed more finely than a wake-up takes.
const TICK_MIN: u64 = 1_000_000;

/// After the last of a spoke.
const NONE: u32 = u32::MAX;

/// Before the first of a spoke: this and the number of the spoke.
const HUB: u32 = 1 << 31;

/// Timers of one length for the tenants of one table.
#[derive(Debug)]
pub(crate) struct Deadlines<T> {
    length: Duration,
    /// Nanoseconds of one tick.
    tick: u64,
    /// When tick 0 begins: with the first timer ever set.
    origin: Option<Instant>,
    /// No timer is due at an earlier tick.
    cursor: u64,
    /// The spokes that have a timer.
    occupied: u128,
    /// The first slot on each spoke.
    heads: [u32; SPOKES as usize],
    /// By slot.
    places: Vec<Place<T>>,
}

/// The timer of one slot.
#[derive(Debug)]
struct Place<T> {
    /// Whose it is.
    key: Key<T>,
    /// The tick at which it expires; 0 when it is not set.
    due: u64,
    /// Its neighbours on the spoke, a slot each, or [`HUB`] and [`NONE`].
    before: u32,
    after: u32,
}

impl<T> Deadlines<T> {
    /// Timers that expire after `length`, at most a hundred-and-twentieth of it late.
    pub(crate) fn new(length: Duration) -> Self {
        let tick = (length.as_nanos() as u64).div_ceil(TICKS).max(TICK_MIN);
        Self {
            length,
            tick,
            origin: None,
            cursor: 0,
            occupied: 0,
            heads: [NONE; SPOKES as usize],
            places: Vec::new(),
        }
    }

    /// The timer of `key` expires one length after `since`, which is not in the future, and not
    /// before, whatever it was set to.
    pub(crate) fn set(&mut self, since: Instant, key: Key<T>) {
        let origin = *self.origin.get_or_insert(since);
        let due = nanos_between(origin, since + self.length).div_ceil(self.tick).max(1);
        let slot = key.slot();
        if let Some(place) = self.places.get_mut(slot)
            && place.due == due
        {
            place.key = key;
            return;
        }
        self.unlink(slot);
        let passed = nanos_between(origin, since) / self.tick;
        self.cursor = self.cursor.max(self.first().map_or(passed, |first| first.min(passed)));
        while self.places.len() <= slot {
            self.places.push(Place { key, due: 0, before: NONE, after: NONE });
        }
        self.places[slot].key = key;
        self.link(slot, due);
    }

    /// Takes back the timer of `key`, if it has one.
    pub(crate) fn clear(&mut self, key: Key<T>) {
        if self.places.get(key.slot()).is_some_and(|place| place.key == key) {
            self.unlink(key.slot());
        }
    }

    /// When to ask for what has expired.
    pub(crate) fn next(&self) -> Option<Instant> {
        Some(self.origin? + Duration::from_nanos(self.tick * self.first()?))
    }

    /// One whose timer has expired.
    pub(crate) fn expired(&mut self, now: Instant) -> Option<Key<T>> {
        let elapsed = nanos_between(self.origin?, now) / self.tick;
        while let Some(first) = self.first().filter(|&tick| tick <= elapsed) {
            self.cursor = first;
            let slot = self.heads[(first % SPOKES) as usize] as usize;
            let Place { key, due, .. } = self.places[slot];
            self.unlink(slot);
            if due <= elapsed {
                return Some(key);
            }
            // Set when the wheel lagged so far behind that it did not reach to the true spoke.
            self.link(slot, due);
        }
        self.cursor = self.cursor.max(elapsed);
        None
    }

    /// The first tick at which anything is due.
    fn first(&self) -> Option<u64> {
        let ahead = self.occupied.rotate_right((self.cursor % SPOKES) as u32).trailing_zeros();
        (self.occupied != 0).then(|| self.cursor + u64::from(ahead))
    }

    fn link(&mut self, slot: usize, due: u64) {
        let spoke = due.clamp(self.cursor, self.cursor + SPOKES - 1) % SPOKES;
        let after = std::mem::replace(&mut self.heads[spoke as usize], slot as u32);
        if let Some(place) = self.places.get_mut(after as usize) {
            place.before = slot as u32;
        }
        let place = &mut self.places[slot];
        (place.due, place.before, place.after) = (due, HUB | spoke as u32, after);
        self.occupied |= 1 << spoke;
    }

    fn unlink(&mut self, slot: usize) {
        let Some(place) = self.places.get_mut(slot).filter(|place| place.due != 0) else { return };
        place.due = 0;
        let (before, after) = (place.before, place.after);
        if let Some(place) = self.places.get_mut(after as usize) {
            place.before = before;
        }
        if before & HUB == 0 {
            self.places[before as usize].after = after;
        } else {
            let spoke = before & !HUB;
            self.heads[spoke as usize] = after;
            self.occupied &= !(u128::from(after == NONE) << spoke);
        }
    }
}

/// Nanoseconds from one time to another that is not before it; they last for 584 years.
fn nanos_between(from: Instant, to: Instant) -> u64 {
    to.saturating_duration_since(from).as_nanos() as u64
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        time::{Duration, Instant},
    };

    use proptest::prelude::*;

    use super::{Deadlines, Place};
    use crate::slots::{Key, Slots};

    const SECOND: Duration = Duration::from_secs(1);

    fn all_expired(deadlines: &mut Deadlines<()>, now: Instant) -> Vec<Key<()>> {
        std::iter::from_fn(|| deadlines.expired(now)).collect()
    }

    #[test]
    fn deadlines_expire_in_the_order_they_were_set_and_not_before() {
        let start = Instant::now();
        let mut slots = Slots::new(2);
        let [a, b] = [(), ()].map(|tenant| slots.insert(tenant).unwrap());
        let mut deadlines = Deadlines::new(12 * SECOND);
        assert_eq!(deadlines.next(), None);
        deadlines.set(start, a);
        deadlines.set(start + SECOND, b);
        assert_eq!(deadlines.next(), Some(start + 12 * SECOND));
        assert_eq!(all_expired(&mut deadlines, start + 11 * SECOND), []);
        assert_eq!(all_expired(&mut deadlines, start + 12 * SECOND), [a]);
        assert_eq!(deadlines.next(), Some(start + 13 * SECOND));
        assert_eq!(all_expired(&mut deadlines, start + 13 * SECOND), [b]);
        assert_eq!(deadlines.next(), None);
    }

    /// However often things come, go and are set anew, there is one place for each slot, and what
    /// was taken back or moved wakes nobody.
    #[test]
    fn churn_leaves_nothing_behind() {
        let start = Instant::now();
        let mut slots = Slots::new(100);
        let mut deadlines = Deadlines::new(30 * SECOND);
        for turn in 0..10_000 {
            let now = start + turn * SECOND / 1000;
            let key = slots.insert(()).unwrap();
            deadlines.set(now, key);
            deadlines.set(now + SECOND / 2, key);
            deadlines.clear(key);
            slots.remove(key);
            deadlines.clear(key);
        }
        assert_eq!((deadlines.places.len(), deadlines.next()), (1, None));
        assert!(size_of::<Place<()>>() <= 24);

        let old = slots.insert(()).unwrap();
        deadlines.set(start + 10 * SECOND, old);
        slots.remove(old);
        let new = slots.insert(()).unwrap();
        deadlines.set(start + 10 * SECOND, new);
        deadlines.clear(old);
        assert_eq!(all_expired(&mut deadlines, start + 40 * SECOND), [new], "whose timer it is");
    }

    /// 100 000 timers that are armed cost a wake-up when one is due, and nothing before; what is due
    /// within the same tick wakes once.
    #[test]
    fn a_hundred_thousand_armed_timers_wake_only_for_what_is_due() {
        let start = Instant::now();
        let mut slots = Slots::new(100_000);
        let mut deadlines = Deadlines::new(30 * SECOND);
        let set_at = |number: u32| start + number * Duration::from_micros(200);
        let keys: Vec<_> = (0..100_000).map(|_| slots.insert(()).unwrap()).collect();
        for (number, &key) in (0..).zip(&keys) {
            deadlines.set(set_at(number), key);
        }
        let (mut expired, mut wakes) = (Vec::new(), 0);
        while let Some(now) = deadlines.next() {
            let due = all_expired(&mut deadlines, now);
            assert!(!due.is_empty(), "woken for nothing");
            expired.extend(due.into_iter().map(|key| (key, now)));
            wakes += 1;
        }
        expired.sort_by_key(|(key, _)| key.slot());
        for (number, (key, at)) in (0..).zip(&expired) {
            let late = *at - (set_at(number) + 30 * SECOND);
            assert!(
                *key == keys[number as usize] && late < SECOND / 4,
                "{number} is {late:?} late"
            );
        }
        assert_eq!((expired.len(), wakes), (100_000, 81), "20 s in ticks of 250 ms");
    }

    proptest! {
        /// Never early, less than a tick late, whatever is set, moved and taken back, and however
        /// long nobody asked.
        #[test]
        fn every_timer_expires_in_its_time(
            steps in prop::collection::vec((0..6usize, 0..4u8, 0..20_000u64), 1..200),
        ) {
            let start = Instant::now();
            let mut now = start;
            let mut slots = Slots::new(6);
            let keys: Vec<_> = (0..6).map(|_| slots.insert(()).unwrap()).collect();
            let length = 12 * SECOND;
            let mut deadlines = Deadlines::new(length);
            let mut due = BTreeMap::new();
            for (at, what, wait) in steps {
                match what {
                    0 => {
                        deadlines.clear(keys[at]);
                        due.remove(&at);
                    }
                    1 => now += Duration::from_millis(wait),
                    2 => {
                        now += Duration::from_millis(wait / 10);
                        for key in all_expired(&mut deadlines, now) {
                            let set = due.remove(&key.slot());
                            prop_assert!(set.is_some_and(|set| set + length <= now), "early");
                        }
                        let overdue = |&set: &Instant| set + length + SECOND / 10 <= now;
                        prop_assert!(!due.values().any(overdue), "late");
                    }
                    _ => {
                        let since = now.checked_sub(Duration::from_millis(wait / 4)).unwrap_or(now);
                        let since = since.max(start);
                        deadlines.set(since, keys[at]);
                        due.insert(at, since);
                    }
                }
                prop_assert_eq!(deadlines.next().is_some(), !due.is_empty());
            }
        }
    }
}
