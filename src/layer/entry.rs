//! What a layer says, one entry at a time, with every dialect of tar already resolved.
//!
//! The reader ([`super::tar`]) turns an archive into a sequence of [`Entry`] and the bytes that go with each; a
//! [`FormWriter`] turns that sequence into a mountable form. Both forms, the directory and the EROFS file, hang on
//! the same reader and follow the same rules, so that they give the same root.
//!
//! # What a writer does with an entry
//!
//! 1. Paths are clean: components that are neither empty, `.` nor `..`, joined by `/`; the root is the empty path.
//!    An archive with a `..` in a name was refused, as GNU tar does; absolute names are relative to the root.
//! 2. The parent is looked up from the root of *this layer alone*. A component that is a symlink is followed within
//!    the root (absolute targets start at the layer's root, `..` stops there, at most 40 links). A component that
//!    does not exist is made: a directory with mode 0755, owner 0:0, mtime 0, no xattrs; so are the missing
//!    directories that a dangling link names. A whiteout in its place is replaced by such a directory, opaque. Anything
//!    else in its place is an error.
//! 3. The last component is never followed. A directory over a directory keeps its children (and its opaqueness)
//!    and takes the new mode, owner, mtime and xattrs. In every other case what was there goes, with all that is below
//!    it, and the new entry takes its place. The later entry wins.
//! 4. The empty path is the root directory: a [`Kind::Directory`] sets its mode, owner, mtime and xattrs. The reader
//!    refuses every other kind there. A layer that does not mention it gets 0755, 0:0, mtime 0.
//! 5. A hard link's target is looked up as in 2 and 3 (its last component is not followed). It must exist in this layer
//!    and be no directory and no whiteout; otherwise it is an error. The link's own metadata is ignored. A link to itself
//!    changes nothing.
//! 6. [`Kind::Whiteout`] hides a name of the *lower* layers and never touches an entry of this layer: where a directory
//!    of this layer stands (or comes later), that directory becomes opaque; where anything else stands (or comes later),
//!    that thing stays. Otherwise it is a character device 0:0, mode 0, owner 0:0, mtime 0.
//! 7. [`Kind::Opaque`] makes the directory at its path opaque (`trusted.overlay.opaque` = `y`); it is made as in 2 if it
//!    is missing. A symlink there is not followed: it is replaced, as is everything else that is no directory.
//! 8. A directory that holds a whiteout when the layer is finished gets an empty `trusted.overlay.origin`: without it
//!    overlayfs lists the whiteouts of a directory that no lower layer has (`fs/overlayfs/inode.c`, `ovl_get_inode`).

use std::io::BufRead;

/// Turns entries, in archive order, into a mountable form.
pub trait FormWriter {
    /// What can go wrong.
    type Error;

    /// Takes one entry. `data` yields exactly [`Entry::stored`] bytes; what is left unread is skipped by the caller.
    fn entry(&mut self, entry: &Entry, data: &mut dyn BufRead) -> Result<(), Self::Error>;

    /// Completes the form after the last entry. Nothing has to be synced: the store does that when it commits.
    fn finish(&mut self) -> Result<(), Self::Error>;
}

/// One entry of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands: clean and relative to the layer's root (see the module's rule 1), at most 4,095 bytes, each
    /// component at most 255 bytes, no NUL.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Permission bits, set-id and sticky bits included (`0o7777`).
    pub mode: u32,
    /// Owner, never `u32::MAX`.
    pub uid: u32,
    /// Group, never `u32::MAX`.
    pub gid: u32,
    /// Time of last change of the content.
    pub mtime: Timestamp,
    /// Length in bytes of a regular file as a reader of it sees it, holes included, at most 16 TiB less a block; 0 for every
    /// other kind.
    pub size: u64,
    /// Where the data of a sparse file lies, in ascending order, without overlap, within `size`, no empty segment;
    /// `None` for a file without holes. `Some` of nothing is a file that is one hole.
    pub sparse: Option<Vec<Segment>>,
    /// Extended attributes, sorted by name, without repetition. What belongs to overlayfs (`trusted.overlay.`,
    /// `user.overlay.`) or to the machine that made the archive (`security.selinux`, `system.nfs4_acl`) was dropped, and
    /// so was `user.` on what can't carry it (anything but files and directories). At most 256 KiB in all.
    pub xattrs: Vec<Xattr>,
}

impl Entry {
    /// The number of bytes that the archive holds for this entry: its size without the holes.
    pub fn stored(&self) -> u64 {
        match &self.sparse {
            None => self.size,
            Some(map) => map.iter().map(|s| s.length).sum(),
        }
    }
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink {
        /// What it holds, 1 to 4,095 bytes, exactly as the archive says.
        target: Vec<u8>,
    },
    /// Another name of an entry that came earlier in this layer.
    HardLink {
        /// The other name, clean like [`Entry::path`].
        target: Vec<u8>,
    },
    /// A character device, never 0:0 (that is a whiteout).
    CharDevice {
        /// Major number, below 2^12.
        major: u32,
        /// Minor number, below 2^20.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// Major number, below 2^12.
        major: u32,
        /// Minor number, below 2^20.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
    /// The lower layers' entry of this name is gone (`.wh.NAME` in the archive; `path` ends in NAME).
    Whiteout,
    /// The lower layers' content of this directory is gone (`.wh..wh..opq` in the archive; `path` is the directory).
    Opaque,
}

/// A point in time, in seconds and nanoseconds since 1970 (nanoseconds count forward also before it).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Timestamp {
    /// Seconds.
    pub secs: i64,
    /// Nanoseconds, below 10^9.
    pub nanos: u32,
}

/// A stretch of data in a sparse file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Where it starts, in bytes from the file's start.
    pub offset: u64,
    /// How many bytes it has, never 0.
    pub length: u64,
}

/// An extended attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Xattr {
    /// Full name with its namespace, such as `security.capability`; 1 to 255 bytes.
    pub name: Vec<u8>,
    /// Value, at most 65,535 bytes.
    pub value: Vec<u8>,
}
