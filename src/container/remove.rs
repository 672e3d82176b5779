//! Removing containers.

use super::error::Error;
use super::launch::Environment;
use super::record::{Container, Status};
use super::stop::kill_and_wait;
use super::teardown::teardown_and_remove;
use super::volume::{MountKind, Volumes};

/// A container that was removed.
#[derive(Clone, Debug)]
pub struct Removed {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Bytes of its writable layer and log.
    pub size: u64,
}

/// Removes a container; a running one is killed first when `force` says so. With `volumes`, those volumes too that nobody
/// named and nobody else has.
///
/// # Errors
/// [`Error::Running`] for a running one without `force`.
pub fn remove(
    env: &Environment,
    container: &Container,
    force: bool,
    volumes: bool,
) -> Result<Removed, Error> {
    if let Status::Running(_) = container.status()? {
        if !force {
            return Err(Error::Running(container.record.name.clone()));
        }
        kill_and_wait(env, container)?;
    }
    let size = disk_usage(&container.dir);
    // Its supervisor may have removed it meanwhile (--rm).
    if container.dir.exists() {
        teardown_and_remove(env, container)?;
    }
    if volumes {
        remove_volumes(env, container)?;
    }
    Ok(Removed { id: container.record.id.clone(), name: container.record.name.clone(), size })
}

/// The volumes that a removed container had and nobody named. One that another container shares stays for it.
pub(super) fn remove_volumes(env: &Environment, container: &Container) -> Result<(), Error> {
    let own = container.record.options.mounts.iter().filter(|mount| mount.anonymous);
    for mount in own {
        let MountKind::Volume(name) = &mount.kind else { continue };
        match Volumes::new(env.store.root()).remove(&env.containers, name) {
            Err(Error::NoVolume(_) | Error::VolumeInUse { .. }) => {}
            result => result?,
        }
    }
    Ok(())
}

/// Removes (or, with `dry_run`, only names) those containers that are not running and that `wanted` picks.
///
/// # Errors
/// When the containers cannot be listed or one cannot be removed.
pub fn prune_stopped(
    env: &Environment,
    dry_run: bool,
    wanted: impl Fn(&Container) -> bool,
) -> Result<Vec<Removed>, Error> {
    let mut removed = Vec::new();
    for container in env.containers.list()?.into_iter().filter(wanted) {
        if matches!(container.status()?, Status::Running(_)) {
            continue;
        }
        let Some(_lock) = container.try_lock()? else { continue };
        if dry_run {
            let size = disk_usage(&container.dir);
            removed.push(Removed { id: container.record.id, name: container.record.name, size });
        } else {
            removed.push(remove(env, &container, false, false)?);
        }
    }
    Ok(removed)
}

/// Bytes that a directory's files take on disk.
pub(super) fn disk_usage(dir: &std::path::Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => disk_usage(&entry.path()),
        Ok(meta) => meta.blocks() * 512,
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}
