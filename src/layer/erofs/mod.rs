//! The EROFS form: a layer as one read-only file system image (`fs/erofs/erofs_fs.h` and
//! `Documentation/filesystems/erofs.rst` of the kernel), uncompressed, written in one pass over the archive.
//!
//! File data and the inodes of files go out as they come: with `meta_blkaddr` 0 an inode may stand anywhere in the
//! image. Only names, directories and link counts wait for the end, so memory grows with the number of names alone. The
//! same archive always gives the same bytes.

mod directory;
mod format;
mod image;
mod tree;
mod xattr;

use std::fs::File;
use std::io::BufRead;
use std::path::Path;

use rustix::io::Errno;

use super::entry::{Entry, FormWriter, Kind, Timestamp};
use super::error::{Error, printable};
use format::{BLOCK, FileType, Inode};
use image::Image;
use tree::{Attributes, Node, Tree};

/// Writes a layer into an EROFS image.
#[derive(Debug)]
pub struct Writer {
    image: Image,
    tree: Tree,
}

/// Read and written in pieces of this size, a multiple of the block's.
const PIECE: usize = 256 * 1024;
/// Most chunks of a sparse file; its chunks are as small as that allows.
const MAX_CHUNKS: u64 = 1 << 16;

impl Writer {
    /// A writer into the file at `path`, which exists and is empty.
    ///
    /// # Errors
    /// [`Error::Write`] if it can't be opened.
    pub fn new(path: &Path) -> Result<Self, Error> {
        let open = File::options().write(true).open(path);
        let file = open.map_err(|e| Error::Write {
            step: "open",
            path: printable(path.as_os_str().as_encoded_bytes()),
            source: Errno::from_io_error(&e).unwrap_or(Errno::IO),
        })?;
        Ok(Self { image: Image::new(file), tree: Tree::new() })
    }

    /// A file's data goes out in whole blocks; what is left stands behind its inode where it fits.
    fn file(&mut self, entry: &Entry, data: &mut dyn BufRead) -> Result<u64, Error> {
        if entry.sparse.is_some() {
            return self.sparse_file(entry, data);
        }
        let whole = entry.size / BLOCK;
        let start = self.image.allocate(whole);
        let mut tail = self.copy(data, start * BLOCK, entry.size, &entry.path)?;
        let head = Inode::SIZE + xattr::size(&entry.xattrs);
        let mut inode = inode_of(entry, FileType::Regular, entry.size);
        inode.address = start;
        if !tail.is_empty() && head + tail.len() <= BLOCK as usize {
            inode.inline = true;
        } else if !tail.is_empty() {
            // It follows the others, since nothing was allocated meanwhile.
            let last = self.image.allocate(1);
            if whole == 0 {
                inode.address = last;
            }
            tail.resize(BLOCK as usize, 0);
            self.image.write(last * BLOCK, &tail).map_err(failed(entry))?;
            tail.clear();
        }
        self.image.put(&inode, &entry.xattrs, &tail).map_err(failed(entry))
    }

    /// Writes the whole blocks of `size` bytes to `position`; gives what is left over.
    fn copy(
        &mut self,
        data: &mut dyn BufRead,
        position: u64,
        size: u64,
        path: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let mut buffer = Vec::with_capacity(PIECE.min(usize::try_from(size).unwrap_or(PIECE)));
        let (mut left, mut at) = (size, position);
        while left > 0 {
            let wanted = left.min(PIECE as u64) as usize;
            buffer.resize(wanted, 0);
            data.read_exact(&mut buffer).map_err(Error::Read)?;
            left -= wanted as u64;
            let whole = wanted / BLOCK as usize * BLOCK as usize;
            if whole > 0 {
                let written = self.image.write(at, &buffer[..whole]);
                written.map_err(Error::write("write", path))?;
                at += whole as u64;
            }
            buffer.drain(..whole);
        }
        Ok(buffer)
    }

    /// A file with holes has a map of chunks, in which a hole is no chunk.
    fn sparse_file(&mut self, entry: &Entry, data: &mut dyn BufRead) -> Result<u64, Error> {
        let mut bits = 0;
        while entry.size.div_ceil(BLOCK << bits) > MAX_CHUNKS {
            bits += 1;
        }
        let chunk = BLOCK << bits;
        let mut map = vec![format::HOLE; entry.size.div_ceil(chunk) as usize];
        for segment in entry.sparse.iter().flatten() {
            let (mut at, end) = (segment.offset, segment.offset + segment.length);
            while at < end {
                let index = (at / chunk) as usize;
                let until = end.min((at / chunk + 1) * chunk);
                if map[index] == format::HOLE {
                    map[index] = self.image.allocate(1 << bits) as u32;
                }
                let place = u64::from(map[index]) * BLOCK + at % chunk;
                self.copy_exactly(data, place, until - at, &entry.path)?;
                at = until;
            }
        }
        let mut inode = inode_of(entry, FileType::Regular, entry.size);
        inode.chunk_bits = Some(bits);
        let map: Vec<u8> = map.into_iter().flat_map(u32::to_le_bytes).collect();
        self.image.put_long(&inode, &entry.xattrs, &map).map_err(failed(entry))
    }

