//! The networks of a store.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use ipnet::{IpNet, Ipv4Net};
use rustix::fs::FlockOperation;

use super::definition::{Driver, Network};
use super::links::Attached;
use super::request::NetworkRequest;
use crate::container::error::Error;
use crate::container::files::{on, read_json, remove_if_there, write_json};
use crate::container::id::check_name;
use crate::container::launch::Environment;
use crate::container::lock::locked;
use crate::container::record::{Container, Status};
use crate::network::{self, Wire};

/// Held by whoever chooses a subnet, whatever the store: subnets are the machine's.
const MACHINE: &str = "/run/lay-networks.lock";

/// The networks of a store.
#[derive(Debug)]
pub struct Networks<'a> {
    env: &'a Environment,
    dir: PathBuf,
}

/// A running container on a network.
#[derive(Clone, Debug)]
pub struct User {
    /// The container.
    pub container: Container,
    /// What it is there.
    pub attached: Attached,
}

impl<'a> Networks<'a> {
    /// Those of that store.
    pub fn new(env: &'a Environment) -> Networks<'a> {
        Networks { env, dir: env.store.root().join("networks") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.json"))
    }

    /// One that is always there.
    fn predefined(&self, name: &str) -> Option<Network> {
        Some(match name {
            "bridge" | "default" => {
                Network::predefined("bridge", Driver::Bridge, Some(self.env.bridge.clone()))
            }
            "host" => Network::predefined("host", Driver::Host, None),
            "none" => Network::predefined("none", Driver::Null, None),
            _ => return None,
        })
    }

    /// Makes a network, and its bridge, so that all on this machine see what is taken.
    ///
    /// # Errors
    /// [`Error::NetworkExists`]; [`Error::Flag`] for what cannot be; whatever the kernel refuses.
    pub fn create(&self, request: NetworkRequest, pool: Ipv4Net) -> Result<Network, Error> {
        check_name(&request.name).map_err(|_| Error::NetworkName(request.name.clone()))?;
        if self.predefined(&request.name).is_some() {
            return Err(Error::NetworkExists(request.name));
        }
        let _machine = machine_lock()?;
        let _alone = self.lock(FlockOperation::LockExclusive)?;
        if self.path(&request.name).exists() {
            return Err(Error::NetworkExists(request.name));
        }
        let network = request.network(pool, &self.taken()?)?;
        self.check_link(&network)?;
        fs::create_dir_all(&self.dir).map_err(on("create", &self.dir))?;
        if let (Driver::Bridge, Some(bridge)) = (network.driver, &network.bridge) {
            network::ensure_bridge(bridge)?;
        }
        write_json(&self.path(&network.name), &network)?;
        Ok(network)
    }

    /// Two networks cannot have one bridge, and `<bridge>/` must not be a network's file.
    fn check_link(&self, network: &Network) -> Result<(), Error> {
        let Some(bridge) = &network.bridge else { return Ok(()) };
        if let Wire::Macvlan { parent, .. } = &network.wire {
            network::check_link(parent)?;
        }
        let name = &bridge.name;
        let same = |other: &Network| other.bridge.as_ref().is_some_and(|bridge| bridge.name == *name);
        let other = self.list()?.into_iter().find(same);
        let reason = match other {
            Some(other) => format!("it is the bridge of network {}", other.name),
            None if name.ends_with(".json") => "a bridge's name does not end in .json".to_string(),
            None => return Ok(()),
        };
        Err(Error::Flag { flag: "--opt", value: name.clone(), reason })
    }

    /// Subnets that cannot be given to another network, and whose they are.
    fn taken(&self) -> Result<Vec<(IpNet, String)>, Error> {
        let mut taken = Vec::new();
        for network in self.list()? {
            let Some(bridge) = &network.bridge else { continue };
            let whose = format!("network {}", network.name);
            taken.push((IpNet::V4(bridge.subnet), whose.clone()));
            taken.extend(bridge.ipv6.as_ref().map(|range| (IpNet::V6(range.subnet), whose)));
        }
        let local = |net: &IpNet| matches!(net, IpNet::V6(net) if net.addr().is_multicast() || net.addr().is_unicast_link_local());
        let routes = network::routed()?.into_iter().filter(|net| !local(net));
        taken.extend(routes.map(|net| (net, "this host's routes".to_string())));
        Ok(taken)
    }

    /// All networks, by name.
    ///
    /// # Errors
    /// When the directory cannot be read or a file is damaged.
    pub fn list(&self) -> Result<Vec<Network>, Error> {
        let mut all: Vec<Network> =
            Network::PREDEFINED.iter().filter_map(|name| self.predefined(name)).collect();
        let entries = match fs::read_dir(&self.dir) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(all),
            entries => entries.map_err(on("read", &self.dir))?,
        };
        for entry in entries {
            let path = entry.map_err(on("read", &self.dir))?.path();
            if path.extension().is_some_and(|e| e == "json") && path.is_file() {
                all.extend(read_json(&path)?);
            }
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// One network by its name, id, or a prefix of its id that no other has.
    ///
    /// # Errors
    /// [`Error::NoNetwork`].
    pub fn find(&self, name: &str) -> Result<Network, Error> {
        if let Some(network) = self.predefined(name) {
            return Ok(network);
        }
        if check_name(name).is_err() {
            return Err(Error::NoNetwork(name.to_string()));
        }
        if let Some(network) = read_json(&self.path(name))? {
            return Ok(network);
        }
        let mut found = self.list()?.into_iter().filter(|network| network.id.starts_with(name));
        match (found.next(), found.next()) {
            (Some(network), None) => Ok(network),
            (Some(_), Some(_)) => Err(Error::AmbiguousNetwork(name.to_string())),
            (None, _) => Err(Error::NoNetwork(name.to_string())),
        }
    }

    /// The running containers on a network.
    ///
    /// # Errors
    /// When the containers cannot be listed.
    pub fn users(&self, network: &Network) -> Result<Vec<User>, Error> {
        let mut users = Vec::new();
        for container in self.env.containers.list()? {
            let Status::Running(running) = container.status()? else { continue };
            let attached = running.networks.into_iter().find(|attached| attached.id == network.id);
            users.extend(attached.map(|attached| User { container, attached }));
        }
        Ok(users)
    }

    /// Removes a network that no running container is on.
    ///
    /// # Errors
    /// [`Error::NoNetwork`], [`Error::NetworkPredefined`], or [`Error::NetworkInUse`] with those that are on it.
    pub fn remove(&self, name: &str) -> Result<Network, Error> {
        let network = self.find(name)?;
        if network.is_predefined() {
            return Err(Error::NetworkPredefined(network.name));
        }
        let _alone = self.lock(FlockOperation::LockExclusive)?;
        if let Some(containers) = self.in_use(&network)? {
            return Err(Error::NetworkInUse { name: network.name, containers });
        }
        self.discard(&network)?;
        Ok(network)
    }

    /// Removes (or, with `dry_run`, only names) those networks that no running container is on and that `wanted` picks.
    ///
    /// # Errors
    /// When one cannot be removed; those before are gone.
    pub fn prune(&self, dry_run: bool, wanted: impl Fn(&Network) -> bool) -> Result<Vec<Network>, Error> {
        let _alone = self.lock(FlockOperation::LockExclusive)?;
        let mut removed = Vec::new();
        for network in self.list()?.into_iter().filter(|n| !n.is_predefined() && wanted(n)) {
            if self.in_use(&network)?.is_none() {
                if !dry_run {
                    self.discard(&network)?;
                }
                removed.push(network);
            }
        }
        Ok(removed)
    }

    /// The names of the containers that have addresses there, those that are just starting included.
    fn in_use(&self, network: &Network) -> Result<Option<String>, Error> {
        let Some(bridge) = &network.bridge else { return Ok(None) };
        let mut names = Vec::new();
        for id in self.env.addresses().owners(&bridge.name)? {
            if self.env.is_alive(&id) {
                let container = Container::load(&self.env.containers.dir(&id))?;
                names.push(container.map_or(id, |container| container.record.name));
            }
        }
        Ok((!names.is_empty()).then(|| names.join(", ")))
    }

    fn discard(&self, network: &Network) -> Result<(), Error> {
        if let Some(bridge) = &network.bridge {
            match network.driver {
                Driver::Bridge => network::remove_bridge(bridge)?,
                Driver::Ptp => network::remove_waiting(&bridge.name)?,
                _ => {}
            }
            self.env.addresses().forget(&bridge.name)?;
        }
        // Last, so that a removal that was interrupted can be repeated.
        remove_if_there(&self.path(&network.name))
    }

    /// As long as this is held, no network is removed.
    pub(super) fn claim(&self) -> Result<File, Error> {
        self.lock(FlockOperation::LockShared)
    }

    /// As long as this is held, nobody else changes networks or who is on them.
    pub(super) fn alone(&self) -> Result<File, Error> {
        self.lock(FlockOperation::LockExclusive)
    }

    fn lock(&self, how: FlockOperation) -> Result<File, Error> {
        locked(&self.dir.with_file_name("networks.lock"), how)
    }
}

fn machine_lock() -> Result<File, Error> {
    locked(Path::new(MACHINE), FlockOperation::LockExclusive)
}
