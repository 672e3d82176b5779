//! Starting containers that exist, again or for the first time.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use super::create::Created;
use super::error::Error;
use super::events::note_container;
use super::files::remove_if_there;
use super::launch::Environment;
use super::monitor::detach_with;
use super::record::{Container, Status};
use super::state::{Mark, State};
use super::stop::stop_for;

/// How long a supervisor may take to be gone after its container ended.
const PATIENCE: Duration = Duration::from_secs(10);

/// Starts a container in the background; one that runs stays as it is. `client` is the socket of somebody who is attached from
/// the beginning (see [`super::attach`]).
///
/// # Errors
/// When it is paused, or cannot be started.
pub fn start(env: &Environment, container: &Container, client: Option<OwnedFd>) -> Result<(), Error> {
    let Some(lock) = lock(container)? else { return Ok(()) };
    for mark in [Mark::Stopped, Mark::Idle, Mark::Again] {
        container.unmark(mark)?;
    }
    remove_if_there(&container.path("exit.json"))?;
    let container = env.containers.find(&container.record.id)?;
    detach_with(Created { container, lock }, client).map(drop)
}

/// The right to supervise a container that does not run; none if it runs.
fn lock(container: &Container) -> Result<Option<OwnedFd>, Error> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(lock) = container.try_lock()? {
            return match container.status()? {
                // It has lost its supervisor.
                Status::Running(_) => Ok(None),
                _ => Ok(Some(lock)),
            };
        }
        match container.state()? {
            State::Running | State::Restarting => return Ok(None),
            State::Paused => return Err(Error::Paused(container.record.name.clone())),
            // Its supervisor has not started it yet, or is about to end.
            _ if Instant::now() > deadline => return Err(Error::Monitor(container.short_id().to_string())),
            _ => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

/// Stops a container if it runs, and starts it.
///
/// # Errors
/// As [`super::stop`] and [`start`].
pub fn restart(
    env: &Environment,
    container: &Container,
    signal: Option<i32>,
    grace: Duration,
) -> Result<(), Error> {
    // Were it removed at its end, there would be nothing left to start.
    container.mark(Mark::Again)?;
    let stopped = stop_for(env, container, signal, grace, None);
    if let Err(error) = stopped {
        container.unmark(Mark::Again)?;
        return Err(error);
    }
    start(env, container, None)?;
    note_container(env, container, "restart", &[]);
    Ok(())
}

/// A container, and how its start went.
pub type Started = (Container, Result<(), Error>);

/// Starts the containers that their restart policy wants to run after a boot; how each start went.
///
/// # Errors
/// When the containers cannot be listed.
pub fn start_wanted(env: &Environment) -> Result<Vec<Started>, Error> {
    super::sweep(env)?;
    let mut started = Vec::new();
    for container in env.containers.list()?.into_iter().rev() {
        let status = container.status()?;
        let Status::Exited(exit) = &status else { continue };
        let policy = container.record.options.restart;
        let restarts = container.last_run()?.map_or(0, |running| running.restarts);
        let stopped = container.is_marked(Mark::Stopped);
        if policy.wants_after_boot(exit.code, restarts, stopped)
            && container.state_of(&status) != State::Restarting
        {
            let result = start(env, &container, None);
            started.push((container, result));
        }
    }
    Ok(started)
}
