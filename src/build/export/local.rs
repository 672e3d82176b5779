//! Files of an image into a directory of this machine.
//!
//! Both trees are walked by descriptors, and no symlink is followed on either side: what an earlier build left in the
//! directory cannot lead a later one out of it.

use std::collections::HashMap;
use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, Stat, Timespec, Timestamps, fchmod, futimens, linkat, mkdirat,
    mknodat, openat, readlinkat, statat, symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;

use crate::build::error::StepError;

/// Directories below each other; an image has no business with more.
const DEPTH_MAX: usize = 1024;

/// Copies all that stands below `from` into `dir`.
///
/// # Errors
/// When a file cannot be read or written.
pub fn copy(from: BorrowedFd<'_>, dir: &Path) -> Result<(), StepError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let to = openat(rustix::fs::CWD, dir, flags, Mode::empty()).map_err(StepError::errno("open", dir))?;
    let from = openat(from, ".", flags, Mode::empty()).map_err(StepError::errno("open", Path::new("/")))?;
    let mut copy = Copy { root: to.as_fd(), dir, first: HashMap::new() };
    copy.directory(&from, to.as_fd(), Path::new(""), 0)
}

struct Copy<'a> {
    root: BorrowedFd<'a>,
    dir: &'a Path,
    /// Files with several names, by device and inode, and the first of their names here.
    first: HashMap<(u64, u64), PathBuf>,
}

impl Copy<'_> {
    fn directory(
        &mut self,
        from: &OwnedFd,
        to: BorrowedFd<'_>,
        path: &Path,
        depth: usize,
    ) -> Result<(), StepError> {
        let failed = |e: Errno| StepError::errno("list", &Path::new("/").join(path))(e);
        if depth > DEPTH_MAX {
            return Err(failed(Errno::LOOP));
        }
        for entry in Dir::read_from(from).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let path = path.join(std::ffi::OsStr::from_bytes(name.to_bytes()));
            let stat = statat(from, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
            self.entry(from, to, name, &path, &stat, depth).map_err(|error| match error {
                Failed::Here(e) => StepError::errno("write", &self.dir.join(&path))(e),
                Failed::Below(error) => error,
            })?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        from: &OwnedFd,
        to: BorrowedFd<'_>,
        name: &CStr,
        path: &Path,
        stat: &Stat,
        depth: usize,
    ) -> Result<(), Failed> {
        let kind = FileType::from_raw_mode(stat.st_mode);
        // The only layer of an image can hold whiteouts, which no overlay hides.
        if kind == FileType::Socket || (kind == FileType::CharacterDevice && stat.st_rdev == 0) {
            return Ok(());
        }
        if kind == FileType::Directory {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let below = openat(from, name, flags, Mode::empty())?;
            let made = match mkdirat(to, name, Mode::RWXU) {
                Err(Errno::EXIST) => match openat(to, name, flags, Mode::empty()) {
                    Err(Errno::NOTDIR | Errno::LOOP) => {
                        unlinkat(to, name, AtFlags::empty())?;
                        mkdirat(to, name, Mode::RWXU)?;
                        openat(to, name, flags, Mode::empty())?
                    }
                    opened => opened?,
                },
                made => made.and_then(|()| openat(to, name, flags, Mode::empty()))?,
            };
            self.directory(&below, made.as_fd(), path, depth + 1).map_err(Failed::Below)?;
            fchmod(&made, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
            return Ok(futimens(&made, &times(stat))?);
        }
        clear(to, name)?;
        if stat.st_nlink > 1 {
            let id = (stat.st_dev, stat.st_ino);
            if let Some(first) = self.first.get(&id) {
                return Ok(linkat(self.root, first, to, name, AtFlags::empty())?);
            }
            self.first.insert(id, path.to_path_buf());
        }
        match kind {
            FileType::RegularFile => return Ok(file(from, to, name, stat)?),
            FileType::Symlink => symlinkat(readlinkat(from, name, Vec::new())?, to, name)?,
            _ => mknodat(to, name, kind, Mode::from_raw_mode(stat.st_mode & 0o7777), stat.st_rdev)?,
        }
        Ok(utimensat(to, name, &times(stat), AtFlags::SYMLINK_NOFOLLOW)?)
    }
}

/// Where something failed: at this entry, or at one below it that has been named already.
enum Failed {
    Here(Errno),
    Below(StepError),
}

impl From<Errno> for Failed {
    fn from(errno: Errno) -> Self {
        Self::Here(errno)
    }
}

/// Takes away what stands in the way, which may be a directory.
fn clear(to: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    match unlinkat(to, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        // A directory full of files is not thrown away for a file: that would be a mistake.
        Err(Errno::ISDIR) => unlinkat(to, name, AtFlags::REMOVEDIR),
        Err(e) => Err(e),
    }
}

fn file(from: &OwnedFd, to: BorrowedFd<'_>, name: &CStr, stat: &Stat) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut source = File::from(openat(from, name, flags, Mode::empty())?);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut made = File::from(openat(to, name, flags, Mode::RUSR | Mode::WUSR)?);
    io::copy(&mut source, &mut made).map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))?;
    fchmod(&made, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
    futimens(&made, &times(stat))
}

fn times(stat: &Stat) -> Timestamps {
    let time = Timespec { tv_sec: stat.st_mtime, tv_nsec: stat.st_mtime_nsec.try_into().unwrap_or(0) };
    Timestamps { last_access: time, last_modification: time }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    #[test]
    fn nothing_is_written_through_symlinks() {
        let tmp = tempfile::tempdir().unwrap();
        let (image, out, victim) =
            (tmp.path().join("image"), tmp.path().join("out"), tmp.path().join("victim"));
        for dir in [&image.join("etc"), &out, &victim] {
            fs::create_dir_all(dir).unwrap();
        }
        fs::write(image.join("etc/passwd"), "new").unwrap();
        fs::write(image.join("plain"), "new").unwrap();
        fs::hard_link(image.join("plain"), image.join("twin")).unwrap();
        fs::set_permissions(image.join("plain"), fs::Permissions::from_mode(0o751)).unwrap();
        fs::write(victim.join("passwd"), "old").unwrap();
        fs::write(victim.join("file"), "old").unwrap();
        // What an earlier build has left leads elsewhere.
        symlink(&victim, out.join("etc")).unwrap();
        symlink(victim.join("file"), out.join("plain")).unwrap();
        fs::write(out.join("own"), "stays").unwrap();
        for _ in 0..2 {
            copy(File::open(&image).unwrap().as_fd(), &out).unwrap();
            assert_eq!(fs::read_to_string(victim.join("passwd")).unwrap(), "old");
            assert_eq!(fs::read_to_string(victim.join("file")).unwrap(), "old");
            assert_eq!(fs::read_to_string(out.join("etc/passwd")).unwrap(), "new");
            assert_eq!(fs::read_to_string(out.join("own")).unwrap(), "stays");
            let meta = out.join("plain").symlink_metadata().unwrap();
            assert_eq!((meta.mode() & 0o7777, meta.nlink()), (0o751, 2));
        }
        fs::remove_file(out.join("plain")).unwrap();
        fs::create_dir_all(out.join("plain/full")).unwrap();
        assert!(copy(File::open(&image).unwrap().as_fd(), &out).is_err());
        assert!(out.join("plain/full").is_dir());
    }
}
