//! A running container joins a network, or leaves it.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::files;
use super::join::Join;
use super::links::{Attached, FILE, attach, claim_one, forget, open_netns, wanted};
use super::resolver::ensure;
use super::store::Networks;
use crate::container::error::Error;
use crate::container::files::{on, write_json};
use crate::container::launch::Environment;
use crate::container::options::NetworkMode;
use crate::container::record::{Container, Running, Status};
use crate::network;

/// Puts a container on a network: at once if it runs, and from now on whenever it starts.
///
/// # Errors
/// When it is on it already, or has no network namespace of its own; whatever the kernel refuses.
pub fn connect(env: &Environment, container: &Container, join: Join) -> Result<(), Error> {
    own_namespace(container)?;
    let networks = Networks::new(env);
    let _alone = networks.alone()?;
    let network = networks.find(&join.network)?;
    let mut joins = wanted(container)?;
    for other in &joins {
        if networks.find(&other.network).is_ok_and(|other| other.id == network.id) {
            let container = container.record.name.clone();
            return Err(Error::AlreadyConnected { container, network: network.name });
        }
    }
    joins.push(join.clone());
    if let Status::Running(mut running) = container.status()? {
        let number = free_number(&running.networks);
        let mut link = claim_one(env, &container.record, &network, &join, number)?;
        link.endpoint.default_route =
            !link.internal && !running.networks.iter().any(|other| other.endpoint.default_route);
        let netns = open_netns(running.process.pid)?;
        let attached = attach(env, &container.record, &link, netns.as_fd());
        if let Err(error) = attached {
            forget(env, &container.record.id, &link)?;
            env.addresses().release_on(&link.endpoint.bridge.name, &container.record.id)?;
            return Err(error);
        }
        running.networks.push(link);
        write(env, container, &running)?;
    }
    write_json(&container.path(FILE), &joins)
}

/// Takes a container off a network.
///
/// # Errors
/// When it is not on it, or has ports there; whatever the kernel refuses.
pub fn disconnect(env: &Environment, container: &Container, name: &str) -> Result<(), Error> {
    own_namespace(container)?;
    let networks = Networks::new(env);
    let _alone = networks.alone()?;
    let network = networks.find(name)?;
    let mut joins = wanted(container)?;
    let before = joins.len();
    joins.retain(|join| networks.find(&join.network).map_or(true, |other| other.id != network.id));
    if joins.len() == before {
        let container = container.record.name.clone();
        return Err(Error::NotConnected { container, network: network.name });
    }
    if let Status::Running(mut running) = container.status()?
        && let Some(at) = running.networks.iter().position(|link| link.id == network.id)
    {
        let link = running.networks.remove(at);
        leave(env, container, &mut running, &link)?;
        write(env, container, &running)?;
    }
    write_json(&container.path(FILE), &joins)
}

fn leave(
    env: &Environment,
    container: &Container,
    running: &mut Running,
    link: &Attached,
) -> Result<(), Error> {
    let id = &container.record.id;
    let netns = open_netns(running.process.pid)?;
    forget(env, id, link)?;
    network::detach(Some(netns.as_fd()), &link.endpoint)?;
    env.addresses().release_on(&link.endpoint.bridge.name, id)?;
    running.ports.retain(|_| link.endpoint.ports.is_empty());
    // Another network becomes the way to everywhere else.
    if link.endpoint.default_route
        && let Some(next) = running.networks.iter_mut().find(|link| !link.internal)
    {
        next.endpoint.default_route = true;
        network::reroute(netns.as_fd(), &next.endpoint, true)?;
    }
    Ok(())
}

/// The record of what runs, and the files that the container reads.
fn write(env: &Environment, container: &Container, running: &Running) -> Result<(), Error> {
    container.write_running(running)?;
    refresh_hosts(env, container, running)?;
    let (path, options) = (container.path("etc").join("resolv.conf"), &container.record.options);
    overwrite(&path, &files::resolv(options, &running.networks)).map_err(on("write", &path))?;
    ensure(env, container, running)
}

/// Writes `/etc/hosts` anew, in place: the container has that very file mounted.
pub(super) fn refresh_hosts(
    env: &Environment,
    container: &Container,
    running: &Running,
) -> Result<(), Error> {
    let etc = container.path("etc");
    let (path, hostname) = (etc.join("hosts"), etc.join("hostname"));
    let hostname = std::fs::read_to_string(&hostname).map_err(on("read", &hostname))?;
    let record = &container.record;
    let text = files::hosts(env, &record.options, &record.id, hostname.trim_end(), &running.networks);
    overwrite(&path, &text).map_err(on("write", &path))
}

/// Whoever reads meanwhile never finds it empty.
fn overwrite(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::options().read(true).write(true).open(path)?;
    let mut now = String::new();
    if file.read_to_string(&mut now).is_ok() && now == text {
        return Ok(());
    }
    file.write_all_at(text.as_bytes(), 0)?;
    // A text's length fits.
    file.set_len(text.len() as u64)
}

fn free_number(links: &[Attached]) -> usize {
    let taken = |number: usize| links.iter().any(|link| link.endpoint.interface == format!("eth{number}"));
    (0..).find(|number| !taken(*number)).unwrap_or_default()
}

fn own_namespace(container: &Container) -> Result<(), Error> {
    match container.record.options.network {
        NetworkMode::Bridge => Ok(()),
        _ => Err(Error::NoOwnNetwork(container.record.name.clone())),
    }
}
