//! A process that this one is the parent of.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::process::{WaitId, WaitIdOptions, waitid};

use crate::kernel::process::pidfd_send_signal;

/// A container's process, held by descriptor, so that no other process can be meant.
#[derive(Debug)]
pub struct Process {
    pid: i32,
    pidfd: OwnedFd,
}

impl Process {
    pub(super) fn new(pid: i32, pidfd: OwnedFd) -> Process {
        Process { pid, pidfd }
    }

    /// Its pid, as this process's pid namespace numbers it.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Readable when it has ended.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Waits for its end: its exit code, or 128 and the number of the signal that killed it.
    ///
    /// # Errors
    /// `ECHILD` when it was waited for before.
    pub fn wait(&self) -> io::Result<i32> {
        loop {
            match waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED) {
                Ok(Some(status)) => {
                    let signal = status.terminating_signal().map(|signal| 128 + signal);
                    return Ok(signal.or(status.exit_status()).unwrap_or_default());
                }
                Ok(None) | Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// `ESRCH` when it has ended.
    pub fn kill(&self, signal: i32) -> io::Result<()> {
        pidfd_send_signal(&self.pidfd, signal).map_err(Into::into)
    }
}
