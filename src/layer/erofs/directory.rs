//! Directories: sorted names in blocks, inodes with the last block's part behind them.

use rustix::io::Errno;

use super::format::{BLOCK, FileType, Inode, SLOT, SUPER_OFFSET, SUPER_SIZE};
use super::image::Image;
use super::tree::{Directory, Node, ROOT, Tree};
use super::xattr;
use crate::layer::entry::Xattr;
use crate::layer::error::Error;

/// Bytes of an entry without its name (`struct erofs_dirent`).
const ENTRY: usize = 12;

/// Where a directory's inode and content go.
struct Place {
    nid: u64,
    /// The first of the blocks that hold whole blocks of content.
    first: u64,
    inline: bool,
    /// Bytes of content.
    size: u64,
    xattrs: Vec<Xattr>,
}

/// Writes all directories, whiteouts and link counts, and with the root's the superblock.
///
/// # Errors
/// [`Error::Write`].
pub fn write(tree: &Tree, image: &mut Image) -> Result<(), Error> {
    let reached = reachable(tree);
    lay_out(tree, &reached, image).map_err(Error::write("write the directories of", b""))
}

/// Directories that have a name, in an order that depends on names alone, with their parents.
fn reachable(tree: &Tree) -> Vec<(usize, usize)> {
    let mut list = vec![(ROOT, ROOT)];
    let mut next = 0;
    while next < list.len() {
        let (directory, _) = list[next];
        let below = tree.directories[directory].names.values();
        list.extend(below.filter_map(|node| match node {
            Node::Directory(child) => Some((*child, directory)),
            _ => None,
        }));
        next += 1;
    }
    list
}

fn lay_out(tree: &Tree, reached: &[(usize, usize)], image: &mut Image) -> Result<(), Errno> {
    image.flush()?;
    let mut places: Vec<Option<Place>> = tree.directories.iter().map(|_| None).collect();
    // Inodes of directories and whiteouts stand together behind everything else.
    let start = image.allocate(0) * BLOCK;
    let mut end = start;
    for (directory, _) in reached {
        let root_room = (*directory == ROOT).then_some(BLOCK as usize - SUPER_OFFSET - SUPER_SIZE);
        places[*directory] = Some(place(&tree.directories[*directory], root_room, &mut end)?);
    }
    let whiteouts = end.next_multiple_of(SLOT);
    let count = reached.iter().flat_map(|(d, _)| tree.directories[*d].names.values());
    let count = count.filter(|node| **node == Node::Whiteout).count() as u64;
    end = whiteouts + count * Inode::SIZE as u64;
    let blocks = (end - start).div_ceil(BLOCK);
    image.allocate(blocks);
    let mut region = vec![0; (blocks * BLOCK) as usize];
    let mut root = Vec::new();
    let mut whiteout = whiteouts;
    for (directory, parent) in reached {
        let Some(mut place) = places[*directory].take() else { continue };
        place.first = image.allocate(place.size / BLOCK + u64::from(!place.inline && place.size % BLOCK > 0));
        places[*directory] = Some(place);
        let bytes = write_one(tree, (*directory, *parent), &places, image, &mut whiteout)?;
        match *directory {
            ROOT => root = bytes,
            _ => {
                let at = places[*directory].as_ref().map_or(0, |p| p.nid * SLOT - start) as usize;
                region[at..at + bytes.len()].copy_from_slice(&bytes);
            }
        }
    }
    let inode = Inode { links: 1, ..Inode::new(FileType::CharDevice, 0) };
    for index in 0..count {
        let at = (whiteouts - start) as usize + index as usize * Inode::SIZE;
        let number = image.count();
        region[at..at + Inode::SIZE].copy_from_slice(&inode.encode(0, number));
    }
    image.write(start, &region)?;
    for leaf in tree.leaves.iter().filter(|leaf| leaf.links != 1) {
        image.set_links(leaf.nid, leaf.links)?;
    }
    image.finish(&root)
}

/// Finds a place for a directory's inode at or behind `end`, or for the root's in the room behind the superblock.
fn place(directory: &Directory, root_room: Option<usize>, end: &mut u64) -> Result<Place, Errno> {
    let xattrs = xattrs_of(directory);
    let head = Inode::SIZE + xattr::size(&xattrs);
    let size = size_of(directory);
    let tail = (size % BLOCK) as usize;
    let room = root_room.unwrap_or(BLOCK as usize);
    let inline = tail > 0 && head + tail <= room;
    if root_room.is_some() {
        // The root's number is small, so its attributes have little room.
        return if head <= room {
            Ok(Place { nid: Image::ROOT, first: 0, inline, size, xattrs })
        } else {
            Err(Errno::NOSPC)
        };
    }
    let length = (head + if inline { tail } else { 0 }) as u64;
    let mut at = end.next_multiple_of(SLOT);
    if inline && at % BLOCK + length > BLOCK {
        at = at.next_multiple_of(BLOCK);
    }
    *end = at + length;
    Ok(Place { nid: at / SLOT, first: 0, inline, size, xattrs })
}

