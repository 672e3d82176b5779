//! A container's end of a network: a veth pair between its namespace and the bridge.

use std::borrow::Cow;
use std::net::Ipv4Addr;
use std::os::fd::BorrowedFd;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::bridge::Bridge;
use super::error::Error;
use super::link::{self, Link, VethPeer};
use super::mac::Mac;
use super::port::PortMapping;
use super::socket::{Netlink, visit};
use super::{address, nft, route, sysctl};

/// Name of the link inside the container.
const INSIDE: &str = "eth0";
/// The loopback link is the first of every namespace.
const LOOPBACK_INDEX: u32 = 1;
/// Names that are tried for one owner before giving up.
const NAMES: u8 = 4;

/// One container on one bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Container id: names the host's link, the rules and the address.
    pub owner: String,
    /// Where it hangs.
    pub bridge: Bridge,
    /// Its address in the bridge's subnet.
    pub address: Ipv4Addr,
    /// Its hardware address; [`super::mac_of`] the address by default.
    pub mac: Mac,
    /// Its published ports, as asked for.
    pub ports: Vec<PortMapping>,
}

/// Joins the network namespace to the bridge: `eth0` with address, hardware address, the bridge's MTU and the default
/// route, and `lo`, all up. What an earlier attempt of the same owner left is replaced.
///
/// The calling thread visits `netns` for a moment, for which it needs `CAP_SYS_ADMIN` over it.
///
/// # Errors
/// [`Error::Link`] with `ENODEV` when the bridge is missing ([`super::ensure_bridge`]); whatever the kernel refuses.
/// After an error nothing is left on the host.
pub fn attach(netns: BorrowedFd<'_>, endpoint: &Endpoint) -> Result<(), Error> {
    let mut host = Netlink::route()?;
    let bridge = link::find(&mut host, &endpoint.bridge.name)?.ok_or_else(|| Error::Link {
        operation: "find",
        link: endpoint.bridge.name.clone(),
        source: std::io::Error::from_raw_os_error(libc::ENODEV),
    })?;
    let mut inside = Netlink::route_in(netns)?;
    visit(netns, sysctl::ignore_advertisements)??;
    let peer = VethPeer { name: INSIDE, mac: endpoint.mac, netns };
    let name = create(&mut host, &endpoint.owner, &bridge, &peer)?;
    // Where br_netfilter is loaded, what a container sends to its own published port is bridged, not routed.
    let hairpin = !endpoint.ports.is_empty();
    let result = link::mark_port(&mut host, &name, &alias(&endpoint.owner), hairpin)
        .and_then(|()| configure(&mut inside, endpoint))
        .and_then(|()| link::up_by_index(&mut inside, LOOPBACK_INDEX, "lo"));
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
/// The address is the allocator's to release.
///
/// Removing a link takes some 15 ms, nearly all of it waiting for other processors (`rcu_barrier`). Where the
/// container's network namespace has ended, [`unpublish`] does.
///
/// # Errors
/// Whatever the kernel refuses; the link is removed also when the rules cannot be.
pub fn detach(endpoint: &Endpoint) -> Result<(), Error> {
    // Kept open until the end, so that the two waits are one.
    let rules = unpublish(endpoint);
    let mut netlink = Netlink::route()?;
    for attempt in 0..NAMES {
        if let Some(link) = link::find(&mut netlink, &name(&endpoint.owner, attempt))?
            && link.alias == Some(alias(&endpoint.owner))
            && !link.dying
        {
            link::delete(&mut netlink, &link)?;
        }
    }
    rules.map(drop)
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

fn configure(inside: &mut Netlink, endpoint: &Endpoint) -> Result<(), Error> {
    let Some(link) = link::find(inside, INSIDE)? else {
        let source = std::io::Error::from_raw_os_error(libc::ENODEV);
        return Err(Error::Link { operation: "find", link: INSIDE.to_owned(), source });
    };
    link::up_by_index(inside, link.index, INSIDE)?;
    address::add(inside, link.index, INSIDE, endpoint.address, endpoint.bridge.subnet)?;
    route::default_via(inside, link.index, INSIDE, endpoint.bridge.gateway)
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
