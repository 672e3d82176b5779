//! The sled index: what would otherwise need a scan. Derived from the rest of the store, and rebuilt when damaged.
//!
//! sled lets one process in at a time, so it is open only for one short operation, and others wait in turn.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::fsutil::{self, disk_usage, lock_file, try_lock};
use crate::{Digest, LayerForm, Pruned, Store};

/// How long others are waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the index knows of a blob.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct BlobRecord {
    /// The blob.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Its media type, as whoever brought it said.
    pub media_type: String,
    /// When its digest was verified, in seconds since 1970.
    pub verified: u64,
}

impl BlobRecord {
    /// A blob that was verified just now.
    pub(crate) fn new(digest: Digest, size: u64, media_type: &str) -> BlobRecord {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let verified = now.map_or(0, |d| d.as_secs());
        BlobRecord { digest, size, media_type: media_type.to_string(), verified }
    }
}

/// What the index knows of a layer.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct LayerRecord {
    /// Digest of its uncompressed archive.
    pub diff_id: Digest,
    /// Its form.
    pub form: LayerForm,
    /// Bytes that it takes on disk.
    pub size: u64,
}

/// A handle on the index; opens nothing by itself.
#[derive(Debug)]
pub struct Index<'a> {
    store: &'a Store,
}

impl Store {
    /// The index.
    pub fn index(&self) -> Index<'_> {
        Index { store: self }
    }

    /// Bytes that a layer takes on disk.
    pub fn layer_size(&self, diff_id: &Digest) -> Option<u64> {
        self.layer_sizes().get(diff_id).copied()
    }

    /// Bytes that each layer takes on disk. Those that the index does not know are measured, and told to it.
    pub fn layer_sizes(&self) -> BTreeMap<Digest, u64> {
        let known = self.index().layers().unwrap_or_default();
        let mut sizes: BTreeMap<Digest, u64> = known.into_iter().map(|l| (l.diff_id, l.size)).collect();
        let mut found = Vec::new();
        for (name, path) in fsutil::entries(&self.path("layers")).unwrap_or_default() {
            let hex = name.strip_suffix(".erofs").unwrap_or(&name);
            let Some(diff_id) = Digest::from_hex(hex) else { continue };
            let form = if hex == name { LayerForm::Directory } else { LayerForm::Erofs };
            found.push(diff_id);
            sizes.entry(diff_id).or_insert_with(|| {
                let size = disk_usage(&path);
                self.note_layer(LayerRecord { diff_id, form, size });
                size
            });
        }
        sizes.retain(|diff_id, _| found.contains(diff_id));
        self.flush_index();
        sizes
    }

    pub(crate) fn note_blob(&self, record: BlobRecord) {
        if let Ok(mut pending) = self.pending.lock() {
            pending.blobs.push(record);
        }
    }

    pub(crate) fn note_layer(&self, record: LayerRecord) {
        if let Ok(mut pending) = self.pending.lock() {
            pending.layers.push(record);
        }
    }

    /// Tells the index what it has not been told yet. That it fails loses nothing, since what the index does not know is
    /// found out when it is asked for. sled leaves threads behind for a while, so a process that is about to clone itself
    /// leaves this to others.
    pub fn flush_index(&self) {
        let Ok(pending) = self.pending.lock().map(|mut p| std::mem::take(&mut *p)) else { return };
        if pending.blobs.is_empty() && pending.layers.is_empty() {
            return;
        }
        if let Err(error) = self.index().record(&pending.blobs, &pending.layers) {
            tracing::warn!(%error, "index not brought up to date");
        }
    }

    /// The same, and some other work on the index while it is open.
    ///
    /// # Errors
    /// As [`Index::with`].
    pub(crate) fn flush_index_and(&self, work: impl Fn(&sled::Db) -> sled::Result<()>) -> Result<()> {
        let pending = self.pending.lock().map(|mut p| std::mem::take(&mut *p)).unwrap_or_default();
        self.index().with(|db| {
            write(db, &pending.blobs, &pending.layers)?;
            work(db)
        })
    }

    /// Takes out of the index what a collection removed.
    pub(crate) fn forget(&self, pruned: &Pruned) {
        if pruned.blobs.is_empty() && pruned.layers.is_empty() {
            return;
        }
        let forgotten = self.index().with(|db| {
            let (blobs, layers) = (db.open_tree("blobs")?, db.open_tree("layers")?);
            for (digest, _) in &pruned.blobs {
                blobs.remove(digest.hex())?;
                crate::pushes::forget(db, digest)?;
            }
            for (diff_id, _) in &pruned.layers {
                layers.remove(diff_id.hex())?;
            }
            Ok(())
        });
        if let Err(error) = forgotten {
            tracing::warn!(%error, "index not brought up to date");
        }
    }
}

