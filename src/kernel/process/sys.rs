//! System calls on processes that `rustix` and `nix` wrap not at all or only as unsafe functions.
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Errno;

use super::Cloned;

/// The kernel's `struct clone_args` (`include/uapi/linux/sched.h`).
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// The first versions of that structure end before `set_tid`; only those who ask for more need a newer kernel.
const FIRST_VERSION: usize = std::mem::offset_of!(CloneArgs, set_tid);

fn last_errno() -> Errno {
    Errno::from_raw_os_error(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
}

/// `CLONE_INTO_CGROUP` (`include/uapi/linux/sched.h`).
const CLONE_INTO_CGROUP: u64 = 1 << 33;

/// The caller has made sure that there is no other thread.
pub(super) fn clone3(flags: u64, into: Option<BorrowedFd<'_>>) -> Result<Cloned, Errno> {
    let mut pidfd: libc::c_int = -1;
    // With CLONE_PARENT the signal is the parent's own, and none may be given.
    let exit_signal = if flags & libc::CLONE_PARENT as u64 == 0 { libc::SIGCHLD as u64 } else { 0 };
    let args = CloneArgs {
        flags: flags | libc::CLONE_PIDFD as u64 | into.map_or(0, |_| CLONE_INTO_CGROUP),
        pidfd: std::ptr::from_mut(&mut pidfd) as u64,
        exit_signal,
        cgroup: into.map_or(0, |dir| dir.as_raw_fd() as u64),
        ..CloneArgs::default()
    };
    let size = if into.is_some() { size_of::<CloneArgs>() } else { FIRST_VERSION };
    // SAFETY: `args` is a live structure of at least the size passed; without CLONE_VM the child has its own copy of this
    // single-threaded process, so it goes on like the child of a fork; `pidfd` outlives the call.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, std::ptr::from_ref(&args), size) };
    match pid {
        0 => Ok(Cloned::Child),
        // SAFETY: the kernel stored a fresh descriptor, which nothing else owns.
        1.. => Ok(Cloned::Parent { pid: pid as i32, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } }),
        _ => Err(last_errno()),
    }
}

pub(super) fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: i32) -> Result<(), Errno> {
    let no_info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: the kernel takes a null siginfo; `pidfd` stays open during the call.
    let result = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, no_info, 0) };
    if result == 0 { Ok(()) } else { Err(last_errno()) }
}

/// The kernel's `struct pidfd_info`, first version (`include/uapi/linux/pidfd.h`).
#[repr(C)]
#[derive(Default)]
struct PidfdInfo {
    mask: u64,
    cgroup: u64,
    ids: [u32; 11],
    exit_code: i32,
}

/// `PIDFD_GET_INFO`: `_IOWR(0xFF, 11, struct pidfd_info)`.
const PIDFD_GET_INFO: libc::c_ulong = 0xC000_FF0B | ((size_of::<PidfdInfo>() as libc::c_ulong) << 16);
/// `PIDFD_INFO_EXIT`.
const EXIT: u64 = 1 << 3;

/// The wait status of a process that is gone.
pub(super) fn pidfd_exit_status(pidfd: BorrowedFd<'_>) -> Result<Option<i32>, Errno> {
    let mut info = PidfdInfo { mask: EXIT, ..PidfdInfo::default() };
    // SAFETY: the request's size is that of `info`, which lives through the call and may hold any bits.
    let result = unsafe { libc::ioctl(pidfd.as_raw_fd(), PIDFD_GET_INFO, std::ptr::from_mut(&mut info)) };
    match (result, last_errno()) {
        (0, _) => Ok((info.mask & EXIT != 0).then_some(info.exit_code)),
        // It has ended, and its parent does not know yet.
        (_, Errno::SRCH) => Ok(None),
        (_, e) => Err(e),
    }
}

/// The kernel's `struct sched_attr`, first version (`include/uapi/linux/sched/types.h`).
#[repr(C)]
struct SchedAttr {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

pub(super) fn sched_setattr(pid: i32, scheduler: &super::Scheduler) -> Result<(), Errno> {
    let super::Scheduler { policy, flags, nice, priority, runtime, deadline, period } = *scheduler;
    let size = size_of::<SchedAttr>() as u32;
    let attr = SchedAttr { size, policy, flags, nice, priority, runtime, deadline, period };
    // SAFETY: `attr` is a live structure of the size that it says.
    let result = unsafe { libc::syscall(libc::SYS_sched_setattr, pid, std::ptr::from_ref(&attr), 0) };
    if result == 0 { Ok(()) } else { Err(last_errno()) }
}

pub(super) fn ioprio_set(pid: i32, priority: u16) -> Result<(), Errno> {
    const IOPRIO_WHO_PROCESS: libc::c_int = 1;
    // SAFETY: the call takes numbers alone.
    let result =
        unsafe { libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, pid, libc::c_int::from(priority)) };
    if result == 0 { Ok(()) } else { Err(last_errno()) }
}

pub(super) fn close_range(first: u32, flags: libc::c_uint) -> Result<(), Errno> {
    // SAFETY: only the close-on-exec mark changes (the one caller passes CLOSE_RANGE_CLOEXEC).
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, flags) };
    if result == 0 { Ok(()) } else { Err(last_errno()) }
}

pub(super) fn close_all_but(keep: BorrowedFd<'_>) -> Result<(), Errno> {
    let keep = keep.as_raw_fd().unsigned_abs();
    let close = |first: u32, last: u32| {
        // SAFETY: the caller promises to use no descriptor but the one kept from here on.
        let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
        if result == 0 { Ok(()) } else { Err(last_errno()) }
    };
    if keep > 0 {
        close(0, keep - 1)?;
    }
    close(keep + 1, u32::MAX)
}

pub(super) fn ticks_per_second() -> u64 {
    // SAFETY: asks for a number.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    // What it is on every architecture that Rust knows.
    u64::try_from(ticks).unwrap_or(100).max(1)
}

pub(super) fn exit(code: i32) -> ! {
    // SAFETY: ends the process; nothing of it is used afterwards.
    unsafe { libc::_exit(code) }
}

pub(super) fn default_dispositions() {
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: sets the default disposition, which runs no code of ours; refused ones (KILL, STOP) do not matter.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// `start` and `end` are where the kernel says that this process's arguments are.
pub(super) fn overwrite_arguments(start: usize, end: usize, name: &[u8]) {
    let length = end.saturating_sub(start);
    if start == 0 || length <= name.len() {
        return;
    }
    // SAFETY: the kernel put the arguments there, on the stack of the main thread, writable and of this length; Rust's
    // own copies of them were made before, and nothing refers to these bytes any more.
    let arguments = unsafe { std::slice::from_raw_parts_mut(start as *mut u8, length) };
    arguments.fill(0);
    arguments[..name.len()].copy_from_slice(name);
}

pub(super) fn take_terminal(terminal: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: TIOCSCTTY takes a plain number, and `terminal` stays open during the call.
    let result = unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY, 0) };
    if result == 0 { Ok(()) } else { Err(last_errno()) }
}

/// `keyctl(KEYCTL_JOIN_SESSION_KEYRING, NULL)`.
pub(super) fn join_session_keyring() -> Result<(), Errno> {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_long = 1;
    // SAFETY: a null name asks for an anonymous keyring; no memory is passed.
    let result = unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0 as libc::c_long) };
    if result < 0 { Err(last_errno()) } else { Ok(()) }
}
