//! Published ports: reserve them on the host, then lead them to the container.

use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, listen, socket_with, sockopt};

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
        // Every address means those of both families.
        if endpoint.address6.is_some()
            && mapping.host_address.is_ipv4()
            && mapping.host_address.is_unspecified()
        {
            let both = PortMapping {
                host_address: Ipv6Addr::UNSPECIFIED.into(),
                host_port: port,
                ..mapping.clone()
            };
            published.sockets.push(reserve(&both)?.0);
            published.mappings.push(both);
        }
    }
    nft::remove_ports(&endpoint.bridge.name, &endpoint.owner)?;
    nft::add_ports(endpoint, &published.mappings)?;
    Ok(published)
}

/// Takes the port for us; others get `EADDRINUSE`. Returns the port, chosen by the kernel where 0 was asked for.
fn reserve(mapping: &PortMapping) -> Result<(OwnedFd, u16), Error> {
    let (address, port, protocol) = (mapping.host_address, mapping.host_port, mapping.protocol);
    match bound(SocketAddr::new(address, port), protocol) {
        Ok(taken) => Ok(taken),
        Err(e) if e.kind() == io::ErrorKind::AddrInUse => {
            Err(Error::PortInUse { address, port, protocol, holder: holder::find(address, port, protocol) })
        }
        Err(source) => Err(Error::Reserve { address, port, protocol, source }),
    }
}

fn bound(address: SocketAddr, protocol: Protocol) -> io::Result<(OwnedFd, u16)> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let kind = match protocol {
        Protocol::Tcp => SocketType::STREAM,
        Protocol::Udp => SocketType::DGRAM,
    };
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
    if address.is_ipv6() {
        // The same port of IPv4 has a socket of its own.
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    if protocol == Protocol::Tcp {
        sockopt::set_socket_reuseaddr(&socket, true)?;
    }
    bind(&socket, &address)?;
    if protocol == Protocol::Tcp {
        // Listening, not only bound: else a program that sets SO_REUSEADDR could take it.
        listen(&socket, 1)?;
    }
    let port = SocketAddr::try_from(getsockname(&socket)?).map_err(|_| io::ErrorKind::InvalidData)?.port();
    Ok((socket, port))
}
