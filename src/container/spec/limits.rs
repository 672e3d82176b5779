//! Limits on CPU, memory, processes and devices.

use std::os::unix::fs::{FileTypeExt, MetadataExt};

use oci_spec::runtime::{
    LinuxBlockIo, LinuxBlockIoBuilder, LinuxCpuBuilder, LinuxDeviceCgroup, LinuxDeviceCgroupBuilder,
    LinuxDeviceType, LinuxHugepageLimitBuilder, LinuxMemoryBuilder, LinuxPidsBuilder, LinuxResources,
    LinuxResourcesBuilder, LinuxThrottleDevice, LinuxThrottleDeviceBuilder,
};

use super::defaults::DEVICES;
use crate::container::error::Error;
use crate::container::resources::{Rate, Resources, Throttle};

/// Most processes of a container that asks for no other limit: enough for any service, too few for a fork bomb.
const DEFAULT_PIDS: i64 = 4096;

/// What the user asked for, as the runtime core takes it, with the rules for devices beside the default ones.
pub fn resources(wanted: &Resources, more: Vec<LinuxDeviceCgroup>) -> Result<LinuxResources, Error> {
    let mut resources = changes(wanted)?;
    resources.set_devices(Some([devices()?, more].concat()));
    if wanted.pids_limit.is_none() {
        resources.set_pids(Some(LinuxPidsBuilder::default().limit(DEFAULT_PIDS).build()?));
    }
    if let (Some(limit), None) = (wanted.memory, wanted.memory_swap) {
        // As much swap as memory, unless another amount is asked for.
        let mut memory = resources.memory().unwrap_or_default();
        memory.set_swap(Some(limit.saturating_mul(2)));
        resources.set_memory(Some(memory));
    }
    Ok(resources)
}

/// What a container's group can be told: nothing without one, and nothing of devices in a user namespace, where only those
/// that are mounted can be opened.
pub fn within(cgroup: &str, mut resources: LinuxResources) -> LinuxResources {
    if cgroup.is_empty() {
        return LinuxResources::default();
    }
    if crate::kernel::userns::nested() {
        resources.set_devices(None);
    }
    resources
}

/// Only the limits that are given.
pub fn changes(wanted: &Resources) -> Result<LinuxResources, Error> {
    let mut resources = LinuxResourcesBuilder::default();
    let mut cpu = LinuxCpuBuilder::default();
    if let Some(quota) = wanted.cpu_quota {
        cpu = cpu.quota(quota).period(wanted.cpu_period.unwrap_or(Resources::CPU_PERIOD));
    } else if let Some(period) = wanted.cpu_period {
        cpu = cpu.period(period);
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
        memory = memory.limit(limit);
    }
    if let Some(swap) = wanted.memory_swap {
        memory = memory.swap(swap);
    }
    if let Some(reservation) = wanted.memory_reservation {
        memory = memory.reservation(reservation);
    }
    if wanted.oom_kill_disable {
        memory = memory.disable_oom_killer(true);
    }
    if let Some(swappiness) = wanted.memory_swappiness {
        memory = memory.swappiness(swappiness);
    }
    resources = resources.memory(memory.build()?);
    if let Some(limit) = wanted.pids_limit {
        let limit = if limit == 0 { -1 } else { limit };
        resources = resources.pids(LinuxPidsBuilder::default().limit(limit).build()?);
    }
    if let Some(block_io) = block_io(wanted)? {
        resources = resources.block_io(block_io);
    }
    let huge = |(size, limit): &(String, i64)| {
        LinuxHugepageLimitBuilder::default().page_size(size).limit(*limit).build().map_err(Error::from)
    };
    let huge = wanted.hugetlb.iter().map(huge).collect::<Result<Vec<_>, _>>()?;
    Ok(if huge.is_empty() { resources } else { resources.hugepage_limits(huge) }.build()?)
}

fn block_io(wanted: &Resources) -> Result<Option<LinuxBlockIo>, Error> {
    if wanted.blkio_weight.is_none() && wanted.throttles.is_empty() {
        return Ok(None);
    }
    let of = |kind: Rate| {
        let some = wanted.throttles.iter().filter(|throttle| throttle.kind == kind);
        some.map(throttle).collect::<Result<Vec<_>, Error>>()
    };
    let mut block_io = LinuxBlockIoBuilder::default()
        .throttle_read_bps_device(of(Rate::ReadBps)?)
        .throttle_write_bps_device(of(Rate::WriteBps)?)
        .throttle_read_iops_device(of(Rate::ReadIops)?)
        .throttle_write_iops_device(of(Rate::WriteIops)?);
    if let Some(weight) = wanted.blkio_weight {
        block_io = block_io.weight(weight);
    }
    Ok(Some(block_io.build()?))
}

fn throttle(throttle: &Throttle) -> Result<LinuxThrottleDevice, Error> {
    let bad = |reason: String| Error::Flag {
        flag: "--device-…-bps or --device-…-iops",
        value: throttle.device.display().to_string(),
        reason,
    };
    let (major, minor) = match by_numbers(&throttle.device) {
        Some(numbers) => numbers,
        None => {
            let meta = std::fs::metadata(&throttle.device).map_err(|e| bad(e.to_string()))?;
            if !meta.file_type().is_block_device() {
                return Err(bad("it is no block device".to_string()));
            }
            (rustix::fs::major(meta.rdev()), rustix::fs::minor(meta.rdev()))
        }
    };
    let device = LinuxThrottleDeviceBuilder::default().major(i64::from(major)).minor(i64::from(minor));
    Ok(device.rate(throttle.rate).build()?)
}

/// `/dev/block/MAJOR:MINOR`, which not every machine has as a file.
fn by_numbers(device: &std::path::Path) -> Option<(u32, u32)> {
    let (major, minor) = device.strip_prefix("/dev/block").ok()?.to_str()?.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
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
