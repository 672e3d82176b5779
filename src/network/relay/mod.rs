//! Carries what comes to a published port by a way on which rules of the kernel cannot lead it: from ::1, to which no
//! answer comes by another link, and by IPv6 to a container that has none.
//!
//! It waits for nothing by itself: who holds it polls what it names, and calls it when something is ready. It keeps no bytes,
//! since a stream's are taken from one side only when the other side has them.

mod datagram;
mod stream;
#[cfg(test)]
pub(super) mod tests;

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};

use self::datagram::Session;
use self::stream::{Side, Stream};
use super::port::{PortMapping, Protocol};

/// Most streams, and most clients that send datagrams, at one time.
const MOST: usize = 1024;
/// Streams and datagrams taken before others get their turn.
const BURST: usize = 32;
/// How long a client that sends datagrams is remembered after the last one, either way. Docker's proxy takes as long.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long nobody is taken in after there was no room.
const REST: Duration = Duration::from_millis(100);

/// Where a published port leads to now, the first choice first; nowhere if there is nothing.
pub type Leads<'a> = &'a dyn Fn(&PortMapping) -> Vec<SocketAddr>;

/// Sockets of published ports, and what is on its way between them and a container.
#[derive(Debug)]
pub struct Relay {
    ports: Vec<Port>,
    streams: Vec<Stream>,
    sessions: Vec<Session>,
    /// Most streams and most sessions.
    most: usize,
    patience: Duration,
    /// When streams are taken in again.
    rest: Option<Instant>,
}

#[derive(Debug)]
struct Port {
    mapping: PortMapping,
    socket: OwnedFd,
}

/// Which descriptor is ready.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// That of a published port.
    Port(usize),
    /// A stream's client.
    Client(usize),
    /// What a stream leads to.
    Server(usize),
    /// What a client's datagrams lead to.
    Session(usize),
}

impl Default for Relay {
    fn default() -> Relay {
        // A stream has two descriptors, a session one; a quarter is left to others in this process.
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let quarter = limit.map_or(MOST, |limit| usize::try_from(limit / 4).unwrap_or(MOST));
        Relay {
            ports: Vec::new(),
            streams: Vec::new(),
            sessions: Vec::new(),
            most: quarter.clamp(1, MOST),
            patience: PATIENCE,
            rest: None,
        }
    }
}

impl Relay {
    /// Carries what comes to this socket, too, which is bound, does not wait, and listens if it is for streams.
    ///
    /// # Errors
    /// When the kernel does not tell where datagrams were sent to.
    pub(super) fn add(&mut self, mapping: PortMapping, socket: OwnedFd) -> io::Result<()> {
        if mapping.protocol == Protocol::Udp {
            datagram::prepare(&socket)?;
        }
        self.ports.push(Port { mapping, socket });
        Ok(())
    }

    /// What to wait for.
    pub fn ends(&self) -> impl Iterator<Item = (End, BorrowedFd<'_>, PollFlags)> {
        let room = self.streams.len() < self.most && self.rest.is_none();
        let ports = self.ports.iter().enumerate();
        let ports = ports.filter(move |(_, port)| room || port.mapping.protocol == Protocol::Udp);
        let ports = ports.map(|(index, port)| (End::Port(index), port.socket.as_fd(), PollFlags::IN));
        let streams = self.streams.iter().enumerate().flat_map(|(index, stream)| {
            let client = stream.waits(Side::Client).map(|(fd, flags)| (End::Client(index), fd, flags));
            let server = stream.waits(Side::Server).map(|(fd, flags)| (End::Server(index), fd, flags));
            client.into_iter().chain(server)
        });
        let sessions = self.sessions.iter().enumerate();
        let sessions = sessions.map(|(index, session)| (End::Session(index), session.fd(), PollFlags::IN));
        ports.chain(streams).chain(sessions)
    }

    /// When there is something to do even if nothing is ready.
    pub fn next(&self) -> Option<Instant> {
        self.sessions.iter().map(|session| session.until).chain(self.rest).min()
    }

    /// Does what can be done without waiting. What is carried passes through `buffer`.
    pub fn serve(&mut self, ready: &[(End, PollFlags)], leads: Leads<'_>, buffer: &mut [u8]) {
        for (end, flags) in ready {
            match *end {
                End::Client(index) => self.go_on(index, Side::Client, *flags, buffer),
                End::Server(index) => self.go_on(index, Side::Server, *flags, buffer),
                End::Session(index) => self.answer(index, buffer),
                End::Port(_) => {}
            }
        }
        // What is new comes last, so that the numbers above hold.
        for (end, _) in ready {
            match end {
                End::Port(index) if self.ports[*index].mapping.protocol == Protocol::Tcp => {
                    self.welcome(*index, leads);
                }
                End::Port(index) => self.hear(*index, leads, buffer),
                _ => {}
            }
        }
        let now = Instant::now();
        self.streams.retain(|stream| !stream.over);
        self.sessions.retain(|session| session.until > now);
        self.rest = self.rest.filter(|until| *until > now);
    }

    fn go_on(&mut self, index: usize, side: Side, flags: PollFlags, buffer: &mut [u8]) {
        if let Some(stream) = self.streams.get_mut(index) {
            stream.go_on(side, flags, buffer);
        }
    }

    /// Takes new streams in.
    fn welcome(&mut self, index: usize, leads: Leads<'_>) {
        let port = &self.ports[index];
        for _ in 0..BURST {
            if self.streams.len() >= self.most {
                return;
            }
            match accept_with(&port.socket, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok(client) => self.streams.extend(Stream::open(client, leads(&port.mapping))),
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                // Such as that there are no descriptors left.
                Err(_) => {
                    self.rest = Some(Instant::now() + REST);
                    return;
                }
            }
        }
    }

    /// Takes datagrams from clients.
    fn hear(&mut self, index: usize, leads: Leads<'_>, buffer: &mut [u8]) {
        let port = &self.ports[index];
        for _ in 0..BURST {
            let Some((length, client)) = datagram::receive(&port.socket, buffer) else { return };
            let known = self.sessions.iter().position(|session| session.is_of(index, &client));
            let known = known.or_else(|| {
                let session = Session::open(index, client, leads(&port.mapping))?;
                if self.sessions.len() >= self.most {
                    forget_oldest(&mut self.sessions);
                }
                self.sessions.push(session);
                Some(self.sessions.len() - 1)
            });
            if let Some(session) = known.and_then(|at| self.sessions.get_mut(at)) {
                session.until = Instant::now() + self.patience;
                session.pass_on(&buffer[..length]);
            }
        }
    }

    /// Takes a container's datagrams to a client.
    fn answer(&mut self, index: usize, buffer: &mut [u8]) {
        let Some(session) = self.sessions.get_mut(index) else { return };
        let Some(port) = self.ports.get(session.port) else { return };
        for _ in 0..BURST {
            let Some(length) = session.receive(buffer) else { return };
            session.until = Instant::now() + self.patience;
            session.client.send(&port.socket, &buffer[..length]);
        }
    }
}

fn forget_oldest(sessions: &mut Vec<Session>) {
    let oldest = sessions.iter().enumerate().min_by_key(|(_, session)| session.until);
    if let Some((index, _)) = oldest {
        sessions.swap_remove(index);
    }
}