impl Index<'_> {
    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.store.path("index")
    }

    /// Opens the index for one short operation. A damaged one is moved aside and rebuilt first.
    ///
    /// # Errors
    /// [`Error::IndexBusy`] when others keep it for too long, [`Error::Index`].
    pub fn with<T>(&self, work: impl Fn(&sled::Db) -> sled::Result<T>) -> Result<T> {
        let _turn = self.wait_in_turn()?;
        let path = self.path();
        let failed = |source| Error::Index { path: path.clone(), source };
        let attempt = open(&path).and_then(|db| {
            let result = work(&db)?;
            db.flush()?;
            Ok(result)
        });
        match attempt {
            Err(
                sled::Error::Corruption { .. } | sled::Error::Unsupported(_) | sled::Error::ReportableBug(_),
            ) => {
                self.rebuild_in_turn()?;
                open(&path).and_then(|db| work(&db)).map_err(failed)
            }
            result => result.map_err(failed),
        }
    }

    /// Adds records, or replaces those of the same blob or layer.
    ///
    /// # Errors
    /// As [`Index::with`].
    pub fn record(&self, blobs: &[BlobRecord], layers: &[LayerRecord]) -> Result<()> {
        self.with(|db| write(db, blobs, layers))
    }

    /// All blobs that it knows.
    ///
    /// # Errors
    /// As [`Index::with`].
    pub fn blobs(&self) -> Result<Vec<BlobRecord>> {
        self.all("blobs")
    }

    /// All layers that it knows.
    ///
    /// # Errors
    /// As [`Index::with`].
    pub fn layers(&self) -> Result<Vec<LayerRecord>> {
        self.all("layers")
    }

    /// Rebuilds it from the blobs and layers on disk; the old one is moved aside.
    ///
    /// # Errors
    /// As [`Index::with`].
    pub fn rebuild(&self) -> Result<()> {
        let _turn = self.wait_in_turn()?;
        self.rebuild_in_turn()
    }

    fn all<T: serde::de::DeserializeOwned>(&self, tree: &str) -> Result<Vec<T>> {
        if !self.path().exists() {
            return Ok(Vec::new());
        }
        self.with(|db| {
            let tree = db.open_tree(tree)?;
            let values = tree.iter().values().collect::<sled::Result<Vec<_>>>()?;
            // A record of another version is as good as none.
            Ok(values.iter().filter_map(|value| serde_json::from_slice(value).ok()).collect())
        })
    }

    fn wait_in_turn(&self) -> Result<fs::File> {
        let path = self.store.path("index.lock");
        let file = lock_file(&path)?;
        let start = Instant::now();
        while !try_lock(&file, &path)? {
            if start.elapsed() > PATIENCE {
                return Err(Error::IndexBusy { path: self.path(), seconds: PATIENCE.as_secs() });
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(file)
    }

    fn rebuild_in_turn(&self) -> Result<()> {
        let path = self.path();
        if path.exists() {
            let aside = self.store.path("trash").join(format!("index-{}", fsutil::random_name()?));
            fs::rename(&path, &aside).map_err(Error::io("move aside", &path))?;
        }
        let (blobs, layers) = self.scan()?;
        let db = open(&path).and_then(|db| {
            write(&db, &blobs, &layers)?;
            self.store.restore_build_records(&db)?;
            db.flush()
        });
        db.map(drop).map_err(|source| Error::Index { path, source })
    }

    fn scan(&self) -> Result<(Vec<BlobRecord>, Vec<LayerRecord>)> {
        let blob = |(name, path): (String, PathBuf)| {
            let size = fs::metadata(path).ok()?.len();
            Some(BlobRecord { verified: 0, ..BlobRecord::new(Digest::from_hex(&name)?, size, "") })
        };
        let layer = |(name, path): (String, PathBuf)| {
            let hex = name.strip_suffix(".erofs").unwrap_or(&name);
            let form = if hex == name { LayerForm::Directory } else { LayerForm::Erofs };
            Some(LayerRecord { diff_id: Digest::from_hex(hex)?, form, size: disk_usage(&path) })
        };
        let entries = |name: &str| fsutil::entries(&self.store.path(name));
        let blobs = entries("blobs/sha256")?.into_iter().filter_map(blob).collect();
        Ok((blobs, entries("layers")?.into_iter().filter_map(layer).collect()))
    }
}

fn open(path: &Path) -> sled::Result<sled::Db> {
    sled::Config::new().path(path).cache_capacity(4 << 20).flush_every_ms(None).open()
}

fn write(db: &sled::Db, blobs: &[BlobRecord], layers: &[LayerRecord]) -> sled::Result<()> {
    let (blob_tree, layer_tree) = (db.open_tree("blobs")?, db.open_tree("layers")?);
    for record in blobs {
        blob_tree.insert(record.digest.hex(), serde_json::to_vec(record).unwrap_or_default())?;
    }
    for record in layers {
        layer_tree.insert(record.diff_id.hex(), serde_json::to_vec(record).unwrap_or_default())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_index_is_rebuilt_from_the_blobs() {
        let tmp = tempfile::tempdir().unwrap();
        let store = Store::open(tmp.path()).unwrap();
        let digest = store.put_blob(b"content", "text/plain").unwrap();
        store.flush_index();
        assert_eq!(store.index().blobs().unwrap()[0].media_type, "text/plain");
        for (_, path) in fsutil::entries(&store.index().path()).unwrap() {
            if path.is_file() {
                fs::write(&path, vec![0x5a; 4096]).unwrap();
            }
        }
        let blobs = store.index().blobs().unwrap();
        assert_eq!((blobs.len(), blobs[0].digest, blobs[0].size), (1, digest, 7));
    }

    #[test]
    fn many_at_once_wait_in_turn() {
        let tmp = tempfile::tempdir().unwrap();
        let store = Store::open(tmp.path()).unwrap();
        std::thread::scope(|scope| {
            for i in 0..8u8 {
                let store = &store;
                scope.spawn(move || {
                    let record = BlobRecord::new(Digest::of(&[i]), 1, "");
                    store.index().record(&[record], &[]).unwrap();
                });
            }
        });
        assert_eq!(store.index().blobs().unwrap().len(), 8);
    }
}
