//! The new mount API: detached clones, id-mapped mounts and new file systems, all held by descriptor.
//!
//! A detached mount stands in no mount table. It goes away with its last descriptor, or becomes part of the mount
//! namespace that `move_mount(2)` puts it into.

mod context;
mod sys;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, MoveMountFlags, OpenTreeFlags};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

pub use context::Context;

/// What can go wrong with a mount.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `open_tree(2)` failed.
    #[error("cannot clone the mount of {path}")]
    Clone {
        /// What was to be cloned.
        path: PathBuf,
        /// Why.
        #[source]
        source: Errno,
    },
    /// `move_mount(2)` failed.
    #[error("cannot mount at {path}")]
    Attach {
        /// Where the mount was to go, as the caller gave it.
        path: PathBuf,
        /// Why.
        #[source]
        source: Errno,
    },
    /// `mount_setattr(2)` failed for a reason other than the id mapping.
    #[error("cannot change the attributes of a mount")]
    Attributes(#[source] Errno),
    /// A mount can't be id-mapped: its file system or the kernel can't do it, or it is mapped already.
    #[error(
        "cannot map the ids of {path} to a user namespace (does its file system support id-mapped mounts?)"
    )]
    IdMap {
        /// The mount's source.
        path: PathBuf,
        /// Why.
        #[source]
        source: Errno,
    },
    /// The kernel has no such file system, or the caller may not mount it.
    #[error("cannot use file system {kind}")]
    Open {
        /// Name of the file system.
        kind: String,
        /// Why.
        #[source]
        source: Errno,
    },
    /// A file system refused an option or its creation.
    #[error("file system {kind} refused {step}{}", context::in_brackets(log))]
    Refused {
        /// Name of the file system.
        kind: String,
        /// The option, or "to be created" or "to be mounted".
        step: String,
        /// What the kernel said about it, often empty.
        log: String,
        /// Why.
        #[source]
        source: Errno,
    },
}

impl Error {
    /// The kernel's error number.
    pub fn errno(&self) -> Errno {
        match self {
            Error::Attributes(e) => *e,
            Error::Attach { source, .. }
            | Error::Clone { source, .. }
            | Error::IdMap { source, .. }
            | Error::Open { source, .. }
            | Error::Refused { source, .. } => *source,
        }
    }
}

/// A change of a mount's attributes; the default changes nothing.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// Attributes to set, such as `MOUNT_ATTR_RDONLY`. `MOUNT_ATTR_IDMAP` is set by `userns`.
    pub set: MountAttrFlags,
    /// Attributes to clear. To change the access time policy clear `MOUNT_ATTR__ATIME` and set the new one.
    pub clear: MountAttrFlags,
    /// New propagation type, or `None` to leave it.
    pub propagation: Option<Propagation>,
    /// Maps the mount's ids to this user namespace. The mount must be detached and not yet mapped.
    pub userns: Option<BorrowedFd<'a>>,
}

impl Default for Change<'_> {
    fn default() -> Self {
        let none = MountAttrFlags::empty();
        Self { set: none, clear: none, propagation: None, userns: None }
    }
}

/// How mounts and unmounts travel between a mount and its peers (`mount_namespaces(7)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// Not at all.
    Private,
    /// Only from the peers.
    Slave,
    /// Both ways.
    Shared,
    /// Not at all, and the mount can't be bind mounted.
    Unbindable,
}

impl Propagation {
    fn bits(self) -> u64 {
        match self {
            Propagation::Private => libc::MS_PRIVATE,
            Propagation::Slave => libc::MS_SLAVE,
            Propagation::Shared => libc::MS_SHARED,
            Propagation::Unbindable => libc::MS_UNBINDABLE,
        }
    }
}

/// Applies `change` to the mount that `mount` stands for and, if `recursive`, to all below it, or to none of them.
///
/// # Errors
/// [`Error::Attributes`] with the reason of `mount_setattr(2)`.
pub fn set_attributes(mount: impl AsFd, change: &Change<'_>, recursive: bool) -> Result<(), Error> {
    use std::os::fd::AsRawFd;
    let mut attr = sys::MountAttr {
        set: u64::from(change.set.bits()),
        clear: u64::from(change.clear.bits()),
        propagation: change.propagation.map_or(0, Propagation::bits),
        userns_fd: 0,
    };
    if let Some(userns) = change.userns {
        attr.set |= u64::from(MountAttrFlags::MOUNT_ATTR_IDMAP.bits());
        attr.userns_fd = u64::from(userns.as_raw_fd().unsigned_abs());
    }
    sys::mount_setattr(mount.as_fd(), &attr, recursive).map_err(Error::Attributes)
}

