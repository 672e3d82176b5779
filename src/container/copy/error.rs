//! What can go wrong when files are copied.

use std::io;

use rustix::io::Errno;

/// Errors of copying.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is nothing of this name.
    #[error("{0}: no such file or directory")]
    Missing(String),
    /// A slash at its end says that it is a directory, or an archive is to be unpacked there.
    #[error("{0} is not a directory")]
    NoDirectory(String),
    /// Nothing can be made there.
    #[error("{0}: its parent directory does not exist")]
    NoParent(String),
    /// A directory and a file cannot take each other's place.
    #[error("a directory cannot be copied to the file {0}")]
    OverFile(String),
    /// A file cannot be used.
    #[error("cannot {step} {path}")]
    File {
        /// What was tried, as a verb.
        step: &'static str,
        /// The path below the source or the destination.
        path: String,
        /// The kernel's reason.
        #[source]
        source: Errno,
    },
    /// This process could not do it in the container's name.
    #[error("cannot {0}")]
    System(&'static str, #[source] io::Error),
    /// Something stands at the destination that cannot be replaced.
    #[error("{path}: {what}")]
    Replace {
        /// The path below the destination.
        path: String,
        /// What would be replaced by what.
        what: &'static str,
    },
    /// Somebody starts or removes it just now.
    #[error("container {0} is just being started or removed")]
    Busy(String),
    /// The archive is damaged, or a file could not be written.
    #[error(transparent)]
    Layer(#[from] crate::layer::Error),
    /// The container is not usable.
    #[error(transparent)]
    Container(#[from] crate::container::Error),
}

impl From<io::Error> for Error {
    fn from(e: io::Error) -> Error {
        Error::System("duplicate a descriptor", e)
    }
}

impl Error {
    /// Wraps a kernel's reason.
    pub fn at(step: &'static str, path: &std::path::Path) -> impl FnOnce(Errno) -> Error {
        let path = super::shown(path);
        move |source| Error::File { step, path, source }
    }
}
