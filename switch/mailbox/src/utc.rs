//! Wall-clock time for people to read. The focus and the cores run on the monotonic clock alone; the
//! two are tied together once, at the start.

use std::{
    fmt,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Turns the times that a state machine is given into times of day.
#[derive(Clone, Copy, Debug)]
pub struct WallClock {
    at: Instant,
    since_epoch: Duration,
}

impl WallClock {
    /// A clock that read `wall` when the monotonic one read `at`.
    pub fn new(at: Instant, wall: SystemTime) -> Self {
        // A host whose clock stands before 1970 shows 1970.
        Self { at, since_epoch: wall.duration_since(UNIX_EPOCH).unwrap_or_default() }
    }

    /// When the two were tied together.
    pub fn start(&self) -> Instant {
        self.at
    }

    /// What time of day `instant` was.
    pub fn utc(&self, instant: Instant) -> Utc {
        Utc((self.since_epoch + instant.saturating_duration_since(self.at)).as_secs())
    }
}

/// Seconds since 1970, shown as `2005-03-04T20:00:00Z`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Utc(pub u64);

impl fmt::Display for Utc {
    /// Days to a date as Howard Hinnant's `civil_from_days` does it: years begin in March, so that
    /// the leap day is the last one, and repeat every 400 years.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (self.0 / 86_400 + 719_468, self.0 % 86_400);
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * march_month + 2) / 5 + 1;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::Utc;

    #[test]
    fn days_become_dates_across_leap_years() {
        for (seconds, date) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_109_966_400, "2005-03-04T20:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(Utc(seconds).to_string(), date);
        }
    }
}
