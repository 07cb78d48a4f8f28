//! From facts to a pinning: which core runs on which CPU, why, and what speaks against it.
//!
//! Pure. The pinning is the one the node makes of the same configuration on the same host; the
//! warnings are what an operator would want to know before the load comes.

use std::{collections::BTreeSet, fmt};

use serde::Serialize;

use crate::{
    cpu_set::CpuSet,
    node_config::Cores,
    probe::{Cpu, Host, Quota},
};

/// The most cores a node runs. With `auto`, further CPUs stay free.
const CORES_MAX: usize = 128;

/// Which core runs where.
#[derive(Debug, Serialize)]
pub struct Plan {
    /// One for each core, in the order of their ids.
    pub pins: Vec<Pin>,
    /// What speaks against it, most severe first.
    pub warnings: Vec<Warning>,
}

/// One core and its CPU.
#[derive(Debug, Eq, PartialEq, Serialize)]
pub struct Pin {
    /// The id of the core: cores are numbered from 0.
    pub core: usize,
    /// The CPU it is pinned to.
    pub cpu: u32,
    /// Why there, and what is known of that CPU.
    pub why: String,
}

/// What an operator would want to know.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Warning {
    /// The affinity mask could not be read, so `auto` has nothing to go by.
    NoAffinityMask,
    /// The CPU is not online: the node will refuse to start.
    Absent { cpu: u32 },
    /// The CPU is online and this process may not run there: the node will refuse to start.
    NotAllowed { cpu: u32 },
    /// Two cores on one CPU: the node will refuse to start.
    ListedTwice { cpu: u32 },
    /// The control group gets less time than the cores can use: it is stopped in every period.
    QuotaTooSmall { quota: String, cores: usize },
    /// Two cores on one physical core.
    SharesPhysicalCore { cpus: CpuSet },
    /// Interrupts of an interface stop the core at each packet.
    TakesInterrupts { cpu: u32, interface: String, interrupts: Vec<u32> },
    /// RPS makes the CPU process packets that came in elsewhere.
    TakesSteeredPackets { cpu: u32, interface: String },
    /// Relays between cores cross from node to node.
    SpansNodes { nodes: BTreeSet<u32> },
    /// The interface hangs on another node than any core.
    FarFromInterface { interface: String, node: u32 },
    /// All packets come in through fewer queues than there are cores.
    FewReceiveQueues { interface: String, queues: usize, cores: usize },
    /// Cores of different speed: the slowest bounds the room that spans them.
    MixedSpeeds { slowest_mhz: u32, fastest_mhz: u32 },
    /// CPUs were isolated, and no core uses them.
    IsolatedUnused { cpus: CpuSet },
    /// CPUs were isolated, and these cores share theirs with everything else.
    NotIsolated { cpus: CpuSet },
    /// Every allowed CPU has a core: SIP and the kernel run on top of them.
    NothingLeft,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAffinityMask => {
                write!(f, "the affinity mask is unknown: \"auto\" cannot be foretold")
            }
            Self::Absent { cpu } => write!(f, "CPU {cpu} is not online: the node will not start"),
            Self::NotAllowed { cpu } => {
                write!(f, "CPU {cpu} is outside the affinity mask: the node will not start")
            }
            Self::ListedTwice { cpu } => write!(f, "CPU {cpu} is listed twice"),
            Self::QuotaTooSmall { quota, cores } => write!(
                f,
                "the control group gets {quota} CPUs for {cores} cores: \
                 under load it is stopped until the next period"
            ),
            Self::SharesPhysicalCore { cpus } => {
                write!(f, "CPUs {cpus} are threads of one physical core: two cores compete for it")
            }
            Self::TakesInterrupts { cpu, interface, interrupts } => {
                let list: CpuSet = interrupts.iter().copied().collect();
                write!(f, "CPU {cpu} takes interrupts of {interface} ({list})")
            }
            Self::TakesSteeredPackets { cpu, interface } => {
                write!(f, "CPU {cpu} is handed packets of {interface} by RPS")
            }
            Self::SpansNodes { nodes } => {
                let nodes: CpuSet = nodes.iter().copied().collect();
                write!(f, "the cores span NUMA nodes {nodes}: relays between them cross sockets")
            }
            Self::FarFromInterface { interface, node } => {
                write!(f, "{interface} hangs on NUMA node {node}, where no core runs")
            }
            Self::FewReceiveQueues { interface, queues, cores } => {
                write!(
                    f,
                    "{interface} has fewer receive queues than there are cores: {queues} for {cores}"
                )
            }
            Self::MixedSpeeds { slowest_mhz, fastest_mhz } => {
                write!(f, "the cores clock up to {slowest_mhz} to {fastest_mhz} MHz: not alike")
            }
            Self::IsolatedUnused { cpus } => {
                write!(
                    f,
                    "CPUs {cpus} are isolated and get no core: list them in node.cores, and let the \
                     affinity mask have them"
                )
            }
            Self::NotIsolated { cpus } => {
                write!(f, "CPUs {cpus} are not isolated: other programs run there too")
            }
            Self::NothingLeft => write!(
                f,
                "every allowed CPU gets a core: SIP, interrupts and other programs run on top"
            ),
        }
    }
}

