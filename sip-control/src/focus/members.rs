//! Who belongs to a session, connected or not (RCS-03, PUB-14).

use std::collections::{HashMap, HashSet};

use super::user::UserKey;

/// The members of one session: who was called into it, and who was in it. Whoever left for good is
/// none, and is known as one who did (RCS-04).
#[derive(Debug, Default)]
pub struct Members {
    /// A member may be known by several keys, which have one number.
    numbers: HashMap<UserKey, u64>,
    /// The last number given.
    last: u64,
    departed: HashSet<UserKey>,
}

impl Members {
    /// The user belongs to the session from now on, whatever was before.
    pub fn admit(&mut self, user: &[UserKey]) {
        let known = user.iter().find_map(|key| self.numbers.get(key)).copied();
        let number = known.unwrap_or_else(|| {
            self.last += 1;
            self.last
        });
        for key in user {
            self.departed.remove(key);
            self.numbers.insert(key.clone(), number);
        }
    }

    /// The user does not belong to it any more.
    pub fn dismiss(&mut self, user: &[UserKey]) {
        let gone: HashSet<u64> =
            user.iter().filter_map(|key| self.numbers.get(key)).copied().collect();
        self.numbers.retain(|_, number| !gone.contains(number));
    }

    /// The user has left for good: it comes back when somebody adds it again.
    pub fn depart(&mut self, user: &[UserKey]) {
        self.dismiss(user);
        self.departed.extend(user.iter().cloned());
    }

    /// The user may come back though it left for good. The key it was known by, if it had left.
    pub fn readmit(&mut self, user: &[UserKey]) -> Option<UserKey> {
        let mut known = user.iter().filter_map(|key| self.departed.take(key));
        let first = known.next();
        known.for_each(drop);
        first
    }

    /// Whether the user belongs to it.
    pub fn holds(&self, user: &[UserKey]) -> bool {
        user.iter().any(|key| self.numbers.contains_key(key))
    }

    /// Whether the user has left for good.
    pub fn has_departed(&self, user: &[UserKey]) -> bool {
        user.iter().any(|key| self.departed.contains(key))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.numbers.values().collect::<HashSet<_>>().len()
    }
}

#[cfg(test)]
mod tests {
    use super::Members;
    use crate::focus::user::UserKey;

    fn keys(uris: &[&str]) -> Vec<UserKey> {
        uris.iter().map(|uri| UserKey::of(uri).unwrap()).collect()
    }

    #[test]
    fn a_member_counts_once_by_whatever_name() {
        let mut members = Members::default();
        members.admit(&keys(&["sip:bob@h"]));
        members.admit(&keys(&["sip:bob@h", "tel:+12125550147"]));
        members.admit(&keys(&["sip:alice@h"]));
        assert_eq!(members.count(), 2);
        members.depart(&keys(&["tel:+12125550147"]));
        assert_eq!(members.count(), 1);
        assert!(!members.holds(&keys(&["sip:bob@h"])) && members.holds(&keys(&["sip:alice@h"])));
    }

    #[test]
    fn who_left_for_good_is_known_until_it_is_back() {
        let mut members = Members::default();
        let bob = keys(&["sip:bob@h", "tel:+12125550147"]);
        members.admit(&bob);
        members.depart(&bob);
        assert!(members.has_departed(&bob[1..]));
        assert_eq!(members.readmit(&bob), Some(bob[0].clone()));
        assert!(!members.has_departed(&bob) && !members.holds(&bob));
        members.depart(&bob);
        members.admit(&bob);
        assert!(!members.has_departed(&bob) && members.holds(&bob));
        assert_eq!(members.readmit(&bob), None);
    }
}
