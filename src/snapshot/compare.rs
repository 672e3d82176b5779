//! What layers and images hold, and how two images differ.

use crate::layer::overlay_xattr;
use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use lay_store::Layer;
use rustix::io::Errno;

use super::{Error, Files, Snapshot, Via};

/// What a layer says of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It is this many bytes; directories and what has no content are none.
    Present(u64),
    /// It is a directory that hides what lower layers have there.
    Opaque,
    /// It is gone.
    Deleted,
}

/// How a path of one image is in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Only the second has it.
    Added,
    /// Both have it, in different ways.
    Changed,
    /// Only the first has it.
    Removed,
}

/// What one layer says, in the order of paths.
///
/// # Errors
/// When it cannot be mounted or read.
pub fn layer_entries(layer: &Layer, via: Via) -> Result<BTreeMap<PathBuf, Said>, Error> {
    let files = Snapshot { layers: vec![layer.clone()], via, ..Snapshot::default() }.peek()?;
    let mut entries = BTreeMap::new();
    walk(&files, &mut |at, path, meta| {
        let opaque = || {
            let mut value = [0; 1];
            rustix::fs::lgetxattr(at, overlay_xattr("opaque").as_str(), &mut value[..]).is_ok()
                && value == *b"y"
        };
        let said = match meta.file_type() {
            t if t.is_char_device() && meta.rdev() == 0 => Said::Deleted,
            t if t.is_dir() && opaque() => Said::Opaque,
            t if t.is_file() => Said::Present(meta.size()),
            _ => Said::Present(0),
        };
        entries.insert(path.to_path_buf(), said);
    })?;
    Ok(entries)
}

/// Paths that differ between two images, in order, with the sizes that they have in both.
///
/// # Errors
/// When one cannot be mounted or read.
pub fn differences(
    first: &Snapshot,
    second: &Snapshot,
) -> Result<Vec<(PathBuf, Difference, [u64; 2])>, Error> {
    let (first, second) = (first.peek()?, second.peek()?);
    let (before, after) = (listing(&first)?, listing(&second)?);
    let mut list = Vec::new();
    for (path, old) in &before {
        match after.get(path) {
            None => list.push((path.clone(), Difference::Removed, [old.len(), 0])),
            Some(new) if differ(old, new, &root(&first).join(path), &root(&second).join(path)) => {
                list.push((path.clone(), Difference::Changed, [old.len(), new.len()]));
            }
            Some(_) => {}
        }
    }
    let added = after.iter().filter(|(path, _)| !before.contains_key(*path));
    list.extend(added.map(|(path, new)| (path.clone(), Difference::Added, [0, new.len()])));
    list.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(list)
}

fn root(files: &Files) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/.", files.as_fd().as_raw_fd()))
}

fn listing(files: &Files) -> Result<BTreeMap<PathBuf, Metadata>, Error> {
    let mut all = BTreeMap::new();
    walk(files, &mut |_, path, meta| {
        all.insert(path.to_path_buf(), meta.clone());
    })?;
    Ok(all)
}

fn walk(files: &Files, visit: &mut dyn FnMut(&Path, &Path, &Metadata)) -> Result<(), Error> {
    below(&root(files), Path::new(""), visit).map_err(|e| Error::Upper {
        step: "read",
        path: PathBuf::from("the image's files"),
        source: Errno::from_io_error(&e).unwrap_or(Errno::IO),
    })
}

fn below(at: &Path, path: &Path, visit: &mut dyn FnMut(&Path, &Path, &Metadata)) -> io::Result<()> {
    for entry in fs::read_dir(at)? {
        let entry = entry?;
        let (at, path) = (entry.path(), path.join(entry.file_name()));
        let meta = fs::symlink_metadata(&at)?;
        visit(&at, &path, &meta);
        if meta.is_dir() {
            below(&at, &path, visit)?;
        }
    }
    Ok(())
}

/// Times alone are no difference; content is read only where nothing else tells.
fn differ(old: &Metadata, new: &Metadata, old_path: &Path, new_path: &Path) -> bool {
    let facts = |m: &Metadata| (m.mode(), m.uid(), m.gid(), m.rdev());
    if facts(old) != facts(new) {
        return true;
    }
    if old.is_symlink() {
        return fs::read_link(old_path).ok() != fs::read_link(new_path).ok();
    }
    if !old.is_file() {
        return false;
    }
    let times = |m: &Metadata| (m.mtime(), m.mtime_nsec());
    old.size() != new.size()
        || (times(old) != times(new) && !same_content(old_path, new_path).unwrap_or(false))
}

fn same_content(a: &Path, b: &Path) -> io::Result<bool> {
    let (mut a, mut b) = (io::BufReader::new(fs::File::open(a)?), io::BufReader::new(fs::File::open(b)?));
    let (mut x, mut y) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        let read = a.read(&mut x)?;
        b.read_exact(&mut y[..read])?;
        if x[..read] != y[..read] {
            return Ok(false);
        }
        if read == 0 {
            return Ok(true);
        }
    }
}

/// What a layer costs in an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Files that it has.
    pub files: usize,
    /// Bytes of their content.
    pub bytes: u64,
    /// Bytes of it that later layers replace, hide or delete.
    pub wasted: u64,
}

/// What each layer of an image costs, bottom to top.
///
/// # Errors
/// When a layer cannot be mounted or read.
pub fn usage(layers: &[Layer], via: Via) -> Result<Vec<Usage>, Error> {
    let mut all: Vec<Usage> = Vec::new();
    // What is seen so far: which layer a path's bytes come from.
    let mut seen: BTreeMap<PathBuf, (usize, u64)> = BTreeMap::new();
    for (index, layer) in layers.iter().enumerate() {
        let entries = layer_entries(layer, via)?;
        all.push(Usage::default());
        for (path, said) in &entries {
            if matches!(said, Said::Opaque | Said::Deleted) {
                let hidden: Vec<PathBuf> = seen
                    .range(path.clone()..)
                    .map(|(p, _)| p.clone())
                    .take_while(|p| p.starts_with(path))
                    .collect();
                for path in hidden {
                    if let Some((from, bytes)) = seen.remove(&path) {
                        all[from].wasted += bytes;
                    }
                }
            }
        }
        for (path, said) in entries {
            let Said::Present(bytes) = said else { continue };
            all[index].files += 1;
            all[index].bytes += bytes;
            if let Some((from, old)) = seen.insert(path, (index, bytes)) {
                all[from].wasted += old;
            }
        }
    }
    Ok(all)
}