impl Plan {
    /// The pinning of `cores` on `host`.
    pub fn new(host: &Host, cores: &Cores) -> Self {
        let cpus: Vec<u32> = match (cores, &host.process.allowed) {
            (Cores::List(cpus), _) => cpus.clone(),
            (Cores::Auto, Some(allowed)) => allowed.iter().take(CORES_MAX).collect(),
            (Cores::Auto, None) => Vec::new(),
        };
        let pin = |(core, &cpu)| Pin { core, cpu, why: why(host, cores, cpu) };
        Self {
            pins: cpus.iter().enumerate().map(pin).collect(),
            warnings: warnings(host, cores, &cpus),
        }
    }
}

fn why(host: &Host, cores: &Cores, id: u32) -> String {
    let chosen = match cores {
        Cores::Auto => "in the affinity mask",
        Cores::List(_) => "listed",
    };
    let mut facts = vec![chosen.to_owned()];
    if host.isolation.isolated.as_ref().is_some_and(|isolated| isolated.contains(id)) {
        facts.push("isolated".to_owned());
    }
    if host.isolation.nohz_full.as_ref().is_some_and(|tickless| tickless.contains(id)) {
        facts.push("without timer tick".to_owned());
    }
    let Some(cpu) = host.cpu(id) else {
        facts.push("not online".to_owned());
        return facts.join(", ");
    };
    match &cpu.siblings {
        Some(siblings) if siblings.len() > 1 => {
            let others = siblings.without(&CpuSet::from_iter([id]));
            facts.push(format!("shares its physical core with {others}"));
        }
        Some(_) => facts.push("a physical core of its own".to_owned()),
        None => {}
    }
    facts.extend(cpu.node.filter(|_| host.nodes.len() > 1).map(|node| format!("node {node}")));
    facts.join(", ")
}

fn warnings(host: &Host, cores: &Cores, cpus: &[u32]) -> Vec<Warning> {
    let chosen: CpuSet = cpus.iter().copied().collect();
    let mut found = refusals(host, cores, cpus);
    if let Some(Quota::Cpus(quota)) = host.process.quota
        && quota < chosen.len() as f64
    {
        let quota = format!("{quota:.2}");
        found.push(Warning::QuotaTooSmall { quota, cores: chosen.len() });
    }
    found.extend(shared_cores(host, &chosen));
    found.extend(interface_warnings(host, &chosen));
    found.extend(placement_warnings(host, &chosen));
    let free = host.process.allowed.as_ref().map(|allowed| allowed.without(&chosen));
    if free.is_some_and(|free| free.is_empty()) && !chosen.is_empty() {
        found.push(Warning::NothingLeft);
    }
    found
}

