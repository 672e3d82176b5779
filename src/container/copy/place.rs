//! What is copied, and where to: Docker's rules for files, directories and slashes.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, OFlags, readlinkat};

use super::Error;
use super::names::Name;
use super::root::{View, kind};

/// Most links that are followed to a destination, as in the kernel.
const MAX_LINKS: usize = 40;

/// The source.
pub struct Found {
    /// It, opened with `O_PATH`.
    pub fd: OwnedFd,
    /// It is a directory.
    pub directory: bool,
}

/// Finds a source. A link at the end of its path is copied as a link, unless it is to be followed or a slash comes after it.
pub fn found(view: &View<'_>, name: &Name, follow: bool, shown: &str) -> Result<Found, Error> {
    let mut flags = OFlags::PATH;
    flags.set(OFlags::NOFOLLOW, !follow && !name.directory);
    let fd = view.open(&name.path, flags)?.ok_or_else(|| Error::Missing(shown.to_string()))?;
    let directory = kind(&fd, &name.path)? == FileType::Directory;
    match name.directory && !directory {
        true => Err(Error::NoDirectory(shown.to_string())),
        false => Ok(Found { fd, directory }),
    }
}

/// The destination.
#[derive(Debug)]
pub struct Target {
    /// The directory that the copy goes into.
    pub directory: OwnedFd,
    /// What it is called there; nothing for the directory itself.
    pub base: Vec<u8>,
}

/// Finds where a copy of `source` goes.
pub fn destination(
    view: &View<'_>,
    name: &Name,
    source: &Name,
    source_is_directory: bool,
    shown: &str,
) -> Result<Target, Error> {
    let path = follow(view, &name.path)?;
    let there = view.open(&path, OFlags::PATH | OFlags::NOFOLLOW)?;
    let there = there.map(|fd| kind(&fd, &path)).transpose()?;
    match there {
        Some(FileType::Directory) => {
            let directory = directory(view, &path, shown)?;
            return Ok(Target { directory, base: source.base().to_vec() });
        }
        Some(_) if source_is_directory => return Err(Error::OverFile(shown.to_string())),
        _ if name.directory && !source_is_directory => return Err(Error::NoDirectory(shown.to_string())),
        _ => {}
    }
    let (Some(parent), Some(base)) = (path.parent(), path.file_name()) else {
        return Err(Error::NoDirectory(shown.to_string()));
    };
    Ok(Target { directory: directory(view, parent, shown)?, base: base.as_bytes().to_vec() })
}

fn directory(view: &View<'_>, path: &Path, shown: &str) -> Result<OwnedFd, Error> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    view.open(path, flags)?.ok_or_else(|| Error::NoParent(shown.to_string()))
}

/// Where the links at the end of a path lead, whether there is something or not.
fn follow(view: &View<'_>, path: &Path) -> Result<PathBuf, Error> {
    let mut path = path.to_path_buf();
    for _ in 0..MAX_LINKS {
        let Some(fd) = view.open(&path, OFlags::PATH | OFlags::NOFOLLOW)? else { return Ok(path) };
        if kind(&fd, &path)? != FileType::Symlink {
            return Ok(path);
        }
        let target = readlinkat(&fd, "", Vec::new()).map_err(Error::at("read", &path))?;
        let target = Path::new(std::ffi::OsStr::from_bytes(target.to_bytes())).to_path_buf();
        path = path.parent().unwrap_or(Path::new("/")).join(target);
    }
    Err(Error::at("follow", &path)(rustix::io::Errno::LOOP))
}
