//! Everything that can go wrong, counted kind by kind. One of any kind fails the run.

use std::ops::AddAssign;

/// What went wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// Somebody could not join.
    JoinFailed,
    /// Somebody cut off could not rejoin.
    RejoinFailed,
    /// A message never reached a recipient to whom it was due.
    Lost,
    /// A message reached a recipient twice.
    Duplicated,
    /// A message reached a recipient behind a later one of the same sender.
    Disordered,
    /// A recipient saw the messages of a room in another order than the others.
    Discordant,
    /// A copy differs from what was sent.
    Corrupted,
    /// A copy, or an answer, has paths that are not those of its session.
    Misaddressed,
    /// A message of another room.
    Foreign,
    /// A sender was sent its own message.
    Echoed,
    /// A copy was given up on the way.
    Aborted,
    /// A SEND of ours was answered with anything but 200.
    Refused,
    /// A SEND of ours was never answered.
    Unanswered,
    /// Something that belongs to no request of ours, or that is no MSRP.
    Stray,
    /// A connection was lost that nobody had cut.
    Disconnected,
    /// The focus ended a dialog that nobody had replaced.
    Dismissed,
    /// A message was not sent when due: too much waits unsent on its connection already.
    Unsent,
    /// A BYE was not answered with 200.
    LeaveFailed,
}

impl Fault {
    /// All kinds, in the order in which they are reported.
    pub const ALL: [Self; 18] = [
        Self::JoinFailed,
        Self::RejoinFailed,
        Self::Lost,
        Self::Duplicated,
        Self::Disordered,
        Self::Discordant,
        Self::Corrupted,
        Self::Misaddressed,
        Self::Foreign,
        Self::Echoed,
        Self::Aborted,
        Self::Refused,
        Self::Unanswered,
        Self::Stray,
        Self::Disconnected,
        Self::Dismissed,
        Self::Unsent,
        Self::LeaveFailed,
    ];

    /// How a report calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::JoinFailed => "join_failed",
            Self::RejoinFailed => "rejoin_failed",
            Self::Lost => "lost",
            Self::Duplicated => "duplicated",
            Self::Disordered => "disordered",
            Self::Discordant => "discordant",
            Self::Corrupted => "corrupted",
            Self::Misaddressed => "misaddressed",
            Self::Foreign => "foreign",
            Self::Echoed => "echoed",
            Self::Aborted => "aborted",
            Self::Refused => "refused",
            Self::Unanswered => "unanswered",
            Self::Stray => "stray",
            Self::Disconnected => "disconnected",
            Self::Dismissed => "dismissed",
            Self::Unsent => "unsent",
            Self::LeaveFailed => "leave_failed",
        }
    }
}

/// How often each went wrong.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Faults([u64; Fault::ALL.len()]);

impl Faults {
    /// One more.
    pub fn count(&mut self, fault: Fault) {
        self.add(fault, 1);
    }

    /// So many more.
    pub fn add(&mut self, fault: Fault, times: u64) {
        self.0[fault as usize] += times;
    }

    /// How often this went wrong.
    pub fn of(&self, fault: Fault) -> u64 {
        self.0[fault as usize]
    }

    /// Whether nothing went wrong.
    pub fn is_clean(&self) -> bool {
        self.0.iter().all(|&times| times == 0)
    }
}

impl AddAssign for Faults {
    fn add_assign(&mut self, other: Self) {
        for fault in Fault::ALL {
            self.add(fault, other.of(fault));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, Faults};

    #[test]
    fn every_kind_is_reported_under_a_name_of_its_own_and_fails_the_run() {
        for (place, fault) in Fault::ALL.into_iter().enumerate() {
            assert_eq!(fault as usize, place);
            let mut faults = Faults::default();
            faults.count(fault);
            assert!(!faults.is_clean());
            let same = Fault::ALL.into_iter().filter(|other| other.name() == fault.name());
            assert_eq!(same.count(), 1);
        }
    }
}
