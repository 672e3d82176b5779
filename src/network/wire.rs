//! How an endpoint hangs on its network: by a bridge's port, beside a link of the host, or by a pair of its own.

use std::os::fd::BorrowedFd;

use netlink_packet_route::link::{InfoKind, MacVlanMode};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::endpoint::Endpoint;
use super::error::Error;
use super::link::{self, VethPeer};
use super::socket::Netlink;

/// What carries an endpoint's frames.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wire {
    /// A veth pair with one end in the bridge.
    #[default]
    Bridge,
    /// A link of its own on top of one of the host's, which no rule and no address of the host is on.
    Macvlan {
        /// The host's link.
        parent: String,
        /// How those on the same parent see each other.
        #[serde(default)]
        mode: MacvlanMode,
    },
    /// A veth pair between two containers.
    Ptp,
}

/// How macvlan links of one parent see each other (ip-link(8)).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MacvlanMode {
    /// Directly.
    #[default]
    Bridge,
    /// Not at all.
    Private,
    /// By way of the switch beyond the parent.
    Vepa,
    /// The only one on its parent, with the parent's address.
    Passthru,
}

impl MacvlanMode {
    /// Reads the mode by the name that `ip link` gives it.
    pub fn parse(text: &str) -> Option<MacvlanMode> {
        Some(match text {
            "bridge" => MacvlanMode::Bridge,
            "private" => MacvlanMode::Private,
            "vepa" => MacvlanMode::Vepa,
            "passthru" => MacvlanMode::Passthru,
            _ => return None,
        })
    }

    fn kernel(self) -> MacVlanMode {
        match self {
            MacvlanMode::Bridge => MacVlanMode::Bridge,
            MacvlanMode::Private => MacVlanMode::Private,
            MacvlanMode::Vepa => MacVlanMode::Vepa,
            MacvlanMode::Passthru => MacVlanMode::Passthrough,
        }
    }
}

/// Makes a macvlan link on the parent, inside the container.
pub(super) fn macvlan(
    host: &mut Netlink,
    netns: BorrowedFd<'_>,
    endpoint: &Endpoint,
    parent: &str,
    mode: MacvlanMode,
) -> Result<(), Error> {
    let found = link::find(host, parent)?.ok_or_else(|| link::missing(parent))?;
    let peer = VethPeer { name: &endpoint.interface, mac: endpoint.mac, netns };
    link::create_macvlan(host, &found, endpoint.bridge.mtu, &peer, mode.kernel())
}

/// Takes the free end of the network's pair, or makes a pair whose other end waits on the host for the second container.
/// `other` is the namespace and endpoint of the first one, where that one runs but its pair is gone: both get a new one.
pub(super) fn ptp(
    host: &mut Netlink,
    netns: BorrowedFd<'_>,
    endpoint: &Endpoint,
    other: Option<(BorrowedFd<'_>, &Endpoint)>,
) -> Result<(), Error> {
    let waiting = waiting_name(&endpoint.bridge.name);
    let peer = VethPeer { name: &endpoint.interface, mac: endpoint.mac, netns };
    if let Some(found) = link::find(host, &waiting)?.filter(|link| link.kind == Some(InfoKind::Veth)) {
        match !found.dying && other.is_some() {
            true => return link::hand_over(host, &found, &peer),
            // The first container's, which is gone or on its way.
            false => link::delete(host, &found)?,
        }
    }
    match other {
        None => link::create_pair(host, &waiting, endpoint.bridge.mtu, &peer),
        Some((there, theirs)) => {
            link::create_pair(host, &waiting, endpoint.bridge.mtu, &peer)?;
            let found = link::find(host, &waiting)?.ok_or_else(|| link::missing(&waiting))?;
            link::hand_over(
                host,
                &found,
                &VethPeer { name: &theirs.interface, mac: theirs.mac, netns: there },
            )?;
            super::endpoint::configure(&mut Netlink::route_in(there)?, theirs)
        }
    }
}

/// Whether there is a link of that name.
///
/// # Errors
/// [`Error::Link`] with `ENODEV` where there is none.
pub fn check_link(name: &str) -> Result<(), Error> {
    link::check_name(name)?;
    link::find(&mut Netlink::route()?, name)?.map(drop).ok_or_else(|| link::missing(name))
}

/// Removes the end that waits for a second container, and with it the first one's; one that is gone already is fine.
///
/// # Errors
/// Whatever the kernel refuses.
pub fn remove_waiting(network: &str) -> Result<(), Error> {
    let mut host = Netlink::route()?;
    match link::find(&mut host, &waiting_name(network))? {
        Some(link) if link.kind == Some(InfoKind::Veth) => link::delete(&mut host, &link),
        _ => Ok(()),
    }
}

/// "pp" and ten hexadecimal digits.
fn waiting_name(network: &str) -> String {
    format!("pp{}", hex::encode(&Sha256::digest(network)[..5]))
}
