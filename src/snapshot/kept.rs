//! Mounts of layers between a lookup and the container that follows it: mounting an EROFS file takes a third of a millisecond.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Detached mounts by the path of their layer.
#[derive(Clone, Debug, Default)]
pub struct Kept(Arc<Mutex<HashMap<PathBuf, OwnedFd>>>);

impl Kept {
    /// Takes the mount of a layer, if there is one. Whoever has it by another descriptor must not use it any more.
    pub(super) fn take(&self, layer: &Path) -> Option<OwnedFd> {
        self.0.lock().ok()?.remove(layer)
    }

    /// Keeps a mount; if that cannot be, it is made again.
    pub(super) fn put(&self, layer: &Path, mount: &OwnedFd) {
        if let (Ok(mut kept), Ok(mount)) = (self.0.lock(), mount.try_clone()) {
            kept.insert(layer.to_path_buf(), mount);
        }
    }
}
