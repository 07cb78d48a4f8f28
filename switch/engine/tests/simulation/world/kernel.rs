//! What is under the cores: a kernel that sends in part, late, in any order or not at all, that takes its
//! time to close and to hand over, and rings that do so too.

use engine::{Operation, SendFailed};
use mailbox::{Event, Piece, Relay, SessionId, Stage};

use super::{World, core_id};
use crate::{
    message::Name,
    peer::{Life, Link, Temper},
};

impl World {
    /// The kernel takes some octets of some send, or finds the connection reset.
    pub(super) fn complete_send(&mut self) {
        if self.sends.is_empty() {
            return;
        }
        let at = self.dice.below(self.sends.len());
        let owner = self.links[&self.sends[at].0];
        let is_slow = self.peers[owner].temper == Temper::Slow;
        if is_slow && self.dice.chance(60) {
            return;
        }
        let size = self.sends[at].1.slices().map(<[u8]>::len).sum();
        let taken = if self.dice.chance(if is_slow { 20 } else { 75 }) {
            size
        } else {
            1 + self.dice.below(size)
        };
        if self.peers[owner].temper == Temper::Mortal && self.dice.chance(2) {
            self.reset(at);
        } else {
            self.complete(at, taken);
        }
    }

    pub(super) fn complete(&mut self, at: usize, taken: usize) {
        let (link, batch) = self.sends.swap_remove(at);
        let octets = batch.slices().collect::<Vec<_>>().concat();
        let taken = taken.min(octets.len());
        let owner = self.links[&link];
        if self.peers[owner].link == Some(link) {
            self.peers[owner].hear(&octets[..taken], &self.audiences, owner);
        }
        self.cores[link.core].handle_sent(self.now, link.id, batch, Ok(taken));
    }

    /// A send fails: ECONNRESET, ENOBUFS, whatever it was.
    fn reset(&mut self, at: usize) {
        let (link, batch) = self.sends.swap_remove(at);
        self.cut_off(self.links[&link]);
        self.cores[link.core].handle_sent(self.now, link.id, batch, Err(SendFailed));
    }

    pub(super) fn carry_relay(&mut self) {
        let way = self.dice.below(self.relays.len());
        let Some(relay) = self.relays[way].pop_front() else { return };
        let (from, to) = (way / self.cores.len(), way % self.cores.len());
        assert_ne!(from, to, "a core has nothing to say to itself");
        if let Relay::Room(relay) = &relay {
            assert!(relay.stage == Stage::ToMembers || to == self.terms.home.index());
            let flight = (to, relay.origin, relay.message);
            let due = match &relay.piece {
                Piece::Open { .. } => Some(self.due_at(to)),
                Piece::More { .. } | Piece::Abort => self.opening.remove(&flight),
            };
            if let (Piece::Open { body, .. } | Piece::More { body, .. }, Some(due)) =
                (&relay.piece, due)
            {
                if let Some(name) = Name::of(body) {
                    self.audiences.open(name, to, &due, true);
                } else {
                    assert!(body.is_empty(), "what comes first holds the wrapper");
                    self.opening.insert(flight, due);
                }
            }
        }
        self.cores[to].handle_relay(self.now, relay);
    }

    /// Something that was on its way out is out.
    pub(super) fn let_go(&mut self) {
        match self.dice.below(5) {
            0 if !self.closing.is_empty() => {
                let link = self.dice.one_of(&self.closing);
                self.close(link);
            }
            1 if !self.detaching.is_empty() => {
                let link = self.dice.one_of(&self.detaching);
                self.hand_over(link);
            }
            2 if !self.inactive.is_empty() => {
                let at = self.dice.below(self.inactive.len());
                self.activate(at);
            }
            3 => {
                if let Some(me) = self.leaving.pop() {
                    self.hang_up(me);
                }
            }
            _ => {
                if let Some(me) = self.lost.pop() {
                    self.come_back(me);
                }
            }
        }
    }

