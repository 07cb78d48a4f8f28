//! The MSRP side: connections, what is on them, and what becomes of them.

use std::net::SocketAddr;

use engine::{Operation, SendFailed};
use sip_control::placement::Found;

use super::{Peer, World, core_id};
use crate::wire::{Call, Key, Link, Wire, Wish};

impl World {
    /// Does what the peers want of their media, as far as that takes no time.
    pub(super) fn fulfil(&mut self) {
        for number in 0..self.peers.len() {
            let wishes = match &mut self.peers[number] {
                Peer::Device(device) => std::mem::take(&mut device.wishes),
                Peer::Phone(phone) => std::mem::take(&mut phone.wishes),
            };
            for wish in wishes {
                match wish {
                    Wish::Connect { key, call } => self.agree(key, *call),
                    Wish::Close { key } => self.hang_up(key),
                }
            }
        }
    }

    fn agree(&mut self, key: Key, call: Call) {
        if let Some(wire) = self.wires.get(&key) {
            // The same session as before: nothing has to be connected.
            if wire.call.agreement.remote == call.agreement.remote && !wire.is_lost {
                return;
            }
            self.hang_up(key);
        }
        let mut seed = [key.peer as u8; 32];
        seed[..8].copy_from_slice(&self.dice.roll().to_le_bytes());
        let is_idle = !self.is_calm && self.dice.chance(10);
        self.wires.insert(key, Wire::new(call, &self.media, seed, is_idle));
    }

    /// The peer closes its connection.
    fn hang_up(&mut self, key: Key) {
        if let Some(link) = self.wires.remove(&key).and_then(|wire| wire.link) {
            self.disconnect(link);
        }
    }

    fn disconnect(&mut self, link: Link) {
        let is_known = !self.closing.contains(&link) && !self.detaching.contains(&link);
        if is_known && self.links.contains_key(&link) {
            self.cores[link.core].handle_disconnected(self.now, link.id);
        }
    }

    /// Octets, and connections to be, go on from some peer.
    pub(super) fn carry_octets(&mut self) {
        if self.wires.is_empty() {
            return;
        }
        let at = self.dice.below(self.wires.len());
        let key = *self.wires.keys().nth(at).unwrap();
        let most = 1 + self.dice.below(2000);
        self.carry(key, most);
    }

    pub(super) fn carry(&mut self, key: Key, most: usize) {
        let live = self.live_cores();
        let accepting = self.dice.one_of(&live);
        let wire = self.wires.get_mut(&key).unwrap();
        let Some(link) = wire.link else {
            let connects = wire.call.waits_at.is_none() && !wire.is_idle && !wire.is_lost;
            if connects {
                let from = super::address_of(key.peer).ip();
                let id = self.cores[accepting].handle_accepted(self.now, from);
                let link = Link { core: accepting, id: id.expect("there is room") };
                self.links.insert(link, key);
                wire.connected(self.now, link);
            }
            return;
        };
        if self.closing.contains(&link) || self.detaching.contains(&link) {
            return;
        }
        let size = most.min(wire.out.len());
        let octets: Vec<u8> = wire.out.drain(..size).collect();
        if !octets.is_empty() {
            self.cores[link.core].handle_received(self.now, link.id, &octets);
        }
    }

    /// Something that was on its way is there.
    pub(super) fn let_go(&mut self) {
        match self.dice.below(7) {
            0 if !self.closing.is_empty() => {
                let at = self.dice.below(self.closing.len());
                self.close(at);
            }
            1 if !self.detaching.is_empty() => {
                let at = self.dice.below(self.detaching.len());
                self.hand_over(at);
            }
            2 if !self.connecting.is_empty() => {
                let at = self.dice.below(self.connecting.len());
                self.connect(at);
            }
            3 if !self.lookups.is_empty() => self.look_up(),
            4 if !self.untold.is_empty() => self.tell_loss(),
            _ if !self.sends.is_empty() => {
                let at = self.dice.below(self.sends.len());
                let most = 1 + self.dice.below(3000);
                self.complete(at, most);
            }
            _ => {}
        }
    }

    /// Everything that is on its way is there.
    pub(super) fn let_all_go(&mut self) {
        while !self.lookups.is_empty() {
            self.look_up();
            self.settle();
        }
        while !self.connecting.is_empty() {
            self.connect(0);
            self.settle();
        }
        while !self.sends.is_empty() {
            self.complete(0, usize::MAX);
            self.settle();
        }
        while !self.detaching.is_empty() {
            self.hand_over(0);
            self.settle();
        }
        while !self.closing.is_empty() {
            self.close(0);
            self.settle();
        }
    }

    fn complete(&mut self, at: usize, most: usize) {
        let (link, batch) = self.sends.swap_remove(at);
        let octets = batch.slices().collect::<Vec<_>>().concat();
        let taken = most.min(octets.len());
        if let Some(wire) = self.wire_of(link) {
            wire.hear(&octets[..taken]);
        }
        self.cores[link.core].handle_sent(self.now, link.id, batch, Ok(taken));
    }

    pub(super) fn wire_of(&mut self, link: Link) -> Option<&mut Wire> {
        let wire = self.wires.get_mut(self.links.get(&link)?)?;
        (wire.link == Some(link)).then_some(wire)
    }

