//! Small files of a container: written whole or not at all.

use std::fs;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::Error;
use crate::kernel::file::replace;

/// Wraps an I/O error with what was tried on which path.
pub fn on<'a>(operation: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Error + 'a {
    move |source| Error::File { operation, path: path.to_path_buf(), source }
}

/// Replaces a file atomically.
pub fn write(path: &Path, data: &[u8]) -> Result<(), Error> {
    replace(path, data, 0o666).map_err(on("write", path))
}

/// Writes a value as JSON, atomically.
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    let data =
        serde_json::to_vec(value).map_err(|source| Error::Record { path: path.to_path_buf(), source })?;
    write(path, &data)
}

/// Reads a JSON file; none where there is none.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    match fs::read(path) {
        Ok(data) => serde_json::from_slice(&data)
            .map(Some)
            .map_err(|source| Error::Record { path: path.to_path_buf(), source }),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(on("read", path)(e)),
    }
}

/// Removes a file; that it is gone already is no error.
pub fn remove_if_there(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(on("remove", path)(e)),
        _ => Ok(()),
    }
}

/// Writes everything, also to a descriptor that does not block.
pub fn write_all(to: BorrowedFd<'_>, mut data: &[u8]) -> io::Result<()> {
    while !data.is_empty() {
        match rustix::io::write(to, data) {
            Ok(written) => data = &data[written..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let mut fds = [PollFd::from_borrowed_fd(to, PollFlags::OUT)];
                let _ = poll(&mut fds, None);
            }
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}
