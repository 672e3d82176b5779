//! Owners, modes, extended attributes and times.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use rustix::fs::{
    AtFlags, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags, chmodat, chownat, fchmod, fchown, fsetxattr,
    futimens, lsetxattr, utimensat,
};
use rustix::io::Errno;

use super::tree::{Attributes, Place};
use crate::kernel::userns;
use crate::layer::entry::{Entry, Kind, Timestamp, Xattr};
use crate::layer::error::Error;
use crate::layer::overlay_xattr;

/// Gives a new file what its entry says. The order matters: a change of owner takes set-id bits and capabilities away.
pub(super) fn of_file(file: impl AsFd, entry: &Entry) -> Result<(), Error> {
    let file = file.as_fd();
    let step = |step| Error::write(step, &entry.path);
    let (uid, gid) = owner(entry.uid, entry.gid);
    owned(fchown(file, uid, gid)).map_err(step("give an owner to"))?;
    fchmod(file, Mode::from_raw_mode(entry.mode)).map_err(step("set the mode of"))?;
    for xattr in &entry.xattrs {
        set(
            xattr,
            || fsetxattr(file, xattr.name.as_slice(), &xattr.value, XattrFlags::empty()),
            &entry.path,
        )?;
    }
    futimens(file, &times(entry.mtime)).map_err(step("set the time of"))
}

/// Gives a new symlink, device or pipe what its entry says; it was made just now and under a directory that is ours, so
/// its name stands for it.
pub(super) fn of_special(parent: &Place, name: &[u8], entry: &Entry) -> Result<(), Error> {
    let step = |step| Error::write(step, &entry.path);
    let (uid, gid) = owner(entry.uid, entry.gid);
    owned(chownat(&parent.fd, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW))
        .map_err(step("give an owner to"))?;
    if !matches!(entry.kind, Kind::Symlink { .. }) {
        let mode = Mode::from_raw_mode(entry.mode);
        chmodat(&parent.fd, name, mode, AtFlags::empty()).map_err(step("set the mode of"))?;
    }
    if !entry.xattrs.is_empty() {
        // No call sets attributes by directory and name before Linux 6.13.
        let mut path = PathBuf::from(format!("/proc/self/fd/{}", parent.fd.as_raw_fd()));
        path.push(std::ffi::OsStr::from_bytes(name));
        for xattr in &entry.xattrs {
            set(
                xattr,
                || lsetxattr(&path, xattr.name.as_slice(), &xattr.value, XattrFlags::empty()),
                &entry.path,
            )?;
        }
    }
    utimensat(&parent.fd, name, &times(entry.mtime), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(step("set the time of"))
}

/// Gives a directory, open for reading, what it should have in the end.
pub(super) fn of_dir(
    dir: BorrowedFd<'_>,
    path: &[u8],
    to: &Attributes,
    has_whiteouts: bool,
) -> Result<(), Error> {
    let step = |step| Error::write(step, path);
    let (uid, gid) = owner(to.uid, to.gid);
    owned(fchown(dir, uid, gid)).map_err(step("give an owner to"))?;
    fchmod(dir, Mode::from_raw_mode(to.mode)).map_err(step("set the mode of"))?;
    for xattr in &to.xattrs {
        set(xattr, || fsetxattr(dir, xattr.name.as_slice(), &xattr.value, XattrFlags::empty()), path)?;
    }
    if to.opaque {
        fsetxattr(dir, overlay_xattr("opaque").as_str(), b"y", XattrFlags::empty())
            .map_err(step("make opaque"))?;
    }
    if has_whiteouts {
        fsetxattr(dir, overlay_xattr("origin").as_str(), b"", XattrFlags::empty()).map_err(step("mark"))?;
    }
    futimens(dir, &times(to.mtime)).map_err(step("set the time of"))
}

/// Sets an attribute. One of a namespace that this machine does not have (another file system's, an unknown one of
/// `system.`) has no meaning here and is left out, as Docker does.
fn set(xattr: &Xattr, call: impl FnOnce() -> Result<(), Errno>, path: &[u8]) -> Result<(), Error> {
    const OURS: [&[u8]; 4] = [b"security.", b"user.", b"trusted.", b"system.posix_acl_"];
    match call() {
        Err(Errno::OPNOTSUPP) if !OURS.iter().any(|prefix| xattr.name.starts_with(prefix)) => Ok(()),
        // Below the machine's own user namespace, only those that anybody may set, and capabilities, can be had.
        Err(Errno::PERM) if userns::nested() => Ok(()),
        result => result.map_err(Error::write("set extended attributes of", path)),
    }
}

/// Where there is but one id, every file is that one's.
fn owned(result: Result<(), Errno>) -> Result<(), Errno> {
    match result {
        Err(Errno::INVAL | Errno::PERM) if userns::single() => Ok(()),
        result => result,
    }
}

fn owner(uid: u32, gid: u32) -> (Option<Uid>, Option<Gid>) {
    (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
}

fn times(at: Timestamp) -> Timestamps {
    let time = Timespec { tv_sec: at.secs, tv_nsec: at.nanos.into() };
    Timestamps { last_access: time, last_modification: time }
}