    fn close(&mut self, at: usize) {
        let link = self.closing.swap_remove(at);
        if let Some(at) = self.sends.iter().position(|(it, _)| *it == link) {
            let (_, batch) = self.sends.swap_remove(at);
            self.cores[link.core].handle_sent(self.now, link.id, batch, Err(SendFailed));
        }
        self.connecting.retain(|(it, _)| *it != link);
        self.cores[link.core].handle_closed(link.id);
        if let Some(wire) = self.wire_of(link) {
            wire.closed();
            self.lose(link);
        }
        self.links.remove(&link);
    }

    /// The user of that connection sees that it is gone.
    pub(super) fn lose(&mut self, link: Link) {
        if let Some(key) = self.links.get(&link).copied() {
            self.lose_wire(key);
        }
    }

    fn lose_wire(&mut self, key: Key) {
        match &mut self.peers[key.peer] {
            Peer::Device(device) => device.lose(key.session),
            Peer::Phone(phone) => phone.lose(self.now, key.session),
        }
    }

    fn hand_over(&mut self, at: usize) {
        let link = self.detaching.swap_remove(at);
        let key = self.links.remove(&link);
        let departure = self.cores[link.core].handle_detached(link.id).expect("on its way");
        let core = departure.to.index();
        if self.is_lost[core] {
            // Nobody takes it.
            if let Some(key) = key
                && let Some(wire) = self.wires.get_mut(&key).filter(|it| it.link == Some(link))
            {
                wire.closed();
                self.lose_wire(key);
            }
            return;
        }
        let id = self.cores[core].handle_accepted(self.now, departure.from).expect("there is room");
        let new = Link { core, id };
        self.cores[core].handle_received(self.now, id, &departure.received);
        let Some(key) = key else { return };
        self.links.insert(new, key);
        match self.wires.get_mut(&key).filter(|wire| wire.link == Some(link)) {
            Some(wire) => wire.link = Some(new),
            None => self.cores[core].handle_disconnected(self.now, id),
        }
    }

    /// A core's connection to a peer is there, or cannot be.
    fn connect(&mut self, at: usize) {
        let (link, address) = self.connecting.swap_remove(at);
        let waits = |wire: &Wire| {
            let is_free = wire.link.is_none() && !wire.is_idle && !wire.is_lost;
            is_free && wire.call.waits_at == Some(address)
        };
        let waiting = self.wires.iter_mut().find(|(_, wire)| waits(wire));
        if let Some((key, wire)) = waiting {
            self.links.insert(link, *key);
            wire.connected(self.now, link);
            self.cores[link.core].handle_connected(self.now, link.id);
        } else {
            self.cores[link.core].handle_disconnected(self.now, link.id);
        }
    }

    fn look_up(&mut self) {
        let lookup = self.lookups.swap_remove(0);
        let found = match self.dice.below(20) {
            0 if !self.is_calm => Found::Nothing,
            1 if !self.is_calm => Found::Forbidden,
            _ => {
                let ip = lookup.host.parse().expect("everybody here has a number");
                Found::Addresses([SocketAddr::new(ip, lookup.port)].into())
            }
        };
        self.agent.handle_found(lookup.session, found);
    }

    /// A connection may break.
    pub(super) fn break_something(&mut self) {
        if self.wires.is_empty() || !self.dice.chance(7) {
            return;
        }
        let at = self.dice.below(self.wires.len());
        let wire = self.wires.values_mut().nth(at).unwrap();
        if let Some(link) = wire.link {
            wire.closed();
            self.lose(link);
            self.disconnect(link);
        }
    }

    /// Somebody says something, or wants to be called something.
    pub(super) fn say(&mut self) {
        if self.wires.is_empty() {
            return;
        }
        let at = self.dice.below(self.wires.len());
        let wire = self.wires.values_mut().nth(at).unwrap();
        if self.dice.chance(30) {
            wire.take_nickname(self.now, self.dice.one_of(&["Ann", "Bob", "Bo\u{300}b", ""]));
        } else {
            wire.say(self.now, &mut self.spoken);
        }
    }

    pub(super) fn drain_cores(&mut self) {
        for core in 0..self.cores.len() {
            while let Some(operation) = self.cores[core].poll_operation(self.now) {
                self.perform(core, operation);
            }
            while let Some(event) = self.cores[core].poll_event() {
                self.said[core].push_back(event);
            }
            for to in 0..self.cores.len() {
                while let Some(relay) = self.cores[core].poll_relay(core_id(to)) {
                    if !self.is_lost[to] {
                        self.relays[core * self.cores.len() + to].push_back(relay);
                    }
                }
            }
        }
    }

    fn perform(&mut self, core: usize, operation: Operation) {
        match operation {
            Operation::Send { connection, batch } => {
                self.sends.push((Link { core, id: connection }, batch));
            }
            Operation::Close { connection } => self.closing.push(Link { core, id: connection }),
            Operation::Detach { connection } => self.detaching.push(Link { core, id: connection }),
            Operation::Connect { connection, address } => {
                self.connecting.push((Link { core, id: connection }, address));
            }
        }
    }
}
