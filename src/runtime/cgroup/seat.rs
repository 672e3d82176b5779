//! How a process comes to be in a group from its first moment.
//!
//! Moving another process waits for a grace period of the kernel's RCU, 4 to 15 milliseconds on a quiet machine
//! (`cgroup_procs_write_start`, `kernel/cgroup/cgroup.c`: `cgroup_threadgroup_rwsem`). Two ways do without: on v2 a process is
//! cloned into the group (`CLONE_INTO_CGROUP`), and on v1 a single thread moves itself, by a zero in `tasks`.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags};

use super::Cgroup;
use super::error::{Error, Result};
use super::find::Version;

/// The open files of a group that a process needs to get into it. Whoever opened them decides about permission.
#[derive(Debug, Default)]
pub struct Seats {
    unified: Option<OwnedFd>,
    tasks: Vec<(PathBuf, File)>,
}

impl Cgroup {
    /// Opens the group for a process that is to be cloned.
    ///
    /// # Errors
    /// [`Error::Io`] if the group is gone or belongs to somebody else.
    pub fn seats(&self) -> Result<Seats> {
        let mut seats = Seats::default();
        for hierarchy in self.on.iter() {
            let dir = self.dir(hierarchy);
            match hierarchy.version {
                Version::V2 => {
                    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                    let opened = rustix::fs::open(&dir, flags, Mode::empty());
                    seats.unified = Some(opened.map_err(|e| Error::io("open", dir)(e.into()))?);
                }
                Version::V1 => {
                    let path = dir.join("tasks");
                    let tasks = File::options().write(true).open(&path);
                    seats.tasks.push((path.clone(), tasks.map_err(Error::io("open", path))?));
                }
            }
        }
        Ok(seats)
    }

    /// Moves a process that could not be cloned into the group of the unified hierarchy.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn add_unified(&self, pid: i32) -> Result<()> {
        self.on.v2().map_or(Ok(()), |hierarchy| self.add_to(hierarchy, pid))
    }
}

impl Seats {
    /// The group in the unified hierarchy, for `CLONE_INTO_CGROUP` of clone3(2).
    pub fn unified(&self) -> Option<BorrowedFd<'_>> {
        self.unified.as_ref().map(AsFd::as_fd)
    }

    /// Moves this process, which has one thread, into the group on all v1 hierarchies.
    ///
    /// # Errors
    /// The kernel's reason, with the file.
    pub fn take(&self) -> std::result::Result<(), (PathBuf, std::io::Error)> {
        for (path, tasks) in &self.tasks {
            let mut tasks = tasks;
            tasks.write_all(b"0").map_err(|e| (path.clone(), e))?;
        }
        Ok(())
    }
}
