//! Making a container: the parent's side.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::sched::CloneFlags;
use oci_spec::runtime::{ContainerState, Spec};
use rustix::io::Errno;

use super::cgroup::{Cgroup, Making, Seats};
use super::channel::{Channel, Failure, Message, Step};
use super::child::{self, Setup};
use super::error::Error;
use super::gate::Gate;
use super::hook::Subject;
use super::namespace::Home;
use super::plan::Plan;
use super::process::Process;
use super::seccomp::Agent;
use super::{Io, Rootfs, cgroupfs, host, idmap};
use crate::kernel::process::{Cloned, clone, clone_into};

/// What makes a container.
pub struct Create<'a> {
    /// The specification.
    pub spec: &'a Spec,
    /// The container's id, for messages.
    pub id: &'a str,
    /// Its directory, which a seccomp listener is told of.
    pub bundle: &'a Path,
    /// Its control group, if it is being made already; the specification says which.
    pub group: Option<Making>,
    /// Its root.
    pub rootfs: &'a dyn Rootfs,
    /// Its standard streams.
    pub io: Io,
    /// Process 1 is a reaper that forwards signals, and the command its child.
    pub init: bool,
    /// The container ends when this process does.
    pub die_with_parent: bool,
    /// Where it waits to be started by another process, which the caller leaves it to with [`Created::leave`].
    pub gate: Option<Gate>,
    /// How many descriptors from 3 on it inherits.
    pub preserve_fds: u32,
    /// What its hooks are told; they are refused without.
    pub subject: Option<&'a Subject>,
}

/// A container that is set up, or still setting itself up, and has not executed its command. Dropping it ends it.
#[derive(Debug)]
pub struct Created {
    process: Option<Process>,
    channel: Channel,
    netns: Option<OwnedFd>,
    userns: Option<OwnedFd>,
    agent: Option<Agent>,
}

/// Makes a container's processes, namespaces, control group and mounts. The child may still be setting up when this
/// returns; [`Created::start`] waits for it. The caller must be single-threaded.
///
/// # Errors
/// When the specification is not usable or the parent's part fails; what was made is taken back, but for the control
/// group, which its owner removes.
pub fn create(create: Create<'_>) -> Result<Created, Error> {
    tracing::debug!(id = create.id, "create");
    let mut plan = Plan::new(create.spec)?;
    // Who drives an OCI runtime may look.
    plan.renumber = create.subject.is_some() && plan.namespaces.own_users();
    let cgroups = cgroupfs::detect().map_err(Error::proc("/proc/self/mountinfo"))?;
    let cgroup = match create.group.and_then(Making::finish) {
        Some(made) => Some(made?),
        None => plan.cgroup.as_deref().map(|path| Cgroup::create(path, &plan.resources)).transpose()?,
    };
    let seats = cgroup.as_ref().map(Cgroup::seats).transpose()?.unwrap_or_default();
    let (ours, theirs) = Channel::pair().map_err(Error::Channel)?;
    let setup = Setup {
        plan: &plan,
        cgroups: &cgroups,
        seats,
        io: create.io,
        init: create.init,
        die_with_parent: create.die_with_parent,
        gate: create.gate,
        preserve_fds: create.preserve_fds,
        subject: create.subject,
    };
    if plan.hooks.is_some() && setup.subject.is_none() {
        return Err(Error::Unsupported("a hook".to_string()));
    }
    let home = (!plan.namespaces.leaves_for_good()).then(|| plan.namespaces.enter()).transpose()?;
    let flags = plan.namespaces.clone_flags();
    let in_two_steps = plan.namespaces.in_two_steps();
    let (cloned, seated) = seated_clone(if in_two_steps { 0 } else { flags }, &setup.seats);
    if let Ok(Cloned::Child) = cloned {
        drop(ours);
        child::main(setup, theirs, flags);
    }
    home.map_or(Ok(()), Home::go)?;
    drop((setup, theirs));
    let (pid, pidfd) = match cloned {
        Ok(Cloned::Parent { pid, pidfd }) => (pid, pidfd),
        Ok(Cloned::Child) => return Err(Error::Died),
        Err(e) => return Err(Error::Clone(e.into())),
    };
    let mut process = Process::new(pid, pidfd);
    if !seated && let Some(Err(error)) = cgroup.as_ref().map(|cgroup| cgroup.add_unified(pid)) {
        let _ = process.kill(libc::SIGKILL);
        let _ = process.wait();
        return Err(error.into());
    }
    if in_two_steps {
        process = born_inside(process, &ours)?;
    }
    if plan.namespaces.user.is_some() {
        (plan.uid_mappings, plan.gid_mappings) = idmap::read(process.pid())?;
    }
    let pid = process.pid();
    // From here on a failure ends the child, by the drop.
    let process = Some(process);
    let agent =
        Agent::of(plan.process.seccomp.as_ref(), create.id, create.bundle, ContainerState::Creating, pid);
    let agent = agent.map(|agent| agent.with_annotations(create.spec.annotations()));
    let mut created = Created { process, channel: ours, netns: None, userns: None, agent };
    created.provide(pid, &plan, create.rootfs, create.subject)?;
    Ok(created)
}

