//! The root that the runtime core mounts for a container: its snapshot.

use std::os::fd::{BorrowedFd, OwnedFd};

use super::error::Error;
use super::files::remove_if_there;
use super::keep;
use super::launch::Environment;
use super::quota;
use super::record::Container;
use crate::runtime::Rootfs;
use crate::snapshot::{Originals, Snapshot, create_upper};

/// Where supervisors tell which layers they have mounted, in the store.
const MOUNTS: &str = "mounts";

/// Gathers the layers of a container and makes its writable directory.
///
/// # Errors
/// When a layer is missing or the directory cannot be made.
pub fn snapshot(env: &Environment, container: &Container) -> Result<Snapshot, Error> {
    let store = keep::layers(env)?;
    let layer = |diff_id| store.layer(diff_id).ok_or(Error::MissingLayer(*diff_id));
    let layers = container.record.layers.iter().map(layer).collect::<Result<Vec<_>, _>>()?;
    let mut snapshot = Snapshot {
        layers,
        ephemeral: container.record.options.auto_remove,
        via: env.via,
        kept: Originals::shared(store.root().join(MOUNTS)).kept(),
        ..Snapshot::default()
    };
    let dir = container.path("rw");
    if !dir.is_dir() {
        quota::bound(&container.record, &dir)?;
        create_upper(&dir, &snapshot)?;
    }
    snapshot.upper = Some(dir);
    Ok(snapshot)
}

/// Removes what is kept about layers that the store has no longer.
///
/// # Errors
/// When something cannot be removed.
pub fn sweep_layers(env: &Environment) -> Result<(), Error> {
    let store = env.store.root();
    for entry in std::fs::read_dir(store.join(MOUNTS)).into_iter().flatten().flatten() {
        if !store.join("layers").join(entry.file_name()).exists() {
            remove_if_there(&entry.path())?;
        }
    }
    keep::sweep(env)
}

impl Rootfs for Snapshot {
    fn mount(
        &self,
        userns: Option<BorrowedFd<'_>>,
    ) -> Result<OwnedFd, Box<dyn std::error::Error + Send + Sync>> {
        Snapshot::mount(self, userns).map_err(Into::into)
    }
}
