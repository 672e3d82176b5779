//! Where a container that was created waits until it is started, maybe by another process: a socket in its directory.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use oci_spec::runtime::{ContainerState, Spec};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect, listen, socket_with,
};

use super::channel::{Channel, Message};
use super::create::executed;
use super::error::Error;
use super::hook::Subject;
use super::seccomp::{Agent, compile};

/// Name of the socket in the container's directory.
const NAME: &str = "start";

/// The waiting side.
#[derive(Debug)]
pub struct Gate(OwnedFd);

impl Gate {
    /// Makes the socket in a directory that only its owner may enter.
    ///
    /// # Errors
    /// [`Error::Channel`].
    pub fn bind(dir: &Path) -> Result<Gate, Error> {
        let make = || {
            let (_keep, address) = address(dir)?;
            let gate = socket()?;
            bind(&gate, &address)?;
            listen(&gate, 1)?;
            Ok(Gate(gate))
        };
        make().map_err(Error::Channel)
    }

    /// Waits for the one who opens it.
    pub(super) fn wait(&self) -> Result<Channel, Errno> {
        loop {
            match accept_with(&self.0, SocketFlags::CLOEXEC) {
                Err(Errno::INTR) => {}
                result => return result.map(Channel::from),
            }
        }
    }
}

/// Whether a container waits there.
pub fn is_waiting(dir: &Path) -> bool {
    dir.join(NAME).exists()
}

/// Lets the container that waits in a directory execute its command, and waits until it did. `pid` is its first process.
///
/// # Errors
/// What kept it from executing; it has ended then.
pub fn open(dir: &Path, spec: &Spec, subject: &Subject, pid: i32) -> Result<(), Error> {
    let seccomp = spec.linux().as_ref().and_then(|linux| linux.seccomp().as_ref());
    let program = seccomp.map(compile).transpose()?;
    let agent = Agent::of(program.as_ref(), &subject.id, &subject.bundle, ContainerState::Created, pid);
    let agent = agent.map(|agent| agent.with_annotations(spec.annotations()));
    let channel = || {
        let (_keep, address) = address(dir)?;
        let gate = socket()?;
        connect(&gate, &address)?;
        std::fs::remove_file(dir.join(NAME))?;
        Ok(Channel::from(gate))
    };
    let channel = channel().map_err(Error::Channel)?;
    channel.send(&Message::Go, &[]).map_err(Error::Channel)?;
    executed(&channel, agent.as_ref(), pid)
}

fn socket() -> io::Result<OwnedFd> {
    Ok(socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// By way of a descriptor, since addresses have at most 108 bytes (unix(7)).
fn address(dir: &Path) -> io::Result<(File, SocketAddrUnix)> {
    let dir = File::open(dir)?;
    let path = PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd())).join(NAME);
    Ok((dir, SocketAddrUnix::new(path)?))
}
