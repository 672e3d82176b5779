//! One connection that is carried: a client's, and the one that was made for it.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;
use std::vec::IntoIter;

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, connect, recv, send, shutdown,
    socket_with, sockopt,
};

/// Buffers carried before others get their turn.
const BURST: usize = 4;
/// What a socket says that is of no use any more in at least one direction.
const BROKEN: PollFlags = PollFlags::ERR.union(PollFlags::HUP);

/// Either end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

/// Two connections, and how far each direction between them has come.
#[derive(Debug)]
pub(super) struct Stream {
    client: OwnedFd,
    server: OwnedFd,
    /// Not connected to the server yet.
    connecting: bool,
    /// Where else it could be.
    rest: IntoIter<SocketAddr>,
    /// From the client to the server.
    there: Direction,
    /// From the server to the client.
    back: Direction,
    /// Nothing more can come of it.
    pub over: bool,
}

#[derive(Debug, Default)]
struct Direction {
    /// The receiver takes nothing at the moment.
    full: bool,
    /// The sender has ended it, and the receiver knows.
    done: bool,
}

impl Stream {
    /// Begins to connect a client with the first of the targets that can be had. It is told by a reset if there is none.
    pub fn open(client: OwnedFd, targets: Vec<SocketAddr>) -> Option<Stream> {
        let mut rest = targets.into_iter();
        let Some(server) = reach(&mut rest) else {
            reset(&client);
            return None;
        };
        // What is sent at once is to be passed on at once.
        let _ = sockopt::set_tcp_nodelay(&client, true);
        let _ = sockopt::set_socket_keepalive(&client, true);
        let (there, back) = (Direction::default(), Direction::default());
        Some(Stream { client, server, connecting: true, rest, there, back, over: false })
    }

    /// What to wait for at one of the ends.
    pub fn waits(&self, side: Side) -> Option<(BorrowedFd<'_>, PollFlags)> {
        let (fd, from, to) = match side {
            Side::Client => (&self.client, &self.there, &self.back),
            Side::Server => (&self.server, &self.back, &self.there),
        };
        let mut flags = PollFlags::empty();
        if self.connecting {
            flags.set(PollFlags::OUT, side == Side::Server);
            return Some((fd.as_fd(), flags));
        }
        flags.set(PollFlags::IN, !from.done && !from.full);
        flags.set(PollFlags::OUT, to.full);
        // Without flags, it still tells of a reset. While that could not be acted on, it is not asked.
        let is_awaited = !flags.is_empty() || (from.done && !to.done);
        is_awaited.then_some((fd.as_fd(), flags))
    }

    /// Does what can be done after one of the ends was ready.
    pub fn go_on(&mut self, side: Side, flags: PollFlags, buffer: &mut [u8]) {
        if self.over {
            return;
        }
        match self.step(side, flags, buffer) {
            Ok(()) => self.over = self.there.done && self.back.done,
            Err(_) => {
                // As the one side ended, so does the other.
                reset(&self.client);
                reset(&self.server);
                self.over = true;
            }
        }
    }

    fn step(&mut self, side: Side, flags: PollFlags, buffer: &mut [u8]) -> Result<(), Errno> {
        if self.connecting {
            return match side {
                Side::Client if flags.intersects(BROKEN) => Err(Errno::CONNRESET),
                Side::Client => Ok(()),
                Side::Server => self.connected(),
            };
        }
        let asked = self.waits(side).map_or(PollFlags::empty(), |(_, asked)| asked);
        if asked.is_empty() && flags.intersects(BROKEN) {
            return Err(Errno::CONNRESET);
        }
        // First what it sent: of one that is gone, that is still there, while nothing can be sent to it.
        match side {
            Side::Client => self.there.carry(&self.client, &self.server, buffer)?,
            Side::Server => self.back.carry(&self.server, &self.client, buffer)?,
        }
        match side {
            Side::Client => self.back.carry(&self.server, &self.client, buffer),
            Side::Server => self.there.carry(&self.client, &self.server, buffer),
        }
    }

    /// Learns how connecting went, and tries the next target if it failed.
    fn connected(&mut self) -> Result<(), Errno> {
        match sockopt::socket_error(&self.server)? {
            Ok(()) => self.connecting = false,
            Err(e) => self.server = reach(&mut self.rest).ok_or(e)?,
        }
        Ok(())
    }
}

impl Direction {
    /// Carries as much as both ends let it. Bytes are looked at, and taken only when they are sent.
    fn carry(&mut self, from: &OwnedFd, to: &OwnedFd, buffer: &mut [u8]) -> Result<(), Errno> {
        if self.done {
            return Ok(());
        }
        for _ in 0..BURST {
            self.full = false;
            let length = match recv(from, &mut *buffer, RecvFlags::PEEK | RecvFlags::DONTWAIT) {
                Ok((0, _)) => {
                    self.done = true;
                    return shutdown(to, Shutdown::Write);
                }
                Ok((length, _)) => length,
                Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
                Err(e) => return Err(e),
            };
            let sent = match send(to, &buffer[..length], SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(sent) => sent,
                Err(Errno::AGAIN | Errno::INTR) => 0,
                Err(e) => return Err(e),
            };
            discard(from, &mut buffer[..sent])?;
            if sent < length {
                self.full = true;
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Takes bytes out of a socket that are there (tcp(7), `MSG_TRUNC`).
fn discard(from: &OwnedFd, mut bytes: &mut [u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match recv(from, &mut *bytes, RecvFlags::TRUNC | RecvFlags::DONTWAIT) {
            Ok((_, length)) if length > 0 && length <= bytes.len() => bytes = &mut bytes[length..],
            Ok(_) => return Err(Errno::CONNRESET),
            Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Begins to connect to the first target that does not refuse at once.
fn reach(targets: &mut IntoIter<SocketAddr>) -> Option<OwnedFd> {
    targets.find_map(|target| {
        let family = if target.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(family, SocketType::STREAM, flags, None).ok()?;
        let _ = sockopt::set_tcp_nodelay(&socket, true);
        match connect(&socket, &target) {
            Ok(()) | Err(Errno::INPROGRESS) => Some(socket),
            Err(_) => None,
        }
    })
}

/// Has the closing of a socket end its connection at once, whatever was on the way (socket(7), `SO_LINGER`).
fn reset(socket: &OwnedFd) {
    let _ = sockopt::set_socket_linger(socket, Some(Duration::ZERO));
}
