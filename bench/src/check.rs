//! The ledger of one room: what was sent, who has yet to get it, and what went wrong.
//!
//! Each recipient owes to each sender's messages one rule: every number from `expected` on, once,
//! in order. A number that is skipped goes to `missing`; if it comes after all it is out of order,
//! if it never does it is lost. A listener that was cut off is excused from what was sent until it
//! is back.

use std::collections::{BTreeSet, VecDeque};

use crate::content::mix;
use crate::fault::{Fault, Faults};

/// What a delivery turned out to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// A first copy. It may be the one that the sender was waiting for.
    Fresh {
        /// Every recipient now has the message.
        done: bool,
    },
    /// Not to be counted as a delivery; the fault has been counted.
    Faulty,
}

/// The ledger of one room.
#[derive(Debug)]
pub struct Ledger {
    senders: Vec<Outgoing>,
    recipients: Vec<Recipient>,
    outstanding: u64,
    faults: Faults,
}

/// What one sender has sent.
#[derive(Debug, Default)]
struct Outgoing {
    /// For each message in flight how many recipients lack it, from number `first` on. Those at
    /// the front that nobody lacks are gone.
    lacking: VecDeque<u32>,
    first: u64,
    answered: u64,
    refused: BTreeSet<u64>,
}

impl Outgoing {
    fn next(&self) -> u64 {
        self.first + self.lacking.len() as u64
    }

    /// How many recipients lack this message; `None` when it is not in flight.
    fn lacking(&mut self, sequence: u64) -> Option<&mut u32> {
        let place = sequence.checked_sub(self.first)?;
        self.lacking.get_mut(usize::try_from(place).ok()?)
    }

    fn retire(&mut self) {
        while self.lacking.front() == Some(&0) {
            self.lacking.pop_front();
            self.first += 1;
        }
    }
}

/// What one recipient has got.
#[derive(Debug)]
struct Recipient {
    flows: Vec<Flow>,
    /// Whether messages sent now are due to it.
    present: bool,
    /// Whether it was ever cut off: then it cannot have seen all that the others saw.
    was_cut: bool,
    order: Order,
    faults: Faults,
}

/// The messages of one sender, as one recipient has seen them.
#[derive(Clone, Debug, Default)]
struct Flow {
    expected: u64,
    missing: BTreeSet<u64>,
    /// Numbers below this one that are skipped by the next delivery are no loss.
    excused: u64,
    /// Messages from this number on were counted as due to the recipient.
    due: u64,
}

/// A hash over everything that a recipient saw, in the order in which it saw it. Senders do not
/// see their own messages: to be compared with them, a witness also hashes all but theirs.
#[derive(Clone, Debug, Default)]
struct Order {
    all: u64,
    without: Vec<u64>,
}

impl Order {
    fn see(&mut self, sender: usize, sequence: u64) {
        let key = mix((sender as u64) << 48 ^ sequence);
        self.all = mix(self.all ^ key);
        for (other, hash) in self.without.iter_mut().enumerate() {
            if other != sender {
                *hash = mix(*hash ^ key);
            }
        }
    }
}

impl Ledger {
    /// A room of `members`, of which the first `senders` send.
    pub fn new(members: usize, senders: usize) -> Self {
        // One listener is witness enough; in a room without, each pair has to be compared.
        let is_witness = |member: usize| member == senders || members == senders;
        let recipients = (0..members)
            .map(|member| Recipient {
                flows: vec![Flow::default(); senders],
                present: true,
                was_cut: false,
                order: Order {
                    all: 0,
                    without: vec![0; if is_witness(member) { senders } else { 0 }],
                },
                faults: Faults::default(),
            })
            .collect();
        let senders = (0..senders).map(|_| Outgoing::default()).collect();
        Self { senders, recipients, outstanding: 0, faults: Faults::default() }
    }

    /// A message leaves: its number among those of its sender.
    pub fn send(&mut self, sender: usize) -> u64 {
        let due = self
            .recipients
            .iter()
            .enumerate()
            .filter(|&(member, recipient)| recipient.present && member != sender)
            .count();
        let outgoing = &mut self.senders[sender];
        let sequence = outgoing.next();
        outgoing.lacking.push_back(due as u32);
        self.outstanding += due as u64;
        sequence
    }

    /// The message of that number would be the sender's next.
    pub fn next(&self, sender: usize) -> u64 {
        self.senders[sender].next()
    }

