//! A tree to entries, by descriptors alone.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{Dir, FileType, Mode, OFlags, Stat, fstat, openat, readlinkat};
use rustix::io::Errno;

use super::Error;
use super::root::by_descriptor;
use crate::container::idmap::{IdMap, IdMaps};
use crate::layer::Exact;
use crate::layer::entry::{Entry, Kind, Timestamp, Xattr};

/// Most levels of directories: each holds a descriptor open.
const DEEPEST: u32 = 512;
const BUFFER: usize = 256 * 1024;
/// What files bring with them, beside mode and owner.
const CAPABILITY: &str = "security.capability";

/// Takes entries.
type Take<'a, E> = dyn FnMut(&Entry, &mut dyn BufRead) -> Result<(), E> + 'a;

/// Reads trees.
pub struct Reader<'a, E> {
    ids: Option<&'a IdMaps>,
    take: &'a mut Take<'a, E>,
    /// Files with several names: the first of them.
    seen: HashMap<(u64, u64), Vec<u8>>,
}

impl<'a, E> Reader<'a, E>
where
    Error: From<E>,
{
    /// Gives entries to `take`, with owners as the container that has `ids` sees them.
    pub fn new(ids: Option<&'a IdMaps>, take: &'a mut Take<'a, E>) -> Reader<'a, E> {
        Reader { ids, take, seen: HashMap::new() }
    }

    /// Reads what an `O_PATH` descriptor stands for, and all below it. It is called `base`.
    pub fn walk(&mut self, fd: OwnedFd, base: &[u8]) -> Result<(), Error> {
        self.entry(&fd, base, DEEPEST)
    }

    fn entry(&mut self, fd: &OwnedFd, path: &[u8], levels: u32) -> Result<(), Error> {
        let shown = || Path::new(std::ffi::OsStr::from_bytes(path));
        let stat = fstat(fd).map_err(Error::at("examine", shown()))?;
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => return self.directory(fd, &stat, path, levels),
            // Its program makes a new one.
            FileType::Socket => return Ok(()),
            _ if self.is_known(&stat, path) => {
                Kind::HardLink { target: self.seen[&(stat.st_dev, stat.st_ino)].clone() }
            }
            FileType::RegularFile => return self.file(fd, &stat, path),
            FileType::Symlink => {
                let target = readlinkat(fd, "", Vec::new()).map_err(Error::at("read", shown()))?;
                Kind::Symlink { target: target.into_bytes() }
            }
            kind => {
                let (major, minor) = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
                match kind {
                    FileType::CharacterDevice => Kind::CharDevice { major, minor },
                    FileType::BlockDevice => Kind::BlockDevice { major, minor },
                    _ => Kind::Fifo,
                }
            }
        };
        let entry = self.plain(kind, &stat, path);
        Ok((self.take)(&entry, &mut io::empty())?)
    }

    fn directory(&mut self, fd: &OwnedFd, stat: &Stat, path: &[u8], levels: u32) -> Result<(), Error> {
        let shown = || Path::new(std::ffi::OsStr::from_bytes(path));
        let levels = levels.checked_sub(1).ok_or_else(|| Error::at("go into", shown())(Errno::LOOP))?;
        let entry = self.plain(Kind::Directory, stat, path);
        (self.take)(&entry, &mut io::empty())?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = openat(fd, ".", flags, Mode::empty()).map_err(Error::at("list", shown()))?;
        let mut names = Vec::new();
        for name in Dir::read_from(&opened).map_err(Error::at("list", shown()))? {
            let name = name.map_err(Error::at("list", shown()))?;
            if name.file_name() != c"." && name.file_name() != c".." {
                names.push(name.file_name().to_owned());
            }
        }
        names.sort();
        names.dedup();
        for name in names {
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let below = match openat(&opened, &name, flags, Mode::empty()) {
                // It went meanwhile.
                Err(Errno::NOENT) => continue,
                below => below.map_err(Error::at("open", shown()))?,
            };
            let joined = match path {
                b"" => name.to_bytes().to_vec(),
                _ => [path, b"/", name.to_bytes()].concat(),
            };
            self.entry(&below, &joined, levels)?;
        }
        Ok(())
    }

    fn file(&mut self, fd: &OwnedFd, stat: &Stat, path: &[u8]) -> Result<(), Error> {
        let shown = || Path::new(std::ffi::OsStr::from_bytes(path));
        // Of the very file that was examined; its name may mean another one by now.
        let file = File::options().read(true).open(by_descriptor(fd));
        let errno = |e: io::Error| Errno::from_io_error(&e).unwrap_or(Errno::IO);
        let file = file.map_err(|e| Error::at("open", shown())(errno(e)))?;
        let mut entry = self.plain(Kind::File, stat, path);
        entry.size = u64::try_from(stat.st_size).unwrap_or(0);
        let mut value = vec![0; 4096];
        if let Ok(length) = rustix::fs::fgetxattr(&file, CAPABILITY, value.as_mut_slice()) {
            value.truncate(length);
            entry.xattrs.push(Xattr { name: CAPABILITY.as_bytes().to_vec(), value });
        }
        let exact = Exact::new(file, entry.size);
        Ok((self.take)(&entry, &mut BufReader::with_capacity(BUFFER, exact))?)
    }

    /// A further name of a file that was read already; the first one is remembered.
    fn is_known(&mut self, stat: &Stat, path: &[u8]) -> bool {
        let key = (stat.st_dev, stat.st_ino);
        if stat.st_nlink < 2 || self.seen.contains_key(&key) {
            return stat.st_nlink >= 2;
        }
        self.seen.insert(key, path.to_vec());
        false
    }

    fn plain(&self, kind: Kind, stat: &Stat, path: &[u8]) -> Entry {
        let (uid, gid) = match self.ids {
            None => (stat.st_uid, stat.st_gid),
            Some(ids) => (inside(&ids.uids, stat.st_uid), inside(&ids.gids, stat.st_gid)),
        };
        let mtime = Timestamp { secs: stat.st_mtime, nanos: u32::try_from(stat.st_mtime_nsec).unwrap_or(0) };
        let (path, mode) = (path.to_vec(), stat.st_mode & 0o7777);
        Entry { path, kind, mode, uid, gid, mtime, size: 0, sparse: None, xattrs: Vec::new() }
    }
}

/// What an id of this machine is in the container; what has none there is nobody's (user_namespaces(7)).
fn inside(maps: &[IdMap], id: u32) -> u32 {
    let found = maps.iter().find(|map| id.checked_sub(map.outside).is_some_and(|offset| offset < map.count));
    found.map_or(65_534, |map| map.inside + (id - map.outside))
}
