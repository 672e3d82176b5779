//! What can go wrong in the runtime core.

use std::io;
use std::path::PathBuf;

/// Errors of the runtime core.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The specification asks for something that makes no sense.
    #[error("the runtime specification's {field} is not usable: {reason}")]
    Spec {
        /// The field's path, such as `linux.namespaces`.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The specification asks for something that this kernel or this version cannot do.
    #[error("{0} is not supported here")]
    Unsupported(String),
    /// This program could not be kept from who can see it inside.
    #[error("cannot keep this program from being written by the container")]
    Binary(#[source] crate::kernel::mount::Error),
    /// The namespaces could not be made.
    #[error("cannot create the container's namespaces")]
    Clone(#[source] io::Error),
    /// An existing namespace could not be joined.
    #[error("cannot join the namespace {path}")]
    Namespace {
        /// The namespace's file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file of the new process in `/proc` could not be read or written.
    #[error("cannot set {path}")]
    Proc {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A resource limit was refused.
    #[error("cannot set the limit {name}")]
    Limit {
        /// Name of the limit, such as `RLIMIT_NOFILE`.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The root could not be mounted.
    #[error("cannot mount the container's root")]
    Rootfs(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A bind mount's source could not be used.
    #[error("cannot mount {source_path} at {target} in the container")]
    Bind {
        /// Path on the host.
        source_path: PathBuf,
        /// Path in the container.
        target: PathBuf,
        /// Why.
        #[source]
        source: crate::kernel::mount::Error,
    },
    /// The device directory could not be filled.
    #[error("cannot make the container's {path}")]
    Device {
        /// Path in the container.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The control group failed.
    #[error(transparent)]
    Cgroup(#[from] super::cgroup::Error),
    /// A step inside the container failed.
    #[error("cannot {step} in the container")]
    Inside {
        /// The step, as a verb and its object.
        step: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The agent that answers a seccomp filter's questions could not be told of it.
    #[error("cannot hand the seccomp filter's listener to {path}")]
    Listener {
        /// Its socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The command does not exist in the container.
    #[error("executable '{command}' not found in the container")]
    CommandNotFound {
        /// The command as given.
        command: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The command exists and cannot be executed.
    #[error("cannot execute '{command}' in the container")]
    CommandNotExecutable {
        /// The command as given.
        command: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A hook failed.
    #[error("the hook {path} failed: {reason}")]
    Hook {
        /// The program.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The socket between the two processes failed.
    #[error("lost the connection to the new process")]
    Channel(#[source] io::Error),
    /// The new process ended before it could say why.
    #[error("the new process ended before it executed its command (out of memory?)")]
    Died,
}

impl Error {
    /// Docker's exit code: 127 for a missing command, 126 for one that cannot be executed, else 125.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::CommandNotFound { .. } => 127,
            Error::CommandNotExecutable { .. } => 126,
            _ => 125,
        }
    }

    /// Wraps a failed access to a file of a process in `/proc`.
    pub(super) fn proc(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Error::Proc { path, source }
    }
}
