//! What can go wrong with networks.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use super::port::Protocol;

/// Failure of a network operation, with what it was done to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A user's network stack did not start, or does not do what it was told.
    #[error("slirp4netns: {0}")]
    Slirp(String),
    /// The same for the other stack.
    #[error("pasta: {0}")]
    Pasta(String),
    /// Nobody can answer a container's questions for names.
    #[error("serve names")]
    Dns(#[source] io::Error),
    /// The netlink socket could not be made or bound.
    #[error("open netlink socket")]
    Socket(#[source] io::Error),
    /// The calling thread could not enter another network namespace, or come back.
    #[error("enter network namespace")]
    Namespace(#[source] io::Error),
    /// The kernel refused an operation on a link.
    #[error("{operation} link {link}")]
    Link {
        /// What was tried ("create", "delete", …).
        operation: &'static str,
        /// Name of the link.
        link: String,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// A name that the kernel would not take for a link, or that would not be safe in a path.
    #[error("invalid link name {0:?}")]
    LinkName(String),
    /// Address or route on a link.
    #[error("{operation} {address} on link {link}")]
    Address {
        /// What was tried.
        operation: &'static str,
        /// The address or gateway.
        address: String,
        /// Name of the link.
        link: String,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// A link of the bridge's name exists and is something else.
    #[error("link {link} exists and is not a bridge")]
    NotABridge {
        /// Name of the link.
        link: String,
    },
    /// The bridge's table exists for another subnet.
    #[error("nftables table {table} serves {found}, not {wanted}")]
    TableConflict {
        /// Name of the table, family inet.
        table: String,
        /// What its comment says.
        found: String,
        /// What it should say.
        wanted: String,
    },
    /// Every name that can be derived from the owner is another one's.
    #[error("no free link name for {owner}")]
    NoLinkName {
        /// Owner of the endpoint.
        owner: String,
    },
    /// nftables refused.
    #[error("{operation} nftables table {table}")]
    Nft {
        /// What was tried.
        operation: &'static str,
        /// Name of the table, family inet.
        table: String,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// Reading or writing a file below /proc/sys.
    #[error("set sysctl {path}")]
    Sysctl {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The wanted address is not one that can be given out on this bridge.
    #[error("address {address} is not usable in {subnet}")]
    AddressOutside {
        /// Wanted address.
        address: IpAddr,
        /// The bridge's subnet.
        subnet: ipnet::IpNet,
    },
    /// The wanted address belongs to another container.
    #[error("address {address} is in use by {owner}")]
    AddressInUse {
        /// Wanted address.
        address: IpAddr,
        /// Who has it.
        owner: String,
    },
    /// Every address of the subnet is taken.
    #[error("no free address in {subnet}")]
    AddressesExhausted {
        /// The bridge's subnet.
        subnet: ipnet::IpNet,
    },
    /// Files of the address allocator.
    #[error("{operation} {path}")]
    File {
        /// What was tried.
        operation: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Another process listens on the port.
    #[error("port {}/{protocol} is already in use{}", std::net::SocketAddr::new(*address, *port), by(holder.as_deref()))]
    PortInUse {
        /// Host address that was asked for.
        address: IpAddr,
        /// Host port.
        port: u16,
        /// Protocol.
        protocol: Protocol,
        /// "name (pid n)" of who has it, where that can be seen.
        holder: Option<String>,
    },
    /// Somebody listens on every port of a range.
    #[error(
        "ports {}-{last}/{protocol} are all in use, {first}{}",
        std::net::SocketAddr::new(*address, *first),
        by(holder.as_deref())
    )]
    RangeInUse {
        /// Host address that was asked for.
        address: IpAddr,
        /// First host port.
        first: u16,
        /// Last host port.
        last: u16,
        /// Protocol.
        protocol: Protocol,
        /// Who has the first one, where that can be seen.
        holder: Option<String>,
    },
    /// IPv6 leads nowhere on this machine.
    #[error(
        "this kernel forwards IPv6 for all links or for none: switch it on with 'sysctl net.ipv6.conf.all.forwarding=1' (and accept_ra=2 on links that take their address from a router)"
    )]
    Ipv6Forwarding,
    /// The port could not be reserved for another reason than being taken.
    #[error("reserve port {}/{protocol}", std::net::SocketAddr::new(*address, *port))]
    Reserve {
        /// Host address that was asked for.
        address: IpAddr,
        /// Host port.
        port: u16,
        /// Protocol.
        protocol: Protocol,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A port mapping that cannot be read.
    #[error("invalid port mapping {text:?}: {reason}")]
    PortSyntax {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An extra host that cannot be read.
    #[error("invalid extra host {text:?}: {reason}")]
    HostSyntax {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

fn by(holder: Option<&str>) -> String {
    holder.map(|h| format!(" by {h}")).unwrap_or_default()
}

impl Error {
    /// The kernel's error number, where the failure came from a system call.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Socket(source)
            | Self::Dns(source)
            | Self::Namespace(source)
            | Self::Link { source, .. }
            | Self::Address { source, .. }
            | Self::Nft { source, .. }
            | Self::Sysctl { source, .. }
            | Self::File { source, .. }
            | Self::Reserve { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }
}
