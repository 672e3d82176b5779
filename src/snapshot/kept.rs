//! Mounts of layers before and after the container that they are for.
//!
//! Mounting an EROFS file takes a third of a millisecond, so what was mounted for a lookup serves the container too. And the
//! kernel takes a detached mount apart within the last close(2) of it, which takes longer than a millisecond (a grace period of
//! RCU, `namespace_unlock` in `fs/namespace.c`): so what an overlay was made of, and holds copies of, is closed when nobody
//! waits for it.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::offers::Offers;
use crate::kernel::mount::clone_at;

/// Mounts that stay open at most: a process may have 1024 files open by default.
const MOST: usize = 128;

/// Mounts of EROFS files that several snapshots have copies of: the file system is set up once, and what was read of it stays
/// in memory.
#[derive(Clone, Debug, Default)]
pub struct Originals {
    /// By the path of their layer.
    own: Arc<Mutex<HashMap<PathBuf, OwnedFd>>>,
    /// Where processes tell each other of theirs.
    offers: Option<Offers>,
}

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
    /// Those of all processes that tell of theirs in a directory.
    pub fn shared(dir: PathBuf) -> Originals {
        Originals { own: Arc::default(), offers: Some(Offers::new(dir)) }
    }

    /// Keeps what this process has mounted until it ends, for all others to copy.
    pub fn offer(&self) {
        let (Some(offers), Ok(own)) = (&self.offers, self.own.lock()) else { return };
        for (layer, mount) in own.iter() {
            // Without, others mount it themselves.
            let _ = offers.offer(layer, mount.as_fd());
        }
        if !own.is_empty() {
            std::mem::forget(Arc::clone(&self.own));
        }
    }

    /// What a snapshot that is one of many keeps.
    pub fn kept(&self) -> Kept {
        Kept { originals: Some(self.clone()), ..Kept::default() }
    }

    fn copy(&self, layer: &Path) -> Option<OwnedFd> {
        let own = self.own.lock().ok()?;
        match (own.get(layer), &self.offers) {
            (Some(mount), _) => clone_at(mount, Path::new(""), false).ok(),
            (None, Some(offers)) => offers.copy(layer),
            (None, None) => None,
        }
    }

    /// Keeps a mount and gives a copy of it, where the kernel copies detached mounts (Linux 6.15 and later).
    fn keep(&self, layer: &Path, mount: OwnedFd) -> OwnedFd {
        let Ok(mut own) = self.own.lock() else { return mount };
        match clone_at(&mount, Path::new(""), false) {
            Ok(copy) if own.len() < MOST => {
                own.insert(layer.to_path_buf(), mount);
                copy
            }
            _ => mount,
        }
    }
}

impl Kept {
    /// Where copies come from, if they do.
    pub fn originals(&self) -> Option<&Originals> {
        self.originals.as_ref()
    }

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
