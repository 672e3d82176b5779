//! `COPY`, `ADD` and `WORKDIR`: files to a layer.
//!
//! Nothing is written into the image's root: the files below are only looked up, and the layer's archive is written
//! straight from the sources, hashed and turned into its mountable form in the same pass.

mod digests;
mod mode;
mod place;
mod root;
mod sources;
mod tree;
mod unpack;
mod write;

pub use digests::{Digests, hash};
pub use mode::Chmod;
pub use place::{Item, Job, place};
pub use root::Root;
pub use sources::expand;
pub use tree::{Content, Node, Seen, Tree, as_path};
pub use unpack::unpack;
pub use write::{Summary, summarize, write};
