//! What subscribers are told of a session, and what each of them knows already.
//!
//! Every change has a number. A subscription remembers the last one it was told, so changes that
//! come while it must wait are merged by themselves: the next document says how things stand, and
//! whoever left since then is in it once more, as gone (NTF-03, EVT-07).

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use super::conference_info::{User, deleted_user_elements, user_elements};

/// Changes kept for subscribers that have not been told yet. Enough for every user of a full room to
/// leave within one notify interval; whoever has missed more is told everything anew.
const CHANGES_MAX: usize = 1024;

/// The changes of one session.
#[derive(Debug, Default)]
pub struct Roster {
    change: u64,
    /// What became of whom, oldest first.
    changes: VecDeque<(u64, Change)>,
    /// The last change that is not among them: who was not told of it has to be told everything.
    untold: u64,
    /// The `<user>` elements as of a change, and how many of them are connected.
    written: Option<(u64, Arc<str>, usize)>,
    /// The elements that differ between two changes, and as of which.
    differences: Option<(Known, u64, Arc<str>)>,
}

/// What became of a user.
#[derive(Debug)]
enum Change {
    /// It is shown, or shown otherwise. This is its entity.
    Shown(String),
    /// It has gone, and is shown so once.
    Gone(User),
}

impl Change {
    fn entity(&self) -> &str {
        match self {
            Self::Shown(entity) => entity,
            Self::Gone(user) => &user.entity,
        }
    }
}

/// What a subscriber knows.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Known {
    /// The change that the last document told of.
    pub told: u64,
    /// The change that the one before it told of: who left since then is in the last one as gone,
    /// and is in no list any more after it.
    pub told_before: u64,
}

impl Roster {
    /// The number of the last change.
    pub fn change(&self) -> u64 {
        self.change
    }

    /// Somebody is shown, or shown otherwise.
    pub fn note_change(&mut self, entity: &str) {
        self.note(Change::Shown(entity.to_owned()));
    }

    /// Somebody who was shown has gone, and is shown so once.
    pub fn note_departure(&mut self, user: User) {
        self.note(Change::Gone(user));
    }

    /// Something else than users is another now.
    pub fn note_other(&mut self) {
        self.change += 1;
        self.untold = self.change;
    }

    fn note(&mut self, change: Change) {
        self.change += 1;
        if self.changes.len() == CHANGES_MAX
            && let Some((forgotten, _)) = self.changes.pop_front()
        {
            self.untold = self.untold.max(forgotten);
        }
        self.changes.push_back((self.change, change));
    }

    /// Forgets the changes that every subscription has been told of, and what came of them.
    pub fn forget_until(&mut self, told_to_all: u64) {
        while self.changes.front().is_some_and(|(change, _)| *change <= told_to_all) {
            self.changes.pop_front();
        }
    }

    /// The elements of those who are there or are invited, and how many are there. `users`, which
    /// tells both, is asked only when something has changed since the last time.
    pub fn present(&mut self, users: impl FnOnce() -> (Vec<User>, usize)) -> (Arc<str>, usize) {
        if let Some((change, text, count)) = &self.written
            && *change == self.change
        {
            return (Arc::clone(text), *count);
        }
        let (users, count) = users();
        let text: Arc<str> = user_elements(&users).into();
        self.written = Some((self.change, Arc::clone(&text), count));
        (text, count)
    }

    /// The elements of those who left after change `told`, the last departure of each. Whoever is
    /// back (`is_present`) has not left.
    pub fn departed(&self, told: u64, is_present: impl Fn(&str) -> bool) -> String {
        let gone = self.last_changes(told).into_iter().filter_map(|change| match change {
            Change::Gone(user) if !is_present(&user.entity) => Some(user),
            _ => None,
        });
        user_elements(gone)
    }

    /// Whether the difference to what a subscriber knows can be told.
    pub fn has_difference(&self, known: Known) -> bool {
        known.told > 0 && known.told >= self.untold
    }

    /// The elements of those who came, are shown otherwise or left since then, and of those who were
    /// told to have left before: they are in the list no more (EVT-10, EVT-07). `users` yields those
    /// of the entities that are there.
    pub fn difference(
        &mut self,
        known: Known,
        users: impl FnOnce(&HashSet<&str>) -> Vec<User>,
    ) -> Arc<str> {
        if let Some((asked, change, text)) = &self.differences
            && (*asked, *change) == (known, self.change)
        {
            return Arc::clone(text);
        }
        let since = self.last_changes(known.told_before);
        let touched: HashSet<&str> = since.iter().map(|change| change.entity()).collect();
        let present = users(&touched);
        let is_present = |entity: &str| present.iter().any(|user| user.entity == entity);
        let news: HashSet<&str> =
            self.last_changes(known.told).iter().map(|change| change.entity()).collect();
        let shown = present.iter().filter(|user| news.contains(&*user.entity));
        let absent: Vec<&User> = since
            .iter()
            .filter_map(|change| match change {
                Change::Gone(user) if !is_present(&user.entity) => Some(user),
                _ => None,
            })
            .collect();
        let is_news = |user: &&User| news.contains(&*user.entity);
        let left = absent.iter().copied().filter(is_news);
        let forgotten = absent.iter().copied().filter(|user| !is_news(user));
        let text = user_elements(shown.chain(left)) + &deleted_user_elements(forgotten);
        let text: Arc<str> = text.into();
        self.differences = Some((known, self.change, Arc::clone(&text)));
        text
    }

