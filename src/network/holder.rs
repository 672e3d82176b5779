//! Who has a port (proc_pid_net(5), proc_pid_fd(5)).

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::port::Protocol;

/// "name (pid n)" of a process that has the port at this address or at one that overlaps with it,
/// as far as the caller may see it.
pub(super) fn find(address: IpAddr, port: u16, protocol: Protocol) -> Option<String> {
    let mut inodes = Vec::new();
    for table in [protocol.to_string(), format!("{protocol}6")] {
        let text = fs::read_to_string(format!("/proc/thread-self/net/{table}")).unwrap_or_default();
        inodes.extend(text.lines().skip(1).filter_map(|line| socket(line, address, port, protocol)));
    }
    inodes.iter().find_map(|inode| process(*inode))
}

/// Inode of the socket in that line, if it is bound to the port.
fn socket(line: &str, address: IpAddr, port: u16, protocol: Protocol) -> Option<u64> {
    const LISTEN: &str = "0A";
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
    let (bound, bound_port) = local.split_once(':')?;
    if u16::from_str_radix(bound_port, 16).ok()? != port || (protocol == Protocol::Tcp && *state != LISTEN) {
        return None;
    }
    let bound = bound_address(bound)?;
    // A socket for all IPv6 addresses takes those of IPv4 too, as a rule.
    let both = |one: IpAddr, other: IpAddr| one.is_unspecified() && (one.is_ipv6() || other.is_ipv4());
    let overlaps = bound == address || both(bound, address) || both(address, bound);
    if overlaps { inode.parse().ok() } else { None }
}

/// Every word of an address is printed as a number in the machine's byte order.
fn bound_address(text: &str) -> Option<IpAddr> {
    let mut bytes = Vec::new();
    for at in (0..text.len()).step_by(8) {
        bytes.extend(u32::from_str_radix(text.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    }
    match <[u8; 4]>::try_from(&bytes[..]) {
        Ok(bytes) => Some(Ipv4Addr::from(bytes).into()),
        Err(_) => Some(Ipv6Addr::from(<[u8; 16]>::try_from(&bytes[..]).ok()?).to_canonical()),
    }
}

fn process(inode: u64) -> Option<String> {
    let wanted = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.flatten();
    processes.filter(|p| p.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit)).find_map(
        |process| {
            let fds = fs::read_dir(process.path().join("fd")).ok()?;
            fds.flatten().find(|fd| {
                fs::read_link(fd.path()).is_ok_and(|target| target.as_os_str() == wanted.as_str())
            })?;
            let name = fs::read_to_string(process.path().join("comm")).ok()?;
            Some(format!("{} (pid {})", name.trim_end(), process.file_name().to_string_lossy()))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    // The line formats are those of a live kernel.
    const WILDCARD: &str = "   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 21 1 x 100 0 0 10 0";
    const LOOPBACK: &str = "   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 22 1 x 100 0 0 10 0";
    const SIX: &str = "   2: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 23 1 x 100 0 0 10 0";
    const CONNECTED: &str = "   3: 0100007F:1F90 0100007F:C000 01 00000000:00000000 00:00000000 00000000     0        0 24 1 x 100 0 0 10 0";

    #[test]
    #[cfg(target_endian = "little")]
    fn finds_the_socket_that_overlaps() {
        let at =
            |line, address: [u8; 4], port| socket(line, Ipv4Addr::from(address).into(), port, Protocol::Tcp);
        assert_eq!(at(WILDCARD, [127, 0, 0, 1], 8080), Some(21));
        assert_eq!(at(LOOPBACK, [127, 0, 0, 1], 8080), Some(22));
        assert_eq!(at(LOOPBACK, [0, 0, 0, 0], 8080), Some(22));
        assert_eq!(at(LOOPBACK, [10, 0, 0, 1], 8080), None);
        assert_eq!(at(LOOPBACK, [127, 0, 0, 1], 8081), None);
        assert_eq!(at(SIX, [10, 0, 0, 1], 8080), Some(23));
        assert_eq!(at(CONNECTED, [127, 0, 0, 1], 8080), None);
        assert_eq!(at("", [0; 4], 0), None);
    }
}
