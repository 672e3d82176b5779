//! The loop of a name server: one thread, one poll.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use simple_dns::RCODE;

use super::message::{HEADER, Outcome, consider, failure};
use super::pending::Pending;
use super::tcp::Conversation;
use super::{Names, Sockets};
use crate::kernel::memory::poll_lean;

/// Questions that others are asked at one time; more are answered with a failure.
const QUESTIONS: usize = 128;
/// Connections at one time; more wait.
const CONNECTIONS: usize = 16;
/// Questions taken before others get their turn.
const BURST: usize = 64;

/// What else the loop looks after.
pub trait Tasks {
    /// Readable when it is time to stop.
    fn end(&self) -> BorrowedFd<'_>;
    /// Readable when something is to be done.
    fn watch(&self) -> Option<BorrowedFd<'_>>;
    /// Does it.
    fn act(&mut self);
}

/// Answers questions until it is time to stop.
///
/// # Errors
/// When the sockets cannot be used; what goes wrong with one question is an answer.
pub fn serve(sockets: &Sockets, names: &dyn Names, tasks: &mut dyn Tasks) -> io::Result<()> {
    sockets.udp.set_nonblocking(true)?;
    sockets.tcp.set_nonblocking(true)?;
    let mut server = Server { sockets, names, pending: Vec::new(), conversations: Vec::new() };
    loop {
        let ready = server.wait(tasks)?;
        if ready.end {
            return Ok(());
        }
        if ready.watch {
            tasks.act();
        }
        server.receive(&ready);
        server.converse(&ready);
        if ready.udp {
            server.questions();
        }
        if ready.tcp
            && let Ok((stream, _)) = sockets.tcp.accept()
        {
            server.conversations.extend(Conversation::new(stream));
        }
    }
}

struct Server<'a> {
    sockets: &'a Sockets,
    names: &'a dyn Names,
    pending: Vec<Pending>,
    conversations: Vec<Conversation>,
}

/// What can be read or written without waiting.
struct Ready {
    end: bool,
    watch: bool,
    udp: bool,
    tcp: bool,
    pending: Vec<bool>,
    conversations: Vec<bool>,
}

impl Server<'_> {
    fn wait(&self, tasks: &dyn Tasks) -> io::Result<Ready> {
        let end = tasks.end();
        let mut fds = vec![PollFd::from_borrowed_fd(end, PollFlags::IN)];
        // A watch that is not there is the end, which is looked at first.
        fds.push(PollFd::from_borrowed_fd(tasks.watch().unwrap_or(end), PollFlags::IN));
        fds.push(PollFd::new(&self.sockets.udp, PollFlags::IN));
        let room = self.conversations.len() < CONNECTIONS;
        fds.push(PollFd::new(&self.sockets.tcp, if room { PollFlags::IN } else { PollFlags::empty() }));
        fds.extend(self.pending.iter().map(|p| PollFd::from_borrowed_fd(p.socket.as_fd(), PollFlags::IN)));
        fds.extend(self.conversations.iter().map(|c| {
            let (fd, flags) = c.waits_for();
            PollFd::from_borrowed_fd(fd, flags)
        }));
        let deadlines = self.pending.iter().map(|p| p.deadline);
        let next = deadlines.chain(self.conversations.iter().map(|c| c.deadline)).min();
        let timeout = next.map(|at| Timespec::try_from(at.saturating_duration_since(Instant::now())));
        let timeout = timeout.transpose().map_err(io::Error::other)?;
        match poll_lean(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
        let mut ready = fds.iter().map(|fd| !fd.revents().is_empty());
        let mut one = || ready.next().unwrap_or(false);
        let (end, watch, udp, tcp) = (one(), one(), one(), one());
        let pending = (0..self.pending.len()).map(|_| one()).collect();
        let conversations = (0..self.conversations.len()).map(|_| one()).collect();
        Ok(Ready { end, watch, udp, tcp, pending, conversations })
    }

    /// Takes what containers ask by UDP.
    fn questions(&mut self) {
        let mut buffer = [0; 4096];
        for _ in 0..BURST {
            let Ok((length, client)) = self.sockets.udp.recv_from(&mut buffer) else { return };
            let question = &buffer[..length];
            let reply = match consider(question, self.names, false) {
                Outcome::Ignore => None,
                Outcome::Answer(bytes) => Some(bytes),
                Outcome::Forward if self.pending.len() >= QUESTIONS || length < HEADER => {
                    failure(question, RCODE::ServerFailure)
                }
                Outcome::Forward => match Pending::ask(client, question, self.names.servers()) {
                    Ok(pending) => {
                        self.pending.push(pending);
                        None
                    }
                    Err(reply) => reply,
                },
            };
            self.reply(client, reply);
        }
    }

    /// Who does not wait for the answer any more does not get it.
    fn reply(&self, client: std::net::SocketAddr, reply: Option<Vec<u8>>) {
        if let Some(bytes) = reply {
            let _ = self.sockets.udp.send_to(&bytes, client);
        }
    }

    /// Takes what others answer, and asks the next ones where they do not.
    fn receive(&mut self, ready: &Ready) {
        let now = Instant::now();
        for (mut pending, is_ready) in std::mem::take(&mut self.pending).into_iter().zip(&ready.pending) {
            let client = pending.client;
            let came = if *is_ready { pending.receive() } else { None };
            let next = match came {
                Some(Ok(bytes)) => Err(Some(bytes)),
                Some(Err(())) => pending.again(),
                None if pending.deadline <= now => pending.again(),
                None => Ok(pending),
            };
            match next {
                Ok(pending) => self.pending.push(pending),
                Err(reply) => self.reply(client, reply),
            }
        }
    }

    fn converse(&mut self, ready: &Ready) {
        let now = Instant::now();
        let names = self.names;
        let mut is_ready = ready.conversations.iter();
        self.conversations.retain_mut(|conversation| match is_ready.next() {
            Some(true) => conversation.go_on(names),
            _ => conversation.deadline > now,
        });
    }
}
