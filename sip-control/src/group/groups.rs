//! Groups put together from where their documents come from, as snapshots that never change (POL-18).

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    sync::Arc,
};

use super::document::Group;
use crate::focus::venue_key;

/// All groups there are at one moment.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    /// By the key of their URI.
    groups: HashMap<String, Arc<Group>>,
}

impl Groups {
    /// The group of that URI, however it is written.
    pub fn find(&self, uri: &str) -> Option<&Arc<Group>> {
        self.groups.get(&venue_key(uri)?)
    }

    /// The groups of documents, each told by its name. The first document that has a group has it for
    /// good; those that are left out come with the name of the document they are in.
    pub(super) fn compose<'a, N>(
        documents: impl IntoIterator<Item = (N, &'a Arc<Group>)>,
    ) -> (Self, Vec<(N, &'a Arc<Group>)>) {
        let (mut groups, mut twice) = (HashMap::new(), Vec::new());
        for (name, group) in documents {
            let Some(key) = venue_key(&group.uri) else { continue };
            match groups.entry(key) {
                Entry::Vacant(free) => drop(free.insert(Arc::clone(group))),
                Entry::Occupied(_) => twice.push((name, group)),
            }
        }
        (Self { groups }, twice)
    }

    /// These, each with the key of its URI.
    pub(super) fn from_keyed(groups: HashMap<String, Arc<Group>>) -> Self {
        Self { groups }
    }

    /// The group whose URI has that key.
    pub(super) fn by_key(&self, key: &str) -> Option<&Arc<Group>> {
        self.groups.get(key)
    }

    /// Every group, with the key of its URI.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Arc<Group>)> {
        self.groups.iter()
    }
}

impl FromIterator<Group> for Groups {
    /// Of groups with the same URI the first is taken.
    fn from_iter<T: IntoIterator<Item = Group>>(all: T) -> Self {
        let all: Vec<Arc<Group>> = all.into_iter().map(Arc::new).collect();
        Self::compose(all.iter().map(|group| ((), group))).0
    }
}

/// Where documents come from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// The directory of the configuration.
    Files,
    /// An XCAP server.
    Xcap,
}

/// The groups of all sources. A file goes before a document of the XCAP server: it is the operator's
/// own word.
#[derive(Debug, Default)]
pub(super) struct Written {
    files: Arc<Groups>,
    xcap: Arc<Groups>,
    /// Groups of the XCAP server that a file goes before, which has been said.
    hidden: HashSet<String>,
}

impl Written {
    /// These are the groups of `source` from now on. All there are, then.
    pub fn take_in(&mut self, source: Source, groups: Arc<Groups>) -> Arc<Groups> {
        match source {
            Source::Files => self.files = groups,
            Source::Xcap => self.xcap = groups,
        }
        if self.xcap.groups.is_empty() {
            return Arc::clone(&self.files);
        }
        let (mut all, mut hidden) = (self.xcap.groups.clone(), HashSet::new());
        for (key, group) in self.files.iter() {
            if all.insert(key.clone(), Arc::clone(group)).is_some() {
                hidden.insert(key.clone());
            }
        }
        for uri in hidden.difference(&self.hidden) {
            tracing::warn!(uri, "group of the XCAP server left out: a file has it");
        }
        self.hidden = hidden;
        Arc::new(Groups::from_keyed(all))
    }
}
