//! The directory that takes a container's changes: `upper/`, and `work/` for overlayfs' own use.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Gid, Mode, OFlags, Stat, Timestamps, Uid, chmodat, chownat, mkdirat, openat, statat,
    unlinkat,
};
use rustix::io::Errno;

use super::{Error, LayerForm, Snapshot, layers};
use crate::kernel::mount;

const UPPER: &str = "upper";
const WORK: &str = "work";
/// What the kernel leaves behind to tell that an overlay was mounted as `volatile`.
const VOLATILE_MARK: [(&str, AtFlags); 2] = [
    ("work/work/incompat/volatile/dirty", AtFlags::empty()),
    ("work/work/incompat/volatile", AtFlags::REMOVEDIR),
];

/// Makes `dir` (mode 0700, if missing) and in it what an overlay needs to take changes. The root directory of the
/// image's top layer gives `upper/` its mode, owner and time; whether the snapshot has an upper directory does not matter.
///
/// # Errors
/// [`Error::Upper`], `EEXIST` included if there is one already; [`Error::NoLayers`], or [`Error::Layer`] if the image's
/// root can't be read.
pub fn create_upper(dir: &Path, image: &Snapshot) -> Result<(), Error> {
    let root = root_of(image)?;
    let at = |step, path: &Path| {
        let path = path.to_owned();
        move |source| Error::Upper { step, path, source }
    };
    match mkdirat(CWD, dir, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(source) => return Err(at("create", dir)(source)),
    }
    let base = open_dir(CWD, dir).map_err(at("open", dir))?;
    // Both belong to root whatever the caller's ids: `work/` tells what root is in a user namespace.
    for (name, uid, gid, mode) in [
        (WORK, 0, 0, Mode::RWXU),
        (UPPER, root.st_uid, root.st_gid, Mode::from_raw_mode(root.st_mode & 0o7777)),
    ] {
        let path = dir.join(name);
        mkdirat(&base, name, Mode::RWXU).map_err(at("create", &path))?;
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        chownat(&base, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(at("give an owner to", &path))?;
        chmodat(&base, name, mode, AtFlags::empty()).map_err(at("set the mode of", &path))?;
    }
    let time = rustix::fs::Timespec { tv_sec: root.st_mtime, tv_nsec: root.st_mtime_nsec.cast_signed() };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(&base, UPPER, &times, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(at("set the time of", &dir.join(UPPER)))
}

/// The root directory as a container sees it: overlayfs shows the topmost one.
fn root_of(image: &Snapshot) -> Result<Stat, Error> {
    let top = image.layers.last().ok_or(Error::NoLayers)?;
    let failed = |source| Error::Upper { step: "look at", path: top.path.clone(), source };
    if top.form == LayerForm::Directory {
        return rustix::fs::stat(&top.path).map_err(failed);
    }
    let root = match image.kept.take(&top.path) {
        Some(mount) => mount,
        None => layers::mount(top, image, None)?,
    };
    let stat = rustix::fs::fstat(&root);
    image.kept.put(&top.path, &root);
    stat.map_err(failed)
}

/// The upper directory, mounted for one overlay.
pub(super) struct Upper {
    /// The mount that both directories are in.
    pub(super) mount: OwnedFd,
    /// Where changes go.
    pub(super) upper: OwnedFd,
    /// overlayfs' own.
    pub(super) work: OwnedFd,
    /// The ids that root has outside of the user namespace, if there is one.
    pub(super) root: Option<(Uid, Gid)>,
    /// Never sync.
    pub(super) volatile: bool,
}

impl Upper {
    /// Clones the mount of `dir` and maps its ids to `userns`.
    pub(super) fn open(dir: &Path, userns: Option<BorrowedFd<'_>>, volatile: bool) -> Result<Self, Error> {
        let mount = mount::clone_idmapped(dir, userns, false).map_err(Error::UpperMount)?;
        if volatile {
            forget_volatile(mount.as_fd(), dir)?;
        }
        let open = |name: &str| {
            open_path(&mount, Path::new(name)).map_err(|source| Error::Upper {
                step: "open",
                path: dir.join(name),
                source,
            })
        };
        let root = match userns {
            None => None,
            Some(_) => Some(root_ids(&mount, dir)?),
        };
        let (upper, work) = (open(UPPER)?, open(WORK)?);
        Ok(Self { mount, upper, work, root, volatile })
    }
}

/// The changes alone, as a detached mount, not id-mapped; none while there are none.
pub(super) fn changes(dir: &Path) -> Result<Option<OwnedFd>, Error> {
    let upper = dir.join(UPPER);
    if std::fs::read_dir(&upper).is_ok_and(|mut entries| entries.next().is_none()) {
        return Ok(None);
    }
    mount::clone_idmapped(&upper, None, false).map(Some).map_err(Error::UpperMount)
}

/// What the owner of `work/`, root inside, is outside: asking the id-mapped mount needs no parsing of anybody's
/// `/proc/PID/uid_map`, and no process that still runs.
fn root_ids(mount: &OwnedFd, dir: &Path) -> Result<(Uid, Gid), Error> {
    let stat = statat(mount, WORK, AtFlags::SYMLINK_NOFOLLOW).map_err(|source| Error::Upper {
        step: "look at",
        path: dir.join(WORK),
        source,
    })?;
    let read = |name: &str| -> Option<u32> {
        std::fs::read_to_string(format!("/proc/sys/kernel/{name}")).ok()?.trim().parse().ok()
    };
    // An id without mapping appears as the overflow id.
    if read("overflowuid") == Some(stat.st_uid) || read("overflowgid") == Some(stat.st_gid) {
        return Err(Error::NoRoot);
    }
    Ok((Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid)))
}

/// A second volatile mount of the same directory is refused as long as the mark of the first stands. What the mark
/// warns of, a loss by power cut, is what an ephemeral snapshot accepts.
fn forget_volatile(mount: BorrowedFd<'_>, dir: &Path) -> Result<(), Error> {
    for (name, flags) in VOLATILE_MARK {
        match unlinkat(mount, name, flags) {
            Ok(()) | Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(source) => return Err(Error::Upper { step: "remove", path: dir.join(name), source }),
        }
    }
    Ok(())
}

fn open_dir(at: impl AsFd, path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(at, path, flags, Mode::empty())
}

fn open_path(at: impl AsFd, path: &Path) -> Result<OwnedFd, Errno> {
    openat(at, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}
