//! A process that waits long keeps little in memory.

mod sys;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use rustix::event::{PollFd, Timespec, poll};
use rustix::io::Errno;

/// After as much time without an event, a wait counts as a long one: who is busy is not slowed down.
const QUIET: Duration = Duration::from_millis(100);

/// Waits as poll(2), and gives memory back when nothing happens for a moment: what the allocator has free, and the pages of the
/// program's and its libraries' text and constants, which the page cache keeps and the next access finds again.
///
/// # Errors
/// Those of poll(2), `EINTR` among them, and `EINVAL` for a timeout that is negative or too long.
pub fn poll_lean(fds: &mut [PollFd<'_>], timeout: Option<&Timespec>) -> Result<usize, Errno> {
    let limit = timeout.map(|limit| Duration::try_from(*limit)).transpose().map_err(|_| Errno::INVAL)?;
    if limit.is_some_and(|limit| limit <= QUIET) {
        return poll(fds, timeout);
    }
    let start = Instant::now();
    let quiet = Timespec::try_from(QUIET).map_err(|_| Errno::INVAL)?;
    match poll(fds, Some(&quiet))? {
        0 => sys::give_back(),
        ready => return Ok(ready),
    }
    let left = limit.map(|limit| Timespec::try_from(limit.saturating_sub(start.elapsed()))).transpose();
    poll(fds, left.map_err(|_| Errno::INVAL)?.as_ref())
}
