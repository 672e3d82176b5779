//! Published ports: reserve them on the host, then lead them to the container.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, listen, socket_with, sockopt};

use super::endpoint::Endpoint;
use super::error::Error;
use super::port::{PortMapping, Protocol};
use super::relay::Relay;
use super::{holder, nft};

/// Attempts to find a number that is free at every address that shall have it.
const ATTEMPTS: usize = 16;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 128;

/// Published ports: sockets that keep others from taking them, for as long as this lives.
///
/// Packets for the ports are redirected before they reach a socket, but for those that no rule can lead: what comes to a
/// socket all the same is for its [`Relay`]. Dropping it frees the ports and leaves the rules, which [`super::detach`]
/// removes.
#[derive(Debug, Default)]
pub struct Published {
    mappings: Vec<PortMapping>,
    /// Nothing is ever accepted or read.
    held: Vec<OwnedFd>,
    relay: Relay,
}

/// A port that was taken at one address.
struct Taken {
    mapping: PortMapping,
    socket: OwnedFd,
    /// Whether somebody asked for it: users are told of it then.
    listed: bool,
}

impl Published {
    /// The mappings in the order in which they were asked for, with the host ports that were chosen.
    pub fn mappings(&self) -> &[PortMapping] {
        &self.mappings
    }

    /// What carries connections that no rule can lead.
    pub fn relay(&mut self) -> &mut Relay {
        &mut self.relay
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
                Ok(taken) => return self.add(endpoint, taken),
                Err((at, e)) if e.kind() == io::ErrorKind::AddrInUse => last = Some(at),
                Err((at, source)) => return Err(refused(&at, source)),
            }
        }
        Err(match last {
            Some(at) if mapping.host_last.is_none() => in_use(&at),
            _ => all_in_use(mapping),
        })
    }

    fn add(&mut self, endpoint: &Endpoint, taken: Vec<Taken>) -> Result<(), Error> {
        for Taken { mapping, socket, listed } in taken {
            if listed {
                self.mappings.push(mapping.clone());
            }
            match is_relayed(endpoint, mapping.host_address) {
                true => self.relay.add(mapping.clone(), socket).map_err(|e| refused(&mapping, e))?,
                false => self.held.push(socket),
            }
        }
        Ok(())
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

/// Takes the sockets of ports that lead to a container already, and whose holder is gone. A port that somebody else has taken
/// meanwhile stays his.
pub fn hold(endpoint: &Endpoint, mappings: &[PortMapping]) -> Published {
    let mut published = Published::default();
    // What was chosen is what is asked for.
    let endpoint = Endpoint { ports: mappings.to_vec(), ..endpoint.clone() };
    for mapping in mappings {
        if let Err(error) = published.reserve(&endpoint, mapping) {
            tracing::warn!(%error, "a published port is not held any more");
        }
    }
    published
}

/// Whether packets to an address of the host cannot be led to the endpoint by rules alone.
fn is_relayed(endpoint: &Endpoint, address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        // A socket for all addresses gets what is left: ::1.
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unspecified() || endpoint.address6.is_none()
        }
    }
}

fn refused(at: &PortMapping, source: io::Error) -> Error {
    Error::Reserve { address: at.host_address, port: at.host_port, protocol: at.protocol, source }
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
fn take(endpoint: &Endpoint, mapping: &PortMapping) -> Result<Vec<Taken>, (PortMapping, io::Error)> {
    let (socket, port) =
        bound(mapping.host(), mapping.protocol).map_err(|source| (mapping.clone(), source))?;
    let mut taken = vec![Taken { mapping: mapping.at(port), socket, listed: true }];
    if let Some(mapping) = of_ipv6(endpoint, mapping, port) {
        let listed = mapping.host_address.is_unspecified();
        match bound(mapping.host(), mapping.protocol) {
            Ok((socket, _)) => taken.push(Taken { mapping, socket, listed }),
            Err(e) if !listed && is_missing(&e) => {}
            Err(source) => return Err((mapping, source)),
        }
    }
    Ok(taken)
}

/// The same port of IPv6, where every address means those of both families: at all of them, if rules can lead from there,
/// else at ::1, which `localhost` is as often as 127.0.0.1.
fn of_ipv6(endpoint: &Endpoint, mapping: &PortMapping, port: u16) -> Option<PortMapping> {
    const EVERY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    const EVERY6: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    const LOOPBACK6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
    // Somebody may have said himself what it is for.
    let is_said = endpoint.ports.iter().any(|other| {
        other.protocol == mapping.protocol
            && [EVERY6, LOOPBACK6].contains(&other.host_address)
            && other.candidates().contains(&port)
    });
    if mapping.host_address != EVERY || is_said {
        return None;
    }
    let host_address = if endpoint.address6.is_some() { EVERY6 } else { LOOPBACK6 };
    Some(PortMapping { host_address, ..mapping.at(port) })
}

/// Whether the address is not there at all: a host without IPv6.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT))
}

pub(super) fn bound(address: SocketAddr, protocol: Protocol) -> io::Result<(OwnedFd, u16)> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let kind = match protocol {
        Protocol::Tcp => SocketType::STREAM,
        Protocol::Udp => SocketType::DGRAM,
    };
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
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
        listen(&socket, BACKLOG)?;
    }
    let port = SocketAddr::try_from(getsockname(&socket)?).map_err(|_| io::ErrorKind::InvalidData)?.port();
    Ok((socket, port))
}
