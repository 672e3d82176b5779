//! Stopping, signalling and awaiting containers.

use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::error::Error;
use super::events::note_container;
use super::exit::Exit;
use super::launch::Environment;
use super::pause::thaw_if_paused;
use super::record::{Container, Status};
use super::state::{Mark, State};
use super::teardown::sweep;
use crate::runtime::Process;

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
    stop_for(env, container, signal, grace, Some(Mark::Stopped))
}

/// The same for a machine that goes down: what its restart policy wants to run is started again with it.
///
/// # Errors
/// As [`stop`].
pub fn stop_for_shutdown(env: &Environment, container: &Container, grace: Duration) -> Result<bool, Error> {
    container.mark(Mark::Again)?;
    let stopped = stop_for(env, container, None, grace, None);
    container.unmark(Mark::Again)?;
    // That is for its supervisor, which was told that there is more to come.
    if stopped.is_ok() && container.dir.exists() {
        super::ending::remove_if_asked(env, container)?;
    }
    stopped
}

/// Ends a container for a reason that its supervisor is told by a mark.
pub(super) fn stop_for(
    env: &Environment,
    container: &Container,
    signal: Option<i32>,
    grace: Duration,
    mark: Option<Mark>,
) -> Result<bool, Error> {
    let stopped = end(env, container, signal, grace, mark)?;
    if stopped == Some(End::Waited) {
        note_container(env, container, "stop", &[]);
    }
    Ok(stopped.is_some())
}

/// How a container that was active ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It was between two starts, and is not started again.
    Paused,
    /// By a signal.
    Waited,
}

/// Ends a container; none if it was not active.
fn end(
    env: &Environment,
    container: &Container,
    signal: Option<i32>,
    grace: Duration,
    mark: Option<Mark>,
) -> Result<Option<End>, Error> {
    if !is_active(container)? {
        return Ok(None);
    }
    mark.map_or(Ok(()), |mark| container.mark(mark))?;
    let Status::Running(running) = container.status()? else {
        return end_pause(container).map(|()| Some(End::Paused));
    };
    let Some(process) = running.process.open()? else { return Ok(None) };
    let signal = signal.unwrap_or(container.record.stop_signal);
    send(&process, signal)?;
    note_kill(env, container, signal);
    thaw_if_paused(&running)?;
    // Nothing is stronger than that.
    let grace = Some(grace).filter(|_| signal != libc::SIGKILL);
    if !ended_within(&process, grace)? {
        send(&process, libc::SIGKILL)?;
        note_kill(env, container, libc::SIGKILL);
        ended_within(&process, None)?;
    }
    wait_for_record(env, container)?;
    Ok(Some(End::Waited))
}

/// Whether it runs, or is about to run again.
fn is_active(container: &Container) -> Result<bool, Error> {
    Ok(matches!(container.state()?, State::Running | State::Paused | State::Restarting))
}

/// Ends the pause of a monitor that is about to start its container again: it looks at the marks when somebody comes.
fn end_pause(container: &Container) -> Result<(), Error> {
    let deadline = Instant::now() + RECORD_GRACE;
    while container.is_supervised() && Instant::now() < deadline {
        super::packet::connect_to(&container.dir)?;
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// Sends a signal to a container's first process.
///
/// # Errors
/// [`Error::NotRunning`] when it is not running.
pub fn kill(env: &Environment, container: &Container, signal: i32) -> Result<(), Error> {
    let running = container.require_running()?;
    // Docker: who kills it, or asks it to stop, does not want it back.
    if [libc::SIGKILL, container.record.stop_signal].contains(&signal) {
        container.mark(Mark::Stopped)?;
    }
    match running.process.open()? {
        Some(process) => {
            send(&process, signal)?;
            note_kill(env, container, signal);
            if signal == libc::SIGKILL { thaw_if_paused(&running) } else { Ok(()) }
        }
        None => Err(Error::NotRunning(container.record.name.clone())),
    }
}

fn note_kill(env: &Environment, container: &Container, signal: i32) {
    note_container(env, container, "kill", &[("signal", signal.to_string())]);
}

/// Kills a container and waits until its end is recorded.
pub(super) fn kill_and_wait(env: &Environment, container: &Container) -> Result<(), Error> {
    end(env, container, Some(libc::SIGKILL), Duration::ZERO, Some(Mark::Stopped)).map(drop)
}

/// Waits until a container has ended and returns how.
///
/// # Errors
/// When its records cannot be read. A container that was never started is not waited for.
pub fn wait(env: &Environment, container: &Container) -> Result<Exit, Error> {
    let process = match container.status()? {
        Status::Running(running) => running.process.open()?,
        _ => None,
    };
    // Of one that is removed at its end, there may be no record; its process tells as much as it can.
    let code = process.map(|process| process.wait());
    match (recorded(container)?, code) {
        (Some(exit), _) => Ok(exit),
        (None, Some(Ok(code))) if !container.dir.exists() => Ok(Exit::now(code, false, "")),
        (None, _) => mended(env, container),
    }
}

/// The process is gone; its supervisor writes the exit record and, with `--rm`, removes everything.
fn wait_for_record(env: &Environment, container: &Container) -> Result<Exit, Error> {
    match recorded(container)? {
        Some(exit) => Ok(exit),
        None => mended(env, container),
    }
}

/// The end of a container that has no supervisor any more.
fn mended(env: &Environment, container: &Container) -> Result<Exit, Error> {
    sweep(env)?;
    Ok(container.exit()?.unwrap_or_else(Exit::unknown))
}

fn recorded(container: &Container) -> Result<Option<Exit>, Error> {
    let deadline = Instant::now() + RECORD_GRACE;
    let mut last = None;
    loop {
        last = container.exit()?.or(last);
        if last.as_ref().is_some_and(|exit: &Exit| exit.next_start.is_some()) {
            // Its supervisor stays.
            break;
        }
        if !container.is_supervised() || Instant::now() > deadline {
            break;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(last.or(container.exit()?))
}

/// Sends a signal; that the process has just ended is no error.
fn send(process: &Process, signal: i32) -> Result<(), Error> {
    match process.kill(signal) {
        Err(e) if e.raw_os_error() == Some(libc::ESRCH) => Ok(()),
        result => result.map_err(|e| Error::System("signal the container", e)),
    }
}

/// Waits for the process's end; false when `limit` passed first.
fn ended_within(process: &Process, limit: Option<Duration>) -> Result<bool, Error> {
    let deadline = limit.map(|limit| Instant::now() + limit);
    loop {
        let left = deadline.map(|d| d.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        let mut fds = [PollFd::from_borrowed_fd(process.pidfd(), PollFlags::IN)];
        match poll(&mut fds, timeout.as_ref()) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::INTR) => {}
            Err(e) => return Err(Error::System("wait for the container", e.into())),
        }
    }
}
