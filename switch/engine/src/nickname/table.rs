//! Who has which nickname in a room. Kept by the room's home core alone, which so decides all requests
//! one after the other (SEC-03).

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use mailbox::{CoreId, NicknamePolicy, SessionId};
use msrp::AddressBuf;

use super::precis;
use crate::limits::QUARANTINED_MAX;

/// How long a nickname stays with the user who gave it up (NICK-12).
pub(crate) const QUARANTINE: Duration = Duration::from_secs(300);

/// The nicknames of a room.
#[derive(Debug, Default)]
pub(crate) struct Nicknames {
    /// Nobody may have these.
    reserved: HashSet<Box<str>>,
    /// By what is the same for equal ones.
    holders: HashMap<Box<str>, Holder>,
    /// What nicknames look like, and which look so; empty in a room that does not care.
    alike: HashMap<Box<str>, Vec<Box<str>>>,
    refuse_confusable: bool,
    /// What each session has, and the core it is on.
    sessions: HashMap<SessionId, (Box<str>, CoreId)>,
    /// Given up, the longest ago first.
    quarantined: VecDeque<(Instant, Box<str>)>,
}

/// The user who has a nickname.
#[derive(Debug)]
struct Holder {
    /// Whoever has one of them is the same user: of an anonymous one, the alias (NICK-11).
    addresses: Arc<[AddressBuf]>,
    /// Those that have asked for it (NICK-09).
    sessions: Vec<SessionId>,
    /// When the last of them gave it up.
    left: Option<Instant>,
    skeleton: Option<Box<str>>,
}

impl Holder {
    fn is(&self, addresses: &[AddressBuf]) -> bool {
        self.addresses.iter().any(|address| addresses.contains(address))
    }
}

impl Nicknames {
    /// Nobody has one yet.
    pub(crate) fn new(policy: &NicknamePolicy) -> Self {
        Self {
            reserved: policy.reserved.iter().map(|word| precis::key(word)).collect(),
            refuse_confusable: policy.refuse_confusable,
            ..Self::default()
        }
    }

    /// Whether nobody has one, nor had one a short while ago.
    pub(crate) fn is_empty(&self) -> bool {
        self.holders.is_empty()
    }

    /// Gives a session, on that core, of the user with these addresses a nickname in place of the one it has, or
    /// leaves all as it is (NICK-10).
    pub(crate) fn take(
        &mut self,
        now: Instant,
        session: SessionId,
        core: CoreId,
        addresses: &Arc<[AddressBuf]>,
        nickname: &str,
    ) -> bool {
        self.expire(now);
        let key = precis::key(nickname);
        let skeleton = self.refuse_confusable.then(|| precis::skeleton(nickname));
        if self.reserved.contains(&key) || self.is_anothers(&key, skeleton.as_deref(), addresses) {
            return false;
        }
        if self.sessions.get(&session).is_some_and(|(held, _)| *held == key) {
            return true;
        }
        self.give_back(now, session);
        if let Some(skeleton) = &skeleton {
            let alike = self.alike.entry(skeleton.clone()).or_default();
            if !alike.contains(&key) {
                alike.push(key.clone());
            }
        }
        let holder = self.holders.entry(key.clone()).or_insert_with(|| Holder {
            addresses: Arc::clone(addresses),
            sessions: Vec::new(),
            left: None,
            skeleton,
        });
        holder.sessions.push(session);
        holder.left = None;
        self.sessions.insert(session, (key, core));
        true
    }

    /// Whether somebody else has it, or one that looks like it.
    fn is_anothers(&self, key: &str, skeleton: Option<&str>, addresses: &[AddressBuf]) -> bool {
        let alike = skeleton.and_then(|skeleton| self.alike.get(skeleton));
        let keys = alike.into_iter().flatten().map(|key| &**key).chain([key]);
        let mut holders = keys.filter_map(|key| self.holders.get(key));
        holders.any(|holder| !holder.is(addresses))
    }

    /// The session has no nickname any more. Its user may have it again for a while, and nobody else
    /// (NICK-12). Whether it had one.
    pub(crate) fn give_back(&mut self, now: Instant, session: SessionId) -> bool {
        let Some((key, _)) = self.sessions.remove(&session) else { return false };
        if let Some(holder) = self.holders.get_mut(&key) {
            holder.sessions.retain(|&it| it != session);
            if holder.sessions.is_empty() {
                holder.left = Some(now);
                self.quarantined.push_back((now, key));
            }
        }
        while self.quarantined.len() > QUARANTINED_MAX {
            self.free_oldest();
        }
        true
    }

    /// The same for all sessions on a core that is gone. Whether there were any.
    pub(crate) fn forsake(&mut self, now: Instant, core: CoreId) -> bool {
        let gone = self.sessions.iter().filter(|(_, (_, at))| *at == core);
        let mut gone: Vec<SessionId> = gone.map(|(session, _)| *session).collect();
        gone.sort_unstable();
        for session in &gone {
            self.give_back(now, *session);
        }
        !gone.is_empty()
    }

