//! The way back: trees to layer archives. Names are sorted and headers hold nothing of this machine, so that the same
//! tree always gives the same bytes.

mod selection;

pub use selection::selection;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{lgetxattr, llistxattr};
use rustix::io::Errno;
use tar::{Builder, EntryType, Header};

use super::error::{Error, printable};
use super::exact::Exact;

/// The longest name, link target and largest id that fit into a header's own fields.
const MAX_NAME: usize = 100;
const MAX_ID: u64 = 0o7_777_777;
pub(super) const MAX_SIZE: u64 = 0o77_777_777_777;

/// How an entry of an upper directory stands to the layers below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is there, new or changed.
    Present,
    /// The lower one is gone.
    Deleted,
}

/// Archives the changes in an overlay's upper directory: what is gone as whiteouts (image-spec, "Layer changesets").
///
/// # Errors
/// [`Error::Write`] when the tree cannot be read, [`Error::Read`] when the archive cannot be written.
pub fn changes(upper: &Path, out: impl Write) -> Result<(), Error> {
    Archive::new(out, true).run(upper)
}

/// As [`changes`], with no time after `newest` (seconds since 1970): what is younger is said to be just as old.
///
/// # Errors
/// As [`changes`].
pub fn changes_until(upper: &Path, newest: i64, out: impl Write) -> Result<(), Error> {
    Archive { newest: Some(newest), ..Archive::new(out, true) }.run(upper)
}

/// Archives a whole tree as it is.
///
/// # Errors
/// As [`changes`].
pub fn tree(root: &Path, out: impl Write) -> Result<(), Error> {
    Archive::new(out, false).run(root)
}

/// Calls `visit` for every entry of an upper directory, parents first, in the order of names.
///
/// # Errors
/// [`Error::Write`] when the tree cannot be read.
pub fn walk_changes(upper: &Path, visit: &mut dyn FnMut(&Path, Change)) -> Result<(), Error> {
    walk(upper, Path::new(""), visit)
}

fn walk(at: &Path, path: &Path, visit: &mut dyn FnMut(&Path, Change)) -> Result<(), Error> {
    for name in names(at, path)? {
        let (at, path) = (at.join(&name), path.join(&name));
        let meta = fs::symlink_metadata(&at).map_err(failed("examine", &path))?;
        visit(&path, if is_whiteout(&meta) { Change::Deleted } else { Change::Present });
        if meta.is_dir() {
            walk(&at, &path, visit)?;
        }
    }
    Ok(())
}

fn names(at: &Path, path: &Path) -> Result<Vec<std::ffi::OsString>, Error> {
    let entries = fs::read_dir(at).map_err(failed("list", path))?;
    let names: io::Result<Vec<_>> = entries.map(|entry| entry.map(|e| e.file_name())).collect();
    let mut names = names.map_err(failed("list", path))?;
    names.sort();
    Ok(names)
}

fn is_whiteout(meta: &Metadata) -> bool {
    meta.file_type().is_char_device() && meta.rdev() == 0
}

fn failed(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = printable(path.as_os_str().as_bytes());
    move |e| Error::Write { step, path, source: Errno::from_io_error(&e).unwrap_or(Errno::IO) }
}

/// An archive in the making.
struct Archive<W: Write> {
    tar: Builder<W>,
    overlay: bool,
    /// Files with several names, by device and inode, and the first of their names.
    seen: HashMap<(u64, u64), PathBuf>,
    /// No entry is younger, in seconds since 1970.
    newest: Option<i64>,
}

impl<W: Write> Archive<W> {
    fn new(out: W, overlay: bool) -> Archive<W> {
        Archive { tar: Builder::new(out), overlay, seen: HashMap::new(), newest: None }
    }

    fn run(mut self, root: &Path) -> Result<(), Error> {
        let meta = fs::symlink_metadata(root).map_err(failed("examine", root))?;
        self.entry(root, Path::new("./"), &meta)?;
        self.directory(root, Path::new(""))?;
        self.tar.finish().map_err(Error::Read)
    }

