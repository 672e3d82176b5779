//! Secrets: files in memory that exist as long as a command runs.

use std::fs::File;
use std::io::Write;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Gid, Mode, OFlags, Uid, fchmod, fchown, openat};
use rustix::mount::MountAttrFlags;

use crate::kernel::mount;

/// A secret that a command gets as a file.
pub struct Secret {
    /// What it says.
    pub value: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// User and group inside.
    pub owner: (u32, u32),
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Secret {
    /// A detached mount of a file that holds it.
    pub fn mount(&self, userns: Option<BorrowedFd<'_>>) -> Result<OwnedFd, Failure> {
        let quiet = MountAttrFlags::MOUNT_ATTR_NODEV
            | MountAttrFlags::MOUNT_ATTR_NOSUID
            | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        let tmpfs = mount::create("tmpfs", &[("mode", Some("0755"))], quiet)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = openat(&tmpfs, "secret", flags, Mode::RUSR)?;
        fchown(&file, Some(Uid::from_raw(self.owner.0)), Some(Gid::from_raw(self.owner.1)))?;
        fchmod(&file, Mode::from_raw_mode(self.mode & 0o7777))?;
        File::from(file).write_all(&self.value)?;
        let secret = mount::clone_at(&tmpfs, Path::new("secret"), false)?;
        if let Some(userns) = userns {
            mount::idmap(&secret, userns, false, Path::new("the secret"))?;
        }
        Ok(secret)
    }
}
