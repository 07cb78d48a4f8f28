//! CPUs, how they share silicon and memory, and what the kernel keeps away from them.

use serde::Serialize;

use super::root::Root;
use crate::cpu_set::CpuSet;

const CPUS: &str = "sys/devices/system/cpu";
const NODES: &str = "sys/devices/system/node";

/// One CPU as the scheduler counts them: a hardware thread.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Cpu {
    /// The kernel's number of it.
    pub id: u32,
    /// The hardware threads of its physical core, itself among them.
    pub siblings: Option<CpuSet>,
    /// The socket it sits in.
    pub package: Option<u32>,
    /// The NUMA node whose memory is near.
    pub node: Option<u32>,
    /// The CPUs that share its third-level cache, itself among them.
    pub l3: Option<CpuSet>,
    /// The most it may clock.
    pub max_mhz: Option<u32>,
}

/// A NUMA node.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Node {
    /// The kernel's number of it.
    pub id: u32,
    /// Its CPUs. A node may have memory alone.
    pub cpus: Option<CpuSet>,
    /// All of its memory.
    pub memory_bytes: Option<u64>,
    /// What is free of it now.
    pub free_bytes: Option<u64>,
}

/// What the kernel was told to keep away from some CPUs at boot.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Isolation {
    /// Left out of the scheduler's balancing (`isolcpus=`): only who asks runs there.
    pub isolated: Option<CpuSet>,
    /// Without a timer tick while one thread runs (`nohz_full=`).
    pub nohz_full: Option<CpuSet>,
    /// Where everything else runs: what is online and not isolated.
    pub housekeeping: Option<CpuSet>,
}

/// The CPUs that are online, or every CPU listed when the kernel does not say which are.
pub fn cpus(root: &Root) -> Vec<Cpu> {
    let online = root.cpu_list(&format!("{CPUS}/online"));
    let is_online = |id: &u32| online.as_ref().is_none_or(|online| online.contains(*id));
    root.numbered(CPUS, "cpu").into_iter().filter(is_online).map(|id| cpu(root, id)).collect()
}

fn cpu(root: &Root, id: u32) -> Cpu {
    let at = format!("{CPUS}/cpu{id}");
    let siblings = ["core_cpus_list", "thread_siblings_list"]
        .iter()
        .find_map(|name| root.cpu_list(&format!("{at}/topology/{name}")));
    let l3 = root
        .numbered(&format!("{at}/cache"), "index")
        .into_iter()
        .map(|index| format!("{at}/cache/index{index}"))
        .find(|cache| root.value(&format!("{cache}/level")) == Some(3u32))
        .and_then(|cache| root.cpu_list(&format!("{cache}/shared_cpu_list")));
    let max_khz: Option<u32> = root.value(&format!("{at}/cpufreq/cpuinfo_max_freq"));
    Cpu {
        id,
        siblings,
        // The kernel says -1 where the firmware does not know, which is no u32.
        package: root.value(&format!("{at}/topology/physical_package_id")),
        node: root.numbered(&at, "node").first().copied().or_else(|| node_of(root, id)),
        l3,
        max_mhz: max_khz.map(|khz| khz / 1000),
    }
}

fn node_of(root: &Root, cpu: u32) -> Option<u32> {
    root.numbered(NODES, "node").into_iter().find(|node| {
        root.cpu_list(&format!("{NODES}/node{node}/cpulist")).is_some_and(|all| all.contains(cpu))
    })
}

/// The NUMA nodes. None on a kernel built without NUMA.
pub fn nodes(root: &Root) -> Vec<Node> {
    let node = |id: u32| {
        let at = format!("{NODES}/node{id}");
        let meminfo = root.text(&format!("{at}/meminfo")).unwrap_or_default();
        Node {
            id,
            cpus: root.cpu_list(&format!("{at}/cpulist")),
            memory_bytes: meminfo_bytes(&meminfo, "MemTotal:"),
            free_bytes: meminfo_bytes(&meminfo, "MemFree:"),
        }
    };
    root.numbered(NODES, "node").into_iter().map(node).collect()
}

/// Reads `Node 0 MemTotal: 32768 kB`.
fn meminfo_bytes(meminfo: &str, key: &str) -> Option<u64> {
    let rest = meminfo.lines().find_map(|line| line.split_once(key))?.1;
    let kib: u64 = rest.trim().trim_end_matches("kB").trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// What was isolated at boot.
pub fn isolation(root: &Root) -> Isolation {
    let isolated =
        root.cpu_list(&format!("{CPUS}/isolated")).or_else(|| kernel_argument(root, "isolcpus="));
    // The kernel writes `(null)` where nothing was asked for, which is no list.
    let nohz_full = root
        .text(&format!("{CPUS}/nohz_full"))
        .map(|text| CpuSet::from_list(&text).unwrap_or_default())
        .or_else(|| kernel_argument(root, "nohz_full="));
    let online = root.cpu_list(&format!("{CPUS}/online"));
    let housekeeping = online.zip(isolated.as_ref()).map(|(online, away)| online.without(away));
    Isolation { isolated, nohz_full, housekeeping }
}

/// The CPUs of a kernel argument such as `isolcpus=managed_irq,domain,2-7`.
fn kernel_argument(root: &Root, name: &str) -> Option<CpuSet> {
    let arguments = root.text("proc/cmdline")?;
    let value = arguments.split_ascii_whitespace().find_map(|word| word.strip_prefix(name))?;
    let is_flag = |part: &&str| part.starts_with(|first: char| first.is_ascii_alphabetic());
    let cpus: Vec<&str> = value.split(',').skip_while(is_flag).collect();
    CpuSet::from_list(&cpus.join(","))
}
