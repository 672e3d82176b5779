//! The bridge that containers are joined by.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::mac::mac_of;
use super::socket::Netlink;
use super::{rules, sysctl};

/// A bridge and its subnet.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Bridge {
    /// Name of the link, at most 15 bytes.
    pub name: String,
    /// Addresses of its containers.
    pub subnet: Ipv4Net,
    /// The bridge's own address, the containers' way out.
    pub gateway: Ipv4Addr,
    /// Largest packet in bytes; the kernel's default without.
    pub mtu: Option<u32>,
}

/// Makes the bridge, its address, settings and rules where they are missing. Any number of processes may do so at once.
///
/// # Errors
/// [`Error::Netlink`] when the kernel refuses, [`Error::File`] for settings.
pub fn ensure_bridge(bridge: &Bridge) -> Result<(), Error> {
    let step = |what: &str| Error::netlink(format!("{what} the bridge {}", bridge.name));
    let netlink = Netlink::route().map_err(step("make"))?;
    if index_of(&bridge.name).is_err() {
        match netlink.change(RouteNetlinkMessage::NewLink(new_link(bridge)), NLM_F_CREATE) {
            // Another process was faster, or the kernel says so of a link that is there.
            Err(e) if matches!(e.raw_os_error(), Some(libc::EEXIST | libc::EOPNOTSUPP)) => {}
            result => result.map_err(step("make"))?,
        }
    }
    let index = index_of(&bridge.name).map_err(step("find"))?;
    let address = address_message(index, bridge.gateway, bridge.subnet);
    let flags = NLM_F_CREATE | NLM_F_REPLACE;
    netlink.change(RouteNetlinkMessage::NewAddress(address), flags).map_err(step("give an address to"))?;
    netlink.change(RouteNetlinkMessage::NewLink(up(index)), 0).map_err(step("switch on"))?;
    sysctl::set(&bridge.name, "forwarding", "1")?;
    // Published ports are reached from 127.0.0.1 as well; a rule keeps containers from the host's own loopback.
    sysctl::set(&bridge.name, "route_localnet", "1")?;
    for link in sysctl::default_links() {
        sysctl::set(&link, "forwarding", "1")?;
    }
    rules::ensure(bridge)
}

/// Removes the bridge and its rules; what is not there is no error.
///
/// # Errors
/// [`Error::Netlink`].
pub fn remove_bridge(bridge: &Bridge) -> Result<(), Error> {
    rules::remove(bridge)?;
    remove_link(&bridge.name)
}

/// Removes a link by name; one that is not there is no error.
pub(super) fn remove_link(name: &str) -> Result<(), Error> {
    let failed = || Error::netlink(format!("remove the link {name}"));
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(name.to_string()));
    let netlink = Netlink::route().map_err(failed())?;
    match netlink.change(RouteNetlinkMessage::DelLink(message), 0) {
        Err(e) if e.raw_os_error() == Some(libc::ENODEV) => Ok(()),
        result => result.map_err(failed()),
    }
}

/// Index of a link in the caller's network namespace.
pub(super) fn index_of(name: &str) -> std::io::Result<u32> {
    nix::net::if_::if_nametoindex(name).map_err(Into::into)
}

fn new_link(bridge: &Bridge) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(bridge.name.clone()));
    // A fixed one, else it would change with every container that comes and goes.
    message.attributes.push(LinkAttribute::Address(mac_of(bridge.gateway).0.to_vec()));
    message.attributes.extend(bridge.mtu.map(LinkAttribute::Mtu));
    message.attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge)]));
    message
}

/// Switches a link on.
pub(super) fn up(index: u32) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    message
}

/// An address with the subnet's prefix and broadcast address.
pub(super) fn address_message(index: u32, address: Ipv4Addr, subnet: Ipv4Net) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.prefix_len = subnet.prefix_len();
    message.header.index = index;
    message.attributes = vec![
        AddressAttribute::Local(address.into()),
        AddressAttribute::Address(address.into()),
        AddressAttribute::Broadcast(subnet.broadcast()),
    ];
    message
}
