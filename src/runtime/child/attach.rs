//! The container's mounts: made detached, attached below the new root.

use std::os::fd::OwnedFd;
use std::path::Path;

use nix::sched::CloneFlags;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, mkdirat, symlinkat};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags as Attr, MountPropagationFlags, MoveMountFlags, UnmountFlags};

use super::places::{above, check_proc, directory, open, target};
use super::{Named, Outcome};
use crate::kernel::mount::{self, Change, Context};
use crate::runtime::cgroupfs::CgroupFs;
use crate::runtime::channel::{Failure, Step};
use crate::runtime::device::DevicePlan;
use crate::runtime::error::Error;
use crate::runtime::host;
use crate::runtime::mount::{Kind, MountPlan};
use crate::runtime::plan::Plan;

/// File systems that the child makes itself, in the order of the plan.
pub(super) enum Made {
    /// One file system.
    One(OwnedFd),
    /// A tmpfs with a directory for each control group file system.
    Cgroups(OwnedFd, Vec<(String, OwnedFd)>),
}

/// Makes the file systems that belong to the new namespaces.
pub(super) fn make(plan: &Plan, cgroups: &[CgroupFs]) -> Outcome<Vec<Made>> {
    let mut made = Vec::new();
    for mount in plan.mounts.iter().filter(|mount| plan.child_makes(mount)) {
        let step = || format!("make the file system for {}", mount.destination.display());
        match &mount.kind {
            Kind::New(kind) => made.push(Made::One(new(kind, mount).step(step)?)),
            Kind::Cgroup => made.push(cgroup(mount, cgroups, own_group(plan))?),
            Kind::Bind { .. } | Kind::Dev => made.extend(of_host(plan, mount)?.map(Made::One)),
        }
    }
    Ok(made)
}

fn of_host(plan: &Plan, mount: &MountPlan) -> Outcome<Option<OwnedFd>> {
    host::of_host(plan, mount, None).map_err(|e| {
        let source = match &e {
            Error::Bind { source, .. } => source.errno().raw_os_error(),
            Error::Device { source, .. } => source.raw_os_error().unwrap_or(libc::EIO),
            _ => libc::EINVAL,
        };
        let step = format!("make the mount for {} ({e})", mount.destination.display());
        Failure { step: Step::SetUp(step), errno: source }
    })
}

fn new(kind: &str, mount: &MountPlan) -> Result<OwnedFd, mount::Error> {
    let context = Context::open(kind)?;
    context.string("source", &mount.source)?;
    for (key, value) in &mount.data {
        match value {
            Some(value) => context.string(key, value)?,
            None => context.flag(key)?,
        }
    }
    context.mount(mount.set)
}

/// Where the container's own group is, unless a cgroup namespace shows it as the root.
fn own_group(plan: &Plan) -> Option<&Path> {
    let group = plan.cgroup.as_deref().filter(|_| !plan.namespaces.apart(CloneFlags::CLONE_NEWCGROUP));
    group.map(|path| Path::new(path.trim_start_matches('/')))
}

/// `/sys/fs/cgroup`. With v1's hierarchies, `own` is all of each that is shown: other groups are nobody's business, limits are
/// looked for at the top, and in a user namespace there could be no new mount of what belongs to the host.
fn cgroup(mount: &MountPlan, cgroups: &[CgroupFs], own: Option<&Path>) -> Outcome<Made> {
    let step = || format!("mount control groups at {}", mount.destination.display());
    if let [CgroupFs { directory, v2: true, .. }] = cgroups
        && directory.is_empty()
    {
        let context = Context::open("cgroup2").step(step)?;
        return context.mount(mount.set).step(step).map(Made::One);
    }
    let tmpfs = Context::open("tmpfs").step(step)?;
    tmpfs.string("mode", "755").step(step)?;
    let tmpfs = tmpfs.mount(mount.set - Attr::MOUNT_ATTR_RDONLY).step(step)?;
    let mut below = Vec::new();
    for fs in cgroups {
        mkdirat(&tmpfs, &fs.directory, Mode::from_raw_mode(0o755)).step(step)?;
        if fs.directory.contains(',') {
            for controller in fs.directory.split(',') {
                symlinkat(&fs.directory, &tmpfs, controller).step(step)?;
            }
        }
        let made = match own {
            Some(own) => of_group(fs, own, mount.set).step(step)?,
            None => Some(cgroup_fs(fs, mount.set).step(step)?),
        };
        below.extend(made.map(|made| (fs.directory.clone(), made)));
    }
    Ok(Made::Cgroups(tmpfs, below))
}

