//! Entries to a tree, by descriptors alone.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, XattrFlags, fchmod,
    fchown, mkdirat, openat, openat2, statat, unlinkat, utimensat,
};
use rustix::io::Errno;

use super::Error;
use crate::container::idmap::IdMaps;
use crate::layer::entry::{Entry, FormWriter, Kind, Timestamp};

/// What entries are written below.
pub enum Below {
    /// A directory. Nothing in it is reached through a link.
    Directory(OwnedFd),
    /// A directory of a container, by its root and its path; links lead where the container's processes find them.
    Root(OwnedFd, PathBuf),
}

/// Writes entries.
pub struct Writer<'a> {
    below: Below,
    ids: Option<&'a IdMaps>,
    /// Owners are set.
    pub owners: bool,
    /// What comes is not trusted: it gets no set-id bits and no capabilities, and devices are left out.
    pub foreign: bool,
    /// Why an entry of an archive could not be written, in our own words.
    pub failure: Option<Error>,
    /// The parent of the last entry, which most often is the next one's too.
    last: Option<(Vec<u8>, OwnedFd)>,
    /// Times of directories, which change while files are made in them.
    times: Vec<(Vec<u8>, Timestamp)>,
}

impl<'a> Writer<'a> {
    /// Writes below a directory; ids are those of a container that has `ids`.
    pub fn new(below: Below, ids: Option<&'a IdMaps>) -> Writer<'a> {
        Writer { below, ids, owners: true, foreign: false, failure: None, last: None, times: Vec::new() }
    }

    /// Takes an entry.
    pub fn take(&mut self, entry: &Entry, data: &mut dyn BufRead) -> Result<(), Error> {
        let (parent_path, name) = split(&entry.path);
        if name.is_empty() {
            self.times.push((Vec::new(), entry.mtime));
            let fd = self.open(b"")?;
            return self.dress(&fd, entry);
        }
        let parent = match self.last.take() {
            Some((path, fd)) if path == parent_path => fd,
            _ => self.directory(parent_path)?,
        };
        let made = self.make(&parent, OsStr::from_bytes(name), entry, data);
        self.last = Some((parent_path.to_vec(), parent));
        made
    }

    /// Gives directories their times, after the last entry.
    pub fn end(&mut self) -> Result<(), Error> {
        for (path, time) in std::mem::take(&mut self.times).into_iter().rev() {
            let fd = self.open(&path)?;
            rustix::fs::futimens(&fd, &timestamps(time))
                .map_err(Error::at("set the time of", shown(&path)))?;
        }
        Ok(())
    }

    fn make(
        &mut self,
        parent: &OwnedFd,
        name: &OsStr,
        entry: &Entry,
        data: &mut dyn BufRead,
    ) -> Result<(), Error> {
        let path = shown(&entry.path);
        let is_directory = entry.kind == Kind::Directory;
        let there = match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Some(FileType::from_raw_mode(stat.st_mode) == FileType::Directory),
            Err(Errno::NOENT) => None,
            Err(e) => return Err(Error::at("examine", path)(e)),
        };
        let refuse = |what| Error::Replace { path: path.display().to_string(), what };
        match (there, is_directory) {
            (Some(true), false) => return Err(refuse("a directory is not replaced by something else")),
            (Some(false), true) => return Err(refuse("what is no directory is not replaced by one")),
            (Some(false), false) => {
                unlinkat(parent, name, AtFlags::empty()).map_err(Error::at("replace", path))?
            }
            _ => {}
        }
        let failed = |e| Error::at("create", path)(e);
        match &entry.kind {
            Kind::Directory => {
                if there.is_none() {
                    mkdirat(parent, name, Mode::RWXU).map_err(failed)?;
                }
                self.times.push((entry.path.clone(), entry.mtime));
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let fd = openat(parent, name, flags, Mode::empty()).map_err(failed)?;
                self.dress(&fd, entry)
            }
            Kind::File => self.file(parent, name, entry, data),
            Kind::Symlink { target } => {
                rustix::fs::symlinkat(target.as_slice(), parent, name).map_err(failed)?;
                self.dress_by_name(parent, name, entry)
            }
            Kind::HardLink { target } => {
                let (dir, base) = split(target);
                let dir = self.open(dir)?;
                rustix::fs::linkat(dir, base, parent, name, AtFlags::empty()).map_err(failed)
            }
            Kind::CharDevice { major, minor } => {
                self.device(parent, name, entry, FileType::CharacterDevice, (*major, *minor))
            }
            Kind::BlockDevice { major, minor } => {
                self.device(parent, name, entry, FileType::BlockDevice, (*major, *minor))
            }
            Kind::Fifo => {
                rustix::fs::mknodat(parent, name, FileType::Fifo, Mode::from_raw_mode(entry.mode), 0)
                    .map_err(failed)?;
                self.dress_by_name(parent, name, entry)
            }
            // Names that mean something in a layer mean nothing here.
            Kind::Whiteout => {
                self.file(parent, OsStr::from_bytes(&[b".wh.", name.as_bytes()].concat()), entry, data)
            }
            Kind::Opaque => Ok(()),
        }
    }

