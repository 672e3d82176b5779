//! Content of the files that tell a container about its network.

use std::net::{IpAddr, Ipv4Addr};

/// Name servers that Docker falls back on, too.
const PUBLIC: &str = "nameserver 8.8.8.8\nnameserver 8.8.4.4\n";

/// `/etc/hosts` (hosts(5)). `add_hosts` holds `name:address`; the address `host-gateway` stands for the bridge's.
pub fn hosts_file(
    address: Option<Ipv4Addr>,
    hostname: &str,
    add_hosts: &[String],
    gateway: Ipv4Addr,
) -> String {
    let mut text = String::from(
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\n\
         ff00::0\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n",
    );
    for entry in add_hosts {
        if let Some((name, address)) = entry.split_once(':') {
            let address = if address == "host-gateway" { gateway.to_string() } else { address.to_string() };
            text.push_str(&format!("{address}\t{name}\n"));
        }
    }
    let own = address.unwrap_or(Ipv4Addr::LOCALHOST);
    text.push_str(&format!("{own}\t{hostname}\n"));
    text
}

/// `/etc/resolv.conf` (resolv.conf(5)) from the host's. A name server on the host's loopback cannot be reached from
/// another network namespace, and is left out there; if none remains, public ones take their place.
pub fn resolv_conf(host_text: &str, host_network: bool) -> String {
    if host_network {
        return host_text.to_string();
    }
    let server = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next().unwrap_or_default().to_string())
    };
    let reachable = |address: &str| {
        let address = address.split('%').next().unwrap_or_default();
        address.parse::<IpAddr>().is_ok_and(|a| !a.is_loopback())
    };
    let keep = |line: &&str| server(line).is_none_or(|address| reachable(&address));
    let mut text: String = host_text.lines().filter(keep).flat_map(|line| [line, "\n"]).collect();
    if !text.lines().any(|line| server(line).is_some()) {
        text.push_str(PUBLIC);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_name_and_added_hosts_stand_in_hosts() {
        let added = ["db:10.0.0.9".to_string(), "host:host-gateway".to_string(), "six:fe80::1".to_string()];
        let text = hosts_file(Some(Ipv4Addr::new(10, 1, 0, 2)), "web", &added, Ipv4Addr::new(10, 1, 0, 1));
        for line in ["10.0.0.9\tdb\n", "10.1.0.1\thost\n", "fe80::1\tsix\n", "10.1.0.2\tweb\n"] {
            assert!(text.contains(line), "{text}");
        }
    }

    #[test]
    fn loopback_servers_are_left_out() {
        let host = "search example.com\nnameserver 127.0.0.53\nnameserver 9.9.9.9\noptions edns0\n";
        assert_eq!(resolv_conf(host, false), "search example.com\nnameserver 9.9.9.9\noptions edns0\n");
        assert_eq!(resolv_conf(host, true), host);
        assert_eq!(resolv_conf("nameserver ::1\n", false), PUBLIC);
        assert_eq!(resolv_conf("", false), PUBLIC);
    }
}
