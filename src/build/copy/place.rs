//! From sources and a destination to entries, by Docker's rules ("COPY" and "ADD" in the Dockerfile reference).

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FileType, Stat};

use super::sources::expand;
use super::tree::{Content, Node, Seen, Tree, as_path, join};
use super::unpack::looks_like_archive;
use super::{Chmod, Root};
use crate::build::error::StepError;
use crate::build::ignore::Ignore;
use crate::layer::entry::{Kind, Timestamp};

/// One source.
#[derive(Clone, Debug)]
pub enum Item {
    /// A path of a tree, with wildcards.
    Path(Arc<Root>, String),
    /// A file of this name, these bytes and this mode.
    Bytes(String, Arc<[u8]>, u32),
    /// A file that was fetched, its name and its mode.
    Fetched(String, Arc<Root>, PathBuf),
}

/// What to copy where.
#[derive(Debug)]
pub struct Job {
    /// The sources.
    pub items: Vec<Item>,
    /// The destination, absolute.
    pub destination: Vec<u8>,
    /// It is a directory.
    pub into_directory: bool,
    /// Owner of all.
    pub owner: Option<(u32, u32)>,
    /// Permissions of all.
    pub chmod: Option<Chmod>,
    /// What to leave out of directories.
    pub exclude: Ignore,
    /// Keep the sources' directories.
    pub parents: bool,
    /// Archives of paths are unpacked, and fetched ones.
    pub unpack: (bool, bool),
}

/// An archive that is to be unpacked: where to, and where it stands.
pub type Archive = (Vec<u8>, Arc<Root>, PathBuf);

/// Puts the entries of a job into a tree; gives the archives that are to be unpacked, and where to.
///
/// # Errors
/// When a source is missing, or does not go with what stands at its destination.
pub fn place(tree: &mut Tree<'_>, job: &Job) -> Result<Vec<Archive>, StepError> {
    tree.maker = job.owner.unwrap_or((0, 0));
    let mut sources = Vec::new();
    let mut missing = None;
    for item in &job.items {
        match item {
            Item::Path(root, pattern) => {
                let found = existing(root, pattern)?;
                if found.is_empty() {
                    let wild = pattern.contains(['*', '?', '[']);
                    missing = missing.or(Some((root, pattern)).filter(|_| !wild || job.items.len() == 1));
                }
                sources
                    .extend(found.into_iter().map(|(path, stat)| Source::Tree(root, path, Box::new(stat))));
            }
            Item::Bytes(name, bytes, mode) => sources.push(Source::Bytes(name, bytes, *mode)),
            Item::Fetched(name, root, path) => sources.push(Source::Fetched(name, root, path)),
        }
    }
    if let Some((root, pattern)) = missing {
        return Err(missing_error(root, pattern));
    }
    let mut placing = Placing { tree, job, archives: Vec::new() };
    let several = sources.len() > 1 && !job.into_directory;
    if several && placing.tree.directory_at(&placing.tree.resolve(&job.destination)?)? != Some(true) {
        return Err(StepError::Target {
            path: String::from_utf8_lossy(&job.destination).into_owned(),
            problem: "several sources need a destination that ends in /",
        });
    }
    sources.into_iter().try_for_each(|source| placing.source(source))?;
    Ok(placing.archives)
}