/// One group of a hierarchy, if there is one of that name in it.
fn of_group(fs: &CgroupFs, group: &Path, set: Attr) -> Result<Option<OwnedFd>, mount::Error> {
    let path = Path::new("/sys/fs/cgroup").join(&fs.directory).join(group);
    let group = match mount::clone_at(CWD, &path, false) {
        Err(e) if e.errno() == Errno::NOENT => return Ok(None),
        group => group?,
    };
    set_attributes(&group, set)?;
    Ok(Some(group))
}

fn cgroup_fs(fs: &CgroupFs, attributes: Attr) -> Result<OwnedFd, mount::Error> {
    let context = Context::open(if fs.v2 { "cgroup2" } else { "cgroup" })?;
    for option in &fs.options {
        match option.split_once('=') {
            Some((key, value)) => context.string(key, value)?,
            None => context.flag(option)?,
        }
    }
    context.mount(attributes)
}

/// Makes the first of `provided` the root, detaches all that was there, and attaches the mounts.
pub(super) fn enter_root(plan: &Plan, provided: Vec<OwnedFd>, made: Vec<Made>) -> Outcome<()> {
    let (mut provided, mut made) = (provided.into_iter(), made.into_iter());
    let missing = || "receive a mount from the parent".to_string();
    let root = provided.next().ok_or(Errno::BADF).step(missing)?;
    match plan.namespaces.has(CloneFlags::CLONE_NEWNS) {
        true => change_root(root)?,
        false => enter_tree(root)?,
    }
    for mount in &plan.mounts {
        let next = match plan.child_makes(mount) {
            true => made.next(),
            false => provided.next().map(Made::One),
        };
        match next.ok_or(Errno::BADF).step(missing)? {
            Made::One(fd) => {
                let fd = if plan.renumber { renumbered(fd) } else { fd };
                if matches!(mount.kind, Kind::Bind { .. } | Kind::Dev) {
                    attributes(&fd, mount)?;
                }
                attach(&fd, mount)?;
            }
            Made::Cgroups(tmpfs, below) => attach_cgroups(&tmpfs, below, mount)?,
        }
    }
    if !plan.mounts.iter().any(|mount| mount.kind == Kind::Dev) {
        plan.devices.iter().try_for_each(device)?;
    }
    Ok(())
}

/// Makes a device where the specification brings a `/dev` of its own.
fn device(device: &DevicePlan) -> Outcome<()> {
    let step = || format!("make the device {}", device.path.display());
    let (parent, name) = above(&device.path).step(step)?;
    let mode = Mode::from_raw_mode(device.mode & 0o7777);
    let number = rustix::fs::makedev(device.major, device.minor);
    match rustix::fs::mknodat(&parent, name, device.kind, mode, number) {
        Err(Errno::EXIST) => return Ok(()),
        result => result.step(step)?,
    }
    let owner = (rustix::fs::Uid::from_raw(device.uid), rustix::fs::Gid::from_raw(device.gid));
    rustix::fs::chownat(&parent, name, Some(owner.0), Some(owner.1), AtFlags::SYMLINK_NOFOLLOW).step(step)?;
    rustix::fs::chmodat(&parent, name, mode, AtFlags::empty()).step(step)
}

/// Gives the root the propagation that was asked for.
pub(super) fn propagate_root(plan: &Plan) -> Outcome<()> {
    let Some((propagation, recursive)) = plan.root_propagation else { return Ok(()) };
    let step = || "set the root's propagation".to_string();
    let root = open(Path::new("/")).step(step)?;
    let change = Change { propagation: Some(propagation), ..Change::default() };
    mount::set_attributes(&root, &change, recursive).step(step)
}

