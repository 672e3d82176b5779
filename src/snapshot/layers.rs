//! One layer to one detached mount.

use crate::layer::overlay_xattr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use super::{Error, Layer, LayerForm, Snapshot, Via, loopdev};
use crate::kernel::mount::{self, Change, Context};

/// Mounts a layer of `image`, its ids mapped to `userns` if there is one.
pub(super) fn mount(
    layer: &Layer,
    image: &Snapshot,
    userns: Option<BorrowedFd<'_>>,
) -> Result<OwnedFd, Error> {
    let failed = |source| Error::Layer { path: layer.path.clone(), source };
    match layer.form {
        LayerForm::Directory => mount::clone_idmapped(&layer.path, userns, false).map_err(failed),
        LayerForm::Erofs => {
            let mount = image.kept.or_mount(&layer.path, || erofs(&layer.path, image.via))?;
            if let Some(userns) = userns {
                mount::idmap(&mount, userns, false, &layer.path).map_err(failed)?;
            }
            Ok(mount)
        }
    }
}

/// Makes what was mounted for lookups a container's: with all that was taken from it, its ids mapped to `userns` if there
/// is one.
pub(super) fn remap(layer: &Layer, mount: OwnedFd, userns: Option<BorrowedFd<'_>>) -> Result<OwnedFd, Error> {
    let change = Change { clear: QUIET, userns, ..Change::default() };
    let failed = |source| Error::Layer { path: layer.path.clone(), source };
    mount::set_attributes(&mount, &change, false).map_err(failed)?;
    Ok(mount)
}

/// What is taken from a mount that is only looked at.
pub(super) const QUIET: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NODEV
    .union(MountAttrFlags::MOUNT_ATTR_NOSUID)
    .union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

/// Whether a layer hides all that is below it. overlayfs reads the mark of every directory but a layer's root
/// (`fs/overlayfs/super.c`, `ovl_get_root`).
pub(super) fn is_opaque(layer: &OwnedFd) -> bool {
    let path = format!("/proc/self/fd/{}/.", layer.as_raw_fd());
    let mut value = [0; 1];
    rustix::fs::getxattr(path, overlay_xattr("opaque").as_str(), &mut value) == Ok(1) && value == *b"y"
}

/// Takes rights from a detached mount, and makes it read-only.
pub(super) fn restrict(layer: impl AsFd, attributes: MountAttrFlags) -> Result<(), Error> {
    let change = Change { set: attributes | MountAttrFlags::MOUNT_ATTR_RDONLY, ..Change::default() };
    mount::set_attributes(layer, &change, false).map_err(Error::Overlay)
}

fn erofs(path: &Path, via: Via) -> Result<OwnedFd, Error> {
    if via != Via::Loop {
        match erofs_from(path) {
            // A kernel that wants a block device says so; one that can't read this file system's files, or not yet
            // from files at all, may call the option invalid.
            Err(e)
                if via == Via::Any
                    && matches!(e.errno(), Errno::NOTBLK | Errno::INVAL | Errno::OPNOTSUPP) => {}
            result => {
                return result.map_err(|source| Error::Layer { path: path.to_owned(), source });
            }
        }
    }
    let device = loopdev::attach(path)?;
    // The device holds itself from here on: it is cleared when the mount goes, or at once if there is none.
    erofs_from(device.path()).map_err(|source| Error::Layer { path: path.to_owned(), source })
}

fn erofs_from(source: &Path) -> Result<OwnedFd, mount::Error> {
    let context = Context::open("erofs")?;
    context.path("source", source)?;
    context.flag("ro")?;
    context.mount(MountAttrFlags::MOUNT_ATTR_RDONLY)
}
