//! Peers that wait to be connected to: what has to be found out first, and whose turn it is.
//!
//! ```text
//! ACTIVATE -> its participant's turn -> Lookup -> Found -> CONNECT -> Bound or Failed: the next turn
//! ```
//!
//! A participant is connected to at most once at a time, on whatever cores its sessions are: what
//! descriptions ask for must not become a way to have others flooded (msrp/SEC-02).

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
};

use mailbox::{Command, FailureCause, NextHop, ParticipantId, PeerMedia, Remote, SessionId, Setup};

use super::{Placement, State};
use crate::focus::Report;

/// A question that only the host can answer. Its answer goes to [`Placement::handle_found`].
#[derive(Clone, Debug)]
pub struct Lookup {
    /// For whom it is asked.
    pub session: SessionId,
    /// The name or number whose addresses are wanted.
    pub host: Box<str>,
    /// The port that goes with them.
    pub port: u16,
}

/// What there is to connect to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Found {
    /// These, in the order in which they are to be tried. At least one.
    Addresses(Box<[SocketAddr]>),
    /// The name has no address.
    Nothing,
    /// Only addresses that we do not connect to.
    Forbidden,
}

/// Whom we connect to, and who has to wait for it.
#[derive(Debug, Default)]
pub(super) struct Reach {
    /// The sessions of each participant that are to be connected. It is the turn of the first.
    turns: HashMap<ParticipantId, VecDeque<SessionId>>,
    lookups: VecDeque<Lookup>,
}

/// Where the peer waits, if it does.
pub(super) fn next_hop(peer: &PeerMedia) -> Option<NextHop> {
    match &peer.setup {
        Setup::Passive => None,
        Setup::Active(next_hop) => Some(next_hop.clone()),
    }
}

impl Reach {
    /// How many participants are to be connected to.
    pub(super) fn len(&self) -> usize {
        self.turns.len()
    }

    /// Holds the turns against the sessions there are.
    pub(super) fn audit(&self, is_there: impl Fn(SessionId) -> bool) {
        for (participant, turns) in &self.turns {
            assert!(!turns.is_empty(), "{participant:?} has a turn for nothing");
            assert!(turns.iter().all(|it| is_there(*it)), "{participant:?} waits for the gone");
        }
    }
}

impl Placement {
    /// What the host is to be asked next.
    pub fn poll_lookup(&mut self) -> Option<Lookup> {
        self.reach.lookups.pop_front()
    }

    /// Answers a [`Lookup`].
    pub fn handle_found(&mut self, session: SessionId, found: Found) {
        let Some(placed) = self.sessions.get(&session) else { return };
        let is_its_turn = self
            .reach
            .turns
            .get(&placed.participant)
            .is_some_and(|turns| turns.front() == Some(&session));
        let Some(next_hop) = placed.next_hop.as_ref().filter(|_| is_its_turn) else { return };
        let addresses = match found {
            Found::Addresses(addresses) => addresses,
            Found::Nothing => return self.give_up(session, FailureCause::Unresolvable),
            Found::Forbidden => return self.give_up(session, FailureCause::ConnectForbidden),
        };
        let NextHop { host, port, is_anchored } = next_hop;
        let shared_as = (!is_anchored).then(|| format!("{host}:{port}").into());
        let remote = Box::new(Remote { addresses, shared_as });
        self.tell_core_of(session, |epoch| Command::Connect { session, epoch, remote });
    }

    /// Connects to the peer of an activated session, if it waits for that, and once it is its turn.
    pub(super) fn reach_out(&mut self, session: SessionId) {
        let Some(placed) = self.sessions.get(&session) else { return };
        let is_there = matches!(placed.state, State::Installing { .. } | State::Installed);
        let Some(next_hop) = placed.next_hop.as_ref().filter(|_| is_there) else { return };
        let turns = self.reach.turns.entry(placed.participant).or_default();
        if turns.contains(&session) {
            return;
        }
        turns.push_back(session);
        if turns.len() == 1 {
            let NextHop { host, port, .. } = next_hop.clone();
            self.reach.lookups.push_back(Lookup { session, host, port });
        }
    }

    /// Nothing more has to be done for this session: on to the next of its participant.
    pub(super) fn reached(&mut self, session: SessionId) {
        let Some(placed) = self.sessions.get_mut(&session) else { return };
        let participant = placed.participant;
        // It is not connected twice (msrp/CONN-13).
        placed.next_hop = None;
        let Some(turns) = self.reach.turns.get_mut(&participant) else { return };
        let was_its_turn = turns.front() == Some(&session);
        turns.retain(|it| *it != session);
        if turns.is_empty() {
            self.reach.turns.remove(&participant);
        } else if was_its_turn
            && let Some(&session) = turns.front()
            && let Some(NextHop { host, port, .. }) =
                self.sessions.get(&session).and_then(|placed| placed.next_hop.clone())
        {
            self.reach.lookups.push_back(Lookup { session, host, port });
        }
    }

    /// It fails before its core has tried anything, and is over there.
    fn give_up(&mut self, session: SessionId, cause: FailureCause) {
        self.remove(session);
        self.reports.push_back(Report::Failed { session, cause });
    }
}
