//! A container's end of a network: a veth pair between its namespace and the bridge.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::BorrowedFd;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::bridge::Bridge;
use super::error::Error;
use super::link::{self, Link, VethPeer};
use super::mac::Mac;
use super::port::PortMapping;
use super::socket::{Netlink, visit};
use super::wire::{self, Wire};
use super::{address, guard, nft, route, sysctl};

/// Name of a container's first link.
const FIRST: &str = "eth0";
/// The loopback link is the first of every namespace.
const LOOPBACK_INDEX: u32 = 1;
/// Names that are tried for one owner before giving up.
const NAMES: u8 = 4;

/// One container on one network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Container id: names the host's link, the rules and the address.
    pub owner: String,
    /// Where it hangs.
    pub bridge: Bridge,
    /// What carries its frames.
    #[serde(default)]
    pub wire: Wire,
    /// Name of its link inside the container.
    #[serde(default = "first")]
    pub interface: String,
    /// Its address in the bridge's subnet.
    pub address: Ipv4Addr,
    /// The same for IPv6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address6: Option<Ipv6Addr>,
    /// Whether it is the container's way to everywhere else.
    #[serde(default = "yes")]
    pub default_route: bool,
    /// Its hardware address; [`super::mac_of`] the address by default.
    pub mac: Mac,
    /// Its published ports, as asked for.
    pub ports: Vec<PortMapping>,
}

impl Endpoint {
    /// An owner's first endpoint on a bridge, with the hardware address that belongs to its address.
    pub fn new(owner: String, bridge: Bridge, address: Ipv4Addr) -> Endpoint {
        Endpoint {
            owner,
            bridge,
            wire: Wire::Bridge,
            interface: first(),
            address,
            address6: None,
            default_route: true,
            mac: super::mac::mac_of(address),
            ports: Vec::new(),
        }
    }

    /// Its address of the same family.
    pub(super) fn address_like(&self, other: IpAddr) -> Option<IpAddr> {
        match other {
            IpAddr::V4(_) => Some(IpAddr::V4(self.address)),
            IpAddr::V6(_) => self.address6.map(IpAddr::V6),
        }
    }

    /// Where one of its ports is, for who comes by IPv6: there first, where it has that.
    pub fn sockets(&self, port: u16) -> Vec<SocketAddr> {
        let addresses = self.address6.map(IpAddr::V6).into_iter().chain([IpAddr::V4(self.address)]);
        addresses.map(|address| SocketAddr::new(address, port)).collect()
    }

    /// What names its link on the host, and no other's.
    fn label(&self) -> Cow<'_, str> {
        match self.interface.as_str() {
            FIRST => Cow::Borrowed(&self.owner),
            other => Cow::Owned(format!("{} {other}", self.owner)),
        }
    }
}

fn first() -> String {
    FIRST.to_owned()
}

fn yes() -> bool {
    true
}

