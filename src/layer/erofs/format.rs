//! The on-disk structures, all in little-endian order (`fs/erofs/erofs_fs.h`).

/// Bytes of a block.
pub const BLOCK: u64 = 4096;
/// Where the superblock stands.
pub const SUPER_OFFSET: usize = 1024;
/// Bytes of the superblock.
pub const SUPER_SIZE: usize = 128;
/// Inodes stand at multiples of this; an inode's number is its place divided by it.
pub const SLOT: u64 = 32;
/// A chunk that is a hole (`EROFS_NULL_ADDR`).
pub const HOLE: u32 = u32::MAX;

const MAGIC: u32 = 0xe0f5_e1e2;
/// `EROFS_FEATURE_COMPAT_SB_CHKSUM | EROFS_FEATURE_COMPAT_MTIME`
const COMPATIBLE: u32 = 1 | 2;
/// `EROFS_FEATURE_INCOMPAT_CHUNKED_FILE`
const CHUNKED_FILE: u32 = 4;

/// Types of files as directories name them, with their bits in a mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileType {
    Regular,
    Directory,
    CharDevice,
    BlockDevice,
    Fifo,
    Symlink,
}

impl FileType {
    /// `EROFS_FT_…`, which are `FT_…` of `include/linux/fs_types.h`.
    pub fn in_directory(self) -> u8 {
        match self {
            FileType::Regular => 1,
            FileType::Directory => 2,
            FileType::CharDevice => 3,
            FileType::BlockDevice => 4,
            FileType::Fifo => 5,
            FileType::Symlink => 7,
        }
    }

    fn in_mode(self) -> u32 {
        match self {
            FileType::Regular => libc::S_IFREG,
            FileType::Directory => libc::S_IFDIR,
            FileType::CharDevice => libc::S_IFCHR,
            FileType::BlockDevice => libc::S_IFBLK,
            FileType::Fifo => libc::S_IFIFO,
            FileType::Symlink => libc::S_IFLNK,
        }
    }
}

/// A device number as the kernel encodes it (`new_encode_dev`).
pub fn device(major: u32, minor: u32) -> u32 {
    (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12)
}

/// An extended inode.
#[derive(Clone, Debug)]
pub struct Inode {
    /// What it is.
    pub kind: FileType,
    /// Permission bits.
    pub mode: u32,
    /// Bytes of its content.
    pub size: u64,
    /// First block of its content, or a device number.
    pub address: u64,
    /// The last part of the content stands behind the inode and its attributes.
    pub inline: bool,
    /// The content is in chunks of this many doublings of a block, and their map stands behind the inode.
    pub chunk_bits: Option<u32>,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Time of last change: seconds since 1970.
    pub secs: i64,
    /// Nanoseconds of it.
    pub nanos: u32,
    /// Number of names.
    pub links: u32,
}

impl Inode {
    /// Bytes of an inode without what follows it.
    pub const SIZE: usize = 64;
    /// Where the number of names stands in it.
    pub const LINKS_OFFSET: u64 = 44;

    /// An empty inode.
    pub fn new(kind: FileType, mode: u32) -> Inode {
        let (size, address, inline, chunk_bits) = (0, 0, false, None);
        Inode { kind, mode, size, address, inline, chunk_bits, uid: 0, gid: 0, secs: 0, nanos: 0, links: 1 }
    }

    /// Its bytes. `xattr_size` is the size of the attributes that follow it, `number` what 32-bit programs see.
    pub fn encode(&self, xattr_size: usize, number: u32) -> [u8; Inode::SIZE] {
        // Version 1 is the extended one; layouts: 0 plain, 2 with inline tail, 4 in chunks.
        let layout: u16 = if self.chunk_bits.is_some() { 4 } else { u16::from(self.inline) * 2 };
        let union = self.chunk_bits.unwrap_or(self.address as u32);
        // The first four bytes of the attributes' header count as three units less than they have.
        let xattr_count = if xattr_size == 0 { 0 } else { (xattr_size - 12) / 4 + 1 };
        let mut bytes = [0; Inode::SIZE];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, &(1 | layout << 1).to_le_bytes());
        put(2, &(xattr_count as u16).to_le_bytes());
        put(4, &((self.mode | self.kind.in_mode()) as u16).to_le_bytes());
        put(8, &self.size.to_le_bytes());
        put(16, &union.to_le_bytes());
        put(20, &number.to_le_bytes());
        put(24, &self.uid.to_le_bytes());
        put(28, &self.gid.to_le_bytes());
        put(32, &self.secs.to_le_bytes());
        put(40, &self.nanos.to_le_bytes());
        put(Inode::LINKS_OFFSET as usize, &self.links.to_le_bytes());
        bytes
    }
}

/// What the superblock tells.
#[derive(Clone, Copy, Debug)]
pub struct Super {
    /// Number of the root's inode.
    pub root: u16,
    /// Inodes in all.
    pub inodes: u64,
    /// Blocks in all.
    pub blocks: u32,
    /// Some file is in chunks.
    pub chunked: bool,
}

impl Super {
    /// Writes the superblock into the image's first block, with the checksum of all that stands behind its beginning.
    pub fn encode(&self, block: &mut [u8]) {
        let mut put = |at: usize, value: &[u8]| {
            block[SUPER_OFFSET + at..SUPER_OFFSET + at + value.len()].copy_from_slice(value);
        };
        put(0, &MAGIC.to_le_bytes());
        put(8, &COMPATIBLE.to_le_bytes());
        put(12, &[BLOCK.trailing_zeros() as u8]);
        put(14, &self.root.to_le_bytes());
        put(16, &self.inodes.to_le_bytes());
        put(36, &self.blocks.to_le_bytes());
        put(80, &(if self.chunked { CHUNKED_FILE } else { 0 }).to_le_bytes());
        let checksum = crc32c(&block[SUPER_OFFSET..BLOCK as usize]);
        block[SUPER_OFFSET + 4..SUPER_OFFSET + 8].copy_from_slice(&checksum.to_le_bytes());
    }
}

/// CRC-32C as the kernel's `crc32c(~0, …)` gives it, without the final inversion.
fn crc32c(data: &[u8]) -> u32 {
    data.iter().fold(!0, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| {
                if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 }
            },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_castagnoli_s() {
        // RFC 3720, B.4: 32 bytes of zeroes.
        assert_eq!(!crc32c(&[0; 32]), 0x8a91_36aa);
    }

    #[test]
    fn devices_are_encoded_as_the_kernel_does() {
        assert_eq!(device(8, 1), 0x801);
        assert_eq!(device(0x123, 0x45678), 0x4561_2378);
    }
}
