//! When the sessions of a group may run.

use crate::focus::Utc;

/// Stretches of time, each from its beginning on and without its end.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Schedule {
    /// In the order of their beginnings, none touching another.
    stretches: Vec<(Utc, Utc)>,
}

impl FromIterator<(Utc, Utc)> for Schedule {
    /// Stretches that overlap, or follow on one another, are one.
    fn from_iter<T: IntoIterator<Item = (Utc, Utc)>>(stretches: T) -> Self {
        let mut sorted: Vec<(Utc, Utc)> =
            stretches.into_iter().filter(|(from, until)| from < until).collect();
        sorted.sort_unstable();
        let mut schedule = Self::default();
        for (from, until) in sorted {
            match schedule.stretches.last_mut() {
                Some((_, last)) if *last >= from => *last = (*last).max(until),
                _ => schedule.stretches.push((from, until)),
            }
        }
        schedule
    }
}

impl Schedule {
    /// Whether it is in one of them.
    pub fn holds(&self, at: Utc) -> bool {
        self.stretches.iter().any(|(from, until)| (*from..*until).contains(&at))
    }

    /// When the one ends that it is in; at once, when it is in none.
    pub fn ends_at(&self, at: Utc) -> Utc {
        let current = self.stretches.iter().find(|(from, until)| (*from..*until).contains(&at));
        current.map_or(at, |(_, until)| *until)
    }
}

#[cfg(test)]
mod tests {
    use super::Schedule;
    use crate::focus::Utc;

    #[test]
    fn a_stretch_lasts_as_long_as_those_that_follow_on_it() {
        let stretches = [(50, 60), (10, 20), (20, 30), (12, 15), (7, 7), (90, 80)];
        let schedule: Schedule =
            stretches.map(|(from, until)| (Utc(from), Utc(until))).into_iter().collect();
        for (at, end) in [(9, 9), (10, 30), (15, 30), (29, 30), (30, 30), (55, 60), (85, 85)] {
            assert_eq!(schedule.ends_at(Utc(at)), Utc(end), "{at}");
            assert_eq!(schedule.holds(Utc(at)), end > at, "{at}");
        }
    }
}
