//! Networks of containers: bridge, veth pairs, addresses, nftables, published ports; all by netlink(7).
//!
//! Everything stands in the network namespace of the caller, who is single-threaded. Nothing here touches a link, a
//! rule or a setting that is not its own, but for one: packets come back to containers only if the link of the default
//! route forwards them, so its `forwarding` is switched on with the first container that has a way out.

mod allocator;
mod bridge;
mod endpoint;
mod error;
mod files;
mod holder;
mod mac;
mod nft;
mod port;
mod publish;
mod rules;
mod socket;
mod sysctl;

pub use allocator::Allocator;
pub use bridge::{Bridge, ensure_bridge, remove_bridge};
pub use endpoint::{Endpoint, attach, detach, loopback_up};
pub use error::Error;
pub use files::{hosts_file, resolv_conf};
pub use mac::{Mac, mac_of};
pub use port::{PortMapping, Protocol};
pub use publish::{Published, publish};

#[cfg(test)]
mod tests;
