//! Checking and repairing a store.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::io::Read;

use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};
use crate::fsutil::{self, lock, random_name};
use crate::reach::reach;
use crate::{Digest, Store};

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A blob's content is not what its name says.
    DamagedBlob(Digest),
    /// An image needs a blob that is not there.
    MissingBlob {
        /// The image's name, or its digest.
        image: String,
        /// The blob.
        digest: Digest,
    },
    /// An image needs a layer of which there is no mountable form.
    MissingLayer {
        /// The image's name, or its digest.
        image: String,
        /// The layer.
        diff_id: Digest,
    },
    /// The sled index says something else than the disk, or cannot be read.
    Index(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::DamagedBlob(digest) => write!(f, "blob {digest} is damaged"),
            Problem::MissingBlob { image, digest } => {
                write!(f, "image {image} needs blob {digest}, which is missing")
            }
            Problem::MissingLayer { image, diff_id } => {
                write!(f, "image {image} needs layer {diff_id}, which is missing")
            }
            Problem::Index(reason) => write!(f, "the index is not right: {reason}"),
        }
    }
}

/// What a check found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Images looked at.
    pub images: usize,
    /// Blobs looked at.
    pub blobs: usize,
    /// Layers looked at.
    pub layers: usize,
    /// Compressed layers that are not kept and can be fetched again.
    pub dropped: usize,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

impl Store {
    /// Checks that every image is complete and the index right; with `deep`, also the digest of every blob.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn check(&self, deep: bool) -> Result<Report> {
        let mut report = Report::default();
        // Nothing is to be collected meanwhile.
        let _collection = self.gc_lock_shared()?;
        let blobs = self.blobs_on_disk()?;
        report.blobs = blobs.len();
        if deep {
            for digest in &blobs {
                if !self.is_intact(digest)? {
                    report.problems.push(Problem::DamagedBlob(*digest));
                }
            }
        }
        report.layers =
            fsutil::entries(&self.path("layers"))?.iter().filter(|(n, _)| !n.starts_with('.')).count();
        let refetchable = self.refetchable()?;
        report.dropped = refetchable.keys().filter(|blob| !self.has_blob(blob)).count();
        for image in self.images()? {
            report.images += 1;
            let digest = image.descriptor.digest().to_string();
            if let Ok(manifest) = digest.parse() {
                self.check_image(&image.name.unwrap_or(digest), manifest, &mut report)?;
            }
        }
        report.problems.retain(
            |p| !matches!(p, Problem::MissingBlob { digest, .. } if refetchable.contains_key(digest)),
        );
        self.check_index(&blobs, &mut report);
        Ok(report)
    }

    /// Mends what can be mended without a registry: damaged blobs go, so that the next pull fetches them, and the index is
    /// rebuilt. Returns what is still wrong.
    ///
    /// # Errors
    /// When the store cannot be changed.
    pub fn repair(&self) -> Result<Report> {
        for problem in self.check(true)?.problems {
            if let Problem::DamagedBlob(digest) = problem {
                let _collection = lock(&self.path("gc.lock"), true)?;
                let path = self.blob_path(&digest);
                let to = self.path("trash").join(random_name()?);
                fs::rename(&path, to).map_err(Error::io("remove", &path))?;
            }
        }
        self.index().rebuild()?;
        self.check(true)
    }

    fn blobs_on_disk(&self) -> Result<Vec<Digest>> {
        let names = fsutil::entries(&self.path("blobs/sha256"))?;
        Ok(names.iter().filter_map(|(name, _)| Digest::from_hex(name)).collect())
    }

    fn is_intact(&self, digest: &Digest) -> Result<bool> {
        let path = self.blob_path(digest);
        let mut file = match self.open_blob(digest) {
            Err(Error::NotFound { .. }) => return Ok(true),
            file => file?,
        };
        let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
        loop {
            match file.read(&mut buffer).map_err(Error::io("read", &path))? {
                0 => break,
                read => hash.update(&buffer[..read]),
            }
        }
        Ok(Digest::from_bytes(hash.finalize().into()) == *digest)
    }

    /// Diff ids and blob digests come in one set; what is a layer's is known by the configuration.
    fn check_image(&self, name: &str, manifest: Digest, report: &mut Report) -> Result<()> {
        let mut parts = HashSet::new();
        reach(self, manifest, &mut parts)?;
        let diff_ids = self.diff_ids(&parts);
        for part in parts {
            let image = name.to_string();
            if diff_ids.contains(&part) {
                if self.layer(&part).is_none() {
                    report.problems.push(Problem::MissingLayer { image, diff_id: part });
                }
            } else if !self.has_blob(&part) {
                report.problems.push(Problem::MissingBlob { image, digest: part });
            }
        }
        Ok(())
    }

    fn diff_ids(&self, parts: &HashSet<Digest>) -> HashSet<Digest> {
        let mut diff_ids = HashSet::new();
        for part in parts {
            let Ok(data) = self.read_blob(part, 4 << 20) else { continue };
            if let Ok(config) = serde_json::from_slice::<oci_spec::image::ImageConfiguration>(&data) {
                diff_ids.extend(config.rootfs().diff_ids().iter().filter_map(|d| d.parse::<Digest>().ok()));
            }
        }
        diff_ids
    }

    fn check_index(&self, blobs: &[Digest], report: &mut Report) {
        match self.index().blobs() {
            Err(error) => report.problems.push(Problem::Index(error.to_string())),
            Ok(records) => {
                let gone = records.iter().filter(|record| !blobs.contains(&record.digest)).count();
                if gone > 0 {
                    report.problems.push(Problem::Index(format!("it lists {gone} blobs that are gone")));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_blob_is_found_and_taken_out() {
        let tmp = tempfile::tempdir().unwrap();
        let store = Store::open(tmp.path()).unwrap();
        let digest = store.put_blob(b"good", "").unwrap();
        assert!(store.check(true).unwrap().problems.is_empty());
        fs::write(store.blob_path(&digest), b"evil").unwrap();
        assert!(store.check(false).unwrap().problems.is_empty(), "only a deep check reads everything");
        assert_eq!(store.check(true).unwrap().problems, [Problem::DamagedBlob(digest)]);
        assert!(store.repair().unwrap().problems.is_empty());
        assert!(!store.has_blob(&digest));
    }
}
