//! Who may join: a pure function over a snapshot (POL-01). It is asked in the order of the change
//! request, steps 2 to 4, and the first no is the answer.

use super::user::{UserKey, UserSet};
use crate::config::{Limits, RoomKind, Rules};

/// The rules of a room, ready to be asked.
#[derive(Clone, Debug)]
pub struct Policy {
    admitted: UserSet,
    blocked: UserSet,
    initiators: UserSet,
    anonymity: UserSet,
    watchers: UserSet,
    max_participants: Option<usize>,
}

/// Who asks, and for what.
#[derive(Clone, Copy, Debug)]
pub struct Petition<'a> {
    /// The keys of the authenticated originator.
    pub user: &'a [UserKey],
    /// Privacy `id` was asked for (FOC-15).
    pub anonymous: bool,
}

/// The state of the session the answer rests on.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot {
    /// Whether a session runs that can be joined.
    pub is_running: bool,
    /// Distinct users with a seat, the one who asks left out (FOC-11).
    pub others: usize,
    /// What the room can hold at all (OPS-03).
    pub users_max: usize,
}

impl Snapshot {
    /// How things stand where no session runs.
    pub fn of_nobody(limits: &Limits) -> Self {
        Self { is_running: false, others: 0, users_max: limits.users_per_room }
    }
}

/// Why not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Denial {
    /// No session runs, and this user may not begin one (PUB-06).
    Initiation,
    /// Step 2: on no list that admits.
    NotMember,
    /// Step 2: on the list that does not.
    Blocked,
    /// Step 3.
    Full,
    /// Step 4.
    Anonymity,
}

impl Policy {
    /// The rules of a room of this kind.
    pub fn new(kind: RoomKind, rules: &Rules) -> Self {
        let initiators = match kind {
            RoomKind::Public => UserSet::Everyone,
            RoomKind::Group => UserSet::from(&rules.initiators),
        };
        Self {
            initiators,
            admitted: UserSet::from(&rules.admitted),
            blocked: UserSet::only(&rules.blocked),
            anonymity: UserSet::from(&rules.anonymity),
            watchers: UserSet::from(&rules.watchers),
            max_participants: rules.max_participants,
        }
    }

    /// Whether the one who asks may take a seat.
    pub fn admit(&self, petition: Petition<'_>, snapshot: Snapshot) -> Result<(), Denial> {
        let begins = !snapshot.is_running && !matches!(self.initiators, UserSet::Everyone);
        if begins && !self.initiators.holds(petition.user) {
            return Err(Denial::Initiation);
        }
        if !self.admitted.holds(petition.user) {
            return Err(Denial::NotMember);
        }
        if self.blocked.holds(petition.user) {
            return Err(Denial::Blocked);
        }
        if snapshot.others >= self.maximum(snapshot.users_max) {
            return Err(Denial::Full);
        }
        if petition.anonymous && !self.anonymity.holds(petition.user) {
            return Err(Denial::Anonymity);
        }
        Ok(())
    }

    /// Whether a user who has not joined may watch all the same (POL-14).
    pub fn may_watch(&self, user: &[UserKey]) -> bool {
        self.watchers.holds(user) && !self.blocked.holds(user)
    }

    /// The room's own limit, if it has one (EVT-04).
    pub fn max_participants(&self) -> Option<usize> {
        self.max_participants
    }

    fn maximum(&self, users_max: usize) -> usize {
        self.max_participants.map_or(users_max, |own| own.min(users_max))
    }
}

#[cfg(test)]
mod tests {
    use super::{Denial, Petition, Policy, Snapshot};
    use crate::{
        config::{RoomKind, Rules, Users},
        focus::user::UserKey,
    };

    fn users(uris: &[&str]) -> Users {
        Users::Only(uris.iter().map(|uri| (*uri).to_owned()).collect())
    }

    fn asked(rules: &Rules, user: &str, anonymous: bool, others: usize) -> Result<(), Denial> {
        let user = [UserKey::of(user).unwrap()];
        let snapshot = Snapshot { is_running: true, others, users_max: 5 };
        Policy::new(RoomKind::Group, rules).admit(Petition { user: &user, anonymous }, snapshot)
    }

    fn garden() -> Rules {
        Rules {
            admitted: users(&["sip:alice@example.com", "sip:bob@example.com", "tel:+12125550147"]),
            blocked: vec!["sip:mallory@example.net".to_owned()],
            initiators: Users::Everyone,
            max_participants: Some(3),
            anonymity: users(&["sip:alice@example.com"]),
            watchers: users(&["sip:carol@example.com", "sip:mallory@example.net"]),
        }
    }

    /// FOC-07, FOC-11, FOC-16: each step says no on its own ground, and the earlier step first.
    #[test]
    fn the_first_no_in_the_order_of_the_steps_is_the_answer() {
        let rules = garden();
        assert_eq!(asked(&rules, "sip:alice@example.com", true, 2), Ok(()));
        assert_eq!(asked(&rules, "sip:bob@example.com", false, 2), Ok(()));
        assert_eq!(asked(&rules, "sip:+1212555-0147@gw;user=phone", false, 0), Ok(()));
        assert_eq!(asked(&rules, "sip:bob@example.com", true, 2), Err(Denial::Anonymity));
        assert_eq!(asked(&rules, "sip:bob@example.com", true, 3), Err(Denial::Full));
        assert_eq!(asked(&rules, "sip:eve@example.com", true, 3), Err(Denial::NotMember));
    }

    /// POL-04: a block list goes before everyone's welcome.
    #[test]
    fn the_blocked_are_denied_where_everyone_is_admitted() {
        let rules = Rules { admitted: Users::Everyone, ..garden() };
        assert_eq!(asked(&rules, "sip:mallory@example.net", false, 0), Err(Denial::Blocked));
        assert_eq!(asked(&rules, "sip:anyone@example.net", false, 0), Ok(()));
    }

    /// FOC-10, PUB-05: no limit of its own leaves the product's; 0 is nobody.
    #[test]
    fn a_limit_may_be_absent_or_nought() {
        let unlimited = Rules { max_participants: None, ..garden() };
        assert_eq!(asked(&unlimited, "sip:bob@example.com", false, 4), Ok(()));
        assert_eq!(asked(&unlimited, "sip:bob@example.com", false, 5), Err(Denial::Full));
        let nobody = Rules { max_participants: Some(0), ..garden() };
        assert_eq!(asked(&nobody, "sip:bob@example.com", false, 0), Err(Denial::Full));
    }

    /// POL-14: to watch without joining is a right of its own.
    #[test]
    fn only_those_named_may_watch_from_outside() {
        let policy = Policy::new(RoomKind::Group, &garden());
        let may_watch = |user| policy.may_watch(&[UserKey::of(user).unwrap()]);
        assert!(may_watch("sip:carol@example.com"));
        assert!(!may_watch("sip:alice@example.com") && !may_watch("sip:mallory@example.net"));
    }
}