    /// A message arrives.
    pub fn deliver(&mut self, recipient: usize, sender: usize, sequence: u64) -> Verdict {
        let to = &mut self.recipients[recipient];
        if recipient == sender {
            to.faults.count(Fault::Echoed);
            return Verdict::Faulty;
        }
        let Some(from) = self.senders.get_mut(sender).filter(|from| sequence < from.next()) else {
            to.faults.count(Fault::Corrupted);
            return Verdict::Faulty;
        };
        let flow = &mut to.flows[sender];
        if sequence < flow.expected {
            let fault =
                if flow.missing.remove(&sequence) { Fault::Disordered } else { Fault::Duplicated };
            to.faults.count(fault);
            if fault == Fault::Duplicated {
                return Verdict::Faulty;
            }
        } else {
            flow.missing.extend(flow.expected.max(flow.excused)..sequence);
            flow.expected = sequence + 1;
            flow.excused = 0;
        }
        to.order.see(sender, sequence);
        let mut done = false;
        if sequence >= flow.due
            && let Some(lacking) = from.lacking(sequence)
            && *lacking > 0
        {
            *lacking -= 1;
            done = *lacking == 0;
            self.outstanding -= 1;
            from.retire();
        }
        Verdict::Fresh { done }
    }

    /// The switch answers a message. Returns whether that ends it: refused, it reaches nobody.
    pub fn answer(&mut self, sender: usize, sequence: u64, status: u16) -> bool {
        let from = &mut self.senders[sender];
        if sequence >= from.next() {
            self.faults.count(Fault::Stray);
            return false;
        }
        from.answered += 1;
        if status == 200 {
            return false;
        }
        self.faults.count(Fault::Refused);
        from.refused.insert(sequence);
        let ended = from.lacking(sequence).map(std::mem::take).unwrap_or_default();
        self.outstanding -= u64::from(ended);
        from.retire();
        ended > 0
    }

    /// A listener is cut off: what it lacks is no longer due to it. Returns the senders of
    /// messages that are done by that.
    pub fn cut(&mut self, recipient: usize) -> Vec<usize> {
        let to = &mut self.recipients[recipient];
        to.present = false;
        to.was_cut = true;
        let mut done = Vec::new();
        for (sender, (flow, from)) in to.flows.iter_mut().zip(&mut self.senders).enumerate() {
            to.faults.add(Fault::Lost, flow.missing.len() as u64);
            let lacks = std::mem::take(&mut flow.missing).into_iter();
            for sequence in lacks.chain(flow.expected..from.next()) {
                if sequence >= flow.due
                    && let Some(lacking) = from.lacking(sequence)
                    && *lacking > 0
                {
                    *lacking -= 1;
                    self.outstanding -= 1;
                    if *lacking == 0 {
                        done.push(sender);
                    }
                }
            }
            from.retire();
            flow.due = u64::MAX;
            flow.excused = u64::MAX;
        }
        done
    }

    /// A listener is back: what is sent from now on is due to it.
    pub fn restore(&mut self, recipient: usize) {
        let to = &mut self.recipients[recipient];
        to.present = true;
        for (flow, from) in to.flows.iter_mut().zip(&self.senders) {
            flow.due = from.next();
            // Once it has seen a message it has to see all that follow.
            flow.excused = if flow.excused == u64::MAX { from.next() } else { 0 };
        }
    }

    /// Deliveries that have yet to come.
    pub fn outstanding(&self) -> u64 {
        self.outstanding
    }

    /// Answers that have yet to come.
    pub fn unanswered(&self) -> u64 {
        self.senders.iter().map(|from| from.next() - from.answered.min(from.next())).sum()
    }

    /// Messages sent.
    pub fn sent(&self) -> u64 {
        self.senders.iter().map(Outgoing::next).sum()
    }

    /// Counts a fault of one member's session.
    pub fn fault(&mut self, member: usize, fault: Fault) {
        self.recipients[member].faults.count(fault);
    }

    /// Closes the books: what has not come by now is lost. `one_order` asks whether all recipients
    /// saw the room's messages in one order.
    pub fn close(mut self, one_order: bool) -> Faults {
        let unanswered = self.unanswered();
        self.faults.add(Fault::Unanswered, unanswered);
        for (member, to) in self.recipients.iter_mut().enumerate() {
            for (sender, (flow, from)) in to.flows.iter().zip(&self.senders).enumerate() {
                if sender == member || !to.present {
                    continue;
                }
                let tail = flow.expected.max(flow.excused)..from.next();
                let lost = flow.missing.iter().copied().chain(tail);
                let lost = lost.filter(|sequence| !from.refused.contains(sequence)).count();
                to.faults.add(Fault::Lost, lost as u64);
            }
        }
        if one_order {
            self.faults.add(Fault::Discordant, self.discordant());
        }
        let mut total = self.faults;
        for recipient in &self.recipients {
            total += recipient.faults;
        }
        total
    }

