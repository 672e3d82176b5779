//! The rules of a bridge, in a table of their own.
//!
//! A packet that another table drops stays dropped: on a host whose `forward` policy is to drop, that table has to let
//! the bridge's packets through.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::bridge::Bridge;
use super::error::Error;
use super::nft::{Address, Batch, Chain, Hook, Rule, Verdict};

/// Turns among the chains of a hook (nft(8)): `raw`, `filter` and `srcnat`.
const RAW: i32 = -300;
const FILTER: i32 = 0;
const SRCNAT: i32 = 100;

/// Name of a bridge's table.
pub fn table(bridge: &Bridge) -> String {
    format!("lay-{}", bridge.name)
}

/// Makes the table where it is missing.
///
/// # Errors
/// [`Error::Netlink`].
pub fn ensure(bridge: &Bridge) -> Result<(), Error> {
    let table = table(bridge);
    let failed = || Error::netlink(format!("make the nftables table {table}"));
    if Batch::table_exists(&table).map_err(failed())? {
        return Ok(());
    }
    let mut batch = Batch::new(&table);
    batch.new_table();
    guard(&mut batch, bridge);
    forward(&mut batch, bridge);
    masquerade(&mut batch, bridge);
    match batch.commit() {
        // Another process was faster.
        Err(e) if e.raw_os_error() == Some(libc::EEXIST) => Ok(()),
        result => result.map_err(failed()),
    }
}

/// Deletes the table; one that is not there is no error.
///
/// # Errors
/// [`Error::Netlink`].
pub fn remove(bridge: &Bridge) -> Result<(), Error> {
    let table = table(bridge);
    let mut batch = Batch::new(&table);
    batch.delete_table();
    match batch.commit() {
        Err(e) if e.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        result => result.map_err(Error::netlink(format!("delete the nftables table {table}"))),
    }
}

fn loopback() -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)
}

/// No container reaches the host's loopback, which `route_localnet` would allow.
fn guard(batch: &mut Batch<'_>, bridge: &Bridge) {
    let name = "guard";
    batch.new_chain(Chain { name, kind: "filter", hook: Hook::Prerouting, priority: RAW });
    let rule = Rule::ipv4().coming_by(&bridge.name, true).in_net(Address::Destination, loopback());
    batch.new_rule(name, &rule.verdict(Verdict::Drop));
}

/// From outside comes in only what belongs to a connection from inside, or to a published port.
fn forward(batch: &mut Batch<'_>, bridge: &Bridge) {
    let name = "forward";
    batch.new_chain(Chain { name, kind: "filter", hook: Hook::Forward, priority: FILTER });
    let to_us = || Rule::new().leaving_by(&bridge.name, true);
    let rules = [
        to_us().coming_by(&bridge.name, true).verdict(Verdict::Accept),
        to_us().established().verdict(Verdict::Accept),
        to_us().redirected().verdict(Verdict::Accept),
        to_us().verdict(Verdict::Drop),
    ];
    rules.iter().for_each(|rule| batch.new_rule(name, rule));
}

/// What leaves the bridge leaves with the host's address; so does what reaches a container by a published port from
/// the host's loopback or from a container of the same bridge, else the answer would take another way.
fn masquerade(batch: &mut Batch<'_>, bridge: &Bridge) {
    let name = "postrouting";
    batch.new_chain(Chain { name, kind: "nat", hook: Hook::Postrouting, priority: SRCNAT });
    let rules = [
        Rule::ipv4().in_net(Address::Source, bridge.subnet).leaving_by(&bridge.name, false).masquerade(),
        Rule::ipv4().in_net(Address::Source, loopback()).leaving_by(&bridge.name, true).masquerade(),
        Rule::ipv4()
            .in_net(Address::Source, bridge.subnet)
            .leaving_by(&bridge.name, true)
            .redirected()
            .masquerade(),
    ];
    rules.iter().for_each(|rule| batch.new_rule(name, rule));
}
