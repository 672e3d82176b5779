//! Copies of directory trees: what a new file system or a new volume starts with.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, Timespec, Timestamps};
use rustix::io::Errno;

/// Most levels of directories that are copied.
const DEEPEST: u32 = 64;

/// Copies a directory's content, owners, modes, times and extended attributes included, into another. Links are copied, not
/// followed.
///
/// # Errors
/// The first that the kernel gives; `ELOOP` for more than 64 levels. What was copied stays.
pub fn copy(from: &OwnedFd, to: &OwnedFd) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let from = rustix::fs::openat(from, ".", flags, Mode::empty())?;
    directory(&from, to, DEEPEST)?;
    attributes(&rustix::fs::fstat(&from)?, to, ".")
}

fn directory(from: &OwnedFd, to: &OwnedFd, levels: u32) -> Result<(), Errno> {
    for entry in Dir::read_from(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let stat = rustix::fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                rustix::fs::mkdirat(to, name, Mode::RWXU)?;
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let (below, into) = (
                    rustix::fs::openat(from, name, flags, Mode::empty())?,
                    rustix::fs::openat(to, name, flags, Mode::empty())?,
                );
                directory(&below, &into, levels.checked_sub(1).ok_or(Errno::LOOP)?)?;
                extended(&below, &into)?;
            }
            FileType::RegularFile => file(from, to, name)?,
            FileType::Symlink => {
                rustix::fs::symlinkat(rustix::fs::readlinkat(from, name, Vec::new())?, to, name)?;
            }
            kind => rustix::fs::mknodat(to, name, kind, Mode::RWXU, stat.st_rdev)?,
        }
        attributes(&stat, to, name)?;
    }
    Ok(())
}

fn file(from: &OwnedFd, to: &OwnedFd, name: &std::ffi::CStr) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut source = std::fs::File::from(rustix::fs::openat(from, name, flags, Mode::empty())?);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mut target = std::fs::File::from(rustix::fs::openat(to, name, flags, Mode::RWXU)?);
    let errno = |e: std::io::Error| Errno::from_io_error(&e).unwrap_or(Errno::IO);
    std::io::copy(&mut source, &mut target).map_err(errno)?;
    let stat = rustix::fs::fstat(&source)?;
    let owner = (rustix::fs::Uid::from_raw(stat.st_uid), rustix::fs::Gid::from_raw(stat.st_gid));
    // A change of owner takes capabilities away.
    rustix::fs::fchown(&target, Some(owner.0), Some(owner.1))?;
    extended(&source, &target)
}

/// Extended attributes. Those that the target may not have are left out.
fn extended(from: impl AsFd, to: impl AsFd) -> Result<(), Errno> {
    let mut names = vec![0; 65_536];
    let length = match rustix::fs::flistxattr(&from, names.as_mut_slice()) {
        Err(Errno::OPNOTSUPP) => return Ok(()),
        result => result?,
    };
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        if name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.") {
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

fn attributes(stat: &Stat, to: &OwnedFd, name: impl rustix::path::Arg + Copy) -> Result<(), Errno> {
    let owner = (rustix::fs::Uid::from_raw(stat.st_uid), rustix::fs::Gid::from_raw(stat.st_gid));
    rustix::fs::chownat(to, name, Some(owner.0), Some(owner.1), AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
        rustix::fs::chmodat(to, name, Mode::from_raw_mode(stat.st_mode & 0o7777), AtFlags::empty())?;
    }
    let time = |sec, nsec: u64| Timespec { tv_sec: sec, tv_nsec: nsec as _ };
    let times = Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    };
    rustix::fs::utimensat(to, name, &times, AtFlags::SYMLINK_NOFOLLOW)
}
