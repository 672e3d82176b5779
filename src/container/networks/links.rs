//! A container's links: claimed before it starts, attached once its network namespace is there, and taken away.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

use serde::{Deserialize, Serialize};

use super::definition::{Driver, Network};
use super::join::Join;
use super::names;
use super::store::Networks;
use crate::container::error::Error;
use crate::container::files::read_json;
use crate::container::launch::Environment;
use crate::container::options::NetworkMode;
use crate::container::record::{Container, Record};
use crate::network::{self, Endpoint, PortMapping, Wire};

/// Where `lay network connect` and `disconnect` leave what a container is on, in place of what it was made with.
pub(super) const FILE: &str = "networks.json";

/// What a running container is on one network.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Attached {
    /// Name of the network.
    pub network: String,
    /// Its id.
    pub id: String,
    /// Link, addresses and ports.
    pub endpoint: Endpoint,
    /// Further names.
    pub aliases: Vec<String>,
    /// Whether the network has names at all: the default one has none.
    pub named: bool,
    /// Whether nothing leads out of it.
    pub internal: bool,
}

/// The networks that a container is to be on, in order.
pub(super) fn wanted(container: &Container) -> Result<Vec<Join>, Error> {
    let options = &container.record.options;
    if options.network != NetworkMode::Bridge {
        return Ok(Vec::new());
    }
    if let Some(changed) = read_json(&container.path(FILE))? {
        return Ok(changed);
    }
    match options.joins.is_empty() {
        true => Ok(vec![Join::to("bridge")]),
        false => Ok(options.joins.clone()),
    }
}

/// Whether a container may be on a network with names: a glance, for those that look at many.
pub fn may_have_names(container: &Container) -> bool {
    let options = &container.record.options;
    options.network == NetworkMode::Bridge
        && (options.joins.iter().any(|join| join.network != "bridge") || container.path(FILE).exists())
}

/// Claims addresses on all networks that a container is to be on, and makes their bridges be there.
///
/// # Errors
/// When a network or an address cannot be had.
pub fn claim(
    env: &Environment,
    container: &Container,
    ports: &[PortMapping],
) -> Result<Vec<Attached>, Error> {
    let joins = wanted(container)?;
    let networks = Networks::new(env);
    let predefined = |join: &Join| join.network == "bridge";
    let _claim = if joins.iter().all(predefined) { None } else { Some(networks.claim()?) };
    let mut links: Vec<Attached> = Vec::new();
    for (number, join) in joins.iter().enumerate() {
        let network = networks.find(&join.network)?;
        if links.iter().any(|link| link.id == network.id) {
            let reason = "the container is on it already".to_string();
            return Err(Error::Flag { flag: "--network", value: network.name, reason });
        }
        links.push(claim_one(env, &container.record, &network, join, number)?);
    }
    route(&mut links, ports)?;
    Ok(links)
}

/// One of them; the link's number is that of `eth0`, `eth1` and so on.
pub(super) fn claim_one(
    env: &Environment,
    record: &Record,
    network: &Network,
    join: &Join,
    number: usize,
) -> Result<Attached, Error> {
    let Some(bridge) = &network.bridge else {
        let reason = "it cannot be one of several".to_string();
        return Err(Error::Flag { flag: "--network", value: network.name.clone(), reason });
    };
    if network.driver == Driver::Bridge {
        network::ensure_bridge(bridge)?;
    }
    let alive = |owner: &str| env.is_alive(owner);
    let addresses = env.addresses();
    let named = |error: network::Error| match error {
        network::Error::AddressInUse { address, owner } => {
            let other = Container::load(&env.containers.dir(&owner)).ok().flatten();
            let owner = other.map_or(owner, |container| format!("container {}", container.record.name));
            network::Error::AddressInUse { address, owner }
        }
        other => other,
    };
    let address = addresses.allocate(bridge, &record.id, join.ipv4, &alive).map_err(named)?;
    if join.ipv6.is_some() && bridge.ipv6.is_none() {
        let reason = "the network has no IPv6 (see 'lay network create --ipv6')".to_string();
        return Err(Error::Flag { flag: "--ip6", value: network.name.clone(), reason });
    }
    let address6 = addresses.allocate6(bridge, &record.id, address, join.ipv6, &alive).map_err(named)?;
    let mut endpoint = Endpoint::new(record.id.clone(), bridge.clone(), address);
    endpoint.wire = network.wire.clone();
    endpoint.interface = format!("eth{number}");
    endpoint.address6 = address6;
    endpoint.mac = join.mac.unwrap_or(endpoint.mac);
    endpoint.default_route = false;
    Ok(Attached {
        network: network.name.clone(),
        id: network.id.clone(),
        endpoint,
        aliases: join.aliases.clone(),
        named: !network.is_predefined(),
        internal: network.is_internal(),
    })
}

