//! What is on its way to one session, and whether it is too much (FLOW-01, FLOW-02).

/// Above so much of the soft limit a session is congested, and below so much of it no more.
const CONGESTED_PERCENT: usize = 80;
const RELIEVED_PERCENT: usize = 50;

/// Octets accepted for a session that the kernel has not taken. Shared bodies count in full.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    octets: usize,
    is_congested: bool,
}

/// That a session has become congested, or is so no more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Swing {
    Congested,
    Relieved,
}

impl Backlog {
    pub(crate) fn octets(&self) -> usize {
        self.octets
    }

    pub(crate) fn is_congested(&self) -> bool {
        self.is_congested
    }

    /// It has grown and shrunk by so many octets.
    pub(crate) fn change(&mut self, more: usize, less: usize, soft: usize) -> Option<Swing> {
        self.octets = (self.octets + more).saturating_sub(less);
        if self.is_congested && self.octets < soft / 100 * RELIEVED_PERCENT {
            self.is_congested = false;
            return Some(Swing::Relieved);
        }
        if !self.is_congested && self.octets > soft / 100 * CONGESTED_PERCENT {
            self.is_congested = true;
            return Some(Swing::Congested);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{Backlog, Swing};

    /// FLOW-02: the flag is set above 80 % of the soft limit and cleared below 50 %.
    #[test]
    fn congestion_begins_late_and_ends_early() {
        let mut backlog = Backlog::default();
        let mut change = |more, less| (backlog.change(more, less, 1000), backlog.octets());
        assert_eq!(change(800, 0), (None, 800));
        assert_eq!(change(1, 0), (Some(Swing::Congested), 801));
        assert_eq!(change(5000, 0), (None, 5801));
        assert_eq!(change(0, 5301), (None, 500));
        assert_eq!(change(0, 1), (Some(Swing::Relieved), 499));
        assert_eq!(change(301, 0), (None, 800));
    }
}
