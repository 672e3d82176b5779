//! Published ports: reserve them on the host, then lead them to the container.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, listen, socket_with, sockopt};

use super::endpoint::Endpoint;
use super::error::Error;
use super::port::{PortMapping, Protocol};
use super::{holder, nft};

/// Attempts to find a number that is free at every address that shall have it.
const ATTEMPTS: usize = 16;

/// Published ports: sockets that keep others from taking them, for as long as this lives.
///
/// Nothing is ever accepted or read: packets for the ports are redirected before they reach a socket. Dropping it frees
/// the ports and leaves the rules, which [`super::detach`] removes.
#[derive(Debug, Default)]
pub struct Published {
    mappings: Vec<PortMapping>,
    sockets: Vec<OwnedFd>,
}

impl Published {
    /// The mappings in the order in which they were asked for, with the host ports that were chosen.
    pub fn mappings(&self) -> &[PortMapping] {
        &self.mappings
    }

    /// Reserves a port for a mapping: the one that it names, or the first of its range that is free.
    fn reserve(&mut self, endpoint: &Endpoint, mapping: &PortMapping) -> Result<(), Error> {
        let candidates = match mapping.host_port {
            0 => vec![0; ATTEMPTS],
            _ => mapping.candidates().collect(),
        };
        let mut last = None;
        for port in candidates {
            match take(endpoint, &mapping.at(port)) {
                Ok(taken) => {
                    self.add(taken);
                    return Ok(());
                }
                Err((at, e)) if e.kind() == io::ErrorKind::AddrInUse => last = Some(at),
                Err((at, source)) => {
                    let (address, port, protocol) = (at.host_address, at.host_port, at.protocol);
                    return Err(Error::Reserve { address, port, protocol, source });
                }
            }
        }
        Err(match last {
            Some(at) if mapping.host_last.is_none() => in_use(&at),
            _ => all_in_use(mapping),
        })
    }

    fn add(&mut self, taken: Vec<(PortMapping, OwnedFd)>) {
        for (mapping, socket) in taken {
            self.mappings.push(mapping);
            self.sockets.push(socket);
        }
    }
}

/// Makes the endpoint's ports reachable at the host's addresses: for other hosts, for the host itself (127.0.0.1
/// included) and for containers on any bridge. What the same owner published before is replaced.
///
/// # Errors
/// [`Error::PortInUse`] and [`Error::RangeInUse`] with who has it; [`Error::Reserve`] for an address that is not the host's
/// or a port that needs privilege. After an error nothing is published.
pub fn publish(endpoint: &Endpoint) -> Result<Published, Error> {
    let mut published = Published::default();
    if endpoint.ports.is_empty() {
        return Ok(published);
    }
    for mapping in &endpoint.ports {
        published.reserve(endpoint, mapping)?;
    }
    nft::remove_ports(&endpoint.bridge.name, &endpoint.owner)?;
    nft::add_ports(endpoint, &published.mappings)?;
    Ok(published)
}

fn in_use(at: &PortMapping) -> Error {
    let (address, port, protocol) = (at.host_address, at.host_port, at.protocol);
    Error::PortInUse { address, port, protocol, holder: holder::find(address, port, protocol) }
}

/// What is said of a range without a port that is free.
pub(super) fn all_in_use(mapping: &PortMapping) -> Error {
    let (address, protocol) = (mapping.host_address, mapping.protocol);
    let (first, last) = mapping.candidates().into_inner();
    Error::RangeInUse { address, first, last, protocol, holder: holder::find(address, first, protocol) }
}

/// Takes a port at each address that shall have it; others get `EADDRINUSE`. Returns the mappings with the number, chosen by
/// the kernel where 0 was asked for; or the one that cannot be had.
fn take(
    endpoint: &Endpoint,
    mapping: &PortMapping,
) -> Result<Vec<(PortMapping, OwnedFd)>, (PortMapping, io::Error)> {
    let (socket, port) =
        bound(mapping.host(), mapping.protocol).map_err(|source| (mapping.clone(), source))?;
    let mut taken = vec![(mapping.at(port), socket)];
    if let Some(other) = of_ipv6(endpoint, mapping, port) {
        match bound(other.host(), other.protocol) {
            Ok((socket, _)) => taken.push((other, socket)),
            Err(source) => return Err((other, source)),
        }
    }
    Ok(taken)
}

/// The same port of IPv6, where every address means those of both families.
fn of_ipv6(endpoint: &Endpoint, mapping: &PortMapping, port: u16) -> Option<PortMapping> {
    const EVERY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let host_address = Ipv6Addr::UNSPECIFIED.into();
    let is_wanted = endpoint.address6.is_some() && mapping.host_address == EVERY;
    is_wanted.then(|| PortMapping { host_address, ..mapping.at(port) })
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
