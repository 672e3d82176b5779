//! Everything about a tree that a container could see.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use rustix::fs::{lgetxattr, llistxattr};

/// Path to a line of text about it.
pub(super) type Listing = BTreeMap<String, Item>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub kind: &'static str,
    pub mode: u32,
    pub owner: (u32, u32),
    pub mtime: (i64, i64),
    pub size: u64,
    pub device: u64,
    /// The first path, in order, of the same file.
    pub same_as: String,
    pub links: u64,
    pub xattrs: BTreeMap<String, Vec<u8>>,
    /// A symlink's target or a file's content.
    pub content: Vec<u8>,
}

/// Lists a tree, its root as the empty path.
pub(super) fn list(root: &Path) -> Listing {
    let mut listing = Listing::new();
    add(root, "", &mut listing);
    let mut first = HashMap::new();
    for (path, item) in &mut listing {
        let inode = std::mem::take(&mut item.same_as);
        item.same_as.clone_from(first.entry(inode).or_insert_with(|| path.clone()));
    }
    listing
}

fn add(at: &Path, path: &str, listing: &mut Listing) {
    let meta = fs::symlink_metadata(at).unwrap();
    let file_type = meta.file_type();
    let (kind, content) = match file_type {
        t if t.is_dir() => ("directory", Vec::new()),
        t if t.is_file() => ("file", fs::read(at).unwrap()),
        t if t.is_symlink() => ("symlink", fs::read_link(at).unwrap().as_os_str().as_bytes().to_vec()),
        t if t.is_char_device() => ("character device", Vec::new()),
        t if t.is_block_device() => ("block device", Vec::new()),
        t if t.is_fifo() => ("fifo", Vec::new()),
        _ => ("unknown", Vec::new()),
    };
    let item = Item {
        kind,
        mode: meta.mode() & 0o7777,
        owner: (meta.uid(), meta.gid()),
        mtime: (meta.mtime(), meta.mtime_nsec()),
        // What directories take is the file system's affair.
        size: if meta.is_dir() { 0 } else { meta.size() },
        device: meta.rdev(),
        same_as: meta.ino().to_string(),
        links: if meta.is_dir() { 0 } else { meta.nlink() },
        xattrs: xattrs(at),
        content,
    };
    listing.insert(path.to_owned(), item);
    if meta.is_dir() {
        for entry in fs::read_dir(at).unwrap() {
            let name = entry.unwrap().file_name();
            let slash = if path.is_empty() { "" } else { "/" };
            add(&at.join(&name), &format!("{path}{slash}{}", name.to_string_lossy()), listing);
        }
    }
}

fn xattrs(at: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut names = vec![0; 65_536];
    let n = llistxattr(at, names.as_mut_slice()).unwrap();
    let names = names[..n].split(|b| *b == 0).filter(|name| !name.is_empty());
    names
        .map(|name| {
            let mut value = vec![0; 65_536];
            let n = lgetxattr(at, name, value.as_mut_slice()).unwrap();
            value.truncate(n);
            (String::from_utf8_lossy(name).into_owned(), value)
        })
        .collect()
}
