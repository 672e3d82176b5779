//! What a step adds: the entries of the layer that it makes.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FileType, Stat};

use super::Root;
use crate::build::error::StepError;
use crate::layer::entry::{Kind, Timestamp, Xattr};

/// Most symlinks on the way to one place, as in the kernel.
const MAX_LINKS: usize = 40;

/// Where the content of a file comes from.
#[derive(Clone, Debug)]
pub enum Content {
    /// A file of a tree, and what it looked like when it was found.
    File(Arc<Root>, PathBuf, Box<Seen>),
    /// These bytes.
    Bytes(Arc<[u8]>),
    /// A stretch of a file: what came out of an archive.
    Stretch(Arc<std::fs::File>, u64),
    /// None: it is no regular file.
    None,
}

/// What identifies a file and its content on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Device and inode.
    pub id: (u64, u64),
    /// Bytes.
    pub size: u64,
    /// Last change of the content: seconds and nanoseconds.
    pub mtime: (i64, i64),
    /// Last change of anything.
    pub ctime: (i64, i64),
    /// Number of names.
    pub links: u64,
}

impl Seen {
    /// What a `stat` says.
    pub fn of(stat: &Stat) -> Self {
        let nanos = |value| i64::try_from(value).unwrap_or(0);
        Self {
            id: (stat.st_dev, stat.st_ino),
            size: u64::try_from(stat.st_size).unwrap_or(0),
            mtime: (stat.st_mtime, nanos(stat.st_mtime_nsec)),
            ctime: (stat.st_ctime, nanos(stat.st_ctime_nsec)),
            links: u64::from(u32::try_from(stat.st_nlink).unwrap_or(u32::MAX)),
        }
    }
}

/// One entry.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// User and group.
    pub owner: (u32, u32),
    /// When its content changed last.
    pub mtime: Timestamp,
    /// Extended attributes.
    pub xattrs: Vec<Xattr>,
    /// Bytes of a regular file.
    pub size: u64,
    /// Their source.
    pub content: Content,
    /// It is only said again: the layers below have it so.
    pub from_below: bool,
}

impl Node {
    /// A directory.
    pub fn directory(mode: u32, owner: (u32, u32), mtime: Timestamp) -> Self {
        let (kind, content) = (Kind::Directory, Content::None);
        Self { kind, mode, owner, mtime, xattrs: Vec::new(), size: 0, content, from_below: false }
    }

    /// A regular file of these bytes.
    pub fn file(bytes: Arc<[u8]>, mode: u32, owner: (u32, u32), mtime: Timestamp) -> Self {
        let size = bytes.len() as u64;
        Self { kind: Kind::File, size, content: Content::Bytes(bytes), ..Self::directory(mode, owner, mtime) }
    }

    fn is_directory(&self) -> bool {
        self.kind == Kind::Directory
    }
}

/// The entries of a layer, over the files that are there already. Paths are clean and relative.
#[derive(Debug)]
pub struct Tree<'a> {
    below: Option<&'a Root>,
    /// The entries; a directory comes before what is in it.
    pub nodes: BTreeMap<Vec<u8>, Node>,
    /// Owner of directories that have to be made.
    pub maker: (u32, u32),
    /// The time of all that is made.
    pub time: Timestamp,
}

/// The path as the file system takes it.
pub fn as_path(path: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(path))
}

/// A name in a directory.
pub fn join(dir: &[u8], name: &[u8]) -> Vec<u8> {
    if dir.is_empty() { name.to_vec() } else { [dir, b"/", name].concat() }
}

/// What is not empty between slashes, `.` left out.
fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".")
}

impl<'a> Tree<'a> {
    /// Nothing yet, over `below`.
    pub fn new(below: Option<&'a Root>, epoch: i64) -> Self {
        let time = Timestamp { secs: epoch, nanos: 0 };
        Self { below, nodes: BTreeMap::new(), maker: (0, 0), time }
    }

