//! Opening a store.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::error::{Error, Result};
use crate::fsutil::{make_dir, replace};
use crate::index::{BlobRecord, LayerRecord};

/// Directories of a store, in the order in which they are made.
const DIRECTORIES: [&str; 10] = [
    "blobs",
    "blobs/sha256",
    "layers",
    "ingest",
    "leases",
    "trash",
    "containers",
    "volumes",
    "networks",
    "ids",
];

/// Content of `oci-layout` (image-spec, "oci-layout file").
const LAYOUT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

/// A store; a cheap handle that holds nothing open.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
    /// Most bytes that a layer may inflate to; what the disk has room for without.
    max_layer: Option<u64>,
    /// What the index has still to be told.
    pub(crate) pending: Arc<Mutex<Pending>>,
}

/// Records on their way to the index.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    pub blobs: Vec<BlobRecord>,
    pub layers: Vec<LayerRecord>,
}

impl Store {
    /// Opens the store at `root`, which is made if it is missing.
    ///
    /// # Errors
    /// [`Error::Layout`] for something else than a store, [`Error::Io`].
    pub fn open(root: &Path) -> Result<Store> {
        if let Some(store) = Store::open_existing(root)? {
            return Ok(store);
        }
        if let Some(parent) = root.parent() {
            fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        }
        make_dir(root)?;
        for name in DIRECTORIES {
            make_dir(&root.join(name))?;
        }
        let index = root.join("index.json");
        // Under the lock, so that two that open a new store at once do not empty each other's index.
        let _lock = crate::fsutil::lock(&root.join("lock"), true)?;
        if !index.exists() {
            replace(&index, crate::names::EMPTY.as_bytes())?;
        }
        // Last, because it is what says that the store is complete.
        replace(&root.join("oci-layout"), LAYOUT.as_bytes())?;
        Ok(Store::at(root))
    }

    /// Opens the store at `root` if there is one.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_existing(root: &Path) -> Result<Option<Store>> {
        let path = root.join("oci-layout");
        let text = match fs::read_to_string(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(Error::io("read", &path))?,
        };
        let layout: serde_json::Value =
            serde_json::from_str(&text).map_err(|source| Error::Json { path: path.clone(), source })?;
        match layout["imageLayoutVersion"].as_str() {
            Some(version) if version.starts_with("1.") => Ok(Some(Store::at(root))),
            version => {
                let reason = format!("image layout version {}", version.unwrap_or("is missing"));
                Err(Error::Layout { path: root.to_path_buf(), reason })
            }
        }
    }

    fn at(root: &Path) -> Store {
        Store { root: root.to_path_buf(), max_layer: None, pending: Arc::default() }
    }

    /// The same store, with a bound on the bytes that a layer may inflate to.
    pub fn with_max_layer(self, max_layer: Option<u64>) -> Store {
        Store { max_layer, ..self }
    }

    /// Most bytes that a layer may inflate to now: what was set, and never more than the file system has room for, if that says
    /// how large it is.
    ///
    /// # Errors
    /// [`Error::Io`] when the file system cannot be asked.
    pub fn layer_room(&self) -> Result<u64> {
        let stat = rustix::fs::statvfs(&self.root).map_err(|e| Error::io("examine", &self.root)(e.into()))?;
        let free = room(stat.f_blocks, stat.f_bavail, stat.f_frsize);
        Ok(self.max_layer.map_or(free, |max| max.min(free)))
    }

    /// The store's directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }
}

/// Free bytes of a file system. One without a size, such as ramfs, takes what the machine has.
fn room(blocks: u64, available: u64, block_size: u64) -> u64 {
    if blocks == 0 { u64::MAX } else { available.saturating_mul(block_size) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_without_a_size_has_room() {
        assert_eq!(room(0, 0, 4096), u64::MAX);
        assert_eq!(room(100, 0, 4096), 0, "a full one");
        assert_eq!(room(100, 3, 4096), 12_288);
    }

    #[test]
    fn a_new_store_is_an_image_layout_and_opens_again() {
        let tmp = tempfile::tempdir().unwrap();
        let root = tmp.path().join("a/b");
        assert!(Store::open_existing(&root).unwrap().is_none());
        Store::open(&root).unwrap();
        assert_eq!(fs::read_to_string(root.join("oci-layout")).unwrap(), LAYOUT);
        assert!(Store::open_existing(&root).unwrap().is_some());
        assert!(Store::open(&root).unwrap().images().unwrap().is_empty());
    }

    #[test]
    fn another_version_is_refused() {
        let tmp = tempfile::tempdir().unwrap();
        fs::write(tmp.path().join("oci-layout"), r#"{"imageLayoutVersion":"2.0.0"}"#).unwrap();
        assert!(matches!(Store::open(tmp.path()), Err(Error::Layout { .. })));
    }
}