    /// Frees what was given up long enough ago.
    pub(crate) fn expire(&mut self, now: Instant) {
        let is_over = |&(left, _): &(Instant, _)| now.duration_since(left) >= QUARANTINE;
        while self.quarantined.front().is_some_and(is_over) {
            self.free_oldest();
        }
    }

    fn free_oldest(&mut self) {
        let Some((left, key)) = self.quarantined.pop_front() else { return };
        // Its user may have come back, and even gone again.
        if self.holders.get(&key).is_none_or(|holder| holder.left != Some(left)) {
            return;
        }
        let Some(skeleton) = self.holders.remove(&key).and_then(|holder| holder.skeleton) else {
            return;
        };
        if let Some(alike) = self.alike.get_mut(&skeleton) {
            alike.retain(|it| *it != key);
            if alike.is_empty() {
                self.alike.remove(&skeleton);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::Arc,
        time::{Duration, Instant},
    };

    use mailbox::{CoreId, NicknamePolicy, SessionId};
    use msrp::AddressBuf;
    use proptest::prelude::*;

    use super::{Nicknames, QUARANTINE};
    use crate::limits::QUARANTINED_MAX;

    fn user(number: usize) -> Arc<[AddressBuf]> {
        [AddressBuf::parse(format!("sip:u{number}@h").as_bytes()).unwrap()].into()
    }

    fn here() -> CoreId {
        CoreId::new(0).unwrap()
    }

    /// Of a name as it compares: its sessions, its last user, and when that had it last.
    type Kept = (Vec<u64>, Option<(usize, Instant)>);

    proptest! {
        /// NICK-07, NICK-10, NICK-12, SEC-03: whatever is asked in whatever order, nobody gets what
        /// another has or had less than a quarantine ago, and whoever is refused keeps what it had.
        /// What is free is given.
        #[test]
        fn a_nickname_has_one_user_whatever_is_asked(
            steps in prop::collection::vec((0..6u64, 0..4usize, 0..200u64), 0..100),
        ) {
            let names = ["", "Ann", "aNN ", "Bob"];
            let owner = |session: u64| (session / 2) as usize;
            let mut table = Nicknames::new(&NicknamePolicy::default());
            let mut now = Instant::now();
            let mut model: [Kept; 3] = Default::default();
            for (session, name, wait) in steps {
                now += Duration::from_secs(wait);
                let slot = [None, Some(1), Some(1), Some(2)][name];
                let granted = slot.is_none_or(|slot| {
                    let (_, holder) = &model[slot];
                    holder.is_none_or(|(user, left)| {
                        user == owner(session)
                            || (model[slot].0.is_empty() && now - left >= QUARANTINE)
                    })
                });
                if name == 0 {
                    table.give_back(now, SessionId(session));
                } else {
                    let given = table.take(now, SessionId(session), here(), &user(owner(session)), names[name]);
                    prop_assert_eq!(given, granted);
                }
                if granted {
                    for (at, (sessions, holder)) in model.iter_mut().enumerate() {
                        if Some(at) != slot && sessions.contains(&session) {
                            sessions.retain(|it| *it != session);
                            *holder = Some((owner(session), now));
                        }
                    }
                    if let Some(slot) = slot {
                        let (sessions, holder) = &mut model[slot];
                        if !sessions.contains(&session) {
                            sessions.push(session);
                        }
                        *holder = Some((owner(session), now));
                    }
                }
            }
            for session in 0..6 {
                table.give_back(now, SessionId(session));
            }
            table.expire(now + QUARANTINE);
            prop_assert!(table.is_empty() && table.sessions.is_empty());
        }
    }

    /// NICK-16: where the room wants it, what looks like another's is refused, and only that.
    #[test]
    fn confusable_nicknames_are_refused_where_they_shall_be() {
        let now = Instant::now();
        for refuse_confusable in [false, true] {
            let policy = NicknamePolicy { refuse_confusable, ..NicknamePolicy::default() };
            let mut table = Nicknames::new(&policy);
            assert!(table.take(now, SessionId(1), here(), &user(1), "BOY"));
            assert_eq!(table.take(now, SessionId(2), here(), &user(2), "B0Y"), !refuse_confusable);
            assert!(table.take(now, SessionId(3), here(), &user(1), "B0Y") == refuse_confusable);
            assert!(table.take(now, SessionId(4), here(), &user(2), "GIRL"));
            for session in 1..5 {
                table.give_back(now, SessionId(session));
            }
            table.expire(now + QUARANTINE);
            assert!(table.is_empty() && table.alike.is_empty());
        }
    }

    #[test]
    fn what_is_kept_for_those_who_left_is_bounded() {
        let now = Instant::now();
        let mut table = Nicknames::new(&NicknamePolicy::default());
        for number in 0..2 * QUARANTINED_MAX as u64 {
            assert!(table.take(now, SessionId(number), here(), &user(1), &format!("n{number}")));
            table.give_back(now, SessionId(number));
        }
        assert_eq!(table.holders.len(), QUARANTINED_MAX);
        assert!(table.take(now, SessionId(0), here(), &user(2), "n0"), "the oldest is free");
    }
}
