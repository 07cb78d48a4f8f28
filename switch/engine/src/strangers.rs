//! How many connections of one source address have not said yet which session they are for (LIM-07).
//!
//! The cores of a node share the count, for the kernel deals an address's connections out to all of
//! them. An address is counted in one cell of each row, chosen by a keyed hash; its number is at
//! most the smallest of them. Memory is fixed, nothing is locked, and an address is taken for a
//! crowd only when others have filled its cells in every row, which nobody can aim at.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    net::IpAddr,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

/// Cells of a row. Twice as many as there are addresses that could be at their limit with the
/// default number of connections, squared by the second row.
const ROW: usize = 8192;
const ROWS: usize = 2;

/// Counts connections without a session by where they come from.
#[derive(Debug)]
pub(crate) struct Strangers {
    key: [u8; 32],
    cells: Box<[AtomicU32]>,
}

impl Strangers {
    /// `key` must be unpredictable to peers.
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self { key, cells: (0..ROWS * ROW).map(|_| AtomicU32::new(0)).collect() }
    }

    /// One more. `false`, and it is not counted, when there are `max` already; 0 is no limit.
    pub(crate) fn admit(&self, from: IpAddr, max: u32) -> bool {
        let most = self.cells(from).map(|cell| cell.load(Relaxed)).min().unwrap_or(0);
        if max > 0 && most >= max {
            return false;
        }
        for cell in self.cells(from) {
            cell.fetch_add(1, Relaxed);
        }
        true
    }

    /// One that was admitted is a stranger no more, or is gone.
    pub(crate) fn forget(&self, from: IpAddr) {
        for cell in self.cells(from) {
            cell.fetch_sub(1, Relaxed);
        }
    }

    fn cells(&self, from: IpAddr) -> impl Iterator<Item = &AtomicU32> {
        let mut hasher = DefaultHasher::new();
        (self.key, from.to_canonical()).hash(&mut hasher);
        let hash = hasher.finish() as usize;
        (0..ROWS).map(move |row| &self.cells[row * ROW + (hash >> (row * 32)) % ROW])
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use super::Strangers;

    #[test]
    fn an_address_is_counted_for_itself_and_in_either_spelling() {
        let strangers = Strangers::new([7; 32]);
        let address = |last| IpAddr::from(Ipv4Addr::new(192, 0, 2, last));
        let mapped = IpAddr::from(Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped());
        assert!((0..3).all(|_| strangers.admit(address(1), 3)));
        assert!(!strangers.admit(address(1), 3) && !strangers.admit(mapped, 3));
        assert!((2..200).all(|last| strangers.admit(address(last), 3)), "others are not counted");
        assert!(strangers.admit(IpAddr::from(Ipv6Addr::LOCALHOST), 3));
        strangers.forget(mapped);
        assert!(strangers.admit(address(1), 3) && !strangers.admit(address(1), 3));
        assert!(strangers.admit(address(1), 0), "no limit");
    }
}
