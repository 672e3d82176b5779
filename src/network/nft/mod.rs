//! nftables: one table `inet lay-<bridge>` a bridge, made, changed and removed in atomic batches. Other tables are
//! never touched. Its chains:
//!
//! - `raw` (before connection tracking): drops forged sources and what is sent to the host's loopback;
//! - `prerouting`, `output`: send what is for this host to `ports`, which has a `dnat` rule for each published port,
//!   with the endpoint's owner as comment, by which it is found and removed;
//! - `postrouting`: masquerades what leaves for the world, hairpins and connections from 127.0.0.1;
//! - `redirects`: keeps ICMP redirects off the bridge;
//! - `forward`: lets in only answers and published ports; networks do not reach each other;
//! - `input`, of internal networks alone: keeps containers from the host's services.

mod expr;
mod message;
mod names;
mod table;

use netlink_packet_core::NLM_F_CREATE;
use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use self::expr::{Is, Rule, link_name};
use self::message::{Batch, Read, get, kind, text};
pub(super) use self::names::lead_to_names;
pub(super) use self::table::{OPENED, OPENED6};
use self::table::{PORTS, in_chain};
use super::bridge::Bridge;
use super::endpoint::{Endpoint, tag};
use super::error::Error;
use super::port::PortMapping;
use super::socket::Netlink;

const PREFIX: &str = "lay-";
/// Attempts to delete rules while others change the table.
const ATTEMPTS: usize = 16;

/// Name of a bridge's table.
pub(super) fn table_name(bridge: &str) -> String {
    format!("{PREFIX}{bridge}")
}

/// Bridge of a table named by [`table_name`].
pub(super) fn bridge_of(table: &str) -> &str {
    table.strip_prefix(PREFIX).unwrap_or(table)
}

/// Creates the bridge's table unless it is there.
pub(super) fn ensure_table(bridge: &Bridge) -> Result<(), Error> {
    let table = table_name(&bridge.name);
    let wanted = describe(bridge);
    if check_table(&table, &wanted)? {
        return Ok(());
    }
    match table::create(&table, bridge, &wanted).commit()? {
        // Someone was faster.
        Err(e) if e.raw_os_error() == Some(libc::EEXIST) => check_table(&table, &wanted).map(drop),
        result => result.map_err(failed("create", &table)),
    }
}

/// What a table's comment says.
fn describe(bridge: &Bridge) -> String {
    let mut text = bridge.subnet.to_string();
    if let Some(range) = &bridge.ipv6 {
        text.push_str(&format!(" {}", range.subnet));
    }
    if bridge.internal {
        text.push_str(" internal");
    }
    text
}

/// Whether the table is there; its comment says for which subnet.
fn check_table(table: &str, wanted: &str) -> Result<bool, Error> {
    let replies = match get(kind::GET_TABLE, false, |a| {
        a.text(1, table);
    })? {
        Err(e) if e.raw_os_error() == Some(libc::ENOENT) => return Ok(false),
        result => result.map_err(failed("look up", table))?,
    };
    // Kernels before 5.10 do not keep it.
    let found = replies.first().and_then(|reply| Read::reply(reply).value(6)).and_then(read_comment);
    match found {
        Some(found) if found != wanted => {
            Err(Error::TableConflict { table: table.to_owned(), found, wanted: wanted.to_owned() })
        }
        _ => Ok(true),
    }
}

/// Removes the bridge's table with all that is in it; one that is gone already is fine.
pub(super) fn remove_table(bridge: &Bridge) -> Result<(), Error> {
    let table = table_name(&bridge.name);
    let mut batch = Batch::default();
    batch.push(kind::DELETE_TABLE, 0, |a| {
        a.text(1, &table);
    });
    gone_is_fine(batch.commit()?).map_err(failed("delete", &table))
}

/// Names of all tables of ours.
pub(super) fn tables() -> Result<Vec<String>, Error> {
    let replies = get(kind::GET_TABLE, true, |_| {})?.map_err(failed("list", "*"))?;
    let names = replies.iter().filter_map(|reply| Read::reply(reply).value(1)).map(text);
    Ok(names.filter(|name| name.starts_with(PREFIX)).collect())
}

/// Adds rules that lead the host's ports to the endpoint, before those that are there.
pub(super) fn add_ports(endpoint: &Endpoint, ports: &[PortMapping]) -> Result<(), Error> {
    let table = table_name(&endpoint.bridge.name);
    let owner = &endpoint.owner;
    let mut batch = Batch::default();
    for port in ports {
        let Some(address) = endpoint.address_like(port.host_address) else { continue };
        let mut rule = Rule::default().family_of(address);
        match port.host_address {
            // The kernel would not let the answer back there by another link: a socket gets it.
            IpAddr::V6(Ipv6Addr::LOCALHOST) => continue,
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {
                rule = rule.destination(Is::Different, IpAddr::V6(Ipv6Addr::LOCALHOST));
            }
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => {}
            one => rule = rule.destination(Is::Equal, one),
        }
        let rule = rule.port(port.protocol, port.host_port).redirect(address, port.container_port);
        // Without NLM_F_APPEND it becomes the first: what an endpoint that was not detached left cannot shadow it.
        batch.push(kind::NEW_RULE, NLM_F_CREATE, |a| {
            in_chain(a, &table, PORTS, rule);
            a.bytes(7, &comment(&tag(owner)));
        });
    }
    batch.commit()?.map_err(failed("add ports to", &table))
}

