//! Filters of system calls: `seccomp(2)`.

mod sys;

use std::os::fd::OwnedFd;

use rustix::io::Errno;

/// Most instructions that the kernel takes in one program (`BPF_MAXINSNS`).
pub const MAX_INSTRUCTIONS: usize = 4096;

/// One instruction of a classic BPF program: the kernel's `struct sock_filter` (`include/uapi/linux/filter.h`).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// What it does.
    pub code: u16,
    /// How many instructions are skipped when a comparison holds.
    pub jt: u8,
    /// How many are skipped when it does not.
    pub jf: u8,
    /// Its constant.
    pub k: u32,
}

/// How a filter is installed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flags {
    /// The kernel logs all but allowed calls (`SECCOMP_FILTER_FLAG_LOG`).
    pub log: bool,
    /// No speculative store bypass mitigation for it (`SECCOMP_FILTER_FLAG_SPEC_ALLOW`).
    pub spec_allow: bool,
    /// A descriptor for its questions (`SECCOMP_FILTER_FLAG_NEW_LISTENER`).
    pub listener: bool,
    /// Only fatal signals interrupt a call that was received by the listener
    /// (`SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`).
    pub wait_killable: bool,
}

/// Installs a filter for this thread and all that come of it, for ever; with the listener's descriptor if that was
/// asked for.
///
/// # Errors
/// `EACCES` without `no_new_privs` and without `CAP_SYS_ADMIN` in the user namespace, `EINVAL` for a program or a flag that
/// the kernel does not take, `EBUSY` when there is a listener already.
pub fn install(program: &[Instruction], flags: Flags) -> Result<Option<OwnedFd>, Errno> {
    let length = u16::try_from(program.len()).map_err(|_| Errno::INVAL)?;
    sys::seccomp_set_filter(program, length, flags)
}
