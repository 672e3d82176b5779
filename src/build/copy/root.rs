//! A tree that files are copied from, or looked up in: the context, a stage or an image.
//!
//! Everything is resolved by the kernel inside of the tree (`RESOLVE_IN_ROOT` of openat2(2)): neither `..` nor a symlink
//! leads out of it.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat2, readlinkat, statat,
};
use rustix::io::Errno;

use crate::build::error::StepError;
use crate::build::ignore::Ignore;
use crate::layer::entry::Xattr;
use crate::snapshot::Files;

/// How often a lookup is tried that the rest of the machine disturbs (openat2(2), EAGAIN).
const ATTEMPTS: usize = 256;

/// A tree of files.
#[derive(Debug)]
pub struct Root {
    fd: OwnedFd,
    /// What of it does not count.
    pub ignore: Ignore,
    /// It is the user's: who owns its files and when they were written says nothing.
    pub is_context: bool,
    /// What it is called in messages.
    pub name: String,
}

impl Root {
    /// A directory of this machine as a build context.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn of_context(dir: &Path, ignore: Ignore) -> Result<Self, StepError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(CWD, dir, flags, Mode::empty());
        let fd = fd.map_err(StepError::errno("open", dir))?;
        Ok(Self { fd, ignore, is_context: true, name: "the build context".into() })
    }

    /// The files of a stage or image.
    ///
    /// # Errors
    /// When they cannot be opened.
    pub fn of_files(files: &Files, name: String) -> Result<Self, StepError> {
        let fd = files.as_fd().try_clone_to_owned().map_err(StepError::file("open", Path::new("/")))?;
        Ok(Self { fd, ignore: Ignore::default(), is_context: false, name })
    }

    /// Opens something; none if it is not there. Symlinks are followed inside of the tree.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(&self, path: &Path, flags: OFlags) -> Result<Option<OwnedFd>, StepError> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        // An empty path is an error for the kernel.
        let inside = Path::new("/").join(path);
        let open = || openat2(&self.fd, &inside, flags | OFlags::CLOEXEC, Mode::empty(), resolve);
        let result = (0..ATTEMPTS).map(|_| open()).find(|result| !matches!(result, Err(Errno::AGAIN)));
        match result.unwrap_or(Err(Errno::AGAIN)) {
            Ok(fd) => Ok(Some(fd)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(e) => Err(StepError::errno("open", path)(e)),
        }
    }

    /// Opens a regular file for reading; none if there is no such file. Symlinks are followed inside of the tree: a
    /// source may be one, and what took the place of a file shows by what it is.
    ///
    /// # Errors
    /// As [`Root::open`].
    pub fn open_file(&self, path: &Path) -> Result<Option<File>, StepError> {
        // Never wait: a pipe that took its place would block.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        Ok(self.open(path, flags)?.map(File::from))
    }

    /// What stands at a path, symlinks followed; none if nothing does.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn stat(&self, path: &Path) -> Result<Option<Stat>, StepError> {
        let Some(fd) = self.open(path, OFlags::PATH)? else { return Ok(None) };
        fstat(&fd).map(Some).map_err(StepError::errno("examine", path))
    }

    /// What stands at a path, a symlink at its end being itself; none if nothing does.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn lstat(&self, path: &Path) -> Result<Option<Stat>, StepError> {
        let Some(fd) = self.open(path, OFlags::PATH | OFlags::NOFOLLOW)? else { return Ok(None) };
        let stat = fstat(&fd).map_err(StepError::errno("examine", path))?;
        // A single layer can hold whiteouts, which no overlay hides.
        let gone = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0;
        Ok((!gone).then_some(stat))
    }

    /// Where a symlink leads.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read_link(&self, path: &Path) -> Result<Vec<u8>, StepError> {
        let failed = StepError::errno("read", path);
        let Some(fd) = self.open(path, OFlags::PATH | OFlags::NOFOLLOW)? else {
            return Err(failed(Errno::NOENT));
        };
        readlinkat(&fd, "", Vec::new()).map(|target| target.into_bytes()).map_err(failed)
    }

    /// Names in a directory with what they are, sorted; nothing if it is no directory.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn list(&self, path: &Path) -> Result<Vec<(PathBuf, Stat)>, StepError> {
        let failed = |e: Errno| StepError::errno("list", path)(e);
        let Some(fd) = self.open(path, OFlags::RDONLY | OFlags::DIRECTORY)? else { return Ok(Vec::new()) };
        let mut list = Vec::new();
        for entry in Dir::read_from(&fd).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            // What disappears meanwhile is not there.
            let stat = match statat(&fd, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => continue,
                stat => stat.map_err(failed)?,
            };
            let whiteout =
                FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0;
            if !whiteout || self.is_context {
                list.push((PathBuf::from(OsStr::from_bytes(name.to_bytes())), stat));
            }
        }
        list.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(list)
    }

    /// Extended attributes that go with a file, or with a symlink unless `follow`, into another layer; those of the user's own machine do not.
    pub fn xattrs(&self, path: &Path, follow: bool) -> Vec<Xattr> {
        if self.is_context {
            return Vec::new();
        }
        let end = if follow { OFlags::empty() } else { OFlags::NOFOLLOW };
        let Ok(Some(fd)) = self.open(path, OFlags::PATH | end) else { return Vec::new() };
        let at = format!("/proc/self/fd/{}", fd.as_raw_fd());
        let mut names = vec![0; 65_536];
        let Ok(length) = rustix::fs::listxattr(&at, names.as_mut_slice()) else { return Vec::new() };
        let mut list = Vec::new();
        for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
            let private = [b"trusted.overlay.".as_slice(), b"user.overlay.", b"security.selinux"];
            if private.iter().any(|prefix| name.starts_with(prefix)) {
                continue;
            }
            let mut value = vec![0; 65_536];
            if let Ok(length) = rustix::fs::getxattr(&at, name, value.as_mut_slice()) {
                value.truncate(length);
                list.push(Xattr { name: name.to_vec(), value });
            }
        }
        list.sort();
        list
    }

    /// The tree as a descriptor.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
