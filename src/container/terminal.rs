//! The user's terminal: raw while a container has it, as it was afterwards.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::termios::{OptionalActions, Termios, Winsize, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};

use super::error::Error;

/// A terminal in raw mode; dropping it restores what was.
#[derive(Debug)]
pub struct RawTerminal<'a> {
    fd: BorrowedFd<'a>,
    saved: Termios,
}

impl<'a> RawTerminal<'a> {
    /// Sets the terminal to raw mode (cfmakeraw(3)).
    pub fn enter(fd: BorrowedFd<'a>) -> Result<RawTerminal<'a>, Error> {
        let saved = tcgetattr(fd).map_err(|e| Error::System("read the terminal's settings", e.into()))?;
        let mut raw = saved.clone();
        raw.make_raw();
        tcsetattr(fd, OptionalActions::Now, &raw)
            .map_err(|e| Error::System("set the terminal to raw mode", e.into()))?;
        Ok(RawTerminal { fd, saved })
    }
}

impl Drop for RawTerminal<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.fd, OptionalActions::Now, &self.saved);
    }
}

/// Window size of the first of the three standard descriptors that is a terminal.
pub fn window_size() -> Option<Winsize> {
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()].into_iter().find_map(|fd| tcgetwinsize(fd).ok())
}

/// Gives the container's terminal the size of the user's.
pub fn copy_window_size(master: BorrowedFd<'_>) {
    if let Some(size) = window_size() {
        let _ = tcsetwinsize(master, size);
    }
}
