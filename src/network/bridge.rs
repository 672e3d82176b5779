//! The bridge that containers hang on.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::mac::mac_of;
use super::socket::Netlink;
use super::{address, forwarding, link, nft, sysctl};

/// A bridge and the subnet behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bridge {
    /// Name of the link, at most 15 bytes.
    pub name: String,
    /// Addresses of the containers.
    pub subnet: Ipv4Net,
    /// The bridge's own address, the containers' default route.
    pub gateway: Ipv4Addr,
    /// Largest packet in bytes; the kernel's default if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// Containers get addresses of this part of the subnet; of all of it if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<Ipv4Net>,
    /// IPv6 beside IPv4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv6: Option<Ipv6Range>,
    /// Nothing leads out of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub internal: bool,
    /// Frames between its containers pass it, rather than go from link to link.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bridged: bool,
}

/// The IPv6 subnet of a bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ipv6Range {
    /// Addresses of the containers.
    pub subnet: Ipv6Net,
    /// The bridge's own address.
    pub gateway: Ipv6Addr,
}

/// `lay0`, 10.87.0.0/16.
impl Default for Bridge {
    fn default() -> Self {
        let gateway = Ipv4Addr::new(10, 87, 0, 1);
        Self { name: "lay0".to_owned(), ..Self::of(Ipv4Net::new_assert(gateway, 16)) }
    }
}

impl Bridge {
    /// A nameless one with that subnet, whose first address is the gateway.
    pub fn of(subnet: Ipv4Net) -> Self {
        let subnet = subnet.trunc();
        let gateway = subnet.hosts().next().unwrap_or(subnet.addr());
        Self {
            name: String::new(),
            subnet,
            gateway,
            mtu: None,
            range: None,
            ipv6: None,
            internal: false,
            bridged: false,
        }
    }
}

/// Makes the bridge be there: link with a fixed hardware address, gateway address, up; forwarding for this link and
/// for the links that lead outside (`forwarding.rs` says which and why); and the table `inet lay-<bridge>`
/// (`nft/mod.rs` says what is in it). Whatever is there already stays, so any number of callers may do this at once.
///
/// A rule of another table that drops forwarded packets (Docker's `FORWARD` policy, firewalld) cannot be overruled
/// from a table of our own, since a packet needs every table's consent; such a firewall has to let the bridge through.
///
/// # Errors
/// [`Error::NotABridge`], [`Error::TableConflict`], and whatever the kernel refuses.
pub fn ensure_bridge(bridge: &Bridge) -> Result<(), Error> {
    link::check_name(&bridge.name)?;
    if !bridge.subnet.contains(&bridge.gateway) {
        return Err(Error::AddressOutside { address: bridge.gateway.into(), subnet: bridge.subnet.into() });
    }
    let mut netlink = Netlink::route()?;
    let found = link::find(&mut netlink, &bridge.name)?;
    // Up comes last, and nobody else sets route_localnet: such a bridge was finished by whoever made it.
    let finished =
        |link: &link::Link| link.is_bridge() && link.up && sysctl::is(&link.name, "route_localnet", "1");
    if !found.as_ref().is_some_and(finished) {
        build(&mut netlink, bridge)?;
    }
    nft::ensure_table(bridge)?;
    if !bridge.internal {
        forwarding::open(&mut netlink, bridge)?;
    }
    if found.is_none_or(|link| !link.up) {
        link::up(&mut netlink, &bridge.name)?;
    }
    Ok(())
}

/// Everything about the link but setting it up.
fn build(netlink: &mut Netlink, bridge: &Bridge) -> Result<(), Error> {
    link::create_bridge(netlink, &bridge.name, mac_of(bridge.gateway), bridge.mtu)?;
    let Some(link) = link::find(netlink, &bridge.name)?.filter(link::Link::is_bridge) else {
        return Err(Error::NotABridge { link: bridge.name.clone() });
    };
    address::add(netlink, link.index, &bridge.name, bridge.gateway.into(), bridge.subnet.into())?;
    if let Some(range) = &bridge.ipv6 {
        address::add(netlink, link.index, &bridge.name, range.gateway.into(), range.subnet.into())?;
    }
    if !bridge.internal {
        sysctl::set(&bridge.name, "forwarding", "1")?;
    }
    sysctl::know_more_neighbours(bridge.ipv6.is_some())?;
    // Nor does the host take a container for its router.
    sysctl::refuse_advertisements(&bridge.name)?;
    // Connections from the host's loopback to a published port leave through the bridge with a loopback source
    // until they are masqueraded; the table drops what containers send to or from 127.0.0.0/8.
    sysctl::set(&bridge.name, "route_localnet", "1")?;
    Ok(())
}

/// Removes the bridge and its table, and closes what [`ensure_bridge`] opened for it. What is gone already is fine.
///
/// # Errors
/// [`Error::NotABridge`] when a link of that name is something else, and whatever the kernel refuses.
pub fn remove_bridge(bridge: &Bridge) -> Result<(), Error> {
    link::check_name(&bridge.name)?;
    let mut netlink = Netlink::route()?;
    if let Some(link) = link::find(&mut netlink, &bridge.name)? {
        if !link.is_bridge() {
            return Err(Error::NotABridge { link: bridge.name.clone() });
        }
        link::delete(&mut netlink, &link)?;
    }
    forwarding::close(bridge)?;
    nft::remove_table(bridge)
}
