//! What the host gives this process: CPUs and descriptors.

use rustix::{
    process::{Resource, Rlimit, getrlimit, setrlimit},
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};

/// The CPUs that this process may run on, in rising order.
pub fn cpus() -> rustix::io::Result<Vec<usize>> {
    let mask = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|&cpu| mask.is_set(cpu)).collect())
}

/// Keeps the calling thread on one CPU.
pub fn pin(cpu: usize) -> rustix::io::Result<()> {
    let mut mask = CpuSet::new();
    mask.set(cpu);
    sched_setaffinity(None, &mask)
}

/// Raises the number of descriptors as far as we may, and says how many there are.
pub fn raise_descriptors() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let allowed = if raised.is_ok() { maximum } else { current };
    allowed.unwrap_or(u64::MAX)
}
