//! What can end a pull, a push, a login or a logout.

use std::fmt;
use std::io;

use lay_store::Digest;

use super::credentials::CredentialError;
use super::endpoint::EndpointError;
use super::http::RequestError;
use super::manifest::ManifestError;
use super::platform::PlatformError;
use crate::layer;

/// What can end a pull, a push, a login or a logout.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The asked platform is none.
    #[error(transparent)]
    Platform(#[from] PlatformError),
    /// The registry's name makes no URL.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// A request failed.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// A registry's document is refused.
    #[error("registry {registry}, {what}")]
    Manifest {
        /// Who sent it.
        registry: String,
        /// What it is.
        what: String,
        /// What is wrong with it.
        #[source]
        problem: ManifestError,
    },
    /// No mirror and not the registry itself could serve the image.
    #[error("none of {} registries could serve it{}", .0.len(), Listed(.0))]
    Everywhere(Vec<Error>),
    /// A layer cannot be unpacked.
    #[error("unpacking layer {digest}")]
    Unpack {
        /// The layer's blob.
        digest: Digest,
        /// Why.
        source: layer::Error,
    },
    /// The same blob is to give two different layers.
    #[error("the image names blob {0} for two different layers")]
    OneBlobTwoLayers(Digest),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] lay_store::Error),
    /// Credentials cannot be read or kept.
    #[error(transparent)]
    Credentials(#[from] CredentialError),
    /// A stored layer cannot be read.
    #[error("reading blob {digest}")]
    Blob {
        /// The blob.
        digest: Digest,
        /// Why.
        source: io::Error,
    },
    /// A push to a digest.
    #[error("a push goes to a tag, not to a digest: write NAME:TAG")]
    DigestDestination,
    /// A document of the image is not in the store.
    #[error("{what} {digest} is not in the store")]
    NotStored {
        /// What it is.
        what: &'static str,
        /// Its digest.
        digest: Digest,
    },
    /// A stored document is not what it should be.
    #[error("the stored document {digest} cannot be pushed")]
    Stored {
        /// Its digest.
        digest: Digest,
        /// What is wrong with it.
        #[source]
        problem: ManifestError,
    },
    /// A layer's blob is neither here nor where it came from.
    #[error("layer {digest} is not kept, and nobody is known who has it; pull its image again")]
    NotKept {
        /// The layer's blob.
        digest: Digest,
    },
    /// A layer's blob is not kept and cannot be fetched.
    #[error("layer {digest} is not kept and has to be fetched from {from}")]
    Refetch {
        /// The layer's blob.
        digest: Digest,
        /// The image that it belongs to.
        from: String,
        /// Why it cannot be.
        source: Box<Error>,
    },
    /// A layer cannot be compressed.
    #[error("compressing layer {digest}")]
    Compress {
        /// The layer's blob.
        digest: Digest,
        /// Why.
        source: io::Error,
    },
    /// A stored blob is not what its digest says.
    #[error("blob {0} is damaged; 'lay check --repair' removes it")]
    Damaged(Digest),
    /// The machinery of input and output does not start.
    #[error("starting the network side")]
    Runtime(#[source] io::Error),
}

impl Error {
    /// Whether the registry says that there is no such image, or none for us.
    pub fn is_unknown_image(&self) -> bool {
        use super::http::Fault;
        match self {
            Self::Request(error) => matches!(error.fault, Fault::NotFound(_) | Fault::LoginNeeded(_)),
            Self::Everywhere(errors) => errors.iter().all(Self::is_unknown_image),
            _ => false,
        }
    }
}

/// One line an error, each with all its causes.
struct Listed<'a>(&'a [Error]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for error in self.0 {
            write!(f, "\n  {}", crate::error::chain(error))?;
        }
        Ok(())
    }
}
