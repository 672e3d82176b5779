//! Repairing a store: what is damaged goes, so that it can be had anew, and what is derived is derived again.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::PathBuf;

use oci_spec::image::{Descriptor, ImageIndex, ImageManifest, MediaType};
use serde_json::Value;

use crate::check::{Problem, Report};
use crate::error::{Error, Result};
use crate::fsutil::{lock, random_name, replace};
use crate::reach::{MAX_DOCUMENT, reach};
use crate::{Digest, Store};

/// Where an `index.json` is kept that could not be read.
const ASIDE: &str = "index.json.damaged";

impl Store {
    /// Mends what can be mended without a registry and without unpacking: damaged blobs, mountable forms and entries of
    /// `index.json` go, images that have lost their entries are listed without names, and the index is rebuilt. Tells what was
    /// wrong.
    ///
    /// # Errors
    /// When the store cannot be changed.
    pub fn repair(&self) -> Result<Report> {
        let found = self.check(true)?;
        let of_names =
            |problem: &Problem| matches!(problem, Problem::Names(_) | Problem::DamagedEntry { .. });
        if found.problems.iter().any(of_names) {
            self.mend_names()?;
        }
        for problem in &found.problems {
            // Another process may have mended it meanwhile.
            match problem {
                Problem::DamagedBlob(digest) => {
                    self.take_out(|| Ok((!self.is_intact(digest)?).then(|| self.blob_path(digest))))?;
                }
                Problem::DamagedLayer(diff_id) => self.take_out(|| {
                    let damaged = self.layer(diff_id).filter(|layer| !self.is_whole(layer));
                    Ok(damaged.map(|layer| layer.path))
                })?,
                _ => {}
            }
        }
        self.index().rebuild()?;
        Ok(found)
    }

    /// Moves what is chosen into the trash, while nothing is collected or claimed.
    fn take_out(&self, chosen: impl FnOnce() -> Result<Option<PathBuf>>) -> Result<()> {
        let _collection = lock(&self.path("gc.lock"), true)?;
        let Some(path) = chosen()? else { return Ok(()) };
        let to = self.path("trash").join(random_name()?);
        fs::rename(&path, to).map_err(Error::io("remove", &path))
    }

    /// Writes `index.json` with the entries that can be read, and lists images that none of them names.
    fn mend_names(&self) -> Result<()> {
        let _collection = self.gc_lock_shared()?;
        self.keep_good_entries()?;
        for descriptor in self.unlisted()? {
            self.tag_nameless(descriptor)?;
        }
        Ok(())
    }

    fn keep_good_entries(&self) -> Result<()> {
        if self.damaged_entries().is_ok() {
            return self.change_entries(|_| true, |list| (list, ()));
        }
        let path = self.path("index.json");
        let _lock = lock(&self.path("lock"), true)?;
        let text = match fs::read(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            text => text.map_err(Error::io("read", &path))?,
        };
        replace(&self.path(ASIDE), &text)?;
        let json = |source| Error::Json { path: path.clone(), source };
        let mut document: Value = serde_json::from_str(crate::names::EMPTY).map_err(json)?;
        document["manifests"] = serde_json::to_value(salvage(&text)).map_err(json)?;
        replace(&path, document.to_string().as_bytes())
    }

    /// Images in the store that no entry leads to.
    fn unlisted(&self) -> Result<Vec<Descriptor>> {
        let mut reached = HashSet::new();
        for image in self.images()? {
            if let Ok(digest) = image.descriptor.digest().to_string().parse() {
                reach(self, digest, &mut reached)?;
            }
        }
        let mut found: Vec<(Digest, Descriptor, bool)> = Vec::new();
        for digest in self.blobs_on_disk()? {
            if !reached.contains(&digest)
                && let Some((descriptor, is_index)) = self.as_image(&digest)
            {
                found.push((digest, descriptor, is_index));
            }
        }
        let mut inner = HashSet::new();
        for (digest, ..) in found.iter().filter(|(.., is_index)| *is_index) {
            let mut parts = HashSet::new();
            reach(self, *digest, &mut parts)?;
            parts.remove(digest);
            inner.extend(parts);
        }
        found.retain(|(digest, ..)| !inner.contains(digest));
        Ok(found.into_iter().map(|(_, descriptor, _)| descriptor).collect())
    }

    /// The descriptor of a blob that is an index, or the manifest of an image whose configuration is there; whether it is an
    /// index.
    fn as_image(&self, digest: &Digest) -> Option<(Descriptor, bool)> {
        let size = self.blob_path(digest).metadata().ok()?.len();
        // Layers are longer, and of no use here.
        let data =
            if size > MAX_DOCUMENT { return None } else { self.read_blob(digest, MAX_DOCUMENT).ok()? };
        let index: Option<ImageIndex> = serde_json::from_slice(&data).ok();
        let media_type = match &index {
            Some(index) => index.media_type().clone().unwrap_or(MediaType::ImageIndex),
            None => {
                let manifest: ImageManifest = serde_json::from_slice(&data).ok()?;
                let config = manifest.config().digest().to_string().parse().ok()?;
                self.has_blob(&config).then_some(())?;
                manifest.media_type().clone().unwrap_or(MediaType::ImageManifest)
            }
        };
        let descriptor =
            Descriptor::new(media_type, size, digest.to_string().parse::<oci_spec::image::Digest>().ok()?);
        Some((descriptor, index.is_some()))
    }
}

