//! `/etc/hosts` and `/etc/resolv.conf` of a container on networks.

use std::net::IpAddr;

use super::links::Attached;
use super::names;
use crate::container::launch::Environment;
use crate::container::options::{NetworkMode, Options};
use crate::network::{self, Resolv, Slirp, dns};

/// Content of `/etc/hosts`: the container's own addresses, and the others on its networks.
pub fn hosts(env: &Environment, options: &Options, id: &str, hostname: &str, links: &[Attached]) -> String {
    let (addresses, gateway): (Vec<IpAddr>, _) = match options.network {
        NetworkMode::User | NetworkMode::Pasta => (vec![Slirp::ADDRESS.into()], Slirp::GATEWAY),
        _ => {
            let all = links.iter().flat_map(|link| {
                let six = link.endpoint.address6.map(IpAddr::V6);
                std::iter::once(IpAddr::V4(link.endpoint.address)).chain(six)
            });
            let out = links.iter().find(|link| link.endpoint.default_route).or(links.first());
            (all.collect(), out.map_or(env.bridge.gateway, |link| link.endpoint.bridge.gateway))
        }
    };
    let mut file = network::hosts_file(&addresses, hostname, &options.add_hosts, gateway);
    let mine = format!(" #{id}");
    for link in links.iter().filter(|link| link.named) {
        for line in names::read(&names::dir(env, link)).lines().filter(|line| !line.ends_with(&mine)) {
            file.push_str(line.split(" #").next().unwrap_or_default());
            file.push('\n');
        }
    }
    file
}

/// Content of `/etc/resolv.conf`.
pub fn resolv(options: &Options, links: &[Attached]) -> String {
    let host = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let mut wanted = Resolv {
        servers: options.dns.clone(),
        search: options.dns_search.clone(),
        options: options.dns_options.clone(),
        own: links.iter().any(|link| link.named).then_some(IpAddr::V4(dns::ADDRESS)),
    };
    if matches!(options.network, NetworkMode::User | NetworkMode::Pasta) && wanted.servers.is_empty() {
        wanted.servers = vec![Slirp::RESOLVER.into()];
    }
    network::resolv_conf(&host, options.network == NetworkMode::Host, &wanted)
}
