//! A further process in a running container.

use std::os::fd::OwnedFd;
use std::path::Path;

use oci_spec::runtime::{ContainerState, LinuxSeccomp};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::cgroup::Cgroup;
use super::channel::{Channel, Message};
use super::child::join;
use super::create::{executed, seated_clone};
use super::error::Error;
use super::plan::ProcessPlan;
use super::process::Process;
use super::seccomp::Agent;
use super::{Io, host};
use crate::kernel::binary;
use crate::kernel::process::Cloned;

/// The container that is joined.
#[derive(Debug)]
pub struct Target<'a> {
    /// Its first process.
    pub pid: i32,
    /// Where its control group stands.
    pub cgroup: Option<&'a str>,
    /// It has a user namespace of its own.
    pub own_users: bool,
    /// How many descriptors from 3 on the process inherits.
    pub preserve_fds: u32,
    /// Its id, which a seccomp listener is told.
    pub id: &'a str,
    /// Its directory.
    pub bundle: &'a Path,
    /// Its rules for system calls.
    pub seccomp: Option<&'a LinuxSeccomp>,
}

/// Before a container is joined whose root is the host's: starts this program anew from where it cannot be written, unless it
/// was already. Nothing may have been done before that cannot be done twice.
///
/// # Errors
/// [`Error::Binary`].
pub fn protect_binary() -> Result<(), Error> {
    binary::protect().map_err(Error::Binary)
}

/// Runs a process in all namespaces and the control group of a container; with the master of its terminal where it gets
/// one. The caller must be single-threaded.
///
/// # Errors
/// When the container has ended, a namespace cannot be joined, or the command cannot be executed.
pub fn exec(
    target: &Target<'_>,
    process: &oci_spec::runtime::Process,
    io: Io,
) -> Result<(Process, Option<OwnedFd>), Error> {
    let plan = ProcessPlan::new(process, target.seccomp)?;
    let gone =
        |e: rustix::io::Errno| Error::Proc { path: format!("/proc/{}", target.pid).into(), source: e.into() };
    let pid = Pid::from_raw(target.pid).ok_or(Error::Died)?;
    let container = pidfd_open(pid, PidfdFlags::empty()).map_err(gone)?;
    let root = root_of(target.pid)?;
    let cgroup = target.cgroup.map(Cgroup::open).transpose()?;
    let (ours, theirs) = Channel::pair().map_err(Error::Channel)?;
    let seats = cgroup.as_ref().map(Cgroup::seats).transpose()?.unwrap_or_default();
    let (cloned, seated) = seated_clone(0, &seats);
    let joiner = match cloned.map_err(|e| Error::Clone(e.into()))? {
        Cloned::Child => {
            drop(ours);
            join::main(&container, &root, seats, target, &plan, io, &theirs)
        }
        Cloned::Parent { pid, pidfd } => Process::new(pid, pidfd),
    };
    drop((theirs, io));
    let provided = host::adjust(joiner.pid(), &plan).and_then(|()| match &cgroup {
        Some(cgroup) if !seated => cgroup.add_unified(joiner.pid()).map_err(Error::from),
        _ => Ok(()),
    });
    if let Err(error) = provided {
        let _ = joiner.kill(libc::SIGKILL);
        let _ = joiner.wait();
        return Err(error);
    }
    let agent =
        Agent::of(plan.seccomp.as_ref(), target.id, target.bundle, ContainerState::Running, target.pid);
    let result = follow(&ours, agent.as_ref());
    // It has ended, or is about to, in either case.
    let _ = joiner.wait();
    result
}

/// The parent's side of the conversation.
fn follow(channel: &Channel, agent: Option<&Agent>) -> Result<(Process, Option<OwnedFd>), Error> {
    channel.send(&Message::Mapped, &[]).map_err(Error::Channel)?;
    let (process, terminal) = both(channel)?;
    let executed = channel
        .send(&Message::Go, &[])
        .map_err(Error::Channel)
        .and_then(|()| executed(channel, agent, process.pid()));
    match executed {
        Ok(()) => Ok((process, terminal)),
        Err(error) => {
            let _ = process.kill(libc::SIGKILL);
            let _ = process.wait();
            Err(error)
        }
    }
}

/// The process that was forked and its terminal: one side tells that it forked, the other that it is ready, and which is
/// first depends on the moment.
fn both(channel: &Channel) -> Result<(Process, Option<OwnedFd>), Error> {
    let (mut process, mut ready) = (None, None);
    loop {
        match receive(channel)? {
            Some((Message::Forked(pid), mut fds)) => {
                process = Some(Process::new(pid, fds.pop().ok_or(Error::Died)?));
            }
            Some((Message::Ready, mut fds)) => ready = Some(fds.pop()),
            Some(_) | None => return Err(Error::Died),
        }
        if ready.is_some()
            && let Some(process) = process.take()
        {
            return Ok((process, ready.flatten()));
        }
    }
}

/// The next message; a failure becomes an error.
fn receive(channel: &Channel) -> Result<Option<(Message, Vec<OwnedFd>)>, Error> {
    match channel.receive().map_err(Error::Channel)? {
        Some((Message::Failed(failure), _)) => Err(failure.into()),
        other => Ok(other),
    }
}

/// The container's root, which is not always that of its mount namespace: it may share one.
fn root_of(pid: i32) -> Result<OwnedFd, Error> {
    let path = format!("/proc/{pid}/root");
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path.as_str(), flags, Mode::empty())
        .map_err(|e| Error::Proc { path: path.into(), source: e.into() })
}
