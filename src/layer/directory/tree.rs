//! Where an entry goes: paths of the archive to directories on disk, by descriptor.
//!
//! Every descriptor is reached from the root's, either in one step that follows no symlink at all (`openat2(2)`), or part
//! by part with each symlink resolved here. So nothing can lead out of the root, in whatever order entries come.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, mkdirat, openat, openat2, readlinkat, statat,
    unlinkat,
};
use rustix::io::Errno;

use super::attributes;
use crate::layer::entry::{Timestamp, Xattr};
use crate::layer::error::{Error, problem};
use crate::layer::tar::{join, split};

/// As many as the kernel follows (`MAXSYMLINKS`).
const MOST_LINKS: u32 = 40;
/// `PATH_MAX` without its NUL.
const PATH: usize = 4095;
/// So few that the usual limit of open files leaves room, and enough for the order in which archivers walk.
const CACHED: usize = 128;

/// What a directory gets in the end, when nothing changes it any more.
#[derive(Debug, Clone)]
pub(super) struct Attributes {
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub mtime: Timestamp,
    pub xattrs: Vec<Xattr>,
    pub opaque: bool,
}

impl Default for Attributes {
    /// Those of a directory that the archive does not mention.
    fn default() -> Self {
        let mtime = Timestamp::default();
        Self { mode: 0o755, uid: 0, gid: 0, mtime, xattrs: Vec::new(), opaque: false }
    }
}

/// A directory: its path without symlinks, and a descriptor (`O_PATH`).
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub path: Vec<u8>,
    pub fd: Rc<OwnedFd>,
}

/// The tree as far as it stands.
#[derive(Debug)]
pub(super) struct Tree {
    root: Place,
    /// Every directory by its path without symlinks; the root's is empty.
    pub dirs: BTreeMap<Vec<u8>, Attributes>,
    /// Every path that a whiteout named, and whether the whiteout stands there.
    pub hidden: BTreeMap<Vec<u8>, bool>,
    /// Directories by the path that the archive gives them.
    cache: HashMap<Vec<u8>, Place>,
}

impl Tree {
    /// An empty tree in the directory `root`.
    pub fn new(root: OwnedFd) -> Self {
        let root = Place { path: Vec::new(), fd: Rc::new(root) };
        let dirs = BTreeMap::from([(Vec::new(), Attributes::default())]);
        Self { root, dirs, hidden: BTreeMap::new(), cache: HashMap::new() }
    }

    /// The directory at `path`, symlinks followed within the root, missing parts made.
    pub fn make_dir(&mut self, path: &[u8]) -> Result<Place, Error> {
        if let Some(place) = self.cache.get(path) {
            return Ok(place.clone());
        }
        let place = match self.open(path) {
            Ok(place) => place,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {
                self.walk(path, true)?.ok_or_else(|| Error::entry(path, problem::PARENT))?
            }
            Err(e) => return Err(Error::write("open", path)(e)),
        };
        if self.cache.len() >= CACHED {
            self.cache.clear();
        }
        self.cache.insert(path.to_vec(), place.clone());
        Ok(place)
    }

    /// The directory at `path`, symlinks followed within the root; `None` if there is none.
    pub fn find_dir(&mut self, path: &[u8]) -> Result<Option<Place>, Error> {
        if let Some(place) = self.cache.get(path) {
            return Ok(Some(place.clone()));
        }
        match self.open(path) {
            Ok(place) => Ok(Some(place)),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => self.walk(path, false),
            Err(e) => Err(Error::write("open", path)(e)),
        }
    }

