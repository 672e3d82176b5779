//! From a name or an id to an image.

use std::str::FromStr;

use lay_store::{Digest, Image as Entry, PULLED_DIGEST, Store};
use oci_spec::image::{Descriptor, ImageConfiguration, ImageIndex, ImageManifest};
use serde::de::DeserializeOwned;

use super::{Error, Image, Listing, MAX_DOCUMENT};
use crate::registry::{Platform, Reference};

/// The shortest id prefix that is looked up as an id.
const MIN_ID: usize = 4;
/// Indexes may lie in indexes, but not deeper than this.
const DEPTH_MAX: usize = 4;

/// Finds an image by reference (`centos:7`, `quay.io/a/b@sha256:…`) or by (a prefix of) its id.
///
/// # Errors
/// [`Error::NotFound`] when nothing matches, [`Error::Ambiguous`] when an id prefix matches several images.
pub fn find(store: &Store, name: &str) -> Result<Image, Error> {
    find_for(store, name, &Platform::host())
}

/// As [`find`]; of a list of images, the one for this platform.
///
/// # Errors
/// As [`find`].
pub fn find_for(store: &Store, name: &str, platform: &Platform) -> Result<Image, Error> {
    let hex = name.strip_prefix("sha256:").unwrap_or(name);
    let is_id = hex.len() >= MIN_ID && hex.len() <= 64 && hex.bytes().all(|b| b.is_ascii_hexdigit());
    if !name.starts_with("sha256:")
        && let Some(image) = find_reference(store, (name, platform), is_id)?
    {
        return Ok(image);
    }
    if is_id { find_id(store, name, hex) } else { Err(Error::NotFound(name.to_string())) }
}

fn find_reference(
    store: &Store,
    (name, platform): (&str, &Platform),
    is_id: bool,
) -> Result<Option<Image>, Error> {
    let reference = match Reference::parse(name) {
        Ok(reference) => reference,
        Err(_) if is_id => return Ok(None),
        Err(e) => return Err(Error::Reference { reference: name.to_string(), reason: e.to_string() }),
    };
    if let Some(descriptor) = store.find(&reference.familiar())? {
        let entry = Entry { name: Some(reference.familiar()), descriptor };
        return load_entry_for(store, entry, platform).map(Some);
    }
    match reference.digest() {
        Some(digest) => find_digest(store, &reference, digest),
        None => Ok(None),
    }
}

