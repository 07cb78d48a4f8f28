//! Network interfaces: their queues, who steers packets between CPUs, and where they interrupt.

use std::collections::BTreeMap;

use serde::Serialize;

use super::root::Root;
use crate::cpu_set::CpuSet;

const INTERFACES: &str = "sys/class/net";

/// A network interface.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Interface {
    /// Its name, such as `eth0`.
    pub name: String,
    /// Whether hardware stands behind it, rather than the kernel alone.
    pub is_device: bool,
    /// The NUMA node its bus hangs on.
    pub node: Option<u32>,
    /// The speed of the link, when it is up and says so.
    pub speed_mbit: Option<u32>,
    /// Receive queues, and the CPUs that RPS hands their packets on to. None: it is off.
    pub receive_queues: Vec<Queue>,
    /// Transmit queues, and the CPUs that XPS lets send through them. None: any may.
    pub transmit_queues: Vec<Queue>,
    /// Its interrupts.
    pub interrupts: Vec<Interrupt>,
}

/// One queue of an interface.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Queue {
    /// Its number, the `0` of `rx-0`.
    pub id: u32,
    /// The CPUs it is steered to.
    pub cpus: Option<CpuSet>,
}

/// One interrupt of an interface.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Interrupt {
    /// The kernel's number of it.
    pub id: u32,
    /// What the driver calls it, such as `eth0-TxRx-0`.
    pub name: Option<String>,
    /// The CPUs it may go to.
    pub affinity: Option<CpuSet>,
    /// The CPUs it does go to.
    pub effective: Option<CpuSet>,
    /// How often it came since boot, over all CPUs.
    pub count: Option<u64>,
}

impl Interrupt {
    /// Where it goes, as well as is known.
    pub fn lands_on(&self) -> Option<&CpuSet> {
        self.effective.as_ref().filter(|cpus| !cpus.is_empty()).or(self.affinity.as_ref())
    }
}

/// All interfaces, by name.
pub fn interfaces(root: &Root) -> Vec<Interface> {
    let table = interrupt_table(&root.text("proc/interrupts").unwrap_or_default());
    root.names(INTERFACES).into_iter().map(|name| interface(root, &table, name)).collect()
}

fn interface(root: &Root, table: &BTreeMap<u32, Line>, name: String) -> Interface {
    let at = format!("{INTERFACES}/{name}");
    let queues = |prefix: &str, file: &str| -> Vec<Queue> {
        let numbers = root.numbered(&format!("{at}/queues"), prefix).into_iter();
        let steered = |id| root.cpu_mask(&format!("{at}/queues/{prefix}{id}/{file}"));
        numbers.map(|id| Queue { id, cpus: steered(id) }).collect()
    };
    // The vectors of a virtio interface belong to the bus device above the virtio one.
    let mut ids = root.numbered(&format!("{at}/device/msi_irqs"), "");
    if ids.is_empty() {
        ids = root.numbered(&format!("{at}/device/../msi_irqs"), "");
    }
    // Without message-signalled interrupts the handler's name says whose it is.
    let named = |line: &Line| line.name == name || line.name.starts_with(&format!("{name}-"));
    ids.extend(table.iter().filter(|(_, line)| named(line)).map(|(id, _)| *id));
    ids.sort_unstable();
    ids.dedup();
    Interface {
        is_device: root.has(&format!("{at}/device")),
        // The kernel says -1 where there is no such thing, which is no u32.
        node: root.value(&format!("{at}/device/numa_node")),
        speed_mbit: root.value(&format!("{at}/speed")),
        receive_queues: queues("rx-", "rps_cpus"),
        transmit_queues: queues("tx-", "xps_cpus"),
        interrupts: ids.into_iter().map(|id| interrupt(root, table, id)).collect(),
        name,
    }
}

fn interrupt(root: &Root, table: &BTreeMap<u32, Line>, id: u32) -> Interrupt {
    let line = table.get(&id);
    Interrupt {
        id,
        name: line.map(|line| line.name.clone()).filter(|name| !name.is_empty()),
        affinity: root.cpu_list(&format!("proc/irq/{id}/smp_affinity_list")),
        effective: root.cpu_list(&format!("proc/irq/{id}/effective_affinity_list")),
        count: line.map(|line| line.count),
    }
}

/// One line of `/proc/interrupts`.
struct Line {
    name: String,
    count: u64,
}

/// Reads ` 41: 1280 0  PCI-MSIX-0000:00:04.0  1-edge  virtio3-rx`: a count for each CPU of the
/// heading, then chip, hardware number, and last the handlers.
fn interrupt_table(text: &str) -> BTreeMap<u32, Line> {
    let mut lines = text.lines();
    let columns = lines.next().unwrap_or("").split_whitespace().count();
    let line = |line: &str| {
        let (id, rest) = line.split_once(':')?;
        let id: u32 = id.trim().parse().ok()?;
        let words: Vec<&str> = rest.split_whitespace().collect();
        let counts = words.iter().take(columns).filter_map(|word| word.parse::<u64>().ok());
        let count = counts.fold(0, u64::saturating_add);
        let described = words.get(columns..).unwrap_or(&[]);
        let trigger = |word: &&str| {
            let word = word.to_ascii_lowercase();
            word.ends_with("edge") || word.ends_with("level") || word.ends_with("fasteoi")
        };
        let name = match described.iter().position(trigger) {
            Some(at) => described[at + 1..].join(" "),
            None => described.last().copied().unwrap_or("").to_owned(),
        };
        Some((id, Line { name, count }))
    };
    lines.filter_map(line).collect()
}
