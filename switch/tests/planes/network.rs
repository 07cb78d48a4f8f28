//! What is under way between the SIP ends: datagrams that are lost, late, doubled and overtaken, and
//! streams that keep their order, or break.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use sip_control::transport::{Protocol, Ticket, Transmit};

use crate::dice::Dice;

/// What the network does to what is sent, in percent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// Of datagrams.
    pub lost: u64,
    /// Of datagrams.
    pub doubled: u64,
    /// Of datagrams: seconds late, but never so much as T4, the life of a message in the network.
    pub late: u64,
    /// Of messages on streams: the stream breaks instead, and with it goes all that is on it.
    pub broken: u64,
}

impl Weather {
    pub fn roll(dice: &mut Dice) -> Self {
        let is_foul = dice.chance(70);
        let of = |dice: &mut Dice, most: usize| {
            if is_foul { dice.below(most) as u64 } else { 0 }
        };
        Self { lost: of(dice, 40), doubled: of(dice, 30), late: of(dice, 10), broken: of(dice, 4) }
    }
}

/// A message on its way.
#[derive(Debug)]
pub struct Packet {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub protocol: Protocol,
    pub bytes: Bytes,
}

/// What comes of a message.
#[derive(Debug)]
pub enum Arrival {
    Packet(Packet),
    /// It could not be sent by that end, which wants to know.
    Undelivered(SocketAddr, Ticket),
}

pub struct Network {
    pub weather: Weather,
    under_way: BTreeMap<(Instant, u64), Arrival>,
    sent: u64,
    /// When the last message of a stream arrives: none overtakes another.
    streams: HashMap<(SocketAddr, SocketAddr), Instant>,
}

impl Network {
    pub fn new(weather: Weather) -> Self {
        Self { weather, under_way: BTreeMap::new(), sent: 0, streams: HashMap::new() }
    }

    pub fn send(&mut self, now: Instant, dice: &mut Dice, from: SocketAddr, transmit: Transmit) {
        let Transmit { target, bytes, ticket } = transmit;
        let (to, protocol, weather) = (target.remote, target.protocol, self.weather);
        let packet = |bytes| Arrival::Packet(Packet { from, to, protocol, bytes });
        if protocol.is_reliable() {
            if dice.chance(weather.broken) {
                self.break_stream(from, to);
                let undelivered = ticket.filter(|_| dice.chance(70));
                if let Some(ticket) = undelivered {
                    self.plan(now + delay(dice), Arrival::Undelivered(from, ticket));
                }
                return;
            }
            let last = self.streams.get(&(from, to)).copied().unwrap_or(now);
            let at = last.max(now + Duration::from_millis(10 + dice.below(10) as u64));
            self.streams.insert((from, to), at);
            return self.plan(at, packet(bytes));
        }
        if dice.chance(weather.lost) {
            return;
        }
        for _ in 0..=usize::from(dice.chance(weather.doubled)) {
            let is_late = dice.chance(weather.late);
            let late = if is_late { 1 + dice.below(3) as u64 } else { 0 };
            self.plan(now + delay(dice) + Duration::from_secs(late), packet(bytes.clone()));
        }
    }

    fn plan(&mut self, at: Instant, arrival: Arrival) {
        self.sent += 1;
        self.under_way.insert((at, self.sent), arrival);
    }

    /// One end has died: its streams with it, and what it waited to hear.
    pub fn forget(&mut self, end: SocketAddr) {
        self.under_way.retain(|_, arrival| match arrival {
            Arrival::Packet(packet) => {
                !packet.protocol.is_reliable() || packet.from != end && packet.to != end
            }
            Arrival::Undelivered(to, _) => *to != end,
        });
    }

    fn break_stream(&mut self, one: SocketAddr, other: SocketAddr) {
        self.under_way.retain(|_, arrival| match arrival {
            Arrival::Packet(packet) => {
                let ends = (packet.from, packet.to);
                !packet.protocol.is_reliable() || ends != (one, other) && ends != (other, one)
            }
            Arrival::Undelivered(..) => true,
        });
    }

    /// When the next message arrives.
    pub fn next(&self) -> Option<Instant> {
        self.under_way.first_key_value().map(|((at, _), _)| *at)
    }

    /// The next message, if it is here.
    pub fn arrival(&mut self, now: Instant) -> Option<Arrival> {
        self.next().filter(|at| *at <= now)?;
        self.under_way.pop_first().map(|(_, arrival)| arrival)
    }
}

/// Less than one retransmission, and enough to be overtaken.
fn delay(dice: &mut Dice) -> Duration {
    Duration::from_millis(1 + dice.below(250) as u64)
}
