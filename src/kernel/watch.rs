//! Waiting for changes in a directory (inotify(7)).

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;
use rustix::io::Errno;

/// A directory that is watched.
#[derive(Debug)]
pub struct Watch(OwnedFd);

impl Watch {
    /// Watches the files of a directory: written, made, renamed, removed. None where no more can be watched.
    ///
    /// # Errors
    /// The kernel's.
    pub fn directory(dir: &Path) -> Result<Option<Watch>, Errno> {
        use inotify::WatchFlags as F;
        let begun =
            inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK).and_then(|fd| {
                let what = F::MODIFY | F::CREATE | F::MOVED_TO | F::DELETE | F::DELETE_SELF;
                inotify::add_watch(&fd, dir, what | F::ONLYDIR).map(|_| Watch(fd))
            });
        match begun {
            Ok(watch) => Ok(Some(watch)),
            // Bounded a user; or the directory is gone.
            Err(Errno::MFILE | Errno::NOSPC | Errno::NOENT) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Waits until something changes or has changed since the last call, at most so long.
    ///
    /// # Errors
    /// The kernel's.
    pub fn wait(&self, limit: Duration) -> Result<(), Errno> {
        let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
        match poll(&mut fds, Timespec::try_from(limit).ok().as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
        // What changed is looked at anyway.
        let mut events = [0; 4096];
        while rustix::io::read(&self.0, &mut events[..]).is_ok_and(|read| read > 0) {}
        Ok(())
    }
}
