//! Forwarding, for as few links as will do.
//!
//! The kernel asks the link at which a packet *comes in* whether it forwards (`net.ipv4.conf.<link>.forwarding`);
//! `net.ipv4.ip_forward` only sets it for all links. A container's packets come in at the bridge, so the bridge
//! forwards. The answers come in at the uplink, and are routed on to the container after the masquerading has been
//! undone: so the uplinks must forward as well. Uplinks are the links with an IPv4 address that is valid beyond the
//! link, since whatever the host reaches the containers shall reach too, and published ports are reached through them.
//!
//! A host that did not route before shall not become its neighbours' router by that. The links that were switched on
//! here are kept in the set `opened` of the bridge's table, and packets from one of them to another are dropped.
//! Where `net.ipv4.ip_forward` is 1 the host is a router by its owner's will, and the set is emptied.
//!
//! IPv6 asks `net.ipv6.conf.all.forwarding`, or since Linux 6.17 the link's `force_forwarding`; the set is `opened6`.

use std::collections::BTreeSet;

use netlink_packet_route::AddressFamily;

use super::bridge::Bridge;
use super::error::Error;
use super::socket::Netlink;
use super::{address, link, nft, sysctl};

/// The protocol whose packets are forwarded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ip {
    V4,
    V6,
}

impl Ip {
    /// Those that a bridge carries.
    fn of(bridge: &Bridge) -> &'static [Ip] {
        if bridge.ipv6.is_some() { &[Ip::V4, Ip::V6] } else { &[Ip::V4] }
    }

    fn set(self) -> &'static str {
        match self {
            Ip::V4 => nft::OPENED,
            Ip::V6 => nft::OPENED6,
        }
    }

    fn everywhere(self) -> bool {
        match self {
            Ip::V4 => sysctl::forwards_everywhere(),
            Ip::V6 => sysctl::forwards_ipv6_everywhere(),
        }
    }

    fn is_closed(self, link: &str) -> bool {
        match self {
            Ip::V4 => sysctl::is(link, "forwarding", "0"),
            Ip::V6 => sysctl::keeps_ipv6(link),
        }
    }

    fn switch(self, link: &str, on: bool) -> Result<(), Error> {
        let result = match self {
            Ip::V4 => sysctl::set(link, "forwarding", if on { "1" } else { "0" }).map(drop),
            Ip::V6 => sysctl::forward_ipv6(link, on),
        };
        // Uplinks may vanish at any moment.
        match result {
            Err(e) if e.errno() != Some(libc::ENOENT) => Err(e),
            _ => Ok(()),
        }
    }

    fn uplinks(self, netlink: &mut Netlink) -> Result<Vec<u32>, Error> {
        let family = match self {
            Ip::V4 => AddressFamily::Inet,
            Ip::V6 => AddressFamily::Inet6,
        };
        address::addressed_links(netlink, family)
    }
}

/// Lets packets leave by the uplinks and come back from them.
pub(super) fn open(netlink: &mut Netlink, bridge: &Bridge) -> Result<(), Error> {
    Ip::of(bridge).iter().try_for_each(|ip| open_for(netlink, bridge, *ip))
}

fn open_for(netlink: &mut Netlink, bridge: &Bridge, ip: Ip) -> Result<(), Error> {
    if ip.everywhere() {
        if !nft::opened(&bridge.name, ip.set())?.is_empty() {
            nft::clear_opened(&bridge.name, ip.set())?;
        }
        return Ok(());
    }
    if ip == Ip::V6 {
        // The link itself is not among the uplinks, and goes with all its settings.
        sysctl::forward_ipv6(&bridge.name, true)?;
    }
    let mut closed = Vec::new();
    let ours = nft::tables()?;
    for index in ip.uplinks(netlink)? {
        let Some(link) = link::by_index(netlink, index)? else { continue };
        // What hangs on another bridge of ours is not what this one's containers are to reach.
        let uplink = link.name != "lo" && !ours.contains(&nft::table_name(&link.name));
        if uplink && ip.is_closed(&link.name) {
            closed.push(link.name);
        }
    }
    // Bridges of ours share the uplinks: what another one opened is guarded and closed by the last.
    let others = opened_by_others(bridge, ip, &ours)?;
    let missing: Vec<&String> = if others.is_empty() && closed.is_empty() {
        Vec::new()
    } else {
        let own = nft::opened(&bridge.name, ip.set())?;
        closed.iter().chain(&others).filter(|link| !own.contains(*link)).collect()
    };
    if !missing.is_empty() {
        nft::add_opened(&bridge.name, ip.set(), &missing)?;
    }
    closed.iter().try_for_each(|link| ip.switch(link, true))
}

/// Switches off what was switched on, but for the uplinks that another bridge of ours needs and guards.
pub(super) fn close(bridge: &Bridge) -> Result<(), Error> {
    for ip in Ip::of(bridge).iter().filter(|ip| !ip.everywhere()) {
        let others = opened_by_others(bridge, *ip, &nft::tables()?)?;
        for link in nft::opened(&bridge.name, ip.set())?.difference(&others) {
            ip.switch(link, false)?;
        }
    }
    Ok(())
}

fn opened_by_others(bridge: &Bridge, ip: Ip, tables: &[String]) -> Result<BTreeSet<String>, Error> {
    let own = nft::table_name(&bridge.name);
    let mut links = BTreeSet::new();
    for table in tables.iter().filter(|table| **table != own) {
        links.extend(nft::opened(nft::bridge_of(table), ip.set())?);
    }
    Ok(links)
}
