//! Layers that steps have made and that are not here: known of, and fetched only when a build needs what is in them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::time::Duration;

use lay_store::{Digest, LayerForm, Lease, Store};
use oci_spec::image::Descriptor;

use super::Place;
use crate::build::error::StepError;
use crate::build::options::Options;
use crate::build::state::LAYER;
use crate::image::{self, Image};
use crate::layer::{self, Hashed};
use crate::registry::{self, PullOptions};

/// Layers that travel at once.
pub(super) const PARALLEL: usize = 4;
/// How often it is looked whether another process is done with a layer.
const POLL: Duration = Duration::from_millis(50);

/// A layer that a build needs: its diff id, and the size of its archive in bytes.
pub type Wanted = (Digest, u64);

/// What is known of layers elsewhere.
#[derive(Debug, Default)]
pub struct Elsewhere {
    places: Vec<(Place, BTreeMap<Digest, Descriptor>)>,
    /// Layers that could not be had.
    lost: BTreeSet<Digest>,
}

impl Elsewhere {
    /// Adds what a place has.
    pub fn add(&mut self, place: &Place, image: &Image) {
        let layers = image.layers.iter().copied().zip(image.blobs.iter().cloned());
        self.places.push((place.clone(), layers.collect()));
    }

    /// Whether a layer was looked for in vain.
    pub fn is_lost(&self, diff_id: &Digest) -> bool {
        self.lost.contains(diff_id)
    }

    /// Notes that a layer cannot be had; tells whether that is news.
    pub fn lose(&mut self, diff_id: Digest) -> bool {
        self.lost.insert(diff_id)
    }

    /// The blob that a place has of a layer.
    pub fn blob(&self, place: &Place, diff_id: &Digest) -> Option<&Descriptor> {
        let same = |known: &Place| match (known, place) {
            (Place::Registry(a), Place::Registry(b)) => {
                a.registry() == b.registry() && a.repository() == b.repository()
            }
            _ => false,
        };
        self.places.iter().filter(|(known, _)| same(known)).find_map(|(_, layers)| layers.get(diff_id))
    }

    /// Brings layers into the store, where `lease` keeps them; gives those that cannot be had, and why.
    ///
    /// # Errors
    /// When the store fails.
    pub fn fetch(
        &self,
        store: &Store,
        form: LayerForm,
        options: &Options,
        lease: &Lease,
        wanted: &[Wanted],
    ) -> Result<Vec<(Digest, String)>, StepError> {
        lease.protect(wanted.iter().map(|(diff_id, _)| *diff_id))?;
        let mut reasons: BTreeMap<Digest, String> = BTreeMap::new();
        for (place, layers) in &self.places {
            let missing = wanted.iter().filter(|(diff_id, _)| !is_here(store, diff_id));
            let here: Vec<(Descriptor, Digest)> =
                missing.filter_map(|(diff_id, _)| Some((layers.get(diff_id)?.clone(), *diff_id))).collect();
            let failed = from(place, store, form, options, lease, &here);
            let failed: BTreeMap<Digest, String> = match failed {
                Ok(failed) => failed.into_iter().collect(),
                Err(reason) => here.iter().map(|(_, diff_id)| (*diff_id, reason.clone())).collect(),
            };
            for (blob, diff_id) in &here {
                let reason = match failed.get(diff_id) {
                    Some(reason) => Some(reason.clone()),
                    None => inflate(store, lease, blob, diff_id).err().map(|e| crate::error::chain(&e)),
                };
                reasons.extend(reason.map(|reason| (*diff_id, format!("{place}: {reason}"))));
            }
        }
        let whole = |(diff_id, size): &Wanted| {
            let length = store.blob_path(diff_id).metadata().map(|meta| meta.len());
            is_here(store, diff_id) && length.is_ok_and(|length| length == *size)
        };
        let lost = wanted.iter().filter(|wanted| !whole(wanted)).map(|(diff_id, _)| {
            let why = reasons.remove(diff_id);
            (*diff_id, why.unwrap_or_else(|| "it is not in the store any more".to_owned()))
        });
        Ok(lost.collect())
    }
}

/// Whether the store has a layer as steps of builds keep it: mountable, and its archive as it is.
pub fn is_here(store: &Store, diff_id: &Digest) -> bool {
    store.layer(diff_id).is_some() && store.has_blob(diff_id)
}

/// Gets layers from one place; those that could not be had, and why.
fn from(
    place: &Place,
    store: &Store,
    form: LayerForm,
    options: &Options,
    lease: &Lease,
    wanted: &[(Descriptor, Digest)],
) -> Result<Vec<(Digest, String)>, String> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    match place {
        Place::Registry(reference) => {
            let pull =
                PullOptions { access: options.access.clone(), platform: None, parallel: PARALLEL, form };
            let failed = registry::layers(store, reference, &pull, wanted);
            let failed = failed.map_err(|e| crate::error::chain(&e))?;
            Ok(failed.into_iter().map(|(diff_id, e)| (diff_id, crate::error::chain(&e))).collect())
        }
        Place::Directory(dir) => {
            let one = |(blob, diff_id): &(Descriptor, Digest)| loop {
                match image::read_layer(store, lease, dir, form, (blob, diff_id)) {
                    Ok(()) => return None,
                    // Another stage fetches it.
                    Err(image::Error::Store(lay_store::Error::Busy { .. })) => std::thread::sleep(POLL),
                    Err(e) => return Some((*diff_id, crate::error::chain(&e))),
                }
            };
            Ok(wanted.iter().filter_map(one).collect())
        }
    }
}

/// Puts the archive of a layer into the store as steps of builds keep them: as it is, not compressed.
fn inflate(store: &Store, lease: &Lease, blob: &Descriptor, diff_id: &Digest) -> Result<(), StepError> {
    if store.has_blob(diff_id) {
        return Ok(());
    }
    let text = blob.digest().to_string();
    let blob: Digest = text.parse().map_err(|_| StepError::NotGiven(format!("'{text}' is no digest")))?;
    lease.protect([blob])?;
    let dir = store.root().join("trash");
    let failed = || StepError::file("write in", &dir);
    let mut plain = tempfile::Builder::new().prefix(".cache-").tempfile_in(&dir).map_err(failed())?;
    let packed =
        File::open(store.blob_path(&blob)).map_err(StepError::file("open", &store.blob_path(&blob)))?;
    let mut from = layer::inflate(packed).map_err(StepError::from)?;
    let mut to = Hashed::new(plain.as_file_mut());
    let size = io::copy(&mut from, &mut to).map_err(failed())?;
    let actual = to.digest();
    if actual != *diff_id {
        return Err(StepError::from(layer::Error::DiffId { expected: *diff_id, actual }));
    }
    Ok(store.adopt_blob(&plain.into_temp_path(), diff_id, size, LAYER)?)
}