    /// The last change of each user after change `told`, oldest first.
    fn last_changes(&self, told: u64) -> Vec<&Change> {
        let mut seen = HashSet::new();
        let since = self.changes.iter().rev().take_while(|(change, _)| *change > told);
        let mut last: Vec<&Change> =
            since.map(|(_, change)| change).filter(|change| seen.insert(change.entity())).collect();
        last.reverse();
        last
    }
}

#[cfg(test)]
mod tests {
    use super::{CHANGES_MAX, Known, Roster};
    use crate::focus::{
        Utc,
        conference_info::{Disconnection, Endpoint, Status, User},
    };

    fn gone(entity: &str) -> User {
        let status = Status::Disconnected { how: Disconnection::Departed, since: Utc(0) };
        let endpoint = Endpoint { entity: "e1".to_owned(), status };
        User {
            entity: entity.to_owned(),
            nickname: None,
            display_text: entity.to_owned(),
            endpoints: vec![endpoint],
        }
    }

    fn entities(elements: &str) -> Vec<&str> {
        elements.split("<user entity=\"").skip(1).map(|e| e.split('"').next().unwrap()).collect()
    }

    /// EVT-07, NTF-03: each departure is told once, the last one of each user, and none of a user
    /// who is back.
    #[test]
    fn departures_are_told_once_and_only_of_those_who_stay_away() {
        let mut roster = Roster::default();
        roster.note_departure(gone("sip:a@h"));
        let told = roster.change();
        roster.note_departure(gone("sip:b@h"));
        roster.note_departure(gone("sip:c@h"));
        roster.note_departure(gone("sip:b@h"));
        assert_eq!(entities(&roster.departed(told, |_| false)), ["sip:c@h", "sip:b@h"]);
        assert_eq!(entities(&roster.departed(told, |entity| entity == "sip:b@h")), ["sip:c@h"]);
        assert_eq!(entities(&roster.departed(0, |_| false)).len(), 3);
        assert_eq!(entities(&roster.departed(roster.change(), |_| false)).len(), 0);
        roster.forget_until(told);
        assert_eq!(entities(&roster.departed(0, |_| false)), ["sip:c@h", "sip:b@h"]);
    }

    /// EVT-07: who left is told to be gone, and then to be in the list no more.
    #[test]
    fn a_departure_is_told_twice_and_in_two_ways() {
        let mut roster = Roster::default();
        roster.note_change("sip:a@h");
        let before = roster.change();
        roster.note_departure(gone("sip:a@h"));
        let known = Known { told: before, told_before: before };
        let text = roster.difference(known, |_| Vec::new());
        assert!(text.contains("<user entity=\"sip:a@h\" state=\"full\">"), "{text}");
        let then = Known { told: roster.change(), told_before: before };
        let nobody = |_: &std::collections::HashSet<&str>| Vec::new();
        assert_eq!(
            &*roster.difference(then, nobody),
            "<user entity=\"sip:a@h\" state=\"deleted\"/>"
        );
        let back = |_: &std::collections::HashSet<&str>| vec![gone("sip:a@h")];
        roster.note_change("sip:a@h");
        let text = roster.difference(then, back);
        assert_eq!(text.matches("state=\"full\"").count(), 2, "the user and its endpoint: {text}");
        assert!(!text.contains("deleted"), "who is back is not taken from the list: {text}");
    }

    #[test]
    fn whoever_has_missed_too_much_is_told_everything() {
        let mut roster = Roster::default();
        roster.note_change("sip:a@h");
        let early = Known { told: 1, told_before: 0 };
        assert!(roster.has_difference(early));
        assert!(!roster.has_difference(Known::default()), "it knows nothing");
        for _ in 0..CHANGES_MAX {
            roster.note_change("sip:b@h");
        }
        assert!(roster.has_difference(early), "the first change is one that it knows");
        roster.note_change("sip:b@h");
        assert!(!roster.has_difference(early));
        let known = Known { told: roster.change(), told_before: 1 };
        assert!(roster.has_difference(known));
        roster.note_other();
        assert!(!roster.has_difference(known), "what is not of users has changed");
    }
}
