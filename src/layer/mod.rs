//! Layers: tar archives in, mountable forms out.

pub mod entry;
pub mod erofs;
mod error;
mod tar;

pub use error::Error;
