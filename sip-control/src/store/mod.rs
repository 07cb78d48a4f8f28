//! What of the sessions outlives the process, in a file of an embedded store (OPS-10).
//!
//! ```text
//!   focus -> Change -> Store::write --(queue)--> its own thread: all that waits, in one commit
//!   focus -> what rests on it: held by the agent <------ the number of the last change on disk
//! ```
//!
//! Nobody waits for the disk but what must: an answer that promises something leaves when what it
//! promises is on disk, and all that was asked for meanwhile shares the next commit. When the disk
//! fails, that is said once, and sessions are served without being kept.

mod ledger;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
};

use mailbox::figures;
use tokio::sync::watch;

use self::ledger::Ledger;
use crate::{focus::UserKey, message::Marks};

/// Changes that share one commit at most: a bound on how long one takes.
const BATCH_MAX: usize = 4096;

/// Something that is to be remembered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// A session has begun.
    Opened {
        /// Its identity.
        session: String,
        /// The URI of the room.
        room: String,
    },
    /// It is that of an ad-hoc group: it is held nowhere but in itself.
    Founded {
        /// Its identity.
        session: String,
        /// Whose group it is, and what it is about.
        founding: Founding,
    },
    /// Somebody may come to it, who is not in it (PUB-14).
    Welcomed {
        /// Its identity.
        session: String,
        /// Who.
        user: UserKey,
    },
    /// Somebody is in it.
    Joined {
        /// Its identity.
        session: String,
        /// Who.
        user: UserKey,
        /// Whether it is there under an alias.
        is_anonymous: bool,
    },
    /// Somebody is not in it any more, and may come back.
    Left {
        /// Its identity.
        session: String,
        /// Who.
        user: UserKey,
    },
    /// Somebody was put out of it, and may not come back.
    Expelled {
        /// Its identity.
        session: String,
        /// Who.
        user: UserKey,
    },
    /// Somebody left it for good, and may not come back by itself (RCS-04).
    Departed {
        /// Its identity.
        session: String,
        /// Who.
        user: UserKey,
    },
    /// Its clients know it by these names (RCS-01).
    Marked {
        /// Its identity.
        session: String,
        /// The names.
        marks: Marks,
    },
    /// So many aliases were given out in it.
    Aliased {
        /// Its identity.
        session: String,
        /// The number of the last one.
        last: u64,
    },
    /// It is over.
    Closed {
        /// Its identity.
        session: String,
    },
}

/// How an ad-hoc group was made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Founding {
    /// Who made it.
    pub creator: UserKey,
    /// What it is about.
    pub subject: Option<String>,
}

/// A session as it was when the last process ended.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Remembered {
    /// Its identity.
    pub session: String,
    /// The URI of its room.
    pub room: String,
    /// How it was made, if it is that of an ad-hoc group.
    pub founding: Option<Founding>,
    /// Who was not in it, and may come.
    pub guests: Vec<UserKey>,
    /// Who was in it.
    pub members: Vec<RememberedMember>,
    /// Who was put out of it.
    pub expelled: Vec<UserKey>,
    /// Who left it for good.
    pub departed: Vec<UserKey>,
    /// The number of the last alias given out.
    pub aliases: u64,
    /// The names by which its clients know it.
    pub marks: Marks,
}

/// Somebody who was in a session when the last process ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RememberedMember {
    /// Who.
    pub user: UserKey,
    /// Whether the others knew it by an alias only.
    pub is_anonymous: bool,
}

/// Why a store cannot be used.
#[derive(Debug)]
pub struct StoreError {
    path: PathBuf,
    why: String,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.why)
    }
}

impl std::error::Error for StoreError {}

figures! {
    /// What the store has counted.
    #[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
    pub struct Counters {
        /// Changes written.
        pub changes: u64,
        /// Commits, each of them one wait for the disk.
        pub commits: u64,
        /// Commits that failed.
        pub failures: u64,
    }
}

#[derive(Debug, Default)]
struct Tally {
    changes: AtomicU64,
    commits: AtomicU64,
    failures: AtomicU64,
}

/// A store that takes changes. Dropped, it writes what it was given, and only then is gone.
#[derive(Debug)]
pub struct Store {
    /// Taken when there will be no more.
    changes: Option<mpsc::Sender<Change>>,
    written: watch::Receiver<u64>,
    tally: Arc<Tally>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Store {
    /// Opens the file, or makes it, and reads the sessions in it.
    pub fn open(path: &Path) -> Result<(Self, Vec<Remembered>), StoreError> {
        let unusable =
            |why: &dyn fmt::Display| StoreError { path: path.to_owned(), why: why.to_string() };
        let ledger = Ledger::open(path).map_err(|error| unusable(&error))?;
        let remembered = ledger.read().map_err(|error| unusable(&error))?;
        let (changes, given) = mpsc::channel();
        let (tell, written) = watch::channel(0);
        let tally = Arc::new(Tally::default());
        let counts = Arc::clone(&tally);
        let thread = thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || keep(&ledger, &given, &tell, &counts))
            .map_err(|error: io::Error| unusable(&error))?;
        let store = Self { changes: Some(changes), written, tally, thread: Some(thread) };
        Ok((store, remembered))
    }

    /// Has a change written. They are numbered from 1 on.
    pub fn write(&self, change: Change) {
        if let Some(changes) = &self.changes {
            // The thread ends only when this end is gone.
            let _ = changes.send(change);
        }
    }

    /// Waits until more is written than [`written`](Self::written) has told so far.
    pub async fn progress(&mut self) {
        if self.written.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// The number of the last change that is written, or given up.
    pub fn written(&mut self) -> u64 {
        *self.written.borrow_and_update()
    }

    /// What was counted.
    pub fn counters(&self) -> Counters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Tally { changes, commits, failures } = &*self.tally;
        Counters { changes: read(changes), commits: read(commits), failures: read(failures) }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.changes = None;
        if let Some(thread) = self.thread.take() {
            // Whatever became of it, there is nobody left to be told.
            let _ = thread.join();
        }
    }
}

/// Writes what is given, all that waits in one commit, until no more can come.
fn keep(
    ledger: &Ledger,
    given: &mpsc::Receiver<Change>,
    tell: &watch::Sender<u64>,
    counts: &Tally,
) {
    let mut number = 0;
    let mut batch = Vec::new();
    while let Ok(first) = given.recv() {
        batch.push(first);
        batch.extend(given.try_iter().take(BATCH_MAX - 1));
        number += batch.len() as u64;
        match ledger.write(&batch) {
            Ok(()) => {
                counts.commits.fetch_add(1, Ordering::Relaxed);
                counts.changes.fetch_add(batch.len() as u64, Ordering::Relaxed);
            }
            Err(error) => {
                if counts.failures.fetch_add(1, Ordering::Relaxed) == 0 {
                    tracing::error!(%error, "sessions are not kept: the store cannot be written");
                }
            }
        }
        batch.clear();
        tell.send_replace(number);
    }
}

#[cfg(test)]
mod tests;
