//! What those who watch a session are told of it.

use std::{borrow::Cow, collections::HashSet, time::Instant};

use super::Room;
use crate::{
    config::Limits,
    focus::{
        WallClock,
        conference_info::{self, Conference, User, user_elements},
        participant::Participant,
        roster::Known,
        subscription::View,
        user::UserKey,
    },
};

/// Whom a document is for.
#[derive(Clone, Copy, Debug)]
pub struct Watcher<'a> {
    /// Who watches.
    pub keys: &'a [UserKey],
    /// How much it is told.
    pub view: View,
    /// What it knows.
    pub known: Known,
    /// Whether the difference to that will do.
    pub takes_partial: bool,
    /// Whether it is told which user it is itself (EVT-11).
    pub sees_itself: bool,
}

impl Watcher<'_> {
    /// The elements of `users`, which are the same for all who watch, for this one.
    fn mark_own<'a, 'b>(
        &self,
        users: &'a str,
        own: impl Iterator<Item = &'b Participant>,
    ) -> Cow<'a, str> {
        if !self.sees_itself {
            return Cow::Borrowed(users);
        }
        let own = own.map(|participant| &*participant.entity);
        own.fold(Cow::Borrowed(users), |users, entity| {
            Cow::Owned(conference_info::mark_own(&users, entity))
        })
    }
}

impl Room {
    /// What a watcher is to be told: the full state, or what has changed since it was told last, if
    /// that will do and is known. Either way only as far as it is told the state at all.
    pub fn document(
        &mut self,
        version: u32,
        watcher: Watcher<'_>,
        now: Instant,
        clock: &WallClock,
        limits: &Limits,
    ) -> String {
        let participants = &self.participants;
        let shown = || participants.values().filter(|participant| participant.is_shown(now));
        let users = || {
            let count = shown().filter(|them| them.is_connected()).count();
            (shown().map(|them| them.user(clock)).collect(), count)
        };
        let (present, count) = self.roster.present(users);
        let own = || shown().filter(|them| them.is(watcher.keys));
        let known = watcher.known;
        let is_partial = watcher.takes_partial
            && watcher.view == View::Everybody
            && self.roster.has_difference(known);
        if is_partial {
            let touched = |touched: &HashSet<&str>| {
                let touched = shown().filter(|them| touched.contains(&*them.entity));
                touched.map(|them| them.user(clock)).collect()
            };
            let users = self.roster.difference(known, touched);
            let users = watcher.mark_own(&users, own());
            return conference_info::partial(&self.identity, version, count, &users);
        }
        let (present, departed) = match watcher.view {
            View::Everybody => {
                let is_present = |entity: &str| shown().any(|them| them.entity == entity);
                (present, self.roster.departed(known.told, is_present))
            }
            View::Itself => {
                let own: Vec<User> = own().map(|them| them.user(clock)).collect();
                (user_elements(&own).into(), String::new())
            }
        };
        let conference = Conference {
            identity: &self.identity,
            subject: self.venue.subject.as_deref(),
            uri: &self.venue.uri,
            maximum_user_count: self.venue.maximum_user_count(limits),
        };
        let present = watcher.mark_own(&present, own());
        conference_info::full(&conference, version, count, &[&present, &departed])
    }
}