    fn directory(&mut self, at: &Path, path: &Path) -> Result<(), Error> {
        if self.overlay && xattr(at, super::overlay_xattr("opaque")).as_deref() == Some(b"y") {
            self.marker(&path.join(".wh..wh..opq"))?;
        }
        for name in names(at, path)? {
            let (at, path) = (at.join(&name), path.join(&name));
            let meta = fs::symlink_metadata(&at).map_err(failed("examine", &path))?;
            if self.overlay && is_whiteout(&meta) {
                let mut hidden = b".wh.".to_vec();
                hidden.extend(name.as_bytes());
                self.marker(&path.with_file_name(OsStr::from_bytes(&hidden)))?;
                continue;
            }
            self.entry(&at, &path, &meta)?;
            if meta.is_dir() {
                self.directory(&at, &path)?;
            }
        }
        Ok(())
    }

    /// An empty file whose name says it all.
    fn marker(&mut self, path: &Path) -> Result<(), Error> {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_size(0);
        header.set_mode(0);
        self.append(header, path.as_os_str().as_bytes(), Vec::new(), io::empty())
    }

    fn entry(&mut self, at: &Path, path: &Path, meta: &Metadata) -> Result<(), Error> {
        let kind = meta.file_type();
        if kind.is_socket() {
            // An archive has no type for it, and its program makes a new one.
            return Ok(());
        }
        let mut header = Header::new_ustar();
        let mut extended = Vec::new();
        common(&mut header, &mut extended, meta, self.newest);
        let mut name = path.as_os_str().as_bytes().to_vec();
        if !kind.is_dir() && meta.nlink() > 1 {
            let id = (meta.dev(), meta.ino());
            if let Some(first) = self.seen.get(&id).cloned() {
                header.set_entry_type(EntryType::Link);
                header.set_size(0);
                link(&mut header, &mut extended, first.as_os_str().as_bytes());
                return self.append(header, &name, extended, io::empty());
            }
            self.seen.insert(id, path.to_path_buf());
        }
        self.attributes(at, &mut extended);
        header.set_size(0);
        if kind.is_dir() {
            header.set_entry_type(EntryType::Directory);
            if !name.ends_with(b"/") {
                name.push(b'/');
            }
        } else if kind.is_symlink() {
            header.set_entry_type(EntryType::Symlink);
            let target = fs::read_link(at).map_err(failed("read", path))?;
            link(&mut header, &mut extended, target.as_os_str().as_bytes());
        } else if kind.is_file() {
            return self.file(at, path, meta, header, extended);
        } else {
            let (major, minor) = (rustix::fs::major(meta.rdev()), rustix::fs::minor(meta.rdev()));
            header.set_entry_type(match kind {
                k if k.is_char_device() => EntryType::Char,
                k if k.is_block_device() => EntryType::Block,
                _ => EntryType::Fifo,
            });
            header
                .set_device_major(major)
                .and_then(|()| header.set_device_minor(minor))
                .map_err(Error::Read)?;
        }
        self.append(header, &name, extended, io::empty())
    }

    fn file(
        &mut self,
        at: &Path,
        path: &Path,
        meta: &Metadata,
        mut header: Header,
        mut extended: Vec<(String, Vec<u8>)>,
    ) -> Result<(), Error> {
        header.set_entry_type(EntryType::Regular);
        if meta.size() > MAX_SIZE {
            extended.push(("size".into(), meta.size().to_string().into_bytes()));
        } else {
            header.set_size(meta.size());
        }
        // What it has when it is read may be another length than it had; the header's is what counts.
        let file = File::options().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(at);
        let file = file.map_err(failed("open", path))?;
        let exact = Exact::new(file, meta.size());
        self.append(header, path.as_os_str().as_bytes(), extended, exact)
    }

    fn attributes(&self, at: &Path, extended: &mut Vec<(String, Vec<u8>)>) {
        let mut list = vec![0; 65_536];
        let Ok(length) = llistxattr(at, list.as_mut_slice()) else { return };
        let mut names: Vec<&[u8]> = list[..length].split(|b| *b == 0).filter(|n| !n.is_empty()).collect();
        names.sort_unstable();
        for name in names {
            let private = [b"trusted.overlay.".as_slice(), b"user.overlay.", b"security.selinux"];
            let Ok(text) = std::str::from_utf8(name) else { continue };
            if private.iter().any(|p| name.starts_with(p)) {
                continue;
            }
            if let Some(value) = xattr(at, name) {
                extended.push((format!("SCHILY.xattr.{text}"), value));
            }
        }
    }

