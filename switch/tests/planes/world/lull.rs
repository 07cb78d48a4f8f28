//! After the storm: nothing is lost any more and nobody starts anything, until everything has come to
//! rest. Then the planes and the peers have to agree.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use engine::Core;
use mailbox::Receiver;
use sip_control::client::Roster;

use super::{Peer, World};
use crate::network::Weather;

/// Longer than anything takes that is not repeated for ever.
const LONG: Duration = Duration::from_secs(400);

impl World {
    /// From now on the weather is fair, and what was put off is done.
    pub fn calm_down(&mut self) {
        self.is_calm = true;
        self.network.weather = Weather::default();
        for peer in &mut self.peers {
            if let Peer::Phone(phone) = peer {
                phone.settle_debts(self.now, &mut self.dice);
            }
        }
        self.rest(LONG);
    }

    /// Lets so much time pass.
    pub fn rest(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.flow();
            match self.next().filter(|next| *next <= end) {
                Some(next) => self.advance(next.max(self.now)),
                None => break,
            }
        }
        self.advance(end);
        self.flow();
    }

    /// Until nothing moves without time.
    fn flow(&mut self) {
        loop {
            self.settle();
            self.catch_up();
            while !self.untold.is_empty() {
                self.tell_loss();
                self.settle();
            }
            self.let_all_go();
            for key in self.wires.keys().copied().collect::<Vec<_>>() {
                self.carry(key, usize::MAX);
                self.settle();
            }
            for _ in 0..self.cores.len() {
                self.carry_command();
                self.carry_event();
                self.settle();
            }
            self.carry_relay();
            self.settle();
            let is_still = self.sends.is_empty()
                && self.closing.is_empty()
                && self.connecting.is_empty()
                && self.detaching.is_empty()
                && self.lookups.is_empty()
                && self.disk.is_idle()
                && self.said.iter().all(VecDeque::is_empty)
                && self.commands.iter().all(Receiver::is_empty)
                && self.untold.is_empty()
                && self.relays.iter().all(VecDeque::is_empty)
                && self.wires.values().all(|wire| wire.out.is_empty());
            if is_still {
                self.audit();
                return;
            }
        }
    }

    /// The legs that the peers have are those that the focus has, and each has its media.
    pub fn check_legs(&self) {
        let mut legs = 0;
        for peer in &self.peers {
            match peer {
                Peer::Device(device) => {
                    let all: Vec<_> = device.legs.values().map(|leg| &leg.identity).collect();
                    self.tell(|| format!("{} is in {all:?}", device.user));
                    assert!(
                        device.legs.values().all(|leg| leg.identity.is_some()),
                        "joined or not"
                    );
                    legs += device.legs.len();
                }
                Peer::Phone(phone) => {
                    self.tell(|| format!("{} is in {:?}", phone.user, phone.rooms()));
                    legs += phone.talks.len();
                }
            }
        }
        assert_eq!(self.agent.gauges().legs as usize, legs, "the focus and the peers agree");
        let sessions: usize = self.cores.iter().map(|core| core.occupancy().1).sum();
        let held = |name: &str| {
            let holdings = self.agent.holdings();
            holdings.iter().find(|(it, _)| *it == name).map(|(_, count)| *count).unwrap()
        };
        assert_eq!(sessions, held("sessions placed"), "placement and cores agree");
        let things =
            held("legs") + held("subscriptions") + held("referrals") + held("sessions of rooms");
        assert!(held("agenda") <= 8 * (1 + things), "{} plans for {things}", held("agenda"));
        self.exchanges.check();
    }

    /// Whoever watches a session sees the same, and it is so.
    pub fn check_rosters(&self) {
        let mut seen: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for peer in &self.peers {
            let Peer::Device(device) = peer else { continue };
            for leg in device.legs.values() {
                let (Some(identity), Some(roster)) = (&leg.identity, &leg.roster) else { continue };
                let there = connected(roster);
                if roster.users().is_empty() {
                    continue;
                }
                assert!(
                    leg.is_anonymous || there.is_empty() || there.contains(&*device.user),
                    "{} does not see itself: {roster:?}",
                    device.user
                );
                let mut names = BTreeSet::new();
                let members = roster.users().values().filter(|member| member.is_connected());
                for name in members.filter_map(|member| member.nickname.as_ref()) {
                    assert!(names.insert(name), "two are called {name}: {roster:?}");
                }
                if there.len() < roster.user_count().unwrap() as usize {
                    // It is told no more than how many there are.
                    continue;
                }
                let others = seen.entry(identity).or_insert_with(|| there.clone());
                assert_eq!(*others, there, "{} sees others in {identity}", device.user);
            }
        }
    }

    /// Everybody says something, and all others in the room hear it, once.
    pub fn check_talk(&mut self) {
        let mut said = Vec::new();
        for wire in self.wires.values_mut() {
            if let Some(words) = wire.say(self.now, &mut self.spoken) {
                said.push((words, wire.call.from.clone(), wire.call.to.clone()));
            }
        }
        self.flow();
        for (words, from, to) in &said {
            for (key, wire) in &self.wires {
                let is_due = wire.is_bound
                    && !wire.is_lost
                    && wire.call.to == *to
                    && (wire.call.from != *from || wire.call.is_anonymous);
                if is_due {
                    assert!(wire.heard.contains(words), "{key:?} never heard {words:?}");
                }
                if wire.call.to != *to {
                    assert!(!wire.heard.contains(words), "{key:?} is elsewhere");
                }
            }
        }
    }

    /// Everybody goes, or is sent away.
    pub fn end(&mut self, is_stopped: bool) {
        self.is_stopped = is_stopped;
        if is_stopped {
            self.agent.handle_stop(self.now);
            self.flow();
        }
        for peer in &mut self.peers {
            match peer {
                Peer::Device(device) => device.leave_all(self.now),
                Peer::Phone(phone) => phone.leave_all(self.now, &mut self.dice),
            }
        }
        while let Some(next) = self.next() {
            self.flow();
            self.advance(next.max(self.now));
        }
        self.flow();
    }

    /// Nothing is left of anything.
    pub fn check_end(&self) {
        for (name, count) in self.agent.holdings() {
            assert_eq!(count, 0, "{name} are left");
        }
        assert_eq!(self.agent.poll_timeout(), None);
        for core in &self.cores {
            assert_eq!(core.occupancy(), (0, 0, 0), "connections, sessions, rooms");
            assert_eq!(Core::poll_timeout(core), None);
        }
        assert_eq!(self.commons.memory(), 0);
        for peer in &self.peers {
            if let Peer::Device(device) = peer {
                assert!(device.client.is_idle());
            }
        }
        self.exchanges.check();
    }
}

fn connected(roster: &Roster) -> BTreeSet<&str> {
    let there = roster.users().iter().filter(|(_, member)| member.is_connected());
    there.map(|(entity, _)| &**entity).collect()
}
