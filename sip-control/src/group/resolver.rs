//! Groups whose members are named elsewhere: the lists are fetched ahead of need, kept with their
//! tags, and looked at again now and then (POL-09).
//!
//! Until a list has come it has no members, so nobody is let in by what is not known.

use std::{
    collections::{HashMap, HashSet},
    io,
    sync::{Arc, mpsc},
    thread,
    time::Instant,
};

use super::{
    demand::Demand,
    document::Group,
    fetch::{FetchError, Fetched, Fetcher},
    groups::{Groups, Source, Written},
    list::List,
    read::MEMBERS_MAX,
    remote::{Remote, Round, read},
};

/// How far lists on lists are followed: a list of the document is the first.
const DEPTH_MAX: usize = 3;

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
    round: Round,
    written: Written,
    /// As the documents have them.
    groups: Arc<Groups>,
    /// By where they are: all that a group has need of.
    lists: HashMap<String, Remote<List>>,
    resolved: Arc<Groups>,
}

impl Resolver {
    /// Without groups.
    pub fn new(round: Round) -> Self {
        Self {
            round,
            written: Written::default(),
            groups: Arc::default(),
            lists: HashMap::new(),
            resolved: Arc::default(),
        }
    }

    /// These are the groups of the documents of `source` from now on.
    pub fn handle_groups(&mut self, now: Instant, source: Source, groups: Arc<Groups>) {
        self.groups = self.written.take_in(source, groups);
        self.resolve(now);
    }

    /// The groups with all their members that are known.
    pub fn groups(&self) -> Arc<Groups> {
        Arc::clone(&self.resolved)
    }

    /// Puts all groups together anew, and notes which lists are wanted. Whether any group is another.
    fn resolve(&mut self, now: Instant) -> bool {
        let mut wanted = HashSet::new();
        let mut groups = HashMap::new();
        for (key, group) in self.groups.iter() {
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
            self.lists.entry(url).or_insert_with(|| Remote::new(now));
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
            let lists = level.iter().filter_map(|url| self.lists.get(*url)?.value());
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
}

impl Demand for Resolver {
    fn due(&self, now: Instant) -> Option<(String, Option<String>)> {
        let mut due = self.lists.iter().filter(|(_, list)| list.due() <= now);
        due.next().map(|(url, list)| (url.clone(), list.tag().map(str::to_owned)))
    }

    fn next_due(&self) -> Option<Instant> {
        self.lists.values().map(Remote::due).min()
    }

    /// A list that was there once counts as it was, whatever the server says.
    fn handle_fetched(
        &mut self,
        now: Instant,
        url: &str,
        result: Result<Fetched, FetchError>,
    ) -> bool {
        let Some(list) = self.lists.get_mut(url) else { return false };
        list.handle(now, url, &self.round, read(result, List::parse)) && self.resolve(now)
    }
}

/// Where changed groups are put in, to come out with the members of their lists.
#[derive(Clone, Debug)]
pub struct Resolving {
    changes: mpsc::Sender<(Source, Arc<Groups>)>,
}

impl Resolving {
    /// These are the groups of the documents of `source` from now on.
    pub fn handle_groups(&self, source: Source, groups: Arc<Groups>) {
        // The thread ends only when this end is gone.
        let _ = self.changes.send((source, groups));
    }
}

/// Keeps the groups together with their lists, on a thread of its own, and tells of every change. One
/// list is fetched at a time, so that documents which change do not wait for all of them.
pub fn resolve(
    mut resolver: Resolver,
    fetcher: Fetcher,
    mut tell: impl FnMut(Arc<Groups>) + Send + 'static,
) -> io::Result<Resolving> {
    let (changes, changed) = mpsc::channel();
    thread::Builder::new().name("lists".to_owned()).spawn(move || {
        loop {
            match changed.recv_timeout(resolver.pause()) {
                Ok((source, groups)) => {
                    resolver.handle_groups(Instant::now(), source, groups);
                    tell(resolver.groups());
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    if resolver.fetch_next(&fetcher) {
                        tell(resolver.groups());
                    }
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
        }
    })?;
    Ok(Resolving { changes })
}
