//! Facts and plan as text for a person at a terminal.

use std::fmt::{self, Display};

use crate::{
    cpu_set::CpuSet,
    node_config::Cores,
    plan::Plan,
    probe::{Host, Interface, Queue, Quota},
};

const UNKNOWN: &str = "unknown";

/// What `msrp-tune show` prints.
pub struct Page<'a> {
    /// The facts.
    pub host: &'a Host,
    /// What they mean for a node.
    pub plan: &'a Plan,
    /// The setting that the plan follows.
    pub cores: &'a Cores,
    /// Where that setting comes from, such as the name of a file.
    pub source: &'a str,
}

impl Display for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.host;
        heading(f, "Host")?;
        host_table(host).fmt(f)?;
        heading(f, "CPUs")?;
        cpu_table(host).fmt(f)?;
        heading(f, "NUMA nodes")?;
        node_table(host).fmt(f)?;
        heading(f, "Network")?;
        for interface in &host.interfaces {
            write_interface(f, interface)?;
        }
        if host.interfaces.is_empty() {
            writeln!(f, "  {UNKNOWN}")?;
        }
        heading(f, &format!("Cores of a node with cores = {} ({})", self.cores, self.source))?;
        let mut table = Table::new(["core", "cpu", "why"]);
        for pin in &self.plan.pins {
            table.row([pin.core.to_string(), pin.cpu.to_string(), pin.why.clone()]);
        }
        table.fmt(f)?;
        heading(f, "Worth knowing")?;
        for warning in &self.plan.warnings {
            writeln!(f, "  - {warning}")?;
        }
        if self.plan.warnings.is_empty() {
            writeln!(f, "  nothing speaks against it")?;
        }
        Ok(())
    }
}

fn heading(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    writeln!(f, "\n{text}")
}

fn host_table(host: &Host) -> Table<2> {
    let distinct = |of: fn(&crate::probe::Cpu) -> Option<String>| {
        let mut all: Vec<String> = host.cpus.iter().filter_map(of).collect();
        all.sort();
        all.dedup();
        if all.is_empty() { UNKNOWN.to_owned() } else { all.len().to_string() }
    };
    let cores = distinct(|cpu| cpu.siblings.as_ref().map(ToString::to_string));
    let packages = distinct(|cpu| cpu.package.map(|package| package.to_string()));
    let quota = match host.process.quota {
        None => UNKNOWN.to_owned(),
        Some(Quota::Unlimited) => "unlimited".to_owned(),
        Some(Quota::Cpus(cpus)) => format!("{cpus:.2} CPUs"),
    };
    let mut table = Table::new(["", ""]);
    table.row(["kernel".to_owned(), known(host.kernel.as_ref())]);
    table.row(["CPUs online".to_owned(), host.cpus.len().to_string()]);
    table.row(["physical cores".to_owned(), cores]);
    table.row(["packages".to_owned(), packages]);
    table.row(["isolated CPUs".to_owned(), known(host.isolation.isolated.as_ref())]);
    table.row(["without timer tick".to_owned(), known(host.isolation.nohz_full.as_ref())]);
    table.row(["housekeeping CPUs".to_owned(), known(host.isolation.housekeeping.as_ref())]);
    table.row(["affinity mask".to_owned(), known(host.process.allowed.as_ref())]);
    table.row(["control group".to_owned(), known(host.process.cgroup.as_ref())]);
    table.row(["its CPUs".to_owned(), known(host.process.cgroup_cpus.as_ref())]);
    table.row(["its CPU time".to_owned(), quota]);
    table
}

fn cpu_table(host: &Host) -> Table<7> {
    let within = |set: Option<&CpuSet>, id| set.is_some_and(|cpus| cpus.contains(id));
    let mut table =
        Table::new(["cpu", "siblings", "package", "node", "L3 shared by", "max MHz", "state"]);
    for cpu in &host.cpus {
        let mut state = Vec::new();
        if within(host.process.allowed.as_ref(), cpu.id) {
            state.push("allowed");
        }
        if within(host.isolation.isolated.as_ref(), cpu.id) {
            state.push("isolated");
        }
        if within(host.isolation.nohz_full.as_ref(), cpu.id) {
            state.push("no tick");
        }
        table.row([
            cpu.id.to_string(),
            known(cpu.siblings.as_ref()),
            known(cpu.package),
            known(cpu.node),
            known(cpu.l3.as_ref()),
            known(cpu.max_mhz),
            state.join(", "),
        ]);
    }
    table
}

fn node_table(host: &Host) -> Table<4> {
    let mut table = Table::new(["node", "CPUs", "memory", "free"]);
    for node in &host.nodes {
        table.row([
            node.id.to_string(),
            known(node.cpus.as_ref()),
            known(node.memory_bytes.map(gibibytes)),
            known(node.free_bytes.map(gibibytes)),
        ]);
    }
    table
}

fn write_interface(f: &mut fmt::Formatter<'_>, interface: &Interface) -> fmt::Result {
    let Interface { name, receive_queues, transmit_queues, .. } = interface;
    let kind = if interface.is_device { "device" } else { "virtual" };
    write!(f, "  {name}: {kind}")?;
    if let Some(node) = interface.node {
        write!(f, " on node {node}")?;
    }
    if let Some(speed) = interface.speed_mbit {
        write!(f, ", {speed} Mbit/s")?;
    }
    writeln!(
        f,
        ", {} receive and {} transmit queues",
        receive_queues.len(),
        transmit_queues.len()
    )?;
    for (steering, queues) in [("RPS", receive_queues), ("XPS", transmit_queues)] {
        for Queue { id, cpus } in queues {
            if let Some(cpus) = cpus.as_ref().filter(|cpus| !cpus.is_empty()) {
                writeln!(f, "    {steering} of queue {id}: CPUs {cpus}")?;
            }
        }
    }
    if interface.interrupts.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(["  irq", "handler", "may go to", "goes to", "count"]);
    for interrupt in &interface.interrupts {
        table.row([
            format!("  {}", interrupt.id),
            known(interrupt.name.as_ref()),
            known(interrupt.affinity.as_ref()),
            known(interrupt.effective.as_ref()),
            known(interrupt.count),
        ]);
    }
    table.fmt(f)
}

fn known(fact: Option<impl Display>) -> String {
    fact.map_or_else(|| UNKNOWN.to_owned(), |fact| fact.to_string())
}

fn gibibytes(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}

/// Rows of text under their headings, each column as wide as its widest cell.
struct Table<const COLUMNS: usize> {
    headings: [&'static str; COLUMNS],
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    fn new(headings: [&'static str; COLUMNS]) -> Self {
        Self { headings, rows: Vec::new() }
    }

    fn row(&mut self, cells: [String; COLUMNS]) {
        self.rows.push(cells);
    }

    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rows.is_empty() {
            return writeln!(f, "  {UNKNOWN}");
        }
        let headings = self.headings.map(str::to_owned);
        let titled = headings.iter().any(|heading| !heading.is_empty()).then_some(&headings);
        let rows = || titled.into_iter().chain(&self.rows);
        let width = |column: usize| rows().map(|row| row[column].chars().count()).max();
        let widths: [usize; COLUMNS] = std::array::from_fn(|column| width(column).unwrap_or(0));
        for row in rows() {
            let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
            let line = cells.collect::<Vec<_>>().join("  ");
            writeln!(f, "  {}", line.trim_end())?;
        }
        Ok(())
    }
}
