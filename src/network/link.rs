//! Links: look up, create, change, delete (rtnetlink(7)).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoBridgePort, InfoData, InfoKind, InfoMacVlan, InfoPortData, InfoPortKind, InfoVeth, LinkAttribute,
    LinkFlags, LinkInfo, LinkMessage, MacVlanMode,
};

use super::error::Error;
use super::mac::Mac;
use super::socket::Netlink;

/// Longest link name (`IFNAMSIZ` without the final NUL).
pub(super) const NAME_MAX: usize = 15;

/// What is asked about a link.
#[derive(Debug, Clone)]
pub(super) struct Link {
    /// Index in its namespace.
    pub index: u32,
    /// Name.
    pub name: String,
    /// `IFF_UP` is set.
    pub up: bool,
    /// Largest packet, bytes.
    pub mtu: u32,
    /// Free text; ours say whose they are.
    pub alias: Option<String>,
    /// What it is, beyond a plain device.
    pub kind: Option<InfoKind>,
    /// Its peer is in a namespace that the kernel is taking down, and both with it.
    pub dying: bool,
}

impl Link {
    /// Whether it is a bridge.
    pub fn is_bridge(&self) -> bool {
        self.kind == Some(InfoKind::Bridge)
    }
}

/// One end of a new veth pair.
pub(super) struct VethPeer<'a> {
    /// Name inside its namespace.
    pub name: &'a str,
    /// Its hardware address.
    pub mac: Mac,
    /// Namespace it is created in.
    pub netns: BorrowedFd<'a>,
}

/// Refuses names that the kernel refuses, and those that would change a path below /proc/sys.
pub(super) fn check_name(name: &str) -> Result<(), Error> {
    let bad = |c: char| c == '/' || c == ':' || c == '%' || c.is_whitespace() || c.is_control();
    if name.is_empty() || name.len() > NAME_MAX || name == "." || name == ".." || name.contains(bad) {
        return Err(Error::LinkName(name.to_owned()));
    }
    Ok(())
}

/// The link of that name, if there is one.
pub(super) fn find(netlink: &mut Netlink, name: &str) -> Result<Option<Link>, Error> {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(name.to_owned()));
    one(netlink, message).map_err(failed("look up", name))
}

/// The link with that index, if there is one.
pub(super) fn by_index(netlink: &mut Netlink, index: u32) -> Result<Option<Link>, Error> {
    let mut message = LinkMessage::default();
    message.header.index = index;
    one(netlink, message).map_err(|source| failed("look up", &index.to_string())(source))
}

fn one(netlink: &mut Netlink, message: LinkMessage) -> io::Result<Option<Link>> {
    match netlink.request(RouteNetlinkMessage::GetLink(message), 0) {
        Ok(replies) => Ok(replies.into_iter().find_map(describe)),
        Err(e) if e.raw_os_error() == Some(libc::ENODEV) => Ok(None),
        Err(e) => Err(e),
    }
}

fn describe(message: RouteNetlinkMessage) -> Option<Link> {
    let RouteNetlinkMessage::NewLink(message) = message else { return None };
    let mut link = Link {
        index: message.header.index,
        name: String::new(),
        up: message.header.flags.contains(LinkFlags::Up),
        mtu: 0,
        alias: None,
        kind: None,
        dying: false,
    };
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::Mtu(mtu) => link.mtu = mtu,
            LinkAttribute::IfAlias(alias) => link.alias = Some(alias),
            // NETNSA_NSID_NOT_ASSIGNED: a live namespace would have been given a number for this answer.
            LinkAttribute::LinkNetNsId(id) => link.dying = id == -1,
            LinkAttribute::LinkInfo(info) => {
                link.kind = info.into_iter().find_map(|info| match info {
                    LinkInfo::Kind(kind) => Some(kind),
                    _ => None,
                });
            }
            _ => {}
        }
    }
    Some(link)
}

/// Creates a bridge, down. `Ok(false)`: a link of that name is there already.
pub(super) fn create_bridge(
    netlink: &mut Netlink,
    name: &str,
    mac: Mac,
    mtu: Option<u32>,
) -> Result<bool, Error> {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(name.to_owned()));
    // A fixed address: else the bridge's would change with every port that comes and goes.
    message.attributes.push(LinkAttribute::Address(mac.octets().to_vec()));
    message.attributes.extend(mtu.map(LinkAttribute::Mtu));
    message.attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge)]));
    create(netlink, name, message)
}

/// Creates a veth pair: `name` as a port of `bridge` and up, its peer already in the other namespace.
/// The peer cannot be set up before the two are joined, which is after the kernel reads its flags (veth_open).
/// `Ok(false)`: a link of that name is there already.
pub(super) fn create_veth(
    netlink: &mut Netlink,
    name: &str,
    bridge: &Link,
    peer: &VethPeer<'_>,
) -> Result<bool, Error> {
    let mut message = veth(name, Some(bridge.mtu), peer);
    message.attributes.push(LinkAttribute::Controller(bridge.index));
    create(netlink, name, message)
}

/// Creates a veth pair: `name` here and up, its peer in the other namespace.
pub(super) fn create_pair(
    netlink: &mut Netlink,
    name: &str,
    mtu: Option<u32>,
    peer: &VethPeer<'_>,
) -> Result<(), Error> {
    exclusive(netlink, name, veth(name, mtu, peer))
}