    /// Follows all symlinks of a path, inside of the root. What is not there is taken as it is written.
    ///
    /// # Errors
    /// When symlinks lead in circles.
    pub fn resolve(&self, path: &[u8]) -> Result<Vec<u8>, StepError> {
        let mut links = 0;
        let mut done: Vec<Vec<u8>> = Vec::new();
        let mut todo: Vec<Vec<u8>> = components(path).rev().map(<[u8]>::to_vec).collect();
        while let Some(name) = todo.pop() {
            if name == b".." {
                done.pop();
                continue;
            }
            done.push(name);
            let at = done.join(&b'/');
            if let Some(target) = self.link_at(&at)? {
                links += 1;
                if links > MAX_LINKS {
                    return Err(target_error(path, "too many symlinks on the way"));
                }
                done.pop();
                if target.starts_with(b"/") {
                    done.clear();
                }
                todo.extend(components(&target).rev().map(<[u8]>::to_vec));
            }
        }
        Ok(done.join(&b'/'))
    }

    fn link_at(&self, path: &[u8]) -> Result<Option<Vec<u8>>, StepError> {
        if let Some(node) = self.nodes.get(path) {
            return Ok(match &node.kind {
                Kind::Symlink { target } => Some(target.clone()),
                _ => None,
            });
        }
        let Some(below) = self.below else { return Ok(None) };
        match below.lstat(as_path(path))? {
            Some(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink => {
                below.read_link(as_path(path)).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Whether a directory stands at a path without symlinks; none if nothing does.
    ///
    /// # Errors
    /// When the files below cannot be examined.
    pub fn directory_at(&self, path: &[u8]) -> Result<Option<bool>, StepError> {
        if path.is_empty() {
            return Ok(Some(true));
        }
        if let Some(node) = self.nodes.get(path) {
            return Ok(Some(node.is_directory()));
        }
        let Some(below) = self.below else { return Ok(None) };
        let stat = below.lstat(as_path(path))?;
        Ok(stat.map(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory))
    }

    /// Makes sure that there is a directory at a path without symlinks, and says all directories on the way again.
    ///
    /// # Errors
    /// When something else stands there.
    pub fn make_directory(&mut self, path: &[u8]) -> Result<(), StepError> {
        let mut at = Vec::new();
        self.ensure(&at)?;
        for name in components(path) {
            at = join(&at, name);
            self.ensure(&at)?;
        }
        Ok(())
    }

    fn ensure(&mut self, path: &[u8]) -> Result<(), StepError> {
        if let Some(node) = self.nodes.get(path) {
            return match node.is_directory() {
                true => Ok(()),
                false => Err(target_error(path, "a part of the path is no directory")),
            };
        }
        let stat = self.below.map(|below| below.lstat(as_path(path))).transpose()?.flatten();
        let node = match stat {
            None => {
                let owner = if path.is_empty() { (0, 0) } else { self.maker };
                Node::directory(0o755, owner, self.time)
            }
            Some(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
                let nanos = u32::try_from(stat.st_mtime_nsec).unwrap_or(0);
                let mtime = Timestamp { secs: stat.st_mtime, nanos }.min(self.time);
                Node {
                    xattrs: self.below.map(|below| below.xattrs(as_path(path), false)).unwrap_or_default(),
                    from_below: true,
                    ..Node::directory(stat.st_mode & 0o7777, (stat.st_uid, stat.st_gid), mtime)
                }
            }
            Some(_) => return Err(target_error(path, "a part of the path is no directory")),
        };
        self.nodes.insert(path.to_vec(), node);
        Ok(())
    }

    /// Puts an entry at a path whose directory holds no symlinks. A directory keeps what is in it.
    ///
    /// # Errors
    /// When a directory would take the place of something else, or something else that of a directory.
    pub fn put(&mut self, path: &[u8], node: Node) -> Result<(), StepError> {
        let at = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        self.make_directory(&path[..at])?;
        match (self.directory_at(path)?, node.is_directory()) {
            (Some(true), false) => return Err(target_error(path, "there is a directory")),
            (Some(false), true) => return Err(target_error(path, "there is something that is no directory")),
            _ => {}
        }
        self.nodes.insert(path.to_vec(), node);
        Ok(())
    }

    /// Whether there is nothing to make.
    pub fn is_empty(&self) -> bool {
        self.nodes.values().all(|node| node.from_below)
    }
}

fn target_error(path: &[u8], problem: &'static str) -> StepError {
    StepError::Target { path: format!("/{}", String::from_utf8_lossy(path)), problem }
}
