//! The network of a container without root, the other way: pasta(1), which needs no address translation and knows IPv6.

use std::fs::File;
use std::io::{self, Read};
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
use rustix::mount::{UnmountFlags, mount_bind, unmount};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::error::Error;
use super::port::{PortMapping, Protocol};
use super::slirp::{Slirp, port, words};
use super::sys::end_with_this;

/// The program.
const PROGRAM: &str = "pasta";
/// The container's network namespace, where the program can open it: not in `/proc`, since it may do less than the container's
/// first process.
const NAMESPACE: &str = "netns";
/// Where the program writes its pid as soon as it is ready.
const READY: &str = "pasta.pid";
/// What it has to say, and what it says before it knows of that file.
const LOG: &str = "pasta.log";
const ERRORS: &str = "pasta.err";
/// Bits of the container's network, as [`Slirp`]'s.
const PREFIX: &str = "24";

/// A running network stack. It ends with its owner, and when this is dropped.
#[derive(Debug)]
pub struct Pasta {
    child: Child,
    ports: Vec<PortMapping>,
    namespace: PathBuf,
}

impl Pasta {
    /// Address of the container; the same as the other stack's.
    pub const ADDRESS: Ipv4Addr = Slirp::ADDRESS;

    /// Whether it is installed.
    pub fn is_there() -> bool {
        Command::new(PROGRAM).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    }

    /// Gives the network namespace of a process a link to the outside, and has ports of the host lead there. What it keeps is
    /// in `dir`. The caller is in a mount namespace of its own, in which the network namespace is mounted there.
    ///
    /// # Errors
    /// [`Error::Pasta`] with its words, such as for a port that is taken.
    pub fn start(pid: i32, dir: &Path, ports: &[PortMapping]) -> Result<Pasta, Error> {
        let failed = |e: io::Error| Error::Pasta(format!("it cannot be started: {e}"));
        let namespace = dir.join(NAMESPACE);
        let mut chosen = Vec::new();
        for mapping in ports {
            let host_port = port(mapping, &chosen).map_err(|why| match why {
                Error::Slirp(why) => Error::Pasta(why),
                other => other,
            })?;
            chosen.push(mapping.at(host_port));
        }
        File::create(&namespace).map_err(failed)?;
        mount_bind(format!("/proc/{pid}/ns/net"), &namespace).map_err(|e| failed(e.into()))?;
        let ready = fifo(&dir.join(READY)).map_err(failed)?;
        let mut command = command(dir, &chosen);
        end_with_this(&mut command);
        let stderr = File::create(dir.join(ERRORS)).map_err(failed)?;
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn();
        let mut pasta = Pasta { child: child.map_err(failed)?, ports: chosen, namespace };
        match pasta.is_ready(ready) {
            Ok(true) => Ok(pasta),
            Ok(false) => Err(Error::Pasta(said(dir))),
            Err(e) => Err(failed(e)),
        }
    }

    /// The ports that lead to the container.
    pub fn ports(&self) -> &[PortMapping] {
        &self.ports
    }

    /// Waits until it is ready, or has ended.
    fn is_ready(&mut self, ready: OwnedFd) -> io::Result<bool> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or(io::ErrorKind::InvalidData)?;
        let child = pidfd_open(pid, PidfdFlags::empty())?;
        loop {
            let mut fds = [PollFd::new(&ready, PollFlags::IN), PollFd::new(&child, PollFlags::IN)];
            match poll(&mut fds, None) {
                Err(rustix::io::Errno::INTR) => continue,
                result => result?,
            };
            if fds[0].revents().contains(PollFlags::IN) {
                return Ok(File::from(ready).read(&mut [0])? > 0);
            }
            if !fds[1].revents().is_empty() {
                return Ok(false);
            }
        }
    }
}

impl Drop for Pasta {
    fn drop(&mut self) {
        // It may have ended with the namespace; it is waited for in either case.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = unmount(&self.namespace, UnmountFlags::DETACH);
    }
}

/// No way leads back: neither to the host's loopback by the gateway's address, nor from the container's loopback to the host's.
fn command(dir: &Path, ports: &[PortMapping]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["--foreground", "--quiet", "--config-net", "--no-map-gw", "--ns-ifname", "eth0"]);
    command.args(["--tcp-ns", "none", "--udp-ns", "none"]);
    let (address, gateway) = (Slirp::ADDRESS.to_string(), Slirp::GATEWAY.to_string());
    command.args(["--address", &address, "--netmask", PREFIX, "--gateway", &gateway]);
    command.args(["--dns-forward", &Slirp::RESOLVER.to_string()]);
    for (option, protocol) in [("--tcp-ports", Protocol::Tcp), ("--udp-ports", Protocol::Udp)] {
        let own = ports.iter().filter(|mapping| mapping.protocol == protocol);
        let specs: Vec<String> =
            own.map(|m| format!("{}/{}:{}", m.host_address, m.host_port, m.container_port)).collect();
        match specs.is_empty() {
            true => command.args([option, "none"]),
            false => command.args(specs.iter().flat_map(|spec| [option, spec.as_str()])),
        };
    }
    command.arg("--pid").arg(dir.join(READY)).arg("--log-file").arg(dir.join(LOG));
    command.arg("--netns").arg(dir.join(NAMESPACE));
    command
}

/// Why it ended.
fn said(dir: &Path) -> String {
    let has_words = |path: &PathBuf| std::fs::metadata(path).is_ok_and(|meta| meta.len() > 0);
    words(&Some(dir.join(ERRORS)).filter(has_words).unwrap_or_else(|| dir.join(LOG)))
}

/// A named pipe, open for reading before anybody writes.
fn fifo(path: &Path) -> io::Result<OwnedFd> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    Ok(open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?)
}