    /// The kernel has closed a socket. Before that it answers what it holds, and may still deliver.
    fn close(&mut self, link: Link) {
        self.closing.retain(|it| *it != link);
        self.cores[link.core].handle_received(self.now, link.id, b"too late");
        if let Some(at) = self.sends.iter().position(|(it, _)| *it == link) {
            let (_, batch) = self.sends.swap_remove(at);
            let result = if self.dice.chance(50) { Ok(1) } else { Err(SendFailed) };
            self.cores[link.core].handle_sent(self.now, link.id, batch, result);
        }
        self.cores[link.core].handle_closed(link.id);
        self.cores[link.core].handle_received(self.now, link.id, b"far too late");
        self.links.remove(&link);
    }

    /// A socket goes to the core that serves its session.
    fn hand_over(&mut self, link: Link) {
        self.detaching.retain(|it| *it != link);
        let me = self.links.remove(&link).unwrap();
        let departure = self.cores[link.core].handle_detached(link.id).expect("on its way");
        assert_eq!(departure.received.len(), self.peers[me].carried, "no octet is lost");
        let core = departure.to.index();
        assert_eq!(core, self.peers[me].core, "to where its session is");
        let id = self.cores[core].handle_accepted(self.now, departure.from).expect("there is room");
        let new = Link { core, id };
        self.links.insert(new, me);
        self.open_at_home(me);
        self.cores[core].handle_received(self.now, id, &departure.received);
        if self.peers[me].link.is_some() {
            self.peers[me].link = Some(new);
        } else {
            self.cores[core].handle_disconnected(self.now, id);
        }
    }

    /// Carries out what the cores want, as far as that takes no time.
    pub fn drain(&mut self) {
        for core in 0..self.cores.len() {
            while let Some(operation) = self.cores[core].poll_operation(self.now) {
                self.perform(core, operation);
            }
            while let Some(event) = self.cores[core].poll_event() {
                self.note(event);
            }
            for to in 0..self.cores.len() {
                while let Some(relay) = self.cores[core].poll_relay(core_id(to)) {
                    self.relays[core * self.cores.len() + to].push_back(relay);
                }
            }
        }
        let memory = self.commons.memory();
        assert!(memory <= self.memory_max, "{memory} octets of memory are taken");
    }

    fn perform(&mut self, core: usize, operation: Operation) {
        match operation {
            Operation::Connect { .. } => unreachable!("every peer connects by itself"),
            Operation::Send { connection, batch } => {
                let link = Link { core, id: connection };
                assert!(!batch.is_empty(), "nothing is not worth a send");
                assert!(batch.len() <= self.batch_max, "{} octets are queued", batch.len());
                assert!(!self.sends.iter().any(|(it, _)| *it == link), "one send at a time");
                assert!(!self.closing.contains(&link) && !self.detaching.contains(&link));
                self.sends.push((link, batch));
            }
            Operation::Close { connection } => {
                let link = Link { core, id: connection };
                assert!(!self.closing.contains(&link), "closed once");
                self.closing.push(link);
                let owner = self.links[&link];
                let peer = &self.peers[owner];
                if peer.link == Some(link) {
                    let is_allowed =
                        peer.life() == Life::Gone || peer.temper == Temper::Lying || self.has_leapt;
                    assert!(is_allowed, "u{} is cut off", peer.participant);
                    self.cut_off(owner);
                }
            }
            Operation::Detach { connection } => {
                let link = Link { core, id: connection };
                assert!(!self.sends.iter().any(|(it, _)| *it == link), "nothing was said to it");
                self.detaching.push(link);
            }
        }
    }

    fn note(&mut self, event: Event) {
        let peer_of = |session: SessionId| session.0 as usize - 1;
        match event {
            Event::Installed { session, path, .. } => {
                let at = peer_of(session);
                path.as_str().clone_into(&mut self.peers[at].uri);
            }
            Event::Bound { session } => self.peers[peer_of(session)].is_bound = true,
            Event::Failed { session, cause } => {
                let peer = &self.peers[peer_of(session)];
                let is_allowed =
                    peer.life() == Life::Gone || peer.temper == Temper::Lying || self.has_leapt;
                assert!(is_allowed, "u{} fails: {cause:?}", peer.participant);
                self.cut_off(peer_of(session));
            }
            Event::Removed { .. } => self.removed += 1,
            Event::Spread { .. } => {}
            Event::Refused { .. }
            | Event::Closed { .. }
            | Event::Heard { .. }
            | Event::Load { .. }
            | Event::Nickname { .. }
            | Event::Drained => {
                panic!("nobody asked for {event:?}")
            }
        }
    }
}
