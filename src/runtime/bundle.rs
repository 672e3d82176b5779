//! A root that is a directory, as an OCI bundle has it.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;

use super::Rootfs;
use crate::kernel::mount;

/// The directory that becomes a container's root, with what is mounted below it.
#[derive(Clone, Debug)]
pub struct Directory(pub PathBuf);

impl Rootfs for Directory {
    // Its owners are what they are: who drives the runtime has prepared them for the user namespace.
    fn mount(
        &self,
        _userns: Option<BorrowedFd<'_>>,
    ) -> Result<OwnedFd, Box<dyn std::error::Error + Send + Sync>> {
        mount::clone_idmapped(&self.0, None, true).map_err(Into::into)
    }
}
