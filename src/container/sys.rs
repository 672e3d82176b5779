//! Raw system interfaces of the container room.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use super::error::Error;

/// Takes ownership of a descriptor that this process inherited, and closes it on the next exec.
///
/// # Errors
/// When the number is no open descriptor, or one of the standard three.
pub fn adopt(number: i32) -> Result<OwnedFd, Error> {
    let failed = |e| Error::System("adopt an inherited descriptor", e);
    if number <= 2 {
        return Err(failed(io::Error::from(io::ErrorKind::InvalidInput)));
    }
    // SAFETY: fcntl with F_SETFD on any number is harmless; it fails for one that is not open.
    if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } != 0 {
        return Err(failed(io::Error::last_os_error()));
    }
    // SAFETY: the descriptor is open, was named to us by the process that left it to us, and is adopted once.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
