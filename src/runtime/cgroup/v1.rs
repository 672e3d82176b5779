//! Settings as the files of v1 (`Documentation/admin-guide/cgroup-v1/`), and what is particular to its `cpuset`.

use std::path::Path;

use super::error::{Error, Result};
use super::file;
use super::find::Controller as C;
use super::knob::Knob;
use super::request::{Cpu, Cpuset, Huge, Io, Limit, Memory};

pub(super) const NO_SWAP_ACCOUNTING: &str =
    "the kernel does not account for swap (boot it with swapaccount=1)";
pub(super) const NO_IO_WEIGHT: &str = "the kernel has no proportional block io (the bfq scheduler or iocost)";

pub fn cpu(cpu: &Cpu) -> Vec<Knob> {
    let mut all = Vec::new();
    let mut add = |setting, file: &str, value: String| all.push(Knob::new(setting, C::Cpu, file, value));
    if let Some(n) = cpu.shares {
        add("cpu shares", "cpu.shares", n.to_string());
    }
    if let Some(n) = cpu.idle {
        add("cpu idle", "cpu.idle", u8::from(n).to_string());
    }
    if let Some(n) = cpu.period {
        add("cpu period", "cpu.cfs_period_us", n.to_string());
    }
    if let Some(n) = cpu.quota {
        add("cpu quota", "cpu.cfs_quota_us", n.v1());
    }
    if let Some(n) = cpu.burst {
        add("cpu burst", "cpu.cfs_burst_us", n.to_string());
    }
    if let Some(n) = cpu.rt_period {
        add("cpu real-time period", "cpu.rt_period_us", n.to_string());
    }
    if let Some(n) = cpu.rt_runtime {
        add("cpu real-time runtime", "cpu.rt_runtime_us", n.to_string());
    }
    all
}

pub fn cpuset(cpuset: &Cpuset) -> Vec<Knob> {
    let cpus = cpuset.cpus.iter().map(|v| ("cpuset cpus", "cpuset.cpus", v));
    let mems = cpuset.mems.iter().map(|v| ("cpuset mems", "cpuset.mems", v));
    cpus.chain(mems).map(|(setting, file, value)| Knob::new(setting, C::Cpuset, file, value)).collect()
}

pub fn memory(memory: &Memory) -> Vec<Knob> {
    let mut all = Vec::new();
    let knob = |setting, file: &str, value: String| Knob::new(setting, C::Memory, file, value);
    if let Some(n) = memory.limit {
        all.push(knob("memory limit", "memory.limit_in_bytes", n.v1()));
    }
    if let Some(n) = memory.swap {
        let both = knob("memory and swap limit", "memory.memsw.limit_in_bytes", n.v1());
        all.push(match n {
            Limit::Max => both.optional(),
            Limit::At(_) => both.or(NO_SWAP_ACCOUNTING),
        });
    }
    if let Some(n) = memory.reservation {
        all.push(knob("memory reservation", "memory.soft_limit_in_bytes", n.v1()));
    }
    if let Some(n) = memory.kernel_tcp {
        all.push(knob("kernel tcp memory", "memory.kmem.tcp.limit_in_bytes", n.v1()));
    }
    if let Some(n) = memory.swappiness {
        all.push(knob("memory swappiness", "memory.swappiness", n.to_string()));
    }
    if let Some(n) = memory.disable_oom_killer {
        all.push(knob("disabling the oom killer", "memory.oom_control", u8::from(n).to_string()));
    }
    all
}

pub fn io(io: &Io) -> Vec<Knob> {
    let mut all = Vec::new();
    let weight = |stem: &str, value: String| Knob {
        setting: "block io weight",
        controller: Some(C::Io),
        choices: vec![
            (format!("blkio.weight{stem}"), value.clone()),
            (format!("blkio.bfq.weight{stem}"), value),
        ],
        missing: Some(NO_IO_WEIGHT),
    };
    if let Some(n) = io.weight {
        all.push(weight("", n.to_string()));
    }
    for w in &io.weights {
        let (major, minor) = w.device;
        all.push(weight("_device", format!("{major}:{minor} {}", w.weight)));
    }
    for t in &io.throttles {
        let (major, minor) = t.device;
        let value = format!("{major}:{minor} {}", t.rate);
        all.push(Knob::new("block io throttle", C::Io, t.kind.v1_file(), value));
    }
    all
}

/// The limit on pages used and, where the kernel has it, on pages reserved.
pub fn huge(huge: &Huge) -> [Knob; 2] {
    let knob = |stem: &str| {
        let file = format!("hugetlb.{}.{stem}limit_in_bytes", huge.size);
        Knob::new("huge page limit", C::Hugetlb, file, huge.limit.v1())
            .or("this machine has no huge pages of that size")
    };
    [knob(""), knob("rsvd.").optional()]
}

/// A fresh v1 cpuset is empty and takes no process; it gets what its parent has.
pub fn seed_cpuset(dir: &Path) -> Result<()> {
    let parent = dir.parent().unwrap_or(dir);
    for (setting, name) in [("cpuset cpus", "cpuset.cpus"), ("cpuset mems", "cpuset.mems")] {
        let own = dir.join(name);
        // With cgroup.clone_children the kernel has done it.
        if file::read(&own)?.trim().is_empty() {
            let mut inherited = file::read(&parent.join(name))?;
            if inherited.trim().is_empty() {
                // Another process has made the parent this very moment.
                seed_cpuset(parent)?;
                inherited = file::read(&parent.join(name))?;
            }
            file::set(setting, &own, inherited.trim())?;
        }
    }
    Ok(())
}

/// Whether a processor or memory node is not there for the taking, told before anything is made.
pub(super) fn check_subset(setting: &'static str, wanted: Option<&str>, available: &str) -> Result<()> {
    let Some(wanted) = wanted else { return Ok(()) };
    let have = super::request::parse_list(setting, available)?;
    let all_there = super::request::parse_list(setting, wanted)?.iter().all(|&(first, last)| {
        (u64::from(first)..=u64::from(last))
            .take(65_536)
            .all(|n| have.iter().any(|&(a, b)| (u64::from(a)..=u64::from(b)).contains(&n)))
    });
    if all_there {
        Ok(())
    } else {
        Err(Error::invalid(setting, wanted, format!("this machine has {available}")))
    }
}
