//! Extended attributes behind an inode (`struct erofs_xattr_ibody_header`, `struct erofs_xattr_entry`).

use crate::layer::entry::Xattr;

/// Bytes of the header.
const HEADER: usize = 12;
/// Bytes of an entry without name and value.
const ENTRY: usize = 4;

/// Prefixes that have a number (`EROFS_XATTR_INDEX_…`). The attributes of the file system itself are whole names.
const PREFIXES: [(&[u8], u8); 5] = [
    (b"system.posix_acl_access", 2),
    (b"system.posix_acl_default", 3),
    (b"user.", 1),
    (b"trusted.", 4),
    (b"security.", 6),
];

/// Number and rest of a name; `None` for names that this file system cannot hold.
fn split(name: &[u8]) -> Option<(u8, &[u8])> {
    PREFIXES.iter().find_map(|(prefix, index)| name.strip_prefix(*prefix).map(|rest| (*index, rest)))
}

/// Attributes that can be kept: those of the kernel's usual namespaces, with values of up to 65,535 bytes.
fn kept(xattrs: &[Xattr]) -> impl Iterator<Item = (u8, &[u8], &[u8])> {
    xattrs.iter().filter_map(|x| {
        let (index, rest) = split(&x.name)?;
        let fits = rest.len() <= u8::MAX as usize && x.value.len() <= u16::MAX as usize;
        fits.then_some((index, rest, x.value.as_slice()))
    })
}

/// Bytes that the attributes take behind an inode.
pub fn size(xattrs: &[Xattr]) -> usize {
    let entries: usize =
        kept(xattrs).map(|(_, name, value)| (ENTRY + name.len() + value.len()).next_multiple_of(4)).sum();
    if entries == 0 { 0 } else { HEADER + entries }
}

/// Their bytes.
pub fn encode(xattrs: &[Xattr]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size(xattrs));
    for (index, name, value) in kept(xattrs) {
        if bytes.is_empty() {
            bytes.resize(HEADER, 0);
        }
        bytes.extend([name.len() as u8, index]);
        bytes.extend((value.len() as u16).to_le_bytes());
        bytes.extend(name);
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}
