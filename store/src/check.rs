//! Checking a store.

use std::collections::HashSet;
use std::fmt;
use std::io::{self, Read};

use oci_spec::image::{ImageConfiguration, ImageIndex, ImageManifest, MediaType};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};
use crate::fsutil;
use crate::reach::{MAX_DOCUMENT, reach};
use crate::{Digest, Store};

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// `index.json` is missing or cannot be read.
    Names(String),
    /// An entry of `index.json` cannot be read.
    DamagedEntry {
        /// The image's name, if it is left.
        name: Option<String>,
        /// The parser's words.
        reason: String,
    },
    /// A blob's content is not what its name says.
    DamagedBlob(Digest),
    /// A layer's mountable form is cut off, or nothing of the kind.
    DamagedLayer(Digest),
    /// An image needs a document that is not what it should be.
    BadDocument {
        /// The image's name, or its digest.
        image: String,
        /// The document.
        digest: Digest,
        /// What is wrong with it, as the end of "which …".
        reason: String,
    },
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
            Problem::Names(reason) => write!(f, "the names of images cannot be read: {reason}"),
            Problem::DamagedEntry { name: Some(name), reason } => {
                write!(f, "the entry of {name} in index.json is damaged: {reason}")
            }
            Problem::DamagedEntry { name: None, reason } => {
                write!(f, "an entry in index.json is damaged: {reason}")
            }
            Problem::DamagedBlob(digest) => write!(f, "blob {digest} is damaged"),
            Problem::DamagedLayer(diff_id) => write!(f, "the mountable form of layer {diff_id} is damaged"),
            Problem::BadDocument { image, digest, reason } => {
                write!(f, "image {image} needs blob {digest}, which {reason}")
            }
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