/// A veth pair: `name` here and up, and its peer.
fn veth(name: &str, mtu: Option<u32>, peer: &VethPeer<'_>) -> LinkMessage {
    let mut message = LinkMessage::default();
    set_up(&mut message);
    message.attributes.push(LinkAttribute::IfName(name.to_owned()));
    message.attributes.extend(mtu.map(LinkAttribute::Mtu));
    message.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Veth),
        LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer.message(mtu)))),
    ]));
    message
}

/// Creates a macvlan link in the other namespace, on top of a link of this one.
pub(super) fn create_macvlan(
    netlink: &mut Netlink,
    parent: &Link,
    mtu: Option<u32>,
    peer: &VethPeer<'_>,
    mode: MacVlanMode,
) -> Result<(), Error> {
    let mut message = peer.message(mtu);
    message.attributes.push(LinkAttribute::Link(parent.index));
    message.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::MacVlan),
        LinkInfo::Data(InfoData::MacVlan(vec![InfoMacVlan::Mode(mode)])),
    ]));
    exclusive(netlink, peer.name, message)
}

/// Moves a link of this namespace into another, with another name and address; it is down then.
pub(super) fn hand_over(netlink: &mut Netlink, link: &Link, to: &VethPeer<'_>) -> Result<(), Error> {
    let mut message = to.message(None);
    message.header.index = link.index;
    message.header.change_mask = LinkFlags::Up;
    netlink.request(RouteNetlinkMessage::SetLink(message), 0).map_err(failed("hand over", &link.name))?;
    Ok(())
}

/// A link that should be there.
pub(super) fn missing(link: &str) -> Error {
    failed("find", link)(io::Error::from_raw_os_error(libc::ENODEV))
}

impl VethPeer<'_> {
    fn message(&self, mtu: Option<u32>) -> LinkMessage {
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::IfName(self.name.to_owned()));
        message.attributes.push(LinkAttribute::Address(self.mac.octets().to_vec()));
        message.attributes.extend(mtu.map(LinkAttribute::Mtu));
        message.attributes.push(LinkAttribute::NetNsFd(self.netns.as_raw_fd()));
        message
    }
}

fn exclusive(netlink: &mut Netlink, name: &str, message: LinkMessage) -> Result<(), Error> {
    match create(netlink, name, message)? {
        true => Ok(()),
        false => Err(failed("create", name)(io::Error::from_raw_os_error(libc::EEXIST))),
    }
}

fn create(netlink: &mut Netlink, name: &str, message: LinkMessage) -> Result<bool, Error> {
    match netlink.request(RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL) {
        Ok(_) => Ok(true),
        Err(e) if e.raw_os_error() == Some(libc::EEXIST) => Ok(false),
        Err(e) => Err(failed("create", name)(e)),
    }
}

/// Sets the link up.
pub(super) fn up(netlink: &mut Netlink, link: &str) -> Result<(), Error> {
    let mut message = LinkMessage::default();
    set_up(&mut message);
    message.attributes.push(LinkAttribute::IfName(link.to_owned()));
    netlink.request(RouteNetlinkMessage::SetLink(message), 0).map_err(failed("set up", link))?;
    Ok(())
}

/// Gives a bridge's port an alias. With `hairpin`, frames may leave by the port they came from.
pub(super) fn mark_port(netlink: &mut Netlink, link: &str, alias: &str, hairpin: bool) -> Result<(), Error> {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(link.to_owned()));
    message.attributes.push(LinkAttribute::IfAlias(alias.to_owned()));
    if hairpin {
        message.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::PortKind(InfoPortKind::Bridge),
            LinkInfo::PortData(InfoPortData::BridgePort(vec![InfoBridgePort::HairpinMode(true)])),
        ]));
    }
    // RTM_SETLINK does not look at the port's data.
    netlink.request(RouteNetlinkMessage::NewLink(message), 0).map_err(failed("mark", link))?;
    Ok(())
}

/// Sets the link with that index up.
pub(super) fn up_by_index(netlink: &mut Netlink, index: u32, link: &str) -> Result<(), Error> {
    let mut message = LinkMessage::default();
    set_up(&mut message);
    message.header.index = index;
    netlink.request(RouteNetlinkMessage::SetLink(message), 0).map_err(failed("set up", link))?;
    Ok(())
}

/// Deletes a link; one that is gone already is fine.
pub(super) fn delete(netlink: &mut Netlink, link: &Link) -> Result<(), Error> {
    let mut message = LinkMessage::default();
    message.header.index = link.index;
    match netlink.request(RouteNetlinkMessage::DelLink(message), 0) {
        Err(e) if e.raw_os_error() != Some(libc::ENODEV) => Err(failed("delete", &link.name)(e)),
        _ => Ok(()),
    }
}

fn set_up(message: &mut LinkMessage) {
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
}

fn failed(operation: &'static str, link: &str) -> impl FnOnce(io::Error) -> Error {
    let link = link.to_owned();
    move |source| Error::Link { operation, link, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_leave_their_place_are_refused() {
        for bad in ["", ".", "..", "a/b", "a b", "a\n", "a:1", "%d", "sixteen-letters!"] {
            assert!(matches!(check_name(bad), Err(Error::LinkName(_))), "{bad:?}");
        }
        for good in ["lay0", "br-0123456789ab", "a.b"] {
            check_name(good).unwrap();
        }
    }
}
