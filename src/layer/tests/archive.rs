//! Archives of any names and types, also those that no archiver would write.

use tar::{Builder, EntryType, Header};

/// An archive in the making. Entries have mode 0644 (directories 0755), owner 1:2 and mtime 1000.
pub(super) struct Archive(Builder<Vec<u8>>);

impl Archive {
    pub fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    pub fn file(self, name: impl AsRef<[u8]>, data: &str) -> Self {
        self.add(name, EntryType::Regular, "", data.as_bytes(), |_| ())
    }

    pub fn dir(self, name: impl AsRef<[u8]>) -> Self {
        self.add(name, EntryType::Directory, "", b"", |_| ())
    }

    pub fn symlink(self, name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        self.add(name, EntryType::Symlink, target, b"", |_| ())
    }

    pub fn link(self, name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        self.add(name, EntryType::Link, target, b"", |_| ())
    }

    /// An entry without data, of any type.
    pub fn kind(self, name: impl AsRef<[u8]>, kind: u8) -> Self {
        // Not by the setter, which makes an old file a new one.
        self.add(name, EntryType::new(kind), "", b"", |h| h.as_mut_bytes()[156] = kind)
    }

    /// A device of any number.
    pub fn device(self, name: &str, kind: u8, major: u32, minor: u32) -> Self {
        self.add(name, EntryType::new(kind), "", b"", |h| {
            h.set_device_major(major).unwrap();
            h.set_device_minor(minor).unwrap();
        })
    }

    /// GNU's long name (`L`) or link target (`K`) for the entry to come.
    pub fn long(self, kind: u8, name: impl AsRef<[u8]>) -> Self {
        let data = [name.as_ref(), b"\0"].concat();
        self.add("././@LongLink", EntryType::new(kind), "", &data, |_| ())
    }

    /// Blocks as they are.
    pub fn raw(mut self, blocks: &[u8]) -> Self {
        self.0.get_mut().extend_from_slice(blocks);
        self
    }

    /// A PAX header for the entry to come.
    pub fn pax(mut self, records: &[(&str, &[u8])]) -> Self {
        self.0.append_pax_extensions(records.iter().copied()).unwrap();
        self
    }

    /// An entry that `change` gets to see before it is added.
    pub fn add(
        mut self,
        name: impl AsRef<[u8]>,
        kind: EntryType,
        target: impl AsRef<[u8]>,
        data: &[u8],
        change: impl FnOnce(&mut Header),
    ) -> Self {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(if kind == EntryType::Directory { 0o755 } else { 0o644 });
        header.set_uid(1);
        header.set_gid(2);
        header.set_mtime(1000);
        header.set_size(data.len() as u64);
        // The setters would refuse what these tests are about.
        let (name, target, old) = (name.as_ref(), target.as_ref(), header.as_old_mut());
        old.name[..name.len()].copy_from_slice(name);
        old.linkname[..target.len()].copy_from_slice(target);
        change(&mut header);
        header.set_cksum();
        self.0.append(&header, data).unwrap();
        self
    }

    /// The archive without the blocks that end it.
    pub fn open(self) -> Vec<u8> {
        let mut bytes = self.bytes();
        bytes.truncate(bytes.len() - 1024);
        bytes
    }

    pub fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}