impl Problem {
    /// The image that cannot be used because of it: its name, or its digest.
    pub fn image(&self) -> Option<&str> {
        match self {
            Problem::BadDocument { image, .. }
            | Problem::MissingBlob { image, .. }
            | Problem::MissingLayer { image, .. } => Some(image),
            _ => None,
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
    /// Every blob was read.
    deep: bool,
}

/// Indexes may lie in indexes, but not deeper than this.
const DEPTH_MAX: usize = 4;

impl Store {
    /// Checks that every image is complete and the index right; with `deep`, also the digest of every blob, else the
    /// length of layers.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn check(&self, deep: bool) -> Result<Report> {
        let mut report = Report { deep, ..Report::default() };
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
        self.check_layers(&mut report)?;
        match self.damaged_entries() {
            Ok(entries) => {
                let problem = |entry: crate::DamagedEntry| Problem::DamagedEntry {
                    name: entry.name,
                    reason: entry.reason,
                };
                report.problems.extend(entries.into_iter().map(problem));
                self.check_images(&mut report)?;
            }
            Err(error) => report.problems.push(Problem::Names(told(&error))),
        }
        self.check_index(&blobs, &mut report);
        Ok(report)
    }

    fn check_images(&self, report: &mut Report) -> Result<()> {
        let refetchable = self.refetchable()?;
        report.dropped = refetchable.keys().filter(|blob| !self.has_blob(blob)).count();
        for image in self.images()? {
            report.images += 1;
            let digest = image.descriptor.digest().to_string();
            if let Ok(manifest) = digest.parse() {
                self.check_image(&image.name.unwrap_or(digest), manifest, report);
            }
        }
        report.problems.retain(
            |p| !matches!(p, Problem::MissingBlob { digest, .. } if refetchable.contains_key(digest)),
        );
        Ok(())
    }

    fn check_layers(&self, report: &mut Report) -> Result<()> {
        let names = fsutil::entries(&self.path("layers"))?;
        report.layers = names.iter().filter(|(name, _)| !name.starts_with('.')).count();
        let diff_ids = names
            .iter()
            .filter_map(|(name, _)| Digest::from_hex(name.strip_suffix(".erofs").unwrap_or(name)));
        for layer in diff_ids.filter_map(|diff_id| self.layer(&diff_id)) {
            if !self.is_whole(&layer) {
                report.add(Problem::DamagedLayer(layer.diff_id));
            }
        }
        Ok(())
    }

    pub(crate) fn blobs_on_disk(&self) -> Result<Vec<Digest>> {
        let names = fsutil::entries(&self.path("blobs/sha256"))?;
        Ok(names.iter().filter_map(|(name, _)| Digest::from_hex(name)).collect())
    }

    /// Whether a blob can be read and is what its name says; one that is gone meanwhile is.
    pub(crate) fn is_intact(&self, digest: &Digest) -> Result<bool> {
        let path = self.blob_path(digest);
        let mut file = match self.open_blob(digest) {
            Err(Error::NotFound { .. }) => return Ok(true),
            file => file?,
        };
        let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => hash.update(&buffer[..read]),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // The disk fails, or it is a directory.
                Err(e) if e.kind() != io::ErrorKind::PermissionDenied => return Ok(false),
                Err(e) => return Err(Error::io("read", &path)(e)),
            }
        }
        Ok(Digest::from_bytes(hash.finalize().into()) == *digest)
    }

    /// Diff ids and blob digests come in one set; what is a layer's is known by the configuration.
    fn check_image(&self, name: &str, manifest: Digest, report: &mut Report) {
        let mut parts = HashSet::new();
        // What cannot be read is told below.
        let _ = reach(self, manifest, &mut parts);
        let diff_ids = self.diff_ids(&parts);
        for part in parts {
            let image = name.to_string();
            if diff_ids.contains(&part) {
                if self.layer(&part).is_none() {
                    report.add(Problem::MissingLayer { image, diff_id: part });
                }
            } else if !self.blob_path(&part).exists() {
                report.add(Problem::MissingBlob { image, digest: part });
            }
        }
        self.check_documents(name, manifest, 0, report);
    }

    /// Looks whether documents that are there are what they should be, and whether layers are there, as long as they should.
    fn check_documents(&self, image: &str, digest: Digest, depth: usize, report: &mut Report) {
        let bad = |digest, reason| Problem::BadDocument { image: image.to_string(), digest, reason };
        let data = match self.document(digest) {
            Ok(Some(data)) => data,
            Ok(None) => return,
            Err(reason) => return report.add(bad(digest, reason)),
        };
        if let Ok(index) = serde_json::from_slice::<ImageIndex>(&data) {
            let inner = index.manifests().iter().filter_map(|d| d.digest().to_string().parse().ok());
            return inner.filter(|_| depth < DEPTH_MAX).for_each(|inner| {
                self.check_documents(image, inner, depth + 1, report);
            });
        }
        let manifest: ImageManifest = match serde_json::from_slice(&data) {
            Ok(manifest) => manifest,
            Err(e) => return report.add(bad(digest, format!("is no manifest ({e})"))),
        };
        for layer in manifest.layers() {
            // An archive that is not compressed has the same digest as its layer.
            let Ok(digest) = layer.digest().to_string().parse() else { continue };
            if !self.blob_path(&digest).exists() {
                report.add(Problem::MissingBlob { image: image.to_string(), digest });
            } else if !report.deep && !self.has_blob_of(&digest, layer.size()) {
                report.add(Problem::DamagedBlob(digest));
            }
        }
        let Ok(config) = manifest.config().digest().to_string().parse() else { return };
        match self.document(config) {
            Ok(Some(data)) if is_image_config(manifest.config().media_type()) => {
                if let Err(e) = serde_json::from_slice::<ImageConfiguration>(&data) {
                    report.add(bad(config, format!("is no image configuration ({e})")));
                }
            }
            Ok(_) => {}
            Err(reason) => report.add(bad(config, reason)),
        }
    }

    /// A document that is what its digest says; none where it is missing, else what is wrong with it.
    fn document(&self, digest: Digest) -> Result<Option<Vec<u8>>, String> {
        match self.read_blob(&digest, MAX_DOCUMENT) {
            Ok(data) => Ok(Some(data)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(Error::Digest { .. }) => Err("is damaged".to_string()),
            Err(error) => Err(format!("cannot be read ({})", told(&error))),
        }
    }

    fn diff_ids(&self, parts: &HashSet<Digest>) -> HashSet<Digest> {
        let mut diff_ids = HashSet::new();
        for part in parts {
            let Ok(data) = self.read_blob(part, MAX_DOCUMENT) else { continue };
            if let Ok(config) = serde_json::from_slice::<ImageConfiguration>(&data) {
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

impl Report {
    /// Two images may have the same trouble.
    fn add(&mut self, problem: Problem) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }
}

/// An error with its cause.
fn told(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

fn is_image_config(media_type: &MediaType) -> bool {
    let docker = "application/vnd.docker.container.image.v1+json";
    *media_type == MediaType::ImageConfig || media_type.as_ref() == docker
}
