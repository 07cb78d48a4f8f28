//! Whether the books of placement agree with one another, for simulations.

use std::collections::{HashMap, HashSet};

use mailbox::SessionId;

use super::{Placement, State};

impl Placement {
    /// Holds the books against one another: sessions and the counts of their cores, turns and
    /// sessions.
    ///
    /// # Panics
    ///
    /// When two of them disagree. The message says which.
    pub(crate) fn audit(&self) {
        for (id, room) in &self.rooms {
            let mut members = HashMap::new();
            for session in self.sessions.values().filter(|session| session.room == *id) {
                *members.entry(session.core).or_insert(0) += 1;
            }
            let counted = room.members.iter().filter(|(_, count)| **count > 0);
            let counted: HashMap<_, _> = counted.map(|(core, count)| (*core, *count)).collect();
            assert_eq!(counted, members, "the members of {id:?} by cores");
            let is_apart = |core| room.spread.0.contains(core) || room.terms.home == core;
            assert!(members.keys().all(|core| is_apart(*core)), "a core without relays");
        }
        for (id, session) in &self.sessions {
            assert!(self.rooms.contains_key(&session.room), "{id:?} is in no room");
        }
        self.reach.audit(|session| self.sessions.contains_key(&session));
    }

    /// The sessions that are to last.
    pub(crate) fn lasting(&self) -> HashSet<SessionId> {
        let is_to_last = |state: &State| !matches!(state, State::Removing);
        let sessions = self.sessions.iter().filter(|(_, session)| {
            let is_closing = self.rooms.get(&session.room).is_some_and(|it| it.closing.is_some());
            is_to_last(&session.state) && !is_closing
        });
        sessions.map(|(id, _)| *id).collect()
    }

    /// How many entries there are in each of the books, by their names.
    pub(crate) fn holdings(&self) -> Vec<(&'static str, usize)> {
        let waiting = self.rooms.values().map(|room| room.waiting.len()).sum();
        let kept = self.cores.iter().map(|core| core.kept.len()).sum();
        vec![
            ("rooms placed", self.rooms.len()),
            ("sessions placed", self.sessions.len()),
            ("sessions waiting", waiting),
            ("commands kept", kept),
            ("participants to be reached", self.reach.len()),
        ]
    }
}
