//! What the others on a container's networks are called, looked up in the files of the networks at each question.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::links::Attached;
use super::names;
use crate::container::launch::Environment;
use crate::container::record::Container;
use crate::network::dns::Names;
use crate::network::nameservers;

/// The port of name servers.
const PORT: u16 = 53;
/// More name servers are never asked (`MAXNS` of resolv.conf(5)).
const SERVERS: usize = 3;

/// One container's view of its networks.
#[derive(Debug)]
pub(super) struct Lookup<'a> {
    pub env: &'a Environment,
    pub container: &'a Container,
}

impl Lookup<'_> {
    /// The networks that it is on now.
    pub fn links(&self) -> Vec<Attached> {
        let running = self.container.last_run();
        running.ok().flatten().map_or_else(Vec::new, |running| running.networks)
    }

    /// Directories of those networks that have names, with the networks' own.
    fn named(&self) -> Vec<(String, PathBuf)> {
        let links = self.links().into_iter().filter(|link| link.named);
        links.map(|link| (link.network.to_ascii_lowercase(), names::dir(self.env, &link))).collect()
    }
}

impl Names for Lookup<'_> {
    /// By name alone on all networks, or by name and network.
    fn addresses(&self, name: &str) -> Option<Vec<IpAddr>> {
        let networks = self.named();
        let all: Vec<IpAddr> = networks.iter().flat_map(|(_, dir)| names::addresses(dir, name)).collect();
        if !all.is_empty() {
            return Some(all);
        }
        let found = networks.iter().filter_map(|(network, dir)| {
            let bare = name.strip_suffix(network.as_str())?.strip_suffix('.')?;
            Some(names::addresses(dir, bare))
        });
        found.into_iter().find(|addresses| !addresses.is_empty())
    }

    fn name(&self, address: IpAddr) -> Option<String> {
        self.named()
            .iter()
            .find_map(|(network, dir)| Some(format!("{}.{network}", names::name(dir, address)?)))
    }

    /// Those that the user named, else the host's; nobody where nothing leads out.
    fn servers(&self) -> Vec<SocketAddr> {
        if self.links().iter().all(|link| link.internal) {
            return Vec::new();
        }
        let given = &self.container.record.options.dns;
        let servers = match given.is_empty() {
            true => nameservers(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default()),
            false => given.clone(),
        };
        servers.into_iter().take(SERVERS).map(|address| SocketAddr::new(address, PORT)).collect()
    }
}
