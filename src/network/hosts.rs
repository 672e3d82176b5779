//! /etc/hosts of a container.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use super::error::Error;

/// What Docker's file begins with.
const COMMON: &str = "127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
";

/// Refuses an extra host that is not `name:address` or `name=address`, where the address may be `host-gateway`.
///
/// # Errors
/// [`Error::HostSyntax`].
pub fn check_host(text: &str) -> Result<(), Error> {
    extra(text, Ipv4Addr::UNSPECIFIED)
        .map(drop)
        .map_err(|reason| Error::HostSyntax { text: text.to_owned(), reason })
}

/// Content of /etc/hosts: the usual names, the extra hosts in their order, and the container's own addresses under its
/// host name (and the first part of it, if it has a domain). `host-gateway` stands for `gateway`.
/// Extra hosts that [`check_host`] refuses are left out.
pub fn hosts_file(addresses: &[IpAddr], hostname: &str, add_hosts: &[String], gateway: Ipv4Addr) -> String {
    let mut file = COMMON.to_owned();
    for (name, address) in add_hosts.iter().filter_map(|text| extra(text, gateway).ok()) {
        // Writing to a string cannot fail.
        let _ = writeln!(file, "{address}\t{name}");
    }
    for address in addresses {
        let short = hostname.split_once('.').map(|(short, _)| format!(" {short}")).unwrap_or_default();
        let _ = writeln!(file, "{address}\t{hostname}{short}");
    }
    file
}

fn extra(text: &str, gateway: Ipv4Addr) -> Result<(&str, IpAddr), &'static str> {
    let (name, address) = text.split_once(['=', ':']).ok_or("it is not name:address")?;
    // A name goes into a file by lines and words.
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
        return Err("the name has other characters than letters, digits, '-', '_' and '.'");
    }
    if address == "host-gateway" {
        return Ok((name, IpAddr::V4(gateway)));
    }
    let bare = address.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(address);
    Ok((name, bare.parse().map_err(|_| "the address is neither an IP address nor host-gateway")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 87, 0, 1);

    fn own(lines: &str) -> String {
        format!("{COMMON}{lines}")
    }

    #[test]
    fn says_who_the_container_is() {
        let address = &[Ipv4Addr::new(10, 87, 0, 2).into()][..];
        assert_eq!(hosts_file(address, "c0ffee", &[], GATEWAY), own("10.87.0.2\tc0ffee\n"));
        assert_eq!(hosts_file(address, "a.b.org", &[], GATEWAY), own("10.87.0.2\ta.b.org a\n"));
        assert_eq!(hosts_file(&[], "c0ffee", &[], GATEWAY), COMMON);
    }

    #[test]
    fn takes_extra_hosts() {
        let extra = ["db:10.0.0.5", "host:host-gateway", "six:::1", "six2=[fe80::1]"].map(str::to_owned);
        for text in &extra {
            check_host(text).unwrap();
        }
        let file = hosts_file(&[], "x", &extra, GATEWAY);
        assert_eq!(file, own("10.0.0.5\tdb\n10.87.0.1\thost\n::1\tsix\nfe80::1\tsix2\n"));
    }

    #[test]
    fn refuses_what_would_break_the_file() {
        let bad = ["", "db", ":1.2.3.4", "db:", "a b:1.2.3.4", "a\n1.1.1.1 google.com:1.2.3.4", "db:1.2.3"];
        for text in bad {
            assert!(matches!(check_host(text), Err(Error::HostSyntax { .. })), "{text:?}");
        }
        assert_eq!(hosts_file(&[], "x", &bad.map(str::to_owned), GATEWAY), COMMON);
    }
}
