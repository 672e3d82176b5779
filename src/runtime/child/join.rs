//! Joining a running container: one process enters its namespaces, and forks the one that executes the command.

use std::os::fd::{AsFd, OwnedFd};

use rustix::thread::{ThreadNameSpaceType as Ns, move_into_thread_name_spaces};

use super::{Named, Outcome, console, execute, expect, standard_streams};
use crate::kernel::process::{Cloned, clone_again, exit_now};
use crate::runtime::cgroup::Seats;
use crate::runtime::channel::{Channel, Message};
use crate::runtime::plan::ProcessPlan;
use crate::runtime::{Io, Target};

/// Runs the joining process to its end.
pub fn main(
    container: &OwnedFd,
    root: &OwnedFd,
    seats: Seats,
    target: &Target<'_>,
    process: &ProcessPlan,
    io: Io,
    channel: &Channel,
) -> ! {
    let seated = super::take_seats(seats);
    let Err(failure) = seated.and_then(|()| enter_and_execute(container, root, target, process, io, channel));
    // If the parent is gone, nobody is left to tell.
    let _ = channel.send(&Message::Failed(failure), &[]);
    exit_now(125)
}

fn enter_and_execute(
    container: &OwnedFd,
    root: &OwnedFd,
    target: &Target<'_>,
    process: &ProcessPlan,
    io: Io,
    channel: &Channel,
) -> Outcome<std::convert::Infallible> {
    let (own_users, preserve_fds) = (target.own_users, target.preserve_fds);
    // This process is in the control group, so that its child is born there.
    expect(channel, |m| matches!(m, Message::Mapped))?;
    super::run::hide()?;
    let mut all =
        Ns::MOUNT | Ns::CONTROL_GROUP | Ns::HOST_NAME_AND_NIS_DOMAIN_NAME | Ns::INTER_PROCESS_COMMUNICATION;
    all |= Ns::PROCESS_ID | Ns::NETWORK;
    all.set(Ns::USER, own_users);
    move_into_thread_name_spaces(container.as_fd(), all)
        .step(|| "enter the container's namespaces".to_string())?;
    let step = || "enter the container's root".to_string();
    rustix::process::fchdir(root).step(step)?;
    rustix::process::chroot(".").step(step)?;
    // Its parent is to be the one that waits for it, not this process, which is about to end.
    match clone_again(libc::CLONE_PARENT as u64).step(|| "start a process".to_string())? {
        Cloned::Parent { pid, pidfd } => {
            let sent = channel.send(&Message::Forked(pid), &[pidfd.as_fd()]);
            exit_now(if sent.is_ok() { 0 } else { 125 })
        }
        Cloned::Child => {}
    }
    if own_users {
        super::identity::become_ids(0, 0, &[])?;
    }
    rustix::process::setsid().step(|| "start a session".to_string())?;
    crate::kernel::process::new_session_keyring().step(|| "make a session keyring".to_string())?;
    let console = match io {
        Io::Terminal { size } => Some(console::open_more(size, process)?),
        Io::Fds { stdin, stdout, stderr } => {
            standard_streams([&stdin, &stdout, &stderr])?;
            None
        }
    };
    let fds: Vec<_> = console.as_ref().map(AsFd::as_fd).into_iter().collect();
    channel.send(&Message::Ready, &fds).step(|| "report to the parent".to_string())?;
    drop(console);
    expect(channel, |m| matches!(m, Message::Go))?;
    execute(process, false, channel, preserve_fds)
}
