//! Taking down what a container used, and mending what dead supervisors left.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout};

use super::error::Error;
use super::events::{note_container, note_end};
use super::exit::Exit;
use super::files::on;
use super::launch::Environment;
use super::monitor::adopt;
use super::networks;
use super::quota::unbound;
use super::record::{Container, Status};
use super::remove::remove_volumes;
use super::state::Mark;
use crate::kernel::process::{Cloned, clone, exit_now};
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
    let running = container.last_run()?;
    let mut down = Down::default();
    let mut first = Ok(());
    let mut step = |result: Result<(), Error>| {
        if let (Ok(()), Err(error)) = (&first, result) {
            first = Err(error);
        }
    };
    let group = env.cgroup_of(&container.record);
    step(remove_cgroup(&group, &mut down));
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
    if let Some(trash) = discard(env, container)? {
        remove_tree(&trash)?;
    }
    Ok(())
}

/// The same, with files that are removed by a process that goes on after this one: their inodes cost milliseconds. What it does
/// not get to, 'lay prune' does.
///
/// # Errors
/// As [`forget`]. The caller must be single-threaded.
pub(super) fn forget_behind(env: &Environment, container: &Container) -> Result<(), Error> {
    let Some(trash) = discard(env, container)? else { return Ok(()) };
    match behind(|| drop(remove_tree(&trash))) {
        Ok(()) => Ok(()),
        Err(_) => remove_tree(&trash),
    }
}

/// Moves a container's directory out of the way, and frees its name and volumes; where the directory is now, if it was there.
fn discard(env: &Environment, container: &Container) -> Result<Option<PathBuf>, Error> {
    // It may have been renamed.
    let name = Container::load(&container.dir)?.map_or(container.record.name.clone(), |c| c.record.name);
    env.containers.release_name(&name, &container.record.id)?;
    unbound(&container.record, &container.path("rw"));
    let trash = env.store.root().join("trash").join(format!("container-{}", container.record.id));
    // By one step, so that there is no half of it.
    let moved = match fs::rename(&container.dir, &trash) {
        Ok(()) => Some(trash),
        Err(e) if e.kind() == io::ErrorKind::NotFound && !container.dir.exists() => None,
        // Perhaps on another file system.
        Err(_) => Some(container.dir.clone()),
    };
    note_container(env, container, "destroy", &[]);
    if container.record.options.auto_remove {
        remove_volumes(env, container)?;
    }
    Ok(moved)
}

fn remove_tree(dir: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(on("remove", dir)(e)),
        _ => Ok(()),
    }
}

/// Does something in a process of its own, which holds nothing that others wait for, and which nobody waits for.
fn behind(work: impl FnOnce()) -> Result<(), Error> {
    let null = Path::new("/dev/null");
    let null = fs::File::open(null).map_err(on("open", null))?;
    match clone(0).map_err(|e| Error::System("start a process", e.into()))? {
        Cloned::Parent { .. } => Ok(()),
        Cloned::Child => {
            let _ = rustix::process::setsid();
            // Somebody may wait for the end of what this process's standard streams lead to.
            let streams = [dup2_stdin(&null), dup2_stdout(&null), dup2_stderr(&null)];
            if streams.iter().all(Result::is_ok) {
                work();
            }
            // Whoever closes the last descriptor of a mount takes it apart, and that is to be this process.
            exit_now(0)
        }
    }
}

/// Looks after containers whose supervisor is gone: records their end, takes them down, removes those that were
/// to be removed. One that still runs gets another monitor.
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

/// The same for one container that a command is about: one that runs gets another monitor.
///
/// # Errors
/// When it cannot be mended.
pub fn mend(env: &Environment, container: &Container) -> Result<(), Error> {
    sweep_one(env, &container.dir)
}

pub(super) fn sweep_one(env: &Environment, dir: &Path) -> Result<(), Error> {
    let Some(container) = Container::load(dir)? else { return sweep_half_made(env, dir) };
    if networks::may_have_names(&container)
        && let Status::Running(running) = container.status()?
    {
        networks::ensure_names(env, &container, &running)?;
    }
    let Some(lock) = container.try_lock()? else { return Ok(()) };
    let (running, exit) = (container.last_run()?, container.exit()?);
    match (&running, &exit) {
        (Some(running), None) if running.process.is_alive() => return adopt(&container, lock),
        (Some(_), None) => {
            let down = teardown(env, &container)?;
            let mut exit = Exit::unknown();
            exit.oom_killed = down.oom_killed;
            container.write_exit(&exit)?;
            note_end(env, &container, &exit);
        }
        (_, Some(exit)) if exit.next_start.is_some() => {
            let exit = Exit { next_start: None, ..exit.clone() };
            container.write_exit(&exit)?;
        }
        _ => {}
    }
    if container.record.options.auto_remove && !container.is_marked(Mark::Idle) {
        teardown_and_remove(env, &container)?;
    }
    Ok(())
}

/// A directory without a record, whose maker is gone.
fn sweep_half_made(env: &Environment, dir: &Path) -> Result<(), Error> {
    // While nobody makes a directory: its maker is between making the lock and taking it otherwise.
    let Some(_making) = env.containers.making(true)? else { return Ok(()) };
    let free = match fs::File::open(dir.join("lock")) {
        Ok(file) => rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_ok(),
        Err(_) => true,
    };
    // It may have been finished, and left to a later start, since it was looked at.
    if !free || Container::load(dir)?.is_some() {
        return Ok(());
    }
    // The name first: while the directory is there, the next sweep comes back to it.
    let id = dir.file_name().unwrap_or_default().to_string_lossy();
    env.containers.release_names_of(&id)?;
    remove_tree(dir)
}
