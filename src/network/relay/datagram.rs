//! Datagrams of one client: a socket of their own for as long as any come, so that answers find their way back.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Instant;
use std::vec::IntoIter;

use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn6, recvmsg, sendmsg, setsockopt,
    sockopt::Ipv6RecvPacketInfo,
};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect, recv, send, socket_with,
};

/// Who sent a datagram, and to which of this host's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Client {
    from: SocketAddrV6,
    to: Ipv6Addr,
}

/// Has a socket tell where datagrams were sent to.
pub(super) fn prepare(socket: &OwnedFd) -> io::Result<()> {
    Ok(setsockopt(socket, Ipv6RecvPacketInfo, &true)?)
}

/// One datagram at a published port; none if there is none, or none that could be answered.
pub(super) fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> Option<(usize, Client)> {
    let mut space = nix::cmsg_space!(libc::in6_pktinfo);
    let mut parts = [IoSliceMut::new(buffer)];
    let flags = MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<SockaddrIn6>(socket.as_raw_fd(), &mut parts, Some(&mut space), flags).ok()?;
    let to = message.cmsgs().ok()?.find_map(|part| match part {
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(Ipv6Addr::from(info.ipi6_addr.s6_addr)),
        _ => None,
    })?;
    Some((message.bytes, Client { from: message.address?.into(), to }))
}

impl Client {
    /// Sends an answer from where the client expects it. One that cannot be sent is lost, as datagrams are.
    pub fn send(&self, socket: &OwnedFd, data: &[u8]) {
        // The link is found by the destination.
        let ipi6_addr = libc::in6_addr { s6_addr: self.to.octets() };
        let source = libc::in6_pktinfo { ipi6_addr, ipi6_ifindex: 0 };
        let _ = sendmsg(
            socket.as_raw_fd(),
            &[IoSlice::new(data)],
            &[ControlMessage::Ipv6PacketInfo(&source)],
            MsgFlags::MSG_DONTWAIT,
            Some(&SockaddrIn6::from(self.from)),
        );
    }
}

/// A client and what its datagrams lead to.
#[derive(Debug)]
pub(super) struct Session {
    /// Number of the port at which they come.
    pub port: usize,
    pub client: Client,
    server: OwnedFd,
    /// Where else it could be.
    rest: IntoIter<SocketAddr>,
    /// When it is forgotten.
    pub until: Instant,
}

impl Session {
    pub fn open(port: usize, client: Client, targets: Vec<SocketAddr>) -> Option<Session> {
        let mut rest = targets.into_iter();
        let server = reach(&mut rest)?;
        Some(Session { port, client, server, rest, until: Instant::now() })
    }

    pub fn is_of(&self, port: usize, client: &Client) -> bool {
        self.port == port && self.client == *client
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.server.as_fd()
    }

    /// Takes a client's datagram to the container, as far as there is room for it.
    pub fn pass_on(&mut self, data: &[u8]) {
        // The first attempt may only tell that an earlier one found nobody.
        for _ in 0..2 {
            match send(&self.server, data, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Err(Errno::CONNREFUSED) => self.elsewhere(),
                _ => return,
            }
        }
    }

    /// One datagram of the container's.
    pub fn receive(&mut self, buffer: &mut [u8]) -> Option<usize> {
        match recv(&self.server, buffer, RecvFlags::DONTWAIT) {
            Ok((length, _)) => Some(length),
            Err(Errno::CONNREFUSED) => {
                self.elsewhere();
                None
            }
            Err(_) => None,
        }
    }

    /// Nobody is there: the next datagram goes to the next target, if there is one.
    fn elsewhere(&mut self) {
        if let Some(server) = reach(&mut self.rest) {
            self.server = server;
        }
    }
}

/// A socket for the first target to which there is a way.
fn reach(targets: &mut IntoIter<SocketAddr>) -> Option<OwnedFd> {
    targets.find_map(|target| {
        let family = if target.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC, None).ok()?;
        connect(&socket, &target).ok().map(|()| socket)
    })
}
