//! What can go wrong on the OCI runtime's command line. Some words are what callers look for.

use std::io;
use std::path::{Path, PathBuf};

use crate::{container, runtime};

/// Errors of the OCI runtime's command line.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("container does not exist: {0}")]
    NotFound(String),
    #[error("container with id {0} already exists")]
    Exists(String),
    #[error("'{0}' is no container id: letters, digits and _+-. are")]
    Id(String),
    #[error("cannot {what} container {id}: it is {status}")]
    Status { what: &'static str, id: String, status: &'static str },
    #[error("container not running")]
    NotRunning,
    #[error("{0}")]
    Usage(String),
    #[error("cannot {operation} {path}")]
    Io {
        operation: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path} is not usable")]
    Json {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("config.json is not usable")]
    Spec(#[from] oci_spec::OciSpecError),
    // Callers look for runc's words to choose an exit code.
    #[error("exec: \"{0}\": executable file not found in $PATH")]
    CommandNotFound(String),
    #[error("exec: \"{command}\": permission denied")]
    CommandNotExecutable {
        command: String,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Runtime(runtime::Error),
    #[error(transparent)]
    Cgroup(#[from] runtime::cgroup::Error),
    #[error(transparent)]
    Container(#[from] container::Error),
}

impl From<runtime::Error> for Error {
    fn from(error: runtime::Error) -> Error {
        match error {
            runtime::Error::CommandNotFound { command, .. } => Error::CommandNotFound(command),
            runtime::Error::CommandNotExecutable { command, source } => {
                Error::CommandNotExecutable { command, source }
            }
            error => Error::Runtime(error),
        }
    }
}

impl Error {
    /// Wraps a failed use of a file.
    pub fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_path_buf();
        move |source| Error::Io { operation, path, source }
    }
}
