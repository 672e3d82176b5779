//! What can go wrong with networks.

use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use super::port::Protocol;

/// Errors of the network room.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused a change of links, addresses, routes or rules.
    #[error("cannot {0}")]
    Netlink(String, #[source] io::Error),
    /// A file cannot be used.
    #[error("cannot {operation} {path}")]
    File {
        /// What was tried, as a verb.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The container's network namespace could not be entered or left.
    #[error("cannot enter the container's network namespace")]
    Namespace(#[source] io::Error),
    /// All addresses are given away.
    #[error("no free address in {subnet} on {bridge}; remove containers, or configure a larger subnet")]
    NoAddress {
        /// The bridge.
        bridge: String,
        /// Its subnet.
        subnet: ipnet::Ipv4Net,
    },
    /// The address that was asked for is taken, or not in the subnet.
    #[error("address {0} is not free on this network")]
    AddressInUse(Ipv4Addr),
    /// A published port is taken.
    #[error("port {address}:{port}/{protocol} is already in use{}", by(.holder))]
    PortInUse {
        /// Address on the host.
        address: Ipv4Addr,
        /// Port on the host.
        port: u16,
        /// Protocol.
        protocol: Protocol,
        /// Who has it, where that can be seen.
        holder: Option<String>,
    },
    /// A published port could not be reserved.
    #[error("cannot reserve port {address}:{port}")]
    Port {
        /// Address on the host.
        address: Ipv4Addr,
        /// Port on the host.
        port: u16,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// `-p` says something that makes no sense.
    #[error("invalid port mapping '{text}': {reason}")]
    Mapping {
        /// What was said.
        text: String,
        /// What is wrong.
        reason: String,
    },
}

fn by(holder: &Option<String>) -> String {
    holder.as_ref().map(|holder| format!(" by {holder}")).unwrap_or_default()
}

impl Error {
    pub(super) fn file(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_path_buf();
        move |source| Error::File { operation, path, source }
    }

    pub(super) fn netlink(step: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
        let step = step.into();
        move |source| Error::Netlink(step, source)
    }
}
