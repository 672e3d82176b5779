//! The directories that an overlay is made of, and the mounts that they are in.
//!
//! Layers that are directories share one mount: cloning, mapping and taking apart a mount takes longer than all else that
//! overlayfs wants of a layer.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags, Stat, fstat, openat2, stat};
use rustix::io::Errno;

use super::{Error, Layer, LayerForm};
use crate::kernel::mount;

/// Directories, top to bottom.
pub(super) struct Stack {
    dirs: Vec<OwnedFd>,
    /// Which of them are the roots of mounts of their own.
    own: Vec<bool>,
    /// The mount that the others are in, and its directory.
    shared: Option<(OwnedFd, PathBuf)>,
}

impl Stack {
    /// An empty one. If several of the layers that are to come are directories, it has a mount for all of these, their ids
    /// mapped to `userns` if there is one.
    pub(super) fn for_layers(layers: &[&Layer], userns: Option<BorrowedFd<'_>>) -> Self {
        let dirs: Vec<&Path> = layers
            .iter()
            .filter(|layer| layer.form == LayerForm::Directory)
            .map(|layer| layer.path.as_path())
            .collect();
        let shared = match common(&dirs) {
            // What stands in the way is told of the layer where it does.
            Some(dir) if dirs.len() > 1 => {
                mount::clone_idmapped(dir, userns, false).ok().map(|mount| (mount, dir.to_owned()))
            }
            _ => None,
        };
        Self { dirs: Vec::new(), own: Vec::new(), shared }
    }

    /// Puts a directory below the others by the mount that they share; tells whether it could be.
    pub(super) fn put_shared(&mut self, layer: &Layer) -> Result<bool, Error> {
        let Some((mount, root)) = self.shared.as_ref().filter(|_| layer.form == LayerForm::Directory) else {
            return Ok(false);
        };
        let Ok(inside) = layer.path.strip_prefix(root) else { return Ok(false) };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let Ok(dir) = openat2(mount, inside, flags, Mode::empty(), resolve) else { return Ok(false) };
        let failed = |source: Errno| Error::Upper { step: "look at", path: layer.path.clone(), source };
        let same = |a: &Stat, b: &Stat| (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino);
        // What is mounted on the way to it is not in the clone.
        if !same(&fstat(&dir).map_err(failed)?, &stat(&layer.path).map_err(failed)?) {
            return Ok(false);
        }
        self.dirs.push(dir);
        self.own.push(false);
        Ok(true)
    }

    /// Puts a mount below the others.
    pub(super) fn put_below(&mut self, mount: OwnedFd) {
        self.dirs.push(mount);
        self.own.push(true);
    }

    /// Puts a mount above the others.
    pub(super) fn put_on_top(&mut self, mount: OwnedFd) {
        self.dirs.insert(0, mount);
        self.own.insert(0, true);
    }

    /// Takes the mount out that is all there is.
    pub(super) fn take_only(&mut self) -> Option<OwnedFd> {
        match self.own.as_slice() {
            [true] => self.dirs.pop(),
            _ => None,
        }
    }

    /// The lowest directory.
    pub(super) fn bottom(&self) -> Option<&OwnedFd> {
        self.dirs.last()
    }

    /// All directories, top to bottom.
    pub(super) fn dirs(&self) -> &[OwnedFd] {
        &self.dirs
    }

    /// All mounts.
    pub(super) fn mounts(&self) -> impl Iterator<Item = &OwnedFd> {
        let own = self.dirs.iter().zip(&self.own).filter(|(_, own)| **own).map(|(mount, _)| mount);
        own.chain(self.shared.as_ref().map(|(mount, _)| mount))
    }

    /// All mounts, to be closed.
    pub(super) fn into_mounts(self) -> impl Iterator<Item = OwnedFd> {
        let own = self.dirs.into_iter().zip(self.own).filter(|(_, own)| *own).map(|(mount, _)| mount);
        own.chain(self.shared.map(|(mount, _)| mount))
    }
}

/// The deepest directory that all are in.
fn common<'a>(dirs: &[&'a Path]) -> Option<&'a Path> {
    let (first, rest) = dirs.split_first()?;
    first.ancestors().skip(1).find(|above| rest.iter().all(|dir| dir.starts_with(above)))
}
