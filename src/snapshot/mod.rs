//! Layers to a mounted root: EROFS, directory, overlay, id-mapped mounts.
//!
//! Every mount here is detached: it stands in no mount table until the container moves it into its own mount
//! namespace, and it is gone with its last user.

mod compare;
mod error;
mod files;
mod form;
mod kept;
mod layers;
mod loopdev;
mod offers;
mod overlay;
mod stack;
mod upper;

use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;

use lay_store::{Layer, LayerForm};
use rustix::mount::MountAttrFlags;
use stack::Stack;

pub use compare::{Difference, Said, Usage, differences, layer_entries, usage};
pub use error::Error;
pub use files::{Entry, Files};
pub use form::{Form, UnknownForm, preferred_form};
pub use kept::{Kept, Originals};
pub use upper::create_upper;

/// overlayfs takes no more (`OVL_MAX_STACK` in `fs/overlayfs/params.h`).
const MAX_LAYERS: usize = 500;

/// The layers of an image, and the directory that takes the changes on top of them.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The layers, bottom to top.
    pub layers: Vec<Layer>,
    /// The directory, made by [`create_upper`], that takes the changes; `None` for a read-only view.
    pub upper: Option<PathBuf>,
    /// The upper directory goes away with the container, so nothing of it has to survive a power cut: it is never
    /// synced, which spares a sync of the whole file system at the end (overlayfs option `volatile`).
    pub ephemeral: bool,
    /// How EROFS files are to be mounted.
    pub via: Via,
    /// Mounts that [`Snapshot::peek`] made, for [`Snapshot::mount`] to take over.
    pub kept: Kept,
}

/// How an EROFS file is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Via {
    /// From the file where the kernel can, else through a loop device.
    #[default]
    Any,
    /// From the file (Linux 6.12 and later).
    File,
    /// Through a read-only loop device that goes away with the mount.
    Loop,
}

impl Snapshot {
    /// Mounts the root of a container, detached: an overlay of all layers and of the upper directory, read-only if there
    /// is none. With `userns`, the ids that layers and upper directory hold are the ids that this user namespace sees.
    ///
    /// Starts a thread, which is gone when this returns.
    ///
    /// # Errors
    /// Any of [`Error`] but those of [`Files`].
    pub fn mount(&self, userns: Option<BorrowedFd<'_>>) -> Result<OwnedFd, Error> {
        let mut layers = self.mount_layers(userns)?;
        let upper = match &self.upper {
            None => None,
            Some(dir) => Some(upper::Upper::open(dir, userns, self.ephemeral)?),
        };
        let root = overlay::mount(&mut layers, upper.as_ref(), MountAttrFlags::empty());
        self.kept.spend(layers.into_mounts().chain(upper.map(|upper| upper.mount)));
        root
    }

    /// A read-only view of the layers, and of the upper directory's state so far, as the host sees them: for lookups
    /// before a container starts. Ids in it are the ones that the container sees.
    ///
    /// # Errors
    /// Any of [`Error`] but those of [`Files`].
    pub fn peek(&self) -> Result<Files, Error> {
        let mut layers = self.mount_layers(None)?;
        if let Some(changes) = self.upper.as_deref().map(upper::changes).transpose()?.flatten() {
            layers.put_on_top(changes);
        }
        if let Some(only) = layers.take_only() {
            // One that an overlay was made of stands in a mount namespace on older kernels, and cannot be mapped any more.
            if let Some(top) = self.layers.last().filter(|top| top.form == LayerForm::Erofs) {
                self.kept.put(&top.path, &only);
            }
            layers::restrict(&only, layers::QUIET)?;
            return Ok(Files::new(only));
        }
        overlay::mount(&mut layers, None, layers::QUIET).map(Files::new)
    }

    /// Mounts every layer, top to bottom.
    fn mount_layers(&self, userns: Option<BorrowedFd<'_>>) -> Result<Stack, Error> {
        match self.layers.len() {
            0 => return Err(Error::NoLayers),
            count if count > MAX_LAYERS => return Err(Error::TooManyLayers { count, most: MAX_LAYERS }),
            _ => {}
        }
        // A layer that stands in the stack twice (empty ones often do) counts where it stands on top: what it says there, it
        // says again of everything below. overlayfs would refuse the second.
        let mut seen = std::collections::HashSet::new();
        let distinct: Vec<&Layer> =
            self.layers.iter().rev().filter(|layer| seen.insert(&layer.path)).collect();
        let mut stack = Stack::for_layers(&distinct, userns);
        for layer in distinct {
            if !stack.put_shared(layer)? {
                stack.put_below(match self.kept.take(&layer.path) {
                    Some(mount) => layers::remap(layer, mount, userns)?,
                    None => layers::mount(layer, self, userns)?,
                });
            }
            if stack.bottom().is_some_and(layers::is_opaque) {
                break;
            }
        }
        Ok(stack)
    }
}

#[cfg(test)]
mod tests;
