//! The disk of a node that remembers its sessions: what has been written when the node dies is what the
//! next one finds (sip/OPS-10). The file is that of the real store.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
};

use sip_control::store::{Change, Remembered, Store};

use crate::dice::Dice;

/// All that was ever given to it.
#[derive(Default)]
pub struct Disk {
    /// Written for the nodes before.
    kept: Vec<Change>,
    /// Given by this one.
    given: Vec<Change>,
    /// How many of these it has been told are written.
    told: usize,
}

impl Disk {
    pub fn give(&mut self, change: Change) {
        self.given.push(change);
    }

    /// Whether nothing waits to be written.
    pub fn is_idle(&self) -> bool {
        self.told == self.given.len()
    }

    /// Some more is written: the number of the last of it.
    pub fn write(&mut self, dice: &mut Dice) -> u64 {
        let waiting = self.given.len() - self.told;
        if waiting > 0 {
            self.told += 1 + dice.below(waiting);
        }
        self.told as u64
    }

    /// Whether it is certain that the next node finds the session, if it is not over before.
    pub fn holds(&self, identity: &str) -> bool {
        let mut written = self.kept.iter().chain(&self.given[..self.told]);
        written.any(|it| matches!(it, Change::Opened { session, .. } if session == identity))
    }

    /// The node is dead. There may be more written than it was told.
    pub fn survive(&mut self, dice: &mut Dice) -> Vec<Remembered> {
        let written = self.told + dice.below(self.given.len() - self.told + 1);
        self.kept.extend(self.given.drain(..).take(written));
        self.told = 0;
        let file = File::new();
        let (store, none) = Store::open(&file.0).expect("a store");
        assert!(none.is_empty());
        for change in &self.kept {
            store.write(change.clone());
        }
        drop(store);
        Store::open(&file.0).expect("a store").1
    }
}

/// A file for one opening, gone with it.
struct File(PathBuf);

impl File {
    fn new() -> Self {
        static FILES: AtomicUsize = AtomicUsize::new(0);
        let number = FILES.fetch_add(1, Ordering::Relaxed);
        let name = format!("planes-{}-{number}.redb", std::process::id());
        Self(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name))
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // There is none if the store could not be opened.
        let _ = std::fs::remove_file(&self.0);
    }
}