enum Source<'j> {
    Tree(&'j Arc<Root>, PathBuf, Box<Stat>),
    Bytes(&'j str, &'j Arc<[u8]>, u32),
    Fetched(&'j str, &'j Arc<Root>, &'j Path),
}

/// The paths of a pattern that are there and not ignored. A symlink is what it leads to; one that leads nowhere is an
/// error, since leaving it out would go unnoticed.
fn existing(root: &Root, pattern: &str) -> Result<Vec<(PathBuf, Stat)>, StepError> {
    let mut list = Vec::new();
    for path in expand(root, pattern)? {
        let Some(stat) = root.stat(&path)? else {
            if root.lstat(&path)?.is_some() && !root.ignore.is_ignored(&path) {
                return Err(missing_error(root, &path.to_string_lossy()));
            }
            continue;
        };
        let directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        let hidden = if directory { root.ignore.can_skip(&path) } else { root.ignore.is_ignored(&path) };
        if !hidden {
            list.push((path, stat));
        }
    }
    Ok(list)
}

fn missing_error(root: &Root, pattern: &str) -> StepError {
    let hint = match root.stat(Path::new(pattern)) {
        Ok(Some(_)) if root.is_context => " (its ignore file leaves it out)",
        Ok(None) if matches!(root.lstat(Path::new(pattern)), Ok(Some(_))) => {
            " (the symlink leads to nothing in there)"
        }
        _ if root.is_context && pattern.contains("..") => " (paths cannot leave it)",
        _ => "",
    };
    StepError::Missing { path: pattern.to_owned(), place: root.name.clone(), hint }
}

struct Placing<'p, 't> {
    tree: &'p mut Tree<'t>,
    job: &'p Job,
    archives: Vec<Archive>,
}

impl Placing<'_, '_> {
    fn source(&mut self, source: Source<'_>) -> Result<(), StepError> {
        match source {
            Source::Bytes(name, bytes, mode) => {
                let owner = self.job.owner.unwrap_or((0, 0));
                let node = Node::file(Arc::clone(bytes), self.mode(mode, false), owner, self.tree.time);
                let at = self.file_target(&self.job.destination, name.as_bytes())?;
                self.tree.put(&at, node)
            }
            Source::Fetched(name, root, path) => {
                let Some(stat) = root.lstat(path)? else { return Err(missing_error(root, name)) };
                if self.job.unpack.1 && looks_like_archive(root, path)? {
                    return self.archive(root, path);
                }
                let at = self.file_target(&self.job.destination, name.as_bytes())?;
                if let Some(node) = self.node(root, path, &stat)? {
                    self.tree.put(&at, Node { mode: self.mode(0o600, false), ..node })?;
                }
                Ok(())
            }
            Source::Tree(root, path, stat) => self.path(root, &path, &stat),
        }
    }

    fn path(&mut self, root: &Arc<Root>, path: &Path, stat: &Stat) -> Result<(), StepError> {
        let kept =
            if self.job.parents { self.keep_parents(root, path)? } else { self.job.destination.clone() };
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            let at = match (self.job.parents, path.file_name()) {
                (true, Some(name)) => join(&kept, name.as_bytes()),
                _ => kept,
            };
            let at = self.tree.resolve(&at)?;
            self.tree.make_directory(&at)?;
            return self.directory(root, path, Path::new(""), &at, &mut Vec::new());
        }
        let name = path.file_name().unwrap_or_default();
        if self.excluded(Path::new(name)) {
            return Ok(());
        }
        if self.job.unpack.0 && looks_like_archive(root, path)? {
            return self.archive(root, path);
        }
        let at = self.file_target(&kept, name.as_bytes())?;
        let node = self.node(root, path, stat)?.ok_or_else(|| StepError::Value {
            what: "the source",
            value: path.display().to_string(),
            problem: "it is a socket, which no image can hold".to_owned(),
        })?;
        self.tree.put(&at, node)
    }

    fn archive(&mut self, root: &Arc<Root>, path: &Path) -> Result<(), StepError> {
        let at = self.tree.resolve(&self.job.destination)?;
        self.tree.make_directory(&at)?;
        self.archives.push((at, Arc::clone(root), path.to_path_buf()));
        Ok(())
    }

    /// The destination with the directories of the source, from `/./` on if the source holds that.
    fn keep_parents(&mut self, root: &Root, path: &Path) -> Result<Vec<u8>, StepError> {
        let pivot = self.job.items.iter().find_map(|item| match item {
            Item::Path(_, pattern) => {
                let (before, _) = pattern.split_once("/./")?;
                let before = before.trim_matches('/');
                path.starts_with(before).then(|| PathBuf::from(before))
            }
            _ => None,
        });
        let base = pivot.unwrap_or_default();
        let mut at = self.tree.resolve(&self.job.destination)?;
        self.tree.make_directory(&at)?;
        let mut from = base.clone();
        for name in path.strip_prefix(&base).unwrap_or(path).parent().into_iter().flat_map(Path::components) {
            from.push(name);
            at = join(&at, name.as_os_str().as_bytes());
            if let Some(stat) = root.stat(&from)?
                && let Some(node) = self.node_of(&stat, Kind::Directory)
                && self.tree.directory_at(&at)?.is_none()
            {
                self.tree.put(&at, node)?;
            }
        }
        Ok(at)
    }

    /// Where a file goes.
    fn file_target(&mut self, destination: &[u8], name: &[u8]) -> Result<Vec<u8>, StepError> {
        let at = self.tree.resolve(destination)?;
        let into = self.job.into_directory || self.job.parents;
        if into || self.tree.directory_at(&at)? == Some(true) {
            self.tree.make_directory(&at)?;
            return Ok(join(&at, name));
        }
        Ok(at)
    }

    /// Copies what is in a directory. `waiting` are directories that are ignored and come along only with something in
    /// them that is not.
    fn directory(
        &mut self,
        root: &Arc<Root>,
        from: &Path,
        inside: &Path,
        to: &[u8],
        waiting: &mut Vec<(Vec<u8>, Node)>,
    ) -> Result<(), StepError> {
        for (name, stat) in root.list(from)? {
            let (path, inside) = (from.join(&name), inside.join(&name));
            let at = join(to, name.as_os_str().as_bytes());
            let directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
            let ignored = root.ignore.is_ignored(&path) || self.excluded(&inside);
            let skip =
                if directory { root.ignore.can_skip(&path) || self.can_skip(&inside) } else { ignored };
            if skip {
                continue;
            }
            let Some(node) = self.node(root, &path, &stat)? else { continue };
            if !ignored {
                for (at, node) in waiting.drain(..) {
                    self.tree.put(&at, node)?;
                }
                self.tree.put(&at, node)?;
                if directory {
                    self.directory(root, &path, &inside, &at, &mut Vec::new())?;
                }
                continue;
            }
            let depth = waiting.len();
            waiting.push((at.clone(), node));
            self.directory(root, &path, &inside, &at, waiting)?;
            waiting.truncate(depth);
        }
        Ok(())
    }

    fn excluded(&self, path: &Path) -> bool {
        !self.job.exclude.is_empty() && self.job.exclude.is_ignored(path)
    }

    fn can_skip(&self, path: &Path) -> bool {
        !self.job.exclude.is_empty() && self.job.exclude.can_skip(path)
    }

    fn mode(&self, mode: u32, is_directory: bool) -> u32 {
        self.job.chmod.as_ref().map_or(mode, |chmod| chmod.apply(mode, is_directory))
    }

    /// The entry of a file; none for a socket, which no archive can hold.
    fn node(&self, root: &Arc<Root>, path: &Path, stat: &Stat) -> Result<Option<Node>, StepError> {
        let device = || (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Directory,
            FileType::Symlink => Kind::Symlink { target: root.read_link(path)? },
            FileType::Fifo => Kind::Fifo,
            FileType::CharacterDevice if stat.st_rdev != 0 => {
                let (major, minor) = device();
                Kind::CharDevice { major, minor }
            }
            FileType::BlockDevice => {
                let (major, minor) = device();
                Kind::BlockDevice { major, minor }
            }
            _ => return Ok(None),
        };
        let Some(mut node) = self.node_of(stat, kind) else { return Ok(None) };
        if root.is_context {
            (node.owner, node.mtime) = (self.job.owner.unwrap_or((0, 0)), self.tree.time);
        }
        node.xattrs = root.xattrs(path, !matches!(node.kind, Kind::Symlink { .. }));
        if node.kind == Kind::File {
            let seen = Seen::of(stat);
            node.size = seen.size;
            node.content = Content::File(Arc::clone(root), path.to_path_buf(), Box::new(seen));
        }
        Ok(Some(node))
    }

    fn node_of(&self, stat: &Stat, kind: Kind) -> Option<Node> {
        let is_directory = kind == Kind::Directory;
        let mode = match kind {
            Kind::Symlink { .. } => 0o777,
            _ => self.mode(stat.st_mode & 0o7777, is_directory),
        };
        let owner = self.job.owner.unwrap_or((stat.st_uid, stat.st_gid));
        let nanos = u32::try_from(stat.st_mtime_nsec).ok()?;
        let mtime = Timestamp { secs: stat.st_mtime, nanos }.min(self.tree.time);
        Some(Node { kind, ..Node::directory(mode, owner, mtime) })
    }
}

/// The path of a file for messages.
pub(super) fn shown(path: &[u8]) -> String {
    as_path(path).display().to_string()
}