/// `pivot_root(2)` onto itself: the old root ends up on top of the new one, and is detached there.
fn change_root(root: OwnedFd) -> Outcome<()> {
    let step = || "change to the new root".to_string();
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let old = rustix::fs::open("/", flags, Mode::empty()).step(step)?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private).step(step)?;
    // A root that is shared with the host's could not be pivoted to, and would show it the container's mounts.
    let change = Change { propagation: Some(mount::Propagation::Slave), ..Change::default() };
    mount::set_attributes(&root, &change, true).step(step)?;
    rustix::mount::move_mount(&root, "", CWD, "/", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH).step(step)?;
    rustix::process::fchdir(&root).step(step)?;
    rustix::process::pivot_root(".", ".").step(step)?;
    rustix::process::fchdir(&old).step(step)?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).step(|| "detach the old root".to_string())?;
    rustix::process::chdir("/").step(step)
}

/// In the host's mount namespace, the root is a tree of its own that is mounted nowhere there: all mounts of the container
/// are made in it, and go with its last process. Kernels since 6.15 can mount into such a tree.
fn enter_tree(root: OwnedFd) -> Outcome<()> {
    let step = || "change to the new root, in the host's mount namespace".to_string();
    rustix::process::fchdir(&root).step(step)?;
    rustix::process::chroot(".").step(step)?;
    // Its end, by the exec, takes the tree apart as soon as nothing uses it any more.
    std::mem::forget(root);
    Ok(())
}

/// The same mount with a new number. Mount tables show mounts by number since Linux 6.8, so that those of the parent and those
/// of the child would stand in no order. What cannot be cloned, before 6.15, keeps its number.
fn renumbered(fd: OwnedFd) -> OwnedFd {
    mount::clone_at(&fd, Path::new(""), true).unwrap_or(fd)
}

fn attributes(fd: &OwnedFd, mount: &MountPlan) -> Outcome<()> {
    let mut change = Change { set: mount.set, clear: mount.clear, ..Change::default() };
    let atime = Attr::MOUNT_ATTR_NOATIME | Attr::MOUNT_ATTR_STRICTATIME;
    if (change.set | change.clear).intersects(atime) {
        change.clear |= Attr::MOUNT_ATTR__ATIME;
    }
    if change.set.is_empty() && change.clear.is_empty() {
        return Ok(());
    }
    mount::set_attributes(fd, &change, mount.recursive_attributes)
        .step(|| format!("restrict the mount at {}", mount.destination.display()))
}

fn attach(fd: &OwnedFd, mount: &MountPlan) -> Outcome<()> {
    let destination = &mount.destination;
    let step = || format!("mount at {}", destination.display());
    let directory = directory(fd).step(step)?;
    let target = target(destination, directory)?;
    check_proc(fd, &target, destination)?;
    if mount.copy_up && directory {
        crate::kernel::tree::copy(&target, fd).step(step)?;
    }
    put(fd, &target).step(step)?;
    if let Some((propagation, recursive)) = mount.propagation {
        let change = Change { propagation: Some(propagation), ..Change::default() };
        mount::set_attributes(fd, &change, recursive).step(step)?;
    }
    Ok(())
}

fn attach_cgroups(tmpfs: &OwnedFd, below: Vec<(String, OwnedFd)>, mount: &MountPlan) -> Outcome<()> {
    let step = || format!("mount control groups at {}", mount.destination.display());
    // Its directories are there already.
    set_attributes(tmpfs, mount.set).step(step)?;
    attach(tmpfs, mount)?;
    for (directory, fd) in below {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let target = rustix::fs::openat(tmpfs, &directory, flags, Mode::empty()).step(step)?;
        put(&fd, &target).step(step)?;
    }
    Ok(())
}

fn set_attributes(mount: &OwnedFd, set: Attr) -> Result<(), mount::Error> {
    mount::set_attributes(mount, &Change { set, ..Change::default() }, false)
}

/// Attaches a mount to an open file or directory.
pub(super) fn put(mount: &OwnedFd, target: &OwnedFd) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(mount, "", target, "", flags)
}

/// An empty directory that cannot be written.
pub(super) fn empty() -> Result<OwnedFd, mount::Error> {
    let context = Context::open("tmpfs")?;
    context.string("mode", "755")?;
    let quiet = Attr::MOUNT_ATTR_NOSUID | Attr::MOUNT_ATTR_NODEV | Attr::MOUNT_ATTR_NOEXEC;
    context.mount(quiet | Attr::MOUNT_ATTR_RDONLY)
}
