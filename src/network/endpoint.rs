//! A container's end of a bridge: a veth pair, an address, a route.

use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use ipnet::Ipv4Net;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::sched::{CloneFlags, setns};

use super::bridge::{Bridge, address_message, index_of, remove_link, up};
use super::error::Error;
use super::mac::Mac;
use super::port::PortMapping;
use super::publish::unpublish;
use super::socket::Netlink;

/// The link's name inside the container.
const INSIDE: &str = "eth0";
/// The loopback link's index in every network namespace.
const LOOPBACK: u32 = 1;

/// A container on a bridge.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The container's id: at least 12 characters, the first ones unlike those of any other.
    pub owner: String,
    /// The bridge.
    pub bridge: Bridge,
    /// The container's address.
    pub address: Ipv4Addr,
    /// Its MAC address.
    pub mac: Mac,
    /// Its published ports.
    pub ports: Vec<PortMapping>,
}

impl Endpoint {
    /// Name of the host's end: at most 15 bytes.
    pub(super) fn link(&self) -> String {
        format!("ve{}", self.owner.get(..12).unwrap_or(&self.owner))
    }
}

/// Joins a container to its bridge. The caller is single-threaded, since it enters the network namespace for a moment.
///
/// # Errors
/// [`Error::Netlink`], [`Error::Namespace`]; [`detach`] takes back what was done until then.
pub fn attach(netns: BorrowedFd<'_>, endpoint: &Endpoint) -> Result<(), Error> {
    let failed = |step: &str| Error::netlink(format!("{step} {}", endpoint.address));
    let bridge = index_of(&endpoint.bridge.name).map_err(failed("find the bridge of"))?;
    let host = Netlink::route().map_err(failed("make the link of"))?;
    let pair = RouteNetlinkMessage::NewLink(veth_pair(netns, endpoint, bridge));
    host.change(pair, NLM_F_CREATE | NLM_F_EXCL).map_err(failed("make the link of"))?;
    let (inside, index) = within(netns, || Ok((Netlink::route()?, index_of(INSIDE)?)))?;
    let change = |message, flags, step: &str| inside.change(message, flags).map_err(failed(step));
    change(RouteNetlinkMessage::NewLink(up(LOOPBACK)), 0, "switch on the loopback of")?;
    let address = address_message(index, endpoint.address, endpoint.bridge.subnet);
    let flags = NLM_F_CREATE | NLM_F_EXCL;
    change(RouteNetlinkMessage::NewAddress(address), flags, "set the address")?;
    change(RouteNetlinkMessage::NewLink(up(index)), 0, "switch on the link of")?;
    let route = default_route(index, endpoint.bridge.gateway);
    change(RouteNetlinkMessage::NewRoute(route), flags, "set the default route of")
}

/// Switches on the loopback link of a network namespace.
///
/// # Errors
/// [`Error::Netlink`], [`Error::Namespace`].
pub fn loopback_up(netns: BorrowedFd<'_>) -> Result<(), Error> {
    let inside = within(netns, Netlink::route)?;
    let failed = Error::netlink("switch on the loopback link");
    inside.change(RouteNetlinkMessage::NewLink(up(LOOPBACK)), 0).map_err(failed)
}

/// Takes a container off its bridge: published ports and link. What is not there is no error.
///
/// # Errors
/// [`Error::Netlink`].
pub fn detach(endpoint: &Endpoint) -> Result<(), Error> {
    if !endpoint.ports.is_empty() {
        unpublish(endpoint)?;
    }
    remove_link(&endpoint.link())
}

/// Runs `work` in another network namespace and comes back.
fn within<T>(netns: BorrowedFd<'_>, work: impl FnOnce() -> io::Result<T>) -> Result<T, Error> {
    let enter = |fd: BorrowedFd<'_>| setns(fd, CloneFlags::CLONE_NEWNET).map_err(io::Error::from);
    let home = File::open("/proc/thread-self/ns/net").map_err(Error::Namespace)?;
    enter(netns).map_err(Error::Namespace)?;
    let result = work();
    enter(home.as_fd()).map_err(Error::Namespace)?;
    result.map_err(Error::Namespace)
}

/// Both ends in one message: the host's on the bridge and up, the other in the container.
fn veth_pair(netns: BorrowedFd<'_>, endpoint: &Endpoint, bridge: u32) -> LinkMessage {
    let mtu = endpoint.bridge.mtu.map(LinkAttribute::Mtu);
    let mut peer = LinkMessage::default();
    peer.attributes = vec![
        LinkAttribute::IfName(INSIDE.to_string()),
        LinkAttribute::NetNsFd(netns.as_raw_fd()),
        LinkAttribute::Address(endpoint.mac.0.to_vec()),
    ];
    peer.attributes.extend(mtu.clone());
    let mut message = LinkMessage::default();
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    let info = vec![LinkInfo::Kind(InfoKind::Veth), LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer)))];
    message.attributes = vec![
        LinkAttribute::IfName(endpoint.link()),
        LinkAttribute::Controller(bridge),
        LinkAttribute::LinkInfo(info),
    ];
    message.attributes.extend(mtu);
    message
}

fn default_route(index: u32, gateway: Ipv4Addr) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet;
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::Boot;
    message.header.scope = RouteScope::Universe;
    message.header.kind = RouteType::Unicast;
    message.attributes =
        vec![RouteAttribute::Gateway(RouteAddress::Inet(gateway)), RouteAttribute::Oif(index)];
    message
}

/// Whether an address can be a container's: in the subnet, and none of its special ones.
pub(super) fn is_usable(address: Ipv4Addr, subnet: Ipv4Net, gateway: Ipv4Addr) -> bool {
    subnet.contains(&address)
        && address != gateway
        && address != subnet.network()
        && address != subnet.broadcast()
}
