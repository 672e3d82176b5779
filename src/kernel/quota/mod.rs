//! Quotas of projects: a bound on what a directory and all below it may hold (quotactl(2), xfs_quota(8)).

mod sys;

use std::os::fd::AsFd;

use rustix::io::Errno;

/// New files and directories in a directory belong to its project (`FS_XFLAG_PROJINHERIT`).
const INHERIT: u32 = 0x200;

/// Whether a project is free on the file system of `dir`: nothing belongs to it, and nothing bounds it.
///
/// # Errors
/// When the file system keeps no quotas of projects: `ENOSYS`, `ESRCH`, `EOPNOTSUPP`, `ENOTTY` or `EINVAL`.
pub fn is_free(dir: impl AsFd, project: u32) -> Result<bool, Errno> {
    let block = match sys::get(dir.as_fd(), project) {
        // XFS tells so of a project that it never heard of.
        Err(Errno::NOENT) => return Ok(true),
        block => block?,
    };
    Ok(block.dqb_curspace == 0 && block.dqb_curinodes == 0 && block.dqb_bhardlimit == 0)
}

/// Makes an empty directory the root of a project whose files have at most `bytes`.
///
/// # Errors
/// As [`is_free`].
pub fn bound(dir: impl AsFd, project: u32, bytes: u64) -> Result<(), Errno> {
    sys::set(dir.as_fd(), project, bytes.div_ceil(1024))?;
    let mut attributes = sys::attributes(dir.as_fd())?;
    (attributes.projid, attributes.xflags) = (project, attributes.xflags | INHERIT);
    sys::set_attributes(dir.as_fd(), &attributes)
}

/// Takes the bound away from a directory's project. One that has none stays as it is.
///
/// # Errors
/// The kernel's.
pub fn unbound(dir: impl AsFd) -> Result<(), Errno> {
    match sys::attributes(dir.as_fd())?.projid {
        0 => Ok(()),
        project => sys::set(dir.as_fd(), project, 0),
    }
}
