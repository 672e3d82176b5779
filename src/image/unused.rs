//! Images that no container was made from.

use lay_store::{Digest, Store, Unwanted};

use super::find::load_entry;
use super::{Claim, Error, Image};

/// Entries of `index.json` for images that no container was made from and that `wanted` picks: those without a name, and with
/// `named` the others too. A damaged image without a name counts as unused, and is picked by being none.
///
/// # Errors
/// When `index.json` cannot be read.
pub fn unused(
    store: &Store,
    claims: &[Claim],
    named: bool,
    wanted: impl Fn(Option<&Image>) -> bool,
) -> Result<Vec<Unwanted>, Error> {
    let mut unused = Vec::new();
    for entry in store.images()?.into_iter().filter(|entry| named || entry.name.is_none()) {
        let Ok(listed) = entry.descriptor.digest().to_string().parse::<Digest>() else { continue };
        let name = entry.name.clone();
        let image = load_entry(store, entry).ok();
        let manifests = [Some(listed), image.as_ref().map(|image| image.manifest)];
        let in_use = claims.iter().any(|claim| manifests.contains(&Some(claim.manifest)));
        // What is damaged and has a name can be mended.
        let mendable = name.is_some() && image.is_none();
        if !in_use && !mendable && wanted(image.as_ref()) {
            unused.push((name, listed));
        }
    }
    Ok(unused)
}
