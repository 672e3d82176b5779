//! The network of a container without root: slirp4netns(1), a TCP/IP stack in a process of the user's.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::pipe::{PipeFlags, pipe_with};
use serde_json::{Value, json};

use super::error::Error;
use super::port::{PortMapping, Protocol};
use super::publish;

/// The program.
const PROGRAM: &str = "slirp4netns";
/// Where it takes orders.
const SOCKET: &str = "slirp.sock";
/// Longest answer of its socket, in bytes.
const ANSWER: u64 = 64 * 1024;

/// A running network stack. It ends with its owner, and when this is dropped.
#[derive(Debug)]
pub struct Slirp {
    child: Child,
    ports: Vec<PortMapping>,
    // The stack ends when the other end of its pipe is closed.
    _alive: OwnedFd,
}

impl Slirp {
    /// Address of the container.
    pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 100);
    /// Address of the host, as the container sees it.
    pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
    /// Name server that asks the host's.
    pub const RESOLVER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 3);

    /// Whether it is installed.
    pub fn is_there() -> bool {
        Command::new(PROGRAM).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    }

    /// Gives the network namespace of a process a link to the outside, and has ports of the host lead there. What it keeps is
    /// in `dir`.
    ///
    /// # Errors
    /// [`Error::Slirp`] with its words, such as for a port that is taken.
    pub fn start(pid: i32, dir: &Path, ports: &[PortMapping]) -> Result<Slirp, Error> {
        let log = dir.join("slirp.log");
        let failed = |e: std::io::Error| Error::Slirp(format!("it cannot be started: {e}"));
        let (ready, say_ready) = pipe().map_err(failed)?;
        let (until, alive) = pipe().map_err(failed)?;
        let mut command = Command::new(PROGRAM);
        command.args(["--configure", "--mtu=65520", "--disable-host-loopback"]);
        for (option, fd) in [("--ready-fd", &say_ready), ("--exit-fd", &until)] {
            fcntl_setfd(fd, FdFlags::empty()).map_err(|e| failed(e.into()))?;
            command.arg(option).arg(fd.as_raw_fd().to_string());
        }
        // By its path: the namespace belongs to the user namespace that this process is in already.
        let namespace = format!("/proc/{pid}/ns/net");
        // A socket's path may have 107 bytes, which a container's has already.
        command.current_dir(dir).args(["--api-socket", SOCKET]).args([
            "--netns-type=path",
            &namespace,
            "tap0",
        ]);
        if !rustix::process::geteuid().is_root() {
            // It looks whether the namespace is there with what its user may do, and a user who is not root may not.
            command.uid(0).gid(0);
        }
        let stderr = File::create(&log).map_err(failed)?;
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn().map_err(failed)?;
        drop((say_ready, until));
        let mut slirp = Slirp { child, ports: Vec::new(), _alive: alive };
        let mut byte = [0];
        if File::from(ready).read_exact(&mut byte).is_err() {
            return Err(Error::Slirp(words(&log)));
        }
        let here = File::open(dir).map_err(failed)?;
        let socket = PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", here.as_raw_fd()));
        for mapping in ports {
            let chosen = mapping.at(port(mapping, &slirp.ports)?);
            forward(&socket, &chosen)?;
            slirp.ports.push(chosen);
        }
        Ok(slirp)
    }

    /// The ports that lead to the container.
    pub fn ports(&self) -> &[PortMapping] {
        &self.ports
    }
}

impl Drop for Slirp {
    fn drop(&mut self) {
        // It may have ended with the namespace; it is waited for in either case.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pipe() -> std::io::Result<(OwnedFd, OwnedFd)> {
    pipe_with(PipeFlags::CLOEXEC).map_err(Into::into)
}

/// What a program has said in its log.
pub(super) fn words(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let said: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    if said.is_empty() { "it ended without a word".to_string() } else { said.join("; ") }
}

/// The port that was asked for, or one that is free and not among those that were chosen before.
pub(super) fn port(mapping: &PortMapping, chosen: &[PortMapping]) -> Result<u16, Error> {
    let PortMapping { host_address, host_port, host_last, protocol, .. } = *mapping;
    if host_port != 0 && host_last.is_none() {
        return Ok(host_port);
    }
    let is_chosen = |port: &u16| chosen.iter().any(|c| (c.host_port, c.protocol) == (*port, protocol));
    for candidate in mapping.candidates().filter(|port| !is_chosen(port)) {
        let address = SocketAddr::new(host_address, candidate);
        let bound = match protocol {
            Protocol::Tcp => TcpListener::bind(address).and_then(|socket| socket.local_addr()),
            Protocol::Udp => UdpSocket::bind(address).and_then(|socket| socket.local_addr()),
        };
        match bound {
            Ok(address) => return Ok(address.port()),
            Err(e) if e.kind() == io::ErrorKind::AddrInUse => {}
            Err(e) => return Err(Error::Slirp(format!("no port is free: {e}"))),
        }
    }
    Err(publish::all_in_use(mapping))
}

/// slirp4netns(1), "API socket": one request a connection.
fn forward(socket: &Path, mapping: &PortMapping) -> Result<(), Error> {
    let request = json!({"execute": "add_hostfwd", "arguments": {
        "proto": mapping.protocol.to_string(), "host_addr": mapping.host_address.to_string(),
        "host_port": mapping.host_port, "guest_port": mapping.container_port,
    }});
    let talk = || -> std::io::Result<String> {
        let mut stream = UnixStream::connect(socket)?;
        stream.write_all(request.to_string().as_bytes())?;
        stream.shutdown(Shutdown::Write)?;
        let mut answer = String::new();
        stream.take(ANSWER).read_to_string(&mut answer)?;
        Ok(answer)
    };
    let (address, port) = (mapping.host_address, mapping.host_port);
    let refused = |why: String| Error::Slirp(format!("port {address}:{port} cannot be published: {why}"));
    let answer = talk().map_err(|e| refused(e.to_string()))?;
    let answer: Value = serde_json::from_str(&answer).map_err(|e| refused(e.to_string()))?;
    match answer.pointer("/error/desc").and_then(Value::as_str) {
        Some(why) => Err(refused(why.to_string())),
        None => Ok(()),
    }
}
