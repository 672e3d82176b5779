//! Mounts of layers before and after the container that they are for.
//!
//! Mounting an EROFS file takes a third of a millisecond, so what was mounted for a lookup serves the container too. And the
//! kernel takes a detached mount apart within the last close(2) of it, which takes longer than a millisecond (a grace period of
//! RCU, `namespace_unlock` in `fs/namespace.c`): so what an overlay was made of, and holds copies of, is closed when nobody
//! waits for it.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Detached mounts.
#[derive(Clone, Debug, Default)]
pub struct Kept(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// By the path of their layer.
    layers: HashMap<PathBuf, OwnedFd>,
    /// Those that nobody needs any more.
    spent: Vec<OwnedFd>,
}

impl Kept {
    /// Takes the mount of a layer, if there is one. Whoever has it by another descriptor must not use it any more.
    pub(super) fn take(&self, layer: &Path) -> Option<OwnedFd> {
        self.0.lock().ok()?.layers.remove(layer)
    }

    /// Keeps a mount; if that cannot be, it is made again.
    pub(super) fn put(&self, layer: &Path, mount: &OwnedFd) {
        if let (Ok(mut kept), Ok(mount)) = (self.0.lock(), mount.try_clone()) {
            kept.layers.insert(layer.to_path_buf(), mount);
        }
    }

    /// Keeps mounts open until the last copy of this is dropped.
    pub(super) fn spend(&self, mounts: impl Iterator<Item = OwnedFd>) {
        if let Ok(mut kept) = self.0.lock() {
            kept.spent.extend(mounts);
        }
    }
}
