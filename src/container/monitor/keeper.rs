//! Who watches the watcher: a process that forks the monitor, holds copies of its container's streams, and takes its place
//! when it is killed. As a subreaper (prctl(2)) it becomes the container's parent then, and learns its exit code.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags};
use rustix::io::{Errno, IoSlice, IoSliceMut};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

use crate::container::error::Error;
use crate::container::streams::Streams;
use crate::kernel::memory::poll_lean;
use crate::kernel::process::{Cloned, clone, exit_now};
use crate::runtime::Process;

/// Most streams that a container has.
const MOST: usize = 3;

/// The monitor's connection to its keeper.
#[derive(Debug)]
pub(super) struct Keeper(OwnedFd);

/// Who is to go on.
pub(super) enum Watch<T> {
    /// The monitor, with what only it has.
    First(Keeper, T),
    /// Its keeper, after the monitor was killed, with the container's streams if there were any.
    Heir(Option<Streams>),
}

/// Divides this process in two. The monitor returns at once, with what it alone is to have: whoever has the other ends is to
/// notice its end. Its keeper returns only when the monitor was killed, and ends with it otherwise.
///
/// # Errors
/// When no process can be made.
pub(super) fn divide<T>(own: T) -> Result<Watch<T>, Error> {
    let failed = |what: &'static str| move |e: Errno| Error::System(what, e.into());
    let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
    let (ours, theirs) = pair.map_err(failed("make a socket"))?;
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(failed("be a subreaper"))?;
    match clone(0).map_err(failed("start the monitor"))? {
        Cloned::Child => {
            drop(ours);
            Ok(Watch::First(Keeper(theirs), own))
        }
        Cloned::Parent { pid, pidfd } => {
            drop((theirs, own));
            let streams = attend(&ours, pidfd.as_fd());
            match Process::new(pid, pidfd).ended_by_signal() {
                Ok(false) => exit_now(0),
                _ => Ok(Watch::Heir(streams)),
            }
        }
    }
}

/// Takes what the monitor gives until it ends.
fn attend(socket: &OwnedFd, monitor: BorrowedFd<'_>) -> Option<Streams> {
    let mut kept = None;
    loop {
        let mut fds = [PollFd::new(socket, PollFlags::IN), PollFd::from_borrowed_fd(monitor, PollFlags::IN)];
        if poll_lean(&mut fds, None).is_err() {
            continue;
        }
        // What was sent before the end is still there.
        match receive(socket) {
            Ok(Some(streams)) => kept = Some(streams),
            Ok(None) | Err(Errno::AGAIN) if fds[1].revents().is_empty() => {}
            _ => return kept,
        }
    }
}

impl Keeper {
    /// Has copies of a container's streams kept; that of its stdin only if it is never closed before its end.
    pub fn keep(&self, streams: &Streams, stdin_once: bool) -> Result<(), Error> {
        let (kind, fds): (u8, Vec<BorrowedFd<'_>>) = match streams {
            Streams::Terminal(master) => (b't', vec![master.as_fd()]),
            Streams::Pipes { stdin, stdout, stderr } => {
                let stdin = stdin.as_ref().filter(|_| !stdin_once).map(AsFd::as_fd);
                (b'p', [stdout.as_fd(), stderr.as_fd()].into_iter().chain(stdin).collect())
            }
        };
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&fds));
        sendmsg(&self.0, &[IoSlice::new(&[kind])], &mut control, SendFlags::NOSIGNAL)
            .map(drop)
            .map_err(|e| Error::System("hand the streams to the keeper", e.into()))
    }
}

fn receive(socket: &OwnedFd) -> Result<Option<Streams>, Errno> {
    let mut kind = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let bytes = recvmsg(socket, &mut [IoSliceMut::new(&mut kind)], &mut control, flags)?.bytes;
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(more) = message {
            fds.extend(more);
        }
    }
    let mut fds = fds.into_iter();
    Ok(match (bytes, kind[0], fds.next(), fds.next(), fds.next()) {
        (1, b't', Some(master), None, None) => Some(Streams::Terminal(master)),
        (1, b'p', Some(stdout), Some(stderr), stdin) => Some(Streams::Pipes { stdin, stdout, stderr }),
        _ => None,
    })
}
