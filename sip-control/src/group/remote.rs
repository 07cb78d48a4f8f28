//! What is asked for by HTTP again and again: when, what came of it, and what counts meanwhile. One
//! shape for lists of members and for group documents.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use mailbox::figures;

use super::{
    document::Fault,
    fetch::{FetchError, Fetched},
};
use crate::config::Timers;

/// When something is fetched.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// What has come is asked for again after this time.
    pub refresh: Duration,
    /// What has not come, after this.
    pub retry: Duration,
}

figures! {
    /// What came of fetching group documents, and lists of their members.
    #[derive(Clone, Debug, Default, Eq, PartialEq)]
    pub struct Counters {
        /// Documents and lists that were asked for.
        pub fetches: u64,
        /// Those that did not come or were not sound, by why.
        pub fetch_failures: BTreeMap<&'static str, u64>,
    }
}

/// Counters that the threads which fetch share with who asks for them.
#[derive(Clone, Debug, Default)]
pub struct Tally(Arc<Mutex<Counters>>);

impl Tally {
    /// What was counted until now.
    pub fn counters(&self) -> Counters {
        // Counters are sound whoever panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, failure: Option<&'static str>) {
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counters.fetches += 1;
        if let Some(why) = failure {
            *counters.fetch_failures.entry(why).or_default() += 1;
        }
    }
}

/// What came, and was read.
#[derive(Debug)]
pub enum Read<T> {
    /// A document that is sound, and its tag.
    Sound(T, Option<String>),
    /// It is what it was.
    Unchanged,
    /// It is no more.
    Gone,
}

/// Why nothing came that counts.
#[derive(Debug)]
pub enum Trouble {
    /// It could not be had.
    Fetch(FetchError),
    /// It is not sound.
    Document(Fault),
}

impl Trouble {
    fn name(&self) -> &'static str {
        match self {
            Self::Fetch(error) => error.name(),
            Self::Document(_) => "document",
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fetch(error) => error.fmt(f),
            Self::Document(fault) => fault.fmt(f),
        }
    }
}

/// Reads what was fetched.
pub fn read<T>(
    result: Result<Fetched, FetchError>,
    parse: impl FnOnce(&[u8]) -> Result<T, Fault>,
) -> Result<Read<T>, Trouble> {
    match result.map_err(Trouble::Fetch)? {
        Fetched::Unchanged => Ok(Read::Unchanged),
        Fetched::Document { text, tag } => {
            let value = parse(&text).map_err(Trouble::Document)?;
            Ok(Read::Sound(value, tag))
        }
    }
}

/// What the log calls those of one kind, when they are asked for, and where it is counted.
#[derive(Clone, Debug)]
pub struct Round {
    /// The noun.
    pub what: &'static str,
    /// How often.
    pub patience: Patience,
    /// What came of it.
    pub tally: Tally,
}

impl Round {
    /// That of lists.
    pub fn of_lists(timers: &Timers, tally: Tally) -> Self {
        let patience = Patience { refresh: timers.list_refresh, retry: timers.list_retry };
        Self { what: "list", patience, tally }
    }

    /// That of group documents.
    pub fn of_documents(timers: &Timers, tally: Tally) -> Self {
        let patience = Patience { refresh: timers.document_refresh, retry: timers.document_retry };
        Self { what: "group document", patience, tally }
    }
}

/// Something that is elsewhere, as it last was.
#[derive(Debug)]
pub struct Remote<T> {
    /// The last one that came and was sound, as long as it is there.
    value: Option<T>,
    tag: Option<String>,
    due: Instant,
    standing: Standing,
}

/// What was last said of it in the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Standing {
    /// Nothing, or that all is well.
    Well,
    /// That it does not come, or is not sound.
    Lost,
    /// That it is no more.
    Gone,
}

impl<T: PartialEq> Remote<T> {
    /// Something that nobody has asked for yet.
    pub fn new(due: Instant) -> Self {
        Self { value: None, tag: None, due, standing: Standing::Well }
    }

    /// What counts.
    pub fn value(&self) -> Option<&T> {
        self.value.as_ref()
    }

    /// By what it can be asked whether it has changed.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// When it is asked for.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// What came of asking for it. What is not sound changes nothing, and neither does a server that
    /// does not answer: that is said once when it begins, and once when it is over. Whether another
    /// one counts now.
    pub fn handle(
        &mut self,
        now: Instant,
        url: &str,
        round: &Round,
        result: Result<Read<T>, Trouble>,
    ) -> bool {
        let Round { what, patience, tally } = round;
        tally.note(result.as_ref().err().map(Trouble::name));
        let wait = if result.is_ok() { patience.refresh } else { patience.retry };
        self.due = now + wait;
        let before = self.standing;
        match result {
            Ok(Read::Gone) => {
                self.standing = Standing::Gone;
                if before != Standing::Gone {
                    tracing::warn!(url, "{what} is not there");
                }
                self.tag = None;
                self.value.take().is_some()
            }
            Ok(read) => {
                self.standing = Standing::Well;
                if before != Standing::Well {
                    tracing::info!(url, "{what} is there now");
                }
                let Read::Sound(value, tag) = read else { return false };
                self.tag = tag;
                let has_changed = self.value.as_ref() != Some(&value);
                self.value = Some(value);
                has_changed
            }
            Err(why) => {
                self.standing = Standing::Lost;
                if before != Standing::Lost {
                    let in_force = if self.value.is_some() { "the last sound one" } else { "none" };
                    tracing::error!(url, %why, in_force, "{what} not fetched");
                }
                false
            }
        }
    }
}
