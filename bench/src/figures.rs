//! Figures as a report tells them: for people, and as JSON for programs.

use std::fmt::Write as _;
use std::time::Duration;

use hdrhistogram::Histogram;

/// The longest time told apart: one minute, in nanoseconds.
const TIME_MAX: u64 = 60_000_000_000;
/// Digits that percentiles are exact to.
const DIGITS: u8 = 3;

/// An empty histogram of nanoseconds.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, TIME_MAX, DIGITS).expect("the bounds are constants, and sound")
}

/// Zero where there is nothing to divide by.
pub fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

pub fn megabytes(octets: u64) -> f64 {
    octets as f64 / 1e6
}

fn quantiles(histogram: &Histogram<u64>) -> [(&'static str, f64); 5] {
    let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
    [
        ("p50", at(0.5)),
        ("p90", at(0.9)),
        ("p99", at(0.99)),
        ("p99.9", at(0.999)),
        ("max", histogram.max() as f64 / 1e3),
    ]
}

pub fn percentiles_text(histogram: &Histogram<u64>) -> String {
    if histogram.is_empty() {
        return "nothing to time".into();
    }
    let quantiles = quantiles(histogram).map(|(name, value)| format!("{name} {value:.1}"));
    format!("{} us", quantiles.join("  "))
}

pub fn percentiles(histogram: &Histogram<u64>) -> Object {
    let mut object = Object::default();
    object.integer("count", histogram.len());
    for (name, value) in quantiles(histogram) {
        object.number(name, value);
    }
    object
}

/// The first, the middle one and the last, in seconds; nothing of nothing.
fn first_middle_last(times: &[Duration]) -> Option<[f64; 3]> {
    let mut times: Vec<_> = times.iter().map(Duration::as_secs_f64).collect();
    times.sort_by(f64::total_cmp);
    Some([*times.first()?, times[times.len() / 2], *times.last()?])
}

pub fn spread_text(times: &[Duration]) -> String {
    first_middle_last(times).map_or_else(
        || "none".into(),
        |[first, middle, last]| {
            format!("after {first:.2} s, median {middle:.2} s, last {last:.2} s")
        },
    )
}

pub fn spread(times: &[Duration]) -> Object {
    let mut object = Object::default();
    object.integer("count", times.len() as u64);
    if let Some([first, middle, last]) = first_middle_last(times) {
        object.number("first", first).number("median", middle).number("last", last);
    }
    object
}

/// A JSON string. What we name holds no control characters, or loses them here.
fn quoted(text: &str) -> String {
    let text: String = text.chars().filter(|letter| !letter.is_control()).collect();
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A JSON object being written.
#[derive(Debug, Default)]
pub struct Object(String);

impl Object {
    fn field(&mut self, name: &str, value: &str) -> &mut Self {
        let comma = if self.0.is_empty() { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = write!(self.0, "{comma}{}:{value}", quoted(name));
        self
    }

    pub fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.field(name, &quoted(value))
    }

    pub fn integer(&mut self, name: &str, value: u64) -> &mut Self {
        self.field(name, &value.to_string())
    }

    pub fn number(&mut self, name: &str, value: f64) -> &mut Self {
        self.field(name, &format!("{value:.3}"))
    }

    pub fn flag(&mut self, name: &str, value: bool) -> &mut Self {
        self.field(name, &value.to_string())
    }

    pub fn object(&mut self, name: &str, value: &Self) -> &mut Self {
        self.field(name, &value.finish())
    }

    pub fn finish(&self) -> String {
        format!("{{{}}}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Object, histogram, percentiles_text};

    #[test]
    fn percentiles_are_in_microseconds() {
        let mut times = histogram();
        for microsecond in 1..=1000 {
            times.record(microsecond * 1000).unwrap();
        }
        let text = percentiles_text(&times);
        assert!(text.starts_with("p50 500.") && text.ends_with(" us"), "{text}");
        assert_eq!(percentiles_text(&histogram()), "nothing to time");
    }

    #[test]
    fn an_object_is_json() {
        let mut inner = Object::default();
        inner.number("p50", 1.5);
        let mut outer = Object::default();
        outer
            .flag("clean", true)
            .object("latency", &inner)
            .integer("a \"core\"", 7)
            .text("b", "\\\n");
        assert_eq!(
            outer.finish(),
            r#"{"clean":true,"latency":{"p50":1.500},"a \"core\"":7,"b":"\\"}"#
        );
    }
}
