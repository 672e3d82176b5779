//! Standard streams and terminals of processes, and how terminals are handed over.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use oci_spec::runtime::Process;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags,
    SocketType, connect, sendmsg, socket_with,
};
use rustix::termios::Winsize;

use super::error::Error;
use crate::runtime::Io;

/// Streams of a process that this one will not wait for: its own, or a terminal.
pub fn detached(process: &Process, socket: Option<&Path>) -> Result<Io, Error> {
    match (process.terminal().unwrap_or(false), socket) {
        (true, Some(_)) => Ok(Io::Terminal { size: size(process) }),
        (true, None) => Err(Error::Usage("a detached process with a terminal needs --console-socket".into())),
        (false, Some(_)) => Err(Error::Usage("--console-socket is of no use without a terminal".into())),
        (false, None) => inherited().map_err(Error::io("duplicate", Path::new("the standard streams"))),
    }
}

fn inherited() -> io::Result<Io> {
    let keep = |fd: std::os::fd::BorrowedFd<'_>| fd.try_clone_to_owned();
    Ok(Io::Fds {
        stdin: keep(io::stdin().as_fd())?,
        stdout: keep(io::stdout().as_fd())?,
        stderr: keep(io::stderr().as_fd())?,
    })
}

fn size(process: &Process) -> Option<Winsize> {
    let size = process.console_size();
    let size = size.as_ref()?;
    let (rows, columns) = (u16::try_from(size.height()).ok()?, u16::try_from(size.width()).ok()?);
    Some(Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 })
}

/// Sends a terminal's master through a socket, with its name beside it, as runc does.
pub fn send_console(socket: &Path, master: &OwnedFd) -> Result<(), Error> {
    let send = || {
        let flags = SocketFlags::CLOEXEC;
        let stream = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        connect(&stream, &SocketAddrUnix::new(socket)?)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = [master.as_fd()];
        if !control.push(SendAncillaryMessage::ScmRights(&fds)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        sendmsg(&stream, &[IoSlice::new(b"/dev/ptmx")], &mut control, SendFlags::NOSIGNAL)?;
        Ok(())
    };
    send().map_err(Error::io("send the terminal to", socket))
}
