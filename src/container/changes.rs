//! What a container has changed, and its whole tree, as archives.

use std::io::Write;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use super::error::Error;
use super::launch::Environment;
use super::record::{Container, Status};
use super::remove::disk_usage;
use super::rootfs::snapshot;
use crate::layer::archive::{self, Change};
use crate::snapshot::Snapshot;

/// How a path differs from the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It is there in both.
    Changed,
    /// It is gone.
    Deleted,
}

/// Paths that a container has changed, in order, as `docker diff` tells them. Mount points that were only made for it count.
///
/// # Errors
/// When its files cannot be read.
pub fn changes(env: &Environment, container: &Container) -> Result<Vec<(PathBuf, ChangeKind)>, Error> {
    let snapshot = snapshot(env, container)?;
    let image = Snapshot { upper: None, ..snapshot.clone() }.peek()?;
    let mut list = Vec::new();
    let mut failed = None;
    archive::walk_changes(&upper(container), &mut |path, change| {
        let kind = match (change, image.exists(path)) {
            (Change::Deleted, _) => ChangeKind::Deleted,
            (Change::Present, Ok(true)) => ChangeKind::Changed,
            (Change::Present, Ok(false)) => ChangeKind::Added,
            (Change::Present, Err(e)) => {
                failed = Some(e);
                return;
            }
        };
        list.push((Path::new("/").join(path), kind));
    })?;
    match failed {
        Some(e) => Err(e.into()),
        None => Ok(list),
    }
}

/// Archives a container's whole tree, without what is mounted in it.
///
/// # Errors
/// When its files cannot be read or the archive cannot be written.
pub fn export(env: &Environment, container: &Container, out: impl Write) -> Result<(), Error> {
    frozen(container, || {
        let files = snapshot(env, container)?.peek()?;
        let root = format!("/proc/self/fd/{}/.", files.as_fd().as_raw_fd());
        archive::tree(Path::new(&root), out).map_err(Error::from)
    })
}

/// Archives what a container has changed, as a layer over its image.
///
/// # Errors
/// As [`export`].
pub fn archive_changes(env: &Environment, container: &Container, out: impl Write) -> Result<(), Error> {
    // One that never ran has no directory yet.
    if !upper(container).is_dir() {
        snapshot(env, container)?;
    }
    frozen_upper(container, |upper| archive::changes(upper, out).map_err(Error::from))
}

/// Runs `work` on the directory that holds a container's changes, while its processes stand still.
///
/// # Errors
/// What `work` returns, or that they could not be stopped.
pub fn frozen_upper<T, E: From<Error>>(
    container: &Container,
    work: impl FnOnce(&Path) -> Result<T, E>,
) -> Result<T, E> {
    frozen(container, || work(&upper(container)))
}

fn upper(container: &Container) -> PathBuf {
    container.path("rw").join("upper")
}

impl Container {
    /// Bytes that its own files take on disk.
    pub fn written(&self) -> u64 {
        disk_usage(&upper(self))
    }
}

fn frozen<T, E: From<Error>>(container: &Container, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let Status::Running(running) = container.status()? else { return work() };
    let Ok(cgroup) = running.group() else { return work() };
    // One that ends just now takes its group with it, and stands still anyway.
    let unless_ended = |result: Result<(), _>| match result {
        Err(_) if !running.process.is_alive() => Ok(()),
        result => result.map_err(Error::from),
    };
    unless_ended(cgroup.freeze())?;
    let result = work();
    unless_ended(cgroup.thaw())?;
    result
}
