//! What pushes leave in the index for later ones: what layers were compressed to, where blobs are known to be, and uploads that
//! were begun. All of it is found out again where it is missing.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::{Digest, Store};

/// A registry forgets an upload that is not continued within this time, if not earlier.
const UPLOAD_AGE: Duration = Duration::from_secs(7 * 24 * 3600);

/// What a layer was compressed to.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Compressed {
    /// The compressed blob, which the store need not have.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// What is known when a push begins.
#[derive(Clone, Debug, Default)]
pub struct PushRecords {
    /// What layers were compressed to in the asked way.
    pub compressed: HashMap<Digest, Compressed>,
    /// Repositories, each with its registry, that had a blob.
    pub places: HashMap<Digest, Vec<String>>,
    /// Addresses of uploads to the asked repository that were begun.
    pub uploads: HashMap<Digest, String>,
}

#[derive(Deserialize, Serialize)]
struct Upload {
    location: String,
    begun: u64,
}

impl Store {
    /// What is known of these blobs; `how` names a way to compress, `place` a registry and a repository.
    ///
    /// # Errors
    /// As [`crate::Index::with`].
    pub fn push_records(&self, blobs: &[Digest], how: &str, place: &str) -> Result<PushRecords> {
        if !self.index().path().exists() {
            return Ok(PushRecords::default());
        }
        self.index().with(|db| {
            let (compressed, uploads) = (db.open_tree("compressed")?, db.open_tree("uploads")?);
            let mut records = PushRecords::default();
            for blob in blobs {
                if let Some(found) = read(compressed.get(compressed_key(blob, how))?) {
                    records.compressed.insert(*blob, found);
                }
            }
            let packed = records.compressed.values().map(|c| c.digest);
            for blob in blobs.iter().copied().chain(packed).collect::<Vec<_>>() {
                if let Some(Upload { location, .. }) = read(uploads.get(place_key(&blob, place))?) {
                    records.uploads.insert(blob, location);
                }
                let places = places_of(db, &blob)?;
                records.places.insert(blob, places.into_iter().map(|(_, place)| place).collect());
            }
            Ok(records)
        })
    }

    /// Notes that an upload was begun; very old ones are forgotten.
    ///
    /// # Errors
    /// As [`crate::Index::with`].
    pub fn note_upload(&self, blob: &Digest, place: &str, location: &str) -> Result<()> {
        let begun = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let upload = Upload { location: location.to_string(), begun };
        self.index().with(|db| {
            let uploads = db.open_tree("uploads")?;
            for entry in uploads.iter() {
                let (key, value) = entry?;
                let known: Option<Upload> = read(Some(value));
                if known.is_none_or(|known| known.begun + UPLOAD_AGE.as_secs() < begun) {
                    uploads.remove(key)?;
                }
            }
            uploads.insert(place_key(blob, place), serde_json::to_vec(&upload).unwrap_or_default())?;
            Ok(())
        })
    }

    /// Notes what a push did: which blobs are in a repository now, and what layers were compressed to.
    ///
    /// # Errors
    /// As [`crate::Index::with`].
    pub fn note_pushed(
        &self,
        place: &str,
        blobs: &[Digest],
        how: &str,
        packed: &[(Digest, Compressed)],
    ) -> Result<()> {
        self.index().with(|db| {
            let (places, uploads) = (db.open_tree("places")?, db.open_tree("uploads")?);
            for blob in blobs {
                places.insert(place_key(blob, place), b"")?;
                uploads.remove(place_key(blob, place))?;
            }
            let compressed = db.open_tree("compressed")?;
            for (blob, to) in packed {
                compressed.insert(compressed_key(blob, how), serde_json::to_vec(to).unwrap_or_default())?;
            }
            Ok(())
        })
    }
}

/// Forgets what is known of a blob that goes, and of what it was compressed to.
pub(crate) fn forget(db: &sled::Db, blob: &Digest) -> sled::Result<()> {
    let (compressed, places) = (db.open_tree("compressed")?, db.open_tree("places")?);
    let mut gone = vec![*blob];
    for entry in compressed.scan_prefix(blob.hex()) {
        let (key, value) = entry?;
        gone.extend(read::<Compressed>(Some(value)).map(|to| to.digest));
        compressed.remove(key)?;
    }
    for blob in gone {
        for (key, _) in places_of(db, &blob)? {
            places.remove(key)?;
        }
    }
    Ok(())
}

fn places_of(db: &sled::Db, blob: &Digest) -> sled::Result<Vec<(sled::IVec, String)>> {
    let found = db.open_tree("places")?.scan_prefix(format!("{} ", blob.hex())).keys();
    let found = found.collect::<sled::Result<Vec<_>>>()?.into_iter();
    let place = |key: &sled::IVec| {
        let text = String::from_utf8_lossy(key).into_owned();
        text.split_once(' ').map(|(_, place)| place.to_string()).unwrap_or_default()
    };
    Ok(found.map(|key| (key.clone(), place(&key))).collect())
}

fn compressed_key(blob: &Digest, how: &str) -> String {
    format!("{} {how}", blob.hex())
}

fn place_key(blob: &Digest, place: &str) -> String {
    format!("{} {place}", blob.hex())
}

/// A record of another version is as good as none.
fn read<T: serde::de::DeserializeOwned>(value: Option<sled::IVec>) -> Option<T> {
    serde_json::from_slice(&value?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_known_until_the_blob_goes() {
        let tmp = tempfile::tempdir().unwrap();
        let store = Store::open(tmp.path()).unwrap();
        let (plain, packed) = (Digest::of(b"plain"), Digest::of(b"packed"));
        let known = |how: &str, place: &str| store.push_records(&[plain], how, place).unwrap();
        assert!(known("gzip-6-1", "r/a").compressed.is_empty());
        store.note_upload(&packed, "r/a", "http://r/upload").unwrap();
        let to = Compressed { digest: packed, size: 6 };
        store.note_pushed("r/b", &[packed], "gzip-6-1", &[(plain, to)]).unwrap();
        let found = known("gzip-6-1", "r/a");
        assert_eq!(found.compressed[&plain], to);
        assert_eq!(found.places[&packed], ["r/b"]);
        assert_eq!(found.uploads[&packed], "http://r/upload");
        assert!(known("zstd-3-1", "r/a").compressed.is_empty());
        store.note_pushed("r/a", &[packed], "gzip-6-1", &[]).unwrap();
        assert!(known("gzip-6-1", "r/a").uploads.is_empty(), "it is done");
        store.index().with(|db| forget(db, &plain)).unwrap();
        let gone = known("gzip-6-1", "r/a");
        assert!(gone.compressed.is_empty() && gone.places[&plain].is_empty());
    }
}
