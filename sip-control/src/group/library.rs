//! A directory of group documents: read at the start, looked at again every few seconds, and handed
//! out as snapshots that never change (POL-18).

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    io::Read as _,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{
    document::{Fault, Group, GroupDocument},
    groups::Groups,
    watch::Watch,
    xml::DOCUMENT_SIZE_MAX,
};

/// How often a directory is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

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
        tracing::info!(groups = self.groups.iter().count(), "group documents changed");
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
        let all = self.shelf.iter().flat_map(|(path, volume)| {
            volume.groups.iter().flatten().map(move |group| (path, group))
        });
        let (groups, twice) = Groups::compose(all);
        let told = |(path, group): (&PathBuf, &Arc<Group>)| {
            LibraryError::Twice(path.clone(), group.uri.clone())
        };
        (groups, twice.into_iter().map(told).collect())
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

/// Looks at the library every few seconds, and tells of every change.
pub fn watch(
    mut library: Library,
    mut tell: impl FnMut(Arc<Groups>) + Send + 'static,
) -> io::Result<Watch> {
    Watch::begin("groups", LOOK_INTERVAL, move || {
        if let Some(groups) = library.look() {
            tell(groups);
        }
        LOOK_INTERVAL
    })
}
