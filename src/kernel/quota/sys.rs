//! `quotactl_fd(2)` and the ioctls of extended file attributes, which neither `rustix` nor `nix` wraps.
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

/// The kernel's `struct fsxattr` (`include/uapi/linux/fs.h`).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Attributes {
    pub xflags: u32,
    extsize: u32,
    nextents: u32,
    pub projid: u32,
    cowextsize: u32,
    pad: [u8; 8],
}

/// `_IOR('X', 31, struct fsxattr)` and `_IOW('X', 32, struct fsxattr)`.
const FS_IOC_FSGETXATTR: libc::c_ulong = 0x801c_581f;
const FS_IOC_FSSETXATTR: libc::c_ulong = 0x401c_5820;
/// Quotas of projects (`include/uapi/linux/quota.h`), which `libc` lacks.
const PRJQUOTA: libc::c_int = 2;

fn check(result: libc::c_long) -> Result<(), Errno> {
    if result == 0 {
        return Ok(());
    }
    let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO);
    Err(Errno::from_raw_os_error(errno))
}

pub(super) fn attributes(file: BorrowedFd<'_>) -> Result<Attributes, Errno> {
    let mut attributes = Attributes::default();
    // SAFETY: the kernel writes one structure of the size that the request's number holds, and `attributes` is one.
    let result =
        unsafe { libc::ioctl(file.as_raw_fd(), FS_IOC_FSGETXATTR, std::ptr::from_mut(&mut attributes)) };
    check(result.into()).map(|()| attributes)
}

pub(super) fn set_attributes(file: BorrowedFd<'_>, attributes: &Attributes) -> Result<(), Errno> {
    // SAFETY: the kernel reads one structure of the size that the request's number holds, and `attributes` is one.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), FS_IOC_FSSETXATTR, std::ptr::from_ref(attributes)) };
    check(result.into())
}

/// Limits and use of a project on the file system of `file`.
pub(super) fn get(file: BorrowedFd<'_>, project: u32) -> Result<libc::dqblk, Errno> {
    // SAFETY: a structure of numbers alone, for which zero is a value.
    let mut block: libc::dqblk = unsafe { std::mem::zeroed() };
    call(file, libc::Q_GETQUOTA, project, &mut block).map(|()| block)
}

/// Sets the limit on a project's blocks, in KiB; 0 is none.
pub(super) fn set(file: BorrowedFd<'_>, project: u32, kibibytes: u64) -> Result<(), Errno> {
    // SAFETY: a structure of numbers alone, for which zero is a value.
    let mut block: libc::dqblk = unsafe { std::mem::zeroed() };
    (block.dqb_bhardlimit, block.dqb_bsoftlimit) = (kibibytes, kibibytes);
    block.dqb_valid = libc::QIF_BLIMITS;
    call(file, libc::Q_SETQUOTA, project, &mut block)
}

fn call(
    file: BorrowedFd<'_>,
    command: libc::c_int,
    project: u32,
    block: &mut libc::dqblk,
) -> Result<(), Errno> {
    // SAFETY: for these commands the kernel reads or writes one `struct if_dqblk`, whose layout `libc::dqblk` has.
    let result = unsafe {
        libc::syscall(
            libc::SYS_quotactl_fd,
            file.as_raw_fd(),
            libc::QCMD(command, PRJQUOTA),
            project,
            std::ptr::from_mut(block),
        )
    };
    check(result)
}
