//! `kill`, `pause`, `resume`

use nix::sys::signal;
use nix::unistd::Pid;

use super::command::Kill;
use super::error::Error;
use super::record::{Containers, Status};
use crate::container::parse_signal;
use crate::kernel::process::pidfd_send_signal;

/// Sends a signal to a container's first process, or to all of them.
pub fn kill(containers: &Containers, command: &Kill) -> Result<u8, Error> {
    // 0 asks whether there is a process to signal (kill(2)).
    let number = if command.signal == "0" { 0 } else { parse_signal(&command.signal)? };
    let container = containers.find(&command.id)?;
    let stopped = container.status() == Status::Stopped;
    if command.all {
        let group = container.cgroup()?;
        if number == libc::SIGKILL {
            group.kill()?;
        } else {
            let named =
                signal::Signal::try_from(number).map_err(|_| Error::Usage("no such signal".into()))?;
            // One that has ended meanwhile needs no signal.
            for pid in group.pids()? {
                let _ = signal::kill(Pid::from_raw(pid), named);
            }
        }
        return Ok(0);
    }
    if stopped {
        return Err(Error::NotRunning);
    }
    let process = &container.record.process;
    let pid = rustix::process::Pid::from_raw(process.pid).ok_or(Error::NotRunning)?;
    let opened = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty());
    let pidfd = opened.map_err(|_| Error::NotRunning)?;
    if !process.is_alive() {
        return Err(Error::NotRunning);
    }
    pidfd_send_signal(&pidfd, number).map_err(|_| Error::NotRunning)?;
    Ok(0)
}

/// Stops all processes of a container, or lets them go on.
pub fn pause(containers: &Containers, id: &str, stop: bool) -> Result<u8, Error> {
    let container = containers.find(id)?;
    let status = container.status();
    let (what, fits) = match stop {
        true => ("pause", matches!(status, Status::Running | Status::Created)),
        false => ("resume", status == Status::Paused),
    };
    if !fits {
        return Err(Error::Status { what, id: id.to_string(), status: status.name() });
    }
    let group = container.cgroup()?;
    if stop {
        group.freeze()?
    } else {
        group.thaw()?
    };
    Ok(0)
}
