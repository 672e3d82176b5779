//! SSH agents, passed on for as long as a command runs.
//!
//! An agent answers processes of its own user and of root only (`ssh-agent(1)`), and those of a container have ids of their
//! own. So they get a socket that belongs to whom the mount says, and a process of this machine's passes on what is said.

use std::fs::{self, Permissions};
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;

use rustix::fs::{Mode, OFlags};
use rustix::process::{Signal, WaitId, WaitIdOptions, set_parent_process_death_signal, waitid};

use crate::build::error::StepError;
use crate::kernel::process::{Cloned, clone, close_all_but, exit_now, pidfd_send_signal};

/// An agent that a command may ask.
pub struct Agent {
    /// The agent's own socket.
    pub agent: PathBuf,
    /// The socket that the command gets.
    pub socket: PathBuf,
    /// Permission bits of that.
    pub mode: u32,
    /// User and group of that, inside.
    pub owner: (u32, u32),
}

/// A process that passes on; it ends with this value.
pub struct Relay(OwnedFd);

impl Agent {
    /// Makes the socket, and starts to pass on. The caller has one thread.
    ///
    /// # Errors
    /// When the socket or the process cannot be made.
    pub fn relay(&self) -> Result<Relay, StepError> {
        let path = &self.socket;
        let listener = listen(path).map_err(StepError::file("create", path))?;
        chown(path, Some(self.owner.0), Some(self.owner.1)).map_err(StepError::file("give away", path))?;
        fs::set_permissions(path, Permissions::from_mode(self.mode & 0o777))
            .map_err(StepError::file("give away", path))?;
        match clone(0).map_err(StepError::errno("start a process for", &self.agent))? {
            Cloned::Parent { pidfd, .. } => Ok(Relay(pidfd)),
            Cloned::Child => {
                let _ = set_parent_process_death_signal(Some(Signal::KILL));
                // Others wait for the end of what they read from their parent.
                let _ = close_all_but(listener.as_fd());
                serve(&listener, &self.agent);
                exit_now(0)
            }
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = pidfd_send_signal(&self.0, libc::SIGKILL);
        let _ = waitid(WaitId::PidFd(self.0.as_fd()), WaitIdOptions::EXITED);
    }
}

/// Listens at a path of any length: an address has room for 108 bytes only (`unix(7)`).
fn listen(path: &Path) -> io::Result<UnixListener> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = rustix::fs::open(dir, flags, Mode::empty())?;
    let short = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&dir));
    UnixListener::bind(Path::new(&short).join(name))
}

fn serve(listener: &UnixListener, agent: &Path) {
    for inside in listener.incoming() {
        // That the agent is gone is told by the end of the connection, as if there were none in between.
        let (Ok(inside), Ok(outside)) = (inside, UnixStream::connect(agent)) else { continue };
        let (Ok(to_inside), Ok(from_outside)) = (inside.try_clone(), outside.try_clone()) else { continue };
        let _ = thread::Builder::new().spawn(move || pass(inside, outside));
        let _ = thread::Builder::new().spawn(move || pass(from_outside, to_inside));
    }
}

fn pass(mut from: UnixStream, mut to: UnixStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