/// Joins the network namespace to the network: a link with address, hardware address, the bridge's MTU and, if it is to
/// be, the default route, and `lo`, all up. What an earlier attempt of the same owner left is replaced. `other` is the
/// running container at the other end of a [`Wire::Ptp`].
///
/// The calling thread visits `netns` for a moment, for which it needs `CAP_SYS_ADMIN` over it.
///
/// # Errors
/// [`Error::Link`] with `ENODEV` when the bridge is missing ([`super::ensure_bridge`]); whatever the kernel refuses.
/// After an error nothing is left on the host.
pub fn attach(
    netns: BorrowedFd<'_>,
    endpoint: &Endpoint,
    other: Option<(BorrowedFd<'_>, &Endpoint)>,
) -> Result<(), Error> {
    let mut host = Netlink::route()?;
    let speaks_ipv6 = endpoint.address6.is_some();
    let mut inside = visit(netns, || {
        sysctl::prepare(speaks_ipv6)?;
        Netlink::route()
    })??;
    let up = |inside: &mut Netlink| {
        configure(inside, endpoint)?;
        link::up_by_index(inside, LOOPBACK_INDEX, "lo")
    };
    match &endpoint.wire {
        Wire::Bridge => {}
        Wire::Macvlan { parent, mode } => {
            wire::macvlan(&mut host, netns, endpoint, parent, *mode)?;
            return up(&mut inside);
        }
        Wire::Ptp => {
            wire::ptp(&mut host, netns, endpoint, other)?;
            return up(&mut inside);
        }
    }
    let name = &endpoint.bridge.name;
    let bridge = link::find(&mut host, name)?.ok_or_else(|| link::missing(name))?;
    let peer = VethPeer { name: &endpoint.interface, mac: endpoint.mac, netns };
    let name = create(&mut host, &endpoint.label(), &bridge, &peer)?;
    // Where br_netfilter is loaded, what a container sends to its own published port is bridged, not routed.
    let hairpin = !endpoint.ports.is_empty();
    let result = link::mark_port(&mut host, &name, &alias(&endpoint.label()), hairpin)
        .and_then(|()| link::find(&mut host, &name)?.ok_or_else(|| link::missing(&name)))
        .and_then(|link| guard::guard(&mut host, &bridge, &link, endpoint))
        .and_then(|()| up(&mut inside));
    if result.is_err() {
        // The first failure says more than one of the clean-up.
        if let Ok(Some(link)) = link::find(&mut host, &name) {
            let _ = link::delete(&mut host, &link);
        }
    }
    result
}

/// Sets `lo` up, all that a container without network gets.
///
/// # Errors
/// When the namespace cannot be entered.
pub fn loopback_up(netns: BorrowedFd<'_>) -> Result<(), Error> {
    link::up_by_index(&mut Netlink::route_in(netns)?, LOOPBACK_INDEX, "lo")
}

/// Removes the endpoint's rules and its link. What is gone already, with its container or its bridge, is fine.
/// The address is the allocator's to release. `netns` is the container's, where it still runs.
///
/// Removing a link takes some 15 ms, nearly all of it waiting for other processors (`rcu_barrier`). Where the
/// container's network namespace has ended, [`unpublish`] does.
///
/// # Errors
/// Whatever the kernel refuses; the link is removed also when the rules cannot be.
pub fn detach(netns: Option<BorrowedFd<'_>>, endpoint: &Endpoint) -> Result<(), Error> {
    // Kept open until the end, so that the two waits are one.
    let rules = unpublish(endpoint);
    if endpoint.wire != Wire::Bridge {
        if let Some(netns) = netns {
            let mut inside = Netlink::route_in(netns)?;
            if let Some(link) = link::find(&mut inside, &endpoint.interface)? {
                link::delete(&mut inside, &link)?;
            }
        }
        return rules.map(drop);
    }
    let mut netlink = Netlink::route()?;
    let label = endpoint.label();
    for attempt in 0..NAMES {
        if let Some(link) = link::find(&mut netlink, &name(&label, attempt))?
            && link.alias == Some(alias(&label))
            && !link.dying
        {
            link::delete(&mut netlink, &link)?;
        }
    }
    rules.map(drop)
}

/// Makes the endpoint the container's way to everywhere else, or no longer.
///
/// # Errors
/// Whatever the kernel refuses.
pub fn reroute(netns: BorrowedFd<'_>, endpoint: &Endpoint, on: bool) -> Result<(), Error> {
    let mut inside = Netlink::route_in(netns)?;
    let name = &endpoint.interface;
    let link = link::find(&mut inside, name)?.ok_or_else(|| link::missing(name))?;
    match on {
        true => default_routes(&mut inside, link.index, endpoint),
        false => route::remove_default(&mut inside, link.index, name),
    }
}

/// Removes the endpoint's rules alone. That is all there is to do for a container whose processes have ended when no
/// descriptor of its network namespace is open: the kernel removes both ends of the link with the namespace, within
/// some ten milliseconds, and nobody needs to wait for it.
///
/// # Errors
/// Whatever the kernel refuses.
pub fn unpublish(endpoint: &Endpoint) -> Result<Unpublished, Error> {
    nft::remove_ports(&endpoint.bridge.name, &endpoint.owner).map(Unpublished)
}

/// Rules that are gone but not yet freed: packets meet them no more. Dropping this waits for the kernel to free them,
/// up to some 10 ms if rules were removed, unless that much time has passed meanwhile; so drop it last.
pub struct Unpublished(#[expect(dead_code, reason = "held for the moment of its drop")] Option<Netlink>);

/// Sets the link inside up, with its addresses and routes.
pub(super) fn configure(inside: &mut Netlink, endpoint: &Endpoint) -> Result<(), Error> {
    let Endpoint { interface, bridge, .. } = endpoint;
    let link = link::find(inside, interface)?.ok_or_else(|| link::missing(interface))?;
    link::up_by_index(inside, link.index, interface)?;
    address::add(inside, link.index, interface, endpoint.address.into(), bridge.subnet.into())?;
    if let (Some(address), Some(range)) = (endpoint.address6, &bridge.ipv6) {
        address::add(inside, link.index, interface, address.into(), range.subnet.into())?;
    }
    match endpoint.default_route {
        true => default_routes(inside, link.index, endpoint),
        false => Ok(()),
    }
}

fn default_routes(inside: &mut Netlink, index: u32, endpoint: &Endpoint) -> Result<(), Error> {
    let Endpoint { interface, bridge, .. } = endpoint;
    route::default_via(inside, index, interface, bridge.gateway.into())?;
    match (&bridge.ipv6, endpoint.address6) {
        (Some(range), Some(_)) => route::default_via(inside, index, interface, range.gateway.into()),
        _ => Ok(()),
    }
}

/// Creates the pair under the first name that is free, or was the same owner's.
fn create(host: &mut Netlink, owner: &str, bridge: &Link, peer: &VethPeer<'_>) -> Result<String, Error> {
    for attempt in 0..NAMES {
        let name = name(owner, attempt);
        if link::create_veth(host, &name, bridge, peer)? {
            return Ok(name);
        }
        match link::find(host, &name)? {
            Some(link) if link.alias == Some(alias(owner)) => link::delete(host, &link)?,
            Some(_) => continue,
            None => {}
        }
        if link::create_veth(host, &name, bridge, peer)? {
            return Ok(name);
        }
    }
    Err(Error::NoLinkName { owner: owner.to_owned() })
}

/// "ve" and ten hexadecimal digits; another set for each attempt.
fn name(owner: &str, attempt: u8) -> String {
    let digest = Sha256::new().chain_update([attempt]).chain_update(owner).finalize();
    format!("ve{}", hex::encode(&digest[..5]))
}

/// What marks a link as the owner's.
fn alias(owner: &str) -> String {
    format!("lay {}", tag(owner))
}

/// The owner in few enough bytes for a link's alias and a rule's comment, and no other owner's.
pub(super) fn tag(owner: &str) -> Cow<'_, str> {
    const LONGEST: usize = 100;
    if owner.len() <= LONGEST {
        return Cow::Borrowed(owner);
    }
    Cow::Owned(hex::encode(Sha256::digest(owner)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_names_fit_and_differ() {
        let names: Vec<String> = (0..NAMES).map(|n| name("c0ffee", n)).collect();
        for (n, name) in names.iter().enumerate() {
            link::check_name(name).unwrap();
            assert_eq!(name.len(), 12);
            assert!(!names[..n].contains(name));
        }
        assert_ne!(name("c0ffee", 0), name("c0ffef", 0));
    }

    #[test]
    fn long_owners_stay_apart() {
        assert_eq!(tag("c0ffee"), "c0ffee");
        let long = "x".repeat(300);
        assert_eq!(tag(&long).len(), 64);
        assert_ne!(tag(&long), tag(&long[1..]));
    }
}
