//! The sockets of a name server, and the way to them.

use std::io;
use std::net::{SocketAddr, SocketAddrV4, TcpListener, UdpSocket};
use std::os::fd::{BorrowedFd, OwnedFd};

use super::ADDRESS;
use crate::network::error::Error;
use crate::network::nft;
use crate::network::socket::visit;

/// Both sockets, bound inside a container's network namespace.
#[derive(Debug)]
pub struct Sockets {
    pub(super) udp: UdpSocket,
    pub(super) tcp: TcpListener,
}

impl Sockets {
    /// Binds them inside a network namespace, and leads port 53 of the address there to them.
    ///
    /// # Errors
    /// When the namespace cannot be entered, or the kernel refuses.
    pub fn open(netns: BorrowedFd<'_>) -> Result<Sockets, Error> {
        visit(netns, || {
            let any = SocketAddrV4::new(ADDRESS, 0);
            let bound = || -> io::Result<_> { Ok((UdpSocket::bind(any)?, TcpListener::bind(any)?)) };
            let (udp, tcp) = bound().map_err(Error::Dns)?;
            let port = |address: io::Result<SocketAddr>| address.map(|a| a.port()).map_err(Error::Dns);
            nft::lead_to_names(ADDRESS, port(udp.local_addr())?, port(tcp.local_addr())?)?;
            Ok(Sockets { udp, tcp })
        })?
    }

    /// From descriptors that another process opened, in the order of [`Sockets::into_fds`].
    pub fn from_fds(udp: OwnedFd, tcp: OwnedFd) -> Sockets {
        Sockets { udp: udp.into(), tcp: tcp.into() }
    }

    /// Datagrams and streams, for another process.
    pub fn into_fds(self) -> [OwnedFd; 2] {
        [self.udp.into(), self.tcp.into()]
    }
}
