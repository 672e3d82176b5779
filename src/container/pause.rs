//! Standing still: the freezer of the container's control group.

use super::error::Error;
use super::events::note_container;
use super::launch::Environment;
use super::record::{Container, Running};
use super::state::State;

/// Stops all processes of a container where they are.
///
/// # Errors
/// [`Error::NotRunning`], [`Error::Paused`], or when there is no freezer.
pub fn pause(env: &Environment, container: &Container) -> Result<(), Error> {
    let running = container.require_running()?;
    if container.state()? == State::Paused {
        return Err(Error::Paused(container.record.name.clone()));
    }
    running.group()?.freeze()?;
    note_container(env, container, "pause", &[]);
    Ok(())
}

/// Lets them go on.
///
/// # Errors
/// [`Error::NotRunning`] or [`Error::NotPaused`].
pub fn unpause(env: &Environment, container: &Container) -> Result<(), Error> {
    let running = container.require_running()?;
    if container.state()? != State::Paused {
        return Err(Error::NotPaused(container.record.name.clone()));
    }
    running.group()?.thaw()?;
    note_container(env, container, "unpause", &[]);
    Ok(())
}

/// A frozen process takes no signal.
pub(super) fn thaw_if_paused(running: &Running) -> Result<(), Error> {
    if running.cgroup.is_empty() {
        return Ok(());
    }
    let group = running.group()?;
    if !group.is_frozen().unwrap_or(false) {
        return Ok(());
    }
    match group.thaw() {
        // Awake, it may end at once, and the group with it.
        Err(_) if !running.process.is_alive() => Ok(()),
        result => Ok(result?),
    }
}
