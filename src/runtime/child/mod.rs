//! The child's side: from a fresh clone to the executed command.
//!
//! Whatever fails is told to the parent as a typed message; the child then ends.

mod attach;
mod console;
mod home;
mod identity;
pub(super) mod join;
mod paths;
mod places;
mod reaper;
mod run;

use std::io::Write;
use std::path::Path;

use rustix::io::Errno;
use rustix::process::Signal;

use super::Io;
use super::cgroup::Seats;
use super::cgroupfs::CgroupFs;
use super::channel::{Channel, Failure, Message, Step};
use super::error::Error;
use super::gate::Gate;
use super::hook::Subject;
use super::namespace::Namespaces;
use super::plan::Plan;
use crate::kernel::process::{Cloned, clone_again, exit_now, new_session_keyring};

use identity::become_user;
use run::{execute, standard_streams};

/// What the child is to do.
pub struct Setup<'a> {
    /// The specification.
    pub plan: &'a Plan,
    /// Control group file systems of the machine.
    pub cgroups: &'a [CgroupFs],
    /// Its places in its control group.
    pub seats: Seats,
    /// Standard streams.
    pub io: Io,
    /// Process 1 is a reaper.
    pub init: bool,
    /// Ends with its parent.
    pub die_with_parent: bool,
    /// Where it waits to be started.
    pub gate: Option<Gate>,
    /// How many descriptors from 3 on stay open.
    pub preserve_fds: u32,
    /// What its hooks are told.
    pub subject: Option<&'a Subject>,
}

/// Result of a step of the child.
pub(super) type Outcome<T> = Result<T, Failure>;

/// Names a step, for when it fails.
pub(super) trait Named<T> {
    /// The step as a verb and its object.
    fn step(self, name: impl FnOnce() -> String) -> Outcome<T>;
}

impl<T> Named<T> for Result<T, Errno> {
    fn step(self, name: impl FnOnce() -> String) -> Outcome<T> {
        self.map_err(|e| Failure { step: Step::SetUp(name()), errno: e.raw_os_error() })
    }
}

impl<T> Named<T> for Result<T, nix::Error> {
    fn step(self, name: impl FnOnce() -> String) -> Outcome<T> {
        self.map_err(|e| Failure { step: Step::SetUp(name()), errno: e as i32 })
    }
}

impl<T> Named<T> for std::io::Result<T> {
    fn step(self, name: impl FnOnce() -> String) -> Outcome<T> {
        let errno = |e: std::io::Error| e.raw_os_error().unwrap_or(libc::EIO);
        self.map_err(|e| Failure { step: Step::SetUp(name()), errno: errno(e) })
    }
}

impl<T> Named<T> for Result<T, crate::kernel::mount::Error> {
    fn step(self, name: impl FnOnce() -> String) -> Outcome<T> {
        self.map_err(|e| Failure {
            step: Step::SetUp(format!("{} ({e})", name())),
            errno: e.errno().raw_os_error(),
        })
    }
}

/// Runs the child to its end. `flags` are those of its new namespaces, which it was cloned with unless it is to be born in
/// existing ones.
pub fn main(mut setup: Setup<'_>, mut channel: Channel, flags: u64) -> ! {
    let namespaces = &setup.plan.namespaces;
    let born = take_seats(std::mem::take(&mut setup.seats)).and_then(|()| match namespaces.in_two_steps() {
        true => born_in(namespaces, flags, &channel),
        false => Ok(()),
    });
    let Err(failure) = born.and_then(|()| set_up_and_execute(setup, &mut channel));
    // If the parent is gone, nobody is left to tell.
    let _ = channel.send(&Message::Failed(failure), &[]);
    exit_now(125)
}

/// Gets into the control group, before anything is used on its account. Its files are not to be seen inside.
fn take_seats(seats: Seats) -> Outcome<()> {
    let taken = seats.take();
    taken.map_err(|(path, e)| Failure {
        step: Step::SetUp(format!("write to {}", path.display())),
        errno: e.raw_os_error().unwrap_or(libc::EIO),
    })
}

/// Goes into existing namespaces, and has the container's process born there, as the parent's child: its new ones belong to the
/// user namespace among them then. Only that process returns.
fn born_in(namespaces: &Namespaces, flags: u64, channel: &Channel) -> Outcome<()> {
    if let Some(path) = &namespaces.user {
        let step = || format!("enter the user namespace {}", path.display());
        let namespace = std::fs::File::open(path).step(step)?;
        nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWUSER).step(step)?;
        identity::become_ids(0, 0, &[])?;
    }
    if namespaces.leaves_for_good() {
        let errno = |e: &Error| match e {
            Error::Namespace { source, .. } => source.raw_os_error().unwrap_or(libc::EIO),
            _ => libc::EIO,
        };
        let home = namespaces.enter();
        home.map_err(|e| Failure { step: Step::SetUp(format!("begin: {e}")), errno: errno(&e) })?;
    }
    match clone_again(flags | libc::CLONE_PARENT as u64).step(|| "start a process".to_string())? {
        Cloned::Child => Ok(()),
        Cloned::Parent { pid, pidfd } => {
            let sent = channel.send(&Message::Forked(pid), &[std::os::fd::AsFd::as_fd(&pidfd)]);
            exit_now(if sent.is_ok() { 0 } else { 125 })
        }
    }
}

