//! All rooms while messages flow: sends what the load asks for, checks what arrives, and times it.
//!
//! Knows no socket: it writes into outboxes, and is told what arrived and when.

use std::rc::Rc;

use hdrhistogram::Histogram;
use msrp::cpim::Wrapper;
use msrp::{Address, AddressBuf};

use crate::check::{Ledger, Verdict};
use crate::content::{Content, Stamp};
use crate::fault::{Fault, Faults};
use crate::figures;
use crate::peer::link::Link;
use crate::peer::msrp::{Digest, Incoming, SendForm};
use crate::scenario::{Load, Scenario};
use crate::schedule::{Schedule, Turn};
use crate::transfer::{Answered, Transfer, Transferred};

/// The rooms, and what is measured over all of them.
pub struct Traffic {
    rooms: Vec<Room>,
    content: Content,
    load: Load,
    /// Whether there is a switch, which answers. A bare server only copies.
    answered: bool,
    sending: bool,
    /// Latencies of messages due from here on are recorded.
    measured_from: u64,
    latency: Histogram<u64>,
    lateness: Histogram<u64>,
    delivered: u64,
    notices: u64,
    last_delivery: u64,
    /// There when it is one large message that is sent.
    transfer: Option<Transfer>,
    /// The first member of each room that reads slowly.
    slow_from: usize,
}

struct Room {
    address: Option<AddressBuf>,
    ledger: Ledger,
    senders: Vec<Sender>,
}

/// A member that sends.
struct Sender {
    head: Vec<u8>,
    /// There once it has joined.
    line: Option<(Rc<Link>, SendForm)>,
}

impl Traffic {
    /// Nobody has joined yet, and nobody sends.
    pub fn new(scenario: &Scenario) -> Self {
        let ledger = || {
            let mut ledger = Ledger::new(scenario.members, scenario.senders);
            // Nothing is due to those that do not read.
            for member in (0..scenario.members).filter(|&member| scenario.is_stalled(member)) {
                ledger.cut(member);
            }
            ledger
        };
        let room = |room| Room {
            address: AddressBuf::parse(scenario.room_uri(room).as_bytes()),
            ledger: ledger(),
            senders: (0..scenario.senders)
                .map(|member| Sender { head: scenario.cpim_head(room, member), line: None })
                .collect(),
        };
        let heads = || (0..scenario.rooms).map(|room| scenario.cpim_head(room, 0));
        let transfer = match scenario.load {
            Load::Transfer { octets, chunk } => {
                Some(Transfer::new(octets, chunk, heads(), scenario.seed))
            }
            _ => None,
        };
        Self {
            transfer,
            slow_from: scenario.members - scenario.slow.0,
            rooms: (0..scenario.rooms).map(room).collect(),
            content: Content::new(scenario.size, scenario.seed),
            load: scenario.load,
            answered: scenario.bare.is_none(),
            sending: false,
            measured_from: u64::MAX,
            latency: figures::histogram(),
            lateness: figures::histogram(),
            delivered: 0,
            notices: 0,
            last_delivery: 0,
        }
    }

    /// A member has joined; if it is one that sends, this is how.
    pub fn attach(&mut self, room: usize, member: usize, link: Rc<Link>, form: SendForm) {
        if let Some(sender) = self.rooms[room].senders.get_mut(member) {
            sender.line = Some((link, form));
        }
    }

    /// From now on messages flow. In the open loop they wait for [`Traffic::send_due`].
    pub fn start(&mut self, now: u64) {
        self.sending = true;
        self.last_delivery = now;
        if let Some(transfer) = &mut self.transfer {
            transfer.begin(now);
            for room in &mut self.rooms {
                room.ledger.send(0);
            }
        }
        let Load::Closed { window } = self.load else { return };
        for room in 0..self.rooms.len() {
            for sender in 0..self.rooms[room].senders.len() {
                for _ in 0..window {
                    self.send(Turn { room, sender }, now);
                }
            }
        }
    }

    /// No message is sent from now on.
    pub fn stop(&mut self) {
        self.sending = false;
    }

    /// Whether messages are to be sent.
    pub fn is_sending(&self) -> bool {
        self.sending
    }

