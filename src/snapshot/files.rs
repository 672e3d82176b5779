//! Lookups in an image before anything runs: every path is resolved by the kernel, inside the image.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat2, statat};
use rustix::io::Errno;

use super::Error;

/// How often a lookup is tried that the rest of the machine disturbs.
const ATTEMPTS: usize = 256;

/// A read-only view of an image's files.
#[derive(Debug)]
pub struct Files {
    root: OwnedFd,
}

/// One name in a directory of the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: OsString,
    /// What it is; a symlink is a symlink.
    pub kind: FileType,
}

impl Files {
    /// Those below an open directory.
    pub fn new(root: OwnedFd) -> Self {
        Self { root }
    }

    /// Opens a directory; `None` where there is none. Symlinks are followed inside the image.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn directory(&self, path: impl AsRef<Path>) -> Result<Option<OwnedFd>, Error> {
        let path = path.as_ref();
        match self.stat(path)? {
            Some(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
                self.open(path, OFlags::RDONLY | OFlags::DIRECTORY)
            }
            _ => Ok(None),
        }
    }

    /// Reads a whole regular file; `None` if there is none. Symlinks are followed inside the image, absolute paths
    /// and `..` stay there.
    ///
    /// # Errors
    /// [`Error::NotRegular`] for a directory, device, pipe or socket, [`Error::TooLarge`] for more than `limit` bytes,
    /// [`Error::File`] else.
    pub fn read(&self, path: impl AsRef<Path>, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        let path = path.as_ref();
        let failed = |step| move |source| Error::File { step, path: path.to_owned(), source };
        let Some(stat) = self.stat(path)? else { return Ok(None) };
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Error::NotRegular { path: path.to_owned() });
        }
        // Nothing changes the view in between, but a pipe or device would block or act: so never wait.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let Some(fd) = self.open(path, flags)? else { return Ok(None) };
        let mut data = Vec::new();
        File::from(fd).take(limit.saturating_add(1)).read_to_end(&mut data).map_err(failed("read"))?;
        if data.len() as u64 > limit {
            return Err(Error::TooLarge { path: path.to_owned(), limit });
        }
        Ok(Some(data))
    }

    /// What stands at `path`, symlinks followed inside the image; `None` if nothing does.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn stat(&self, path: impl AsRef<Path>) -> Result<Option<Stat>, Error> {
        let path = path.as_ref();
        let Some(fd) = self.open(path, OFlags::PATH)? else { return Ok(None) };
        let stat = fstat(&fd).map_err(|e| Error::File {
            step: "look at",
            path: path.to_owned(),
            source: e.into(),
        })?;
        // The only layer of an image can hold whiteouts too, and no overlay hides them.
        Ok((!is_whiteout(&stat)).then_some(stat))
    }

    /// What kind of thing stands at `path`, a symlink at its end being one; `None` if nothing does.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn stat_itself(&self, path: impl AsRef<Path>) -> Result<Option<FileType>, Error> {
        let path = path.as_ref();
        let Some(fd) = self.open(path, OFlags::PATH | OFlags::NOFOLLOW)? else { return Ok(None) };
        let stat = fstat(&fd).map_err(|e| Error::File {
            step: "look at",
            path: path.to_owned(),
            source: e.into(),
        })?;
        Ok((!is_whiteout(&stat)).then(|| FileType::from_raw_mode(stat.st_mode)))
    }

    /// Whether anything stands at `path`, symlinks followed inside the image.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn exists(&self, path: impl AsRef<Path>) -> Result<bool, Error> {
        self.stat(path).map(|stat| stat.is_some())
    }

    /// The names in a directory, sorted; `None` if there is no such directory.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn list_dir(&self, path: impl AsRef<Path>) -> Result<Option<Vec<Entry>>, Error> {
        let path = path.as_ref();
        let failed =
            |source: Errno| Error::File { step: "list", path: path.to_owned(), source: source.into() };
        let Some(fd) = self.open_dir(path)? else { return Ok(None) };
        let mut entries = Vec::new();
        for entry in Dir::read_from(&fd).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let (name, kind) = (entry.file_name(), entry.file_type());
            if name == c"." || name == c".." {
                continue;
            }
            let device = kind == FileType::CharacterDevice;
            if device && is_whiteout(&statat(&fd, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?) {
                continue;
            }
            entries.push(Entry { name: OsStr::from_bytes(name.to_bytes()).to_owned(), kind });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Some(entries))
    }

    /// A descriptor of a directory, for callers that walk it by descriptors; `None` if there is no such directory.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn open_dir(&self, path: impl AsRef<Path>) -> Result<Option<OwnedFd>, Error> {
        self.open(path.as_ref(), OFlags::RDONLY | OFlags::DIRECTORY)
    }

    /// The root directory itself.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn root_stat(&self) -> Result<Stat, Error> {
        fstat(&self.root).map_err(|e| Error::File {
            step: "look at",
            path: Path::new("/").to_owned(),
            source: e.into(),
        })
    }

    fn open(&self, path: &Path, flags: OFlags) -> Result<Option<OwnedFd>, Error> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        // An empty path is an error for the kernel, and an absolute one starts at the root.
        let inside = Path::new("/").join(path);
        let open = || openat2(&self.root, &inside, flags | OFlags::CLOEXEC, Mode::empty(), resolve);
        // A rename or mount anywhere on the machine makes the kernel unsure of a `..` (`openat2(2)`, EAGAIN).
        let result = (0..ATTEMPTS).map(|_| open()).find(|result| !matches!(result, Err(Errno::AGAIN)));
        match result.unwrap_or(Err(Errno::AGAIN)) {
            Ok(fd) => Ok(Some(fd)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(e) => Err(Error::File { step: "open", path: path.to_owned(), source: io::Error::from(e) }),
        }
    }
}

fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

impl AsFd for Files {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }
}