fn set_up_and_execute(setup: Setup<'_>, channel: &mut Channel) -> Outcome<std::convert::Infallible> {
    let Setup { plan, cgroups, seats: _, io, init, die_with_parent, gate, preserve_fds, subject } = setup;
    if die_with_parent {
        end_with_parent()?;
    }
    expect(channel, |m| matches!(m, Message::Mapped))?;
    identity::become_root(plan)?;
    rustix::process::setsid().step(|| "start a session".to_string())?;
    new_session_keyring().step(|| "make a session keyring".to_string())?;
    nix::sched::unshare(plan.namespaces.later).step(|| "make the IPC and cgroup namespaces".to_string())?;
    // Made while the old root still shows the host's /proc and /sys: the kernel makes new ones only there.
    let made = attach::make(plan, cgroups)?;
    let provided = expect(channel, |m| matches!(m, Message::Resources))?;
    let hooks = plan.hooks.as_ref().zip(subject);
    if let Some((hooks, subject)) = hooks {
        hook(subject, hooks.create_container().as_ref(), "creating")?;
    }
    attach::enter_root(plan, provided, made)?;
    names(plan)?;
    let console = match io {
        Io::Terminal { size } => Some(console::open(size, &plan.process)?),
        Io::Fds { stdin, stdout, stderr } => {
            standard_streams([&stdin, &stdout, &stderr])?;
            None
        }
    };
    run::make_cwd(&plan.process.cwd)?;
    attach::propagate_root(plan)?;
    paths::restrict(plan)?;
    let fds: Vec<_> = console.as_ref().map(std::os::fd::AsFd::as_fd).into_iter().collect();
    channel.send(&Message::Ready, &fds).step(|| "report to the parent".to_string())?;
    drop(console);
    if let Some(gate) = gate {
        *channel = gate.wait().step(|| "wait for the start".to_string())?;
    }
    expect(channel, |m| matches!(m, Message::Go))?;
    if let Some((hooks, subject)) = hooks {
        hook(subject, hooks.start_container().as_ref(), "created")?;
    }
    if init {
        reaper::split(channel, die_with_parent, plan.process.seccomp.as_ref())?;
    }
    execute(&plan.process, die_with_parent, channel, preserve_fds)
}

/// Hooks that run inside.
fn hook(subject: &Subject, hooks: Option<&Vec<oci_spec::runtime::Hook>>, status: &str) -> Outcome<()> {
    let pid = rustix::process::getpid().as_raw_nonzero().get();
    subject
        .run(hooks, status, pid)
        .map_err(|e| Failure { step: Step::SetUp(format!("go on: {e}")), errno: libc::ECANCELED })
}

/// The wanted message, with its descriptors; anything else, the parent's end included, ends the child.
fn expect(channel: &Channel, wanted: impl Fn(&Message) -> bool) -> Outcome<Vec<std::os::fd::OwnedFd>> {
    match channel.receive().step(|| "hear from the parent".to_string())? {
        Some((message, fds)) if wanted(&message) => Ok(fds),
        _ => Err(Failure { step: Step::SetUp("hear from the parent".to_string()), errno: libc::EPIPE }),
    }
}

/// The kernel forgets this when the process changes its ids, so it is said again before the command is executed.
pub(super) fn end_with_parent() -> Outcome<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .step(|| "tie its life to the parent's".to_string())
}

/// Host name, domain name and kernel parameters.
fn names(plan: &Plan) -> Outcome<()> {
    if let Some(name) = &plan.hostname {
        rustix::system::sethostname(name.as_bytes()).step(|| format!("set the host name {name}"))?;
    }
    if let Some(name) = &plan.domainname {
        rustix::system::setdomainname(name.as_bytes()).step(|| format!("set the domain name {name}"))?;
    }
    for (path, value) in &plan.sysctls {
        write_proc(path, value).step(|| format!("write {value} to {}", path.display()))?;
    }
    Ok(())
}

/// Writes to a file of `/proc`, if it is the kernel's.
pub(super) fn write_proc(path: &Path, value: &str) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).open(path)?;
    if !places::is_proc(&file)? {
        return Err(Errno::XDEV.into());
    }
    file.write_all(value.as_bytes())
}
