//! `seccomp(2)`, which neither `rustix` nor `nix` wraps.
#![allow(unsafe_code)]

use std::os::fd::{FromRawFd, OwnedFd};

use rustix::io::Errno;

use super::{Flags, Instruction};

/// The kernel's `struct sock_fprog` (`include/uapi/linux/filter.h`).
#[repr(C)]
struct Program {
    length: u16,
    instructions: *const Instruction,
}

/// `length` is the number of instructions in `program`.
pub(super) fn seccomp_set_filter(
    program: &[Instruction],
    length: u16,
    flags: Flags,
) -> Result<Option<OwnedFd>, Errno> {
    let bit = |set: bool, flag: libc::c_ulong| if set { flag } else { 0 };
    let bits = bit(flags.log, libc::SECCOMP_FILTER_FLAG_LOG)
        | bit(flags.spec_allow, libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW)
        | bit(flags.listener, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER)
        | bit(flags.wait_killable, libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
    let program = Program { length, instructions: program.as_ptr() };
    // SAFETY: `program` is a live structure that points to `length` instructions of the kernel's layout; the kernel only
    // reads both, and checks the instructions.
    let result = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, bits, std::ptr::from_ref(&program))
    };
    match i32::try_from(result) {
        // SAFETY: with NEW_LISTENER the kernel returns a fresh descriptor, which nothing else owns.
        Ok(fd @ 0..) if flags.listener => Ok(Some(unsafe { OwnedFd::from_raw_fd(fd) })),
        Ok(0) => Ok(None),
        _ => {
            Err(Errno::from_raw_os_error(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)))
        }
    }
}
