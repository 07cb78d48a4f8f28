//! What a process has cost so far, from `/proc` (proc(5)): processor time thread by thread, and
//! memory.

use std::time::Duration;
use std::{fmt, fs, io};

use crate::figures::ratio;

/// Processor time, as the kernel splits it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct CpuTime {
    /// In the program's own code.
    pub user: Duration,
    /// In the kernel, on its behalf.
    pub system: Duration,
}

impl CpuTime {
    /// Both together.
    pub fn total(self) -> Duration {
        self.user + self.system
    }

    /// Whether there is any, as finely as the kernel counts.
    pub fn is_idle(self) -> bool {
        self.total().is_zero()
    }

    /// For people: how much of a processor that is over `window`.
    pub fn share_of(self, window: Duration) -> String {
        let share = ratio(self.total().as_secs_f64(), window.as_secs_f64());
        format!("{:.0} % of a processor", 100.0 * share)
    }

    fn since(self, earlier: Self) -> Self {
        Self {
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
        }
    }
}

/// For people.
impl fmt::Display for CpuTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [total, user, system] =
            [self.total(), self.user, self.system].map(|time| time.as_secs_f64());
        write!(f, "{total:.2} CPU-s (user {user:.2}, system {system:.2})")
    }
}

/// One thread of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Thread {
    /// The kernel's number for it.
    pub id: u32,
    /// Its name, at most 15 octets.
    pub name: String,
    /// What it has used.
    pub cpu: CpuTime,
}

/// For people.
impl fmt::Display for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<15} {}", self.name, self.cpu)
    }
}

/// A process at one moment.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Usage {
    /// The whole process, threads that have ended included.
    pub cpu: CpuTime,
    /// The threads that live.
    pub threads: Vec<Thread>,
    /// Octets of resident memory.
    pub resident: u64,
    /// The most there ever were.
    pub resident_peak: u64,
}

impl Usage {
    /// Process `pid` now; `None` is this process.
    pub fn of(pid: Option<u32>) -> io::Result<Self> {
        let home = pid.map_or_else(|| "/proc/self".into(), |pid| format!("/proc/{pid}"));
        let read = |path: &str| fs::read_to_string(path);
        let malformed = || io::Error::new(io::ErrorKind::InvalidData, "/proc is not as expected");
        let (_, cpu) = parse_stat(&read(&format!("{home}/stat"))?).ok_or_else(malformed)?;
        let pages = read(&format!("{home}/statm"))?;
        let resident = pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
        let resident = resident.ok_or_else(malformed)? * rustix::param::page_size() as u64;
        let status = read(&format!("{home}/status"))?;
        let resident_peak = parse_peak(&status).ok_or_else(malformed)?;
        let mut threads = Vec::new();
        for entry in fs::read_dir(format!("{home}/task"))? {
            let entry = entry?;
            // A thread may end between being listed and being read.
            let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
            let (name, cpu) = parse_stat(&stat).ok_or_else(malformed)?;
            let id = entry.file_name().to_str().and_then(|id| id.parse().ok());
            threads.push(Thread { id: id.ok_or_else(malformed)?, name, cpu });
        }
        Ok(Self { cpu, threads, resident, resident_peak })
    }

    /// What was used since an earlier moment; memory is that of this moment.
    pub fn since(&self, earlier: &Self) -> Self {
        let threads = self.threads.iter().map(|thread| {
            let before = earlier.threads.iter().find(|before| before.id == thread.id);
            let before = before.map_or_else(CpuTime::default, |before| before.cpu);
            Thread { cpu: thread.cpu.since(before), ..thread.clone() }
        });
        Self {
            cpu: self.cpu.since(earlier.cpu),
            threads: threads.collect(),
            resident: self.resident,
            resident_peak: self.resident_peak,
        }
    }
}

/// Octets of the `VmHWM` line of a `status` file.
fn parse_peak(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Name and times from a `stat` line. The name stands in parentheses and may itself hold spaces
/// and parentheses; the times are the 14th and 15th field.
fn parse_stat(line: &str) -> Option<(String, CpuTime)> {
    let (head, tail) = line.rsplit_once(')')?;
    let (_, name) = head.split_once('(')?;
    let mut fields = tail.split_ascii_whitespace().skip(14 - 3);
    let mut ticks = || {
        let ticks: u64 = fields.next()?.parse().ok()?;
        Some(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
    };
    Some((name.into(), CpuTime { user: ticks()?, system: ticks()? }))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{CpuTime, Usage, parse_peak, parse_stat};

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_shift_the_times() {
        let line = "4711 (core (0) x) S 1 2 3 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 3 0 99 0 0";
        let per_second = rustix::param::clock_ticks_per_second();
        let seconds = |ticks: f64| Duration::from_secs_f64(ticks / per_second as f64);
        let cpu = CpuTime { user: seconds(250.0), system: seconds(50.0) };
        assert_eq!(parse_stat(line), Some(("core (0) x".into(), cpu)));
        assert_eq!(parse_stat("4711 core S"), None);
        assert_eq!(parse_stat("1 (x) S 1 2 3"), None);
    }

    #[test]
    fn the_most_memory_there_ever_was_is_in_kibibytes() {
        let status = "Name:\tx\nVmPeak:\t 9 kB\nVmHWM:\t    2048 kB\nVmRSS:\t 1 kB\n";
        assert_eq!(parse_peak(status), Some(2 << 20));
        assert_eq!(parse_peak("VmRSS:\t 1 kB\n"), None);
    }

    #[test]
    fn this_process_has_threads_and_memory_and_only_grows_older() {
        let before = Usage::of(None).unwrap();
        let after = Usage::of(Some(std::process::id())).unwrap();
        assert!(!after.threads.is_empty() && after.resident > 0 && after.resident_peak > 0);
        assert!(after.cpu.total() >= before.cpu.total());
        assert!(after.since(&before).cpu.total() <= after.cpu.total());
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        assert!(Usage::of(Some(u32::MAX)).is_err());
    }
}
