//! Removing names and images.

use lay_store::{Digest, Image as Entry, Store};

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
    let Some(Target { entry, manifest, id }) = target(store, removal.name)? else {
        return Ok(Removed { untagged: untag_damaged(store, removal.name)?, deleted: None });
    };
    let names = names_of(store, &entry)?;
    let by_name = entry.name.clone().filter(|n| is_name(removal.name, n));
    match by_name {
        Some(name) if names.len() > 1 => {
            store.untag(&name)?;
            Ok(Removed { untagged: vec![name], deleted: None })
        }
        None if names.len() > 1 && !removal.force => {
            Err(Error::SeveralNames { image: removal.name.to_string(), names: names.join(", ") })
        }
        _ => {
            let user = removal.claims.iter().find(|c| c.manifest == manifest);
            if let Some(claim) = user.filter(|_| !removal.force) {
                return Err(Error::InUse {
                    image: removal.name.to_string(),
                    container: claim.container.clone(),
                });
            }
            let listed = entry.descriptor.digest().to_string().parse().unwrap_or(manifest);
            let untagged = store.remove_image(&listed)?;
            Ok(Removed { untagged, deleted: Some(id) })
        }
    }
}

/// What a removal is about.
struct Target {
    entry: Entry,
    manifest: Digest,
    /// The image's id; of a damaged image that has lost it, the digest that it is listed by.
    id: Digest,
}

/// The image, be it damaged; none where its entry itself is.
fn target(store: &Store, name: &str) -> Result<Option<Target>, Error> {
    match find(store, name) {
        Ok(Image { name, descriptor, manifest, id, .. }) => {
            Ok(Some(Target { entry: Entry { name, descriptor }, manifest, id }))
        }
        Err(Error::Damaged { image, listed, source }) => {
            let digest = listed.entry.descriptor.digest().to_string().parse::<Digest>();
            let Ok(manifest) = digest else { return Err(Error::Damaged { image, listed, source }) };
            Ok(Some(Target { entry: listed.entry, manifest, id: listed.id.unwrap_or(manifest) }))
        }
        Err(Error::Store(lay_store::Error::Entry { .. })) => Ok(None),
        Err(error) => Err(error),
    }
}

fn untag_damaged(store: &Store, typed: &str) -> Result<Vec<String>, Error> {
    let names = store.damaged_entries()?.into_iter().filter_map(|entry| entry.name);
    let names: Vec<String> = names.filter(|name| is_name(typed, name)).collect();
    for name in &names {
        store.untag(name)?;
    }
    Ok(names)
}

fn names_of(store: &Store, entry: &Entry) -> Result<Vec<String>, Error> {
    let digest = entry.descriptor.digest();
    let entries = store.images()?.into_iter().filter(|e| e.descriptor.digest() == digest);
    Ok(entries.filter_map(|e| e.name).collect())
}

fn is_name(typed: &str, name: &str) -> bool {
    Reference::parse(typed).is_ok_and(|r| r.familiar() == name)
}
