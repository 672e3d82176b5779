//! The container's terminal, made from its own `/dev/pts`.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Gid, Mode, OFlags, Uid};
use rustix::mount::MoveMountFlags;
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;

use super::{Named, Outcome, standard_streams};
use crate::kernel::mount::clone_at;
use crate::kernel::process::take_terminal;
use crate::runtime::plan::ProcessPlan;

/// Makes the container's terminal, shown as `/dev/console` too, and returns its master.
pub(super) fn open(size: Option<Winsize>, process: &ProcessPlan) -> Outcome<OwnedFd> {
    let (master, slave) = make(size, process)?;
    show_console(&slave)?;
    Ok(master)
}

/// Makes a terminal for a further process.
pub(super) fn open_more(size: Option<Winsize>, process: &ProcessPlan) -> Outcome<OwnedFd> {
    make(size, process).map(|(master, _)| master)
}

/// Makes a terminal and takes it as standard streams and controlling terminal: its master and its slave.
fn make(size: Option<Winsize>, process: &ProcessPlan) -> Outcome<(OwnedFd, OwnedFd)> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let master =
        rustix::fs::open("/dev/pts/ptmx", flags, Mode::empty()).step(|| "open a terminal".to_string())?;
    rustix::pty::unlockpt(&master).step(|| "unlock the terminal".to_string())?;
    let peer = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let slave =
        rustix::pty::ioctl_tiocgptpeer(&master, peer).step(|| "open the terminal's other end".to_string())?;
    if let Some(size) = size {
        rustix::termios::tcsetwinsize(&slave, size).step(|| "set the terminal's size".to_string())?;
    }
    let owner = Uid::from_raw(process.uid);
    rustix::fs::fchown(&slave, Some(owner), None::<Gid>).step(|| "own the terminal".to_string())?;
    standard_streams([&slave, &slave, &slave])?;
    take_terminal(&slave).step(|| "control the terminal".to_string())?;
    Ok((master, slave))
}

fn show_console(slave: &OwnedFd) -> Outcome<()> {
    let path = Path::new("/dev/console");
    let step = || "show the terminal as /dev/console".to_string();
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::from_raw_mode(0o600)).step(step)?;
    let clone = clone_at(slave.as_fd(), Path::new(""), false).step(step)?;
    rustix::mount::move_mount(&clone, "", CWD, path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH).step(step)
}
