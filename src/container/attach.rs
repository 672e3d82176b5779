//! Being attached to a container that a monitor supervises: its streams by way of the monitor's socket.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sys::signalfd::SignalFd;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::error::Error;
use super::exit::Exit;
use super::files::write_all;
use super::keys::{DetachKeys, Typed};
use super::launch::Environment;
use super::packet::{self, Packet};
use super::pump::receive_signals;
use super::record::Container;
use super::state::State;
use super::stop::{kill, wait};
use super::terminal::{RawTerminal, window_size};

/// Bytes typed at a time.
const CHUNK: usize = 32 * 1024;

/// How to be attached.
#[derive(Clone, Debug)]
pub struct AttachOptions {
    /// Pass on what is typed.
    pub stdin: bool,
    /// What is typed to go away while the container goes on.
    pub keys: DetachKeys,
    /// Signals go to the container.
    pub forward_signals: bool,
}

/// Why somebody is not attached any more.
#[derive(Clone, Debug)]
pub enum Parted {
    /// The container ended.
    Ended(Exit),
    /// The detach keys were typed.
    Detached,
    /// A signal with this number, which is not for the container.
    Signalled(i32),
}

/// Two ends of a connection: one for a monitor to start with, one for [`Attached::by`].
///
/// # Errors
/// [`Error::System`].
pub fn connection() -> Result<(OwnedFd, OwnedFd), Error> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    let failed = |e: Errno| Error::System("make a socket", e.into());
    let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
    let (ours, theirs) = pair.map_err(failed)?;
    // The container's terminal is to have its size from the beginning.
    if let Some(size) = window_size() {
        packet::transmit(&ours, &Packet::Size(size.ws_col, size.ws_row).encode()).map_err(failed)?;
    }
    Ok((ours, theirs))
}

/// Somebody who is attached.
#[derive(Debug)]
pub struct Attached<'a> {
    env: &'a Environment,
    container: &'a Container,
    socket: OwnedFd,
    options: AttachOptions,
    signals: SignalFd,
}

impl<'a> Attached<'a> {
    /// Attaches to a running container.
    ///
    /// # Errors
    /// [`Error::NotRunning`], [`Error::Paused`], or [`Error::Foreground`] for one that another command supervises.
    pub fn to(
        env: &'a Environment,
        container: &'a Container,
        options: AttachOptions,
    ) -> Result<Attached<'a>, Error> {
        let name = || container.record.name.clone();
        match container.state()? {
            State::Running | State::Restarting => {}
            State::Paused => return Err(Error::Paused(name())),
            _ => return Err(Error::NotRunning(name())),
        }
        let socket = packet::connect_to(&container.dir)?.ok_or_else(|| Error::Foreground(name()))?;
        Attached::by(env, container, socket, options)
    }

    /// Attaches by a connection that a monitor has the other end of. Signals are held back from here on.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn by(
        env: &'a Environment,
        container: &'a Container,
        socket: OwnedFd,
        options: AttachOptions,
    ) -> Result<Attached<'a>, Error> {
        Ok(Attached { env, container, socket, options, signals: receive_signals()? })
    }

    /// Passes everything on until the container ends or the detach keys are typed.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn attend(self) -> Result<Parted, Error> {
        let stdin = io::stdin();
        let stdin = self.options.stdin.then(|| stdin.as_fd());
        let terminal = self.container.record.options.tty;
        let raw = match stdin {
            Some(stdin) if terminal && rustix::termios::isatty(stdin) => Some(RawTerminal::enter(stdin)?),
            _ => None,
        };
        if terminal {
            self.tell_size();
        }
        let parted = self.carry(stdin, raw.is_some());
        drop(raw);
        parted
    }

    fn carry(&self, mut stdin: Option<BorrowedFd<'_>>, keys: bool) -> Result<Parted, Error> {
        let mut typed = self.options.keys.reader();
        let mut buffer = vec![0; packet::MOST + 1];
        loop {
            let mut fds = vec![PollFd::new(&self.socket, PollFlags::IN)];
            fds.push(PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN));
            fds.extend(stdin.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
            match poll(&mut fds, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(e) => return Err(Error::System("wait for the container's streams", e.into())),
            }
            let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
            drop(fds);
            if ready[0]
                && let Some(parted) = self.hear(&mut buffer)?
            {
                return Ok(parted);
            }
            if ready[1]
                && let Some(signal) = self.take_signals()
            {
                return Ok(Parted::Signalled(signal));
            }
            if ready.get(2) == Some(&true)
                && let Some(fd) = stdin
            {
                match self.pass_on(fd, keys.then_some(&mut typed), &mut buffer) {
                    Typing::On => {}
                    Typing::Ended => stdin = None,
                    Typing::Detach => return Ok(Parted::Detached),
                }
            }
        }
    }

    /// Takes one packet of the monitor's.
    fn hear(&self, buffer: &mut [u8]) -> Result<Option<Parted>, Error> {
        let lost = |e: Errno| Error::System("hear from the monitor", e.into());
        match packet::receive(&self.socket, buffer).map_err(lost)? {
            // Nobody reads any more: that is for the container's next write to tell, as with a pipe.
            Some(Packet::Stdout(data)) => drop(write_all(io::stdout().as_fd(), &data)),
            Some(Packet::Stderr(data)) => drop(write_all(io::stderr().as_fd(), &data)),
            Some(Packet::Exit(exit)) => return Ok(Some(Parted::Ended(exit))),
            Some(_) => {}
            // The monitor is gone, but perhaps not the container.
            None => return wait(self.env, self.container).map(Parted::Ended).map(Some),
        }
        Ok(None)
    }

    fn pass_on(&self, from: BorrowedFd<'_>, keys: Option<&mut Typed>, buffer: &mut [u8]) -> Typing {
        let read = match rustix::io::read(from, &mut buffer[..CHUNK]) {
            Ok(0) | Err(Errno::IO) => {
                let _ = packet::transmit(&self.socket, &Packet::EndOfInput.encode());
                return Typing::Ended;
            }
            Ok(read) => read,
            Err(Errno::INTR | Errno::AGAIN) => return Typing::On,
            Err(_) => return Typing::Ended,
        };
        let (data, detach) = match keys {
            Some(keys) => keys.take(&buffer[..read]),
            None => (buffer[..read].to_vec(), false),
        };
        if !data.is_empty() && packet::transmit(&self.socket, &Packet::Input(data).encode()).is_err() {
            return Typing::Ended;
        }
        if detach { Typing::Detach } else { Typing::On }
    }

    /// Passes signals on; one that is to end this process is returned.
    fn take_signals(&self) -> Option<i32> {
        while let Ok(Some(info)) = self.signals.read_signal() {
            match info.ssi_signo as i32 {
                libc::SIGWINCH => self.tell_size(),
                // It may have ended just now.
                signal if self.options.forward_signals => drop(kill(self.env, self.container, signal)),
                signal => return Some(signal),
            }
        }
        None
    }

    fn tell_size(&self) {
        if let Some(size) = window_size() {
            let packet = Packet::Size(size.ws_col, size.ws_row);
            let _ = packet::transmit(&self.socket, &packet.encode());
        }
    }
}

enum Typing {
    On,
    Ended,
    Detach,
}
