//! The one bounded ring that everybody uses: commands, events and relays.
//!
//! A full ring gives the item back to its sender, who has to answer for it: nothing is dropped
//! here and nobody spins. Memory is bounded by `capacity` items, allocated once.

use std::sync::Arc;

use crossbeam_queue::ArrayQueue;

use crate::Doorbell;

/// The ring was full; this is what did not fit.
#[derive(Debug, Eq, PartialEq)]
pub struct Full<T>(pub T);

/// A ring of `capacity` items whose receiver is woken by `doorbell`.
pub fn ring<T>(capacity: usize, doorbell: &Doorbell) -> (Sender<T>, Receiver<T>) {
    let queue = Arc::new(ArrayQueue::new(capacity));
    (Sender { queue: Arc::clone(&queue), doorbell: doorbell.clone() }, Receiver { queue })
}

/// The end that pushes.
#[derive(Debug)]
pub struct Sender<T> {
    queue: Arc<ArrayQueue<T>>,
    doorbell: Doorbell,
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self { queue: Arc::clone(&self.queue), doorbell: self.doorbell.clone() }
    }
}

impl<T> Sender<T> {
    /// Puts `item` in, without waking anybody: follow up with [`Sender::ring`].
    pub fn push(&self, item: T) -> Result<(), Full<T>> {
        self.queue.push(item).map_err(Full)
    }

    /// Wakes the receiver if it sleeps.
    pub fn ring(&self) {
        self.doorbell.ring();
    }

    /// Puts `item` in and wakes the receiver.
    pub fn send(&self, item: T) -> Result<(), Full<T>> {
        self.push(item)?;
        self.ring();
        Ok(())
    }

    /// How many more items fit, unless others push too.
    pub fn room(&self) -> usize {
        self.queue.capacity() - self.queue.len()
    }
}

/// The end that pops. One thread owns it.
#[derive(Debug)]
pub struct Receiver<T> {
    queue: Arc<ArrayQueue<T>>,
}

impl<T> Receiver<T> {
    /// The oldest item, if there is one.
    pub fn pop(&mut self) -> Option<T> {
        self.queue.pop()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::{Full, ring};
    use crate::Doorbell;

    #[test]
    fn a_full_ring_hands_the_item_back_and_keeps_its_order() {
        let (sender, mut receiver) = ring(2, &Doorbell::new().unwrap());
        assert_eq!(sender.send(1), Ok(()));
        assert_eq!(sender.send(2), Ok(()));
        assert_eq!(sender.room(), 0);
        assert_eq!(sender.send(3), Err(Full(3)));
        assert_eq!(receiver.pop(), Some(1));
        assert_eq!(sender.send(3), Ok(()));
        assert_eq!((receiver.pop(), receiver.pop(), receiver.pop()), (Some(2), Some(3), None));
    }

    #[test]
    fn the_bell_is_rung_for_a_sleeper_once_and_for_one_awake_never() {
        let bell = Doorbell::new().unwrap();
        let (sender, _receiver) = ring(8, &bell);
        let rung = |bell: &Doorbell| rustix::io::read(bell, &mut [0u8; 8]).is_ok();
        sender.send(1).unwrap();
        assert!(!rung(&bell), "the owner is awake and looks by itself");
        bell.announce_sleep();
        sender.send(2).unwrap();
        sender.send(3).unwrap();
        assert!(rung(&bell) && !rung(&bell), "one ring for two pushes");
        bell.announce_sleep();
        bell.awake();
        sender.send(4).unwrap();
        assert!(!rung(&bell));
    }
}
