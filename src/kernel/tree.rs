//! Copies of directory trees: what a new file system, a new volume or a second container starts with.

use std::collections::HashMap;
use std::ffi::CStr;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, Timespec, Timestamps};
use rustix::io::Errno;

/// Most levels of directories that are copied.
const DEEPEST: u32 = 256;

/// Copies a directory's content, owners, modes, times, hard links and extended attributes included, into another. Symbolic
/// links are copied, not followed. Data is shared where the file system can (ioctl_ficlone(2)).
///
/// # Errors
/// The first that the kernel gives; `ELOOP` for more than 256 levels. What was copied stays.
pub fn copy(from: &OwnedFd, to: &OwnedFd) -> Result<(), Errno> {
    Copy { root: to, links: HashMap::new(), overlay: false }.run(from)
}

/// The same of an upper directory of overlayfs, with the attributes by which that tells of what it hides.
///
/// # Errors
/// As [`copy`].
pub fn copy_upper(from: &OwnedFd, to: &OwnedFd) -> Result<(), Errno> {
    Copy { root: to, links: HashMap::new(), overlay: true }.run(from)
}

struct Copy<'a> {
    root: &'a OwnedFd,
    /// Where files with several names were copied to, below the root.
    links: HashMap<(u64, u64), PathBuf>,
    /// Attributes of overlayfs are copied too.
    overlay: bool,
}

impl Copy<'_> {
    fn run(&mut self, from: &OwnedFd) -> Result<(), Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let from = rustix::fs::openat(from, ".", flags, Mode::empty())?;
        let to = rustix::fs::openat(self.root, ".", flags, Mode::empty())?;
        self.directory(&from, &to, Path::new(""), DEEPEST)?;
        attributes(&rustix::fs::fstat(&from)?, &to, ".")?;
        self.extended(&from, &to)
    }

    fn directory(&mut self, from: &OwnedFd, to: &OwnedFd, path: &Path, levels: u32) -> Result<(), Errno> {
        for entry in Dir::read_from(from)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let stat = rustix::fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
            let path = path.join(std::ffi::OsStr::from_bytes(name.to_bytes()));
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => {
                    rustix::fs::mkdirat(to, name, Mode::RWXU)?;
                    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    let (below, into) = (
                        rustix::fs::openat(from, name, flags, Mode::empty())?,
                        rustix::fs::openat(to, name, flags, Mode::empty())?,
                    );
                    self.directory(&below, &into, &path, levels.checked_sub(1).ok_or(Errno::LOOP)?)?;
                    self.extended(&below, &into)?;
                }
                _ if self.link(&stat, to, name, &path)? => continue,
                FileType::RegularFile => self.file(from, to, name)?,
                FileType::Symlink => {
                    rustix::fs::symlinkat(rustix::fs::readlinkat(from, name, Vec::new())?, to, name)?;
                }
                kind => rustix::fs::mknodat(to, name, kind, Mode::RWXU, stat.st_rdev)?,
            }
            attributes(&stat, to, name)?;
        }
        Ok(())
    }

    /// A further name of a file that was copied already; the first name is remembered.
    fn link(&mut self, stat: &Stat, to: &OwnedFd, name: &CStr, path: &Path) -> Result<bool, Errno> {
        if stat.st_nlink < 2 {
            return Ok(false);
        }
        let key = (stat.st_dev, stat.st_ino);
        if let Some(first) = self.links.get(&key) {
            rustix::fs::linkat(self.root, first, to, name, AtFlags::empty())?;
            return Ok(true);
        }
        self.links.insert(key, path.to_path_buf());
        Ok(false)
    }

    fn file(&self, from: &OwnedFd, to: &OwnedFd, name: &CStr) -> Result<(), Errno> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut source = File::from(rustix::fs::openat(from, name, flags, Mode::empty())?);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mut target = File::from(rustix::fs::openat(to, name, flags, Mode::RWXU)?);
        if rustix::fs::ioctl_ficlone(&target, &source).is_err() {
            let errno = |e: std::io::Error| Errno::from_io_error(&e).unwrap_or(Errno::IO);
            std::io::copy(&mut source, &mut target).map_err(errno)?;
        }
        let stat = rustix::fs::fstat(&source)?;
        let owner = (rustix::fs::Uid::from_raw(stat.st_uid), rustix::fs::Gid::from_raw(stat.st_gid));
        // A change of owner takes capabilities away.
        rustix::fs::fchown(&target, Some(owner.0), Some(owner.1))?;
        self.extended(&source, &target)
    }

    /// Extended attributes. Those that the target may not have are left out.
    fn extended(&self, from: impl AsFd, to: impl AsFd) -> Result<(), Errno> {
        let mut names = vec![0; 65_536];
        let length = match rustix::fs::flistxattr(&from, names.as_mut_slice()) {
            Err(Errno::OPNOTSUPP) => return Ok(()),
            result => result?,
        };
        for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
            let of_overlay = name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.");
            if of_overlay && !self.overlay {
                continue;
            }
            let mut value = vec![0; 65_536];
            let length = rustix::fs::fgetxattr(&from, name, value.as_mut_slice())?;
            match rustix::fs::fsetxattr(&to, name, &value[..length], rustix::fs::XattrFlags::empty()) {
                Err(Errno::PERM | Errno::OPNOTSUPP) => {}
                result => result?,
            }
        }
        Ok(())
    }
}

