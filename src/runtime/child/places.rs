//! Places in the container's root: found, made where they are missing, and judged, with no way to lead elsewhere.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, mkdirat};
use rustix::io::Errno;

use super::{Named, Outcome};

/// Opens what is mounted upon, made if it is missing. No path leads through a magic link, and none to `/proc` or `/sys`
/// through any link, so that an image cannot have them mounted elsewhere.
pub(super) fn target(path: &Path, directory: bool) -> Outcome<OwnedFd> {
    let step = || format!("open the mount point {}", path.display());
    match open(path) {
        Err(Errno::NOENT) => {}
        result => return result.step(step),
    }
    let made = match directory {
        true => make_directory(path),
        false => make_file(path),
    };
    made.step(|| format!("make the mount point {}", path.display()))?;
    open(path).step(step)
}

/// Makes a directory and those above it, where no magic link leads: behind one may be a directory of the host, of which a caller
/// left a descriptor open.
pub(super) fn make_directory(path: &Path) -> Result<(), Errno> {
    match open(path) {
        Err(Errno::NOENT) => {}
        Ok(found) if !directory(&found)? => return Err(Errno::NOTDIR),
        found => return found.map(drop),
    }
    let (parent, name) = above(path)?;
    match mkdirat(&parent, name, Mode::from_raw_mode(0o777)) {
        Err(Errno::EXIST) => Ok(()),
        result => result,
    }
}

fn make_file(path: &Path) -> Result<(), Errno> {
    let (parent, name) = above(path)?;
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    rustix::fs::openat(&parent, name, flags, Mode::from_raw_mode(0o666)).map(drop)
}

/// The directory that something is in, made if it is missing, and its name there.
pub(super) fn above(path: &Path) -> Result<(OwnedFd, &OsStr), Errno> {
    let (parent, name) = path.parent().zip(path.file_name()).ok_or(Errno::NOENT)?;
    make_directory(parent)?;
    Ok((open(parent)?, name))
}

pub(super) fn open(path: &Path) -> Result<OwnedFd, Errno> {
    let strict = [Path::new("/proc"), Path::new("/sys")].contains(&path);
    let mut resolve = ResolveFlags::NO_MAGICLINKS;
    resolve.set(ResolveFlags::NO_SYMLINKS, strict);
    rustix::fs::openat2(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve)
}

/// Files of `/proc` that others may stand in for, as lxcfs has them: nothing is decided by what they say.
const STAND_INS: [&str; 11] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/net/dev",
    "/proc/slabinfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/sys/crypto/fips_enabled",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/uptime",
];

/// `/proc` is the kernel's, and nothing covers what it shows: what is written there, labels of security modules above all, is not
/// to go elsewhere. The destination may lead there by links.
pub(super) fn check_proc(fd: &OwnedFd, target: &OwnedFd, destination: &Path) -> Outcome<()> {
    let step = || format!("mount at {}, where the kernel's own /proc is to be seen,", destination.display());
    let other = match destination == Path::new("/proc") {
        true => !is_proc(fd).step(step)?,
        false => {
            let stand_in = STAND_INS.iter().any(|path| destination == Path::new(path));
            !stand_in && is_proc(target).step(step)?
        }
    };
    if other { Err(Errno::PERM).step(step) } else { Ok(()) }
}

/// Whether an open file is the kernel's, of a file system `proc`.
pub(super) fn is_proc(fd: impl AsFd) -> Result<bool, Errno> {
    Ok(rustix::fs::fstatfs(fd)?.f_type == rustix::fs::PROC_SUPER_MAGIC)
}

/// Whether an open file is a directory.
pub(super) fn directory(fd: impl AsFd) -> Result<bool, Errno> {
    let stat = rustix::fs::statat(fd, "", AtFlags::EMPTY_PATH)?;
    Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}