    /// Opens a directory whose path has no symlink in it.
    pub fn open(&self, path: &[u8]) -> Result<Place, Errno> {
        if path.is_empty() {
            return Ok(self.root.clone());
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        let fd = openat2(&self.root.fd, path, flags, Mode::empty(), resolve)?;
        Ok(Place { path: path.to_vec(), fd: Rc::new(fd) })
    }

    /// Makes the directory `name`, with nothing there before.
    pub fn mkdir(&mut self, parent: &Place, name: &[u8], attributes: Attributes) -> Result<(), Error> {
        let path = path_in(parent, name)?;
        mkdirat(&parent.fd, name, Mode::RWXU).map_err(Error::write("create", &path))?;
        let opaque = attributes.opaque || self.hidden.contains_key(&path);
        self.dirs.insert(path, Attributes { opaque, ..attributes });
        Ok(())
    }

    /// Gives the directory at `path`, which is there, new attributes; it stays opaque if it was.
    pub fn update(&mut self, path: &[u8], new: Attributes) {
        let opaque = self.dirs.get(path).is_some_and(|old| old.opaque);
        self.dirs.insert(path.to_vec(), Attributes { opaque, ..new });
    }

    /// Gives every directory its attributes, when all entries are in place.
    pub fn set_attributes(&self) -> Result<(), Error> {
        let standing = self.hidden.iter().filter(|(_, stands)| **stands);
        let with_whiteouts: HashSet<&[u8]> = standing.map(|(path, _)| split(path).0).collect();
        for (path, attributes) in &self.dirs {
            let place = self.open(path).map_err(Error::write("open", path))?;
            let dir = dir_for_reading(place.fd.as_fd()).map_err(Error::write("open", path))?;
            attributes::of_dir(dir.as_fd(), path, attributes, with_whiteouts.contains(path.as_slice()))?;
        }
        Ok(())
    }

    /// Removes `name`, and all below it, if it is there.
    pub fn remove(&mut self, parent: &Place, name: &[u8]) -> Result<(), Error> {
        let path = path_in(parent, name)?;
        let Some(stat) = stat(parent, name)? else { return Ok(()) };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                self.cache.clear();
                self.remove_dir(&path)
            }
            kind => {
                if kind == FileType::Symlink {
                    self.cache.clear();
                }
                if let Some(stands) = self.hidden.get_mut(&path) {
                    *stands = false;
                }
                unlinkat(&parent.fd, name, AtFlags::empty()).map_err(Error::write("replace", &path))
            }
        }
    }

    /// Removes a directory. It holds no more than one descriptor, however deep the tree below is: what directories
    /// there are is known, and in reverse order each comes before its parent.
    fn remove_dir(&mut self, path: &[u8]) -> Result<(), Error> {
        let below = [path, b"/"].concat();
        let inside = |p: &Vec<u8>| p.starts_with(&below);
        let mut dirs: Vec<Vec<u8>> =
            self.dirs.range(below.clone()..).map(|(p, _)| p.clone()).take_while(inside).collect();
        dirs.insert(0, path.to_vec());
        for dir in dirs.iter().rev() {
            let failed = || Error::write("replace", dir);
            let place = self.open(dir).map_err(failed())?;
            empty(place.fd.as_fd()).map_err(failed())?;
            let (parent, name) = split(dir);
            let parent = self.open(parent).map_err(failed())?;
            unlinkat(&parent.fd, name, AtFlags::REMOVEDIR).map_err(failed())?;
            self.dirs.remove(dir);
        }
        let hidden: Vec<Vec<u8>> =
            self.hidden.range(below.clone()..).map(|(p, _)| p.clone()).take_while(inside).collect();
        for path in hidden {
            self.hidden.remove(&path);
        }
        Ok(())
    }

    /// Resolves a path part by part. `None` if a part is missing and not to be made.
    fn walk(&mut self, path: &[u8], make: bool) -> Result<Option<Place>, Error> {
        let mut place = self.root.clone();
        let mut todo = reversed(path);
        let mut links = 0;
        while let Some(part) = todo.pop() {
            match part.as_slice() {
                b"" | b"." => {}
                b".." => place = self.open(split(&place.path).0).map_err(Error::write("open", path))?,
                name => match self.step(&place, name, make)? {
                    Step::Into(next) => place = next,
                    Step::Link(target) => {
                        links += 1;
                        if links > MOST_LINKS {
                            return Err(Error::entry(path, problem::LINKS));
                        }
                        if target.starts_with(b"/") {
                            place = self.root.clone();
                        }
                        todo.extend(reversed(&target));
                    }
                    Step::Missing => return Ok(None),
                },
            }
        }
        Ok(Some(place))
    }

    /// One part of the way.
    fn step(&mut self, at: &Place, name: &[u8], make: bool) -> Result<Step, Error> {
        let path = path_in(at, name)?;
        let kind = stat(at, name)?.map(|stat| (FileType::from_raw_mode(stat.st_mode), is_whiteout(&stat)));
        match kind {
            Some((FileType::Directory, _)) => {}
            Some((FileType::Symlink, _)) => {
                let target = readlinkat(&at.fd, name, Vec::new()).map_err(Error::write("read", &path))?;
                return Ok(Step::Link(target.into_bytes()));
            }
            None | Some((_, true)) if !make => return Ok(Step::Missing),
            None => self.mkdir(at, name, Attributes::default())?,
            Some((_, true)) => {
                self.remove(at, name)?;
                self.mkdir(at, name, Attributes { opaque: true, ..Attributes::default() })?;
            }
            Some(_) if make => return Err(Error::entry(&path, problem::PARENT)),
            Some(_) => return Ok(Step::Missing),
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(&at.fd, name, flags, Mode::empty()).map_err(Error::write("open", &path))?;
        Ok(Step::Into(Place { path, fd: Rc::new(fd) }))
    }
}

/// What stands at one part of the way.
enum Step {
    Into(Place),
    Link(Vec<u8>),
    Missing,
}

/// The path of `name` in `parent`.
pub(super) fn path_in(parent: &Place, name: &[u8]) -> Result<Vec<u8>, Error> {
    let path = join(&parent.path, name);
    if path.len() > PATH { Err(Error::entry(&path, problem::LONG_PATH)) } else { Ok(path) }
}

/// What stands at `name`, not followed.
pub(super) fn stat(parent: &Place, name: &[u8]) -> Result<Option<Stat>, Error> {
    match statat(&parent.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(e) => Err(Error::write("look at", &join(&parent.path, name))(e)),
    }
}

/// Whether overlayfs takes it for a whiteout.
pub(super) fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

/// A path's parts, the last first.
fn reversed(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|b| *b == b'/').rev().map(<[u8]>::to_vec).collect()
}

/// Unlinks everything in a directory without directories.
fn empty(dir: BorrowedFd<'_>) -> Result<(), Errno> {
    for entry in Dir::read_from(dir_for_reading(dir)?)? {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            unlinkat(dir, name, AtFlags::empty())?;
        }
    }
    Ok(())
}

fn dir_for_reading(dir: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    openat(dir, c".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}
