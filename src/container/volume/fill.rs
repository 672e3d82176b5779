//! A new volume takes over what the image has at its place.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::path::Path;

use super::{MountKind, MountRequest, Volumes};
use crate::container::error::Error;
use crate::container::files::{on, remove_if_there};
use crate::container::lock::locked_dir;
use crate::kernel::tree;
use crate::snapshot::Files;

/// Stands in a volume's directory while it is being filled.
const FILLING: &str = "filling";

/// Fills the empty volumes among a container's mounts, with owners and all, from its root before it starts.
///
/// # Errors
/// When a volume cannot be made or filled; one that was being filled is empty again.
pub fn fill(volumes: &Volumes, mounts: &[MountRequest], root: &Files) -> Result<(), Error> {
    for mount in mounts {
        let MountKind::Volume(name) = &mount.kind else { continue };
        let content = volumes.ensure(name, mount.anonymous)?;
        if mount.no_copy || content.read_only || !content.path.is_dir() {
            continue;
        }
        let Some(source) = root.directory(&mount.target)? else { continue };
        fill_one(&volumes.path(name), &content.path, &source)?;
    }
    Ok(())
}

fn fill_one(dir: &Path, data: &Path, source: &OwnedFd) -> Result<(), Error> {
    // Containers that start at the same time fill it once.
    let _lock = locked_dir(dir)?;
    let mark = dir.join(FILLING);
    if mark.exists() {
        // Whoever filled it was killed.
        empty(data)?;
    } else if fs::read_dir(data).map_err(on("read", data))?.next().is_some() {
        return Ok(());
    }
    fs::write(&mark, "").map_err(on("create", &mark))?;
    let target = File::open(data).map_err(on("open", data))?.into();
    let copied = tree::copy(source, &target).map_err(|e| on("fill", data)(e.into()));
    if copied.is_err() {
        empty(data)?;
    }
    remove_if_there(&mark)?;
    copied
}

fn empty(data: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(data).map_err(on("read", data))? {
        let entry = entry.map_err(on("read", data))?;
        let path = entry.path();
        let is_dir = entry.file_type().map_err(on("examine", &path))?.is_dir();
        let removed = if is_dir { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(on("remove", &path))?;
    }
    Ok(())
}
