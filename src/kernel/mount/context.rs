//! A file system on its way to a mount: `fsopen(2)`, `fsconfig(2)`, `fsmount(2)`.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};

use super::Error;

/// The longest message that the kernel gives is far below this.
const LOG_LINE: usize = 4096;

/// A file system being configured. Each step's error carries what the kernel logged about it.
#[derive(Debug)]
pub struct Context {
    fd: OwnedFd,
    kind: String,
}

impl Context {
    /// Starts a mount of a file system by its name in `/proc/filesystems`.
    ///
    /// # Errors
    /// [`Error::Open`] with `ENODEV` if the kernel has no such file system, `EPERM` if the caller may not mount.
    pub fn open(kind: &str) -> Result<Self, Error> {
        match rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC) {
            Ok(fd) => Ok(Self { fd, kind: kind.to_owned() }),
            Err(source) => Err(Error::Open { kind: kind.to_owned(), source }),
        }
    }

    /// Sets an option without value, such as `ro`.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub fn flag(&self, key: &str) -> Result<(), Error> {
        self.check(rustix::mount::fsconfig_set_flag(&self.fd, key), || format!("option {key}"))
    }

    /// Sets an option to a string, at most 255 bytes (4,095 on kernels that know the option only in the old way).
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub fn string(&self, key: &str, value: &str) -> Result<(), Error> {
        self.check(rustix::mount::fsconfig_set_string(&self.fd, key, value), || {
            format!("option {key}={value}")
        })
    }

    /// Sets an option to a path, passed as a string.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub fn path(&self, key: &str, value: &Path) -> Result<(), Error> {
        self.check(rustix::mount::fsconfig_set_string(&self.fd, key, value), || {
            format!("option {key}={}", value.display())
        })
    }

    /// Sets an option to an open file.
    ///
    /// # Errors
    /// [`Error::Refused`], with `EINVAL` if the option or the kernel takes no descriptor.
    pub fn fd(&self, key: &str, value: impl AsFd) -> Result<(), Error> {
        self.check(rustix::mount::fsconfig_set_fd(&self.fd, key, value), || format!("option {key}"))
    }

    /// Creates the file system's instance and a detached mount of it.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub fn mount(self, attributes: MountAttrFlags) -> Result<OwnedFd, Error> {
        self.check(rustix::mount::fsconfig_create(&self.fd), || "to be created".to_owned())?;
        let mount = rustix::mount::fsmount(&self.fd, FsMountFlags::FSMOUNT_CLOEXEC, attributes);
        self.check(mount, || "to be mounted".to_owned())
    }

    fn check<T>(&self, result: Result<T, Errno>, step: impl FnOnce() -> String) -> Result<T, Error> {
        result.map_err(|source| Error::Refused {
            kind: self.kind.clone(),
            step: step(),
            log: self.log(),
            source,
        })
    }

    /// What the kernel has to say: one message a read, each with a level letter and a blank before it.
    fn log(&self) -> String {
        let mut lines = Vec::new();
        let mut line = [0; LOG_LINE];
        while let Ok(n @ 1..) = rustix::io::read(&self.fd, &mut line) {
            let text = String::from_utf8_lossy(&line[..n]);
            let text = text.trim_end();
            lines.push(text.get(2..).unwrap_or(text).to_owned());
        }
        lines.join("; ")
    }
}

/// Puts a log behind a message, if there is one.
pub(super) fn in_brackets(log: &str) -> String {
    if log.is_empty() { String::new() } else { format!(" ({log})") }
}
