//! What is mounted into a container beside its root: directories of the host, volumes, memory.

mod device;
mod fill;
mod gather;
mod image;
mod long;
mod parse;
mod store;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use device::Device;
pub use gather::inherit;
pub use image::ImageSource;
pub use long::parse_mount;
pub use parse::{parse_tmpfs, parse_volume};
pub use store::{Volume, Volumes};

pub(super) use fill::fill;
pub(super) use gather::gather;
pub(super) use image::{WithImages, images, resolve, source_name};

/// Where a mount's content comes from.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MountKind {
    /// A file or directory of the host.
    Bind(PathBuf),
    /// A volume by its name; one without gets a name when the container is created.
    Volume(String),
    /// Memory, with mount options such as `size=64m`.
    Tmpfs(Vec<String>),
    /// The files of an image, which cannot be written to.
    Image(ImageSource),
    /// What the maker of the root provides under this name ([`crate::runtime::Rootfs::bind`]).
    Given(String),
}

/// One `-v` or `--tmpfs`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct MountRequest {
    /// What is mounted.
    pub kind: MountKind,
    /// Absolute path in the container.
    pub target: PathBuf,
    /// Whether the container may only read.
    pub read_only: bool,
    /// Propagation of a bind mount (`rprivate`, `rslave`, …).
    pub propagation: Option<String>,
    /// A new volume stays empty instead of taking over what the image has there.
    #[serde(default)]
    pub no_copy: bool,
    /// A volume that goes with the container, because nobody named it.
    #[serde(default)]
    pub anonymous: bool,
    /// The mounts below a directory of the host are not shown.
    #[serde(default)]
    pub non_recursive: bool,
}

impl MountRequest {
    /// A writable mount.
    pub fn new(kind: MountKind, target: PathBuf) -> MountRequest {
        MountRequest {
            kind,
            target,
            read_only: false,
            propagation: None,
            no_copy: false,
            anonymous: false,
            non_recursive: false,
        }
    }
}
