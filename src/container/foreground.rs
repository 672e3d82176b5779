//! A process in the foreground: its streams are this process's, and signals go through.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::sys::signalfd::SignalFd;

use super::attached::{console_of, raw_terminal};
use super::error::Error;
use super::pump::{Outside, Pump, receive_signals};
use super::streams::{Streams, open_io};
use crate::runtime::{Io, Process};

/// The streams of a process that is about to be started in the foreground.
#[derive(Debug)]
pub struct Foreground {
    signals: SignalFd,
    pipes: Option<Streams>,
    stdin: bool,
}

impl Foreground {
    /// Makes the streams, and begins to hold signals back. `owner` are user and group on the host.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn prepare(tty: bool, stdin: bool, owner: (u32, u32)) -> Result<(Foreground, Io), Error> {
        let signals = receive_signals()?;
        let (io, pipes) = open_io(tty, stdin, owner, None)?;
        Ok((Foreground { signals, pipes, stdin }, io))
    }

    /// Passes everything on until the process ends; its exit code.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn attend(self, process: &Process, console: Option<OwnedFd>) -> Result<i32, Error> {
        let streams = Streams::of(console, self.pipes)?;
        let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
        let outside = Outside {
            stdin: self.stdin.then(|| stdin.as_fd()),
            stdout: Some(stdout.as_fd()),
            stderr: Some(stderr.as_fd()),
        };
        let console = console_of(&streams)?;
        let raw = raw_terminal(console.is_some(), outside.stdin)?;
        let pump = Pump::new(streams, outside, None, Some(&self.signals), console.as_ref().map(AsFd::as_fd))?;
        let code = pump.run(process);
        drop(raw);
        code
    }
}