    /// The open loop: sends everything that is due by now.
    pub fn send_due(&mut self, schedule: &mut Schedule, now: u64) {
        while let Some((due, turn)) = schedule.pop(now) {
            if due >= self.measured_from {
                self.lateness.saturating_record(now - due);
            }
            self.send(turn, due);
        }
    }

    /// The next chunks of a room's large message. Returns the connection that they are written to,
    /// or nothing when there are no more.
    pub fn send_chunks(&mut self, room: usize) -> Option<Rc<Link>> {
        let transfer = self.transfer.as_mut().filter(|it| self.sending && it.has_more(room))?;
        let (link, form) = self.rooms[room].senders.first()?.line.as_ref()?;
        link.push(|out| transfer.write_batch(room, form, out)).then(|| Rc::clone(link))
    }

    fn send(&mut self, Turn { room: number, sender }: Turn, due: u64) {
        let room = &mut self.rooms[number];
        let Sender { head, line } = &room.senders[sender];
        let sequence = room.ledger.next(sender);
        let stamp = Stamp { room: number as u32, sender: sender as u32, sequence, due };
        let sent = line.as_ref().is_some_and(|(link, form)| {
            link.push(|out| {
                form.write(sequence, out, |out| self.content.write(head, stamp, out));
            })
        });
        if sent {
            room.ledger.send(sender);
            if !self.answered {
                room.ledger.answer(sender, sequence, msrp::status::OK);
            }
        } else {
            room.ledger.fault(sender, Fault::Unsent);
        }
    }

    /// Something arrived at a member.
    pub fn handle(&mut self, room: usize, member: usize, incoming: Incoming<'_>, now: u64) {
        let ledger = &mut self.rooms[room].ledger;
        match incoming {
            Incoming::Message { body, addressed, sound } => {
                if !addressed {
                    ledger.fault(member, Fault::Misaddressed);
                }
                self.handle_message(room, member, body, sound, now);
            }
            Incoming::Answer { sequence, status, addressed } => {
                if !addressed {
                    ledger.fault(member, Fault::Misaddressed);
                }
                let transfer = self.transfer.as_mut().filter(|_| member == 0);
                let answered = transfer.map(|it| it.answer(room, sequence, status, now));
                match answered {
                    Some(Answered::Stray) => ledger.fault(member, Fault::Stray),
                    Some(Answered::Whole(status)) => drop(ledger.answer(member, 0, status)),
                    None if ledger.answer(member, sequence, status) => {
                        self.send_next(room, member, now);
                    }
                    Some(Answered::Part) | None => {}
                }
            }
            Incoming::Large { size, digest, addressed, sound } => {
                if !addressed {
                    ledger.fault(member, Fault::Misaddressed);
                }
                self.handle_large(room, member, sound.then_some((size, digest)), now);
            }
            Incoming::Aborted => match &mut self.transfer {
                // What one that reads slowly may be spared, when it is told so (FLOW-05).
                Some(transfer) if member >= self.slow_from => {
                    transfer.give_up();
                    ledger.cut(member);
                }
                _ => ledger.fault(member, Fault::Aborted),
            },
            // A second answer to the binding; the first one does not come here.
            Incoming::Stray | Incoming::Bound { .. } => ledger.fault(member, Fault::Stray),
        }
    }

    fn handle_message(&mut self, number: usize, member: usize, body: &[u8], sound: bool, now: u64) {
        let room = &mut self.rooms[number];
        let Some(stamp) = self.content.stamp(body) else {
            if room.says(body) {
                self.notices += 1;
            } else {
                room.ledger.fault(member, Fault::Corrupted);
            }
            return;
        };
        if stamp.room as usize != number {
            room.ledger.fault(member, Fault::Foreign);
            return;
        }
        let sender = stamp.sender as usize;
        let head = room.senders.get(sender).map(|sender| &sender.head);
        let intact = sound && head.is_some_and(|head| self.content.matches(head, stamp, body));
        if !intact {
            room.ledger.fault(member, Fault::Corrupted);
        }
        let Verdict::Fresh { done } = room.ledger.deliver(member, sender, stamp.sequence) else {
            return;
        };
        self.last_delivery = now;
        self.delivered += u64::from(intact);
        if stamp.due >= self.measured_from {
            self.latency.saturating_record(now.saturating_sub(stamp.due));
        }
        if done {
            self.send_next(number, sender, now);
        }
    }

