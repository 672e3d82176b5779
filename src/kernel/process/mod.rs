//! Processes by descriptor: `clone3(2)`, `pidfd_send_signal(2)`, `close_range(2)`, credentials and exec.

mod sys;

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;

/// How long a thread may take to be gone after it was joined, in milliseconds.
const PATIENCE_MS: u32 = 100;

/// How a process is scheduled (`struct sched_attr` of sched_setattr(2); times in nanoseconds).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scheduler {
    /// `SCHED_…`.
    pub policy: u32,
    /// `SCHED_FLAG_…`.
    pub flags: u64,
    /// For `SCHED_OTHER` and `SCHED_BATCH`: -20 to 19.
    pub nice: i32,
    /// For `SCHED_FIFO` and `SCHED_RR`: 1 to 99.
    pub priority: u32,
    /// For `SCHED_DEADLINE`: time it needs in each period.
    pub runtime: u64,
    /// For `SCHED_DEADLINE`: when it is to have had it.
    pub deadline: u64,
    /// For `SCHED_DEADLINE`: length of a period.
    pub period: u64,
}

/// Sets how a process is scheduled.
///
/// # Errors
/// The kernel's reason, such as `EPERM` for a real-time policy or `EINVAL` for values that do not fit together.
pub fn set_scheduler(pid: i32, scheduler: &Scheduler) -> Result<(), Errno> {
    sys::sched_setattr(pid, scheduler)
}

/// Sets a process's priority for input and output, in the encoding of ioprio_set(2).
///
/// # Errors
/// The kernel's reason.
pub fn set_io_priority(pid: i32, priority: u16) -> Result<(), Errno> {
    sys::ioprio_set(pid, priority)
}

/// Clock ticks in a second, the unit of times in `/proc/PID/stat` (`sysconf(3)`, `_SC_CLK_TCK`).
pub fn ticks_per_second() -> u64 {
    sys::ticks_per_second()
}

/// Which side of a clone this is.
#[derive(Debug)]
pub enum Cloned {
    /// The new process.
    Child,
    /// The one that made it.
    Parent {
        /// Pid of the child, as the parent's pid namespace numbers it.
        pid: i32,
        /// The child by descriptor.
        pidfd: OwnedFd,
    },
}

/// Clones this process as `fork(2)` does, with `flags` (`CLONE_NEW…`, `CLONE_PARENT`) of `clone3(2)`.
///
/// # Errors
/// `EBUSY` when this process has another thread, whose locks the child would inherit for ever; else the kernel's
/// reason.
pub fn clone(flags: u64) -> Result<Cloned, Errno> {
    await_single_thread()?;
    sys::clone3(flags, None)
}

/// The same, with the child in a control group of the unified hierarchy (`CLONE_INTO_CGROUP`, Linux 5.7).
///
/// # Errors
/// As [`clone`]; `EINVAL` or `E2BIG` where the kernel cannot, `EBUSY` also when the group may hold no processes.
pub fn clone_into(flags: u64, group: BorrowedFd<'_>) -> Result<Cloned, Errno> {
    await_single_thread()?;
    sys::clone3(flags, Some(group))
}

