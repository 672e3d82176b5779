//! One member of an archive, its header and what came before it, to an entry of the layer.

use super::header::Header;
use super::names::{self, Name};
use super::pax::Sparse;
use super::{Extensions, sparse};
use crate::layer::entry::{Entry, Kind, Timestamp, Xattr};
use crate::layer::error::{Error, printable};

/// The kernel's limit, `PATH_MAX` without its NUL.
const LINK: usize = 4095;
/// As many blocks of 4 KiB as EROFS can number, and the largest file of ext4.
const LARGEST: u64 = (u32::MAX as u64) * 4096;
/// As many bytes of extended attributes as an inode of EROFS can have, less what overlayfs needs of them.
const XATTRS: usize = 256 * 1024 - 64;

/// A member whose data is still to come.
pub(super) struct Member {
    /// Bytes of data in the archive, a sparse map among them included.
    pub stored: u64,
    /// Where its sparse map is.
    pub sparse: Map,
    kind: u8,
    name: Vec<u8>,
    link: Vec<u8>,
    mode: u32,
    uid: u32,
    gid: u32,
    mtime: Timestamp,
    device: (i64, i64),
    size: u64,
    xattrs: Vec<Xattr>,
}

/// Where a sparse map is.
pub(super) enum Map {
    /// Nowhere: the file has no holes.
    None,
    /// In the extended header (formats 0.0 and 0.1).
    Numbers(Vec<u64>),
    /// In the header and in blocks that follow it (GNU's old format).
    InBlocks,
    /// Before the data (format 1.0).
    InData,
}

impl Member {
    /// Reads what the header and its extensions say.
    pub(super) fn new(header: &Header, extensions: Extensions) -> Result<Self, &'static str> {
        let pax = extensions.pax.unwrap_or_default();
        if header.has_misplaced_prefix() {
            return Err("a prefix where GNU tar has times");
        }
        let name = agree(extensions.name, pax.path, || header.name())?;
        let kind = kind(header, &name)?;
        let mut member = Self {
            stored: stored(header, kind, pax.size)?,
            sparse: Map::None,
            kind,
            link: match kind {
                b'1' | b'2' => agree(extensions.link, pax.link, || header.link())?,
                _ => Vec::new(),
            },
            name,
            // Type bits that some tools leave in the mode mean nothing.
            mode: (header.mode().ok_or("malformed mode")? & 0o7777) as u32,
            uid: id(pax.uid, header.uid())?,
            gid: id(pax.gid, header.gid())?,
            mtime: match pax.mtime {
                Some(time) => time,
                None => Timestamp { secs: header.mtime().ok_or("malformed time")?, nanos: 0 },
            },
            device: match kind {
                b'3' | b'4' => header.device().ok_or("malformed device number")?,
                _ => (0, 0),
            },
            size: 0,
            xattrs: pax.xattrs,
        };
        member.size = member.stored;
        member.set_sparse(header, pax.sparse)?;
        Ok(member)
    }

    fn set_sparse(&mut self, header: &Header, said: Sparse) -> Result<(), &'static str> {
        if said == Sparse::default() && self.kind != b'S' {
            return Ok(());
        }
        if self.kind == b'S' {
            if !header.is_gnu() || said != Sparse::default() {
                return Err("sparse file of two formats");
            }
            self.size = header.real_size().ok_or("malformed size")?;
            self.sparse = Map::InBlocks;
            return Ok(());
        }
        self.sparse = match (said.major, said.minor, said.numbers) {
            (Some(1), Some(0), None) => Map::InData,
            // Without a version Go takes an empty map for none, and GNU tar does not.
            (major @ (None | Some(0)), None | Some(0 | 1), Some(numbers))
                if major.is_some() || !numbers.is_empty() =>
            {
                if said.count.is_some_and(|count| count != numbers.len() as u64 / 2) {
                    return Err("sparse map that disagrees with its count");
                }
                Map::Numbers(numbers)
            }
            _ => return Err("sparse file of an unknown format"),
        };
        if self.kind != b'0' {
            return Err("sparse map of what is no file");
        }
        self.size = said.size.ok_or("sparse file without size")?;
        if let Some(name) = said.name {
            self.name = name;
        }
        Ok(())
    }

    /// The entry, when the numbers of its sparse map are known and `stored` bytes of data are left; `None` if the
    /// member is of no interest.
    pub(super) fn entry(self, numbers: Option<Vec<u64>>, stored: u64) -> Result<Option<Entry>, Error> {
        let path = printable(&self.name);
        self.resolve(numbers, stored).map_err(|problem| Error::Entry { path, problem })
    }

    fn resolve(mut self, numbers: Option<Vec<u64>>, stored: u64) -> Result<Option<Entry>, &'static str> {
        let (path, kind) = match names::interpret(&self.name)? {
            Name::Meta => return Ok(None),
            Name::Whiteout(path) => return Ok(Some(mark(path, Kind::Whiteout))),
            Name::Opaque(path) => return Ok(Some(mark(path, Kind::Opaque))),
            Name::Plain(path) => (path, self.resolve_kind()?),
        };
        if path.is_empty() && kind != Kind::Directory {
            return Err("the root is no directory");
        }
        if kind == Kind::Whiteout {
            return Ok(Some(mark(path, kind)));
        }
        if self.size > LARGEST {
            return Err("a file over 16 TiB");
        }
        let sparse = match numbers {
            Some(numbers) => sparse::map(&numbers, self.size, stored)?,
            None => None,
        };
        let xattrs = xattrs(std::mem::take(&mut self.xattrs), &kind);
        let room = |xattr: &Xattr| (4 + xattr.name.len() + xattr.value.len()).next_multiple_of(4);
        if xattrs.iter().map(room).sum::<usize>() > XATTRS {
            return Err("extended attributes over 256 KiB");
        }
        let Self { mode, uid, gid, mtime, size, .. } = self;
        Ok(Some(Entry { path, kind, mode, uid, gid, mtime, size, sparse, xattrs }))
    }

    fn resolve_kind(&mut self) -> Result<Kind, &'static str> {
        Ok(match self.kind {
            b'0' | b'S' => Kind::File,
            b'1' => match names::interpret(&self.link)? {
                Name::Plain(target) if !target.is_empty() => Kind::HardLink { target },
                _ => return Err("hard link to no file"),
            },
            b'2' => match self.link.len() {
                0 => return Err("symlink to nowhere"),
                1..=LINK if !self.link.contains(&0) => {
                    Kind::Symlink { target: std::mem::take(&mut self.link) }
                }
                _ => return Err("impossible target of a symlink"),
            },
            b'3' | b'4' => {
                let (major, minor) = self.device;
                let major = u32::try_from(major).ok().filter(|n| *n < 1 << 12);
                let minor = u32::try_from(minor).ok().filter(|n| *n < 1 << 20);
                match (self.kind, major.zip(minor).ok_or("impossible device number")?) {
                    // What overlayfs would take for a whiteout, and what archives of its upper directories contain.
                    (b'3', (0, 0)) => Kind::Whiteout,
                    (b'3', (major, minor)) => Kind::CharDevice { major, minor },
                    (_, (major, minor)) => Kind::BlockDevice { major, minor },
                }
            }
            b'5' => Kind::Directory,
            _ => Kind::Fifo,
        })
    }
}

