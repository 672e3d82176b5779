//! Flags for a container's networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use clap::Args;

use super::failure::{Failure, Tried};
use crate::container::{Join, NetworkMode, Options};
use crate::kernel::userns;
use crate::network::{Mac, Pasta, PortMapping, Slirp, check_host};

/// Flags of commands that create a container.
#[derive(Args, Debug)]
#[command(next_help_heading = "Network")]
pub struct NetworkFlags {
    /// Network to join, such as web or web:ip=10.90.0.7,alias=www; may be given several times. bridge [default], none, host,
    /// container:NAME; without root slirp4netns [default] or pasta
    #[arg(long, alias = "net", value_name = "NETWORK")]
    network: Vec<String>,
    /// Fixed address on the first network
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<Ipv4Addr>,
    /// Fixed IPv6 address on the first network
    #[arg(long, value_name = "ADDRESS")]
    ip6: Option<Ipv6Addr>,
    /// Hardware address on the first network
    #[arg(long, value_name = "ADDRESS")]
    mac_address: Option<Mac>,
    /// Further name on the first network
    #[arg(long, alias = "net-alias", value_name = "NAME")]
    network_alias: Vec<String>,
    /// Make a port of the container reachable by a port of this host: 8080:80, 127.0.0.1:8080:80, [::1]:53:53/udp; 80 alone
    /// at any free one, 8000-8010:80 at the first that is free, 8000-8010:80-90 at one each
    #[arg(short, long, value_name = "[[ADDRESS:]PORT:]PORT[/udp]")]
    publish: Vec<String>,
    /// Publish all ports that the image or --expose names, at ports of this host that are free
    #[arg(short = 'P', long)]
    publish_all: bool,
    /// A port that -P publishes beside the image's
    #[arg(long, value_name = "PORT[/udp]")]
    expose: Vec<String>,
    /// Add a line to /etc/hosts; host-gateway stands for this host's address
    #[arg(long, value_name = "NAME:ADDRESS")]
    add_host: Vec<String>,
    /// Use this name server
    #[arg(long, value_name = "ADDRESS")]
    dns: Vec<IpAddr>,
    /// Look short names up in this domain; '.' is none
    #[arg(long, value_name = "DOMAIN")]
    dns_search: Vec<String>,
    /// Option of resolv.conf(5), such as ndots:1
    #[arg(long, alias = "dns-opt", value_name = "OPTION")]
    dns_option: Vec<String>,
}

/// What the flags say.
#[derive(Debug)]
pub struct Networking {
    /// What kind of network it has.
    pub mode: NetworkMode,
    /// Which networks it is on; none is the default one.
    pub joins: Vec<Join>,
    /// Whose network it shares.
    pub of: Option<String>,
    /// Published ports.
    pub ports: Vec<PortMapping>,
    /// All that are exposed.
    pub publish_all: bool,
    /// Exposed beside the image's.
    pub exposed: Vec<String>,
    /// Lines of `/etc/hosts`.
    pub add_hosts: Vec<String>,
    /// Name servers.
    pub dns: Vec<IpAddr>,
    /// Domains of short names.
    pub dns_search: Vec<String>,
    /// Options of resolv.conf(5).
    pub dns_options: Vec<String>,
}

impl NetworkFlags {
    /// The container whose network is shared.
    pub fn container(&self) -> Option<&str> {
        self.network.iter().find_map(|text| text.strip_prefix("container:"))
    }

    /// Reads them.
    pub fn parse(&self) -> Result<Networking, Failure> {
        let bad = || "invalid flag".to_string();
        let mut ports = Vec::new();
        for publish in &self.publish {
            ports.extend(PortMapping::parse(publish).tried(bad)?);
        }
        for exposed in &self.expose {
            PortMapping::parse(exposed).tried(bad)?;
        }
        self.add_host.iter().try_for_each(|entry| check_host(entry)).tried(bad)?;
        let (mode, joins) = self.mode()?;
        if mode == NetworkMode::Host && (self.publish_all || !ports.is_empty()) {
            // As Docker has it: they are there already.
            eprintln!(
                "lay: warning: published ports are discarded with --network host: the container has all of the host's"
            );
            ports.clear();
        }
        if matches!(mode, NetworkMode::None | NetworkMode::Container) && !ports.is_empty() {
            let given = self.network.first().map_or("bridge", String::as_str);
            return Err(Failure::new(match given {
                "bridge" | "default" => {
                    "--publish needs a network, which without root takes slirp4netns or pasta".to_string()
                }
                _ => format!("--publish needs --network bridge, not {given}"),
            }));
        }
        Ok(Networking {
            mode,
            joins,
            of: self.container().map(str::to_string),
            ports,
            publish_all: self.publish_all,
            exposed: self.expose.clone(),
            add_hosts: self.add_host.clone(),
            dns: self.dns.clone(),
            dns_search: self.dns_search.iter().map(|word| word_of_file(word)).collect::<Result<_, _>>()?,
            dns_options: self.dns_option.iter().map(|word| word_of_file(word)).collect::<Result<_, _>>()?,
        })
    }

