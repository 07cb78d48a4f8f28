//! Reading `/sys` and `/proc` below any directory. What is not there is `None`.

use std::{fs, path::PathBuf, str::FromStr};

use crate::cpu_set::CpuSet;

/// The directory that stands for `/`: a recorded tree in tests, `/` otherwise.
pub struct Root(PathBuf);

impl Root {
    /// Files are looked for below `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The file at `path`, which has no leading slash. Octets that are no UTF-8 are replaced.
    pub fn text(&self, path: &str) -> Option<String> {
        fs::read(self.0.join(path)).ok().map(|octets| String::from_utf8_lossy(&octets).into_owned())
    }

    /// The file at `path` as one value.
    pub fn value<T: FromStr>(&self, path: &str) -> Option<T> {
        self.text(path)?.trim().parse().ok()
    }

    /// The file at `path` as a list of CPUs.
    pub fn cpu_list(&self, path: &str) -> Option<CpuSet> {
        CpuSet::from_list(&self.text(path)?)
    }

    /// The file at `path` as a mask of CPUs.
    pub fn cpu_mask(&self, path: &str) -> Option<CpuSet> {
        CpuSet::from_mask(&self.text(path)?)
    }

    /// The names in the directory at `path`, sorted. None when it is not there.
    pub fn names(&self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(self.0.join(path)).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// The numbers of the entries named `prefix` and a number in the directory at `path`, sorted.
    pub fn numbered(&self, path: &str, prefix: &str) -> Vec<u32> {
        let number = |name: &String| name.strip_prefix(prefix)?.parse().ok();
        let mut numbers: Vec<u32> = self.names(path).iter().filter_map(number).collect();
        numbers.sort_unstable();
        numbers
    }

    /// Whether anything is at `path`.
    pub fn has(&self, path: &str) -> bool {
        self.0.join(path).exists()
    }
}