/// The type of a member, with the old ways to say the same resolved.
fn kind(header: &Header, name: &[u8]) -> Result<u8, &'static str> {
    match header.kind() {
        // Archives older than ustar mark directories by a slash.
        0 if name.ends_with(b"/") => Ok(b'5'),
        // GNU tar takes it for a directory, Go for a file.
        b'0' | b'7' if name.ends_with(b"/") => Err("a file whose name ends in a slash"),
        0 | b'0' | b'7' => Ok(b'0'),
        kind @ (b'1'..=b'6' | b'S') => Ok(kind),
        _ => Err("unknown type of entry"),
    }
}

/// How many bytes of data a member has.
fn stored(header: &Header, kind: u8, pax: Option<u64>) -> Result<u64, &'static str> {
    let size = match pax {
        Some(size) => size,
        None => header.size().ok_or("malformed size")?,
    };
    match kind {
        b'0' | b'S' if i64::try_from(size).is_ok() => Ok(size),
        b'0' | b'S' => Err("malformed size"),
        // GNU tar and Go agree that a hard link has no data, whatever its header says.
        b'1' => Ok(0),
        _ if size == 0 => Ok(0),
        _ => Err("data after what has none"),
    }
}

/// A name that GNU's and PAX's extensions may both give. GNU tar and Go give precedence to different ones.
fn agree(
    gnu: Option<Vec<u8>>,
    pax: Option<Vec<u8>>,
    header: impl FnOnce() -> Vec<u8>,
) -> Result<Vec<u8>, &'static str> {
    match (gnu, pax) {
        (Some(gnu), Some(pax)) if gnu != pax => Err("extended headers that disagree on a name"),
        (Some(name), _) | (None, Some(name)) => Ok(name),
        (None, None) => Ok(header()),
    }
}

/// An owner. The highest number means "no change" to the kernel, and a larger one would wrap, perhaps to root.
fn id(pax: Option<u64>, header: Option<i64>) -> Result<u32, &'static str> {
    let id = match pax {
        Some(id) => u32::try_from(id).ok(),
        None => u32::try_from(header.ok_or("malformed owner")?).ok(),
    };
    id.filter(|id| *id != u32::MAX).ok_or("impossible owner")
}

fn mark(path: Vec<u8>, kind: Kind) -> Entry {
    let mtime = Timestamp::default();
    Entry { path, kind, mode: 0, uid: 0, gid: 0, mtime, size: 0, sparse: None, xattrs: Vec::new() }
}

/// Sorts extended attributes, the last of a name wins, and leaves out those that an archive can't give (see [`Entry`]).
fn xattrs(mut xattrs: Vec<Xattr>, kind: &Kind) -> Vec<Xattr> {
    let user = matches!(kind, Kind::File | Kind::Directory);
    xattrs.retain(|xattr| {
        let name = xattr.name.as_slice();
        !(name.starts_with(b"trusted.overlay.")
            || name.starts_with(b"user.overlay.")
            || name == b"security.selinux"
            || name == b"system.nfs4_acl"
            || (name.starts_with(b"user.") && !user))
    });
    if matches!(kind, Kind::HardLink { .. }) {
        xattrs.clear();
    }
    xattrs.reverse();
    xattrs.sort_by(|a, b| a.name.cmp(&b.name));
    xattrs.dedup_by(|a, b| a.name == b.name);
    xattrs
}
