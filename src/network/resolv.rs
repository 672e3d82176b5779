//! /etc/resolv.conf of a container.

use std::net::IpAddr;

/// Used where the host names no server that a container can reach, as Docker does.
const FALLBACK: [&str; 2] = ["8.8.8.8", "8.8.4.4"];

/// What is to be in it, where that is not what the host has.
#[derive(Clone, Debug, Default)]
pub struct Resolv {
    /// Name servers.
    pub servers: Vec<IpAddr>,
    /// Domains in which short names are looked up; `.` alone is none.
    pub search: Vec<String>,
    /// Options.
    pub options: Vec<String>,
    /// The container's own server, which asks the others. Names without a dot are asked for as they are, as Docker does.
    pub own: Option<IpAddr>,
}

/// Content of /etc/resolv.conf, made from the host's (resolv.conf(5)).
///
/// With the host's network and nothing said it is the host's, unchanged. Else name servers that a container cannot reach are
/// left out: loopback addresses, which would be the container's own, and IPv6 ones, since not every bridge carries them. If none
/// is left, two public ones are named. What else there is stays, but for what is said.
pub fn resolv_conf(host_text: &str, host_network: bool, wanted: &Resolv) -> String {
    if host_network && wanted.servers.is_empty() && wanted.search.is_empty() && wanted.options.is_empty() {
        return host_text.to_owned();
    }
    let mut file = String::new();
    let mut servers = false;
    for line in host_text.lines() {
        let mut words = line.split_whitespace();
        let kept = match words.next() {
            Some("nameserver") if wanted.own.is_some() || !wanted.servers.is_empty() => false,
            Some("nameserver") => {
                let found = words.next().is_some_and(|server| host_network || reachable(server));
                servers |= found;
                found
            }
            Some("search" | "domain") => wanted.search.is_empty(),
            Some("options") => wanted.options.is_empty() && wanted.own.is_none(),
            _ => true,
        };
        if kept {
            file.push_str(line);
            file.push('\n');
        }
    }
    let search = wanted.search.iter().filter(|domain| *domain != ".").map(String::as_str);
    add(&mut file, "search", search);
    match wanted.own {
        Some(own) => file.push_str(&format!("nameserver {own}\n")),
        None => wanted.servers.iter().for_each(|server| file.push_str(&format!("nameserver {server}\n"))),
    }
    if !servers && wanted.servers.is_empty() && wanted.own.is_none() {
        FALLBACK.iter().for_each(|server| file.push_str(&format!("nameserver {server}\n")));
    }
    let mut options: Vec<&str> = wanted.options.iter().map(String::as_str).collect();
    if wanted.own.is_some() {
        let host = host_text.lines().filter_map(|line| line.trim_start().strip_prefix("options"));
        if options.is_empty() {
            options
                .extend(host.flat_map(str::split_whitespace).filter(|option| !option.starts_with("ndots:")));
        }
        if !options.iter().any(|option| option.starts_with("ndots:")) {
            options.push("ndots:0");
        }
    }
    add(&mut file, "options", options.into_iter());
    file
}

fn add<'a>(file: &mut String, key: &str, values: impl Iterator<Item = &'a str>) {
    let values: Vec<&str> = values.collect();
    if !values.is_empty() {
        file.push_str(&format!("{key} {}\n", values.join(" ")));
    }
}

/// The servers that a resolv.conf names, whatever they are.
pub fn nameservers(text: &str) -> Vec<IpAddr> {
    let lines = text.lines().filter_map(|line| line.trim_start().strip_prefix("nameserver"));
    lines.filter_map(|rest| rest.split_whitespace().next()?.parse().ok()).collect()
}

fn reachable(server: &str) -> bool {
    server
        .parse()
        .is_ok_and(|address: std::net::Ipv4Addr| !address.is_loopback() && !address.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(host: &str, host_network: bool) -> String {
        resolv_conf(host, host_network, &Resolv::default())
    }

    #[test]
    fn keeps_what_works() {
        let host = "# made by hand\nsearch a.org b.org\nnameserver 10.0.0.53\noptions ndots:2\n";
        assert_eq!(plain(host, false), host);
        assert_eq!(plain("nameserver 127.0.0.53", true), "nameserver 127.0.0.53");
    }

    #[test]
    fn drops_servers_out_of_reach() {
        let host = "nameserver 127.0.0.53\nnameserver\t9.9.9.9\nnameserver ::1\nnameserver fe80::1%eth0\nnameserver\n";
        assert_eq!(plain(host, false), "nameserver\t9.9.9.9\n");
        assert_eq!(nameservers(host), ["127.0.0.53", "9.9.9.9", "::1"].map(|a| a.parse::<IpAddr>().unwrap()));
    }

    #[test]
    fn falls_back() {
        let fallback = "nameserver 8.8.8.8\nnameserver 8.8.4.4\n";
        assert_eq!(plain("", false), fallback);
        assert_eq!(
            plain("nameserver 127.0.0.53\noptions edns0", false),
            format!("options edns0\n{fallback}")
        );
        assert_eq!(plain("#nameserver 1.1.1.1\n", false), format!("#nameserver 1.1.1.1\n{fallback}"));
    }

    #[test]
    fn what_is_said_counts() {
        let host = "search a.org\nnameserver 10.0.0.53\noptions ndots:2 edns0\n";
        let own = |text: &[&str]| text.iter().map(|s| s.to_string()).collect::<Vec<_>>();
        let mut wanted = Resolv {
            servers: vec!["192.0.2.1".parse().unwrap()],
            search: own(&["x.org"]),
            ..Resolv::default()
        };
        let given = "options ndots:2 edns0\nsearch x.org\nnameserver 192.0.2.1\n";
        assert_eq!(resolv_conf(host, false, &wanted), given);
        wanted.own = Some("127.0.0.11".parse().unwrap());
        let served = "search x.org\nnameserver 127.0.0.11\noptions edns0 ndots:0\n";
        assert_eq!(resolv_conf(host, false, &wanted), served);
        (wanted.search, wanted.options) = (own(&["."]), own(&["ndots:3"]));
        assert_eq!(resolv_conf(host, false, &wanted), "nameserver 127.0.0.11\noptions ndots:3\n");
    }
}
