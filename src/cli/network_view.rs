//! How networks are shown, with Docker's names.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::container::{Driver, Link, Network, User};

/// `NetworkSettings` of a container.
pub fn settings(links: &[Link], ports: Value) -> Value {
    let first = links.first().map(|link| &link.endpoint);
    let networks: BTreeMap<&str, Value> =
        links.iter().map(|link| (link.network.as_str(), of(link))).collect();
    json!({
        "IPAddress": first.map(|e| e.address),
        "GlobalIPv6Address": first.and_then(|e| e.address6),
        "Gateway": first.filter(|e| e.default_route).map(|e| e.bridge.gateway),
        "MacAddress": first.map(|e| e.mac),
        "Networks": networks,
        "Ports": ports,
    })
}

/// Of a network that a container is to be on, when it runs.
pub fn unconnected() -> Value {
    json!({
        "NetworkID": "", "Aliases": [], "Interface": "", "IPAddress": "", "IPPrefixLen": 0, "Gateway": "",
        "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0, "IPv6Gateway": "", "MacAddress": "",
    })
}

fn of(link: &Link) -> Value {
    let endpoint = &link.endpoint;
    let range6 = endpoint.bridge.ipv6.as_ref();
    json!({
        "NetworkID": link.id,
        "Aliases": link.aliases,
        "Interface": endpoint.interface,
        "IPAddress": endpoint.address,
        "IPPrefixLen": endpoint.bridge.subnet.prefix_len(),
        "Gateway": if link.internal { json!("") } else { json!(endpoint.bridge.gateway) },
        "GlobalIPv6Address": endpoint.address6.map_or_else(String::new, |a| a.to_string()),
        "GlobalIPv6PrefixLen": endpoint.address6.and(range6).map_or(0, |r| r.subnet.prefix_len()),
        "IPv6Gateway": endpoint.address6.and(range6).map_or_else(String::new, |r| r.gateway.to_string()),
        "MacAddress": endpoint.mac,
    })
}

/// A network as `lay network ls` and `inspect` show it; without `users`, those are left out.
pub fn network(network: &Network, users: Option<&[User]>) -> Value {
    let bridge = network.bridge.as_ref();
    let mut ranges = Vec::new();
    if let Some(bridge) = bridge {
        let mut range = json!({"Subnet": bridge.subnet, "Gateway": bridge.gateway});
        if let Some(part) = bridge.range {
            range["IPRange"] = json!(part);
        }
        ranges.push(range);
        ranges.extend(bridge.ipv6.as_ref().map(|r| json!({"Subnet": r.subnet, "Gateway": r.gateway})));
    }
    let mut value = json!({
        "Name": network.name,
        "ID": network.short_id(),
        "Id": network.id,
        "Created": network.created,
        "CreatedAt": network.created,
        "Scope": "local",
        "Driver": network.driver.to_string(),
        "EnableIPv6": bridge.is_some_and(|bridge| bridge.ipv6.is_some()),
        "IPv6": bridge.is_some_and(|bridge| bridge.ipv6.is_some()),
        "IPAM": {"Driver": "default", "Config": ranges},
        "Internal": network.is_internal(),
        "Attachable": network.attachable,
        "Options": network.options,
        "Labels": network.labels,
        "Bridge": bridge.filter(|_| network.driver == Driver::Bridge).map(|bridge| &bridge.name),
    });
    if let Some(users) = users {
        let containers: BTreeMap<&str, Value> =
            users.iter().map(|user| (user.container.record.id.as_str(), container(user))).collect();
        value["Containers"] = json!(containers);
    }
    value
}

fn container(user: &User) -> Value {
    let endpoint = &user.attached.endpoint;
    let six = endpoint.address6.zip(endpoint.bridge.ipv6.as_ref());
    json!({
        "Name": user.container.record.name,
        "Interface": endpoint.interface,
        "MacAddress": endpoint.mac,
        "IPv4Address": format!("{}/{}", endpoint.address, endpoint.bridge.subnet.prefix_len()),
        "IPv6Address": six.map_or_else(String::new, |(a, r)| format!("{a}/{}", r.subnet.prefix_len())),
    })
}
