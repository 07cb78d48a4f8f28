//! A directory of group documents: read at the start, looked at again every few seconds, and handed
//! out as snapshots that never change (POL-18).

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    fmt, fs, io,
    io::Read as _,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use super::{
    document::{Fault, Group, GroupDocument},
    xml::DOCUMENT_SIZE_MAX,
};
use crate::focus::venue_key;

/// How often a directory is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

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
        let mut groups = HashMap::new();
        for group in all {
            if let Some(key) = venue_key(&group.uri) {
                groups.entry(key).or_insert_with(|| Arc::new(group));
            }
        }
        Self { groups }
    }
}

/// Why a library cannot be opened. Each says which file, and what to do about it.
#[derive(Debug)]
pub enum LibraryError {
    /// The directory, or a file in it, cannot be read.
    Unreadable(PathBuf, io::Error),
    /// A document is not sound.
    Document(PathBuf, Fault),
    /// A document has a group that is in another one too.
    Twice(PathBuf, String),
}

impl fmt::Display for LibraryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(path, error) => {
                write!(f, "{}: cannot be read: {error}", path.display())
            }
            Self::Document(path, fault) => write!(f, "{}:{fault}", path.display()),
            Self::Twice(path, uri) => {
                let uri = uri.escape_debug();
                write!(f, "{}: expected the group {uri} in one document only", path.display())
            }
        }
    }
}

impl std::error::Error for LibraryError {}

/// A directory of documents: every `*.xml` in it.
#[derive(Debug)]
pub struct Library {
    directory: PathBuf,
    /// By name, which decides whose group it is when two documents have the same.
    shelf: BTreeMap<PathBuf, Volume>,
    groups: Arc<Groups>,
    /// The directory could not be read when it was last looked at.
    is_lost: bool,
}

/// One file.
#[derive(Debug)]
struct Volume {
    /// What the file was like when it was last read.
    stamp: Stamp,
    /// The last document in it that was sound, if ever one was.
    groups: Option<Vec<Arc<Group>>>,
}

/// What changes when a file does. The time of the last change of status is what no tool can set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Stamp {
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Library {
    /// Reads all documents of a directory. All have to be sound: there is nothing to fall back to.
    pub fn open(directory: &Path) -> Result<Self, LibraryError> {
        let mut library = Self {
            directory: directory.to_owned(),
            shelf: BTreeMap::new(),
            groups: Arc::default(),
            is_lost: false,
        };
        let unreadable = |error| LibraryError::Unreadable(directory.to_owned(), error);
        for (path, stamp) in library.files().map_err(unreadable)? {
            let groups = Some(read(&path, stamp)?);
            library.shelf.insert(path, Volume { stamp, groups });
        }
        let (groups, twice) = library.compose();
        match twice.into_iter().next() {
            Some(twice) => Err(twice),
            None => Ok(Self { groups: Arc::new(groups), ..library }),
        }
    }

    /// The groups as they were when the directory was last looked at.
    pub fn groups(&self) -> Arc<Groups> {
        Arc::clone(&self.groups)
    }

    /// Looks at the directory. If any file has changed, the groups as they are now, whole: a file
    /// that is not sound any more still counts as it last was, and is complained of once (POL-19).
    pub fn look(&mut self) -> Option<Arc<Groups>> {
        let files = match self.files() {
            Ok(files) => files,
            Err(error) => {
                if !std::mem::replace(&mut self.is_lost, true) {
                    let directory = self.directory.display();
                    tracing::error!(%directory, %error, "group documents stay as they are");
                }
                return None;
            }
        };
        self.is_lost = false;
        let count = self.shelf.len();
        self.shelf.retain(|path, _| files.contains_key(path));
        let mut has_changed = self.shelf.len() != count;
        for (path, stamp) in files {
            has_changed |= self.refresh(path, stamp);
        }
        if !has_changed {
            return None;
        }
        let (groups, twice) = self.compose();
        for error in twice {
            tracing::error!(%error, "group left out");
        }
        self.groups = Arc::new(groups);
        tracing::info!(groups = self.groups.groups.len(), "group documents changed");
        Some(self.groups())
    }

    /// Reads a file again if it is not what it was. Whether that yields other groups.
    fn refresh(&mut self, path: PathBuf, stamp: Stamp) -> bool {
        let known = self.shelf.get(&path);
        if known.is_some_and(|known| known.stamp == stamp) {
            return false;
        }
        let (groups, is_new) = match read(&path, stamp) {
            Ok(groups) => (Some(groups), true),
            Err(error) => {
                let last = known.and_then(|known| known.groups.clone());
                let in_force = if last.is_some() { "the last sound one" } else { "none" };
                tracing::error!(%error, in_force, "group document refused");
                (last, false)
            }
        };
        self.shelf.insert(path, Volume { stamp, groups });
        is_new
    }

    fn files(&self) -> io::Result<BTreeMap<PathBuf, Stamp>> {
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "xml") {
                continue;
            }
            // What is gone by now, or leads nowhere, is no file.
            let Ok(metadata) = fs::metadata(&path) else { continue };
            if metadata.is_file() {
                files.insert(path, Stamp::of(&metadata));
            }
        }
        Ok(files)
    }

    /// All groups of all documents, and those that are there twice.
    fn compose(&self) -> (Groups, Vec<LibraryError>) {
        let (mut groups, mut twice) = (HashMap::new(), Vec::new());
        for (path, volume) in &self.shelf {
            for group in volume.groups.iter().flatten() {
                let Some(key) = venue_key(&group.uri) else { continue };
                match groups.entry(key) {
                    Entry::Vacant(free) => drop(free.insert(Arc::clone(group))),
                    Entry::Occupied(_) => {
                        twice.push(LibraryError::Twice(path.clone(), group.uri.clone()));
                    }
                }
            }
        }
        (Groups { groups }, twice)
    }
}

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Reads one file. No more of it is held than a document may have, and one octet that is too many.
fn read(path: &Path, stamp: Stamp) -> Result<Vec<Arc<Group>>, LibraryError> {
    let unreadable = |error| LibraryError::Unreadable(path.to_owned(), error);
    let size_max = DOCUMENT_SIZE_MAX as u64 + 1;
    let mut text = Vec::with_capacity(stamp.size.min(size_max) as usize);
    let file = fs::File::open(path).map_err(unreadable)?;
    file.take(size_max).read_to_end(&mut text).map_err(unreadable)?;
    let document = GroupDocument::parse(&text)
        .map_err(|fault| LibraryError::Document(path.to_owned(), fault))?;
    for remark in &document.remarks {
        tracing::warn!("{}:{remark}", path.display());
    }
    Ok(document.groups.into_iter().map(Arc::new).collect())
}

/// A library that is looked at for as long as this is kept.
#[derive(Debug)]
pub struct Watch {
    /// Nothing is ever sent: the thread ends when this end is dropped.
    _stop: mpsc::Sender<()>,
}

/// Looks at the library every few seconds, on a thread of its own so that a slow disk holds up
/// nobody, and tells of every change.
pub fn watch(
    mut library: Library,
    mut tell: impl FnMut(Arc<Groups>) + Send + 'static,
) -> io::Result<Watch> {
    let (stop, stopped) = mpsc::channel();
    thread::Builder::new().name("groups".to_owned()).spawn(move || {
        while stopped.recv_timeout(LOOK_INTERVAL) == Err(mpsc::RecvTimeoutError::Timeout) {
            if let Some(groups) = library.look() {
                tell(groups);
            }
        }
    })?;
    Ok(Watch { _stop: stop })
}
