//! Addresses on links.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage, AddressScope};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::error::Error;
use super::socket::Netlink;

/// Gives the link an address in a subnet; one that is there already is fine.
pub(super) fn add(
    netlink: &mut Netlink,
    index: u32,
    link: &str,
    address: IpAddr,
    subnet: IpNet,
) -> Result<(), Error> {
    let mut message = AddressMessage::default();
    message.header.prefix_len = subnet.prefix_len();
    message.header.index = index;
    message.attributes = vec![AddressAttribute::Local(address), AddressAttribute::Address(address)];
    match subnet {
        IpNet::V4(subnet) => {
            message.header.family = AddressFamily::Inet;
            message.attributes.push(AddressAttribute::Broadcast(subnet.broadcast()));
        }
        IpNet::V6(_) => {
            message.header.family = AddressFamily::Inet6;
            // Nobody else was given it, and an address that is still being asked about cannot be used.
            message.header.flags = AddressHeaderFlags::Nodad;
        }
    }
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

/// Indices of the links that have an address of the family which is valid beyond the link.
pub(super) fn addressed_links(netlink: &mut Netlink, family: AddressFamily) -> Result<Vec<u32>, Error> {
    let mut message = AddressMessage::default();
    message.header.family = family;
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
