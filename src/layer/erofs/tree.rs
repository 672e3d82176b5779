//! The names of a layer, by the rules of [`crate::layer::entry`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::format::FileType;
use crate::layer::entry::{Timestamp, Xattr};
use crate::layer::error::{Error, problem};

/// Most symlinks on the way to one name, as the kernel has it.
const MAX_LINKS: usize = 40;
/// The longest path, in bytes (`PATH_MAX` without the zero at its end).
const MAX_PATH: usize = 4095;
/// The root's place among the directories.
pub const ROOT: usize = 0;

/// What a name stands for, by its place in one of the lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// A directory.
    Directory(usize),
    /// Anything whose inode was written.
    Leaf(usize),
    /// Nothing: the name hides one of a lower layer.
    Whiteout,
}

/// Mode, owner, time and attributes of a directory.
#[derive(Clone, Debug)]
pub struct Attributes {
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub mtime: Timestamp,
    pub xattrs: Vec<Xattr>,
}

/// A directory and its names.
#[derive(Debug)]
pub struct Directory {
    pub attributes: Attributes,
    pub opaque: bool,
    /// In the order of their bytes, which is that of the image.
    pub names: BTreeMap<Box<[u8]>, Node>,
    /// Names that a whiteout named: a directory that comes there, however late, is opaque.
    hidden: BTreeSet<Box<[u8]>>,
}

/// An inode that was written out.
#[derive(Debug)]
pub struct Leaf {
    pub nid: u64,
    pub kind: FileType,
    pub links: u32,
    target: Option<Vec<u8>>,
}

/// A directory on the way, and the bytes of its path.
#[derive(Clone, Copy, Debug)]
struct Step {
    directory: usize,
    length: usize,
}

impl Step {
    /// Bytes of the path of a name in it; symlinks can make it longer than any the kernel takes.
    fn length_with(self, name: &[u8], path: &[u8]) -> Result<usize, Error> {
        let length = self.length + name.len() + 1;
        if length > MAX_PATH + 1 { Err(Error::entry(path, problem::LONG_PATH)) } else { Ok(length) }
    }
}

/// All names.
#[derive(Debug)]
pub struct Tree {
    pub directories: Vec<Directory>,
    pub leaves: Vec<Leaf>,
}

impl Directory {
    /// One that nobody described.
    fn implied() -> Directory {
        let attributes =
            Attributes { mode: 0o755, uid: 0, gid: 0, mtime: Timestamp::default(), xattrs: Vec::new() };
        Directory { attributes, opaque: false, names: BTreeMap::new(), hidden: BTreeSet::new() }
    }
}

/// Parent and last component of a path that is not the root.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|b| *b == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (&[], path),
    }
}

fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|b| *b == b'/').filter(|c| !c.is_empty() && *c != b".")
}

impl Tree {
    /// A root without names.
    pub fn new() -> Tree {
        Tree { directories: vec![Directory::implied()], leaves: Vec::new() }
    }

    /// Adds an inode that has no name yet.
    pub fn add_leaf(&mut self, nid: u64, kind: FileType, target: Option<Vec<u8>>) -> usize {
        self.leaves.push(Leaf { nid, kind, links: 0, target });
        self.leaves.len() - 1
    }

    fn get(&self, directory: usize, name: &[u8]) -> Option<Node> {
        self.directories[directory].names.get(name).copied()
    }

