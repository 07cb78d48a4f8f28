//! What this process, and so a node started in its place, may use.

use serde::Serialize;

use super::root::Root;
use crate::cpu_set::CpuSet;

/// What the kernel lets this process have.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Process {
    /// The CPUs of its affinity mask.
    pub allowed: Option<CpuSet>,
    /// The control group it runs in.
    pub cgroup: Option<String>,
    /// The CPU time of that group, or of one above it if that has less.
    pub quota: Option<Quota>,
    /// The CPUs of that group.
    pub cgroup_cpus: Option<CpuSet>,
}

/// How much CPU time a control group gets.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quota {
    /// As much as there is.
    Unlimited,
    /// That of so many CPUs; beyond it, the group stands still until the next period.
    Cpus(f64),
}

/// Where the controllers of version 1 may be mounted.
const CPU_MOUNTS: [&str; 2] = ["sys/fs/cgroup/cpu", "sys/fs/cgroup/cpu,cpuacct"];

/// What may be used, as far as `/proc/self` and the control groups say.
pub fn process(root: &Root) -> Process {
    let status = root.text("proc/self/status").unwrap_or_default();
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let groups = root.text("proc/self/cgroup").unwrap_or_default();
    // Each line is `hierarchy:controllers:path`. Version 2 has the hierarchy 0 and no controllers.
    let group_of = |controller: &str| {
        groups.lines().find_map(|line| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            controllers.split(',').any(|name| name == controller).then(|| path.to_owned())
        })
    };
    let unified = group_of("");
    let cpu = group_of("cpu");
    let quota = match &cpu {
        Some(path) => CPU_MOUNTS.iter().find_map(|mount| quota_v1(root, mount, path)),
        None => unified.as_deref().and_then(|path| quota_v2(root, path)),
    };
    let cgroup_cpus = match group_of("cpuset") {
        Some(path) => nearest("sys/fs/cgroup/cpuset", &path)
            .find_map(|group| root.cpu_list(&format!("{group}/cpuset.effective_cpus"))),
        None => nearest("sys/fs/cgroup", unified.as_deref().unwrap_or("/"))
            .find_map(|group| root.cpu_list(&format!("{group}/cpuset.cpus.effective"))),
    };
    Process {
        allowed: allowed.and_then(CpuSet::from_list),
        cgroup: cpu.or(unified),
        quota,
        cgroup_cpus,
    }
}

/// The directories of a group and of those above it, up to the mount point. Inside a container the
/// path may be the host's and only the mount point be there.
fn nearest(mount: &str, path: &str) -> impl Iterator<Item = String> {
    let mut next = Some(path.trim_matches('/').to_owned());
    let mount = mount.to_owned();
    std::iter::from_fn(move || {
        let path = next.take()?;
        if !path.is_empty() {
            next = Some(path.rsplit_once('/').map_or("", |(above, _)| above).to_owned());
        }
        Some(if path.is_empty() { mount.clone() } else { format!("{mount}/{path}") })
    })
}

/// Reads `cpu.max`: `max 100000`, or the microseconds in each period.
fn quota_v2(root: &Root, path: &str) -> Option<Quota> {
    let one = |group: String| {
        let text = root.text(&format!("{group}/cpu.max"))?;
        let (quota, period) = text.trim().split_once(' ')?;
        match quota {
            "max" => Some(Quota::Unlimited),
            quota => ratio(quota.parse().ok()?, period.parse().ok()?),
        }
    };
    // The root group has no such file, and no limit.
    let files = nearest("sys/fs/cgroup", path).filter_map(one);
    least(files)
        .or_else(|| root.has("sys/fs/cgroup/cgroup.controllers").then_some(Quota::Unlimited))
}

fn quota_v1(root: &Root, mount: &str, path: &str) -> Option<Quota> {
    let one = |group: String| {
        let quota: f64 = root.value(&format!("{group}/cpu.cfs_quota_us"))?;
        match quota {
            unlimited if unlimited < 0.0 => Some(Quota::Unlimited),
            quota => ratio(quota, root.value(&format!("{group}/cpu.cfs_period_us"))?),
        }
    };
    least(nearest(mount, path).filter_map(one))
}

fn ratio(quota: f64, period: f64) -> Option<Quota> {
    let cpus = quota / period;
    cpus.is_finite().then_some(Quota::Cpus(cpus))
}

fn least(quotas: impl Iterator<Item = Quota>) -> Option<Quota> {
    quotas.reduce(|one, other| match (one, other) {
        (Quota::Unlimited, rest) | (rest, Quota::Unlimited) => rest,
        (Quota::Cpus(one), Quota::Cpus(other)) => Quota::Cpus(one.min(other)),
    })
}
