//! Messages between the two sides of a clone: JSON in packets over a socket pair, descriptors beside them.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::{Deserialize, Serialize};

/// Longest message, in bytes.
const MAX_MESSAGE: usize = 16 * 1024;
/// Most descriptors in one message; the kernel's limit is 253 (`SCM_MAX_FD`).
const MAX_FDS: usize = 200;

/// What the two sides say to each other.
#[derive(Debug, Deserialize, Serialize)]
pub enum Message {
    /// Parent: the id maps are written.
    Mapped,
    /// Parent: more descriptors follow in another message.
    More,
    /// Parent: these are the last (or all) descriptors.
    Resources,
    /// Parent: execute the command.
    Go,
    /// Child: set up, and waiting for [`Message::Go`]; with the terminal's master if there is a terminal.
    Ready,
    /// Child, when it joined namespaces: the process that will execute the command, by pid and descriptor.
    Forked(i32),
    /// Child: the listener of its seccomp filter, as a descriptor.
    Listener,
    /// Child: it cannot go on.
    Failed(Failure),
}

/// Why the child cannot go on.
#[derive(Debug, Deserialize, Serialize)]
pub struct Failure {
    /// What failed.
    pub step: Step,
    /// `errno(3)`.
    pub errno: i32,
}

/// Which part failed.
#[derive(Debug, Deserialize, Serialize)]
pub enum Step {
    /// Setting up, as a verb and its object.
    SetUp(String),
    /// Executing this command.
    Execute(String),
}

/// One end.
#[derive(Debug)]
pub struct Channel(OwnedFd);

impl Channel {
    /// Two connected ends.
    pub fn pair() -> io::Result<(Channel, Channel)> {
        let (a, b) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Channel(a), Channel(b)))
    }

    /// Sends a message and copies of descriptors.
    pub fn send(&self, message: &Message, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut rest = fds;
        while rest.len() > MAX_FDS {
            let (now, later) = rest.split_at(MAX_FDS);
            self.send_one(&Message::More, now)?;
            rest = later;
        }
        self.send_one(message, rest)
    }

    fn send_one(&self, message: &Message, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let data = serde_json::to_vec(message)?;
        let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        retry(|| sendmsg(&self.0, &[IoSlice::new(&data)], &mut control, SendFlags::NOSIGNAL))?;
        Ok(())
    }

    /// The next message, with the descriptors that came before and beside it; nothing when the other side has closed.
    pub fn receive(&self) -> io::Result<Option<(Message, Vec<OwnedFd>)>> {
        let mut fds = Vec::new();
        loop {
            match self.receive_one(&mut fds)? {
                Some(Message::More) => {}
                Some(message) => return Ok(Some((message, fds))),
                None => return Ok(None),
            }
        }
    }

    fn receive_one(&self, fds: &mut Vec<OwnedFd>) -> io::Result<Option<Message>> {
        let mut data = vec![0; MAX_MESSAGE];
        let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut receive = || {
            retry(|| {
                recvmsg(&self.0, &mut [IoSliceMut::new(&mut data)], &mut control, RecvFlags::CMSG_CLOEXEC)
            })
        };
        // An end that closes with messages unread says so once, and before what it sent itself.
        let received = match receive() {
            Err(Errno::CONNRESET) => receive(),
            received => received,
        };
        let bytes = match received {
            Ok(message) => message.bytes,
            Err(Errno::CONNRESET) => 0,
            Err(e) => return Err(e.into()),
        };
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(more) = message {
                fds.extend(more);
            }
        }
        if bytes == 0 { Ok(None) } else { Ok(Some(serde_json::from_slice(&data[..bytes])?)) }
    }
}

impl From<OwnedFd> for Channel {
    fn from(socket: OwnedFd) -> Channel {
        Channel(socket)
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_descriptors_than_one_message_holds_arrive_in_order() {
        let (a, b) = Channel::pair().unwrap();
        let file = tempfile::tempfile().unwrap();
        let fds = vec![file.as_fd(); MAX_FDS + 7];
        a.send(&Message::Resources, &fds).unwrap();
        let (message, received) = b.receive().unwrap().unwrap();
        assert!(matches!(message, Message::Resources));
        assert_eq!(received.len(), MAX_FDS + 7);
        drop(a);
        assert!(b.receive().unwrap().is_none());
    }
}
