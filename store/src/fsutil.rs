//! Durable files, locks and names.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::error::{Error, Result};

/// Makes a directory where it is missing.
pub fn make_dir(path: &Path) -> Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(Error::io("create", path)(e)),
        _ => Ok(()),
    }
}

/// Makes what was renamed into, or removed from, a directory survive a power cut.
pub fn sync_dir(path: &Path) -> Result<()> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(Error::io("sync", path))
}

/// Replaces a file in one step: readers see the old content or the new, also after a power cut.
pub fn replace(path: &Path, data: &[u8]) -> Result<()> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    let failed = |operation| Error::io(operation, path);
    let mut tmp = tempfile::Builder::new().prefix(".tmp-").tempfile_in(dir).map_err(failed("write"))?;
    tmp.write_all(data).map_err(failed("write"))?;
    tmp.as_file().sync_all().map_err(failed("sync"))?;
    tmp.persist(path).map_err(|e| failed("replace")(e.error))?;
    sync_dir(dir)
}

/// A held lock on a file; dropping it releases it, as does the end of the process.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Opens a lock file, made where it is missing.
pub fn lock_file(path: &Path) -> Result<File> {
    let open = File::options().create(true).truncate(false).read(true).write(true).open(path);
    open.map_err(Error::io("open", path))
}

/// Waits for a lock on `path`.
pub fn lock(path: &Path, exclusive: bool) -> Result<Lock> {
    let file = lock_file(path)?;
    let how = if exclusive { FlockOperation::LockExclusive } else { FlockOperation::LockShared };
    loop {
        match flock(&file, how) {
            Ok(()) => return Ok(Lock { _file: file }),
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(Error::io("lock", path)(e.into())),
        }
    }
}

/// Takes an exclusive lock on an open file if nobody holds one.
pub fn try_lock(file: &File, path: &Path) -> Result<bool> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(e) => Err(Error::io("lock", path)(e.into())),
    }
}

/// Removes a file that may be gone already.
pub fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path)(e)),
        _ => Ok(()),
    }
}

/// Removes a file or a tree that may be gone already.
pub fn remove_all(path: &Path) -> Result<()> {
    let result = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(e) => Err(e),
    };
    match result {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path)(e)),
        _ => Ok(()),
    }
}

/// Names and paths in a directory; none if it is missing.
pub fn entries(dir: &Path) -> Result<Vec<(String, PathBuf)>> {
    let list = match fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        list => list.map_err(Error::io("list", dir))?,
    };
    let mut entries = Vec::new();
    for entry in list {
        let entry = entry.map_err(Error::io("list", dir))?;
        if let Ok(name) = entry.file_name().into_string() {
            entries.push((name, entry.path()));
        }
    }
    Ok(entries)
}

/// Bytes that a file or a tree takes on disk. What disappears meanwhile counts nothing.
pub fn disk_usage(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(meta) = fs::symlink_metadata(path) else { return 0 };
    let below = match meta.is_dir() {
        true => fs::read_dir(path).into_iter().flatten().flatten().map(|e| disk_usage(&e.path())).sum(),
        false => 0,
    };
    meta.blocks() * 512 + below
}

/// A name that nobody else has: 16 random hexadecimal digits.
pub fn random_name() -> Result<String> {
    let path = Path::new("/dev/urandom");
    let mut bytes = [0; 8];
    let read = File::open(path).and_then(|mut file| io::Read::read_exact(&mut file, &mut bytes));
    read.map_err(Error::io("read", path)).map(|()| hex::encode(bytes))
}
