//! What can go wrong in the store.

use std::io;
use std::path::{Path, PathBuf};

use crate::{DamagedEntry, Digest};

/// Result of the store.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Errors of the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory of the store cannot be used.
    #[error("cannot {operation} {path}")]
    Io {
        /// What was tried, as a verb.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// A document of the store is damaged.
    #[error("{path} is damaged")]
    Json {
        /// The file.
        path: PathBuf,
        /// The parser's words.
        #[source]
        source: serde_json::Error,
    },
    /// An entry of `index.json` is damaged.
    #[error("the entry of {name} in index.json is damaged: {reason}")]
    Entry {
        /// The image's name; "an image" where that is lost.
        name: String,
        /// The parser's words.
        reason: String,
    },
    /// The directory holds something else, or a later version's store.
    #[error("{path} is not a store of this version: {reason}")]
    Layout {
        /// The directory.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Another process fetches this blob.
    #[error("blob {digest} is being fetched by another process")]
    Busy {
        /// The blob.
        digest: Digest,
    },
    /// There is no such blob.
    #[error("blob {digest} is not in the store")]
    NotFound {
        /// The blob.
        digest: Digest,
    },
    /// The content is not what its digest says.
    #[error("content has digest {actual}, expected {expected}")]
    Digest {
        /// What it should be.
        expected: Digest,
        /// What it is.
        actual: Digest,
    },
    /// The content has another length than was said, in bytes.
    #[error("content has {actual} bytes or more, expected {expected}")]
    Size {
        /// What it should be.
        expected: u64,
        /// What it is at least.
        actual: u64,
    },
    /// A document is larger than any of its kind may be.
    #[error("blob {digest} is larger than {limit} bytes")]
    TooLarge {
        /// The blob.
        digest: Digest,
        /// Most bytes.
        limit: u64,
    },
    /// Another process has held the index for too long.
    #[error("the index {path} has been in use by another process for {seconds} s")]
    IndexBusy {
        /// The index.
        path: PathBuf,
        /// How long was waited.
        seconds: u64,
    },
    /// sled failed.
    #[error("the index {path} failed")]
    Index {
        /// The index.
        path: PathBuf,
        /// Its words.
        #[source]
        source: sled::Error,
    },
}

impl From<DamagedEntry> for Error {
    fn from(entry: DamagedEntry) -> Error {
        let name = entry.name.unwrap_or_else(|| "an image".to_string());
        Error::Entry { name, reason: entry.reason }
    }
}

impl Error {
    pub(crate) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_path_buf();
        move |source| Error::Io { operation, path, source }
    }

    /// Whether the disk is full (or the quota used up).
    pub fn is_no_space(&self) -> bool {
        let full =
            |e: &io::Error| matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        matches!(self, Error::Io { source, .. } if full(source))
    }
}
