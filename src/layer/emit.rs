//! Archives from entries, for layers that no directory stands behind.

use std::io::{self, Read, Write};

use tar::{Builder, EntryType, Header};

use super::archive::{MAX_SIZE, append, attributes, link};
use super::entry::{Entry, Kind};
use super::error::Error;

/// Writes entries as an archive: the same entries always give the same bytes.
pub struct Emitter<W: Write>(Builder<W>);

impl<W: Write> Emitter<W> {
    /// An empty archive.
    pub fn new(out: W) -> Self {
        Self(Builder::new(out))
    }

    /// Adds an entry; of a file, `data` must yield as many bytes as the entry says. Holes are not told.
    ///
    /// # Errors
    /// [`Error::Read`] when the archive cannot be written or the data cannot be read.
    pub fn entry(&mut self, entry: &Entry, data: impl Read) -> Result<(), Error> {
        let mut header = Header::new_ustar();
        let mut extended = Vec::new();
        let time = (entry.mtime.secs, i64::from(entry.mtime.nanos));
        attributes(&mut header, &mut extended, entry.mode, (entry.uid, entry.gid), time);
        for xattr in &entry.xattrs {
            if let Ok(name) = std::str::from_utf8(&xattr.name) {
                extended.push((format!("SCHILY.xattr.{name}"), xattr.value.clone()));
            }
        }
        header.set_size(0);
        let mut name = entry.path.clone();
        let kind = match &entry.kind {
            Kind::File => {
                return self.file(entry, header, extended, data);
            }
            Kind::Directory => {
                if name.is_empty() {
                    name.push(b'.');
                }
                name.push(b'/');
                EntryType::Directory
            }
            Kind::Symlink { target } => {
                link(&mut header, &mut extended, target);
                EntryType::Symlink
            }
            Kind::HardLink { target } => {
                link(&mut header, &mut extended, target);
                EntryType::Link
            }
            Kind::CharDevice { major, minor } => device(&mut header, *major, *minor, EntryType::Char)?,
            Kind::BlockDevice { major, minor } => device(&mut header, *major, *minor, EntryType::Block)?,
            Kind::Fifo => EntryType::Fifo,
            Kind::Whiteout | Kind::Opaque => {
                marker(&mut name, matches!(entry.kind, Kind::Opaque));
                EntryType::Regular
            }
        };
        header.set_entry_type(kind);
        append(&mut self.0, header, &name, extended, io::empty())
    }

    fn file(
        &mut self,
        entry: &Entry,
        mut header: Header,
        mut extended: Vec<(String, Vec<u8>)>,
        data: impl Read,
    ) -> Result<(), Error> {
        header.set_entry_type(EntryType::Regular);
        if entry.size > MAX_SIZE {
            extended.push(("size".into(), entry.size.to_string().into_bytes()));
        } else {
            header.set_size(entry.size);
        }
        append(&mut self.0, header, &entry.path, extended, data)
    }

    /// Ends the archive.
    ///
    /// # Errors
    /// [`Error::Read`] when it cannot be written.
    pub fn finish(mut self) -> Result<(), Error> {
        self.0.finish().map_err(Error::Read)
    }
}

fn device(header: &mut Header, major: u32, minor: u32, kind: EntryType) -> Result<EntryType, Error> {
    header.set_device_major(major).and_then(|()| header.set_device_minor(minor)).map_err(Error::Read)?;
    Ok(kind)
}

/// The name of the file that says that another one is gone (image-spec, "Whiteouts").
fn marker(name: &mut Vec<u8>, opaque: bool) {
    if opaque {
        if !name.is_empty() {
            name.push(b'/');
        }
        name.extend(b".wh..wh..opq");
    } else {
        let at = name.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
        name.splice(at..at, *b".wh.");
    }
}