/// Removes the rules of `owner`, and no others; it is fine if there are none, or no table.
/// Closing the socket that is returned waits until the kernel has freed them.
pub(super) fn remove_ports(bridge: &str, owner: &str) -> Result<Option<Netlink>, Error> {
    let table = table_name(bridge);
    let wanted = comment(&tag(owner));
    let mut last = Ok(None);
    for _ in 0..ATTEMPTS {
        let mut batch = Batch::default();
        for handle in handles(&table, &wanted)? {
            batch.push(kind::DELETE_RULE, 0, |a| {
                a.text(1, &table).text(2, PORTS).bytes(3, &handle);
            });
        }
        last = batch.commit_open()?;
        // A rule vanished since it was listed: nothing of the batch was done.
        if !matches!(&last, Err(e) if e.raw_os_error() == Some(libc::ENOENT)) {
            break;
        }
    }
    last.map_err(failed("remove ports from", &table))
}

/// Handles of the rules with that userdata.
fn handles(table: &str, userdata: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    let listed = get(kind::GET_RULE, true, |a| {
        a.text(1, table).text(2, PORTS);
    })?;
    let replies = match listed {
        Err(e) if e.raw_os_error() == Some(libc::ENOENT) => return Ok(Vec::new()),
        result => result.map_err(failed("list ports of", table))?,
    };
    Ok(replies
        .iter()
        // Old kernels ignore the filter.
        .filter(|reply| Read::reply(reply).value(1).map(text).as_deref() == Some(table))
        .filter(|reply| Read::reply(reply).value(7) == Some(userdata))
        .filter_map(|reply| Read::reply(reply).value(3).map(<[u8]>::to_vec))
        .collect())
}

/// Uplinks that were made to forward for this bridge.
pub(super) fn opened(bridge: &str, set: &str) -> Result<BTreeSet<String>, Error> {
    let table = table_name(bridge);
    let listed = get(kind::GET_ELEMENT, true, |a| {
        a.text(1, &table).text(2, set);
    })?;
    let replies = match listed {
        Err(e) if e.raw_os_error() == Some(libc::ENOENT) => return Ok(BTreeSet::new()),
        result => result.map_err(failed("list uplinks of", &table))?,
    };
    let elements = replies.iter().filter_map(|reply| Read::reply(reply).value(3)).flat_map(Read::nested);
    let keys = elements.filter_map(|(_, element)| Read::nested(element).value(1));
    Ok(keys.filter_map(|key| Read::nested(key).value(1)).map(text).collect())
}

/// Remembers uplinks that are made to forward.
pub(super) fn add_opened(bridge: &str, set: &str, links: &[&String]) -> Result<(), Error> {
    let table = table_name(bridge);
    let mut batch = Batch::default();
    batch.push(kind::NEW_ELEMENT, NLM_F_CREATE, |a| {
        a.text(1, &table).text(2, set).nest(3, |a| {
            for link in links {
                a.nest(1, |a| {
                    a.data(1, &link_name(link));
                });
            }
        });
    });
    batch.commit()?.map_err(failed("add uplinks to", &table))
}

/// Forgets all of them.
pub(super) fn clear_opened(bridge: &str, set: &str) -> Result<(), Error> {
    let table = table_name(bridge);
    let mut batch = Batch::default();
    batch.push(kind::DELETE_ELEMENT, 0, |a| {
        a.text(1, &table).text(2, set);
    });
    gone_is_fine(batch.commit()?).map_err(failed("clear uplinks of", &table))
}

fn gone_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(e) if e.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        other => other,
    }
}

/// Userdata that `nft list` shows as comment: type 0, length with the NUL, text. At most 127 bytes are kept.
fn comment(content: &str) -> Vec<u8> {
    let content = &content.as_bytes()[..content.len().min(127)];
    let mut userdata = vec![0, content.len() as u8 + 1];
    userdata.extend_from_slice(content);
    userdata.push(0);
    userdata
}

fn read_comment(userdata: &[u8]) -> Option<String> {
    match userdata {
        [0, length, rest @ ..] => rest.get(..usize::from(*length)).map(text),
        _ => None,
    }
}

fn failed(operation: &'static str, table: &str) -> impl FnOnce(io::Error) -> Error {
    let table = table.to_owned();
    move |source| Error::Nft { operation, table, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_written_as_nft_reads_them() {
        assert_eq!(comment("ab"), [0, 3, b'a', b'b', 0]);
        assert_eq!(read_comment(&comment("10.99.0.0/24")).as_deref(), Some("10.99.0.0/24"));
        assert_eq!(read_comment(&[0, 9, 1]), None);
    }
}