/// The first network that leads out is the way to everywhere else; ports lead in by the first that rules can lead through.
fn route(links: &mut [Attached], ports: &[PortMapping]) -> Result<(), Error> {
    if let Some(link) = links.iter_mut().find(|link| !link.internal) {
        link.endpoint.default_route = true;
    }
    if ports.is_empty() || links.is_empty() {
        return Ok(());
    }
    let link = links.iter_mut().find(|link| !link.internal && link.endpoint.wire == Wire::Bridge);
    let link = link.ok_or(Error::NoWayIn)?;
    link.endpoint.ports = ports.to_vec();
    Ok(())
}

/// Joins a network namespace to all of them, and tells the container's names.
///
/// # Errors
/// Whatever the kernel refuses.
pub fn attach_all(
    env: &Environment,
    record: &Record,
    links: &[Attached],
    netns: BorrowedFd<'_>,
) -> Result<(), Error> {
    links.iter().try_for_each(|link| attach(env, record, link, netns))
}

pub(super) fn attach(
    env: &Environment,
    record: &Record,
    link: &Attached,
    netns: BorrowedFd<'_>,
) -> Result<(), Error> {
    match link.endpoint.wire {
        Wire::Ptp => attach_pair(env, record, link, netns)?,
        _ => network::attach(netns, &link.endpoint, None)?,
    }
    if link.named {
        names::add(env, record, link)?;
    }
    Ok(())
}

/// The other container may be there already.
fn attach_pair(
    env: &Environment,
    record: &Record,
    link: &Attached,
    netns: BorrowedFd<'_>,
) -> Result<(), Error> {
    let networks = Networks::new(env);
    let network = networks.find(&link.network)?;
    let mut others = networks.users(&network)?;
    others.retain(|user| user.container.record.id != record.id);
    if others.len() > 1 {
        let names: Vec<&str> = others.iter().map(|user| user.container.record.name.as_str()).collect();
        return Err(Error::NetworkFull { name: network.name, containers: names.join(", ") });
    }
    let Some(other) = others.first() else { return Ok(network::attach(netns, &link.endpoint, None)?) };
    let pid = other.container.require_running()?.process.pid;
    let there = open_netns(pid)?;
    Ok(network::attach(netns, &link.endpoint, Some((there.as_fd(), &other.attached.endpoint)))?)
}

/// The network namespace of a process.
pub(super) fn open_netns(pid: i32) -> Result<File, Error> {
    let path = std::path::PathBuf::from(format!("/proc/{pid}/ns/net"));
    File::open(&path).map_err(crate::container::files::on("open", &path))
}

/// Takes away what is left of the links of a container whose processes are gone: the kernel removes the links themselves.
///
/// # Errors
/// The first failure; the others are tried all the same.
pub fn detach_all(env: &Environment, record: &Record, links: &[Attached]) -> Result<(), Error> {
    let mut first = Ok(());
    for link in links {
        let mut result = forget(env, &record.id, link);
        if !link.endpoint.ports.is_empty() {
            result = result.and(network::unpublish(&link.endpoint).map(drop).map_err(Error::from));
        }
        first = first.and(result);
    }
    first
}

/// Takes a container's names back.
///
/// # Errors
/// When the file of names cannot be written.
pub fn forget(env: &Environment, id: &str, link: &Attached) -> Result<(), Error> {
    match link.named {
        true => names::remove(env, id, link),
        false => Ok(()),
    }
}
