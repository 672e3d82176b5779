//! From entries to an archive, and to what identifies it.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;

use lay_store::Digest;
use sha2::{Digest as _, Sha256};

use super::place::shown;
use super::tree::{Content, Node, Seen, Tree};
use super::{Digests, Root};
use crate::build::error::StepError;
use crate::layer::Emitter;
use crate::layer::entry::{Entry, Kind};

/// What a step copies, as far as its result depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Each entry and what it holds: path and a digest over the rest.
    pub entries: Vec<(String, Digest)>,
    /// What each is called where it comes from, as far as it has a name there.
    pub names: Vec<String>,
}

impl Summary {
    /// One digest over all.
    pub fn digest(&self) -> Digest {
        let mut hash = Sha256::new();
        for (path, digest) in &self.entries {
            hash.update(path.as_bytes());
            hash.update([0]);
            hash.update(digest.to_string());
        }
        Digest::from_bytes(hash.finalize().into())
    }
}

/// Says what a tree holds. All contents must be known to `digests`; none if one is not. Times do not count.
pub fn summarize(tree: &Tree<'_>, digests: &Digests) -> Option<Summary> {
    let mut summary = Summary::default();
    for (path, node) in tree.nodes.iter().filter(|(_, node)| !node.from_below) {
        let content = match &node.content {
            Content::File(_, _, seen) => Some(digests.get(seen)?),
            Content::Bytes(bytes) => Some(Digest::of(bytes)),
            Content::Stretch(..) | Content::None => None,
        };
        let Node { kind, mode, owner, xattrs, size, .. } = node;
        let text = format!("{kind:?} {mode:o} {owner:?} {xattrs:?} {size} {content:?}");
        summary.names.push(match &node.content {
            Content::File(_, from, _) => from.display().to_string(),
            _ => shown(path),
        });
        summary.entries.push((shown(path), Digest::of(text.as_bytes())));
    }
    Some(summary)
}

/// Writes the archive of a tree. Contents of files are hashed on the way.
///
/// # Errors
/// When a file cannot be read or is no longer what it was.
pub fn write(tree: &Tree<'_>, digests: &mut Digests, out: &mut dyn Write) -> Result<(), StepError> {
    let mut emitter = Emitter::new(out);
    // Files with several names in one tree, and the first of them here.
    let mut first: HashMap<(u64, u64), Vec<u8>> = HashMap::new();
    for (path, node) in &tree.nodes {
        let mut entry = entry(path, node);
        match &node.content {
            Content::File(root, from, seen) => {
                if seen.links > 1 && !root.is_context {
                    if let Some(target) = first.get(&seen.id) {
                        entry.kind = Kind::HardLink { target: target.clone() };
                        entry.size = 0;
                        emitter.entry(&entry, io::empty())?;
                        continue;
                    }
                    first.insert(seen.id, path.clone());
                }
                file(&mut emitter, &entry, root, from, seen, digests)?;
            }
            Content::Bytes(bytes) => emitter.entry(&entry, &bytes[..])?,
            Content::Stretch(file, start) => {
                emitter.entry(&entry, Stretch { file, at: *start, left: node.size })?;
            }
            Content::None => emitter.entry(&entry, io::empty())?,
        }
    }
    Ok(emitter.finish()?)
}

fn entry(path: &[u8], node: &Node) -> Entry {
    Entry {
        path: path.to_vec(),
        kind: node.kind.clone(),
        mode: node.mode,
        uid: node.owner.0,
        gid: node.owner.1,
        mtime: node.mtime,
        size: node.size,
        sparse: None,
        xattrs: node.xattrs.clone(),
    }
}

fn file(
    emitter: &mut Emitter<&mut dyn Write>,
    entry: &Entry,
    root: &Root,
    from: &std::path::Path,
    seen: &Seen,
    digests: &mut Digests,
) -> Result<(), StepError> {
    let changed = || StepError::Changed(from.display().to_string());
    let file = root.open_file(from)?.ok_or_else(changed)?;
    let failed = |e| StepError::file("read", from)(e);
    let before = rustix::fs::fstat(&file).map_err(|e| failed(e.into()))?;
    if Seen::of(&before) != *seen && root.is_context {
        return Err(changed());
    }
    let known = digests.get(seen);
    let mut reader =
        Hashing { file: &file, left: seen.size, hash: known.is_none().then(Sha256::new), short: false };
    match emitter.entry(entry, &mut reader) {
        Err(_) if reader.short => return Err(changed()),
        result => result?,
    }
    let after = rustix::fs::fstat(&file).map_err(|e| failed(e.into()))?;
    if Seen::of(&after) != Seen::of(&before) && root.is_context {
        return Err(changed());
    }
    if let Some(hash) = reader.hash {
        digests.insert(seen, Digest::from_bytes(hash.finalize().into()));
    }
    Ok(())
}

/// Reads a file of known length, and hashes it if nobody did.
struct Hashing<'a> {
    file: &'a std::fs::File,
    left: u64,
    hash: Option<Sha256>,
    /// The file ended early.
    short: bool,
}

impl Read for Hashing<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = into.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if most == 0 {
            return Ok(0);
        }
        let read = (&mut self.file).read(&mut into[..most])?;
        if read == 0 {
            self.short = true;
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(hash) = &mut self.hash {
            hash.update(&into[..read]);
        }
        self.left -= read as u64;
        Ok(read)
    }
}

/// Reads a stretch of a file.
struct Stretch<'a> {
    file: &'a std::fs::File,
    at: u64,
    left: u64,
}

impl Read for Stretch<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = into.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.file.read_at(&mut into[..most], self.at)?;
        if read == 0 && most > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}
