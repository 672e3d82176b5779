//! Results of builds that go from machine to machine.
//!
//! They travel as an image whose layers are those that steps have made, and whose configuration says in a field of its own
//! which step made which. So whatever moves images can move them, and a registry keeps each layer once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Write};

use lay_store::{BuildKind, BuildRecord, Digest, LayerForm, Lease, Store};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Made, Place};
use crate::build::error::{Error, StepError};
use crate::build::export::{self, Document};
use crate::build::options::Options;
use crate::build::state::{LAYER, Part};
use crate::image::{self, Image};
use crate::layer;
use crate::registry::{self, PullOptions, PushOptions, Reference};

/// The field of the configuration.
const FIELD: &str = "dev.lay.build-cache";
/// What its format is called.
const VERSION: u32 = 1;
/// Layers that travel at once.
const PARALLEL: usize = 4;

/// What steps have made, by what they depended on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    version: u32,
    /// From keys to results.
    pub results: BTreeMap<String, Made>,
    /// Weak keys of which there are results.
    pub seen: BTreeSet<String>,
}

impl Carried {
    /// Keeps this in a place, with the layers, which are all in the store.
    ///
    /// # Errors
    /// When it cannot be written there.
    pub fn send(
        &self,
        store: &Store,
        form: LayerForm,
        options: &Options,
        place: &Place,
    ) -> Result<(), Error> {
        let lease = store.lease()?;
        let layers: BTreeMap<Digest, u64> = self.results.values().filter_map(|made| made.layer).collect();
        lease.protect(layers.keys().copied())?;
        let platform = options.platform();
        let config = json!({
            "os": platform.os, "architecture": platform.architecture, "config": {},
            "rootfs": {"type": "layers", "diff_ids": layers.keys().collect::<Vec<_>>()},
            FIELD: Self { version: VERSION, ..self.clone() },
        });
        let blob = |part: Part| match part {
            Part::Stored { blob, .. } => blob,
            Part::Fresh { .. } | Part::Kept { .. } => Value::Null,
        };
        let layers = layers.into_iter().map(|(diff_id, size)| blob(Part::stored(diff_id, size))).collect();
        let (_, descriptor) = export::keep(store, &lease, &Document { config, layers })?;
        match place {
            Place::Directory(dir) => {
                let image = image::load(store, None, descriptor)?;
                Ok(image::save_layout(store, &[image], dir)?)
            }
            Place::Registry(reference) => {
                let push = PushOptions {
                    access: options.access.clone(),
                    parallel: PARALLEL,
                    // Nobody but lay reads it.
                    compression: layer::compress::Settings::new(layer::compress::Method::Zstd, None).ok(),
                    platform: None,
                    form,
                };
                let pushed = registry::push(store, &descriptor, reference, &push, &());
                pushed.map(drop).map_err(|e| carried(place, &e))
            }
        }
    }

    /// Takes over what a place holds: its layers come into the store, where `lease` keeps them.
    ///
    /// # Errors
    /// When there is nothing, or nothing that can be read.
    pub fn fetch(
        store: &Store,
        form: LayerForm,
        options: &Options,
        lease: &Lease,
        place: &Place,
    ) -> Result<Self, Error> {
        let image = match place {
            Place::Registry(reference) => pull(store, form, options, lease, reference, place)?,
            Place::Directory(dir) => image::read_layout(store, lease, dir, form)
                .map_err(|e| no_cache(place, &crate::error::chain(&e)))?,
        };
        let mut carried = Self::read(&image, place)?;
        for (diff_id, blob) in image.layers.iter().zip(&image.blobs) {
            lease.protect([*diff_id])?;
            if store.has_blob(diff_id) {
                continue;
            }
            let digest = blob.digest().to_string().parse::<Digest>();
            let digest = digest.map_err(|_| no_cache(place, "a layer's digest is none"))?;
            inflate(store, &digest, diff_id)?;
        }
        // Only what came with it counts.
        let here: BTreeSet<&Digest> = image.layers.iter().collect();
        carried.results.retain(|_, made| made.layer.is_none_or(|(diff_id, _)| here.contains(&diff_id)));
        Ok(carried)
    }

    fn read(image: &Image, place: &Place) -> Result<Self, Error> {
        let config: Value = serde_json::from_slice(&image.raw_config).unwrap_or_default();
        let field = config.get(FIELD).ok_or_else(|| no_cache(place, "it is an image, not a cache"))?;
        match serde_json::from_value(field.clone()) {
            Ok(Self { version: VERSION, results, seen }) => Ok(Self { version: VERSION, results, seen }),
            Ok(Self { version, .. }) => {
                Err(no_cache(place, &format!("its format {version} is not known here")))
            }
            Err(e) => Err(no_cache(place, &e.to_string())),
        }
    }

    /// As records of the store, used never yet.
    pub fn records(self) -> Vec<BuildRecord> {
        let record = |kind, key, value: String, layer| BuildRecord {
            used: 0,
            ..BuildRecord::new(kind, key, value, layer)
        };
        let results = self
            .results
            .into_iter()
            .map(|(key, made)| record(BuildKind::Result, key, json!(made).to_string(), made.layer));
        let seen = self.seen.into_iter().map(|key| record(BuildKind::Seen, key, "true".into(), None));
        results.chain(seen).collect()
    }
}

fn pull(
    store: &Store,
    form: LayerForm,
    options: &Options,
    lease: &Lease,
    reference: &Reference,
    place: &Place,
) -> Result<Image, Error> {
    let pull = PullOptions {
        access: options.access.clone(),
        platform: Some(options.platform().to_string()),
        parallel: PARALLEL,
        form,
    };
    let (manifest, _held) = registry::fetch(store, reference, &pull, &()).map_err(|e| carried(place, &e))?;
    let image = image::load(store, None, manifest)?;
    lease.protect([image.manifest, image.id])?;
    Ok(image)
}

/// Puts the archive of a layer into the store as steps of builds keep them: as it is, not compressed.
fn inflate(store: &Store, blob: &Digest, diff_id: &Digest) -> Result<(), Error> {
    let dir = store.root().join("trash");
    let failed = || StepError::file("write in", &dir);
    let mut plain = tempfile::Builder::new().prefix(".cache-").tempfile_in(&dir).map_err(failed())?;
    let packed =
        File::open(store.blob_path(blob)).map_err(StepError::file("open", &store.blob_path(blob)))?;
    let mut from = layer::inflate(packed).map_err(StepError::from)?;
    let mut to = Hashing { inner: plain.as_file_mut(), hash: Sha256::new() };
    let size = io::copy(&mut from, &mut to).map_err(failed())?;
    let actual = Digest::from_bytes(to.hash.finalize().into());
    if actual != *diff_id {
        return Err(StepError::from(layer::Error::DiffId { expected: *diff_id, actual }).into());
    }
    Ok(store.adopt_blob(&plain.into_temp_path(), diff_id, size, LAYER)?)
}

struct Hashing<'a> {
    inner: &'a mut File,
    hash: Sha256,
}

impl Write for Hashing<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(data)?;
        self.hash.update(&data[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn carried(place: &Place, error: &registry::Error) -> Error {
    no_cache(place, &crate::error::chain(error))
}

fn no_cache(place: &Place, reason: &str) -> Error {
    Error::Cache { place: place.to_string(), reason: reason.to_owned() }
}
