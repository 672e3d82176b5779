//! /etc/resolv.conf of a container.

use std::net::Ipv4Addr;

/// Used where the host names no server that a container can reach, as Docker does.
const FALLBACK: [&str; 2] = ["8.8.8.8", "8.8.4.4"];

/// Content of /etc/resolv.conf, made from the host's (resolv.conf(5)).
///
/// With the host's network it is the host's, unchanged. Else name servers that a container cannot reach are left out:
/// loopback addresses, which would be the container's own, and IPv6 ones, since the bridge carries IPv4. If none is
/// left, two public ones are named. Everything else stays.
pub fn resolv_conf(host_text: &str, host_network: bool) -> String {
    if host_network {
        return host_text.to_owned();
    }
    let mut file = String::new();
    let mut servers = false;
    for line in host_text.lines() {
        let mut words = line.split_whitespace();
        if words.next() == Some("nameserver") {
            if !words.next().is_some_and(reachable) {
                continue;
            }
            servers = true;
        }
        file.push_str(line);
        file.push('\n');
    }
    if !servers {
        for server in FALLBACK {
            file.push_str(&format!("nameserver {server}\n"));
        }
    }
    file
}

fn reachable(server: &str) -> bool {
    server.parse().is_ok_and(|address: Ipv4Addr| !address.is_loopback() && !address.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_works() {
        let host = "# made by hand\nsearch a.org b.org\nnameserver 10.0.0.53\noptions ndots:2\n";
        assert_eq!(resolv_conf(host, false), host);
        assert_eq!(resolv_conf("nameserver 127.0.0.53", true), "nameserver 127.0.0.53");
    }

    #[test]
    fn drops_servers_out_of_reach() {
        let host = "nameserver 127.0.0.53\nnameserver\t9.9.9.9\nnameserver ::1\nnameserver fe80::1%eth0\nnameserver\n";
        assert_eq!(resolv_conf(host, false), "nameserver\t9.9.9.9\n");
    }

    #[test]
    fn falls_back() {
        let fallback = "nameserver 8.8.8.8\nnameserver 8.8.4.4\n";
        assert_eq!(resolv_conf("", false), fallback);
        assert_eq!(
            resolv_conf("nameserver 127.0.0.53\noptions edns0", false),
            format!("options edns0\n{fallback}")
        );
        assert_eq!(resolv_conf("#nameserver 1.1.1.1\n", false), format!("#nameserver 1.1.1.1\n{fallback}"));
    }
}
