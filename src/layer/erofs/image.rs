//! The image file: blocks given away in order, and inodes packed into blocks.

use std::fs::File;
use std::os::unix::fs::FileExt;

use rustix::io::Errno;

use super::format::{BLOCK, Inode, SLOT, SUPER_OFFSET, SUPER_SIZE, Super};
use super::xattr;
use crate::layer::entry::Xattr;

/// Blocks of inodes that are filled side by side, so that a large one does not leave a gap.
const OPEN: usize = 8;

/// The image being written.
#[derive(Debug)]
pub struct Image {
    file: File,
    /// The first block that is not given away.
    next: u64,
    open: Vec<OpenBlock>,
    inodes: u64,
    chunked: bool,
}

/// A block of inodes that has room left.
#[derive(Debug)]
struct OpenBlock {
    number: u64,
    bytes: Vec<u8>,
}

impl Image {
    /// Number of the root's inode: it stands behind the superblock, where its number is small enough to be named there.
    pub const ROOT: u64 = ((SUPER_OFFSET + SUPER_SIZE) as u64) / SLOT;

    /// An image in an empty file.
    pub fn new(file: File) -> Image {
        Image { file, next: 1, open: Vec::new(), inodes: 0, chunked: false }
    }

    /// Gives away blocks that follow each other; their content is zero until something is written.
    pub fn allocate(&mut self, blocks: u64) -> u64 {
        let first = self.next;
        self.next += blocks;
        first
    }

    /// Writes bytes to a place in given-away blocks.
    pub fn write(&self, place: u64, bytes: &[u8]) -> Result<(), Errno> {
        self.file.write_all_at(bytes, place).map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))
    }

    /// Writes an inode with its attributes and the tail of its content, which must fit into one block with it; gives its
    /// number.
    pub fn put(&mut self, inode: &Inode, xattrs: &[Xattr], tail: &[u8]) -> Result<u64, Errno> {
        let bytes = self.encode(inode, xattrs, tail);
        if bytes.len() > BLOCK as usize {
            return self.put_alone(&bytes);
        }
        let open = self.block_with(bytes.len())?;
        let place = open.number * BLOCK + open.bytes.len() as u64;
        open.bytes.extend(&bytes);
        open.bytes.resize(open.bytes.len().next_multiple_of(SLOT as usize), 0);
        Ok(place / SLOT)
    }

    /// Writes an inode with attributes and a map of any length behind it; gives its number.
    pub fn put_long(&mut self, inode: &Inode, xattrs: &[Xattr], map: &[u8]) -> Result<u64, Errno> {
        self.chunked = true;
        // Attributes are padded to four bytes, as is the map's place.
        let bytes = self.encode(inode, xattrs, map);
        self.put_alone(&bytes)
    }

    fn encode(&mut self, inode: &Inode, xattrs: &[Xattr], tail: &[u8]) -> Vec<u8> {
        self.inodes += 1;
        let attributes = xattr::encode(xattrs);
        let mut bytes = inode.encode(attributes.len(), self.inodes as u32).to_vec();
        bytes.extend(attributes);
        bytes.extend(tail);
        bytes
    }

    fn put_alone(&mut self, bytes: &[u8]) -> Result<u64, Errno> {
        let first = self.allocate((bytes.len() as u64).div_ceil(BLOCK));
        self.write(first * BLOCK, bytes)?;
        Ok(first * BLOCK / SLOT)
    }

    /// The open block with the least room that is enough, or a new one in the place of the fullest.
    fn block_with(&mut self, room: usize) -> Result<&mut OpenBlock, Errno> {
        let fits = |block: &OpenBlock| block.bytes.len() + room <= BLOCK as usize;
        let fullest = |blocks: &[OpenBlock], wanted: &dyn Fn(&OpenBlock) -> bool| {
            let candidates = blocks.iter().enumerate().filter(|(_, block)| wanted(block));
            candidates.max_by_key(|(_, block)| block.bytes.len()).map(|(index, _)| index)
        };
        if let Some(index) = fullest(&self.open, &fits) {
            return Ok(&mut self.open[index]);
        }
        if self.open.len() == OPEN
            && let Some(index) = fullest(&self.open, &|_| true)
        {
            let full = self.open.swap_remove(index);
            self.write(full.number * BLOCK, &full.bytes)?;
        }
        let number = self.allocate(1);
        self.open.push(OpenBlock { number, bytes: Vec::with_capacity(BLOCK as usize) });
        let last = self.open.len() - 1;
        Ok(&mut self.open[last])
    }

    /// Writes out the blocks that are still open.
    pub fn flush(&mut self) -> Result<(), Errno> {
        for block in std::mem::take(&mut self.open) {
            self.write(block.number * BLOCK, &block.bytes)?;
        }
        Ok(())
    }

    /// Sets the number of names of an inode that was written out.
    pub fn set_links(&self, nid: u64, links: u32) -> Result<(), Errno> {
        self.write(nid * SLOT + Inode::LINKS_OFFSET, &links.to_le_bytes())
    }

    /// Writes the first block, which holds superblock and root, and gives the file its length. `root` are the bytes of the
    /// root's inode and what stands behind it.
    pub fn finish(&mut self, root: &[u8]) -> Result<(), Errno> {
        let mut block = vec![0; BLOCK as usize];
        let at = (Image::ROOT * SLOT) as usize;
        block[at..at + root.len()].copy_from_slice(root);
        let blocks = u32::try_from(self.next).map_err(|_| Errno::FBIG)?;
        let head = Super { root: Image::ROOT as u16, inodes: self.inodes, blocks, chunked: self.chunked };
        head.encode(&mut block);
        self.write(0, &block)?;
        self.file.set_len(self.next * BLOCK).map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))
    }

    /// Counts an inode that its owner writes out.
    pub fn count(&mut self) -> u32 {
        self.inodes += 1;
        self.inodes as u32
    }
}
