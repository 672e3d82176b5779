//! Stopping, signalling and awaiting containers.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::error::Error;
use super::events::note_container;
use super::exit::Exit;
use super::launch::Environment;
use super::record::{Container, Running, Status};
use super::teardown::sweep;
use crate::kernel::process::pidfd_send_signal;

/// How long a supervisor has to record an end after the process is gone.
const RECORD_GRACE: Duration = Duration::from_secs(10);

/// Asks a container to stop with its stop signal (or `signal`), and kills it when it is still there after `grace`.
/// Returns false when it was not running.
///
/// # Errors
/// When the signal cannot be sent.
pub fn stop(
    env: &Environment,
    container: &Container,
    signal: Option<i32>,
    grace: Duration,
) -> Result<bool, Error> {
    let Status::Running(running) = container.status()? else { return Ok(false) };
    let Some(pidfd) = open(&running)? else { return Ok(false) };
    let signal = signal.unwrap_or(container.record.stop_signal);
    send(&pidfd, signal)?;
    note_kill(env, container, signal);
    if !ended_within(&pidfd, Some(grace))? {
        send(&pidfd, libc::SIGKILL)?;
        note_kill(env, container, libc::SIGKILL);
        ended_within(&pidfd, None)?;
    }
    wait_for_record(env, container)?;
    note_container(env, container, "stop", &[]);
    Ok(true)
}

/// Sends a signal to a container's first process.
///
/// # Errors
/// [`Error::NotRunning`] when it is not running.
pub fn kill(env: &Environment, container: &Container, signal: i32) -> Result<(), Error> {
    let running = container.require_running()?;
    match open(&running)? {
        Some(pidfd) => {
            send(&pidfd, signal)?;
            note_kill(env, container, signal);
            Ok(())
        }
        None => Err(Error::NotRunning(container.record.name.clone())),
    }
}

fn note_kill(env: &Environment, container: &Container, signal: i32) {
    note_container(env, container, "kill", &[("signal", signal.to_string())]);
}

/// Kills a container and waits until its end is recorded.
pub(super) fn kill_and_wait(env: &Environment, container: &Container) -> Result<(), Error> {
    stop(env, container, Some(libc::SIGKILL), Duration::ZERO).map(drop)
}

/// Waits until a container has ended and returns how.
///
/// # Errors
/// When its records cannot be read. A container that was never started is not waited for.
pub fn wait(env: &Environment, container: &Container) -> Result<Exit, Error> {
    if let Status::Running(running) = container.status()?
        && let Some(pidfd) = open(&running)?
    {
        ended_within(&pidfd, None)?;
    }
    wait_for_record(env, container)
}

/// The process is gone; its supervisor writes the exit record and, with `--rm`, removes everything.
fn wait_for_record(env: &Environment, container: &Container) -> Result<Exit, Error> {
    let deadline = Instant::now() + RECORD_GRACE;
    let mut last = None;
    loop {
        last = container.exit()?.or(last);
        let supervised = container.dir.exists() && container.try_lock().is_ok_and(|lock| lock.is_none());
        if !supervised || Instant::now() > deadline {
            break;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    match last.or(container.exit()?) {
        Some(exit) => Ok(exit),
        None => {
            sweep(env)?;
            Ok(container.exit()?.unwrap_or_else(Exit::unknown))
        }
    }
}

/// A pidfd of the container's process; none when it is gone. The start time is checked after opening, so that
/// the descriptor cannot be another process's.
fn open(running: &Running) -> Result<Option<OwnedFd>, Error> {
    let Some(pid) = Pid::from_raw(running.process.pid) else { return Ok(None) };
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(fd) => Ok(running.process.is_alive().then_some(fd)),
        Err(Errno::SRCH) => Ok(None),
        Err(e) => Err(Error::System("open the container's process", e.into())),
    }
}

fn send(pidfd: &OwnedFd, signal: i32) -> Result<(), Error> {
    match pidfd_send_signal(pidfd, signal) {
        Err(rustix::io::Errno::SRCH) => Ok(()),
        result => result.map_err(|e| Error::System("signal the container", e.into())),
    }
}

/// Waits for the process's end; false when `limit` passed first.
fn ended_within(pidfd: &OwnedFd, limit: Option<Duration>) -> Result<bool, Error> {
    let deadline = limit.map(|limit| Instant::now() + limit);
    loop {
        let left = deadline.map(|d| d.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        let mut fds = [PollFd::new(pidfd, PollFlags::IN)];
        match poll(&mut fds, timeout.as_ref()) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::INTR) => {}
            Err(e) => return Err(Error::System("wait for the container", e.into())),
        }
    }
}
