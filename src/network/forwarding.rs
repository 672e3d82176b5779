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

use std::collections::BTreeSet;

use super::bridge::Bridge;
use super::error::Error;
use super::socket::Netlink;
use super::{address, link, nft, sysctl};

/// Lets packets come back from the uplinks.
pub(super) fn open(netlink: &mut Netlink, bridge: &Bridge) -> Result<(), Error> {
    if sysctl::forwards_everywhere() {
        if !nft::opened(&bridge.name)?.is_empty() {
            nft::clear_opened(&bridge.name)?;
        }
        return Ok(());
    }
    let mut closed = Vec::new();
    for index in address::addressed_links(netlink)? {
        let Some(link) = link::by_index(netlink, index)? else { continue };
        if link.name != "lo" && link.name != bridge.name && sysctl::is(&link.name, "forwarding", "0") {
            closed.push(link.name);
        }
    }
    // Bridges of ours share the uplinks: what another one opened is guarded and closed by the last.
    let others = opened_by_others(bridge)?;
    let missing: Vec<&String> = if others.is_empty() && closed.is_empty() {
        Vec::new()
    } else {
        let own = nft::opened(&bridge.name)?;
        closed.iter().chain(&others).filter(|link| !own.contains(*link)).collect()
    };
    if !missing.is_empty() {
        nft::add_opened(&bridge.name, &missing)?;
    }
    for link in closed {
        ignore_gone(sysctl::set(&link, "forwarding", "1"))?;
    }
    Ok(())
}

/// Switches off what was switched on, but for the uplinks that another bridge of ours needs and guards.
pub(super) fn close(bridge: &Bridge) -> Result<(), Error> {
    if sysctl::forwards_everywhere() {
        return Ok(());
    }
    let others = opened_by_others(bridge)?;
    for link in nft::opened(&bridge.name)?.difference(&others) {
        ignore_gone(sysctl::set(link, "forwarding", "0"))?;
    }
    Ok(())
}

fn opened_by_others(bridge: &Bridge) -> Result<BTreeSet<String>, Error> {
    let own = nft::table_name(&bridge.name);
    let mut links = BTreeSet::new();
    for table in nft::tables()?.iter().filter(|table| **table != own) {
        links.extend(nft::opened(nft::bridge_of(table))?);
    }
    Ok(links)
}

/// Uplinks may vanish at any moment.
fn ignore_gone(result: Result<bool, Error>) -> Result<(), Error> {
    match result {
        Err(e) if e.errno() != Some(libc::ENOENT) => Err(e),
        _ => Ok(()),
    }
}
