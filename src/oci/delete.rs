//! `delete`

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::create::undo;
use super::error::Error;
use super::record::{Container, Containers, Status};

/// How long a killed container may take to end, in seconds.
const PATIENCE_SECONDS: i64 = 10;

/// Removes a container: its processes, its control group, its state; then runs the hooks for that.
pub fn delete(containers: &Containers, id: &str, force: bool) -> Result<u8, Error> {
    let container = match containers.find(id) {
        Err(Error::NotFound(_)) if force => return leftover(containers, id),
        result => result?,
    };
    match container.status() {
        Status::Stopped => {}
        Status::Created => end(&container)?,
        _ if force => end(&container)?,
        status => return Err(Error::Status { what: "delete", id: id.to_string(), status: status.name() }),
    }
    let spec = container.spec();
    undo(containers, &container.record)?;
    let hooks = spec.ok().and_then(|spec| spec.hooks().clone());
    let hooks = hooks.as_ref().and_then(|hooks| hooks.poststop().as_ref());
    container.subject().run(hooks, "stopped", 0)?;
    Ok(0)
}

/// What a killed `create` left.
fn leftover(containers: &Containers, id: &str) -> Result<u8, Error> {
    let dir = containers.dir(id)?;
    match std::fs::remove_dir_all(&dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", &dir)(e)),
        _ => Ok(0),
    }
}

/// Kills all processes of a container and waits until the first is gone.
fn end(container: &Container) -> Result<(), Error> {
    let gone = |e: rustix::io::Errno| {
        let path = format!("/proc/{}", container.record.process.pid);
        Error::io("kill", path.as_ref())(e.into())
    };
    let Some(pid) = Pid::from_raw(container.record.process.pid) else { return Ok(()) };
    let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
        Err(rustix::io::Errno::SRCH) => return Ok(()),
        result => result.map_err(gone)?,
    };
    // It may have been another's by the time it was opened.
    if !container.record.process.is_alive() {
        return Ok(());
    }
    match pidfd_send_signal(&pidfd, Signal::KILL) {
        Err(rustix::io::Errno::SRCH) => {}
        result => result.map_err(gone)?,
    }
    container.cgroup()?.kill()?;
    let mut fds = [PollFd::new(&pidfd, PollFlags::IN)];
    let limit = Timespec { tv_sec: PATIENCE_SECONDS, tv_nsec: 0 };
    match poll(&mut fds, Some(&limit)).map_err(gone)? {
        0 => Err(Error::Status { what: "delete", id: container.record.id.clone(), status: "still running" }),
        _ => Ok(()),
    }
}
