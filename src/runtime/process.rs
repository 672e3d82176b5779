//! A process that this one is the parent of.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{WaitId, WaitIdOptions, WaitIdStatus, waitid};

use crate::kernel::process::{exit_code, exit_status, pidfd_send_signal};

/// How long another parent may take to learn of the end of its child.
const PATIENCE: Duration = Duration::from_secs(1);

/// A container's process, held by descriptor, so that no other process can be meant.
#[derive(Debug)]
pub struct Process {
    pid: i32,
    pidfd: OwnedFd,
}

impl Process {
    /// The process with this pid, which is the one that `pidfd` stands for.
    pub fn new(pid: i32, pidfd: OwnedFd) -> Process {
        Process { pid, pidfd }
    }

    /// Waits for the end of a child, and tells whether a signal brought it about.
    ///
    /// # Errors
    /// `ECHILD` when it is no child.
    pub fn ended_by_signal(&self) -> io::Result<bool> {
        Ok(self.status()?.terminating_signal().is_some())
    }

    /// Waits for the end of a child.
    fn status(&self) -> Result<WaitIdStatus, Errno> {
        loop {
            match waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED) {
                Ok(Some(status)) => return Ok(status),
                Ok(None) | Err(Errno::INTR) => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Its pid, as this process's pid namespace numbers it.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Readable when it has ended.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Waits for its end: its exit code, or 128 and the number of the signal that killed it. Of a process that is no child,
    /// kernels tell since Linux 6.15.
    ///
    /// # Errors
    /// `ECHILD` when it was waited for before, or nobody tells.
    pub fn wait(&self) -> io::Result<i32> {
        match self.status() {
            Ok(status) => {
                let signal = status.terminating_signal().map(|signal| 128 + signal);
                Ok(signal.or(status.exit_status()).unwrap_or_default())
            }
            Err(Errno::CHILD) => self.wait_for_another(),
            Err(e) => Err(e.into()),
        }
    }

    /// The exit code of a process that nobody has waited for yet (field 52 of proc_pid_stat(5)).
    fn code_of_zombie(&self) -> Option<i32> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
        let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
        let is_zombie = fields.next()? == "Z";
        let status: i32 = fields.nth(48)?.parse().ok()?;
        // While it is there, its number is nobody else's.
        (is_zombie && self.kill(0).is_ok()).then(|| exit_code(status))
    }

    /// The end of a process that is not this one's child.
    fn wait_for_another(&self) -> io::Result<i32> {
        loop {
            match poll(&mut [PollFd::new(&self.pidfd, PollFlags::IN)], None) {
                Err(Errno::INTR) => {}
                result => break result.map(drop)?,
            }
        }
        // Its parent has to learn of it first.
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            // Some parents take their time; meanwhile it is a zombie.
            let told = exit_status(&self.pidfd).ok().flatten();
            if let Some(code) = told.or_else(|| self.code_of_zombie()) {
                return Ok(code);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Err(io::Error::from_raw_os_error(libc::ECHILD))
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// `ESRCH` when it has ended.
    pub fn kill(&self, signal: i32) -> io::Result<()> {
        pidfd_send_signal(&self.pidfd, signal).map_err(Into::into)
    }
}
