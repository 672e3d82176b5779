//! What can go wrong with a snapshot.

use std::io;
use std::path::PathBuf;

use rustix::io::Errno;

use crate::kernel::mount;

/// What can go wrong with a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is nothing to mount.
    #[error("the image has no layers")]
    NoLayers,
    /// overlayfs can't stack that many.
    #[error("the image has {count} layers, but overlayfs stacks at most {most}")]
    TooManyLayers {
        /// Layers of the image.
        count: usize,
        /// The kernel's limit.
        most: usize,
    },
    /// A layer can't be mounted.
    #[error("cannot mount layer {}", path.display())]
    Layer {
        /// Its file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: mount::Error,
    },
    /// No loop device for a layer.
    #[error("cannot {step} a loop device for layer {}", path.display())]
    Loop {
        /// Its file.
        path: PathBuf,
        /// "find", "open" or "set up".
        step: &'static str,
        /// Why.
        #[source]
        source: Errno,
    },
    /// The layers can't be stacked.
    #[error("cannot stack the layers")]
    Overlay(#[source] mount::Error),
    /// The thread that stacks the layers can't do its work.
    #[error("cannot {step} to stack the layers")]
    Identity {
        /// What it was about to do.
        step: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The upper directory is not as [`super::create_upper`] made it.
    #[error("cannot {step} {}", path.display())]
    Upper {
        /// What was to be done with it.
        step: &'static str,
        /// The directory or a part of it.
        path: PathBuf,
        /// Why.
        #[source]
        source: Errno,
    },
    /// The upper directory can't be mounted.
    #[error("cannot mount the container's directory")]
    UpperMount(#[source] mount::Error),
    /// The user namespace has no id 0, so nothing in it could own the root.
    #[error("the user namespace maps no root user")]
    NoRoot,
    /// A file of the image can't be looked up.
    #[error("cannot {step} {} in the image", path.display())]
    File {
        /// "open", "read" or "list".
        step: &'static str,
        /// Its path in the image.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file of the image is a device, a pipe or the like.
    #[error("{} in the image is not a regular file", path.display())]
    NotRegular {
        /// Its path in the image.
        path: PathBuf,
    },
    /// A file of the image is larger than what it is read for.
    #[error("{} in the image is larger than {limit} bytes", path.display())]
    TooLarge {
        /// Its path in the image.
        path: PathBuf,
        /// The limit.
        limit: u64,
    },
}
