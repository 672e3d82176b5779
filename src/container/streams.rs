//! A container's standard streams: pipes, or a terminal of its own.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Gid, Uid, fchown};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::geteuid;
use rustix::termios::Winsize;

use super::error::Error;
use super::files::on;
use super::terminal::window_size;
use crate::kernel::userns;
use crate::runtime::Io;

/// Host ends of a container's standard streams.
#[derive(Debug)]
pub enum Streams {
    /// Pipes; no stdin when nothing is to be typed.
    Pipes {
        /// Write end of the container's stdin.
        stdin: Option<OwnedFd>,
        /// Read end of its stdout.
        stdout: OwnedFd,
        /// Read end of its stderr.
        stderr: OwnedFd,
    },
    /// The master of its terminal.
    Terminal(OwnedFd),
}

impl Streams {
    /// What was made before the start, or came back from it.
    pub fn of(console: Option<OwnedFd>, pipes: Option<Streams>) -> Result<Streams, Error> {
        let none = || Error::System("open the container's streams", std::io::ErrorKind::NotFound.into());
        console.map(Streams::Terminal).or(pipes).ok_or_else(none)
    }
}

impl Streams {
    /// Those of a container whose streams are lost.
    pub fn nowhere() -> Result<Streams, Error> {
        let end = || pipe_with(PipeFlags::CLOEXEC).map_err(|e| Error::System("make a pipe", e.into()));
        // Their other ends are closed at once.
        Ok(Streams::Pipes { stdin: None, stdout: end()?.0, stderr: end()?.0 })
    }
}

/// The container's ends of its standard streams, and ours; with a terminal, ours comes later. `owner` are user and
/// group on the host.
pub fn open_io(
    tty: bool,
    stdin: bool,
    owner: (u32, u32),
    size: Option<Winsize>,
) -> Result<(Io, Option<Streams>), Error> {
    if tty {
        return Ok((Io::Terminal { size: size.or_else(window_size) }, None));
    }
    let (stdin_read, stdin_write) = match stdin {
        true => pipe(owner).map(|(read, write)| (read, Some(write)))?,
        false => {
            let null = Path::new("/dev/null");
            (OwnedFd::from(File::open(null).map_err(on("open", null))?), None)
        }
    };
    let (out_read, out_write) = pipe(owner)?;
    let (err_read, err_write) = pipe(owner)?;
    let io = Io::Fds { stdin: stdin_read, stdout: out_write, stderr: err_write };
    Ok((io, Some(Streams::Pipes { stdin: stdin_write, stdout: out_read, stderr: err_read })))
}

/// A pipe that the container's user owns, so that `/dev/stdout` can be opened again inside.
fn pipe((uid, gid): (u32, u32)) -> Result<(OwnedFd, OwnedFd), Error> {
    let failed = |e: rustix::io::Errno| Error::System("make a pipe", e.into());
    let (read, write) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
    let owner = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    match fchown(read.as_fd(), owner.0, owner.1) {
        // An ordinary user gives nothing away.
        Err(Errno::PERM | Errno::INVAL) if !geteuid().is_root() || userns::single() => {}
        result => result.map_err(failed)?,
    }
    Ok((read, write))
}

/// The ends of a container's process that prints to one pipe, and the pipe's other end.
pub fn one_pipe(owner: (u32, u32)) -> Result<(Io, OwnedFd), Error> {
    let (read, write) = pipe(owner)?;
    let stderr = write.try_clone().map_err(|e| Error::System("duplicate a pipe", e))?;
    Ok((Io::Fds { stdin: null()?, stdout: write, stderr }, read))
}

/// The ends of a process that nobody hears.
pub fn nowhere() -> Result<Io, Error> {
    Ok(Io::Fds { stdin: null()?, stdout: null()?, stderr: null()? })
}

fn null() -> Result<OwnedFd, Error> {
    let path = Path::new("/dev/null");
    File::options().read(true).write(true).open(path).map(OwnedFd::from).map_err(on("open", path))
}