    fn append(
        &mut self,
        header: Header,
        name: &[u8],
        extended: Vec<(String, Vec<u8>)>,
        data: impl io::Read,
    ) -> Result<(), Error> {
        append(&mut self.tar, header, name, extended, data)
    }
}

/// Adds an entry, before it the records that its header has no room for.
pub(super) fn append<W: Write>(
    tar: &mut Builder<W>,
    mut header: Header,
    name: &[u8],
    mut extended: Vec<(String, Vec<u8>)>,
    data: impl io::Read,
) -> Result<(), Error> {
    if name.len() > MAX_NAME {
        extended.insert(0, ("path".into(), name.to_vec()));
    }
    let field = &mut header.as_old_mut().name;
    field.fill(0);
    let length = name.len().min(MAX_NAME);
    field[..length].copy_from_slice(&name[..length]);
    if !extended.is_empty() {
        let records = extended.iter().map(|(key, value)| (key.as_str(), value.as_slice()));
        tar.append_pax_extensions(records).map_err(Error::Read)?;
    }
    header.set_cksum();
    tar.append(&header, data).map_err(Error::Read)
}

fn common(header: &mut Header, extended: &mut Vec<(String, Vec<u8>)>, meta: &Metadata, newest: Option<i64>) {
    let time = match newest {
        Some(newest) if meta.mtime() >= newest => (newest, 0),
        _ => (meta.mtime(), meta.mtime_nsec()),
    };
    attributes(header, extended, meta.mode(), (meta.uid(), meta.gid()), time);
}

/// Mode, owner and time; what does not fit into the header's fields goes into records (pax(1), "pax Extended Header").
pub(super) fn attributes(
    header: &mut Header,
    extended: &mut Vec<(String, Vec<u8>)>,
    mode: u32,
    (uid, gid): (u32, u32),
    (seconds, nanos): (i64, i64),
) {
    header.set_mode(mode & 0o7777);
    for (key, id) in [("uid", uid), ("gid", gid)] {
        let fits = u64::from(id) <= MAX_ID;
        let field = if fits { u64::from(id) } else { 0 };
        if key == "uid" {
            header.set_uid(field)
        } else {
            header.set_gid(field)
        }
        if !fits {
            extended.push((key.into(), id.to_string().into_bytes()));
        }
    }
    header.set_mtime(u64::try_from(seconds).unwrap_or(0));
    if nanos != 0 || seconds < 0 {
        extended.push(("mtime".into(), decimal(seconds, nanos).into_bytes()));
    }
}

/// Seconds and nanoseconds, which count forward also before 1970, as a decimal fraction.
fn decimal(seconds: i64, nanos: i64) -> String {
    match (seconds, nanos) {
        (_, 0) => seconds.to_string(),
        (0.., _) => format!("{seconds}.{nanos:09}"),
        _ => format!("-{}.{:09}", -(seconds + 1), 1_000_000_000 - nanos),
    }
}

pub(super) fn link(header: &mut Header, extended: &mut Vec<(String, Vec<u8>)>, target: &[u8]) {
    if target.len() > MAX_NAME {
        extended.push(("linkpath".into(), target.to_vec()));
    }
    let length = target.len().min(MAX_NAME);
    header.as_old_mut().linkname[..length].copy_from_slice(&target[..length]);
}

fn xattr(at: &Path, name: impl rustix::path::Arg) -> Option<Vec<u8>> {
    let mut value = vec![0; 65_536];
    let length = lgetxattr(at, name, value.as_mut_slice()).ok()?;
    value.truncate(length);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_and_between_seconds() {
        assert_eq!(decimal(5, 0), "5");
        assert_eq!(decimal(5, 250_000_000), "5.250000000");
        assert_eq!(decimal(-2, 250_000_000), "-1.750000000");
        assert_eq!(decimal(-1, 999_999_999), "-0.000000001");
    }
}
