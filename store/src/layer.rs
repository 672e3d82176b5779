//! Layers in their mountable form.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with, syncfs};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::fsutil::{
    self, disk_usage, lock_file, make_dir, random_name, remove_all, remove_file, sync_dir, try_lock,
};
use crate::index::LayerRecord;
use crate::{Digest, Store};

/// How a layer can be mounted.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LayerForm {
    /// One file with an EROFS file system: `layers/<hex>.erofs`.
    Erofs,
    /// A directory tree: `layers/<hex>/`.
    Directory,
}

/// A layer that can be mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Digest of its uncompressed archive.
    pub diff_id: Digest,
    /// Its form.
    pub form: LayerForm,
    /// Its file or directory.
    pub path: PathBuf,
}

/// A layer that is being made. Dropping it takes back what was made.
#[derive(Debug)]
pub struct LayerIngest {
    store: Store,
    diff_id: Digest,
    form: LayerForm,
    path: PathBuf,
    lock_path: PathBuf,
    _lock: File,
}

/// Beginning of the names of layers that are being made.
pub(crate) const TEMPORARY: &str = ".tmp-";
/// End of the names of their locks.
pub(crate) const LOCK: &str = ".lock";

impl Store {
    /// A layer that is there, in whichever form.
    pub fn layer(&self, diff_id: &Digest) -> Option<Layer> {
        let forms = [LayerForm::Erofs, LayerForm::Directory];
        let layer = |form| Layer { diff_id: *diff_id, form, path: self.layer_path(diff_id, form) };
        forms.into_iter().map(layer).find(|layer| layer.path.exists())
    }

    /// Whether the mountable form of a layer is as long as it says itself. What is in it is not looked at.
    pub fn is_whole(&self, layer: &Layer) -> bool {
        match layer.form {
            LayerForm::Directory => layer.path.is_dir(),
            LayerForm::Erofs => File::open(&layer.path).is_ok_and(|file| is_whole_erofs(&file)),
        }
    }

    pub(crate) fn layer_path(&self, diff_id: &Digest, form: LayerForm) -> PathBuf {
        let name = match form {
            LayerForm::Erofs => format!("{}.erofs", diff_id.hex()),
            LayerForm::Directory => diff_id.hex(),
        };
        self.path("layers").join(name)
    }

    /// Begins a layer: an empty file or directory that nobody else sees.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn layer_ingest(&self, diff_id: &Digest, form: LayerForm) -> Result<LayerIngest> {
        // A collection takes what is not locked; it must not look between the two steps.
        let _collection = self.gc_lock_shared()?;
        let path = self.path("layers").join(format!("{TEMPORARY}{}", random_name()?));
        let lock_path = lock_path(&path);
        let lock = lock_file(&lock_path)?;
        try_lock(&lock, &lock_path)?;
        match form {
            LayerForm::Erofs => File::create_new(&path).map(drop).map_err(Error::io("create", &path))?,
            LayerForm::Directory => make_dir(&path)?,
        }
        Ok(LayerIngest { store: self.clone(), diff_id: *diff_id, form, path, lock_path, _lock: lock })
    }
}

/// By its superblock (the kernel's `fs/erofs/erofs_fs.h`), which begins at byte 1024.
fn is_whole_erofs(file: &File) -> bool {
    const MAGIC: u32 = 0xe0f5_e1e2;
    let mut block = [0; 40];
    if file.read_exact_at(&mut block, 1024).is_err() {
        return false;
    }
    let number = |at: usize| u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
    let size = u64::from(number(36)).checked_shl(u32::from(block[12]));
    let long_enough = |size| file.metadata().is_ok_and(|found| found.len() >= size);
    number(0) == MAGIC && size.is_some_and(long_enough)
}

pub(crate) fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(LOCK);
    PathBuf::from(name)
}

impl LayerIngest {
    /// The same layer under its right diff id, where that was not known when it was begun.
    #[must_use]
    pub fn named(mut self, diff_id: Digest) -> LayerIngest {
        self.diff_id = diff_id;
        self
    }

    /// The file or directory to fill.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the layer visible, synced. If another process was faster, its layer is the one.
    ///
    /// # Errors
    /// [`Error::Io`], as when the disk is full; nothing is visible then.
    pub fn commit(self) -> Result<Layer> {
        let file = File::open(&self.path).map_err(Error::io("open", &self.path))?;
        let synced = match self.form {
            LayerForm::Erofs => file.sync_all(),
            LayerForm::Directory => syncfs(file.as_fd()).map_err(Into::into),
        };
        synced.map_err(Error::io("sync", &self.path))?;
        let path = self.store.layer_path(&self.diff_id, self.form);
        match renameat_with(CWD, &self.path, CWD, &path, RenameFlags::NOREPLACE) {
            Ok(()) | Err(Errno::EXIST) => {}
            // A file system without the flag.
            Err(Errno::INVAL) if !path.exists() => {
                fs::rename(&self.path, &path).map_err(Error::io("rename", &self.path))?;
            }
            Err(Errno::INVAL) => {}
            Err(e) => return Err(Error::io("rename", &self.path)(e.into())),
        }
        sync_dir(&self.store.path("layers"))?;
        let layer = Layer { diff_id: self.diff_id, form: self.form, path };
        let size = disk_usage(&layer.path);
        self.store.note_layer(LayerRecord { diff_id: layer.diff_id, form: layer.form, size });
        Ok(layer)
    }
}

impl Drop for LayerIngest {
    fn drop(&mut self) {
        // After a commit there is nothing left of it; what cannot be removed the next collection takes.
        let _ = remove_all(&self.path);
        let _ = remove_file(&self.lock_path);
    }
}

/// Removes what dead processes left half made; returns the bytes freed. The caller holds the collection's lock.
pub(crate) fn remove_abandoned(store: &Store, trash: &mut Vec<PathBuf>) -> Result<u64> {
    let mut freed = 0;
    for (name, path) in fsutil::entries(&store.path("layers"))? {
        if !name.starts_with(TEMPORARY) || name.ends_with(LOCK) {
            continue;
        }
        let lock = lock_path(&path);
        let file = lock_file(&lock)?;
        if try_lock(&file, &lock)? {
            freed += disk_usage(&path);
            trash.push(path);
            remove_file(&lock)?;
        }
    }
    Ok(freed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_appears_whole_or_not_at_all() {
        let tmp = tempfile::tempdir().unwrap();
        let store = Store::open(tmp.path()).unwrap();
        let diff_id = Digest::of(b"layer");
        let half = store.layer_ingest(&diff_id, LayerForm::Directory).unwrap();
        fs::write(half.path().join("file"), "half").unwrap();
        assert!(store.layer(&diff_id).is_none());
        let (first, second) = (half, store.layer_ingest(&diff_id, LayerForm::Directory).unwrap());
        fs::write(second.path().join("file"), "whole").unwrap();
        second.commit().unwrap();
        let layer = first.commit().unwrap();
        assert_eq!(fs::read_to_string(layer.path.join("file")).unwrap(), "whole", "the first to commit wins");
        assert_eq!(store.layer(&diff_id), Some(layer));
        assert_eq!(fsutil::entries(&store.path("layers")).unwrap().len(), 1, "nothing else is left");
    }
}
