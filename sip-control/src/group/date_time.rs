//! `xs:dateTime` as `<validity>` has it, and `xs:duration`.

use std::time::Duration;

use crate::focus::Utc;

/// Reads `2026-03-29T01:30:00+01:00`. `None` if it is not of that form or has no time zone, without
/// which it names no moment. Fractions of a second are dropped, and what lies before 1970 is 1970.
pub fn parse(text: &str) -> Option<Utc> {
    let (date, time) = text.split_once('T')?;
    let (year, month, day) = parts(date, '-', [4, 2, 2])?;
    let zone_at = time.find(['Z', '+', '-'])?;
    let (time, zone) = time.split_at(zone_at);
    let whole = match time.split_once('.') {
        Some((whole, fraction)) if is_number(fraction) => whole,
        Some(_) => return None,
        None => time,
    };
    let (hour, minute, second) = parts(whole, ':', [2, 2, 2])?;
    let is_time = (hour < 24 && minute < 60 && second < 60) || (hour, minute, second) == (24, 0, 0);
    if !(1..=12).contains(&month) || !(1..=days_of(year, month)).contains(&day) || !is_time {
        return None;
    }
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(Utc(u64::try_from(seconds - offset(zone)?).unwrap_or(0)))
}

/// Reads `P1DT2H30M`, or a number of seconds. `None` for what is neither, and for what has years or
/// months in it, which are of no fixed length. Fractions of a second are dropped.
pub fn duration(text: &str) -> Option<Duration> {
    if is_number(text) {
        return text.parse().ok().map(Duration::from_secs);
    }
    let (days, time) = match text.strip_prefix('P')?.split_once('T') {
        Some((_, "")) => return None,
        Some((days, time)) => (days, time),
        None => (text.strip_prefix('P')?, ""),
    };
    let days = amounts(days, &[('D', 86_400)])?;
    let time = amounts(time, &[('H', 3_600), ('M', 60), ('S', 1)])?;
    (text.len() > 1).then(|| days.checked_add(time)).flatten().map(Duration::from_secs)
}

/// Seconds of numbers with these units behind them, each once at most and in this order.
fn amounts(mut text: &str, units: &[(char, u64)]) -> Option<u64> {
    let mut sum = 0_u64;
    for (unit, seconds) in units {
        let Some((amount, rest)) = text.split_once(*unit) else { continue };
        let whole = match amount.split_once('.') {
            Some((whole, fraction)) if *unit == 'S' && is_number(fraction) => whole,
            _ => amount,
        };
        let count = is_number(whole).then(|| whole.parse::<u64>().ok()).flatten()?;
        sum = sum.checked_add(count.checked_mul(*seconds)?)?;
        text = rest;
    }
    text.is_empty().then_some(sum)
}

/// Seconds that local time is ahead of UTC.
fn offset(zone: &str) -> Option<i64> {
    let (sign, clock) = match zone.split_at_checked(1)? {
        ("Z", "") => return Some(0),
        ("+", clock) => (1, clock),
        ("-", clock) => (-1, clock),
        _ => return None,
    };
    let (hour, minute) = clock.split_once(':')?;
    let (hour, minute) = (number(hour, 2)?, number(minute, 2)?);
    let is_zone = (hour < 14 && minute < 60) || (hour, minute) == (14, 0);
    is_zone.then_some(sign * (hour * 3_600 + minute * 60))
}

fn parts(text: &str, separator: char, sizes: [usize; 3]) -> Option<(i64, i64, i64)> {
    let mut parts = text.split(separator).zip(sizes).map(|(part, size)| number(part, size));
    let found = (parts.next()??, parts.next()??, parts.next()??);
    (text.split(separator).count() == sizes.len()).then_some(found)
}

fn number(text: &str, size: usize) -> Option<i64> {
    (text.len() == size && is_number(text)).then(|| text.parse().ok()).flatten()
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit())
}

fn days_of(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Howard Hinnant's `days_from_civil`: the opposite of what [`Utc`] is shown by.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{duration, parse};
    use crate::focus::Utc;

    #[test]
    fn a_moment_is_read_whatever_its_zone() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1969-12-31T23:59:59Z", 0),
            ("2000-02-29T00:00:00Z", 951_782_400),
            ("2005-03-04T20:00:00.999Z", 1_109_966_400),
            ("2005-03-04T21:30:00+01:30", 1_109_966_400),
            ("2005-03-04T06:00:00-14:00", 1_109_966_400),
            ("2100-02-28T24:00:00Z", 4_107_542_400),
        ] {
            assert_eq!(parse(text), Some(Utc(seconds)), "{text}");
        }
    }

    #[test]
    fn what_names_no_moment_is_not_read() {
        for text in [
            "",
            "T",
            "2005-03-04",
            "2005-03-04T20:00:00",
            "2005-03-04T20:00Z",
            "2005-03-04T20:00:00Zulu",
            "2005-02-29T20:00:00Z",
            "2005-13-01T20:00:00Z",
            "2005-00-01T20:00:00Z",
            "2005-01-00T20:00:00Z",
            "2005-01-01T24:00:01Z",
            "2005-01-01T20:00:60Z",
            "2005-01-01T20:00:00.Z",
            "2005-01-01T20:00:00+14:01",
            "2005-01-01T20:00:00+1:00",
            "2005-01-01-01T20:00:00Z",
            "-005-01-01T20:00:00Z",
            "+005-01-01T20:00:00Z",
            "2005-01-01T20:00:00\u{e9}",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_duration_is_read_if_its_length_is_fixed() {
        for (text, seconds) in [
            ("PT2H", 7_200),
            ("P1DT2H30M10.5S", 95_410),
            ("P2D", 172_800),
            ("PT90S", 90),
            ("PT0S", 0),
            ("3600", 3_600),
        ] {
            assert_eq!(duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "P",
            "PT",
            "P1",
            "1H",
            "P1M",
            "P1Y",
            "PT1D",
            "-PT1S",
            "PT1.5H",
            "PT1S1H",
            "PTS",
            "P99999999999999999999D",
            "PT1H2H",
            "2h",
        ] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
