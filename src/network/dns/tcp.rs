//! Questions by TCP, which somebody else is asked by TCP too (RFC 7766).

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};
use simple_dns::RCODE;

use super::Names;
use super::message::{HEADER, Outcome, consider, failure};

/// How long a client or a server may take to go on.
const PATIENCE: Duration = Duration::from_secs(4);

/// One client's connection: reads a question, has it answered, writes the answer, and so on.
#[derive(Debug)]
pub(super) struct Conversation {
    client: TcpStream,
    state: State,
    /// When it is given up.
    pub deadline: Instant,
}

#[derive(Debug)]
enum State {
    /// A question is on its way.
    Question(Vec<u8>),
    /// A server is asked.
    Asking { server: TcpStream, question: Vec<u8>, rest: Vec<u8> },
    /// Its answer is on its way.
    Waiting { server: TcpStream, question: Vec<u8>, answer: Vec<u8> },
    /// The answer goes to the client.
    Answer(Vec<u8>),
}

impl Conversation {
    /// With a client that has connected.
    pub fn new(client: TcpStream) -> Option<Conversation> {
        client.set_nonblocking(true).ok()?;
        Some(Conversation { client, state: State::Question(Vec::new()), deadline: Instant::now() + PATIENCE })
    }

    /// The socket that it waits for.
    pub fn waits_for(&self) -> (BorrowedFd<'_>, PollFlags) {
        match &self.state {
            State::Question(_) => (self.client.as_fd(), PollFlags::IN),
            State::Asking { server, .. } => (server.as_fd(), PollFlags::OUT),
            State::Waiting { server, .. } => (server.as_fd(), PollFlags::IN),
            State::Answer(_) => (self.client.as_fd(), PollFlags::OUT),
        }
    }

    /// Does what can be done; whether it goes on.
    pub fn go_on(&mut self, names: &dyn Names) -> bool {
        self.deadline = Instant::now() + PATIENCE;
        let state = std::mem::replace(&mut self.state, State::Question(Vec::new()));
        match self.step(state, names) {
            Ok(Some(state)) => self.state = state,
            Ok(None) | Err(_) => return false,
        }
        true
    }

    fn step(&mut self, state: State, names: &dyn Names) -> io::Result<Option<State>> {
        Ok(match state {
            State::Question(mut bytes) => match read(&mut self.client, &mut bytes)? {
                Progress::Closed => None,
                Progress::Part => Some(State::Question(bytes)),
                Progress::Whole => self.question(&bytes[2..], names),
            },
            State::Asking { mut server, question, mut rest } => match write(&mut server, &mut rest) {
                Ok(true) => Some(State::Waiting { server, question, answer: Vec::new() }),
                Ok(false) => Some(State::Asking { server, question, rest }),
                Err(_) => failed(&question),
            },
            State::Waiting { mut server, question, mut answer } => match read(&mut server, &mut answer) {
                Ok(Progress::Part) => Some(State::Waiting { server, question, answer }),
                Ok(Progress::Whole) => Some(State::Answer(answer)),
                Ok(Progress::Closed) | Err(_) => failed(&question),
            },
            State::Answer(mut bytes) => match write(&mut self.client, &mut bytes)? {
                true => Some(State::Question(Vec::new())),
                false => Some(State::Answer(bytes)),
            },
        })
    }

    fn question(&self, question: &[u8], names: &dyn Names) -> Option<State> {
        match consider(question, names, true) {
            Outcome::Ignore => None,
            Outcome::Answer(bytes) => Some(State::Answer(framed(&bytes))),
            Outcome::Forward if question.len() < HEADER => None,
            Outcome::Forward => {
                let server = names.servers().into_iter().find_map(|server| begin(server).ok());
                match server {
                    Some(server) => {
                        Some(State::Asking { server, question: question.to_vec(), rest: framed(question) })
                    }
                    None => failed(question),
                }
            }
        }
    }
}

fn failed(question: &[u8]) -> Option<State> {
    failure(question, RCODE::ServerFailure).map(|bytes| State::Answer(framed(&bytes)))
}

/// With its length before it.
fn framed(message: &[u8]) -> Vec<u8> {
    // What came in by a frame, or was made for one, fits.
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes()[..], message].concat()
}

/// Begins to connect.
fn begin(server: SocketAddr) -> io::Result<TcpStream> {
    let family = if server.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    match connect(&socket, &server) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket.into()),
        Err(e) => Err(e.into()),
    }
}

enum Progress {
    Closed,
    Part,
    Whole,
}

/// Reads as much of one message as there is, never more.
fn read(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> io::Result<Progress> {
    loop {
        let whole = match bytes.first_chunk() {
            None => 2,
            Some(length) => 2 + usize::from(u16::from_be_bytes(*length)),
        };
        if bytes.len() == whole && whole > 2 {
            return Ok(Progress::Whole);
        }
        let mut buffer = vec![0; whole.max(2) - bytes.len()];
        if buffer.is_empty() {
            return Ok(Progress::Closed);
        }
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(Progress::Closed),
            Ok(length) => bytes.extend_from_slice(&buffer[..length]),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(Progress::Part),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// Writes as much as there is room for; whether that was all.
fn write(stream: &mut TcpStream, rest: &mut Vec<u8>) -> io::Result<bool> {
    while !rest.is_empty() {
        match stream.write(rest) {
            Ok(length) => drop(rest.drain(..length)),
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected) => {
                return Ok(false);
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(true)
}
