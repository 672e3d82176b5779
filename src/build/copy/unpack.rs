//! `ADD` of archives: their entries in the place of the archive.

use std::fs::File;
use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::tree::{Content, Node, Tree, join};
use super::{Chmod, Root};
use crate::build::error::StepError;
use crate::layer;
use crate::layer::entry::{Entry, FormWriter, Kind};

/// Where an archive's header says what it is (ustar, POSIX.1-1988).
const MAGIC_AT: usize = 257;

/// Whether a file is an archive, compressed or not, as its first bytes tell.
///
/// # Errors
/// When it cannot be read.
pub fn looks_like_archive(root: &Root, path: &Path) -> Result<bool, StepError> {
    let Some(file) = root.open_file(path)? else { return Ok(false) };
    let mut start = Vec::new();
    file.take(6).read_to_end(&mut start).map_err(StepError::file("read", path))?;
    let Some(file) = root.open_file(path)? else { return Ok(false) };
    if layer::Compression::of_magic(&start) == layer::Compression::Plain {
        return Ok(has_magic(file));
    }
    // What is compressed and holds no archive is copied as it is.
    Ok(layer::inflate(file).is_ok_and(has_magic))
}

fn has_magic(stream: impl Read) -> bool {
    let mut header = Vec::new();
    let read = stream.take(512).read_to_end(&mut header);
    read.is_ok() && header.get(MAGIC_AT..MAGIC_AT + 5) == Some(b"ustar")
}

/// Puts the entries of an archive into a tree below `to`. Contents wait in `spool`.
///
/// # Errors
/// When it is no archive, or one of its entries does not go with what stands at its place.
pub fn unpack(
    tree: &mut Tree<'_>,
    to: &[u8],
    archive: File,
    room: u64,
    (owner, chmod): (Option<(u32, u32)>, Option<&Chmod>),
    spool: &Path,
) -> Result<(), StepError> {
    let file = File::options().create_new(true).read(true).write(true).open(spool);
    let file = file.map_err(StepError::file("create", spool))?;
    // It is gone with its last user.
    std::fs::remove_file(spool).map_err(StepError::file("remove", spool))?;
    let mut unpacker = Unpacker {
        tree,
        to,
        owner,
        chmod,
        spool: Arc::new(file),
        path: spool.to_path_buf(),
        end: 0,
        failure: None,
    };
    let result = layer::read_entries(archive, room, &mut unpacker);
    match (unpacker.failure.take(), result) {
        // Whoever wrote has seen but a break.
        (_, Err(error @ layer::Error::TooLarge { .. })) => Err(error.into()),
        (Some(failure), _) => Err(failure),
        (None, result) => Ok(result?),
    }
}

struct Unpacker<'u, 't> {
    tree: &'u mut Tree<'t>,
    to: &'u [u8],
    owner: Option<(u32, u32)>,
    chmod: Option<&'u Chmod>,
    spool: Arc<File>,
    path: PathBuf,
    /// Bytes in the spool.
    end: u64,
    /// What went wrong, since the reader of archives has errors of its own only.
    failure: Option<StepError>,
}

impl FormWriter for Unpacker<'_, '_> {
    type Error = layer::Error;

    fn entry(&mut self, entry: &Entry, data: &mut dyn BufRead) -> Result<(), layer::Error> {
        self.add(entry, data).map_err(|error| {
            self.failure = Some(error);
            layer::Error::Read(io::ErrorKind::Other.into())
        })
    }

    fn finish(&mut self) -> Result<(), layer::Error> {
        Ok(())
    }
}

impl Unpacker<'_, '_> {
    fn add(&mut self, entry: &Entry, data: &mut dyn BufRead) -> Result<(), StepError> {
        let at = self.place(&entry.path)?;
        let kind = match &entry.kind {
            // In an archive that is no layer these are files whose names no layer can have.
            Kind::Whiteout | Kind::Opaque => return Ok(()),
            Kind::HardLink { target } => Kind::HardLink { target: self.place(target)? },
            kind => kind.clone(),
        };
        let is_directory = kind == Kind::Directory;
        if is_directory && entry.path.is_empty() {
            // The destination is what it was.
            return Ok(());
        }
        let mode = self.chmod.map_or(entry.mode, |chmod| chmod.apply(entry.mode, is_directory));
        let owner = self.owner.unwrap_or((entry.uid, entry.gid));
        let mut node = Node { kind, ..Node::directory(mode, owner, entry.mtime.min(self.tree.time)) };
        node.xattrs.clone_from(&entry.xattrs);
        if node.kind == Kind::File {
            node.size = entry.size;
            node.content = Content::Stretch(Arc::clone(&self.spool), self.end);
            self.keep(entry, data).map_err(StepError::file("write", &self.path))?;
        }
        self.tree.put(&at, node)
    }

    /// The place of an entry: directories on the way may be symlinks in the image, the entry itself is not followed.
    fn place(&self, path: &[u8]) -> Result<Vec<u8>, StepError> {
        let at = path.iter().rposition(|byte| *byte == b'/');
        let (dir, name) = at.map_or((&b""[..], path), |at| (&path[..at], &path[at + 1..]));
        let dir = self.tree.resolve(&join(self.to, dir))?;
        Ok(if name.is_empty() { dir } else { join(&dir, name) })
    }

    fn keep(&mut self, entry: &Entry, data: &mut dyn BufRead) -> io::Result<()> {
        let mut file = &*self.spool;
        let whole = [layer::entry::Segment { offset: 0, length: entry.size }];
        for segment in entry.sparse.as_deref().unwrap_or(&whole) {
            file.seek(SeekFrom::Start(self.end + segment.offset))?;
            let mut from: &mut dyn BufRead = data;
            io::copy(&mut Read::by_ref(&mut from).take(segment.length), &mut file)?;
        }
        self.end += entry.size;
        // The last stretch may be a hole.
        file.set_len(self.end)?;
        file.flush()
    }
}
