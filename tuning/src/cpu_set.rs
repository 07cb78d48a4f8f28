//! Sets of CPUs, in the two notations of the kernel.

use std::{collections::BTreeSet, fmt};

use serde::Serialize;

/// Some of the host's CPUs, by their number. Shown as the kernel lists them: `0-3,8`.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct CpuSet(BTreeSet<u32>);

/// More CPUs than any Linux can have (`CONFIG_NR_CPUS`). A list such as `0-4294967295` ends here.
const CPUS_MAX: u32 = 8192;

impl CpuSet {
    /// Reads a list: `0-3,8`, or nothing. `None` when it is no such list.
    pub fn from_list(text: &str) -> Option<Self> {
        let mut cpus = BTreeSet::new();
        for part in text.trim().split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
            if first > last || last >= CPUS_MAX {
                return None;
            }
            cpus.extend(first..=last);
        }
        Some(Self(cpus))
    }

    /// Reads a mask: hexadecimal words of 32 CPUs, the last word first: `00000001,000000ff`.
    pub fn from_mask(text: &str) -> Option<Self> {
        let mut cpus = BTreeSet::new();
        for (index, word) in (0..CPUS_MAX / 32).zip(text.trim().rsplit(',')) {
            let bits = u32::from_str_radix(word.trim(), 16).ok()?;
            cpus.extend((0..32).filter(|bit| bits & (1 << bit) != 0).map(|bit| index * 32 + bit));
        }
        Some(Self(cpus))
    }

    /// The CPUs in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().copied()
    }

    /// Whether `cpu` is one of them.
    pub fn contains(&self, cpu: u32) -> bool {
        self.0.contains(&cpu)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Those that are not in `other`.
    pub fn without(&self, other: &Self) -> Self {
        Self(&self.0 - &other.0)
    }

    /// Those that are in `other` too.
    pub fn within(&self, other: &Self) -> Self {
        Self(&self.0 & &other.0)
    }
}

impl FromIterator<u32> for CpuSet {
    fn from_iter<I: IntoIterator<Item = u32>>(cpus: I) -> Self {
        Self(cpus.into_iter().collect())
    }
}

impl fmt::Display for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.pad("none");
        }
        let mut runs: Vec<(u32, u32)> = Vec::new();
        for cpu in self.iter() {
            match runs.last_mut() {
                Some((_, last)) if *last + 1 == cpu => *last = cpu,
                _ => runs.push((cpu, cpu)),
            }
        }
        let one = |&(first, last): &(u32, u32)| {
            if first == last { first.to_string() } else { format!("{first}-{last}") }
        };
        f.pad(&runs.iter().map(one).collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::CpuSet;

    #[test]
    fn lists_read_as_the_kernel_writes_them() {
        for text in ["0", "0-3", "0-3,8", "1,3,5-7"] {
            assert_eq!(CpuSet::from_list(text).unwrap().to_string(), text);
        }
        assert!(CpuSet::from_list("\n").unwrap().is_empty());
        for text in ["x", "3-1", "-1", "0-4294967295", "nohz,2"] {
            assert_eq!(CpuSet::from_list(text), None, "{text}");
        }
    }

    #[test]
    fn masks_read_from_their_last_word() {
        assert_eq!(CpuSet::from_mask("3\n").unwrap().to_string(), "0-1");
        assert_eq!(CpuSet::from_mask("00000001,80000000").unwrap().to_string(), "31-32");
        assert!(CpuSet::from_mask("0,00000000").unwrap().is_empty());
        assert_eq!(CpuSet::from_mask("g"), None);
    }
}