    /// The directory at `path`, symlinks followed within the root. Missing ones are made if `make` says so; else there is
    /// none.
    fn walk(&mut self, path: &[u8], make: bool) -> Result<Option<Step>, Error> {
        let mut way = vec![Step { directory: ROOT, length: 0 }];
        let mut ahead: VecDeque<Vec<u8>> = components(path).map(<[u8]>::to_vec).collect();
        let mut links = 0;
        while let Some(name) = ahead.pop_front() {
            let at = way.last().copied().unwrap_or(Step { directory: ROOT, length: 0 });
            if name == b".." {
                way.truncate(way.len().saturating_sub(1).max(1));
                continue;
            }
            let length = at.length_with(&name, path)?;
            match self.get(at.directory, &name) {
                Some(Node::Directory(directory)) => way.push(Step { directory, length }),
                Some(Node::Leaf(leaf)) => {
                    let Some(target) = self.leaves[leaf].target.clone() else {
                        return if make { Err(Error::entry(path, problem::PARENT)) } else { Ok(None) };
                    };
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Error::entry(path, problem::LINKS));
                    }
                    if target.starts_with(b"/") {
                        way.truncate(1);
                    }
                    components(&target).rev().for_each(|c| ahead.push_front(c.to_vec()));
                }
                None | Some(Node::Whiteout) if !make => return Ok(None),
                None | Some(Node::Whiteout) => {
                    let directory = self.new_directory(at.directory, &name);
                    way.push(Step { directory, length });
                }
            }
        }
        Ok(way.last().copied())
    }

    fn parent(&mut self, path: &[u8]) -> Result<usize, Error> {
        let (parent, name) = split(path);
        let Some(step) = self.walk(parent, true)? else { return Ok(ROOT) };
        step.length_with(name, path).map(|_| step.directory)
    }

    fn new_directory(&mut self, parent: usize, name: &[u8]) -> usize {
        let opaque = self.directories[parent].hidden.contains(name);
        self.directories.push(Directory { opaque, ..Directory::implied() });
        let new = self.directories.len() - 1;
        self.directories[parent].names.insert(name.into(), Node::Directory(new));
        new
    }

    /// Puts something that is no directory at `path`; what was there goes.
    pub fn place(&mut self, path: &[u8], node: Node) -> Result<(), Error> {
        let parent = self.parent(path)?;
        if let Node::Leaf(leaf) = node {
            self.leaves[leaf].links += 1;
        }
        if let Some(old) = self.directories[parent].names.insert(split(path).1.into(), node) {
            self.forget(old);
        }
        Ok(())
    }

    /// Takes names away from what they stood for.
    fn forget(&mut self, node: Node) {
        let mut gone = vec![node];
        while let Some(node) = gone.pop() {
            match node {
                Node::Leaf(leaf) => self.leaves[leaf].links -= 1,
                Node::Directory(directory) => {
                    gone.extend(std::mem::take(&mut self.directories[directory].names).into_values());
                }
                Node::Whiteout => {}
            }
        }
    }

    /// Describes a directory, which keeps what is in it.
    pub fn directory(&mut self, path: &[u8], attributes: Attributes) -> Result<(), Error> {
        let directory = self.make_directory(path)?;
        self.directories[directory].attributes = attributes;
        Ok(())
    }

    /// The directory at `path`, whose last component is not followed; what else stands there goes.
    fn make_directory(&mut self, path: &[u8]) -> Result<usize, Error> {
        if path.is_empty() {
            return Ok(ROOT);
        }
        let (parent, name) = (self.parent(path)?, split(path).1);
        let old = self.get(parent, name);
        match old {
            Some(Node::Directory(directory)) => Ok(directory),
            Some(other) => {
                self.forget(other);
                Ok(self.new_directory(parent, name))
            }
            None => Ok(self.new_directory(parent, name)),
        }
    }

    /// Gives what has a name another one.
    pub fn link(&mut self, path: &[u8], target: &[u8]) -> Result<(), Error> {
        let refuse = |problem| Err(Error::entry(path, problem));
        let (parent, name) = split(target);
        let from = self.walk(parent, false)?.map(|step| step.directory);
        let found = from.and_then(|directory| self.get(directory, name));
        let leaf = match found {
            Some(leaf @ Node::Leaf(_)) => leaf,
            Some(Node::Directory(_) | Node::Whiteout) => return refuse(problem::LINK_TO_DIRECTORY),
            None => return refuse(problem::LINK_TO_NOTHING),
        };
        let place = self.parent(path)?;
        let replaced = self.get(place, split(path).1);
        // The name that was told goes with the directory; another name of the same file may not.
        if replaced.zip(from).is_some_and(|(old, from)| self.is_within(from, old)) {
            return refuse(problem::LINK_OVER_TARGET);
        }
        self.place(path, leaf)
    }

    /// Whether a directory is another one or stands below it, at any depth.
    fn is_within(&self, wanted: usize, top: Node) -> bool {
        let mut ahead = vec![top];
        while let Some(node) = ahead.pop() {
            let Node::Directory(directory) = node else { continue };
            if directory == wanted {
                return true;
            }
            ahead.extend(self.directories[directory].names.values().copied());
        }
        false
    }

    /// Hides a name of lower layers; what this layer has stays.
    pub fn whiteout(&mut self, path: &[u8]) -> Result<(), Error> {
        let (parent, name) = (self.parent(path)?, split(path).1);
        self.directories[parent].hidden.insert(name.into());
        match self.get(parent, name) {
            Some(Node::Directory(directory)) => self.directories[directory].opaque = true,
            Some(_) => {}
            None => {
                self.directories[parent].names.insert(name.into(), Node::Whiteout);
            }
        }
        Ok(())
    }

    /// Hides the content that lower layers give a directory.
    pub fn opaque(&mut self, path: &[u8]) -> Result<(), Error> {
        let directory = self.make_directory(path)?;
        self.directories[directory].opaque = true;
        Ok(())
    }
}
