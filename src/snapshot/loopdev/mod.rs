//! Read-only loop devices that go away with their mount, for kernels that mount EROFS only from block devices.

mod sys;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;

use super::Error;

/// Others take free devices at the same time; so often in a row that nobody could mean it.
const ATTEMPTS: usize = 64;

/// A loop device that is set up. The kernel frees it as soon as neither this nor a mount uses it.
#[derive(Debug)]
pub(super) struct LoopDevice {
    path: PathBuf,
    _device: OwnedFd,
}

impl LoopDevice {
    /// The device node.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Sets up a free loop device for `file`.
pub(super) fn attach(file: &Path) -> Result<LoopDevice, Error> {
    let failed = |step| move |source| Error::Loop { path: file.to_owned(), step, source };
    let backing = open(file, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(failed("open the file behind"))?;
    let control =
        open("/dev/loop-control", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).map_err(failed("find"))?;
    for _ in 0..ATTEMPTS {
        let number = sys::free_device(&control).map_err(failed("find"))?;
        let path = PathBuf::from(format!("/dev/loop{number}"));
        let device = match open(&path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(device) => device,
            // Freed and removed by another between the two calls.
            Err(Errno::NXIO | Errno::NODEV) => continue,
            Err(source) => return Err(failed("open")(source)),
        };
        match sys::configure(&device, &backing) {
            Ok(()) => return Ok(LoopDevice { path, _device: device }),
            Err(Errno::BUSY) => {}
            Err(source) => return Err(failed("set up")(source)),
        }
    }
    Err(failed("find")(Errno::BUSY))
}
