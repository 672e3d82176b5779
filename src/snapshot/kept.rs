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

use crate::kernel::mount::clone_at;

/// Mounts that stay open at most: a process may have 1024 files open by default.
const MOST: usize = 128;

/// Mounts of EROFS files that several snapshots have copies of: the file system is set up once, and what was read of it stays
/// in memory.
#[derive(Clone, Debug, Default)]
pub struct Originals(Arc<Mutex<HashMap<PathBuf, OwnedFd>>>);

/// Detached mounts.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    inner: Arc<Mutex<Inner>>,
    originals: Option<Originals>,
}

#[derive(Debug, Default)]
struct Inner {
    /// By the path of their layer.
    layers: HashMap<PathBuf, OwnedFd>,
    /// Those that nobody needs any more.
    spent: Vec<OwnedFd>,
}

impl Originals {
    /// What a snapshot that is one of many keeps.
    pub fn kept(&self) -> Kept {
        Kept { originals: Some(self.clone()), ..Kept::default() }
    }

    fn copy(&self, layer: &Path) -> Option<OwnedFd> {
        let originals = self.0.lock().ok()?;
        clone_at(originals.get(layer)?, Path::new(""), false).ok()
    }

    /// Keeps a mount and gives a copy of it, where the kernel copies detached mounts (Linux 6.15 and later).
    fn keep(&self, layer: &Path, mount: OwnedFd) -> OwnedFd {
        let Ok(mut originals) = self.0.lock() else { return mount };
        match clone_at(&mount, Path::new(""), false) {
            Ok(copy) if originals.len() < MOST => {
                originals.insert(layer.to_path_buf(), mount);
                copy
            }
            _ => mount,
        }
    }
}

impl Kept {
    /// The mount of an EROFS file: a copy of one that there is, or one that `mount` makes.
    pub(super) fn or_mount<E>(
        &self,
        layer: &Path,
        mount: impl FnOnce() -> Result<OwnedFd, E>,
    ) -> Result<OwnedFd, E> {
        let Some(originals) = &self.originals else { return mount() };
        match originals.copy(layer) {
            Some(copy) => Ok(copy),
            None => Ok(originals.keep(layer, mount()?)),
        }
    }

    /// Takes the mount of a layer, if there is one. Whoever has it by another descriptor must not use it any more.
    pub(super) fn take(&self, layer: &Path) -> Option<OwnedFd> {
        self.inner.lock().ok()?.layers.remove(layer)
    }

    /// Keeps a mount; if that cannot be, it is made again.
    pub(super) fn put(&self, layer: &Path, mount: &OwnedFd) {
        if let (Ok(mut kept), Ok(mount)) = (self.inner.lock(), mount.try_clone()) {
            kept.layers.insert(layer.to_path_buf(), mount);
        }
    }

    /// Keeps mounts open until the last copy of this is dropped.
    pub(super) fn spend(&self, mounts: impl Iterator<Item = OwnedFd>) {
        if let Ok(mut kept) = self.inner.lock() {
            kept.spent.extend(mounts);
        }
    }
}
