//! Bridge, veth, addresses, nftables and ports, all by netlink; nothing is run, and nothing stays behind in memory.
//!
//! The way of a container: [`ensure_bridge`], [`Allocator::allocate`], [`attach`] once its network namespace exists,
//! [`publish`]; at the end [`detach`] and [`Allocator::release`]. Each is idempotent, so that it can be repeated after
//! a crash by whoever notices. All functions work in the network namespace of the calling thread.

mod address;
mod allocator;
mod bridge;
pub mod dns;
mod endpoint;
mod error;
mod forwarding;
mod guard;
mod holder;
mod hosts;
mod link;
mod mac;
mod nft;
mod pasta;
mod port;
mod publish;
mod relay;
mod resolv;
mod route;
mod slirp;
mod socket;
mod sys;
mod sysctl;
#[cfg(test)]
mod tests;
mod wire;

pub use self::allocator::Allocator;
pub use self::bridge::{Bridge, Ipv6Range, ensure_bridge, remove_bridge};
pub use self::endpoint::{Endpoint, Unpublished, attach, detach, loopback_up, reroute, unpublish};
pub use self::error::Error;
pub use self::hosts::{check_host, hosts_file};
pub use self::mac::{Mac, MacError, mac_of};
pub use self::pasta::Pasta;
pub use self::port::{PortMapping, Protocol};
pub use self::publish::{Published, hold, publish};
pub use self::relay::{End, Relay};
pub use self::resolv::{Resolv, nameservers, resolv_conf};
pub use self::route::routed;
pub use self::slirp::Slirp;
pub use self::wire::{MacvlanMode, Wire, check_link, remove_waiting};
