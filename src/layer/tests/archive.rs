//! Archives of any names and types, also those that no archiver would write.

use tar::{Builder, EntryType, Header};

/// An archive in the making. Entries have mode 0644 (directories 0755), owner 1:2 and mtime 1000.
pub(super) struct Archive(Builder<Vec<u8>>);

impl Archive {
    pub fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    pub fn file(self, name: &str, data: &str) -> Self {
        self.add(name, EntryType::Regular, "", data.as_bytes(), |_| ())
    }

    pub fn dir(self, name: &str) -> Self {
        self.add(name, EntryType::Directory, "", b"", |_| ())
    }

    pub fn symlink(self, name: &str, target: &str) -> Self {
        self.add(name, EntryType::Symlink, target, b"", |_| ())
    }

    pub fn link(self, name: &str, target: &str) -> Self {
        self.add(name, EntryType::Link, target, b"", |_| ())
    }

    /// A PAX header for the entry to come.
    pub fn pax(mut self, records: &[(&str, &[u8])]) -> Self {
        self.0.append_pax_extensions(records.iter().copied()).unwrap();
        self
    }

    /// An entry that `change` gets to see before it is added.
    pub fn add(
        mut self,
        name: &str,
        kind: EntryType,
        target: &str,
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
        let old = header.as_old_mut();
        old.name[..name.len()].copy_from_slice(name.as_bytes());
        old.linkname[..target.len()].copy_from_slice(target.as_bytes());
        change(&mut header);
        header.set_cksum();
        self.0.append(&header, data).unwrap();
        self
    }

    pub fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}
