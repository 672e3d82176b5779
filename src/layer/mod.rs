//! Layers: tar archives in, mountable forms out.

pub mod erofs;
