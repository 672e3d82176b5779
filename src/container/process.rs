//! Which process a container is: pid, start time and boot id together name one for good.

use std::fs;
use std::path::Path;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::files::on;
use crate::kernel::boot;
use crate::runtime::Process;

/// A process, named so that a later one with the same pid is not mistaken for it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct ProcessId {
    /// Pid in the host's namespace.
    pub pid: i32,
    /// Field 22 of `/proc/PID/stat`: clock ticks from boot to the process's start.
    pub start_time: u64,
    /// `/proc/sys/kernel/random/boot_id` of the boot in which it started.
    pub boot_id: String,
}

impl ProcessId {
    /// Names a process that is alive now.
    ///
    /// # Errors
    /// When the process is gone or `/proc` cannot be read.
    pub fn of(pid: i32) -> Result<ProcessId, Error> {
        let path = format!("/proc/{pid}/stat");
        let path = Path::new(&path);
        let stat = fs::read_to_string(path).map_err(on("read", path))?;
        let (_, start_time) = parse_stat(&stat).ok_or(Error::NotFound(format!("process {pid}")))?;
        Ok(ProcessId { pid, start_time, boot_id: boot_id()? })
    }

    /// Whether it was started since the machine was.
    pub fn is_of_this_boot(&self) -> bool {
        boot_id().is_ok_and(|id| id == self.boot_id)
    }

    /// The process by descriptor; none if it has ended.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(&self) -> Result<Option<Process>, Error> {
        let Some(pid) = Pid::from_raw(self.pid) else { return Ok(None) };
        match pidfd_open(pid, PidfdFlags::empty()) {
            // Checked after it was opened, so that the descriptor cannot be another process's.
            Ok(fd) => Ok(self.is_alive().then(|| Process::new(self.pid, fd))),
            Err(Errno::SRCH) => Ok(None),
            Err(e) => Err(Error::System("open the container's process", e.into())),
        }
    }

    /// The exit code of a process that ended and whose parent this one has become; none if it has not.
    pub fn reap(&self) -> Option<i32> {
        let pid = Pid::from_raw(self.pid)?;
        let fd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        Process::new(self.pid, fd).wait().ok()
    }

    /// Whether this very process is alive (a zombie is not).
    pub fn is_alive(&self) -> bool {
        let Ok(stat) = fs::read_to_string(format!("/proc/{}/stat", self.pid)) else { return false };
        let alive = parse_stat(&stat)
            .is_some_and(|(state, start)| start == self.start_time && !matches!(state, 'Z' | 'X'));
        alive && self.is_of_this_boot()
    }
}

/// The parent of a process; none if it is gone.
pub(super) fn parent_of(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    fields(&stat)?.nth(1)?.parse().ok()
}

/// Clock ticks that a process, and those of its children that have ended, spent on a processor; none if it is gone.
pub(super) fn ticks_of(pid: i32) -> Option<u64> {
    ticks(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// `utime`, `stime`, `cutime` and `cstime`, fields 14 to 17.
fn ticks(stat: &str) -> Option<u64> {
    let times: Vec<u64> = fields(stat)?.skip(11).take(4).map_while(|field| field.parse().ok()).collect();
    (times.len() == 4).then(|| times.iter().sum())
}

/// The fields of `/proc/PID/stat` from the third on, which is the state.
fn fields(stat: &str) -> Option<impl Iterator<Item = &str>> {
    Some(stat[stat.rfind(')')? + 1..].split_ascii_whitespace())
}

/// State and start time out of `/proc/PID/stat` (proc_pid_stat(5)). The command's name may hold anything.
fn parse_stat(stat: &str) -> Option<(char, u64)> {
    let mut fields = fields(stat)?;
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

fn boot_id() -> Result<String, Error> {
    boot::id().map(str::to_string).map_err(on("read", Path::new(boot::PATH)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_process_is_alive_and_an_impostor_is_not() {
        let me = ProcessId::of(std::process::id() as i32).unwrap();
        assert!(me.is_alive());
        assert!(!ProcessId { start_time: me.start_time + 1, ..me.clone() }.is_alive());
        assert!(!ProcessId { boot_id: "other".into(), ..me }.is_alive());
    }

    #[test]
    fn a_command_name_with_brackets_does_not_confuse() {
        let stat = "7 (a) b) c) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 1 2";
        assert_eq!(parse_stat(stat), Some(('S', 4242)));
        assert_eq!(ticks(stat), Some(5 + 6 + 7 + 8));
    }
}
