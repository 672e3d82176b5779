//! What can go wrong with a layer.

use std::io;

use lay_store::Digest;
use rustix::io::Errno;

/// What can go wrong between a layer's archive and its mountable form.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The stream broke or can't be inflated.
    #[error("cannot read the layer")]
    Read(#[source] io::Error),
    /// The archive is no archive, or readers would not agree on what it says.
    #[error("malformed archive at byte {offset}: {problem}")]
    Archive {
        /// Where the header stands in the inflated stream.
        offset: u64,
        /// What is wrong.
        problem: &'static str,
    },
    /// An entry asks for what can't or must not be done.
    #[error("layer entry {path:?}: {problem}")]
    Entry {
        /// The entry's path, in the archive or cleaned.
        path: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// An entry can't be written.
    #[error("cannot {step} {path:?}")]
    Write {
        /// What was to be done, such as "create".
        step: &'static str,
        /// Path within the layer.
        path: String,
        /// Why.
        #[source]
        source: Errno,
    },
    /// The stream inflates to more than a layer may have.
    #[error(
        "the layer inflates to more than {limit} bytes, which is all that [store] max-layer-size or the disk allows"
    )]
    TooLarge {
        /// Most bytes.
        limit: u64,
    },
    /// The archive has more entries than a layer may have.
    #[error("the layer has more than {limit} entries")]
    TooMany {
        /// Most entries.
        limit: u64,
    },
    /// The stream is compressed in a way that the image spec does not know.
    #[error("layers compressed with {0} are not supported")]
    Compression(&'static str),
    /// The archive is not the one that the image's configuration names.
    #[error("the layer's content is {actual}, but the image says {expected}")]
    DiffId {
        /// What the image says.
        expected: Digest,
        /// What the inflated stream is.
        actual: Digest,
    },
    /// The store can't take the layer.
    #[error("cannot keep layer {diff_id}")]
    Store {
        /// The layer.
        diff_id: Digest,
        /// Why.
        #[source]
        source: lay_store::Error,
    },
}

/// What both forms' writers may have against an entry, in the same words.
pub(super) mod problem {
    pub const LINKS: &str = "too many symlinks on the way";
    pub const PARENT: &str = "a parent is no directory";
    pub const LONG_PATH: &str = "a path over 4095 bytes";
    pub const LINK_TO_NOTHING: &str = "hard link to what is not in the layer";
    pub const LINK_TO_DIRECTORY: &str = "hard link to a directory or whiteout";
    pub const LINK_OVER_TARGET: &str = "hard link to a file in what it replaces";
}

impl Error {
    /// An [`Error::Entry`] about a path of any bytes.
    pub(super) fn entry(path: &[u8], problem: &'static str) -> Self {
        Error::Entry { path: printable(path), problem }
    }

    /// Names the archive's entry in an [`Error::Entry`] about a path on the way to it.
    pub(super) fn at(self, entry: &[u8]) -> Self {
        match self {
            Error::Entry { problem, .. } => Error::entry(entry, problem),
            other => other,
        }
    }

    /// An [`Error::Write`] about a path of any bytes, for `map_err`.
    pub(super) fn write(step: &'static str, path: &[u8]) -> impl FnOnce(Errno) -> Self {
        move |source| Error::Write { step, path: printable(path), source }
    }
}

/// A path for a message: of limited length, so that a hostile name can't flood the terminal.
pub(super) fn printable(path: &[u8]) -> String {
    const MOST: usize = 256;
    let mut text = String::from_utf8_lossy(&path[..path.len().min(MOST)]).into_owned();
    if path.len() > MOST {
        text.push('…');
    }
    text
}
