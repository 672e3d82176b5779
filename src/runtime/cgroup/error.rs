//! What can go wrong with control groups.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// The module's result.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure of a control group operation.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// Neither a v1 nor a v2 hierarchy is mounted.
    #[error("no cgroup hierarchy is mounted (is /sys/fs/cgroup there?)")]
    NoHierarchy,
    /// The path of a group is not absolute, or holds `.`, `..` or an empty name.
    #[error("cgroup path {path:?} is invalid: it must be absolute, below the root, and free of '.' and '..'")]
    BadPath {
        /// The path as given.
        path: PathBuf,
    },
    /// The group that was to be made is there already, and in use.
    #[error("cgroup {path} exists already and is in use")]
    Exists {
        /// Its directory.
        path: PathBuf,
    },
    /// The kernel refuses a device program (`bpf(2)`).
    #[error("cannot {operation} the device program of {path}")]
    Bpf {
        /// What was tried, as a verb.
        operation: &'static str,
        /// The group's directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A setting needs a controller that no mounted hierarchy has.
    #[error("{setting} needs the cgroup controller {controller}, which this system does not have")]
    NoController {
        /// What was asked for.
        setting: &'static str,
        /// The kernel's name of the controller.
        controller: &'static str,
    },
    /// A value is wrong whatever the kernel.
    #[error("{setting} {value:?} is invalid: {reason}")]
    Invalid {
        /// What was asked for.
        setting: &'static str,
        /// The value as given.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The kernel or the version of cgroups has no such setting.
    #[error("{setting} is not supported: {reason}")]
    Unsupported {
        /// What was asked for.
        setting: &'static str,
        /// What is missing.
        reason: &'static str,
    },
    /// The kernel refused a value.
    #[error("cannot set {setting}: writing {value:?} to {path} failed")]
    Set {
        /// What was asked for.
        setting: &'static str,
        /// The value in the file's form.
        value: String,
        /// The file.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// Controllers could not be handed down on v2.
    #[error(
        "cannot enable the cgroup controllers {controllers} below {path} (do processes live in it, or is it not delegated?)"
    )]
    Enable {
        /// What was written, such as `+cpu +memory`.
        controllers: String,
        /// The directory whose `cgroup.subtree_control` was written.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The device filter of v2 could not be installed.
    #[error("cannot {operation} the device filter of {path}")]
    DeviceFilter {
        /// The step, such as `load`.
        operation: &'static str,
        /// The group's directory.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// Any other operation on a file or directory.
    #[error("cannot {operation} {path}")]
    Io {
        /// The operation, a verb.
        operation: &'static str,
        /// Its subject.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// A file of the kernel does not have the form it should.
    #[error("{path} holds {text:?}, which was not expected")]
    Content {
        /// The file.
        path: PathBuf,
        /// The part that was not understood.
        text: String,
    },
    /// A signal could not be sent.
    #[error("cannot kill process {pid} of cgroup {path}")]
    Kill {
        /// The process.
        pid: i32,
        /// Its group.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// Something did not happen within its bound.
    #[error("{what} of cgroup {path} did not end within {millis} ms")]
    Timeout {
        /// What was waited for.
        what: &'static str,
        /// The group.
        path: PathBuf,
        /// The bound, in milliseconds.
        millis: u128,
    },
    /// An operation failed, and so did undoing what it had done.
    #[error("a cgroup was left half changed: {undo}")]
    Undo {
        /// The failure that came first.
        #[source]
        first: Box<Error>,
        /// The failure of the clean-up.
        undo: Box<Error>,
    },
}

impl Error {
    /// For `map_err` on an operation with a file.
    pub(super) fn io(operation: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { operation, path, source }
    }

    pub(super) fn invalid(setting: &'static str, value: impl ToString, reason: impl Into<String>) -> Self {
        Self::Invalid { setting, value: value.to_string(), reason: reason.into() }
    }
}