/// An image pulled by tag is also found by the digest that the tag had.
fn find_digest(store: &Store, reference: &Reference, digest: Digest) -> Result<Option<Image>, Error> {
    let repository = |r: &Reference| (r.registry().to_string(), r.repository().to_string());
    let wanted = repository(reference);
    let text = digest.to_string();
    for entry in store.images()? {
        let Some(name) = &entry.name else { continue };
        if !Reference::parse(name).is_ok_and(|other| repository(&other) == wanted) {
            continue;
        }
        match load_entry(store, entry) {
            Ok(image) if image.manifest == digest || image.pulled_digest() == Some(&text) => {
                return Ok(Some(image));
            }
            Err(error @ Error::Damaged { .. }) if error.digests().contains(&digest) => return Err(error),
            Ok(_) | Err(Error::Damaged { .. } | Error::EmptyIndex(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn find_id(store: &Store, name: &str, hex: &str) -> Result<Image, Error> {
    let hex = hex.to_ascii_lowercase();
    let fits = |digest: &Digest| digest.hex().starts_with(&hex);
    let (mut found, mut damaged): (Option<Image>, Option<Error>) = (None, None);
    for entry in store.images()? {
        match load_entry(store, entry) {
            Ok(image) if fits(&image.id) || fits(&image.manifest) => match &found {
                Some(other) if other.id != image.id => return Err(Error::Ambiguous(name.to_string())),
                Some(_) => {}
                None => found = Some(image),
            },
            Err(error @ Error::Damaged { .. }) if error.digests().iter().any(fits) => damaged = Some(error),
            // What is wrong with others does not matter.
            Ok(_) | Err(Error::Damaged { .. } | Error::EmptyIndex(_)) => {}
            Err(error) => return Err(error),
        }
    }
    match (found, damaged) {
        (Some(_), Some(_)) => Err(Error::Ambiguous(name.to_string())),
        (Some(image), None) => Ok(image),
        (None, damaged) => Err(damaged.unwrap_or_else(|| Error::NotFound(name.to_string()))),
    }
}

/// The image of an entry of `index.json`.
///
/// # Errors
/// [`Error::Damaged`] when it cannot be read, [`Error::EmptyIndex`].
pub(super) fn load_entry(store: &Store, entry: Entry) -> Result<Image, Error> {
    load_entry_for(store, entry, &Platform::host())
}

fn load_entry_for(store: &Store, entry: Entry, platform: &Platform) -> Result<Image, Error> {
    load_for(store, entry.name.clone(), entry.descriptor.clone(), platform).map_err(|error| match error {
        Error::EmptyIndex(_) => error,
        error => Error::Damaged {
            image: entry.name.clone().unwrap_or_else(|| entry.descriptor.digest().to_string()),
            listed: Box::new(Listing { id: id_of(store, &entry.descriptor, platform), entry }),
            source: Box::new(error),
        },
    })
}

/// The id of an image whose configuration may be damaged; none when its manifest is.
fn id_of(store: &Store, descriptor: &Descriptor, platform: &Platform) -> Option<Digest> {
    let (_, bytes) = manifest_of(store, descriptor, platform, 0).ok()?;
    let manifest: ImageManifest = serde_json::from_slice(&bytes).ok()?;
    manifest.config().digest().to_string().parse().ok()
}

impl Error {
    /// By what a damaged image can still be found.
    fn digests(&self) -> Vec<Digest> {
        let Error::Damaged { listed, .. } = self else { return Vec::new() };
        let pulled = listed.entry.descriptor.annotations().as_ref().and_then(|all| all.get(PULLED_DIGEST));
        let texts = [Some(listed.entry.descriptor.digest().to_string()), pulled.cloned()];
        texts.into_iter().flatten().filter_map(|text| text.parse().ok()).chain(listed.id).collect()
    }
}

/// Reads an image by the digest of its manifest, whether it has a name or not.
///
/// # Errors
/// As [`load`].
pub fn of_manifest(store: &Store, manifest: &Digest) -> Result<Image, Error> {
    for entry in store.images()? {
        if entry.descriptor.digest().to_string() == manifest.to_string() {
            return load_entry(store, entry);
        }
    }
    let size = store.blob_path(manifest).metadata().map_or(0, |m| m.len());
    let digest: oci_spec::image::Digest =
        manifest.to_string().parse().map_err(|_| Error::NotFound(manifest.to_string()))?;
    load(store, None, Descriptor::new(oci_spec::image::MediaType::ImageManifest, size, digest))
}

/// Reads the manifest and the configuration of an image; of an index, those of the image in it that runs here, or of its first
/// one if none does.
///
/// # Errors
/// When either is missing, damaged, or not what the OCI image specification says.
pub fn load(store: &Store, name: Option<String>, descriptor: Descriptor) -> Result<Image, Error> {
    load_for(store, name, descriptor, &Platform::host())
}

fn load_for(
    store: &Store,
    name: Option<String>,
    descriptor: Descriptor,
    platform: &Platform,
) -> Result<Image, Error> {
    let (manifest_descriptor, bytes) = manifest_of(store, &descriptor, platform, 0)?;
    let manifest_digest = digest_of(manifest_descriptor.digest().as_ref(), None)?;
    let manifest: ImageManifest = document(&bytes, manifest_digest, "manifest")?;
    let id = digest_of(manifest.config().digest().as_ref(), Some(manifest_digest))?;
    let raw_config = store.read_blob(&id, MAX_DOCUMENT)?;
    let config: ImageConfiguration = document(&raw_config, id, "configuration")?;
    let layers =
        config.rootfs().diff_ids().iter().map(|d| digest_of(d, Some(id))).collect::<Result<Vec<_>, _>>()?;
    let blobs = manifest.layers().clone();
    let manifest = manifest_digest;
    Ok(Image { name, descriptor, manifest, manifest_descriptor, id, config, raw_config, blobs, layers })
}

/// Goes from an index to the manifest that fits best.
fn manifest_of(
    store: &Store,
    descriptor: &Descriptor,
    platform: &Platform,
    depth: usize,
) -> Result<(Descriptor, Vec<u8>), Error> {
    let digest = digest_of(descriptor.digest().as_ref(), None)?;
    let bytes = store.read_blob(&digest, MAX_DOCUMENT)?;
    if !super::index::is_index(descriptor.media_type()) || depth > DEPTH_MAX {
        return Ok((descriptor.clone(), bytes));
    }
    let index: ImageIndex = document(&bytes, digest, "list of images")?;
    let fitness = |entry: &&Descriptor| {
        let own = entry.platform().as_ref()?;
        let variant = own.variant().as_deref();
        let theirs = Platform::new(&own.os().to_string(), &own.architecture().to_string(), variant);
        platform.fitness(&theirs)
    };
    let best = index.manifests().iter().rev().max_by_key(fitness).ok_or(Error::EmptyIndex(digest))?;
    manifest_of(store, best, platform, depth + 1)
}

fn document<T: DeserializeOwned>(bytes: &[u8], subject: Digest, what: &'static str) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|source| Error::Document { subject, what, source })
}

fn digest_of(text: &str, subject: Option<Digest>) -> Result<Digest, Error> {
    Digest::from_str(text).map_err(|_| match subject {
        Some(subject) => Error::Digest { subject, digest: text.to_string() },
        None => Error::NotFound(text.to_string()),
    })
}
