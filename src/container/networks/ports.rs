//! Which ports of a container lead in from the host, and who has one that is taken.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use oci_spec::image::Config;

use crate::container::error::Error;
use crate::container::launch::Environment;
use crate::container::options::Options;
use crate::container::record::{Container, Running, Status};
use crate::network::{self, PortMapping, Published};

/// The published ports: those that were named, and with `-P` those that the image or the user exposes.
///
/// # Errors
/// When what is exposed cannot be read.
pub fn published(options: &Options, config: &Config) -> Result<Vec<PortMapping>, Error> {
    let mut ports = options.ports.clone();
    if !options.publish_all {
        return Ok(ports);
    }
    let image = config.exposed_ports().iter().flatten();
    for text in image.chain(&options.exposed) {
        for exposed in PortMapping::parse(text)? {
            let same = |port: &PortMapping| {
                (port.container_port, port.protocol) == (exposed.container_port, exposed.protocol)
            };
            if !ports.iter().any(same) {
                let host_address = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
                ports.push(PortMapping { host_address, ..exposed }.at(0));
            }
        }
    }
    // The image's are in no order; those that were named keep theirs.
    let named = options.ports.len();
    ports[named..].sort_by_key(|port| (port.container_port, port.protocol.to_string()));
    Ok(ports)
}

/// Where a published port of a running container leads to by IPv6 now: nowhere once it has left that network.
pub fn leads(container: &Container, port: &PortMapping) -> Vec<SocketAddr> {
    let running = container.last_run().ok().flatten();
    let links = running.iter().flat_map(|running| &running.networks);
    let published = links.filter(|link| !link.endpoint.ports.is_empty());
    published.flat_map(|link| link.endpoint.sockets(port.container_port)).collect()
}

/// Holds the ports of a running container whose holder was killed.
pub fn hold(running: &Running) -> Option<Published> {
    let link = running.networks.iter().find(|link| !link.endpoint.ports.is_empty())?;
    Some(network::hold(&link.endpoint, &running.ports))
}

/// Names the container that has a port which is taken: its supervisor, which holds the port, is but a `lay` among many.
pub fn name_holder(env: &Environment, mut error: network::Error) -> network::Error {
    let (address, port, protocol, holder) = match &mut error {
        network::Error::PortInUse { address, port, protocol, holder } => (address, port, protocol, holder),
        network::Error::RangeInUse { address, first, protocol, holder, .. } => {
            (address, first, protocol, holder)
        }
        _ => return error,
    };
    let overlaps = |other: &PortMapping| {
        (other.host_port, other.protocol) == (*port, *protocol)
            && (other.host_address == *address
                || other.host_address.is_unspecified()
                || address.is_unspecified())
    };
    let containers = env.containers.list().unwrap_or_default();
    let found = containers.into_iter().find(|container| match container.status() {
        Ok(Status::Running(running)) => running.ports.iter().any(overlaps),
        _ => false,
    });
    if let Some(container) = found {
        *holder = Some(format!("container {}", container.record.name));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::image::ConfigBuilder;

    #[test]
    fn exposed_ports_are_published_once() {
        let exposed = ["80/tcp", "53/udp", "90-91"].map(str::to_string).to_vec();
        let config = ConfigBuilder::default().exposed_ports(exposed).build().unwrap();
        let mut options = Options { ports: PortMapping::parse("8080:80").unwrap(), ..Options::default() };
        let shown = |options: &Options| -> Vec<String> {
            published(options, &config).unwrap().iter().map(ToString::to_string).collect()
        };
        assert_eq!(shown(&options), ["0.0.0.0:8080->80/tcp"]);
        options.publish_all = true;
        options.exposed = vec!["7000".to_string(), "80".to_string()];
        assert_eq!(
            shown(&options),
            [
                "0.0.0.0:8080->80/tcp",
                "0.0.0.0:0->53/udp",
                "0.0.0.0:0->90/tcp",
                "0.0.0.0:0->91/tcp",
                "0.0.0.0:0->7000/tcp"
            ]
        );
    }
}
