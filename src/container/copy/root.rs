//! Where a container's files are reached: through a running one's first process, or on a mount of our own.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use nix::sched::{CloneFlags, unshare};
use rustix::fs::{CWD, FileType, Gid, Mode, OFlags, ResolveFlags, Uid, fstat, openat, openat2};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, MountPropagationFlags};

use super::Error;
use crate::container::files::on;
use crate::container::idmap::IdMaps;
use crate::container::launch::Environment;
use crate::container::record::{Container, Status};
use crate::container::rootfs::snapshot;
use crate::container::volume::{MountKind, MountRequest, Volumes};
use crate::kernel::identity::take_ids;
use crate::kernel::mount::{self, Change};

/// How often a lookup is tried that the rest of the machine disturbs (openat2(2), EAGAIN).
const ATTEMPTS: usize = 256;

/// What is to be done with the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing changes.
    Read,
    /// Files are made.
    Write,
}

/// The root of a container.
pub struct Root {
    /// Its root directory.
    pub fd: OwnedFd,
    /// Which ids of this machine the container's are, where they differ.
    pub ids: Option<IdMaps>,
}

impl Root {
    /// Its files.
    pub fn view(&self) -> View<'_> {
        View { root: Some(&self.fd) }
    }

    /// Takes the ids of the container's root for this thread: a file can only be made by somebody whom its file system has.
    pub fn become_owner(&self) -> Result<(), Error> {
        let Some(ids) = &self.ids else { return Ok(()) };
        let (uid, gid) = ids.outside(0, 0)?;
        take_ids(Uid::from_raw(uid), Gid::from_raw(gid)).map_err(|(step, e)| Error::System(step, e.into()))
    }
}

/// Files that are looked up by path.
pub struct View<'a> {
    /// Nothing leads out of it; none for this machine's own.
    root: Option<&'a OwnedFd>,
}

impl View<'static> {
    /// Those of this machine, with its own rules.
    pub fn host() -> Result<View<'static>, Error> {
        Ok(View { root: None })
    }
}

impl View<'_> {
    /// Opens something; none if it is not there.
    pub fn open(&self, path: &Path, flags: OFlags) -> Result<Option<OwnedFd>, Error> {
        let flags = flags | OFlags::CLOEXEC;
        let open = || match self.root {
            None => openat(CWD, path, flags, Mode::empty()),
            Some(root) => {
                let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
                openat2(root, path, flags, Mode::empty(), resolve)
            }
        };
        let result = (0..ATTEMPTS).map(|_| open()).find(|result| !matches!(result, Err(Errno::AGAIN)));
        match result.unwrap_or(Err(Errno::AGAIN)) {
            Ok(fd) => Ok(Some(fd)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(e) => Err(Error::at("open", path)(e)),
        }
    }

    /// Whether a directory is there, links followed.
    pub fn is_directory(&self, path: &Path) -> Result<bool, Error> {
        let Some(fd) = self.open(path, OFlags::PATH)? else { return Ok(false) };
        kind(&fd, path).map(|kind| kind == FileType::Directory)
    }
}

/// What a descriptor stands for.
pub fn kind(fd: impl AsFd, path: &Path) -> Result<FileType, Error> {
    fstat(fd).map(|stat| FileType::from_raw_mode(stat.st_mode)).map_err(Error::at("examine", path))
}

/// Runs `work` on a container's root, on a thread of its own: that may take other ids and another mount namespace, which are
/// gone with it.
///
/// # Errors
/// What `work` returns, or why the root cannot be reached.
pub fn with_root<T: Send>(
    env: &Environment,
    container: &Container,
    access: Access,
    work: impl FnOnce(&Root) -> Result<T, Error> + Send,
) -> Result<T, Error> {
    std::thread::scope(|scope| {
        let run = move || match container.status()? {
            Status::Running(running) => {
                let path = format!("/proc/{}/root", running.process.pid);
                let path = Path::new(&path);
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let fd = openat(CWD, path, flags, Mode::empty()).map_err(Error::at("open", path))?;
                // It was this process's, not one's that came after it.
                if !running.process.is_alive() {
                    return Err(Error::Busy(container.record.name.clone()));
                }
                work(&Root { fd, ids: running.maps.clone() })
            }
            _ => {
                let busy = || Error::Busy(container.record.name.clone());
                let _lock = container.try_lock()?.ok_or_else(busy)?;
                work(&Root { fd: assemble(env, container, access)?, ids: None })
            }
        };
        let thread = std::thread::Builder::new().name("copy".to_owned()).spawn_scoped(scope, run);
        let thread = thread.map_err(|e| Error::System("start a thread", e))?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Mounts what a container consists of, volumes included, in a mount namespace that only this thread has.
fn assemble(env: &Environment, container: &Container, access: Access) -> Result<OwnedFd, Error> {
    let system = |step| move |e: Errno| Error::System(step, e.into());
    let snapshot = snapshot(env, container)?;
    let root = match access {
        Access::Write => snapshot.mount(None).map_err(crate::container::Error::from)?,
        Access::Read => {
            let files = snapshot.peek().map_err(crate::container::Error::from)?;
            files.as_fd().try_clone_to_owned()?
        }
    };
    unshare(CloneFlags::CLONE_NEWNS).map_err(|e| Error::System("make a mount namespace", e.into()))?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private).map_err(system("close the mount namespace"))?;
    let failed = |e: mount::Error| Error::System("mount the container's files", e.errno().into());
    // It covers the container's directory in this namespace, which is not looked at any more: descriptors lead to it.
    mount::attach(&root, CWD, &container.dir).map_err(failed)?;
    let mut mounts: Vec<&MountRequest> = container.record.options.mounts.iter().collect();
    mounts.sort_by_key(|mount| mount.target.components().count());
    for request in mounts {
        attach(env, &root, request)?;
    }
    if container.record.options.read_only {
        let change = Change { set: MountAttrFlags::MOUNT_ATTR_RDONLY, ..Change::default() };
        mount::set_attributes(&root, &change, false).map_err(failed)?;
    }
    Ok(root)
}

/// Mounts a volume or directory of this machine where the container has it. What is not there yet is left out.
fn attach(env: &Environment, root: &OwnedFd, request: &MountRequest) -> Result<(), Error> {
    let source = match &request.kind {
        MountKind::Bind(path) => path.clone(),
        MountKind::Volume(name) => Volumes::new(env.store.root()).content(name)?.path,
        _ => return Ok(()),
    };
    let Some(target) = (View { root: Some(root) }).open(&request.target, OFlags::PATH)? else {
        return Ok(());
    };
    if !source.exists() {
        return Ok(());
    }
    let failed = |e: mount::Error| on("mount", &source)(e.errno().into());
    let clone = mount::clone_at(CWD, &source, !request.non_recursive).map_err(failed)?;
    if request.read_only {
        let change = Change { set: MountAttrFlags::MOUNT_ATTR_RDONLY, ..Change::default() };
        mount::set_attributes(&clone, &change, true).map_err(failed)?;
    }
    mount::attach(&clone, &target, Path::new("")).map_err(failed)?;
    Ok(())
}

/// A path that leads to what a descriptor stands for, whatever its name is by now.
pub fn by_descriptor(fd: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}
