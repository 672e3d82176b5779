//! Addresses on links.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{AddressAttribute, AddressMessage, AddressScope};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::error::Error;
use super::socket::Netlink;

/// Gives the link an address in a subnet; one that is there already is fine.
pub(super) fn add(
    netlink: &mut Netlink,
    index: u32,
    link: &str,
    address: Ipv4Addr,
    subnet: Ipv4Net,
) -> Result<(), Error> {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.prefix_len = subnet.prefix_len();
    message.header.index = index;
    message.attributes = vec![
        AddressAttribute::Local(IpAddr::V4(address)),
        AddressAttribute::Address(IpAddr::V4(address)),
        AddressAttribute::Broadcast(subnet.broadcast()),
    ];
    match netlink.request(RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL) {
        Err(e) if e.raw_os_error() != Some(libc::EEXIST) => Err(Error::Address {
            operation: "add address",
            address: format!("{address}/{}", subnet.prefix_len()),
            link: link.to_owned(),
            source: e,
        }),
        _ => Ok(()),
    }
}

/// Indices of the links that have an IPv4 address which is valid beyond the link.
pub(super) fn addressed_links(netlink: &mut Netlink) -> Result<Vec<u32>, Error> {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    let replies = netlink.dump(&RouteNetlinkMessage::GetAddress(message)).map_err(|source| Error::Link {
        operation: "list addresses of",
        link: "*".to_owned(),
        source,
    })?;
    let mut links: Vec<u32> = replies
        .iter()
        .filter_map(|reply| match reply {
            RouteNetlinkMessage::NewAddress(m) if m.header.scope == AddressScope::Universe => {
                Some(m.header.index)
            }
            _ => None,
        })
        .collect();
    links.sort_unstable();
    links.dedup();
    Ok(links)
}