impl Created {
    /// Gives the child what it cannot make.
    fn provide(
        &mut self,
        pid: i32,
        plan: &Plan,
        rootfs: &dyn Rootfs,
        subject: Option<&Subject>,
    ) -> Result<(), Error> {
        if plan.namespaces.has(CloneFlags::CLONE_NEWUSER) {
            idmap::write(pid, &plan.uid_mappings, &plan.gid_mappings)?;
        }
        if plan.namespaces.own_users() {
            self.userns = Some(host::namespace(pid, "user")?);
        }
        if plan.namespaces.has(CloneFlags::CLONE_NEWNET) {
            self.netns = Some(host::namespace(pid, "net")?);
        }
        host::adjust(pid, &plan.process)?;
        self.send(&Message::Mapped, &[])?;
        // A tree that is mounted nowhere serves the namespace that it was made in alone.
        let away = plan.namespaces.joins_mounts().then(|| plan.namespaces.enter()).transpose()?;
        let mounts = host::mounts(plan, rootfs, self.userns.as_ref().map(AsFd::as_fd));
        away.map_or(Ok(()), Home::go)?;
        let mounts = mounts?;
        if let (Some(hooks), Some(subject)) = (&plan.hooks, subject) {
            // Deprecated, and still what Docker sets its networks up with.
            #[allow(deprecated)]
            subject.run(hooks.prestart().as_ref(), "creating", pid)?;
            subject.run(hooks.create_runtime().as_ref(), "creating", pid)?;
        }
        self.send(&Message::Resources, &host::borrowed(&mounts))
    }

    /// A child that failed has closed its end, and said why before.
    fn send(&self, message: &Message, fds: &[BorrowedFd<'_>]) -> Result<(), Error> {
        match self.channel.send(message, fds) {
            Ok(()) => Ok(()),
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Err(self.why()),
            Err(e) => Err(Error::Channel(e)),
        }
    }

    fn why(&self) -> Error {
        match self.channel.receive() {
            Ok(Some((Message::Failed(failure), _))) => failure.into(),
            Ok(_) => Error::Died,
            Err(e) => Error::Channel(e),
        }
    }

    /// Pid of the container's first process.
    pub fn pid(&self) -> i32 {
        self.process.as_ref().map_or(0, Process::pid)
    }

    /// The network namespace that was made for it.
    pub fn netns(&self) -> Option<BorrowedFd<'_>> {
        self.netns.as_ref().map(AsFd::as_fd)
    }

    /// Waits until the container is set up, has it execute its command, and waits until it did; with the master of its
    /// terminal where it has one.
    ///
    /// # Errors
    /// What kept the child from setting up or executing; it has ended then.
    pub fn start(mut self) -> Result<(Process, Option<OwnedFd>), Error> {
        let console = self.wait_ready()?;
        self.send(&Message::Go, &[])?;
        executed(&self.channel, self.agent.as_ref(), self.pid())?;
        let process = self.process.take().ok_or(Error::Died)?;
        Ok((process, console))
    }

    /// Waits until the container is set up; the master of its terminal where it has one.
    ///
    /// # Errors
    /// What kept the child from setting up.
    pub fn wait_ready(&mut self) -> Result<Option<OwnedFd>, Error> {
        let (message, mut fds) = self.channel.receive().map_err(Error::Channel)?.ok_or(Error::Died)?;
        match message {
            Message::Ready => Ok(fds.pop()),
            Message::Failed(failure) => Err(failure.into()),
            _ => Err(Error::Died),
        }
    }

    /// Leaves a container that waits at its gate to whoever opens it.
    pub fn leave(mut self) -> Option<Process> {
        self.process.take()
    }
}

/// Clones this process, if possible into its group of the unified hierarchy; tells whether it is there.
pub(super) fn seated_clone(flags: u64, seats: &Seats) -> (Result<Cloned, Errno>, bool) {
    match seats.unified().map(|group| clone_into(flags, group)) {
        Some(Ok(cloned)) => (Ok(cloned), true),
        // Older kernels cannot; if something else is wrong, the other way tells what.
        Some(Err(_)) => (clone(flags), false),
        None => (clone(flags), true),
    }
}

/// The process that was born in existing namespaces; the one that went there first ends with that.
fn born_inside(first: Process, channel: &Channel) -> Result<Process, Error> {
    let message = channel.receive().map_err(Error::Channel);
    let _ = first.wait();
    match message? {
        Some((Message::Forked(_), mut fds)) => {
            let pidfd = fds.pop().ok_or(Error::Died)?;
            // Which number it has here, the first one need not know.
            let path = format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd());
            let text = std::fs::read_to_string(&path).map_err(Error::proc(&path))?;
            let pid = text.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok());
            Ok(Process::new(pid.ok_or(Error::Died)?, pidfd))
        }
        Some((Message::Failed(failure), _)) => Err(failure.into()),
        _ => Err(Error::Died),
    }
}

/// Waits until the process executed its command, which closes the socket; hands its seccomp listener on before.
///
/// # Errors
/// What kept it from executing.
pub(super) fn executed(channel: &Channel, agent: Option<&Agent>, pid: i32) -> Result<(), Error> {
    let mut waiting = agent;
    loop {
        match (channel.receive().map_err(Error::Channel)?, waiting) {
            (None, None) => return Ok(()),
            (Some((Message::Failed(failure), _)), _) => return Err(failure.into()),
            (Some((Message::Listener, fds)), Some(agent)) => {
                agent.tell(pid, fds.first().ok_or(Error::Died)?)?;
                waiting = None;
            }
            _ => return Err(Error::Died),
        }
    }
}

impl Drop for Created {
    fn drop(&mut self) {
        if let Some(process) = self.process.take() {
            // It may be gone already; it is waited for in either case.
            let _ = process.kill(libc::SIGKILL);
            let _ = process.wait();
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        let source = io::Error::from_raw_os_error(failure.errno);
        match failure.step {
            Step::SetUp(step) => Error::Inside { step, source },
            Step::Execute(command) if matches!(failure.errno, libc::ENOENT | libc::ENOTDIR) => {
                Error::CommandNotFound { command, source }
            }
            Step::Execute(command) => Error::CommandNotExecutable { command, source },
        }
    }
}
