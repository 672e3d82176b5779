//! Waiting for a process and what it prints, up to a moment.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::runtime::Process;

/// Reads at most `most` bytes of what a process prints, until it ends; false when the moment came first.
pub fn read_until(
    process: &Process,
    output: &mut File,
    into: &mut Vec<u8>,
    most: usize,
    deadline: Instant,
) -> bool {
    let mut buffer = [0; 4096];
    let mut open = true;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut fds = vec![PollFd::from_borrowed_fd(process.pidfd(), PollFlags::IN)];
        if open {
            fds.push(PollFd::from_borrowed_fd(output.as_fd(), PollFlags::IN));
        }
        match poll(&mut fds, Timespec::try_from(left).ok().as_ref()) {
            Ok(0) => return false,
            Err(Errno::INTR) => continue,
            Err(_) => return false,
            Ok(_) => {}
        }
        let (ended, readable) =
            (!fds[0].revents().is_empty(), fds.get(1).is_some_and(|fd| !fd.revents().is_empty()));
        if readable {
            match output.read(&mut buffer) {
                Ok(0) | Err(_) => open = false,
                Ok(read) => into.extend_from_slice(&buffer[..read.min(most.saturating_sub(into.len()))]),
            }
        } else if ended {
            return true;
        }
    }
}