/// What the node itself will refuse.
fn refusals(host: &Host, cores: &Cores, cpus: &[u32]) -> Vec<Warning> {
    let mut found = Vec::new();
    if *cores == Cores::Auto && host.process.allowed.is_none() {
        found.push(Warning::NoAffinityMask);
    }
    let mut seen = BTreeSet::new();
    for &cpu in cpus {
        if !seen.insert(cpu) {
            found.push(Warning::ListedTwice { cpu });
        } else if !host.cpus.is_empty() && host.cpu(cpu).is_none() {
            found.push(Warning::Absent { cpu });
        } else if host.process.allowed.as_ref().is_some_and(|allowed| !allowed.contains(cpu)) {
            found.push(Warning::NotAllowed { cpu });
        }
    }
    found
}

fn shared_cores(host: &Host, chosen: &CpuSet) -> Vec<Warning> {
    let group = |cpu: &Cpu| {
        let cpus = cpu.siblings.as_ref()?.within(chosen);
        // The first thread of a physical core speaks for all of them.
        let first = cpus.iter().next() == Some(cpu.id);
        (first && cpus.len() > 1).then_some(Warning::SharesPhysicalCore { cpus })
    };
    pinned(host, chosen).filter_map(group).collect()
}

fn interface_warnings(host: &Host, chosen: &CpuSet) -> Vec<Warning> {
    let mut found = Vec::new();
    for interface in host.interfaces.iter().filter(|interface| interface.is_device) {
        let name = || interface.name.clone();
        for cpu in chosen.iter() {
            let lands = |cpus: Option<&CpuSet>| cpus.is_some_and(|cpus| cpus.contains(cpu));
            let here = interface.interrupts.iter().filter(|each| lands(each.lands_on()));
            let interrupts: Vec<u32> = here.map(|interrupt| interrupt.id).collect();
            if !interrupts.is_empty() {
                found.push(Warning::TakesInterrupts { cpu, interface: name(), interrupts });
            }
            if interface.receive_queues.iter().any(|queue| lands(queue.cpus.as_ref())) {
                found.push(Warning::TakesSteeredPackets { cpu, interface: name() });
            }
        }
        let (queues, cores) = (interface.receive_queues.len(), chosen.len());
        if queues > 0 && queues < cores {
            found.push(Warning::FewReceiveQueues { interface: name(), queues, cores });
        }
        let nodes: BTreeSet<u32> = pinned(host, chosen).filter_map(|cpu| cpu.node).collect();
        if let Some(node) = interface.node
            && !nodes.is_empty()
            && !nodes.contains(&node)
        {
            found.push(Warning::FarFromInterface { interface: name(), node });
        }
    }
    found
}

fn placement_warnings(host: &Host, chosen: &CpuSet) -> Vec<Warning> {
    let mut found = Vec::new();
    let nodes: BTreeSet<u32> = pinned(host, chosen).filter_map(|cpu| cpu.node).collect();
    if nodes.len() > 1 {
        found.push(Warning::SpansNodes { nodes });
    }
    let speeds: BTreeSet<u32> = pinned(host, chosen).filter_map(|cpu| cpu.max_mhz).collect();
    if let (Some(&slowest_mhz), Some(&fastest_mhz)) = (speeds.first(), speeds.last())
        && slowest_mhz < fastest_mhz
    {
        found.push(Warning::MixedSpeeds { slowest_mhz, fastest_mhz });
    }
    if let Some(isolated) = host.isolation.isolated.as_ref().filter(|cpus| !cpus.is_empty()) {
        let (unused, shared) = (isolated.without(chosen), chosen.without(isolated));
        if !unused.is_empty() {
            found.push(Warning::IsolatedUnused { cpus: unused });
        }
        if !shared.is_empty() {
            found.push(Warning::NotIsolated { cpus: shared });
        }
    }
    found
}

fn pinned<'a>(host: &'a Host, chosen: &'a CpuSet) -> impl Iterator<Item = &'a Cpu> {
    host.cpus.iter().filter(|cpu| chosen.contains(cpu.id))
}