    fn mode(&self) -> Result<(NetworkMode, Vec<Join>), Failure> {
        let mut joins = Vec::new();
        for text in &self.network {
            match single(text)? {
                Some(_) if self.network.len() > 1 => {
                    return Err(Failure::new(format!(
                        "--network {text} cannot be one of several: {text} shares no network with others"
                    )));
                }
                Some(_) if self.has_wishes() => {
                    return Err(Failure::new(format!(
                        "--ip, --ip6, --mac-address and --network-alias need a network that is joined, not {text}"
                    )));
                }
                Some(mode) => return Ok((mode, Vec::new())),
                None => joins.push(Join::parse(text).tried(|| "invalid flag".to_string())?),
            }
        }
        if userns::nested() {
            return match joins.first() {
                Some(join) if join.network != "bridge" && join.network != "default" => {
                    Err(Failure::new(format!(
                        "--network {}: networks need root; an ordinary user has slirp4netns, pasta, none and host",
                        join.network
                    )))
                }
                _ => Ok((user_network(), Vec::new())),
            };
        }
        joins
            .iter_mut()
            .filter(|join| join.network == "default")
            .for_each(|join| join.network = "bridge".into());
        self.add_wishes(&mut joins)?;
        // The default network alone needs no more to be known.
        if joins == [Join::to("bridge")] {
            joins.clear();
        }
        Ok((NetworkMode::Bridge, joins))
    }

    fn has_wishes(&self) -> bool {
        self.ip.is_some()
            || self.ip6.is_some()
            || self.mac_address.is_some()
            || !self.network_alias.is_empty()
    }

    /// What is said of the first network.
    fn add_wishes(&self, joins: &mut Vec<Join>) -> Result<(), Failure> {
        if !self.has_wishes() {
            return Ok(());
        }
        if joins.is_empty() {
            joins.push(Join::to("bridge"));
        }
        let Some(first) = joins.first_mut() else { return Ok(()) };
        first.ipv4 = self.ip.or(first.ipv4);
        first.ipv6 = self.ip6.or(first.ipv6);
        first.mac = self.mac_address.or(first.mac);
        first.aliases.extend(self.network_alias.iter().cloned());
        first.check().tried(|| "invalid flag".to_string())
    }
}

/// What goes into a file by lines and words.
fn word_of_file(text: &str) -> Result<String, Failure> {
    match text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        true => Err(Failure::new(format!(
            "invalid value '{text}' for --dns-search or --dns-option: it is one word"
        ))),
        false => Ok(text.to_string()),
    }
}

/// What a container has instead of links to networks.
fn single(text: &str) -> Result<Option<NetworkMode>, Failure> {
    let nested = userns::nested();
    Ok(Some(match text {
        "slirp4netns" if nested && Slirp::is_there() => NetworkMode::User,
        "pasta" if nested && Pasta::is_there() => NetworkMode::Pasta,
        "slirp4netns" | "pasta" if nested => {
            return Err(Failure::new(format!("--network {text}: {text} is not installed")));
        }
        "slirp4netns" if Slirp::is_there() => NetworkMode::User,
        "slirp4netns" => return Err(Failure::new(format!("--network {text}: {text} is not installed"))),
        "pasta" => return Err(Failure::new("--network pasta is for ordinary users: root has bridges")),
        "none" => NetworkMode::None,
        "host" => NetworkMode::Host,
        _ => match text.split_once(':') {
            Some(("container", "")) => {
                return Err(Failure::new("invalid value 'container:' for --network: it names no container"));
            }
            Some(("container", _)) => NetworkMode::Container,
            _ => return Ok(None),
        },
    }))
}

/// The network of a build's steps.
///
/// # Errors
/// For any but the default one, none, host, and without root slirp4netns and pasta.
pub fn of_steps(text: &str) -> Result<NetworkMode, Failure> {
    match single(text)? {
        Some(NetworkMode::Container) | None if !matches!(text, "bridge" | "default") => {
            Err(Failure::new(format!(
                "invalid value '{text}' for --network: it is bridge, none, host, or without root slirp4netns or pasta"
            )))
        }
        Some(mode) => Ok(mode),
        None if userns::nested() => Ok(user_network()),
        None => Ok(NetworkMode::Bridge),
    }
}

/// What can be had without root.
fn user_network() -> NetworkMode {
    if Slirp::is_there() {
        return NetworkMode::User;
    }
    if Pasta::is_there() {
        return NetworkMode::Pasta;
    }
    eprintln!(
        "lay: warning: the container has no network: neither slirp4netns nor pasta is installed, and a bridge needs root"
    );
    NetworkMode::None
}

/// As Docker's inspect names it.
pub fn mode(options: &Options) -> String {
    match options.network {
        NetworkMode::Bridge => {
            options.joins.first().map_or_else(|| "bridge".to_string(), |join| join.network.clone())
        }
        NetworkMode::None => "none".to_string(),
        NetworkMode::Host => "host".to_string(),
        NetworkMode::User => "slirp4netns".to_string(),
        NetworkMode::Pasta => "pasta".to_string(),
        NetworkMode::Container => format!("container:{}", options.network_of.as_deref().unwrap_or_default()),
    }
}
