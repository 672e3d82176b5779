//! Mounts of EROFS files that other processes hold: containers of one image share the file system, and with it the memory for
//! what they read of it.
//!
//! The kernel makes a file system of its own of every mount of an EROFS file, so the first supervisor that mounts one tells here
//! which of its descriptors has it, and later ones copy that mount. Nothing of this has to be true: what does not lead to the
//! very mount that was told of is not used.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatxFlags, openat, statx};
use rustix::io::Errno;

use crate::kernel::mount::clone_at;
use crate::kernel::{boot, file};

/// Asks for the id of a mount that no other gets until the next boot (`STATX_MNT_ID_UNIQUE`, Linux 6.8).
const UNIQUE: StatxFlags = StatxFlags::from_bits_retain(0x4000);

/// A directory with a file for each layer: boot, process, descriptor, mount, and which file is mounted.
#[derive(Clone, Debug)]
pub(super) struct Offers {
    dir: PathBuf,
}

impl Offers {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Tells of a mount that this process will hold as long as it lives, if nobody else holds one.
    pub(super) fn offer(&self, layer: &Path, mount: BorrowedFd<'_>) -> io::Result<()> {
        if self.find(layer).is_some() {
            return Ok(());
        }
        let unique = unique_id(mount)?;
        let (process, descriptor) = (std::process::id(), mount.as_raw_fd());
        let told = format!("{} {process} {descriptor} {unique} {}\n", boot::id()?, identity(layer)?);
        fs::create_dir_all(&self.dir)?;
        file::replace(&self.path(layer), told.as_bytes(), 0o600)
    }

    /// A copy of a mount that another process holds.
    pub(super) fn copy(&self, layer: &Path) -> Option<OwnedFd> {
        clone_at(self.find(layer)?, Path::new(""), false).ok()
    }

    fn find(&self, layer: &Path) -> Option<OwnedFd> {
        let told = fs::read_to_string(self.path(layer)).ok()?;
        let mut words = told.split_whitespace();
        if words.next()? != boot::id().ok()? {
            return None;
        }
        let (process, descriptor): (u32, u32) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let path = format!("/proc/{process}/fd/{descriptor}");
        let found = openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()?;
        let same_mount = unique_id(found.as_fd()).ok()? == words.next()?.parse::<u64>().ok()?;
        // A layer that was damaged is another file once it is mended.
        let same_file = identity(layer).ok()? == words.next()?;
        (same_mount && same_file).then_some(found)
    }

    fn path(&self, layer: &Path) -> PathBuf {
        self.dir.join(layer.file_name().unwrap_or_default())
    }
}

fn unique_id(mount: BorrowedFd<'_>) -> Result<u64, Errno> {
    let stat = statx(mount, "", AtFlags::EMPTY_PATH, UNIQUE)?;
    match StatxFlags::from_bits_retain(stat.stx_mask).contains(UNIQUE) {
        true => Ok(stat.stx_mnt_id),
        false => Err(Errno::OPNOTSUPP),
    }
}

fn identity(layer: &Path) -> io::Result<String> {
    let meta = fs::metadata(layer)?;
    Ok(format!("{}-{}-{}", meta.ino(), meta.ctime(), meta.ctime_nsec()))
}