    fn file(
        &self,
        parent: &OwnedFd,
        name: &OsStr,
        entry: &Entry,
        data: &mut dyn BufRead,
    ) -> Result<(), Error> {
        let path = shown(&entry.path);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(parent, name, flags, Mode::RUSR | Mode::WUSR).map_err(Error::at("create", path))?;
        let mut file = File::from(fd);
        let errno = |e: io::Error| Errno::from_io_error(&e).unwrap_or(Errno::IO);
        write(&mut file, entry, data).map_err(|e| Error::at("write", path)(errno(e)))?;
        let fd = OwnedFd::from(file);
        self.dress(&fd, entry)?;
        rustix::fs::futimens(&fd, &timestamps(entry.mtime)).map_err(Error::at("set the time of", path))
    }

    fn device(
        &self,
        parent: &OwnedFd,
        name: &OsStr,
        entry: &Entry,
        kind: FileType,
        (major, minor): (u32, u32),
    ) -> Result<(), Error> {
        if self.foreign {
            tracing::warn!(path = %shown(&entry.path).display(), "device left out");
            return Ok(());
        }
        let (mode, device) = (Mode::from_raw_mode(entry.mode), rustix::fs::makedev(major, minor));
        rustix::fs::mknodat(parent, name, kind, mode, device)
            .map_err(Error::at("create", shown(&entry.path)))?;
        self.dress_by_name(parent, name, entry)
    }

    /// Owner, mode and capabilities of an open file. A change of owner takes the other two away, so it comes first.
    fn dress(&self, fd: &OwnedFd, entry: &Entry) -> Result<(), Error> {
        let path = shown(&entry.path);
        if let Some((uid, gid)) = self.owner(entry)? {
            fchown(fd, Some(uid), Some(gid)).map_err(Error::at("give an owner to", path))?;
        }
        fchmod(fd, self.mode(entry)).map_err(Error::at("set the mode of", path))?;
        for xattr in entry.xattrs.iter().filter(|_| !self.foreign) {
            // Not every file system has them.
            let _ = rustix::fs::fsetxattr(fd, xattr.name.as_slice(), &xattr.value, XattrFlags::empty());
        }
        Ok(())
    }

    /// The same for what cannot be opened. It was made just now, and a link in its place is not followed.
    fn dress_by_name(&self, parent: &OwnedFd, name: &OsStr, entry: &Entry) -> Result<(), Error> {
        let path = shown(&entry.path);
        let stay = AtFlags::SYMLINK_NOFOLLOW;
        if let Some((uid, gid)) = self.owner(entry)? {
            rustix::fs::chownat(parent, name, Some(uid), Some(gid), stay)
                .map_err(Error::at("give an owner to", path))?;
        }
        utimensat(parent, name, &timestamps(entry.mtime), stay).map_err(Error::at("set the time of", path))
    }

    fn mode(&self, entry: &Entry) -> Mode {
        let bits = if self.foreign && entry.kind != Kind::Directory { 0o1777 } else { 0o7777 };
        Mode::from_raw_mode(entry.mode & bits)
    }

    fn owner(&self, entry: &Entry) -> Result<Option<(Uid, Gid)>, Error> {
        let (uid, gid) = match self.ids {
            _ if !self.owners => return Ok(None),
            None => (entry.uid, entry.gid),
            Some(ids) => ids.outside(entry.uid, entry.gid)?,
        };
        Ok(Some((Uid::from_raw(uid), Gid::from_raw(gid))))
    }

    /// Opens a directory that is there.
    fn open(&self, path: &[u8]) -> Result<OwnedFd, Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let relative = if path.is_empty() { Path::new(".") } else { shown(path) };
        let result = match &self.below {
            Below::Directory(fd) => {
                openat2(fd, relative, flags, Mode::empty(), ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS)
            }
            Below::Root(root, base) => openat2(
                root,
                base.join(relative),
                flags,
                Mode::empty(),
                ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
            ),
        };
        result.map_err(Error::at("open", shown(path)))
    }

    /// Opens a directory, and makes it where an archive does not say it.
    fn directory(&self, path: &[u8]) -> Result<OwnedFd, Error> {
        match self.open(path) {
            Err(Error::File { source: Errno::NOENT, .. }) if !path.is_empty() => {}
            result => return result,
        }
        let (above, name) = split(path);
        let parent = self.directory(above)?;
        match mkdirat(&parent, OsStr::from_bytes(name), Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => self.open(path),
            Err(e) => Err(Error::at("create", shown(path))(e)),
        }
    }
}

impl FormWriter for Writer<'_> {
    type Error = crate::layer::Error;

    fn entry(&mut self, entry: &Entry, data: &mut dyn BufRead) -> Result<(), Self::Error> {
        self.take(entry, data).map_err(|error| {
            self.failure = Some(error);
            crate::layer::Error::Read(io::ErrorKind::Other.into())
        })
    }

    fn finish(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// Writes a file's content; holes stay holes.
fn write(file: &mut File, entry: &Entry, data: &mut dyn BufRead) -> io::Result<()> {
    let Some(map) = &entry.sparse else {
        return io::copy(&mut io::Read::take(&mut *data, entry.size), file).map(drop);
    };
    for segment in map {
        file.seek(SeekFrom::Start(segment.offset))?;
        io::copy(&mut io::Read::take(&mut *data, segment.length), file)?;
    }
    file.flush()?;
    file.set_len(entry.size)
}

fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

fn shown(path: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(path))
}

fn timestamps(time: Timestamp) -> Timestamps {
    let at = Timespec { tv_sec: time.secs, tv_nsec: time.nanos.into() };
    Timestamps { last_access: at, last_modification: at }
}
