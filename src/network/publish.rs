//! Published ports: reserve them on the host, then lead them to the container.

use std::io;
use std::net::{SocketAddrV4, TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::endpoint::Endpoint;
use super::error::Error;
use super::port::{PortMapping, Protocol};
use super::{holder, nft};

/// Published ports: sockets that keep others from taking them, for as long as this lives.
///
/// Nothing is ever accepted or read: packets for the ports are redirected before they reach a socket. Dropping it frees
/// the ports and leaves the rules, which [`super::detach`] removes.
#[derive(Debug)]
pub struct Published {
    mappings: Vec<PortMapping>,
    sockets: Vec<OwnedFd>,
}

impl Published {
    /// The mappings in the order in which they were asked for, with the host ports that were chosen.
    pub fn mappings(&self) -> &[PortMapping] {
        &self.mappings
    }

    /// The sockets, for who hands them on to another process. They close on exec.
    pub fn sockets(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.sockets.iter().map(AsFd::as_fd)
    }
}

/// Makes the endpoint's ports reachable at the host's addresses: for other hosts, for the host itself (127.0.0.1
/// included) and for containers on any bridge. What the same owner published before is replaced.
///
/// # Errors
/// [`Error::PortInUse`] with who has it; [`Error::Reserve`] for an address that is not the host's or a port that
/// needs privilege. After an error nothing is published.
pub fn publish(endpoint: &Endpoint) -> Result<Published, Error> {
    let mut published = Published { mappings: Vec::new(), sockets: Vec::new() };
    if endpoint.ports.is_empty() {
        return Ok(published);
    }
    for mapping in &endpoint.ports {
        let (socket, port) = reserve(mapping)?;
        published.sockets.push(socket);
        published.mappings.push(PortMapping { host_port: port, ..mapping.clone() });
    }
    let Endpoint { bridge, owner, address, .. } = endpoint;
    nft::remove_ports(&bridge.name, owner)?;
    nft::add_ports(&bridge.name, owner, *address, &published.mappings)?;
    Ok(published)
}

/// Takes the port for us; others get `EADDRINUSE`. Returns the port, chosen by the kernel where 0 was asked for.
fn reserve(mapping: &PortMapping) -> Result<(OwnedFd, u16), Error> {
    let address = SocketAddrV4::new(mapping.host_address, mapping.host_port);
    let bound = match mapping.protocol {
        // Listening, not only bound: else a program that sets SO_REUSEADDR could take it.
        Protocol::Tcp => {
            TcpListener::bind(address).and_then(|s| Ok((s.local_addr()?.port(), OwnedFd::from(s))))
        }
        Protocol::Udp => {
            UdpSocket::bind(address).and_then(|s| Ok((s.local_addr()?.port(), OwnedFd::from(s))))
        }
    };
    let (address, port, protocol) = (mapping.host_address, mapping.host_port, mapping.protocol);
    match bound {
        Ok((port, socket)) => Ok((socket, port)),
        Err(e) if e.kind() == io::ErrorKind::AddrInUse => {
            Err(Error::PortInUse { address, port, protocol, holder: holder::find(address, port, protocol) })
        }
        Err(source) => Err(Error::Reserve { address, port, protocol, source }),
    }
}
