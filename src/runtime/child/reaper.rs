//! `--init`: process 1 forwards signals and reaps orphans, the command is its child.

use std::os::fd::AsFd;

use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::process::DumpableBehavior;

use super::{Named, Outcome, end_with_parent};
use crate::kernel::process::{Cloned, clone_again, close_all_but, exit_now, rename};
use crate::runtime::channel::Channel;
use crate::runtime::seccomp::Program;

/// Splits this process: the child returns and goes on to execute the command, the parent stays as process 1.
pub(super) fn split(channel: &Channel, die_with_parent: bool, filter: Option<&Program>) -> Outcome<()> {
    // /proc/1/exe would be the host's binary; this keeps the container from opening it.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .step(|| "hide the reaper's memory".to_string())?;
    rename("lay-init").step(|| "name the reaper".to_string())?;
    let all = SigSet::all();
    all.thread_block().step(|| "block signals".to_string())?;
    match clone_again(0).step(|| "start the command beside the reaper".to_string())? {
        Cloned::Child => lead_terminal(),
        Cloned::Parent { pid, pidfd } => {
            drop(pidfd);
            if die_with_parent {
                end_with_parent()?;
            }
            reap(Pid::from_raw(pid), channel, &all, filter)
        }
    }
}

/// The command is a process group of its own, so that what is typed reaches it once, and not also by way of the reaper.
fn lead_terminal() -> Outcome<()> {
    rustix::process::setpgid(None, None).step(|| "make a process group".to_string())?;
    let stdin = rustix::stdio::stdin();
    if !rustix::termios::isatty(stdin) {
        return Ok(());
    }
    rustix::termios::tcsetpgrp(stdin, rustix::process::getpid()).step(|| "take the terminal".to_string())
}

fn reap(command: Pid, channel: &Channel, signals: &SigSet, filter: Option<&Program>) -> ! {
    // The streams are the command's alone, else their end would never be seen; the channel's closing tells the parent
    // that the command was executed, so this copy of it must go as well.
    let null = rustix::fs::open("/dev/null", rustix::fs::OFlags::RDWR, rustix::fs::Mode::empty());
    let closed = match &null {
        Ok(null) => close_all_but(null.as_fd()),
        Err(_) => close_all_but(channel.as_fd()),
    };
    let filtered = filter.map_or(Ok(()), Program::install_without_listener);
    if closed.is_err() || filtered.is_err() {
        exit_now(125);
    }
    loop {
        match signals.wait() {
            Ok(Signal::SIGCHLD) => {
                if let Some(code) = collect(command) {
                    exit_now(code);
                }
            }
            // It may have ended just now.
            Ok(signal) => drop(kill(command, signal)),
            // Only a filter that refuses the wait itself does this.
            Err(_) => exit_now(125),
        }
    }
}

/// Collects all that ended; the command's exit code if it is among them.
fn collect(command: Pid) -> Option<i32> {
    let mut code = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, status)) if pid == command => code = Some(status),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == command => code = Some(128 + signal as i32),
            Ok(WaitStatus::StillAlive) | Err(_) => return code,
            Ok(_) => {}
        }
    }
}
