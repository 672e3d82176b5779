//! From what a user asks for to a network.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use jiff::Timestamp;

use super::definition::{Driver, Network};
use super::pool::{choose, choose6, overlap};
use crate::container::error::Error;
use crate::container::id::new_id;
use crate::network::{Bridge, Ipv6Range, MacvlanMode, Wire};

/// What `lay network create` can be told, in typed form.
#[derive(Clone, Debug, Default)]
pub struct NetworkRequest {
    /// Its name.
    pub name: String,
    /// `--driver`.
    pub driver: Driver,
    /// `--subnet`, at most one of each family.
    pub subnets: Vec<IpNet>,
    /// `--gateway`.
    pub gateways: Vec<IpAddr>,
    /// `--ip-range`.
    pub range: Option<Ipv4Net>,
    /// `--internal`.
    pub internal: bool,
    /// `--ipv6`.
    pub ipv6: bool,
    /// `--attachable`.
    pub attachable: bool,
    /// `--opt`.
    pub options: BTreeMap<String, String>,
    /// `--label`.
    pub labels: BTreeMap<String, String>,
}

/// Options by Docker's names and by short ones.
const MTU: [&str; 2] = ["com.docker.network.driver.mtu", "mtu"];
const LINK: [&str; 2] = ["com.docker.network.bridge.name", "bridge.name"];
const DIRECT: [&str; 1] = ["bridge.direct"];
const PARENT: [&str; 1] = ["parent"];
const MODE: [&str; 2] = ["macvlan_mode", "mode"];

fn wrong(flag: &'static str, value: impl ToString, reason: impl ToString) -> Error {
    Error::Flag { flag, value: value.to_string(), reason: reason.to_string() }
}

impl NetworkRequest {
    /// The network. `taken` are subnets with whose they are; `pool` is where one is chosen from.
    pub(super) fn network(self, pool: Ipv4Net, taken: &[(IpNet, String)]) -> Result<Network, Error> {
        let id = new_id()?;
        let mut bridge = self.addresses(&id, pool, taken)?;
        bridge.name = self.option(&LINK).cloned().unwrap_or_else(|| format!("lay-{}", &id[..10]));
        bridge.mtu = self.option(&MTU).map(|text| mtu(text)).transpose()?;
        bridge.internal = self.internal;
        bridge.bridged = !self.option(&DIRECT).map_or(Ok(true), |text| yes_or_no(text))?;
        let wire = self.wire()?;
        Ok(Network {
            id,
            name: self.name,
            created: Timestamp::now().to_string(),
            driver: self.driver,
            bridge: Some(bridge),
            wire,
            attachable: self.attachable,
            labels: self.labels,
            options: self.options,
        })
    }

    fn option(&self, names: &[&str]) -> Option<&String> {
        names.iter().find_map(|name| self.options.get(*name))
    }

    fn wire(&self) -> Result<Wire, Error> {
        let mut known: Vec<&str> = MTU.to_vec();
        match self.driver {
            Driver::Macvlan => known.extend(PARENT.iter().chain(&MODE)),
            Driver::Ptp => {}
            _ => known.extend(LINK.iter().chain(&DIRECT)),
        }
        if let Some(other) = self.options.keys().find(|key| !known.contains(&key.as_str())) {
            let reason = format!("driver {} knows {}", self.driver, known.join(", "));
            return Err(wrong("--opt", other, reason));
        }
        match self.driver {
            Driver::Macvlan => {
                let parent = self.option(&PARENT).cloned().ok_or_else(|| {
                    wrong("--opt", "", "macvlan needs '--opt parent=LINK', a link of this host")
                })?;
                let mode =
                    self.option(&MODE).map_or(Some(MacvlanMode::Bridge), |text| MacvlanMode::parse(text));
                let mode =
                    mode.ok_or_else(|| wrong("--opt", "mode", "it is bridge, private, vepa or passthru"))?;
                Ok(Wire::Macvlan { parent, mode })
            }
            Driver::Ptp => Ok(Wire::Ptp),
            _ => Ok(Wire::Bridge),
        }
    }

    /// Subnets, gateways and the range.
    fn addresses(&self, id: &str, pool: Ipv4Net, taken: &[(IpNet, String)]) -> Result<Bridge, Error> {
        let (mut subnet, mut subnet6): (Option<Ipv4Net>, Option<Ipv6Net>) = (None, None);
        for net in &self.subnets {
            let twice = match net.trunc() {
                IpNet::V4(net) => subnet.replace(net).is_some(),
                IpNet::V6(net) => subnet6.replace(net).is_some(),
            };
            if twice {
                return Err(wrong("--subnet", net, "there can be one of IPv4 and one of IPv6"));
            }
            if let Some((other, whose)) = taken.iter().find(|(other, _)| overlap(other, &net.trunc())) {
                return Err(wrong("--subnet", net, format!("it overlaps with {other} of {whose}")));
            }
        }
        let subnet = match subnet {
            Some(subnet) if subnet.prefix_len() > 30 => {
                return Err(wrong("--subnet", subnet, "it has no room for two containers"));
            }
            Some(subnet) => subnet,
            None => choose(pool, &taken.iter().map(|(net, _)| *net).collect::<Vec<_>>())?,
        };
        let mut bridge = Bridge::of(subnet);
        if let Some(range) = self.range {
            if !subnet.contains(&range) {
                return Err(wrong("--ip-range", range, format!("it is not in {subnet}")));
            }
            bridge.range = Some(range.trunc());
        }
        if self.ipv6 || subnet6.is_some() {
            let subnet = subnet6.unwrap_or_else(|| choose6(id));
            if subnet.prefix_len() > 112 {
                return Err(wrong(
                    "--subnet",
                    subnet,
                    "a subnet of IPv6 has at most 112 bits before the hosts'",
                ));
            }
            let gateway = (u128::from(subnet.network()) + 1).into();
            bridge.ipv6 = Some(Ipv6Range { subnet, gateway });
        }
        self.set_gateways(&mut bridge)?;
        Ok(bridge)
    }

    fn set_gateways(&self, bridge: &mut Bridge) -> Result<(), Error> {
        for gateway in &self.gateways {
            let outside = || wrong("--gateway", gateway, "it is in no subnet of the network");
            match (gateway, &mut bridge.ipv6) {
                (IpAddr::V4(address), _) if bridge.subnet.contains(address) => bridge.gateway = *address,
                (IpAddr::V6(address), Some(range)) if range.subnet.contains(address) => {
                    range.gateway = *address;
                }
                _ => return Err(outside()),
            }
        }
        Ok(())
    }
}

fn yes_or_no(text: &str) -> Result<bool, Error> {
    text.parse().map_err(|_| wrong("--opt", text, "bridge.direct is true or false"))
}

/// Bytes from the least that IPv4 (or, with room, IPv6) asks for to the most that the kernel takes.
fn mtu(text: &str) -> Result<u32, Error> {
    let parsed = text.parse().ok().filter(|mtu| (68..=65_535).contains(mtu));
    parsed.ok_or_else(|| wrong("--opt", text, "an MTU is a number from 68 to 65535"))
}
