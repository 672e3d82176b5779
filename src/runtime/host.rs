//! What only the host's root can do for the child: mounts, limits, scores.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use oci_spec::runtime::{PosixRlimit, PosixRlimitType};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::device::DevicePlan;
use super::error::Error;
use super::mount::{Kind, MountPlan};
use super::plan::{Plan, ProcessPlan};
use super::{Rootfs, dev, idmap};
use crate::kernel::mount;
use crate::kernel::process::{set_io_priority, set_scheduler};

/// Makes the root and all mounts that the child cannot make, in the order in which the child takes them.
///
/// # Errors
/// When one of them cannot be made.
pub fn mounts(
    plan: &Plan,
    rootfs: &dyn Rootfs,
    userns: Option<BorrowedFd<'_>>,
) -> Result<Vec<OwnedFd>, Error> {
    let mut made = vec![rootfs.mount(userns).map_err(Error::Rootfs)?];
    for mount in plan.mounts.iter().filter(|mount| !plan.child_makes(mount)) {
        match given(rootfs, mount, userns)? {
            Some(given) => made.push(given),
            None => made.extend(of_host(plan, mount, userns)?),
        }
    }
    Ok(made)
}

/// A bind mount whose source the root's maker provides.
fn given(
    rootfs: &dyn Rootfs,
    mount: &MountPlan,
    userns: Option<BorrowedFd<'_>>,
) -> Result<Option<OwnedFd>, Error> {
    match &mount.kind {
        Kind::Bind { source, .. } => rootfs.bind(source, userns).map_err(Error::Rootfs),
        Kind::Dev | Kind::Cgroup | Kind::New(_) => Ok(None),
    }
}

/// Makes a mount that comes from the host; none for a new file system.
///
/// # Errors
/// When it cannot be made.
pub fn of_host(
    plan: &Plan,
    mount: &MountPlan,
    userns: Option<BorrowedFd<'_>>,
) -> Result<Option<OwnedFd>, Error> {
    match &mount.kind {
        Kind::Bind { source, recursive, idmap } => {
            let userns = userns.filter(|_| *idmap);
            let bind = match of_process(source) {
                Some((pid, path)) => mount::clone_from(&namespace(pid, "mnt")?, path),
                None => mount::clone_idmapped(source, userns, *recursive),
            };
            bind.map(Some).map_err(|e| bind_error(mount, e))
        }
        Kind::Dev => dev_of(plan, mount).map(Some),
        Kind::Cgroup | Kind::New(_) => Ok(None),
    }
}

/// `/proc/PID/root/PATH`: what a process sees at a path, in its own mount namespace.
pub fn of_process(source: &Path) -> Option<(i32, &Path)> {
    let mut parts = source.strip_prefix("/proc").ok()?.components();
    let pid = parts.next()?.as_os_str().to_str()?.parse().ok()?;
    let is_root = parts.next()?.as_os_str() == "root";
    is_root.then_some((pid, parts.as_path()))
}

fn bind_error(mount: &MountPlan, source: mount::Error) -> Error {
    let source_path = match &mount.kind {
        Kind::Bind { source, .. } => source.clone(),
        _ => mount.destination.clone(),
    };
    Error::Bind { source_path, target: mount.destination.clone(), source }
}

fn dev_of(plan: &Plan, mount: &MountPlan) -> Result<OwnedFd, Error> {
    let unmapped = || Error::Spec {
        field: "linux.uidMappings",
        reason: "root or a device's owner is not mapped".to_string(),
    };
    let uid = idmap::host_id(&plan.uid_mappings, 0).ok_or_else(unmapped)?;
    let gid = idmap::host_id(&plan.gid_mappings, 0).ok_or_else(unmapped)?;
    let map = |mappings: &_, id| idmap::host_id(mappings, id).ok_or_else(unmapped);
    let devices = plan.devices.iter().map(|device| {
        let (uid, gid) = (map(&plan.uid_mappings, device.uid)?, map(&plan.gid_mappings, device.gid)?);
        Ok(DevicePlan { uid, gid, ..device.clone() })
    });
    dev::make(mount, (uid, gid), &devices.collect::<Result<Vec<_>, Error>>()?)
}

/// Sets what a process of the container could not set for itself: resource limits, priorities and the OOM score.
///
/// # Errors
/// [`Error::Limit`] or [`Error::Proc`].
pub fn adjust(pid: i32, process: &ProcessPlan) -> Result<(), Error> {
    for limit in &process.rlimits {
        set_limit(pid, limit)?;
    }
    if let Some(score) = process.oom_score_adj {
        let path = format!("/proc/{pid}/oom_score_adj");
        std::fs::write(&path, score.to_string()).map_err(Error::proc(&path))?;
    }
    let refused = |field, e: rustix::io::Errno| Error::Spec { field, reason: e.to_string() };
    if let Some(scheduler) = &process.scheduler {
        set_scheduler(pid, scheduler).map_err(|e| refused("process.scheduler", e))?;
    }
    if let Some(priority) = process.io_priority {
        set_io_priority(pid, priority).map_err(|e| refused("process.ioPriority", e))?;
    }
    Ok(())
}

fn set_limit(pid: i32, limit: &PosixRlimit) -> Result<(), Error> {
    let value = |v: u64| if v == u64::MAX { None } else { Some(v) };
    let new = Rlimit { current: value(limit.soft()), maximum: value(limit.hard()) };
    let failed = |source: io::Error| Error::Limit { name: limit.typ().to_string(), source };
    prlimit(Pid::from_raw(pid), resource(limit.typ()), new).map(drop).map_err(|e| failed(e.into()))
}

fn resource(kind: PosixRlimitType) -> Resource {
    match kind {
        PosixRlimitType::RlimitCpu => Resource::Cpu,
        PosixRlimitType::RlimitFsize => Resource::Fsize,
        PosixRlimitType::RlimitData => Resource::Data,
        PosixRlimitType::RlimitStack => Resource::Stack,
        PosixRlimitType::RlimitCore => Resource::Core,
        PosixRlimitType::RlimitRss => Resource::Rss,
        PosixRlimitType::RlimitNproc => Resource::Nproc,
        PosixRlimitType::RlimitNofile => Resource::Nofile,
        PosixRlimitType::RlimitMemlock => Resource::Memlock,
        PosixRlimitType::RlimitAs => Resource::As,
        PosixRlimitType::RlimitLocks => Resource::Locks,
        PosixRlimitType::RlimitSigpending => Resource::Sigpending,
        PosixRlimitType::RlimitMsgqueue => Resource::Msgqueue,
        PosixRlimitType::RlimitNice => Resource::Nice,
        PosixRlimitType::RlimitRtprio => Resource::Rtprio,
        PosixRlimitType::RlimitRttime => Resource::Rttime,
    }
}

/// Opens a process's namespace.
///
/// # Errors
/// [`Error::Proc`].
pub fn namespace(pid: i32, name: &str) -> Result<OwnedFd, Error> {
    let path = format!("/proc/{pid}/ns/{name}");
    std::fs::File::open(&path).map(OwnedFd::from).map_err(Error::proc(&path))
}

/// All descriptors, borrowed.
pub fn borrowed(fds: &[OwnedFd]) -> Vec<BorrowedFd<'_>> {
    fds.iter().map(AsFd::as_fd).collect()
}
