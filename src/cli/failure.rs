//! From an error to a message and an exit code.

use std::error::Error;

use crate::error::chain;
use crate::{container, image};

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
            _ => None,
        };
    }
    if let Some(image::Error::NotFound(_)) = cause.downcast_ref() {
        return Some("see 'lay images', or get it with 'lay pull'");
    }
    let io = cause.downcast_ref::<std::io::Error>()?;
    match io.kind() {
        std::io::ErrorKind::StorageFull => Some("free space with 'lay prune'"),
        std::io::ErrorKind::PermissionDenied if !rustix::process::geteuid().is_root() => {
            Some("are you root?")
        }
        _ => None,
    }
}
