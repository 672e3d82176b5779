//! The directory form: a layer as overlayfs wants its lower directories (`Documentation/filesystems/overlayfs.rst`).

mod attributes;
mod content;
mod tree;

use std::fs::File;
use std::io::BufRead;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, linkat, makedev, mknodat, open, openat, symlinkat};
use rustix::io::Errno;

use super::entry::{Entry, FormWriter, Kind};
use super::error::{Error, printable, problem};
use super::tar::split;
use crate::kernel::userns;
use tree::{Attributes, Place, Tree, is_whiteout, path_in, stat};

/// Writes a layer into a directory.
#[derive(Debug)]
pub struct Writer {
    tree: Tree,
}

impl Writer {
    /// A writer into `dir`, which must be empty and nobody else's.
    ///
    /// # Errors
    /// [`Error::Write`] if it can't be opened.
    pub fn new(dir: &Path) -> Result<Self, Error> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = open(dir, flags, Mode::empty()).map_err(|source| Error::Write {
            step: "open",
            path: printable(dir.as_os_str().as_encoded_bytes()),
            source,
        })?;
        Ok(Self { tree: Tree::new(root) })
    }

    /// Makes something new at `name`; what was there goes.
    fn replace<T>(
        &mut self,
        parent: &Place,
        name: &[u8],
        entry: &Entry,
        make: impl Fn() -> Result<T, Errno>,
    ) -> Result<T, Error> {
        // Removing first would cost a call for each of the many names that are new.
        match make() {
            Err(Errno::EXIST) => {
                self.tree.remove(parent, name)?;
                make()
            }
            result => result,
        }
        .map_err(Error::write("create", &entry.path))
    }

    fn file(&mut self, entry: &Entry, data: &mut dyn BufRead) -> Result<(), Error> {
        let (parent, name) = self.parent(&entry.path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd: OwnedFd =
            self.replace(&parent, name, entry, || openat(&parent.fd, name, flags, Mode::RUSR | Mode::WUSR))?;
        let mut file = File::from(fd);
        content::write(&mut file, entry, data)?;
        attributes::of_file(&file, entry)
    }

    /// A directory over a directory keeps what is in it.
    fn directory(&mut self, entry: &Entry) -> Result<(), Error> {
        let Entry { mode, uid, gid, mtime, ref xattrs, .. } = *entry;
        let new = Attributes { mode, uid, gid, mtime, xattrs: xattrs.clone(), opaque: false };
        if entry.path.is_empty() {
            self.tree.update(&[], new);
            return Ok(());
        }
        let (parent, name) = self.parent(&entry.path)?;
        let path = path_in(&parent, name)?;
        if self.tree.dirs.contains_key(&path) {
            self.tree.update(&path, new);
            return Ok(());
        }
        self.tree.remove(&parent, name)?;
        self.tree.mkdir(&parent, name, new)
    }

    fn special(&mut self, entry: &Entry, kind: FileType, major: u32, minor: u32) -> Result<(), Error> {
        let (parent, name) = self.parent(&entry.path)?;
        if kind != FileType::Fifo && userns::nested() {
            // Nobody may make devices there; containers get theirs from the host.
            return self.tree.remove(&parent, name);
        }
        let device = makedev(major, minor);
        self.replace(&parent, name, entry, || {
            mknodat(&parent.fd, name, kind, Mode::from_raw_mode(entry.mode & 0o777), device)
        })?;
        attributes::of_special(&parent, name, entry)
    }

    fn symlink(&mut self, entry: &Entry, target: &[u8]) -> Result<(), Error> {
        let (parent, name) = self.parent(&entry.path)?;
        self.replace(&parent, name, entry, || symlinkat(target, &parent.fd, name))?;
        attributes::of_special(&parent, name, entry)
    }

    fn hard_link(&mut self, entry: &Entry, target: &[u8]) -> Result<(), Error> {
        let refused = |problem| Error::entry(&entry.path, problem);
        let (target_parent, target_name) = split(target);
        let from = self.tree.find_dir(target_parent)?.ok_or(refused(problem::LINK_TO_NOTHING))?;
        let old = stat(&from, target_name)?.ok_or(refused(problem::LINK_TO_NOTHING))?;
        if FileType::from_raw_mode(old.st_mode) == FileType::Directory || is_whiteout(&old) {
            return Err(refused(problem::LINK_TO_DIRECTORY));
        }
        let (parent, name) = self.parent(&entry.path)?;
        let (path, other) = (path_in(&parent, name)?, path_in(&from, target_name)?);
        if path == other {
            return Ok(());
        }
        if other.starts_with(&[path.as_slice(), b"/"].concat()) {
            return Err(refused(problem::LINK_OVER_TARGET));
        }
        self.replace(&parent, name, entry, || {
            linkat(&from.fd, target_name, &parent.fd, name, AtFlags::empty())
        })
    }

    /// Hides a name of the lower layers; what this layer has there stays.
    fn whiteout(&mut self, entry: &Entry) -> Result<(), Error> {
        let (parent, name) = self.parent(&entry.path)?;
        let path = path_in(&parent, name)?;
        if let Some(directory) = self.tree.dirs.get_mut(&path) {
            directory.opaque = true;
        }
        let free = stat(&parent, name)?.is_none();
        if free {
            mknodat(&parent.fd, name, FileType::CharacterDevice, Mode::empty(), 0)
                .map_err(Error::write("create the whiteout of", &path))?;
            attributes::of_special(&parent, name, entry)?;
        }
        let stands = self.tree.hidden.entry(path).or_default();
        *stands |= free;
        Ok(())
    }

    fn opaque(&mut self, entry: &Entry) -> Result<(), Error> {
        if let Some(root) = self.tree.dirs.get_mut(&entry.path).filter(|_| entry.path.is_empty()) {
            root.opaque = true;
            return Ok(());
        }
        let (parent, name) = self.parent(&entry.path)?;
        let path = path_in(&parent, name)?;
        if let Some(directory) = self.tree.dirs.get_mut(&path) {
            directory.opaque = true;
            return Ok(());
        }
        self.tree.remove(&parent, name)?;
        self.tree.mkdir(&parent, name, Attributes { opaque: true, ..Attributes::default() })
    }

    /// The directory of an entry other than the root, made if it is missing, and the entry's name in it.
    fn parent<'a>(&mut self, path: &'a [u8]) -> Result<(Place, &'a [u8]), Error> {
        let (parent, name) = split(path);
        if name.is_empty() {
            return Err(Error::entry(path, "the root is no directory"));
        }
        Ok((self.tree.make_dir(parent)?, name))
    }
}

impl FormWriter for Writer {
    type Error = Error;

    fn entry(&mut self, entry: &Entry, data: &mut dyn BufRead) -> Result<(), Error> {
        match entry.kind {
            Kind::File => self.file(entry, data),
            Kind::Directory => self.directory(entry),
            Kind::Symlink { ref target } => self.symlink(entry, target),
            Kind::HardLink { ref target } => self.hard_link(entry, target),
            Kind::CharDevice { major, minor } => self.special(entry, FileType::CharacterDevice, major, minor),
            Kind::BlockDevice { major, minor } => self.special(entry, FileType::BlockDevice, major, minor),
            Kind::Fifo => self.special(entry, FileType::Fifo, 0, 0),
            Kind::Whiteout => self.whiteout(entry),
            Kind::Opaque => self.opaque(entry),
        }
    }

    fn finish(&mut self) -> Result<(), Error> {
        self.tree.set_attributes()
    }
}
