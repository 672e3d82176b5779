//! Results of builds that go from machine to machine.
//!
//! They travel as an image whose layers are those that steps have made, and whose configuration says in a field of its own
//! which step made which. So whatever moves images can move them, and a registry keeps each layer once.

use std::collections::{BTreeMap, BTreeSet};

use lay_store::{BuildKind, BuildRecord, Digest, LayerForm, Lease, Store};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::elsewhere::{Elsewhere, PARALLEL, Wanted, is_here};
use super::{Made, Place};
use crate::build::error::Error;
use crate::build::export::{self, Document};
use crate::build::options::Options;
use crate::build::state::blob_of;
use crate::image::{self, Image};
use crate::layer;
use crate::registry::{self, PullOptions, PushOptions, Reference};

/// The field of the configuration.
const FIELD: &str = "dev.lay.build-cache";
/// What its format is called.
const VERSION: u32 = 1;

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
    /// Keeps this in a place. Layers that are not in the store and that the place has already stay where they are; others are
    /// fetched for it, and what one cannot be had of is left out.
    ///
    /// # Errors
    /// When it cannot be written there.
    pub fn send(
        mut self,
        store: &Store,
        form: LayerForm,
        options: &Options,
        place: &Place,
        elsewhere: &Elsewhere,
    ) -> Result<(), Error> {
        let lease = store.lease()?;
        let mut layers: BTreeMap<Digest, u64> = self.results.values().filter_map(|made| made.layer).collect();
        lease.protect(layers.keys().copied())?;
        let wanted: Vec<Wanted> = layers.iter().map(|(diff_id, size)| (*diff_id, *size)).collect();
        let wanted = wanted.into_iter().filter(|(diff_id, _)| !is_here(store, diff_id));
        let wanted: Vec<Wanted> =
            wanted.filter(|(diff_id, _)| elsewhere.blob(place, diff_id).is_none()).collect();
        for (lost, _) in elsewhere.fetch(store, form, options, &lease, &wanted)? {
            layers.remove(&lost);
            self.results.retain(|_, made| made.layer.is_none_or(|(diff_id, _)| diff_id != lost));
        }
        let platform = options.platform();
        let config = json!({
            "os": platform.os, "architecture": platform.architecture, "config": {},
            "rootfs": {"type": "layers", "diff_ids": layers.keys().collect::<Vec<_>>()},
            FIELD: Self { version: VERSION, ..self },
        });
        let blob = |(diff_id, size): (Digest, u64)| match elsewhere.blob(place, &diff_id) {
            Some(blob) if !is_here(store, &diff_id) => json!(blob),
            _ => blob_of(diff_id, size),
        };
        let layers = layers.into_iter().map(blob).collect();
        let (_, descriptor) =
            export::keep(store, &lease, &Document { config, layers, ..Document::default() })?;
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

    /// Takes over what a place says that it holds, and notes in `elsewhere` which layers it has: none of them is fetched.
    ///
    /// # Errors
    /// When there is nothing, or nothing that can be read.
    pub fn fetch(
        store: &Store,
        options: &Options,
        lease: &Lease,
        place: &Place,
        elsewhere: &mut Elsewhere,
    ) -> Result<Self, Error> {
        let image = match place {
            Place::Registry(reference) => documents(store, options, lease, reference, place)?,
            Place::Directory(dir) => image::read_layout(store, lease, dir)
                .map_err(|e| no_cache(place, &crate::error::chain(&e)))?,
        };
        let mut carried = Self::read(&image, place)?;
        // Only what came with it counts.
        let there: BTreeSet<&Digest> = image.layers.iter().collect();
        carried.results.retain(|_, made| made.layer.is_none_or(|(diff_id, _)| there.contains(&diff_id)));
        elsewhere.add(place, &image);
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

    /// Which instructions there are results of, as records of the store, used never yet.
    pub fn seen(&self) -> Vec<BuildRecord> {
        let record = |key: &String| BuildRecord {
            used: 0,
            ..BuildRecord::new(BuildKind::Seen, key.clone(), "true".into(), None)
        };
        self.seen.iter().map(record).collect()
    }
}

fn documents(
    store: &Store,
    options: &Options,
    lease: &Lease,
    reference: &Reference,
    place: &Place,
) -> Result<Image, Error> {
    let pull = PullOptions {
        access: options.access.clone(),
        platform: Some(options.platform().to_string()),
        parallel: PARALLEL,
        // No layer comes along.
        form: LayerForm::Directory,
    };
    let (manifest, _held) =
        registry::documents(store, reference, &pull, &()).map_err(|e| carried(place, &e))?;
    let image = image::load(store, None, manifest)?;
    lease.protect([image.manifest, image.id])?;
    Ok(image)
}

fn carried(place: &Place, error: &registry::Error) -> Error {
    no_cache(place, &crate::error::chain(error))
}

fn no_cache(place: &Place, reason: &str) -> Error {
    Error::Cache { place: place.to_string(), reason: reason.to_owned() }
}
