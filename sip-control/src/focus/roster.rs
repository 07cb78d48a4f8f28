//! What subscribers are told of a session, and what each of them knows already.
//!
//! Every change has a number. A subscription remembers the last one it was told, so changes that
//! come while it must wait are merged by themselves: the next document says how things stand, and
//! whoever left since then is in it once more, as gone (NTF-03, EVT-07).

use std::{collections::VecDeque, sync::Arc};

use super::conference_info::{User, user_elements};

/// Departures kept for subscribers that have not been told yet. Enough for every user of a full
/// room to leave within one notify interval; beyond that the oldest are simply not listed any more.
const DEPARTURES_MAX: usize = 1024;

/// The changes of one session.
#[derive(Debug, Default)]
pub struct Roster {
    change: u64,
    departures: VecDeque<(u64, User)>,
    /// The `<user>` elements as of a change, and how many of them are connected.
    written: Option<(u64, Arc<str>, usize)>,
}

impl Roster {
    /// The number of the last change.
    pub fn change(&self) -> u64 {
        self.change
    }

    /// Somebody is shown, or shown otherwise.
    pub fn note_change(&mut self) {
        self.change += 1;
    }

    /// Somebody who was shown has gone, and is shown so once.
    pub fn note_departure(&mut self, user: User) {
        self.change += 1;
        if self.departures.len() == DEPARTURES_MAX {
            self.departures.pop_front();
        }
        self.departures.push_back((self.change, user));
    }

    /// Forgets the departures that every subscription has been told of.
    pub fn forget_until(&mut self, told_to_all: u64) {
        while self.departures.front().is_some_and(|(change, _)| *change <= told_to_all) {
            self.departures.pop_front();
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
        let since = self.departures.iter().filter(|(change, _)| *change > told);
        let since: Vec<&User> = since.map(|(_, user)| user).collect();
        let last = since.iter().enumerate().filter(|(nth, user)| {
            let again = since[nth + 1..].iter().any(|later| later.entity == user.entity);
            !again && !is_present(&user.entity)
        });
        user_elements(last.map(|(_, user)| *user))
    }
}

#[cfg(test)]
mod tests {
    use super::Roster;
    use crate::focus::{
        conference_info::{Disconnection, Endpoint, Status, User},
        utc::Utc,
    };

    fn gone(entity: &str) -> User {
        let status = Status::Disconnected { how: Disconnection::Departed, since: Utc(0) };
        let endpoint = Endpoint { entity: "e1".to_owned(), status };
        User {
            entity: entity.to_owned(),
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
}
