//! From an error to a message and an exit code.

use std::error::Error;

use crate::error::chain;
use crate::{container, image, snapshot};

/// Why a command failed, for the user.
#[derive(Debug)]
pub struct Failure {
    /// Exit code.
    pub code: u8,
    /// What failed, on what, why, and what to do next; empty when all was said.
    pub message: String,
}

impl Failure {
    /// A failure with a message of its own.
    pub fn new(message: impl Into<String>) -> Failure {
        Failure { code: 1, message: message.into() }
    }

    /// A command that has said all itself.
    pub fn silent() -> Failure {
        Failure::new("")
    }

    /// What was tried, and why it failed.
    pub fn of(what: &str, error: &(dyn Error + 'static)) -> Failure {
        let hint = hint(error).map(|hint| format!(" ({hint})")).unwrap_or_default();
        Failure::new(format!("{what}: {}{hint}", chain(error)))
    }

    /// The same failure with another exit code.
    pub fn with_code(self, code: u8) -> Failure {
        Failure { code, ..self }
    }
}

/// What to do about a damaged image.
pub const DAMAGED: &str = "'lay check' tells more; 'lay pull' fetches an image again, 'lay rmi' removes it";

const DAMAGED_LAYER: &str = "a layer may be damaged: 'lay check --repair' mends it";

/// Says what was tried.
pub trait Tried<T> {
    /// `what` is a clause such as `cannot pull centos:7`.
    fn tried(self, what: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T, E: Error + 'static> Tried<T> for Result<T, E> {
    fn tried(self, what: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|error| Failure::of(&what(), &error))
    }
}

/// The next step, where one is known.
fn hint(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(hint) = hint_for(cause) {
            return Some(hint);
        }
        next = cause.source();
    }
    None
}

fn hint_for(cause: &(dyn Error + 'static)) -> Option<&'static str> {
    if let Some(error) = cause.downcast_ref::<container::Error>() {
        return match error {
            container::Error::NotFound(_) => Some("see 'lay ps -a'"),
            // These pass for what is in them, which is no source of theirs then.
            container::Error::Image(error) => hint_for(error),
            container::Error::Store(error) => hint_for(error),
            container::Error::Snapshot(snapshot::Error::Layer { .. }) => Some(DAMAGED_LAYER),
            _ => None,
        };
    }
    match cause.downcast_ref() {
        Some(image::Error::NotFound(_)) => return Some("see 'lay images', or get it with 'lay pull'"),
        Some(image::Error::Damaged { .. }) => return Some(DAMAGED),
        Some(image::Error::DamagedBlob(_)) => {
            return Some("'lay check --repair' takes it out, so that it can be pulled again");
        }
        Some(image::Error::Store(error)) => return hint_for(error),
        _ => {}
    }
    if let Some(error) = cause.downcast_ref::<lay_store::Error>() {
        return hint_for_store(error);
    }
    let io = cause.downcast_ref::<std::io::Error>()?;
    match io.kind() {
        std::io::ErrorKind::StorageFull => Some("free space with 'lay prune'"),
        std::io::ErrorKind::PermissionDenied if !rustix::process::geteuid().is_root() => {
            Some("are you root?")
        }
        // What the kernel says of a damaged file system.
        _ if io.raw_os_error() == Some(libc::EUCLEAN) => Some(DAMAGED_LAYER),
        _ => None,
    }
}

fn hint_for_store(error: &lay_store::Error) -> Option<&'static str> {
    const MENDED: Option<&str> = Some("'lay check --repair' mends it");
    match error {
        lay_store::Error::Json { path, .. } if path.ends_with("index.json") => MENDED,
        lay_store::Error::Io { operation: "read", path, source } => match source.kind() {
            std::io::ErrorKind::NotFound if path.ends_with("index.json") => MENDED,
            std::io::ErrorKind::IsADirectory => MENDED,
            _ => None,
        },
        lay_store::Error::Entry { .. } => Some("'lay check --repair' takes it out"),
        _ => None,
    }
}
