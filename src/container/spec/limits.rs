//! Limits on CPU, memory, processes and devices.

use oci_spec::runtime::{
    LinuxCpuBuilder, LinuxDeviceCgroup, LinuxDeviceCgroupBuilder, LinuxDeviceType, LinuxMemoryBuilder,
    LinuxPidsBuilder, LinuxResources, LinuxResourcesBuilder,
};

use super::defaults::DEVICES;
use crate::container::error::Error;
use crate::container::options::Resources;

/// Most processes of a container that asks for no other limit: enough for any service, too few for a fork bomb.
const DEFAULT_PIDS: i64 = 4096;

/// What the user asked for, as the runtime core takes it.
pub fn resources(wanted: &Resources) -> Result<LinuxResources, Error> {
    let mut resources = LinuxResourcesBuilder::default().devices(devices()?);
    let mut cpu = LinuxCpuBuilder::default();
    if let Some(quota) = wanted.cpu_quota {
        cpu = cpu.quota(quota).period(Resources::CPU_PERIOD);
    }
    if let Some(shares) = wanted.cpu_shares {
        cpu = cpu.shares(shares);
    }
    if let Some(cpus) = &wanted.cpuset_cpus {
        cpu = cpu.cpus(cpus);
    }
    if let Some(mems) = &wanted.cpuset_mems {
        cpu = cpu.mems(mems);
    }
    resources = resources.cpu(cpu.build()?);
    let mut memory = LinuxMemoryBuilder::default();
    if let Some(limit) = wanted.memory {
        // As much swap as memory, unless another amount is asked for.
        memory = memory.limit(limit).swap(wanted.memory_swap.unwrap_or(limit.saturating_mul(2)));
    }
    if let Some(swappiness) = wanted.memory_swappiness {
        memory = memory.swappiness(swappiness);
    }
    resources = resources.memory(memory.build()?);
    let pids = match wanted.pids_limit {
        Some(0 | -1) => -1,
        Some(limit) => limit,
        None => DEFAULT_PIDS,
    };
    Ok(resources.pids(LinuxPidsBuilder::default().limit(pids).build()?).build()?)
}

/// Everything is forbidden, then the list is allowed.
fn devices() -> Result<Vec<LinuxDeviceCgroup>, Error> {
    let mut rules = vec![LinuxDeviceCgroupBuilder::default().allow(false).access("rwm").build()?];
    for (kind, major, minor, access) in DEVICES {
        let kind = if kind == 'c' { LinuxDeviceType::C } else { LinuxDeviceType::B };
        let mut rule = LinuxDeviceCgroupBuilder::default().allow(true).typ(kind).access(access);
        if let Some(major) = major {
            rule = rule.major(major);
        }
        if let Some(minor) = minor {
            rule = rule.minor(minor);
        }
        rules.push(rule.build()?);
    }
    Ok(rules)
}
