//! The runtime core: one OCI `Spec` in, one process out.
//!
//! The parent clones the child into its new namespaces, makes for it what only the host's root can make (id maps, the
//! root and bind mounts, device nodes, control group), and hands the descriptors over a socket. The child puts them
//! together, gives up what it must not have, says that it is ready, and executes the command when told to start.
//! Follows the OCI runtime specification, version 1.2.

mod bundle;
pub mod cgroup;
mod cgroupfs;
mod channel;
mod child;
mod create;
mod dev;
mod device;
mod error;
mod exec;
pub mod gate;
mod hook;
mod host;
mod idmap;
mod mount;
mod namespace;
mod plan;
mod process;
mod schedule;
mod seccomp;

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::termios::Winsize;

pub use bundle::Directory;
pub use create::{Create, Created, create};
pub use error::Error;
pub use exec::{Target, exec, protect_binary};
pub use gate::Gate;
pub use hook::Subject;
pub use process::Process;
pub use seccomp::{Program, compile};

/// The version of the OCI runtime specification that is followed.
pub const SPEC_VERSION: &str = "1.2.0";

/// Where a container's root comes from.
pub trait Rootfs {
    /// Mounts the root, detached; with `userns`, so that the ids in it are those that this user namespace sees. Called by
    /// the parent, after the user namespace exists.
    ///
    /// # Errors
    /// Whatever keeps it from being mounted.
    fn mount(
        &self,
        userns: Option<BorrowedFd<'_>>,
    ) -> Result<OwnedFd, Box<dyn std::error::Error + Send + Sync>>;

    /// Mounts what a bind mount names as its source, detached and mapped as the root is; none where `source` is a path of
    /// the host, which the runtime mounts itself.
    ///
    /// # Errors
    /// Whatever keeps it from being mounted.
    fn bind(
        &self,
        _source: &std::path::Path,
        _userns: Option<BorrowedFd<'_>>,
    ) -> Result<Option<OwnedFd>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(None)
    }
}

/// What the container's process gets as its standard streams.
#[derive(Debug)]
pub enum Io {
    /// Descriptors.
    Fds {
        /// Standard input.
        stdin: OwnedFd,
        /// Standard output.
        stdout: OwnedFd,
        /// Standard error.
        stderr: OwnedFd,
    },
    /// A terminal of the container's own.
    Terminal {
        /// Its size at the start.
        size: Option<Winsize>,
    },
}
