//! Layers of an ordinary user's containers in which that user keeps its own ids (`--userns keep-id`).
//!
//! The owners on disk are others then: the image's root is the first id of the user's range, not the user. No mount can be
//! mapped without root, so the layers are there a second time, in a store below the store.

use std::path::PathBuf;

use lay_store::{LayerForm, Store};

use super::error::Error;
use super::files::on;
use super::launch::Environment;
use crate::image::Image;
use crate::kernel::userns;
use crate::layer;

/// Where they are, in the store.
const DIR: &str = "keep-id";

/// The store that has the layers which this process can use.
///
/// # Errors
/// When it cannot be made.
pub fn layers(env: &Environment) -> Result<Store, Error> {
    match userns::keeps_ids() {
        true => Ok(Store::open(&dir(env))?),
        false => Ok(env.store.clone()),
    }
}

/// Makes the layers of an image whose owners are right in this process's user namespace, where they are missing.
///
/// # Errors
/// When a compressed layer is not there any more, or cannot be unpacked.
pub fn unpack(env: &Environment, image: &Image) -> Result<(), Error> {
    if !userns::keeps_ids() {
        return Ok(());
    }
    let store = layers(env)?;
    for (blob, diff_id) in image.blobs.iter().zip(&image.layers) {
        if store.layer(diff_id).is_some() {
            continue;
        }
        let digest = blob.digest().to_string();
        let digest = digest.parse().map_err(|_| Error::MissingLayer(*diff_id))?;
        let file = env.store.open_blob(&digest).map_err(|_| Error::MissingLayer(*diff_id))?;
        layer::unpack(&store, file, diff_id, LayerForm::Directory)?;
    }
    Ok(())
}

/// Removes those that the store itself has no longer.
///
/// # Errors
/// When one cannot be removed.
pub fn sweep(env: &Environment) -> Result<(), Error> {
    let Some(store) = Store::open_existing(&dir(env))? else { return Ok(()) };
    let layers = store.root().join("layers");
    let entries = std::fs::read_dir(&layers).map_err(on("list", &layers))?;
    for entry in entries.flatten() {
        let hex = entry.file_name().to_string_lossy().into_owned();
        let Ok(diff_id) = format!("sha256:{hex}").parse() else { continue };
        if env.store.layer(&diff_id).is_none() {
            std::fs::remove_dir_all(entry.path()).map_err(on("remove", &entry.path()))?;
        }
    }
    Ok(())
}

fn dir(env: &Environment) -> PathBuf {
    env.store.root().join(DIR)
}
