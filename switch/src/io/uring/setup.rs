//! What the kernel can do for us, asked at start by doing it once.

use std::{fmt, io, os::fd::AsRawFd, time::Duration};

use io_uring::{IoUring, opcode, types::Fd};
use rustix::{
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType, socketpair},
};

use super::{
    buffers::{Buffers, GROUP},
    ring::{COMPLETIONS, Ring, SUBMISSIONS},
};

/// How long a kernel may take to answer a receive of which the octets are already there.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Why there is no ring for us.
#[derive(Debug)]
pub enum Unusable {
    /// The kernel refuses to make one: a policy, or it is older than rings are.
    Refused(Errno),
    /// It lacks something that we cannot do without.
    Lacks {
        /// What.
        feature: &'static str,
        /// The first kernel to have it.
        since: &'static str,
    },
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(Errno::NOSYS) => write!(f, "the kernel has none (since Linux 5.1)"),
            Self::Refused(Errno::PERM | Errno::ACCESS) => {
                write!(f, "it is forbidden here (seccomp, or kernel.io_uring_disabled)")
            }
            Self::Refused(Errno::NOMEM) => write!(f, "no memory for it (see RLIMIT_MEMLOCK)"),
            Self::Refused(errno) => write!(f, "the kernel refuses it: {errno}"),
            Self::Lacks { feature, since } => {
                write!(f, "the kernel lacks {feature} (since Linux {since})")
            }
        }
    }
}

/// A way of the kernel to do the same with less work, and the slower way if it is missing.
struct Refinement {
    name: &'static str,
    since: &'static str,
    without: &'static str,
    flag: fn(&mut io_uring::Builder),
}

/// Newest first: the order in which they are done without.
const REFINEMENTS: [Refinement; 4] = [
    Refinement {
        name: "NO_SQARRAY",
        since: "6.6",
        without: "submissions go through an index array",
        flag: |ring| _ = ring.setup_no_sqarray(),
    },
    Refinement {
        name: "SINGLE_ISSUER with DEFER_TASKRUN",
        since: "6.1",
        without: "completions interrupt the core",
        flag: |ring| _ = ring.setup_single_issuer().setup_defer_taskrun(),
    },
    Refinement {
        name: "COOP_TASKRUN",
        since: "5.19",
        without: "completions interrupt the core at once",
        flag: |ring| _ = ring.setup_coop_taskrun(),
    },
    Refinement {
        name: "SUBMIT_ALL",
        since: "5.18",
        without: "a refused operation ends its batch",
        flag: |ring| _ = ring.setup_submit_all(),
    },
];

/// A ring, and what it has to do without: one line each.
pub struct Built {
    /// The ring.
    pub ring: Ring,
    /// What is slower than it could be.
    pub slower: Vec<String>,
}

/// Makes a ring for the calling thread, with every refinement the kernel has.
pub fn build() -> Result<Built, Unusable> {
    let mut left_out = 0;
    let uring = loop {
        let mut builder = IoUring::builder();
        builder.setup_cqsize(COMPLETIONS).dontfork();
        for refinement in &REFINEMENTS[left_out..] {
            (refinement.flag)(&mut builder);
        }
        match builder.build(SUBMISSIONS) {
            Ok(uring) => break uring,
            Err(error) if errno(&error) == Errno::INVAL && left_out < REFINEMENTS.len() => {
                left_out += 1;
            }
            Err(error) => return Err(Unusable::Refused(errno(&error))),
        }
    };
    let lacks = |feature, since| Err(Unusable::Lacks { feature, since });
    if !uring.params().is_feature_submit_stable() || !uring.params().is_feature_nodrop() {
        return lacks("stable submissions and lossless completions", "5.5");
    }
    if !uring.params().is_feature_ext_arg() {
        return lacks("a timeout for io_uring_enter", "5.11");
    }
    let Ok(buffers) = Buffers::new(&uring) else {
        return lacks("rings of provided buffers", "5.19");
    };
    let slower = REFINEMENTS[..left_out].iter().map(slower_without).collect();
    Ok(Built { ring: Ring::new(uring, buffers), slower })
}

/// Makes a ring, tries on it what cannot be asked for, and takes it down again. What is slower
/// than it could be comes back, a line each.
pub fn probe() -> Result<Vec<String>, Unusable> {
    let Built { mut ring, slower } = build()?;
    match receive_once(&mut ring) {
        Ok(true) => Ok(slower),
        Ok(false) => Err(Unusable::Lacks { feature: "multishot receive", since: "6.0" }),
        Err(error) => Err(Unusable::Refused(errno(&error))),
    }
}

/// Whether a multishot receive brings the octets and goes on. Newer than all else we need: where
/// it works, multishot accept and cancellation by descriptor do too.
fn receive_once(ring: &mut Ring) -> io::Result<bool> {
    let (ours, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    rustix::io::write(&theirs, b"MSRP")?;
    let receive = opcode::RecvMulti::new(Fd(ours.as_raw_fd()), GROUP).build();
    // SAFETY: the socket is closed below, after the ring has let go of the operation.
    unsafe { ring.push(&receive) };
    let entered = ring.enter(Some(ANSWER_MAX));
    let mut completed = Vec::new();
    let gathered = ring.gather(&mut completed);
    ring.let_go(drop);
    drop(ours);
    entered.and(gathered)?;
    Ok(completed.first().is_some_and(|first| first.more && first.lent.is_some()))
}

/// What the operator is told of a refinement that is missing.
fn slower_without(refinement: &Refinement) -> String {
    let Refinement { name, since, without, .. } = refinement;
    format!("io_uring without {name} (since Linux {since}): {without}")
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::INVAL)
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::{REFINEMENTS, Unusable, probe, slower_without};

    #[test]
    fn what_is_missing_is_named_with_the_kernel_that_brought_it() {
        let lacks = Unusable::Lacks { feature: "multishot receive", since: "6.0" };
        let said = lacks.to_string();
        assert_eq!(said, "the kernel lacks multishot receive (since Linux 6.0)");
        assert!(Unusable::Refused(Errno::NOSYS).to_string().contains("since Linux 5.1"));
        assert!(Unusable::Refused(Errno::PERM).to_string().contains("seccomp"));
        let lines = REFINEMENTS.iter().map(slower_without);
        assert!(lines.clone().all(|line| line.contains("since Linux") && !line.contains('\n')));
        assert_eq!(lines.count(), 4);
    }

    #[test]
    fn a_probe_leaves_nothing_behind() {
        let descriptors = || std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        probe().unwrap();
        let before = descriptors();
        for _ in 0..200 {
            probe().unwrap();
        }
        // Other tests come and go meanwhile, so not to the last one.
        assert!(descriptors() < before + 150);
    }
}
