//! Removing names and images.

use lay_store::{Digest, Store};

use super::{Error, Image, find};
use crate::registry::Reference;

/// A container's claim on an image.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The container's name.
    pub container: String,
    /// Manifest of the image that it was made from.
    pub manifest: Digest,
}

/// What to remove.
#[derive(Clone, Debug)]
pub struct Removal<'a> {
    /// A name or an id.
    pub name: &'a str,
    /// Remove the image although a stopped container uses it or it has several names.
    pub force: bool,
    /// What containers use.
    pub claims: &'a [Claim],
}

/// What a removal did.
#[derive(Clone, Debug, Default)]
pub struct Removed {
    /// Names that no longer refer to anything.
    pub untagged: Vec<String>,
    /// The image, where no name refers to it any more.
    pub deleted: Option<Digest>,
}

/// Takes a name off an image, and removes the image with its last name. Blobs and layers that nothing
/// else uses are deleted by the store's next collection, which the caller starts.
///
/// # Errors
/// When there is no such image, when a container uses it, or when an id has several names.
pub fn remove(store: &Store, removal: &Removal<'_>) -> Result<Removed, Error> {
    let image = find(store, removal.name)?;
    let names = names_of(store, &image)?;
    let by_name = image.name.clone().filter(|n| is_name(removal.name, n));
    match by_name {
        Some(name) if names.len() > 1 => {
            store.untag(&name)?;
            Ok(Removed { untagged: vec![name], deleted: None })
        }
        None if names.len() > 1 && !removal.force => {
            Err(Error::SeveralNames { image: removal.name.to_string(), names: names.join(", ") })
        }
        _ => {
            let user = removal.claims.iter().find(|c| c.manifest == image.manifest);
            if let Some(claim) = user.filter(|_| !removal.force) {
                return Err(Error::InUse {
                    image: removal.name.to_string(),
                    container: claim.container.clone(),
                });
            }
            let listed = image.descriptor.digest().to_string().parse().unwrap_or(image.manifest);
            let untagged = store.remove_image(&listed)?;
            Ok(Removed { untagged, deleted: Some(image.id) })
        }
    }
}

fn names_of(store: &Store, image: &Image) -> Result<Vec<String>, Error> {
    let digest = image.descriptor.digest().clone();
    let entries = store.images()?.into_iter().filter(|e| *e.descriptor.digest() == digest);
    Ok(entries.filter_map(|e| e.name).collect())
}

fn is_name(typed: &str, name: &str) -> bool {
    Reference::parse(typed).is_ok_and(|r| r.familiar() == name)
}
