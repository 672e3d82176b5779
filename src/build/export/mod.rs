//! What a build gives: an image in the store, and files elsewhere.

mod directory;
mod files;
mod local;
mod output;
mod squash;

pub use directory::write_directory;
pub use files::{write_local, write_tar};
pub use output::{Output, OutputError};
pub use squash::squash;

use std::collections::BTreeMap;

use lay_store::{Digest, Lease, Store};
use oci_spec::image::Descriptor;
use serde_json::{Value, json};

use super::error::Error;
use super::state::{Part, State, time};
use crate::image;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// An image's configuration and the descriptors of its layers.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// The configuration.
    pub config: Value,
    /// Descriptors of the layers' blobs, bottom to top.
    pub layers: Vec<Value>,
    /// Annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
}

/// The image that a state is, all of whose layers are in the store, with some labels more.
pub fn document(state: &State, labels: &BTreeMap<String, String>) -> Document {
    let mut settings = state.settings.clone();
    if !labels.is_empty() {
        let all = settings.entry("Labels").or_insert_with(|| json!({}));
        if !all.is_object() {
            *all = json!({});
        }
        for (name, value) in labels {
            all[name] = json!(value);
        }
    }
    let mut config = state.config.clone();
    config.insert("config".into(), Value::Object(settings));
    config.insert("created".into(), json!(time(state.epoch)));
    let diff_ids = state.diff_ids().unwrap_or_default();
    config.insert("rootfs".into(), json!({"type": "layers", "diff_ids": diff_ids}));
    config.insert("history".into(), json!(state.history));
    let blob = |part: &Part| match part {
        Part::Stored { blob, .. } => Some(blob.clone()),
        Part::Fresh { .. } | Part::Kept { .. } => None,
    };
    let layers = state.parts.iter().filter_map(blob).collect();
    Document { config: Value::Object(config), layers, ..Document::default() }
}

/// Puts an image's documents into the store; its id, and the descriptor of its manifest. Nothing has a name yet.
///
/// # Errors
/// When the disk is full.
pub fn keep(store: &Store, lease: &Lease, document: &Document) -> Result<(Digest, Descriptor), Error> {
    let config = document.config.to_string();
    if config.len() as u64 > image::MAX_DOCUMENT {
        return Err(Error::Large { size: config.len(), most: image::MAX_DOCUMENT });
    }
    let id = Digest::of(config.as_bytes());
    let reference = json!({"mediaType": CONFIG, "digest": id, "size": config.len()});
    let mut manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": reference, "layers": document.layers,
    });
    if !document.annotations.is_empty() {
        manifest["annotations"] = json!(document.annotations);
    }
    let manifest = manifest.to_string();
    let digest = Digest::of(manifest.as_bytes());
    lease.protect([id, digest])?;
    for (digest, data, media_type) in [(id, &config, CONFIG), (digest, &manifest, MANIFEST)] {
        if !store.has_blob(&digest) {
            store.put_blob(data.as_bytes(), media_type)?;
        }
    }
    let descriptor = json!({"mediaType": MANIFEST, "digest": digest, "size": manifest.len()});
    let descriptor = serde_json::from_value(descriptor);
    let descriptor = descriptor.map_err(|source| image::Error::Document {
        subject: digest,
        what: "descriptor",
        source,
    })?;
    Ok((id, descriptor))
}