/// What the layer says of a directory, and what overlayfs needs to know of it.
fn xattrs_of(directory: &Directory) -> Vec<Xattr> {
    let mut xattrs = directory.attributes.xattrs.clone();
    let mut add =
        |name: &[u8], value: &[u8]| xattrs.push(Xattr { name: name.to_vec(), value: value.to_vec() });
    if directory.opaque {
        add(b"trusted.overlay.opaque", b"y");
    }
    if directory.names.values().any(|node| *node == Node::Whiteout) {
        add(b"trusted.overlay.origin", b"");
    }
    xattrs.sort();
    xattrs
}

/// Names in the order of their bytes, with the two that every directory has.
fn names(directory: &Directory) -> Vec<(&[u8], Option<Node>)> {
    let own = directory.names.iter().map(|(name, node)| (name.as_ref(), Some(*node)));
    let mut all: Vec<_> = own.chain([(b".".as_slice(), None), (b"..".as_slice(), None)]).collect();
    all.sort_by(|a, b| a.0.cmp(b.0));
    all
}

/// Splits names into blocks; an entry is never cut.
fn blocks<'a, 'b>(names: &'b [(&'a [u8], Option<Node>)]) -> Vec<&'b [(&'a [u8], Option<Node>)]> {
    let mut blocks = Vec::new();
    let (mut start, mut used) = (0, 0);
    for (index, (name, _)) in names.iter().enumerate() {
        let length = ENTRY + name.len();
        if used + length > BLOCK as usize {
            blocks.push(&names[start..index]);
            (start, used) = (index, 0);
        }
        used += length;
    }
    blocks.push(&names[start..]);
    blocks
}

fn size_of(directory: &Directory) -> u64 {
    let names = names(directory);
    let blocks = blocks(&names);
    let last: usize =
        blocks.last().into_iter().flat_map(|b| b.iter()).map(|(name, _)| ENTRY + name.len()).sum();
    (blocks.len() as u64 - 1) * BLOCK + last as u64
}

/// Writes a directory's whole blocks; gives its inode with attributes and tail.
fn write_one(
    tree: &Tree,
    (directory, parent): (usize, usize),
    places: &[Option<Place>],
    image: &mut Image,
    whiteout: &mut u64,
) -> Result<Vec<u8>, Errno> {
    let nid_of = |directory: usize| places[directory].as_ref().map_or(0, |p| p.nid);
    let names = names(&tree.directories[directory]);
    let mut content = Vec::new();
    for block in blocks(&names) {
        content.resize(content.len().next_multiple_of(BLOCK as usize), 0);
        let mut offset = block.len() * ENTRY;
        for (name, node) in block {
            let (nid, kind) = match node {
                None if *name == b"." => (nid_of(directory), FileType::Directory),
                None => (nid_of(parent), FileType::Directory),
                Some(Node::Directory(child)) => (nid_of(*child), FileType::Directory),
                Some(Node::Leaf(leaf)) => (tree.leaves[*leaf].nid, tree.leaves[*leaf].kind),
                Some(Node::Whiteout) => {
                    *whiteout += Inode::SIZE as u64;
                    ((*whiteout - Inode::SIZE as u64) / SLOT, FileType::CharDevice)
                }
            };
            content.extend(nid.to_le_bytes());
            content.extend((offset as u16).to_le_bytes());
            content.extend([kind.in_directory(), 0]);
            offset += name.len();
        }
        block.iter().for_each(|(name, _)| content.extend(*name));
    }
    let Some(place) = &places[directory] else { return Err(Errno::INVAL) };
    let whole = if place.inline { (place.size / BLOCK * BLOCK) as usize } else { content.len() };
    if whole > 0 {
        image.write(place.first * BLOCK, &content[..whole])?;
    }
    let subdirectories = tree.directories[directory].names.values();
    let subdirectories = subdirectories.filter(|node| matches!(node, Node::Directory(_))).count() as u32;
    let attributes = &tree.directories[directory].attributes;
    let inode = Inode {
        size: place.size,
        address: place.first,
        inline: place.inline,
        uid: attributes.uid,
        gid: attributes.gid,
        secs: attributes.mtime.secs,
        nanos: attributes.mtime.nanos,
        links: 2 + subdirectories,
        ..Inode::new(FileType::Directory, attributes.mode)
    };
    let encoded = xattr::encode(&place.xattrs);
    let mut bytes = inode.encode(encoded.len(), image.count()).to_vec();
    bytes.extend(encoded);
    bytes.extend(&content[whole..]);
    Ok(bytes)
}
