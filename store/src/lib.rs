//! The content-addressed image store: an OCI image layout on disk, indexed by sled.
//!
//! `index.json` is the truth of names, `blobs/` the truth of content; `layers/` (mountable forms) and `index/` (sled)
//! are derived from them. A blob or layer becomes visible only by rename, after it was verified and synced; names change
//! only by atomic replacement of `index.json`. Any number of processes may use one store at once, and any of them may be
//! killed at any moment.

mod blob;
mod build;
mod build_copy;
mod check;
mod digest;
mod error;
mod fsutil;
mod gc;
mod index;
mod ingest;
mod layer;
mod lease;
mod names;
mod pushes;
mod reach;
mod refetch;
mod repair;
mod store;

pub use build::{BuildKind, BuildPrune, BuildRecord};
pub use build_copy::digest_of_value;
pub use check::{Problem, Report};
pub use digest::{Digest, DigestError};
pub use error::{Error, Result};
pub use gc::{PruneOptions, Pruned, Unwanted};
pub use index::{BlobRecord, Index, LayerRecord};
pub use ingest::Ingest;
pub use layer::{Layer, LayerForm, LayerIngest};
pub use lease::Lease;
pub use names::{DamagedEntry, Image, REF_NAME};
pub use pushes::{Compressed, PushRecords};
pub use refetch::{PULLED_DIGEST, PULLED_FROM};
pub use store::Store;
