//! Questions that somebody else was asked by UDP.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use simple_dns::RCODE;

use super::message::{answers, failure, is_failure};

/// How long one server may take.
const PATIENCE: Duration = Duration::from_millis(2500);

/// A question on its way.
#[derive(Debug)]
pub(super) struct Pending {
    /// Who asked.
    pub client: SocketAddr,
    question: Vec<u8>,
    servers: Vec<SocketAddr>,
    /// The socket on which the answer comes; a new one, with a port that nobody knows, for each attempt.
    pub socket: UdpSocket,
    id: [u8; 2],
    /// When the next server is asked.
    pub deadline: Instant,
    /// What a server that could not answer said.
    last: Option<Vec<u8>>,
}

impl Pending {
    /// Asks the first server that can be reached; the answer that none could, otherwise.
    pub fn ask(
        client: SocketAddr,
        question: &[u8],
        servers: Vec<SocketAddr>,
    ) -> Result<Pending, Option<Vec<u8>>> {
        ask(client, question.to_vec(), servers, None)
    }

    /// Asks the next one.
    pub fn again(self) -> Result<Pending, Option<Vec<u8>>> {
        ask(self.client, self.question, self.servers, self.last)
    }

    /// Reads what came: an answer for the client, none where more may come, or a reason to ask the next server.
    pub fn receive(&mut self) -> Option<Result<Vec<u8>, ()>> {
        let mut buffer = vec![0; usize::from(u16::MAX)];
        let length = match self.socket.recv(&mut buffer) {
            Ok(length) => length,
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                return None;
            }
            // Nobody is there.
            Err(_) => return Some(Err(())),
        };
        buffer.truncate(length);
        if buffer.get(..2) != Some(&self.id[..]) || !answers(&buffer, &self.question) {
            return None;
        }
        buffer[..2].copy_from_slice(&self.question[..2]);
        if is_failure(&buffer) && !self.servers.is_empty() {
            self.last = Some(buffer);
            return Some(Err(()));
        }
        Some(Ok(buffer))
    }
}

fn ask(
    client: SocketAddr,
    question: Vec<u8>,
    mut servers: Vec<SocketAddr>,
    last: Option<Vec<u8>>,
) -> Result<Pending, Option<Vec<u8>>> {
    while !servers.is_empty() {
        let server = servers.remove(0);
        if let Ok((socket, id)) = send(server, &question) {
            let deadline = Instant::now() + PATIENCE;
            return Ok(Pending { client, question, servers, socket, id, deadline, last });
        }
    }
    Err(last.or_else(|| failure(&question, RCODE::ServerFailure)))
}

fn send(server: SocketAddr, question: &[u8]) -> io::Result<(UdpSocket, [u8; 2])> {
    let any: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = UdpSocket::bind(any)?;
    socket.connect(server)?;
    socket.set_nonblocking(true)?;
    let mut id = [0; 2];
    rustix::rand::getrandom(&mut id, rustix::rand::GetRandomFlags::empty())?;
    let mut bytes = question.to_vec();
    bytes[..2].copy_from_slice(&id);
    socket.send(&bytes)?;
    Ok((socket, id))
}
