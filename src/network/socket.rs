//! A small synchronous netlink client: send, then read until the acknowledgement.

use std::io;
use std::os::fd::BorrowedFd;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NetlinkHeader,
    NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::protocols::{NETLINK_NETFILTER, NETLINK_ROUTE};
use netlink_sys::{Socket, SocketAddr};
use nix::sched::{CloneFlags, setns};

use super::error::Error;

/// Largest datagram the kernel sends in a dump is 32 KiB.
const RECEIVE: usize = 64 * 1024;
/// Length of `struct nlmsghdr`.
pub(super) const HEADER: usize = 16;
/// How often a dump that raced with a change is asked for again.
const DUMP_ATTEMPTS: usize = 8;

/// A netlink socket; it stays in the network namespace in which it was made.
pub(super) struct Netlink {
    socket: Socket,
    sequence: u32,
}

/// One message of an answer.
pub(super) struct Reply {
    /// `nlmsg_type`.
    pub kind: u16,
    /// What follows the header.
    pub payload: Vec<u8>,
}

impl Netlink {
    /// rtnetlink in the caller's network namespace.
    pub fn route() -> Result<Self, Error> {
        Self::open(NETLINK_ROUTE).map_err(Error::Socket)
    }

    /// nfnetlink in the caller's network namespace.
    pub fn netfilter() -> Result<Self, Error> {
        Self::open(NETLINK_NETFILTER).map_err(Error::Socket)
    }

    /// rtnetlink inside `netns`: the calling thread visits it just long enough to make the socket.
    pub fn route_in(netns: BorrowedFd<'_>) -> Result<Self, Error> {
        visit(netns, Self::route)?
    }

    fn open(protocol: isize) -> io::Result<Self> {
        let mut socket = Socket::new(protocol)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// A sequence number not used before on this socket.
    pub fn next_sequence(&mut self) -> u32 {
        self.sequence += 1;
        self.sequence
    }

    /// Sends one rtnetlink request and reads up to its acknowledgement.
    pub fn request(
        &mut self,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> io::Result<Vec<RouteNetlinkMessage>> {
        let bytes = self.encode(message, NLM_F_REQUEST | NLM_F_ACK | flags);
        self.send(&bytes)?;
        let sequence = self.sequence;
        decode(&self.receive(sequence)?)
    }

    /// Asks for every object of a kind. A dump that a change interrupted is repeated.
    pub fn dump(&mut self, message: &RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
        let replies = self.dump_raw(|socket| socket.encode(message.clone(), NLM_F_REQUEST | NLM_F_DUMP))?;
        decode(&replies)
    }

    /// Like [`Netlink::dump`] for a request encoded by the caller with [`Netlink::next_sequence`].
    pub fn dump_raw(&mut self, encode: impl Fn(&mut Self) -> Vec<u8>) -> io::Result<Vec<Reply>> {
        for _ in 1..DUMP_ATTEMPTS {
            let bytes = encode(self);
            self.send(&bytes)?;
            let sequence = self.sequence;
            match self.receive(sequence) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
        Err(io::Error::from_raw_os_error(libc::EBUSY))
    }

    fn encode(&mut self, message: RouteNetlinkMessage, flags: u16) -> Vec<u8> {
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        header.sequence_number = self.next_sequence();
        let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        bytes
    }

    /// Sends what is already encoded.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        loop {
            match self.socket.send(bytes, 0) {
                Ok(n) if n == bytes.len() => return Ok(()),
                Ok(_) => return Err(io::Error::from_raw_os_error(libc::EMSGSIZE)),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Reads until `sequence` is acknowledged or its dump is done. The first refusal met, also of an
    /// earlier message of the same batch, is the result. `Interrupted` means that the dump is inconsistent.
    pub fn receive(&mut self, sequence: u32) -> io::Result<Vec<Reply>> {
        let mut replies = Vec::new();
        let mut interrupted = false;
        loop {
            let mut buffer = Vec::with_capacity(RECEIVE);
            match self.socket.recv_from(&mut buffer, 0) {
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            }
            for message in Messages(&buffer) {
                let message = message?;
                interrupted |= message.flags & NLM_F_DUMP_INTR != 0;
                match message.kind {
                    NLMSG_ERROR | NLMSG_DONE => {
                        let code = leading_i32(message.payload);
                        if code != 0 {
                            return Err(io::Error::from_raw_os_error(code.wrapping_neg()));
                        }
                        if message.sequence == sequence {
                            return if interrupted {
                                Err(io::ErrorKind::Interrupted.into())
                            } else {
                                Ok(replies)
                            };
                        }
                    }
                    _ if message.sequence == sequence => {
                        replies.push(Reply { kind: message.kind, payload: message.payload.to_vec() });
                    }
                    _ => {}
                }
            }
        }
    }
}

/// Does something in a network namespace, in a thread that enters it and ends there: the way back is open to root alone.
pub(super) fn visit<T: Send>(netns: BorrowedFd<'_>, work: impl FnOnce() -> T + Send) -> Result<T, Error> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| enter(netns).map(|()| work()));
        thread.join().unwrap_or_else(|_| Err(Error::Namespace(io::ErrorKind::Other.into())))
    })
}

fn enter(netns: BorrowedFd<'_>) -> Result<(), Error> {
    setns(netns, CloneFlags::CLONE_NEWNET).map_err(|e| Error::Namespace(e.into()))
}

fn decode(replies: &[Reply]) -> io::Result<Vec<RouteNetlinkMessage>> {
    use netlink_packet_core::NetlinkDeserializable;
    replies
        .iter()
        .map(|reply| {
            let mut header = NetlinkHeader::default();
            header.message_type = reply.kind;
            RouteNetlinkMessage::deserialize(&header, &reply.payload)
                .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e.to_string()))
        })
        .collect()
}

fn leading_i32(payload: &[u8]) -> i32 {
    payload.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes))
}

struct Message<'a> {
    kind: u16,
    flags: u16,
    sequence: u32,
    payload: &'a [u8],
}

/// The messages of one datagram (netlink(7)).
struct Messages<'a>(&'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = io::Result<Message<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let buffer = std::mem::take(&mut self.0);
        let Some(&[l0, l1, l2, l3, k0, k1, f0, f1, s0, s1, s2, s3, ..]) = buffer.first_chunk::<HEADER>()
        else {
            return Some(Err(io::ErrorKind::InvalidData.into()));
        };
        let length = u32::from_ne_bytes([l0, l1, l2, l3]) as usize;
        let Some(payload) = buffer.get(HEADER..length) else {
            return Some(Err(io::ErrorKind::InvalidData.into()));
        };
        self.0 = buffer.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Ok(Message {
            kind: u16::from_ne_bytes([k0, k1]),
            flags: u16::from_ne_bytes([f0, f1]),
            sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
            payload,
        }))
    }
}
