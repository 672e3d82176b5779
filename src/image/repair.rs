//! Repairing a store, layers included.

use lay_store::{Digest, LayerForm, Report, Store};

use super::{Error, Image, list};
use crate::layer;

/// What a repair found and left.
#[derive(Clone, Debug)]
pub struct Repaired {
    /// What was wrong.
    pub before: Report,
    /// How it is now.
    pub after: Report,
}

/// Mends what can be mended without a registry: as [`Store::repair`], and layers without a mountable form, whose archives are
/// there, are unpacked anew.
///
/// # Errors
/// When the store cannot be changed, as when it is full.
pub fn repair(store: &Store, form: LayerForm) -> Result<Repaired, Error> {
    let before = store.repair()?;
    for listed in list(store)?.into_iter().flatten() {
        unpack_missing(store, &listed.image, form)?;
    }
    Ok(Repaired { before, after: store.check(true)? })
}

fn unpack_missing(store: &Store, image: &Image, form: LayerForm) -> Result<(), Error> {
    if image.blobs.len() != image.layers.len() {
        return Ok(());
    }
    let lease = store.lease()?;
    for (blob, diff_id) in image.blobs.iter().zip(&image.layers) {
        let Ok(digest) = blob.digest().to_string().parse::<Digest>() else { continue };
        lease.protect([digest, *diff_id])?;
        if store.layer(diff_id).is_none() && store.has_blob(&digest) {
            layer::unpack(store, store.open_blob(&digest)?, diff_id, form)?;
        }
    }
    Ok(())
}