/// Clones the mount at `path`, seen from the directory `dir` (or `dir` itself if `path` is empty), as a detached
/// mount whose root is `path`; if `recursive`, with all mounts below it. A symlink at the end of `path` is followed.
///
/// # Errors
/// [`Error::Clone`] with the reason of `open_tree(2)`.
pub fn clone_at(dir: impl AsFd, path: &Path, recursive: bool) -> Result<OwnedFd, Error> {
    let mut flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    flags.set(OpenTreeFlags::AT_RECURSIVE, recursive);
    rustix::mount::open_tree(dir, path, flags)
        .map_err(|source| Error::Clone { path: path.to_owned(), source })
}

/// Attaches a detached mount at `path`, seen from the directory `dir`, or at what `dir` stands for, be it a file, if `path`
/// is empty. A symlink at the end of `path` is not followed, those on the way are: untrusted paths are to be resolved
/// before.
///
/// # Errors
/// [`Error::Attach`] with the reason of `move_mount(2)`.
pub fn attach(mount: impl AsFd, dir: impl AsFd, path: &Path) -> Result<(), Error> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(mount, "", dir, path, flags)
        .map_err(|source| Error::Attach { path: path.to_owned(), source })
}

/// Creates a file system that no device is behind (tmpfs, proc, sysfs, devpts, mqueue, cgroup2, ...) and a detached
/// mount of it. It belongs to the caller's namespaces: of processes for proc, network for sysfs, IPC for mqueue,
/// cgroups for cgroup2. An option without value is a flag.
///
/// # Errors
/// [`Error::Open`] or [`Error::Refused`].
pub fn create(
    kind: &str,
    options: &[(&str, Option<&str>)],
    attributes: MountAttrFlags,
) -> Result<OwnedFd, Error> {
    let context = Context::open(kind)?;
    // What mount tables show in the place of a device.
    context.string("source", kind)?;
    for (key, value) in options {
        match value {
            Some(value) => context.string(key, value)?,
            None => context.flag(key)?,
        }
    }
    context.mount(attributes)
}

/// Clones what is mounted at a path (relative to the root) of another mount namespace, without the mounts below it. The
/// caller must be single-threaded; its working directory and namespace are as before afterwards.
///
/// # Errors
/// When the namespace cannot be entered, or nothing is mounted there.
pub fn clone_from(namespace: &OwnedFd, path: &Path) -> Result<OwnedFd, Error> {
    let step = |e: Errno| Error::Clone { path: path.to_path_buf(), source: e };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = |path: &str, flags| rustix::fs::open(path, flags, Mode::empty()).map_err(step);
    let (home, cwd) = (open("/proc/self/ns/mnt", OFlags::RDONLY | OFlags::CLOEXEC)?, open(".", flags)?);
    let mount = Some(LinkNameSpaceType::Mount);
    move_into_link_name_space(namespace.as_fd(), mount).map_err(step)?;
    let cloned = open("/", flags | OFlags::PATH).and_then(|root| clone_at(root, path, false));
    move_into_link_name_space(home.as_fd(), mount).map_err(step)?;
    rustix::process::fchdir(cwd).map_err(step)?;
    cloned
}

/// Clones the mount at `path` as [`clone_at`] does and maps its ids to `userns` if there is one: an id that the file
/// system holds appears, inside that namespace, as the same number.
///
/// # Errors
/// [`Error::Clone`], or [`Error::IdMap`] when the file system can't be mapped (`EINVAL`) or the caller may not map
/// it (`EPERM`).
pub fn clone_idmapped(
    path: &Path,
    userns: Option<BorrowedFd<'_>>,
    recursive: bool,
) -> Result<OwnedFd, Error> {
    let mount = clone_at(CWD, path, recursive)?;
    if let Some(userns) = userns {
        idmap(&mount, userns, recursive, path)?;
    }
    Ok(mount)
}

/// Maps the ids of a detached mount to `userns`; `path` names it in the error.
///
/// # Errors
/// [`Error::IdMap`].
pub fn idmap(mount: impl AsFd, userns: BorrowedFd<'_>, recursive: bool, path: &Path) -> Result<(), Error> {
    set_attributes(mount, &Change { userns: Some(userns), ..Change::default() }, recursive)
        .map_err(|e| Error::IdMap { path: path.to_owned(), source: e.errno() })
}

#[cfg(test)]
mod tests;
