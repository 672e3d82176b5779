//! Routes.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::error::Error;
use super::socket::Netlink;

/// Sends everything without a better route through `gateway` on the link.
pub(super) fn default_via(
    netlink: &mut Netlink,
    index: u32,
    link: &str,
    gateway: IpAddr,
) -> Result<(), Error> {
    let mut message = RouteMessage::default();
    let (family, via) = match gateway {
        IpAddr::V4(address) => (AddressFamily::Inet, RouteAddress::Inet(address)),
        IpAddr::V6(address) => (AddressFamily::Inet6, RouteAddress::Inet6(address)),
    };
    message.header.address_family = family;
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::Boot;
    message.header.scope = RouteScope::Universe;
    message.header.kind = RouteType::Unicast;
    message.attributes = vec![RouteAttribute::Gateway(via), RouteAttribute::Oif(index)];
    netlink.request(RouteNetlinkMessage::NewRoute(message), NLM_F_CREATE | NLM_F_REPLACE).map_err(
        |source| Error::Address {
            operation: "add default route via",
            address: gateway.to_string(),
            link: link.to_owned(),
            source,
        },
    )?;
    Ok(())
}

/// Takes the default routes of both families on the link away; having none is fine.
pub(super) fn remove_default(netlink: &mut Netlink, index: u32, link: &str) -> Result<(), Error> {
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let mut message = RouteMessage::default();
        message.header.address_family = family;
        message.header.table = RouteHeader::RT_TABLE_MAIN;
        message.attributes = vec![RouteAttribute::Oif(index)];
        match netlink.request(RouteNetlinkMessage::DelRoute(message), 0) {
            Err(e) if e.raw_os_error() != Some(libc::ESRCH) => {
                let (operation, link) = ("remove default route", link.to_owned());
                return Err(Error::Address { operation, address: String::new(), link, source: e });
            }
            _ => {}
        }
    }
    Ok(())
}

/// The destinations that this host has routes to, but for the default ones and single addresses.
///
/// # Errors
/// Whatever the kernel refuses.
pub fn routed() -> Result<Vec<IpNet>, Error> {
    let mut netlink = Netlink::route()?;
    let mut found = Vec::new();
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let mut message = RouteMessage::default();
        message.header.address_family = family;
        let replies = netlink
            .dump(&RouteNetlinkMessage::GetRoute(message))
            .map_err(|source| Error::Link { operation: "list routes of", link: "*".to_owned(), source })?;
        found.extend(replies.iter().filter_map(destination));
    }
    Ok(found)
}

fn destination(reply: &RouteNetlinkMessage) -> Option<IpNet> {
    let RouteNetlinkMessage::NewRoute(route) = reply else { return None };
    let length = route.header.destination_prefix_length;
    let address = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Destination(RouteAddress::Inet(address)) => Some(IpAddr::V4(*address)),
        RouteAttribute::Destination(RouteAddress::Inet6(address)) => Some(IpAddr::V6(*address)),
        _ => None,
    })?;
    let net = IpNet::new(address, length).ok()?;
    (length > 0 && length < net.max_prefix_len()).then_some(net)
}
