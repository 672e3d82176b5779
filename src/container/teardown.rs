//! Taking down what a container used, and mending what dead supervisors left.

use std::fs;
use std::io;

use super::error::Error;
use super::exit::Exit;
use super::files::on;
use super::launch::Environment;
use super::networks;
use super::record::{Container, Status};
use super::remove::remove_volumes;
use crate::runtime::cgroup::Cgroup;

/// What was found while taking a container down.
#[derive(Clone, Copy, Debug, Default)]
pub struct Down {
    /// The memory limit killed something in it.
    pub oom_killed: bool,
}

/// Frees network, control group, address and ids of a container whose process is gone or is to go. May be
/// called again at any time.
///
/// # Errors
/// The first failure; the other steps are tried all the same.
pub fn teardown(env: &Environment, container: &Container) -> Result<Down, Error> {
    let id = &container.record.id;
    let running = container.running_record()?;
    let mut down = Down::default();
    let mut first = Ok(());
    let mut step = |result: Result<(), Error>| {
        if let (Ok(()), Err(error)) = (&first, result) {
            first = Err(error);
        }
    };
    step(remove_cgroup(&env.cgroup_of(&container.record), &mut down));
    let links = running.map_or_else(Vec::new, |running| running.networks);
    step(networks::detach_all(env, &container.record, &links));
    step(env.addresses().release(id).map_err(Error::from));
    step(env.ids().release(id));
    first.map(|()| down)
}

fn remove_cgroup(path: &str, down: &mut Down) -> Result<(), Error> {
    if path.is_empty() {
        return Ok(());
    }
    let cgroup = Cgroup::open(path)?;
    down.oom_killed = cgroup.oom_kills().is_ok_and(|kills| kills > 0);
    cgroup.kill()?;
    cgroup.delete().map_err(Error::from)
}

/// Takes a container down and removes its directory and name.
///
/// # Errors
/// When something could not be removed; calling it again goes on.
pub fn teardown_and_remove(env: &Environment, container: &Container) -> Result<(), Error> {
    teardown(env, container)?;
    forget(env, container)
}

/// Removes the directory and name of a container that was taken down; with `--rm`, also its volumes that nobody named.
///
/// # Errors
/// As [`teardown_and_remove`].
pub fn forget(env: &Environment, container: &Container) -> Result<(), Error> {
    env.containers.release_name(&container.record.name, &container.record.id)?;
    remove_dir(&container.dir)?;
    match container.record.options.auto_remove {
        true => remove_volumes(env, container),
        false => Ok(()),
    }
}

/// Removes a container's directory, its record last, so that a half-removed one is still known.
fn remove_dir(dir: &std::path::Path) -> Result<(), Error> {
    let gone = |e: &io::Error| e.kind() == io::ErrorKind::NotFound;
    let rw = dir.join("rw");
    match fs::remove_dir_all(&rw) {
        Err(e) if !gone(&e) => return Err(on("remove", &rw)(e)),
        _ => {}
    }
    match fs::remove_dir_all(dir) {
        Err(e) if !gone(&e) => Err(on("remove", dir)(e)),
        _ => Ok(()),
    }
}

/// Looks after containers whose supervisor is gone: records their end, takes them down, removes those that were
/// to be removed. One that still runs without a supervisor is left running.
///
/// # Errors
/// When the containers cannot be listed; a single one's failure is only logged.
pub fn sweep(env: &Environment) -> Result<(), Error> {
    for dir in env.containers.dirs()? {
        if let Err(error) = sweep_one(env, &dir) {
            tracing::warn!(%error, dir = %dir.display(), "container not mended");
        }
    }
    Ok(())
}

fn sweep_one(env: &Environment, dir: &std::path::Path) -> Result<(), Error> {
    let Some(container) = Container::load(dir)? else { return sweep_half_made(env, dir) };
    if networks::may_have_names(&container)
        && let Status::Running(running) = container.status()?
    {
        networks::ensure_names(env, &container, &running)?;
    }
    let Some(_lock) = container.try_lock()? else { return Ok(()) };
    let (running, exit) = (container.running_record()?, container.exit()?);
    match (&running, &exit) {
        (Some(running), None) if running.process.is_alive() => return Ok(()),
        (Some(_), None) => {
            let down = teardown(env, &container)?;
            let mut exit = Exit::unknown();
            exit.oom_killed = down.oom_killed;
            container.write_exit(&exit)?;
        }
        _ => {}
    }
    if container.record.options.auto_remove {
        teardown_and_remove(env, &container)?;
    }
    Ok(())
}

/// A directory without a record, whose maker is gone.
fn sweep_half_made(env: &Environment, dir: &std::path::Path) -> Result<(), Error> {
    let lock = dir.join("lock");
    let free = match fs::File::open(&lock) {
        Ok(file) => rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_ok(),
        // Nobody makes a directory just now, so its maker is gone.
        Err(_) => env.containers.making(true)?.is_some(),
    };
    if !free {
        return Ok(());
    }
    // The name first: while the directory is there, the next sweep comes back to it.
    let id = dir.file_name().unwrap_or_default().to_string_lossy();
    env.containers.release_names_of(&id)?;
    remove_dir(dir)
}
