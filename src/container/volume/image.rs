//! `--mount type=image`: the files of another image, to be read.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use lay_store::{Digest, Store};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use serde::{Deserialize, Serialize};

use super::{MountKind, MountRequest};
use crate::container::error::Error;
use crate::container::keep;
use crate::container::launch::Environment;
use crate::image;
use crate::kernel::mount;
use crate::runtime::Rootfs;
use crate::snapshot::Snapshot;

/// The image of a mount.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct ImageSource {
    /// As the user named it.
    pub name: String,
    /// A directory or file of it; all of it without.
    pub subpath: Option<PathBuf>,
    /// Its manifest and layers, bottom to top: what they were when the container was made.
    #[serde(default)]
    pub manifest: Option<Digest>,
    #[serde(default)]
    /// See there.
    pub layers: Vec<Digest>,
}

/// Finds the images among a new container's mounts.
///
/// # Errors
/// When one is not in the store.
pub fn resolve(store: &Store, mounts: &mut [MountRequest]) -> Result<(), Error> {
    for mount in mounts {
        if let MountKind::Image(source) = &mut mount.kind
            && source.manifest.is_none()
        {
            let found = image::find(store, &source.name)?;
            (source.manifest, source.layers) = (Some(found.manifest), found.layers);
        }
    }
    Ok(())
}

/// The images that mounts need.
pub fn images(mounts: &[MountRequest]) -> impl Iterator<Item = &ImageSource> {
    mounts.iter().filter_map(|mount| match &mount.kind {
        MountKind::Image(source) => Some(source),
        _ => None,
    })
}

/// What the specification calls the source of a mount: a name that is no path of the host.
pub fn source_name(target: &Path) -> String {
    format!("lay-image:{}", target.display())
}

/// A container's root, and the images that are mounted in it.
pub struct WithImages {
    /// The root.
    pub snapshot: Snapshot,
    images: Vec<(String, Snapshot, Option<PathBuf>)>,
}

impl WithImages {
    /// Finds the layers of all images among the mounts.
    ///
    /// # Errors
    /// [`Error::MissingLayer`].
    pub fn of(env: &Environment, snapshot: Snapshot, mounts: &[MountRequest]) -> Result<WithImages, Error> {
        let mut images = Vec::new();
        for mount in mounts {
            let MountKind::Image(source) = &mount.kind else { continue };
            let store = keep::layers(env)?;
            let layer = |diff_id: &Digest| store.layer(diff_id).ok_or(Error::MissingLayer(*diff_id));
            let layers = source.layers.iter().map(layer).collect::<Result<Vec<_>, _>>()?;
            let image = Snapshot { layers, via: env.via, ..Snapshot::default() };
            images.push((source_name(&mount.target), image, source.subpath.clone()));
        }
        Ok(WithImages { snapshot, images })
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Rootfs for WithImages {
    fn mount(&self, userns: Option<BorrowedFd<'_>>) -> Result<OwnedFd, Failure> {
        Rootfs::mount(&self.snapshot, userns)
    }

    fn bind(&self, source: &Path, userns: Option<BorrowedFd<'_>>) -> Result<Option<OwnedFd>, Failure> {
        let Some((_, image, subpath)) = self.images.iter().find(|(name, ..)| Path::new(name) == source)
        else {
            return Ok(None);
        };
        let root = image.mount(userns)?;
        let Some(subpath) = subpath else { return Ok(Some(root)) };
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let at = openat2(&root, subpath, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve)
            .map_err(|e| format!("the image has no {}: {e}", subpath.display()))?;
        Ok(Some(mount::clone_at(&at, Path::new(""), false)?))
    }
}
