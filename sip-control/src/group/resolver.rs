//! Groups whose members are named elsewhere: the lists are fetched ahead of need, kept with their
//! tags, and looked at again now and then (POL-09).
//!
//! [`Resolver`] reads no clock and fetches nothing itself: it says what is due, and is told what came.
//! Until a list has come it has no members, so nobody is let in by what is not known.

use std::{
    collections::{HashMap, HashSet},
    io,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use super::{
    document::Group,
    fetch::{FetchError, Fetched, Fetcher},
    library::Groups,
    list::List,
    read::MEMBERS_MAX,
};

/// How far lists on lists are followed: a list of the document is the first.
const DEPTH_MAX: usize = 3;

/// When lists are fetched.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// A list that has come is asked for again after this time.
    pub refresh: Duration,
    /// One that has not come, after this.
    pub retry: Duration,
}

/// Why a group with lists cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fault {
    /// Lists are on lists too often, or on themselves.
    Depth,
    /// There are too many members.
    Members,
}

impl Fault {
    fn expected(self) -> String {
        match self {
            Self::Depth => format!("expected lists on lists no deeper than {DEPTH_MAX}"),
            Self::Members => format!("expected at most {MEMBERS_MAX} members on all lists"),
        }
    }
}

/// Puts groups and lists together.
#[derive(Debug)]
pub struct Resolver {
    patience: Patience,
    /// As the documents have them.
    written: Arc<Groups>,
    /// By where they are: all that a group has need of.
    lists: HashMap<String, Known>,
    resolved: Arc<Groups>,
}

/// What is known of a list.
#[derive(Debug)]
struct Known {
    /// The last one that came and was sound.
    list: Option<List>,
    tag: Option<String>,
    due: Instant,
    /// The last attempt came to nothing, which has been said.
    is_lost: bool,
}

impl Resolver {
    /// Without groups.
    pub fn new(patience: Patience) -> Self {
        Self { patience, written: Arc::default(), lists: HashMap::new(), resolved: Arc::default() }
    }

    /// These are the documents' groups from now on.
    pub fn handle_groups(&mut self, now: Instant, groups: Arc<Groups>) {
        self.written = groups;
        self.resolve(now);
    }

    /// The groups with all their members that are known.
    pub fn groups(&self) -> Arc<Groups> {
        Arc::clone(&self.resolved)
    }

    /// A list that is to be fetched now: where it is, and the tag of what is known of it.
    pub fn due(&self, now: Instant) -> Option<(String, Option<String>)> {
        let mut due = self.lists.iter().filter(|(_, known)| known.due <= now);
        due.next().map(|(url, known)| (url.clone(), known.tag.clone()))
    }

    /// When the next one is.
    pub fn next_due(&self) -> Option<Instant> {
        self.lists.values().map(|known| known.due).min()
    }