    fn copy_exactly(
        &mut self,
        data: &mut dyn BufRead,
        place: u64,
        length: u64,
        path: &[u8],
    ) -> Result<(), Error> {
        let mut buffer = vec![0; PIECE.min(length as usize)];
        let mut done = 0;
        while done < length {
            let piece = &mut buffer[..(length - done).min(PIECE as u64) as usize];
            data.read_exact(piece).map_err(Error::Read)?;
            self.image.write(place + done, piece).map_err(Error::write("write", path))?;
            done += piece.len() as u64;
        }
        Ok(())
    }

    /// Everything that has no data of its own but a symlink's target.
    fn special(&mut self, entry: &Entry, kind: FileType, target: &[u8], device: u32) -> Result<u64, Error> {
        let mut inode = inode_of(entry, kind, target.len() as u64);
        inode.address = u64::from(device);
        let head = Inode::SIZE + xattr::size(&entry.xattrs);
        if target.is_empty() {
            return self.image.put(&inode, &entry.xattrs, &[]).map_err(failed(entry));
        }
        if head + target.len() <= BLOCK as usize {
            inode.inline = true;
            return self.image.put(&inode, &entry.xattrs, target).map_err(failed(entry));
        }
        inode.address = self.image.allocate(1);
        let mut block = target.to_vec();
        block.resize(BLOCK as usize, 0);
        self.image.write(inode.address * BLOCK, &block).map_err(failed(entry))?;
        self.image.put(&inode, &entry.xattrs, &[]).map_err(failed(entry))
    }

    fn leaf(
        &mut self,
        entry: &Entry,
        kind: FileType,
        nid: u64,
        target: Option<Vec<u8>>,
    ) -> Result<(), Error> {
        let leaf = self.tree.add_leaf(nid, kind, target);
        self.tree.place(&entry.path, Node::Leaf(leaf))
    }
}

impl FormWriter for Writer {
    type Error = Error;

    fn entry(&mut self, entry: &Entry, data: &mut dyn BufRead) -> Result<(), Error> {
        match &entry.kind {
            Kind::File => {
                let nid = self.file(entry, data)?;
                self.leaf(entry, FileType::Regular, nid, None)
            }
            Kind::Directory => self.tree.directory(&entry.path, attributes_of(entry)),
            Kind::Symlink { target } => {
                let nid = self.special(entry, FileType::Symlink, target, 0)?;
                self.leaf(entry, FileType::Symlink, nid, Some(target.clone()))
            }
            Kind::HardLink { target } => self.tree.link(&entry.path, target),
            Kind::CharDevice { major, minor } => {
                let nid = self.special(entry, FileType::CharDevice, &[], format::device(*major, *minor))?;
                self.leaf(entry, FileType::CharDevice, nid, None)
            }
            Kind::BlockDevice { major, minor } => {
                let nid = self.special(entry, FileType::BlockDevice, &[], format::device(*major, *minor))?;
                self.leaf(entry, FileType::BlockDevice, nid, None)
            }
            Kind::Fifo => {
                let nid = self.special(entry, FileType::Fifo, &[], 0)?;
                self.leaf(entry, FileType::Fifo, nid, None)
            }
            Kind::Whiteout => self.tree.whiteout(&entry.path),
            Kind::Opaque => self.tree.opaque(&entry.path),
        }
    }

    fn finish(&mut self) -> Result<(), Error> {
        directory::write(&self.tree, &mut self.image)
    }
}

fn failed(entry: &Entry) -> impl FnOnce(Errno) -> Error {
    Error::write("write", &entry.path)
}

fn attributes_of(entry: &Entry) -> Attributes {
    let Entry { mode, uid, gid, mtime, ref xattrs, .. } = *entry;
    Attributes { mode, uid, gid, mtime, xattrs: xattrs.clone() }
}

fn inode_of(entry: &Entry, kind: FileType, size: u64) -> Inode {
    let Timestamp { secs, nanos } = entry.mtime;
    // Symlinks have no mode of their own; everywhere else it is shown as this.
    let mode = if kind == FileType::Symlink { 0o777 } else { entry.mode };
    Inode { size, uid: entry.uid, gid: entry.gid, secs, nanos, ..Inode::new(kind, mode) }
}
