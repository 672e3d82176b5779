//! The container's `/dev`: a tmpfs that the parent fills, because device nodes cannot be made in a user namespace.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid, chownat, makedev, mkdirat, mknodat, symlinkat};
use rustix::mount::MountAttrFlags;

use super::device::DevicePlan;
use super::error::Error;
use super::mount::MountPlan;
use crate::kernel::mount::Context;
use crate::kernel::userns;

/// Devices that every container has (runtime-spec, "Default Devices"): name, major, minor.
const DEVICES: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

/// Links that every container has (runtime-spec, "Dev symbolic links").
const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// Makes the tmpfs, detached, owned by the container's root (`uid` and `gid` on the host).
///
/// # Errors
/// [`Error::Device`] or [`Error::Inside`] with the reason.
pub fn make(plan: &MountPlan, (uid, gid): (u32, u32), devices: &[DevicePlan]) -> Result<OwnedFd, Error> {
    let mount = tmpfs(plan).map_err(|e| failed("", e.errno().into()))?;
    let owner = (Uid::from_raw(uid), Gid::from_raw(gid));
    own(&mount, "", owner)?;
    for (name, major, minor) in DEVICES {
        // The mask of this process is not to take anything from the mode.
        let mode = Mode::from_raw_mode(0o666);
        node(&mount, Path::new(name), FileType::CharacterDevice, mode, makedev(major, minor))
            .and_then(|()| rustix::fs::chmodat(&mount, name, mode, AtFlags::empty()))
            .map_err(|e| failed(name, e.into()))?;
        own(&mount, name, owner)?;
    }
    for (name, target) in LINKS {
        symlinkat(target, &mount, name).map_err(|e| failed(name, e.into()))?;
        own(&mount, name, owner)?;
    }
    for name in ["pts", "shm", "mqueue"] {
        mkdirat(&mount, name, Mode::from_raw_mode(0o755)).map_err(|e| failed(name, e.into()))?;
        own(&mount, name, owner)?;
    }
    devices.iter().try_for_each(|device| add(&mount, device))?;
    Ok(mount)
}

/// Makes a device, or, where nobody may, an empty file that the host's device is mounted over ([`binds`]).
fn node(
    mount: &OwnedFd,
    path: &Path,
    kind: FileType,
    mode: Mode,
    number: rustix::fs::Dev,
) -> Result<(), rustix::io::Errno> {
    if !userns::nested() {
        return mknodat(mount, path, kind, mode, number);
    }
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    rustix::fs::openat(mount, path, flags, mode).map(drop)
}

/// The mounts that devices are where none can be made: those that every container has, and `more`.
pub fn binds(dev: &Path, more: &[DevicePlan]) -> Vec<MountPlan> {
    let usual = DEVICES.iter().map(|(name, ..)| (dev.join(name), Path::new("/dev").join(name)));
    let more = more.iter().map(|device| (device.path.clone(), device.on_host()));
    usual.chain(more).map(|(inside, host)| MountPlan::bind(inside, host)).collect()
}

/// Makes a further device; its owner is one of the host here.
fn add(mount: &OwnedFd, device: &DevicePlan) -> Result<(), Error> {
    let Some(path) = device.below_dev() else { return Ok(()) };
    let name = path.to_string_lossy();
    let fail = |e: rustix::io::Errno| failed(&name, e.into());
    let mut parents: Vec<&Path> = path.ancestors().skip(1).filter(|p| !p.as_os_str().is_empty()).collect();
    parents.reverse();
    for parent in parents {
        match mkdirat(mount, parent, Mode::from_raw_mode(0o755)) {
            Err(rustix::io::Errno::EXIST) => {}
            result => result.map_err(fail)?,
        }
    }
    let mode = Mode::from_raw_mode(device.mode & 0o7777);
    // A default device may be told again, with another mode.
    let _ = rustix::fs::unlinkat(mount, path, AtFlags::empty());
    node(mount, path, device.kind, mode, makedev(device.major, device.minor)).map_err(fail)?;
    rustix::fs::chmodat(mount, path, mode, AtFlags::empty()).map_err(fail)?;
    own(mount, &name, (Uid::from_raw(device.uid), Gid::from_raw(device.gid)))
}

fn tmpfs(plan: &MountPlan) -> Result<OwnedFd, crate::kernel::mount::Error> {
    let context = Context::open("tmpfs")?;
    context.string("source", &plan.source)?;
    for (key, value) in &plan.data {
        match value {
            Some(value) => context.string(key, value)?,
            None => context.flag(key)?,
        }
    }
    context.mount(plan.set - MountAttrFlags::MOUNT_ATTR_RDONLY)
}

fn own(mount: &OwnedFd, name: &str, (uid, gid): (Uid, Gid)) -> Result<(), Error> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::SYMLINK_NOFOLLOW;
    chownat(mount.as_fd(), name, Some(uid), Some(gid), flags).map_err(|e| failed(name, e.into()))
}

fn failed(name: &str, source: io::Error) -> Error {
    Error::Device { path: Path::new("/dev").join(name), source }
}
