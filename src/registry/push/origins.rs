//! Where the blobs of the store came from.

use std::collections::HashMap;

use lay_store::{Digest, PULLED_FROM, Store};

use super::Push;
use crate::registry::error::Error;
use crate::registry::manifest::Document;
use crate::registry::reference::Reference;

/// No manifest is larger, in bytes.
const DOCUMENT_MAX: u64 = 4 << 20;
/// More repositories than this are not asked to give a blob.
const MOUNTS: usize = 2;

/// The images by which blobs were pulled.
#[derive(Default)]
pub(super) struct Origins(HashMap<Digest, Vec<Reference>>);

impl Origins {
    /// Reads them from the store's images; what cannot be read came from nowhere.
    pub fn of(store: &Store) -> Result<Self, Error> {
        let mut origins: HashMap<Digest, Vec<Reference>> = HashMap::new();
        for image in store.images()? {
            let annotations = image.descriptor.annotations().as_ref();
            let from = annotations.and_then(|all| all.get(PULLED_FROM));
            let Some(from) = from.and_then(|text| Reference::parse(text).ok()) else { continue };
            for blob in blobs(store, image.descriptor.digest().as_ref()).unwrap_or_default() {
                origins.entry(blob).or_default().push(from.clone());
            }
        }
        Ok(Self(origins))
    }

    /// Images that hold a blob.
    pub fn images(&self, blob: &Digest) -> &[Reference] {
        self.0.get(blob).map_or(&[], Vec::as_slice)
    }
}

fn blobs(store: &Store, manifest: &str) -> Option<Vec<Digest>> {
    let bytes = store.read_blob(&manifest.parse().ok()?, DOCUMENT_MAX).ok()?;
    let Document::Manifest { config, layers, .. } = Document::parse(&bytes, None).ok()? else { return None };
    Some(layers.into_iter().chain([config]).map(|blob| blob.digest).collect())
}

impl Push<'_> {
    /// Other repositories of the registry that have, or had, any of these blobs or what they were compressed to.
    pub(super) fn mountable(&self, blobs: &[Digest]) -> Vec<String> {
        let packed = |blob: &Digest| self.records.compressed.get(blob).map(|to| to.digest);
        let all = blobs.iter().copied().chain(blobs.iter().filter_map(packed));
        let mut found: Vec<String> = all.flat_map(|blob| self.neighbours(&blob)).collect();
        found.sort();
        found.dedup();
        found
    }

    /// Other repositories of the registry that have, or had, a blob.
    pub(super) fn neighbours(&self, blob: &Digest) -> Vec<String> {
        let (registry, own) = (&self.session.endpoint.name, &self.session.repository);
        let noted = self.records.places.get(blob).into_iter().flatten();
        let noted = noted.filter_map(|place| place.strip_prefix(registry.as_str())?.strip_prefix('/'));
        let pulled = self.origins.images(blob).iter().filter(|image| image.registry() == registry);
        let mut found: Vec<String> = Vec::new();
        for name in noted.chain(pulled.map(Reference::repository)) {
            if name != own && !found.iter().any(|known| known == name) {
                found.push(name.to_owned());
            }
        }
        found.truncate(MOUNTS);
        found
    }
}