    /// Recipients that saw the room's messages in another order than the witness. Those with a
    /// fault of their own have been counted by that, and their order can tell nothing.
    fn discordant(&self) -> u64 {
        let senders = self.senders.len();
        let fair = |member: usize| {
            let recipient = &self.recipients[member];
            recipient.faults.is_clean() && !recipient.was_cut
        };
        let order = |member: usize| &self.recipients[member].order;
        let fair_members = || (0..self.recipients.len()).filter(|&member| fair(member));
        if let Some(witness) = (self.recipients.len() > senders && fair(senders)).then_some(senders)
        {
            let agrees = |member: usize| {
                let seen = order(member).all;
                let expected = order(witness).without.get(member);
                seen == *expected.unwrap_or(&order(witness).all)
            };
            return fair_members().filter(|&member| !agrees(member)).count() as u64;
        }
        if self.recipients.len() > senders {
            return 0;
        }
        fair_members()
            .filter(|&one| {
                fair_members().any(|other| {
                    one < other && order(one).without[other] != order(other).without[one]
                })
            })
            .count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::{Ledger, Verdict};
    use crate::fault::{Fault, Faults};

    const DONE: Verdict = Verdict::Fresh { done: true };
    const FRESH: Verdict = Verdict::Fresh { done: false };

    /// The only fault there is, and how often.
    fn only(faults: Faults, fault: Fault, times: u64) {
        let mut expected = Faults::default();
        expected.add(fault, times);
        assert_eq!(faults, expected, "{}", fault.name());
    }

    /// A room of one sender and listeners 1 and 2, with so many messages sent and answered.
    fn room(sent: u64) -> Ledger {
        let mut ledger = Ledger::new(3, 1);
        for sequence in 0..sent {
            assert_eq!(ledger.send(0), sequence);
            assert!(!ledger.answer(0, sequence, 200));
        }
        ledger
    }

    #[test]
    fn a_message_is_done_when_its_last_recipient_has_it() {
        let mut ledger = room(1);
        assert_eq!(ledger.outstanding(), 2);
        assert_eq!(ledger.deliver(2, 0, 0), FRESH);
        assert_eq!(ledger.deliver(1, 0, 0), DONE);
        assert_eq!(ledger.outstanding(), 0);
        assert!(ledger.close(true).is_clean());
    }

    #[test]
    fn what_never_comes_is_lost_at_each_recipient_that_lacks_it() {
        let mut ledger = room(3);
        for sequence in [0, 2] {
            ledger.deliver(1, 0, sequence);
        }
        for sequence in [0, 1] {
            ledger.deliver(2, 0, sequence);
        }
        assert_eq!(ledger.outstanding(), 2);
        only(ledger.close(false), Fault::Lost, 2);
    }

    #[test]
    fn a_second_copy_is_a_duplicate_and_ends_nothing() {
        let mut ledger = room(1);
        assert_eq!(ledger.deliver(1, 0, 0), FRESH);
        assert_eq!(ledger.deliver(1, 0, 0), Verdict::Faulty);
        assert_eq!(ledger.outstanding(), 1);
        assert_eq!(ledger.deliver(2, 0, 0), DONE);
        only(ledger.close(false), Fault::Duplicated, 1);
    }

    #[test]
    fn a_late_copy_is_out_of_order_but_not_lost() {
        let mut ledger = room(2);
        for (recipient, sequence) in [(1, 1), (1, 0), (2, 0), (2, 1)] {
            ledger.deliver(recipient, 0, sequence);
        }
        assert_eq!(ledger.outstanding(), 0);
        only(ledger.close(true), Fault::Disordered, 1);
    }

    #[test]
    fn the_sender_gets_no_copy_and_nobody_gets_what_was_never_sent() {
        let mut ledger = room(1);
        ledger.deliver(1, 0, 0);
        ledger.deliver(2, 0, 0);
        assert_eq!(ledger.deliver(0, 0, 0), Verdict::Faulty);
        assert_eq!(ledger.deliver(1, 0, 1), Verdict::Faulty);
        assert_eq!(ledger.deliver(1, 7, 0), Verdict::Faulty);
        let faults = ledger.close(true);
        assert_eq!((faults.of(Fault::Echoed), faults.of(Fault::Corrupted)), (1, 2));
    }

    #[test]
    fn a_refused_message_is_not_lost_as_well() {
        let mut ledger = Ledger::new(3, 1);
        ledger.send(0);
        assert!(ledger.answer(0, 0, 413), "the sender waits no longer");
        assert_eq!(ledger.outstanding(), 0);
        only(ledger.close(true), Fault::Refused, 1);
    }

    #[test]
    fn a_message_without_an_answer_is_told_apart_from_a_lost_one() {
        let mut ledger = Ledger::new(2, 1);
        ledger.send(0);
        assert_eq!(ledger.deliver(1, 0, 0), DONE);
        assert_eq!(ledger.unanswered(), 1);
        only(ledger.close(true), Fault::Unanswered, 1);
    }

    #[test]
    fn listeners_that_disagree_on_the_order_of_two_senders_are_discordant() {
        // Each sender's own messages are in order everywhere: only the hash can tell.
        let mut ledger = Ledger::new(4, 2);
        for sender in [0, 1] {
            ledger.send(sender);
            ledger.answer(sender, 0, 200);
        }
        ledger.deliver(1, 0, 0);
        ledger.deliver(0, 1, 0);
        for (recipient, order) in [(2, [0, 1]), (3, [1, 0])] {
            for sender in order {
                ledger.deliver(recipient, sender, 0);
            }
        }
        only(ledger.close(true), Fault::Discordant, 1);
    }

    #[test]
    fn a_sender_is_compared_with_a_listener_over_what_both_see() {
        for (orders, discordant) in [([1, 2], 0), ([2, 1], 1)] {
            let mut ledger = Ledger::new(4, 3);
            for sender in 0..3 {
                ledger.send(sender);
                ledger.answer(sender, 0, 200);
            }
            for sender in [1, 0, 2] {
                ledger.deliver(3, sender, 0);
            }
            for sender in orders {
                ledger.deliver(0, sender, 0);
            }
            for sender in [0, 2] {
                ledger.deliver(1, sender, 0);
            }
            for sender in [1, 0] {
                ledger.deliver(2, sender, 0);
            }
            only(ledger.close(true), Fault::Discordant, discordant);
        }
    }

    #[test]
    fn where_all_send_each_pair_is_compared() {
        for (last, discordant) in [([0, 1], 0), ([1, 0], 0), ([0, 1], 1)] {
            let mut ledger = Ledger::new(4, 4);
            for sender in 0..4 {
                ledger.send(sender);
                ledger.answer(sender, 0, 200);
            }
            // The room's order is `last`, then 2, then 3; in the third case member 2 disagrees.
            for recipient in 0..4 {
                let mut order = [last[0], last[1], 2, 3];
                if discordant == 1 && recipient == 2 {
                    order.swap(0, 1);
                }
                for sender in order.into_iter().filter(|&sender| sender != recipient) {
                    ledger.deliver(recipient, sender, 0);
                }
            }
            let faults = ledger.close(true);
            assert_eq!(faults.of(Fault::Discordant) > 0, discordant > 0);
        }
    }

    #[test]
    fn one_cut_off_is_owed_nothing_until_it_is_back() {
        let mut ledger = room(2);
        for (recipient, sequence) in [(1, 0), (2, 0), (2, 1)] {
            ledger.deliver(recipient, 0, sequence);
        }
        assert_eq!(ledger.cut(1), [0], "the second message waited for it alone");
        assert_eq!(ledger.send(0), 2);
        assert_eq!(ledger.deliver(2, 0, 2), DONE);
        ledger.restore(1);
        assert_eq!(ledger.send(0), 3);
        ledger.deliver(1, 0, 3);
        assert_eq!(ledger.deliver(2, 0, 3), DONE);
        for sequence in [2, 3] {
            ledger.answer(0, sequence, 200);
        }
        assert_eq!(ledger.outstanding(), 0);
        assert!(ledger.close(true).is_clean());
    }

    #[test]
    fn one_that_is_back_must_get_all_that_follows_the_first() {
        let mut ledger = room(1);
        ledger.deliver(2, 0, 0);
        ledger.cut(1);
        for sequence in 1..4 {
            ledger.send(0);
            ledger.answer(0, sequence, 200);
            ledger.deliver(2, 0, sequence);
        }
        assert_eq!(ledger.deliver(1, 0, 1), FRESH);
        ledger.restore(1);
        only(ledger.close(true), Fault::Lost, 2);
    }

    #[test]
    fn one_that_is_back_loses_what_was_sent_since() {
        let mut ledger = room(1);
        ledger.deliver(2, 0, 0);
        ledger.cut(1);
        ledger.restore(1);
        ledger.send(0);
        ledger.answer(0, 1, 200);
        ledger.deliver(2, 0, 1);
        assert_eq!(ledger.outstanding(), 1);
        only(ledger.close(true), Fault::Lost, 1);
    }
}
