//! Locks between commands: they hold until the file is dropped, or its process ends (flock(2)).

use std::fs::File;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use super::error::Error;
use super::files::on;

/// Waits for a lock on a file of its own, made where it is missing.
pub fn locked(path: &Path, how: FlockOperation) -> Result<File, Error> {
    let file = File::options().create(true).truncate(false).write(true).open(path);
    wait(file.map_err(on("open", path))?, path, how)
}

/// Waits until nobody else changes what is in a directory.
pub fn locked_dir(dir: &Path) -> Result<File, Error> {
    wait(File::open(dir).map_err(on("open", dir))?, dir, FlockOperation::LockExclusive)
}

fn wait(file: File, path: &Path, how: FlockOperation) -> Result<File, Error> {
    match rustix::io::retry_on_intr(|| flock(&file, how)) {
        Ok(()) => Ok(file),
        Err(e) => Err(on("lock", path)(e.into())),
    }
}