    /// What came of fetching a list. Whether the groups are others now.
    pub fn handle_fetched(
        &mut self,
        now: Instant,
        url: &str,
        result: Result<Fetched, FetchError>,
    ) -> bool {
        let Some(known) = self.lists.get_mut(url) else { return false };
        let read = match result {
            Ok(Fetched::Unchanged) => Ok(None),
            Ok(Fetched::Document { text, tag }) => {
                List::parse(&text).map(|list| Some((list, tag))).map_err(|fault| fault.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        match read {
            Ok(new) => {
                known.due = now + self.patience.refresh;
                known.is_lost = false;
                let Some((list, tag)) = new else { return false };
                known.tag = tag;
                let has_changed = known.list.as_ref() != Some(&list);
                known.list = Some(list);
                has_changed && self.resolve(now)
            }
            Err(why) => {
                known.due = now + self.patience.retry;
                if !std::mem::replace(&mut known.is_lost, true) {
                    let in_force = if known.list.is_some() { "the last one" } else { "nobody" };
                    tracing::error!(url, why, in_force, "list not fetched");
                }
                false
            }
        }
    }

    /// Puts all groups together anew, and notes which lists are wanted. Whether any group is another.
    fn resolve(&mut self, now: Instant) -> bool {
        let mut wanted = HashSet::new();
        let mut groups = HashMap::new();
        for (key, group) in self.written.iter() {
            match self.complete(group, &mut wanted) {
                Ok(complete) => {
                    groups.insert(key.clone(), complete);
                }
                Err(fault) => {
                    let (uri, expected) = (&group.uri, fault.expected());
                    let last = self.resolved.by_key(key).cloned();
                    let in_force = if last.is_some() { "the last sound one" } else { "none" };
                    tracing::error!(uri, expected, in_force, "group refused");
                    groups.extend(last.map(|last| (key.clone(), last)));
                }
            }
        }
        self.lists.retain(|url, _| wanted.contains(url));
        for url in wanted {
            let new = Known { list: None, tag: None, due: now, is_lost: false };
            self.lists.entry(url).or_insert(new);
        }
        self.resolved = Arc::new(Groups::from_keyed(groups));
        true
    }

    /// The group with the members of its lists.
    fn complete(
        &self,
        group: &Arc<Group>,
        wanted: &mut HashSet<String>,
    ) -> Result<Arc<Group>, Fault> {
        if group.external.is_empty() {
            return Ok(Arc::clone(group));
        }
        let mut members = group.members.clone();
        let mut level: Vec<&String> = group.external.iter().collect();
        let mut seen: HashSet<&String> = HashSet::new();
        for _ in 0..DEPTH_MAX {
            level.retain(|url| seen.insert(url));
            wanted.extend(level.iter().map(|url| (*url).clone()));
            let lists = level.iter().filter_map(|url| self.lists.get(*url)?.list.as_ref());
            let lists: Vec<&List> = lists.collect();
            for list in &lists {
                members.extend(list.members.iter().cloned());
                if members.len() > MEMBERS_MAX {
                    return Err(Fault::Members);
                }
            }
            level = lists.iter().flat_map(|list| &list.external).collect();
        }
        if !level.is_empty() {
            return Err(Fault::Depth);
        }
        Ok(Arc::new(Group { members, ..Group::clone(group) }))
    }

    /// Fetches all that is due, as often as one list leads to another.
    pub fn fetch_due(&mut self, fetcher: &Fetcher) -> bool {
        let mut has_changed = false;
        while let Some((url, tag)) = self.due(Instant::now()) {
            let result = fetcher.get(&url, tag.as_deref());
            has_changed |= self.handle_fetched(Instant::now(), &url, result);
        }
        has_changed
    }
}

/// Where changed groups are put in, to come out with the members of their lists.
#[derive(Debug)]
pub struct Resolving {
    changes: mpsc::Sender<Arc<Groups>>,
}

impl Resolving {
    /// These are the documents' groups from now on.
    pub fn handle_groups(&self, groups: Arc<Groups>) {
        // The thread ends only when this end is gone.
        let _ = self.changes.send(groups);
    }
}

/// Keeps the groups together with their lists, on a thread of its own, and tells of every change.
pub fn resolve(
    first: Arc<Groups>,
    fetcher: Fetcher,
    patience: Patience,
    mut tell: impl FnMut(Arc<Groups>) + Send + 'static,
) -> io::Result<Resolving> {
    let (changes, changed) = mpsc::channel();
    let mut resolver = Resolver::new(patience);
    resolver.handle_groups(Instant::now(), first);
    thread::Builder::new().name("lists".to_owned()).spawn(move || {
        loop {
            if resolver.fetch_due(&fetcher) {
                tell(resolver.groups());
            }
            let pause = resolver
                .next_due()
                .map_or(Duration::MAX, |due| due.saturating_duration_since(Instant::now()));
            match changed.recv_timeout(pause) {
                Ok(groups) => {
                    resolver.handle_groups(Instant::now(), groups);
                    tell(resolver.groups());
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
        }
    })?;
    Ok(Resolving { changes })
}
