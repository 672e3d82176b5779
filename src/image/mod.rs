//! Images in the store: finding, reading, listing and removing them.

mod change;
mod commit;
mod find;
pub mod index;
mod list;
mod load;
mod remove;
mod repair;
mod save;
mod unused;

pub use change::Changes;
pub use commit::{Commit, commit, import};
pub use find::{find, find_for, load, of_manifest};
pub use list::{HistoryEntry, Listed, history, list};
pub use load::{Source, load_archive, load_from_layout, read_layer, read_layout};
pub use remove::{Claim, Removal, Removed, remove};
pub use repair::{Repaired, repair};
pub use save::{save_archive, save_layout};
pub use unused::unused;

use std::path::{Path, PathBuf};

use lay_store::{Digest, PULLED_DIGEST, PULLED_FROM};
use oci_spec::image::{Descriptor, ImageConfiguration};

/// No manifest or image configuration is larger, in bytes.
pub const MAX_DOCUMENT: u64 = 4 << 20;

/// What went wrong with an image in the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing in the store has this name or id.
    #[error("no such image: {0}")]
    NotFound(String),
    /// Several images have an id that begins so.
    #[error("image id {0} is ambiguous; give more of it")]
    Ambiguous(String),
    /// The words are no image reference.
    #[error("invalid image reference '{reference}': {reason}")]
    Reference {
        /// What was typed.
        reference: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An image is listed, but its manifest or its configuration is missing or not what it should be.
    #[error("image {image} is damaged")]
    Damaged {
        /// Its name, or the digest that it is listed by.
        image: String,
        /// What is known of it.
        listed: Box<Listing>,
        /// What is wrong.
        #[source]
        source: Box<Error>,
    },
    /// A manifest or configuration in the store is not what it should be.
    #[error("image {subject} has an unreadable {what}")]
    Document {
        /// Digest of the document.
        subject: Digest,
        /// "manifest" or "configuration".
        what: &'static str,
        /// The parser's words.
        #[source]
        source: serde_json::Error,
    },
    /// A digest inside a manifest or configuration is malformed.
    #[error("image {subject} names an invalid digest '{digest}'")]
    Digest {
        /// Digest of the document.
        subject: Digest,
        /// The words that are no digest.
        digest: String,
    },
    /// The manifest is of a kind that cannot be run.
    #[error("image {subject} is of media type {media_type}, not an image manifest")]
    MediaType {
        /// Digest of the manifest.
        subject: Digest,
        /// Its media type.
        media_type: String,
    },
    /// An index that names no image.
    #[error("the list {0} holds no image yet; add some with 'lay manifest add'")]
    EmptyIndex(Digest),
    /// Nothing in the store has this name.
    #[error("no such list: {0} (see 'lay manifest ls')")]
    NoList(String),
    /// A list is to be made where there is one.
    #[error("{0} is there already; --amend adds to it, 'lay manifest rm' removes it")]
    ListExists(String),
    /// Something is to be done to a list that is none.
    #[error("{0} is an image and no list of images")]
    NotAList(String),
    /// A list does not hold an image.
    #[error("{image} is not in the list {list}; add it with 'lay manifest add'")]
    NotInList {
        /// The list's name.
        list: String,
        /// The image as it was named.
        image: String,
    },
    /// A container uses the image.
    #[error("image {image} is in use by container {container}")]
    InUse {
        /// The image as it was named.
        image: String,
        /// The container's name.
        container: String,
    },
    /// An id names an image that several names refer to.
    #[error("image {image} has several names ({names}); remove the names, or force it")]
    SeveralNames {
        /// The image as it was named.
        image: String,
        /// Its names.
        names: String,
    },
    /// An instruction of `--change` makes no sense.
    #[error(
        "invalid change '{0}': expected CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME or WORKDIR and a value"
    )]
    Change(String),
    /// A compressed layer is not kept.
    #[error("the compressed layer {digest} of {image} is not kept; {next}")]
    Dropped {
        /// The image's name or id.
        image: String,
        /// The layer's blob.
        digest: Digest,
        /// How it can be had again.
        next: String,
    },
    /// A blob's content is not what its name says; what was written of it is of no use.
    #[error("blob {0} is damaged")]
    DamagedBlob(Digest),
    /// An archive of images is not what it should be.
    #[error("this is no archive of images: {0}")]
    Archive(String),
    /// A file cannot be used.
    #[error("cannot {operation} {path}")]
    File {
        /// What was tried, as a verb.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A layer cannot be made or unpacked.
    #[error(transparent)]
    Layer(#[from] crate::layer::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] lay_store::Error),
}

/// What is known of an image that is damaged.
#[derive(Clone, Debug)]
pub struct Listing {
    /// Its entry in `index.json`.
    pub entry: lay_store::Image,
    /// Its id, if its manifest can be read.
    pub id: Option<Digest>,
}

impl Error {
    fn file(operation: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.to_path_buf();
        move |source| Error::File { operation, path, source }
    }
}

/// An image whose manifest and configuration are in the store.
#[derive(Clone, Debug)]
pub struct Image {
    /// The familiar name under which it was found (`centos:7`); none for an untagged image.
    pub name: Option<String>,
    /// What `index.json` says of it.
    pub descriptor: Descriptor,
    /// Digest of the manifest; of an index, that of the image in it that runs here.
    pub manifest: Digest,
    /// Descriptor of that manifest.
    pub manifest_descriptor: Descriptor,
    /// Digest of the configuration: Docker's image id.
    pub id: Digest,
    /// The configuration.
    pub config: ImageConfiguration,
    /// The configuration as it stands in the store, with what the OCI specification does not name.
    pub raw_config: Vec<u8>,
    /// Compressed layers, bottom to top.
    pub blobs: Vec<Descriptor>,
    /// Diff ids of the layers, bottom to top.
    pub layers: Vec<Digest>,
}

impl Image {
    /// The digest that the image's reference had in its registry.
    pub fn pulled_digest(&self) -> Option<&str> {
        self.descriptor.annotations().as_ref()?.get(PULLED_DIGEST).map(String::as_str)
    }

    /// The full reference that the image was pulled by.
    pub fn pulled_from(&self) -> Option<&str> {
        self.descriptor.annotations().as_ref()?.get(PULLED_FROM).map(String::as_str)
    }

    /// Size of the layers as they travel, in bytes.
    pub fn compressed_size(&self) -> u64 {
        self.blobs.iter().map(Descriptor::size).sum()
    }
}
