//! Preconditions (RFC 3312): what has to be reserved before the session may begin, as the `curr` and
//! `des` lines of a chat line have it.
//!
//! We reserve nothing, so our side is always ready: what can be missing is the peer's.

use std::fmt::Write;

use crate::sdp::Attributes;

/// The preconditions of a chat line.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Preconditions(Vec<Precondition>);

/// One of them, as the peer sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Precondition {
    /// `qos`, and whatever else may come.
    kind: String,
    of: Segment,
    /// `mandatory`, `optional`, ...
    strength: String,
    desired: Ways,
    current: Ways,
}

/// Whose part of the way it is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Segment {
    /// All of it.
    Whole,
    /// The part of who says so.
    Local,
    /// The other's.
    Remote,
}

/// The directions in which something is reserved, as who says so sees them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Ways {
    send: bool,
    receive: bool,
}

/// Preconditions of one line that are read, as a count. There are four in practice.
const PRECONDITIONS_MAX: usize = 16;

impl Preconditions {
    /// Those of a media line; `None` when it has none.
    pub(super) fn read(of: &Attributes) -> Option<Self> {
        let currents: Vec<(&str, Segment, Ways)> = of.all("curr").filter_map(current).collect();
        let precondition = |line| {
            let (kind, strength, of, desired) = desired(line)?;
            let is_it = |(other, segment, _): &&(&str, Segment, Ways)| {
                other.eq_ignore_ascii_case(kind) && *segment == of
            };
            let current = currents.iter().find(is_it).map_or(Ways::default(), |it| it.2);
            let (kind, strength) = (kind.to_ascii_lowercase(), strength.to_ascii_lowercase());
            Some(Precondition { kind, of, strength, desired, current })
        };
        let all: Vec<_> = of.all("des").filter_map(precondition).take(PRECONDITIONS_MAX).collect();
        (!all.is_empty()).then_some(Self(all))
    }

    /// Whether all is reserved that has to be.
    pub fn are_met(&self) -> bool {
        self.0.iter().all(Precondition::is_met)
    }

    /// The lines of our answer, each as we see it. What is missing is to be confirmed.
    pub(super) fn answer(&self) -> String {
        let mut text = String::new();
        for precondition in &self.0 {
            let Precondition { kind, strength, .. } = precondition;
            let of = precondition.of.seen_from_here();
            let desired = precondition.desired.seen_from_here().name();
            let current = match precondition.of {
                Segment::Remote => desired,
                _ => precondition.current.seen_from_here().name(),
            };
            // Writing to a String cannot fail.
            let _ = write!(
                text,
                "a=curr:{kind} {of} {current}\r\na=des:{kind} {strength} {of} {desired}\r\n"
            );
            if !precondition.is_met() {
                let _ = write!(text, "a=conf:{kind} {of} {desired}\r\n");
            }
        }
        text
    }
}

impl Precondition {
    fn is_met(&self) -> bool {
        self.strength != "mandatory"
            || self.of == Segment::Remote
            || (self.current.send || !self.desired.send)
                && (self.current.receive || !self.desired.receive)
    }
}

impl Segment {
    fn read(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "e2e" => Some(Self::Whole),
            "local" => Some(Self::Local),
            "remote" => Some(Self::Remote),
            _ => None,
        }
    }

    fn seen_from_here(self) -> &'static str {
        match self {
            Self::Whole => "e2e",
            Self::Local => "remote",
            Self::Remote => "local",
        }
    }
}

impl Ways {
    fn read(text: &str) -> Option<Self> {
        let (send, receive) = match text.to_ascii_lowercase().as_str() {
            "none" => (false, false),
            "send" => (true, false),
            "recv" => (false, true),
            "sendrecv" => (true, true),
            _ => return None,
        };
        Some(Self { send, receive })
    }

    fn seen_from_here(self) -> Self {
        Self { send: self.receive, receive: self.send }
    }

    fn name(self) -> &'static str {
        match (self.send, self.receive) {
            (false, false) => "none",
            (true, false) => "send",
            (false, true) => "recv",
            (true, true) => "sendrecv",
        }
    }
}

/// Reads `qos local none`.
fn current(line: &str) -> Option<(&str, Segment, Ways)> {
    let mut words = line.split_ascii_whitespace();
    Some((words.next()?, Segment::read(words.next()?)?, Ways::read(words.next()?)?))
}

/// Reads `qos mandatory local sendrecv`.
fn desired(line: &str) -> Option<(&str, &str, Segment, Ways)> {
    let mut words = line.split_ascii_whitespace();
    let (kind, strength) = (words.next()?, words.next()?);
    Some((kind, strength, Segment::read(words.next()?)?, Ways::read(words.next()?)?))
}
