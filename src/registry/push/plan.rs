//! What there is to push: manifests and indexes of the store, and the blobs that they name.

use std::collections::HashSet;

use lay_store::{Digest, Lease, Store};
use oci_spec::image::Descriptor;

use crate::registry::error::Error;
use crate::registry::manifest::{Document, ImageConfig, ManifestError, Target, choose};
use crate::registry::platform::Platform;

/// Larger documents are refused, in bytes (distribution spec, "Pushing Manifests").
const DOCUMENT_MAX: u64 = 4 << 20;
/// Indexes may lie in indexes, but not deeper than this.
const DEPTH_MAX: usize = 4;

/// A document and what it names.
pub(super) struct Node {
    /// Its media type, digest and size.
    pub target: Target,
    pub bytes: Vec<u8>,
    pub below: Below,
}

pub(super) enum Below {
    /// A manifest: its configuration, then its layers from the bottom to the top.
    Parts(Vec<Part>),
    /// An index.
    Nodes(Vec<Node>),
}

/// A blob.
#[derive(Clone)]
pub(super) struct Part {
    pub blob: Target,
    /// Digest of what is inside a layer; `None` for a configuration.
    pub diff_id: Option<Digest>,
}

/// Reads what `source` names, and keeps the store from losing it.
pub(super) fn read(
    store: &Store,
    lease: &Lease,
    source: &Descriptor,
    wanted: Option<&Platform>,
) -> Result<Node, Error> {
    let target = Target::of(source).map_err(|problem| Error::Manifest {
        registry: String::new(),
        what: source.digest().to_string(),
        problem,
    })?;
    node(store, lease, target, wanted, 0)
}

fn node(
    store: &Store,
    lease: &Lease,
    target: Target,
    wanted: Option<&Platform>,
    depth: usize,
) -> Result<Node, Error> {
    let digest = target.digest;
    let stored = |problem| Error::Stored { digest, problem };
    if depth > DEPTH_MAX {
        return Err(stored(ManifestError::TooDeep(DEPTH_MAX)));
    }
    lease.protect([digest])?;
    let bytes = document(store, "manifest", &digest)?;
    match Document::parse(&bytes, Some(&target.media_type)).map_err(stored)? {
        Document::Index(entries) => {
            if let Some(wanted) = wanted {
                let chosen = choose(&entries, wanted).map_err(stored)?.clone();
                // The index knows better than the configuration: it may have been annotated.
                return node(store, lease, chosen, None, depth + 1);
            }
            let below = entries.into_iter().map(|entry| node(store, lease, entry.target, None, depth + 1));
            let below = Below::Nodes(below.collect::<Result<_, _>>()?);
            Ok(Node { target, bytes, below })
        }
        Document::Manifest { media_type, config, layers } => {
            lease.protect([config.digest].into_iter().chain(layers.iter().map(|layer| layer.digest)))?;
            let read = document(store, "image configuration", &config.digest)?;
            let read = ImageConfig::parse(&read).map_err(stored)?;
            read.check(wanted.unwrap_or(&read.platform), layers.len()).map_err(stored)?;
            let layers = layers.into_iter().zip(read.diff_ids);
            let layers = layers.map(|(blob, diff_id)| Part { blob, diff_id: Some(diff_id) });
            let below =
                Below::Parts([Part { blob: config, diff_id: None }].into_iter().chain(layers).collect());
            Ok(Node { target: Target { media_type, ..target }, bytes, below })
        }
    }
}

fn document(store: &Store, what: &'static str, digest: &Digest) -> Result<Vec<u8>, Error> {
    store.read_blob(digest, DOCUMENT_MAX).map_err(|error| match error {
        lay_store::Error::NotFound { digest } => Error::NotStored { what, digest },
        lay_store::Error::Digest { expected, .. } => Error::Damaged(expected),
        error => error.into(),
    })
}

impl Node {
    /// All blobs below, each once.
    pub fn blobs(&self) -> Vec<Part> {
        let (mut seen, mut found) = (HashSet::new(), Vec::new());
        self.collect(&mut seen, &mut found);
        found
    }

    fn collect(&self, seen: &mut HashSet<Digest>, found: &mut Vec<Part>) {
        match &self.below {
            Below::Nodes(nodes) => nodes.iter().for_each(|node| node.collect(seen, found)),
            Below::Parts(parts) => {
                found.extend(parts.iter().filter(|part| seen.insert(part.blob.digest)).cloned());
            }
        }
    }
}
