//! Waiting for more than an end: `lay wait --condition`.

use std::time::Duration;

use super::error::Error;
use super::exit::Exit;
use super::launch::Environment;
use super::record::{Container, Status};
use super::stop::wait;
use crate::kernel::watch::Watch;

/// How long it is waited at most before it is looked again.
const PATIENCE: Duration = Duration::from_millis(500);

/// What is waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// It does not run.
    #[default]
    NotRunning,
    /// It ends the next time, though it may not run yet.
    NextExit,
    /// It is gone.
    Removed,
}

/// Waits until `condition` is met and returns how the container ended.
///
/// # Errors
/// When its records cannot be read.
pub fn wait_for(env: &Environment, container: &Container, condition: Condition) -> Result<Exit, Error> {
    let failed = |e: rustix::io::Errno| Error::System("watch the container", e.into());
    match condition {
        Condition::NotRunning => wait(env, container),
        Condition::NextExit => {
            let before = container.exit()?.map(|exit| exit.finished);
            let watch = Watch::directory(&container.dir).map_err(failed)?;
            loop {
                let status = container.status()?;
                match (&status, container.exit()?) {
                    (Status::Running(_), _) => return wait(env, container),
                    // It started and ended between two looks.
                    (_, Some(exit)) if Some(&exit.finished) != before.as_ref() => return Ok(exit),
                    _ if !container.dir.exists() => {
                        return Err(Error::NotFound(container.record.name.clone()));
                    }
                    _ => pause(watch.as_ref())?,
                }
            }
        }
        Condition::Removed => {
            let watch = Watch::directory(container.dir.parent().unwrap_or(&container.dir)).map_err(failed)?;
            let mut exit = None;
            while container.dir.exists() {
                exit = match container.status() {
                    Ok(Status::Running(_)) => Some(wait(env, container)?),
                    _ => container.exit().ok().flatten().or(exit),
                };
                if container.dir.exists() {
                    pause(watch.as_ref())?;
                }
            }
            Ok(exit.unwrap_or_else(|| Exit::now(0, false, "")))
        }
    }
}

fn pause(watch: Option<&Watch>) -> Result<(), Error> {
    match watch {
        Some(watch) => watch.wait(PATIENCE).map_err(|e| Error::System("watch the container", e.into())),
        None => {
            std::thread::sleep(Duration::from_millis(50));
            Ok(())
        }
    }
}
