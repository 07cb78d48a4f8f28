//! The facts of a host, as the kernel tells them in `/sys` and `/proc`.
//!
//! Reads and judges nothing: a fact that cannot be had is `None`, and what follows from the facts
//! is for the plan to say.

mod cpu;
mod network;
mod process;
mod root;

use std::path::Path;

use serde::Serialize;

pub use cpu::{Cpu, Isolation, Node};
pub use network::{Interface, Queue};
pub use process::{Process, Quota};

use root::Root;

/// Everything known of a host.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Host {
    /// The release of its kernel.
    pub kernel: Option<String>,
    /// The CPUs that are online, by number.
    pub cpus: Vec<Cpu>,
    /// Its NUMA nodes, by number.
    pub nodes: Vec<Node>,
    /// What is kept away from some CPUs.
    pub isolation: Isolation,
    /// What this process may use.
    pub process: Process,
    /// Its network interfaces, by name.
    pub interfaces: Vec<Interface>,
}

impl Host {
    /// Reads the host whose `/` is `root`.
    pub fn probe(root: &Path) -> Self {
        let root = Root::new(root);
        Self {
            kernel: root.value("proc/sys/kernel/osrelease"),
            cpus: cpu::cpus(&root),
            nodes: cpu::nodes(&root),
            isolation: cpu::isolation(&root),
            process: process::process(&root),
            interfaces: network::interfaces(&root),
        }
    }

    /// The CPU with this number, if it is online.
    pub fn cpu(&self, id: u32) -> Option<&Cpu> {
        self.cpus.iter().find(|cpu| cpu.id == id)
    }
}