    /// A message arrived that was too large to be kept; `sound` are its size and hash, if it is.
    fn handle_large(&mut self, room: usize, member: usize, sound: Option<(u64, Digest)>, now: u64) {
        let ledger = &mut self.rooms[room].ledger;
        let sent = self.transfer.as_mut().filter(|transfer| {
            sound.is_some_and(|(size, digest)| transfer.is_sound(room, size, digest))
        });
        let Some(transfer) = sent else {
            ledger.fault(member, Fault::Corrupted);
            return;
        };
        if let Verdict::Fresh { .. } = ledger.deliver(member, 0, 0) {
            transfer.complete(member >= self.slow_from, now);
            self.delivered += 1;
        }
    }

    /// Octets arrived at a member. For one large message that is progress, too.
    pub fn note_arrival(&mut self, now: u64) {
        if self.transfer.is_some() {
            self.last_delivery = now;
        }
    }

    /// The closed loop: one of the sender's messages is done.
    fn send_next(&mut self, room: usize, sender: usize, now: u64) {
        if self.sending && matches!(self.load, Load::Closed { .. }) {
            self.send(Turn { room, sender }, now);
        }
    }

    /// A listener is cut off on purpose.
    pub fn cut(&mut self, room: usize, member: usize, now: u64) {
        for sender in self.rooms[room].ledger.cut(member) {
            self.send_next(room, sender, now);
        }
    }

    /// A listener is back.
    pub fn restore(&mut self, room: usize, member: usize) {
        self.rooms[room].ledger.restore(member);
    }

    /// A member's connection is gone, and nobody had cut it.
    pub fn lose(&mut self, room: usize, member: usize, now: u64) {
        self.rooms[room].ledger.fault(member, Fault::Disconnected);
        self.cut(room, member, now);
    }

    /// Counts a fault of one member's session.
    pub fn fault(&mut self, room: usize, member: usize, fault: Fault) {
        self.rooms[room].ledger.fault(member, fault);
    }

    /// Messages due from `now` on are timed.
    pub fn measure(&mut self, now: u64) {
        self.measured_from = now;
    }

    /// Unharmed first copies so far.
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Deliveries, and answers to senders, that have yet to come.
    pub fn outstanding(&self) -> u64 {
        let owed = |room: &Room| room.ledger.outstanding() + room.ledger.unanswered();
        self.rooms.iter().map(owed).sum()
    }

    /// When the last copy arrived.
    pub fn last_delivery(&self) -> u64 {
        self.last_delivery
    }

    /// Closes the books.
    pub fn close(self, one_order: bool) -> Outcome {
        let mut outcome = Outcome {
            sent: 0,
            delivered: self.delivered,
            notices: self.notices,
            latency: self.latency,
            lateness: self.lateness,
            transferred: self.transfer.map(Transfer::close),
            faults: Faults::default(),
        };
        for room in self.rooms {
            outcome.sent += room.ledger.sent();
            outcome.faults += room.ledger.close(one_order);
        }
        outcome
    }
}

impl Room {
    /// Whether a message comes from the room itself, as explanations and warnings do
    /// (RFC 7701 section 11).
    fn says(&self, body: &[u8]) -> bool {
        let from_room = |from: Address<'_>| self.address.as_ref().is_some_and(|room| from == *room);
        Wrapper::parse_whole(body).is_ok_and(|wrapper| from_room(wrapper.from))
    }
}

/// What the whole run came to.
#[derive(Debug)]
pub struct Outcome {
    /// Messages sent.
    pub sent: u64,
    /// Unharmed first copies.
    pub delivered: u64,
    /// Messages from the rooms themselves.
    pub notices: u64,
    /// From due to delivered, in nanoseconds.
    pub latency: Histogram<u64>,
    /// From due to sent, in nanoseconds: the part of the latency that is this tool's own.
    pub lateness: Histogram<u64>,
    /// What sending one large message came to.
    pub transferred: Option<Transferred>,
    /// What went wrong.
    pub faults: Faults,
}
