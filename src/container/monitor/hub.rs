//! Those who are attached to a monitor's container.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};

use crate::container::error::Error;
use crate::container::exit::Exit;
use crate::container::logs::Stream;
use crate::container::packet::{self, Packet};
use crate::kernel::memory::poll_lean;

/// As much output is kept for one who takes it slowly, in bytes; then the container waits.
const HELD: usize = 1 << 20;
/// How long those who are attached may take to hear the last of it.
const FAREWELL: Duration = Duration::from_secs(5);

/// The monitor's socket, and everyone who came by it.
#[derive(Debug)]
pub(in crate::container) struct Hub {
    listener: OwnedFd,
    clients: Vec<Client>,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Client {
    socket: OwnedFd,
    pending: VecDeque<Vec<u8>>,
    held: usize,
    gone: bool,
}

/// What somebody wants of the container.
#[derive(Debug)]
pub(in crate::container) enum Wish {
    /// This is typed.
    Input(Vec<u8>),
    /// Nothing more will be.
    EndOfInput,
    /// The terminal is to have these columns and rows.
    Size(u16, u16),
}

/// Which descriptor is ready.
#[derive(Clone, Copy, Debug)]
pub(in crate::container) enum Door {
    /// Somebody new.
    Listener,
    /// Somebody who is attached.
    Client(usize),
}

impl Hub {
    /// Opens the socket in the container's directory.
    pub fn open(dir: &Path) -> Result<Hub, Error> {
        Ok(Hub { listener: packet::listen_in(dir)?, clients: Vec::new(), buffer: Vec::new() })
    }

    /// Takes somebody in who has a connection already.
    pub fn admit(&mut self, socket: OwnedFd) -> Result<(), Error> {
        rustix::io::ioctl_fionbio(&socket, true).map_err(|e| Error::System("attach", e.into()))?;
        self.clients.push(Client { socket, pending: VecDeque::new(), held: 0, gone: false });
        Ok(())
    }

    /// The size of the terminal of somebody who said it before all else.
    pub fn first_size(&mut self) -> Option<rustix::termios::Winsize> {
        let mut buffer = [0; 64];
        match packet::receive(&self.clients.first()?.socket, &mut buffer) {
            Ok(Some(Packet::Size(columns, rows))) => {
                Some(rustix::termios::Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 })
            }
            _ => None,
        }
    }

    /// What to wait for.
    pub fn doors(&self) -> impl Iterator<Item = (Door, BorrowedFd<'_>, PollFlags)> {
        let flags = |client: &Client| match client.pending.is_empty() {
            true => PollFlags::IN,
            false => PollFlags::IN | PollFlags::OUT,
        };
        let clients = self.clients.iter().enumerate();
        let clients = clients.map(move |(index, c)| (Door::Client(index), c.socket.as_fd(), flags(c)));
        std::iter::once((Door::Listener, self.listener.as_fd(), PollFlags::IN)).chain(clients)
    }

    /// Whether somebody has to take what is there before there may be more.
    pub fn is_full(&self) -> bool {
        self.clients.iter().any(|client| client.held > HELD)
    }

    /// Deals with a descriptor that is ready; what was wished.
    pub fn serve(&mut self, door: Door) -> Vec<Wish> {
        match door {
            Door::Listener => {
                self.welcome();
                Vec::new()
            }
            Door::Client(index) => {
                self.buffer.resize(packet::MOST + 1, 0);
                let (Some(client), buffer) = (self.clients.get_mut(index), &mut self.buffer) else {
                    return Vec::new();
                };
                client.flush();
                client.hear(buffer)
            }
        }
    }

    /// Forgets those who went. Indices in [`Door`] change by it.
    pub fn clear(&mut self) {
        self.clients.retain(|client| !client.gone);
        if self.clients.is_empty() {
            self.buffer = Vec::new();
        }
    }

    fn welcome(&mut self) {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        while let Ok(socket) = accept_with(&self.listener, flags) {
            self.clients.push(Client { socket, pending: VecDeque::new(), held: 0, gone: false });
        }
    }

    /// Tells everyone what the container printed.
    pub fn tell(&mut self, stream: Stream, data: &[u8]) {
        if self.clients.is_empty() {
            return;
        }
        for piece in data.chunks(packet::MOST) {
            let packet = match stream {
                Stream::Stdout => Packet::Stdout(piece.to_vec()),
                Stream::Stderr => Packet::Stderr(piece.to_vec()),
            };
            self.send(&packet);
        }
    }

    fn send(&mut self, packet: &Packet) {
        let bytes = packet.encode();
        for client in &mut self.clients {
            client.held += bytes.len();
            client.pending.push_back(bytes.clone());
            client.flush();
        }
    }

    /// Tells everyone that the container ended, and lets them go.
    pub fn part(&mut self, exit: &Exit) {
        self.welcome();
        self.send(&Packet::Exit(exit.clone()));
        let deadline = Instant::now() + FAREWELL;
        loop {
            self.clients.retain(|client| !client.gone && !client.pending.is_empty());
            let left = deadline.saturating_duration_since(Instant::now());
            let waiting = |client| PollFd::from_borrowed_fd(AsFd::as_fd(client), PollFlags::OUT);
            let mut fds: Vec<_> = self.clients.iter().map(|client| waiting(&client.socket)).collect();
            if fds.is_empty() || left.is_zero() {
                break;
            }
            let _ = poll(&mut fds, Timespec::try_from(left).ok().as_ref());
            self.clients.iter_mut().for_each(Client::flush);
        }
        self.clients.clear();
    }

    /// Waits for some time, or until somebody comes.
    pub fn doze(&mut self, pause: Duration) {
        let mut fds = [PollFd::new(&self.listener, PollFlags::IN)];
        let _ = poll_lean(&mut fds, Timespec::try_from(pause).ok().as_ref());
        self.welcome();
    }
}

impl Client {
    fn flush(&mut self) {
        while let Some(bytes) = self.pending.front() {
            match packet::transmit(&self.socket, bytes) {
                Ok(()) => {
                    self.held -= bytes.len();
                    self.pending.pop_front();
                }
                Err(Errno::AGAIN) => return,
                Err(_) => {
                    (self.gone, self.held) = (true, 0);
                    self.pending.clear();
                }
            }
        }
    }

    fn hear(&mut self, buffer: &mut [u8]) -> Vec<Wish> {
        let mut wishes = Vec::new();
        // One packet at a time: the container may not take more just now.
        match packet::receive(&self.socket, buffer) {
            Ok(Some(Packet::Input(data))) => wishes.push(Wish::Input(data)),
            Ok(Some(Packet::EndOfInput)) => wishes.push(Wish::EndOfInput),
            Ok(Some(Packet::Size(columns, rows))) => wishes.push(Wish::Size(columns, rows)),
            Err(Errno::AGAIN) => {}
            _ => self.gone = true,
        }
        wishes
    }
}
