//! Group documents of an XCAP server (RFC 4825), asked for again and again (POL-17).

use std::{io, sync::Arc, time::Instant};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    demand::Demand,
    document::{Fault, Group, GroupDocument},
    fetch::{FetchError, Fetched, Fetcher},
    groups::Groups,
    remote::{Read, Remote, Round, read},
    watch::Watch,
};
use crate::{config, focus::venue_key};

/// What cannot stand for itself in a segment of a path: all but `pchar` (RFC 3986 section 3.3).
const NO_PCHAR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// The documents of an XCAP server that the configuration names.
#[derive(Debug)]
pub struct Xcap {
    round: Round,
    /// In the order of the configuration, which decides whose group it is when two documents have the
    /// same.
    documents: Vec<Document>,
    groups: Arc<Groups>,
}

/// One document.
#[derive(Debug)]
struct Document {
    url: String,
    /// The URI of the one group that is looked for in it, if it was asked for by that.
    wanted: Option<String>,
    /// Stands for that group until its document has come for the first time.
    awaited: Option<Arc<Group>>,
    remote: Remote<Vec<Arc<Group>>>,
}

impl Document {
    fn new(url: String, wanted: Option<String>, now: Instant) -> Self {
        let awaited = wanted.as_deref().map(|uri| Arc::new(Group::awaited(uri)));
        Self { url, wanted, awaited, remote: Remote::new(now) }
    }

    /// Reads what came. Of a document that was asked for by the URI of a group only that group counts:
    /// who may write there speaks for no other.
    fn parse(&self, text: &[u8]) -> Result<Vec<Arc<Group>>, Fault> {
        let GroupDocument { mut groups, remarks } = GroupDocument::parse(text)?;
        for remark in &remarks {
            tracing::warn!("{}:{remark}", self.url);
        }
        if let Some(uri) = &self.wanted {
            let key = venue_key(uri);
            groups.retain(|group| venue_key(&group.uri) == key);
            if groups.is_empty() {
                let expected = format!("expected the group {} in it", uri.escape_debug());
                return Err(Fault { line: 1, column: 1, expected });
            }
        }
        Ok(groups.into_iter().map(Arc::new).collect())
    }
}

impl Xcap {
    /// The documents that `config` names, none of which has come.
    pub fn new(now: Instant, config: &config::Xcap, round: Round) -> Self {
        let config::Xcap { root, auid, groups, documents } = config;
        let root = root.trim_end_matches('/');
        let at = |segments: &[&str]| {
            let encoded = segments.iter().map(|segment| utf8_percent_encode(segment, NO_PCHAR));
            encoded.fold(format!("{root}/{auid}"), |url, segment| format!("{url}/{segment}"))
        };
        let by_group = groups.iter().map(|uri| {
            let url = at(&["global", "byGroupID", uri]);
            Document::new(url, Some(uri.clone()), now)
        });
        let by_owner = documents.iter().map(|config::HomeDocument { owner, file }| {
            let path: Vec<&str> = ["users", owner].into_iter().chain(file.split('/')).collect();
            Document::new(at(&path), None, now)
        });
        let mut all: Vec<Document> = Vec::new();
        for document in by_group.chain(by_owner) {
            if all.iter().all(|known| known.url != document.url) {
                all.push(document);
            }
        }
        let mut xcap = Self { round, documents: all, groups: Arc::default() };
        xcap.compose();
        xcap
    }

    /// The groups of all documents as they are known. One whose document has never come is there, too:
    /// it grants nothing to anybody.
    pub fn groups(&self) -> Arc<Groups> {
        Arc::clone(&self.groups)
    }

    fn compose(&mut self) {
        let documents = &self.documents;
        let sound = documents.iter().flat_map(|Document { url, remote, .. }| {
            remote.value().into_iter().flatten().map(move |group| (&**url, group))
        });
        let awaited = documents.iter().filter_map(|it| Some((&*it.url, it.awaited.as_ref()?)));
        let (groups, twice) = Groups::compose(sound.chain(awaited));
        for (url, group) in twice.iter().filter(|(_, group)| !group.is_awaited) {
            tracing::error!(url, uri = group.uri, "group left out: another document has it");
        }
        self.groups = Arc::new(groups);
    }
}

impl Demand for Xcap {
    /// The document that has waited longest.
    fn due(&self, now: Instant) -> Option<(String, Option<String>)> {
        let due = self.documents.iter().filter(|document| document.remote.due() <= now);
        let next = due.min_by_key(|document| document.remote.due())?;
        Some((next.url.clone(), next.remote.tag().map(str::to_owned)))
    }

    fn next_due(&self) -> Option<Instant> {
        self.documents.iter().map(|document| document.remote.due()).min()
    }

    /// A document that the server says is not there takes its groups with it, as a file does that is
    /// deleted.
    fn handle_fetched(
        &mut self,
        now: Instant,
        url: &str,
        result: Result<Fetched, FetchError>,
    ) -> bool {
        let document = self.documents.iter_mut().find(|document| document.url == url);
        let Some(document) = document else { return false };
        let read = match result {
            Err(FetchError::Status(404 | 410)) => Ok(Read::Gone),
            result => read(result, |text| document.parse(text)),
        };
        if !document.remote.handle(now, url, &self.round, read) {
            return false;
        }
        document.awaited = None;
        self.compose();
        tracing::info!(groups = self.groups.iter().count(), "group documents changed");
        true
    }
}

/// Asks for the documents as they fall due, and tells of every change.
pub fn poll(
    mut xcap: Xcap,
    fetcher: Fetcher,
    mut tell: impl FnMut(Arc<Groups>) + Send + 'static,
) -> io::Result<Watch> {
    Watch::begin("xcap", xcap.pause(), move || {
        if xcap.fetch_next(&fetcher) {
            tell(xcap.groups());
        }
        xcap.pause()
    })
}
