//! Who has a port.

use std::fs;

use super::port::Protocol;

/// Name and pid of a process that listens on a port of this host, as far as `/proc` shows it.
pub fn holder(protocol: Protocol, port: u16) -> Option<String> {
    let tables = match protocol {
        Protocol::Tcp => ["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"],
        Protocol::Udp => ["/proc/thread-self/net/udp", "/proc/thread-self/net/udp6"],
    };
    let inode = tables.iter().find_map(|table| inode(&fs::read_to_string(table).ok()?, port))?;
    let target = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let pids = processes.filter_map(|e| e.file_name().to_str()?.parse::<i32>().ok());
    let has_it = |pid: &i32| {
        let fds = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        fds.into_iter().any(|fd| fs::read_link(fd.path()).is_ok_and(|t| t.as_os_str() == target.as_str()))
    };
    let pid = pids.into_iter().find(has_it)?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some(format!("{} (pid {pid})", name.trim()))
}

/// Inode of the socket with this local port that waits for packets or connections (proc_pid_net(5)).
fn inode(table: &str, port: u16) -> Option<u64> {
    // Listening TCP sockets, and UDP ones without a peer.
    let waiting = ["0A", "07"];
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let local = fields.get(1)?.rsplit(':').next()?;
        let fits = u16::from_str_radix(local, 16) == Ok(port) && waiting.contains(fields.get(3)?);
        if fits { fields.get(9)?.parse().ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_who_listens_is_found() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let found = holder(Protocol::Tcp, port).unwrap();
        assert!(found.ends_with(&format!("(pid {})", std::process::id())), "{found}");
        drop(socket);
        assert_eq!(holder(Protocol::Tcp, port), None);
    }
}