fn attributes(
    stat: &Stat,
    to: &OwnedFd,
    name: impl rustix::path::Arg + std::marker::Copy,
) -> Result<(), Errno> {
    let owner = (rustix::fs::Uid::from_raw(stat.st_uid), rustix::fs::Gid::from_raw(stat.st_gid));
    let kind = FileType::from_raw_mode(stat.st_mode);
    if kind != FileType::RegularFile {
        rustix::fs::chownat(to, name, Some(owner.0), Some(owner.1), AtFlags::SYMLINK_NOFOLLOW)?;
    }
    if kind != FileType::Symlink {
        rustix::fs::chmodat(to, name, Mode::from_raw_mode(stat.st_mode & 0o7777), AtFlags::empty())?;
    }
    let time = |sec, nsec: u64| Timespec { tv_sec: sec, tv_nsec: nsec as _ };
    let times = Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    };
    rustix::fs::utimensat(to, name, &times, AtFlags::SYMLINK_NOFOLLOW)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_copy_has_all_that_the_original_has() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let at = |name: &str| a.path().join(name);
        std::fs::create_dir_all(at("deep/er")).unwrap();
        std::fs::write(at("deep/er/file"), "content").unwrap();
        std::fs::hard_link(at("deep/er/file"), at("other")).unwrap();
        std::os::unix::fs::symlink("nowhere", at("link")).unwrap();
        let _ = rustix::fs::setxattr(at("other"), "user.note", b"kept", rustix::fs::XattrFlags::empty());
        let open = |dir: &tempfile::TempDir| OwnedFd::from(File::open(dir.path()).unwrap());
        copy(&open(&a), &open(&b)).unwrap();
        let copied = |name: &str| b.path().join(name);
        assert_eq!(std::fs::read(copied("deep/er/file")).unwrap(), b"content");
        assert_eq!(std::fs::read_link(copied("link")).unwrap(), Path::new("nowhere"));
        let (one, two) = (copied("deep/er/file").metadata().unwrap(), copied("other").metadata().unwrap());
        assert_eq!((one.ino(), one.nlink()), (two.ino(), 2));
        assert_ne!(one.ino(), at("other").metadata().unwrap().ino(), "it is a file of its own");
        assert_eq!(one.mtime_nsec(), at("other").metadata().unwrap().mtime_nsec());
        let note = |path: PathBuf| {
            let mut value = [0; 8];
            rustix::fs::getxattr(path, "user.note", &mut value[..]).map(|n| value[..n].to_vec()).ok()
        };
        assert_eq!(note(copied("other")), note(at("other")));
    }
}
