//! Routes.

use std::net::Ipv4Addr;

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
    gateway: Ipv4Addr,
) -> Result<(), Error> {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet;
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::Boot;
    message.header.scope = RouteScope::Universe;
    message.header.kind = RouteType::Unicast;
    message.attributes =
        vec![RouteAttribute::Gateway(RouteAddress::Inet(gateway)), RouteAttribute::Oif(index)];
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
