//! Published ports: rules that lead to the container, and sockets that reserve them on the host.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::{io, net::SocketAddr};

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoBridgePort, InfoPortData, InfoPortKind, LinkAttribute, LinkInfo, LinkMessage,
};

use super::bridge::index_of;
use super::endpoint::Endpoint;
use super::error::Error;
use super::holder::holder;
use super::nft::{Address, Batch, Chain, Hook, Rule};
use super::port::{PortMapping, Protocol};
use super::rules::table;
use super::socket::Netlink;

/// Turn of destination changes (nft(8), `dstnat`).
const DSTNAT: i32 = -100;

/// Ports that are published. While this lives, no other process can have them.
#[derive(Debug)]
pub struct Published {
    mappings: Vec<PortMapping>,
    _sockets: Vec<Reserved>,
}

/// Never read: the packets are led away before they would arrive here.
#[derive(Debug)]
enum Reserved {
    Tcp { _socket: TcpListener },
    Udp { _socket: UdpSocket },
}

impl Published {
    /// The mappings, with the ports that were chosen where any would do.
    pub fn mappings(&self) -> &[PortMapping] {
        &self.mappings
    }
}

/// Publishes the ports of an endpoint.
///
/// # Errors
/// [`Error::PortInUse`], [`Error::Port`], [`Error::Netlink`]; nothing is published then.
pub fn publish(endpoint: &Endpoint) -> Result<Published, Error> {
    let mut published = Published { mappings: Vec::new(), _sockets: Vec::new() };
    for mapping in &endpoint.ports {
        let (socket, port) = reserve(mapping)?;
        published._sockets.push(socket);
        published.mappings.push(PortMapping { host_port: port, ..mapping.clone() });
    }
    let table = table(&endpoint.bridge);
    let mut batch = Batch::new(&table);
    for (name, hook) in chains(endpoint) {
        batch.new_chain(Chain { name: &name, kind: "nat", hook, priority: DSTNAT });
        for mapping in &published.mappings {
            batch.new_rule(&name, &rule(mapping, endpoint.address));
        }
    }
    batch.commit().map_err(Error::netlink(format!("publish the ports of {}", endpoint.address)))?;
    reflect(endpoint)?;
    Ok(published)
}

/// Lets the bridge send back on the link on which a packet came, for a container that asks for its own published port:
/// where bridged packets pass the rules too (`bridge-nf-call-iptables`), they do not leave the bridge.
fn reflect(endpoint: &Endpoint) -> Result<(), Error> {
    let failed = || Error::netlink(format!("let {} reach itself", endpoint.address));
    let mut message = LinkMessage::default();
    message.header.index = index_of(&endpoint.link()).map_err(failed())?;
    let hairpin = InfoPortData::BridgePort(vec![InfoBridgePort::HairpinMode(true)]);
    let info = vec![LinkInfo::PortKind(InfoPortKind::Bridge), LinkInfo::PortData(hairpin)];
    message.attributes.push(LinkAttribute::LinkInfo(info));
    let netlink = Netlink::route().map_err(failed())?;
    netlink.change(RouteNetlinkMessage::NewLink(message), 0).map_err(failed())
}

/// Takes the rules of an endpoint away; rules that are not there are no error.
pub(super) fn unpublish(endpoint: &Endpoint) -> Result<(), Error> {
    let table = table(&endpoint.bridge);
    let mut batch = Batch::new(&table);
    chains(endpoint).iter().for_each(|(name, _)| batch.delete_chain(name));
    match batch.commit() {
        Err(e) if e.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        result => result.map_err(Error::netlink(format!("unpublish the ports of {}", endpoint.address))),
    }
}

/// An endpoint has chains of its own, so that its rules go with them: one for packets that come in, one for the host's.
fn chains(endpoint: &Endpoint) -> [(String, Hook); 2] {
    let owner = endpoint.owner.get(..12).unwrap_or(&endpoint.owner);
    [(format!("in-{owner}"), Hook::Prerouting), (format!("out-{owner}"), Hook::Output)]
}

fn rule(mapping: &PortMapping, container: Ipv4Addr) -> Rule {
    let rule = match mapping.host_address {
        Ipv4Addr::UNSPECIFIED => Rule::ipv4().for_this_host(),
        address => Rule::ipv4().in_net(Address::Destination, ipnet::Ipv4Net::from(address)),
    };
    rule.for_port(mapping.protocol, mapping.host_port).redirect_to(container, mapping.container_port)
}

fn reserve(mapping: &PortMapping) -> Result<(Reserved, u16), Error> {
    let address = SocketAddrV4::new(mapping.host_address, mapping.host_port);
    let reserved = match mapping.protocol {
        Protocol::Tcp => TcpListener::bind(address).and_then(|socket| {
            let port = socket.local_addr()?;
            Ok((Reserved::Tcp { _socket: socket }, port))
        }),
        Protocol::Udp => UdpSocket::bind(address).and_then(|socket| {
            let port = socket.local_addr()?;
            Ok((Reserved::Udp { _socket: socket }, port))
        }),
    };
    reserved.map(|(socket, local): (_, SocketAddr)| (socket, local.port())).map_err(|source| {
        let (address, port, protocol) = (mapping.host_address, mapping.host_port, mapping.protocol);
        match source.kind() {
            io::ErrorKind::AddrInUse => {
                Error::PortInUse { address, port, protocol, holder: holder(protocol, port) }
            }
            _ => Error::Port { address, port, source },
        }
    })
}