/// The entries of an `index.json` that is cut off or damaged behind them.
fn salvage(text: &[u8]) -> Vec<Descriptor> {
    const FIELD: &[u8] = b"\"manifests\"";
    let at = text.windows(FIELD.len()).position(|window| window == FIELD);
    let mut rest = at.map_or(&[][..], |at| &text[at + FIELD.len()..]);
    let mut entries = Vec::new();
    loop {
        let next = rest.iter().position(|byte| !byte.is_ascii_whitespace() && !b":[,".contains(byte));
        rest = next.map_or(&[][..], |next| &rest[next..]);
        let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<Value>();
        let Some(Ok(value)) = values.next() else { return entries };
        let end = values.byte_offset();
        entries.extend(serde_json::from_value(value).ok());
        rest = &rest[end..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn put(store: &Store, document: &Value) -> Descriptor {
        let digest = store.put_blob(document.to_string().as_bytes(), "").unwrap();
        let digest: oci_spec::image::Digest = digest.to_string().parse().unwrap();
        Descriptor::new(MediaType::ImageManifest, document.to_string().len() as u64, digest)
    }

    /// An image without layers.
    fn image(store: &Store, architecture: &str) -> Descriptor {
        let rootfs = json!({"type": "layers", "diff_ids": []});
        let config = put(store, &json!({"architecture": architecture, "os": "linux", "rootfs": rootfs}));
        let config =
            json!({"mediaType": MediaType::ImageConfig, "digest": config.digest(), "size": config.size()});
        put(store, &json!({"schemaVersion": 2, "config": config, "layers": []}))
    }

    fn listed(store: &Store) -> Vec<(Option<String>, String)> {
        let images = store.images().unwrap().into_iter();
        let mut all: Vec<_> = images.map(|i| (i.name, i.descriptor.digest().to_string())).collect();
        all.sort();
        all
    }

    #[test]
    fn a_damaged_blob_is_found_and_taken_out() {
        let tmp = tempfile::tempdir().unwrap();
        let store = Store::open(tmp.path()).unwrap();
        let digest = store.put_blob(b"good", "").unwrap();
        assert!(store.check(true).unwrap().problems.is_empty());
        fs::write(store.blob_path(&digest), b"evil").unwrap();
        assert!(store.check(false).unwrap().problems.is_empty(), "only a deep check reads everything");
        assert_eq!(store.repair().unwrap().problems, [Problem::DamagedBlob(digest)]);
        assert!(store.check(true).unwrap().problems.is_empty());
        assert!(!store.has_blob(&digest));
    }

    #[test]
    fn names_are_salvaged_and_images_without_them_listed() {
        let tmp = tempfile::tempdir().unwrap();
        let store = Store::open(tmp.path()).unwrap();
        let (a, b) = (image(&store, "amd64"), image(&store, "arm64"));
        let digest = |d: &Descriptor| d.digest().to_string();
        store.tag("a:1", a.clone()).unwrap();
        store.tag("b:1", b.clone()).unwrap();
        let path = tmp.path().join("index.json");
        let whole = fs::read(&path).unwrap();
        for damaged in [Some(&whole[..whole.len() - 20]), Some(b"{".as_slice()), None] {
            match damaged {
                Some(text) => fs::write(&path, text).unwrap(),
                None => fs::remove_file(&path).unwrap(),
            }
            assert!(store.images().is_err());
            let found = store.repair().unwrap().problems;
            assert!(matches!(found[..], [Problem::Names(_)]), "{found:?}");
            assert!(store.check(true).unwrap().problems.is_empty());
            let mut expected = match damaged {
                Some(text) if text.len() > 1 => {
                    vec![(Some("a:1".to_string()), digest(&a)), (None, digest(&b))]
                }
                _ => vec![(None, digest(&a)), (None, digest(&b))],
            };
            expected.sort();
            assert_eq!(listed(&store), expected);
            assert_eq!(fs::read(tmp.path().join(ASIDE)).unwrap(), damaged.unwrap_or_default());
        }
    }

    #[test]
    fn a_document_that_is_none_is_told_with_its_image() {
        let tmp = tempfile::tempdir().unwrap();
        let store = Store::open(tmp.path()).unwrap();
        let descriptor = put(&store, &json!({"schemaVersion": 2}));
        store.tag("a:1", descriptor).unwrap();
        let problems = store.check(false).unwrap().problems;
        assert!(
            matches!(&problems[..], [p @ Problem::BadDocument { .. }] if p.image() == Some("a:1")),
            "{problems:?}"
        );
    }
}