/// A thread that was joined is still there for a moment; one that lives on is an error.
fn await_single_thread() -> Result<(), Errno> {
    for _ in 0..PATIENCE_MS {
        if std::fs::read_dir("/proc/self/task").map_err(|e| errno_of(&e))?.count() == 1 {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    Err(Errno::BUSY)
}

/// The same for a process that is itself a clone of a single-threaded one and started no thread since, where `/proc` may
/// be another's.
///
/// # Errors
/// The kernel's reason.
pub fn clone_again(flags: u64) -> Result<Cloned, Errno> {
    sys::clone3(flags, None)
}

/// Sends any signal, real-time ones included, to the process that `pidfd` stands for.
///
/// # Errors
/// `ESRCH` when it has ended, `EINVAL` for a number that is no signal.
pub fn pidfd_send_signal(pidfd: impl AsFd, signal: i32) -> Result<(), Errno> {
    sys::pidfd_send_signal(pidfd.as_fd(), signal)
}

/// The exit code, or 128 and the signal's number, of a process that has ended and that its parent has waited for; none while it
/// has not (`PIDFD_GET_INFO`, Linux 6.15).
///
/// # Errors
/// `ENOTTY` or `EINVAL` where the kernel does not tell.
pub fn exit_status(pidfd: impl AsFd) -> Result<Option<i32>, Errno> {
    let status = sys::pidfd_exit_status(pidfd.as_fd())?;
    Ok(status.map(exit_code))
}

/// The exit code that a wait status (wait(2)) holds, or 128 and the signal's number.
pub fn exit_code(status: i32) -> i32 {
    match status & 0x7f {
        0 => (status >> 8) & 0xff,
        signal => 128 + signal,
    }
}

/// Marks all descriptors from `first` on to be closed by the next exec.
///
/// # Errors
/// The reason of `close_range(2)`.
pub fn close_on_exec_from(first: u32) -> Result<(), Errno> {
    sys::close_range(first, libc::CLOSE_RANGE_CLOEXEC)
}

/// Closes all standard and other descriptors but `keep`. For a process that goes on without exec; whatever else in it
/// owns a descriptor must not be used any more.
///
/// # Errors
/// The reason of `close_range(2)`.
pub fn close_all_but(keep: BorrowedFd<'_>) -> Result<(), Errno> {
    sys::close_all_but(keep)
}

/// Replaces this process by `path`; returns only if that fails.
pub fn execve(path: &CString, args: &[CString], env: &[CString]) -> Errno {
    match nix::unistd::execve(path, args, env) {
        Ok(never) => match never {},
        Err(e) => Errno::from_raw_os_error(e as i32),
    }
}

/// Ends this process at once, without running what was registered for its end.
pub fn exit_now(code: i32) -> ! {
    sys::exit(code)
}

/// Gives all signals their default disposition and unblocks them.
///
/// # Errors
/// The reason of `sigprocmask(2)`.
pub fn reset_signals() -> Result<(), Errno> {
    sys::default_dispositions();
    nix::sys::signal::SigSet::empty().thread_set_mask().map_err(|e| Errno::from_raw_os_error(e as i32))
}

/// Writes `name` over the command line that others see of this process, and takes it as its name.
///
/// # Errors
/// When `/proc/self/stat` cannot be read or makes no sense.
pub fn rename(name: &str) -> Result<(), Errno> {
    let stat = std::fs::read_to_string("/proc/self/stat").map_err(|e| errno_of(&e))?;
    // Fields 48 and 49 of proc_pid_stat(5); the second field ends with the last bracket.
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_ascii_whitespace().skip(45));
    let mut bounds = fields.into_iter().flatten().map_while(|field| field.parse::<usize>().ok());
    let (Some(start), Some(end)) = (bounds.next(), bounds.next()) else { return Err(Errno::INVAL) };
    sys::overwrite_arguments(start, end, name.as_bytes());
    let name = CString::new(name).map_err(|_| Errno::INVAL)?;
    rustix::thread::set_name(&name)
}

/// Makes `terminal` the controlling terminal of this session.
///
/// # Errors
/// The reason of `TIOCSCTTY` (`ioctl_tty(2)`).
pub fn take_terminal(terminal: impl AsFd) -> Result<(), Errno> {
    sys::take_terminal(terminal.as_fd())
}

fn errno_of(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

/// Leaves the session keyring of whoever started this process for a new one (`keyctl(2)`, `KEYCTL_JOIN_SESSION_KEYRING`).
///
/// # Errors
/// The kernel's reason; one without keyrings is none.
pub fn new_session_keyring() -> Result<(), Errno> {
    match sys::join_session_keyring() {
        Err(Errno::NOSYS | Errno::PERM) => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests;
