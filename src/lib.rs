//! `lay`: a daemonless container engine whose centre is the image.
//!
//! Data moves one way: registry → store → layer → snapshot → runtime. A module never reaches back up that chain.

pub mod build;
pub mod cli;
pub mod config;
pub mod container;
pub mod error;
pub mod image;
pub mod kernel;
pub mod layer;
pub mod network;
pub mod oci;
pub mod registry;
pub mod rootless;
pub mod runtime;
pub mod snapshot;
